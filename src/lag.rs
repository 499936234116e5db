//! Judges whether a Kafka consumer group keeps up, from samples of its offsets over time.
//!
//! A pure engine: it takes samples and the time, and returns a verdict with the rule that decided and its figures. Feed
//! one [`Window`] for each partition; judge them with a [`Judge`], one by one or as a group.
//!
//! ```
//! use chrono::{TimeDelta, TimeZone, Utc};
//! use iot_runbook::lag::{Judge, Sample, Settings, Verdict, Window};
//!
//! let judge = Judge::new(Settings::default().with_allowed_lag(10))?;
//! let start = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
//! let (mut healthy, mut stopped) = (Window::default(), Window::default());
//! for i in 0..20_u64 {
//!     // A look each half minute; one group commits each time, and the other does until the sixth.
//!     let (at, head) = (start + TimeDelta::seconds(30) * i32::try_from(i)?, 1_000 + 50 * i);
//!     healthy.observe(Sample::new(at, 0, head).with_committed(Some(head - 5)));
//!     stopped.observe(Sample::new(at, 0, head).with_committed(Some(980 + 50 * i.min(5))));
//! }
//! let now = start + TimeDelta::minutes(10);
//! assert_eq!(judge.partition(now, None, &healthy).verdict(), Verdict::Ok);
//! let group = judge.group(now, None, [(0, &healthy), (1, &stopped)]);
//! assert_eq!(group.verdict(), Verdict::Stop);
//! assert_eq!(
//!     group.to_string(),
//!     "partition 1: stop: messages have waited 7 min without a commit; the longest interval between commits was 1 min; \
//!      720 behind (7 min at least); 2 of 2 partitions known"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//! - **A healthy group is never reported as stopped or stalled**, if no pause of it is longer than
//!   [`stop_after`](Settings::stop_after) and than twice its longest interval between commits so far; and if, until three
//!   of its intervals were seen, none is longer than [`slowest_commit`](Settings::slowest_commit).
//! - **A stop is reported** at the first look at which messages have waited for longer than `stop_after` and than twice
//!   the longest interval, as long as this may have been. That is within three intervals where six looks or more fall
//!   into one; with fewer, within two intervals and six looks. An interval in which messages waited from the start counts;
//!   for a group so idle that three such were not seen, the time between its commits does.
//! - **It is never OK again** until the group commits a new offset or has nothing to read.
//! - **An age is over [`max_age`](Settings::max_age)** only if the message was in the log for so long, by the heads that
//!   were seen. What one marker of a transaction may hide is not counted.
//! - **A group that reads less than what comes** gets a verdict of its own, [`Verdict::Growing`], with the time until
//!   unread messages are deleted. Where the input comes in bursts, this takes about ten of them.
//!
//! A simulation in the tests holds these promises against more than two thousand groups whose truth is known: intervals
//! from one second to ten minutes, looks from five seconds to two minutes, bursts, rebalances, stops, resets, topics made
//! anew and transactions.
//!
//! # How long a window must be
//! Of any size from two samples: what takes longer is remembered beside them, in constant space ([`Window`]). What
//! matters is how long it has been fed. Until three intervals between commits were seen, a group that leaves messages
//! waiting for longer than `stop_after` is [`Undecided`](Rule::Undecided), and after `slowest_commit` it has stopped or
//! stalled. A group that was dead before the first sample is found that way. A pace is the longest of the last 32 to 64
//! intervals. One that is over twice as long as all others is taken for an outage; a second one becomes the pace.
//!
//! # The rules, first match wins
//! *Last* is the last sample that counts. *Behind* means a lag above [`allowed_lag`](Settings::allowed_lag). *Too long*
//! means `stop_after` or longer, and longer than twice the longest interval between commits (where that is not known:
//! `slowest_commit` or longer). B marks what Burrow has as well.
//!
//! |  | rule | when | verdict |
//! |---:|---|---|---|
//! | 1 | [`ShareGroup`](Rule::ShareGroup) | it is a share group (KIP-932), which commits no offset | unknown |
//! | 2 | [`NoSample`](Rule::NoSample), [`FromTheFuture`](Rule::FromTheFuture) | no sample, or none up to 30 s from now | unknown |
//! | 3 | [`Stale`](Rule::Stale) | last is older than [`stale_after`](Settings::stale_after) | unknown |
//! | 4 | [`Contradiction`](Rule::Contradiction) | last has an offset beyond the head | unknown |
//! | 5 | [`OldLog`](Rule::OldLog) | the head fell below the committed offset, and the group has not committed since | unknown |
//! | 6 | [`PastRetention`](Rule::PastRetention) | some sample has its committed offset below the log's start | data loss |
//! | 7 | [`OffsetGone`](Rule::OffsetGone) | last has no commit, and there was one before | offset gone |
//! | 8 | [`NothingWritten`](Rule::NothingWritten) | there never was a commit, and the head is zero | empty |
//! | 9 | [`NeverCommitted`](Rule::NeverCommitted) | there never was a commit (Burrow: OK) | never committed |
//! | 10 B | [`CaughtUp`](Rule::CaughtUp) | not behind, and 14 does not hold | OK |
//! | 11 | [`NoConsumer`](Rule::NoConsumer) | the group has no member | stop |
//! | 12 | [`Stopped`](Rule::Stopped), [`Unmoved`](Rule::Unmoved) | messages wait too long under one committed offset | stop, or stall |
//! | 13 B | [`Rewound`](Rule::Rewound) | the group is below an offset that it had committed | rewind |
//! | 14 | [`TransactionOpen`](Rule::TransactionOpen) | the last stable offset has been the same, below the head, for longer than [`transaction_after`](Settings::transaction_after) | transaction open |
//! | 15 | [`OverMessages`](Rule::OverMessages) | the lag is above [`max_lag`](Settings::max_lag) | over threshold |
//! | 16 | [`OverAge`](Rule::OverAge) | the oldest unread message is older than [`max_age`](Settings::max_age) | over threshold |
//! | 17 | [`Growing`](Rule::Growing) | since the group last kept up, the lag was never as small in the later half of the time as at its largest in the first, taken right after commits and by blocks | growing |
//! | 18 | [`Undecided`](Rule::Undecided) | messages wait, and fewer than three intervals were seen | unknown |
//! | 19 | [`LoneOffset`](Rule::LoneOffset) | a single offset is unread too long, and may be no message | unknown |
//! | 20 | [`Incomplete`](Rule::Incomplete) | fewer than [`min_samples`](Settings::min_samples) samples (Burrow: OK) | unknown |
//! | 21 B | [`WasCaughtUp`](Rule::WasCaughtUp) | at some commit of the window it was not behind | OK |
//! | 22 B | [`NotDecreasing`](Rule::NotDecreasing) | from no commit to the next did the lag fall | warn |
//! | 23 B | [`Decreasing`](Rule::Decreasing) | else | OK |
//!
//! Rule 12 in detail: without the times of commits, a group whose offset was seen to move has stopped, and one whose
//! offset never moved is stalled. With them, it has stopped if the last commit is too long ago too, and is stalled if it
//! goes on to commit the same offset. A lone unread offset does not count as a message unless its timestamp is given.
//!
//! # Transactions
//! A transaction ends with a marker, which takes an offset and is no message. A group that commits the offset after its
//! last *message* stays one behind in an idle topic. So a lag of one alone is never a fault: say what is there
//! ([`Sample::with_nothing_unread`], [`Sample::with_oldest_at`]), or allow it. With several transactional producers, allow
//! one for each. A compacted topic has more offsets without a message: give the timestamps there.
//!
//! Give the [last stable offset](Sample::with_last_stable_offset) for groups that read committed messages. They are judged
//! up to it: what an open transaction holds back is not their lag, and [`Report::held_back`] counts it.
//!
//! # Groups of the new protocols
//! [`GroupState`] takes the states of classic groups and of KIP-848. A rebalance is no excuse: while it lasts nobody reads,
//! and after `stop_after` that is reported. Share groups are refused, since they have no committed offset.
//!
//! # Another log
//! A head that falls is another log: the topic was made anew, or cut. What is older does not count, but for the pace of the
//! group. If the new log grows past the old head between two looks, the samples cannot show it.
//!
//! # Where a group is
//! [`Window::position`] says where a group is and what holds it there: messages that wait under one offset, or a last stable
//! offset that does not move. [`Window::resets`] finds where a group lost its offset and began at the head again. A forward
//! move between two looks is otherwise no proof of anything: fast reading and skipping look the same. The check
//! `consumer-offset` of the data-gap runbook asks for both through [`LagMonitor`](crate::adapter::LagMonitor).
//!
//! # Burrow
//! The rules of [Burrow](https://github.com/linkedin/Burrow) alone, unchanged, are in [`burrow`] and
//! [`Judge::burrow`]. They need to see each commit. Polled offsets make them call a slow committer stalled, and forget a
//! stop when the window has passed.
//!
//! # Time and bounds
//! Time is an argument, and may step: see [`Window`]. To judge a partition takes time in proportion to its samples and
//! allocates nothing.
//!
//! # Overview
//! | type | what it is |
//! |---|---|
//! | [`Sample`], [`Window`] | what a look shows of a partition; the last looks, and what older ones have shown |
//! | [`Judge`], [`Settings`] | judges a partition or a group; what is healthy |
//! | [`Report`], [`GroupReport`], [`Verdict`], [`Rule`] | what was found, and by which rule |
//! | [`Age`], [`Trend`], [`Course`] | how far behind in time, and where the lag goes |
//! | [`GroupState`], [`Position`], [`Reset`] | what the coordinator says of the group; where it is, and where it lost its offset |
//! | [`burrow`] | Burrow's rules alone |

mod age;
mod backlog;
pub mod burrow;
mod group;
mod history;
mod judge;
mod pace;
mod position;
mod ring;
mod rule;
mod sample;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod trend;
mod window;

pub use age::{Age, Basis};
pub use group::GroupReport;
pub use judge::{Judge, Report};
pub use position::{Position, Reset};
pub use rule::{Rule, Verdict};
pub use sample::Sample;
pub use settings::{Settings, SettingsError};
pub use state::{GroupState, GroupStateError};
pub use trend::{Course, Trend};
pub use window::{Window, WindowError};
