//! The settings of a filter, before [`Rule::new`](super::Rule::new) checks them.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Band;
use crate::deadband::profile::Profile;

/// The settings of a filter. [`Rule::new`](super::Rule::new) checks them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How far the value may move without being reported.
    pub band: Band,
    /// Whose rules apply.
    pub profile: Profile,
    /// The heartbeat: a sample that comes this long after the last reported one passes. Telegraf calls it
    /// `dedup_interval`, PI `ExcMax`.
    pub max_interval: Option<TimeDelta>,
    /// A value that leaves the band sooner than this after the last report is held. When the interval is over, the lowest,
    /// the highest and the last of the held values are reported. NaN and the infinities are not held. PI calls it `ExcMin`,
    /// and drops what comes sooner.
    pub min_interval: Option<TimeDelta>,
    /// Whether the suppressed sample right before a reported one is reported first. PI always does.
    pub previous: bool,
    /// What happens to samples out of time order.
    pub order: Order,
    /// A sample further ahead of its reception than this has a wrong clock, and is out of time order.
    pub ahead: Option<TimeDelta>,
}

impl Settings {
    /// A band under [`Profile::Exact`], without intervals. Late samples pass, and duplicates do not.
    #[must_use]
    pub fn new(band: impl Into<Band>) -> Self {
        Self {
            band: band.into(),
            profile: Profile::Exact,
            max_interval: None,
            min_interval: None,
            previous: false,
            order: Order::DropDuplicates,
            ahead: None,
        }
    }

    setters! {
        /// The same with the semantics of another.
        with_profile(profile: Profile) => profile = profile;
        /// The same with a heartbeat.
        with_max_interval(interval: TimeDelta) => max_interval = Some(interval);
        /// The same with a shortest time between reports.
        with_min_interval(interval: TimeDelta) => min_interval = Some(interval);
    }

    /// The same, with the suppressed sample before a reported one.
    #[must_use]
    pub fn with_previous(self) -> Self {
        Self { previous: true, ..self }
    }

    setters! {
        /// The same with another policy for what is out of time order.
        with_order(order: Order) => order = order;
        /// The same with a limit on how far ahead of its reception a sample may be.
        with_ahead(ahead: TimeDelta) => ahead = Some(ahead);
    }
}

/// What happens to a sample that is out of time order: older than the newest, of the same time as the newest, or ahead
/// of its reception by more than `ahead`. It never changes what later samples are compared with.
///
/// A sample is a **duplicate** if its time is that of the newest sample or of the last report, and it adds nothing to
/// the sample of that time: its quality is that of the last report and its value is within the band around it, or it
/// equals the sample of that time, which is held. So every equal copy of these samples is a duplicate. A sample of the same time
/// with another quality, or with a value outside the band, is not: two readings that contradict each other both pass,
/// for none of them is known to be wrong. A copy of any older sample is late, as its original is no longer known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Order {
    /// Duplicates are dropped and counted; all else is reported as it is, so that late data are not lost. After a clock
    /// that once ran ahead, every sample is late and passes until time catches up:
    /// [`Counts::out_of_order`](super::Counts::out_of_order) shows it,
    /// [`Filter::accept_clock`](super::Filter::accept_clock) ends it, and `ahead` with
    /// [`observe_received`](super::Filter::observe_received) prevents it.
    #[default]
    DropDuplicates,
    /// It is reported as it is, duplicates too.
    Pass,
    /// It is dropped and counted. A clock that once ran ahead mutes the tag until time catches up, unless `ahead`
    /// is set.
    Drop,
    /// It is an error, and nothing changes.
    Refuse,
}

/// Settings that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A width or a percentage that is none.
    #[error("`{field}` is {value}: give a finite number that is not negative")]
    NoWidth {
        /// The field.
        field: &'static str,
        /// What was given, or what follows from it.
        value: f64,
    },
    /// A span that is missing, inverted, empty or not finite.
    #[error(
        "`band.low` {low} and `band.high` {high} are no range: give finite ends, the high one above the low"
    )]
    Range {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// An interval that is zero, negative, or longer than the 292 years that nanoseconds reach.
    #[error("`{field}` is no interval: give more than zero and less than 292 years")]
    Interval {
        /// The field.
        field: &'static str,
    },
    /// A heartbeat that would come before a change may.
    #[error("`min_interval` is not shorter than `max_interval`: make it shorter, or leave one out")]
    Intervals,
    /// Something that a bank of filters does not have.
    #[error("`{field}` does not go with a bank: take filters of their own for such tags")]
    Bank {
        /// The field.
        field: &'static str,
    },
    /// Something that the profile does not have.
    #[error("`{field}` does not go with the profile {profile}: {remedy}")]
    Profile {
        /// The field.
        field: &'static str,
        /// The profile's name.
        profile: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}
