use chrono::{DateTime, TimeDelta, Utc};

use crate::check::CheckRequest;
use crate::check::broker::sessions::{self, Events, SessionLog, is_flap};
use crate::check::judge::{Verdict, adapter, choices, if_supported, when};
use crate::check::spec::{Builtin, Observed, check};
use crate::check::window::not_covered;
use crate::fact::{Detail, Details};
use crate::probe::{BrokerProbe, Client, ConnectionEventKind, ProbeError, Probes, Together, TogetherRequest};

/// From this part of the other clients on, 1 in so many, a disconnect counts as one that others shared. In any minute
/// some client of a large fleet disconnects; a tenth of them do so only where the broker, or the way to it, fails.
const SHARED_BY_ONE_IN: u64 = 10;

choices! {
    History {
        Shared = "shared",
        Rare = "rare",
        Recurring = "recurring",
    }
}

check! {
    /// How often did the holder's session break lately, and did others break with it?
    FlapHistory = "flap-history", Session, Now, History::VALUES;
    within: TimeDelta,
    recurring_at: u64,
    together_within: TimeDelta,
}

impl Builtin for FlapHistory {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let Some(sessions) = sessions::read(broker, request, request.last(self.within)).await? else {
            return Ok(sessions::nobody(request, broker.source()));
        };
        let together = match last_flap(&Events::of(&sessions.log, request)) {
            Some(at) => self.together(broker, at, sessions.own, request).await?,
            None => None,
        };
        Ok(judge(&sessions, together.as_ref(), self, request).by(sessions.source.clone()))
    }
}

impl FlapHistory {
    /// `None`: this broker does not say.
    async fn together(
        &self,
        broker: &dyn BrokerProbe,
        at: DateTime<Utc>,
        own: bool,
        request: &CheckRequest<'_>,
    ) -> Result<Option<Together>, ProbeError> {
        let subject = request.subject();
        let client = match &subject.gateway {
            Some(gateway) if !own => Client::Gateway(gateway.clone()),
            _ => Client::Device(subject.device.clone()),
        };
        let mut asked = TogetherRequest::new(at, self.together_within, client);
        asked.except_gateway.clone_from(&subject.gateway);
        asked.except_site.clone_from(&subject.site);
        if_supported(broker.disconnected_together(&asked).await, || broker.source())
    }
}

fn last_flap(events: &Events<'_>) -> Option<DateTime<Utc>> {
    let is_flap = |kind| matches!(kind, ConnectionEventKind::Disconnected(reason) if is_flap(reason));
    events.iter().rev().find(|event| is_flap(event.kind)).map(|event| event.at)
}

/// In this order: others broke at the same time (at least two, and a tenth of all others); recurring, from `recurring_at`
/// breaks on; rare. A client's own DISCONNECT, a broker's restart and the end of a session's time are no breaks.
fn judge(
    sessions: &SessionLog,
    together: Option<&Together>,
    bounds: &FlapHistory,
    request: &CheckRequest<'_>,
) -> Verdict {
    let of = |events: &Events<'_>| judge_events(events, sessions, together, bounds, request);
    let believed = of(&Events::of(&sessions.log, request));
    let counted = of(&Events::with_future_as_now(&sessions.log, request));
    Verdict::despite_future(believed, &counted, sessions::ahead(&sessions.log, request))
}

