use chrono::{DateTime, TimeDelta, Utc};

use super::messages::{LiveMessages, bound};
use crate::check::broker::sessions::{self, Events, SessionLog, is_flap};
use crate::check::prelude::*;
use crate::check::window::sum;
use crate::probe::{ConnectionEventKind, DisconnectReason, Receipts, ReceiptsRequest, RefusalReason};
use crate::time::format_duration;

/// A silence that lasts so many times as long as the longest before it is no flap of the same kind.
const LASTS: i32 = 3;

choices! {
    State {
        Silent = "silent",
        JustBack = "just-back",
        Steady = "steady",
        Flapping = "flapping",
    }
}

check! {
    /// How was the device since the wait began: silent, back for good, or coming and going?
    Presence = "presence", Device, Now, State::VALUES;
    flap_window: TimeDelta,
}

impl Builtin for Presence {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let device = adapter(probes.device(), "device probe")?;
        let broker = adapter(probes.broker(), "broker probe")?;
        let period = request.period_from(request.since());
        let asked = ReceiptsRequest::new(request.device(), period);
        let receipts = device.receipts(&asked).await.by(device.source())?;
        let sessions = sessions::read(broker, request, period).await?;
        Ok(judge(&receipts, sessions.as_ref(), self.flap_window, request).by(device.source()))
    }
}

/// - silent: no live message, and no session of its own that began and broke; or a silence now that lasts far longer
///   than those between its comings and goings: whatever made it flap before, this is something else;
/// - just back: as steady, but it came back less than `flap_window` ago, later than its next message was due: it was away
///   for a part of the wait, and nobody has seen yet whether it stays;
/// - steady: live messages came again, none later than `flap_window` after it was due, the next one included, and after it
///   came back no session broke and no CONNECT was refused: a client that is connected does not connect, so another one
///   has its identity, and the messages may be that one's;
/// - flapping: it came back and went again, by a broken session, by a refused CONNECT or by a gap in its messages.
///
/// It came back with its first live message, or with the first CONNECT that was accepted in a session of its own. A
/// client's own DISCONNECT and a broker's restart break no session.
fn judge(
    receipts: &Receipts,
    sessions: Option<&SessionLog>,
    flap_window: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    let asked = request.period_from(request.since());
    let missing = not_covered(asked, receipts.covers)
        .or_else(|| sessions.and_then(|sessions| not_covered(asked, sessions.log.covers)));
    if let Some(missing) = missing {
        return Verdict::stale(missing);
    }
    let of = |live: &LiveMessages, events: Option<&Events<'_>>| {
        judge_facts(live, events, receipts, sessions, flap_window, request)
    };
    let live = LiveMessages::of(receipts, request.since(), request);
    let log = sessions.map(|sessions| &sessions.log);
    let believed = of(&live, log.map(|log| Events::of(log, request)).as_ref());
    let counted = of(
        &live.with_future_as_now(request.now()),
        log.map(|log| Events::with_future_as_now(log, request)).as_ref(),
    );
    let ahead = live.ahead().chain(log.into_iter().flat_map(|log| sessions::ahead(log, request)));
    Verdict::despite_future(believed, &counted, ahead)
}

fn judge_facts(
    live: &LiveMessages,
    events: Option<&Events<'_>>,
    receipts: &Receipts,
    sessions: Option<&SessionLog>,
    flap_window: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    let since = request.since();
    let own = sessions.is_some_and(|sessions| sessions.own);
    let connected = events.filter(|_| own).and_then(|events| {
        events.since(since).find(|event| event.kind == ConnectionEventKind::Accepted).map(|event| event.at)
    });
    let back = live.first().into_iter().chain(connected).min();
    let breaks = match (events, back) {
        (Some(events), Some(back)) => breaks_after(back, connected, events),
        _ => Vec::new(),
    };
    let refused = match (events.filter(|_| own), back) {
        (Some(events), Some(back)) => refused_after(back, events),
        _ => None,
    };
    let silence = live.longest_silence(request.now());
    let state = match silence {
        None if breaks.is_empty() => State::Silent,
        Some(silence) if breaks.is_empty() && refused.is_none() && silence <= bound(flap_window, request) => {
            if is_just_back(back, flap_window, request) {
                State::JustBack
            } else {
                State::Steady
            }
        }
        Some(_) if lasts(live, breaks.last().map(|(at, _)| *at), request) => State::Silent,
        _ => State::Flapping,
    };
    let last = live.last();
    let mut details = vec![
        last.map_or_else(|| Detail::new("last message", "none since then"), |at| when("last message", at)),
    ];
    details.extend(back.map(|at| when("back at", at)));
    details.extend(silence.map(|silence| Detail::new("longest silence", format_duration(silence))));
    details.extend(live.not_counted());
    // All of them, those before its return too: that two clients share one id shows in any.
    details.extend(events.and_then(|events| sessions::reasons(&events.disconnects(since))));
    details.extend(sessions.map(SessionLog::holder));
    if let Some((at, reason)) = breaks.last() {
        details.push(Detail::new("last disconnect", format!("{reason} at {}", moment(*at))));
    }
    if let Some((at, reason)) = refused {
        details.push(Detail::new("refused since its return", format!("{reason} at {}", moment(at))));
    }
    // Both decide together: the verdict is as old as the older of them.
    let log = sessions.map_or(receipts.observed_at, |sessions| sessions.log.observed_at);
    Verdict::known(state, receipts.observed_at.min(log)).with(details)
}

