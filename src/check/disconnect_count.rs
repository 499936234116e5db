use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::CheckRequest;
use super::builtin::Builtin;
use super::param::{Given, ParamKind, ParamSpec};
use super::sessions::{self, Events, SessionLog};
use super::verdict::{Verdict, no_adapter, no_subject};
use super::window::not_covered;
use crate::fact::{ChoicesError, Details, Domain, Kind, Observation, Value};
use crate::probe::{ConnectionEventKind, DisconnectReason, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// How often did the device's session end lately?
pub(super) struct DisconnectCount {
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
    let mut by_reason: BTreeMap<DisconnectReason, u64> = BTreeMap::new();
    for event in Events::of(&sessions.log, request.now()).since(asked.start()) {
        if let ConnectionEventKind::Disconnected(reason) = event.kind {
            *by_reason.entry(reason).or_default() += 1;
        }
    }
    let count = by_reason.values().sum();
    let details = if by_reason.is_empty() {
        Details::none()
    } else {
        let reasons: Vec<_> = by_reason.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
        Details::one("disconnects", reasons.join(", "))
    };
    Verdict::known(Value::Count(count), sessions.log.observed_at, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, period, secs};
    use crate::fact::{Source, UnknownReason};
    use crate::probe::{ConnectionEvent, ConnectionLog};

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
    fn an_empty_log_is_zero_and_a_short_one_is_stale() {
        assert_eq!(judged((NOW - 1000, NOW), vec![]).value(), Some(Value::Count(0)));
        assert_eq!(judged((NOW - 999, NOW), vec![]).reason(), Some(UnknownReason::Stale));
    }
}
