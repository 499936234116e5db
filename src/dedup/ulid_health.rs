//! The health of ULIDs: whether a device's or a firmware's ids are what ids must be.
//!
//! Deduplication trusts the ids. A clock that was never set, a random generator that begins anew at each boot, two
//! devices with one serial number: each makes ids that collide, and collisions lose measurements. This watch reads
//! the ids alone, as they come, and says what is wrong with their generator.
//!
//! ```
//! use chrono::{DateTime, TimeDelta, Utc};
//! use iot_runbook::dedup::ulid_health::{UlidFault, UlidRules, UlidStanding, UlidWatch};
//! use iot_runbook::dedup::{Device, MessageId};
//!
//! let start: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
//! let mut watch = UlidWatch::new(UlidRules::default());
//! for boot in 0..3_i64 {
//!     // The clock begins in 1970 at each boot, and the random generator with the same seed.
//!     for message in 0..10_u128 {
//!         let id = MessageId::from_u128(((u128::from(boot as u64) * 7 + message) << 80) | (message + 1) << 40);
//!         watch.observe(id, Device::new(4)?, start + TimeDelta::hours(boot));
//!     }
//! }
//! let health = watch.report();
//! assert_eq!(health.standing(), UlidStanding::Faulty);
//! let faults: Vec<_> = health.flags.iter().map(|flag| flag.fault.name()).collect();
//! assert_eq!(faults, ["clock-unset", "random-repeats"]);
//! println!("{health}");
//! # Ok::<(), iot_runbook::dedup::DeviceError>(())
//! ```
//!
//! # The rules
//! The format is that of the [ULID specification](https://github.com/ulid/spec): 48 bits of milliseconds since 1970,
//! then 80 random bits, drawn anew for each millisecond; within a millisecond a monotonic generator increments
//! them.
//!
//! | fault | is found when |
//! |---|---|
//! | `clock-unset` | one timestamp lies before [`UlidRules::earliest`] and is received after it |
//! | `clock-stands-still` | 16 or more ids of a device in a row have one timestamp, for [`UlidRules::still_for`] of real time where each was drawn anew (a quarter or more are below the one before, and they lie 2⁷² apart), else for [`UlidRules::held_for`] |
//! | `clock-coarse` | 65 timestamps, 8 of them or more different, are all multiples of a step of a second or more, though ids were received in at least 6 of the 8 parts of a second |
//! | `byte-order` | four implausible timestamps in a row lie within a day of their receipt when the bytes of the timestamp, or of the whole id, are read the other way round |
//! | `clock-ahead` | two timestamps of a device in a row, each beyond all earlier ones, are ahead of their receipt by more than [`UlidRules::ahead_tolerance`] |
//! | `random-repeats` | 80 bits came before, with another timestamp |
//! | `random-too-few` | of 65 draws, 5 bits or more never change, or fewer than 62 of the 64 differences are independent |
//! | `not-monotonic` | an id sorts before the one of its device that came before, where [`UlidRules::monotonic`] is set |
//! | `shared-id` | an id came before, from another device |
//!
//! # What a correct generator can do without an alarm
//! Increment by one, or by a random number, within a millisecond. Keep its timestamp after its clock was stepped
//! back, and increment: only a *new* highest timestamp counts as ahead, since only the clock itself brings a
//! generator to it; and ids that climb may stand still for [`UlidRules::held_for`]. Its ids may be delivered again,
//! late, and in another order (but see [`UlidRules::monotonic`]). It may clear up to 4 of the random bits.
//!
//! # How sure a verdict is
//! Each is wrong on a correct generator with a probability below 10⁻⁹. Let the 80 bits be uniform for each
//! millisecond of a device, independent of all else.
//!
//! - `random-repeats`. An id is compared with at most [`UlidRules::recent`] + 64 others. Of a pair with different
//!   timestamps one is drawn apart from the other, and what was added to either within its millisecond changes
//!   nothing of that: they are equal with probability 2⁻⁸⁰. With 256 + 64 comparisons an id is judged wrongly with
//!   at most 320 · 2⁻⁸⁰ < 2.7 · 10⁻²², and some id of 10¹² with less than 3 · 10⁻¹⁰.
//! - `random-too-few` is decided by blocks of 65 draws that do not depend on each other: one id of a device and
//!   millisecond, and no other of that millisecond. Take away up to 4 bits that the generator clears; at least 76
//!   are left, and the differences of 64 draws with the first are a uniform 64 × 76 matrix over GF(2). Its rank is at
//!   most 61 only if some 3-dimensional space of combinations of its rows vanishes. There are
//!   (2⁶⁴ − 1)(2⁶³ − 1)(2⁶² − 1) / ((2³ − 1)(2² − 1)(2 − 1)) < 2¹⁸⁹ / 21 such spaces, and each vanishes with
//!   probability 2^(−3·76): together less than 2⁻³⁹ / 21 < 9 · 10⁻¹⁴. A bit is the same in all of 65 draws with
//!   probability 2⁻⁶⁴; that any of 76 is: less than 5 · 10⁻¹⁸. (The rank finds what counting cannot: 32 random bits
//!   that are written twice, or stretched by shifts and XOR, have a rank of 32 and no constant bit.)
//! - `clock-coarse`. If an id falls on a multiple of the step with probability of one half at most, whatever the
//!   others do, 65 all do with at most 2⁻⁶⁵. A device that makes every id on the full second by design and whose
//!   delivery takes more or less by most of a second looks the same, and is the one case to know.
//! - `byte-order`. A timestamp that is wrong for another reason reads as within a day of now, the other way round,
//!   once in 2¹⁹ times at most for either reading, if its lower bytes are as good as random; four in a row of
//!   different timestamps in fewer than 2⁻⁷².
//! - `clock-stands-still`, where each was drawn anew: 16 ids of a clock that moves have one timestamp for ten minutes
//!   only if they were made within a millisecond, were not delivered for so long, and came shuffled or were not
//!   monotonic. That is no matter of chance; set [`UlidRules::still_for`] to what your delivery may take.
//! - `clock-unset`, `clock-ahead`, `not-monotonic` and `shared-id` are no matter of chance either: they are what was
//!   received, judged by the clock of the receiver. Time that runs
//!   back is held at the latest so far, and until it has caught up nothing counts as ahead; it is let go when 64 ids in
//!   a row are received at the time that they say themselves. An id of a far future counts as the highest timestamp only
//!   until an id with a lower one is made after it was received: then the generator does not hold it.
//!
//! # Memory
//! A watch has bounds, whatever comes: [`UlidRules::recent`] ids, 64 sampled ones, 65 draws, and
//! [`UlidRules::devices`] devices: less than 128 KiB as they are unless set. [`UlidWatches`] holds no more watches than it
//! is set to.

