use super::certificate::certificate_of;
use crate::check::broker::holder::holder;
use crate::check::prelude::*;
use crate::probe::{CertificateAnswer, Revocation, WhichCertificate};

check! {
    /// Does anybody know whether the certificate in use is revoked?
    RevocationKnown = "revocation-known", Session, Now, FLAG;
}

impl Builtin for RevocationKnown {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let answer = certificate_of(probe, &holder, WhichCertificate::InUse).await?;
        Ok(judge(&answer).with([holder.detail()]).by(probe.source()))
    }
}

fn judge(answer: &CertificateAnswer) -> Verdict {
    let Some(certificate) = &answer.certificate else {
        return Verdict::undetermined("the session holder has no certificate in use");
    };
    let (known, text) = match certificate.revocation {
        Revocation::NotRevoked => (true, "not revoked"),
        Revocation::Revoked(_) => (true, "revoked"),
        Revocation::NoRevocation => (true, "this PKI revokes no certificates"),
        Revocation::NotChecked => (false, "not checked"),
    };
    Verdict::known(Value::Flag(known), answer.observed_at).with([Detail::new("revocation", text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Certificate;

    #[test]
    fn only_one_that_was_not_checked_is_not_known() {
        use Revocation::{NoRevocation, NotChecked, NotRevoked, Revoked};
        for (revocation, known) in
            [(NotRevoked, true), (Revoked(None), true), (NoRevocation, true), (NotChecked, false)]
        {
            let certificate = Certificate::new("ab".into(), at(0), at(NOW), revocation);
            let answer = CertificateAnswer::new(at(NOW)).with_certificate(certificate);
            judge(&answer).expect_of(&revocation, known);
        }
        judge(&CertificateAnswer::new(at(NOW))).expect(Outcome::NoValue);
    }
}
