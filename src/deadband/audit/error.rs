use chrono::TimeDelta;

use super::VERSION;

/// An audit cannot be made, joined or restored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The band is no width.
    #[error("a `band` of {band} is no width: give a finite one from zero up, in the unit of the tag")]
    Band {
        /// What was given.
        band: f64,
    },
    /// The longest gap is no length.
    #[error("a `longest_gap` of {longest_gap} is no limit: give a length above zero and up to 292 years")]
    Gap {
        /// What was given.
        longest_gap: TimeDelta,
    },
    /// Two audits were made with different settings.
    #[error("audits of different bands or gaps do not join: judge each for itself")]
    Unlike,
    /// The second does not begin after the first ends.
    #[error(
        "an audit that begins at {begin} ns does not follow one that ends at {end} ns: join them in order"
    )]
    Overlap {
        /// When the second begins, in nanoseconds since the Unix epoch.
        begin: i64,
        /// When the first ends.
        end: i64,
    },
    /// Another version of the library saved it.
    #[error(
        "an audit was saved in version {found}, and this library reads version {VERSION}: start a new one"
    )]
    Version {
        /// What it says.
        found: u32,
    },
    /// What was saved contradicts itself.
    #[error(
        "the saved `{field}` of an audit cannot have come about: it was changed, and a new one must start"
    )]
    Saved {
        /// The field.
        field: &'static str,
    },
}
