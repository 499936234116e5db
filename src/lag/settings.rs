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
    /// A lag of so many messages or fewer is no lag; zero unless set. Where several producers write a topic in
    /// transactions, allow at least one for each: the marker of its last transaction may stay unread.
    /// (Burrow: `allowed-lag`.)
    pub allowed_lag: u64,
    /// With fewer samples than this, or than the window holds where that is fewer, a group that is behind and not
    /// stopped is unknown; ten unless set. From 2 to [`Window::MOST`]. (Burrow: `minimum-complete`, a share.)
    pub min_samples: usize,
    /// The longest pause that is no stop, such as a rebalance or a long batch; a minute unless set. A group that
    /// commits after each batch may take `max.poll.interval.ms` for one (five minutes unless set there). Above zero.
    pub stop_after: TimeDelta,
    /// The longest interval between commits of a healthy group, for as long as its own is not known; half an hour
    /// unless set. A group that was dead before the first sample is reported after this time. Above zero.
    pub slowest_commit: TimeDelta,
    /// A transaction that is open for longer is reported; a quarter of an hour unless set, as brokers have by default
    /// (`transaction.max.timeout.ms`): no transaction that they let live is older. Above zero.
    pub transaction_after: TimeDelta,
    /// A last sample older than this says nothing of now; five minutes unless set. Above zero.
    pub stale_after: TimeDelta,
    /// The most messages that the group may be behind; no bound unless set.
    pub max_lag: Option<u64>,
    /// How old the oldest message may be that the group has not read; no bound unless set. Above zero.
    pub max_age: Option<TimeDelta>,
    /// For how long the topic keeps a message (`retention.ms`), for the time that is left until it deletes what the
    /// group has not read; unless set, only the movement of the log's start counts. Above zero.
    pub retention: Option<TimeDelta>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_lag: 0,
            min_samples: 10,
            stop_after: TimeDelta::minutes(1),
            slowest_commit: TimeDelta::minutes(30),
            transaction_after: TimeDelta::minutes(15),
            stale_after: TimeDelta::minutes(5),
            max_lag: None,
            max_age: None,
            retention: None,
        }
    }
}

impl Settings {
    setters! {
        /// With that lag allowed.
        const with_allowed_lag(messages: u64) => allowed_lag = messages;
        /// With that many samples for a whole window.
        const with_min_samples(samples: usize) => min_samples = samples;
        /// With that pause allowed.
        const with_stop_after(time: TimeDelta) => stop_after = time;
        /// With that interval between commits until the group's own is known.
        const with_slowest_commit(time: TimeDelta) => slowest_commit = time;
        /// With that age from which on an open transaction is reported.
        const with_transaction_after(time: TimeDelta) => transaction_after = time;
        /// With that age at which samples are stale.
        const with_stale_after(age: TimeDelta) => stale_after = age;
        /// With a bound in messages.
        const with_max_lag(messages: u64) => max_lag = Some(messages);
        /// With a bound in time.
        const with_max_age(age: TimeDelta) => max_age = Some(age);
        /// With the topic's retention.
        const with_retention(time: TimeDelta) => retention = Some(time);
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !(Window::FEWEST..=Window::MOST).contains(&self.min_samples) {
            return Err(SettingsError::MinSamples { given: self.min_samples });
        }
        let times = [
            ("stop_after", Some(self.stop_after)),
            ("slowest_commit", Some(self.slowest_commit)),
            ("transaction_after", Some(self.transaction_after)),
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
