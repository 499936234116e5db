use super::certificate::certificate_of;
use crate::check::broker::holder::holder;
use crate::check::prelude::*;
use crate::probe::{CertificateAnswer, WhichCertificate};

check! {
    /// Has the session holder reconnected with the newly issued certificate since the act?
    ReconnectedWith = "reconnected-with", Session, Now, FLAG;
}

impl Builtin for ReconnectedWith {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let issued = certificate_of(probe, &holder, WhichCertificate::NewlyIssued).await?;
        let in_use = certificate_of(probe, &holder, WhichCertificate::InUse).await?;
        Ok(judge(&issued, &in_use, request).with([holder.detail()]).by(probe.source()))
    }
}

/// Yes: the certificate of its last accepted connection is the one that was issued, and that connection came since. Where
/// that is of the future it is unknown.
fn judge(issued: &CertificateAnswer, in_use: &CertificateAnswer, request: &CheckRequest<'_>) -> Verdict {
    let observed_at = issued.observed_at.min(in_use.observed_at);
    let no = |why: &'static str| {
        Verdict::known(Value::Flag(false), observed_at).with([Detail::new("certificate", why)])
    };
    let Some(issued) = &issued.certificate else { return no("none was issued") };
    let Some(in_use) = &in_use.certificate else { return no("none is in use") };
    let details = [Detail::new("issued", &*issued.fingerprint), Detail::new("in use", &*in_use.fingerprint)];
    let since = request.since();
    let used = in_use.last_used.filter(|at| *at >= since);
    let reconnected = used.is_some() && issued.fingerprint == in_use.fingerprint;
    let details = details.into_iter().chain(in_use.last_used.map(|at| when("last connection", at)));
    if reconnected && used.is_some_and(|at| !request.has_happened(at)) {
        return Verdict::future("its last connection is dated in the future").with(details);
    }
    Verdict::known(Value::Flag(reconnected), observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{Certificate, Revocation};

    #[test]
    fn new_fingerprint_must_follow_the_act() {
        let answer = |print: &'static str, used| {
            let mut certificate = Certificate::new(print.into(), at(0), at(NOW + 9), Revocation::NotRevoked);
            certificate.last_used = used;
            CertificateAnswer::new(at(NOW)).with_certificate(certificate)
        };
        // The act was at NOW - 600.
        let none = CertificateAnswer::new(at(NOW));
        for (issued, in_use, reconnected) in [
            (answer("new", None), answer("new", Some(at(NOW - 600))), true),
            (answer("new", None), answer("new", Some(at(NOW - 600) - NANO)), false),
            (answer("new", None), answer("new", None), false),
            (answer("new", None), answer("old", Some(at(NOW - 5))), false),
            (answer("new", None), answer("new", Some(at(NOW + 30))), true),
            (answer("new", None), answer("old", Some(at(NOW + 31))), false),
            (none.clone(), answer("old", Some(at(NOW - 5))), false),
            (answer("new", None), none, false),
        ] {
            judge(&issued, &in_use, &Asked::new().request()).expect_of(&(issued, in_use), reconnected);
        }
        let ahead = judge(&answer("new", None), &answer("new", Some(at(NOW + 31))), &Asked::new().request());
        ahead.expect(Future);
    }
}
