//! Certificates: reading them, the stages of their lives, the daily sweep over a fleet, the schedule of its renewals, and the
//! lifecycle of each device's certificate. Bytes, facts and the time go in, and values come out; only [`service`] does I/O,
//! through traits that you implement.
//!
//! # What holds
//! - A stage depends on the dates, the policy and the time alone. Bounds are exact to the nanosecond and strict;
//!   `not_after` is within the life; 9999-12-31 never comes.
//! - A certificate ends with the first of its chain. Where an issuer binds, the issuer is escalated, and its leaves are not
//!   renewed in a loop.
//! - A clock behind its high-water mark, or far ahead of it, is suspect: nothing is renewed or retired by it, and its stage
//!   comes before all others. Next comes revoked, which a stolen certificate stays after its end.
//! - The old certificate is retired after a connection has confirmed the new one and the overlap is over, and never while
//!   later evidence says that the old one is in use or that the new one failed. A compromised key is the exception.
//! - Private keys never get in: a text with one is refused, and no error, `Debug` or log shows a byte of what is not a
//!   certificate.
//!
//! # Where to find what
//! | to | use |
//! |---|---|
//! | read a certificate or a chain, or its name for ACME | [`validity`] |
//! | judge when what must happen to one | [`Policy`], [`Policy::stage`], [`Policy::follow_up_reason`] |
//! | find what is due in a fleet today, with one page a day | [`sweep::Sweep`] over an [`ExpiryIndex`](sweep::ExpiryIndex), each [`Entry`](sweep::Entry) from a certificate or a lifecycle |
//! | spread renewals at the CA's rate; forecast a backlog or a mass revocation | [`schedule::Scheduler`] |
//! | renew, confirm, retire and recover one device | [`lifecycle::Lifecycle`], driven by [`service::Worker`] |
//! | let the runbooks ask about these lifecycles, without an adapter of your own | [`adapter::LifecycleProbe`](crate::adapter::LifecycleProbe) |
//! | talk to devices over MQTT | [`message`] |
//! | check what prevents emergencies | [`checklist`] |
//!
//! # Example
//! ```
//! use chrono::Utc;
//! use iot_runbook::certificate::validity::Chain;
//! use iot_runbook::certificate::{Facts, Policy, Stage};
//! # let pem = include_bytes!("../tests/it/certificate/pem/old.pem");
//! # let now: chrono::DateTime<Utc> = "2026-11-15T00:00:00Z".parse()?;
//!
//! let chain = Chain::from_pem(pem)?;
//! let (policy, facts) = (Policy::default(), Facts::from(&chain));
//! // 47 of its days are left: less than 60, so a renewal is due.
//! assert_eq!(policy.stage(&facts, now, None), Stage::Renewal);
//! let next = policy.next_change(&facts, now).ok_or("it never ends")?;
//! // The follow-up begins when less than 30 days are left.
//! assert_eq!((next - now).num_days(), 17);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod checklist;
pub mod lifecycle;
pub mod message;
mod policy;
pub mod schedule;
pub mod service;
pub mod sweep;
pub mod validity;

pub use policy::{
    CertificateProfile, Facts, FollowUpReason, Policy, PolicyError, Share, ShareError, Stage, effective_end,
};
