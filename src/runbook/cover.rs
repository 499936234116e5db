//! Which values guards take, hole for hole: every ordered domain is laid on one line of whole numbers, on
//! which neighbours are neighbours, so that a hole is a hole only where a value could fall into it.

use std::cmp::Reverse;
use std::ops::Bound;

use chrono::TimeDelta;

use super::fault::Gap;
use super::guard::Values;
use crate::fact::Kind;

/// The line of an ordered domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Durations, or ages of instants, in nanoseconds.
    Durations,
    /// Numbers, in the order of their values; both zeros are one point.
    Numbers,
    /// Counts.
    Counts,
}

/// Points of a line from `begin` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begin: i128,
    pub(crate) end: i128,
}

/// What a set of spans leaves out, and what it has twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    pub(super) holes: Vec<Span>,
    /// Each with the positions of two spans that share it, the lower first. Every point that is taken more
    /// than once is in one of them.
    pub(super) overlaps: Vec<(Span, usize, usize)>,
}

impl Line {
    /// The line of a kind of values, where it has an order.
    pub(crate) const fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Duration | Kind::Instant => Some(Self::Durations),
            Kind::Number => Some(Self::Numbers),
            Kind::Count => Some(Self::Counts),
            Kind::Flag | Kind::Choice(_) => None,
        }
    }

    /// All of it.
    pub(crate) fn all(self) -> Span {
        let (first, last) = match self {
            Self::Durations => (nanoseconds(TimeDelta::MIN), nanoseconds(TimeDelta::MAX)),
            Self::Numbers => (position(f64::NEG_INFINITY), position(f64::INFINITY)),
            Self::Counts => (0, u64::MAX.into()),
        };
        Span { begin: first, end: last + 1 }
    }

    /// The points that `values` takes of this line; `None` where it is of another.
    pub(crate) fn span(self, values: &Values) -> Option<Span> {
        match (self, values) {
            (_, Values::All) => Some(self.all()),
            (_, Values::None) => Some(Span { begin: 0, end: 0 }),
            (Self::Durations, Values::Durations(lower, upper)) => {
                Some(self.between(lower.map(nanoseconds), upper.map(nanoseconds)))
            }
            (Self::Numbers, Values::Numbers(lower, upper)) => {
                Some(self.between(lower.map(position), upper.map(position)))
            }
            (Self::Counts, Values::Counts(lower, upper)) => {
                Some(self.between(lower.map(i128::from), upper.map(i128::from)))
            }
            _ => None,
        }
    }

    /// The points that the bounds of `values` name, whether taken in or not.
    pub(super) fn written(self, values: &Values) -> Option<[Option<i128>; 2]> {
        let point = |bound: Bound<i128>| match bound {
            Bound::Included(point) | Bound::Excluded(point) => Some(point),
            Bound::Unbounded => None,
        };
        match (self, values) {
            (Self::Durations, Values::Durations(lower, upper)) => {
                Some([point(lower.map(nanoseconds)), point(upper.map(nanoseconds))])
            }
            (Self::Numbers, Values::Numbers(lower, upper)) => {
                Some([point(lower.map(position)), point(upper.map(position))])
            }
            (Self::Counts, Values::Counts(lower, upper)) => {
                Some([point(lower.map(i128::from)), point(upper.map(i128::from))])
            }
            _ => None,
        }
    }

    fn between(self, lower: Bound<i128>, upper: Bound<i128>) -> Span {
        let all = self.all();
        let begin = match lower {
            Bound::Unbounded => all.begin,
            Bound::Included(point) => point,
            Bound::Excluded(point) => point + 1,
        };
        let end = match upper {
            Bound::Unbounded => all.end,
            Bound::Included(point) => point + 1,
            Bound::Excluded(point) => point,
        };
        Span { begin: begin.max(all.begin), end: end.min(all.end) }
    }

    /// The values of a span. A bound may be written as the last point inside or as the first one outside:
    /// it is the one that is among `written`.
    pub(super) fn gap(self, span: Span, written: &dyn Fn(i128) -> bool) -> Gap {
        let all = self.all();
        let outside =
            |inside: i128, outside: i128| self != Self::Counts && !written(inside) && written(outside);
        let lower = match span.begin {
            begin if begin <= all.begin => Bound::Unbounded,
            begin if outside(begin, begin - 1) => Bound::Excluded(begin - 1),
            begin => Bound::Included(begin),
        };
        let upper = match span.end {
            end if end >= all.end => Bound::Unbounded,
            end if outside(end - 1, end) => Bound::Excluded(end),
            end => Bound::Included(end - 1),
        };
        match self {
            Self::Durations => Gap::Durations(lower.map(duration), upper.map(duration)),
            Self::Numbers => Gap::Numbers(lower.map(number), upper.map(number)),
            // The first count is no infinity: say it.
            Self::Counts => {
                let lower = if lower == Bound::Unbounded { Bound::Included(0) } else { lower };
                Gap::Counts(lower.map(count), upper.map(count))
            }
        }
    }
}