/// True if it was away for longer than a reporting interval after the wait began, give or take what clocks may differ by, and
/// came back less than `flap_window` ago.
fn is_just_back(back: Option<DateTime<Utc>>, flap_window: TimeDelta, request: &CheckRequest<'_>) -> bool {
    let Some(back) = back else { return false };
    let away = back.signed_duration_since(request.since());
    let there = request.now().signed_duration_since(back);
    away > sum(request.subject().reporting_interval(), request.clock_tolerance()) && there < flap_window
}

/// True if the silence since its last sign lasts far longer than each one before it since the wait began.
fn lasts(live: &LiveMessages, broke: Option<DateTime<Utc>>, request: &CheckRequest<'_>) -> bool {
    let Some(last) = live.last() else { return false };
    let silence = request.now().signed_duration_since(broke.map_or(last, |broke| broke.max(last)));
    let before = live.longest_gap(request.since()).max(request.subject().reporting_interval());
    silence > before * LASTS
}

/// The last refused CONNECT after its return.
fn refused_after(back: DateTime<Utc>, events: &Events<'_>) -> Option<(DateTime<Utc>, RefusalReason)> {
    let refused = events.since(back).filter(|event| event.at > back);
    let refused = refused.filter_map(|event| match event.kind {
        ConnectionEventKind::Refused(reason) => Some((event.at, reason)),
        _ => None,
    });
    refused.max_by_key(|(at, _)| *at)
}

