use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use crate::time::format_duration;

/// Why a schedule cannot be made of what was given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A rate or a burst of nothing: no renewal would ever start.
    #[error("`{field}` is 0, and no renewal would ever start; set it to 1 or more")]
    Zero {
        /// Which field.
        field: &'static str,
    },
    /// A length of time is below zero.
    #[error("`{field}` ({}) is below zero; set it to zero or more", format_duration(*given))]
    Negative {
        /// Which field.
        field: &'static str,
        /// What was given.
        given: TimeDelta,
    },
    /// A window ends where it starts, or before.
    #[error(
        "the window ends at `end` {end}, which is not after `start` {start}; treat it as no answer, and ask again"
    )]
    EndsBeforeItStarts {
        /// When it would start.
        start: DateTime<Utc>,
        /// When it would end.
        end: DateTime<Utc>,
    },
    /// A window that repeats is as long as its period, or longer.
    #[error(
        "`every` ({}) is not longer than the window itself ({}); take a longer period, or `Maintenance::always`",
        format_duration(*every), format_duration(*length)
    )]
    AlwaysOpen {
        /// The period.
        every: TimeDelta,
        /// The length of the window.
        length: TimeDelta,
    },
}
