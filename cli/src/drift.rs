//! `iot-runbook drift`: what the flowchart of a document says and a runbook does not do, and the reverse.

mod compare;
mod figures;
mod matching;
mod site;

use std::ops::Range;

use iot_runbook::time::parse_duration;
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Drift;
use crate::explain::thresholds;
use crate::failure::Failure;
use crate::input::{Inputs, Text};
use crate::mermaid::{self, Fault, Flowchart, Mark};
use crate::page::{Page, Style};
use crate::runbooks::{Loaded, load};
use crate::terminal::Terminal;
use crate::words::{self, counted};
use compare::{Coming, Difference};
use figures::Figure;
use matching::{By, Matching};
use site::{Course, Plan};

/// A text, and where its lines begin.
struct Document {
    name: String,
    text: String,
    lines: Vec<usize>,
}

impl Document {
    fn new(text: Text) -> Self {
        let begins = text.text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(begins).collect();
        Self { name: text.name, text: text.text, lines }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }

    /// `name:line:column`, as editors and compilers write it.
    fn place(&self, at: usize) -> String {
        let line = self.line(at);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(begin..at).map_or(0, |before| before.chars().count()) + 1;
        format!("{}:{line}:{column}", self.name)
    }

    fn fault(&self, fault: &Fault) -> Failure {
        let shown = self.text.get(fault.at.clone()).unwrap_or_default();
        let shown = shown.lines().next().unwrap_or_default().trim();
        let shown: String = shown.chars().take(40).collect();
        let shown = if shown.is_empty() { String::new() } else { format!(" (`{shown}`)") };
        Failure::Format {
            name: self.place(fault.at.start),
            reason: format!("{}{shown}; {}", fault.what, fault.remedy),
        }
    }
}

/// What was compared, and what came of it.
struct Comparison<'c> {
    document: &'c Document,
    loaded: &'c Loaded,
    charts: &'c [Flowchart],
    /// Diagrams of other kinds, by their lines.
    others: &'c [(usize, String)],
    plan: &'c Plan,
    course: &'c Course<'c>,
    matching: &'c Matching,
    differences: &'c [Difference],
}

pub(crate) fn run(drift: &Drift, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let loaded = load(&drift.file, &drift.overrides, inputs)?;
    let text =
        inputs.text(&drift.document, "give a Markdown file with a Mermaid flowchart, or a flowchart")?;
    let document = Document::new(text);
    let ending = drift.document.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
    let is_markdown = match ending.as_deref() {
        Some("md" | "markdown" | "mdx") => Some(true),
        Some("mmd" | "mermaid") => Some(false),
        _ => None,
    };
    let several = |faults: &[Fault]| {
        let mut outcome = Outcome::new(String::new(), true);
        outcome.failures = faults.iter().map(|fault| document.fault(fault)).collect();
        outcome
    };
    let ranges = match mermaid::charts(&document.text, is_markdown) {
        Ok(ranges) => ranges,
        Err(faults) => return Ok(several(&faults)),
    };
    let (flowcharts, others) = by_kind(&document, ranges);
    let charts = match chosen(drift, &document, &flowcharts, loaded.runbook.name())? {
        Ok(charts) => charts,
        Err(faults) => return Ok(several(&faults)),
    };
    let plan = Plan::of(&charts);
    let course = Course::of(&loaded.runbook);
    let marks: Vec<(usize, &Mark)> = charts
        .iter()
        .enumerate()
        .flat_map(|(at, chart)| chart.marks.iter().map(move |mark| (at, mark)))
        .collect();
    let matching = match Matching::of(&plan, &course, &marks, &drift.maps) {
        Ok(matching) => matching,
        Err(wrong) => {
            let mut outcome = Outcome::new(String::new(), true);
            outcome.failures = wrong
                .into_iter()
                .map(|wrong| match wrong.at {
                    Some(at) => Failure::Format { name: document.place(at), reason: wrong.what },
                    None => Failure::Other(wrong.what),
                })
                .collect();
            return Ok(outcome);
        }
    };
    let named = named_values(&loaded);
    let differences = compare::compare(&plan, &course, &matching, &|at| document.line(at), named);
    let result = Comparison {
        document: &document,
        loaded: &loaded,
        charts: &charts,
        others: &others,
        plan: &plan,
        course: &course,
        matching: &matching,
        differences: &differences,
    };
    let text = if drift.json { words::json(&result.to_json()) } else { result.to_text(terminal) };
    Ok(Outcome::new(text, !differences.is_empty()))
}

