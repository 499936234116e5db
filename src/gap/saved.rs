use serde::{Deserialize, Serialize};

use super::coverage::Runs;
use super::ledger::Silence;
use super::report::{Counts, Unlisted};
use super::rewind::{MOST_REWINDS, Running};
use super::settings::{Rule, Settings, SettingsError};

/// Everything that a detector knows, its settings included. The form may be any of serde.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub(super) version: u32,
    pub(super) settings: Settings,
    pub(super) newest: Option<i64>,
    #[serde(default)]
    pub(super) newest_arrival: Option<i64>,
    pub(super) first: Option<i64>,
    pub(super) recent: Vec<i64>,
    pub(super) recent_forgotten: Option<i64>,
    pub(super) silences: Vec<Silence>,
    pub(super) silences_forgotten: Option<i64>,
    pub(super) unlisted: Unlisted,
    pub(super) tail: Runs,
    pub(super) rewinds: Vec<Running>,
    pub(super) running: Option<Running>,
    pub(super) counts: Counts,
    pub(super) furthest_ahead: Option<i64>,
}

impl Saved {
    pub(super) const VERSION: u32 = 2;

    /// Proves all but the order of the times and the silences, which their owners prove.
    pub(super) fn check(&self, rule: &Rule, newest: i64) -> Result<(), RestoreError> {
        if self.version != Self::VERSION {
            return Err(RestoreError::Version { saved: self.version, known: Self::VERSION });
        }
        let in_period = |at: i64| rule.start <= at && at <= rule.last;
        let has_rows = self.newest.is_some();
        let rewinds_hold = |running: &Running| {
            running.is_whole(&rule.promise, rule.last) && running.from <= newest && has_rows
        };
        let proofs = [
            ("newest", self.newest.is_none_or(in_period) && has_rows == self.first.is_some()),
            ("first", self.first.is_none_or(|first| in_period(first) && first <= newest)),
            (
                "recent",
                self.recent.last().copied() == self.newest && self.recent.iter().all(|at| in_period(*at)),
            ),
            ("tail", self.tail.are_within(newest, rule.last, &rule.promise)),
            (
                "rewinds",
                self.rewinds.len() <= MOST_REWINDS
                    && self.rewinds.iter().all(|rewind| rewinds_hold(rewind) && rewind.is_recognized),
            ),
            (
                "running",
                self.running.as_ref().is_none_or(|running| rewinds_hold(running) && running.from == newest),
            ),
            ("counts", self.counts.are_whole() && has_rows == (self.counts.on_time > 0)),
        ];
        match proofs.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(RestoreError::Field { field }),
            None => Ok(()),
        }
    }
}

/// Why a saved state cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Another version of the library wrote it.
    #[error(
        "saved state has version {saved}, but this library reads version {known}: start a new detector, or restore it \
         with the library that wrote it"
    )]
    Version {
        /// Its version.
        saved: u32,
        /// The version that can be read.
        known: u32,
    },
    /// Its settings are invalid.
    #[error("saved state has invalid settings: start a new detector")]
    Settings(#[from] SettingsError),
    /// It was changed since it was saved.
    #[error("saved state is corrupt: invalid `{field}`; start a new detector")]
    Field {
        /// The invalid field.
        field: &'static str,
    },
}
