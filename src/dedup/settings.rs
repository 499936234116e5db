//! How an engine is set up.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Secret;
use crate::time::format_duration;

/// How long a window and its history together may be: 2³¹ ms, some 24.8 days.
const LONGEST: i64 = 1 << 31;

/// How many ids an engine may remember at most: 2³¹.
const MOST_IDS: u64 = 1 << 31;

/// Which sighting the TTL runs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a sighting is the first, or it is the last")]
pub enum Window {
    /// From the first: copies that keep coming do not keep an id.
    #[default]
    FixedFromFirst,
    /// From the last duplicate or replay. Takes 8 bytes more for each id, and up to some 50 more for one that was seen
    /// again.
    Sliding,
}

/// How much an engine may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "memory is counted in ids or in bytes")]
pub enum Limit {
    /// So many ids, from 1 to 2³¹.
    Ids(u64),
    /// So many bytes for ids and their index at most, from 512 KiB on; it is turned into ids by what an id takes
    /// at most. (An engine also holds its audit, which has bounds of its own.)
    Bytes(u64),
}

/// What happens to a fresh id when the engine is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AtLimit {
    /// It is passed on and not remembered: [`Verdict::Untracked`](super::Verdict::Untracked).
    #[default]
    PassUntracked,
    /// The id with the oldest sighting is forgotten before its time, which is counted, with the TTL that is left in effect.
    /// Of those of one millisecond the first that came is the oldest. An id that was reserved in this very millisecond is
    /// not forgotten: if it is the oldest, the message passes as
    /// [`Verdict::Untracked`](super::Verdict::Untracked).
    EvictOldest,
}

/// The settings of an engine. Checked, all at once, where an engine is made of them.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::dedup::{Deduplicator, Limit, Settings, Window};
///
/// let settings = Settings::new(TimeDelta::hours(6)).with_window(Window::Sliding).with_limit(Limit::Ids(100_000));
/// assert!(Deduplicator::with_settings(&settings).is_ok());
///
/// let wrong = Settings::new(TimeDelta::zero());
/// let error = Deduplicator::with_settings(&wrong).unwrap_err();
/// assert!(error.to_string().starts_with("`ttl` is 0s"), "{error}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// For how long an id is remembered: a copy of this age or older is no duplicate. From 1 ms; with `grace` at
    /// most 2³¹ ms. To the millisecond.
    pub ttl: TimeDelta,
    /// For how long beyond it an id stays in the history, so that a late copy is known as such. A quarter of the
    /// TTL unless set; zero: no history.
    pub grace: TimeDelta,
    /// Which sighting the TTL runs from.
    pub window: Window,
    /// For how long a reservation keeps others off; 30 s unless set, or the TTL where that is shorter. From 1 ms
    /// to the TTL.
    pub reserve_timeout: TimeDelta,
    /// How much is remembered at most; 10 million ids unless set (some 450 MB once it has grown so far).
    pub limit: Limit,
    /// What happens at the limit.
    pub at_limit: AtLimit,
    /// A step of the clock forward that is larger is not believed; a day unless set. From 1 ms. One that is
    /// believed and taken back later leaves engine time ahead until the clock has caught up; and a bound longer than
    /// the TTL lets a wrong clock forget the window. A shorter one takes `tick` in quiet hours. What holds while a step is
    /// not believed is in [`ClockAudit::holding`](super::ClockAudit::holding).
    pub max_forward_jump: TimeDelta,
    /// Whether positions in the source are remembered, so that replays are known from duplicates: 16 bytes more
    /// for each id. Off unless set.
    pub positions: bool,
    /// The secret that ids are placed by.
    pub secret: Secret,
}

impl Settings {
    /// The settings with a TTL, and all else as it is unless set, with a [random](Secret::random) secret.
    #[must_use]
    pub fn new(ttl: TimeDelta) -> Self {
        Self {
            ttl,
            grace: ttl / 4,
            window: Window::default(),
            reserve_timeout: ttl.min(TimeDelta::seconds(30)),
            limit: Limit::Ids(10_000_000),
            at_limit: AtLimit::default(),
            max_forward_jump: TimeDelta::days(1),
            positions: false,
            secret: Secret::random(),
        }
    }

