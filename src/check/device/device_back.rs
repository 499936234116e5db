use chrono::TimeDelta;

use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, moment, no_adapter, when};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::check::window::{has_happened, sum};
use crate::fact::{ChoicesError, Details, Domain, Kind, Observation, Value};
use crate::probe::{LastSeenAnswer, LastSeenRequest, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// Is the device back, so that nothing is left to do?
pub(in crate::check) struct DeviceBack {
    seen_within: TimeDelta,
}

impl Builtin for DeviceBack {
    const ID: &'static str = "device-back";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[ParamSpec::required("seen_within", ParamKind::Duration)];

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Flag))
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { seen_within: params.duration("seen_within")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.device() else { return Ok(no_adapter("device probe")) };
        let asked = LastSeenRequest::new(request.subject().device.clone());
        Ok(judge(
            &probe.last_seen(&asked).await.map_err(|error| error.by(probe.source()))?,
            self.seen_within,
            request,
        )
        .by(probe.source()))
    }
}

/// Back: its last message is less than `seen_within` old, or came after the alert and is less than that past its
/// due time. The interval alone must not bring back a device that has not been heard since the alert.
fn judge(answer: &LastSeenAnswer, seen_within: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let Some(last) = answer.last_receipt else {
        return Verdict::known(Value::Flag(false), answer.observed_at, Details::one("last message", "never"));
    };
    if !has_happened(last, request.now()) {
        return Verdict::undetermined(format!("the last message is of the future: {}", moment(last)));
    }
    let age = request.now().signed_duration_since(last);
    let heard_since = last > request.triggered_at();
    let back =
        age < seen_within || heard_since && age < sum(seen_within, request.subject().reporting_interval());
    Verdict::known(Value::Flag(back), answer.observed_at, Details::from_iter([when("last message", last)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, secs};
    use crate::fact::UnknownReason;

    #[test]
    fn the_bound_is_judged_to_the_nanosecond_and_the_interval_counts_only_after_the_alert() {
        // The alert is 900 s old.
        for (last, interval, back) in [
            (at(NOW - 300) - NANO, 0, false),
            (at(NOW - 300), 0, false),
            (at(NOW - 300) + NANO, 0, true),
            (at(NOW - 360) + NANO, 60, true),
            (at(NOW - 360), 60, false),
            (at(NOW - 900) + NANO, 3600, true),
            (at(NOW - 900), 3600, false),
            (at(NOW + 30), 0, true),
        ] {
            let mut asked = Asked::new();
            asked.subject = asked.subject.with_reporting_interval(secs(interval));
            let answer = LastSeenAnswer::new(at(NOW)).with_last_receipt(last);
            let verdict = judge(&answer, secs(300), &asked.request());
            assert_eq!(verdict.value(), Some(Value::Flag(back)), "{last} {interval}");
        }
    }

    #[test]
    fn never_seen_is_not_back_and_the_future_is_undetermined() {
        let asked = Asked::new();
        let never = judge(&LastSeenAnswer::new(at(NOW)), secs(300), &asked.request());
        assert_eq!(never.value(), Some(Value::Flag(false)));
        let future = LastSeenAnswer::new(at(NOW)).with_last_receipt(at(NOW + 30) + NANO);
        let verdict = judge(&future, secs(300), &asked.request());
        assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
    }
}
