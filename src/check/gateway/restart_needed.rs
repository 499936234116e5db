use chrono::TimeDelta;

use crate::check::device::device_back::{BackWithin, messages_are_back, since_alert};
use crate::check::prelude::*;
use crate::probe::{GatewayHealth, HealthRequest, Receipts};

choices! {
    State {
        Needed = "needed",
        DeviceBack = "device-back",
        Restarted = "restarted",
    }
}

check! {
    /// Is the restart of the gateway still needed?
    RestartNeeded = "restart-needed", Gateway, Now, State::VALUES;
    seen_within: TimeDelta,
    silent_after: TimeDelta,
}

impl Builtin for RestartNeeded {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.gateway(), "gateway probe")?;
        let gateway = request.gateway(probe.source())?;
        let device = adapter(probes.device(), "device probe")?;
        let receipts = since_alert(device, request).await?;
        let health = probe.health(&HealthRequest::new(gateway.clone())).await.by(probe.source())?;
        let within = BackWithin::new(self.seen_within, self.silent_after);
        Ok(judge(&receipts, &health, within, request).by(probe.source()))
    }
}

/// In this order: the device is back; the gateway was started since it was last asked about (since the last wait or act,
/// else since the diagnosis began); needed.
fn judge(
    receipts: &Receipts,
    health: &GatewayHealth,
    within: BackWithin,
    request: &CheckRequest<'_>,
) -> Verdict {
    let messages = messages_are_back(receipts, within, request);
    let started = health.started_at.filter(|at| *at >= request.since());
    let older = receipts.observed_at.min(health.observed_at);
    let of = |is_back: bool, counts_start: bool| {
        let verdict = match (&messages.missing, health.started_at) {
            _ if is_back => Verdict::known(State::DeviceBack, receipts.observed_at),
            _ if started.is_some() && counts_start => Verdict::known(State::Restarted, health.observed_at),
            (Some(missing), _) => Verdict::stale(missing.clone()),
            (None, None) => Verdict::undetermined("nobody knows when the gateway was last started"),
            (None, Some(_)) => Verdict::known(State::Needed, older),
        };
        let start = health.started_at.map(|at| when("gateway started", at));
        verdict.with(messages.details.iter().cloned()).with(start)
    };
    let ahead = started.filter(|at| !request.has_happened(*at)).map(|at| ("gateway start", at));
    let believed = of(messages.believed, ahead.is_none());
    let counted = of(messages.counted, true);
    Verdict::despite_future(believed, &counted, messages.ahead.iter().copied().chain(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    fn receipts(last: Option<i64>) -> Receipts {
        let none = Receipts::new(at(NOW), period(NOW - 900, NOW));
        last.map(at).into_iter().fold(none, Receipts::with_live)
    }

    fn started(at: chrono::DateTime<chrono::Utc>) -> GatewayHealth {
        GatewayHealth::new(crate::check::testing::at(NOW)).with_started_at(at)
    }

    fn judged(receipts: &Receipts, health: &GatewayHealth) -> Verdict {
        judge(receipts, health, BackWithin::new(secs(300), secs(60)), &Asked::new().request())
    }

    /// The last wait or act was at NOW - 600.
    #[test]
    fn device_then_restart_then_need() {
        for (last, start, state) in [
            (Some(NOW - 5), at(NOW - 100), State::DeviceBack),
            (Some(NOW - 301), at(NOW - 100), State::Restarted),
            (None, at(NOW - 600), State::Restarted),
            (None, at(NOW - 600) - NANO, State::Needed),
        ] {
            judged(&receipts(last), &started(start)).expect_of(&(last, start), state);
        }
    }

    #[test]
    fn each_answer_is_as_old_as_what_decides_it() {
        for (last, start, older) in
            [(Some(NOW - 5), NOW - 100, NOW - 2), (None, NOW - 100, NOW - 7), (None, NOW - 700, NOW - 7)]
        {
            let (mut receipts, mut health) = (receipts(last), started(at(start)));
            (receipts.observed_at, health.observed_at) = (at(NOW - 2), at(NOW - 7));
            assert_eq!(judged(&receipts, &health).observed_at(), Some(at(older)), "{last:?} {start}");
        }
        let (mut receipts, health) = (receipts(None), started(at(NOW - 700)));
        receipts.observed_at = at(NOW - 3);
        assert_eq!(judged(&receipts, &health).observed_at(), Some(at(NOW - 3)));
    }

    #[test]
    fn what_nobody_can_say_is_unknown() {
        let untold = GatewayHealth::new(at(NOW));
        judged(&receipts(None), &untold).expect(Undetermined);
        judged(&receipts(Some(NOW - 5)), &untold).expect(State::DeviceBack);
        let ahead = started(at(NOW + 31));
        judged(&receipts(None), &ahead).expect(Future);
        let short = Receipts { covers: period(NOW - 899, NOW), ..receipts(None) };
        judged(&short, &started(at(0))).expect(Stale);
    }
}
