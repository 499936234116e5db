//! `iot-runbook rehearse`: runs the tests of a runbook, and shows which branches none of them took.

use std::collections::BTreeSet;
use std::path::Path;

use iot_runbook::diagnosis::rehearsal::{Rehearsal, RehearsalError, Rehearsed, Way};
use iot_runbook::{Diagnosis, Runbook, RunbookSet};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Rehearse;
use crate::check::Positions;
use crate::failure::Failure;
use crate::input::{Inputs, Text};
use crate::names;
use crate::page::{Page, Style};
use crate::replay::trace;
use crate::runbooks::linked;
use crate::terminal::Terminal;
use crate::words;

/// A file of rehearsals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehearsals {
    rehearsal: Vec<Rehearsal>,
}

/// A rehearsal that was run.
struct Run {
    file: String,
    /// Where it is in the file; `None` in a format without lines.
    line: Option<usize>,
    name: String,
    result: Result<Rehearsed, RehearsalError>,
    /// What came of it, where that was not as expected.
    came: Option<Rehearsed>,
}

/// Which branches of the runbook were taken.
struct Branches {
    taken: usize,
    untaken: Vec<Way>,
}

pub(crate) fn run(rehearse: &Rehearse, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (loaded, set) = linked(&rehearse.file, &rehearse.overrides, &rehearse.with, inputs)?;
    let mut failures = Vec::new();
    let mut runs = Vec::new();
    for path in &rehearse.rehearsals {
        match read(path, inputs) {
            Ok((text, rehearsals)) => runs.extend(run_all(&text, &rehearsals, &set)),
            Err(failure) => failures.push(failure),
        }
    }
    let branches = Branches::of(&loaded.runbook, &runs);
    let failed = runs.iter().filter(|run| run.result.is_err()).count();
    let has_unused = rehearse.strict && runs.iter().any(|run| !run.unused().is_empty());
    let is_too_little = rehearse.least_coverage.is_some_and(|least| branches.percent() < f64::from(least));
    let text = if runs.is_empty() {
        String::new()
    } else if rehearse.json {
        to_json(&runs, &branches)
    } else {
        let mut page = Page::new(terminal);
        results(&runs, failed, &set, rehearse.trace, &mut page);
        unused(&runs, &mut page);
        if rehearse.coverage || is_too_little {
            coverage(&loaded.runbook, &branches, rehearse.least_coverage, &mut page);
        }
        page.finish()
    };
    Ok(Outcome { text, failures, found: failed > 0 || is_too_little || has_unused })
}

fn read(path: &Path, inputs: &mut Inputs) -> Result<(Text, Vec<Rehearsal>), Failure> {
    let text = inputs.text(path, "give rehearsals, in TOML or JSON")?;
    let format = |reason: String| Failure::Format { name: text.name.clone(), reason };
    // No TOML begins like a list of tables in JSON.
    let is_list =
        text.text.trim_start().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'));
    let rehearsals = if text.is_json || is_list {
        let value: Value = serde_json::from_str(&text.text).map_err(|error| format(error.to_string()))?;
        of_json(value).map_err(|error| format(error.to_string()))?
    } else {
        let located = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message: Vec<&str> = error.message().split_whitespace().collect();
            format(format!("line {line}: {}", message.join(" ")))
        };
        // A single rehearsal needs no list around it.
        let positions = Positions::of(&text.text);
        if positions.find("rehearsal").is_none() && positions.find("runbook").is_some() {
            vec![toml::from_str(&text.text).map_err(located)?]
        } else {
            toml::from_str::<Rehearsals>(&text.text).map_err(located)?.rehearsal
        }
    };
    if rehearsals.is_empty() {
        return Err(format("there is no rehearsal in it; add one as [[rehearsal]]".to_owned()));
    }
    Ok((text, rehearsals))
}

/// A list of rehearsals, a table that holds one, or a single rehearsal.
fn of_json(value: Value) -> Result<Vec<Rehearsal>, serde_json::Error> {
    if value.is_array() {
        serde_json::from_value(value)
    } else if value.get("rehearsal").is_some() {
        serde_json::from_value::<Rehearsals>(value).map(|file| file.rehearsal)
    } else {
        serde_json::from_value(value).map(|one| vec![one])
    }
}

fn run_all(text: &Text, rehearsals: &[Rehearsal], set: &RunbookSet) -> Vec<Run> {
    let positions = Positions::of(&text.text);
    let line = |at: usize| positions.line(&text.text, &format!("rehearsal[{at}].name"));
    let run = |(at, rehearsal): (usize, &Rehearsal)| {
        let result = rehearsal.check(set);
        let came = if result.is_err() { rehearsal.run(set).ok() } else { None };
        Run { file: text.name.clone(), line: line(at), name: rehearsal.name.clone(), result, came }
    };
    rehearsals.iter().enumerate().map(run).collect()
}

impl Run {
    fn place(&self) -> String {
        self.line.map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }

    /// The facts that no step asked for.
    fn unused(&self) -> &[String] {
        self.result.as_ref().ok().or(self.came.as_ref()).map_or(&[], |rehearsed| &rehearsed.unused)
    }
}

impl Branches {
    fn of(runbook: &Runbook, runs: &[Run]) -> Self {
        let rehearsed = runs.iter().filter_map(|run| run.result.as_ref().ok());
        let taken: BTreeSet<&Way> = rehearsed.flat_map(|rehearsed| &rehearsed.taken).collect();
        let all = Way::all_of(runbook);
        let count = all.len();
        let untaken: Vec<Way> = all.into_iter().filter(|way| !taken.contains(way)).collect();
        Self { taken: count - untaken.len(), untaken }
    }

