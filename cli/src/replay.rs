//! `iot-runbook replay`: walks saved evidence again, and shows the conclusion first, then how it was reached.

mod again;
pub(crate) mod trace;

use std::path::{Path, PathBuf};

use iot_runbook::diagnosis::{Bundle, ResumeError};
use iot_runbook::report::Report;
use iot_runbook::{Diagnosis, Runbook, RunbookSet, catalog};
use serde_json::json;

use crate::Outcome;
use crate::arguments::{Overrides, Replay};
use crate::failure::Failure;
use crate::input::Inputs;
use crate::page::{Page, Style};
use crate::runbooks::{link, load, not_linked};
use crate::source;
use crate::terminal::Terminal;
use crate::words;
use again::Again;

pub(crate) fn run(replay: &Replay, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (name, bundle) = read(&replay.file, inputs)?;
    let set = runbooks(&replay.with, &replay.overrides, &bundle, inputs)?;
    match Diagnosis::resume(&bundle, &set) {
        Ok(diagnosis) => {
            let text = if replay.json {
                words::json(
                    &json!({ "same": true, "finding": diagnosis.finding(), "step": diagnosis.step() }),
                )
            } else {
                same(&diagnosis, &bundle, !replay.no_trace, terminal)
            };
            Ok(Outcome::new(text, false))
        }
        Err(ResumeError::NoSuchRunbook(error)) => {
            Err(Failure::Format { name, reason: format!("{error}; name its file with `--runbook`") })
        }
        Err(error @ ResumeError::Format { .. }) => Err(Failure::Format { name, reason: error.to_string() }),
        Err(error) => {
            let text = if replay.json {
                let record = match &error {
                    ResumeError::Diverged { record, .. } => Some(record),
                    _ => None,
                };
                words::json(&json!({
                    "same": false,
                    "error": error.to_string(),
                    "record": record,
                    "conclusion": again::conclusion(&bundle),
                    "now": now(&error, &bundle, &set).map(|again| json!({
                        "finding": again.finding,
                        "parts_after": again.parts_after,
                        "unanswered": again.unanswered,
                    })),
                }))
            } else {
                let now = now(&error, &bundle, &set);
                differs(&name, &bundle, &error, now.as_ref(), !replay.no_trace, terminal)
            };
            Ok(Outcome::new(text, true))
        }
    }
}

/// A bundle from a file in JSON or TOML.
pub(crate) fn read(path: &Path, inputs: &mut Inputs) -> Result<(String, Bundle), Failure> {
    let text = inputs.text(path, "give the saved bundle of a diagnosis")?;
    let format = |reason: String| Failure::Format {
        name: text.name.clone(),
        reason: format!("not the bundle of a diagnosis: {reason}"),
    };
    let bundle = if text.is_json {
        serde_json::from_str(&text.text).map_err(|error| format(error.to_string()))?
    } else {
        toml::from_str(&text.text).map_err(|error| format(error.message().to_owned()))?
    };
    Ok((text.name, bundle))
}

/// The runbooks that were named, and the built-in ones. The overrides are of the runbook that the evidence began with.
pub(crate) fn runbooks(
    with: &[PathBuf],
    overrides: &Overrides,
    bundle: &Bundle,
    inputs: &mut Inputs,
) -> Result<RunbookSet, Failure> {
    let mut runbooks: Vec<Runbook> = Vec::new();
    for path in with {
        // Read once: standard input comes only once.
        let loaded = load(path, &Overrides::default(), inputs)?;
        let is_first = loaded.runbook.name() == bundle.runbook;
        runbooks.push(if is_first { overridden(loaded.document, overrides)? } else { loaded.runbook });
    }
    for name in catalog::names() {
        if runbooks.iter().any(|runbook| runbook.name() == *name) {
            continue;
        }
        let document = source::built_in(name).map_err(|error| Failure::Other(error.to_string()))?;
        let overrides = if bundle.runbook == *name { overrides.clone() } else { Overrides::default() };
        runbooks.push(overridden(document, &overrides)?);
    }
    link(runbooks).map_err(|errors| Failure::Other(not_linked(&errors)))
}

