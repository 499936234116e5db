use chrono::{DateTime, Utc};

use super::certificate::named_by;
use crate::certificate::{Facts, Policy, Stage, effective_end};
use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, moment, no_adapter};
use crate::check::param::{Given, ParamSpec};
use crate::check::window::has_happened;
use crate::fact::{Choice, Choices, ChoicesError, Detail, Details, Domain, Observation, Value};
use crate::probe::{
    Certificate, CertificateAnswer, CertificateRequest, ProbeError, ProbeErrorKind, Probes, RenewalAnswer,
    RenewalRequest, Revocation, WhichCertificate,
};
use crate::runbook::step::About;
use crate::subject::Scope;

/// In the order of the domain.
const STAGES: [Stage; 8] = [
    Stage::Ok,
    Stage::Awareness,
    Stage::Renewal,
    Stage::FollowUp,
    Stage::Expired,
    Stage::NotYetValid,
    Stage::Revoked,
    Stage::ClockSuspect,
];

/// In which stage of its life is the certificate in use?
pub(in crate::check) struct CertificateStage {
    policy: Policy,
}

impl Builtin for CertificateStage {
    const ID: &'static str = "certificate-stage";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        Choices::new(STAGES.map(Stage::name)).map(Domain::choice)
    }

    fn bind(given: &Given<'_>) -> Option<Self> {
        Some(Self { policy: given.policy })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.cert_store() else { return Ok(no_adapter("certificate probe")) };
        let device = &request.subject().device;
        let asked = CertificateRequest::new(device.clone(), WhichCertificate::InUse);
        let answer = probe.certificate(&asked).await.map_err(|error| error.by(probe.source()))?;
        let verdict = judge(&answer, None, &self.policy, request);
        if !is(&verdict, Stage::FollowUp) {
            return Ok(verdict.by(probe.source()));
        }
        // Only here does it matter whether a successor is confirmed. Where nobody renews, none is.
        match probe.renewal(&RenewalRequest::new(device.clone())).await {
            Ok(renewal) => Ok(judge(&answer, Some(&renewal), &self.policy, request).by(probe.source())),
            Err(error) if error.kind() == ProbeErrorKind::Unsupported => Ok(verdict.by(probe.source())),
            Err(error) => Err(error),
        }
    }
}

fn judge(
    answer: &CertificateAnswer,
    renewal: Option<&RenewalAnswer>,
    policy: &Policy,
    request: &CheckRequest<'_>,
) -> Verdict {
    let Some(certificate) = &answer.certificate else {
        return Verdict::undetermined("the device has no certificate in use");
    };
    let revoked = matches!(certificate.revocation, Revocation::Revoked(_));
    let facts = facts(certificate).with_revoked(revoked).with_confirmed(is_succeeded(certificate, renewal));
    let stage = policy.stage(&facts, request.now(), mark(answer.high_water, request.now()));
    let end = effective_end(certificate.not_after, certificate.issuer_not_after);
    let mut details =
        vec![named_by(certificate), Detail::new("not after", end.map_or_else(|| "never".to_owned(), moment))];
    if end.is_some_and(|end| end < certificate.not_after) {
        details.push(Detail::new("ends with", "its issuer"));
    }
    if let (Stage::ClockSuspect, Some(mark)) = (stage, answer.high_water) {
        details.push(Detail::new("latest known time", moment(mark)));
    }
    if certificate.revocation == Revocation::NotChecked {
        let text = format!("whether it is revoked was not checked; by its dates it is in `{stage}`");
        return Verdict::undetermined(text).with(details);
    }
    Verdict::known(value(stage), answer.observed_at, Details::from_iter(details))
}

/// The dates of a certificate as the policy takes them.
pub(in crate::check) fn facts(certificate: &Certificate) -> Facts {
    Facts::new(certificate.not_before, certificate.not_after)
        .with_issuer_not_after(certificate.issuer_not_after)
}

/// The latest time that is known, as the policy takes it: one that two clocks may differ by is now.
pub(in crate::check) fn mark(high_water: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    high_water.map(|mark| if has_happened(mark, now) { mark.min(now) } else { mark })
}

