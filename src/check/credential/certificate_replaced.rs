use chrono::{DateTime, Utc};

use super::certificate_stage::{State, by_dates, in_use_and_renewal, name};
use crate::certificate::Policy;
use crate::check::CheckRequest;
use crate::check::broker::holder::holder;
use crate::check::judge::{Verdict, adapter, when};
use crate::check::spec::{Builtin, FLAG, Observed, check};
use crate::fact::{Detail, Details, Value};
use crate::probe::{CertificateAnswer, Probes, RenewalAnswer, Revocation};
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
    let no = |details: Details| Verdict::known(Value::Flag(false), in_use.observed_at, details);
    let Some(certificate) = &in_use.certificate else {
        return no(Details::one("certificate", "none is in use"));
    };
    let Some(used) = certificate.last_used else {
        return no(Details::one("last connection", "none with this certificate"));
    };
    let not_checked = certificate.revocation == Revocation::NotChecked;
    let (state, mut details) = by_dates(certificate, renewal, policy, in_use.high_water.max(mark), request);
    details.push(Detail::new("in use", &*certificate.fingerprint));
    details.push(when("last connection", used));
    details.push(Detail::new("stage", name(state)));
    match state {
        State::ClockSuspect => {
            Verdict::undetermined("the clock that judges it cannot be trusted").with(details)
        }
        // Whether it is revoked matters only where all else is well.
        State::Ok | State::Awareness if not_checked => {
            Verdict::undetermined("whether it is revoked was not checked").with(details)
        }
        State::Ok | State::Awareness if !request.has_happened(used) => {
            Verdict::future("its last connection is dated in the future").with(details)
        }
        State::Ok | State::Awareness => {
            Verdict::known(Value::Flag(true), in_use.observed_at, Details::from_iter(details))
        }
        _ => no(Details::from_iter(details)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at};
    use crate::fact::UnknownReason;
    use crate::probe::Certificate;

    const DAY: i64 = 86_400;

    fn certificate(used: Option<i64>) -> Certificate {
        let ends = at(NOW + 350 * DAY);
        let mut certificate =
            Certificate::new("one".into(), at(NOW - 10 * DAY), ends, Revocation::NotRevoked);
        certificate.last_used = used.map(at);
        certificate
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
            let verdict = judged(&answer(certificate(used)));
            assert_eq!(verdict.value(), Some(Value::Flag(replaced)), "{used:?}");
        }
        assert_eq!(judged(&CertificateAnswer::new(at(NOW))).value(), Some(Value::Flag(false)));
    }

    #[test]
    fn future_connection_is_unknown() {
        let mut ahead = answer(certificate(Some(NOW + 31)));
        assert_eq!(judged(&ahead).reason(), Some(UnknownReason::Future));
        ahead.certificate.as_mut().unwrap().not_after = at(NOW + DAY);
        assert_eq!(judged(&ahead).value(), Some(Value::Flag(false)), "it is due whenever it was used");
    }

    #[test]
    fn replacement_must_have_nothing_due() {
        let of = |from: i64, left: i64| {
            let mut one = certificate(Some(NOW - 5));
            (one.not_before, one.not_after) = (at(NOW + from * DAY), at(NOW + left * DAY));
            one
        };
        let revoked = |mut one: Certificate| {
            one.revocation = Revocation::Revoked(None);
            one
        };
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
            assert_eq!(judged(&answer).value(), Some(Value::Flag(replaced)), "{answer:?}");
        }
        let mut end = answer(of(-360, 0));
        end.certificate.as_mut().unwrap().not_after = at(NOW) - NANO;
        assert_eq!(judged(&end).value(), Some(Value::Flag(false)));
    }

    /// What is left to do is the old certificate, not the one in use.
    #[test]
    fn past_overlap_is_still_to_be_retired() {
        for (since, replaced) in [(Some(NOW - 5), false), (None, true)] {
            let mut renewal = RenewalAnswer::new(at(NOW), true);
            renewal.unretired_since = since.map(at);
            let in_use = answer(certificate(Some(NOW - 5)));
            let verdict = judge(&in_use, Some(&renewal), &Policy::default(), None, &Asked::new().request());
            assert_eq!(verdict.value(), Some(Value::Flag(replaced)));
        }
    }

    #[test]
    fn unchecked_or_wrong_clock_is_unknown() {
        let mut unchecked = certificate(Some(NOW - 5));
        unchecked.revocation = Revocation::NotChecked;
        assert_eq!(judged(&answer(unchecked)).reason(), Some(UnknownReason::Undetermined));
        let good = || answer(certificate(Some(NOW - 5)));
        assert_eq!(judged(&good().with_high_water(at(NOW + 30))).value(), Some(Value::Flag(true)));
        let behind = judged(&good().with_high_water(at(NOW + 31)));
        assert_eq!(behind.reason(), Some(UnknownReason::Undetermined));
        let marked = judge(&good(), None, &Policy::default(), Some(at(NOW + 31)), &Asked::new().request());
        assert_eq!(marked.reason(), Some(UnknownReason::Undetermined));
    }
}
