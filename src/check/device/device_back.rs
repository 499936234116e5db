use chrono::TimeDelta;

use super::messages::{LiveMessages, bound};
use crate::check::prelude::*;
use crate::probe::{
    DeviceProbe, ProbeError, Receipts, ReceiptsRequest, ServiceState, ServiceStateAnswer, ServiceStateRequest,
};

choices! {
    State {
        Back = "back",
        OutOfService = "out-of-service",
        Silent = "silent",
    }
}

check! {
    /// Is the device back, or taken out of service, so that nothing is left to do?
    DeviceBack = "device-back", Device, Now, State::VALUES;
    seen_within: TimeDelta,
    silent_after: TimeDelta,
}

/// How late the next message of a device that is back may be.
#[derive(Clone, Copy)]
pub(in crate::check) struct BackWithin {
    /// Where no reporting interval is known, and so nobody knows when it is due.
    seen_within: TimeDelta,
    /// Past its due time. A device that has just missed a message may have gone away again.
    silent_after: TimeDelta,
}

impl BackWithin {
    pub(in crate::check) const fn new(seen_within: TimeDelta, silent_after: TimeDelta) -> Self {
        Self { seen_within, silent_after }
    }

    fn longest_silence(self, request: &CheckRequest<'_>) -> TimeDelta {
        if request.subject().reporting_interval().is_zero() {
            self.seen_within
        } else {
            bound(self.silent_after, request)
        }
    }
}

impl Builtin for DeviceBack {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.device(), "device probe")?;
        let within = BackWithin::new(self.seen_within, self.silent_after);
        let receipts = since_alert(probe, request).await?;
        // Messages that show its return need no registry, which may be slow.
        if messages_are_back(&receipts, within, request).believed {
            return Ok(judge(&receipts, None, within, request).by(probe.source()));
        }
        let asked = ServiceStateRequest::new(request.device());
        // A registry that does not answer takes nothing from what the messages show.
        let service = probe.service_state(&asked).await.by(probe.source());
        Ok(judge(&receipts, Some(service.as_ref()), within, request).by(probe.source()))
    }
}

/// The messages since the alert: only such show that the device came back.
pub(in crate::check) async fn since_alert(
    probe: &dyn DeviceProbe,
    request: &CheckRequest<'_>,
) -> Result<Receipts, ProbeError> {
    let period = request.period_from(request.triggered_at());
    let asked = ReceiptsRequest::new(request.device(), period);
    probe.receipts(&asked).await.by(probe.source())
}

/// Back: a live message came after the alert, and no silence since: the next one is at most that late. The verdict without
/// the registry.
pub(in crate::check) fn messages_are_back(
    receipts: &Receipts,
    within: BackWithin,
    request: &CheckRequest<'_>,
) -> BackByMessages {
    let live = LiveMessages::of(receipts, request.triggered_at(), request);
    let details = |live: &LiveMessages| {
        let last = live.last().map_or_else(
            || Detail::new("last message", "none since the alert"),
            |last| when("last message", last),
        );
        [last].into_iter().chain(live.not_counted()).collect::<Vec<_>>()
    };
    // A message in the instant of the alert is the one that it was raised after.
    let is_back = |live: &LiveMessages| {
        live.last().is_some_and(|last| {
            last > request.triggered_at()
                && request.now().signed_duration_since(last) <= within.longest_silence(request)
        })
    };
    BackByMessages {
        believed: is_back(&live),
        counted: is_back(&live.with_future_as_now(request.now())),
        ahead: live.ahead().collect(),
        details: details(&live),
        missing: not_covered(request.period_from(request.triggered_at()), receipts.covers),
    }
}

