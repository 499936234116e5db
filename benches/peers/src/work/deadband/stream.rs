//! Values of which a given share leaves the band, at random.

/// A generator without a dependency: xorshift, by Marsaglia (2003).
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Below `end`.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    /// Less than half a band from zero.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    pub(super) const fn noise(&mut self) -> f64 {
        self.below(900) as f64 / 1_000.0 - 0.45
    }
}

/// A stream about a level; `percent` of it change the level.
pub(super) fn values(percent: u64, count: usize) -> Vec<f64> {
    let mut random = Random::new();
    let mut level = 0.0;
    let values = (0..count).map(|_| {
        if random.below(100) < percent {
            level = if level > 50.0 { level - 10.0 } else { level + 10.0 };
            return level;
        }
        level + random.noise()
    });
    values.collect()
}
