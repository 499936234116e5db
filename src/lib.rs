//! Operational runbooks for industrial IoT fleets, as graphs in data that a platform service executes.
//!
//! A device has gone offline. Three adapters, a driver, and the library says why:
//!
#![cfg_attr(all(feature = "toml", feature = "tokio"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "toml", feature = "tokio")), doc = "```ignore")]
#![doc = include_str!("../examples/01_device_offline.rs")]
//! ```
//!
//! # Overview
//!
//! | module | what it is | you need it to |
//! |---|---|---|
//! | [`runbook`], [`catalog`] | validated step graphs, read from TOML or any serde format; the three built-in ones | take a runbook, override its thresholds, write your own |
//! | [`probe`] | the questions to your systems, as traits: facts, never verdicts | write adapters |
//! | [`check`] | turns an adapter's answer into one value, in one pure function for each check | register checks of your own |
//! | [`diagnosis`] | the machine: poll, answer, waits, acts, hypotheses, trace, saved state | drive it yourself, save and resume, rehearse runbooks |
//! | [`driver`] | the async loop: time limits, news, people, shared acts | run a diagnosis over your adapters |
//! | [`certificate`] | certificates read from DER and PEM; the stages of their lives; the lifecycle of a device's certificate and its worker; the daily sweep, the schedule and the messages of renewals; the prevention checklist | read certificates, tell what is due, renew and recover, spread renewals |
//! | [`dedup`] | deduplication that tells copies from collisions, and says what it dropped | put every message of an ingestion service through it |
//! | [`deadband`] | which samples of a tag are worth reporting: filters, a swinging door, an audit of the band | filter at a gateway, and know what that hides |
//! | [`gap`] | which rows a telemetry series lacks, where, and whether they came late | notice a gap, and hand it to the runbook |
//! | [`lag`] | whether a consumer group is healthy, from a window of its offsets: the rules of Burrow and more, with reasons | judge what you sample of Kafka |
//! | [`adapter`] | adapters that are ready: the engines of this library answer the probes of this library | have the checks ask the engines of your service |
//! | [`fact`], [`subject`], [`time`] | values with evidence; whom it is about; clocks, periods, durations | everywhere |
//!
//! One idea holds it together: **decide without I/O, do I/O at the edge.** Everything that decides is a plain value
//! that is told facts and the time, and answers what to do next. A unit test of a decision needs no mock.
//!
//! # Cookbook
//! - *Shorter waits in a test*: `catalog::device_offline()?.threshold("monitor_for", "5s").validate()?`.
//! - *Acts without asking*: `.approval("restart-gateway", ApprovalPolicy::Automatic)`, or `Never`.
//! - *A restart of the service*: save [`Diagnosis::bundle`](diagnosis::Diagnosis::bundle) (from a
//!   [`driver::Journal`], or after each answer), and [`Diagnosis::resume`](diagnosis::Diagnosis::resume) it.
//! - *An audit*: the same bundle, resumed offline, walks the same way or is refused.
//! - *Time in tests*: [`time::ManualClock`] and [`driver::SimulatedTimer`]: half an hour passes at once.
//! - *Only the core*: without default features there is no TOML, no runtime and no async adapter that you must have.
//!
//! # What holds everywhere
//! No panic on any input, no `unsafe`, no clock read but in [`time::SystemClock`]. Unknown is an answer, and is
//! never taken for healthy.
#![cfg_attr(
    not(feature = "toml"),
    allow(rustdoc::broken_intra_doc_links, reason = "the catalog needs `toml`")
)]

pub mod adapter;
#[cfg(feature = "toml")]
pub mod catalog;
pub mod certificate;
pub mod check;
pub mod deadband;
pub mod dedup;
pub mod diagnosis;
pub mod driver;
pub mod fact;
pub mod gap;
pub mod lag;
#[cfg(feature = "mock")]
pub mod mock;
pub mod probe;
#[cfg(feature = "report")]
pub mod report;
pub mod runbook;
pub mod subject;
pub mod time;

#[cfg(all(doctest, feature = "toml"))]
#[doc = include_str!("../README.md")]
struct Readme;
