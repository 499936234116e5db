use serde::Deserialize;

use super::edges::Edges;
use super::holding::Holding;
use super::moments::Moments;
use super::sketch::Sketch;
use super::{Audit, AuditError, Squares, VERSION, bits};

/// An [`Audit`] that is not yet proven to be one that can have come about.
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
    reported: u64,
    all: Moments,
    #[serde(with = "bits")]
    quantum: f64,
    steps: [Squares; 2],
    bends: [Sketch; 2],
    edges: Edges,
    holding: Holding,
}

impl TryFrom<Unchecked> for Audit {
    type Error = AuditError;

    fn try_from(saved: Unchecked) -> Result<Self, AuditError> {
        if saved.version != VERSION {
            return Err(AuditError::Version { found: saved.version });
        }
        let wrong = |field| Err(AuditError::Saved { field });
        let fresh = Self::new(saved.band)?;
        if saved.longest_gap == 0 {
            return wrong("longest_gap");
        }
        if saved.first.is_some() != saved.last.is_some() || saved.first > saved.last {
            return wrong("first");
        }
        if saved.reported > saved.all.count {
            return wrong("reported");
        }
        if !saved.all.is_possible() || (saved.all.count > 0 && saved.first.is_none()) {
            return wrong("all");
        }
        if saved.quantum.is_nan() || saved.quantum <= 0.0 {
            return wrong("quantum");
        }
        if saved.steps.iter().any(|squares| !(squares.sum >= 0.0 && squares.sum.is_finite())) {
            return wrong("steps");
        }
        if !saved.holding.is_possible() {
            return wrong("holding");
        }
        Ok(Self {
            longest_gap: saved.longest_gap,
            first: saved.first,
            last: saved.last,
            unusable: saved.unusable,
            late: saved.late,
            reported: saved.reported,
            all: saved.all,
            quantum: saved.quantum,
            steps: saved.steps,
            bends: saved.bends,
            edges: saved.edges,
            holding: saved.holding,
            ..fresh
        })
    }
}
