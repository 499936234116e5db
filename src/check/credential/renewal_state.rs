use chrono::{DateTime, TimeDelta, Utc};

use super::certificate::certificate_of;
use super::certificate_stage::{facts, known_time};
use crate::certificate::{Policy, Stage};
use crate::check::broker::holder::holder;
use crate::check::prelude::*;
use crate::probe::{Certificate, Renewal, RenewalAnswer, RenewalRequest, WhichCertificate};
use crate::time::{TimeMark, saturating_add};

choices! {
    State {
        Confirmed = "confirmed",
        RolledBack = "rolled-back",
        Running = "running",
        Retrying = "retrying",
        Due = "due",
        Stalled = "stalled",
        Failed = "failed",
        Unsupported = "unsupported",
    }
}

check! {
    /// How far is the renewal of the certificate in use?
    RenewalState = "renewal-state", Session, Now, State::VALUES, policy: Policy, mark: Option<TimeMark>;
    progress_within: TimeDelta,
}

impl Builtin for RenewalState {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.cert_store(), "certificate probe")?;
        let holder = holder(request, probes).await?;
        let renewal = probe.renewal(&RenewalRequest::new(holder.client.clone())).await.by(probe.source())?;
        let in_use = certificate_of(probe, &holder, WhichCertificate::InUse).await?;
        let mark = in_use.high_water.max(self.mark.as_ref().map(TimeMark::at));
        let verdict = self.judge(&renewal, in_use.certificate.as_ref(), mark, request);
        Ok(verdict.with([holder.detail()]).by(probe.source()))
    }
}

impl RenewalState {
    /// In this order: confirmed, or rolled back where the old certificate is in use again; failed, or retrying where the
    /// next try begins before follow-up does; running, or stalled where it has made no progress for longer than
    /// `progress_within` though the holder is connected. Where none was begun: unsupported, due, or stalled where it has been
    /// due for longer. A renewal that brought the certificate which is due again is over and counts as none. By a clock that
    /// cannot be trusted it is unknown.
    fn judge(
        &self,
        answer: &RenewalAnswer,
        in_use: Option<&Certificate>,
        mark: Option<DateTime<Utc>>,
        request: &CheckRequest<'_>,
    ) -> Verdict {
        let mark = known_time(mark, request);
        let is_suspect = |in_use: &Certificate| {
            self.policy.stage(&facts(in_use), request.now(), mark) == Stage::ClockSuspect
        };
        if in_use.is_some_and(is_suspect) {
            return Verdict::undetermined("the clock that judges it cannot be trusted")
                .with(mark.map(|mark| when("latest known time", mark)));
        }
        let is_over = |latest: &&Renewal| {
            let of_in_use = in_use.filter(|in_use| latest.fingerprint.as_ref() == Some(&in_use.fingerprint));
            latest.confirmed_at.is_some()
                && of_in_use.is_some_and(|in_use| self.is_due(in_use, request.now()))
        };
        match answer.latest.as_ref().filter(|latest| !is_over(latest)) {
            Some(latest) => self.begun(latest, answer, in_use, request),
            None => self.not_begun(answer, in_use, request),
        }
    }

