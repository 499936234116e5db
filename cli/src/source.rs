//! A runbook as it is written: where it comes from, its text, and the document that is read of it.

use std::io::ErrorKind::NotFound;
use std::path::Path;

use iot_runbook::Document;
use iot_runbook::catalog;
use iot_runbook::runbook::document::LoadError;

use crate::arguments::Overrides;
use crate::failure::Failure;
use crate::input::{Inputs, Text};
use crate::names;

/// The prefix of a built-in runbook.
const CATALOG: &str = "catalog:";

pub(crate) enum Source {
    /// A text that somebody wrote.
    Written(Text),
    /// A built-in runbook, by its name.
    Catalog(&'static str),
}

/// A text that is not a document: where it breaks, and why.
pub(crate) struct Unreadable {
    /// In bytes.
    pub(crate) at: usize,
    pub(crate) reason: String,
    /// Whether the text breaks the rules of its format; else it is too long or too deep.
    pub(crate) is_syntax: bool,
}

impl Source {
    pub(crate) fn read(path: &Path, inputs: &mut Inputs) -> Result<Self, Failure> {
        if let Some(name) = path.to_str().and_then(|path| path.strip_prefix(CATALOG)) {
            let names = catalog::names();
            return match names.iter().find(|known| **known == name) {
                Some(name) => Ok(Self::Catalog(name)),
                None => Err(Failure::NotInCatalog {
                    name: name.to_owned(),
                    meant: names::meant(name, names.iter().copied()),
                    known: names.join(", "),
                }),
            };
        }
        inputs.text(path, "give a runbook, in TOML or JSON").map(Self::Written).map_err(|failure| {
            match failure {
                // A bare word is rather the name of a runbook than a path.
                Failure::Read { name, source } if source.kind() == NotFound && is_a_word(path) => {
                    Failure::NoRunbook { name, known: catalog::names().join(", ") }
                }
                failure => failure,
            }
        })
    }

    /// The name to show.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Written(text) => text.name.clone(),
            Self::Catalog(name) => format!("{CATALOG}{name}"),
        }
    }

    /// The document, without overrides.
    pub(crate) fn document(&self) -> Result<Document, Unreadable> {
        match self {
            Self::Written(text) if text.is_json => from_json(&text.text),
            Self::Written(text) => from_toml(&text.text),
            Self::Catalog(name) => built_in(name).map_err(|error| Unreadable {
                at: 0,
                reason: error.to_string(),
                is_syntax: false,
            }),
        }
    }
}

fn is_a_word(path: &Path) -> bool {
    path.components().count() == 1 && path.extension().is_none()
}

/// The document of the built-in runbook of that name.
pub(crate) fn built_in(name: &str) -> Result<Document, LoadError> {
    match name {
        "device-offline" => catalog::device_offline(),
        "data-gap" => catalog::data_gap(),
        _ => catalog::certificate_expiry(),
    }
}

/// Applies the overrides to a document.
pub(crate) fn overridden(mut document: Document, overrides: &Overrides) -> Document {
    for (name, value) in &overrides.thresholds {
        document = document.threshold(name, value.as_str());
    }
    for (step, policy) in &overrides.approvals {
        document = document.approval(step, *policy);
    }
    document
}

pub(crate) fn from_toml(text: &str) -> Result<Document, Unreadable> {
    Document::from_toml(text).map_err(|error| match &error {
        LoadError::Syntax { line, column, reason } => {
            Unreadable { at: place(text, *line, *column), reason: reason.to_string(), is_syntax: true }
        }
        LoadError::TooDeep { line, depth } => Unreadable {
            at: place(text, *line, 1),
            reason: format!("values lie more than {depth} deep in each other; no runbook needs that"),
            is_syntax: false,
        },
        other => Unreadable { at: 0, reason: other.to_string(), is_syntax: false },
    })
}

fn from_json(text: &str) -> Result<Document, Unreadable> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        let number = |number: usize| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
        Unreadable { at: place(text, number(line), number(column)), reason, is_syntax: true }
    })
}

/// The place of a line and a column in characters, both from one, in bytes.
fn place(text: &str, line: u32, column: u32) -> usize {
    let skipped = (line as usize).saturating_sub(1);
    let begin = match skipped.checked_sub(1) {
        None => 0,
        Some(end) => text.match_indices('\n').nth(end).map_or(text.len(), |(at, _)| at + 1),
    };
    let rest = text.get(begin..).unwrap_or_default();
    let within =
        rest.char_indices().nth((column as usize).saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
    begin + within
}
