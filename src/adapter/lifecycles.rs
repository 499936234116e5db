//! The certificate probe over a store of lifecycles.

mod facts;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::certificate::lifecycle::Lifecycle;
use crate::certificate::service::{LifecycleJournal, ServiceError};
use crate::certificate::validity::Fingerprint;
use crate::fact::Source;
use crate::probe::{
    Authentication, CertStoreProbe, CertificateAnswer, CertificateRequest, Client, ProbeError,
    ProvisioningContact, ProvisioningContactRequest, RenewalAnswer, RenewalRequest, Revocation,
};
use crate::subject::DeviceId;
use crate::time::{Clock, Period, SystemClock};

pub use facts::{certificate_facts, provisioning_facts, renewal_facts};

/// Reads the lifecycles of a fleet, wherever they are kept.
#[async_trait]
pub trait LifecycleStore: Send + Sync {
    /// The lifecycle of a session holder's certificate, as it was saved last. `None`: it has none.
    ///
    /// # Errors
    /// [`ProbeError`] where it cannot be read.
    async fn read(&self, holder: &Client) -> Result<Option<Lifecycle>, ProbeError>;
}

const _: Option<&dyn LifecycleStore> = None;

/// Looks certificates up in a revocation list, or asks an OCSP responder.
#[async_trait]
pub trait RevocationList: Send + Sync {
    /// Whether a certificate is revoked. [`Revocation::NotChecked`] where the list in use is too old.
    ///
    /// # Errors
    /// [`ProbeError`] where it cannot be looked up.
    async fn revocation(&self, fingerprint: Fingerprint) -> Result<Revocation, ProbeError>;
}

const _: Option<&dyn RevocationList> = None;

/// Lifecycles in memory, as a [`LifecycleStore`] and a [`LifecycleJournal`]. Clones share them.
///
/// They are found by [`Lifecycle::device`]: the id of the device, or of the gateway whose certificate it is.
#[derive(Clone, Debug, Default)]
pub struct Lifecycles(Arc<Mutex<BTreeMap<DeviceId, Lifecycle>>>);

impl Lifecycles {
    /// Keeps a lifecycle, in place of the one that the device had.
    pub fn insert(&self, lifecycle: Lifecycle) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(lifecycle.device().clone(), lifecycle);
    }

    /// The lifecycle of that device or gateway.
    #[must_use]
    pub fn get(&self, device: &str) -> Option<Lifecycle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(device).cloned()
    }
}

impl FromIterator<Lifecycle> for Lifecycles {
    fn from_iter<I: IntoIterator<Item = Lifecycle>>(lifecycles: I) -> Self {
        let kept = Self::default();
        lifecycles.into_iter().for_each(|lifecycle| kept.insert(lifecycle));
        kept
    }
}

#[async_trait]
impl LifecycleJournal for Lifecycles {
    async fn keep(&self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        self.insert(lifecycle.clone());
        Ok(())
    }
}

#[async_trait]
impl LifecycleStore for Lifecycles {
    async fn read(&self, holder: &Client) -> Result<Option<Lifecycle>, ProbeError> {
        Ok(match holder {
            Client::Device(device) => self.get(device.as_str()),
            Client::Gateway(gateway) => self.get(gateway.as_str()),
        })
    }
}

/// Answers [`CertStoreProbe`] from lifecycles, so that a service whose certificates have a [`Lifecycle`] writes no adapter.
///
/// # What holds
/// - Facts only: the dates, the revocation, how far a renewal is, which replaced certificate is still accepted. Checks judge.
/// - A session holder without a lifecycle has an answer without a certificate, and nobody knows whether it should have one.
///   Its renewal and its contact are [unsupported](crate::probe::ProbeErrorKind::Unsupported).
/// - Without a [`RevocationList`], revocation is [not checked](Revocation::NotChecked), and its checks are unknown. A
///   certificate that the lifecycle retired is revoked, whatever the list says.
/// - A contact that a lifecycle heard of is a fact. That there was none is known only from the time on from which every
///   contact is [handed to it](LifecycleProbe::with_contacts_since).
///
/// Lifecycles kept another way are read by a [`LifecycleStore`] of your own; [`renewal_facts`], [`certificate_facts`] and
/// [`provisioning_facts`] are the answers for one lifecycle.
///
/// # Example
/// ```
/// use std::sync::Arc;
///
/// use iot_runbook::adapter::{LifecycleProbe, Lifecycles};
/// use iot_runbook::certificate::lifecycle::{Issued, Lifecycle};
/// use iot_runbook::probe::Probes;
/// use iot_runbook::time::{Clock, SystemClock};
///
/// # let pem = include_str!("../../tests/it/certificate/pem/old.pem");
/// let store = Lifecycles::default();
/// let issued = Issued::from_pem(pem)?;
/// store.insert(Lifecycle::new("pump-7", *issued.credential(), SystemClock.now())?);
///
/// let probe = LifecycleProbe::new(Arc::new(store.clone())).with_no_revocation();
/// let probes = Probes::new().with_cert_store(Arc::new(probe));
/// // Hand `probes` to the driver, and `store` to each turn of the certificate worker as its journal.
/// # let _ = probes;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LifecycleProbe {
    store: Arc<dyn LifecycleStore>,
    source: Source,
    revocation: RevocationBy,
    contacts_since: Option<DateTime<Utc>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum RevocationBy {
    NotChecked,
    NoRevocation,
    List(Arc<dyn RevocationList>),
}

