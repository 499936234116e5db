//! Deadbands: which samples of a tag are worth reporting, and by whose rule.
//!
//! # What this module promises
//! A deadband saves reports, and hides what it does not report. So each decision is exact, each says why it was made, and an
//! [`audit`] finds out from the raw samples whether the band hides more than noise.
//!
//! # Example
//! ```
//! use iot_runbook::deadband::filter::Filter;
//! use iot_runbook::deadband::sample::Sample;
//!
//! let mut boiler = Filter::absolute(0.5)?;
//! let mut reported = Vec::new();
//! for (second, celsius) in [(0, 80.0), (1, 80.4), (2, 80.6), (3, 80.7)] {
//!     boiler.observe(Sample::new(second * 1_000_000_000, celsius), |report| reported.push(report.sample.value))?;
//! }
//! assert_eq!(reported, [80.0, 80.6]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules
//! The first that holds decides. Those with a setting in brackets hold only if it is set.
//!
//! | a sample | is | reason |
//! |---|---|---|
//! | is the first of its tag | reported | [`First`](filter::Reason::First) |
//! | is not later than one before | reported, or dropped if it adds nothing; see [`Order`](filter::Order) | [`Order`](filter::Reason::Order) |
//! | has another quality than the last report | reported | [`Quality`](filter::Reason::Quality) |
//! | is outside the band around the last report, sooner than the shortest interval (`min_interval`) | held; the lowest, the highest and the last leave when the interval is over | [`Held`](filter::Reason::Held) |
//! | is outside the band around the last report | reported | [`Value`](filter::Reason::Value) |
//! | comes when the longest interval is over (`max_interval`) | reported | [`Heartbeat`](filter::Reason::Heartbeat), or [`Gap`](filter::Reason::Gap) if none came in between |
//! | is anything else | suppressed, and counted | [`Band`](filter::Suppression::Band) |
//!
//! ```
//! use std::sync::Arc;
//! use chrono::TimeDelta;
//! use iot_runbook::deadband::filter::{Extent, Filter, Reason, Rule, Settings};
//! use iot_runbook::deadband::sample::{Quality, Sample};
//!
//! // One percent of the range, and a sign of life every minute. Tags with the same settings share the rule.
//! let band = Extent::PercentOfSpan { percent: 1.0, low: 0.0, high: 200.0 };
//! let rule = Rule::new(Settings::new(band).with_max_interval(TimeDelta::minutes(1)))?;
//! let mut boiler = Filter::new(Arc::new(rule));
//!
//! let mut reports = Vec::new();
//! for (second, celsius, quality) in [
//!     (0, 80.0, Quality::GOOD),
//!     (1, 82.0, Quality::GOOD),
//!     (2, 82.1, Quality::GOOD),
//!     (3, 82.1, Quality::BAD),
//!     (63, 82.1, Quality::BAD),
//! ] {
//!     let sample = Sample::new(second * 1_000_000_000, celsius).with_quality(quality);
//!     boiler.observe(sample, |report| reports.push((report.sample.time().timestamp(), report.reason)))?;
//! }
//! assert_eq!(reports, [(0, Reason::First), (2, Reason::Value), (3, Reason::Quality), (63, Reason::Heartbeat)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//! - Every report is a sample that came in; none is made up, and none is changed.
//! - A suppressed sample lies within the band around the last report, exactly: as if without rounding, for floats and for
//!   integers up to 64 bits.
//! - A change of the quality is reported at once. NaN and the infinities are reported once when they come, and the first
//!   value after them.
//! - Each report says why it is one, and each suppressed sample is counted by reason.
//! - No sample allocates, and none panics.
//!
//! That is [`Exact`](profile::Profile::Exact). Under a vendor's [profile] the vendor's rules hold, with what they lose.
//!
//! # Overview
//! | module | what it is |
//! |---|---|
//! | [`sample`] | values with their time and quality; the numbers a tag may have |
//! | [`filter`] | the filter of one tag: bands, intervals, order of time, saved state |
//! | [`profile`] | the semantics of OPC UA, PI, Node-RED and Telegraf, side by side |
//! | [`batch`] | many tags at once: the values of a scan in, a bitmask out |
//! | [`swinging_door`] | straight lines in place of samples, none of which is missed by more than a deviation |
//! | [`audit`] | is the band too wide? A verdict from the raw samples, and what to set |
//! | [`shadow`] | what another band would save and cost, run beside the live one |

pub mod audit;
pub mod batch;
pub mod filter;
pub mod profile;
pub mod sample;
pub mod shadow;
pub mod swinging_door;