    setters! {
        /// With that history beyond the TTL.
        const with_grace(grace: TimeDelta) => grace = grace;
        /// With that window.
        const with_window(window: Window) => window = window;
        /// With that time for a reservation.
        const with_reserve_timeout(timeout: TimeDelta) => reserve_timeout = timeout;
        /// With that limit.
        const with_limit(limit: Limit) => limit = limit;
        /// With that at the limit.
        const with_at_limit(at_limit: AtLimit) => at_limit = at_limit;
        /// With that bound on steps of the clock.
        const with_max_forward_jump(bound: TimeDelta) => max_forward_jump = bound;
        /// With positions remembered, or without.
        const with_positions(positions: bool) => positions = positions;
        /// With that secret.
        const with_secret(secret: Secret) => secret = secret;
    }

    /// What an id takes at most, in bytes: its record, its share of an index that has just grown, and what is kept
    /// beside the record.
    pub(super) fn bytes_per_id(&self) -> u64 {
        let is_sliding = u64::from(self.window == Window::Sliding);
        let beside = 16 * u64::from(self.positions) + 8 * is_sliding;
        let record = 32 + 14 + beside;
        // One record in eight may be out of force. An id that is renewed has an entry in the order of sightings, and in a
        // sliding window all may be.
        record + record / 8 + is_sliding * 36
    }

    /// What is taken whatever is remembered, at most: segments that are begun or kept for the next, and the ends
    /// of the index.
    pub(super) const FIXED_BYTES: u64 = 448 * 1024;

    /// The settings in the engine's units, if all of them hold.
    pub(super) fn rules(&self) -> Result<Rules, SettingsError> {
        let at_least_a_ms = |field, given: TimeDelta| {
            let ms = given.num_milliseconds();
            if ms >= 1 { Ok(ms) } else { Err(SettingsError::TooShort { field, given }) }
        };
        let ttl = at_least_a_ms("ttl", self.ttl)?;
        if self.grace < TimeDelta::zero() {
            return Err(SettingsError::Negative { given: self.grace });
        }
        let grace = self.grace.num_milliseconds();
        if ttl.saturating_add(grace) > LONGEST {
            return Err(SettingsError::TooLong {
                ttl: self.ttl,
                grace: self.grace,
                longest: "2^31 ms (24.8 days)",
            });
        }
        let reserve_timeout = at_least_a_ms("reserve_timeout", self.reserve_timeout)?;
        if reserve_timeout > ttl {
            return Err(SettingsError::ReserveTimeout { given: self.reserve_timeout, ttl: self.ttl });
        }
        let max_forward_jump = at_least_a_ms("max_forward_jump", self.max_forward_jump)?;
        let ids = match self.limit {
            Limit::Ids(ids) => ids,
            Limit::Bytes(bytes) => bytes.saturating_sub(Self::FIXED_BYTES) / self.bytes_per_id(),
        };
        let most_ids = u32::try_from(ids).ok().filter(|ids| (1..=MOST_IDS).contains(&u64::from(*ids)));
        let limit = most_ids.ok_or(SettingsError::Limit { given: self.limit, ids })?;
        Ok(Rules {
            ttl,
            remembered: ttl + grace,
            sliding: self.window == Window::Sliding,
            reserve_timeout,
            limit,
            evict: self.at_limit == AtLimit::EvictOldest,
            max_forward_jump,
            positions: self.positions,
        })
    }
}

/// Settings that hold, times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) ttl: i64,
    /// TTL and grace together.
    pub(super) remembered: i64,
    pub(super) sliding: bool,
    pub(super) reserve_timeout: i64,
    /// In ids.
    pub(super) limit: u32,
    pub(super) evict: bool,
    pub(super) max_forward_jump: i64,
    pub(super) positions: bool,
}

