//! The services that a renewal needs, as traits for you to implement, and a [`Worker`] that carries commands out over them.
//!
//! # What holds for every adapter
//! - It does what it is asked **once for each key**. The same key comes again after a restart, after an error, and when an
//!   answer was lost: it must then answer as it did, or would have done, the first time.
//! - It waits for no longer than a time limit of its own, and answers [`ServiceError::transient`] beyond it.
//! - Retries are the lifecycle's: an adapter asks once. A future of it may be dropped at any await.
//! - It holds no private key, and is handed none.
//!
//! Each of them has a mock in `mock` (feature `mock`).

mod error;
mod request;
mod worker;

use async_trait::async_trait;

pub use error::{ServiceError, ServiceErrorKind};
pub use request::{
    ContactRequest, IssueRequest, Notice, PostMortemRequest, PublishRequest, ReportedRequest, RetireRequest,
    StandDownRequest, TestOutcome, TestRequest, VisitRequest,
};
pub use worker::{NotSaved, StillSuspect, Turn, Worker};

use super::lifecycle::{Issued, Lifecycle};
use super::message::Reported;
use chrono::{DateTime, Utc};

/// Issues certificates, and takes them back.
#[async_trait]
pub trait ProvisioningService: Send + Sync {
    /// Issues a certificate for the key that the request names: one for each idempotency key, and the same one each time.
    /// A request that is not [urgent](super::lifecycle::Issue::urgent) waits for its turn among those of the fleet, the
    /// soonest end first; say so by [`ServiceError::postponed`], and it comes again then, which counts for no failure.
    ///
    /// # Errors
    /// [`ServiceError`] where none was issued, or it is not known whether one was.
    async fn issue(&self, request: &IssueRequest) -> Result<Issued, ServiceError>;

    /// When it last accepted the device's manufacturing certificate; `None`: looked, and it did not lately.
    ///
    /// # Errors
    /// [`ServiceError`] where that is not known.
    async fn last_contact(&self, request: &ContactRequest) -> Result<Option<DateTime<Utc>>, ServiceError>;

    /// Gives the device a fresh operational certificate, by its manufacturing certificate, which it accepts beside the
    /// operational one. One for each idempotency key.
    ///
    /// # Errors
    /// [`ServiceError`] where the device has none.
    async fn re_provision(&self, request: &IssueRequest) -> Result<Issued, ServiceError>;

    /// Revokes a certificate, or has no broker accept it.
    ///
    /// # Errors
    /// [`ServiceError`] where it may be accepted still. One that is retired already is no error.
    async fn retire(&self, request: &RetireRequest) -> Result<(), ServiceError>;
}

const _: Option<&dyn ProvisioningService> = None;

/// The secure config channel to the devices.
#[async_trait]
pub trait ConfigChannel: Send + Sync {
    /// Publishes on the request's topic, **retained**, with a quality of service that is acknowledged.
    ///
    /// # Errors
    /// [`ServiceError`] where the broker did not acknowledge it.
    async fn publish(&self, request: &PublishRequest) -> Result<(), ServiceError>;

    /// What the device published last on its topic of reports; `None`: nothing. Where you know it to be older than the
    /// latest [`publish`](Self::publish) to the device, answer `None`: a failure that is reported after that is another one.
    ///
    /// # Errors
    /// [`ServiceError`] where that is not known, or cannot be read.
    async fn reported(&self, request: &ReportedRequest) -> Result<Option<Reported>, ServiceError>;
}

const _: Option<&dyn ConfigChannel> = None;

/// The endpoint against which a device tests a new certificate.
#[async_trait]
pub trait TestEndpoint: Send + Sync {
    /// How the device's latest test of that certificate went; `None`: it did not try.
    ///
    /// # Errors
    /// [`ServiceError`] where that is not known.
    async fn outcome(&self, request: &TestRequest) -> Result<Option<TestOutcome>, ServiceError>;
}

const _: Option<&dyn TestEndpoint> = None;

/// Notifies the people of operations.
#[async_trait]
pub trait OpsNotifier: Send + Sync {
    /// Notifies someone, once for each key. The key of an issuer that binds is the same for all devices.
    ///
    /// # Errors
    /// [`ServiceError`] where nobody was alerted.
    async fn notify(&self, notice: &Notice) -> Result<(), ServiceError>;

    /// Keeps the record of an emergency, and has a post-mortem held.
    ///
    /// # Errors
    /// [`ServiceError`] where it is not kept.
    async fn open_post_mortem(&self, request: &PostMortemRequest) -> Result<(), ServiceError>;
}

const _: Option<&dyn OpsNotifier> = None;

/// Plans maintenance windows, and sends technicians.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// Schedules a maintenance window, or a technician. How the visit goes is reported later:
    /// [`Event::Installed`](super::lifecycle::Event::Installed) or, of an emergency certificate,
    /// [`Event::EmergencyLoaded`](super::lifecycle::Event::EmergencyLoaded) and
    /// [`Event::VisitFailed`](super::lifecycle::Event::VisitFailed).
    ///
    /// # Errors
    /// [`ServiceError`] where nothing is scheduled.
    async fn schedule(&self, request: &VisitRequest) -> Result<(), ServiceError>;

    /// Calls a visit off. One that was never scheduled is no error.
    ///
    /// # Errors
    /// [`ServiceError`] where it may take place still.
    async fn stand_down(&self, request: &StandDownRequest) -> Result<(), ServiceError>;
}

const _: Option<&dyn Scheduler> = None;

/// Keeps lifecycles, so that they outlive the process.
#[async_trait]
pub trait LifecycleJournal: Send + Sync {
    /// Saves a lifecycle in the place of what was saved for its device. The worker waits for it before each command, and
    /// begins nothing that is not saved.
    ///
    /// # Errors
    /// [`ServiceError`] where it may not be saved. Try again inside for as long as that may help.
    async fn keep(&self, lifecycle: &Lifecycle) -> Result<(), ServiceError>;
}

const _: Option<&dyn LifecycleJournal> = None;
