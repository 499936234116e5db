use chrono::{DateTime, TimeDelta, Utc};

use super::CheckRequest;
use super::broker::sessions::{self, Events, SessionLog};
use super::builtin::Builtin;
use super::judge::{Verdict, choices, moment, no_adapter, no_period, no_subject};
use super::param::{Given, ParamSpec};
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Domain, Observation};
use crate::probe::{ProbeError, Probes, SessionState};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

choices! {
    Presence {
        Offline = "offline",
        Online = "online",
        Part = "part",
    }
}

/// Was the device online during the gap?
pub(super) struct OnlineDuringGap;

impl Builtin for OnlineDuringGap {
    const ID: &'static str = "online-during-gap";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        Presence::domain()
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(broker) = probes.broker() else { return Ok(no_adapter("broker probe")) };
        let Some(period) = request.subject().period else { return Ok(no_period(broker.source())) };
        let Some(sessions) = sessions::read(broker.as_ref(), request, period).await? else {
            return Ok(no_subject("gateway, and the device has no session of its own", broker.source()));
        };
        Ok(judge(&sessions, period).by(sessions.source.clone()))
    }
}

/// One stretch of the period in which the session was up, or was not.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    up: bool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Part {
    fn length(&self) -> TimeDelta {
        self.to.signed_duration_since(self.from)
    }
}

/// Parts shorter than one and a half keep-alives are ignored: so long a broker takes a dead session for alive.
///
/// Of a device without a session of its own, its gateway's says one thing alone: while that was down the device was
/// offline too. While it was up, the device may have been there or not.
fn judge(sessions: &SessionLog, asked: Period) -> Verdict {
    let verdict = session(sessions, asked).with(sessions.whose());
    match verdict {
        Verdict::Known { value, details, .. } if !sessions.own && value != Presence::Offline.value() => {
            let why = "the device has no session of its own, and its gateway's was up for some of the period";
            Verdict::undetermined(why).with(details.iter().cloned())
        }
        verdict => verdict,
    }
}

/// How the session did over the period, whose ever it is.
fn session(sessions: &SessionLog, asked: Period) -> Verdict {
    let log = &sessions.log;
    if let Some(missing) = not_covered(asked, log.covers) {
        return Verdict::stale(missing);
    }
    if asked.length().is_zero() {
        return Verdict::undetermined("the period is empty");
    }
    let Some(parts) = parts(sessions, asked) else {
        return Verdict::undetermined(
            "the log holds no event, and nobody tells whether the session was up before it",
        );
    };
    let keep_alive = log.keep_alive.unwrap_or_default().max(TimeDelta::zero());
    let shortest = keep_alive.checked_add(&(keep_alive / 2)).unwrap_or(TimeDelta::MAX);
    let longest =
        |up: bool| parts.iter().filter(|part| part.up == up).map(Part::length).max().unwrap_or_default();
    let (up, down) = (longest(true), longest(false));
    let counts = |length: TimeDelta| !length.is_zero() && length >= shortest;
    let presence = match (counts(up), counts(down)) {
        (true, true) => Presence::Part,
        (true, false) => Presence::Online,
        (false, true) => Presence::Offline,
        (false, false) => {
            return Verdict::undetermined("every part is shorter than 1.5 keep-alives").with(told(&parts));
        }
    };
    Verdict::known(presence.value(), log.observed_at, told(&parts).collect())
}

