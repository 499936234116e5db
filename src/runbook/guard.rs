//! Guards: which values take which way out of a step.

use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};

use super::step::Exit;
use crate::fact::{Choice, Domain, Value};
use crate::time::since;

/// The values of a domain that one branch takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Guard {
    /// Whether "looked, and there is none" is among them.
    pub absent: bool,
    /// The values that are there.
    pub values: Values,
}

/// A set of values that are there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// None: the guard is for `absent` alone.
    None,
    /// Every value of the domain.
    All,
    /// Durations, or the ages of instants, between two bounds.
    Durations(Bound<TimeDelta>, Bound<TimeDelta>),
    /// Numbers between two bounds.
    Numbers(Bound<f64>, Bound<f64>),
    /// Counts between two bounds.
    Counts(Bound<u64>, Bound<u64>),
    /// Yes, no.
    Flags {
        /// Whether yes is among them.
        yes: bool,
        /// Whether no is among them.
        no: bool,
    },
    /// Choices by their position in the domain's list, rising, none twice.
    Choices(Box<[Choice]>),
}

impl Guard {
    /// Whether the guard takes `value`, an instant by its age at `now`.
    #[must_use]
    pub fn takes(&self, value: Value, now: DateTime<Utc>) -> bool {
        match (&self.values, value) {
            (_, Value::Absent) => self.absent,
            (_, Value::Duration(duration)) => self.takes_duration(duration),
            (_, Value::Instant(at)) => self.takes_duration(since(now, at)),
            (Values::All, _) => true,
            (Values::Numbers(lower, upper), Value::Number(number)) => between(number, *lower, *upper),
            (Values::Counts(lower, upper), Value::Count(count)) => between(count, *lower, *upper),
            (Values::Flags { yes, no }, Value::Flag(flag)) => {
                if flag {
                    *yes
                } else {
                    *no
                }
            }
            (Values::Choices(choices), Value::Choice(choice)) => choices.binary_search(&choice).is_ok(),
            _ => false,
        }
    }

    /// Whether it takes a duration, or an instant of that age.
    fn takes_duration(&self, duration: TimeDelta) -> bool {
        match &self.values {
            Values::All => true,
            Values::Durations(lower, upper) => between(duration, *lower, *upper),
            _ => false,
        }
    }
}

fn between<T: PartialOrd + Copy>(value: T, lower: Bound<T>, upper: Bound<T>) -> bool {
    (match lower {
        Bound::Unbounded => true,
        Bound::Included(bound) => bound <= value,
        Bound::Excluded(bound) => bound < value,
    }) && match upper {
        Bound::Unbounded => true,
        Bound::Included(bound) => value <= bound,
        Bound::Excluded(bound) => value < bound,
    }
}

/// One guarded way out of a step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Branch {
    /// Which values take it.
    pub guard: Guard,
    /// Where it leads.
    pub exit: Exit,
}

/// The branches of a step, or of a recheck. They are disjoint: no value is taken by two. Those of a step take every
/// value of the domain; those of a recheck need not.
#[derive(Clone, Debug, PartialEq)]
pub struct Branches {
    domain: Domain,
    branches: Box<[Branch]>,
}

impl Branches {
    /// The branches over `domain`. The caller has proven that they are disjoint, and that there are fewer than
    /// `u16::MAX`.
    pub(crate) const fn new(domain: Domain, branches: Box<[Branch]>) -> Self {
        Self { domain, branches }
    }

    /// The values that are branched on.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The branches in the order of the values they take, `absent` alone last, however the document orders them.
    #[must_use]
    pub const fn as_slice(&self) -> &[Branch] {
        &self.branches
    }

    /// The way out of the branch at `position`.
    #[must_use]
    pub fn exit(&self, position: usize) -> Option<&Exit> {
        self.branches.get(position).map(|branch| &branch.exit)
    }

    /// The position of the branch that takes `value`, an instant by its age at `now`; `None` where no branch does.
    #[must_use]
    pub fn select(&self, value: Value, now: DateTime<Utc>) -> Option<u16> {
        let taken = self.branches.iter().position(|branch| branch.guard.takes(value, now));
        u16::try_from(taken?).ok()
    }
}
