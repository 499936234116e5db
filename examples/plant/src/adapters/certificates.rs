use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::{
    adapter::{LifecycleStore, renewal_facts},
    fact::Source,
    probe::{
        Authentication, CertStoreProbe, Certificate, CertificateAnswer, CertificateRequest, Client,
        ProbeError, ProvisioningContact, ProvisioningContactRequest, RenewalAnswer, RenewalRequest,
        Revocation, WhichCertificate,
    },
    time::Clock,
};

use super::{covered, registered, unanswered};
use crate::{
    door,
    factory::Factory,
    gateway::field::{Held, Reach},
    pki::Presented,
    renewal::fingerprint,
};

/// How often a device is tried before it counts as out of reach.
const TRIES: usize = 2;

/// Certificates, as devices present them: to their gateway, and at the door; how far the renewal job is; and the log of
/// the provisioning service. A certificate is named by the SHA-256 of its DER, as the job names it.
#[derive(Debug)]
pub struct Certificates {
    factory: Arc<Factory>,
    source: Source,
}

impl Certificates {
    /// Those of this factory's devices.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("certificate, as presented") }
    }

    /// Has the gateway connect to the device and read what it presents.
    async fn in_use(&self, device: &str) -> Result<Option<Presented>, ProbeError> {
        let gateway = registered(&self.factory, device)?.gateway;
        let gateway = self.factory.gateway(&gateway).map_err(|error| unanswered("the plant", error))?;
        let held = gateway.certificate(device).await;
        match held.map_err(|error| unanswered("the gateway that is to look", error))? {
            Held::Nothing => Ok(None),
            Held::Presented { der } => {
                let presented = Presented::parse(&der);
                presented.map(Some).map_err(|error| unanswered("the certificate", error))
            }
            Held::Unreachable { why } => Err(ProbeError::timeout(format!("the device: {why}"))),
        }
    }

    async fn is_reachable(&self, device: &str) -> bool {
        let Ok(gateway) = registered(&self.factory, device).map(|registered| registered.gateway) else {
            return false;
        };
        let Ok(gateway) = self.factory.gateway(&gateway) else { return false };
        for _ in 0..TRIES {
            match gateway.reach(device).await {
                Ok(Reach::Reachable) => return true,
                Ok(Reach::Unreachable { .. }) => {}
                // Nobody is there to look.
                Err(_) => return false,
            }
        }
        false
    }

    fn judged(&self, presented: &Presented) -> Result<Certificate, ProbeError> {
        let authority = self.factory.authority();
        let issuer =
            Presented::parse(authority.certificate()).map_err(|error| unanswered("the authority", error))?;
        let ours = presented.issuer == issuer.common_name;
        // The list names what our own authority revoked; a serial of another's is not on it whatever it says.
        let revoked = ours && authority.has_revoked(&presented.serial);
        let mut certificate = Certificate::new(
            fingerprint(&presented.der).to_string().into(),
            presented.validity.not_before,
            presented.validity.not_after,
            if revoked { Revocation::Revoked(None) } else { Revocation::NotRevoked },
        )
        .with_subject(presented.common_name.as_str())
        .with_serial(presented.serial.as_str());
        if ours {
            certificate = certificate.with_issuer_not_after(issuer.validity.not_after);
        }
        Ok(match self.last_used(presented) {
            Some(at) => certificate.with_last_used(at),
            None => certificate,
        })
    }

    fn last_used(&self, presented: &Presented) -> Option<DateTime<Utc>> {
        let seen = self.factory.door().events(&presented.common_name, DateTime::<Utc>::MIN_UTC);
        let accepted = seen.iter().rev().filter(|event| matches!(event.kind, door::EventKind::Accepted(_)));
        let mut same =
            accepted.filter(|event| event.presented.as_ref().is_some_and(|seen| seen.der == presented.der));
        same.next().map(|event| event.at)
    }
}

#[async_trait]
impl CertStoreProbe for Certificates {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn certificate(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        let last_presented =
            |name: &str| self.factory.door().last_presented(name).map(|(_, presented)| presented);
        let (holder, presented) = match (&request.holder, request.which) {
            (Client::Device(device), WhichCertificate::InUse) => {
                let device = device.as_str();
                let held = if self.is_reachable(device).await {
                    // It may hold another one than the door saw: that must be read.
                    self.in_use(device).await?
                } else {
                    // A device that can't be looked at has what the door last saw of it.
                    match last_presented(device) {
                        Some(presented) => Some(presented),
                        None => self.in_use(device).await?,
                    }
                };
                (device, held)
            }
            (Client::Device(device), WhichCertificate::Presented) => {
                (device.as_str(), last_presented(device.as_str()))
            }
            (Client::Device(_) | Client::Gateway(_), WhichCertificate::NewlyIssued) => {
                let holder = name_of(&request.holder)?;
                let newest =
                    self.factory.provisioning().newest(holder).map(|(_, der)| Presented::parse(&der));
                (holder, newest.transpose().map_err(|error| unanswered("the certificate", error))?)
            }
            (Client::Gateway(gateway), WhichCertificate::InUse | WhichCertificate::Presented) => {
                (gateway.as_str(), last_presented(gateway.as_str()))
            }
            _ => return Err(ProbeError::unsupported()),
        };
        let seen = self.factory.door().events(holder, DateTime::<Utc>::MIN_UTC);
        let has_connected = seen.iter().any(|event| matches!(event.kind, door::EventKind::Accepted(_)));
        let renewals = self.factory.renewals();
        let mut answer = CertificateAnswer::new(renewals.clock().now())
            .with_authentication(Authentication::Certificate)
            .with_has_connected(has_connected);
        answer.high_water = renewals.lifecycles().get(holder).map(|lifecycle| lifecycle.high_water());
        Ok(match presented {
            Some(presented) => answer.with_certificate(self.judged(&presented)?),
            None => answer,
        })
    }

    async fn renewal(&self, request: &RenewalRequest) -> Result<RenewalAnswer, ProbeError> {
        let renewals = self.factory.renewals();
        let lifecycle = renewals.lifecycles().read(&request.holder).await?;
        // A gateway's certificate is renewed by hand.
        let lifecycle = lifecycle.ok_or_else(ProbeError::unsupported)?;
        Ok(renewal_facts(&lifecycle, renewals.clock().now()))
    }

    async fn provisioning_contact(
        &self,
        request: &ProvisioningContactRequest,
    ) -> Result<ProvisioningContact, ProbeError> {
        let holder = name_of(&request.holder)?;
        let service = self.factory.provisioning();
        let now = Utc::now();
        let covers = covered(request.period, service.log_complete_from(), now);
        let answer = ProvisioningContact::new(now, covers);
        Ok(match service.last_contact(holder, request.period) {
            Some(at) => answer.with_last(at),
            None => answer,
        })
    }
}

fn name_of(holder: &Client) -> Result<&str, ProbeError> {
    match holder {
        Client::Device(device) => Ok(device.as_str()),
        Client::Gateway(gateway) => Ok(gateway.as_str()),
        _ => Err(ProbeError::unsupported()),
    }
}
