//! An [`Audit`] is read as it was written, and its parts are checked.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::bits::Bits;
use super::silence::Span;
use super::{Audit, AuditError, LARGEST, VERSION};

// `remote = "Self"` gives the type functions of these names, which check nothing.
impl Serialize for Audit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Audit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let audit = Self::deserialize(deserializer)?;
        audit.check().map_err(de::Error::custom)?;
        Ok(audit)
    }
}

impl Audit {
    fn check(&self) -> Result<(), AuditError> {
        if self.version != VERSION {
            return Err(AuditError::Version { found: self.version });
        }
        Self::new(self.band)?;
        let has_begun = self.samples > 0;
        for (field, is_possible) in [
            ("longest_gap", self.longest_gap > 0),
            ("first", self.first.is_some() == self.last.is_some() && self.first <= self.last),
            ("samples", !has_begun || self.first.is_some()),
            ("reported", self.reported <= self.samples),
            ("range", self.range.is_some() == has_begun && self.range.is_none_or(Span::is_possible)),
            ("quantum", self.quantum > 0.0),
            ("neighbour", self.neighbour.is_none_or(|Bits(value)| value.abs() <= LARGEST)),
            ("noise", self.noise.is_possible()),
            ("silences", self.silences.is_possible()),
            ("errors", self.errors.is_possible()),
            ("constant", self.constant.is_possible()),
        ] {
            if !is_possible {
                return Err(AuditError::Saved { field });
            }
        }
        Ok(())
    }
}
