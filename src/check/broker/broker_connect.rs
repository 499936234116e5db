use chrono::{DateTime, TimeDelta, Utc};

use super::sessions::{self, Events, SessionLog};
use crate::check::prelude::*;
use crate::check::window::{ONE_DAY, sum};
use crate::probe::{
    ConnectionEvent, ConnectionEventKind, ConnectionLog, LastSeenAnswer, LastSeenRequest, ProbeError,
    SessionState,
};
use crate::time::{Period, format_duration};

choices! {
    Reach {
        SessionUp = "session-up",
        RecentConnect = "recent-connect",
        Refused = "refused",
        HalfOpen = "half-open",
        None = "none",
    }
}

check! {
    /// Does the session holder still reach the broker?
    BrokerConnect = "broker-connect", Session, Now, Reach::VALUES;
    recent: TimeDelta,
}

impl Builtin for BrokerConnect {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let last_seen = last_seen(request, probes).await?;
        let asked = asked_period(last_seen.as_ref(), self.recent, request);
        let sessions = sessions::require(broker, request, asked).await?;
        Ok(judge(&sessions, last_seen.as_ref(), self.recent, request).by(sessions.source.clone()))
    }
}

/// When the device was last seen; `None` where no adapter can say.
pub(in crate::check) async fn last_seen(
    request: &CheckRequest<'_>,
    probes: &Probes,
) -> Result<Option<LastSeenAnswer>, ProbeError> {
    let Some(device) = probes.device() else { return Ok(None) };
    let asked = LastSeenRequest::new(request.device());
    device.last_seen(&asked).await.map(Some).by(device.source())
}

/// `None`: never, or nobody can say.
pub(in crate::check) fn last_receipt(last_seen: Option<&LastSeenAnswer>) -> Option<DateTime<Utc>> {
    last_seen.and_then(|answer| answer.last_receipt)
}

/// Since the device was last seen, and at least `recent`; a day where nobody can say when it was seen, or says that
/// it was in the future.
pub(in crate::check) fn asked_period(
    last_seen: Option<&LastSeenAnswer>,
    recent: TimeDelta,
    request: &CheckRequest<'_>,
) -> Period {
    let unseen = match last_receipt(last_seen).filter(|last| request.has_happened(*last)) {
        Some(last) => request.now().signed_duration_since(last),
        None => ONE_DAY,
    };
    request.last(unseen.max(recent))
}

/// In this order: the session is up, or a CONNECT was accepted at most `recent` ago and none was refused after it, and
/// it is not half-open; refused since last seen, or accepted and thrown out within a minute for what the client is or
/// did; half-open; none. Refused and none are as old as the older of the log and the last-seen.
///
/// A session is half-open where it counts as up and the broker has received nothing of it for over one and a half
/// keep-alives: the broker must have ended it by then (MQTT 5, 3.1.2.10).
fn judge(
    sessions: &SessionLog,
    last_seen: Option<&LastSeenAnswer>,
    recent: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    sessions.judge(request, |events| judge_events(events, sessions, last_seen, recent, request))
}

