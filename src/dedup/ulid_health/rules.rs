//! What counts as a fault.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// What counts as a fault, and how much a watch may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UlidRules {
    /// How far a timestamp may be ahead of its receipt: clocks differ. A minute unless set; a negative one counts
    /// as zero.
    pub ahead_tolerance: TimeDelta,
    /// Timestamps before this date are those of a clock that was not set: 2016 unless set, when the first ULID
    /// was made.
    pub earliest: DateTime<Utc>,
    /// For how long ids of one device may come with one timestamp, each with randomness of its own. Ten minutes
    /// unless set: a burst of one millisecond may take so long to deliver.
    pub still_for: TimeDelta,
    /// For how long ids of one device may come with one timestamp and climb, as those of a monotonic generator
    /// do after its clock was stepped back: the largest step that you think right. A week unless set.
    pub held_for: TimeDelta,
    /// Whether the generator claims to be monotonic, and the ids of each device come in the order in which they
    /// were made, and are not read again from long ago. Not so unless set.
    pub monotonic: bool,
    /// How many ids are remembered, to find randomness that repeats and ids of two devices: 256 unless set,
    /// held to 16 to 65 536.
    pub recent: u32,
    /// How many devices of the source are followed: 64 unless set, held to 1 to 65 536.
    pub devices: u32,
}

impl Default for UlidRules {
    fn default() -> Self {
        Self {
            ahead_tolerance: TimeDelta::minutes(1),
            earliest: EARLIEST,
            still_for: TimeDelta::minutes(10),
            held_for: TimeDelta::weeks(1),
            monotonic: false,
            recent: 256,
            devices: 64,
        }
    }
}

/// 1 January 2016.
const EARLIEST: DateTime<Utc> = match DateTime::from_timestamp(1_451_606_400, 0) {
    Some(at) => at,
    None => DateTime::UNIX_EPOCH,
};

impl UlidRules {
    setters! {
        /// With that tolerance for timestamps ahead of their receipt.
        const with_ahead_tolerance(tolerance: TimeDelta) => ahead_tolerance = tolerance;
        /// With that earliest date of an id.
        const with_earliest(earliest: DateTime<Utc>) => earliest = earliest;
        /// With that time for a timestamp to stand still.
        const with_still_for(still_for: TimeDelta) => still_for = still_for;
        /// With that time for a monotonic generator to hold its timestamp.
        const with_held_for(held_for: TimeDelta) => held_for = held_for;
        /// The generator claims to be monotonic, or does not.
        const with_monotonic(monotonic: bool) => monotonic = monotonic;
        /// With that many ids remembered.
        const with_recent(ids: u32) => recent = ids;
        /// With that many devices followed.
        const with_devices(devices: u32) => devices = devices;
    }

    pub(super) fn most_recent(&self) -> usize {
        self.recent.clamp(16, 1 << 16) as usize
    }

    pub(super) fn most_devices(&self) -> usize {
        self.devices.clamp(1, 1 << 16) as usize
    }
}
