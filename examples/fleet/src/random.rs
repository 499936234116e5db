//! Numbers from a seed: the same seed gives the same run.

use chrono::TimeDelta;

/// The generator SplitMix64, by Steele, Lea and Flood (2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Of a seed, and of one part of what is simulated: each has numbers of its own.
    #[must_use]
    pub fn new(seed: u64, part: u64) -> Self {
        let mut random = Self(seed ^ part.wrapping_mul(0xA24B_AED4_963E_E407));
        random.number();
        random
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Yes in so many of a hundred cases.
    pub fn percent(&mut self, share: u64) -> bool {
        self.number() % 100 < share
    }

    /// Whole minutes from the one number to the other, both included.
    pub fn minutes(&mut self, from: u32, to: u32) -> TimeDelta {
        let many = u64::from(to.saturating_sub(from)) + 1;
        let more = u32::try_from(self.number() % many).unwrap_or(0);
        TimeDelta::minutes(i64::from(from.saturating_add(more)))
    }

    /// The same in days, to the minute.
    pub fn days(&mut self, from: u32, to: u32) -> TimeDelta {
        const DAY: u32 = 24 * 60;
        self.minutes(from.saturating_mul(DAY), to.saturating_mul(DAY))
    }

    /// Thirty-two bytes, for a key.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.number().to_be_bytes());
        }
        bytes
    }
}
