use chrono::{DateTime, TimeDelta, Utc};

use crate::check::CheckRequest;
use crate::check::broker::sessions::{self, Events, SessionLog};
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, choices, no_adapter, when};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::check::window::{has_happened, not_covered, sum};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{ConnectionEventKind, DisconnectReason, ProbeError, Probes, Receipts, ReceiptsRequest};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    State {
        Silent = "silent",
        Steady = "steady",
        Flapping = "flapping",
    }
}

/// How was the device since the wait began: silent, back for good, or coming and going?
pub(in crate::check) struct Presence {
    flap_window: TimeDelta,
}

impl Builtin for Presence {
    const ID: &'static str = "presence";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[ParamSpec::required("flap_window", ParamKind::Duration)];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { flap_window: params.duration("flap_window")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(device) = probes.device() else { return Ok(no_adapter("device probe")) };
        let Some(broker) = probes.broker() else { return Ok(no_adapter("broker probe")) };
        let period = request.period_from(request.since());
        let receipts = device
            .receipts(&ReceiptsRequest::new(request.subject().device.clone(), period))
            .await
            .map_err(|error| error.by(device.source()))?;
        let sessions = sessions::read(broker.as_ref(), request, period).await?;
        Ok(judge(&receipts, sessions.as_ref(), self.flap_window, request).by(device.source()))
    }
}

/// - silent: no message, and no session of its own that began and ended;
/// - steady: its last message is less than `flap_window` past its due time, and no disconnect after it came back;
/// - flapping: anything else.
///
/// It came back with its first message, or with the first CONNECT that was accepted in a session of its own.
fn judge(
    receipts: &Receipts,
    sessions: Option<&SessionLog>,
    flap_window: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    let (since, now) = (request.since(), request.now());
    let asked = request.period_from(since);
    let missing = not_covered(asked, receipts.covers)
        .or_else(|| sessions.and_then(|sessions| not_covered(asked, sessions.log.covers)));
    if let Some(missing) = missing {
        return Verdict::stale(missing);
    }
    let within = |at: &DateTime<Utc>| *at >= since && has_happened(*at, now);
    let last = receipts.last.max(receipts.first).filter(within);
    let first = receipts.first.filter(within).or(last);

    let mut connected = None;
    let mut reasons = None;
    let mut disconnects = 0u32;
    let mut last_disconnect: Option<(DateTime<Utc>, DisconnectReason)> = None;
    if let Some(sessions) = sessions {
        let events = Events::of(&sessions.log, now);
        // All of them, those before its return too: that two clients share one id shows in any.
        reasons = sessions::told(&events.disconnects(since));
        if sessions.own {
            connected = events
                .since(since)
                .find(|event| event.kind == ConnectionEventKind::Accepted)
                .map(|event| event.at);
        }
        if let Some(back) = first.into_iter().chain(connected).min() {
            for event in events.since(back) {
                let ConnectionEventKind::Disconnected(reason) = event.kind else { continue };
                // An old session that ends in the instant of its return is not the return's end.
                let ends_return =
                    event.at > back || Some(event.at) == connected && began_and_ended(&events, event);
                if ends_return && !events.is_replaced(event) {
                    disconnects += 1;
                    last_disconnect = Some((event.at, reason));
                }
            }
        }
    }

    let state = match last {
        None if disconnects == 0 => State::Silent,
        Some(last)
            if disconnects == 0
                && now.signed_duration_since(last)
                    < sum(flap_window, request.subject().reporting_interval()) =>
        {
            State::Steady
        }
        _ => State::Flapping,
    };
    let mut details = Vec::with_capacity(3);
    details.push(
        last.map_or_else(|| Detail::new("last message", "none since then"), |at| when("last message", at)),
    );
    details.extend(reasons);
    details.extend(sessions.and_then(SessionLog::whose));
    if let Some((at, reason)) = last_disconnect {
        details
            .push(Detail::new("last disconnect", format!("{reason} at {}", crate::check::judge::moment(at))));
    }
    // Both say it together: it is as old as the older of them.
    let log = sessions.map_or(receipts.observed_at, |sessions| sessions.log.observed_at);
    Verdict::known(state.value(), receipts.observed_at.min(log), Details::from_iter(details))
}

