//! What an engine dropped, passed and forgot, and whether its TTL is long enough.

mod drops;
mod late;
mod top;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use drops::Drops;
pub use late::{LateAges, LateBucket};
pub use top::Colliding;

use super::clock::{ClockAudit, instant};
use super::index::Hash;
use super::tracker::{Intent, Tracker};
use super::verdict::Kind;
use super::{Device, Message, Settings, Verdict};
use crate::fact::{at_least_in_words, at_most_in_words, counted, duration_in_words};
use crate::time::Period;

/// What an engine has done since it was made or restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Audit {
    /// How many messages there were of each verdict.
    pub verdicts: Verdicts,
    /// The devices with most collisions, the first with most; at most 32.
    pub colliding: Vec<Colliding>,
    /// How late the late ones were.
    pub late: LateAges,
    /// The TTL that was set.
    pub ttl: TimeDelta,
    /// How far beyond it the history reaches.
    pub grace: TimeDelta,
    /// How many ids take room now.
    pub remembered: u64,
    /// The sighting of the oldest id that takes room.
    pub oldest: Option<DateTime<Utc>>,
    /// Ids that were forgotten within their TTL, for want of room.
    pub evicted_unexpired: u64,
    /// The TTL that held for every id: shorter than the one that was set once ids were evicted.
    pub effective_ttl: TimeDelta,
    /// Ids that could not be remembered though there was room, as too many met in one place of the index. Chance
    /// does not do that; each was passed on.
    pub index_overflows: u64,
    /// Reservations that were neither committed nor aborted in time, and were given to another.
    pub lapsed_reservations: u64,
    /// How many records were moved or left for one message at most, while the engine grew or ids left.
    pub longest_move: u64,
    /// What the clock did.
    pub clock: ClockAudit,
}

/// A count for each [kind](Kind) of verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdicts {
    /// [`Verdict::Fresh`].
    pub fresh: u64,
    /// [`Verdict::Duplicate`].
    pub duplicate: u64,
    /// [`Verdict::Collision`].
    pub collision: u64,
    /// [`Verdict::Late`].
    pub late: u64,
    /// [`Verdict::Replay`].
    pub replay: u64,
    /// [`Verdict::InFlight`].
    pub in_flight: u64,
    /// [`Verdict::Untracked`].
    pub untracked: u64,
}

impl Verdicts {
    /// How many there were of a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Fresh => self.fresh,
            Kind::Duplicate => self.duplicate,
            Kind::Collision => self.collision,
            Kind::Late => self.late,
            Kind::Replay => self.replay,
            Kind::InFlight => self.in_flight,
            Kind::Untracked => self.untracked,
        }
    }

    /// How many there were in all.
    #[must_use]
    pub fn all(&self) -> u64 {
        Kind::ALL.iter().fold(0, |all, kind| all.saturating_add(self.of(*kind)))
    }

    /// How many were dropped.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.duplicate.saturating_add(self.replay)
    }

    const fn of_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Fresh => &mut self.fresh,
            Kind::Duplicate => &mut self.duplicate,
            Kind::Collision => &mut self.collision,
            Kind::Late => &mut self.late,
            Kind::Replay => &mut self.replay,
            Kind::InFlight => &mut self.in_flight,
            Kind::Untracked => &mut self.untracked,
        }
    }
}

/// A TTL that would have been long enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TtlSuggestion {
    /// The TTL: at most an eighth longer, beyond the one that was set, than just long enough.
    pub ttl: TimeDelta,
    /// The share of the late copies that it would have caught, at least; from 0 to 1.
    pub share: f64,
    /// How many late copies that rests on. Those later than TTL and grace together passed for fresh and are not
    /// among them.
    pub of: u64,
}

impl Audit {
    /// The shortest TTL, in steps of an eighth, that would have caught that share (from 0 to 1) of the late
    /// copies that were seen. `None` where there were none, or the share is no share.
    #[must_use]
    pub fn suggest_ttl(&self, share: f64) -> Option<TtlSuggestion> {
        let past = self.late.at_share(share)?;
        let ttl = self.ttl.checked_add(&past).unwrap_or(TimeDelta::MAX);
        Some(TtlSuggestion { ttl, share, of: self.late.count() })
    }

    /// The audit of an engine that has done nothing.
    pub(super) fn empty(settings: &Settings, clock: &ClockAudit) -> Self {
        Self {
            verdicts: Verdicts::default(),
            colliding: Vec::new(),
            late: LateAges::default(),
            ttl: settings.ttl,
            grace: settings.grace,
            remembered: 0,
            oldest: None,
            evicted_unexpired: 0,
            effective_ttl: settings.ttl,
            index_overflows: 0,
            lapsed_reservations: 0,
            longest_move: 0,
            clock: *clock,
        }
    }

    /// The audit of two engines that share the work, as one.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for kind in Kind::ALL {
            let count = self.verdicts.of_mut(*kind);
            *count = count.saturating_add(other.verdicts.of(*kind));
        }
        self.colliding = top::merge(self.colliding, other.colliding);
        self.late.add(&other.late);
        self.remembered = self.remembered.saturating_add(other.remembered);
        self.oldest = [self.oldest, other.oldest].into_iter().flatten().min();
        self.evicted_unexpired = self.evicted_unexpired.saturating_add(other.evicted_unexpired);
        self.effective_ttl = self.effective_ttl.min(other.effective_ttl);
        self.index_overflows = self.index_overflows.saturating_add(other.index_overflows);
        self.lapsed_reservations = self.lapsed_reservations.saturating_add(other.lapsed_reservations);
        self.longest_move = self.longest_move.max(other.longest_move);
        self
    }
}

