use chrono::{DateTime, Utc};

use super::certificate_stage::{State, by_dates, in_use_and_renewal, name};
use crate::certificate::Policy;
use crate::check::broker::holder::holder;
use crate::check::prelude::*;
use crate::probe::{CertificateAnswer, RenewalAnswer, Revocation};
use crate::time::TimeMark;

check! {
    /// Is the session holder on an accepted connection with a valid certificate of which nothing is due?
    CertificateReplaced = "certificate-replaced", Session, Now, FLAG, policy: Policy, mark: Option<TimeMark>;
}

impl Builtin for CertificateReplaced {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let (in_use, renewal) = in_use_and_renewal(probe, &holder).await?;
        let mark = self.mark.as_ref().map(TimeMark::at);
        let verdict = judge(&in_use, renewal.as_ref(), &self.policy, mark, request);
        Ok(verdict.with([holder.detail()]).by(probe.source()))
    }
}

/// Yes: the certificate in use was seen on an accepted connection, and its stage is `ok` or `awareness`. One that is due,
/// ends with its issuer, or has left an old one behind past its overlap has still something to be done, though it is
/// valid. Who issued it, and when, does not matter.
fn judge(
    in_use: &CertificateAnswer,
    renewal: Option<&RenewalAnswer>,
    policy: &Policy,
    mark: Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> Verdict {
    let no = || Verdict::known(Value::Flag(false), in_use.observed_at);
    let Some(certificate) = &in_use.certificate else {
        return no().with([Detail::new("certificate", "none is in use")]);
    };
    let Some(used) = certificate.last_used else {
        return no().with([Detail::new("last connection", "none with this certificate")]);
    };
    let not_checked = certificate.revocation == Revocation::NotChecked;
    let (state, mut details) = by_dates(certificate, renewal, policy, in_use.high_water.max(mark), request);
    details.push(Detail::new("in use", &*certificate.fingerprint));
    details.push(when("last connection", used));
    details.push(Detail::new("stage", name(state)));
    let verdict = match state {
        State::ClockSuspect => Verdict::undetermined("the clock that judges it cannot be trusted"),
        // Whether it is revoked matters only where all else is well.
        State::Ok | State::Awareness if not_checked => {
            Verdict::undetermined("whether it is revoked was not checked")
        }
        State::Ok | State::Awareness if !request.has_happened(used) => {
            Verdict::future("its last connection is dated in the future")
        }
        State::Ok | State::Awareness => Verdict::known(Value::Flag(true), in_use.observed_at),
        _ => no(),
    };
    verdict.with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Certificate;

    const DAY: i64 = 86_400;

    fn certificate(used: Option<i64>) -> Certificate {
        let ends = at(NOW + 350 * DAY);
        let certificate = Certificate::new("one".into(), at(NOW - 10 * DAY), ends, Revocation::NotRevoked);
        Certificate { last_used: used.map(at), ..certificate }
    }

    fn answer(certificate: Certificate) -> CertificateAnswer {
        CertificateAnswer::new(at(NOW)).with_certificate(certificate)
    }

    fn judged(in_use: &CertificateAnswer) -> Verdict {
        judge(in_use, None, &Policy::default(), None, &Asked::new().request())
    }

    #[test]
    fn valid_certificate_on_old_link_is_enough() {
        for (used, replaced) in
            [(Some(NOW - 5), true), (Some(NOW - 9 * DAY), true), (Some(NOW + 30), true), (None, false)]
        {
            judged(&answer(certificate(used))).expect_of(&used, replaced);
        }
        judged(&CertificateAnswer::new(at(NOW))).expect(false);
    }

    #[test]
    fn future_connection_is_unknown() {
        let mut ahead = answer(certificate(Some(NOW + 31)));
        judged(&ahead).expect(Future);
        ahead.certificate.as_mut().unwrap().not_after = at(NOW + DAY);
        // It is due whenever it was used.
        judged(&ahead).expect(false);
    }

    #[test]
    fn replacement_must_have_nothing_due() {
        let of = |from: i64, left: i64| {
            let (not_before, not_after) = (at(NOW + from * DAY), at(NOW + left * DAY));
            Certificate { not_before, not_after, ..certificate(Some(NOW - 5)) }
        };
        let revoked = |one| Certificate { revocation: Revocation::Revoked(None), ..one };
        for (one, replaced) in [
            (of(-270, 90), true),
            (of(-300, 60), true),
            (of(-301, 59), false),
            (of(-340, 20), false),
            (of(-360, -1), false),
            (of(1, 360), false),
            // Short lives scale: one of a week that was loaded a day ago is good.
            (of(-1, 6), true),
            (of(-6, 1), false),
            (of(-10, 350).with_issuer_not_after(at(NOW - 1)), false),
            (of(-10, 350).with_issuer_not_after(at(NOW + 20 * DAY)), false),
            (revoked(of(-10, 350)), false),
        ] {
            let answer = answer(one);
            judged(&answer).expect_of(&answer, replaced);
        }
        let mut end = answer(of(-360, 0));
        end.certificate.as_mut().unwrap().not_after = at(NOW) - NANO;
        judged(&end).expect(false);
    }

    /// What is left to do is the old certificate, not the one in use.
    #[test]
    fn past_overlap_is_still_to_be_retired() {
        for (since, replaced) in [(Some(NOW - 5), false), (None, true)] {
            let renewal =
                RenewalAnswer { unretired_since: since.map(at), ..RenewalAnswer::new(at(NOW), true) };
            let in_use = answer(certificate(Some(NOW - 5)));
            judge(&in_use, Some(&renewal), &Policy::default(), None, &Asked::new().request())
                .expect(replaced);
        }
    }

    #[test]
    fn unchecked_or_wrong_clock_is_unknown() {
        let unchecked = Certificate { revocation: Revocation::NotChecked, ..certificate(Some(NOW - 5)) };
        judged(&answer(unchecked)).expect(Undetermined);
        let good = || answer(certificate(Some(NOW - 5)));
        judged(&good().with_high_water(at(NOW + 30))).expect(true);
        let behind = judged(&good().with_high_water(at(NOW + 31)));
        behind.expect(Undetermined);
        let marked = judge(&good(), None, &Policy::default(), Some(at(NOW + 31)), &Asked::new().request());
        marked.expect(Undetermined);
    }
}
