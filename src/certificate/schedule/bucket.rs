use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::ScheduleError;
use super::jitter::{moment, nanos_at};

/// One token, in the parts of which a minute's nanoseconds bring a whole number each.
const TOKEN: u64 = 60_000_000_000;

const MINUTE: i128 = 60_000_000_000;

/// How many renewals the provisioning service may be asked for: so many a minute in the long run, and so many at once.
///
/// ```
/// use iot_runbook::certificate::schedule::Rate;
///
/// let error = Rate::new(0, 10).unwrap_err();
/// assert!(error.to_string().starts_with("`per_minute` is 0"), "{error}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Rate {
    per_minute: u32,
    burst: u32,
}

#[derive(Deserialize)]
struct Written {
    per_minute: u32,
    burst: u32,
}

impl TryFrom<Written> for Rate {
    type Error = ScheduleError;

    fn try_from(Written { per_minute, burst }: Written) -> Result<Self, ScheduleError> {
        Self::new(per_minute, burst)
    }
}

impl Rate {
    /// So many renewals a minute, and `burst` at once after a pause. A burst of 1 spaces them evenly.
    ///
    /// # Errors
    /// [`ScheduleError::Zero`] where one of them is 0.
    pub const fn new(per_minute: u32, burst: u32) -> Result<Self, ScheduleError> {
        match (per_minute, burst) {
            (0, _) => Err(ScheduleError::Zero { field: "per_minute" }),
            (_, 0) => Err(ScheduleError::Zero { field: "burst" }),
            _ => Ok(Self { per_minute, burst }),
        }
    }

    /// How many a minute in the long run.
    #[must_use]
    pub const fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// How many at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The same burst at another rate. Not for 0.
    pub(super) const fn at(self, per_minute: u32) -> Self {
        Self { per_minute, ..self }
    }

    const fn full(self) -> u128 {
        self.burst as u128 * TOKEN as u128
    }
}

/// A token bucket: it holds [`burst`](Rate::burst) tokens at most, gains [`per_minute`](Rate::per_minute) a minute,
/// and a renewal takes one. Exact: no fraction of a token is ever rounded, however long it runs. (What it gains while
/// full is lost, and at a burst of 1 that is part of a nanosecond at each wait.) Serde keeps it over a restart.
///
/// A clock that jumps ahead fills it, and no more than that. A clock behind the latest time that it was given gains
/// nothing until it is there again; further behind than a minute and than the bucket takes to fill, it is taken for
/// a clock that was set back, and the bucket goes on from there with what it holds.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::certificate::schedule::{Rate, TokenBucket};
///
/// let now = DateTime::UNIX_EPOCH;
/// let mut bucket = TokenBucket::full(Rate::new(100, 2)?, now);
/// assert!(bucket.try_take(now) && bucket.try_take(now) && !bucket.try_take(now));
/// assert_eq!(bucket.ready_at(now), now + TimeDelta::milliseconds(600));
/// assert!(bucket.try_take(now + TimeDelta::milliseconds(600)));
/// # Ok::<(), iot_runbook::certificate::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    rate: Rate,
    tokens: u32,
    /// Of the next token, in the parts of one.
    part: u64,
    at: DateTime<Utc>,
}

impl TokenBucket {
    /// A full one.
    #[must_use]
    pub const fn full(rate: Rate, now: DateTime<Utc>) -> Self {
        Self { rate, tokens: rate.burst, part: 0, at: now }
    }

    /// An empty one: for a service of which nobody knows how much it was asked for lately.
    #[must_use]
    pub const fn empty(rate: Rate, now: DateTime<Utc>) -> Self {
        Self { rate, tokens: 0, part: 0, at: now }
    }

    /// Its rate.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Another rate from `now` on. What it holds stays, up to the new burst.
    pub fn set_rate(&mut self, rate: Rate, now: DateTime<Utc>) {
        let mut level = self.level(now);
        level.rate = rate;
        self.keep(&level);
    }

    /// How many tokens it holds.
    #[must_use]
    pub fn available(&self, now: DateTime<Utc>) -> u32 {
        u32::try_from(self.level(now).parts / u128::from(TOKEN)).unwrap_or(u32::MAX)
    }

    /// Takes a token, if there is one.
    #[must_use = "a renewal may start only where a token was there"]
    pub fn try_take(&mut self, now: DateTime<Utc>) -> bool {
        let mut level = self.level(now);
        let is_there = level.parts >= u128::from(TOKEN);
        if is_there {
            level.take();
        }
        self.keep(&level);
        is_there
    }

    /// When the next token is there, as it is at `now`; `now` where one is there already. Ask again where the clock was
    /// set meanwhile.
    #[must_use]
    pub fn ready_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        moment(self.level(now).ready_at()).max(now)
    }

    /// What it holds at `now`.
    pub(super) fn level(&self, now: DateTime<Utc>) -> Level {
        let mut level = self.as_kept();
        let now = nanos_at(now);
        let to_fill = level.rate.full().div_ceil(u128::from(level.rate.per_minute));
        let lenient = MINUTE.max(i128::try_from(to_fill).unwrap_or(i128::MAX));
        if level.at - now > lenient {
            level.at = now;
        }
        level.advance(now);
        level
    }

    fn as_kept(&self) -> Level {
        let parts = u128::from(self.tokens) * u128::from(TOKEN) + u128::from(self.part);
        Level { rate: self.rate, parts: parts.min(self.rate.full()), at: nanos_at(self.at) }
    }

    fn keep(&mut self, level: &Level) {
        let (token, parts) = (u128::from(TOKEN), level.parts.min(level.rate.full()));
        self.rate = level.rate;
        self.tokens = u32::try_from(parts / token).unwrap_or(u32::MAX);
        self.part = u64::try_from(parts % token).unwrap_or_default();
        self.at = moment(level.at);
    }
}

/// What a bucket holds at a moment, in nanoseconds since 1970 and parts of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    rate: Rate,
    parts: u128,
    at: i128,
}

impl Level {
    /// The same level at another rate.
    pub(super) const fn with_per_minute(mut self, per_minute: u32) -> Self {
        self.rate = self.rate.at(per_minute);
        self
    }

    /// When a token is there. Its own moment or later.
    pub(super) fn ready_at(&self) -> i128 {
        // At most one token is missing, so it fits.
        let missing = u128::from(TOKEN).saturating_sub(self.parts);
        let missing = u64::try_from(missing).unwrap_or(TOKEN);
        self.at.saturating_add(i128::from(missing.div_ceil(u64::from(self.rate.per_minute))))
    }

    /// Gains what the time to `to` brings; nothing where that has passed.
    pub(super) fn advance(&mut self, to: i128) {
        let Ok(elapsed) = u128::try_from(to.saturating_sub(self.at)) else { return };
        let gained = elapsed.saturating_mul(u128::from(self.rate.per_minute));
        self.parts = self.parts.saturating_add(gained).min(self.rate.full());
        self.at = to;
    }

    pub(super) fn take(&mut self) {
        self.parts = self.parts.saturating_sub(u128::from(TOKEN));
    }
}