mod draws;
mod recent;
mod report;
mod rules;
mod sighting;
mod track;
mod watches;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use report::{UlidFault, UlidFlag, UlidHealth, UlidStanding};
pub use rules::UlidRules;
pub use sighting::Sighting;
pub use watches::UlidWatches;

use super::{Device, MessageId};
use draws::{DRAWS, Draws, Judged};
use recent::{Met, Recent};
use sighting::{date, stamp};
use track::{Tracks, ahead_by};

/// So many timestamps in a row that read right the other way round are no chance.
const SWAPPED_IN_A_ROW: u8 = 4;

/// So many ids in a row that are received at the time that they say themselves prove an earlier receipt wrong.
const AGREEING: u32 = 64;

/// A watch over the ids of one source: a device, or all devices of a firmware.
///
/// It is plain data: save it and go on with serde.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UlidWatch {
    rules: UlidRules,
    ids: u64,
    again: u64,
    not_followed: u64,
    judged: u64,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// How many ids in a row were received before `until`, at the time that they say themselves.
    #[serde(default)]
    agreeing: u32,
    recent: Recent,
    tracks: Tracks,
    draws: Draws,
    swapped: Swapped,
    flags: Vec<UlidFlag>,
}

/// Implausible timestamps in a row that read right the other way round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Swapped {
    in_a_row: u8,
    last: u64,
}