impl Span {
    pub(crate) const fn is_empty(self) -> bool {
        self.begin >= self.end
    }
}

/// What `spans` leave out of `all`, and what they have twice. In the order of the line.
pub(super) fn survey(all: Span, spans: &[Span]) -> Survey {
    let mut order: Vec<usize> =
        (0..spans.len()).filter(|at| spans.get(*at).is_some_and(|s| !s.is_empty())).collect();
    order.sort_by_key(|at| spans.get(*at).map(|span| (span.begin, Reverse(span.end))));
    let mut found = Survey::default();
    let mut reached = all.begin;
    // The span that reached so far.
    let mut farthest: Option<usize> = None;
    for at in order {
        let Some(span) = spans.get(at) else { continue };
        if span.begin > reached {
            found.holes.push(Span { begin: reached, end: span.begin });
        } else if span.begin < reached
            && let Some(other) = farthest
        {
            let shared = Span { begin: span.begin, end: span.end.min(reached) };
            found.overlaps.push((shared, at.min(other), at.max(other)));
        }
        if span.end > reached {
            reached = span.end;
            farthest = Some(at);
        }
    }
    if reached < all.end {
        found.holes.push(Span { begin: reached, end: all.end });
    }
    found
}

fn nanoseconds(duration: TimeDelta) -> i128 {
    i128::from(duration.num_seconds()) * 1_000_000_000 + i128::from(duration.subsec_nanos())
}

fn duration(nanoseconds: i128) -> TimeDelta {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
    let rest = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0);
    TimeDelta::new(seconds, rest).unwrap_or(TimeDelta::MAX)
}

/// The position of a number among all numbers: the bits of an IEEE 754 number without its sign rise with it.
fn position(number: f64) -> i128 {
    let magnitude = i128::from(number.abs().to_bits());
    if number.is_sign_negative() { -magnitude } else { magnitude }
}

fn number(position: i128) -> f64 {
    let magnitude = f64::from_bits(u64::try_from(position.unsigned_abs()).unwrap_or(0));
    if position < 0 { -magnitude } else { magnitude }
}

