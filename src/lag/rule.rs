use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::time::format_duration;

/// How a partition is, or a group; a later one is worse. Those of Burrow stand in Burrow's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing was ever written to it, so there is nothing to commit. Never OK by itself, and no fault either.
    Empty,
    /// The group keeps up.
    Ok,
    /// Nobody can tell.
    Unknown,
    /// The group has never committed an offset.
    NeverCommitted,
    /// The group reads, and gets no nearer to the head.
    Warn,
    /// It is further behind than it may be.
    OverThreshold,
    /// The group has stopped to commit.
    Stop,
    /// The group commits, and its offset stands still.
    Stall,
    /// The group went back, and has not been where it was since.
    Rewind,
    /// Messages were deleted before the group read them.
    DataLoss,
}

impl Verdict {
    /// Its name, such as `never-committed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::NeverCommitted => "never-committed",
            Self::Warn => "warn",
            Self::OverThreshold => "over-threshold",
            Self::Stop => "stop",
            Self::Stall => "stall",
            Self::Rewind => "rewind",
            Self::DataLoss => "data-loss",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which rule decided, and by what; its `Display` is a sentence for a person. [The module](super) has them in the
/// order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// There is no sample.
    NoSample,
    /// Every sample is from the future.
    FromTheFuture,
    /// The last sample is too old to say anything of now.
    Stale {
        /// How old it is.
        age: TimeDelta,
    },
    /// The offsets of the last sample cannot stand beside each other: the log starts beyond its head, or the group
    /// is beyond it, as after a topic was made anew.
    Contradiction {
        /// The offset that the group committed.
        committed: Option<u64>,
        /// The head.
        high_watermark: u64,
        /// The log's start.
        log_start: u64,
    },
    /// The group's offset was below the log's start.
    PastRetention {
        /// How many offsets were deleted before they were read: at most so many messages.
        lost: u64,
    },
    /// The head is zero, and nothing is committed.
    NothingWritten,
    /// No offset was ever committed.
    NeverCommitted {
        /// How many offsets stand in the log.
        waiting: u64,
    },
    /// An offset was committed, and is gone: the group was deleted, or its offsets ran out.
    CommitVanished {
        /// When it was seen last.
        seen: DateTime<Utc>,
    },
    /// The lag is no more than is allowed.
    CaughtUp,
    /// The group is behind, and has no consumer.
    NoConsumer,
    /// The last commit is longer ago than all commits of the window took, and the group was not at the head since.
    CommitsStopped {
        /// How long ago the last commit was at the last look.
        silent: TimeDelta,
        /// How long it may be.
        span: TimeDelta,
    },
    /// The head moved on, the commits, which had been moving, did not.
    HeadLeftBehind {
        /// For how long messages have waited without a commit.
        waiting: TimeDelta,
        /// The longest time between two moves before.
        usual: TimeDelta,
    },
    /// The group is below where it was.
    Rewound {
        /// Where it was.
        from: u64,
        /// Where it is.
        to: u64,
    },
    /// Every commit of the window is of one offset.
    Unmoved {
        /// How long they took.
        span: TimeDelta,
    },
    /// More messages behind than may be.
    OverMessages {
        /// How many.
        lag: u64,
        /// How many may be.
        max: u64,
    },
    /// Further behind in time than may be.
    OverAge {
        /// How old the oldest unread message is at least.
        at_least: TimeDelta,
        /// How old it may be.
        max: TimeDelta,
    },
    /// Too few samples, or commits, to say more.
    Incomplete {
        /// `samples` or `commits`.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// The group was at the head at some commit of the window.
    WasCaughtUp,
    /// The lag did not fall between any two commits.
    NotDecreasing,
    /// The lag fell somewhere.
    Decreasing,
    /// No partition was told of.
    NoPartition,
}

impl Rule {
    /// What it comes to.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::NoSample
            | Self::FromTheFuture
            | Self::Stale { .. }
            | Self::Contradiction { .. }
            | Self::CommitVanished { .. }
            | Self::Incomplete { .. }
            | Self::NoPartition => Verdict::Unknown,
            Self::PastRetention { .. } => Verdict::DataLoss,
            Self::NothingWritten => Verdict::Empty,
            Self::NeverCommitted { .. } => Verdict::NeverCommitted,
            Self::CaughtUp | Self::WasCaughtUp | Self::Decreasing => Verdict::Ok,
            Self::NoConsumer | Self::CommitsStopped { .. } | Self::HeadLeftBehind { .. } => Verdict::Stop,
            Self::Rewound { .. } => Verdict::Rewind,
            Self::Unmoved { .. } => Verdict::Stall,
            Self::OverMessages { .. } | Self::OverAge { .. } => Verdict::OverThreshold,
            Self::NotDecreasing => Verdict::Warn,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |time: &TimeDelta| format_duration(*time);
        match self {
            Self::NoSample => f.write_str("there is no sample"),
            Self::FromTheFuture => f.write_str("every sample is from the future: a clock is wrong"),
            Self::Stale { age } => write!(f, "the last sample is {} old", shown(age)),
            Self::Contradiction { committed: Some(committed), high_watermark, log_start } => write!(
                f,
                "offsets contradict each other: committed {committed} in a log from {log_start} to \
                 {high_watermark}; was the topic made anew?"
            ),
            Self::Contradiction { committed: None, high_watermark, log_start } => {
                write!(f, "offsets contradict each other: a log from {log_start} to {high_watermark}")
            }
            Self::PastRetention { lost } => write!(f, "{lost} messages were deleted before they were read"),
            Self::NothingWritten => f.write_str("nothing was ever written to it"),
            Self::NeverCommitted { waiting } => {
                write!(f, "the group never committed, and {waiting} messages wait")
            }
            Self::CommitVanished { seen } => {
                write!(f, "the group's offset is gone; it was last seen at {}", seen.to_rfc3339())
            }
            Self::CaughtUp => f.write_str("the group has read all, or all but what may wait"),
            Self::NoConsumer => f.write_str("messages wait, and the group has no consumer"),
            Self::CommitsStopped { silent, span } => write!(
                f,
                "the last commit is {} ago, and the window of commits before it took {}",
                shown(silent),
                shown(span)
            ),
            Self::HeadLeftBehind { waiting, usual } => write!(
                f,
                "messages came and waited {} without a commit; the longest time between commits that moved was {}",
                shown(waiting),
                shown(usual)
            ),
            Self::Rewound { from, to } => {
                write!(f, "the group went back from {from}, and stands at {to}")
            }
            Self::Unmoved { span } => {
                write!(f, "messages wait, and the committed offset stood still for {}", shown(span))
            }
            Self::OverMessages { lag, max } => write!(f, "{lag} messages behind, and {max} are allowed"),
            Self::OverAge { at_least, max } => write!(
                f,
                "the oldest unread message is {} old at least, and {} are allowed",
                shown(at_least),
                shown(max)
            ),
            Self::Incomplete { what, have, need } => {
                write!(
                    f,
                    "messages wait, and {have} {what} where it takes {need} cannot say whether the group moves"
                )
            }
            Self::WasCaughtUp => f.write_str("the group had read all at some time in the window"),
            Self::NotDecreasing => f.write_str("the group reads, and its lag never fell in the window"),
            Self::Decreasing => f.write_str("the lag fell in the window"),
            Self::NoPartition => f.write_str("no partition is told of"),
        }
    }
}