/// The sessions that broke after its return.
fn breaks_after(
    back: DateTime<Utc>,
    connected: Option<DateTime<Utc>>,
    events: &Events<'_>,
) -> Vec<(DateTime<Utc>, DisconnectReason)> {
    let mut breaks = Vec::new();
    for event in events.since(back) {
        let ConnectionEventKind::Disconnected(reason) = event.kind else { continue };
        // An old session that ends in the instant of its return is not the return's end.
        let ends_return = event.at > back || Some(event.at) == connected && events.began_and_ended(event);
        if ends_return && is_flap(reason) && !events.is_replaced(event) {
            breaks.push((event.at, reason));
        }
    }
    breaks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::check::testing::*;
    use crate::probe::{ConnectionEvent, ConnectionLog, MessageKind, Receipt};

    fn of(messages: impl IntoIterator<Item = DateTime<Utc>>) -> Receipts {
        let none = Receipts::new(at(NOW), period(NOW - 600, NOW));
        messages.into_iter().fold(none, Receipts::with_live)
    }

    /// A message every minute from the first to the last.
    fn receipts(first: Option<i64>, last: Option<i64>) -> Receipts {
        let (Some(first), Some(last)) = (first, last) else {
            return of(first.into_iter().chain(last).map(at));
        };
        of((first..last).step_by(60).chain([last]).map(at))
    }

    fn sessions(own: bool, events: Vec<ConnectionEvent>) -> SessionLog {
        let log = ConnectionLog::new(at(NOW), period(NOW - 600, NOW)).with_events(events);
        SessionLog::of_test(own, log)
    }

    fn up(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::accepted(at(seconds))
    }

    fn down(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::disconnected(at(seconds), DisconnectReason::ConnectionLost)
    }

    #[track_caller]
    fn expect(state: State, receipts: &Receipts, sessions: Option<&SessionLog>) {
        judge(receipts, sessions, secs(300), &Asked::new().request()).expect(state);
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
    fn fresh_without_disconnect_is_steady() {
        expect(State::Steady, &receipts(Some(NOW - 599), Some(NOW)), None);
        let log = sessions(true, vec![down(NOW - 500), up(NOW - 400)]);
        expect(State::Steady, &receipts(Some(NOW - 400), Some(NOW - 1)), Some(&log));
    }

    #[test]
    fn refused_connect_beside_a_session_is_another_client() {
        let refused = |seconds| ConnectionEvent::refused(at(seconds), RefusalReason::UnknownCa);
        let seen = receipts(Some(NOW - 398), Some(NOW - 1));
        for (own, refused_at, state) in [
            (true, NOW - 401, State::Steady),
            (true, NOW - 400, State::Steady),
            (true, NOW - 399, State::Flapping),
            // Its gateway's second client says nothing of the device.
            (false, NOW - 300, State::Steady),
        ] {
            let log = sessions(own, vec![up(NOW - 400), refused(refused_at)]);
            expect(state, &seen, Some(&log));
        }
        // The refused one is the device, which has nobody speaking for it.
        let log = sessions(true, vec![up(NOW - 400), refused(NOW - 300)]);
        expect(State::Silent, &receipts(None, None), Some(&log));
        let log = sessions(true, vec![up(NOW - 400), refused(NOW - 300)]);
        let verdict = judge(&seen, Some(&log), secs(300), &Asked::new().request());
        let told = verdict.detail("refused since its return").unwrap();
        assert!(told.starts_with("unknown-ca at "), "{told}");
    }

    #[test]
    fn kept_messages_bring_nothing_back() {
        // The client sent at NOW - 3 what it had kept; the last was made when the device still had power.
        let kept = |made| Receipt::new(at(NOW - 3), MessageKind::Live).with_made_at(at(made));
        let seen = |made: &[i64]| of([]).with_messages(made.iter().map(|made| kept(*made)).collect());
        expect(State::Silent, &seen(&[NOW - 590, NOW - 550, NOW - 500]), None);
        expect(State::Flapping, &seen(&[NOW - 590, NOW - 400]), None);
        expect(State::JustBack, &seen(&[NOW - 590, NOW - 550, NOW - 300, NOW - 5]), None);
    }

    #[test]
    fn own_takeover_is_no_disconnect() {
        let events = vec![
            up(NOW - 400).with_session("new"),
            ConnectionEvent::disconnected(at(NOW - 399), DisconnectReason::DuplicateClientId)
                .with_session("old"),
        ];
        expect(State::Steady, &receipts(Some(NOW - 398), Some(NOW - 1)), Some(&sessions(true, events)));
    }

    #[test]
    fn end_at_return_is_of_the_old_session() {
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
    fn message_gap_is_flapping_however_fresh() {
        expect(State::Flapping, &of([at(NOW - 500), at(NOW - 199), at(NOW - 5)]), None);
        expect(State::Steady, &of([at(NOW - 500), at(NOW - 200), at(NOW - 5)]), None);
        let verdict =
            judge(&of([at(NOW - 500), at(NOW - 199)]), None, secs(300), &Asked::reporting_each(1).request());
        verdict.expect(State::Steady);
        assert_eq!(verdict.detail("longest silence"), Some("5m1s"));
    }

    #[test]
    fn goodbye_after_each_report_is_steady() {
        let goodbye = |seconds, reason| ConnectionEvent::disconnected(at(seconds), reason);
        let with = |reason| {
            vec![up(NOW - 400), goodbye(NOW - 395, reason), up(NOW - 200), goodbye(NOW - 195, reason)]
        };
        for (reason, state) in [
            (DisconnectReason::ClientInitiated, State::Steady),
            (DisconnectReason::ServerShuttingDown, State::Steady),
            (DisconnectReason::ServerMoved, State::Steady),
            (DisconnectReason::Expired, State::Steady),
            (DisconnectReason::KeepAliveTimeout, State::Flapping),
            (DisconnectReason::Administrative, State::Flapping),
        ] {
            let log = sessions(true, with(reason));
            expect(state, &of([at(NOW - 399), at(NOW - 199)]), Some(&log));
        }
    }

    #[test]
    fn only_live_messages_bring_it_back() {
        for kind in [MessageKind::Will, MessageKind::Replayed, MessageKind::Retained] {
            let seen = of([]).with_messages(vec![Receipt::new(at(NOW - 5), kind)]);
            expect(State::Silent, &seen, None);
        }
    }

    #[test]
    fn mutual_takeovers_are_flapping() {
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
    fn disconnect_or_old_message_is_flapping() {
        let log = sessions(true, vec![up(NOW - 400), down(NOW - 300), up(NOW - 200)]);
        expect(State::Flapping, &receipts(Some(NOW - 400), Some(NOW - 1)), Some(&log));
        let log = sessions(true, vec![up(NOW - 400), down(NOW - 300)]);
        expect(State::Flapping, &receipts(None, None), Some(&log));
        expect(State::Flapping, &of([at(NOW - 600), at(NOW - 450), at(NOW - 301)]), None);
    }

    #[test]
    fn flaps_that_end_in_a_lasting_silence_are_silence() {
        // Messages each minute and breaks between them; then nothing.
        let breaks = |last: i64| vec![up(NOW - 550), down(NOW - 500), up(NOW - 490), down(last)];
        for (last, state) in [(NOW - 181, State::Silent), (NOW - 180, State::Flapping)] {
            let log = sessions(true, breaks(last - 30));
            expect(state, &receipts(Some(last - 420), Some(last)), Some(&log));
            // Its session was last seen when it broke.
            let log = sessions(true, breaks(last));
            expect(state, &receipts(Some(last - 420), Some(last - 30)), Some(&log));
        }
        // A silence as long as those before it is one more flap.
        expect(
            State::Flapping,
            &of([at(NOW - 301)]),
            Some(&sessions(true, vec![up(NOW - 600), down(NOW - 300)])),
        );
        let log = sessions(true, breaks(NOW - 181));
        let verdict = judge(
            &receipts(Some(NOW - 601), Some(NOW - 181)),
            Some(&log),
            secs(1),
            &Asked::reporting_each(200).request(),
        );
        verdict.expect(State::Flapping);
    }

    #[test]
    fn flap_window_is_judged_to_the_nanosecond() {
        for (last, state) in [
            (at(NOW - 300) - NANO, State::Flapping),
            (at(NOW - 300), State::Steady),
            (at(NOW - 300) + NANO, State::JustBack),
        ] {
            expect(state, &of([last]), None);
        }
    }

    #[test]
    fn back_a_moment_ago_is_not_steady_yet() {
        let judged = |seen: &Receipts, log: Option<&SessionLog>, interval| {
            judge(seen, log, secs(300), &Asked::reporting_each(interval).request())
        };
        let seen = receipts(Some(NOW - 200), Some(NOW - 1));
        judged(&seen, None, 60).expect(State::JustBack);
        // It was due no earlier, give or take the tolerance of 30 s.
        judged(&seen, None, 369).expect(State::JustBack);
        judged(&seen, None, 370).expect(State::Steady);
        // Its session came back first.
        let log = |connected| sessions(true, vec![up(connected)]);
        judged(&seen, Some(&log(NOW - 300)), 60).expect(State::Steady);
        judged(&seen, Some(&log(NOW - 299)), 60).expect(State::JustBack);
        // It came and went within that moment.
        let broken = sessions(true, vec![up(NOW - 250), down(NOW - 240), up(NOW - 230)]);
        judged(&seen, Some(&broken), 60).expect(State::Flapping);
        let verdict = judge(&seen, None, secs(300), &Asked::new().request());
        assert_eq!(verdict.detail("back at"), Some(moment(at(NOW - 200)).as_str()));
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
    fn window_begins_when_the_next_message_was_due() {
        for (last, state) in [(NOW - 361, State::Flapping), (NOW - 360, State::Steady)] {
            judge(&of([at(last)]), None, secs(300), &Asked::reporting_each(60).request())
                .expect_of(&last, state);
        }
    }

    #[test]
    fn message_in_the_instant_the_wait_began_counts() {
        for (heard, state) in [(at(NOW - 600), State::Steady), (at(NOW - 600) - NANO, State::Silent)] {
            judge(&of([heard]), None, secs(601), &Asked::new().request()).expect_of(&heard, state);
        }
    }

    #[test]
    fn disconnect_reasons_are_counted() {
        let thrown =
            |seconds| ConnectionEvent::disconnected(at(seconds), DisconnectReason::DuplicateClientId);
        let events =
            vec![thrown(NOW - 590), up(NOW - 500), thrown(NOW - 400), up(NOW - 390), down(NOW - 300)];
        for (own, whose) in [(true, "the device itself"), (false, "its gateway")] {
            let log = sessions(own, events.clone());
            let seen = receipts(Some(NOW - 450), Some(NOW - 1));
            let verdict = judge(&seen, Some(&log), secs(300), &Asked::new().request());
            verdict.expect(State::Flapping);
            let told = verdict.detail("disconnects");
            assert_eq!(told, Some("connection-lost: 1, duplicate-client-id: 2"));
            let last = verdict.detail("last disconnect");
            assert!(last.is_some_and(|last| last.starts_with("connection-lost at ")), "{last:?}");
            assert_eq!(verdict.detail("session of"), Some(whose));
        }
    }

    #[test]
    fn log_that_does_not_cover_the_wait_is_stale() {
        let asked = Asked::new();
        let seen = Receipts { covers: period(NOW - 599, NOW), ..receipts(None, None) };
        let verdict = judge(&seen, None, secs(300), &asked.request());
        verdict.expect(Stale);
        assert!(verdict.detail("why").is_some_and(|why| why.contains("does not cover")));
        let mut log = sessions(true, vec![]);
        log.log.covers = period(NOW - 600, NOW - 1);
        judge(&receipts(None, None), Some(&log), secs(300), &asked.request()).expect(Stale);
    }

    #[test]
    fn messages_outside_the_wait_do_not_count() {
        expect(State::Silent, &receipts(Some(NOW - 700), Some(NOW - 601)), None);
        expect(State::JustBack, &receipts(Some(NOW + 30), Some(NOW + 30)), None);
    }

    #[test]
    fn future_fact_is_unknown_if_it_decides() {
        let judged =
            |seen: &Receipts, log: Option<&SessionLog>| judge(seen, log, secs(300), &Asked::new().request());
        let ahead = judged(&of([at(NOW + 31)]), None);
        ahead.expect(Future);
        let beside = judged(&of([at(NOW - 5), at(NOW + 31)]), None);
        beside.expect(State::JustBack);
        assert!(beside.detail("dated in the future").is_some_and(|told| told.starts_with("message at")));
        let broken = judged(&of([at(NOW - 5)]), Some(&sessions(true, vec![down(NOW + 31)])));
        broken.expect(Future);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        /// Beside a model that walks the wait second by second.
        #[test]
        fn it_agrees_with_a_walk_through_time(
            messages in prop::collection::btree_set(0i64..600, 0..6),
            ups in prop::collection::btree_set(0i64..600, 0..4),
            downs in prop::collection::btree_set(0i64..600, 0..4),
            window in 1i64..700,
        ) {
            let (mut back, mut heard, mut broken, mut gap) = (false, None, false, false);
            let (mut longest, mut last_break, mut returned) = (0, 0, 0);
            for second in 0..600 {
                if !back && (messages.contains(&second) || ups.contains(&second)) {
                    returned = second;
                }
                // At one instant what ends comes first.
                if downs.contains(&second) && back {
                    (broken, last_break) = (true, second);
                }
                if messages.contains(&second) {
                    gap |= heard.is_some_and(|heard| second - heard > window);
                    longest = longest.max(second - heard.unwrap_or(0));
                    (back, heard) = (true, Some(second));
                }
                if ups.contains(&second) {
                    back = true;
                }
            }
            let state = match heard {
                None if !broken => State::Silent,
                Some(second) if !broken && !gap && 600 - second <= window => {
                    // The device has no reporting interval; 30 s are the tolerance.
                    if returned > 30 && 600 - returned < window { State::JustBack } else { State::Steady }
                }
                Some(second) if 600 - second.max(last_break) > 3 * longest => State::Silent,
                _ => State::Flapping,
            };
            let begin = NOW - 600;
            let seen = of(messages.iter().map(|s| at(begin + s)));
            let events = downs.iter().map(|s| down(begin + s)).chain(ups.iter().map(|s| up(begin + s))).collect();
            let verdict = judge(&seen, Some(&sessions(true, events)), secs(window), &Asked::new().request());
            prop_assert_eq!(verdict.value(), Some(state.into()));
        }
    }
}
