//! Gaps in a telemetry series: which rows are missing, where, and which of them came late.
//!
//! # What this module promises
//! A cadence says how often rows come. The [`GapDetector`] takes rows one by one, and reports each silence that is longer
//! than the cadence allows, with the number of rows that should be in it.
//!
//! # Example
//! ```
//! use chrono::{DateTime, TimeDelta, Utc};
//! use iot_runbook::gap::{Cadence, GapDetector, Settings};
//! use iot_runbook::time::Period;
//!
//! let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
//! let hour = Period::new(at(0), at(3_600))?;
//! let mut detector = GapDetector::new(Settings::over(Cadence::every(TimeDelta::seconds(10)), hour))?;
//! for second in (0..600).chain(900..3_300).step_by(10) {
//!     detector.observe_event(at(second));
//! }
//! let report = detector.finish(at(3_600));
//! let gaps: Vec<_> = report.gaps.iter().map(ToString::to_string).collect();
//! assert_eq!(gaps, [
//!     "gap of 5 min 10 s from 1970-01-01 00:09:50 UTC to 1970-01-01 00:15:00 UTC: 30 of 30 rows missing",
//!     "gap of 5 min 10 s from 1970-01-01 00:54:50 UTC to 1970-01-01 01:00:00 UTC: 30 of 30 rows missing",
//! ]);
//! assert_eq!((report.expected(), report.present(), report.missing()), (360, 300, 60));
//! let text = report.to_string(); // the sum, then a line for each gap
//! assert!(text.starts_with("60 of 360 rows missing from 1970-01-01 00:00:00 UTC to 1970-01-01 01:00:00 UTC\ngap of 5 min 10 s"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules
//!
//! ## When a silence is a gap
//! The longest silence `s` between two rows is the sample period, or the heartbeat and one sample period. A distance `d`
//! is a **gap** if `d > s + tolerance`. The rows **expected** in it are the fewest that keep the promise:
//! `⌈(d − tolerance) / s⌉ − 1`, at least one. The tolerance is half a sample period, unless you set another. It counts
//! once for each gap. At the start of the period it decides whether there is a gap, and is not subtracted.
//!
//! | at | counts as a row | example |
//! |---|---|---|
//! | the start of the period, if no row is there | the instant before it | a day without any row misses all of its rows |
//! | the end of the period | the end, which is not part of it | a row due at the end is due in the next period |
//! | the moment of a report on a live stream | that moment | the gap is [open](End::Open) |
//!
//! ## Rounded time stamps
//! A row each 1.059 s with stamps in whole seconds has distances of 1 s and 2 s. So if both stamps of a distance are whole
//! steps (a minute, a second, a tenth, a hundredth, a millisecond or a microsecond) and the silence is not, the tolerance is
//! at least that step. The step is never longer than the silence, so twice the silence is always a gap. In such a series a
//! single missing row may not be found: two rows of 1.059 s are 2.118 s, and their stamps are often 2 s apart. The
//! [`CadenceEstimator`] finds the period of such a series.
//!
//! ## Late rows
//! A row is **late** if it arrives more than [`late_after`](Settings::late_after) after its event, if it is further behind
//! the newest row than [`reorder_within`](Settings::reorder_within), or if it is older than all the
//! [`reorder_rows`](Settings::reorder_rows) times that are remembered. Late rows do not close a gap. They leave
//! [holes](Gap::holes) in it by the same rule, and the rows that are expected and not missing are
//! [`caught_up`](Gap::caught_up). A copy of a late row changes nothing. A gap remembers 4096 separate runs of late rows, and
//! all gaps together 64 for each that may be listed; [`Gap::unplaced`] counts what was beyond.
//!
//! ## Clocks that were set back
//! Three rows or more that run forward where rows are already make a [`Rewind`]. They are neither copies nor a gap.
//!
//! ## Summer time and time zones
//! All instants are UTC. But a device may send local time for UTC. [`Report::zone_steps`] names the steps of its clock:
//!
//! | the clock was set | what the rows show | what is reported |
//! |---|---|---|
//! | forward by an hour (spring) | a gap of an hour | the gap and its missing rows, with [`Gap::zone`] |
//! | back by an hour (autumn) | an hour that comes twice | a [`Rewind`] with its [`zone`](Rewind::zone), and no gap |
//! | back, and rows come hourly | a row with the time of the newest | the same, of one row |
//!
//! - If a silence of at most five minutes is allowed, any whole half hours up to 26 h are a step. If rows come more seldom,
//!   only the one hour of summer time is, and none if a heartbeat makes them irregular.
//! - A gap of exactly an hour may be an outage, so its rows stay missing. If the arrivals are an hour apart too, it is an
//!   outage, and no step is named.
//! - An hour that comes twice may be a replay. It is no step if the rows arrived in less than half of the time, or if the next
//!   row (or the moment of the report) fits neither a clock that stays wrong nor one that is set right. A replay fills the
//!   gaps that it goes through.
//! - If the clock is set right in the middle of the hour, the rows of the rewind cover their own time: they leave no gap.
//!   After a whole hour that came twice, a silence is a gap.
//!
//! ## Clocks that run ahead or behind
//! - **Ahead.** An event more than [`ahead`](Settings::ahead) after its arrival is counted, and the furthest is reported.
//!   A clock that runs ahead by less leaves a gap in the times; what follows is right.
//! - **Behind.** With `late_after`, a device whose clock is slow by more than that has late rows only.
//!
//! # What holds
//! - `expected = caught_up + missing`, for each gap and for each part of it.
//! - Each row is counted once: on time, duplicate, late, of a rewind, before the period, after it, or ahead of its arrival.
//! - Reordering within the bounds changes nothing.
//! - Memory is bounded: 8 bytes for each of [`reorder_rows`](Settings::reorder_rows) times, and 48 bytes for each of
//!   [`max_gaps`](Settings::max_gaps) gaps with 64 runs of late rows of 16 bytes each. Rows without a gap allocate nothing.
//! - A restored detector goes on exactly as the saved one would. No row panics, at whatever time.
//!
//! # What cannot be known
//! Without arrivals, a replay of exactly the last whole hour looks like a clock that was set back by an hour, and a copy of
//! an hourly row like the row after such a step. And a replay that is followed by a longer outage looks like a clock that
//! was set back and right again: then at most as many rows are taken for present as were replayed.
//!
//! # Overview
//! | type | what it is |
//! |---|---|
//! | [`GapDetector`], [`Settings`], [`Cadence`] | rows in, reports out, saved state |
//! | [`Report`], [`Gap`], [`Hole`], [`Counts`], [`Rewind`], [`ZoneStep`] | what a series lacks |
//! | [`Sessions`], [`Part`] | a gap split by where the device was |
//! | [`CadenceEstimator`], [`Estimate`] | how often rows come, estimated from the series, or why it is undetermined |

mod cadence;
mod coverage;
mod detector;
mod diagnosed;
mod estimate;
mod ledger;
mod recent;
mod report;
mod rewind;
mod saved;
mod sessions;
mod settings;
mod wire;
mod zone;

pub use cadence::Cadence;
pub use detector::GapDetector;
pub use estimate::{CadenceEstimator, Estimate, FEWEST_DISTANCES, UndeterminedReason};
pub use report::{Begin, Counts, End, Gap, Hole, Report, Unlisted, Verdict};
pub use rewind::Rewind;
pub use saved::{RestoreError, Saved};
pub use sessions::{Part, Presence, Sessions};
pub use settings::{LONGEST_REORDER, Settings, SettingsError};
pub use zone::{REWIND_ROWS, ZoneStep};

#[cfg(test)]
mod tests;
