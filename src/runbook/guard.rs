//! Guards: which values take which way out of a step.

use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};

use super::step::Exit;
use crate::fact::{Choice, Domain, Kind, Value};
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
    #[inline]
    fn takes_duration(&self, duration: TimeDelta) -> bool {
        match &self.values {
            Values::All => true,
            Values::Durations(lower, upper) => between(duration, *lower, *upper),
            _ => false,
        }
    }
}

#[inline]
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

/// The branches of a step: disjoint, and together the whole domain, so that one and only one takes each value.
#[derive(Clone, Debug, PartialEq)]
pub struct Branches {
    domain: Domain,
    branches: Box<[Branch]>,
    /// For a choice, the branch of each position; empty for the other kinds.
    by_choice: Box<[u16]>,
    /// For durations and instants, the shortest length beyond each branch that takes any, rising; none where it has no
    /// end. Empty for the other kinds.
    ends: Box<[Option<TimeDelta>]>,
}

/// The first branch that takes each choice; linear in the choices that the branches list.
fn by_choice(choices: usize, branches: &[Branch]) -> Box<[u16]> {
    let mut taken_by = vec![NONE; choices];
    for (at, branch) in (0..NONE).zip(branches) {
        let free = |by: &&mut u16| **by == NONE;
        match &branch.guard.values {
            Values::All => taken_by.iter_mut().filter(free).for_each(|by| *by = at),
            Values::Choices(listed) => {
                for choice in listed {
                    if let Some(by) = taken_by.get_mut(usize::from(choice.position())).filter(free) {
                        *by = at;
                    }
                }
            }
            _ => {}
        }
    }
    taken_by.into()
}

/// The shortest length of time beyond each branch that takes any.
fn ends(branches: &[Branch]) -> Box<[Option<TimeDelta>]> {
    let end = |branch: &Branch| match &branch.guard.values {
        Values::Durations(_, Bound::Excluded(end)) => Some(Some(*end)),
        Values::Durations(_, Bound::Included(last)) => Some(last.checked_add(&TimeDelta::nanoseconds(1))),
        Values::Durations(_, Bound::Unbounded) | Values::All => Some(None),
        _ => None,
    };
    branches.iter().map_while(end).collect()
}

/// No branch takes the value.
const NONE: u16 = u16::MAX;

impl Branches {
    /// The branches over `domain`. The caller has proven that they are disjoint and cover it, and that there
    /// are fewer than `u16::MAX`.
    pub(crate) fn new(domain: Domain, branches: Box<[Branch]>) -> Self {
        let by_choice = match domain.kind() {
            Kind::Choice(choices) => by_choice(choices.len(), &branches),
            _ => Box::default(),
        };
        let ends = match domain.kind() {
            Kind::Duration | Kind::Instant => ends(&branches),
            _ => Box::default(),
        };
        Self { domain, branches, by_choice, ends }
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

    /// The position of the branch that takes `value`, an instant by its age at `now`; `None` only for a value
    /// that is not of the domain.
    #[must_use]
    pub fn select(&self, value: Value, now: DateTime<Utc>) -> Option<u16> {
        self.taken_by(&value, &now)
    }

    /// The same of values that stay where they are.
    #[inline]
    pub(crate) fn taken_by(&self, value: &Value, now: &DateTime<Utc>) -> Option<u16> {
        match value {
            Value::Choice(choice) => {
                let taken = self.by_choice.get(usize::from(choice.position()));
                taken.copied().filter(|taken| *taken != NONE)
            }
            value => self.select_by_guard(value, now),
        }
    }

    #[inline(never)]
    fn select_by_guard(&self, value: &Value, now: &DateTime<Utc>) -> Option<u16> {
        let taken = match *value {
            // An instant's age is the same for every branch.
            Value::Instant(at) => self.select_duration(since(*now, at)),
            Value::Duration(duration) => self.select_duration(duration),
            value => self.branches.iter().position(|branch| branch.guard.takes(value, *now)),
        };
        u16::try_from(taken?).ok()
    }

    /// The branches are in the order of what they take, and leave no hole: so the first that ends later takes it.
    #[inline]
    fn select_duration(&self, duration: TimeDelta) -> Option<usize> {
        self.ends.iter().position(|end| end.is_none_or(|end| duration < end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::step::StepIndex;

    fn branches(kind: Kind, guards: &[(bool, Values)]) -> Branches {
        let branch = |(absent, values): &(bool, Values)| Branch {
            guard: Guard { absent: *absent, values: values.clone() },
            exit: Exit { to: StepIndex(0), note: None, alert: None },
        };
        Branches::new(Domain::new(kind), guards.iter().map(branch).collect())
    }

    #[test]
    fn a_length_is_taken_by_the_branch_whose_guard_takes_it() {
        use Bound::{Excluded, Included, Unbounded};
        let nano = TimeDelta::nanoseconds(1);
        let [five, nine] = [5, 9].map(TimeDelta::minutes);
        let between = |lower, upper| (false, Values::Durations(lower, upper));
        let alone = (true, Values::None);
        let mut taken = 0;
        for guards in [
            vec![(false, Values::All), alone.clone()],
            vec![between(Unbounded, Unbounded)],
            vec![between(Unbounded, Excluded(five)), between(Included(five), Unbounded), alone.clone()],
            vec![
                between(Unbounded, Included(-five)),
                between(Excluded(-five), Excluded(five)),
                (true, Values::Durations(Included(five), Included(nine))),
                between(Excluded(nine), Unbounded),
            ],
            vec![between(Unbounded, Excluded(TimeDelta::MAX)), between(Included(TimeDelta::MAX), Unbounded)],
            vec![between(Unbounded, Included(TimeDelta::MAX)), alone],
            vec![between(Unbounded, Included(TimeDelta::MIN)), between(Excluded(TimeDelta::MIN), Unbounded)],
        ] {
            let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            let near =
                [-five, TimeDelta::zero(), five, nine].map(|length| [length - nano, length, length + nano]);
            let ends = [TimeDelta::MIN, TimeDelta::MIN + nano, TimeDelta::MAX - nano, TimeDelta::MAX];
            for length in near.into_iter().flatten().chain(ends) {
                let mut values = vec![(Kind::Duration, Value::Duration(length))];
                values.extend(now.checked_sub_signed(length).map(|at| (Kind::Instant, Value::Instant(at))));
                values.push((Kind::Instant, Value::Absent));
                for (kind, value) in values {
                    let position = guards.iter().position(|(absent, values)| {
                        Guard { absent: *absent, values: values.clone() }.takes(value, now)
                    });
                    let expected = position.map(|position| position as u16);
                    assert_eq!(
                        branches(kind, &guards).select(value, now),
                        expected,
                        "{value:?} of {guards:?}"
                    );
                    taken += usize::from(expected.is_some());
                }
            }
        }
        assert!(taken > 200, "{taken}");
    }
}
