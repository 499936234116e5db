use crate::certificate;
use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, choices, moment, no_adapter, when};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::WhichCertificate;
use crate::probe::{
    Certificate as Facts, CertificateAnswer, CertificateRequest, ProbeError, Probes, Revocation,
};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    State {
        None = "none",
        Revoked = "revoked",
        NotYetValid = "not-yet-valid",
        Expired = "expired",
        Valid = "valid",
    }
}

/// How is the certificate that the device uses, or presented?
pub(in crate::check) struct Certificate {
    which: WhichCertificate,
}

impl Builtin for Certificate {
    const ID: &'static str = "certificate";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] =
        &[ParamSpec::required("which", ParamKind::OneOf(&["in-use", "presented"]))];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        let which = match params.word("which")? {
            "in-use" => WhichCertificate::InUse,
            "presented" => WhichCertificate::Presented,
            _ => return None,
        };
        Some(Self { which })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.cert_store() else { return Ok(no_adapter("certificate probe")) };
        let asked = CertificateRequest::new(request.subject().device.clone(), self.which);
        Ok(judge(&probe.certificate(&asked).await.map_err(|error| error.by(probe.source()))?, request)
            .by(probe.source()))
    }
}

/// In this order: none, revoked, not yet valid, expired, valid. Where nobody knows whether it is revoked, nothing
/// that comes after that is known either.
fn judge(answer: &CertificateAnswer, request: &CheckRequest<'_>) -> Verdict {
    let Some(facts) = &answer.certificate else {
        return Verdict::known(State::None.value(), answer.observed_at, Details::none());
    };
    let known = |state: State, detail: Detail| {
        Verdict::known(state.value(), answer.observed_at, Details::from_iter([detail, named_by(facts)]))
    };
    let now = request.now();
    let by_dates = || {
        if now < facts.not_before {
            return (State::NotYetValid, when("not before", facts.not_before));
        }
        let Some(end) = certificate::effective_end(facts.not_after, facts.issuer_not_after) else {
            return (State::Valid, Detail::new("not after", "never"));
        };
        let state = if now > end { State::Expired } else { State::Valid };
        let issuer = if end < facts.not_after { " (of its issuer)" } else { "" };
        (state, Detail::new("not after", moment(end) + issuer))
    };
    match facts.revocation {
        Revocation::Revoked(at) => known(
            State::Revoked,
            Detail::new("revoked", at.map_or_else(|| "time not told".to_owned(), moment)),
        ),
        Revocation::NotChecked => {
            let (_, detail) = by_dates();
            Verdict::undetermined("whether it is revoked was not checked").with([detail, named_by(facts)])
        }
        Revocation::NotRevoked | Revocation::NoRevocation => {
            let (state, detail) = by_dates();
            known(state, detail)
        }
    }
}

/// What the certificate is known by.
pub(in crate::check) fn named_by(facts: &Facts) -> Detail {
    match (&facts.serial, &facts.subject) {
        (Some(serial), _) => Detail::new("serial", &**serial),
        (None, Some(subject)) => Detail::new("subject", &**subject),
        (None, None) => Detail::new("fingerprint", &*facts.fingerprint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at};
    use crate::fact::UnknownReason;

    fn facts(from: i64, to: i64, revocation: Revocation) -> Facts {
        Facts::new("ab:cd".into(), at(from), at(to), revocation)
    }

    fn judged(facts: Facts) -> Verdict {
        judge(&CertificateAnswer::new(at(NOW)).with_certificate(facts), &Asked::new().request())
    }

    #[test]
    fn no_certificate_is_none() {
        let verdict = judge(&CertificateAnswer::new(at(NOW)), &Asked::new().request());
        assert_eq!(verdict.value(), Some(State::None.value()));
    }

    #[test]
    fn the_states_come_in_their_order() {
        use Revocation::{NoRevocation, NotRevoked, Revoked};
        for (facts, state) in [
            (facts(0, NOW, NotRevoked), State::Valid),
            (facts(NOW, NOW, NoRevocation), State::Valid),
            (facts(0, NOW - 1, NotRevoked), State::Expired),
            (facts(NOW + 1, NOW + 2, NotRevoked), State::NotYetValid),
            (facts(NOW + 1, NOW - 1, NotRevoked), State::NotYetValid),
            (facts(0, NOW - 1, Revoked(None)), State::Revoked),
            (facts(NOW + 1, NOW + 2, Revoked(Some(at(5)))), State::Revoked),
            (facts(0, NOW + 9, NotRevoked).with_issuer_not_after(at(NOW - 1)), State::Expired),
            (facts(0, NOW + 9, NotRevoked).with_issuer_not_after(at(NOW)), State::Valid),
        ] {
            assert_eq!(judged(facts.clone()).value(), Some(state.value()), "{facts:?}");
        }
    }

    #[test]
    fn the_end_is_included_to_the_nanosecond() {
        for (end, state) in
            [(at(NOW) - NANO, State::Expired), (at(NOW), State::Valid), (at(NOW) + NANO, State::Valid)]
        {
            let mut facts = facts(0, 0, Revocation::NotRevoked);
            facts.not_after = end;
            assert_eq!(judged(facts).value(), Some(state.value()), "{end}");
        }
    }

    #[test]
    fn one_that_was_not_checked_for_revocation_is_neither_valid_nor_expired() {
        for end in [NOW - 1, NOW + 1] {
            let verdict = judged(facts(0, end, Revocation::NotChecked));
            assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
            assert!(verdict.details().find("not after").is_some());
        }
    }

    #[test]
    fn one_that_never_expires_is_valid() {
        let mut facts = facts(0, 0, Revocation::NoRevocation);
        facts.not_after = "9999-12-31T23:59:59Z".parse().unwrap();
        let verdict = judged(facts);
        assert_eq!(verdict.value(), Some(State::Valid.value()));
        assert_eq!(verdict.details().find("not after"), Some("never"));
    }
}
