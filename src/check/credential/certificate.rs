use chrono::{DateTime, Utc};

use crate::certificate;
use crate::check::broker::broker_connect::last_seen;
use crate::check::broker::holder::{Holder, holder};
use crate::check::param::{FromParam, ParamKind};
use crate::check::prelude::*;
use crate::probe::{
    Authentication, CertStoreProbe, Certificate as Facts, CertificateAnswer, CertificateRequest, ProbeError,
    Revocation, WhichCertificate,
};
use crate::runbook::step::Param;
use crate::time::{TimeMark, saturating_add};

choices! {
    State {
        UsesNone = "uses-none",
        NeverConnected = "never-connected",
        Missing = "missing",
        Revoked = "revoked",
        NotYetValid = "not-yet-valid",
        Expired = "expired",
        Valid = "valid",
    }
}

check! {
    /// How is the certificate that the session holder uses, or presented?
    Certificate = "certificate", Session, Now, State::VALUES, mark: Option<TimeMark>;
    which: WhichCertificate,
}

impl Builtin for Certificate {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let answer = certificate_of(probe, &holder, self.which).await?;
        let verdict = judge(&answer, &holder, self.mark.as_ref().map(TimeMark::at), request);
        if verdict.value() == Some(State::NeverConnected.into()) {
            // An inventory may have begun to record after the last message came over that session.
            let seen = last_seen(request, probes).await.ok().flatten();
            if let Some(received) = seen.and_then(|seen| seen.last_receipt) {
                let why = format!(
                    "the inventory says that it never connected, and the platform received a message at {}",
                    moment(received)
                );
                return Ok(verdict.but_undetermined(why).by(probe.source()));
            }
        }
        Ok(verdict.by(probe.source()))
    }
}

impl FromParam for WhichCertificate {
    const KIND: ParamKind = ParamKind::OneOf(&["in-use", "presented"]);

    fn read(param: &Param) -> Option<Self> {
        let Param::Text(text) = param else { return None };
        [Self::InUse, Self::Presented].into_iter().find(|which| which.name() == &**text)
    }
}

/// Asks for one of the holder's certificates.
pub(in crate::check) async fn certificate_of(
    probe: &dyn CertStoreProbe,
    holder: &Holder,
    which: WhichCertificate,
) -> Result<CertificateAnswer, ProbeError> {
    let asked = CertificateRequest::new(holder.client.clone(), which);
    probe.certificate(&asked).await.by(probe.source())
}

