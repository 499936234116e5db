use chrono::{DateTime, Utc};

use crate::certificate::lifecycle::{Credential, Lifecycle};
use crate::probe::{
    Certificate, CertificateAnswer, ProvisioningContact, Renewal, RenewalAnswer, Revocation, WhichCertificate,
};
use crate::time::Period;

/// The answer of a [`CertStoreProbe`](crate::probe::CertStoreProbe) on how a renewal stands, from the device's lifecycle.
///
/// A renewal that still tries counts as running; one that failed so often in a row that someone was told, or whose
/// certificate was refused, counts as failed until its next attempt begins.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use iot_runbook::certificate::lifecycle::Lifecycle;
/// use iot_runbook::check::renewal_facts;
/// use iot_runbook::probe::RenewalAnswer;
///
/// fn answer(of: &Lifecycle, now: DateTime<Utc>) -> RenewalAnswer {
///     renewal_facts(of, now)
/// }
/// ```
#[must_use]
pub fn renewal_facts(lifecycle: &Lifecycle, observed_at: DateTime<Utc>) -> RenewalAnswer {
    let mut answer = RenewalAnswer::new(observed_at, lifecycle.auto_renewal());
    answer.latest = lifecycle.progress().map(|progress| {
        let mut renewal = Renewal::new(progress.generation, progress.attempt_at);
        renewal.fingerprint = progress.fingerprint.map(|print| print.to_string().into());
        renewal.reported_at = progress.reported_at;
        renewal.confirmed_at = progress.confirmed_at;
        renewal.failed_at = progress.failed_at;
        renewal.failure = progress.failure.map(Into::into);
        renewal
    });
    answer
}

/// The answer of a [`CertStoreProbe`](crate::probe::CertStoreProbe) on one of a device's certificates, from its lifecycle.
/// `revocation` is what the revocation list in use says of it; one that the lifecycle retired is revoked, whatever that
/// says. Which certificate a device presented the lifecycle does not know: it is taken to be the one in use.
#[must_use]
pub fn certificate_facts(
    lifecycle: &Lifecycle,
    which: WhichCertificate,
    revocation: Revocation,
    observed_at: DateTime<Utc>,
) -> CertificateAnswer {
    let credential = match which {
        WhichCertificate::NewlyIssued => lifecycle.newest(),
        WhichCertificate::InUse | WhichCertificate::Presented => lifecycle.in_use(),
    };
    let is_in_use = credential.fingerprint == lifecycle.in_use().fingerprint;
    let cut_off = lifecycle.cut_off_at().filter(|_| is_in_use);
    let revocation = cut_off.map_or(revocation, |at| Revocation::Revoked(Some(at)));
    let mut certificate = certificate(credential, revocation);
    certificate.last_used = lifecycle.seen_at().filter(|_| is_in_use);
    CertificateAnswer::new(observed_at).with_certificate(certificate).with_high_water(lifecycle.high_water())
}

fn certificate(credential: &Credential, revocation: Revocation) -> Certificate {
    let fingerprint = credential.fingerprint.to_string().into();
    let mut certificate =
        Certificate::new(fingerprint, credential.not_before, credential.not_after.written(), revocation);
    certificate.issuer_not_after = credential.issuer.map(|issuer| issuer.not_after.written());
    certificate
}

/// The answer of a [`CertStoreProbe`](crate::probe::CertStoreProbe) on the device's contact by its manufacturing
/// certificate, from its lifecycle. `covers` is the period in which every contact was told to it.
#[must_use]
pub fn provisioning_facts(
    lifecycle: &Lifecycle,
    observed_at: DateTime<Utc>,
    covers: Period,
) -> ProvisioningContact {
    let mut answer = ProvisioningContact::new(observed_at, covers);
    answer.last = lifecycle.provisioning_contact().filter(|at| covers.contains(*at));
    answer
}
