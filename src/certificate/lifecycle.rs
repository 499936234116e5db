//! The life of one device's certificate: its renewals, and its recovery where they failed. A machine without I/O.
//!
//! A [`Lifecycle`] is a plain value for each device. It takes what happened, by [`handle`](Lifecycle::handle), and
//! returns what is to be done, by [`poll`](Lifecycle::poll). It reads no clock: the time is an argument of both.
//!
//! # What holds
//! - There is one renewal for each device and generation, and one certificate for each renewal. A command that stays
//!   without an answer comes again under the same [`CommandKey`]; a certificate whose acknowledgement was lost is published
//!   again unchanged, and never issued again. One that was refused is followed by the next generation.
//! - A certificate that was issued due, ended, ending before it begins, or for another key is refused, and the renewal
//!   counts as failed. One that comes late, twice, or for another generation is [`EventError`].
//! - The new certificate takes the place of the old one when it was seen on a connection, and not by the device's word.
//!   Until then both stay valid to their own ends, and someone is alerted. Two connections within the
//!   [resolution](Settings::log_resolution) of the log confirm nothing.
//! - The old one is retired when the overlap is over, or it ends, and only then. A device that goes back to it before has
//!   it in use again, and the new one is published again. A test of the new one that fails after the confirmation puts
//!   retirement off until a later connection shows that it works.
//! - A connection with a retired certificate is an alert, and so is an old certificate that is not retired a
//!   [`longest_retry`](Settings::longest_retry) after its overlap.
//! - The desired topic never goes back a generation, and what is retained there is not published again unless the device
//!   failed with it or went back.
//! - A key that is compromised is the exception: its certificates are retired at once, and the next is issued
//!   [out of turn](Issue::urgent), for a fresh key.
//! - Where the issuer ends first, or caps what it issues at its own end, one alert is raised, and before it is
//!   [replaced](Event::IssuerReplaced) the leaf is not renewed and nobody is sent to the device. That it was replaced
//!   is remembered where the leaf is not due yet.
//! - A request to issue may be [put off](Event::Postponed) until its turn comes, which is no failure; one out of turn may not.
//! - A retry waits twice as long each time, and never longer than a part of the life that remains.
//! - A certificate that ends, or is cut off, begins the emergency recovery: the provisioning service, then a technician, in
//!   rounds, until the device is seen again. A step takes its time from when its command is first handed out. The recovery
//!   ends with a [`PostMortem`].
//! - A key that was compromised once never gets in again, known to the device or not.
//! - The latest time is kept as a high-water mark. Behind it, or far ahead of it, the clock is suspect: events are taken
//!   at the mark, alerts go out by what the clock shows, and no other command is handed out until it is right, or
//!   [accepted](Lifecycle::accept_clock). A connection that a wrong clock dated ahead retires nothing when it is reported again.
//! - Of private keys there is nothing: a request names a public key, or carries what the device signed.
//!
//! # How to drive it
//! 1. [`Lifecycle::new`] with the certificate that the device has.
//! 2. When something happens, [`handle`](Lifecycle::handle) it. Then, and at [`wake_at`](Lifecycle::wake_at):
//! 3. [`poll`](Lifecycle::poll) a command, save the lifecycle, carry the command out, and hand the answer back as an event;
//!    until there is nothing.
//! 4. After a restart, hand all that happened meanwhile to [`catch_up`](Lifecycle::catch_up) before the first poll: it is
//!    taken in the order of its dates before time passes.
//!
//! A command is handed out once, and again when its answer is late. **After a restore each open command is handed out again
//! under its key**, for nobody knows whether it was carried out: do it once for each key. Save after `handle`, and after
//! `poll` before the command is carried out, and a crash in between loses none.
//! [`service::Worker`](super::service::Worker) does all of this over async adapters.
//!
//! # One renewal
//! ```
//! use chrono::{TimeDelta, TimeZone, Utc};
//! use iot_runbook::certificate::lifecycle::{Command, Event, Issued, Lifecycle, Rules};
//! use iot_runbook::certificate::message::{Desired, Outcome, Reported};
//! # let old = include_str!("../../tests/it/certificate/pem/old.pem");
//! # let new = include_str!("../../tests/it/certificate/pem/new.pem");
//!
//! // Two certificates for the same key: one for 2026, one from November 2026 on.
//! let (old, new) = (Issued::from_pem(old)?, Issued::from_pem(new)?);
//! let rules = Rules::default();
//! let mut now = Utc.with_ymd_and_hms(2026, 10, 30, 6, 0, 0).unwrap();
//! let mut pump = Lifecycle::new("pump-7", *old.credential(), now)?;
//! assert!(pump.poll(&rules, now).is_none());
//!
//! // Less than 60 days are left: a certificate is asked for, for the key that the device has.
//! now += TimeDelta::days(5);
//! let order = pump.poll(&rules, now).ok_or("renewal is due")?;
//! let Command::Issue(issue) = order.command else { panic!("{order:?}") };
//! assert_eq!(order.key.as_str(), "pump-7/1/issue");
//! assert!(issue.key.admits(new.credential().public_key));
//! pump.handle(&rules, Event::Issued { generation: 1, certificate: new.clone() }, now)?;
//!
//! // It is published; the broker's acknowledgement is lost, and the service restarts.
//! assert!(matches!(pump.poll(&rules, now).ok_or("publish")?.command, Command::Publish(_)));
//! let saved = serde_json::to_string(&pump)?;
//! let mut pump: Lifecycle = serde_json::from_str(&saved)?;
//! let again = pump.poll(&rules, now).ok_or("publish again")?;
//! assert_eq!(again.key.as_str(), "pump-7/1/publish");
//! pump.handle(&rules, Event::Done { key: again.key }, now)?;
//!
//! // The device tests it, and is seen with it: it is confirmed.
//! let reported = Reported::new(&Desired::new(1, new.pem()), Outcome::TestPassed);
//! pump.handle(&rules, Event::Reported(reported), now)?;
//! let fingerprint = new.credential().fingerprint;
//! pump.handle(&rules, Event::Connected { fingerprint, at: now }, now)?;
//! assert_eq!(pump.in_use(), new.credential());
//! assert!(pump.poll(&rules, now).is_none());
//!
//! // When the overlap is over, the old one is retired.
//! now += TimeDelta::days(7);
//! let order = pump.poll(&rules, now).ok_or("retire")?;
//! assert!(matches!(order.command, Command::Retire(old) if old.fingerprint != fingerprint));
//! pump.handle(&rules, Event::Done { key: order.key }, now)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod clock_doubt;
mod command;
mod command_key;
mod compromise;
mod connection;
mod credential;
mod dispatch;
mod event;
mod follow_up;
mod issuers;
mod outbox;
mod pass;
mod post_mortem;
mod progress;
mod recovery;
mod renewal;
mod retirements;
mod rules;
mod state;
mod timeline;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::clock::MarkedClock;
use self::clock_doubt::ClockDoubt;
use self::follow_up::Visits;
use self::issuers::Issuers;
use self::outbox::Outbox;
use self::retirements::Retirements;
use self::state::{Adopted, Candidate, CutOff, DeviceName, Recovery, Renewal, Version};
use self::timeline::Timeline;
use super::Stage;
use super::message::TopicError;
use super::validity::{CertId, Fingerprint};
use crate::subject::DeviceId;

