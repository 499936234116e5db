//! Runbooks, loaded and linked for the commands that walk them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use iot_runbook::runbook::SetErrors;
use iot_runbook::runbook::step::StepKind;
use iot_runbook::{Document, Runbook, RunbookSet, catalog};

use crate::arguments::Overrides;
use crate::failure::Failure;
use crate::input::Inputs;
use crate::source::{self, Source};

/// A valid runbook, and the document it was made of.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) document: Document,
    pub(crate) runbook: Runbook,
}

/// Loads a runbook that must be valid.
pub(crate) fn load(path: &Path, overrides: &Overrides, inputs: &mut Inputs) -> Result<Loaded, Failure> {
    let source = Source::read(path, inputs)?;
    let name = source.name();
    let document = source.document().map_err(|error| Failure::Format {
        name: name.clone(),
        reason: format!("{}; run `iot-runbook check` to see the place", error.reason),
    })?;
    let document = source::overridden(document, overrides);
    match document.validate() {
        Ok(runbook) => Ok(Loaded { name, document, runbook }),
        Err(faults) => {
            let first = faults.iter().next().map(ToString::to_string).unwrap_or_default();
            Err(Failure::Faulty { name, count: faults.as_slice().len(), first })
        }
    }
}

/// The first runbook and those beside it, linked with the built-in ones that they hand over to.
pub(crate) fn linked(
    path: &Path,
    overrides: &Overrides,
    with: &[PathBuf],
    inputs: &mut Inputs,
) -> Result<(Loaded, RunbookSet), Failure> {
    let first = load(path, overrides, inputs)?;
    let mut runbooks = vec![first.runbook.clone()];
    for path in with {
        runbooks.push(load(path, &Overrides::default(), inputs)?.runbook);
    }
    let set = link(runbooks).map_err(|errors| Failure::Other(not_linked(&errors)))?;
    Ok((first, set))
}

/// Why runbooks cannot be linked, one line each.
pub(crate) fn not_linked(errors: &SetErrors) -> String {
    let missing =
        errors.0.iter().any(|error| matches!(error, iot_runbook::runbook::SetError::NoSuchRunbook { .. }));
    let hint = if missing { "; name its file with `--with`" } else { "" };
    format!("{errors}{hint}")
}

/// Links runbooks into a set, with the built-in ones that they hand over to and that are not among them.
pub(crate) fn link(mut runbooks: Vec<Runbook>) -> Result<RunbookSet, SetErrors> {
    let mut at = 0;
    while let Some(runbook) = runbooks.get(at).cloned() {
        at += 1;
        for callee in callees(&runbook) {
            let is_there = runbooks.iter().any(|runbook| *runbook.name() == *callee);
            if !is_there && catalog::names().contains(&&*callee) {
                runbooks.extend(source::built_in(&callee).ok().and_then(|document| document.validate().ok()));
            }
        }
    }
    RunbookSet::new(runbooks)
}

/// The names of the runbooks that it hands over to.
pub(crate) fn callees(runbook: &Runbook) -> BTreeSet<Box<str>> {
    let callees = runbook.steps().iter().filter_map(|step| match &step.kind {
        StepKind::Handover(handover) => Some(handover.runbook.clone()),
        _ => None,
    });
    callees.collect()
}
