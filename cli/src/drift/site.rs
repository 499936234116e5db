//! The two sides of a comparison as graphs: the nodes of a document, and the steps of a runbook.

use std::collections::BTreeSet;

use iot_runbook::Runbook;
use iot_runbook::runbook::guard::{Guard, Values};
use iot_runbook::runbook::step::{CheckSource, OnUnknown, Param, QueryIndex, Step, StepKind};

use super::figures::{Figure, Range, figures};
use crate::facets;
use crate::mermaid::Flowchart;

/// A node of a document's chart.
pub(super) struct Site {
    pub(super) id: String,
    pub(super) lines: Vec<String>,
    pub(super) at: usize,
    /// Which chart of the document it is in.
    pub(super) chart: usize,
}

impl Site {
    pub(super) fn text(&self) -> String {
        self.lines.join(" ")
    }
}

/// An arrow of a document.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: String,
    pub(super) at: usize,
}

/// All charts of a document that describe one runbook.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) sites: Vec<Site>,
    pub(super) arrows: Vec<Arrow>,
}

impl Plan {
    pub(super) fn of(charts: &[Flowchart]) -> Self {
        let mut plan = Self::default();
        for (number, chart) in charts.iter().enumerate() {
            let first = plan.sites.len();
            plan.sites.extend(chart.nodes.iter().map(|node| Site {
                id: node.id.clone(),
                lines: node.lines.clone(),
                at: node.at,
                chart: number,
            }));
            plan.arrows.extend(chart.edges.iter().map(|edge| Arrow {
                from: first + edge.from,
                to: first + edge.to,
                label: edge.label.clone(),
                at: edge.at,
            }));
        }
        plan
    }
}

/// What a runbook does at one place: a step or a conclusion, its trigger, or its recheck before an undetermined end.
pub(super) struct Place<'r> {
    pub(super) id: &'r str,
    pub(super) title: &'r str,
    pub(super) step: Option<&'r Step>,
}

/// A transition of a runbook.
pub(super) struct Way {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: String,
    pub(super) guard: Option<Guard>,
    /// The values of its guard in words, such as `port-refused`.
    pub(super) choices: Vec<String>,
    /// Taken where nobody could answer, or where the subject does not name the part.
    pub(super) is_unknown: bool,
}

impl Way {
    pub(super) fn range(&self) -> Option<Range> {
        self.guard.as_ref().and_then(Range::of_guard)
    }
}

/// A runbook as places and ways. The steps are in their order; then the trigger, then the recheck if it has one.
pub(super) struct Course<'r> {
    pub(super) runbook: &'r Runbook,
    pub(super) places: Vec<Place<'r>>,
    pub(super) ways: Vec<Way>,
    pub(super) trigger: usize,
    pub(super) unless: Option<usize>,
}

/// The words of a chart for the recheck before an undetermined end, as `draw` writes them.
pub(super) const UNLESS: &str = "before an undetermined end";
/// The word of a mapping for what begins a chart.
pub(super) const TRIGGER: &str = "trigger";

impl<'r> Course<'r> {
    pub(super) fn of(runbook: &'r Runbook) -> Self {
        let mut places: Vec<Place<'r>> = runbook
            .steps()
            .iter()
            .map(|step| Place { id: &step.id, title: &step.title, step: Some(step) })
            .collect();
        let mut ways = Vec::new();
        for (from, step) in runbook.steps().iter().enumerate() {
            for (position, exit) in step.kind.exits() {
                let guard = guard(&step.kind, position);
                let label = step.kind.exit_name(position);
                ways.push(Way {
                    from,
                    to: exit.to.position(),
                    choices: choices(guard, &label),
                    is_unknown: guard.is_none() && is_unknown(&step.kind, &label),
                    guard: guard.cloned(),
                    label,
                });
            }
        }
        let trigger = places.len();
        places.push(Place { id: TRIGGER, title: "", step: None });
        ways.push(Way {
            from: trigger,
            to: runbook.start().position(),
            label: String::new(),
            guard: None,
            choices: Vec::new(),
            is_unknown: false,
        });
        let mut unless = None;
        if let Some(recheck) = runbook.unless() {
            let from = places.len();
            places.push(Place { id: UNLESS, title: &recheck.id, step: None });
            for branch in recheck.branches.as_slice() {
                let label = branch.guard.describe(recheck.branches.domain());
                ways.push(Way {
                    from,
                    to: branch.exit.to.position(),
                    choices: choices(Some(&branch.guard), &label),
                    is_unknown: false,
                    guard: Some(branch.guard.clone()),
                    label,
                });
            }
            unless = Some(from);
        }
        Self { runbook, places, ways, trigger, unless }
    }