/// The time that certificates are judged by: now, or the latest time that is known where the clock is behind that by more
/// than the tolerance.
fn judged_at(
    answer: &CertificateAnswer,
    mark: Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> DateTime<Utc> {
    let mark = answer.high_water.max(mark).filter(|mark| !request.has_happened(*mark));
    mark.unwrap_or_else(|| request.now())
}

/// In this order: revoked, not yet valid, expired, valid. Expired is known by the dates alone, whether or not anybody
/// looked for its revocation; the other two are not. Where there is no certificate: it uses none, it never connected, or
/// it has lost the one that it should have.
fn judge(
    answer: &CertificateAnswer,
    holder: &Holder,
    mark: Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> Verdict {
    let Some(facts) = &answer.certificate else {
        return without_certificate(answer).with([holder.detail()]);
    };
    let now = judged_at(answer, mark, request);
    let mut details = vec![named_by(facts), holder.detail()];
    if now != request.now() {
        details.push(when("the clock is behind: judged by the latest known time", now));
    }
    if let Revocation::Revoked(at) = facts.revocation {
        let at = at.map_or_else(|| "time not known".to_owned(), moment);
        let revoked = [Detail::new("revoked", at)];
        return Verdict::known(State::Revoked, answer.observed_at).with(revoked).with(details);
    }
    let not_checked = facts.revocation == Revocation::NotChecked;
    // Whoever issued it may have a clock that is ahead of this one.
    let begins = saturating_add(now, request.clock_tolerance()) >= facts.not_before;
    let (state, detail) = match certificate::effective_end(facts.not_after, facts.issuer_not_after) {
        _ if !begins => (State::NotYetValid, when("not before", facts.not_before)),
        None => (State::Valid, Detail::new("not after", "never")),
        Some(end) => {
            let issuer = if end < facts.not_after { " (of its issuer)" } else { "" };
            let state = if now > end { State::Expired } else { State::Valid };
            (state, Detail::new("not after", moment(end) + issuer))
        }
    };
    let verdict = match state {
        State::Valid | State::NotYetValid if not_checked => {
            Verdict::undetermined("whether it is revoked was not checked").with([detail])
        }
        _ => Verdict::known(state, answer.observed_at).with([detail]),
    };
    let by_dates = not_checked && state == State::Expired;
    verdict
        .with(details)
        .with(by_dates.then(|| Detail::new("revocation", "not checked: judged by its dates alone")))
}

fn without_certificate(answer: &CertificateAnswer) -> Verdict {
    let known = |state: State| Verdict::known(state, answer.observed_at);
    match (answer.authentication, answer.has_connected) {
        (Authentication::WithoutCertificate, _) => known(State::UsesNone),
        (Authentication::Certificate, Some(false)) => known(State::NeverConnected),
        (Authentication::Certificate, Some(true)) => known(State::Missing),
        (Authentication::Certificate, None) => {
            Verdict::undetermined("it has no certificate, and nobody knows whether it ever connected")
        }
        (Authentication::NotKnown, _) => {
            Verdict::undetermined("it has no certificate, and nobody knows whether it should have one")
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
    use crate::check::testing::*;

    fn facts(from: i64, to: i64, revocation: Revocation) -> Facts {
        Facts::new("ab:cd".into(), at(from), at(to), revocation)
    }

    fn answer(facts: Facts) -> CertificateAnswer {
        CertificateAnswer::new(at(NOW)).with_certificate(facts)
    }

    fn judged_by(answer: &CertificateAnswer, mark: Option<i64>) -> Verdict {
        judge(answer, &Holder::of_test(true), mark.map(at), &Asked::new().request())
    }

    fn judged(facts: Facts) -> Verdict {
        judged_by(&answer(facts), None)
    }

    #[test]
    fn no_certificate_has_its_reasons() {
        use Authentication::{Certificate, NotKnown, WithoutCertificate};
        for (authentication, connected, state) in [
            (WithoutCertificate, None, Some(State::UsesNone)),
            (WithoutCertificate, Some(false), Some(State::UsesNone)),
            (Certificate, Some(false), Some(State::NeverConnected)),
            (Certificate, Some(true), Some(State::Missing)),
            (Certificate, None, None),
            (NotKnown, Some(false), None),
            (NotKnown, Some(true), None),
        ] {
            let answer = CertificateAnswer { has_connected: connected, ..CertificateAnswer::new(at(NOW)) };
            let answer = answer.with_authentication(authentication);
            let verdict = judged_by(&answer, None);
            verdict.expect_of(&answer, state);
            assert!(verdict.detail("session of").is_some());
        }
    }

    #[test]
    fn the_states_come_in_their_order() {
        use Revocation::{NoRevocation, NotRevoked, Revoked};
        for (facts, state) in [
            (facts(0, NOW, NotRevoked), State::Valid),
            (facts(NOW, NOW, NoRevocation), State::Valid),
            (facts(0, NOW - 1, NotRevoked), State::Expired),
            (facts(NOW + 31, NOW + 32, NotRevoked), State::NotYetValid),
            (facts(NOW + 31, NOW - 1, NotRevoked), State::NotYetValid),
            // Its issuer's clock is ahead by less than the tolerance.
            (facts(NOW + 30, NOW + 60, NotRevoked), State::Valid),
            (facts(NOW + 30, NOW - 1, NotRevoked), State::Expired),
            (facts(0, NOW - 1, Revoked(None)), State::Revoked),
            (facts(NOW + 1, NOW + 2, Revoked(Some(at(5)))), State::Revoked),
            (facts(0, NOW + 9, NotRevoked).with_issuer_not_after(at(NOW - 1)), State::Expired),
            (facts(0, NOW + 9, NotRevoked).with_issuer_not_after(at(NOW)), State::Valid),
        ] {
            judged(facts.clone()).expect_of(&facts, state);
        }
    }

    #[test]
    fn the_end_is_included_to_the_nanosecond() {
        for (end, state) in
            [(at(NOW) - NANO, State::Expired), (at(NOW), State::Valid), (at(NOW) + NANO, State::Valid)]
        {
            judged(Facts { not_after: end, ..facts(0, 0, Revocation::NotRevoked) }).expect_of(&end, state);
        }
    }

    #[test]
    fn unchecked_revocation_shows_only_expiry() {
        let unchecked = |from, to| judged(facts(from, to, Revocation::NotChecked));
        let expired = unchecked(0, NOW - 1);
        expired.expect(State::Expired);
        assert!(expired.detail("revocation").is_some_and(|text| text.contains("not checked")));
        for (from, to) in [(0, NOW), (NOW + 1, NOW + 9)] {
            unchecked(from, to).expect(Undetermined);
        }
    }

    #[test]
    fn clock_set_back_revives_no_certificate() {
        const MONTH: i64 = 30 * 86_400;
        let ended = || facts(0, NOW + MONTH - 5, Revocation::NotRevoked);
        judged(ended()).expect(State::Valid);
        for verdict in [
            judged_by(&answer(ended()), Some(NOW + MONTH)),
            judged_by(&answer(ended()).with_high_water(at(NOW + MONTH)), None),
            judged_by(&answer(ended()).with_high_water(at(NOW - 5)), Some(NOW + MONTH)),
        ] {
            verdict.expect(State::Expired);
            assert!(verdict.details().iter().any(|detail| detail.name.starts_with("the clock is behind")));
        }
        // A mark that two clocks may differ by, or one that is past, changes nothing.
        let near = || facts(0, NOW + 10, Revocation::NotRevoked);
        for (mark, state) in
            [(NOW + 30, State::Valid), (NOW + 31, State::Expired), (NOW - MONTH, State::Valid)]
        {
            judged_by(&answer(near()), Some(mark)).expect_of(&mark, state);
        }
        // Nor is one that began since then called not yet valid.
        let began = facts(NOW + 60, NOW + 2 * MONTH, Revocation::NotRevoked);
        judged_by(&answer(began), Some(NOW + MONTH)).expect(State::Valid);
    }

    #[test]
    fn one_that_never_expires_is_valid() {
        let mut facts = facts(0, 0, Revocation::NoRevocation);
        facts.not_after = "9999-12-31T23:59:59Z".parse().unwrap();
        let verdict = judged(facts);
        verdict.expect(State::Valid);
        assert_eq!(verdict.detail("not after"), Some("never"));
    }
}
