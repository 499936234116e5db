mod flowchart;
mod layers;
mod path;
mod pen;
mod whole;

use std::collections::BTreeMap;
use std::fmt;

pub(super) use flowchart::{Flowchart, flowchart};

use crate::diagnosis::{Answer, Diagnosis};
use crate::runbook::step::{Severity, Step, StepKind};
use crate::runbook::{Highlight, Runbook};

/// The style of a chart: in a page it is in the page's own style sheet.
pub(super) const STYLE: &str = include_str!("chart/chart.css");

/// A runbook as an SVG: a box for each step, an arrow with its guard for each transition, the path of a diagnosis lit.
/// [`Display`](fmt::Display) draws all of it, [`to_path_svg`](Self::to_path_svg) only the path and what it did not take.
///
/// It follows the reader's light or dark setting, and carries its content as text too. Titles, ids and guards are escaped.
///
/// ```
/// # #[cfg(feature = "toml")] {
/// use iot_runbook::catalog;
/// use iot_runbook::report::RunbookChart;
///
/// let runbook = catalog::device_offline()?.validate()?;
/// let svg = RunbookChart::new(&runbook).to_string();
/// assert!(svg.starts_with("<svg ") && svg.contains("<title>service-state</title>"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunbookChart {
    title: String,
    start: usize,
    nodes: Vec<Node>,
    arrows: Vec<Arrow>,
    /// The nodes of the path, in the order in which they were come to first.
    walked: Vec<usize>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    id: String,
    /// The title; the id where there is none.
    title: String,
    /// The group, and what the step does where that is not to ask.
    kicker: String,
    /// The severity of a conclusion.
    end: Option<Severity>,
    /// What was found, in words.
    answer: Option<String>,
    /// How often the path came to it.
    times: usize,
    state: State,
}

/// What a box has to do with the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no path.
    Plain,
    /// The path came through.
    Walked,
    /// It was asked to narrow down what is possible, and no path leads there.
    Explored,
    /// A conclusion that is still possible.
    Possible,
    /// The path passed it by.
    Apart,
}

/// The transitions from one step to another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrow {
    from: usize,
    to: usize,
    /// Their guards; where the path took one of them, the guard of that one.
    label: String,
    is_lit: bool,
    /// Whether the step that it leaves has no answer that takes another.
    is_open: bool,
}

impl RunbookChart {
    /// A chart of a runbook without a path.
    #[must_use]
    pub fn new(runbook: &Runbook) -> Self {
        Self::drawn(runbook, None)
    }

    /// A chart of a runbook in which what `highlight` has is lit, and the rest is grey.
    #[must_use]
    pub fn with_highlight(runbook: &Runbook, highlight: &Highlight) -> Self {
        Self::drawn(runbook, Some(highlight))
    }

    /// A chart for each runbook that a diagnosis walked, in the order in which it came to them: in the version that it
    /// walked, with the answers, and with the conclusions that are still possible.
    #[must_use]
    pub fn of_diagnosis(diagnosis: &Diagnosis) -> Vec<Self> {
        let answers = diagnosis.answers();
        let walked = diagnosis.walked();
        walked.into_iter().map(|runbook| Self::walked_by(diagnosis, runbook, &answers)).collect()
    }