fn judge_events(
    events: &Events<'_>,
    sessions: &SessionLog,
    last_seen: Option<&LastSeenAnswer>,
    recent: TimeDelta,
    request: &CheckRequest<'_>,
) -> Verdict {
    let log = &sessions.log;
    let now = request.now();
    let asked = asked_period(last_seen, recent, request);
    let mut details = vec![sessions.holder()];
    let accepted =
        events.iter().rev().find(|event| event.kind == ConnectionEventKind::Accepted).map(|event| event.at);
    details.extend(accepted.map(|at| when("last connect", at)));
    let as_of = |observed_at: DateTime<Utc>, reach: Reach, details: Vec<Detail>| {
        Verdict::known(reach, observed_at).with(details)
    };

    // An end that the log does not reach may hold a disconnect: then the events do not say that it is up now.
    let up = match log.now {
        SessionState::NotKnown if log.covers.end() >= now => events.state_at_end(log.at_start),
        told => told,
    };
    let half_open = up == SessionState::Up && is_half_open(log, &mut details);
    if up == SessionState::Up && !half_open {
        details.extend(sessions::reasons(&events.disconnects(asked.start())));
        return as_of(log.observed_at, Reach::SessionUp, details);
    }
    let recent = request.last(recent);
    let seen = last_receipt(last_seen).filter(|last| request.has_happened(*last));
    // What was refused before a CONNECT that was accepted is mended, however long ago that was.
    let refused = events.refusals().into_iter().next();
    let refused = refused.filter(|(event, _)| seen.is_none_or(|seen| event.at > seen));
    // Who is refused after it was accepted has lost what it was accepted for.
    let ended = |event: &ConnectionEvent| matches!(event.kind, ConnectionEventKind::Disconnected(_));
    let refused_after =
        |at: DateTime<Utc>| refused.is_some_and(|(event, _)| event.at > at || event.at == at && ended(event));
    if !half_open && accepted.is_some_and(|at| at >= recent.start() && !refused_after(at)) {
        details.extend(sessions::reasons(&events.disconnects(asked.start())));
        return as_of(log.observed_at, Reach::RecentConnect, details);
    }
    // From here on it must be certain that no CONNECT was accepted lately.
    if !half_open && let Some(missing) = not_covered(recent, log.covers) {
        return Verdict::stale(missing).with(details);
    }
    let ended = events.iter().rev().find_map(|event| match event.kind {
        ConnectionEventKind::Disconnected(reason) => Some((event.at, reason)),
        _ => None,
    });
    if let Some((at, reason)) = ended {
        details.push(Detail::new("last disconnect", format!("{reason} at {}", moment(at))));
    }
    let older = last_seen.map_or(log.observed_at, |seen| seen.observed_at.min(log.observed_at));
    // A client whose old session is half-open tries again: what it was refused with says more than the old session.
    if let Some((event, reason)) = refused {
        details.push(Detail::new("refused with", reason.name()));
        details.extend(event.text.as_deref().map(|text| Detail::new("broker's words", text)));
        details.push(when("last refused", event.at));
        return as_of(older, Reach::Refused, details);
    }
    if half_open {
        return as_of(log.observed_at, Reach::HalfOpen, details);
    }
    match not_covered(asked, log.covers) {
        Some(missing) => Verdict::stale(missing).with(details),
        None => as_of(older, Reach::None, details),
    }
}