    fn count(&self) -> usize {
        self.taken + self.untaken.len()
    }

    fn percent(&self) -> f64 {
        if self.count() == 0 { 100.0 } else { 100.0 * self.taken as f64 / self.count() as f64 }
    }
}

fn results(runs: &[Run], failed: usize, set: &RunbookSet, with_trace: bool, page: &mut Page) {
    let held = runs.len() - failed;
    let style = if failed == 0 { Style::Good } else { Style::Bad };
    let count = if runs.len() == 1 { "1 rehearsal".to_owned() } else { format!("{} rehearsals", runs.len()) };
    let verb = if held == 1 { "comes" } else { "come" };
    page.styled(style, "", "", &format!("{held} of {count} {verb} out as expected"));
    for run in runs {
        let Err(error) = &run.result else { continue };
        page.gap();
        page.styled(Style::Bad, "", "  ", &format!("FAILED: {}", run.name));
        page.item("  ", &run.place());
        why(error, set, page);
        if let Some(came) = run.came.as_ref().filter(|_| with_trace) {
            page.item("  ", "trace:");
            // Only a diagnosis puts facts into notes. Its bundle follows from the same runbooks, so it resumes.
            let diagnosis = Diagnosis::resume(&came.bundle, set).ok();
            trace::write(&came.bundle, diagnosis.as_ref(), page);
        }
    }
}

/// A walk that took another path than was meant often leaves facts behind.
fn unused(runs: &[Run], page: &mut Page) {
    for run in runs.iter().filter(|run| !run.unused().is_empty()) {
        page.gap();
        page.styled(Style::Careful, "", "  ", &format!("WARNING: {}", run.name));
        page.item("  ", &run.place());
        page.item(
            "  ",
            &format!("no step asked for {}: leave it out, or look at the path", run.unused().join(", ")),
        );
    }
}

fn why(error: &RehearsalError, set: &RunbookSet, page: &mut Page) {
    match error {
        RehearsalError::Differs { what, expected, came, .. } => {
            page.item("  ", &format!("{what} should be:"));
            page.item("      ", expected);
            page.item("  ", "and came out as:");
            page.item("      ", came);
            if let Some(last) = parting(expected, came) {
                page.item("  ", &format!("they part after {last}"));
            }
        }
        RehearsalError::NoSuchStep { step, .. } => {
            let known = set.runbooks().flat_map(Runbook::steps).map(|step| &*step.id);
            let id = step.rsplit_once('/').map_or(&**step, |(_, id)| id);
            page.item(
                "  ",
                &format!("there is no step `{step}`{}; name one of the runbook", names::meant(id, known)),
            );
        }
        RehearsalError::NoSuchConclusion { conclusion, .. } => {
            let known = set.runbooks().flat_map(Runbook::conclusions).map(|(id, _)| id);
            page.item(
                "  ",
                &format!(
                    "there is no conclusion `{conclusion}`{}; name one of the runbook",
                    names::meant(conclusion, known)
                ),
            );
        }
        RehearsalError::WrongCue { step, why, .. } => {
            page.item("  ", &format!("the answer of `{step}`: {why}"));
        }
        RehearsalError::NoSuchRunbook(error) => {
            let meant = names::meant(&error.name, set.runbooks().map(Runbook::name));
            page.item("  ", &format!("{error}{meant}; name its file with `--with`"));
        }
        other => page.item("  ", &other.to_string()),
    }
}

/// The last step that two paths have in common.
fn parting<'p>(expected: &'p str, came: &str) -> Option<&'p str> {
    let both = expected.split(" > ").zip(came.split(" > "));
    let common = both.take_while(|(one, other)| one == other).last();
    common.map(|(step, _)| step).filter(|_| expected.contains(" > "))
}

fn coverage(runbook: &Runbook, branches: &Branches, least: Option<u8>, page: &mut Page) {
    page.gap();
    let least = least.map_or_else(String::new, |least| format!("; at least {least} % are asked for"));
    page.styled(
        if branches.untaken.is_empty() { Style::Good } else { Style::Careful },
        "",
        "",
        &format!(
            "{} of {} branches of {} are taken ({:.0} %){least}",
            branches.taken,
            branches.count(),
            runbook.name(),
            branches.percent().floor()
        ),
    );
    if !branches.untaken.is_empty() {
        page.line("No rehearsal takes:");
    }
    for way in &branches.untaken {
        page.item("  ", &format!("{} [{}]", way.step, way.name));
    }
}

fn to_json(runs: &[Run], branches: &Branches) -> String {
    let results: Vec<Value> = runs
        .iter()
        .map(|run| {
            json!({
                "name": run.name,
                "file": run.file,
                "line": run.line,
                "ok": run.result.is_ok(),
                "unused": run.unused(),
                "error": run.result.as_ref().err().map(ToString::to_string),
                "conclusion": run.result.as_ref().ok().and_then(|rehearsed| rehearsed.finding.conclusion()),
            })
        })
        .collect();
    let untaken: Vec<Value> =
        branches.untaken.iter().map(|way| json!({ "step": way.step, "branch": way.name })).collect();
    words::json(&json!({
        "ok": runs.iter().all(|run| run.result.is_ok()),
        "rehearsals": results,
        "coverage": { "taken": branches.taken, "of": branches.count(), "untaken": untaken },
    }))
}
