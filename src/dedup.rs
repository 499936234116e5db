//! Deduplication: is this message a copy of one that was seen before?
//!
//! # What this module promises
//! A false "duplicate" deletes a measurement, a missed one counts it twice. So an id alone decides nothing: the engine
//! knows the device and the payload of each id, and distinguishes copies from collisions, late copies, replays and messages
//! in flight. Only a copy is dropped ([`Verdict::drops`]). The [`Audit`] reports what was dropped, what passed unchecked, and
//! whether the TTL is long enough.
//!
//! # Example
//! ```
//! use chrono::{DateTime, TimeDelta, Utc};
//! use iot_runbook::dedup::{Deduplicator, Devices, MessageId, Verdict};
//!
//! let mut engine = Deduplicator::new(TimeDelta::hours(6))?;
//! let mut devices = Devices::default();
//! let press = devices.number("press-4")?;
//!
//! let now: DateTime<Utc> = "2026-03-01T10:00:00Z".parse()?;
//! let id = MessageId::from_ulid_text("01JD8Z5K3V9QX7R2M4N6P8T0WA")?;
//! let message = engine.message(id, press, b"23.5");
//! assert_eq!(engine.observe(&message, now), Verdict::Fresh);
//! assert!(engine.observe(&message, now + TimeDelta::minutes(5)).drops());
//!
//! // Another measurement with the same id: the id generator is faulty, and the measurement is kept.
//! let other = engine.message(id, press, b"23.9");
//! let verdict = engine.observe(&other, now + TimeDelta::minutes(6));
//! assert!(matches!(verdict, Verdict::Collision { .. }) && verdict.passes());
//! println!("{}", engine.audit());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules
//! The first that matches decides. The age counts from the first sighting, or from the last in a [`Window::Sliding`], in
//! engine time. While a leap of the clock is held, the age of an id from before it counts by the clock.
//!
//! | the id | verdict | |
//! |---|---|---|
//! | is not remembered, or beyond TTL and grace | [`Fresh`](Verdict::Fresh), or [`Untracked`](Verdict::Untracked) if the engine is full | passes |
//! | was reserved and given up, or was not decided in time for this very message | [`Fresh`](Verdict::Fresh) | passes |
//! | is as old as the TTL or older, with this device and payload | [`Late`](Verdict::Late), and begins anew | passes |
//! | is as old as the TTL or older, with another | [`Fresh`](Verdict::Fresh), and begins anew | passes |
//! | is of another device or payload | [`Collision`](Verdict::Collision), the first stays | passes |
//! | is reserved | [`InFlight`](Verdict::InFlight) | neither |
//! | came from this same position of its source | [`Replay`](Verdict::Replay) | dropped |
//! | else | [`Duplicate`](Verdict::Duplicate) | dropped |
//!
//! A full engine passes a fresh message [`Untracked`](AtLimit::PassUntracked), or forgets the oldest id for it
//! ([`EvictOldest`](AtLimit::EvictOldest)).
//!
//! # What holds
//! - It is exact: no sampling, no admission by frequency. No id is forgotten within its TTL, unless
//!   [`AtLimit::EvictOldest`] or [`forget`](Deduplicator::forget) asks for it; evictions are counted.
//! - An engine is full only if it remembers as many ids as its limit. `EvictOldest` forgets the id with the oldest sighting,
//!   to the millisecond.
//! - Time is an argument, to the millisecond. Engine time never runs back. A leap forward beyond
//!   [`Settings::max_forward_jump`] (a day) is held until the clock is back, or until [`Deduplicator::accept_clock`]: it may
//!   be a wrong clock, or a plant that was quiet over the weekend. No id leaves meanwhile, and nothing is dropped in doubt: a
//!   copy from before the leap that is older than the TTL by the clock is [`Late`](Verdict::Late), and passes.
//!   [`tick`](Deduplicator::tick) every few hours keeps a quiet plant from looking like a leap.
//! - A crash loses no message: [`reserve`](Deduplicator::reserve) one, make it safe, [`commit`](Deduplicator::commit) it.
//!   What is in flight is not in a [`snapshot`]. Only the holder of a reservation decides it.
//! - A [`snapshot`] takes the names of the devices with it, so that it is right beside any device list.
//! - No call stalls: ids leave a few for each message or a segment at a time, and the index grows a bucket at a time. An id
//!   takes 32 bytes and its share of the index, some 42 to 46 bytes in all. One that was seen again after it came takes some
//!   30 bytes more while its sighting is out of the order in which ids came.
//! - Ids chosen by an attacker do not meet: they are placed by SipHash-1-3 under a [`Secret`].
//!
//! # One engine, or many
//! [`Deduplicator`] has one owner. [`SharedDeduplicator`] is for many threads. Machines that share a window keep it
//! in a [`store`] of yours. [`ulid_health`] judges whether the ids can be trusted. The check
//! `dedup-drops` of the data-gap runbook is answered by [`DedupLog`](crate::adapter::DedupLog).

pub mod audit;
mod clock;
mod deduplicator;
mod device;
mod id;
mod index;
mod log;
mod message;
mod placing;
mod reservation;
mod secret;
mod settings;
mod shared;
pub mod snapshot;
pub mod store;
mod tracker;
pub mod ulid_health;
pub mod verdict;

pub use audit::Audit;
pub use clock::{ClockAudit, Holding};
pub use deduplicator::Deduplicator;
pub use device::{Device, DeviceError, Devices};
pub use id::{MessageId, UlidTextError};
pub use message::{Message, Position};
pub use reservation::{Reservation, ReservationError};
pub use secret::{Fingerprint, Secret};
pub use settings::{AtLimit, Limit, Settings, SettingsError, Window};
pub use shared::SharedDeduplicator;
pub use snapshot::{RestoreError, Restored, Saved};
pub use verdict::{FirstSeen, Verdict};