    /// The figures that a place acts by, and those of its own words.
    pub(super) fn figures(&self, place: usize) -> Vec<Figure> {
        let Some(step) = self.places.get(place).and_then(|place| place.step) else { return Vec::new() };
        let mut all = Vec::new();
        let mut durations = |lengths: &[Option<chrono::TimeDelta>]| {
            all.extend(lengths.iter().flatten().map(|length| Figure::of_duration(*length)));
        };
        match &step.kind {
            StepKind::Check(check) => {
                durations(&[check.after.map(|after| after.length)]);
                if let OnUnknown::Ask { answer_within, .. } = &check.unknown {
                    durations(&[Some(*answer_within)]);
                }
            }
            StepKind::Wait(wait) => durations(&[wait.length, wait.until.map(|until| until.plus)]),
            StepKind::Act(act) => durations(&[Some(act.answer_within)]),
            StepKind::Ask(ask) => durations(&[Some(ask.answer_within)]),
            _ => {}
        }
        if let Some(query) = query(&step.kind) {
            let query = self.runbook.queries().get(query.position());
            for (_, param) in query.into_iter().flat_map(|query| &query.params) {
                all.extend(match param {
                    Param::Duration(length) => Some(Figure::of_duration(*length)),
                    Param::Number(number) => Some(Figure::Share(*number)),
                    Param::Count(count) => Some(Figure::Count(*count)),
                    _ => None,
                });
            }
            all.extend(query.and_then(|query| query.stale_after).map(Figure::of_duration));
        }
        let ways = self.ways.iter().filter(|way| way.from == place);
        all.extend(ways.filter_map(Way::range).flat_map(Range::figures));
        let facets = facets::of_step(self.runbook, step);
        all.extend(facets.words.iter().flat_map(|(_, text)| figures(text)));
        // A chart that `draw` wrote names these too.
        let name: &str = match &step.kind {
            StepKind::Ask(ask) => &ask.question,
            StepKind::Act(act) => &act.action,
            StepKind::Handover(handover) => &handover.runbook,
            StepKind::Conclude(end) => end.root_cause.as_deref().unwrap_or_default(),
            kind => {
                let query = kind.query().and_then(|at| self.runbook.queries().get(at.position()));
                query.map_or("", |query| &query.check)
            }
        };
        all.extend([name, &*step.id].into_iter().flat_map(figures));
        all
    }
}

fn query(kind: &StepKind) -> Option<QueryIndex> {
    match kind {
        StepKind::Check(check) => match check.source {
            CheckSource::Query(query) => Some(query),
            _ => None,
        },
        other => other.query(),
    }
}

/// The guard of the exit at a position; `None` where it has a name of its own, such as `done` or `unknown`.
fn guard(kind: &StepKind, position: u16) -> Option<&Guard> {
    let at = usize::from(position);
    match kind {
        StepKind::Check(check) => check.branches.as_slice().get(at).map(|branch| &branch.guard),
        StepKind::Ask(ask) => ask.branches.as_slice().get(at).map(|branch| &branch.guard),
        StepKind::Conclude(end) => {
            let recheck = end.unless.as_deref()?;
            recheck.branches.as_slice().get(at).map(|branch| &branch.guard)
        }
        _ => None,
    }
}

fn is_unknown(kind: &StepKind, label: &str) -> bool {
    match kind {
        StepKind::Check(_) | StepKind::Ask(_) => true,
        StepKind::Handover(_) => label == "unknown",
        _ => false,
    }
}

/// The values that a way is taken for, in words.
fn choices(guard: Option<&Guard>, label: &str) -> Vec<String> {
    match guard.map(|guard| &guard.values) {
        Some(Values::Durations(..) | Values::Numbers(..) | Values::Counts(..)) => Vec::new(),
        _ => {
            // The id of a recheck stands before the values.
            let values = label.rsplit(": ").next().unwrap_or(label);
            let all: BTreeSet<&str> = values.split(" | ").filter(|value| *value != "any").collect();
            all.into_iter().map(str::to_owned).collect()
        }
    }
}