fn judge_events(
    events: &Events<'_>,
    sessions: &SessionLog,
    together: Option<&Together>,
    bounds: &FlapHistory,
    request: &CheckRequest<'_>,
) -> Verdict {
    let asked = request.last(bounds.within);
    let by_reason = events.disconnects(asked.start());
    let flaps: u64 = by_reason.iter().filter(|(reason, _)| is_flap(**reason)).map(|(_, count)| count).sum();
    let last = last_flap(events).filter(|at| *at >= asked.start());
    let mut details = vec![sessions.holder(), Detail::new("flaps", flaps.to_string())];
    details.extend(sessions::reasons(&by_reason));
    details.extend(last.map(|at| when("last flap", at)));
    let known = |history: History, observed_at, details| {
        Verdict::known(history.value(), observed_at, Details::from_iter::<Vec<Detail>>(details))
    };
    let log_at = sessions.log.observed_at;
    match together {
        _ if last.is_none() => {}
        None => details.push(Detail::new("others at the same time", "not known")),
        Some(together) if together.lost > together.connected => {
            let text = format!("{} lost of {} connected: not believed", together.lost, together.connected);
            details.push(Detail::new("others at the same time", text));
        }
        Some(together) => {
            let text = format!("{} of {}", together.lost, together.connected);
            details.push(Detail::new("others at the same time", text));
            let is_shared =
                together.lost >= 2 && together.lost.saturating_mul(SHARED_BY_ONE_IN) >= together.connected;
            if is_shared {
                return known(History::Shared, log_at.min(together.observed_at), details);
            }
        }
    }
    if flaps > 0 && flaps >= bounds.recurring_at {
        return known(History::Recurring, log_at, details);
    }
    match not_covered(asked, sessions.log.covers) {
        Some(missing) => Verdict::stale(missing).with(details),
        None => known(History::Rare, log_at, details),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, period, secs};
    use crate::fact::{Source, UnknownReason};
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason};

    const BOUNDS: FlapHistory =
        FlapHistory { within: secs(86_400), recurring_at: 3, together_within: secs(60) };

    fn ended(at: DateTime<Utc>, reason: DisconnectReason) -> ConnectionEvent {
        ConnectionEvent::disconnected(at, reason)
    }

    fn lost(seconds: i64) -> ConnectionEvent {
        ended(at(seconds), DisconnectReason::ConnectionLost)
    }

    fn judged(events: Vec<ConnectionEvent>, together: Option<(u64, u64)>) -> Verdict {
        let log = ConnectionLog::new(at(NOW), period(NOW - 86_400, NOW)).with_events(events);
        let sessions = SessionLog { log, own: true, source: Source::new("broker") };
        let together = together.map(|(lost, of)| Together::new(at(NOW), lost, of));
        judge(&sessions, together.as_ref(), &BOUNDS, &Asked::new().request())
    }

    #[test]
    fn flap_before_the_window_is_shared_with_nobody() {
        let before = ended(at(NOW - 86_400) - NANO, DisconnectReason::ConnectionLost);
        let verdict = judged(vec![before], Some((9, 10)));
        assert_eq!(verdict.value(), Some(History::Rare.value()));
        assert_eq!(verdict.details().find("last flap"), None);
        assert_eq!(judged(vec![lost(NOW - 86_400)], Some((9, 10))).value(), Some(History::Shared.value()));
    }

    #[test]
    fn each_break_counts_once_to_recurring() {
        for (events, history) in [
            (vec![], History::Rare),
            (vec![lost(NOW - 10), lost(NOW - 20)], History::Rare),
            (vec![lost(NOW - 10), lost(NOW - 20), lost(NOW - 20)], History::Rare),
            (vec![lost(NOW - 10), lost(NOW - 20), lost(NOW - 30)], History::Recurring),
            (vec![lost(NOW - 10), lost(NOW - 20), lost(NOW - 86_400)], History::Recurring),
            (
                vec![
                    lost(NOW - 10),
                    lost(NOW - 20),
                    ended(at(NOW - 86_400) - NANO, DisconnectReason::ConnectionLost),
                ],
                History::Rare,
            ),
        ] {
            assert_eq!(judged(events.clone(), None).value(), Some(history.value()), "{events:?}");
        }
    }

    #[test]
    fn goodbye_and_a_broker_restart_are_no_breaks() {
        use DisconnectReason::{
            Administrative, ClientInitiated, Expired, KeepAliveTimeout, ServerMoved, ServerShuttingDown,
        };
        for (reason, history) in [
            (ClientInitiated, History::Rare),
            (ServerShuttingDown, History::Rare),
            (ServerMoved, History::Rare),
            (Expired, History::Rare),
            (Administrative, History::Recurring),
            (KeepAliveTimeout, History::Recurring),
        ] {
            let events = (1..9).map(|hour| ended(at(NOW - hour * 3600), reason)).collect();
            assert_eq!(judged(events, Some((0, 100))).value(), Some(history.value()), "{reason}");
        }
    }

    #[test]
    fn token_expiry_is_no_break() {
        let hours = |and_then: fn(i64) -> Vec<ConnectionEvent>| {
            let of_one = |hour: i64| {
                let expired = ended(at(NOW - hour * 3600), DisconnectReason::Expired);
                [vec![expired], and_then(NOW - hour * 3600)].concat()
            };
            judged((1..9).flat_map(of_one).collect(), None).value()
        };
        let accepted = |seconds| ConnectionEvent::accepted(at(seconds));
        assert_eq!(hours(|end| vec![lost(end)]), Some(History::Rare.value()));
        assert_eq!(hours(|end| vec![lost(end + 60)]), Some(History::Rare.value()));
        // One that comes later, once more, or after a CONNECT is another break.
        assert_eq!(hours(|end| vec![lost(end + 61)]), Some(History::Recurring.value()));
        assert_eq!(hours(|end| vec![lost(end + 1), lost(end + 2)]), Some(History::Recurring.value()));
        let back = (1..9).flat_map(|hour| {
            let end = NOW - hour * 3600;
            [ended(at(end), DisconnectReason::Expired), accepted(end + 1), lost(end + 2)]
        });
        assert_eq!(judged(back.collect(), None).value(), Some(History::Recurring.value()));
    }

    #[test]
    fn break_that_many_others_share_is_the_brokers() {
        let one = || vec![lost(NOW - 10)];
        let many = || (1..9).map(|hour| lost(NOW - hour * 3600)).collect::<Vec<_>>();
        for (events, together, history) in [
            (one(), (2, 20), History::Shared),
            (one(), (2, 21), History::Rare),
            (one(), (1, 1), History::Rare),
            (one(), (2, 2), History::Shared),
            (one(), (10, 10_000), History::Rare),
            (many(), (50, 100), History::Shared),
            (many(), (0, 0), History::Recurring),
            // Nothing broke: what others did at some time is not asked.
            (vec![], (50, 100), History::Rare),
            // Counts that contradict each other decide nothing.
            (one(), (50, 10), History::Rare),
        ] {
            let verdict = judged(events.clone(), Some(together));
            assert_eq!(verdict.value(), Some(history.value()), "{events:?} {together:?}");
        }
    }

    #[test]
    fn a_short_log_proves_only_what_is_in_it() {
        let short = |events| {
            let log = ConnectionLog::new(at(NOW), period(NOW - 3600, NOW)).with_events(events);
            let sessions = SessionLog { log, own: false, source: Source::new("broker") };
            judge(&sessions, None, &BOUNDS, &Asked::new().request())
        };
        assert_eq!(short(vec![]).reason(), Some(UnknownReason::Stale));
        let verdict = short(vec![lost(NOW - 1), lost(NOW - 2), lost(NOW - 3)]);
        assert_eq!(verdict.value(), Some(History::Recurring.value()));
        assert_eq!(verdict.details().find("session of"), Some("its gateway"));
    }

    #[test]
    fn future_break_is_unknown_if_it_decides() {
        let ahead = || lost(NOW + 31);
        let verdict = judged(vec![lost(NOW - 1), lost(NOW - 2), ahead()], None);
        assert_eq!(verdict.reason(), Some(UnknownReason::Future));
        let verdict = judged(vec![lost(NOW - 1), ahead()], None);
        assert_eq!(verdict.value(), Some(History::Rare.value()));
        assert!(verdict.details().find("dated in the future").is_some());
    }
}