/// The flowcharts of a document, and the diagrams of other kinds by line and kind.
fn by_kind(document: &Document, ranges: Vec<Range<usize>>) -> (Vec<Range<usize>>, Vec<(usize, String)>) {
    let mut flowcharts = Vec::new();
    let mut others = Vec::new();
    let is_one = ranges.len() == 1;
    for range in ranges {
        match mermaid::kind(&document.text, range.clone()) {
            // Of the only one, the reader says what is wrong and where.
            Err(kind) if !is_one => others.push((document.line(range.start), kind)),
            _ => flowcharts.push(range),
        }
    }
    (flowcharts, others)
}

/// The charts that describe the runbook: the one that was named, those with a comment that names it, or the only one.
fn chosen(
    drift: &Drift,
    document: &Document,
    ranges: &[Range<usize>],
    runbook: &str,
) -> Result<Result<Vec<Flowchart>, Vec<Fault>>, Failure> {
    if ranges.is_empty() {
        let reason = "it has no flowchart; put one between ```mermaid and ```".to_owned();
        return Err(Failure::Format { name: document.name.clone(), reason });
    }
    if let Some(number) = drift.chart {
        let Some(range) = number.checked_sub(1).and_then(|at| ranges.get(at)) else {
            let count = counted(ranges.len(), "flowchart");
            let reason = format!("it has {count}, so there is no chart {number}");
            return Err(Failure::Format { name: document.name.clone(), reason });
        };
        return Ok(mermaid::parse(&document.text, range.clone()).map(|chart| vec![chart]));
    }
    let names = |range: &Range<usize>| mermaid::runbooks(&document.text, range.clone());
    let named: Vec<&Range<usize>> = ranges.iter().filter(|range| names(range).contains(&runbook)).collect();
    let taken: Vec<&Range<usize>> = if !named.is_empty() {
        named
    } else {
        let unnamed: Vec<&Range<usize>> = ranges.iter().filter(|range| names(range).is_empty()).collect();
        if unnamed.len() != 1 {
            let lines: Vec<String> =
                ranges.iter().map(|range| document.line(range.start).to_string()).collect();
            let reason = format!(
                "it has {} (lines {}), and none names `{runbook}`; write `%% runbook: {runbook}` into its chart, or pass \
                 `--chart 1` for the first",
                counted(ranges.len(), "flowchart"),
                lines.join(", ")
            );
            return Err(Failure::Format { name: document.name.clone(), reason });
        }
        unnamed
    };
    let mut charts = Vec::new();
    let mut faults = Vec::new();
    for range in taken {
        match mermaid::parse(&document.text, range.clone()) {
            Ok(chart) => charts.push(chart),
            Err(more) => faults.extend(more),
        }
    }
    Ok(if faults.is_empty() { Ok(charts) } else { Err(faults) })
}

/// The named thresholds of a runbook, by value.
fn named_values(loaded: &Loaded) -> Vec<(Figure, String)> {
    let value = |text: &str| {
        let duration = parse_duration(text).ok().map(Figure::of_duration);
        let count = || text.parse().ok().map(Figure::Count);
        duration.or_else(count).or_else(|| text.parse().ok().map(Figure::Share))
    };
    let all = thresholds(&loaded.document);
    all.into_iter().filter_map(|(name, (text, _))| value(&text).map(|value| (value, name))).collect()
}

