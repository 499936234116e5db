//! Deadbands: which samples of a tag are worth reporting, and by whose rule.
//!
//! # What holds
//! - Every report is a sample that came in; none is made up, and none is changed.
//! - A sample that is held off lies within the band around the last report, exactly: as if without rounding, for
//!   floats and for integers up to 64 bits.
//! - A change of the quality passes at once. NaN and the infinities pass once when they come and once when they go.
//! - Each report says why it is one, and each sample that is held off is counted by reason.
//! - No sample allocates, and none panics.
//!
//! That is [`Exact`](profile::Profile::Exact). Under a vendor's [profile] the vendor's rules hold, with what they lose.
//!
//! # Example
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
