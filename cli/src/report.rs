//! `iot-runbook report` and `redact`: saved evidence for people, and for strangers.

use iot_runbook::Diagnosis;
use iot_runbook::diagnosis::Redaction;
use iot_runbook::report::Report as Page;

use crate::Outcome;
use crate::arguments::{Redact, Report, ReportFormat};
use crate::failure::Failure;
use crate::input::Inputs;
use crate::replay::{read, runbooks};
use crate::terminal::Terminal;
use crate::words;

pub(crate) fn run(report: &Report, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (name, bundle) = read(&report.evidence.file, inputs)?;
    let set = runbooks(&report.evidence, &bundle, inputs)?;
    let diagnosis = Diagnosis::resume(&bundle, &set).map_err(|error| Failure::Format {
        name,
        reason: format!("{error}; `replay` shows more, and takes `--runbook`"),
    })?;
    let page = Page::of(&diagnosis);
    let text = match report.format {
        ReportFormat::Text => page.to_text(terminal.width),
        ReportFormat::Markdown => page.to_markdown(),
        ReportFormat::Html => page.to_html(),
        ReportFormat::PostMortem => page.to_post_mortem(),
    };
    Ok(Outcome::new(text, false))
}

pub(crate) fn redact(redact: &Redact, inputs: &mut Inputs) -> Result<Outcome, Failure> {
    let (_, bundle) = read(&redact.file, inputs)?;
    let redaction = match &redact.key {
        Some(path) => Redaction::new(inputs.text(path, "give a file with a secret")?.text),
        None => Redaction::random().map_err(|error| Failure::Other(error.to_string()))?,
    };
    let names = redact.names.iter();
    let redaction = names.fold(redaction, |redaction, name| redaction.with_name(name.as_str()));
    Ok(Outcome::new(words::json(&serde_json::json!(bundle.redacted(&redaction))), false))
}
