//! How good a sample is, as OPC UA says it.

use serde::{Deserialize, Serialize};

/// An OPC UA `StatusCode`: severity in the top two bits, sub-code below, flags in the low half
/// (OPC 10000-4, 7.39). Two qualities are the same where all 32 bits are.
///
/// ```
/// use iot_runbook::deadband::sample::{Quality, Severity};
///
/// let last_usable = Quality::new(0x4090_0000);
/// assert_eq!(last_usable.severity(), Severity::Uncertain);
/// assert_eq!(last_usable.code(), 0x4090_0000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quality(u32);

impl Quality {
    /// `Good`, with nothing to add.
    pub const GOOD: Self = Self(0);
    /// `Uncertain`, with nothing to add.
    pub const UNCERTAIN: Self = Self(0x4000_0000);
    /// `Bad`, with nothing to add.
    pub const BAD: Self = Self(0x8000_0000);

    /// The quality with this code.
    #[must_use]
    pub const fn new(code: u32) -> Self {
        Self(code)
    }

    /// The whole code.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0
    }

    /// What its top two bits say. The specification keeps `11` for later and has clients take it for bad.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.0 >> 30 {
            0 => Severity::Good,
            1 => Severity::Uncertain,
            _ => Severity::Bad,
        }
    }
}

/// The three severities of a [`Quality`].
///
/// Exhaustive: two bits of the wire format, of which the specification uses three patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The value can be used.
    Good,
    /// The value may be used, with care.
    Uncertain,
    /// The value cannot be used.
    Bad,
}

#[cfg(test)]
mod tests {
    use super::{Quality, Severity};

    #[test]
    fn the_top_two_bits_are_the_severity() {
        for (code, severity) in [
            (0, Severity::Good),
            (0x3fff_ffff, Severity::Good),
            (0x4000_0000, Severity::Uncertain),
            (0x7fff_ffff, Severity::Uncertain),
            (0x8000_0000, Severity::Bad),
            (0xc000_0000, Severity::Bad),
            (u32::MAX, Severity::Bad),
        ] {
            assert_eq!(Quality::new(code).severity(), severity, "{code:#x}");
        }
    }
}
