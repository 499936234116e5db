use chrono::{DateTime, Utc};

use crate::check::CheckRequest;
use crate::check::broker::sessions::{self, Events, SessionLog};
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, moment, no_adapter, when};
use crate::check::param::{Given, ParamSpec};
use crate::check::window::{has_happened, not_covered};
use crate::fact::{ChoicesError, Details, Domain, Kind, Observation, Value};
use crate::probe::{ConnectionEventKind, ProbeError, Probes, Receipts, ReceiptsRequest, SessionState};
use crate::runbook::step::About;
use crate::subject::Scope;

/// Has the device reconnected since the act?
pub(in crate::check) struct DeviceReconnected;

impl Builtin for DeviceReconnected {
    const ID: &'static str = "device-reconnected";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Flag))
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(device) = probes.device() else { return Ok(no_adapter("device probe")) };
        let period = request.period_from(request.since());
        let asked = ReceiptsRequest::new(request.subject().device.clone(), period);
        let receipts = device.receipts(&asked).await.map_err(|error| error.by(device.source()))?;
        let sessions = match probes.broker() {
            Some(broker) if heard(&receipts, request).is_none() => {
                sessions::read(broker.as_ref(), request, period).await?
            }
            _ => None,
        };
        let verdict = judge(&receipts, sessions.as_ref(), request);
        Ok(match sessions.filter(|_| verdict.is_yes()) {
            Some(sessions) => verdict.by(sessions.source),
            None => verdict.by(device.source()),
        })
    }
}

/// When a message of the device came since the act.
fn heard(receipts: &Receipts, request: &CheckRequest<'_>) -> Option<DateTime<Utc>> {
    let is_since = |at: &DateTime<Utc>| *at >= request.since() && has_happened(*at, request.now());
    [receipts.first, receipts.last].into_iter().flatten().filter(is_since).max()
}

