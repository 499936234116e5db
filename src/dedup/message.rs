//! A message, as the engine sees it.

use serde::{Deserialize, Serialize};

use super::{Device, Fingerprint, MessageId};

/// A message, as far as deduplication needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The device that sent it.
    pub device: Device,
    /// The fingerprint of its payload.
    pub payload: Fingerprint,
    /// Where it was read from, where that is known.
    pub position: Option<Position>,
}

impl Message {
    /// A message whose place in its source is not known.
    #[must_use]
    pub const fn new(id: MessageId, device: Device, payload: Fingerprint) -> Self {
        Self { id, device, payload, position: None }
    }

    /// The message, read from that position of its source.
    #[must_use]
    pub const fn with_position(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }
}

/// A place in a source that is read again from where it was left, such as a Kafka partition and offset. A
/// message that comes again from the same place was replayed, not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The source, by a number of yours: a partition, where one topic is read.
    pub source: u32,
    /// The place in it.
    pub offset: u64,
}

impl Position {
    /// The place `offset` in `source`.
    #[must_use]
    pub const fn new(source: u32, offset: u64) -> Self {
        Self { source, offset }
    }
}
