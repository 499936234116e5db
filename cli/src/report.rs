//! `iot-runbook report`: saved evidence as a report for people: a terminal, a ticket, a browser.

use iot_runbook::Diagnosis;

use crate::Outcome;
use crate::arguments::{Report, ReportFormat};
use crate::failure::Failure;
use crate::input::Inputs;
use crate::replay;
use crate::terminal::Terminal;

pub(crate) fn run(report: &Report, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (name, bundle) = replay::read(&report.file, inputs)?;
    let set = replay::runbooks(&report.with, &report.overrides, &bundle, inputs)?;
    // A report of evidence that does not lead where it says would be believed.
    let diagnosis = Diagnosis::resume(&bundle, &set).map_err(|error| Failure::Format {
        name,
        reason: format!("{error}; run `iot-runbook replay` to see where it differs"),
    })?;
    let report_of = iot_runbook::report::Report::of(&diagnosis);
    let text = match report.format {
        ReportFormat::Text => report_of.to_styled_text(terminal.text_style()),
        ReportFormat::Markdown => report_of.to_markdown(),
        ReportFormat::Html => report_of.to_html(),
        ReportFormat::PostMortem => report_of.to_post_mortem(),
    };
    Ok(Outcome::new(text, false))
}
