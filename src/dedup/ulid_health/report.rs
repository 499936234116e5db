//! What a watch found, for people and for machines.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::sighting::Sighting;
use crate::fact::{at_most_in_words, counted, duration_in_words};

/// A fault of a generator of ULIDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UlidFault {
    /// Timestamps from before ULIDs were: the clock was not set, and counts from 1970 or another year.
    ClockUnset {
        /// How many of the timestamps are zero: a clock that is not read at all.
        at_zero: u64,
    },
    /// One timestamp, while real time went on.
    ClockStandsStill {
        /// The timestamp.
        at: DateTime<Utc>,
        /// For how long ids came with it at most, the longest gap between two left out.
        real_time: TimeDelta,
        /// The ids climb, or lie close together: the generator may be monotonic, and its clock stepped back by
        /// that much or more. Else each has randomness of its own: its clock stands still.
        climbing: bool,
    },
    /// Every timestamp is a whole second, or more, though ids came at all times of a second.
    ClockCoarse {
        /// The step of the clock.
        step: TimeDelta,
    },
    /// The bytes of the timestamps, or of whole ids, are in the wrong order: read the other way they give the
    /// time.
    ByteOrder,
    /// The clock is ahead of the receiver's.
    ClockAhead {
        /// By how much at most.
        by: TimeDelta,
    },
    /// The same 80 random bits in different milliseconds.
    RandomRepeats,
    /// Too few of the 80 random bits are random.
    RandomTooFew {
        /// How many bits of randomness the worst verdict found at most.
        bits: u32,
        /// How many of the 80 bits never changed in it.
        constant: u32,
    },
    /// Ids that sort before the one that came before, though the generator claims that they never do.
    NotMonotonic {
        /// How many of them within one millisecond: the generator does not increment.
        in_millisecond: u64,
        /// How many of them with an earlier timestamp: the generator follows its clock back, began anew, or is
        /// two that share a name.
        clock_back: u64,
    },
    /// One id of two devices.
    SharedId,
}

impl UlidFault {
    /// Its name, as in reports and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ClockUnset { .. } => "clock-unset",
            Self::ClockStandsStill { .. } => "clock-stands-still",
            Self::ClockCoarse { .. } => "clock-coarse",
            Self::ByteOrder => "byte-order",
            Self::ClockAhead { .. } => "clock-ahead",
            Self::RandomRepeats => "random-repeats",
            Self::RandomTooFew { .. } => "random-too-few",
            Self::NotMonotonic { .. } => "not-monotonic",
            Self::SharedId => "shared-id",
        }
    }
}

/// In words, without its evidence.
impl fmt::Display for UlidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockUnset { at_zero: 0 } => f.write_str("the clock was not set"),
            Self::ClockUnset { at_zero: 1 } => f.write_str("the clock was not set (1 timestamp is zero)"),
            Self::ClockUnset { at_zero } => {
                write!(f, "the clock was not set ({at_zero} timestamps are zero)")
            }
            Self::ClockStandsStill { at, real_time, climbing } => {
                let (at, real_time) = (shown(*at), duration_in_words(*real_time));
                write!(f, "the clock stood still at {at} for {real_time}")?;
                if *climbing { f.write_str(", or was stepped back by that much") } else { Ok(()) }
            }
            Self::ClockCoarse { step } => {
                write!(f, "the clock moves by {} at a time", duration_in_words(*step))
            }
            Self::ByteOrder => f.write_str("the bytes are in the wrong order"),
            Self::ClockAhead { by } => write!(f, "the clock is ahead by up to {}", at_most_in_words(*by)),
            Self::RandomRepeats => f.write_str("the randomness of one id came again in another millisecond"),
            Self::RandomTooFew { bits, constant } => {
                write!(f, "at most {bits} of 80 random bits are random ({constant} never change)")
            }
            Self::NotMonotonic { in_millisecond, clock_back } => write!(
                f,
                "ids go back, {in_millisecond} times within a millisecond and {clock_back} times to an earlier one"
            ),
            Self::SharedId => f.write_str("one id came from two devices"),
        }
    }
}

