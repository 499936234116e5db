use chrono::TimeDelta;
use thiserror::Error;

use super::Window;
use crate::time::format_duration;

/// A setting that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A length of time that must be longer than nothing.
    #[error("`{field}` is {}: give a length of time above zero", format_duration(*given))]
    NotPositive {
        /// Which.
        field: &'static str,
        /// What was given.
        given: TimeDelta,
    },
    /// Fewer samples than can show whether anything moves, or more than a window holds.
    #[error("`min_samples` is {given}: give from {} to {}", Window::FEWEST, Window::MOST)]
    MinSamples {
        /// What was given.
        given: usize,
    },
}

/// What is healthy. Checked where a [`Judge`](super::Judge) is made of it.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::lag::{Judge, Settings};
///
/// let settings = Settings::default().with_allowed_lag(100).with_max_age(TimeDelta::minutes(5));
/// assert!(Judge::new(settings).is_ok());
/// let error = Judge::new(settings.with_stop_after(TimeDelta::zero())).unwrap_err();
/// assert_eq!(error.to_string(), "`stop_after` is 0s: give a length of time above zero");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// A lag of so many messages or fewer is no lag; zero unless set. (Burrow: `allowed-lag`.)
    pub allowed_lag: u64,
    /// With fewer samples than this, or than the window holds where that is fewer, no rule that needs a whole window
    /// is asked; ten unless set. From 2 to [`Window::MOST`]. (Burrow: `minimum-complete`, a share.)
    pub min_samples: usize,
    /// For how long messages must wait, and none of them be read, before a group that had been moving counts as
    /// stopped; a minute unless set. Above zero.
    pub stop_after: TimeDelta,
    /// A last sample older than this says nothing of now; five minutes unless set. Above zero.
    pub stale_after: TimeDelta,
    /// The most messages that the group may be behind; no bound unless set.
    pub max_lag: Option<u64>,
    /// How old the oldest message may be that the group has not read; no bound unless set. Above zero.
    pub max_age: Option<TimeDelta>,
    /// For how long the topic keeps a message (`retention.ms`), for the time that is left until it deletes what the
    /// group has not read; unless set that is told from how the log's start moves. Above zero.
    pub retention: Option<TimeDelta>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_lag: 0,
            min_samples: 10,
            stop_after: TimeDelta::minutes(1),
            stale_after: TimeDelta::minutes(5),
            max_lag: None,
            max_age: None,
            retention: None,
        }
    }
}

impl Settings {
    /// With that lag allowed.
    #[must_use]
    pub const fn with_allowed_lag(mut self, messages: u64) -> Self {
        self.allowed_lag = messages;
        self
    }

    /// With that many samples for a whole window.
    #[must_use]
    pub const fn with_min_samples(mut self, samples: usize) -> Self {
        self.min_samples = samples;
        self
    }

    /// With that time before a group counts as stopped.
    #[must_use]
    pub const fn with_stop_after(mut self, time: TimeDelta) -> Self {
        self.stop_after = time;
        self
    }

    /// With that age at which samples are stale.
    #[must_use]
    pub const fn with_stale_after(mut self, age: TimeDelta) -> Self {
        self.stale_after = age;
        self
    }

    /// With a bound in messages.
    #[must_use]
    pub const fn with_max_lag(mut self, messages: u64) -> Self {
        self.max_lag = Some(messages);
        self
    }

    /// With a bound in time.
    #[must_use]
    pub const fn with_max_age(mut self, age: TimeDelta) -> Self {
        self.max_age = Some(age);
        self
    }

    /// With the topic's retention.
    #[must_use]
    pub const fn with_retention(mut self, time: TimeDelta) -> Self {
        self.retention = Some(time);
        self
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !(Window::FEWEST..=Window::MOST).contains(&self.min_samples) {
            return Err(SettingsError::MinSamples { given: self.min_samples });
        }
        let times = [
            ("stop_after", Some(self.stop_after)),
            ("stale_after", Some(self.stale_after)),
            ("max_age", self.max_age),
            ("retention", self.retention),
        ];
        for (field, given) in times {
            if let Some(given) = given.filter(|given| *given <= TimeDelta::zero()) {
                return Err(SettingsError::NotPositive { field, given });
            }
        }
        Ok(())
    }
}
