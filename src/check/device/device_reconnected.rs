use chrono::TimeDelta;

use super::messages::{LiveMessages, bound};
use crate::check::prelude::*;
use crate::probe::{Receipts, ReceiptsRequest};

check! {
    /// Has the device reconnected since the act, with messages that it makes now?
    DeviceReconnected = "device-reconnected", Device, Now, FLAG;
    silent_after: TimeDelta,
}

impl Builtin for DeviceReconnected {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.device(), "device probe")?;
        let asked = ReceiptsRequest::new(request.device(), request.period_from(request.since()));
        let receipts = probe.receipts(&asked).await.by(probe.source())?;
        Ok(judge(&receipts, self.silent_after, request).by(probe.source()))
    }
}

/// Yes: a live message was received since the act, and the next one is not overdue by more than `silent_after`; where no
/// reporting interval is known, nobody knows when it is. A session alone, or a gateway that is back, does not say that
/// the device is: a gateway that restarts also empties its buffer.
fn judge(receipts: &Receipts, silent_after: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let live = LiveMessages::of(receipts, request.since(), request);
    let of = |live: &LiveMessages| {
        let beside = live.not_counted();
        if let Some(last) = live.last() {
            let silence = request.now().signed_duration_since(last);
            let is_there =
                request.subject().reporting_interval().is_zero() || silence <= bound(silent_after, request);
            let gone = (!is_there).then(|| Detail::new("since then", "it came back, and is silent again"));
            let there = Verdict::known(Value::Flag(is_there), receipts.observed_at);
            return there.with([when("last message", last)]).with(gone).with(beside);
        }
        let asked = request.period_from(request.since());
        if let Some(missing) = not_covered(asked, receipts.covers) {
            return Verdict::stale(missing).with(beside);
        }
        if request.subject().reporting_interval() > asked.length() {
            let why = "no message yet, and none is due before its reporting interval has passed";
            return Verdict::undetermined(why).with(beside);
        }
        let none = Detail::new("last message", "none since then");
        Verdict::known(Value::Flag(false), receipts.observed_at).with([none]).with(beside)
    };
    Verdict::despite_future(of(&live), &of(&live.with_future_as_now(request.now())), live.ahead())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{MessageKind, Receipt};

    /// The act was at NOW - 600, the alert at NOW - 900.
    fn receipts() -> Receipts {
        Receipts::new(at(NOW), period(NOW - 600, NOW))
    }

    fn judged(receipts: &Receipts) -> Verdict {
        judge(receipts, secs(60), &Asked::new().request())
    }

    #[test]
    fn live_message_since_act_is_a_return() {
        for (last, back) in
            [(at(NOW - 600) - NANO, false), (at(NOW - 600), true), (at(NOW - 600) + NANO, true)]
        {
            judged(&receipts().with_live(last)).expect(back);
        }
    }

    #[test]
    fn a_device_that_falls_silent_again_is_not_back() {
        for (interval, last, back) in [
            (10, at(NOW - 70), true),
            (10, at(NOW - 70) - NANO, false),
            (500, at(NOW - 560), true),
            // Nobody knows when its next message is due.
            (0, at(NOW - 600), true),
        ] {
            let verdict =
                judge(&receipts().with_live(last), secs(60), &Asked::reporting_each(interval).request());
            verdict.expect_of(&(interval, last), back);
            assert_eq!(verdict.detail("since then").is_some(), !back);
        }
    }

    #[test]
    fn replayed_buffer_is_no_return() {
        use MessageKind::{BadQuality, Death, GatewayHeartbeat, Live, Replayed, Retained, Will};
        for kind in [BadQuality, Death, GatewayHeartbeat, Replayed, Retained, Will] {
            let seen = receipts().with_messages(vec![Receipt::new(at(NOW - 5), kind)]);
            judged(&seen).expect_of(&kind, false);
        }
        let kept = Receipt::new(at(NOW - 5), Live).with_made_at(at(NOW - 1000));
        judged(&receipts().with_messages(vec![kept])).expect(false);
    }

    #[test]
    fn future_message_alone_is_unknown() {
        judged(&receipts().with_live(at(NOW + 30))).expect(true);
        judged(&receipts().with_live(at(NOW + 31))).expect(Future);
        let both = receipts().with_live(at(NOW - 5)).with_live(at(NOW + 31));
        judged(&both).expect(true);
    }

    #[test]
    fn what_nobody_can_say_yet_is_unknown() {
        let short = Receipts { covers: period(NOW - 600, NOW - 1), ..receipts() };
        judged(&short).expect(Stale);
        for (interval, reason) in [(601, Some(Undetermined)), (600, None)] {
            assert_eq!(
                judge(&receipts(), secs(60), &Asked::reporting_each(interval).request()).reason(),
                reason,
                "{interval}"
            );
        }
    }
}