    fn walked_by(diagnosis: &Diagnosis, runbook: &Runbook, answers: &[Answer]) -> Self {
        let mut chart = Self::with_highlight(runbook, &diagnosis.highlight(runbook));
        let position = |step: &str| runbook.find(step).map(|at| at.position());
        // What came back in a row is one visit; a step of the same name in another runbook is another step.
        let mut last = None;
        chart.walked.clear();
        let records = diagnosis.trace().filter(|record| *record.runbook == *runbook.name());
        let current = position(diagnosis.step()).filter(|at| chart.is_walked(*at));
        for at in records.filter_map(|record| position(&record.step)).chain(current) {
            if last.replace(at) != Some(at) {
                if let Some(node) = chart.nodes.get_mut(at) {
                    node.times += 1;
                }
                if !chart.walked.contains(&at) {
                    chart.walked.push(at);
                }
            }
        }
        chart.walked.retain(|at| chart.nodes.get(*at).is_some_and(|node| node.state != State::Apart));
        for answer in answers.iter().filter(|answer| *answer.runbook == *runbook.name()) {
            let node = position(&answer.step).and_then(|at| chart.nodes.get_mut(at));
            // What is asked again, and what somebody reports, is no answer to the step.
            let is_own = |node: &&mut Node| {
                node.end.is_none() && (answer.leads_to.is_some() || *answer.question == *node.title)
            };
            if let Some(node) = node.filter(is_own) {
                node.answer = Some(answer.answer.to_string());
            }
        }
        let finding = diagnosis.finding();
        let possible = finding.iter().flat_map(|finding| finding.hypotheses());
        for id in possible.flat_map(|one| one.conclusions.iter().chain(&one.outcomes)) {
            let node = position(id).and_then(|at| chart.nodes.get_mut(at));
            if let Some(node) = node.filter(|node| node.state == State::Apart) {
                node.state = State::Possible;
            }
        }
        chart
    }

    fn drawn(runbook: &Runbook, highlight: Option<&Highlight>) -> Self {
        let graph = runbook.graph();
        let mut arrows: BTreeMap<(usize, usize), Arrow> = BTreeMap::new();
        let mut add = |from, to, label: String, is_lit: bool| {
            let arrow = arrows.entry((from, to)).or_insert_with(|| Arrow {
                from,
                to,
                label: String::new(),
                is_lit: false,
                is_open: false,
            });
            if is_lit && !arrow.is_lit {
                // What was found, not what else leads to the same step.
                (arrow.label, arrow.is_lit) = (label, true);
            } else if is_lit == arrow.is_lit && !label.is_empty() {
                let joint = if arrow.label.is_empty() { "" } else { " | " };
                arrow.label = format!("{}{joint}{label}", arrow.label);
            }
        };
        for (at, step) in (0_u32..).map(crate::runbook::step::StepIndex).zip(graph.node_weights()) {
            for (position, exit) in step.kind.exits() {
                let is_lit = highlight.is_some_and(|highlight| highlight.has_transition(at, position));
                // Where nearly every conclusion asks the same again first, those arrows would hide all others.
                if is_lit || !matches!(step.kind, StepKind::Conclude(_)) {
                    add(at.position(), exit.to.position(), step.kind.exit_name(position), is_lit);
                }
            }
        }
        let mut nodes: Vec<Node> = graph.node_weights().map(|step| node(step)).collect();
        if let Some(recheck) = runbook.unless() {
            let branches = recheck.branches.as_slice();
            for (position, branch) in (0_u16..).zip(branches) {
                let is_lit = highlight.is_some_and(|highlight| highlight.has_unless(position));
                let label = branch.guard.describe(recheck.branches.domain());
                add(nodes.len(), branch.exit.to.position(), label, is_lit);
            }
            nodes.push(Node {
                id: recheck.id.to_string(),
                title: "Asked again before it ends without a conclusion".to_owned(),
                ..Node::blank()
            });
        }
        let mut chart = Self {
            title: format!("{}, version {}", runbook.name(), runbook.version()),
            start: runbook.start().position(),
            nodes,
            arrows: arrows.into_values().collect(),
            walked: Vec::new(),
        };
        if let Some(highlight) = highlight {
            chart.light(highlight);
        }
        chart
    }

