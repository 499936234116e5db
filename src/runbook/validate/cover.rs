//! Which values guards take, hole for hole: every ordered domain is laid on one line of whole numbers, on
//! which neighbours are neighbours, so that a hole is a hole only where a value could fall into it.

use std::cmp::Reverse;
use std::ops::Bound;

use chrono::TimeDelta;

use super::super::fault::Gap;
use super::super::guard::Values;
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
