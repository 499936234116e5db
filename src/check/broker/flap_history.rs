use chrono::{DateTime, TimeDelta, Utc};

use crate::check::broker::sessions::{self, Events, SessionLog, is_flap};
use crate::check::prelude::*;
use crate::probe::{BrokerProbe, Client, ConnectionEventKind, ProbeError, Together, TogetherRequest};

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
        let sessions = sessions::require(broker, request, request.last(self.within)).await?;
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
        broker.disconnected_together(&asked).await.by(broker.source()).if_supported()
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
    sessions.judge(request, |events| judge_events(events, sessions, together, bounds, request))
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
    let known = |history: History, at, details: Vec<Detail>| Verdict::known(history, at).with(details);
    let log_at = sessions.log.observed_at;
    if last.is_some() {
        let text = match together {
            None => "not known".to_owned(),
            Some(Together { lost, connected, .. }) if lost > connected => {
                format!("{lost} lost of {connected} connected: not believed")
            }
            Some(Together { lost, connected, .. }) => format!("{lost} of {connected}"),
        };
        details.push(Detail::new("others at the same time", text));
    }
    let is_shared = |Together { lost, connected, .. }: &&Together| {
        (2..=*connected).contains(lost) && lost.saturating_mul(SHARED_BY_ONE_IN) >= *connected
    };
    if let Some(together) = together.filter(is_shared).filter(|_| last.is_some()) {
        return known(History::Shared, log_at.min(together.observed_at), details);
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
    use crate::check::testing::*;
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
        let sessions = SessionLog::of_test(true, log);
        let together = together.map(|(lost, of)| Together::new(at(NOW), lost, of));
        judge(&sessions, together.as_ref(), &BOUNDS, &Asked::new().request())
    }

    #[test]
    fn flap_before_the_window_is_shared_with_nobody() {
        let before = ended(at(NOW - 86_400) - NANO, DisconnectReason::ConnectionLost);
        let verdict = judged(vec![before], Some((9, 10)));
        verdict.expect(History::Rare);
        assert_eq!(verdict.detail("last flap"), None);
        judged(vec![lost(NOW - 86_400)], Some((9, 10))).expect(History::Shared);
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
            judged(events.clone(), None).expect_of(&events, history);
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
            judged(events, Some((0, 100))).expect_of(&reason, history);
        }
    }

    #[test]
    fn token_expiry_is_no_break() {
        let hours = |and_then: fn(i64) -> Vec<ConnectionEvent>| {
            let of_one = |hour: i64| {
                let expired = ended(at(NOW - hour * 3600), DisconnectReason::Expired);
                [vec![expired], and_then(NOW - hour * 3600)].concat()
            };
            judged((1..9).flat_map(of_one).collect(), None)
        };
        let accepted = |seconds| ConnectionEvent::accepted(at(seconds));
        hours(|end| vec![lost(end)]).expect(History::Rare);
        hours(|end| vec![lost(end + 60)]).expect(History::Rare);
        // One that comes later, once more, or after a CONNECT is another break.
        hours(|end| vec![lost(end + 61)]).expect(History::Recurring);
        hours(|end| vec![lost(end + 1), lost(end + 2)]).expect(History::Recurring);
        let back = (1..9).flat_map(|hour| {
            let end = NOW - hour * 3600;
            [ended(at(end), DisconnectReason::Expired), accepted(end + 1), lost(end + 2)]
        });
        judged(back.collect(), None).expect(History::Recurring);
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
            judged(events.clone(), Some(together)).expect_of(&(events, together), history);
        }
    }

    #[test]
    fn a_short_log_proves_only_what_is_in_it() {
        let short = |events| {
            let log = ConnectionLog::new(at(NOW), period(NOW - 3600, NOW)).with_events(events);
            let sessions = SessionLog::of_test(false, log);
            judge(&sessions, None, &BOUNDS, &Asked::new().request())
        };
        short(vec![]).expect(Stale);
        let verdict = short(vec![lost(NOW - 1), lost(NOW - 2), lost(NOW - 3)]);
        verdict.expect(History::Recurring);
        assert_eq!(verdict.detail("session of"), Some("its gateway"));
    }

    #[test]
    fn future_break_is_unknown_if_it_decides() {
        let ahead = || lost(NOW + 31);
        let verdict = judged(vec![lost(NOW - 1), lost(NOW - 2), ahead()], None);
        verdict.expect(Future);
        let verdict = judged(vec![lost(NOW - 1), ahead()], None);
        verdict.expect(History::Rare);
        assert!(verdict.detail("dated in the future").is_some());
    }
}
