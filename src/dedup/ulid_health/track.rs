//! The clocks of single devices.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::rules::UlidRules;
use super::sighting::Sighting;
use crate::time::since;

/// So many ids with one timestamp say something of the clock.
const STILL_IDS: u64 = 16;

/// Increments of a millisecond lie within this many of each other; draws hardly ever do.
const NEAR: u128 = 1 << 72;

/// A device that was silent for so long makes room for another.
const SILENT: TimeDelta = TimeDelta::days(1);

/// The devices of a source that are followed. The first that come are kept, not the last: in a large fleet each
/// would have left before its next id otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tracks(Vec<Track>);

impl Tracks {
    /// The track of the device, with `id` as its latest; what the id is at fault with.
    pub(super) fn follow(&mut self, sighting: Sighting, now: DateTime<Utc>, rules: &UlidRules) -> Followed {
        if let Some(track) = self.0.iter_mut().find(|track| track.last.device == sighting.device) {
            return track.advance(sighting, now, rules);
        }
        let fresh = Track::new(sighting, now);
        if self.0.len() < rules.most_devices() {
            self.0.push(fresh);
        } else if let Some(silent) = self.0.iter_mut().min_by_key(|track| track.run.until)
            && since(now, silent.run.until) >= SILENT
        {
            *silent = fresh;
        } else {
            return Followed { known: false, ..Followed::default() };
        }
        Followed { known: true, ..Followed::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What an id says of the clock of its device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// Whether the device is followed at all.
    pub(super) known: bool,
    /// It sorts before the id that came before, which is this.
    pub(super) back: Option<Sighting>,
    /// Its timestamp is beyond all earlier ones and ahead of now, and so was one before.
    pub(super) ahead: bool,
    /// Its timestamp has stood still.
    pub(super) still: Option<Still>,
}

/// A timestamp that stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Still {
    pub(super) since: Sighting,
    pub(super) real_time: TimeDelta,
    pub(super) ids: u64,
    pub(super) climbing: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Track {
    last: Sighting,
    /// The highest timestamp so far, and when it was received.
    highest: u64,
    #[serde(default)]
    highest_at: Option<DateTime<Utc>>,
    /// How many ids had a new highest timestamp, and that ahead of now; two say that it is the clock.
    ahead: u8,
    run: Run,
}

impl Track {
    fn new(sighting: Sighting, now: DateTime<Utc>) -> Self {
        Self {
            last: sighting,
            highest: sighting.stamp(),
            highest_at: Some(now),
            ahead: 0,
            run: Run::new(sighting, now),
        }
    }

    fn advance(&mut self, sighting: Sighting, now: DateTime<Utc>, rules: &UlidRules) -> Followed {
        let mut followed = Followed { known: true, ..Followed::default() };
        if sighting.id < self.last.id {
            followed.back = Some(self.last);
        }
        if self.has_let_go(&sighting) {
            (self.highest, self.highest_at, self.ahead) = (sighting.stamp(), Some(now), 0);
        }
        // Only a clock that reads so brings a generator to a higher timestamp; one that it holds says nothing.
        if sighting.stamp() > self.highest {
            (self.highest, self.highest_at) = (sighting.stamp(), Some(now));
            // Of a receiver whose own clock was stepped back, nobody knows what it should show.
            let right = sighting.received_at >= now;
            if right && ahead_by(&sighting, now) > rules.ahead_tolerance.max(TimeDelta::zero()) {
                self.ahead = self.ahead.saturating_add(1);
                followed.ahead = self.ahead > 1;
            } else {
                self.ahead = 0;
            }
        }
        if sighting.stamp() == self.run.first.stamp() {
            self.run.extend(&sighting, self.last.random(), now);
            followed.still = self.run.still(rules);
        } else {
            self.run = Run::new(sighting, now);
        }
        self.last = sighting;
        followed
    }
}

impl Track {
    /// Whether an id below the highest timestamp was made after that was received: then the generator does not hold it,
    /// as a monotonic one does after its clock was stepped back, and it says nothing of the ids to come.
    fn has_let_go(&self, sighting: &Sighting) -> bool {
        sighting.stamp() < self.highest && self.highest_at.is_some_and(|at| sighting.timestamp() > at)
    }
}

/// How far the timestamp is ahead of `now`; negative where it is behind.
pub(super) fn ahead_by(sighting: &Sighting, now: DateTime<Utc>) -> TimeDelta {
    since(sighting.timestamp(), now)
}

/// Ids of one device with one timestamp, one after another.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    first: Sighting,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    largest_gap: TimeDelta,
    ids: u64,
    /// How many were below the one before.
    descents: u64,
    lowest: Sighting,
    highest: Sighting,
}

impl Run {
    fn new(first: Sighting, now: DateTime<Utc>) -> Self {
        Self {
            first,
            from: now,
            until: now,
            largest_gap: TimeDelta::zero(),
            ids: 1,
            descents: 0,
            lowest: first,
            highest: first,
        }
    }

    fn extend(&mut self, sighting: &Sighting, before: u128, now: DateTime<Utc>) {
        self.largest_gap = self.largest_gap.max(since(now, self.until));
        self.until = now;
        self.ids = self.ids.saturating_add(1);
        self.descents = self.descents.saturating_add(u64::from(sighting.random() < before));
        if sighting.id < self.lowest.id {
            self.lowest = *sighting;
        }
        if sighting.id > self.highest.id {
            self.highest = *sighting;
        }
    }

    fn still(&self, rules: &UlidRules) -> Option<Still> {
        if self.ids < STILL_IDS {
            return None;
        }
        // One long gap may be a step of the receiver's own clock.
        let real_time = since(self.until, self.from).checked_sub(&self.largest_gap).unwrap_or_default();
        let apart = self.highest.random().abs_diff(self.lowest.random()) >= NEAR;
        let drawn = apart && self.descents.saturating_mul(4) >= self.ids;
        let allowed = if drawn { rules.still_for } else { rules.held_for };
        (real_time >= allowed.max(TimeDelta::zero())).then_some(Still {
            since: self.first,
            real_time,
            ids: self.ids,
            climbing: !drawn,
        })
    }
}