/// Whether another certificate than this one was issued by the latest renewal and seen on a connection.
fn is_succeeded(certificate: &Certificate, renewal: Option<&RenewalAnswer>) -> bool {
    renewal.and_then(|renewal| renewal.latest.as_ref()).is_some_and(|latest| {
        latest.confirmed_at.is_some()
            && latest.fingerprint.as_ref().is_some_and(|fingerprint| *fingerprint != certificate.fingerprint)
    })
}

fn value(stage: Stage) -> Value {
    let position = STAGES.iter().position(|known| *known == stage).unwrap_or(STAGES.len());
    Value::Choice(Choice::new(u16::try_from(position).unwrap_or(u16::MAX)))
}

fn is(verdict: &Verdict, stage: Stage) -> bool {
    matches!(verdict, Verdict::Known { value: known, .. } if *known == value(stage))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::check::testing::{Asked, NOW, at};
    use crate::fact::UnknownReason;
    use crate::probe::Renewal;

    const DAY: i64 = 86_400;

    fn answer(left: i64, revocation: Revocation) -> CertificateAnswer {
        let end = at(NOW) + TimeDelta::days(left);
        let certificate = Certificate::new("ab".into(), end - TimeDelta::days(360), end, revocation);
        CertificateAnswer::new(at(NOW)).with_certificate(certificate)
    }

    fn judged(answer: &CertificateAnswer) -> Verdict {
        judge(answer, None, &Policy::default(), &Asked::new().request())
    }

    #[test]
    fn the_stage_is_that_of_the_policy() {
        for (left, stage) in [
            (361, Stage::NotYetValid),
            (90, Stage::Ok),
            (89, Stage::Awareness),
            (59, Stage::Renewal),
            (29, Stage::FollowUp),
            (-1, Stage::Expired),
        ] {
            assert!(is(&judged(&answer(left, Revocation::NotRevoked)), stage), "{left}");
            assert!(is(&judged(&answer(left, Revocation::Revoked(None))), Stage::Revoked), "{left}");
        }
        for (mark, stage) in [
            (NOW - 1, Stage::Ok),
            (NOW + 1, Stage::Ok),
            (NOW + 30, Stage::Ok),
            (NOW + 31, Stage::ClockSuspect),
        ] {
            let told = answer(90, Revocation::NoRevocation).with_high_water(at(mark));
            assert!(is(&judged(&told), stage), "{mark}");
        }
        let ahead = answer(90, Revocation::NotRevoked).with_high_water(at(NOW - 31 * DAY));
        assert!(is(&judged(&ahead), Stage::ClockSuspect), "by more than it may jump");
    }

    #[test]
    fn a_policy_of_ones_own_is_gone_by() {
        let policy = Policy { renewal: TimeDelta::days(45), ..Policy::default() };
        let told = answer(50, Revocation::NotRevoked);
        assert!(is(&judged(&told), Stage::Renewal));
        assert!(is(&judge(&told, None, &policy, &Asked::new().request()), Stage::Awareness));
    }

    #[test]
    fn the_stage_of_one_that_was_not_checked_is_in_the_details_alone() {
        let verdict = judged(&answer(29, Revocation::NotChecked));
        assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
        assert!(verdict.details().find("why").is_some_and(|why| why.contains("follow-up")));
    }

    #[test]
    fn only_another_certificate_that_is_confirmed_succeeds() {
        let answer = answer(20, Revocation::NotRevoked);
        let renewal = |print: &'static str| {
            let renewal =
                Renewal::new(2, at(NOW - DAY)).with_fingerprint(print).with_confirmed_at(at(NOW - 9));
            RenewalAnswer::new(at(NOW), true).with_latest(renewal)
        };
        let asked = Asked::new();
        for (print, stage) in [("cd", Stage::Renewal), ("ab", Stage::FollowUp)] {
            let verdict = judge(&answer, Some(&renewal(print)), &Policy::default(), &asked.request());
            assert!(is(&verdict, stage), "{print}");
        }
    }
}
