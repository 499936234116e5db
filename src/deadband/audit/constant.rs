//! How many samples at the end are exactly equal.

use serde::{Deserialize, Serialize};

use super::bits::Bits;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Constant {
    value: Option<Bits>,
    pub(super) samples: u64,
    /// Whether no other value came before.
    is_whole: bool,
}

impl Constant {
    pub(super) const fn new() -> Self {
        Self { value: None, samples: 0, is_whole: true }
    }

    pub(super) fn observe(&mut self, value: f64) {
        let is_equal = self.value.is_none_or(|Bits(before)| before == value);
        self.is_whole &= is_equal;
        self.samples = if is_equal { self.samples.saturating_add(1) } else { 1 };
        self.value = Some(Bits(value));
    }

    pub(super) fn join(&mut self, later: &Self) {
        let Some(Bits(value)) = later.value else { return };
        let is_equal = self.value.is_none_or(|Bits(before)| before == value);
        let samples = if later.is_whole && is_equal { self.samples } else { 0 };
        *self = Self {
            samples: samples.saturating_add(later.samples),
            is_whole: self.is_whole && later.is_whole && is_equal,
            ..*later
        };
    }

    pub(super) fn is_possible(&self) -> bool {
        let is_value = self.value.is_none_or(|Bits(value)| value.abs() <= super::LARGEST);
        is_value && self.value.is_some() == (self.samples > 0) && (self.value.is_some() || self.is_whole)
    }
}
