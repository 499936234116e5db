//! The daily job: which certificates of a fleet are due today, at the cost of those and not of the fleet.
//!
//! # What holds
//! - A digest lists every certificate that is past its awareness bound, is revoked, or is not valid yet though it is in
//!   use, and no other; the stage is that of [`Policy::stage`](super::Policy::stage). Each device has the id that the
//!   platform uses, with the end of its certificate and the days left.
//! - A run walks what it reports: a certificate that is not due is not looked at, whatever the size of the fleet.
//! - An issuer that ends before its leaves is one entry with their number. They are not due one by one until it has
//!   been replaced, for a leaf renewed under the same issuer would end no later.
//! - The same day twice pages once, also over a restart: what was paged is in the [`State`]. What comes to page between
//!   two runs of a day, or was late at the first and has ended or is revoked at the second, is paged by the second.
//! - Under a clock that stepped back, or jumped ahead, nothing is reported and nothing is moved: [`ClockSuspect`]. That is seen
//!   against the saved [`State`], so go on by [`Sweep::resume`]: a job made by [`Sweep::new`] believes any clock, and under one
//!   that is a year back it pages the whole fleet as not valid yet.
//!
//! # How to drive it
//! 1. Fill an [`ExpiryIndex`]. From files: [`insert_chain`](ExpiryIndex::insert_chain) takes a device and the
//!    [`Chain`](super::validity::Chain) that was read, with its issuers. From a database of dates:
//!    [`insert_issuer`](ExpiryIndex::insert_issuer), then [`extend`](ExpiryIndex::extend) it by each device's [`Entry`]. Later
//!    certificates are [inserted](ExpiryIndex::insert) one by one; a renewed one replaces the old one of its device.
//! 2. Once a day (more often where certificates live for hours) call [`Sweep::run`] with the time.
//! 3. Save [`Sweep::state`], then send the page. Where a crash between the two must not lose a page, send it first: it
//!    may come twice then, and its day and entries say that it is the same.
//!
//! ```
//! use chrono::{TimeDelta, TimeZone, Utc};
//! use iot_runbook::certificate::sweep::{Contact, Entry, ExpiryIndex, Reach, Settings, Sweep, Visit};
//! use iot_runbook::certificate::{Policy, Stage};
//! use iot_runbook::subject::DeviceId;
//!
//! let now = Utc.with_ymd_and_hms(2026, 3, 1, 6, 0, 0).unwrap();
//! let mut index = ExpiryIndex::new(Policy::default());
//! for (device, days_left) in [("pump-1", 300), ("pump-2", 80), ("pump-3", 20)] {
//!     let end = now + TimeDelta::days(days_left);
//!     index.insert(&Entry::new(device, end - TimeDelta::days(365), end))?;
//! }
//! let mut sweep = Sweep::new(Settings::default());
//! // Nobody has seen pump-3 for a week, and it is back too late.
//! let contact = |_: &DeviceId| Some(Contact::new(Some(now - TimeDelta::days(7))).with_back_at(Some(now + TimeDelta::days(40))));
//! let digest = sweep.run(&index, now, contact)?;
//! let due: Vec<_> = digest.due().iter().map(|due| (due.device.as_str(), due.stage, due.days_left(now))).collect();
//! assert_eq!(due, [("pump-3", Stage::FollowUp, 20), ("pump-2", Stage::Awareness, 80)]);
//! let offline: Vec<_> = digest.offline().map(|due| due.reach).collect();
//! assert_eq!(offline, [Reach::Offline { since: Some(now - TimeDelta::days(7)), visit: Visit::Technician }]);
//! assert_eq!(
//!     digest.page().ok_or("pump-3 is paged for")?.to_string(),
//!     "2026-03-01: 0 issuers and 1 certificate\n\
//!      pump-3: follow-up, ends 2026-03-21 06:00:00 UTC; the renewal is overdue; offline since 2026-02-22 06:00:00 UTC, \
//!      send a technician"
//! );
//! // Again, the same day: the digest is the same, and nobody is paged.
//! assert!(sweep.run(&index, now, contact)?.page().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bounds;
mod digest;
mod entry;
mod error;
mod index;
mod job;
mod metrics;

pub use digest::{Digest, Due, IssuerDue, Page, Reach, Visit};
pub use entry::{Entry, Renewal};
pub use error::EntryError;
pub use index::{ExpiryIndex, Extended};
pub use job::{ClockSuspect, Contact, Settings, State, Sweep};
pub use metrics::Metrics;