    /// Gives each box and arrow its part in the path.
    fn light(&mut self, highlight: &Highlight) {
        let start = self.start;
        let lit = |at: usize| self.arrows.iter().filter(move |arrow| arrow.is_lit && arrow.from == at);
        let mut walked = Vec::new();
        let mut waiting = vec![start];
        while let Some(at) = waiting.pop() {
            if !walked.contains(&at) {
                walked.push(at);
                waiting.extend(lit(at).map(|arrow| arrow.to));
            }
        }
        // An end that the recheck led to is reached from no step.
        for arrow in self.arrows.iter().filter(|arrow| arrow.is_lit) {
            for at in [arrow.from, arrow.to] {
                if !walked.contains(&at) {
                    walked.push(at);
                }
            }
        }
        let has = |at: usize| {
            u32::try_from(at).is_ok_and(|at| highlight.has_step(crate::runbook::step::StepIndex(at)))
        };
        if !has(start) {
            walked.retain(|at| *at != start);
        }
        let mut explored = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.state = match (walked.contains(&at), has(at)) {
                (true, _) => State::Walked,
                // A conclusion is not asked: it is what the exploration came to.
                (false, true) if node.end.is_some() => State::Walked,
                (false, true) => State::Explored,
                (false, false) => State::Apart,
            };
            if has(at) && !walked.contains(&at) {
                explored.push(at);
            }
        }
        for arrow in 0..self.arrows.len() {
            let Some((from, is_lit)) = self.arrows.get(arrow).map(|arrow| (arrow.from, arrow.is_lit)) else {
                continue;
            };
            let asked = self.nodes.get(from).is_some_and(|node| {
                matches!(node.state, State::Walked | State::Explored) && node.end.is_none()
            });
            let has_left = self.arrows.iter().any(|other| other.from == from && other.is_lit);
            if let Some(arrow) = self.arrows.get_mut(arrow) {
                arrow.is_open = asked && !has_left && !is_lit;
            }
        }
        walked.extend(explored);
        self.walked = walked;
    }

    fn is_walked(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| !matches!(node.state, State::Apart | State::Plain))
    }

    /// True if a path is lit.
    #[must_use]
    pub fn has_path(&self) -> bool {
        !self.walked.is_empty()
    }

    /// The name of the runbook and its version, such as `device-offline, version 2`.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Only the path as an SVG, from top to bottom, and beside each step where its other branches would have led. Without
    /// a path it is all of the chart.
    #[must_use]
    pub fn to_path_svg(&self) -> String {
        if self.has_path() { path::svg(self, true) } else { whole::svg(self, true) }
    }

    /// How many steps the path has.
    pub(super) const fn steps_of_path(&self) -> usize {
        self.walked.len()
    }

    pub(super) fn path_for_page(&self) -> String {
        path::svg(self, false)
    }

    pub(super) fn whole_for_page(&self) -> String {
        whole::svg(self, false)
    }

    /// The path in words, for those who do not see the picture.
    fn in_words(&self) -> String {
        let walked = self.walked.iter().filter_map(|at| self.nodes.get(*at));
        let steps: Vec<String> = walked
            .map(|node| match &node.answer {
                Some(answer) => format!("{} {answer}", node.title),
                None => node.title.clone(),
            })
            .collect();
        if steps.is_empty() { format!("{} steps", self.nodes.len()) } else { steps.join("; ") }
    }
}

impl fmt::Display for RunbookChart {
    /// The whole chart as an SVG.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&whole::svg(self, true))
    }
}

impl Node {
    const fn blank() -> Self {
        Self {
            id: String::new(),
            title: String::new(),
            kicker: String::new(),
            end: None,
            answer: None,
            times: 0,
            state: State::Plain,
        }
    }
}

fn node(step: &Step) -> Node {
    let does = match &step.kind {
        StepKind::Check(_) => None,
        StepKind::Conclude(conclusion) => Some(conclusion.severity.name()),
        StepKind::Ask(_) => Some("a person is asked"),
        StepKind::Handover(_) => Some("runbook"),
        kind => Some(kind.name()),
    };
    let kicker: Vec<&str> = step.group.as_deref().into_iter().chain(does).collect();
    let end = match &step.kind {
        StepKind::Conclude(conclusion) => Some(conclusion.severity),
        _ => None,
    };
    let title = if step.title.trim().is_empty() { &step.id } else { &step.title };
    Node {
        id: step.id.to_string(),
        title: title.to_string(),
        kicker: kicker.join(" · "),
        end,
        ..Node::blank()
    }
}