/// A fault, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UlidFlag {
    /// The fault.
    #[serde(flatten)]
    pub fault: UlidFault,
    /// How many ids it rests on: those that show it (of a verdict on randomness or on the clock's step: those
    /// that were judged).
    pub ids: u64,
    /// The first evidence of it: an id, or an earlier one and the one that is at odds with it.
    pub first: Vec<Sighting>,
    /// The latest evidence of it, in the same form.
    pub last: Vec<Sighting>,
}

/// The fault, what it rests on, and examples.
impl fmt::Display for UlidFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.fault.name(), self.fault, counted(self.ids, "id"))?;
        evidence(f, "first", &self.first)?;
        if self.last == self.first { Ok(()) } else { evidence(f, "last", &self.last) }
    }
}

fn evidence(f: &mut fmt::Formatter<'_>, which: &str, sightings: &[Sighting]) -> fmt::Result {
    for (at, sighting) in sightings.iter().enumerate() {
        let Sighting { id, device, received_at } = sighting;
        let which = if at == 0 { which } else { "and" };
        write!(f, "\n    {which:<5} {id} of device {}, received {}", device.number(), shown(*received_at))?;
    }
    Ok(())
}

/// What is to be thought of a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UlidStanding {
    /// Too few ids to judge their randomness, and no fault so far.
    Unknown,
    /// No fault was found.
    NothingFound,
    /// At least one fault was found.
    Faulty,
}

/// What a watch found of one source. As text it is for people to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UlidHealth {
    /// How many ids came, those included that came again.
    pub ids: u64,
    /// How many of them were ids of the same device again, as by a broker that delivers at least once. They are
    /// judged no further.
    pub again: u64,
    /// How many came from devices that are not followed, for there are too many: their clocks are judged only by
    /// whether they were set.
    pub not_followed: u64,
    /// How many devices are followed.
    pub devices: u64,
    /// How many ids the randomness was judged by.
    pub judged: u64,
    /// When the first id was received.
    pub from: Option<DateTime<Utc>>,
    /// When the last was received, or an earlier one with a later time.
    pub until: Option<DateTime<Utc>>,
    /// The last so many ids were compared for randomness that repeats and ids of two devices (and 64 of all the
    /// ids, chosen by their randomness).
    pub compared: u64,
    /// When the oldest of them was received.
    pub compared_from: Option<DateTime<Utc>>,
    /// The faults that were found, in the order in which they were found.
    pub flags: Vec<UlidFlag>,
}

impl UlidHealth {
    /// What is to be thought of the generator.
    #[must_use]
    pub const fn standing(&self) -> UlidStanding {
        match (self.flags.is_empty(), self.judged) {
            (false, _) => UlidStanding::Faulty,
            (true, 0) => UlidStanding::Unknown,
            (true, _) => UlidStanding::NothingFound,
        }
    }
}

impl fmt::Display for UlidHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", counted(self.ids, "id"), counted(self.devices, "device"))?;
        if self.not_followed > 0 {
            write!(f, " (and {} of devices that are not followed)", self.not_followed)?;
        }
        if let (Some(from), Some(until)) = (self.from, self.until) {
            write!(f, ", {} to {}", shown(from), shown(until))?;
        }
        if self.again > 0 {
            write!(f, "; {} came again", self.again)?;
        }
        match self.standing() {
            UlidStanding::Unknown => f.write_str("\n  too few to judge their randomness; no fault so far")?,
            UlidStanding::NothingFound => f.write_str("\n  no fault found")?,
            UlidStanding::Faulty => {
                for flag in &self.flags {
                    write!(f, "\n  {flag}")?;
                }
            }
        }
        write!(
            f,
            "\n  randomness judged by {}; the last {} compared",
            counted(self.judged, "id"),
            self.compared
        )?;
        self.compared_from.map_or(Ok(()), |from| write!(f, ", from {} on", shown(from)))
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f UTC").to_string()
}