/// The parts of the period in turn; `None` where nothing tells how it began.
fn parts(sessions: &SessionLog, asked: Period) -> Option<Vec<Part>> {
    let log = &sessions.log;
    let events = Events::until(log, asked.end());
    let changes = events.changes();
    let within = |at: DateTime<Utc>| asked.start() < at && at < asked.end();
    // The last change before the period, what the broker says of its log's start, an old session that made room for
    // a new one, or the opposite of the first change.
    let before = changes.iter().rev().find(|(at, _)| *at <= asked.start()).map(|(_, up)| *up);
    let mut up = match (before, log.at_start) {
        (Some(up), _) => up,
        (None, SessionState::Up) => true,
        (None, SessionState::Down) => false,
        (None, SessionState::NotTold) => {
            let made_room = events.iter().any(|event| within(event.at) && events.is_replaced(event));
            let first = changes.iter().find(|(at, _)| within(*at)).map(|(_, up)| *up);
            made_room || !first?
        }
    };
    let mut parts: Vec<Part> = Vec::new();
    let mut from = asked.start();
    for (at, state) in changes {
        if !within(at) || state == up {
            continue;
        }
        parts.push(Part { up, from, to: at });
        (from, up) = (at, state);
    }
    parts.push(Part { up, from, to: asked.end() });
    Some(parts)
}

