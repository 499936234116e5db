use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Something that should not happen, recorded in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Anomaly {
    /// The clock stepped back by more than a second. Time goes on from there: what is left of a wait stays as
    /// long as it was.
    ClockBack {
        /// What the clock then said.
        to: DateTime<Utc>,
    },
    /// Nothing happened for more than a day beyond what was awaited: the clock jumped, the service slept, or a
    /// probe was open for so long.
    ClockForward,
    /// A wait until a fact's instant found no such instant, and was over at once.
    NoInstant,
    /// A loop came around without any time passing: every wait in it was already over.
    IdleLoop,
    /// The diagnosis waited 10 000 times.
    TooManyWaits,
    /// A wait, or a question that was put off, took more than twice as long as asked, and over a minute more: the clock
    /// jumped, or the service slept. What was known before is asked again.
    LongWait,
    /// The diagnosis took longer than its runbook allows.
    TooLong,
    /// The clock stepped back 1 000 times.
    ClockUnusable,
    /// An answer, or the instant in it, was dated in the future by more than the clock tolerance. It is kept; its value
    /// is unknown, unless the check declares that the future is a value.
    Future,
    /// The alert was dated in the future, by more than the clock tolerance. It counts as raised when the diagnosis began.
    FutureTrigger,
    /// A value that no branch of its step takes. Validation rules it out; it is never guessed around.
    NoBranch,
}

impl Anomaly {
    /// What it means, for a person.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        match self {
            Self::ClockBack { .. } => "the clock stepped back",
            Self::ClockForward => "nothing happened for more than a day beyond what was awaited",
            Self::NoInstant => "a wait found no instant to wait for",
            Self::IdleLoop => "a loop came around without any time passing",
            Self::TooManyWaits => "it waited 10 000 times without coming to an end",
            Self::LongWait => "a wait took more than twice as long as asked",
            Self::TooLong => "it took longer than its runbook allows",
            Self::ClockUnusable => "the clock stepped back 1 000 times",
            Self::Future => "an answer was dated in the future, beyond what clocks may differ by",
            Self::FutureTrigger => "the alert is dated in the future, beyond what clocks may differ by",
            Self::NoBranch => "no branch takes the value",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A clock may be this much behind what it last said without that being an anomaly.
pub(super) const CLOCK_SLACK: TimeDelta = TimeDelta::seconds(1);
/// A clock this far past what was awaited is an anomaly.
pub(super) const CLOCK_JUMP: TimeDelta = TimeDelta::days(1);
/// As often as the clock may step back before it is of no use.
pub(super) const MOST_STEPS_BACK: u32 = 1_000;
/// As often as a diagnosis may wait.
pub(super) const MOST_WAITS: u32 = 10_000;