impl UlidWatch {
    /// A watch that has seen nothing yet.
    #[must_use]
    pub fn new(rules: UlidRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// What counts as a fault.
    #[must_use]
    pub const fn rules(&self) -> &UlidRules {
        &self.rules
    }

    /// Takes an id that came from `device` at `received_at`. Give every id, also of messages that are dropped as
    /// duplicates, and give ULIDs alone: hashes of other ids say nothing.
    pub fn observe(&mut self, id: MessageId, device: Device, received_at: DateTime<Utc>) {
        let sighting = Sighting { id, device, received_at };
        let now = self.latest(&sighting);
        self.from.get_or_insert(received_at);
        self.until = Some(now);
        self.ids = self.ids.saturating_add(1);
        match self.recent.meet(sighting, self.rules.most_recent()) {
            Met::Again => {
                self.again = self.again.saturating_add(1);
                return;
            }
            Met::New => {
                if let Some(judged) = self.draws.take(sighting) {
                    self.judge(&judged);
                }
            }
            Met::OtherDevice(first) => self.raise(UlidFault::SharedId, 1, &[first, sighting]),
            Met::OtherTime(first) => self.raise(UlidFault::RandomRepeats, 1, &[first, sighting]),
        }
        if !self.is_swapped(sighting, now) {
            self.judge_clock(sighting, now);
        }
    }

    /// The latest receipt, this one included. A receipt of the future does not count for ever: it is given up when many
    /// ids in a row are received at the time that they say themselves.
    fn latest(&mut self, sighting: &Sighting) -> DateTime<Utc> {
        let received_at = sighting.received_at;
        let Some(latest) = self.until.filter(|latest| received_at < *latest) else {
            self.agreeing = 0;
            return received_at;
        };
        let off = received_at.signed_duration_since(sighting.timestamp()).abs();
        self.agreeing = if off <= self.rules.ahead_tolerance { self.agreeing.saturating_add(1) } else { 0 };
        if self.agreeing < AGREEING {
            return latest;
        }
        self.agreeing = 0;
        received_at
    }

    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> UlidHealth {
        UlidHealth {
            ids: self.ids,
            again: self.again,
            not_followed: self.not_followed,
            devices: self.tracks.len() as u64,
            judged: self.judged,
            from: self.from,
            until: self.until,
            compared: self.recent.len() as u64,
            compared_from: self.recent.since(),
            flags: self.flags.clone(),
        }
    }

    fn judge(&mut self, judged: &Judged) {
        self.judged = self.judged.saturating_add(DRAWS as u64);
        let evidence = [judged.first, judged.last];
        if let Some((bits, constant)) = judged.few {
            self.raise(UlidFault::RandomTooFew { bits, constant }, DRAWS as u64, &evidence);
        }
        if let Some(step) = judged.coarse {
            let step = TimeDelta::try_milliseconds(i64::try_from(step).unwrap_or(i64::MAX))
                .unwrap_or(TimeDelta::MAX);
            self.raise(UlidFault::ClockCoarse { step }, DRAWS as u64, &evidence);
        }
    }

    /// Whether the timestamp is implausible, and plausible the other way round.
    fn is_swapped(&mut self, sighting: Sighting, now: DateTime<Utc>) -> bool {
        let near = |stamp: u64| {
            let off = now.signed_duration_since(date(stamp)).abs();
            off < TimeDelta::days(1)
        };
        if near(sighting.stamp()) {
            return false;
        }
        let in_stamp = sighting.stamp().swap_bytes() >> 16;
        let in_id = stamp(MessageId::from_u128(sighting.id.to_u128().swap_bytes()));
        if !near(in_stamp) && !near(in_id) {
            self.swapped.in_a_row = 0;
            return false;
        }
        if self.swapped.in_a_row == 0 || self.swapped.last != sighting.stamp() {
            self.swapped.in_a_row = self.swapped.in_a_row.saturating_add(1);
            self.swapped.last = sighting.stamp();
        }
        if self.swapped.in_a_row >= SWAPPED_IN_A_ROW {
            self.raise(UlidFault::ByteOrder, 1, &[sighting]);
        }
        true
    }

    fn judge_clock(&mut self, sighting: Sighting, now: DateTime<Utc>) {
        if sighting.timestamp() < self.rules.earliest && now >= self.rules.earliest {
            let at_zero = u64::from(sighting.stamp() == 0);
            self.raise(UlidFault::ClockUnset { at_zero }, 1, &[sighting]);
        }
        let followed = self.tracks.follow(sighting, now, &self.rules);
        if !followed.known {
            self.not_followed = self.not_followed.saturating_add(1);
        }
        if let Some(before) = followed.back.filter(|_| self.rules.monotonic) {
            let same = before.stamp() == sighting.stamp();
            let (in_millisecond, clock_back) = (u64::from(same), u64::from(!same));
            self.raise(UlidFault::NotMonotonic { in_millisecond, clock_back }, 1, &[before, sighting]);
        }
        if followed.ahead {
            self.raise(UlidFault::ClockAhead { by: ahead_by(&sighting, now) }, 1, &[sighting]);
        }
        if let Some(still) = followed.still {
            let fault = UlidFault::ClockStandsStill {
                at: still.since.timestamp(),
                real_time: still.real_time,
                climbing: still.climbing,
            };
            // All of the run at first, then each that comes to it.
            let known = self.flags.iter().any(|flag| flag.last.first() == Some(&still.since));
            self.raise(fault, if known { 1 } else { still.ids }, &[still.since, sighting]);
        }
    }

    /// Raises the flag of a fault, or joins it to the one that is there.
    fn raise(&mut self, fault: UlidFault, ids: u64, evidence: &[Sighting]) {
        let kind = std::mem::discriminant(&fault);
        match self.flags.iter_mut().find(|flag| std::mem::discriminant(&flag.fault) == kind) {
            Some(flag) => {
                flag.fault.join(fault);
                flag.ids = flag.ids.saturating_add(ids);
                flag.last.clear();
                flag.last.extend_from_slice(evidence);
            }
            None => {
                self.flags.push(UlidFlag { fault, ids, first: evidence.to_vec(), last: evidence.to_vec() });
            }
        }
    }
}

impl UlidFault {
    /// The worse of each figure, or their sum.
    fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::ClockUnset { at_zero }, Self::ClockUnset { at_zero: more }) => {
                *at_zero = at_zero.saturating_add(more);
            }
            (
                Self::ClockStandsStill { at, real_time, climbing },
                Self::ClockStandsStill { at: other, real_time: longer, climbing: climbs },
            )
            // That a clock stands still for sure says more than that it may have been stepped back.
            if (!climbs, longer) >= (!*climbing, *real_time) => {
                (*at, *real_time, *climbing) = (other, longer, climbs);
            }
            (Self::ClockCoarse { step }, Self::ClockCoarse { step: other }) => *step = other.min(*step),
            (Self::ClockAhead { by }, Self::ClockAhead { by: other }) => *by = other.max(*by),
            (Self::RandomTooFew { bits, constant }, Self::RandomTooFew { bits: fewer, constant: more })
                if fewer <= *bits =>
            {
                (*bits, *constant) = (fewer, more);
            }
            (
                Self::NotMonotonic { in_millisecond, clock_back },
                Self::NotMonotonic { in_millisecond: one, clock_back: other },
            ) => {
                *in_millisecond = in_millisecond.saturating_add(one);
                *clock_back = clock_back.saturating_add(other);
            }
            _ => {}
        }
    }
}
