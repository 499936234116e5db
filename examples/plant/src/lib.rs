//! A small factory in one command: real parts for the runbooks to diagnose.
//!
//! ```text
//!  device ── OT network ── gateway ── uplink ── door ── broker ── platform
//!  (task)    (TCP relay)   (process)  (relay)   (TLS)   (MQTT)    (subscriber, registry)
//!     └─ power unit           └─ supervisor (starts, restarts, knows how it ended)
//! ```
//!
//! Everything listens on free loopback ports and lives in one temporary folder. What can break really breaks: a
//! [`fault`] kills a process, cuts a network, swaps a certificate. Whoever wants to know asks the parts:
//!
//! | what | where |
//! |---|---|
//! | service state | [`platform::Registry::device`] |
//! | last seen, heartbeats, by receipt | [`platform::Platform`] |
//! | CONNECTs, refusals and ends of sessions | [`broker::Broker::events`], [`door::Door::events`] |
//! | a gateway's process, health, MQTT log, outbox, restart | [`factory::site::GatewayHost`] |
//! | how far the renewal of a device's certificate is | [`renewal::Renewals::lifecycles`] |
//! | reaching a device, and its certificate, from its gateway | [`factory::site::GatewayHost`] |
//! | other paths to a site, its power | [`factory::site::Site`] |
//!
//! The [`pipeline`] is a part of its own: from a machine to a row in a table, in real parts, to lose data in. What
//! breaks there is a [`pipeline::loss`], and the gap is found in the table.
//!
//! The library's runbooks ask through [`adapters`], which read these parts and nothing else. An [`alarm`] raises the
//! alert, a [`crew`] approves and goes and looks, and [`examine`] runs one [`scenario`] from its first fault to its
//! finding.
//!
//! A [`scenario_file`] is a scenario of a user's own, as timed [`operation`]s on named parts; [`play`] runs it.
//! [`chaos`] draws such scenarios by chance, and judges each diagnosis by what was broken.

pub mod adapters;
pub mod alarm;
pub mod arguments;
pub mod broker;
pub mod chaos;
pub mod console;
pub mod crew;
pub mod device;
pub mod door;
pub mod error;
pub mod examine;
pub mod factory;
pub mod fault;
pub mod gateway;
pub mod line;
pub mod monitor;
pub mod mqtt;
pub mod network;
pub mod operation;
#[path = "../../page/page.rs"]
pub mod page;
pub mod pipeline;
pub mod pki;
pub mod platform;
pub mod play;
pub mod power;
pub mod provisioning;
pub mod reading;
pub mod renewal;
pub mod runbooks;
pub mod scenario;
pub mod scenario_file;
pub mod story;
pub mod supervisor;
pub mod sweep;
pub mod task;
pub mod wait;
