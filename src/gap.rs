//! Gaps: which rows a telemetry series lacks, where, and whether they came late.
//!
//! # What holds
//! - `expected = caught_up + missing`, for each gap and for each part of it.
//! - Every row is counted once: on time, a copy, late, of a rewind, before the period, after it, or ahead of its
//!   arrival. None is dropped in silence.
//! - What the rows mean depends on their order only as far as the bounds on reordering say.
//! - Memory is constant: [`reorder_rows`](Settings::reorder_rows) times of 8 bytes, and
//!   [`max_gaps`](Settings::max_gaps) gaps of 40 bytes, each with 64 runs of late rows of 16 bytes at most. After the
//!   detector is made, rows without a gap allocate nothing.
//! - A saved detector goes on as if nothing had been. No row panics, at whatever time.
//! - All instants are UTC. There is no time zone here, only devices that have one by mistake.
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
//! let told: Vec<_> = report.gaps.iter().map(ToString::to_string).collect();
//! assert_eq!(told, [
//!     "gap of 5m10s from 1970-01-01 00:09:50 UTC to 1970-01-01 00:15:00 UTC: 30 of 30 rows missing",
//!     "gap of 5m10s from 1970-01-01 00:54:50 UTC to 1970-01-01 01:00:00 UTC: 30 of 30 rows missing",
//! ]);
//! assert_eq!((report.expected(), report.present(), report.missing()), (360, 300, 60));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How rows are counted
//! The cadence promises a longest silence `s` between two rows next to each other: heartbeat and sample period, or the
//! sample period alone (contract §16.2, trigger). A distance `d` is a **gap** where `d > s + tolerance`.
//! The rows **expected** in it are the fewest that keep the promise: `⌈(d − tolerance) / s⌉ − 1`, which is one at least.
//! The tolerance counts once for a gap and does not add up; at the start of the period, which comes neither early nor
//! late, it says whether there is a gap and is not subtracted. It is half a sample period unless told.
//!
//! | at | taken for a row | so that |
//! |---|---|---|
//! | the start of the period, where no row stands | the instant before it | a day without any row misses all of its rows |
//! | the end of the period | the end, which is no part of it | a row due at the end is due in the next period |
//! | the moment of a report on a live stream | that moment | the gap is [open](End::Open) |
//!
//! A row is **late** where it arrives more than [`late_after`](Settings::late_after) after its event, or is further
//! behind the newest than [`reorder_within`](Settings::reorder_within), or older than all of the
//! [`reorder_rows`](Settings::reorder_rows) times that are remembered. Late rows do not close a gap: they are what
//! catch-up is known by. What they leave of it are its [holes](Gap::holes), by the same rule, and the rows that are
//! expected and not missing are [`caught_up`](Gap::caught_up). So a copy of a late row changes nothing.
//!
//! # Wrong clocks
//! - **Set back.** Three rows or more that run forward over ground where rows stand are a [`Rewind`]: neither copies nor
//!   a gap, and told with where, by how much and how many. If the step is one of a time zone, the hour after it counts as
//!   covered even where the device is set right again in the middle.
//! - **Ahead.** An event further than [`ahead`](Settings::ahead) after its arrival is counted, and the furthest is told.
//!   A device that is set forward by less leaves a gap in its times; what follows is right.
//! - **Behind.** With `late_after`, a device whose clock is slow by more has late rows only.
//!
//! What cannot be told: whether a rewind of rows that exactly repeat earlier times is a clock that was set back, or a
//! replay of rows that had arrived; and a time zone's step where the cadence allows a silence of more than five minutes.
//!
//! # Overview
//! | type | what it is |
//! |---|---|
//! | [`GapDetector`], [`Settings`], [`Cadence`] | rows in, reports out, saved state |
//! | [`Report`], [`Gap`], [`Hole`], [`Counts`], [`Rewind`] | what a series lacks |
//! | [`Sessions`], [`Part`] | a gap split by where the device was |
//! | [`CadenceEstimator`] | how often rows come, from the series itself, or why nobody can tell |

mod cadence;
mod coverage;
mod detector;
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