/// As a person reads it.
impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.verdicts.all();
        writeln!(f, "{}, {} dropped", counted(all, "message"), self.verdicts.dropped())?;
        for kind in Kind::ALL {
            let count = self.verdicts.of(*kind);
            if count > 0 {
                writeln!(f, "  {kind:<10} {count:>12}  {:6.2} %", count as f64 * 100.0 / all as f64)?;
            }
        }
        for Colliding { device, collisions, over_by_at_most } in self.colliding.iter().take(5) {
            let number = device.number();
            write!(f, "device {number}: {collisions} of its messages had the id of another message")?;
            writeln!(
                f,
                "{}",
                if *over_by_at_most > 0 {
                    format!(" (or up to {over_by_at_most} fewer)")
                } else {
                    String::new()
                }
            )?;
        }
        if let Some(TtlSuggestion { ttl, of, .. }) = self.suggest_ttl(0.99) {
            writeln!(
                f,
                "the TTL of {} is too short: {of} {} came after it; {} would have caught 99 % of them",
                duration_in_words(self.ttl),
                if of == 1 { "copy" } else { "copies" },
                at_most_in_words(ttl)
            )?;
        }
        if self.verdicts.untracked > 0 {
            writeln!(
                f,
                "full: {} messages passed and are not remembered; raise the limit",
                self.verdicts.untracked
            )?;
        }
        if self.evicted_unexpired > 0 {
            writeln!(
                f,
                "full: {} ids were forgotten before their time; in effect the TTL is {}; raise the limit",
                self.evicted_unexpired,
                at_least_in_words(self.effective_ttl)
            )?;
        }
        if self.lapsed_reservations > 0 {
            writeln!(f, "{} reservations were never decided", self.lapsed_reservations)?;
        }
        if let Some(holding) = self.clock.holding {
            writeln!(
                f,
                "THE CLOCK LEAPT to {}, and engine time holds at {}: copies that the clock makes older than the TTL pass; \
                 accept the time if it is right",
                holding.told, holding.at
            )?;
        }
        if self.clock.behind_by_at_most > TimeDelta::zero() {
            writeln!(f, "the clock was up to {} behind", at_most_in_words(self.clock.behind_by_at_most))?;
        }
        write!(f, "{} in memory", counted(self.remembered, "id"))?;
        self.oldest.map_or(Ok(()), |oldest| write!(f, ", the oldest seen at {oldest}"))
    }
}

/// Counts as verdicts are given.
#[derive(Clone, Debug, Default)]
pub(super) struct Auditor {
    verdicts: Verdicts,
    drops: drops::DropLog,
    colliding: top::Top,
    late: LateAges,
}

impl Auditor {
    /// It counts from that time on, if not from an earlier one.
    #[inline]
    pub(super) fn begin(&mut self, at: i64) {
        self.drops.begin(at);
    }

    /// What the tracker decides on a message, counted.
    #[inline(always)]
    pub(super) fn decide(
        &mut self,
        tracker: &mut Tracker,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
    ) -> Verdict {
        tracker.expect(1, at);
        if tracker.admit_at_once(message, hash, at, intent) {
            self.count_fresh(1);
            return Verdict::Fresh;
        }
        self.decide_after_search(tracker, message, hash, at, intent)
    }

    /// Counts messages that the tracker admitted at once.
    #[inline(always)]
    pub(super) const fn count_fresh(&mut self, messages: u64) {
        self.verdicts.fresh += messages;
    }

    /// What the tracker decides on a message that it did not admit at once, counted.
    #[inline(never)]
    pub(super) fn decide_after_search(
        &mut self,
        tracker: &mut Tracker,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
    ) -> Verdict {
        let verdict = tracker.decide_after_search(message, hash, at, intent);
        *self.verdicts.of_mut(verdict.kind()) += 1;
        match verdict {
            Verdict::Duplicate { .. } | Verdict::Replay => self.drops.count(message.device, at),
            Verdict::Collision { .. } => self.colliding.count(message.device),
            // Under a clock in doubt it says nothing of the TTL.
            Verdict::Late { past_ttl_by, .. } if !tracker.is_in_doubt() => self.late.count_one(past_ttl_by),
            Verdict::Late { .. } | Verdict::Fresh | Verdict::InFlight | Verdict::Untracked => {}
        }
        verdict
    }

    pub(super) fn audit(&self, tracker: &Tracker, settings: &Settings, clock: &ClockAudit) -> Audit {
        let counts = tracker.counts();
        let youngest = counts.youngest_evicted.and_then(TimeDelta::try_milliseconds);
        Audit {
            verdicts: self.verdicts,
            colliding: self.colliding.first(),
            late: self.late.clone(),
            remembered: tracker.len().into(),
            oldest: tracker.oldest().map(instant),
            evicted_unexpired: counts.evicted,
            effective_ttl: youngest.unwrap_or(settings.ttl),
            index_overflows: counts.overflowed + tracker.index_moves().lost,
            lapsed_reservations: counts.lapsed,
            longest_move: counts.longest,
            ..Audit::empty(settings, clock)
        }
    }

    pub(super) fn dropped(&self, device: Device, period: Period, now: Option<i64>) -> Drops {
        self.drops.of(device, period, now)
    }
}
