//! Guards and ways out, as a person reads them in a trace.

use std::fmt::Write as _;
use std::ops::Bound;

use super::guard::{Guard, Values};
use super::step::{ACT_EXITS, Recheck, StepKind};
use crate::fact::{Domain, Kind};
use crate::time::format_duration;

impl StepKind {
    /// The exit at `position` in words: the guard of a branch (`from 5m below 30m`), or the name of the exit (`done`,
    /// `expired`, `unknown`, `not named`).
    #[must_use]
    pub fn exit_name(&self, position: u16) -> String {
        let at = usize::from(position);
        match self {
            Self::Check(check) => match check.branches.as_slice().get(at) {
                Some(branch) => branch.guard.describe(check.branches.domain()),
                None if check.not_named_position() == Some(position) => "not named".to_owned(),
                None if check.expired_position() == Some(position) => "no answer".to_owned(),
                None => "unknown".to_owned(),
            },
            Self::Ask(ask) => match ask.branches.as_slice().get(at) {
                Some(branch) => branch.guard.describe(ask.branches.domain()),
                None => "no answer".to_owned(),
            },
            Self::Wait(_) => "over".to_owned(),
            Self::Act(act) => match ["done", "refused", "failed", "expired"].get(at) {
                Some(name) => (*name).to_owned(),
                None => {
                    let recheck = act.recheck.as_deref();
                    recheck.map_or_else(String::new, |recheck| recheck.exit_name(position - ACT_EXITS))
                }
            },
            Self::Handover(handover) => match handover.branches.get(at) {
                Some(branch) => branch.conclusions.join(" | "),
                None if handover.otherwise.is_some() && at == handover.branches.len() => {
                    "any other".to_owned()
                }
                None => "unknown".to_owned(),
            },
            Self::Conclude(conclusion) => {
                let recheck = conclusion.unless.as_deref();
                recheck.map_or_else(String::new, |recheck| recheck.exit_name(position))
            }
        }
    }
}

impl Recheck {
    /// The exit at `position` in words: its id and the guard (`back: yes`).
    #[must_use]
    pub fn exit_name(&self, position: u16) -> String {
        let branch = self.branches.as_slice().get(usize::from(position));
        let guard = branch.map_or_else(String::new, |branch| branch.guard.describe(self.branches.domain()));
        format!("{}: {guard}", self.id)
    }
}

impl Guard {
    /// The guard in words, its choices by their names in `domain`: `from 5m below 30m`, `healthy | degraded`.
    #[must_use]
    pub fn describe(&self, domain: &Domain) -> String {
        let mut text = match &self.values {
            Values::None => String::new(),
            Values::All => "any".to_owned(),
            Values::Durations(lower, upper) => range(lower, upper, |bound| format_duration(*bound)),
            Values::Numbers(lower, upper) => range(lower, upper, f64::to_string),
            Values::Counts(lower, upper) => range(lower, upper, u64::to_string),
            Values::Flags { yes: true, no: true } => "yes | no".to_owned(),
            Values::Flags { yes: true, no: false } => "yes".to_owned(),
            Values::Flags { yes: false, .. } => "no".to_owned(),
            Values::Choices(choices) => {
                let name = |choice| match domain.kind() {
                    Kind::Choice(choices) => choices.name(choice),
                    _ => None,
                };
                choices.iter().filter_map(|choice| name(*choice)).collect::<Vec<_>>().join(" | ")
            }
        };
        if self.absent {
            text.push_str(if text.is_empty() { "absent" } else { " | absent" });
        }
        text
    }
}

fn range<T>(lower: &Bound<T>, upper: &Bound<T>, show: impl Fn(&T) -> String) -> String {
    let mut text = match lower {
        Bound::Included(bound) => format!("from {}", show(bound)),
        Bound::Excluded(bound) => format!("above {}", show(bound)),
        Bound::Unbounded => String::new(),
    };
    let upper = match upper {
        Bound::Included(bound) => format!("up to {}", show(bound)),
        Bound::Excluded(bound) => format!("below {}", show(bound)),
        Bound::Unbounded => String::new(),
    };
    if !text.is_empty() && !upper.is_empty() {
        text.push(' ');
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "{upper}");
    if text.is_empty() { "any".to_owned() } else { text }
}