/// Why settings do not hold, of one process or of a store.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A length of time is under a millisecond.
    #[error("`{field}` is {}, and times are counted in milliseconds: set it to 1ms or more", format_duration(*given))]
    TooShort {
        /// The field.
        field: &'static str,
        /// What it is set to.
        given: TimeDelta,
    },
    /// The grace is negative.
    #[error("`grace` is {}: set it to zero (no history) or more", format_duration(*given))]
    Negative {
        /// What it is set to.
        given: TimeDelta,
    },
    /// The TTL and the grace together are too long.
    #[error(
        "`ttl` of {} and `grace` of {} are more than {longest} together: shorten either",
        format_duration(*ttl), format_duration(*grace)
    )]
    TooLong {
        /// The TTL.
        ttl: TimeDelta,
        /// The grace.
        grace: TimeDelta,
        /// How long they may be together.
        longest: &'static str,
    },
    /// A reservation would outlive the id that it holds.
    #[error(
        "`reserve_timeout` of {} is longer than the `ttl` of {}: shorten it, or lengthen the TTL",
        format_duration(*given), format_duration(*ttl)
    )]
    ReserveTimeout {
        /// What it is set to.
        given: TimeDelta,
        /// The TTL.
        ttl: TimeDelta,
    },
    /// The limit leaves room for no id, or is beyond what can be counted.
    #[error("`limit` of {given:?} comes to {ids} ids, and an engine holds from 1 to 2^31")]
    Limit {
        /// What it is set to.
        given: Limit,
        /// How many ids that comes to.
        ids: u64,
    },
    /// The number of shards is none, or too large.
    #[error("{given} shards: set from 1 to 1024, and no more than the limit has ids")]
    Shards {
        /// How many were asked for.
        given: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> TimeDelta {
        TimeDelta::milliseconds(ms)
    }

    #[test]
    fn each_bound_holds_from_both_sides() {
        let base = Settings::new(ms(1000)).with_limit(Limit::Ids(5));
        let fine = [
            Settings::new(ms(1)),
            Settings::new(ms(LONGEST)).with_grace(ms(0)),
            base.with_grace(ms(LONGEST - 1000)),
            base.with_reserve_timeout(ms(1)),
            base.with_reserve_timeout(ms(1000)),
            base.with_max_forward_jump(ms(1)),
            base.with_max_forward_jump(TimeDelta::MAX),
            base.with_limit(Limit::Ids(1)),
            base.with_limit(Limit::Ids(MOST_IDS)),
            base.with_limit(Limit::Bytes(512 * 1024)),
        ];
        for settings in fine {
            assert!(settings.rules().is_ok(), "{settings:?}");
        }
        let wrong = [
            (Settings::new(TimeDelta::microseconds(999)), "`ttl` is"),
            (Settings::new(TimeDelta::MIN), "`ttl` is"),
            (Settings::new(TimeDelta::MAX), "`ttl` of"),
            (Settings::new(ms(LONGEST)).with_grace(ms(1)), "`ttl` of"),
            (base.with_grace(TimeDelta::microseconds(-1)), "`grace` is"),
            (base.with_grace(TimeDelta::MAX), "`ttl` of 1s and `grace` of"),
            (base.with_reserve_timeout(ms(0)), "`reserve_timeout` is 0s"),
            (
                base.with_reserve_timeout(ms(1001)),
                "`reserve_timeout` of 1s1ms is longer than the `ttl` of 1s",
            ),
            (base.with_max_forward_jump(ms(0)), "`max_forward_jump` is 0s"),
            (base.with_limit(Limit::Ids(0)), "`limit` of Ids(0) comes to 0 ids"),
            (base.with_limit(Limit::Ids(MOST_IDS + 1)), "`limit` of Ids(2147483649)"),
            (base.with_limit(Limit::Bytes(448 * 1024)), "`limit` of Bytes(458752) comes to 0 ids"),
            (base.with_limit(Limit::Bytes(u64::MAX)), "`limit` of Bytes"),
        ];
        for (settings, message) in wrong {
            let error = settings.rules().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn what_is_not_set_follows_the_ttl() {
        let rules = Settings::new(ms(400)).rules().unwrap();
        assert_eq!((rules.ttl, rules.remembered, rules.reserve_timeout), (400, 500, 400));
        assert_eq!(Settings::new(TimeDelta::hours(1)).rules().unwrap().reserve_timeout, 30_000);
        assert!(!rules.sliding && !rules.evict && !rules.positions);
    }
}