    fn begun(
        &self,
        latest: &Renewal,
        answer: &RenewalAnswer,
        in_use: Option<&Certificate>,
        request: &CheckRequest<'_>,
    ) -> Verdict {
        let mut details = vec![
            Detail::new("generation", latest.generation.to_string()),
            when("latest attempt", latest.started_at),
        ];
        details.extend(latest.reported_at.map(|at| when("reported", at)));
        details.extend(in_use.map(|in_use| Detail::new("in use", &*in_use.fingerprint)));
        let known =
            |state: State, details: Vec<Detail>| Verdict::known(state, answer.observed_at).with(details);
        if let Some(confirmed) = latest.confirmed_at {
            details.push(when("confirmed", confirmed));
            let (Some(in_use), Some(issued)) = (in_use, &latest.fingerprint) else {
                let why = "the renewal is confirmed, and nobody knows which certificate is in use";
                return Verdict::undetermined(why).with(details);
            };
            let state = if in_use.fingerprint == *issued { State::Confirmed } else { State::RolledBack };
            return known(state, details);
        }
        if let Some(failed) = latest.failed_at.filter(|at| *at >= latest.started_at) {
            details.push(when("failed", failed));
            details.extend(latest.failure.as_deref().map(|text| Detail::new("failure", text)));
            details.extend(latest.next_try_at.map(|at| when("next try", at)));
            let Some(next) = latest.next_try_at else { return known(State::Failed, details) };
            let Some(in_use) = in_use else {
                let why =
                    "a further try is due, and nobody knows when follow-up of the certificate in use begins";
                return Verdict::undetermined(why).with(details);
            };
            // A try that should have begun long ago is none to wait for.
            let is_missed = saturating_add(next, self.progress_within) < request.now();
            let state = match self.is_in_follow_up(in_use, next.max(request.now())) {
                _ if is_missed => State::Stalled,
                true => State::Failed,
                false => State::Retrying,
            };
            return known(state, details);
        }
        let progress =
            [Some(latest.started_at), latest.reported_at, latest.progress_at].into_iter().flatten().max();
        let progress = progress.unwrap_or(latest.started_at);
        details.push(when("last progress", progress));
        if !request.has_happened(progress) {
            return Verdict::future("its last progress is dated in the future").with(details);
        }
        if request.now().signed_duration_since(progress) <= self.progress_within {
            return known(State::Running, details);
        }
        match answer.connected {
            // Somebody brought it by hand, and the device does not take it up.
            Some(true) if !answer.supported => known(State::Unsupported, details),
            Some(true) => known(State::Stalled, details),
            Some(false) => {
                details.push(Detail::new("connected", "no"));
                known(State::Running, details)
            }
            None => {
                let why = "it makes no progress, and nobody knows whether the holder is connected";
                Verdict::undetermined(why).with(details)
            }
        }
    }

    fn not_begun(
        &self,
        answer: &RenewalAnswer,
        in_use: Option<&Certificate>,
        request: &CheckRequest<'_>,
    ) -> Verdict {
        if !answer.supported {
            let by_hand = Detail::new("renewal", "this type of device does not renew by itself");
            return Verdict::known(State::Unsupported, answer.observed_at).with([by_hand]);
        }
        let Some(in_use) = in_use else {
            return Verdict::undetermined("no renewal was begun, and nobody knows the certificate in use");
        };
        let long_ago =
            request.now().checked_sub_signed(self.progress_within).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let begins = answer.begins_at.map(|at| when("begins", at));
        if !self.is_due(in_use, request.now()) {
            return Verdict::undetermined("no renewal of the certificate in use is due or was begun")
                .with(begins);
        }
        let due_long_ago = match answer.begins_at {
            Some(begins) => begins < long_ago,
            None => self.is_due(in_use, long_ago),
        };
        let state = if due_long_ago { State::Stalled } else { State::Due };
        Verdict::known(state, answer.observed_at).with(begins)
    }

    fn is_due(&self, certificate: &Certificate, at: DateTime<Utc>) -> bool {
        matches!(
            self.policy.stage(&facts(certificate), at, None),
            Stage::Renewal | Stage::FollowUp | Stage::Expired
        )
    }

