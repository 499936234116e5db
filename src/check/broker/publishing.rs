use chrono::{DateTime, TimeDelta, Utc};

use crate::check::broker::broker_connect::last_seen;
use crate::check::broker::holder::{Holder, holder};
use crate::check::broker::sessions::Events;
use crate::check::prelude::*;
use crate::probe::{
    ClientPublishing, ConnectionLog, ConnectionLogRequest, LastSeenAnswer, MessageCounts, MessageKind,
    ProbeError, PublishingRequest, Receipt,
};
use crate::time::format_duration;

choices! {
    State {
        RefusedByAcl = "refused-by-acl",
        DroppedByQuota = "dropped-by-quota",
        ThisDevice = "this-device",
        NothingOfItsOwn = "nothing-of-its-own",
        OtherDevices = "other-devices",
        OnlyItself = "only-itself",
        Nothing = "nothing",
        NotEvenHeartbeats = "not-even-heartbeats",
    }
}

check! {
    /// What does the session holder publish, as the broker counts it?
    Publishing = "publishing", Session, Now, State::VALUES;
    within: TimeDelta,
}

impl Builtin for Publishing {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let holder = holder(request, probes).await?;
        let device = request.device();
        let asked = PublishingRequest::new(holder.client.clone(), device, request.last(self.within));
        let counts = broker.publishing(&asked).await.by(broker.source())?;
        let verdict = judge(&counts, &holder, self.within, request);
        if is_state(&verdict, State::ThisDevice) {
            // Where the platform cannot say what it received last, the counts alone decide.
            let seen = last_seen(request, probes).await.ok().flatten();
            let other = seen.as_ref().and_then(|seen| not_live(&counts, &holder, seen, self.within, request));
            if let Some(why) = other {
                return Ok(verdict.but_undetermined(why).by(broker.source()));
            }
            let received = seen.and_then(|seen| seen.last_receipt);
            if let Some(received) =
                received.and_then(|at| is_received(&counts, &holder, at, self.within, request))
            {
                return Err(received.by(broker.source()).into());
            }
        }
        if shows_that_nothing_came(&verdict) {
            let asked = ConnectionLogRequest::new(holder.client.clone(), request.last(self.within));
            // Where nobody can say when the session began, the counts alone decide, as they do without a log.
            let log = broker.connection_log(&asked).await.ok().flatten();
            if let Some(young) = log.and_then(|log| too_young(&log, self.within, request)) {
                return Err(young.by(broker.source()).into());
            }
        }
        Ok(verdict.by(broker.source()))
    }
}

fn is_state(verdict: &Verdict, state: State) -> bool {
    verdict.value() == Some(state.into())
}

fn shows_that_nothing_came(verdict: &Verdict) -> bool {
    let states = [State::NothingOfItsOwn, State::OnlyItself, State::Nothing, State::NotEvenHeartbeats];
    states.into_iter().any(|state| is_state(verdict, state))
}

/// A last message at the broker that the platform has received too shows no fault behind the broker: the device may have
/// fallen silent after it. The broker is asked again when that message is older than `within`.
fn is_received(
    counts: &ClientPublishing,
    holder: &Holder,
    received: DateTime<Utc>,
    within: TimeDelta,
    request: &CheckRequest<'_>,
) -> Option<ProbeError> {
    let accepted = of_device(counts, holder)?.last_accepted?;
    if accepted.signed_duration_since(received) > request.clock_tolerance() {
        return None;
    }
    let age = request.now().signed_duration_since(accepted).max(TimeDelta::zero());
    let left = within.checked_sub(&age).filter(|left| *left > TimeDelta::zero())?;
    let text = format!(
        "the platform has received its last message at the broker, of {}; ask again when that is older than {}",
        moment(accepted),
        format_duration(within)
    );
    Some(ProbeError::transient(text).with_retry_after(left))
}

/// A broker counts by topic, and knows neither a replay nor the quality of a value: what it counts of the device may be what
/// the platform received as something else than a live message, and then no fault behind the broker is shown.
fn not_live(
    counts: &ClientPublishing,
    holder: &Holder,
    seen: &LastSeenAnswer,
    within: TimeDelta,
    request: &CheckRequest<'_>,
) -> Option<String> {
    let since = of_device(counts, holder)?.last_accepted.unwrap_or_else(|| request.last(within).start());
    let counted = |other: &&Receipt| {
        // Of a session of its own the broker may count whatever its client sends, its status among it.
        (matches!(other.kind, MessageKind::Replayed | MessageKind::BadQuality)
            || holder.own && other.kind == MessageKind::GatewayHeartbeat)
            && since.signed_duration_since(other.at) <= request.clock_tolerance()
    };
    let other = seen.others.iter().filter(counted).max_by_key(|other| other.at)?;
    Some(format!(
        "what the broker counts of the device the platform received too, as {} at {}: no live message",
        other.kind,
        moment(other.at)
    ))
}

