//! What the engine says of a message.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Device, Fingerprint};
use crate::fact::duration_in_words;

/// What a message is. [`Verdict::drops`] says what to do with it; no caller decides that by a match of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// Its id was not seen within the window. Pass it on.
    Fresh,
    /// A copy of a message that was seen: the same id, device and payload. Drop it.
    Duplicate {
        /// When the first was seen.
        first_seen: DateTime<Utc>,
    },
    /// The id of another message: another device or payload. Pass it on: it is not a copy, and the ids are
    /// at fault. The first record stays as it is, so each that collides with it is a collision.
    ///
    /// If every copy is a collision, the fingerprints were made under another [`Secret`](super::Secret) than before: take
    /// them by [`Deduplicator::message`](super::Deduplicator::message), and give a restarted engine the secret that it had.
    Collision {
        /// The message that had the id first.
        first: FirstSeen,
    },
    /// A copy of a message that was seen, too late to be sure of it: the TTL was over, and the history still had
    /// it. Pass it on, and know that the TTL is too short. The window of the id begins anew.
    Late {
        /// The sighting that the TTL ran from: the first in a fixed window, the last in a sliding one.
        last_seen: DateTime<Utc>,
        /// By how much the TTL would have to be longer.
        past_ttl_by: TimeDelta,
    },
    /// The same message, read again from the same position of its source, as after a consumer's restart. Drop it.
    Replay,
    /// Somebody has it in hand: reserved, and not yet committed. Neither drop it nor process it: put it back, and
    /// see it again once that is decided: at the latest after the reserve timeout of engine time, which does not move
    /// while a leap of the clock is held.
    InFlight,
    /// The engine is full. The message is passed on and not remembered, so that a copy of it would not be noticed.
    Untracked,
}

/// The message that an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FirstSeen {
    /// The device that sent it.
    pub device: Device,
    /// The fingerprint of its payload.
    pub payload: Fingerprint,
    /// When it was seen.
    pub first_seen: DateTime<Utc>,
}

impl FirstSeen {
    /// The message of that device and payload, seen then.
    #[must_use]
    pub const fn new(device: Device, payload: Fingerprint, first_seen: DateTime<Utc>) -> Self {
        Self { device, payload, first_seen }
    }
}

impl Verdict {
    /// Whether the message is to be dropped: it is a copy of one that was seen and passed on. True of
    /// [`Duplicate`](Self::Duplicate) and [`Replay`](Self::Replay) alone.
    ///
    /// ```
    /// use iot_runbook::dedup::Verdict;
    ///
    /// assert!(Verdict::Replay.drops());
    /// assert!(!Verdict::Untracked.drops());
    /// ```
    #[must_use]
    pub const fn drops(self) -> bool {
        matches!(self, Self::Duplicate { .. } | Self::Replay)
    }

    /// Whether the message is to be processed now: neither dropped nor in somebody else's hands.
    #[must_use]
    pub const fn passes(self) -> bool {
        !self.drops() && !matches!(self, Self::InFlight)
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Fresh => Kind::Fresh,
            Self::Duplicate { .. } => Kind::Duplicate,
            Self::Collision { .. } => Kind::Collision,
            Self::Late { .. } => Kind::Late,
            Self::Replay => Kind::Replay,
            Self::InFlight => Kind::InFlight,
            Self::Untracked => Kind::Untracked,
        }
    }
}

macro_rules! kinds {
    ($($name:ident = $id:literal)*) => {
        /// The kinds of verdict, for counting and naming.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = concat!("[`Verdict::", stringify!($name), "`].")] $name,)*
        }

        impl Kind {
            /// Every kind, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, as in reports and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }
    };
}

kinds! {
    Fresh = "fresh"
    Duplicate = "duplicate"
    Collision = "collision"
    Late = "late"
    Replay = "replay"
    InFlight = "in-flight"
    Untracked = "untracked"
}

/// For people: `collision: its id belongs to a message of device 1, seen 2026-03-01 22:00:00 UTC`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind())?;
        match self {
            Self::Fresh => f.write_str("not seen before"),
            Self::Duplicate { first_seen } => write!(f, "a copy of what was seen {first_seen}"),
            Self::Collision { first: FirstSeen { device, first_seen, .. } } => {
                let number = device.number();
                write!(f, "its id belongs to a message of device {number}, seen {first_seen}")
            }
            Self::Late { last_seen, past_ttl_by } => {
                let past = duration_in_words(*past_ttl_by);
                write!(f, "a copy of what was seen {last_seen}, {past} after its window was over")
            }
            Self::Replay => f.write_str("read again from the same position"),
            Self::InFlight => f.write_str("reserved and not yet committed"),
            Self::Untracked => f.write_str("the engine is full, and does not remember it"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_by_people() {
        let seen = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let first = FirstSeen::new(Device::new(3).unwrap(), Fingerprint::from_u64(1), seen);
        for (verdict, words) in [
            (Verdict::Fresh, "fresh: not seen before"),
            (
                Verdict::Collision { first },
                "collision: its id belongs to a message of device 3, seen 2027-01-15 08:00:00 UTC",
            ),
            (
                Verdict::Late { last_seen: seen, past_ttl_by: TimeDelta::milliseconds(90_400) },
                "late: a copy of what was seen 2027-01-15 08:00:00 UTC, 1 min 30 s after its window was over",
            ),
            (Verdict::Replay, "replay: read again from the same position"),
        ] {
            assert_eq!(verdict.to_string(), words);
        }
    }
}