impl Comparison<'_> {
    fn to_json(&self) -> Value {
        let matches: Vec<Value> = self
            .plan
            .sites
            .iter()
            .enumerate()
            .map(|(at, site)| {
                json!({
                    "node": site.id,
                    "line": self.document.line(site.at),
                    "lines": site.lines,
                    "steps": self.ids(at),
                    "by": self.matching.by.get(at),
                })
            })
            .collect();
        let id = |at: usize| self.plan.sites.get(at).map_or("", |site| &*site.id);
        let arrows: Vec<Value> = self
            .plan
            .arrows
            .iter()
            .map(|arrow| {
                json!({
                    "from": id(arrow.from),
                    "to": id(arrow.to),
                    "label": arrow.label,
                    "line": self.document.line(arrow.at),
                })
            })
            .collect();
        let others: Vec<Value> =
            self.others.iter().map(|(line, kind)| json!({ "line": line, "kind": kind })).collect();
        let charts: Vec<usize> = self.charts.iter().map(|chart| self.document.line(chart.at)).collect();
        json!({
            "same": self.differences.is_empty(),
            "document": self.document.name,
            "runbook": self.loaded.name,
            "charts": charts,
            "other_diagrams": others,
            "nodes": matches,
            "arrows": arrows,
            "drift": self.differences,
        })
    }

    fn ids(&self, site: usize) -> Vec<&str> {
        self.matching
            .of_site(site)
            .filter_map(|place| self.course.places.get(place))
            .map(|place| place.id)
            .collect()
    }

    fn to_text(&self, terminal: &Terminal) -> String {
        let mut page = Page::new(terminal);
        let (document, runbook) = (&self.document.name, &self.loaded.name);
        if self.differences.is_empty() {
            page.styled(Style::Good, "", "  ", &format!("{document} says what {runbook} does"));
        } else {
            let count = counted(self.differences.len(), "difference");
            page.styled(Style::Careful, "", "  ", &format!("{document} drifts from {runbook}: {count}"));
        }
        let head = |kind: usize| match kind {
            0 => "The document says, and the runbook does not do",
            1 => "The runbook does, and the document does not say",
            _ => "Both say, and differently",
        };
        for kind in 0..3 {
            let shown: Vec<&Difference> =
                self.differences.iter().filter(|difference| section(difference) == kind).collect();
            if !shown.is_empty() {
                page.heading(head(kind));
                shown.into_iter().for_each(|difference| self.in_words(difference, &mut page));
            }
        }
        self.guesses(&mut page);
        page.finish()
    }

    fn in_words(&self, difference: &Difference, page: &mut Page) {
        let place = |line: usize| format!("{}:{line}", self.document.name);
        let arrow = |from: &[String], to: &[String], label: &str| {
            let label = if label.is_empty() { String::new() } else { format!(" on \"{label}\"") };
            format!("{} -> {}{label}", from.join(", "), to.join(", "))
        };
        match difference {
            Difference::StepOfDocument { node, line, text, nearest } => {
                page.item("- ", &format!("{}: node {node}, \"{text}\"", place(*line)));
                let hint = match nearest.first() {
                    Some(id) => format!("if it is {}, write `%% step: {node} = {id}`", nearest.join(" or ")),
                    None => format!("if it is a step, write `%% step: {node} = STEP`"),
                };
                page.item("    ", &hint);
            }
            Difference::TransitionOfDocument { from, to, label, line } => {
                page.item("- ", &format!("{}: {}", place(*line), arrow(from, to, label)));
            }
            Difference::StepOfRunbook { step, title, is_conclusion, from } => {
                let kind = if *is_conclusion { "conclusion " } else { "" };
                let title = if title.is_empty() { String::new() } else { format!(": {title}") };
                page.item("+ ", &format!("{kind}{step}{title}"));
                // The first ones are those of steps that the document has.
                const MOST: usize = 3;
                let ways: Vec<String> = from.iter().take(MOST).map(Coming::shown).collect();
                let more = from.len().saturating_sub(MOST);
                let more = if more == 0 { String::new() } else { format!("; {more} more") };
                if !ways.is_empty() {
                    page.item("    ", &format!("after {}{more}", ways.join("; ")));
                }
            }
            Difference::TransitionOfRunbook { from, on, to } => {
                page.item("+ ", &format!("{from} -> {to} on {on}"));
            }
            Difference::ByWayOf { from, to, label, line, by } => {
                let text = format!("{}: {}", place(*line), arrow(from, to, label));
                page.item("~ ", &format!("{text}: the runbook goes by way of {}", by.join(", ")));
            }
            Difference::Guard { from, to, label, line, runbook } => {
                let text = format!("{}: {}", place(*line), arrow(from, to, label));
                page.item("~ ", &format!("{text}: the runbook goes there on {}", runbook.join(", ")));
            }
            Difference::Threshold { at, says, text, line, runbook } => {
                let known = if runbook.is_empty() {
                    "the runbook has no figure there".to_owned()
                } else {
                    format!("the runbook has {}", runbook.join(", "))
                };
                page.item(
                    "~ ",
                    &format!("{}: {says} in \"{text}\" ({}): {known}", place(*line), at.join(", ")),
                );
            }
        }
    }

    /// What was taken for a step by its words alone, so that a person can see a wrong guess.
    fn guesses(&self, page: &mut Page) {
        let guessed = |by: Option<&Option<By>>| matches!(by, Some(Some(By::Words | By::Place)));
        let sites: Vec<usize> =
            (0..self.plan.sites.len()).filter(|at| guessed(self.matching.by.get(*at))).collect();
        if !sites.is_empty() {
            page.heading("Taken for the same by their words");
            for at in sites {
                let Some(site) = self.plan.sites.get(at) else { continue };
                let ids = self.ids(at).join(", ");
                page.item("  ", &format!("{} \"{}\": {ids}", site.id, site.text()));
            }
        }
        if !self.others.is_empty() {
            page.gap();
            let others: Vec<String> =
                self.others.iter().map(|(line, kind)| format!("{kind} (line {line})")).collect();
            page.styled(
                Style::Quiet,
                "",
                "",
                &format!("Not flowcharts, so not compared: {}", others.join(", ")),
            );
        }
    }
}

const fn section(difference: &Difference) -> usize {
    match difference {
        Difference::StepOfDocument { .. } | Difference::TransitionOfDocument { .. } => 0,
        Difference::StepOfRunbook { .. } | Difference::TransitionOfRunbook { .. } => 1,
        _ => 2,
    }
}
