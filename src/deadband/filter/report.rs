//! What a filter says about each sample.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::deadband::sample::Sample;

/// A sample that is to be reported, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report<V = f64> {
    /// The sample, as it came in.
    pub sample: Sample<V>,
    /// Why it is reported.
    pub reason: Reason,
}

/// Why a sample is reported. Where there are several reasons, the first of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// It is out of time order, and such samples pass.
    Order,
    /// It is the first of the tag.
    First,
    /// Its quality is another than that of the last report.
    Quality,
    /// Its value left the band, or became a number, or ceased to be one.
    Value,
    /// No sample had come for longer than the longest interval.
    Gap,
    /// The last report is as old as the longest interval, or older.
    Heartbeat,
    /// It was held until the shortest interval was over.
    Held,
    /// It was suppressed, and came right before one that is reported.
    Previous,
}

/// Why a sample is not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Suppression {
    /// It is within the band. Under a narrowband of Node-RED: outside.
    Band,
    /// It came too soon after the last report, and the profile drops such samples.
    MinInterval,
    /// It is out of time order, and such samples are dropped.
    Order,
    /// The profile ignores it: not a number for Node-RED, the first value of its mode `rbei`.
    Ignored,
    /// It is a [duplicate](super::Order) of the newest sample or of the last report.
    Duplicate,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is reported.
    Reported(Reason),
    /// It is held until the shortest interval is over. It leaves then if it is the lowest, the highest or the last.
    Held,
    /// It is not reported.
    Suppressed(Suppression),
}

/// How a sample is out of time order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disorder {
    /// It is older than the newest.
    Late,
    /// It is of the same moment as the newest.
    Duplicate,
    /// It is ahead of its reception by more than is allowed.
    Ahead,
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Late => "older than the newest",
            Self::Duplicate => "of the same moment as the newest",
            Self::Ahead => "too far ahead of its reception",
        })
    }
}

/// A sample is out of time order, and such samples are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sample at {at} ns is {disorder}, at {against} ns: drop it, or set `order` to pass or drop")]
#[non_exhaustive]
pub struct OrderError {
    /// When the sample was taken, in nanoseconds since the Unix epoch.
    pub at: i64,
    /// The newest sample before, or the reception for one that is ahead.
    pub against: i64,
    /// What is wrong.
    pub disorder: Disorder,
}