/// Whether the session that `end` ends began in the log, and so is told from an older one.
fn began_and_ended(events: &Events<'_>, end: &crate::probe::ConnectionEvent) -> bool {
    end.session.is_some()
        && events
            .iter()
            .any(|event| event.kind == ConnectionEventKind::Accepted && event.session == end.session)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, period, secs};
    use crate::fact::{Source, UnknownReason};
    use crate::probe::{ConnectionEvent, ConnectionLog};

    fn receipts(first: Option<i64>, last: Option<i64>) -> Receipts {
        let mut receipts = Receipts::new(at(NOW), period(NOW - 600, NOW));
        receipts.first = first.map(at);
        receipts.last = last.map(at);
        receipts
    }

    fn sessions(own: bool, events: Vec<ConnectionEvent>) -> SessionLog {
        let log = ConnectionLog::new(at(NOW), period(NOW - 600, NOW)).with_events(events);
        SessionLog { log, own, source: Source::new("broker") }
    }

    fn up(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::accepted(at(seconds))
    }

    fn down(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::disconnected(at(seconds), DisconnectReason::ConnectionLost)
    }

    #[track_caller]
    fn expect(state: State, receipts: &Receipts, sessions: Option<&SessionLog>) {
        let asked = Asked::new();
        let verdict = judge(receipts, sessions, secs(300), &asked.request());
        assert_eq!(verdict.value(), Some(state.value()), "{verdict:?}");
    }

    #[test]
    fn nothing_heard_is_silent() {
        expect(State::Silent, &receipts(None, None), None);
        expect(State::Silent, &receipts(None, None), Some(&sessions(true, vec![])));
        // Its old session is found dead: that is no return.
        expect(State::Silent, &receipts(None, None), Some(&sessions(true, vec![down(NOW - 500)])));
        // Connected and quiet: the connection log will tell it later, a message it is not.
        expect(State::Silent, &receipts(None, None), Some(&sessions(true, vec![up(NOW - 100)])));
        // The gateway's comings and goings are not the device's.
        let gateway = sessions(false, vec![up(NOW - 500), down(NOW - 400)]);
        expect(State::Silent, &receipts(None, None), Some(&gateway));
    }

    #[test]
    fn a_fresh_message_and_no_disconnect_after_the_return_is_steady() {
        expect(State::Steady, &receipts(Some(NOW - 599), Some(NOW)), None);
        let log = sessions(true, vec![down(NOW - 500), up(NOW - 400)]);
        expect(State::Steady, &receipts(Some(NOW - 400), Some(NOW - 1)), Some(&log));
    }

    #[test]
    fn a_session_replaced_by_its_own_successor_is_not_a_disconnect() {
        let events = vec![
            up(NOW - 400).with_session("new"),
            ConnectionEvent::disconnected(at(NOW - 399), DisconnectReason::DuplicateClientId)
                .with_session("old"),
        ];
        expect(State::Steady, &receipts(Some(NOW - 398), Some(NOW - 1)), Some(&sessions(true, events)));
    }

    #[test]
    fn what_ends_in_the_instant_of_the_return_is_the_old_session_unless_it_began_then() {
        let lost = |session| down(NOW - 400).with_session(session);
        let seen = receipts(Some(NOW - 400), Some(NOW - 1));
        for (events, state) in [
            (vec![up(NOW - 400), down(NOW - 400)], State::Steady),
            (vec![up(NOW - 400).with_session("new"), lost("old")], State::Steady),
            (vec![up(NOW - 400).with_session("new"), lost("new")], State::Flapping),
        ] {
            expect(state, &seen, Some(&sessions(true, events)));
        }
    }

    #[test]
    fn an_adapter_may_tell_the_first_message_alone() {
        expect(State::Steady, &receipts(Some(NOW - 5), None), None);
        expect(State::Flapping, &receipts(Some(NOW - 300), None), None);
    }

    #[test]
    fn two_devices_that_throw_each_other_out_are_flapping() {
        let thrown = |seconds, session: &'static str| {
            ConnectionEvent::disconnected(at(seconds), DisconnectReason::DuplicateClientId)
                .with_session(session)
        };
        let events = vec![
            up(NOW - 400).with_session("a"),
            up(NOW - 300).with_session("b"),
            thrown(NOW - 300, "a"),
            up(NOW - 200).with_session("c"),
            thrown(NOW - 200, "b"),
        ];
        expect(State::Flapping, &receipts(Some(NOW - 398), Some(NOW - 1)), Some(&sessions(true, events)));
    }

    #[test]
    fn a_disconnect_after_the_return_or_a_message_too_old_is_flapping() {
        let log = sessions(true, vec![up(NOW - 400), down(NOW - 300), up(NOW - 200)]);
        expect(State::Flapping, &receipts(Some(NOW - 400), Some(NOW - 1)), Some(&log));
        let log = sessions(true, vec![up(NOW - 400), down(NOW - 300)]);
        expect(State::Flapping, &receipts(None, None), Some(&log));
        expect(State::Flapping, &receipts(Some(NOW - 600), Some(NOW - 300)), None);
    }

    #[test]
    fn the_flap_window_is_judged_to_the_nanosecond() {
        let mut seen = receipts(Some(NOW - 600), None);
        for (last, state) in [
            (at(NOW - 300) - NANO, State::Flapping),
            (at(NOW - 300), State::Flapping),
            (at(NOW - 300) + NANO, State::Steady),
        ] {
            seen.last = Some(last);
            expect(state, &seen, None);
        }
    }

    #[test]
    fn it_is_as_old_as_the_older_answer() {
        for (log, receipt) in [(NOW - 7, NOW), (NOW, NOW - 7)] {
            let (mut sessions, mut seen) = (sessions(true, vec![]), receipts(Some(NOW), Some(NOW)));
            (sessions.log.observed_at, seen.observed_at) = (at(log), at(receipt));
            let verdict = judge(&seen, Some(&sessions), secs(300), &Asked::new().request());
            assert_eq!(verdict.observed_at(), Some(at(NOW - 7)));
        }
    }

    #[test]
    fn the_window_begins_when_the_next_message_was_due() {
        let mut asked = Asked::new();
        asked.subject = asked.subject.with_reporting_interval(secs(60));
        for (last, state) in [(NOW - 360, State::Flapping), (NOW - 359, State::Steady)] {
            let verdict = judge(&receipts(Some(NOW - 600), Some(last)), None, secs(300), &asked.request());
            assert_eq!(verdict.value(), Some(state.value()), "{last}");
        }
    }

    #[test]
    fn a_message_in_the_instant_the_wait_began_counts() {
        let mut seen = receipts(None, None);
        for (heard, state) in [(at(NOW - 600), State::Steady), (at(NOW - 600) - NANO, State::Silent)] {
            (seen.first, seen.last) = (Some(heard), Some(heard));
            let verdict = judge(&seen, None, secs(601), &Asked::new().request());
            assert_eq!(verdict.value(), Some(state.value()), "{heard}");
        }
    }

    #[test]
    fn the_reasons_of_all_disconnects_are_told_with_their_counts() {
        let thrown =
            |seconds| ConnectionEvent::disconnected(at(seconds), DisconnectReason::DuplicateClientId);
        let events =
            vec![thrown(NOW - 590), up(NOW - 500), thrown(NOW - 400), up(NOW - 390), down(NOW - 300)];
        for (own, whose) in [(true, None), (false, Some("its gateway"))] {
            let log = sessions(own, events.clone());
            let seen = receipts(Some(NOW - 450), Some(NOW - 1));
            let verdict = judge(&seen, Some(&log), secs(300), &Asked::new().request());
            assert_eq!(verdict.value(), Some(State::Flapping.value()));
            let told = verdict.details().find("disconnects");
            assert_eq!(told, Some("connection-lost: 1, duplicate-client-id: 2"));
            let last = verdict.details().find("last disconnect");
            assert!(last.is_some_and(|last| last.starts_with("connection-lost at ")), "{last:?}");
            assert_eq!(verdict.details().find("session of"), whose);
        }
    }

    #[test]
    fn a_log_that_does_not_cover_the_wait_is_stale() {
        let asked = Asked::new();
        let mut seen = receipts(None, None);
        seen.covers = period(NOW - 599, NOW);
        let verdict = judge(&seen, None, secs(300), &asked.request());
        assert_eq!(verdict.reason(), Some(UnknownReason::Stale));
        assert!(verdict.details().find("why").is_some_and(|why| why.contains("does not cover")));
        let mut log = sessions(true, vec![]);
        log.log.covers = period(NOW - 600, NOW - 1);
        let verdict = judge(&receipts(None, None), Some(&log), secs(300), &asked.request());
        assert_eq!(verdict.reason(), Some(UnknownReason::Stale));
    }

    #[test]
    fn messages_outside_the_wait_do_not_count() {
        expect(State::Silent, &receipts(Some(NOW - 700), Some(NOW - 601)), None);
        expect(State::Silent, &receipts(Some(NOW + 31), Some(NOW + 31)), None);
        expect(State::Steady, &receipts(Some(NOW + 30), Some(NOW + 30)), None);
    }

    proptest! {
        /// Beside a model that walks the wait second by second.
        #[test]
        fn it_agrees_with_a_walk_through_time(
            messages in prop::collection::btree_set(0i64..600, 0..6),
            ups in prop::collection::btree_set(0i64..600, 0..4),
            downs in prop::collection::btree_set(0i64..600, 0..4),
            window in 1i64..700,
        ) {
            let (mut back, mut heard, mut broken) = (false, None, false);
            for second in 0..600 {
                // At one instant what ends comes first.
                if downs.contains(&second) && back {
                    broken = true;
                }
                if messages.contains(&second) {
                    (back, heard) = (true, Some(second));
                }
                if ups.contains(&second) {
                    back = true;
                }
            }
            let state = match heard {
                None if !broken => State::Silent,
                Some(second) if !broken && 600 - second < window => State::Steady,
                _ => State::Flapping,
            };
            let begin = NOW - 600;
            let seen = receipts(messages.first().map(|s| begin + s), messages.last().map(|s| begin + s));
            let events = downs.iter().map(|s| down(begin + s)).chain(ups.iter().map(|s| up(begin + s))).collect();
            let asked = Asked::new();
            let verdict = judge(&seen, Some(&sessions(true, events)), secs(window), &asked.request());
            prop_assert_eq!(verdict.value(), Some(state.value()));
        }
    }
}
