//! `iot-runbook check`: proves runbooks, and shows every fault in its place.

mod examine;
mod finding;
mod known;
mod locate;
mod snippet;
mod syntax;
mod typos;

use iot_runbook::check::{BindError, BindErrors, BindFault};
use iot_runbook::runbook::step::{Step, StepKind};
use iot_runbook::runbook::{SetError, SetErrors};
use iot_runbook::{Checks, Runbook, RunbookSet, catalog};
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Check;
use crate::failure::Failure;
use crate::input::Inputs;
use crate::names::nearest;
use crate::page::{Page, Style};
use crate::runbooks::{callees, link};
use crate::source::{Source, built_in};
use crate::terminal::Terminal;
use crate::words::counted;
use examine::Examined;
use finding::{Finding, step_of};
use known::built_in_choices;

pub(crate) use locate::Positions;

pub(crate) fn run(check: &Check, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let checks = Checks::builtin();
    let mut failures = Vec::new();
    let mut examined = Vec::new();
    for path in &check.files {
        match Source::read(path, inputs) {
            Ok(source) => examined.push(Examined::of(&source, &check.overrides, &checks)),
            // One that cannot be read keeps nobody from the faults of the others.
            Err(failure) => failures.push(failure),
        }
    }
    prove_together(&mut examined, &checks, &check.own_checks);
    examined.iter_mut().for_each(Examined::sort);
    let found = examined.iter().any(|one| !one.findings.is_empty());
    let text = if check.json { to_json(&examined) } else { to_text(&examined, terminal) };
    Ok(Outcome { text, failures, found })
}

/// What is wrong with runbooks beside each other, and with what they ask.
fn prove_together(examined: &mut [Examined], checks: &Checks, own: &[String]) {
    let valid: Vec<Runbook> = examined.iter().filter_map(|one| one.runbook.clone()).collect();
    match link(valid.clone()) {
        Ok(set) => {
            if let Err(errors) = checks.bind(&set) {
                add_bind_errors(examined, &set, &errors, checks, own);
            }
        }
        Err(errors) => {
            add_set_errors(examined, &valid, &errors);
            // Those that can be linked without the others are asked what they ask all the same.
            for runbook in &valid {
                if let Ok(set) = link(called_by(runbook, &valid))
                    && let Err(errors) = checks.bind(&set)
                {
                    add_bind_errors(examined, &set, &errors, checks, own);
                }
            }
        }
    }
}

/// A runbook, and those of the given ones that it comes to hand over to.
fn called_by(runbook: &Runbook, valid: &[Runbook]) -> Vec<Runbook> {
    let mut found = vec![runbook.clone()];
    let mut at = 0;
    while let Some(caller) = found.get(at).cloned() {
        at += 1;
        for callee in callees(&caller) {
            let is_new = found.iter().all(|runbook| *runbook.name() != *callee);
            found.extend(valid.iter().filter(|runbook| is_new && *runbook.name() == *callee).cloned());
        }
    }
    found
}

fn add_set_errors(examined: &mut [Examined], valid: &[Runbook], errors: &SetErrors) {
    let names: Vec<String> = examined.iter().map(|one| one.runbook_name.clone()).collect();
    let meant_conclusions: Vec<String> =
        errors.0.iter().filter_map(|error| meant_conclusion(error, valid)).collect();
    for error in &errors.0 {
        let mut finding = Finding::of_set(error);
        let (runbook, path) = match (error, step_of(error)) {
            (SetError::NoSuchRunbook { callee, .. }, _) if names.contains(callee) => continue,
            // It is there, but for a slip.
            (SetError::Unanswered { conclusion, .. }, _) if meant_conclusions.contains(conclusion) => {
                continue;
            }
            (SetError::NoSuchConclusion { .. }, Some((runbook, step))) => {
                (runbook, format!("steps.{step}.branches"))
            }
            (_, Some((runbook, step))) => (runbook, format!("steps.{step}.handover")),
            (SetError::NameTwice(name) | SetError::Circle(name), _) => (name.as_str(), "name".to_owned()),
            _ => ("", String::new()),
        };
        match error {
            SetError::NoSuchRunbook { callee, .. } => {
                let known = names.iter().map(String::as_str).chain(catalog::names().iter().copied());
                finding.meant = nearest(callee, known).map(str::to_owned);
            }
            SetError::NoSuchConclusion { .. } => finding.meant = meant_conclusion(error, valid),
            _ => {}
        }
        // Of two of one name the later is the one too many.
        let one = examined.iter_mut().rev().find(|one| runbook.is_empty() || one.runbook_name == runbook);
        match (one, error) {
            (Some(one), SetError::NoSuchConclusion { conclusion, .. }) => {
                one.add_at_name(finding, &path, conclusion);
            }
            (Some(one), _) => one.add(finding, &path, false),
            (None, _) => {}
        }
    }
}

