use chrono::TimeDelta;

use super::sessions::{self, Events, SessionLog};
use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, no_adapter, no_subject};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::check::window::not_covered;
use crate::fact::{ChoicesError, Domain, Kind, Observation, Value};
use crate::probe::{ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// How often did the device's session end lately?
pub(in crate::check) struct DisconnectCount {
    within: TimeDelta,
}

impl Builtin for DisconnectCount {
    const ID: &'static str = "disconnect-count";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[ParamSpec::required("within", ParamKind::Duration)];

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Count))
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { within: params.duration("within")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(broker) = probes.broker() else { return Ok(no_adapter("broker probe")) };
        let Some(sessions) = sessions::read(broker.as_ref(), request, request.last(self.within)).await?
        else {
            return Ok(no_subject("gateway, and the device has no session of its own", broker.source()));
        };
        Ok(judge(&sessions, self.within, request).by(sessions.source.clone()))
    }
}

fn judge(sessions: &SessionLog, within: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let asked = request.last(within);
    if let Some(missing) = not_covered(asked, sessions.log.covers) {
        return Verdict::stale(missing);
    }
    let by_reason = Events::of(&sessions.log, request.now()).disconnects(asked.start());
    let count = by_reason.values().sum();
    let details = sessions::told(&by_reason).into_iter().chain(sessions.whose()).collect();
    Verdict::known(Value::Count(count), sessions.log.observed_at, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, period, secs};
    use crate::fact::{Source, UnknownReason};
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason};

    fn judged(covers: (i64, i64), events: Vec<ConnectionEvent>) -> Verdict {
        let log = ConnectionLog::new(at(NOW), period(covers.0, covers.1)).with_events(events);
        let sessions = SessionLog { log, own: true, source: Source::new("broker") };
        judge(&sessions, secs(1000), &Asked::new().request())
    }

    #[test]
    fn each_disconnect_in_the_window_counts_once() {
        let lost = |at| ConnectionEvent::disconnected(at, DisconnectReason::ConnectionLost);
        let events = vec![
            lost(at(NOW - 5)),
            lost(at(NOW - 1000) - NANO),
            lost(at(NOW - 1000)),
            lost(at(NOW - 5)),
            ConnectionEvent::accepted(at(NOW - 6)),
            ConnectionEvent::disconnected(at(NOW - 7), DisconnectReason::DuplicateClientId),
        ];
        let verdict = judged((NOW - 1000, NOW), events);
        assert_eq!(verdict.value(), Some(Value::Count(3)));
        assert_eq!(verdict.details().find("disconnects"), Some("connection-lost: 2, duplicate-client-id: 1"));
    }

    #[test]
    fn a_log_that_covers_more_is_counted_in_the_window_alone() {
        let lost = |seconds| ConnectionEvent::disconnected(at(seconds), DisconnectReason::ConnectionLost);
        let verdict = judged((NOW - 5000, NOW), vec![lost(NOW - 3000), lost(NOW - 1000)]);
        assert_eq!(verdict.value(), Some(Value::Count(1)));
    }

    #[test]
    fn an_empty_log_is_zero_and_a_short_one_is_stale() {
        assert_eq!(judged((NOW - 1000, NOW), vec![]).value(), Some(Value::Count(0)));
        assert_eq!(judged((NOW - 999, NOW), vec![]).reason(), Some(UnknownReason::Stale));
    }

    #[test]
    fn whose_session_it_was_is_told() {
        for (own, whose) in [(true, None), (false, Some("its gateway"))] {
            let log = ConnectionLog::new(at(NOW), period(NOW - 1000, NOW));
            let sessions = SessionLog { log, own, source: Source::new("broker") };
            let verdict = judge(&sessions, secs(1000), &Asked::new().request());
            assert_eq!(verdict.value(), Some(Value::Count(0)));
            assert_eq!(verdict.details().find("session of"), whose);
        }
    }
}
