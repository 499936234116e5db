//! The answers for one lifecycle.

use chrono::{DateTime, TimeDelta, Utc};

use crate::certificate::lifecycle::{Credential, Lifecycle, Origin, Reachability};
use crate::probe::{
    Certificate, CertificateAnswer, ProvisioningContact, Renewal, RenewalAnswer, Revocation, WhichCertificate,
};
use crate::time::Period;

/// The answer of a [`CertStoreProbe`](crate::probe::CertStoreProbe) on how far a renewal is, from the device's lifecycle.
///
/// Each failed attempt is one, with when the next begins. A renewal that waits for its issuer to be replaced counts as
/// failed: no attempt is planned. Whether the device is connected is what the lifecycle last heard of its
/// [reachability](crate::certificate::lifecycle::Reachability).
#[must_use]
pub fn renewal_facts(lifecycle: &Lifecycle, observed_at: DateTime<Utc>) -> RenewalAnswer {
    let mut answer = RenewalAnswer::new(observed_at, lifecycle.auto_renewal());
    answer.connected = match lifecycle.reachability() {
        Reachability::Online => Some(true),
        Reachability::Offline { .. } => Some(false),
        Reachability::Unknown => None,
    };
    answer.unretired_since = lifecycle.unretired(observed_at).map(|(_, since)| since).min();
    answer.latest = lifecycle.progress().map(|progress| {
        let mut renewal = Renewal::new(progress.generation, progress.attempt_at);
        renewal.fingerprint = progress.fingerprint.map(|print| print.to_string().into());
        renewal.reported_at = progress.reported_at;
        renewal.confirmed_at = progress.first_confirmed_at;
        renewal.progress_at = Some(progress.progress_at);
        renewal.failed_at = progress.failed_at;
        renewal.failure = progress.failure.map(Into::into);
        renewal.next_try_at = progress.next_attempt_at;
        renewal
    });
    answer
}

/// The answer of a [`CertStoreProbe`](crate::probe::CertStoreProbe) on one of a device's certificates, from its lifecycle.
/// `revocation` is what the revocation list in use says of it; one that the lifecycle retired is revoked, whatever that
/// says. Which certificate a device presented the lifecycle does not know: it is taken to be the one in use.
///
/// A device that is back with its emergency certificate is given another at once. Until it is seen with that, its
/// emergency certificate counts as the one that was issued last: it is the one that brought the device back.
#[must_use]
pub fn certificate_facts(
    lifecycle: &Lifecycle,
    which: WhichCertificate,
    revocation: Revocation,
    observed_at: DateTime<Utc>,
) -> CertificateAnswer {
    let credential = credential(lifecycle, which);
    let is_in_use = credential.fingerprint == lifecycle.in_use().fingerprint;
    let cut_off = lifecycle.cut_off_at().filter(|_| is_in_use);
    let revocation = cut_off.map_or(revocation, |at| Revocation::Revoked(Some(at)));
    let mut certificate = certificate(credential, revocation);
    certificate.last_used = lifecycle.seen_at().filter(|_| is_in_use);
    CertificateAnswer::new(observed_at).with_certificate(certificate).with_high_water(lifecycle.high_water())
}

/// The certificate that is asked for.
pub(super) fn credential(lifecycle: &Lifecycle, which: WhichCertificate) -> &Credential {
    match which {
        WhichCertificate::NewlyIssued if !is_being_replaced_at_once(lifecycle) => lifecycle.newest(),
        WhichCertificate::NewlyIssued | WhichCertificate::InUse | WhichCertificate::Presented => {
            lifecycle.in_use()
        }
    }
}

/// Whether it is back with an emergency certificate, and what was issued after that is the one to replace it.
fn is_being_replaced_at_once(lifecycle: &Lifecycle) -> bool {
    lifecycle.origin() == Origin::Emergency
        && !lifecycle.in_recovery()
        && lifecycle.expected() == Some(lifecycle.newest().fingerprint)
}

fn certificate(credential: &Credential, revocation: Revocation) -> Certificate {
    let fingerprint = credential.fingerprint.to_string().into();
    let mut certificate =
        Certificate::new(fingerprint, credential.not_before, credential.not_after.written(), revocation);
    certificate.issuer_not_after = credential.issuer.map(|issuer| issuer.not_after.written());
    certificate
}

/// The answer of a [`CertStoreProbe`](crate::probe::CertStoreProbe) on the device's contact by its manufacturing
/// certificate, from its lifecycle. `covers` is the period in which it heard of every contact.
///
/// A lifecycle knows the latest contact alone. Where `covers` reaches to `observed_at`, that is reported though it is of the
/// same moment or a little later, for two clocks may differ. Where `covers` ended before, a later contact says nothing of
/// it, and the answer covers nothing: silence would prove nothing.
#[must_use]
pub fn provisioning_facts(
    lifecycle: &Lifecycle,
    observed_at: DateTime<Utc>,
    covers: Period,
) -> ProvisioningContact {
    let latest = lifecycle.provisioning_contact();
    let reaches_now = covers.end() >= observed_at;
    let covers = match latest {
        Some(at) if at >= covers.end() && !reaches_now => Period::ending(covers.start(), TimeDelta::zero()),
        _ => covers,
    };
    let mut answer = ProvisioningContact::new(observed_at, covers);
    answer.last = latest.filter(|at| covers.contains(*at) || (reaches_now && *at >= covers.end()));
    answer
}
