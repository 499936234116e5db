use chrono::TimeDelta;

use super::error::ScheduleError;
use super::jitter::{nanos_at, nanos_of};
use super::window::Window;

/// When renewals may start: at any time, or in windows alone.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::certificate::schedule::{Maintenance, Window};
///
/// // Each Sunday from 2:00 to 6:00 UTC, from the first one on.
/// let first = Window::new("2026-03-01T02:00:00Z".parse()?, "2026-03-01T06:00:00Z".parse()?)?;
/// let weekly = Maintenance::recurring(first, TimeDelta::weeks(1))?;
/// assert!(weekly.is_open("2026-03-08T05:59:59Z".parse()?));
/// assert!(!weekly.is_open("2026-03-08T06:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Maintenance(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Always,
    /// In order, in nanoseconds since 1970; none touches another.
    Windows(Vec<(i128, i128)>),
    Recurring {
        start: i128,
        length: i128,
        every: i128,
    },
}

impl Maintenance {
    /// At any time.
    #[must_use]
    pub const fn always() -> Self {
        Self(Kind::Always)
    }

    /// In these windows, in any order; those that overlap are one. After the last, never again.
    #[must_use]
    pub fn windows(windows: impl IntoIterator<Item = Window>) -> Self {
        let mut all: Vec<_> =
            windows.into_iter().map(|window| (nanos_at(window.start()), nanos_at(window.end()))).collect();
        all.sort_unstable();
        all.dedup_by(|next, held| {
            let is_joined = next.0 <= held.1;
            if is_joined {
                held.1 = held.1.max(next.1);
            }
            is_joined
        });
        Self(Kind::Windows(all))
    }

    /// In the first window, and again `every` so long after it began, for ever; never before the first.
    ///
    /// # Errors
    /// [`ScheduleError::AlwaysOpen`] where `every` is not longer than the window.
    pub fn recurring(first: Window, every: TimeDelta) -> Result<Self, ScheduleError> {
        let length = first.end().signed_duration_since(first.start());
        if every <= length {
            return Err(ScheduleError::AlwaysOpen { every, length });
        }
        let (start, length, every) = (nanos_at(first.start()), nanos_of(length), nanos_of(every));
        Ok(Self(Kind::Recurring { start, length, every }))
    }

    /// Whether a renewal may start then.
    #[must_use]
    pub fn is_open(&self, at: chrono::DateTime<chrono::Utc>) -> bool {
        self.next_open(nanos_at(at)) == Some(nanos_at(at))
    }

    /// The first moment from `at` on at which a renewal may start; `None`: never again.
    pub(super) fn next_open(&self, at: i128) -> Option<i128> {
        match &self.0 {
            Kind::Always => Some(at),
            Kind::Windows(windows) => {
                let passed = windows.partition_point(|(_, end)| *end <= at);
                windows.get(passed).map(|(start, _)| at.max(*start))
            }
            Kind::Recurring { start, length, every } => {
                if at < *start {
                    return Some(*start);
                }
                let into = (at - start) % every;
                Some(if into < *length { at } else { at - into + every })
            }
        }
    }
}
