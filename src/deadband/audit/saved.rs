use serde::Deserialize;

use super::bits::{self, Bits};
use super::constant::Constant;
use super::errors::Errors;
use super::noise::Noise;
use super::silence::{Silences, Span};
use super::{Audit, AuditError, LARGEST, VERSION};

/// An [`Audit`] as it was read, before its parts are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unchecked {
    version: u32,
    #[serde(with = "bits")]
    band: f64,
    longest_gap: u64,
    first: Option<i64>,
    last: Option<i64>,
    unusable: u64,
    late: u64,
    samples: u64,
    reported: u64,
    range: Option<Span>,
    #[serde(with = "bits")]
    quantum: f64,
    neighbour: Option<Bits>,
    noise: Noise,
    silences: Silences,
    errors: Errors,
    constant: Constant,
}

impl TryFrom<Unchecked> for Audit {
    type Error = AuditError;

    fn try_from(saved: Unchecked) -> Result<Self, AuditError> {
        if saved.version != VERSION {
            return Err(AuditError::Version { found: saved.version });
        }
        let fresh = Self::new(saved.band)?;
        let has_begun = saved.samples > 0;
        for (field, is_possible) in [
            ("longest_gap", saved.longest_gap > 0),
            ("first", saved.first.is_some() == saved.last.is_some() && saved.first <= saved.last),
            ("samples", !has_begun || saved.first.is_some()),
            ("reported", saved.reported <= saved.samples),
            ("range", saved.range.is_some() == has_begun && saved.range.is_none_or(Span::is_possible)),
            ("quantum", saved.quantum > 0.0),
            ("neighbour", saved.neighbour.is_none_or(|Bits(value)| value.abs() <= LARGEST)),
            ("noise", saved.noise.is_possible()),
            ("silences", saved.silences.is_possible()),
            ("errors", saved.errors.is_possible()),
            ("constant", saved.constant.is_possible()),
        ] {
            if !is_possible {
                return Err(AuditError::Saved { field });
            }
        }
        Ok(Self {
            longest_gap: saved.longest_gap,
            first: saved.first,
            last: saved.last,
            unusable: saved.unusable,
            late: saved.late,
            samples: saved.samples,
            reported: saved.reported,
            range: saved.range,
            quantum: saved.quantum,
            neighbour: saved.neighbour,
            noise: saved.noise,
            silences: saved.silences,
            errors: saved.errors,
            constant: saved.constant,
            ..fresh
        })
    }
}
