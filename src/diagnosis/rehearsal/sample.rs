//! Values that a guard takes: its edges.

use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};

use crate::fact::{Choice, Domain, Kind, Value};
use crate::runbook::guard::{Guard, Values};

const TICK: TimeDelta = TimeDelta::nanoseconds(1);
const FAR: TimeDelta = TimeDelta::days(1);

/// Values at the edges of a guard, an instant so that it has that age at `now`; never none.
pub(super) fn edges(guard: &Guard, domain: &Domain, now: DateTime<Utc>) -> Vec<Value> {
    let mut values = match &guard.values {
        Values::None => Vec::new(),
        Values::All => all(domain, now),
        Values::Durations(lower, upper) => {
            // The nearest value on the other side: a bound that is wrong by one tick is then taken by the
            // wrong branch, and the walk shows it.
            let up = |at: TimeDelta| at.checked_add(&TICK).unwrap_or(at);
            let down = |at: TimeDelta| at.checked_sub(&TICK).unwrap_or(at);
            let pair = pair(
                *lower,
                *upper,
                up,
                down,
                |at, by| if by { at + FAR } else { at - FAR },
                TimeDelta::zero(),
            );
            let value = |length: TimeDelta| match domain.kind() {
                Kind::Instant => Value::Instant(crate::time::saturating_add(now, -length)),
                _ => Value::Duration(length),
            };
            pair.map(value).to_vec()
        }
        Values::Numbers(lower, upper) => {
            let further = |at: f64, by| if by { at + 1.0 } else { at - 1.0 };
            pair(*lower, *upper, f64::next_up, f64::next_down, further, 0.0).map(Value::Number).to_vec()
        }
        Values::Counts(lower, upper) => {
            let further = |at: u64, by| if by { at.saturating_add(1) } else { 0 };
            let up = |at: u64| at.saturating_add(1);
            pair(*lower, *upper, up, |at| at.saturating_sub(1), further, 0).map(Value::Count).to_vec()
        }
        Values::Flags { yes, no } => {
            [true, false].into_iter().filter(|flag| if *flag { *yes } else { *no }).map(Value::Flag).collect()
        }
        Values::Choices(choices) => choices.iter().copied().map(Value::Choice).collect(),
    };
    if guard.absent {
        values.push(Value::Absent);
    }
    values
}

fn all(domain: &Domain, now: DateTime<Utc>) -> Vec<Value> {
    match domain.kind() {
        Kind::Duration => vec![Value::Duration(TimeDelta::zero())],
        Kind::Instant => vec![Value::Instant(now)],
        Kind::Number => vec![Value::Number(0.0)],
        Kind::Count => vec![Value::Count(0)],
        Kind::Flag => vec![Value::Flag(true), Value::Flag(false)],
        Kind::Choice(choices) => (0..choices.len())
            .filter_map(|at| u16::try_from(at).ok())
            .map(Choice::new)
            .map(Value::Choice)
            .collect(),
    }
}

/// The lowest and the highest value between two bounds; where one is open, one that lies well inside.
fn pair<T: Copy>(
    lower: Bound<T>,
    upper: Bound<T>,
    up: impl Fn(T) -> T,
    down: impl Fn(T) -> T,
    further: impl Fn(T, bool) -> T,
    anywhere: T,
) -> [T; 2] {
    let low = match lower {
        Bound::Included(at) => Some(at),
        Bound::Excluded(at) => Some(up(at)),
        Bound::Unbounded => None,
    };
    let high = match upper {
        Bound::Included(at) => Some(at),
        Bound::Excluded(at) => Some(down(at)),
        Bound::Unbounded => None,
    };
    match (low, high) {
        (Some(low), Some(high)) => [low, high],
        (Some(low), None) => [low, further(low, true)],
        (None, Some(high)) => [further(high, false), high],
        (None, None) => [anywhere, anywhere],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn bound(kind: u8, at: i64) -> Bound<i64> {
        match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(at),
            _ => Bound::Excluded(at),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn every_edge_is_taken_by_its_guard(low in 0..3_u8, high in 0..3_u8, at in -1000_i64..1000, width in 3_i64..1000) {
            let now = super::super::STAGE_TIME;
            let (lower, upper) = (bound(low, at), bound(high, at + width));
            let durations = Values::Durations(lower.map(TimeDelta::nanoseconds), upper.map(TimeDelta::nanoseconds));
            let guard = Guard { absent: true, values: durations };
            for kind in [Kind::Duration, Kind::Instant] {
                for value in edges(&guard, &Domain::new(kind).optional(), now) {
                    prop_assert!(guard.takes(value, now), "{value:?}");
                }
            }
            let counts = Values::Counts(lower.map(|at| (at + 2000) as u64), upper.map(|at| (at + 2000) as u64));
            let guard = Guard { absent: false, values: counts };
            for value in edges(&guard, &Domain::new(Kind::Count), now) {
                prop_assert!(guard.takes(value, now), "{value:?}");
            }
            let numbers = Values::Numbers(lower.map(|at| at as f64), upper.map(|at| at as f64));
            let guard = Guard { absent: false, values: numbers };
            for value in edges(&guard, &Domain::new(Kind::Number), now) {
                prop_assert!(guard.takes(value, now), "{value:?}");
            }
        }
    }
}
