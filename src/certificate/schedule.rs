//! Spreads the renewals of a fleet, so that a provisioning service that takes so many a minute gets no more.
//!
//! # What holds
//! - The soonest end comes first, and each renewal starts as soon as it may and the rate allows. Where all are due,
//!   no order of the same renewals is in time where this one is late.
//! - A device keeps its place: the [`jitter`] of a device and generation is the same on every platform and after every
//!   restart, so a plan made anew moves nobody.
//! - The window that a CA suggests is honoured (RFC 9773), and so are the [`Maintenance`] windows of a plant. Jitter and
//!   the CA's windows are wishes, given up where they would make a renewal late; the rate and maintenance are not.
//! - A CA that revokes all it issued is one [forecast](Scheduler::forecast_revocation): whether the fleet has other certificates
//!   in time at the CA's rate, or by how much that falls short.
//! - A compromised key waits for the rate alone, and goes first.
//! - Where a backlog cannot be cleared, the [`Forecast`] says so, and by how much the rate must grow.
//!
//! # How to drive it
//! 1. Keep a [`TokenBucket`] for the provisioning service. Save it, or begin with an empty one after a restart.
//! 2. Let the [`Scheduler`] [plan](Scheduler::plan) what is due, as the daily digest lists it, and again when that has
//!    changed.
//! 3. When a start has come, take a token, and start the renewal.
//!
//! ```
//! use chrono::{DateTime, TimeDelta};
//! use iot_runbook::certificate::schedule::{Pending, Rate, Scheduler, Settings, TokenBucket};
//!
//! // A fleet of 100 000 whose certificates end in 12 hours, and a service that takes 100 a minute.
//! let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
//! let fleet = (0..100_000).map(|number| Pending::new(format!("pump-{number}"), 1, now, now + TimeDelta::hours(12)));
//! let bucket = TokenBucket::full(Rate::new(100, 1)?, now);
//! let forecast = Scheduler::new(Settings::default())?.forecast(fleet, &bucket, now);
//! let hours = forecast.cleared_at.map(|at| (at - now).num_seconds() as f64 / 3_600.0);
//! assert_eq!(hours.map(|hours| format!("{hours:.1}")).as_deref(), Some("16.7"));
//! assert_eq!(forecast.late, 27_999);
//! assert_eq!(forecast.in_time.map(|needed| (needed.per_minute, needed.growth)), Some((139, 39)));
//! # Ok::<(), iot_runbook::certificate::schedule::ScheduleError>(())
//! ```

mod bucket;
mod error;
mod jitter;
mod maintenance;
mod pending;
mod plan;
mod queue;
mod renewal_info;
mod window;

pub use bucket::{Rate, TokenBucket};
pub use error::ScheduleError;
pub use jitter::jitter;
pub use maintenance::Maintenance;
pub use pending::Pending;
pub use plan::{Forecast, Needed, Plan, Scheduler, Settings, Start};
pub use renewal_info::RenewalInfo;
pub use window::{Window, retry_after};
