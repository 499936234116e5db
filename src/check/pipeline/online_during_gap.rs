use chrono::{DateTime, TimeDelta, Utc};

use super::share::{Gap, MOST_PARTS, OfTag as _};
use crate::check::broker::sessions::{self, Events, SessionLog};
use crate::check::prelude::*;
use crate::probe::{MessagesRequest, RowsRequest, SessionState};
use crate::time::Period;

choices! {
    Presence {
        Offline = "offline",
        Online = "online",
        Part = "part",
    }
}

check! {
    /// Was the device online during the gap?
    OnlineDuringGap = "online-during-gap", Device, Period, Presence::VALUES;
}

impl Builtin for OnlineDuringGap {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let period = request.period(broker.source())?;
        let sessions = sessions::read(broker, request, period).await?;
        let mut parts = timeline(sessions.as_ref(), period);
        let doubted = parts.iter().filter(|part| part.state != State::Up).count();
        if doubted <= MOST_PARTS {
            for part in parts.iter_mut().filter(|part| part.state != State::Up) {
                part.seen = seen(part.period, request, probes).await;
            }
        }
        // Only for the share of the missing rows: without it, time decides.
        let missing = Gap::ask_missing(request, probes).await.ok();
        Ok(judge(&parts, sessions.as_ref(), missing.as_ref(), period).by(broker.source()))
    }
}

/// What is known of the session, or of the device, in a part of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
    NotKnown,
}

/// One stretch of the period in which the session was up, or down, or nobody knows.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    state: State,
    period: Period,
    seen: Seen,
}

/// What of the device was there in a part; `None` where nobody could say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    /// Messages that it made, and that came to the broker, in this part.
    live: Option<u64>,
    /// Rows that were due, and are stored.
    rows: Option<(u64, u64)>,
}

/// Asks what came of the device in a part of the period. Who cannot say is no fault here: the log of the session counts.
async fn seen(period: Period, request: &CheckRequest<'_>, probes: &Probes) -> Seen {
    let mut seen = Seen::default();
    if let Some(broker) = probes.broker() {
        let answer = broker.messages(&MessagesRequest::new(request.device(), period)).await;
        seen.live = answer.ok().and_then(|messages| messages.live);
    }
    if let Some(telemetry) = probes.telemetry() {
        let asked = RowsRequest::new(request.device(), period).of_tag(request);
        let rows = telemetry.rows(&asked).await.ok().filter(|rows| rows.present <= rows.expected);
        seen.rows = rows.map(|rows| (rows.expected, rows.present));
    }
    seen
}

impl Part {
    fn new(state: State, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { state, period: Period::ending(to, to.signed_duration_since(from)), seen: Seen::default() }
    }

    /// With its messages: they prove that the device was there where nobody knows. Where the log says that the session
    /// was down, a few may be of an end of the part, and half of what was due are not.
    fn known_state(&self) -> State {
        let live = self.seen.live.unwrap_or_default();
        match (self.state, self.seen.rows) {
            (state, _) if live == 0 => state,
            (State::Down, Some((due, _))) if live < due.div_ceil(2) => State::Down,
            _ => State::Up,
        }
    }
}

/// The parts of the period in turn, without those that are too short to count: parts shorter than one and a half
/// keep-alives, for which a broker takes a dead session for alive, go with the part before, or else with the one after.
fn timeline(sessions: Option<&SessionLog>, asked: Period) -> Vec<Part> {
    let Some(sessions) = sessions else {
        return vec![Part::new(State::NotKnown, asked.start(), asked.end())];
    };
    let parts = parts(sessions, asked);
    let keep_alive = sessions.log.keep_alive.unwrap_or_default().max(TimeDelta::zero());
    let shortest = keep_alive.checked_add(&(keep_alive / 2)).unwrap_or(TimeDelta::MAX);
    let counts = |part: &&Part| !part.period.length().is_zero() && part.period.length() >= shortest;
    let Some(first) = parts.iter().find(counts) else {
        // One part alone is all of the period; of several short ones nobody knows which to believe.
        return match parts.len() {
            1 => parts,
            _ => vec![Part::new(State::NotKnown, asked.start(), asked.end())],
        };
    };
    let mut state = first.state;
    let mut joined: Vec<Part> = Vec::new();
    for part in &parts {
        state = if counts(&part) { part.state } else { state };
        match joined.last_mut() {
            Some(last) if last.state == state => {
                *last = Part::new(state, last.period.start(), part.period.end());
            }
            _ => joined.push(Part::new(state, part.period.start(), part.period.end())),
        }
    }
    joined
}

