//! One thing that is wrong with a runbook, as it is shown: what, where, and what to do.

use std::ops::Range;

use iot_runbook::check::{BindError, ParamKind};
use iot_runbook::runbook::SetError;
use iot_runbook::runbook::fault::{Fault, FaultKind};
use iot_runbook::runbook::step::Param;

use crate::names::nearest;
use crate::words;

#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The kind of fault, such as `unknown-key`.
    pub(crate) code: String,
    pub(crate) step: Option<String>,
    /// Its path in the document.
    pub(crate) path: String,
    pub(crate) what: String,
    /// What to do; empty where that is said by what is wrong.
    pub(crate) remedy: String,
    /// What somebody meant.
    pub(crate) meant: Option<String>,
    /// Its place in the text, in bytes.
    pub(crate) span: Option<Range<usize>>,
    /// Other places that belong to it, each with a word.
    pub(crate) also: Vec<(Range<usize>, String)>,
}

impl Finding {
    fn new(code: String, what: String, remedy: String) -> Self {
        Self {
            code,
            step: None,
            path: String::new(),
            what,
            remedy,
            meant: None,
            span: None,
            also: Vec::new(),
        }
    }

    pub(super) fn of_fault(fault: &Fault) -> Self {
        let (what, mut remedy) = parted(&fault.kind.to_string());
        match &fault.kind {
            FaultKind::UnknownKey { known, .. } => remedy = format!("use one of {known}"),
            FaultKind::NotPositive { .. } => "give a duration above zero".clone_into(&mut remedy),
            FaultKind::WrongType { expected, .. } | FaultKind::WrongUnit { expected, .. } => {
                remedy = format!("write {expected}");
            }
            _ => {}
        }
        let step = fault.step.as_deref().map(str::to_owned);
        Self { step, path: fault.path.to_string(), ..Self::new(code_of(&fault.kind), what, remedy) }
    }

    pub(super) fn of_syntax(reason: &str, at: usize) -> Self {
        let (what, remedy) = parted(&reason.split_whitespace().collect::<Vec<_>>().join(" "));
        Self { span: Some(at..at), ..Self::new("syntax".to_owned(), what, remedy) }
    }

    pub(super) fn of_bind(error: &BindError) -> Self {
        let (mut what, mut remedy) = parted(&error.to_string());
        let mut meant = None;
        match error {
            BindError::UnknownCheck { check, nearest } => {
                what = format!("there is no built-in check `{check}`");
                remedy =
                    format!("name a built-in one; if your service registers it, pass `--own-check {check}`");
                meant = nearest.as_deref().map(str::to_owned);
            }
            BindError::UnknownParam { check, param, nearest } => {
                what = format!("the check `{check}` takes no param `{param}`");
                "remove it".clone_into(&mut remedy);
                meant = nearest.as_deref().map(str::to_owned);
            }
            BindError::MissingParam { check, param, wanted } => {
                what = format!("the check `{check}` needs the param `{param}`");
                remedy = format!("add it: {wanted}");
            }
            BindError::Param { check, param, given, wanted } => {
                what = format!("the param `{param}` of the check `{check}` is {}", words::param(given));
                remedy = format!("give {wanted}");
                if let (ParamKind::OneOf(words), Param::Text(given)) = (wanted, given) {
                    meant = nearest(given, words.iter().copied()).map(str::to_owned);
                }
            }
            BindError::Scope { check, given, wanted } => {
                what = format!("the check `{check}` asks about the {wanted}, and this says {given}");
                remedy = format!("write \"{}\"", wanted.name());
            }
            BindError::About { check, given, wanted } => {
                let (wanted, given) = (wanted.name(), given.name());
                what = format!("the check `{check}` asks about {wanted}, and this asks about {given}");
                remedy = format!("write about = \"{wanted}\"");
            }
            BindError::Domain { check, given, wanted } => {
                what = format!("the check `{check}` comes to {wanted}, and this says {given}");
                "declare the domain of the check".clone_into(&mut remedy);
            }
            _ => {}
        }
        Self { meant, ..Self::new(code_of(error), what, remedy) }
    }

    pub(super) fn of_set(error: &SetError) -> Self {
        let message = error.to_string();
        // It names the runbook and the step first, which the place shows.
        let message = message
            .split_once("\": ")
            .filter(|_| step_of(error).is_some())
            .map_or(&*message, |(_, rest)| rest);
        let (what, mut remedy) = parted(message);
        if let SetError::NoSuchRunbook { callee, .. } = error {
            remedy = format!("name its file beside this one, or a built-in runbook in place of \"{callee}\"");
        }
        let step = step_of(error).map(|(_, step)| step.to_owned());
        Self { step, ..Self::new(code_of(error), what, remedy) }
    }

    /// What is wrong, with the step that it is wrong in.
    pub(crate) fn title(&self) -> String {
        match &self.step {
            Some(step) => format!("step \"{step}\": {}", self.what),
            None => self.what.clone(),
        }
    }

    /// What to do, in a line.
    pub(crate) fn help(&self) -> String {
        match (&self.meant, &*self.remedy) {
            (Some(meant), "") => format!("did you mean `{meant}`?"),
            (Some(meant), remedy) => format!("did you mean `{meant}`? Otherwise {remedy}"),
            (None, remedy) => remedy.to_owned(),
        }
    }
}

/// The runbook and the step of a fault between runbooks.
pub(super) fn step_of(error: &SetError) -> Option<(&str, &str)> {
    match error {
        SetError::NoSuchRunbook { runbook, step, .. }
        | SetError::NoSuchConclusion { runbook, step, .. }
        | SetError::Unanswered { runbook, step, .. } => Some((runbook, step)),
        _ => None,
    }
}

/// What is wrong and what to do, of a message that says both.
fn parted(message: &str) -> (String, String) {
    const REMEDIES: [&str; 8] = ["write ", "use ", "name ", "give ", "add ", "declare ", "report ", "break "];
    let whole = || (message.to_owned(), String::new());
    if let Some((what, remedy)) = message.split_once("; ") {
        return (what.to_owned(), remedy.to_owned());
    }
    let mut splits = message.match_indices(": ");
    let split = splits.find(|(at, _)| {
        let rest = message.get(at + 2..).unwrap_or_default();
        REMEDIES.iter().any(|verb| rest.starts_with(verb))
    });
    split.map_or_else(whole, |(at, _)| {
        let (what, rest) = message.split_at(at);
        (what.to_owned(), rest.trim_start_matches(": ").to_owned())
    })
}

/// The name of a variant, as data has it: `UnknownKey` is `unknown-key`.
fn code_of(kind: &impl std::fmt::Debug) -> String {
    let shown = format!("{kind:?}");
    let name = shown.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut code = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(c.to_ascii_lowercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_parted_into_fault_and_remedy() {
        for (message, what, remedy) in [
            ("`power` is missing; add it", "`power` is missing", "add it"),
            ("`5 m` is not a duration: write numbers", "`5 m` is not a duration", "write numbers"),
            ("guards leave a hole: up to 5; add one", "guards leave a hole: up to 5", "add one"),
            ("a number must be finite", "a number must be finite", ""),
        ] {
            assert_eq!(parted(message), (what.to_owned(), remedy.to_owned()));
        }
    }

    #[test]
    fn codes_are_written_like_ids() {
        assert_eq!(code_of(&FaultKind::NoKind), "no-kind");
        assert_eq!(code_of(&FaultKind::TooManyBranches(3)), "too-many-branches");
    }
}