pub use self::command::{Alert, AlertKind, Command, Issue, Order, Retire, Severity, Visit, VisitKind};
pub use self::command_key::CommandKey;
pub use self::credential::{Credential, Csr, CsrError, Issued, Issuer, Refusal, SubjectKey};
pub use self::event::{Event, EventError, Reachability};
pub use self::post_mortem::{Cause, Outcome, PostMortem};
pub use self::progress::{Progress, Status};
pub use self::rules::{Rules, Settings, SettingsError};
pub use self::state::Origin;
pub use self::timeline::{Entry, Happening};

/// The life of one device's certificate. See the [module](self) for what holds and how to drive it.
///
/// Serde saves and restores it at any point, with a version. Only until when an answer is waited for is not saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    version: Version,
    device: DeviceName,
    auto_renewal: bool,
    in_use: Credential,
    /// The name of the certificate in use for ACME.
    #[serde(default)]
    cert_id: Option<CertId>,
    origin: Origin,
    /// The latest that was used. Each certificate that is asked for or brought has one of its own.
    generation: u64,
    /// The latest connection.
    seen_at: Option<DateTime<Utc>>,
    /// Connections that a wrong clock dated later than the time that is gone by.
    clock_doubt: Option<ClockDoubt>,
    cut_off: Option<CutOff>,
    renewal: Option<Renewal>,
    candidates: Vec<Candidate>,
    #[serde(flatten)]
    retirements: Retirements,
    /// The latest generation that was published, or is being: the topic never goes back behind it.
    #[serde(default)]
    desired_generation: u64,
    adopted: Option<Adopted>,
    recovery: Option<Recovery>,
    /// The generation of a re-provisioning of an emergency that is over: the device may have its certificate still.
    unanswered: Option<u64>,
    #[serde(flatten)]
    visits: Visits,
    /// The latest contact by the manufacturing certificate.
    contact: Option<DateTime<Utc>>,
    offered: Option<Csr>,
    compromised: Vec<Fingerprint>,
    #[serde(flatten)]
    issuers: Issuers,
    /// How many alerts and visits were asked for: their keys differ by it.
    asked: u32,
    #[serde(flatten)]
    clock: MarkedClock,
    closed_at: Option<DateTime<Utc>>,
    outbox: Outbox,
    timeline: Timeline,
}