/// The parts of the period as the log has them. What it does not cover, and what comes before the first event where
/// nobody says how it began, is not known.
fn parts(sessions: &SessionLog, asked: Period) -> Vec<Part> {
    let log = &sessions.log;
    let (start, end) = (asked.start().max(log.covers.start()), asked.end().min(log.covers.end()));
    if start >= end {
        return vec![Part::new(State::NotKnown, asked.start(), asked.end())];
    }
    let mut parts = Vec::new();
    if start > asked.start() {
        parts.push(Part::new(State::NotKnown, asked.start(), start));
    }
    let events = Events::until(log, asked.end());
    let changes = events.changes();
    let within = |at: DateTime<Utc>| start < at && at < end;
    // The last change before the period, what the broker says of its log's start, an old session that made room for
    // a new one, or the opposite of the first change.
    let before = changes.iter().rev().find(|(at, _)| *at <= start).map(|(_, up)| *up);
    let up = match (before, log.at_start) {
        (Some(up), _) => Some(up),
        (None, SessionState::Up) => Some(true),
        (None, SessionState::Down) => Some(false),
        (None, SessionState::NotKnown) => {
            let made_room = events.iter().any(|event| within(event.at) && events.is_replaced(event));
            let first = changes.iter().find(|(at, _)| within(*at)).map(|(_, up)| !*up);
            if made_room { Some(true) } else { first }
        }
    };
    let state_of = |up: bool| if up { State::Up } else { State::Down };
    let mut state = up.map_or(State::NotKnown, state_of);
    let mut from = start;
    for (at, up) in changes {
        if !within(at) || state_of(up) == state {
            continue;
        }
        parts.push(Part::new(state, from, at));
        (from, state) = (at, state_of(up));
    }
    parts.push(Part::new(state, from, end));
    if end < asked.end() {
        parts.push(Part::new(State::NotKnown, end, asked.end()));
    }
    parts
}

/// How much of what is missing falls into the parts that are down, and into those that nobody knows: by rows where each
/// part's are known, else by time.
fn shares(parts: &[Part], gap: Option<&Gap>) -> ((f64, f64), &'static str) {
    let missing = |part: &Part| part.seen.rows.map(|(due, stored)| due.saturating_sub(stored) as f64);
    let of = |state: State| parts.iter().filter(move |part| part.known_state() == state);
    // From zero: the sum of no part would be -0.
    let by_rows = |state: State| of(state).map(missing).try_fold(0.0, |sum, rows| Some(sum + rows?));
    if let (Some(gap), Some(down), Some(open)) = (gap, by_rows(State::Down), by_rows(State::NotKnown)) {
        return ((gap.share_of_rows(down), gap.share_of_rows(open)), "of the missing rows");
    }
    let length = |part: &Part| part.period.length().as_seconds_f64();
    let whole: f64 = parts.iter().map(length).sum();
    let by_time = |state: State| of(state).map(length).fold(0.0, |sum, part| sum + part) / whole;
    ((by_time(State::Down), by_time(State::NotKnown)), "of the time: the rows of the parts are not known")
}

