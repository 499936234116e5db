//! The slots of a bucket, all compared at once: a bit for each, that of the first the lowest.

use wide::{i32x4, u8x16};

use crate::dedup::log::Span;

/// Slots of a bucket.
pub(super) const SLOTS: usize = 12;

/// The bytes that are a tag.
#[inline]
pub(super) fn equal(bytes: &[u8; 16], tag: u8) -> u32 {
    u8x16::new(*bytes).simd_eq(u8x16::splat(tag)).to_bitmask()
}

/// The slots whose position is remembered.
#[inline]
pub(super) fn live(positions: &[u32; SLOTS], span: Span) -> u32 {
    if span.holds_nowhere() {
        return live_around_nowhere(positions, span);
    }
    let [a, b, c, d, e, f, g, h, i, j, k, l] = positions.map(u32::cast_signed);
    // Lanes are compared with their sign: both sides are moved by half the range.
    let tail = i32x4::splat(span.tail().cast_signed().wrapping_add(i32::MIN));
    let length = i32x4::splat(span.length().cast_signed().wrapping_add(i32::MIN));
    let live = |four| length.simd_gt(i32x4::new(four) - tail).to_bitmask();
    live([a, b, c, d]) | live([e, f, g, h]) << 4 | live([i, j, k, l]) << 8
}

/// Where the span reaches over the place that nothing has, which empty slots say.
#[cold]
fn live_around_nowhere(positions: &[u32; SLOTS], span: Span) -> u32 {
    positions.iter().rev().fold(0, |all, position| all << 1 | u32::from(span.holds(*position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that follow from each other without order.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        *state >> 24
    }

    fn equal_one_by_one(bytes: &[u8; 16], tag: u8) -> u32 {
        bytes.iter().rev().fold(0, |all, own| all << 1 | u32::from(*own == tag))
    }

    #[test]
    fn all_at_once_is_as_one_by_one() {
        let mut state = 7;
        for _ in 0..20_000 {
            // Few different tags, so that several slots have one.
            let bytes = std::array::from_fn(|_| (next(&mut state) % 5 * 63) as u8);
            let tag = (next(&mut state) % 5 * 63) as u8;
            assert_eq!(equal(&bytes, tag), equal_one_by_one(&bytes, tag), "{tag} in {bytes:?}");

            let length = [0, 1, 2, 100, 1 << 31, u32::MAX][(next(&mut state) % 6) as usize];
            let tail =
                [0, 1, 50, 1 << 31, u32::MAX - 50, next(&mut state) as u32][(next(&mut state) % 6) as usize];
            let positions = std::array::from_fn(|_| {
                let near = [tail, tail.wrapping_add(length), 0, 1 << 31, next(&mut state) as u32]
                    [(next(&mut state) % 5) as usize];
                near.wrapping_add((next(&mut state) % 5) as u32).wrapping_sub(2)
            });
            let span = Span::new(tail, length);
            assert_eq!(
                live(&positions, span),
                live_around_nowhere(&positions, span),
                "{span:?} {positions:?}"
            );
        }
    }
}