/// Yes: a message of the device was received since, or it connected in a session of its own that is still up. A
/// gateway that is back does not say that its device is.
fn judge(receipts: &Receipts, sessions: Option<&SessionLog>, request: &CheckRequest<'_>) -> Verdict {
    let (since, now) = (request.since(), request.now());
    let asked = request.period_from(since);
    if let Some(at) = heard(receipts, request) {
        return Verdict::known(
            Value::Flag(true),
            receipts.observed_at,
            Details::from_iter([when("last message", at)]),
        );
    }
    let own = sessions.filter(|sessions| sessions.own).map(|sessions| &sessions.log);
    if let Some(log) = own {
        let events = Events::of(log, now);
        let connected = events.since(since).rev().find(|event| event.kind == ConnectionEventKind::Accepted);
        // An end that the log does not reach may hold a disconnect: then the events do not say that it is up now.
        let up = match log.now {
            SessionState::NotTold if log.covers.end() >= now => events.state_at_end(log.at_start),
            told => told,
        };
        if let Some(event) = connected.filter(|_| up == SessionState::Up) {
            let details = Details::from_iter([when("connected", event.at)]);
            return Verdict::known(Value::Flag(true), log.observed_at, details);
        }
    }
    let missing = not_covered(asked, receipts.covers).or_else(|| not_covered(asked, own?.covers));
    if let Some(missing) = missing {
        return Verdict::stale(missing);
    }
    // It sent something, at a time that nobody can believe.
    if let Some(last) = receipts.last.max(receipts.first).filter(|last| !has_happened(*last, now)) {
        return Verdict::undetermined(format!("the last message is of the future: {}", moment(last)));
    }
    // A device that reports rarely may be back and have nothing to say yet; only its session would tell.
    if own.is_none() && request.subject().reporting_interval() > asked.length() {
        return Verdict::undetermined(
            "no message yet, and none is due before its reporting interval has passed",
        );
    }
    let observed_at = own.map_or(receipts.observed_at, |log| log.observed_at.min(receipts.observed_at));
    Verdict::known(Value::Flag(false), observed_at, Details::one("last message", "none since then"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, period, secs};
    use crate::fact::{Source, UnknownReason};
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason};

    fn receipts() -> Receipts {
        Receipts::new(at(NOW), period(NOW - 600, NOW))
    }

    fn sessions(own: bool, events: Vec<ConnectionEvent>) -> SessionLog {
        let log = ConnectionLog::new(at(NOW), period(NOW - 600, NOW)).with_events(events);
        SessionLog { log, own, source: Source::new("broker") }
    }

    #[test]
    fn a_message_since_the_act_is_a_return_to_the_nanosecond() {
        for (last, back) in
            [(at(NOW - 600) - NANO, false), (at(NOW - 600), true), (at(NOW - 600) + NANO, true)]
        {
            let verdict = judge(&receipts().with_last(last), None, &Asked::new().request());
            assert_eq!(verdict.value(), Some(Value::Flag(back)));
        }
    }

    #[test]
    fn a_session_of_its_own_that_is_still_up_is_a_return() {
        let up = ConnectionEvent::accepted(at(NOW - 100));
        let down = ConnectionEvent::disconnected(at(NOW - 50), DisconnectReason::ConnectionLost);
        for (sessions, back) in [
            (sessions(true, vec![up.clone()]), true),
            (sessions(true, vec![down, up.clone()]), false),
            (sessions(true, vec![]), false),
            (sessions(false, vec![up]), false),
        ] {
            let verdict = judge(&receipts(), Some(&sessions), &Asked::new().request());
            assert_eq!(verdict.value(), Some(Value::Flag(back)));
        }
    }

    #[test]
    fn a_log_that_does_not_reach_now_does_not_say_that_it_is_still_up() {
        let log = |end| {
            let mut sessions = sessions(true, vec![ConnectionEvent::accepted(at(NOW - 100))]);
            sessions.log.covers = period(NOW - 600, end);
            sessions
        };
        let judged = |sessions: &SessionLog| judge(&receipts(), Some(sessions), &Asked::new().request());
        assert_eq!(judged(&log(NOW)).value(), Some(Value::Flag(true)));
        assert_eq!(judged(&log(NOW - 1)).reason(), Some(UnknownReason::Stale));
        let mut told = log(NOW - 1);
        told.log.now = SessionState::Up;
        assert_eq!(judged(&told).value(), Some(Value::Flag(true)));
        told.log.now = SessionState::Down;
        assert_eq!(judged(&told).reason(), Some(UnknownReason::Stale));
    }

    #[test]
    fn a_message_of_the_future_is_neither_a_return_nor_none() {
        let judged = |last| judge(&receipts().with_last(at(last)), None, &Asked::new().request());
        assert_eq!(judged(NOW + 30).value(), Some(Value::Flag(true)));
        assert_eq!(judged(NOW + 31).reason(), Some(UnknownReason::Undetermined));
        // The first of them may be believed.
        let both = receipts().with_first(at(NOW - 5)).with_last(at(NOW + 31));
        assert_eq!(judge(&both, None, &Asked::new().request()).value(), Some(Value::Flag(true)));
    }

    #[test]
    fn that_it_is_not_back_is_as_old_as_the_older_answer() {
        let mut own = sessions(true, vec![]);
        for (log, receipt) in [(NOW - 7, NOW), (NOW, NOW - 7)] {
            own.log.observed_at = at(log);
            let mut receipts = receipts();
            receipts.observed_at = at(receipt);
            let verdict = judge(&receipts, Some(&own), &Asked::new().request());
            assert_eq!(verdict.observed_at(), Some(at(NOW - 7)));
        }
    }

    #[test]
    fn what_nobody_can_tell_yet_is_unknown() {
        let mut asked = Asked::new();
        let mut short = receipts();
        short.covers = period(NOW - 600, NOW - 1);
        assert_eq!(judge(&short, None, &asked.request()).reason(), Some(UnknownReason::Stale));
        asked.subject = asked.subject.with_reporting_interval(secs(601));
        assert_eq!(judge(&receipts(), None, &asked.request()).reason(), Some(UnknownReason::Undetermined));
        asked.subject = asked.subject.with_reporting_interval(secs(600));
        assert_eq!(judge(&receipts(), None, &asked.request()).value(), Some(Value::Flag(false)));
        asked.subject = asked.subject.with_reporting_interval(secs(601));
        let own = sessions(true, vec![]);
        assert_eq!(judge(&receipts(), Some(&own), &asked.request()).value(), Some(Value::Flag(false)));
    }
}