/// Offline: all of it, or more than nine tenths of the missing rows. Online: less than a tenth. Parts that nobody knows
/// must not matter.
///
/// Of a device without a session of its own, its gateway's session counts: while that was down the device was offline
/// too, and while it was up nobody can say of the device, so that the rest of the way is asked.
///
/// Online, it accounts for nothing: what is missing while it was offline is among what never came to the broker.
fn judge(parts: &[Part], sessions: Option<&SessionLog>, gap: Option<&Gap>, asked: Period) -> Verdict {
    let details = sessions.and_then(SessionLog::whose).into_iter().chain(told(parts));
    if asked.length().is_zero() {
        return Verdict::undetermined("the period is empty").with(details);
    }
    let ((offline, open), of) = shares(parts, gap);
    let details = details.chain([Detail::new("offline", format!("{:.1} % {of}", 100.0 * offline))]);
    let presence = |share: f64| match share {
        share if share > 0.9 => Presence::Offline,
        share if share < 0.1 => Presence::Online,
        _ => Presence::Part,
    };
    let found = presence(offline);
    if presence(offline + open) != found {
        let missing = sessions.and_then(|sessions| not_covered(asked, sessions.log.covers));
        return match (sessions, missing) {
            (_, Some(missing)) => Verdict::stale(missing),
            (None, _) => Verdict::undetermined(
                "neither the device nor its gateway has a session at the broker, and no message shows that it was there",
            ),
            (Some(_), None) => Verdict::undetermined("the log does not show whether the session was up"),
        }
        .with(details);
    }
    let log = sessions.map(|sessions| sessions.log.observed_at);
    let observed_at = match (log, gap.map(Gap::observed_at)) {
        (Some(log), Some(gap)) => log.min(gap),
        (Some(at), None) | (None, Some(at)) => at,
        (None, None) => asked.end(),
    };
    match found {
        Presence::Online => Verdict::known(found, observed_at),
        Presence::Offline | Presence::Part => Verdict::known(found, observed_at).accounting_for(offline),
    }
    .with(details)
}

