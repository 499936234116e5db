//! The services that the job has, but for the channel and the test endpoint.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    certificate::{
        lifecycle::{CommandKey, Issued, SubjectKey},
        service::{
            ContactRequest, IssueRequest, Notice, OpsNotifier, PostMortemRequest, ProvisioningService,
            RetireRequest, Scheduler, ServiceError, StandDownRequest, VisitRequest,
        },
        validity::Fingerprint,
    },
    time::Period,
};

use super::{credential, fingerprint};
use crate::{
    door::Door,
    error::Result,
    pki::{Authority, Presented, Validity, certificate_of_pem},
    provisioning::Provisioning,
};

/// How far back a contact is looked up.
const CONTACTS_OF: TimeDelta = TimeDelta::days(1);

/// The authority and the provisioning service, as the job asks them.
pub(super) struct Authorities {
    authority: Arc<Authority>,
    provisioning: Arc<Provisioning>,
    door: Arc<Door>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Certificates by their fingerprints, in DER.
    known: HashMap<Fingerprint, Vec<u8>>,
    /// A certificate for each public key.
    of_key: HashMap<Fingerprint, Vec<u8>>,
    /// What was issued for each request: asked again, it gets the same.
    issued: HashMap<CommandKey, Issued>,
}

impl Authorities {
    pub(super) fn new(authority: Arc<Authority>, provisioning: Arc<Provisioning>, door: Arc<Door>) -> Self {
        Self { authority, provisioning, door, books: Mutex::default() }
    }

    /// Enters a certificate that a device has.
    pub(super) fn know(&self, certificate: &[u8]) -> Result<()> {
        let public_key = credential(certificate)?.public_key;
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.known.insert(fingerprint(certificate), certificate.to_vec());
        books.of_key.insert(public_key, certificate.to_vec());
        Ok(())
    }

    /// Issues another certificate for a key that is known.
    fn renew(&self, device: &str, request: &IssueRequest) -> Result<Issued, ServiceError> {
        let refused = |why: &'static str| ServiceError::refused(why);
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issued) = books.issued.get(&request.key) {
            return Ok(issued.clone());
        }
        let SubjectKey::Held(public_key) = &request.issue.key else {
            return Err(refused("it issues for keys that devices hold, and for no other"));
        };
        let before = books.of_key.get(public_key).ok_or_else(|| refused("nobody has that key"))?;
        let pem = self.authority.renew(before, Validity::current());
        let pem = pem.map_err(|error| refused("the authority refuses").with_cause(error))?;
        let der = certificate_of_pem(&pem);
        let der = der.map_err(|error| refused("what was issued can't be read").with_cause(error))?;
        let issued = Issued::from_pem(pem);
        let issued = issued.map_err(|error| refused("what was issued can't be read").with_cause(error))?;
        self.provisioning.note_newest(device, &der);
        books.known.insert(fingerprint(&der), der);
        books.issued.insert(request.key.clone(), issued.clone());
        Ok(issued)
    }
}

#[async_trait]
impl ProvisioningService for Authorities {
    async fn issue(&self, request: &IssueRequest) -> Result<Issued, ServiceError> {
        self.renew(request.device.as_str(), request)
    }

    async fn last_contact(&self, request: &ContactRequest) -> Result<Option<DateTime<Utc>>, ServiceError> {
        let lately = Period::ending(Utc::now(), CONTACTS_OF);
        Ok(self.provisioning.last_contact(request.device.as_str(), lately))
    }

    async fn re_provision(&self, _: &IssueRequest) -> Result<Issued, ServiceError> {
        Err(ServiceError::refused("the runbook for certificates does that here, with an approval"))
    }

    async fn retire(&self, request: &RetireRequest) -> Result<(), ServiceError> {
        let known = {
            let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
            books.known.get(&request.retire.fingerprint).cloned()
        };
        let der = known.ok_or_else(|| ServiceError::refused("nobody has that certificate"))?;
        let failed = |error| ServiceError::transient("it can't be revoked").with_cause(error);
        self.authority.revoke(&Presented::parse(&der).map_err(failed)?.serial);
        self.door.reload_revocations().map_err(failed)
    }
}

/// The desk of the operations team, where alerts, visits and records are put down.
#[derive(Default)]
pub(super) struct Desk {
    notes: Mutex<HashMap<CommandKey, String>>,
}

impl Desk {
    fn put_down(&self, key: &CommandKey, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), note);
    }
}

#[async_trait]
impl OpsNotifier for Desk {
    async fn notify(&self, notice: &Notice) -> Result<(), ServiceError> {
        self.put_down(&notice.key, format!("{}: {:?}", notice.device, notice.alert.what));
        Ok(())
    }

    async fn open_post_mortem(&self, request: &PostMortemRequest) -> Result<(), ServiceError> {
        self.put_down(&request.key, format!("{}: post-mortem", request.device));
        Ok(())
    }
}

#[async_trait]
impl Scheduler for Desk {
    async fn schedule(&self, request: &VisitRequest) -> Result<(), ServiceError> {
        self.put_down(&request.key, format!("{}: visit", request.device));
        Ok(())
    }

    async fn stand_down(&self, request: &StandDownRequest) -> Result<(), ServiceError> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.visit);
        Ok(())
    }
}
