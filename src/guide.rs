//! Guides, in the order in which a service grows.
//!
//! - [`adapters`]: where real products keep the answers that the probe traits ask for.
//! - [`cases`]: a diagnosis that outlives the process, from the alert to the database; approvals from a UI; deploying a changed
//!   runbook.
//! - [`many_alerts`]: one incident for one cause.
//! - [`scaling`]: what one process holds, and when you need PostgreSQL, Redis or more partitions.
//!
//! They are the files of `docs/` in the repository.

#[doc = include_str!("../docs/adapters.md")]
pub mod adapters {}

#[cfg(any(not(doctest), all(feature = "case", feature = "fleet", feature = "tokio", feature = "toml")))]
#[doc = include_str!("../docs/cases.md")]
pub mod cases {}

#[cfg(any(not(doctest), all(feature = "fleet", feature = "tokio", feature = "toml")))]
#[doc = include_str!("../docs/many-alerts.md")]
pub mod many_alerts {}

#[doc = include_str!("../docs/scaling.md")]
pub mod scaling {}
