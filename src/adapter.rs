//! Adapters that are ready to use: the engines of this library answer the probes of this library.
//!
//! Feed an engine in your service, hand its adapter to [`Probes`](crate::probe::Probes), and the checks of the `data-gap`
//! runbook ask it:
//!
#![cfg_attr(feature = "dedup", doc = "```")]
#![cfg_attr(not(feature = "dedup"), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use chrono::TimeDelta;
//! use iot_runbook::adapter::DedupLog;
//! use iot_runbook::dedup::{Device, Settings, SharedDeduplicator};
//! use iot_runbook::probe::Probes;
//!
//! let engine = Arc::new(SharedDeduplicator::new(&Settings::new(TimeDelta::hours(6)), 8)?);
//! // The devices of this plant have numbers: `press-4` is 4.
//! let number = |name: &str| name.strip_prefix("press-").and_then(|number| Device::new(number.parse().ok()?).ok());
//! let log = DedupLog::new("ingestion", engine, move |device, _tag| number(device.as_str()));
//! let probes = Probes::new().with_dedup_log(Arc::new(log));
//! # Ok::<(), iot_runbook::dedup::SettingsError>(())
//! ```
//!
//! | adapter | probe | over | what it needs from you |
//! |---|---|---|---|
//! | [`LifecycleProbe`] | [`CertStoreProbe`](crate::probe::CertStoreProbe) | [`Lifecycle`](crate::certificate::lifecycle::Lifecycle) | the lifecycles ([`Lifecycles`], or a [`LifecycleStore`]); a [`RevocationList`] |
//! | [`DedupLog`] | [`DedupLogProbe`](crate::probe::DedupLogProbe) | [`SharedDeduplicator`](crate::dedup::SharedDeduplicator) | the number of a device |
//! | [`RawRecord`] | [`DeadbandProbe`](crate::probe::DeadbandProbe) | [`Audit`](crate::deadband::audit::Audit) | each raw sample, and whether it was reported |
//! | [`LagMonitor`] | [`KafkaProbe`](crate::probe::KafkaProbe) | [`Window`](crate::lag::Window) | samples of offsets; a [`TopicReader`] that counts messages |
//! | [`SeriesRows`] | [`TelemetryProbe`](crate::probe::TelemetryProbe) | [`GapDetector`](crate::gap::GapDetector) | a [`SeriesReader`] that reads the times of stored rows |
//!
//! # What holds
//! - An adapter reports facts and judges nothing: the checks do.
//! - `covers` is the part of the period that the engine observed. What it did not observe is unknown.
//! - The clock is [`SystemClock`](crate::time::SystemClock), or what `with_clock` gives.
//! - For an adapter of your own, each answer is made from an engine's report by one constructor:
//!   [`Dropped::from_drops`](crate::probe::Dropped::from_drops),
//!   [`DeadbandFacts::from_figures`](crate::probe::DeadbandFacts::from_figures),
//!   [`PartitionLag::from_window`](crate::probe::PartitionLag::from_window) and
//!   [`Rows::from_report`](crate::probe::Rows::from_report); from a lifecycle by [`certificate_facts`], [`renewal_facts`] and
//!   [`provisioning_facts`].

#[cfg(feature = "dedup")]
mod dedup_log;
#[cfg(feature = "lag")]
mod lag_monitor;
#[cfg(feature = "certificate")]
mod lifecycles;
#[cfg(feature = "deadband")]
mod raw_record;
#[cfg(feature = "gap")]
mod series_rows;

#[cfg(any(feature = "deadband", feature = "lag"))]
use chrono::{DateTime, TimeDelta, Utc};

#[cfg(feature = "dedup")]
pub use dedup_log::DedupLog;
#[cfg(feature = "lag")]
pub use lag_monitor::{Failures, LagMonitor, MessagesAt, ResetPolicy, SetPositions, TopicReader};
#[cfg(feature = "certificate")]
pub use lifecycles::{
    LifecycleProbe, LifecycleStore, Lifecycles, RevocationList, certificate_facts, provisioning_facts,
    renewal_facts,
};
#[cfg(feature = "deadband")]
pub use raw_record::RawRecord;
#[cfg(feature = "gap")]
pub use series_rows::{SeriesReader, SeriesRows, StoredRows};

#[cfg(any(feature = "deadband", feature = "lag"))]
use crate::time::Period;

#[cfg(any(feature = "deadband", feature = "lag"))]
/// The part of a period that was observed from one time to another; empty where none was.
fn covered(asked: Period, from: DateTime<Utc>, to: DateTime<Utc>) -> Period {
    let (from, to) = (asked.start().max(from), asked.end().min(to));
    Period::new(from, to).unwrap_or(Period::ending(asked.start(), TimeDelta::zero()))
}