    fn is_in_follow_up(&self, certificate: &Certificate, at: DateTime<Utc>) -> bool {
        matches!(self.policy.stage(&facts(certificate), at, None), Stage::FollowUp | Stage::Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Revocation;

    const DAY: i64 = 86_400;

    /// Of a life of 360 days: due with less than 60 left, in follow-up with less than 30.
    fn in_use(left: i64) -> Certificate {
        Certificate::new(
            "old".into(),
            at(NOW + (left - 360) * DAY),
            at(NOW + left * DAY),
            Revocation::NotRevoked,
        )
    }

    fn renewal() -> Renewal {
        Renewal::new(2, at(NOW - 500)).with_fingerprint("new")
    }

    fn answer(latest: Option<Renewal>) -> RenewalAnswer {
        RenewalAnswer { latest, ..RenewalAnswer::new(at(NOW), true).with_connected(true) }
    }

    fn judged(answer: &RenewalAnswer, in_use: Option<&Certificate>) -> Verdict {
        judged_by(None, answer, in_use)
    }

    fn judged_by(mark: Option<i64>, answer: &RenewalAnswer, in_use: Option<&Certificate>) -> Verdict {
        let check = RenewalState { policy: Policy::default(), mark: None, progress_within: secs(DAY) };
        check.judge(answer, in_use, mark.map(at), &Asked::new().request())
    }

    #[test]
    fn by_a_suspect_clock_no_renewal_is_judged() {
        let running = answer(Some(renewal()));
        for (mark, suspect) in [
            (NOW - 30 * DAY, false),
            (NOW - 30 * DAY - 1, true),
            (NOW, false),
            (NOW + 30, false),
            (NOW + 31, true),
        ] {
            judged_by(Some(mark), &running, Some(&in_use(45)))
                .expect_of(&mark, (!suspect).then_some(State::Running));
        }
    }

    #[test]
    fn unused_hand_delivery_needs_a_person() {
        let brought = answer(Some(Renewal::new(2, at(NOW - DAY - 1))));
        let mut brought = RenewalAnswer { supported: false, ..brought };
        judged(&brought, Some(&in_use(45))).expect(State::Unsupported);
        brought.connected = Some(false);
        judged(&brought, Some(&in_use(45))).expect(State::Running);
    }

    #[test]
    fn states_of_a_begun_renewal_have_facts() {
        let failed = |at| renewal().with_failed_at(at);
        for (latest, state) in [
            (renewal(), State::Running),
            (renewal().with_reported_at(at(NOW)), State::Running),
            (failed(at(NOW - 500) - NANO), State::Running),
            (failed(at(NOW - 500)), State::Failed),
            (failed(at(NOW - 400)).with_next_try_at(at(NOW + 5)), State::Retrying),
            // 45 days are left: follow-up begins in 15 days.
            (failed(at(NOW - 400)).with_next_try_at(at(NOW + 15 * DAY)), State::Retrying),
            (failed(at(NOW - 400)).with_next_try_at(at(NOW + 15 * DAY) + NANO), State::Failed),
            (failed(at(NOW - 400)).with_next_try_at(at(NOW - DAY)), State::Retrying),
            (failed(at(NOW - 400)).with_next_try_at(at(NOW - DAY) - NANO), State::Stalled),
            (failed(at(NOW)).with_confirmed_at(at(NOW)), State::RolledBack),
        ] {
            judged(&answer(Some(latest.clone())), Some(&in_use(45))).expect_of(&latest, state);
        }
    }

    #[test]
    fn confirmed_needs_the_new_certificate_in_use() {
        let confirmed = answer(Some(renewal().with_confirmed_at(at(NOW - 9))));
        let mut new = in_use(350);
        new.fingerprint = "new".into();
        judged(&confirmed, Some(&new)).expect(State::Confirmed);
        let back = judged(&confirmed, Some(&in_use(45)));
        back.expect(State::RolledBack);
        judged(&confirmed, None).expect(Undetermined);
    }

    #[test]
    fn idle_for_a_day_is_stalled_if_connected() {
        let mut old = renewal();
        for (progress, connected, state) in [
            (at(NOW - DAY), Some(true), Some(State::Running)),
            (at(NOW - DAY) - NANO, Some(true), Some(State::Stalled)),
            (at(NOW - 9 * DAY), Some(false), Some(State::Running)),
            (at(NOW - 9 * DAY), None, None),
        ] {
            old.started_at = at(NOW - 20 * DAY);
            old.progress_at = Some(progress);
            let answer = RenewalAnswer { connected, ..answer(Some(old.clone())) };
            judged(&answer, Some(&in_use(45))).expect_of(&(progress, connected), state);
        }
        let ahead = renewal().with_progress_at(at(NOW + 31));
        judged(&answer(Some(ahead)), None).expect(Future);
    }

    #[test]
    fn unbegun_is_due_then_stalled_in_a_day() {
        let mut edge = in_use(59);
        // It has been due for exactly a day.
        edge.not_after = at(NOW + 59 * DAY);
        for (certificate, begins, state) in [
            (in_use(59), None, Some(State::Due)),
            (edge, None, Some(State::Due)),
            (in_use(58), None, Some(State::Stalled)),
            (in_use(45), Some(NOW + 5), Some(State::Due)),
            (in_use(45), Some(NOW - DAY), Some(State::Due)),
            (in_use(45), Some(NOW - DAY - 1), Some(State::Stalled)),
            (in_use(90), None, None),
        ] {
            let answer = RenewalAnswer { begins_at: begins.map(at), ..answer(None) };
            judged(&answer, Some(&certificate)).expect_of(&(certificate, begins), state);
        }
        let unsupported = RenewalAnswer { supported: false, ..answer(None) };
        judged(&unsupported, None).expect(State::Unsupported);
        judged(&answer(None), None).expect(Undetermined);
    }

    #[test]
    fn renewal_of_what_is_due_again_is_over() {
        let last = Renewal::new(2, at(NOW - 300 * DAY))
            .with_fingerprint("old")
            .with_confirmed_at(at(NOW - 299 * DAY));
        judged(&answer(Some(last)), Some(&in_use(59))).expect(State::Due);
    }
}
