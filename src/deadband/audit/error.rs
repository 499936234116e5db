use chrono::TimeDelta;

use super::VERSION;

/// An audit cannot be made, joined or restored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The band is not a width.
    #[error("`band` is {band}: give a finite width from 0 to 1e140, in the unit of the tag")]
    Band {
        /// What was given.
        band: f64,
    },
    /// The longest gap is not a length of time.
    #[error("`longest_gap` is {longest_gap}: give a length above zero and up to 292 years")]
    Gap {
        /// What was given.
        longest_gap: TimeDelta,
    },
    /// Two audits have different settings.
    #[error("the two audits have different bands or gaps: assess each by itself")]
    Unlike,
    /// The second audit does not begin after the first ends.
    #[error(
        "the later audit begins at {begin} ns, but the earlier one ends at {end} ns: join them in order of time"
    )]
    Overlap {
        /// When the second begins, in nanoseconds since the Unix epoch.
        begin: i64,
        /// When the first ends.
        end: i64,
    },
    /// Another version of the library saved it.
    #[error("saved audit has version {found}, but this library reads version {VERSION}: start a new audit")]
    Version {
        /// The version that was read.
        found: u32,
    },
    /// The saved audit contradicts itself.
    #[error("saved audit is corrupt: invalid `{field}`; start a new audit")]
    Saved {
        /// The field.
        field: &'static str,
    },
}
