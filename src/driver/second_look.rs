use std::time::Duration;

use crate::diagnosis::DiagnosisId;

/// Whether a diagnosis that ended undetermined, since answers failed for a moment, is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecondLook {
    /// How long after the end; up to half as much again is added, so that a fleet does not ask at one moment.
    pub after: Duration,
    /// How often at the most.
    pub most: u32,
}

impl SecondLook {
    /// So long after the end, so often at the most.
    #[must_use]
    pub const fn new(after: Duration, most: u32) -> Self {
        Self { after, most }
    }

    /// The pause before the look of that number, from zero. The same diagnosis always gets the same.
    pub(super) fn pause(&self, diagnosis: DiagnosisId, number: u32) -> Duration {
        // SplitMix64: spreads what differs in a few bits, as identities of one moment do.
        let [high, low] = [diagnosis.ulid().0 >> 64, diagnosis.ulid().0].map(|bits| bits as u64);
        let mut bits = (high ^ low).wrapping_add(u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits ^= bits >> 27;
        let share = f64::from((bits >> 40) as u32) / f64::from(1_u32 << 24);
        self.after.saturating_add(self.after.mul_f64(share / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn pauses_are_spread_and_stay_the_same() {
        let look = SecondLook::new(Duration::from_secs(100), 3);
        let pauses: Vec<_> =
            (0..1_000).map(|id| look.pause(DiagnosisId::new(Ulid(id)), 0).as_secs()).collect();
        assert!(pauses.iter().all(|pause| (100..=150).contains(pause)));
        // Of a thousand in ten fifths of the spread none has less than half or more than twice its part.
        for from in (100..150).step_by(5) {
            let inside = pauses.iter().filter(|pause| (from..from + 5).contains(*pause)).count();
            assert!((50..200).contains(&inside), "{inside} from {from} s");
        }
        let id = DiagnosisId::new(Ulid(7));
        assert_eq!(look.pause(id, 1), look.pause(id, 1));
        assert_ne!(look.pause(id, 0), look.pause(id, 1));
    }
}
