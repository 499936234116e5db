use super::certificate_stage::{facts, mark};
use super::reconnected_with::issued_and_in_use;
use crate::certificate::{Policy, Stage, effective_end};
use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, moment, no_adapter, when};
use crate::check::param::{Given, ParamSpec};
use crate::check::window::has_happened;
use crate::fact::{ChoicesError, Detail, Details, Domain, Kind, Observation, Value};
use crate::probe::{CertificateAnswer, ProbeError, Probes, Revocation};
use crate::runbook::step::About;
use crate::subject::Scope;

/// Is the device on a connection with the newest certificate that was issued, and is that one good? However long ago
/// the connection began.
pub(in crate::check) struct CertificateReplaced {
    policy: Policy,
}

impl Builtin for CertificateReplaced {
    const ID: &'static str = "certificate-replaced";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Flag))
    }

    fn bind(given: &Given<'_>) -> Option<Self> {
        Some(Self { policy: given.policy })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.cert_store() else { return Ok(no_adapter("certificate probe")) };
        let (issued, in_use) = issued_and_in_use(&**probe, request).await?;
        Ok(judge(&issued, &in_use, &self.policy, request).by(probe.source()))
    }
}

/// Yes: the one in use is the newest issued, was seen on a connection, and is good. One that is due for renewal, or
/// beyond, is the old one still, though none was issued after it; one that was issued due replaces nothing. A connection
/// of the future is neither one nor none.
fn judge(
    issued: &CertificateAnswer,
    in_use: &CertificateAnswer,
    policy: &Policy,
    request: &CheckRequest<'_>,
) -> Verdict {
    let observed_at = issued.observed_at.min(in_use.observed_at);
    let no =
        |why: &'static str| Verdict::known(Value::Flag(false), observed_at, Details::one("certificate", why));
    let Some(newest) = &issued.certificate else { return no("none was issued") };
    let Some(used) = &in_use.certificate else { return no("none is in use") };
    let seen = used.last_used.filter(|at| has_happened(*at, request.now()));
    let revoked = [newest.revocation, used.revocation]
        .into_iter()
        .any(|revocation| matches!(revocation, Revocation::Revoked(_)));
    let end = effective_end(used.not_after, used.issuer_not_after);
    let mark = mark(in_use.high_water.max(issued.high_water), request.now());
    let stage = policy.stage(&facts(used).with_revoked(revoked), request.now(), mark);
    let mut details = vec![
        Detail::new("issued", &*newest.fingerprint),
        Detail::new("in use", &*used.fingerprint),
        Detail::new("not after", end.map_or_else(|| "never".to_owned(), moment)),
        Detail::new("stage", stage.name()),
    ];
    details.extend(used.last_used.map(|at| when("last connection", at)));
    let is_newest = newest.fingerprint == used.fingerprint;
    let replaced = match stage {
        _ if !is_newest || used.last_used.is_none() => false,
        Stage::ClockSuspect => {
            return Verdict::undetermined("the clock that judges it cannot be trusted").with(details);
        }
        Stage::Ok | Stage::Awareness if used.revocation == Revocation::NotChecked => {
            return Verdict::undetermined("whether it is revoked was not checked").with(details);
        }
        Stage::Ok | Stage::Awareness if seen.is_none() => {
            return Verdict::undetermined("its last connection is of the future").with(details);
        }
        Stage::Ok | Stage::Awareness => true,
        _ => false,
    };
    Verdict::known(Value::Flag(replaced), observed_at, Details::from_iter(details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at};
    use crate::fact::UnknownReason;
    use crate::probe::Certificate;

    const DAY: i64 = 86_400;

    fn certificate(print: &'static str, used: Option<i64>) -> Certificate {
        let ends = at(NOW + 350 * DAY);
        let mut certificate =
            Certificate::new(print.into(), at(NOW - 10 * DAY), ends, Revocation::NotRevoked);
        certificate.last_used = used.map(at);
        certificate
    }

    fn answer(certificate: Certificate) -> CertificateAnswer {
        CertificateAnswer::new(at(NOW)).with_certificate(certificate)
    }

    fn judged(issued: &CertificateAnswer, in_use: &CertificateAnswer) -> Verdict {
        judge(issued, in_use, &Policy::default(), &Asked::new().request())
    }

    #[test]
    fn the_newest_fingerprint_must_be_on_a_connection_however_old() {
        let issued = answer(certificate("new", None));
        let none = CertificateAnswer::new(at(NOW));
        for (issued, in_use, replaced) in [
            (&issued, answer(certificate("new", Some(NOW - 5))), true),
            // The approval was asked at NOW - 600: it was back before, and is replaced all the same.
            (&issued, answer(certificate("new", Some(NOW - 9 * DAY))), true),
            (&issued, answer(certificate("new", Some(NOW + 30))), true),
            (&issued, answer(certificate("new", None)), false),
            (&issued, answer(certificate("old", Some(NOW - 5))), false),
            (&none, answer(certificate("old", Some(NOW - 5))), false),
            (&issued, none.clone(), false),
        ] {
            let verdict = judged(issued, &in_use);
            assert_eq!(verdict.value(), Some(Value::Flag(replaced)), "{issued:?} {in_use:?}");
        }
    }

    #[test]
    fn a_connection_of_the_future_is_neither_one_nor_none() {
        let issued = answer(certificate("new", None));
        let ahead = |print| answer(certificate(print, Some(NOW + 31)));
        assert_eq!(judged(&issued, &ahead("new")).reason(), Some(UnknownReason::Undetermined));
        assert_eq!(judged(&issued, &ahead("old")).value(), Some(Value::Flag(false)));
        let mut due = ahead("new");
        due.certificate.as_mut().unwrap().not_after = at(NOW + DAY);
        assert_eq!(judged(&issued, &due).value(), Some(Value::Flag(false)), "it is due whenever it was used");
    }

    /// The newest issued is the one that is due where no renewal was begun: nothing is replaced by that.
    #[test]
    fn only_a_certificate_that_is_good_and_not_due_replaces_another() {
        let of = |from: i64, left: i64| {
            let mut one = certificate("one", Some(NOW - 5));
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
            assert_eq!(judged(&answer, &answer).value(), Some(Value::Flag(replaced)), "{answer:?}");
        }
        let mut end = answer(of(-360, 0));
        end.certificate.as_mut().unwrap().not_after = at(NOW) - NANO;
        assert_eq!(judged(&end, &end).value(), Some(Value::Flag(false)));
    }

    #[test]
    fn one_that_was_not_checked_or_is_judged_by_a_wrong_clock_is_undetermined() {
        let mut unchecked = certificate("new", Some(NOW - 5));
        unchecked.revocation = Revocation::NotChecked;
        let unchecked = answer(unchecked);
        assert_eq!(judged(&unchecked, &unchecked).reason(), Some(UnknownReason::Undetermined));
        // What is not in use is not replaced, checked or not.
        let issued = answer(certificate("newer", None));
        assert_eq!(judged(&issued, &unchecked).value(), Some(Value::Flag(false)));
        let near = answer(certificate("new", Some(NOW - 5))).with_high_water(at(NOW + 30));
        assert_eq!(judged(&near, &near).value(), Some(Value::Flag(true)));
        let behind = answer(certificate("new", Some(NOW - 5))).with_high_water(at(NOW + 31));
        assert_eq!(judged(&behind, &behind).reason(), Some(UnknownReason::Undetermined));
    }

    #[test]
    fn the_older_of_the_two_answers_dates_the_verdict() {
        let mut issued = answer(certificate("new", None));
        issued.observed_at = at(NOW - 50);
        let verdict = judged(&issued, &answer(certificate("new", Some(NOW - 5))));
        assert!(matches!(verdict, Verdict::Known { observed_at, .. } if observed_at == at(NOW - 50)));
    }
}
