use chrono::{DateTime, TimeDelta, Utc};

use crate::check::broker::broker_connect::last_seen;
use crate::check::prelude::*;
use crate::probe::{Endpoint, GatewayHealth, HealthRequest, LastSeenAnswer};
use crate::time::saturating_add;

check! {
    /// Did the gateway go away before the device fell silent? A gateway that was alive after the device's next
    /// message was due did not cause the silence by going away.
    GatewayWentFirst = "gateway-went-first", Gateway, Now, FLAG;
    margin: TimeDelta,
}

impl Builtin for GatewayWentFirst {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.gateway(), "gateway probe")?;
        let gateway = request.gateway(probe.source())?;
        adapter(probes.device(), "device probe")?;
        let seen = last_seen(request, probes).await?;
        let health = probe.health(&HealthRequest::new(gateway.clone())).await.by(probe.source())?;
        Ok(judge(&health, seen.as_ref(), self.margin, request).by(probe.source()))
    }
}

/// Yes: its last sign of life is at most `margin` later than the device's next message was due. Without an interval, as of
/// a device that reports by exception, nobody knows when that was. Signs of life after a restart say nothing of before.
fn judge(
    health: &GatewayHealth,
    seen: Option<&LastSeenAnswer>,
    margin: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    let interval = request.subject().reporting_interval();
    if interval.is_zero() {
        return Verdict::undetermined(
            "the device has no reporting interval: nobody knows when its message was due",
        );
    }
    let Some(last) = seen.and_then(|seen| seen.last_receipt) else {
        return Verdict::undetermined("the device was never seen");
    };
    let due = saturating_add(last, interval);
    let mut details = vec![when("next message due", due)];
    if !request.has_happened(last) {
        return Verdict::future(format!("the last message is dated in the future: {}", moment(last)));
    }
    if let Some(at) = health.started_at.filter(|at| *at > due) {
        details.push(when("started", at));
        return Verdict::undetermined(
            "the gateway was started since: what was seen of it later says nothing of before",
        )
        .with(details);
    }
    let Some((sign, at)) = last_sign_of_life(health) else {
        return Verdict::undetermined("nobody knows when the gateway was last alive").with(details);
    };
    details.push(Detail::new("gateway last alive", format!("{sign} at {}", moment(at))));
    if !request.has_happened(at) {
        return Verdict::future("its last sign of life is dated in the future").with(details);
    }
    let went_first = at <= saturating_add(due, margin);
    // Without its start, a sign of life since the act may be one after a restart.
    if !went_first && health.started_at.is_none() && at >= request.since() && request.since() > due {
        return Verdict::undetermined("the gateway may have been restarted since").with(details);
    }
    Verdict::known(Value::Flag(went_first), health.observed_at).with(details)
}

/// Of its process: that its host or its supervisor answers says nothing of it.
fn last_sign_of_life(health: &GatewayHealth) -> Option<(&'static str, DateTime<Utc>)> {
    let answer = (health.endpoint == Endpoint::Answers).then_some(("answer", health.observed_at));
    let heartbeat = health.last_heartbeat.map(|at| ("heartbeat", at));
    answer.into_iter().chain(heartbeat).max_by_key(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::PathTried;

    /// It was last seen an hour ago and reports every minute.
    const DUE: i64 = NOW - 3540;

    fn judged(health: &GatewayHealth, interval: i64) -> Verdict {
        let seen = LastSeenAnswer::new(at(NOW)).with_last_receipt(at(NOW - 3600));
        judge(health, Some(&seen), secs(60), &Asked::reporting_each(interval).request())
    }

    fn beat(at: DateTime<Utc>) -> GatewayHealth {
        GatewayHealth::new(crate::check::testing::at(NOW))
            .with_last_heartbeat(at)
            .with_started_at(crate::check::testing::at(0))
    }

    #[test]
    fn start_when_the_message_was_due_hides_nothing() {
        let of = |start| {
            let mut health = GatewayHealth::new(at(NOW)).with_last_heartbeat(at(DUE - 30));
            health.started_at = Some(start);
            judged(&health, 60)
        };
        of(at(DUE)).expect(true);
        of(at(DUE) + NANO).expect(Undetermined);
    }

    #[test]
    fn the_margin_is_judged_to_the_nanosecond() {
        for (last, first) in [
            (at(NOW - 9000), true),
            (at(DUE), true),
            (at(DUE + 60), true),
            (at(DUE + 60) + NANO, false),
            (at(NOW), false),
        ] {
            judged(&beat(last), 60).expect_of(&last, first);
        }
        let answers = GatewayHealth::new(at(NOW)).with_started_at(at(0)).with_endpoint(Endpoint::Answers);
        judged(&answers, 60).expect(false);
    }

    #[test]
    fn what_does_not_show_it_is_undetermined() {
        let none = GatewayHealth::new(at(NOW));
        judged(&none, 60).expect(Undetermined);
        // Its host answers, as the host of a process that was killed does.
        let host = none.with_paths(vec![PathTried::new("ssh".into(), true)]);
        judged(&host, 60).expect(Undetermined);
        // Without an interval the rule says nothing.
        judged(&beat(at(NOW - 5)), 0).expect(Undetermined);
        // It was restarted since: that it lives now says nothing of before.
        let restarted = beat(at(NOW - 5)).with_started_at(at(NOW - 900));
        judged(&restarted, 60).expect(Undetermined);
        // The act was at NOW - 600, and nobody knows when it was started.
        let untold = GatewayHealth::new(at(NOW)).with_last_heartbeat(at(NOW - 500));
        judged(&untold, 60).expect(Undetermined);
        let before = GatewayHealth::new(at(NOW)).with_last_heartbeat(at(NOW - 601));
        judged(&before, 60).expect(false);
        judged(&beat(at(NOW + 31)), 60).expect(Future);
    }
}