/// Whether messages show that the device is back.
pub(in crate::check) struct BackByMessages {
    pub(in crate::check) believed: bool,
    /// The same with messages of the future counted as of now.
    pub(in crate::check) counted: bool,
    pub(in crate::check) ahead: Vec<(&'static str, chrono::DateTime<chrono::Utc>)>,
    pub(in crate::check) details: Vec<Detail>,
    /// What the receipts do not cover.
    pub(in crate::check) missing: Option<String>,
}

/// In this order: back by its messages; out of service by the registry; silent.
fn judge(
    receipts: &Receipts,
    service: Option<Result<&ServiceStateAnswer, &ProbeError>>,
    within: BackWithin,
    request: &CheckRequest<'_>,
) -> Verdict {
    let messages = messages_are_back(receipts, within, request);
    let of = |is_back: bool| {
        let details = messages.details.iter().cloned();
        if is_back {
            return Verdict::known(State::Back, receipts.observed_at).with(details);
        }
        let registry = match service {
            None => None,
            Some(Ok(answer)) => answer.state.map(|state| Detail::new("registry", state.name())),
            Some(Err(error)) => Some(Detail::new("registry", error.to_string())),
        };
        let verdict = match (service, &messages.missing) {
            (Some(Ok(answer)), _) if answer.state.is_some_and(is_out_of_service) => {
                Verdict::known(State::OutOfService, answer.observed_at)
            }
            (_, Some(missing)) => Verdict::stale(missing.clone()),
            (_, None) => Verdict::known(State::Silent, receipts.observed_at),
        };
        verdict.with(details).with(registry)
    };
    Verdict::despite_future(of(messages.believed), &of(messages.counted), messages.ahead.iter().copied())
}

const fn is_out_of_service(state: ServiceState) -> bool {
    matches!(state, ServiceState::Maintenance | ServiceState::Decommissioned)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::check::testing::*;
    use crate::probe::{MessageKind, Receipt};

    const WITHIN: BackWithin = BackWithin::new(secs(300), secs(60));

    fn receipts(messages: &[DateTime<Utc>]) -> Receipts {
        let none = Receipts::new(at(NOW), period(NOW - 900, NOW));
        messages.iter().fold(none, |receipts, at| receipts.with_live(*at))
    }

    fn service(state: ServiceState) -> ServiceStateAnswer {
        ServiceStateAnswer::new(at(NOW)).with_state(state)
    }

    fn judged(receipts: &Receipts, state: ServiceState, interval: i64) -> Verdict {
        judge(receipts, Some(Ok(&service(state))), WITHIN, &Asked::reporting_each(interval).request())
    }

    /// The alert is 900 s old.
    #[test]
    fn message_after_alert_is_back() {
        for (last, interval, state) in [
            (at(NOW - 300) - NANO, 0, State::Silent),
            (at(NOW - 300), 0, State::Back),
            // It came back, and has missed a message since.
            (at(NOW - 120), 60, State::Back),
            (at(NOW - 120) - NANO, 60, State::Silent),
            (at(NOW - 900) + NANO, 3600, State::Back),
            (at(NOW - 900), 3600, State::Silent),
            (at(NOW + 30), 0, State::Back),
        ] {
            judged(&receipts(&[last]), ServiceState::InService, interval).expect_of(&(last, interval), state);
        }
    }

    #[test]
    fn registry_is_asked_where_no_message_shows_it() {
        use ServiceState::{Decommissioned, InService, Maintenance, NeverProvisioned};
        for (service, state) in [
            (InService, State::Silent),
            (NeverProvisioned, State::Silent),
            (Maintenance, State::OutOfService),
            (Decommissioned, State::OutOfService),
        ] {
            judged(&receipts(&[]), service, 0).expect_of(&service, state);
            let back = judged(&receipts(&[at(NOW - 5)]), service, 0);
            back.expect(State::Back);
        }
        let error = ProbeError::failed("no registry");
        let verdict = judge(&receipts(&[]), Some(Err(&error)), WITHIN, &Asked::new().request());
        verdict.expect(State::Silent);
        assert!(verdict.detail("registry").is_some());
    }

    #[test]
    fn a_will_or_a_replay_is_no_return() {
        let kept = Receipt::new(at(NOW - 5), MessageKind::Live).with_made_at(at(NOW - 2000));
        for message in [Receipt::new(at(NOW - 5), MessageKind::Will), kept] {
            let receipts = receipts(&[]).with_messages(vec![message]);
            let verdict = judged(&receipts, ServiceState::InService, 0);
            verdict.expect(State::Silent);
            assert!(verdict.detail("not counted").is_some());
        }
    }

    #[test]
    fn uncovered_or_future_is_unknown() {
        let short = Receipts { covers: period(NOW - 899, NOW), ..receipts(&[]) };
        judged(&short, ServiceState::InService, 0).expect(Stale);
        let verdict = judged(&short, ServiceState::Maintenance, 0);
        verdict.expect(State::OutOfService);
        let ahead = judged(&receipts(&[at(NOW + 31)]), ServiceState::InService, 0);
        ahead.expect(Future);
        let back = judged(&receipts(&[at(NOW - 5), at(NOW + 31)]), ServiceState::InService, 0);
        back.expect(State::Back);
        assert!(back.detail("dated in the future").is_some());
    }
}