/// The conclusion of the other runbook that a handover means.
fn meant_conclusion(error: &SetError, valid: &[Runbook]) -> Option<String> {
    let SetError::NoSuchConclusion { callee, conclusion, .. } = error else { return None };
    let built_in = || built_in(callee).ok().and_then(|document| document.validate().ok());
    let runbook = valid.iter().find(|runbook| runbook.name() == callee).cloned().or_else(built_in)?;
    nearest(conclusion, runbook.conclusions().map(|(id, _)| id)).map(str::to_owned)
}

fn add_bind_errors(
    examined: &mut [Examined],
    set: &RunbookSet,
    errors: &BindErrors,
    checks: &Checks,
    own: &[String],
) {
    for fault in errors.faults() {
        if matches!(&fault.error, BindError::UnknownCheck { check, .. } if own.iter().any(|own| **own == **check))
        {
            continue;
        }
        // It is there, but for a slip.
        if let BindError::MissingParam { param, .. } = &fault.error {
            let is_slip = |other: &BindFault| {
                matches!(&other.error, BindError::UnknownParam { nearest: Some(nearest), .. } if **nearest == **param)
                    && other.asked_by == fault.asked_by
            };
            if errors.faults().iter().any(is_slip) {
                continue;
            }
        }
        let asks =
            |one: &&mut Examined| fault.asked_by.iter().any(|asker| *asker.runbook == *one.runbook_name);
        let Some(one) = examined.iter_mut().find(asks) else { continue };
        let mut finding = Finding::of_bind(&fault.error);
        let (mut path, in_key) = place(fault, set, &one.runbook_name);
        if let BindError::Domain { check, given, .. } = &fault.error
            && let Some((at, wrong, right)) = misspelt(check, given, checks)
        {
            path = format!("checks.{check}.domain[{at}]");
            finding.what = format!("the check `{check}` has no choice `{wrong}`");
            finding.remedy.clear();
            finding.meant = Some(right);
        }
        one.add(finding, &path, in_key);
    }
}

/// The one choice of a domain that the built-in check writes otherwise, and how.
fn misspelt(
    check: &str,
    given: &iot_runbook::fact::Domain,
    checks: &Checks,
) -> Option<(usize, String, String)> {
    let wanted = built_in_choices(checks, check);
    let iot_runbook::fact::Kind::Choice(given) = given.kind() else { return None };
    let given: Vec<&str> = given.names().collect();
    let wrong: Vec<usize> = (0..given.len())
        .filter(|at| given.get(*at).is_some_and(|name| !wanted.iter().any(|known| known == name)))
        .collect();
    let [at] = wrong[..] else { return None };
    let name = given.get(at)?;
    let missing = wanted.iter().map(String::as_str).filter(|wanted| !given.contains(wanted));
    let right = nearest(name, missing)?;
    Some((at, (*name).to_owned(), right.to_owned()))
}

