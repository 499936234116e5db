//! The runbooks that the cases walk.

use std::fs;
use std::path::{Path, PathBuf};

use iot_runbook::{Document, RunbookSet, catalog};

use crate::cases::RUNBOOK;

/// Runbooks that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunbooksError {
    #[error("`RUNBOOKS`: {file}: {why}")]
    File { file: PathBuf, why: String },
    #[error("`RUNBOOKS`: {0}")]
    Set(String),
    #[error("`RUNBOOKS`: no file has the runbook `{RUNBOOK}`, which alerts begin: add it")]
    NotThere,
}

/// Loads every `*.toml` of a folder; without a folder the built-in runbooks.
///
/// Of several versions of a runbook the newest is begun, and the others are there for cases that began with them. So a changed
/// runbook is deployed as a new file with a higher `version`, beside the old one.
pub(crate) fn load(folder: Option<&Path>) -> Result<RunbookSet, RunbooksError> {
    let Some(folder) = folder else {
        return catalog::set().map_err(|error| RunbooksError::Set(error.to_string()));
    };
    let error =
        |file: &Path, why: &dyn ToString| RunbooksError::File { file: file.to_owned(), why: why.to_string() };
    let entries = fs::read_dir(folder).map_err(|why| error(folder, &why))?;
    let files = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>().map_err(|why| error(folder, &why))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut runbooks = Vec::with_capacity(files.len());
    for file in &files {
        let text = fs::read_to_string(file).map_err(|why| error(file, &why))?;
        let document = Document::from_toml(&text).map_err(|why| error(file, &why))?;
        runbooks.push(document.validate().map_err(|why| error(file, &why))?);
    }
    let set = RunbookSet::new(runbooks).map_err(|error| RunbooksError::Set(error.to_string()))?;
    if set.find(RUNBOOK).is_none() {
        return Err(RunbooksError::NotThere);
    }
    Ok(set)
}