fn count(point: i128) -> u64 {
    u64::try_from(point).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::fact::Value;
    use crate::runbook::guard::Guard;

    const LINES: [Line; 3] = [Line::Durations, Line::Numbers, Line::Counts];

    /// Points at which bounds may lie, close together and at the ends, as a value of each line.
    const POINTS: i64 = 9;

    fn bound_value(line: Line, at: i64) -> i128 {
        match line {
            Line::Durations => nanoseconds(TimeDelta::nanoseconds(at - 4)),
            Line::Numbers => {
                position([-1.0, -5e-324, -0.0, 0.0, 5e-324, 0.5, 1.0, 1.5, f64::MAX][at as usize])
            }
            Line::Counts => [0, 1, 2, 3, 4, 5, 6, i128::from(u64::MAX) - 1, u64::MAX.into()][at as usize],
        }
    }

    fn values(line: Line, lower: Bound<i64>, upper: Bound<i64>) -> Values {
        let (lower, upper) = (lower.map(|at| bound_value(line, at)), upper.map(|at| bound_value(line, at)));
        match line {
            Line::Durations => Values::Durations(lower.map(duration), upper.map(duration)),
            Line::Numbers => Values::Numbers(lower.map(number), upper.map(number)),
            Line::Counts => Values::Counts(lower.map(count), upper.map(count)),
        }
    }

    fn value(line: Line, point: i128) -> Value {
        match line {
            Line::Durations => Value::Duration(duration(point)),
            Line::Numbers => Value::Number(number(point)),
            Line::Counts => Value::Count(count(point)),
        }
    }

    /// Each bound, its neighbours, and the ends of the line: a guard changes its mind nowhere else.
    fn samples(line: Line) -> Vec<i128> {
        let all = line.all();
        let mut samples: Vec<i128> = (0..POINTS)
            .flat_map(|at| [-1, 0, 1].map(|by| bound_value(line, at) + by))
            .chain([all.begin, all.end - 1, 0])
            .filter(|point| (all.begin..all.end).contains(point))
            .collect();
        samples.sort_unstable();
        samples.dedup();
        samples
    }

    fn bound() -> impl Strategy<Value = Bound<i64>> {
        prop_oneof![
            Just(Bound::Unbounded),
            (0..POINTS).prop_map(Bound::Included),
            (0..POINTS).prop_map(Bound::Excluded),
        ]
    }

    fn within(gap: &Gap, value: Value) -> bool {
        let values = match gap {
            Gap::Durations(lower, upper) => Values::Durations(*lower, *upper),
            Gap::Numbers(lower, upper) => Values::Numbers(*lower, *upper),
            Gap::Counts(lower, upper) => Values::Counts(*lower, *upper),
            other => panic!("{other:?} is of no line"),
        };
        Guard { absent: false, values }.takes(value, DateTime::<Utc>::MIN_UTC)
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::with_cases(2_000) })]

        /// Against guards that are asked value by value: holes are where none takes, overlaps where several do.
        #[test]
        fn holes_and_overlaps_match_sampled_values(
            line in prop::sample::select(&LINES[..]),
            bounds in prop::collection::vec((bound(), bound()), 0..6),
        ) {
            let guards: Vec<Guard> = bounds
                .into_iter()
                .map(|(lower, upper)| Guard { absent: false, values: values(line, lower, upper) })
                .collect();
            let spans: Vec<Span> = guards.iter().map(|guard| line.span(&guard.values).unwrap()).collect();
            let written: Vec<i128> =
                guards.iter().flat_map(|guard| line.written(&guard.values).unwrap()).flatten().collect();
            let found = survey(line.all(), &spans);
            let gap = |span: &Span| line.gap(*span, &|point| written.contains(&point));
            for point in samples(line) {
                let value = value(line, point);
                let takers: Vec<usize> = (0..guards.len())
                    .filter(|at| guards[*at].takes(value, DateTime::<Utc>::MIN_UTC))
                    .collect();
                let in_hole = found.holes.iter().filter(|hole| within(&gap(hole), value)).count();
                prop_assert_eq!(in_hole, usize::from(takers.is_empty()), "{:?} of {:?}", value, guards);
                let sharing: Vec<_> =
                    found.overlaps.iter().filter(|(span, _, _)| within(&gap(span), value)).collect();
                prop_assert_eq!(!sharing.is_empty(), takers.len() > 1, "{:?} of {:?}", value, guards);
                for (_, one, other) in sharing {
                    prop_assert!(takers.contains(one) && takers.contains(other) && one != other);
                }
            }
            for (guard, span) in guards.iter().zip(&spans) {
                let takes = samples(line).iter().any(|point| guard.takes(value(line, *point), DateTime::<Utc>::MIN_UTC));
                prop_assert_eq!(!span.is_empty(), takes, "{:?}", guard);
            }
        }

        #[test]
        fn numbers_keep_their_order_on_the_line(number in prop::num::f64::ANY) {
            prop_assume!(!number.is_nan());
            prop_assert_eq!(super::number(position(number)), number);
            if number < f64::INFINITY {
                prop_assert_eq!(position(number.next_up()), position(number) + 1);
            }
        }

        #[test]
        fn a_duration_lies_on_its_line(seconds in -9_000_000_000_000_000_i64..9_000_000_000_000_000, rest in 0_u32..1_000_000_000) {
            let given = TimeDelta::new(seconds, rest).unwrap();
            prop_assert_eq!(duration(nanoseconds(given)), given);
        }
    }

    #[test]
    fn the_ends_of_each_line_are_values() {
        assert_eq!(duration(Line::Durations.all().begin), TimeDelta::MIN);
        assert_eq!(duration(Line::Durations.all().end - 1), TimeDelta::MAX);
        assert_eq!(number(Line::Numbers.all().begin), f64::NEG_INFINITY);
        assert_eq!(number(Line::Numbers.all().end - 1), f64::INFINITY);
        assert_eq!(count(Line::Counts.all().end - 1), u64::MAX);
    }
}