/// The counts of this device, as far as the broker counts it apart.
fn of_device<'a>(counts: &'a ClientPublishing, holder: &Holder) -> Option<&'a MessageCounts> {
    match (&counts.device, &counts.all) {
        (Some(device), _) => Some(device),
        (None, Some(all)) if holder.own || all.accepted == 0 => Some(all),
        _ => None,
    }
}

/// A session that has just come up had no time to publish: that nothing came within `within` shows nothing of it yet, and is
/// asked again when it is as old as that.
fn too_young(log: &ConnectionLog, within: TimeDelta, request: &CheckRequest<'_>) -> Option<ProbeError> {
    let (began, true) = Events::of(log, request).changes().last().copied()? else { return None };
    // A log of one moment may date it a little after now.
    let age = request.now().signed_duration_since(began).max(TimeDelta::zero());
    let left = within.checked_sub(&age).filter(|left| *left > TimeDelta::zero())?;
    let text = format!(
        "its session is up for {} and published nothing yet; ask again when it is as old as {}",
        format_duration(age),
        format_duration(within)
    );
    Some(ProbeError::transient(text).with_retry_after(left))
}

/// In this order: messages of this device are refused, dropped, or accepted; then of a device's own session: nothing; of
/// a gateway's: others, only itself, nothing though it sends heartbeats when well, nothing.
///
/// What was refused or dropped counts only where it is of this device (of its own session all is; of a gateway's where
/// the broker counts the device apart, or nothing of the whole session was accepted), and only where it is at least as
/// much as what was accepted: one message that was refused of hundreds explains no silence.
fn judge(
    counts: &ClientPublishing,
    holder: &Holder,
    within: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    let mut details = vec![holder.detail()];
    for (name, part) in [
        ("of this device", &counts.device),
        ("of other devices", &counts.others),
        ("about itself", &counts.itself),
        ("in all", &counts.all),
    ] {
        details.extend(part.as_ref().map(|part| Detail::new(name, written(part))));
    }
    let of_device = of_device(counts, holder);
    details.extend(of_device.and_then(|device| device.last_accepted).map(|at| when("last accepted", at)));
    let known = |state: State, details: Vec<Detail>| Verdict::known(state, counts.observed_at).with(details);
    let Some(device) = of_device else {
        return Verdict::undetermined("the broker does not count the messages of this device apart")
            .with(details);
    };
    let lost = device.refused_by_acl.saturating_add(device.dropped_by_quota);
    if lost > 0 && lost >= device.accepted {
        let by_acl = device.refused_by_acl > 0;
        return known(if by_acl { State::RefusedByAcl } else { State::DroppedByQuota }, details);
    }
    if device.accepted > 0 {
        if let Some(last) = device.last_accepted.filter(|last| !request.has_happened(*last)) {
            return Verdict::future(format!("its last message at the broker is dated in the future: {last}"))
                .with(details);
        }
        return known(State::ThisDevice, details);
    }
    // From here on it must be certain that nothing came.
    let asked = request.last(within);
    if let Some(missing) = not_covered(asked, counts.covers) {
        return Verdict::stale(missing).with(details);
    }
    if holder.own {
        return known(State::NothingOfItsOwn, details);
    }
    let accepted = |part: &Option<MessageCounts>| part.as_ref().map(|part| part.accepted);
    let (all, itself) = (accepted(&counts.all), accepted(&counts.itself));
    let others = accepted(&counts.others).or_else(|| all?.checked_sub(itself?));
    let state = match (others, itself, all) {
        (Some(1..), _, _) => State::OtherDevices,
        (_, _, Some(0)) | (Some(0), Some(0), _) => match counts.sends_heartbeats {
            Some(true) => State::NotEvenHeartbeats,
            _ => State::Nothing,
        },
        (Some(0), Some(1..), _) => State::OnlyItself,
        _ => {
            let why =
                "the broker does not tell messages of other devices from those of the gateway about itself";
            return Verdict::undetermined(why).with(details);
        }
    };
    known(state, details)
}

