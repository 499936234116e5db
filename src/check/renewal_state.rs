use super::CheckRequest;
use super::builtin::Builtin;
use super::certificate_stage::facts;
use super::param::{Given, ParamSpec};
use super::verdict::{Verdict, choices, no_adapter, when};
use crate::certificate::{Policy, Stage};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{
    Certificate, CertificateRequest, ProbeError, Probes, RenewalAnswer, RenewalRequest, WhichCertificate,
};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    State {
        Confirmed = "confirmed",
        Running = "running",
        Failed = "failed",
        Unsupported = "unsupported",
    }
}

/// How does the renewal of the certificate in use stand?
pub(super) struct RenewalState {
    policy: Policy,
}

impl Builtin for RenewalState {
    const ID: &'static str = "renewal-state";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(given: &Given<'_>) -> Option<Self> {
        Some(Self { policy: given.policy })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.cert_store() else { return Ok(no_adapter("certificate probe")) };
        let device = &request.subject().device;
        let renewal = probe
            .renewal(&RenewalRequest::new(device.clone()))
            .await
            .map_err(|error| error.by(probe.source()))?;
        let in_use = match &renewal.latest {
            Some(latest) if latest.confirmed_at.is_some() => {
                let asked = CertificateRequest::new(device.clone(), WhichCertificate::InUse);
                probe.certificate(&asked).await.map_err(|error| error.by(probe.source()))?.certificate
            }
            _ => None,
        };
        Ok(judge(&renewal, in_use.as_ref(), &self.policy, request).by(probe.source()))
    }
}

/// In this order: confirmed, running (an attempt later than the last failure), failed, unsupported. A renewal that
/// brought the certificate which is due again is over and counts as none.
fn judge(
    answer: &RenewalAnswer,
    in_use: Option<&Certificate>,
    policy: &Policy,
    request: &CheckRequest<'_>,
) -> Verdict {
    let latest = answer.latest.as_ref().filter(|latest| {
        let of_in_use = in_use.filter(|in_use| latest.fingerprint.as_ref() == Some(&in_use.fingerprint));
        !of_in_use.is_some_and(|in_use| is_due(in_use, policy, request))
    });
    let Some(latest) = latest else {
        if answer.supported {
            return Verdict::undetermined("no renewal of the certificate in use was begun");
        }
        let details = Details::one("renewal", "this type of device does not renew by itself");
        return Verdict::known(State::Unsupported.value(), answer.observed_at, details);
    };
    let mut details = vec![
        Detail::new("generation", latest.generation.to_string()),
        when("latest attempt", latest.started_at),
    ];
    details.extend(latest.reported_at.map(|at| when("reported", at)));
    let state = if let Some(at) = latest.confirmed_at {
        details.push(when("confirmed", at));
        State::Confirmed
    } else if let Some(at) = latest.failed_at.filter(|at| *at >= latest.started_at) {
        details.push(when("failed", at));
        details.extend(latest.failure.as_deref().map(|text| Detail::new("failure", text)));
        State::Failed
    } else {
        State::Running
    };
    Verdict::known(state.value(), answer.observed_at, Details::from_iter(details))
}

fn is_due(certificate: &Certificate, policy: &Policy, request: &CheckRequest<'_>) -> bool {
    let stage = policy.stage(&facts(certificate), request.now(), None);
    matches!(stage, Stage::Renewal | Stage::FollowUp | Stage::Expired)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at};
    use crate::fact::UnknownReason;
    use crate::probe::{Renewal, Revocation};

    fn renewal() -> Renewal {
        Renewal::new(2, at(NOW - 500))
    }

    fn judged(supported: bool, latest: Option<Renewal>) -> Verdict {
        let mut answer = RenewalAnswer::new(at(NOW), supported);
        answer.latest = latest;
        judge(&answer, None, &Policy::default(), &Asked::new().request())
    }

    #[test]
    fn each_state_has_its_facts() {
        for (supported, latest, state) in [
            (true, renewal(), State::Running),
            (false, renewal(), State::Running),
            (true, renewal().with_reported_at(at(NOW)), State::Running),
            (true, renewal().with_failed_at(at(NOW - 500) - NANO), State::Running),
            (true, renewal().with_failed_at(at(NOW - 500)), State::Failed),
            (true, renewal().with_failed_at(at(NOW)).with_confirmed_at(at(NOW)), State::Confirmed),
        ] {
            assert_eq!(judged(supported, Some(latest.clone())).value(), Some(state.value()), "{latest:?}");
        }
        assert_eq!(judged(false, None).value(), Some(State::Unsupported.value()));
        assert_eq!(judged(true, None).reason(), Some(UnknownReason::Undetermined));
    }

    #[test]
    fn the_renewal_that_brought_the_certificate_which_is_due_again_is_over() {
        let latest = renewal().with_fingerprint("ab").with_confirmed_at(at(NOW - 400));
        let answer = RenewalAnswer::new(at(NOW), true).with_latest(latest);
        let asked = Asked::new();
        let early = Policy {
            awareness: TimeDelta::days(340),
            renewal: TimeDelta::days(330),
            awareness_share: crate::certificate::Share::NONE,
            renewal_share: crate::certificate::Share::NONE,
            ..Policy::default()
        };
        for (left, policy, confirmed) in
            [(300, Policy::default(), true), (20, Policy::default(), false), (300, early, false)]
        {
            let end = at(NOW) + TimeDelta::days(left);
            let from = end - TimeDelta::days(360);
            let in_use = Certificate::new("ab".into(), from, end, Revocation::NotRevoked);
            let verdict = judge(&answer, Some(&in_use), &policy, &asked.request());
            assert_eq!(verdict.value(), confirmed.then(|| State::Confirmed.value()), "{left}");
        }
    }
}
