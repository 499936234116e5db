//! What the tests of the judges share.

use std::fmt::Debug;

use chrono::{DateTime, TimeDelta, Utc};

use super::CheckRequest;
use super::judge::Verdict;
use crate::fact::{UnknownReason, Value};
use crate::runbook::step::{About, Params};
use crate::subject::Subject;
use crate::time::Period;

pub(super) use crate::fact::UnknownReason::{Future, Stale, Undetermined};

pub(super) const NANO: TimeDelta = TimeDelta::nanoseconds(1);
/// The `now` of [`Asked`], in seconds.
pub(super) const NOW: i64 = 100_000;

/// `seconds` after a fixed day.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(super) const fn secs(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

pub(super) fn period(from: i64, to: i64) -> Period {
    Period::new(at(from), at(to)).unwrap()
}

/// Owns what a request borrows.
pub(super) struct Asked {
    pub(super) subject: Subject,
    pub(super) params: Params,
    pub(super) since: DateTime<Utc>,
    pub(super) triggered_at: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
}

impl Asked {
    /// Of a device with everything named, at [`NOW`], ten minutes after the last wait began.
    pub(super) fn new() -> Self {
        Self {
            subject: Subject::device("press-07")
                .with_gateway("gw-2")
                .with_site("plant-north")
                .with_pipeline("ingest")
                .with_period(period(NOW - 7200, NOW - 3600)),
            params: Params::new(),
            since: at(NOW - 600),
            triggered_at: at(NOW - 900),
            now: at(NOW),
        }
    }

    /// The same of a device that reports each so many seconds.
    pub(super) fn reporting_each(interval: i64) -> Self {
        let asked = Self::new();
        Self { subject: asked.subject.with_reporting_interval(secs(interval)), ..asked }
    }

    pub(super) fn request(&self) -> CheckRequest<'_> {
        CheckRequest::new(&self.subject, &self.params, About::Now, self.since, self.triggered_at, self.now)
    }
}

/// What a judge comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Value(Value),
    Unknown(UnknownReason),
    /// No value, for whatever reason.
    NoValue,
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<bool> for Outcome {
    fn from(flag: bool) -> Self {
        Self::Value(Value::Flag(flag))
    }
}

impl From<f64> for Outcome {
    fn from(number: f64) -> Self {
        Self::Value(Value::Number(number))
    }
}

impl From<UnknownReason> for Outcome {
    fn from(reason: UnknownReason) -> Self {
        Self::Unknown(reason)
    }
}

impl<T: Into<Self>> From<Option<T>> for Outcome {
    fn from(outcome: Option<T>) -> Self {
        outcome.map_or(Self::NoValue, Into::into)
    }
}

impl Outcome {
    fn is_of(self, verdict: &Verdict) -> bool {
        match self {
            Self::Value(value) => verdict.value() == Some(value),
            Self::Unknown(reason) => verdict.reason() == Some(reason),
            Self::NoValue => verdict.value().is_none(),
        }
    }
}

impl Verdict {
    /// Fails the test where the verdict is another one.
    #[track_caller]
    pub(super) fn expect(&self, outcome: impl Into<Outcome>) {
        self.expect_of(&"this case", outcome);
    }

    /// The same of one case of a table.
    #[track_caller]
    pub(super) fn expect_of(&self, case: &dyn Debug, outcome: impl Into<Outcome>) {
        let outcome = outcome.into();
        assert!(outcome.is_of(self), "expected {outcome:?} of {case:?}: {self:?}");
    }

    /// The same with the share of the missing rows that it accounts for.
    #[track_caller]
    pub(super) fn expect_share(&self, outcome: impl Into<Outcome>, share: f64) {
        self.expect_share_of(&"this case", outcome, share);
    }

    #[track_caller]
    pub(super) fn expect_share_of(&self, case: &dyn Debug, outcome: impl Into<Outcome>, share: f64) {
        self.expect_of(case, outcome);
        assert_eq!(self.accounts_for(), Some(share), "{case:?}: {self:?}");
    }
}
