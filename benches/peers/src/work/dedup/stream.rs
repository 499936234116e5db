//! The stream that every side is given: one message a millisecond, one in ten a copy.

use chrono::{DateTime, Utc};
use iot_runbook::dedup::{Device, Fingerprint, Message, MessageId};

/// One message of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) message: Message,
    pub(super) at_ms: i64,
    pub(super) at: DateTime<Utc>,
    /// Whether a message of this id came before, within the window.
    pub(super) is_copy: bool,
}

/// Messages without end: copies are of a message that the window still holds, any of them alike.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    fresh: u64,
    window: u64,
    random: u64,
    copies: bool,
    device: Device,
}

impl Stream {
    /// A stream over a window of so many ids, without copies at first.
    pub(super) fn new(window: u64) -> Self {
        let device = Device::new(7).unwrap_or(Device::MAX);
        Self { fresh: 0, window, random: 0x51AB, copies: false, device }
    }

    /// From here on one message in ten is a copy.
    pub(super) const fn begin_copies(&mut self) {
        self.copies = true;
    }

    /// Puts the next messages in place of those in `items`.
    pub(super) fn fill(&mut self, items: &mut Vec<Item>, count: usize) {
        items.clear();
        items.extend(std::iter::repeat_with(|| self.next_item()).take(count));
    }

    fn next_item(&mut self) -> Item {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let random = mix(self.random);
        let is_copy = self.copies && random.is_multiple_of(10) && self.fresh > 1;
        let number = if is_copy {
            // Not the very oldest: they leave within the batch.
            let reach = self.fresh.min(self.window).saturating_sub(2 * 64).max(1);
            self.fresh - 1 - (mix(random) % reach)
        } else {
            self.fresh += 1;
            self.fresh - 1
        };
        let id = (u128::from(number) << 80) | u128::from(mix(number)) << 8 | u128::from(mix(!number) & 0xFF);
        let message =
            Message::new(MessageId::from_u128(id), self.device, Fingerprint::from_u64(mix(number ^ 0xFEED)));
        let at_ms = 1_800_000_000_000 + i64::try_from(self.fresh).unwrap_or_default();
        Item { message, at_ms, at: DateTime::from_timestamp_millis(at_ms).unwrap_or_default(), is_copy }
    }
}

/// The finaliser of SplitMix64.
const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