/// Each part for the person who reads it; of many, the first.
fn told(parts: &[Part]) -> impl Iterator<Item = Detail> {
    const MOST: usize = 32;
    let more = parts.len().checked_sub(MOST).filter(|more| *more > 0);
    let each = parts.iter().take(MOST).map(|part| {
        let name = match part.known_state() {
            State::Up => "online from",
            State::Down => "offline from",
            State::NotKnown => "not known from",
        };
        let live = part.seen.live.filter(|live| *live > 0);
        let live = live.map_or_else(String::new, |live| format!(", {live} messages made then"));
        Detail::new(name, format!("{} to {}{live}", moment(part.period.start()), moment(part.period.end())))
    });
    each.chain(more.map(|more| Detail::new("further parts", more.to_string())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::super::share::testing::gap;
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason};

    const ASKED: (i64, i64) = (1000, 2000);

    fn log(start: SessionState, events: Vec<ConnectionEvent>) -> SessionLog {
        let log = ConnectionLog::new(at(NOW), period(ASKED.0, ASKED.1))
            .with_at_start(start)
            .with_events(events)
            .with_keep_alive(secs(60));
        SessionLog::of_test(true, log)
    }

    fn up(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::accepted(at(seconds))
    }

    fn down(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::disconnected(at(seconds), DisconnectReason::ConnectionLost)
    }

    fn asked() -> Period {
        period(ASKED.0, ASKED.1)
    }

    /// By the log alone, each second as good as another.
    fn judged(log: &SessionLog) -> Verdict {
        judge(&timeline(Some(log), asked()), Some(log), None, asked())
    }

    /// With what was seen of the device in each part that is not up.
    fn with_seen(log: &SessionLog, gap: &Gap, seen: &[Seen]) -> Verdict {
        let mut parts = timeline(Some(log), asked());
        parts
            .iter_mut()
            .filter(|part| part.state != State::Up)
            .zip(seen)
            .for_each(|(part, seen)| part.seen = *seen);
        judge(&parts, Some(log), Some(gap), asked())
    }

    #[track_caller]
    fn expect(log: &SessionLog, presence: Presence) {
        let judged = judged(log);
        judged.expect(presence);
    }

    #[test]
    fn session_over_the_period_is_the_answer() {
        use SessionState::{Down, NotKnown, Up};
        expect(&log(Up, vec![]), Presence::Online);
        expect(&log(Down, vec![]), Presence::Offline);
        expect(&log(NotKnown, vec![up(1500)]), Presence::Part);
        expect(&log(NotKnown, vec![down(1500)]), Presence::Part);
        expect(&log(Up, vec![down(1400), up(1450)]), Presence::Online);
        expect(&log(Up, vec![up(1500)]), Presence::Online);
        expect(&log(Down, vec![down(1500)]), Presence::Offline);
        judged(&log(NotKnown, vec![])).expect(Undetermined);
    }

    #[test]
    fn no_part_offline_is_zero_percent() {
        let online = log(SessionState::Up, vec![]);
        for judged in [judged(&online), with_seen(&online, &gap(100, 0), &[])] {
            let offline = judged.detail("offline");
            assert!(offline.is_some_and(|offline| offline.starts_with("0.0 % ")), "{offline:?}");
        }
    }

    #[test]
    fn a_tenth_and_nine_tenths_are_parts() {
        use SessionState::{Down, Up};
        expect(&log(Up, vec![down(1900)]), Presence::Part);
        expect(&log(Up, vec![down(1901)]), Presence::Online);
        expect(&log(Down, vec![up(1900)]), Presence::Part);
        expect(&log(Down, vec![up(1901)]), Presence::Offline);
    }

    #[test]
    fn missing_rows_decide_and_not_time() {
        // Down for half of the time.
        let half = log(SessionState::Up, vec![down(1500)]);
        for (stored, presence, share) in [
            (500, Presence::Online, None),
            (451, Presence::Online, None),
            (450, Presence::Part, Some(0.1)),
            (50, Presence::Part, Some(0.9)),
            (49, Presence::Offline, Some(451.0 / 500.0)),
            (0, Presence::Offline, Some(1.0)),
        ] {
            let seen = Seen { live: None, rows: Some((500, stored)) };
            let judged = with_seen(&half, &gap(1000, 500), &[seen]);
            judged.expect_of(&stored, presence);
            assert_eq!(judged.accounts_for(), share, "{stored}");
        }
    }

    #[test]
    fn messages_prove_presence() {
        let mut short = log(SessionState::Up, vec![]);
        short.log.covers = period(1500, 2000);
        judged(&short).expect(Stale);
        let seen = |live, due| Seen { live: Some(live), rows: Some((due, 0)) };
        let gap = gap(1000, 0);
        with_seen(&short, &gap, &[seen(1, 500)]).expect(Presence::Online);
        with_seen(&short, &gap, &[seen(0, 500)]).expect(Stale);
        // What nobody knows does not matter where hardly a row is missing.
        with_seen(&short, &gap, &[seen(0, 99)]).expect(Presence::Online);
        // Beside a log that says it was down: as many as half of those due.
        let down = log(SessionState::Down, vec![]);
        with_seen(&down, &gap, &[seen(499, 1000)]).expect(Presence::Offline);
        with_seen(&down, &gap, &[seen(500, 1000)]).expect(Presence::Online);
    }

    #[test]
    fn without_a_session_only_messages_decide() {
        let mut parts = timeline(None, asked());
        judge(&parts, None, None, asked()).expect(Undetermined);
        parts[0].seen.live = Some(1);
        judge(&parts, None, None, asked()).expect(Presence::Online);
    }

    #[test]
    fn takeover_is_online_before_and_after() {
        use SessionState::{NotKnown, Up};
        let thrown = |when: DateTime<Utc>| {
            ConnectionEvent::disconnected(when, DisconnectReason::DuplicateClientId).with_session("old")
        };
        let late = at(1500) + NANO;
        for end in [at(1500) - NANO, at(1500), late] {
            for start in [Up, NotKnown] {
                let log = log(start, vec![up(1500).with_session("new"), thrown(end)]);
                expect(&log, Presence::Online);
                assert_eq!(parts(&log, asked()).len(), 1);
            }
        }
        // The old one began in the log.
        let both = vec![up(1100).with_session("old"), up(1500).with_session("new"), thrown(late)];
        expect(&log(Up, both), Presence::Online);
    }

    #[test]
    fn later_events_do_not_show_the_start() {
        for event in [up(ASKED.1), down(ASKED.1), up(ASKED.1 + 30)] {
            judged(&log(SessionState::NotKnown, vec![event])).expect(Undetermined);
        }
    }

    #[test]
    fn short_parts_are_ignored() {
        let long = |start, events| {
            let mut log = log(start, events);
            log.log.keep_alive = Some(secs(100));
            log
        };
        expect(&long(SessionState::Up, vec![down(1500), up(1650)]), Presence::Part);
        expect(&long(SessionState::Up, vec![down(1500), up(1649)]), Presence::Online);
        expect(&long(SessionState::Down, vec![up(1500), down(1650)]), Presence::Part);
        expect(&long(SessionState::Down, vec![up(1500), down(1649)]), Presence::Offline);
        // The first part is short: it goes with the next.
        expect(&long(SessionState::Down, vec![up(1149)]), Presence::Online);
        let mut flapping = long(
            SessionState::Up,
            (1..20).map(|n| if n % 2 == 0 { up(1000 + 50 * n) } else { down(1000 + 50 * n) }).collect(),
        );
        judged(&flapping).expect(Undetermined);
        // A period shorter than any part that counts.
        flapping.log.events.clear();
        flapping.log.keep_alive = Some(secs(10_000));
        expect(&flapping, Presence::Online);
    }

    #[test]
    fn keep_alive_below_zero_ignores_no_part() {
        for keep_alive in [None, Some(secs(0)), Some(secs(-60))] {
            let with = |events| {
                let mut log = log(SessionState::Up, events);
                log.log.keep_alive = keep_alive;
                log
            };
            expect(&with(vec![down(1500), up(1500)]), Presence::Online);
            let second = with(vec![down(1500), up(1501)]);
            assert_eq!(timeline(Some(&second), asked()).len(), 3);
        }
    }

    #[test]
    fn change_at_the_start_says_how_it_began() {
        expect(&log(SessionState::NotKnown, vec![up(ASKED.0)]), Presence::Online);
        expect(&log(SessionState::NotKnown, vec![down(ASKED.0)]), Presence::Offline);
    }

    #[test]
    fn gateway_session_counts_for_its_device() {
        let gateways = |start, events| SessionLog { own: false, ..log(start, events) };
        for (log, presence) in [
            (gateways(SessionState::Up, vec![]), Presence::Online),
            (gateways(SessionState::Up, vec![down(1500)]), Presence::Part),
            (gateways(SessionState::Down, vec![]), Presence::Offline),
        ] {
            let judged = judged(&log);
            judged.expect(presence);
            assert_eq!(judged.detail("session of"), Some("its gateway"));
        }
        assert_eq!(judged(&log(SessionState::Down, vec![])).detail("session of"), None);
    }

    #[test]
    fn the_parts_are_named() {
        let judged = judged(&log(SessionState::Up, vec![down(1500)]));
        assert!(judged.detail("online from").is_some() && judged.detail("offline from").is_some());
        let empty = judge(&[], None, None, period(5, 5));
        empty.expect(Undetermined);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        /// Beside a model that walks the period second by second.
        #[test]
        fn parts_agree_with_a_walk_through_time(
            changes in prop::collection::btree_map(1000i64..2000, any::<bool>(), 0..8),
            start in any::<bool>(),
        ) {
            let mut state = start;
            let mut seconds = [0i64; 2];
            for second in 1000..2000 {
                if let Some(change) = changes.get(&second) {
                    state = *change;
                }
                seconds[usize::from(state)] += 1;
            }
            let events = changes.iter().map(|(at, is_up)| if *is_up { up(*at) } else { down(*at) }).collect();
            let at_start = if start { SessionState::Up } else { SessionState::Down };
            let parts = parts(&log(at_start, events), asked());
            for (state, walked) in [(State::Down, seconds[0]), (State::Up, seconds[1])] {
                let of_it = parts.iter().filter(|part| part.state == state);
                prop_assert_eq!(of_it.map(|part| part.period.length().num_seconds()).sum::<i64>(), walked);
            }
        }
    }
}
