use crate::check::prelude::*;
use crate::check::spec::Values;
use crate::fact::Kind;
use crate::probe::{LastSeenAnswer, LastSeenRequest};
use crate::time::{format_duration, saturating_add};

check! {
    /// When was the device last seen: the receipt of its last live message and its reporting interval, so that its
    /// age is counted from when the next message was due.
    LastSeen = "last-seen", Device, Now, Values::Optional(Kind::Instant);
}

impl Builtin for LastSeen {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.device(), "device probe")?;
        let answer = probe.last_seen(&LastSeenRequest::new(request.device())).await.by(probe.source())?;
        Ok(judge(&answer, request).by(probe.source()))
    }
}

fn judge(answer: &LastSeenAnswer, request: &CheckRequest<'_>) -> Verdict {
    let others = answer.others.iter().max_by_key(|other| other.at);
    let other =
        others.map(|other| Detail::new("not counted", format!("{} at {}", other.kind, moment(other.at))));
    let Some(last) = answer.last_receipt else {
        let never = Detail::new("last message", "never");
        return Verdict::known(Value::Absent, answer.observed_at).with([never].into_iter().chain(other));
    };
    let interval = request.subject().reporting_interval();
    // A receipt in the future is kept as it is: an anomaly. Of one that is not, the interval must not make one, as
    // it would while the next message is not due yet.
    let due = saturating_add(last, interval).min(request.now()).max(last);
    let mut details = vec![when("last message", last)];
    if !interval.is_zero() {
        details.push(Detail::new("reports every", format_duration(interval)));
    }
    details.extend(other);
    Verdict::known(Value::Instant(due), answer.observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{MessageKind, Receipt};

    #[test]
    fn age_counts_from_the_due_message() {
        for (last, interval, seen) in [
            (at(NOW - 300), 0, at(NOW - 300)),
            (at(NOW - 300), 60, at(NOW - 240)),
            (at(NOW - 60) - NANO, 60, at(NOW) - NANO),
            // Not due yet: just now, and no anomaly.
            (at(NOW - 60), 60, at(NOW)),
            (at(NOW - 10), 60, at(NOW)),
            (at(NOW), 60, at(NOW)),
            // In the future: kept as it is.
            (at(NOW) + NANO, 60, at(NOW) + NANO),
            (at(NOW + 3600), 60, at(NOW + 3600)),
        ] {
            let verdict = judge(
                &LastSeenAnswer::new(at(NOW)).with_last_receipt(last),
                &Asked::reporting_each(interval).request(),
            );
            verdict.expect_of(&(last, interval), Value::Instant(seen));
            assert_eq!(verdict.detail("last message"), Some(moment(last).as_str()));
        }
    }

    #[test]
    fn a_device_that_was_never_seen_is_absent() {
        judge(&LastSeenAnswer::new(at(NOW)), &Asked::new().request()).expect(Value::Absent);
    }

    #[test]
    fn will_or_a_heartbeat_is_shown_and_not_counted() {
        let others = vec![
            Receipt::new(at(NOW - 9), MessageKind::Will),
            Receipt::new(at(NOW - 5), MessageKind::GatewayHeartbeat),
        ];
        let answer = LastSeenAnswer::new(at(NOW)).with_others(others);
        let verdict = judge(&answer.clone().with_last_receipt(at(NOW - 300)), &Asked::new().request());
        verdict.expect(Value::Instant(at(NOW - 300)));
        assert!(verdict.detail("not counted").unwrap().starts_with("gateway-heartbeat at "));
        judge(&answer, &Asked::new().request()).expect(Value::Absent);
    }
}
