//! Messages in somebody's hands.

use thiserror::Error;

use super::{MessageId, Verdict};

/// A message that was reserved: nobody else processes it until this is committed or aborted, or the reserve
/// timeout is over.
///
/// It is not saved with a snapshot: after a crash the message counts as never seen, and its redelivery is
/// processed.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "commit it once the message is safe, or abort it: until then the message counts as in flight"]
pub struct Reservation {
    pub(super) id: MessageId,
    /// When it was reserved, in milliseconds since the epoch. No other reservation of the id has the same: an id that was
    /// reserved leaves neither by eviction nor by its timeout within that millisecond.
    pub(super) at: i64,
}

impl Reservation {
    /// The reservation that comes with a verdict at that time, if one does.
    pub(super) fn of(id: MessageId, verdict: Verdict, at: i64) -> Option<Self> {
        matches!(verdict, Verdict::Fresh | Verdict::Late { .. }).then_some(Self { id, at })
    }

    /// The id of the message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }
}

/// Why a reservation could not be decided. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReservationError {
    /// The id is not remembered any more: its window passed, or it was evicted for want of room.
    #[error(
        "the reservation of {id} is forgotten: a copy of the message would count as fresh; commit sooner, or give the engine more room"
    )]
    Forgotten {
        /// The id.
        id: MessageId,
    },
    /// The reserve timeout passed, and somebody else took the message meanwhile.
    #[error(
        "the reservation of {id} passed to somebody else after its timeout: the message may have been processed twice; lengthen `reserve_timeout`"
    )]
    Taken {
        /// The id.
        id: MessageId,
    },
}