fn written(counts: &MessageCounts) -> String {
    let mut text = format!("{} accepted", counts.accepted);
    for (count, what) in [(counts.refused_by_acl, "refused by ACL"), (counts.dropped_by_quota, "dropped")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{ConnectionEvent, ConnectionEventKind, DisconnectReason, ProbeErrorKind};

    fn answer() -> ClientPublishing {
        ClientPublishing::new(at(NOW), period(NOW - 300, NOW))
    }

    fn some(accepted: u64) -> MessageCounts {
        MessageCounts::new(accepted)
    }

    fn judged(counts: &ClientPublishing, own: bool) -> Verdict {
        judge(counts, &Holder::of_test(own), secs(300), &Asked::new().request())
    }

    #[test]
    fn counts_of_a_gateway_decide_in_their_order() {
        let refused = || some(0).with_refused_by_acl(1);
        let dropped = || some(0).with_dropped_by_quota(1);
        for (counts, state) in [
            (answer().with_device(refused().with_dropped_by_quota(5)), State::RefusedByAcl),
            (answer().with_device(some(9).with_refused_by_acl(9)), State::RefusedByAcl),
            (
                answer().with_device(some(9).with_refused_by_acl(1).with_dropped_by_quota(8)),
                State::RefusedByAcl,
            ),
            (answer().with_device(some(9).with_dropped_by_quota(9)), State::DroppedByQuota),
            (answer().with_device(some(9).with_refused_by_acl(8)), State::ThisDevice),
            (answer().with_device(some(290).with_dropped_by_quota(1)), State::ThisDevice),
            (answer().with_device(dropped()).with_others(some(40)), State::DroppedByQuota),
            (answer().with_device(some(1)).with_others(some(40)), State::ThisDevice),
            (answer().with_device(some(0)).with_others(some(1)), State::OtherDevices),
            (answer().with_device(some(0)).with_all(some(9)).with_itself(some(8)), State::OtherDevices),
            (answer().with_device(some(0)).with_all(some(9)).with_itself(some(9)), State::OnlyItself),
            (answer().with_device(some(0)).with_others(some(0)).with_itself(some(3)), State::OnlyItself),
            (answer().with_device(some(0)).with_others(some(0)).with_itself(some(0)), State::Nothing),
            (answer().with_all(some(0)), State::Nothing),
            (answer().with_all(some(0)).with_sends_heartbeats(false), State::Nothing),
            (answer().with_all(some(0)).with_sends_heartbeats(true), State::NotEvenHeartbeats),
            // Everything of the session is refused: so is what is of this device.
            (answer().with_all(refused()), State::RefusedByAcl),
            (answer().with_all(dropped()), State::DroppedByQuota),
            // What is refused of others says nothing of this device.
            (answer().with_device(some(0)).with_others(some(5).with_refused_by_acl(3)), State::OtherDevices),
        ] {
            judged(&counts, false).expect_of(&counts, state);
        }
    }

    #[test]
    fn all_of_an_own_session_is_of_the_device() {
        for (counts, state) in [
            (answer().with_all(some(0)), State::NothingOfItsOwn),
            (answer().with_device(some(0)), State::NothingOfItsOwn),
            (answer().with_all(some(1)), State::ThisDevice),
            (answer().with_all(some(1).with_refused_by_acl(1)), State::RefusedByAcl),
            (answer().with_all(some(7)).with_device(some(0)), State::NothingOfItsOwn),
        ] {
            judged(&counts, true).expect_of(&counts, state);
        }
    }

    #[test]
    fn what_is_not_counted_apart_is_undetermined() {
        for counts in [
            answer(),
            answer().with_others(some(40)),
            answer().with_all(some(40)),
            answer().with_all(some(40).with_refused_by_acl(3)),
            answer().with_device(some(0)),
            answer().with_device(some(0)).with_all(some(9)),
            answer().with_device(some(0)).with_others(some(0)),
            answer().with_device(some(0)).with_all(some(3)).with_itself(some(4)),
        ] {
            judged(&counts, false).expect_of(&counts, Undetermined);
        }
        judged(&answer(), true).expect(Undetermined);
    }

    #[test]
    fn nothing_needs_counts_that_cover() {
        let counts = ClientPublishing { covers: period(NOW - 299, NOW), ..answer().with_all(some(0)) };
        judged(&counts, true).expect(Stale);
        let counts = ClientPublishing { covers: period(NOW - 299, NOW), ..answer().with_all(some(1)) };
        judged(&counts, true).expect(State::ThisDevice);
    }

    #[test]
    fn young_session_that_published_nothing_is_asked_again() {
        let accepted = |second| ConnectionEvent::new(at(second), ConnectionEventKind::Accepted);
        let lost = DisconnectReason::ConnectionLost;
        let ended = |second| ConnectionEvent::new(at(second), ConnectionEventKind::Disconnected(lost));
        let log = |events| ConnectionLog::new(at(NOW), period(NOW - 300, NOW)).with_events(events);
        for (events, left) in [
            (vec![accepted(NOW - 2)], Some(298)),
            (vec![ended(NOW - 90), accepted(NOW - 60)], Some(240)),
            (vec![accepted(NOW + 1)], Some(300)),
            // It is as old as that, it ended again, or it is older than the log.
            (vec![accepted(NOW - 300)], None),
            (vec![accepted(NOW - 60), ended(NOW - 30)], None),
            (vec![], None),
        ] {
            let young = too_young(&log(events.clone()), secs(300), &Asked::new().request());
            let again = young.map(|error| error.kind());
            let expected = left.map(|left| ProbeErrorKind::Transient { retry_after: Some(secs(left)) });
            assert_eq!(again, expected, "{events:?}");
        }
        for (counts, own, nothing) in [
            (answer().with_all(some(0)), true, true),
            (answer().with_all(some(0)), false, true),
            (answer().with_device(some(0)).with_others(some(0)).with_itself(some(3)), false, true),
            (answer().with_device(some(0)).with_others(some(1)), false, false),
            (answer().with_device(some(1)), false, false),
        ] {
            assert_eq!(shows_that_nothing_came(&judged(&counts, own)), nothing, "{counts:?}");
        }
    }

    /// The last message at the broker was at NOW - 60.
    #[test]
    fn replay_or_bad_value_at_the_broker_is_no_live_message() {
        let counts = |last: Option<i64>| {
            let device = some(290);
            answer().with_device(match last {
                Some(last) => device.with_last_accepted(at(last)),
                None => device,
            })
        };
        let asked = Asked::new();
        for (last, kind, received, open) in [
            (Some(NOW - 60), MessageKind::BadQuality, NOW - 60, true),
            (Some(NOW - 60), MessageKind::Replayed, NOW - 59, true),
            (Some(NOW - 60), MessageKind::BadQuality, NOW - 90, true),
            (None, MessageKind::BadQuality, NOW - 300, true),
            // The broker took a message after it, which the platform has not as anything.
            (Some(NOW - 60), MessageKind::BadQuality, NOW - 91, false),
            (None, MessageKind::Replayed, NOW - 331, false),
            // The gateway speaks of itself, and a will is the broker's: neither is counted as the device's.
            (Some(NOW - 60), MessageKind::GatewayHeartbeat, NOW - 1, false),
            (Some(NOW - 60), MessageKind::Will, NOW - 1, false),
        ] {
            let seen = LastSeenAnswer::new(at(NOW)).with_others(vec![Receipt::new(at(received), kind)]);
            let why = not_live(&counts(last), &Holder::of_test(false), &seen, secs(300), &asked.request());
            assert_eq!(why.is_some(), open, "{last:?} {kind} {received}");
        }
    }

    /// The last message at the broker was at NOW - 60.
    #[test]
    fn message_that_the_platform_received_is_asked_for_again() {
        let counts = |last: i64| answer().with_device(some(1).with_last_accepted(at(last)));
        let asked = Asked::new();
        for (last, received, left) in [
            (NOW - 60, NOW - 60, Some(240)),
            (NOW - 60, NOW - 59, Some(240)),
            // What the ingestion may still have under way.
            (NOW - 60, NOW - 90, Some(240)),
            (NOW - 60, NOW - 91, None),
            (NOW + 5, NOW, Some(300)),
            (NOW - 299, NOW, Some(1)),
            (NOW - 300, NOW, None),
        ] {
            let again = is_received(
                &counts(last),
                &Holder::of_test(false),
                at(received),
                secs(300),
                &asked.request(),
            );
            let again = again.map(|error| error.kind());
            let expected = left.map(|left| ProbeErrorKind::Transient { retry_after: Some(secs(left)) });
            assert_eq!(again, expected, "{last} {received}");
        }
        let without = answer().with_device(some(1));
        assert!(
            is_received(&without, &Holder::of_test(false), at(NOW), secs(300), &asked.request()).is_none()
        );
    }

    #[test]
    fn a_message_of_the_future_is_not_fresh() {
        for (last, known) in [(NOW + 30, true), (NOW + 31, false)] {
            let verdict = judged(&answer().with_device(some(1).with_last_accepted(at(last))), false);
            assert_eq!(verdict.value().is_some(), known);
            assert_eq!(verdict.reason(), (!known).then_some(Future));
        }
    }
}
