use super::certificate::certificate_of;
use crate::check::CheckRequest;
use crate::check::broker::holder::holder;
use crate::check::judge::{Verdict, adapter};
use crate::check::param::Given;
use crate::check::spec::Builtin;
use crate::fact::{ChoicesError, Details, Domain, Kind, Observation, Value};
use crate::probe::{CertificateAnswer, ProbeError, Probes, Revocation, WhichCertificate};
use crate::runbook::step::About;
use crate::subject::Scope;

/// Does anybody know whether the certificate in use is revoked?
pub(in crate::check) struct RevocationKnown;

impl Builtin for RevocationKnown {
    const ID: &'static str = "revocation-known";
    const SCOPE: Scope = Scope::Session;
    const ABOUT: About = About::Now;

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Flag))
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = match holder(request, probes).await? {
            Ok(holder) => holder,
            Err(unknown) => return Ok(unknown),
        };
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
    Verdict::known(Value::Flag(known), answer.observed_at, Details::one("revocation", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::probe::Certificate;

    #[test]
    fn only_one_that_was_not_checked_is_not_known() {
        use Revocation::{NoRevocation, NotChecked, NotRevoked, Revoked};
        for (revocation, known) in
            [(NotRevoked, true), (Revoked(None), true), (NoRevocation, true), (NotChecked, false)]
        {
            let certificate = Certificate::new("ab".into(), at(0), at(NOW), revocation);
            let answer = CertificateAnswer::new(at(NOW)).with_certificate(certificate);
            assert_eq!(judge(&answer).value(), Some(Value::Flag(known)), "{revocation:?}");
        }
        assert_eq!(judge(&CertificateAnswer::new(at(NOW))).value(), None);
    }
}
