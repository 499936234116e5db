//! A range of positions, which wraps.

use super::NOWHERE;

/// Which positions are remembered.
#[derive(Clone, Copy, Debug)]
pub(in crate::dedup) struct Span {
    pub(super) tail: u32,
    pub(super) length: u32,
}

impl Span {
    /// Whether a position is remembered.
    #[inline]
    pub(in crate::dedup) const fn holds(self, position: u32) -> bool {
        position.wrapping_sub(self.tail) < self.length && position != NOWHERE
    }

    #[cfg(test)]
    pub(in crate::dedup) const fn new(tail: u32, length: u32) -> Self {
        Self { tail, length }
    }

    /// Whether it reaches over the position that no record has.
    #[inline]
    pub(in crate::dedup) const fn holds_nowhere(self) -> bool {
        NOWHERE.wrapping_sub(self.tail) < self.length
    }

    /// How many positions there are.
    pub(in crate::dedup) const fn length(self) -> u32 {
        self.length
    }

    /// The position after the youngest.
    pub(in crate::dedup) const fn head(self) -> u32 {
        self.tail.wrapping_add(self.length)
    }

    /// The oldest position.
    pub(in crate::dedup) const fn tail(self) -> u32 {
        self.tail
    }

    /// Of two positions the one nearer to the head; a dead one counts for nothing.
    pub(in crate::dedup) const fn younger(self, one: u32, two: u32) -> u32 {
        if !self.holds(one) || (self.holds(two) && two.wrapping_sub(self.tail) > one.wrapping_sub(self.tail))
        {
            two
        } else {
            one
        }
    }
}
