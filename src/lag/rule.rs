use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::fact::{at_least_in_words, duration_in_words};

named! {
    /// How a partition is, or a group; a later one is worse. Those that Burrow has are in Burrow's order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[non_exhaustive]
    Verdict {
        /// Nothing was ever written to it, so there is nothing to commit. Never OK by itself, and no fault either.
        Empty = "empty",
        /// The group keeps up.
        Ok = "ok",
        /// The samples do not show how it is; the rule says why.
        Unknown = "unknown",
        /// The group has never committed an offset, as far as the window reaches.
        NeverCommitted = "never-committed",
        /// The group had committed an offset, and it is gone: it expired, or the group was deleted. When the group starts
        /// again, `auto.offset.reset` decides whether it skips messages or reads them again.
        OffsetGone = "offset-gone",
        /// The group reads, and gets no nearer to the head.
        Warn = "warn",
        /// The group reads less than what comes: its lag grows without bound.
        Growing = "growing",
        /// It is further behind than it may be.
        OverThreshold = "over-threshold",
        /// A transaction is open for too long: what is behind it cannot be read.
        TransactionOpen = "transaction-open",
        /// The group has stopped to commit.
        Stop = "stop",
        /// The group commits, and its offset does not move.
        Stall = "stall",
        /// The group went back, and has not been where it was since.
        Rewind = "rewind",
        /// Messages were deleted before the group read them.
        DataLoss = "data-loss",
    }
}

