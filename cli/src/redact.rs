//! `iot-runbook redact`: saved evidence for strangers.

use iot_runbook::diagnosis::Redaction;
use serde_json::json;

use crate::Outcome;
use crate::arguments::Redact;
use crate::failure::Failure;
use crate::input::Inputs;
use crate::replay;
use crate::words;

pub(crate) fn run(redact: &Redact, inputs: &mut Inputs) -> Result<Outcome, Failure> {
    let (_, bundle) = replay::read(&redact.file, inputs)?;
    let redaction = match &redact.key {
        Some(path) => Redaction::new(inputs.text(path, "give a file with a secret")?.text),
        None => Redaction::random().map_err(|error| Failure::Other(error.to_string()))?,
    };
    let names = redact.names.iter();
    let redaction = names.fold(redaction, |redaction, name| redaction.with_name(name.as_str()));
    Ok(Outcome::new(words::json(&json!(bundle.redacted(&redaction))), false))
}
