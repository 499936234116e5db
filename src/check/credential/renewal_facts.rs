use chrono::{DateTime, TimeDelta, Utc};

use crate::certificate::lifecycle::{Credential, Lifecycle, Origin};
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
/// use chrono::{DateTime, TimeDelta, Utc};
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
    let credential = match which {
        WhichCertificate::NewlyIssued if !is_being_replaced_at_once(lifecycle) => lifecycle.newest(),
        WhichCertificate::NewlyIssued | WhichCertificate::InUse | WhichCertificate::Presented => {
            lifecycle.in_use()
        }
    };
    let is_in_use = credential.fingerprint == lifecycle.in_use().fingerprint;
    let cut_off = lifecycle.cut_off_at().filter(|_| is_in_use);
    let revocation = cut_off.map_or(revocation, |at| Revocation::Revoked(Some(at)));
    let mut certificate = certificate(credential, revocation);
    certificate.last_used = lifecycle.seen_at().filter(|_| is_in_use);
    CertificateAnswer::new(observed_at).with_certificate(certificate).with_high_water(lifecycle.high_water())
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
/// certificate, from its lifecycle. `covers` is the period in which every contact was told to it.
///
/// A lifecycle knows the latest contact alone. Where `covers` reaches to `observed_at`, that is told though it is of the
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