impl LifecycleProbe {
    /// A probe over these lifecycles that checks no revocation, by the system's clock.
    #[must_use]
    pub fn new(store: Arc<dyn LifecycleStore>) -> Self {
        Self {
            store,
            source: Source::from_static("certificate lifecycles"),
            revocation: RevocationBy::NotChecked,
            contacts_since: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The same with a revocation list.
    #[must_use]
    pub fn with_revocation_list(mut self, list: Arc<dyn RevocationList>) -> Self {
        self.revocation = RevocationBy::List(list);
        self
    }

    /// The same for a PKI that revokes no certificates.
    #[must_use]
    pub fn with_no_revocation(mut self) -> Self {
        self.revocation = RevocationBy::NoRevocation;
        self
    }

    setters! {
        /// The same for a service that has handed every contact with its provisioning service to the lifecycles
        /// ([`Event::ProvisioningContact`](crate::certificate::lifecycle::Event::ProvisioningContact)) from that time
        /// on: only then does silence mean that there was no contact.
        const with_contacts_since(since: DateTime<Utc>) => contacts_since = Some(since);
        /// The same with another name for what it answers.
        with_source(source: Source) => source = source;
        /// The same by another clock.
        with_clock(clock: Arc<dyn Clock>) => clock = clock;
    }

    /// The lifecycle that a renewal or a contact is asked of.
    async fn lifecycle(&self, holder: &Client) -> Result<Lifecycle, ProbeError> {
        self.store.read(holder).await?.ok_or_else(ProbeError::unsupported)
    }

    async fn revocation(&self, fingerprint: Fingerprint) -> Result<Revocation, ProbeError> {
        match &self.revocation {
            RevocationBy::NotChecked => Ok(Revocation::NotChecked),
            RevocationBy::NoRevocation => Ok(Revocation::NoRevocation),
            RevocationBy::List(list) => list.revocation(fingerprint).await,
        }
    }
}

#[async_trait]
impl CertStoreProbe for LifecycleProbe {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn certificate(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        let Some(lifecycle) = self.store.read(&request.holder).await? else {
            return Ok(CertificateAnswer::new(self.clock.now()));
        };
        let asked = facts::credential(&lifecycle, request.which).fingerprint;
        let revocation = self.revocation(asked).await?;
        let answer = certificate_facts(&lifecycle, request.which, revocation, self.clock.now());
        Ok(answer.with_authentication(Authentication::Certificate))
    }

    async fn renewal(&self, request: &RenewalRequest) -> Result<RenewalAnswer, ProbeError> {
        let lifecycle = self.lifecycle(&request.holder).await?;
        Ok(renewal_facts(&lifecycle, self.clock.now()))
    }

    async fn provisioning_contact(
        &self,
        request: &ProvisioningContactRequest,
    ) -> Result<ProvisioningContact, ProbeError> {
        let lifecycle = self.lifecycle(&request.holder).await?;
        let now = self.clock.now();
        let mut answer = provisioning_facts(&lifecycle, now, request.period);
        let (start, end) = (answer.covers.start(), answer.covers.end());
        // Silence before that time, or at any time where not every contact is handed on, proves nothing.
        let since = self.contacts_since.map_or(end, |since| since.clamp(start, end));
        answer.covers = Period::new(since, end).unwrap_or(answer.covers);
        Ok(answer)
    }
}

impl fmt::Debug for LifecycleProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleProbe").field("source", &self.source).finish_non_exhaustive()
    }
}