/// Where what binding found is in the document, and whether the key is meant.
fn place(fault: &BindFault, set: &RunbookSet, runbook: &str) -> (String, bool) {
    let asked = || {
        let runbook = set.find(runbook)?;
        let own = fault.asked_by.iter().filter(|asker| &*asker.runbook == runbook.name());
        let mut places: Vec<String> = Vec::new();
        for asker in own {
            let step = asker.step.as_deref().and_then(|id| runbook.step(runbook.find(id)?));
            places.extend(match step {
                Some(Step { id, kind: StepKind::Check(_), .. }) => Some(format!("steps.{id}")),
                Some(Step { kind: StepKind::Act(act), .. }) => {
                    act.recheck.as_ref().map(|recheck| format!("rechecks.{}", recheck.id))
                }
                Some(Step { kind: StepKind::Conclude(end), .. }) => {
                    end.unless.as_ref().map(|recheck| format!("rechecks.{}", recheck.id))
                }
                Some(_) => None,
                None => runbook.unless().map(|recheck| format!("rechecks.{}", recheck.id)),
            });
        }
        places.into_iter().next()
    };
    let asked = || asked().unwrap_or_default();
    match &fault.error {
        BindError::Domain { check, .. } => (format!("checks.{check}.domain"), false),
        BindError::Scope { check, .. } => (format!("checks.{check}.scope"), false),
        BindError::About { check, .. } => (format!("checks.{check}.about"), false),
        BindError::UnknownParam { param, .. } => (format!("{}.params.{param}", asked()), true),
        BindError::Param { param, .. } => (format!("{}.params.{param}", asked()), false),
        BindError::MissingParam { .. } => (format!("{}.params", asked()), true),
        BindError::UnknownCheck { check, .. }
        | BindError::NoEngine { check, .. }
        | BindError::Unbindable { check } => (format!("checks.{check}"), true),
        _ => (String::new(), true),
    }
}

fn to_text(examined: &[Examined], terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    for one in examined {
        for finding in &one.findings {
            page.raw(&snippet::render(finding, one, terminal));
            page.gap();
        }
    }
    for one in examined {
        match (&*one.findings, &one.runbook) {
            ([], Some(runbook)) => {
                let conclusions = runbook.conclusions().count();
                let steps = runbook.steps().len() - conclusions;
                page.styled(
                    Style::Good,
                    "",
                    "  ",
                    &format!(
                        "{}: no faults; {} version {} has {} and {}",
                        one.name,
                        runbook.name(),
                        runbook.version(),
                        counted(steps, "step"),
                        counted(conclusions, "conclusion")
                    ),
                );
            }
            (findings, _) => {
                page.styled(
                    Style::Bad,
                    "",
                    "  ",
                    &format!("{}: {}", one.name, counted(findings.len(), "fault")),
                );
            }
        }
    }
    page.finish()
}

fn to_json(examined: &[Examined]) -> String {
    let files: Vec<Value> = examined.iter().map(file_to_json).collect();
    let is_ok = examined.iter().all(|one| one.findings.is_empty());
    crate::words::json(&json!({ "ok": is_ok, "files": files }))
}

fn file_to_json(one: &Examined) -> Value {
    let faults: Vec<Value> = one
        .findings
        .iter()
        .map(|finding| {
            let place =
                finding.span.as_ref().filter(|_| !one.text.is_empty()).map(|span| one.place_of(span.start));
            json!({
                "code": finding.code,
                "step": finding.step,
                "path": finding.path,
                "line": place.map(|(line, _)| line),
                "column": place.map(|(_, column)| column),
                "fault": finding.what,
                "remedy": finding.remedy,
                "did_you_mean": finding.meant,
            })
        })
        .collect();
    let runbook = one.runbook.as_ref().filter(|_| one.findings.is_empty());
    json!({
        "file": one.name,
        "runbook": one.runbook_name,
        "version": runbook.map(Runbook::version),
        "fingerprint": runbook.map(|runbook| runbook.fingerprint().to_string()),
        "faults": faults,
    })
}
