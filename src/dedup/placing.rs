//! Where ids are placed in the index: SipHash-1-3 of 16 bytes, and of nothing else.
//!
//! It is what the `siphasher` crate computes, at two thirds of the instructions, as it need not ask for the length. It
//! runs for every message.

use super::MessageId;
use super::index::Hash;

/// SipHash's state once it has taken its key, and the part of the first round that no message has a share in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placing([u64; 4]);

impl Placing {
    pub(super) fn new(key: [u8; 16]) -> Self {
        let (low, high) = halves(u128::from_le_bytes(key));
        let mut state = [
            low ^ 0x736F_6D65_7073_6575,
            high ^ 0x646F_7261_6E64_6F6D,
            low ^ 0x6C79_6765_6E65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        begin_round(&mut state);
        Self(state)
    }

    #[inline]
    pub(super) fn hash(&self, id: MessageId) -> Hash {
        let (low, high) = halves(id.to_u128());
        let mut state = self.0;
        state[3] ^= low;
        end_round(&mut state);
        state[0] ^= low;
        // The other word of the message, and the last, which says its length.
        for word in [high, 16 << 56] {
            state[3] ^= word;
            round(&mut state);
            state[0] ^= word;
        }
        state[2] ^= 0xFF;
        round(&mut state);
        round(&mut state);
        round(&mut state);
        Hash(state[0] ^ state[1] ^ state[2] ^ state[3])
    }
}

const fn halves(bits: u128) -> (u64, u64) {
    (bits as u64, (bits >> 64) as u64)
}

#[inline]
const fn round(state: &mut [u64; 4]) {
    begin_round(state);
    end_round(state);
}

/// The steps of a round that change the first two words alone, and read no other.
#[inline]
const fn begin_round([a, b, ..]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
}

#[inline]
const fn end_round([a, b, c, d]: &mut [u64; 4]) {
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;

    #[test]
    fn it_is_siphash() {
        let mut bits = 1_u128;
        for _ in 0..1000 {
            bits = bits.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
            let (key, id) = (bits.to_le_bytes(), bits.rotate_left(77));
            let expected = SipHasher13::new_with_key(&key).hash(&id.to_le_bytes());
            assert_eq!(Placing::new(key).hash(MessageId::from_u128(id)).0, expected);
        }
    }
}
