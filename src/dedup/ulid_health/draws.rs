//! Whether the random bits are random.

use serde::{Deserialize, Serialize};

use super::sighting::{RANDOM_BITS, Sighting};

/// How many draws one verdict rests on: one that the others are compared with, and 64.
pub(super) const DRAWS: usize = 65;

/// Up to this many bits may be constant: some generators clear the first so that increments have room.
const MAY_BE_CONSTANT: u32 = 4;

/// So many independent differences, of 64, are too few.
const TOO_FEW: u32 = 61;

/// In each of so many parts of a second something must have been received before whole seconds say anything.
const PHASES: u32 = 6;

/// Draws from the generator's randomness that do not depend on each other: one id of a device and millisecond,
/// for the rest of that millisecond may be increments.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Draws {
    draws: Vec<Sighting>,
    /// The eighths of a second in which ids were received, those included that are no draws: of a clock of
    /// seconds the first id of each second is the draw.
    phases: u8,
}

/// What one block of draws comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) first: Sighting,
    pub(super) last: Sighting,
    /// How many independent bits and how many constant ones, where they are too few.
    pub(super) few: Option<(u32, u32)>,
    /// The step of the clock in milliseconds, where it is a second or more.
    pub(super) coarse: Option<u64>,
}

impl Draws {
    /// Takes a draw, and judges them when there are enough; then it begins anew.
    pub(super) fn take(&mut self, sighting: Sighting) -> Option<Judged> {
        let eighth = sighting.received_at.timestamp_subsec_millis() % 1000 / 125;
        self.phases |= 1_u8.checked_shl(eighth).unwrap_or(0);
        let known = |draw: &Sighting| draw.device == sighting.device && draw.stamp() == sighting.stamp();
        if self.draws.iter().any(known) {
            return None;
        }
        self.draws.push(sighting);
        if self.draws.len() < DRAWS {
            return None;
        }
        let judged = self.judge();
        *self = Self::default();
        judged
    }

    fn judge(&self) -> Option<Judged> {
        let (first, last) = (*self.draws.first()?, *self.draws.last()?);
        let differences = || self.draws.iter().skip(1).map(|draw| draw.random() ^ first.random());
        let varying = differences().fold(0, |bits, difference| bits | difference).count_ones();
        let constant = RANDOM_BITS.saturating_sub(varying);
        let rank = rank(differences());
        let few = (constant > MAY_BE_CONSTANT || rank <= TOO_FEW).then_some((rank.min(varying), constant));
        Some(Judged { first, last, few, coarse: self.step() })
    }

    /// The step of the clock, where it is a second or more and that says something.
    fn step(&self) -> Option<u64> {
        let step = self.draws.iter().map(Sighting::stamp).fold(0, greatest_common_divisor);
        let mut stamps: Vec<_> = self.draws.iter().map(Sighting::stamp).collect();
        stamps.sort_unstable();
        stamps.dedup();
        (step >= 1000 && self.phases.count_ones() >= PHASES && stamps.len() >= 8).then_some(step)
    }
}

/// How many of them are independent, as vectors of bits: none of those is a sum (XOR) of others.
fn rank(vectors: impl Iterator<Item = u128>) -> u32 {
    let mut by_leading = [0_u128; 128];
    let mut rank = 0;
    for mut vector in vectors {
        while vector != 0 {
            match by_leading.get_mut(vector.leading_zeros() as usize) {
                Some(free) if *free == 0 => {
                    *free = vector;
                    rank += 1;
                    break;
                }
                Some(taken) => vector ^= *taken,
                None => break,
            }
        }
    }
    rank
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_counts_independent_vectors() {
        assert_eq!(rank([].into_iter()), 0);
        assert_eq!(rank([0, 0].into_iter()), 0);
        assert_eq!(rank([0b11, 0b101, 0b110].into_iter()), 2);
        assert_eq!(rank((0..80).map(|bit| 1 << bit)), 80);
        assert_eq!(rank((0..80).map(|bit| (1 << bit) | 1)), 80);
        assert_eq!(rank((1..=255).map(|byte: u128| byte * 0x0101_0101)), 8);
    }

    #[test]
    fn step_of_stamps_is_what_divides_them_all() {
        assert_eq!([3000, 7000, 9000].into_iter().fold(0, greatest_common_divisor), 1000);
        assert_eq!([3000, 7001].into_iter().fold(0, greatest_common_divisor), 1);
        assert_eq!([0, 0].into_iter().fold(0, greatest_common_divisor), 0);
    }
}