impl Lifecycle {
    /// The lifecycle of a device that uses this certificate, and renews by itself.
    ///
    /// # Errors
    /// [`TopicError`] where the id of the device names no topic.
    pub fn new(
        device: impl Into<DeviceId>,
        in_use: Credential,
        now: DateTime<Utc>,
    ) -> Result<Self, TopicError> {
        Ok(Self {
            version: Version,
            device: DeviceName::try_from(device.into())?,
            auto_renewal: true,
            in_use,
            cert_id: None,
            origin: Origin::Enrolled,
            generation: 0,
            seen_at: None,
            clock_doubt: None,
            cut_off: None,
            renewal: None,
            candidates: Vec::new(),
            retirements: Retirements::default(),
            desired_generation: 0,
            adopted: None,
            recovery: None,
            unanswered: None,
            visits: Visits::default(),
            contact: None,
            offered: None,
            compromised: Vec::new(),
            issuers: Issuers::default(),
            asked: 0,
            clock: MarkedClock::new(now),
            closed_at: None,
            outbox: Outbox::default(),
            timeline: Timeline::default(),
        })
    }

    setters! {
        /// The same for a device that renews by itself, or does not: people see to that one from the stage of renewal
        /// on.
        const with_auto_renewal(auto_renewal: bool) => auto_renewal = auto_renewal;
        /// The same of a device whose latest renewal was of that generation: the next one is one more.
        const with_generation(generation: u64) => generation = generation;
        /// The same with the name that the certificate in use has for ACME, which a request to issue the next one
        /// repeats.
        with_cert_id(cert_id: Option<CertId>) => cert_id = cert_id;
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &DeviceId {
        &self.device.0
    }

    /// Whether the device renews by itself.
    #[must_use]
    pub const fn auto_renewal(&self) -> bool {
        self.auto_renewal
    }

    /// The certificate in use: of the latest connection that was reported.
    #[must_use]
    pub const fn in_use(&self) -> &Credential {
        &self.in_use
    }

    /// How the certificate in use came to the device.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The certificate that was last issued or brought, in use or not.
    #[must_use]
    pub fn newest(&self) -> &Credential {
        let renewal = self.renewal.as_ref();
        let successor = renewal.and_then(|one| Some((one.generation, one.successor()?.issued.credential())));
        let candidate = self.candidates.iter().map(|one| (one.generation, one.issued.credential()));
        candidate
            .chain(successor)
            // By generation and not by date: a certificate that was loaded by hand may have been issued
            // long before the renewal.
            .max_by_key(|(generation, _)| *generation)
            .map_or(&self.in_use, |(_, one)| one)
    }

    /// The certificate that a renewal is bringing to the device: what it is to report of, and to be seen with.
    #[must_use]
    pub fn expected(&self) -> Option<Fingerprint> {
        Some(self.renewal.as_ref()?.successor()?.issued.credential().fingerprint)
    }

    /// The latest generation that was used; 0 where no renewal was begun.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The certificates that were replaced and are not retired though their overlap is over at `now`, with when it was.
    pub fn unretired(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&Credential, DateTime<Utc>)> {
        self.retirements.unretired(now)
    }

    /// When the device last connected, as far as was reported.
    #[must_use]
    pub const fn seen_at(&self) -> Option<DateTime<Utc>> {
        self.seen_at
    }

    /// What is known of when the device can be reached.
    #[must_use]
    pub const fn reachability(&self) -> Reachability {
        self.visits.reachability()
    }

    /// When the provisioning service last accepted its manufacturing certificate, as far as was reported.
    #[must_use]
    pub const fn provisioning_contact(&self) -> Option<DateTime<Utc>> {
        self.contact
    }

    /// The stage of the certificate in use.
    #[must_use]
    pub fn stage(&self, rules: &Rules, now: DateTime<Utc>) -> Stage {
        let facts = self.in_use.facts().with_revoked(self.cut_off.is_some());
        rules.policy().stage(&facts, now, Some(self.clock.high_water()))
    }

    /// When the certificate in use was retired though the device has no other that was seen: for its key, or because the
    /// device went back to it too late.
    #[must_use]
    pub fn cut_off_at(&self) -> Option<DateTime<Utc>> {
        self.cut_off.map(|cut_off| cut_off.at)
    }

    /// The latest time that was ever known.
    #[must_use]
    pub const fn high_water(&self) -> DateTime<Utc> {
        self.clock.high_water()
    }

    /// What the clock showed last, where it cannot be trusted.
    #[must_use]
    pub const fn clock_suspect(&self) -> Option<DateTime<Utc>> {
        self.clock.suspect()
    }

    /// Whether the device is out of service.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed_at.is_some()
    }

    /// What happened since the latest renewal or emergency began, the oldest first: at most 64 entries.
    #[must_use]
    pub fn timeline(&self) -> &[Entry] {
        self.timeline.entries()
    }

    /// The commands that are not answered yet, the oldest first.
    pub fn open_commands(&self) -> impl Iterator<Item = &CommandKey> {
        self.outbox.keys_where(|_| true)
    }
}