/// Each part for the person who reads it; of many, the first.
fn told(parts: &[Part]) -> impl Iterator<Item = Detail> {
    const MOST: usize = 32;
    let more = parts.len().checked_sub(MOST).filter(|more| *more > 0);
    let each = parts.iter().take(MOST).map(|part| {
        let name = if part.up { "online" } else { "offline" };
        Detail::new(name, format!("{} to {}", moment(part.from), moment(part.to)))
    });
    each.chain(more.map(|more| Detail::new("further parts", more.to_string())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::testing::{NANO, NOW, at, period, secs};
    use crate::fact::{Source, UnknownReason};
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason};

    const ASKED: (i64, i64) = (1000, 2000);

    fn log(start: SessionState, events: Vec<ConnectionEvent>) -> SessionLog {
        let log = ConnectionLog::new(at(NOW), period(ASKED.0, ASKED.1))
            .with_at_start(start)
            .with_events(events)
            .with_keep_alive(secs(60));
        SessionLog { log, own: true, source: Source::new("broker") }
    }

    fn up(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::accepted(at(seconds))
    }

    fn down(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::disconnected(at(seconds), DisconnectReason::ConnectionLost)
    }

    #[track_caller]
    fn expect(log: &SessionLog, presence: Presence) {
        let verdict = judge(log, period(ASKED.0, ASKED.1));
        assert_eq!(verdict.value(), Some(presence.value()), "{verdict:?}");
    }

    #[test]
    fn the_session_over_the_period_is_the_answer() {
        use SessionState::{Down, NotTold, Up};
        expect(&log(Up, vec![]), Presence::Online);
        expect(&log(Down, vec![]), Presence::Offline);
        expect(&log(NotTold, vec![up(1500)]), Presence::Part);
        expect(&log(NotTold, vec![down(1500)]), Presence::Part);
        expect(&log(Up, vec![down(1400), up(1450)]), Presence::Online);
        expect(&log(Up, vec![up(1500)]), Presence::Online);
        expect(&log(Down, vec![down(1500)]), Presence::Offline);
        let empty = judge(&log(NotTold, vec![]), period(ASKED.0, ASKED.1));
        assert_eq!(empty.reason(), Some(UnknownReason::Undetermined));
    }

    #[test]
    fn a_session_that_made_room_for_a_new_one_was_online_before_and_is_after() {
        use SessionState::{NotTold, Up};
        let thrown = |when: DateTime<Utc>| {
            ConnectionEvent::disconnected(when, DisconnectReason::DuplicateClientId).with_session("old")
        };
        let late = at(1500) + NANO;
        for end in [at(1500) - NANO, at(1500), late] {
            for start in [Up, NotTold] {
                let log = log(start, vec![up(1500).with_session("new"), thrown(end)]);
                expect(&log, Presence::Online);
                assert_eq!(parts(&log, period(ASKED.0, ASKED.1)).map(|parts| parts.len()), Some(1));
            }
        }
        // The old one began in the log.
        let both = vec![up(1100).with_session("old"), up(1500).with_session("new"), thrown(late)];
        expect(&log(Up, both), Presence::Online);
    }

    #[test]
    fn what_comes_after_the_period_says_nothing_of_how_it_began() {
        for event in [up(ASKED.1), down(ASKED.1), up(ASKED.1 + 30)] {
            let verdict = judge(&log(SessionState::NotTold, vec![event]), period(ASKED.0, ASKED.1));
            assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
        }
    }

    #[test]
    fn parts_shorter_than_one_and_a_half_keep_alives_are_ignored() {
        expect(&log(SessionState::Up, vec![down(1910)]), Presence::Part);
        expect(&log(SessionState::Up, vec![down(1911)]), Presence::Online);
        expect(&log(SessionState::Down, vec![up(1910)]), Presence::Part);
        expect(&log(SessionState::Down, vec![up(1911)]), Presence::Offline);
    }

    #[test]
    fn a_part_without_length_is_none_whatever_the_keep_alive_says() {
        let blink = || log(SessionState::Up, vec![down(1500), up(1500)]);
        for keep_alive in [None, Some(secs(0)), Some(secs(-60))] {
            let with = |mut log: SessionLog| {
                log.log.keep_alive = keep_alive;
                log
            };
            expect(&with(blink()), Presence::Online);
            // A keep-alive that is none leaves out nothing that has a length.
            expect(&with(log(SessionState::Up, vec![down(1500), up(1501)])), Presence::Part);
        }
    }

    #[test]
    fn a_change_in_the_instant_the_period_begins_tells_how_it_began() {
        expect(&log(SessionState::NotTold, vec![up(ASKED.0)]), Presence::Online);
        expect(&log(SessionState::NotTold, vec![down(ASKED.0)]), Presence::Offline);
    }

    #[test]
    fn a_gateways_session_that_is_up_says_nothing_of_the_device() {
        let gateways = |start, events| SessionLog { own: false, ..log(start, events) };
        for (up, events) in [
            (SessionState::Up, vec![]),
            (SessionState::Up, vec![down(1500)]),
            (SessionState::Down, vec![up(1500)]),
            (SessionState::Down, vec![up(1910)]),
        ] {
            let verdict = judge(&gateways(up, events), period(ASKED.0, ASKED.1));
            assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined), "{verdict:?}");
            assert_eq!(verdict.details().find("session of"), Some("its gateway"));
            assert!(verdict.details().find("why").is_some_and(|why| why.contains("no session of its own")));
        }
        for events in [vec![], vec![up(1911)]] {
            let verdict = judge(&gateways(SessionState::Down, events), period(ASKED.0, ASKED.1));
            assert_eq!(verdict.value(), Some(Presence::Offline.value()), "{verdict:?}");
            assert_eq!(verdict.details().find("session of"), Some("its gateway"));
        }
        let own = judge(&log(SessionState::Down, vec![]), period(ASKED.0, ASKED.1));
        assert_eq!(own.details().find("session of"), None);
    }

    #[test]
    fn the_parts_are_told() {
        let verdict = judge(&log(SessionState::Up, vec![down(1500)]), period(ASKED.0, ASKED.1));
        let names: Vec<_> = verdict.details().iter().map(|detail| detail.name.as_ref()).collect();
        assert_eq!(names, ["online", "offline"]);
    }

    #[test]
    fn a_log_that_does_not_cover_is_stale() {
        let verdict = judge(&log(SessionState::Up, vec![]), period(ASKED.0, ASKED.1 + 1));
        assert_eq!(verdict.reason(), Some(UnknownReason::Stale));
    }

    proptest! {
        /// Beside a model that walks the period second by second.
        #[test]
        fn the_parts_agree_with_a_walk_through_time(
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
            let told = if start { SessionState::Up } else { SessionState::Down };
            let parts = parts(&log(told, events), period(1000, 2000)).unwrap();
            for (is_up, walked) in [(false, seconds[0]), (true, seconds[1])] {
                let sum: i64 =
                    parts.iter().filter(|part| part.up == is_up).map(|part| part.length().num_seconds()).sum();
                prop_assert_eq!(sum, walked);
            }
        }
    }
}
