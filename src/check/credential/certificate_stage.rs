use chrono::{DateTime, Utc};

use super::certificate::{certificate_of, named_by};
use crate::certificate::{Facts, FollowUpReason, Policy, Stage, effective_end};
use crate::check::broker::holder::{Holder, holder};
use crate::check::prelude::*;
use crate::probe::{
    CertStoreProbe, Certificate, CertificateAnswer, ProbeError, RenewalAnswer, RenewalRequest, Revocation,
    WhichCertificate,
};
use crate::time::TimeMark;

choices! {
    /// What the policy's stage asks for.
    State {
        Ok = "ok",
        Awareness = "awareness",
        Renewal = "renewal",
        FollowUp = "follow-up",
        IssuerDue = "issuer-due",
        OverlapOverdue = "overlap-overdue",
        Expired = "expired",
        NotYetValid = "not-yet-valid",
        Revoked = "revoked",
        ClockSuspect = "clock-suspect",
    }
}

check! {
    /// In which stage of its life is the certificate in use?
    CertificateStage = "certificate-stage", Session, Now, State::VALUES, policy: Policy, mark: Option<TimeMark>;
}

impl Builtin for CertificateStage {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let (answer, renewal) = in_use_and_renewal(probe, &holder).await?;
        let mark = self.mark.as_ref().map(TimeMark::at);
        let verdict = judge(&answer, renewal.as_ref(), &self.policy, mark, request);
        Ok(verdict.with([holder.detail()]).by(probe.source()))
    }
}

/// Asks for the certificate in use and its renewal. Where nobody renews, no successor is confirmed and no old one is left.
pub(in crate::check) async fn in_use_and_renewal(
    probe: &dyn CertStoreProbe,
    holder: &Holder,
) -> Result<(CertificateAnswer, Option<RenewalAnswer>), ProbeError> {
    let in_use = certificate_of(probe, holder, WhichCertificate::InUse).await?;
    let renewal = probe.renewal(&RenewalRequest::new(holder.client.clone())).await;
    Ok((in_use, renewal.by(probe.source()).if_supported()?))
}

