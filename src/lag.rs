//! Is a consumer group healthy? Judged from a window of samples of each partition, not from one threshold. A pure
//! engine: samples and the time in, verdicts with their reasons out.
//!
//! ```
//! use chrono::{TimeDelta, TimeZone, Utc};
//! use iot_runbook::lag::{Judge, Sample, Settings, Verdict, Window};
//!
//! let judge = Judge::new(Settings::default().with_allowed_lag(10))?;
//! let start = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
//! let (mut healthy, mut stalled) = (Window::default(), Window::default());
//! for i in 0..10_u64 {
//!     let at = start + TimeDelta::seconds(30) * i32::try_from(i)?;
//!     healthy.observe(Sample::new(at, 0, 1_000 + 50 * i).with_committed(Some(995 + 50 * i)));
//!     stalled.observe(Sample::new(at, 0, 1_000 + 50 * i).with_committed(Some(900)));
//! }
//! let now = start + TimeDelta::minutes(5);
//! assert_eq!(judge.partition(now, None, &healthy).verdict(), Verdict::Ok);
//! let group = judge.group(now, None, [(0, &healthy), (1, &stalled)]);
//! assert_eq!(group.verdict(), Verdict::Stall);
//! assert_eq!(
//!     group.to_string(),
//!     "partition 1: stall: messages wait, and the committed offset stood still for 4m30s; 550 behind (4m30s at \
//!      least); 2 of 2 partitions known"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rules, first match wins
//! Those marked B are the published rules of [Burrow](https://github.com/linkedin/Burrow)
//! (`core/internal/evaluator/caching.go` at `ced55ba`, 2025), in its order; the others are what its users ask for.
//! *Last* is the last sample that counts; *small* is a lag of [`allowed_lag`](Settings::allowed_lag) or less.
//!
//! |  | rule | when | verdict |
//! |---:|---|---|---|
//! | 1 | [`NoSample`](Rule::NoSample), [`FromTheFuture`](Rule::FromTheFuture) | no sample, or none up to 30 s from now | unknown |
//! | 2 | [`Stale`](Rule::Stale) | last is older than [`stale_after`](Settings::stale_after) | unknown |
//! | 3 | [`Contradiction`](Rule::Contradiction) | last has its log's start or its committed offset beyond the head | unknown |
//! | 4 | [`PastRetention`](Rule::PastRetention) | some sample has its committed offset below the log's start | data loss |
//! | 5 | [`CommitVanished`](Rule::CommitVanished) | last has no commit, and one before it had | unknown |
//! | 6 | [`NothingWritten`](Rule::NothingWritten) | no sample has a commit, and the head is zero | empty |
//! | 7 | [`NeverCommitted`](Rule::NeverCommitted) | no sample has a commit (Burrow: OK) | never committed |
//! | 8 B | [`CaughtUp`](Rule::CaughtUp) | the lag is small | OK |
//! | 9 | [`NoConsumer`](Rule::NoConsumer) | the group has no member | stop |
//! | 10 B | [`CommitsStopped`](Rule::CommitsStopped) | the window is whole, last − last commit > last commit − first commit, and no sample's head is at or below the last commit | stop |
//! | 11 | [`HeadLeftBehind`](Rule::HeadLeftBehind) | under one commit a lag that is not small has stood for [`stop_after`](Settings::stop_after) or longer, the head moved on meanwhile, and it is longer than twice the longest time between moves before | stop |
//! | 12 B | [`Rewound`](Rule::Rewound) | the last commit is below an earlier one | rewind |
//! | 13 B | [`Unmoved`](Rule::Unmoved) | the window is whole, no commit's lag was small, and all are of one offset | stall |
//! | 14 | [`OverMessages`](Rule::OverMessages) | the lag is above [`max_lag`](Settings::max_lag) | over threshold |
//! | 15 | [`OverAge`](Rule::OverAge) | the oldest unread message is for sure older than [`max_age`](Settings::max_age) | over threshold |
//! | 16 | [`Incomplete`](Rule::Incomplete) | the window is not whole (Burrow: OK) | unknown |
//! | 17 B | [`WasCaughtUp`](Rule::WasCaughtUp) | some commit's lag was small | OK |
//! | 18 B | [`NotDecreasing`](Rule::NotDecreasing) | from no commit to the next did the lag fall | warn |
//! | 19 B | [`Decreasing`](Rule::Decreasing) | else | OK |
//!
//! A window is whole with [`min_samples`](Settings::min_samples) samples, or all it can hold where that is fewer; rules
//! 13 to 19 want two commits besides.
//!
//! # Where it differs from Burrow
//! - Burrow's stop is measured by the clock. Here it is by the last look at the partition: where the looks have
//!   stopped, nothing is known of the group, and that is rule 2.
//! - Burrow hears of each commit. Who polls sees an offset and no commit: a sample whose
//!   [`committed_at`](Sample::committed_at) is not told counts as a commit at the time of the look, so an offset that
//!   stands still is a stall (13), and a stop by 11 before that. Where it is told, 10 and 13 tell the two apart.
//!   Commits are kept as many as samples, and for longer: a group that commits each five minutes is measured by its
//!   own pace.
//! - A rewind that was made good is none, as in Burrow; here that holds for each step back, there for the first.
//!   (A partition stands below where it was just when its last commit is below an earlier one.)
//! - A head that falls is another log: the topic was made anew, or cut. What is older does not count.
//!
//! # What else it says
//! [`Report`] has the lag in messages; in time as [`Age`], with how sure that is; and as [`Trend`], with the time until
//! it is drained or until the topic deletes what is not read. [`GroupReport`] has the worst partition, and which.
//!
//! # Time and bounds
//! Time is told, and may step: see [`Window`]. A partition costs time in proportion to its samples and allocates
//! nothing; a window holds what it may and no more.

mod age;
mod backlog;
pub mod burrow;
mod group;
mod history;
mod judge;
mod pace;
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
pub use rule::{Rule, Verdict};
pub use sample::Sample;
pub use settings::{Settings, SettingsError};
pub use state::{GroupState, GroupStateError};
pub use trend::{Course, Trend};
pub use window::{Window, WindowError};