fn overridden(document: iot_runbook::Document, overrides: &Overrides) -> Result<Runbook, Failure> {
    let document = source::overridden(document, overrides);
    document.validate().map_err(|faults| Failure::Other(faults.to_string()))
}

fn same(diagnosis: &Diagnosis, bundle: &Bundle, with_trace: bool, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    page.raw(&Report::of(diagnosis).to_styled_text(terminal.text_style().brief()));
    if let Some(due) = diagnosis.due_at().filter(|_| diagnosis.finding().is_none()) {
        page.gap();
        page.line(&format!("It goes on at {} at the latest.", words::moment(due)));
    }
    if with_trace {
        page.heading("Trace");
        trace::write(bundle, Some(diagnosis), &mut page);
    }
    page.gap();
    let records = words::counted(bundle.records.len(), "record");
    page.styled(Style::Good, "", "", &format!("The replay takes the same path: {records}."));
    page.finish()
}

/// What the runbook as it is now makes of the same answers, where it is another one.
fn now(error: &ResumeError, bundle: &Bundle, set: &RunbookSet) -> Option<Again> {
    matches!(error, ResumeError::OtherRunbook { .. }).then(|| again::walk(bundle, set)).flatten()
}

fn differs(
    name: &str,
    bundle: &Bundle,
    error: &ResumeError,
    now: Option<&Again>,
    with_trace: bool,
    terminal: &Terminal,
) -> String {
    let mut page = Page::new(terminal);
    page.styled(Style::Bad, "", "  ", &format!("{name}: the replay differs"));
    page.line(&error.to_string());
    if let ResumeError::OtherRunbook { .. } = error {
        page.line(
            "Name that version with `--runbook FILE`, and its thresholds with `--threshold NAME=VALUE`.",
        );
    }
    if let Some(now) = now {
        page.heading("The runbook as it is now, with the same answers");
        again_in_words(now, again::conclusion(bundle), &mut page);
    }
    about(bundle, &mut page);
    if with_trace {
        page.heading("Trace, as it was saved");
        trace::write(bundle, None, &mut page);
    }
    page.finish()
}

fn again_in_words(again: &Again, before: Option<&str>, page: &mut Page) {
    let now = again.finding.conclusion();
    let named = |conclusion: Option<&str>| conclusion.unwrap_or("no conclusion").to_owned();
    if now == before {
        page.styled(Style::Good, "", "  ", &format!("The same end: {}", named(now)));
    } else {
        page.styled(Style::Bad, "", "  ", &format!("Another end: {}, before {}", named(now), named(before)));
    }
    if let Some(title) = again.finding.title() {
        page.line(title);
    }
    if let Some(step) = &again.parts_after {
        page.line(&format!("The paths part after {step}."));
    }
    if !again.unanswered.is_empty() {
        let checks: Vec<&str> = again.unanswered.iter().map(String::as_str).collect();
        page.line(&format!("It asks what the evidence does not answer: {}.", checks.join(", ")));
    }
}

fn about(bundle: &Bundle, page: &mut Page) {
    let subject = &bundle.subject;
    let mut parts = vec![format!("device {}", subject.device.as_str())];
    let named = |what: &str, name: Option<&str>| name.map(|name| format!("{what} {name}"));
    parts.extend(named("tag", subject.tag.as_ref().map(|tag| tag.as_str())));
    parts.extend(named("gateway", subject.gateway.as_ref().map(|gateway| gateway.as_str())));
    parts.extend(named("site", subject.site.as_ref().map(|site| site.as_str())));
    parts.extend(named("pipeline", subject.pipeline.as_ref().map(|pipeline| pipeline.as_str())));
    page.gap();
    page.line(&parts.join(", "));
    page.line(&format!("{}, raised {}", bundle.trigger.text, words::moment(bundle.trigger.at)));
    let took = bundle.as_of.signed_duration_since(bundle.started_at);
    page.line(&format!(
        "{} version {}, begun {}, took {}",
        bundle.runbook,
        bundle.version,
        words::moment(bundle.started_at),
        words::duration(took)
    ));
}