/// Which rule decided, and by what; its `Display` is a sentence for a person. [The module](super) has them in the
/// order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// It is a share group.
    ShareGroup,
    /// There is no sample.
    NoSample,
    /// Every sample is from the future.
    FromTheFuture,
    /// The last sample is too old to say anything of now.
    Stale {
        /// How old it is.
        age: TimeDelta,
    },
    /// The offsets of the last sample contradict each other: the log starts beyond its head, or the group is beyond
    /// it, as after a topic was made anew.
    Contradiction {
        /// The offset that the group committed.
        committed: Option<u64>,
        /// The head.
        high_watermark: u64,
        /// The log's start.
        log_start: u64,
    },
    /// The topic was made anew, and the group's offset is that of the old log.
    OldLog {
        /// The offset.
        committed: u64,
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
        /// How many offsets the log has.
        waiting: u64,
    },
    /// An offset was committed, and is gone: it expired, or the group was deleted.
    OffsetGone {
        /// When it was seen last.
        seen: DateTime<Utc>,
    },
    /// The last stable offset has not moved for too long, and is below the head.
    TransactionOpen {
        /// For how long it has not moved, at least.
        open: TimeDelta,
        /// How many offsets cannot be read.
        held_back: u64,
    },
    /// The lag is no more than is allowed.
    CaughtUp,
    /// The group is behind, and has no consumer.
    NoConsumer,
    /// Messages wait, and the commits, which had been coming, have stopped.
    Stopped {
        /// For how long messages have waited without a commit, at least.
        waiting: TimeDelta,
        /// The longest interval between two commits before, at most; `None` where too few were seen.
        usual: Option<TimeDelta>,
    },
    /// The group is below where it was.
    Rewound {
        /// Where it was.
        from: u64,
        /// Where it is.
        to: u64,
    },
    /// Messages wait, and the committed offset does not move.
    Unmoved {
        /// For how long messages have waited under it, at least.
        waiting: TimeDelta,
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
    /// The group reads less than what comes, over all the time since it last kept up.
    Growing {
        /// The lag when that began.
        from: u64,
        /// How long ago that was.
        over: TimeDelta,
        /// When the topic begins to delete what is not read; `None` where that is not in sight: give
        /// [`retention`](super::Settings::retention).
        lost_in: Option<TimeDelta>,
    },
    /// Messages wait, and too few intervals between commits were seen to say whether the group has stopped.
    Undecided {
        /// For how long messages have waited, at least.
        waiting: TimeDelta,
        /// How many intervals were seen.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// A single offset has been unread for longer than the group takes: a message, or the marker of a transaction.
    LoneOffset {
        /// For how long.
        waiting: TimeDelta,
    },
    /// Too few samples to say more.
    Incomplete {
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
    /// There is no partition.
    NoPartition,
}

impl Rule {
    /// The verdict that it leads to.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::ShareGroup
            | Self::NoSample
            | Self::FromTheFuture
            | Self::Stale { .. }
            | Self::Contradiction { .. }
            | Self::OldLog { .. }
            | Self::Undecided { .. }
            | Self::LoneOffset { .. }
            | Self::Incomplete { .. }
            | Self::NoPartition => Verdict::Unknown,
            Self::PastRetention { .. } => Verdict::DataLoss,
            Self::NothingWritten => Verdict::Empty,
            Self::NeverCommitted { .. } => Verdict::NeverCommitted,
            Self::OffsetGone { .. } => Verdict::OffsetGone,
            Self::TransactionOpen { .. } => Verdict::TransactionOpen,
            Self::CaughtUp | Self::WasCaughtUp | Self::Decreasing => Verdict::Ok,
            Self::NoConsumer | Self::Stopped { .. } => Verdict::Stop,
            Self::Rewound { .. } => Verdict::Rewind,
            Self::Unmoved { .. } => Verdict::Stall,
            Self::OverMessages { .. } | Self::OverAge { .. } => Verdict::OverThreshold,
            Self::Growing { .. } => Verdict::Growing,
            Self::NotDecreasing => Verdict::Warn,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |time: &TimeDelta| duration_in_words(*time);
        match self {
            Self::ShareGroup => f.write_str(
                "share groups commit no offset, so that lag and progress cannot be judged; use the metrics of the \
                 share partitions",
            ),
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
            Self::OldLog { committed } => write!(
                f,
                "the topic was made anew, and the committed offset {committed} is of the old log; wait for the \
                 group's next commit"
            ),
            Self::PastRetention { lost: 1 } => f.write_str("1 message was deleted before it was read"),
            Self::PastRetention { lost } => write!(f, "{lost} messages were deleted before they were read"),
            Self::NothingWritten => f.write_str("nothing was ever written to it"),
            Self::NeverCommitted { waiting: 1 } => f.write_str("the group never committed, and 1 message waits"),
            Self::NeverCommitted { waiting } => {
                write!(f, "the group never committed, and {waiting} messages wait")
            }
            Self::OffsetGone { seen } => write!(
                f,
                "the committed offset is gone (expired, or the group was deleted); it was last seen at {}",
                seen.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            Self::TransactionOpen { open, held_back } => write!(
                f,
                "the last stable offset has not moved for {}: an open transaction holds back {held_back} offsets",
                shown(open)
            ),
            Self::CaughtUp => f.write_str("the group has read all, or all but what may wait"),
            Self::NoConsumer => f.write_str("messages wait, and the group has no consumer"),
            Self::Stopped { waiting, usual: Some(usual) } => write!(
                f,
                "messages have waited {} without a commit; the longest interval between commits was {}",
                shown(waiting),
                shown(usual)
            ),
            Self::Stopped { waiting, usual: None } => {
                write!(f, "messages have waited {} without a commit", shown(waiting))
            }
            Self::Rewound { from, to } => write!(f, "the group went back from {from}, and is at {to}"),
            Self::Unmoved { waiting } => {
                write!(f, "messages have waited {}, and the committed offset does not move", shown(waiting))
            }
            Self::OverMessages { lag, max } => write!(f, "{lag} messages behind, and {max} are allowed"),
            Self::OverAge { at_least, max } => write!(
                f,
                "the oldest unread message is {} old at least, and {} are allowed",
                at_least_in_words(*at_least),
                shown(max)
            ),
            Self::Growing { from, over, lost_in } => {
                write!(f, "the group reads less than what comes: {} ago it was {from} behind", shown(over))?;
                match lost_in {
                    Some(left) if left.is_zero() => f.write_str("; unread messages are deleted now"),
                    Some(left) => write!(f, "; unread messages are deleted in {}", at_least_in_words(*left)),
                    None => Ok(()),
                }
            }
            Self::Undecided { waiting, have, need } => write!(
                f,
                "messages have waited {} at least, and {have} intervals between commits where it takes {need} cannot \
                 say whether the group has stopped",
                at_least_in_words(*waiting)
            ),
            Self::LoneOffset { waiting } => write!(
                f,
                "one offset has been unread for {}: a message, or the marker of a transaction; read what is there, or \
                 allow a lag of 1",
                shown(waiting)
            ),
            Self::Incomplete { have, need } => write!(
                f,
                "messages wait, and {have} samples where it takes {need} cannot say whether the group keeps up"
            ),
            Self::WasCaughtUp => f.write_str("the group had read all at some time in the window"),
            Self::NotDecreasing => f.write_str("the group reads, and its lag never fell in the window"),
            Self::Decreasing => f.write_str("the lag fell in the window"),
            Self::NoPartition => f.write_str("there is no partition"),
        }
    }
}
