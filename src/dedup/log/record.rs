//! What is remembered of an id.

use crate::dedup::{Device, Fingerprint, Message, MessageId};

/// One id, in 32 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(in crate::dedup) struct Record {
    pub(super) key: u128,
    pub(super) payload: u64,
    /// The device in the lower 28 bits, and the flags above.
    pub(super) device: u32,
    /// The sighting that the TTL runs from, in milliseconds after the base of its segment.
    pub(super) at: u32,
}

const _: () = assert!(size_of::<Record>() == 32);

/// The state of a record, in two bits.
const STATE: u32 = 3 << 28;
const SEEN: u32 = 0;
const RESERVED: u32 = 1 << 28;
const MOVED: u32 = 3 << 28;
/// Its sighting is younger than its place in the log.
pub(super) const RENEWED: u32 = 1 << 30;
pub(super) const HAS_POSITION: u32 = 1 << 31;

/// What became of the message of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dedup) enum State {
    /// It was seen and passed on.
    Seen,
    /// Somebody has it in hand.
    Reserved,
    /// The record is elsewhere, or was removed.
    Moved,
}

impl State {
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Seen => SEEN,
            Self::Reserved => RESERVED,
            Self::Moved => MOVED,
        }
    }
}

impl Record {
    #[inline(always)]
    pub(super) const fn new(message: &Message, flags: u32, at: u32) -> Self {
        Self {
            key: message.id.to_u128(),
            payload: message.payload.to_u64(),
            device: message.device.number() | flags,
            at,
        }
    }

    pub(in crate::dedup) const fn id(&self) -> MessageId {
        MessageId::from_u128(self.key)
    }

    pub(in crate::dedup) const fn payload(&self) -> Fingerprint {
        Fingerprint::from_u64(self.payload)
    }

    pub(in crate::dedup) const fn device(&self) -> Device {
        Device::from_low_bits(self.device)
    }

    #[inline]
    pub(in crate::dedup) const fn state(&self) -> State {
        match self.device & STATE {
            SEEN => State::Seen,
            RESERVED => State::Reserved,
            _ => State::Moved,
        }
    }

    pub(in crate::dedup) const fn set_state(&mut self, state: State) {
        self.device = (self.device & !STATE) | state.bits();
    }

    /// Whether it is in force, and its place in the log is that of its sighting.
    pub(super) const fn is_settled(&self) -> bool {
        self.device & RENEWED == 0 && self.device & STATE != MOVED
    }

    pub(in crate::dedup) const fn is_renewed(&self) -> bool {
        self.device & RENEWED != 0
    }

    /// Whether that is the id of this record, and the record is in force.
    #[inline]
    pub(in crate::dedup) const fn is(&self, id: MessageId) -> bool {
        self.key == id.to_u128() && self.device & STATE != MOVED
    }

    /// Whether that message has the device and payload of this record.
    #[inline]
    pub(in crate::dedup) const fn agrees(&self, message: &Message) -> bool {
        self.payload == message.payload.to_u64()
            && self.device & Device::MAX.number() == message.device.number()
    }
}

/// All there is to a record, apart from its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dedup) struct Entry {
    pub(in crate::dedup) message: Message,
    pub(in crate::dedup) state: State,
    /// The first sighting, and the one that the TTL runs from, in milliseconds since the epoch; the same in a
    /// fixed window.
    pub(in crate::dedup) first: i64,
    pub(in crate::dedup) at: i64,
    /// Whether that sighting is younger than its place in the log.
    pub(in crate::dedup) renewed: bool,
}

impl Entry {
    /// The entry as it would be if nothing of it were later than `now`.
    pub(in crate::dedup) fn not_after(self, now: i64) -> Self {
        Self { first: self.first.min(now), at: self.at.min(now), ..self }
    }
}