/// Expired is known by the dates alone, whether or not anybody looked for its revocation; nothing else is.
fn judge(
    answer: &CertificateAnswer,
    renewal: Option<&RenewalAnswer>,
    policy: &Policy,
    mark: Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> Verdict {
    let Some(certificate) = &answer.certificate else {
        return Verdict::undetermined("the session holder has no certificate in use");
    };
    let mark = answer.high_water.max(mark);
    let (state, mut details) = by_dates(certificate, renewal, policy, mark, request);
    if certificate.revocation == Revocation::NotChecked {
        details.push(Detail::new("revocation", "not checked"));
        if !matches!(state, State::Expired | State::ClockSuspect) {
            let text =
                format!("whether it is revoked was not checked; by its dates it is in `{}`", name(state));
            return Verdict::undetermined(text).with(details);
        }
    }
    Verdict::known(state, answer.observed_at).with(details)
}

/// The policy's stage, with its reason to follow up: the issuer binds and is due, or an old certificate is still accepted
/// past its overlap. One that nobody looked up counts as not revoked.
pub(in crate::check) fn by_dates(
    certificate: &Certificate,
    renewal: Option<&RenewalAnswer>,
    policy: &Policy,
    mark: Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> (State, Vec<Detail>) {
    let now = request.now();
    let mark = known_time(mark, request);
    let unretired = renewal.and_then(|renewal| renewal.unretired_since).filter(|since| *since < now);
    let facts = facts(certificate)
        .with_revoked(matches!(certificate.revocation, Revocation::Revoked(_)))
        .with_confirmed(is_succeeded(certificate, renewal))
        .with_old_remains(unretired.is_some());
    let stage = policy.stage(&facts, now, mark);
    let end = effective_end(certificate.not_after, certificate.issuer_not_after);
    let mut details =
        vec![named_by(certificate), Detail::new("not after", end.map_or_else(|| "never".to_owned(), moment))];
    if end.is_some_and(|end| end < certificate.not_after) {
        details.push(Detail::new("ends with", "its issuer"));
    }
    if let Revocation::Revoked(at) = certificate.revocation {
        details.push(Detail::new("revoked", at.map_or_else(|| "time not known".to_owned(), moment)));
    }
    if let (Stage::ClockSuspect, Some(mark)) = (stage, mark) {
        details.push(when("latest known time", mark));
    }
    details.extend(unretired.map(|at| when("old certificate should be retired since", at)));
    let state = match (policy.follow_up_reason(&facts, now, mark), stage) {
        (Some(FollowUpReason::IssuerBinds), _) => State::IssuerDue,
        (Some(FollowUpReason::OldCertificateRemains), _) => State::OverlapOverdue,
        (Some(FollowUpReason::NearlyOver), _) | (None, Stage::FollowUp) => State::FollowUp,
        (None, Stage::ClockSuspect) => State::ClockSuspect,
        (None, Stage::Revoked) => State::Revoked,
        (None, Stage::NotYetValid) => State::NotYetValid,
        (None, Stage::Expired) => State::Expired,
        (None, Stage::Renewal) => State::Renewal,
        (None, Stage::Awareness) => State::Awareness,
        (None, Stage::Ok) => State::Ok,
    };
    (state, details)
}

pub(in crate::check) fn name(state: State) -> &'static str {
    State::NAMES.get(state as usize).copied().unwrap_or_default()
}

/// The dates of a certificate as the policy takes them.
pub(in crate::check) fn facts(certificate: &Certificate) -> Facts {
    Facts::new(certificate.not_before, certificate.not_after)
        .with_issuer_not_after(certificate.issuer_not_after)
}

/// The latest time that is known, as the policy takes it: one that two clocks may differ by is now.
pub(super) fn known_time(mark: Option<DateTime<Utc>>, request: &CheckRequest<'_>) -> Option<DateTime<Utc>> {
    mark.map(|mark| if request.has_happened(mark) { mark.min(request.now()) } else { mark })
}

/// Whether another certificate than this one was issued by the latest renewal and seen on a connection.
fn is_succeeded(certificate: &Certificate, renewal: Option<&RenewalAnswer>) -> bool {
    renewal.and_then(|renewal| renewal.latest.as_ref()).is_some_and(|latest| {
        latest.confirmed_at.is_some()
            && latest.fingerprint.as_ref().is_some_and(|fingerprint| *fingerprint != certificate.fingerprint)
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::check::testing::*;
    use crate::probe::Renewal;

    const DAY: i64 = 86_400;

    fn answer(left: i64, revocation: Revocation) -> CertificateAnswer {
        let end = at(NOW) + TimeDelta::days(left);
        let certificate = Certificate::new("ab".into(), end - TimeDelta::days(360), end, revocation);
        CertificateAnswer::new(at(NOW)).with_certificate(certificate)
    }

    fn judged(answer: &CertificateAnswer) -> Verdict {
        judge(answer, None, &Policy::default(), None, &Asked::new().request())
    }

    #[test]
    fn the_stage_is_that_of_the_policy() {
        for (left, stage) in [
            (361, State::NotYetValid),
            (90, State::Ok),
            (89, State::Awareness),
            (59, State::Renewal),
            (29, State::FollowUp),
            (-1, State::Expired),
        ] {
            judged(&answer(left, Revocation::NotRevoked)).expect_of(&left, stage);
            let revoked = answer(left, Revocation::Revoked(None));
            judged(&revoked).expect_of(&left, State::Revoked);
            // Under a suspect clock the revocation is in the details.
            let suspect = judged(&revoked.with_high_water(at(NOW + 31)));
            suspect.expect_of(&left, State::ClockSuspect);
            assert!(suspect.detail("revoked").is_some());
        }
        for (mark, stage) in [
            (NOW - 1, State::Ok),
            (NOW + 1, State::Ok),
            (NOW + 30, State::Ok),
            (NOW + 31, State::ClockSuspect),
        ] {
            let told = answer(90, Revocation::NoRevocation).with_high_water(at(mark));
            judged(&told).expect_of(&mark, stage);
        }
        let ahead = answer(90, Revocation::NotRevoked).with_high_water(at(NOW - 31 * DAY));
        // By more than it may jump.
        judged(&ahead).expect(State::ClockSuspect);
    }

    #[test]
    fn a_policy_of_ones_own_is_gone_by() {
        let policy = Policy { renewal: TimeDelta::days(45), ..Policy::default() };
        let told = answer(50, Revocation::NotRevoked);
        judged(&told).expect(State::Renewal);
        judge(&told, None, &policy, None, &Asked::new().request()).expect(State::Awareness);
    }

    #[test]
    fn unchecked_stage_is_in_the_details_alone() {
        let verdict = judged(&answer(29, Revocation::NotChecked));
        verdict.expect(Undetermined);
        assert!(verdict.detail("why").is_some_and(|why| why.contains("follow-up")));
    }

    #[test]
    fn successor_must_be_confirmed() {
        let answer = answer(20, Revocation::NotRevoked);
        let renewal = |print: &'static str| {
            let renewal =
                Renewal::new(2, at(NOW - DAY)).with_fingerprint(print).with_confirmed_at(at(NOW - 9));
            RenewalAnswer::new(at(NOW), true).with_latest(renewal)
        };
        for (print, stage) in [("cd", State::Renewal), ("ab", State::FollowUp)] {
            judge(&answer, Some(&renewal(print)), &Policy::default(), None, &Asked::new().request())
                .expect_of(&print, stage);
        }
    }

    #[test]
    fn expired_is_known_by_the_dates_alone() {
        let verdict = judged(&answer(-1, Revocation::NotChecked));
        verdict.expect(State::Expired);
        assert_eq!(verdict.detail("revocation"), Some("not checked"));
    }

    /// The certificate itself ends in 200 days.
    #[test]
    fn issuer_that_ends_first_is_due_first() {
        let bound = |own: i64, issuer: i64| {
            let mut answer = answer(own, Revocation::NotRevoked);
            answer.certificate.as_mut().unwrap().issuer_not_after = Some(at(NOW) + TimeDelta::days(issuer));
            answer
        };
        for (own, issuer, state) in [
            (200, 90, State::Ok),
            (200, 89, State::Awareness),
            (200, 59, State::IssuerDue),
            (200, 29, State::IssuerDue),
            (50, 29, State::IssuerDue),
            (50, 49, State::IssuerDue),
            (29, 28, State::IssuerDue),
            (29, 29, State::FollowUp),
            (200, -1, State::Expired),
            (59, 300, State::Renewal),
        ] {
            judged(&bound(own, issuer)).expect_of(&(own, issuer), state);
        }
    }

    #[test]
    fn old_certificate_past_its_overlap_is_overdue() {
        for (since, left, state) in [
            (Some(NOW - 1), 300, State::OverlapOverdue),
            (Some(NOW), 300, State::Ok),
            (None, 300, State::Ok),
            (Some(NOW - 1), 80, State::OverlapOverdue),
            (Some(NOW - 1), 50, State::OverlapOverdue),
            (Some(NOW - 1), 20, State::FollowUp),
            (Some(NOW - 1), -1, State::Expired),
        ] {
            let renewal =
                RenewalAnswer { unretired_since: since.map(at), ..RenewalAnswer::new(at(NOW), true) };
            let answer = answer(left, Revocation::NotRevoked);
            let verdict = judge(&answer, Some(&renewal), &Policy::default(), None, &Asked::new().request());
            verdict.expect_of(&(since, left), state);
            let shown = verdict.details().iter().any(|detail| detail.name.starts_with("old certificate"));
            assert_eq!(shown, since.is_some_and(|since| since < NOW), "{since:?} {left}");
        }
    }
}