/// True if the session that counts as up has been silent for over one and a half keep-alives, as of the log.
fn is_half_open(log: &ConnectionLog, details: &mut Vec<Detail>) -> bool {
    details.extend(log.last_packet.map(|at| when("last packet", at)));
    let Some(keep_alive) = log.keep_alive.filter(|length| *length > TimeDelta::zero()) else { return false };
    details.push(Detail::new("keep-alive", format_duration(keep_alive)));
    let Some(last) = log.last_packet else { return false };
    let bound = sum(keep_alive, keep_alive / 2);
    log.observed_at.signed_duration_since(last) > bound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::fact::Source;
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason, RefusalReason};

    const SEEN: i64 = NOW - 5000;

    fn log(events: Vec<ConnectionEvent>) -> ConnectionLog {
        ConnectionLog::new(at(NOW), period(SEEN, NOW)).with_events(events).with_now(SessionState::Down)
    }

    fn seen(last: i64) -> LastSeenAnswer {
        LastSeenAnswer::new(at(NOW)).with_last_receipt(at(last))
    }

    fn judged(log: ConnectionLog) -> Verdict {
        let sessions = SessionLog::of_test(true, log);
        judge(&sessions, Some(&seen(SEEN)), secs(1800), &Asked::new().request())
    }

    fn refused(at: DateTime<Utc>) -> ConnectionEvent {
        ConnectionEvent::refused(at, RefusalReason::CertificateExpired)
    }

    #[test]
    fn a_session_that_is_up_comes_before_all() {
        let verdict = judged(log(vec![refused(at(NOW - 5))]).with_now(SessionState::Up));
        verdict.expect(Reach::SessionUp);
        // Even where the log covers nothing.
        let short = ConnectionLog { covers: period(NOW, NOW), ..log(vec![]).with_now(SessionState::Up) };
        judged(short).expect(Reach::SessionUp);
    }

    #[test]
    fn who_threw_it_out_is_shown_beside_its_session() {
        let thrown_out =
            |seconds| ConnectionEvent::disconnected(at(seconds), DisconnectReason::DuplicateClientId);
        let events =
            vec![thrown_out(NOW - 60), thrown_out(NOW - 40), ConnectionEvent::accepted(at(NOW - 30))];
        for now in [SessionState::Up, SessionState::Down] {
            let verdict = judged(log(events.clone()).with_now(now));
            let expected = if now == SessionState::Up { Reach::SessionUp } else { Reach::RecentConnect };
            verdict.expect(expected);
            assert_eq!(verdict.detail("disconnects"), Some("duplicate-client-id: 2"));
        }
    }

    #[test]
    fn session_that_is_thrown_out_at_once_was_refused() {
        let session = |began: i64, lasted: TimeDelta, reason| {
            let end = at(began) + lasted;
            vec![
                ConnectionEvent::accepted(at(began)).with_session("one"),
                ConnectionEvent::disconnected(end, reason).with_session("one"),
            ]
        };
        let forbidden = DisconnectReason::Forbidden;
        for (events, reach) in [
            (session(NOW - 100, secs(1), forbidden), Reach::Refused),
            (session(NOW - 100, secs(60), forbidden), Reach::Refused),
            (session(NOW - 100, TimeDelta::zero(), DisconnectReason::PacketTooLarge), Reach::Refused),
            ((1..60).flat_map(|n| session(NOW - 60 * n, secs(1), forbidden)).collect(), Reach::Refused),
            // It lasted; or its end is no verdict on the client.
            (session(NOW - 100, secs(60) + NANO, forbidden), Reach::RecentConnect),
            (session(NOW - 100, secs(1), DisconnectReason::ConnectionLost), Reach::RecentConnect),
            (session(NOW - 100, secs(1), DisconnectReason::DuplicateClientId), Reach::RecentConnect),
            // The next one lasts.
            (
                [session(NOW - 100, secs(1), forbidden), session(NOW - 90, secs(80), forbidden)].concat(),
                Reach::RecentConnect,
            ),
        ] {
            judged(log(events.clone())).expect_of(&events, reach);
        }
        let verdict = judged(log(session(NOW - 100, secs(1), forbidden)));
        assert_eq!(verdict.detail("refused with"), Some("forbidden"));
    }

    #[test]
    fn older_session_that_is_ended_throws_no_newer_one_out() {
        let ended = |seconds, reason, session| {
            ConnectionEvent::disconnected(at(seconds), reason).with_session(session)
        };
        let events = vec![
            ConnectionEvent::accepted(at(NOW - 100)).with_session("new"),
            ended(NOW - 99, DisconnectReason::Forbidden, "old"),
            ended(NOW - 50, DisconnectReason::ConnectionLost, "new"),
        ];
        judged(log(events)).expect(Reach::RecentConnect);
    }

    #[test]
    fn events_show_up_where_broker_is_silent() {
        let up = ConnectionEvent::accepted(at(NOW - 4000));
        let told = |log: ConnectionLog| judged(log.with_now(SessionState::NotKnown));
        told(log(vec![up.clone()])).expect(Reach::SessionUp);
        let down = ConnectionEvent::disconnected(at(NOW - 3000), DisconnectReason::KeepAliveTimeout);
        told(log(vec![down, up.clone()])).expect(Reach::None);
        told(ConnectionLog { covers: period(SEEN, NOW - 1), ..log(vec![up]) }).expect(Outcome::NoValue);
    }

    #[test]
    fn recent_is_judged_to_the_nanosecond() {
        for (connected, connect) in [
            (at(NOW - 1800) - NANO, Reach::None),
            (at(NOW - 1800), Reach::RecentConnect),
            (at(NOW - 1800) + NANO, Reach::RecentConnect),
        ] {
            judged(log(vec![ConnectionEvent::accepted(connected)])).expect_of(&connected, connect);
        }
    }

    #[test]
    fn only_refusals_since_last_seen_count() {
        let verdict = judged(log(vec![refused(at(NOW - 10)), refused(at(NOW - 10)), refused(at(NOW - 900))]));
        verdict.expect(Reach::Refused);
        assert_eq!(verdict.detail("refused with"), Some("certificate-expired"));
        assert_eq!(verdict.detail("last refused"), Some(moment(at(NOW - 10)).as_str()));
        for (when, connect) in
            [(at(SEEN) - NANO, Reach::None), (at(SEEN), Reach::None), (at(SEEN) + NANO, Reach::Refused)]
        {
            judged(log(vec![refused(when)])).expect_of(&when, connect);
        }
    }

    #[test]
    fn last_of_connect_and_refusal_counts() {
        let judged = |refused_at, accepted_at| {
            judged(log(vec![refused(refused_at), ConnectionEvent::accepted(accepted_at)]))
        };
        let recent = at(NOW - 100);
        judged(recent - NANO, recent).expect(Reach::RecentConnect);
        judged(recent, recent).expect(Reach::RecentConnect);
        judged(recent + NANO, recent).expect(Reach::Refused);
    }

    #[test]
    fn refusal_that_an_accepted_connect_followed_is_over() {
        let events = vec![
            refused(at(NOW - 4000)),
            ConnectionEvent::accepted(at(NOW - 3900)),
            ConnectionEvent::disconnected(at(NOW - 3600), DisconnectReason::KeepAliveTimeout),
        ];
        judged(log(events.clone())).expect(Reach::None);
        let again = [events, vec![refused(at(NOW - 3500))]].concat();
        judged(log(again)).expect(Reach::Refused);
    }

    #[test]
    fn asked_period_holds_a_recent_connect() {
        let asked = Asked::new();
        for (last, begin) in [(NOW - 5000, NOW - 5000), (NOW - 1799, NOW - 1800), (NOW + 31, NOW - 86_400)] {
            let period = asked_period(Some(&seen(last)), secs(1800), &asked.request());
            assert_eq!((period.start(), period.end()), (at(begin), at(NOW)));
        }
        assert_eq!(asked_period(None, secs(1800), &asked.request()).start(), at(NOW - 86_400));
    }

    #[test]
    fn gateway_connect_counts_without_session() {
        let log = log(vec![ConnectionEvent::accepted(at(NOW - 5))]);
        let sessions = SessionLog::of_test(false, log);
        judge(&sessions, Some(&seen(SEEN)), secs(1800), &Asked::new().request()).expect(Reach::RecentConnect);
    }

    #[test]
    fn empty_log_is_none_uncovered_is_stale() {
        judged(log(vec![])).expect(Reach::None);
        for covers in [period(SEEN + 1, NOW), period(SEEN, NOW - 1)] {
            let short = ConnectionLog { covers, ..log(vec![]) };
            judged(short).expect(Stale);
        }
        // A refusal is enough where only the older part is gone, and not where a connect may have come after it.
        let mut short =
            ConnectionLog { covers: period(NOW - 2500, NOW), ..log(vec![refused(at(NOW - 2000))]) };
        judged(short.clone()).expect(Reach::Refused);
        short.covers = period(SEEN, NOW - 1);
        judged(short).expect(Stale);
    }

    #[test]
    fn what_the_last_seen_decides_is_as_old_as_it() {
        let mut seen = seen(SEEN);
        seen.observed_at = at(NOW - 9);
        let up = ConnectionEvent::accepted(at(NOW - 5));
        for (events, state, observed) in [
            (vec![], SessionState::Down, NOW - 9),
            (vec![refused(at(NOW - 5))], SessionState::Down, NOW - 9),
            (vec![], SessionState::Up, NOW),
            (vec![up], SessionState::Down, NOW),
        ] {
            let sessions =
                SessionLog { log: log(events).with_now(state), own: true, source: Source::new("broker") };
            let verdict = judge(&sessions, Some(&seen), secs(1800), &Asked::new().request());
            assert_eq!(verdict.observed_at(), Some(at(observed)), "{verdict:?}");
        }
    }

    #[test]
    fn last_seen_of_the_future_is_not_believed() {
        let log = ConnectionLog::new(at(NOW), period(NOW - 86_400, NOW))
            .with_events(vec![refused(at(NOW - 10))])
            .with_now(SessionState::Down);
        let sessions = SessionLog::of_test(false, log);
        let verdict = judge(&sessions, Some(&seen(NOW + 31)), secs(1800), &Asked::new().request());
        verdict.expect(Reach::Refused);
        assert_eq!(verdict.detail("session of"), Some("its gateway"));
    }

    #[test]
    fn a_connect_dated_ahead_is_never_dropped() {
        for (ahead, reach) in [(30, Some(Reach::RecentConnect)), (31, None), (60, None), (86_400, None)] {
            let verdict = judged(log(vec![ConnectionEvent::accepted(at(NOW + ahead))]));
            verdict.expect_of(&ahead, reach);
            if reach.is_none() {
                verdict.expect(Future);
                let told = verdict.detail("dated in the future").unwrap();
                assert!(
                    told.contains("accepted CONNECT") && told.contains(&moment(at(NOW + ahead))),
                    "{told}"
                );
            }
        }
        let since = vec![ConnectionEvent::accepted(at(NOW - 5)), refused(at(NOW + 60))];
        // It may have been refused since.
        judged(log(since)).expect(Future);
        // Where something else decides, it is only named.
        let events = vec![ConnectionEvent::accepted(at(NOW - 5)), ConnectionEvent::accepted(at(NOW + 60))];
        let verdict = judged(log(events));
        verdict.expect(Reach::RecentConnect);
        assert!(verdict.detail("dated in the future").is_some());
    }

    #[test]
    fn wider_tolerance_takes_a_clock_that_is_ahead() {
        let asked = Asked::new();
        let request = asked.request().with_clock_tolerance(secs(60));
        let log = log(vec![ConnectionEvent::accepted(at(NOW + 60))]);
        let sessions = SessionLog::of_test(true, log);
        judge(&sessions, Some(&seen(SEEN)), secs(1800), &request).expect(Reach::RecentConnect);
    }

    /// The keep-alive is 60 s: the broker must end the session after 90 s.
    #[test]
    fn one_and_half_keep_alives_are_half_open() {
        let up = |packet: DateTime<Utc>, events| {
            log(events).with_now(SessionState::Up).with_keep_alive(secs(60)).with_last_packet(packet)
        };
        let recent = || vec![ConnectionEvent::accepted(at(NOW - 900))];
        for (log, reach) in [
            (up(at(NOW - 90), vec![]), Reach::SessionUp),
            (up(at(NOW - 90) - NANO, vec![]), Reach::HalfOpen),
            (up(at(NOW - 91), recent()), Reach::HalfOpen),
            (up(at(NOW - 91), vec![refused(at(NOW - 5))]), Reach::Refused),
            (up(at(NOW - 91), vec![refused(at(SEEN - 5))]), Reach::HalfOpen),
            (up(at(NOW - 91), recent()).with_now(SessionState::Down), Reach::RecentConnect),
            // No keep-alive: it may be silent for ever.
            (up(at(NOW - 9000), vec![]).with_keep_alive(secs(0)), Reach::SessionUp),
        ] {
            judged(log.clone()).expect_of(&log, reach);
        }
        let mut untold = up(at(NOW - 91), vec![]);
        untold.last_packet = None;
        judged(untold).expect(Reach::SessionUp);
        let old = up(at(NOW - 91), vec![]);
        judged(ConnectionLog { observed_at: at(NOW - 5), ..old }).expect(Reach::SessionUp);
    }
}
