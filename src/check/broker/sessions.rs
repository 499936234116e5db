//! The log of a client's connections, read once so that duplicates and disorder do not matter.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::check::judge::no_subject;
use crate::check::prelude::*;
use crate::check::spec::Stop;
use crate::fact::{Observation, Source};
use crate::probe::{
    BrokerProbe, Client, ConnectionEvent, ConnectionEventKind, ConnectionLog, ConnectionLogRequest,
    DisconnectReason, ProbeError, RefusalReason, SessionState,
};
use crate::subject::SessionHolder;
use crate::time::Period;

/// For how long after a session expired the loss of its connection is the same end.
const SECOND_END_WITHIN: TimeDelta = TimeDelta::minutes(1);

/// A session that the broker ends so soon after it accepted it was refused, only later.
const LATE_REFUSAL: TimeDelta = TimeDelta::minutes(1);

/// The log of the session that carries the device's messages: its own, or its gateway's.
pub(in crate::check) struct SessionLog {
    pub(in crate::check) log: ConnectionLog,
    /// Whether the session is the device's own.
    pub(in crate::check) own: bool,
    pub(in crate::check) source: Source,
}

impl SessionLog {
    /// Whose session it is, where it is not the device's own.
    pub(in crate::check) fn whose(&self) -> Option<Detail> {
        (!self.own).then(|| Detail::new("session of", "its gateway"))
    }

    /// Judges its events, without those of the future and with them, see [`Verdict::despite_future`].
    pub(in crate::check) fn judge(
        &self,
        request: &CheckRequest<'_>,
        judge: impl Fn(&Events<'_>) -> Verdict,
    ) -> Verdict {
        let believed = judge(&Events::of(&self.log, request));
        let counted = judge(&Events::with_future_as_now(&self.log, request));
        Verdict::despite_future(believed, &counted, ahead(&self.log, request))
    }

    #[cfg(test)]
    pub(in crate::check) fn of_test(own: bool, log: ConnectionLog) -> Self {
        Self { log, own, source: Source::from_static("broker") }
    }

    /// Whose session it is.
    pub(in crate::check) fn holder(&self) -> Detail {
        Detail::new("session of", if self.own { "the device itself" } else { "its gateway" })
    }
}

/// Asks for the log of the session holder. Where the subject does not say who that is, the broker's answer decides: the
/// device, and where it has no session of its own, its gateway. `None`: there is no such session; see [`nobody`].
pub(in crate::check) async fn read(
    broker: &dyn BrokerProbe,
    request: &CheckRequest<'_>,
    period: Period,
) -> Result<Option<SessionLog>, ProbeError> {
    let subject = request.subject();
    let log_of = async |client: Client, own: bool| {
        let asked = ConnectionLogRequest::new(client, period);
        let log = broker.connection_log(&asked).await.by(broker.source())?;
        Ok::<_, ProbeError>(log.map(|log| SessionLog { log, own, source: broker.source() }))
    };
    if subject.session != SessionHolder::Gateway {
        let own = log_of(Client::Device(subject.device.clone()), true).await?;
        if own.is_some() || subject.session == SessionHolder::Own {
            return Ok(own);
        }
    }
    match &subject.gateway {
        Some(gateway) => log_of(Client::Gateway(gateway.clone()), false).await,
        None => Ok(None),
    }
}

/// The same where the check needs a session: without one its value is unknown.
pub(in crate::check) async fn require(
    broker: &dyn BrokerProbe,
    request: &CheckRequest<'_>,
    period: Period,
) -> Result<SessionLog, Stop> {
    read(broker, request, period).await?.ok_or_else(|| nobody(request, broker.source()).into())
}

/// Why [`read`] found no session.
pub(in crate::check) fn nobody(request: &CheckRequest<'_>, source: Source) -> Observation {
    let subject = request.subject();
    let why = match (subject.session, &subject.gateway) {
        (SessionHolder::Own, _) => {
            "the topology says that the device has a session of its own, and the broker says that it has none"
        }
        (SessionHolder::Gateway, Some(_)) => {
            "the topology says that the gateway holds the session, and the broker says that it has none"
        }
        (_, None) => return no_subject("gateway, and the device has no session of its own", source),
        (_, Some(_)) => "neither the device nor its gateway has a session at the broker",
    };
    Verdict::undetermined(why).by(source)
}

/// The events of a log in order, each once.
pub(in crate::check) struct Events<'a>(Vec<Cow<'a, ConnectionEvent>>);

impl<'a> Events<'a> {
    /// Those that have happened.
    pub(in crate::check) fn of(log: &'a ConnectionLog, request: &CheckRequest<'_>) -> Self {
        let events = log.events.iter().filter(|event| request.has_happened(event.at));
        Self::in_their_order(events.map(Cow::Borrowed).collect())
    }

    /// Those up to `end`, that instant included.
    pub(in crate::check) fn until(log: &'a ConnectionLog, end: DateTime<Utc>) -> Self {
        let events = log.events.iter().filter(|event| event.at <= end);
        Self::in_their_order(events.map(Cow::Borrowed).collect())
    }

    /// All of them, those of the future taken as of now.
    pub(in crate::check) fn with_future_as_now(log: &'a ConnectionLog, request: &CheckRequest<'_>) -> Self {
        let events = log.events.iter().map(|event| {
            if request.has_happened(event.at) {
                return Cow::Borrowed(event);
            }
            let mut event = event.clone();
            event.at = request.now();
            Cow::Owned(event)
        });
        Self::in_their_order(events.collect())
    }

    fn in_their_order(mut events: Vec<Cow<'a, ConnectionEvent>>) -> Self {
        events.sort_unstable_by(|one, other| in_order(one, other));
        events.dedup();
        for instant in events.chunk_by_mut(|one, other| one.at == other.at) {
            order_instant(instant);
        }
        drop_second_ends(&mut events);
        Self(events)
    }

    pub(in crate::check) fn iter(&self) -> impl DoubleEndedIterator<Item = &ConnectionEvent> {
        self.0.iter().map(AsRef::as_ref)
    }

    pub(in crate::check) fn since(
        &self,
        from: DateTime<Utc>,
    ) -> impl DoubleEndedIterator<Item = &ConnectionEvent> {
        self.iter().filter(move |event| event.at >= from)
    }

    /// The refusals since the last CONNECT that was accepted and lasted, the newest first. A session that the broker accepts
    /// and ends within a minute, for something that the client is or did, is a refusal that came late.
    pub(in crate::check) fn refusals(&self) -> Vec<(&ConnectionEvent, RefusalReason)> {
        let mut refusals = Vec::new();
        for (nth, event) in self.0.iter().enumerate().rev() {
            match event.kind {
                ConnectionEventKind::Refused(reason) => refusals.push((event.as_ref(), reason)),
                ConnectionEventKind::Disconnected(_) => {}
                ConnectionEventKind::Accepted => match self.thrown_out(event, nth) {
                    Some(end) => refusals.push(end),
                    None => break,
                },
            }
        }
        refusals
    }

    /// The end of the session that began with the event of that number, if the broker threw its client out at once.
    fn thrown_out(&self, began: &ConnectionEvent, nth: usize) -> Option<(&ConnectionEvent, RefusalReason)> {
        // Where the broker gives no ids the next end is that of this session.
        let is_its = |end: &ConnectionEvent| {
            began.session.is_none() || end.session.is_none() || began.session == end.session
        };
        let (end, reason) = self.0[nth..].iter().find_map(|event| match event.kind {
            ConnectionEventKind::Disconnected(reason) if is_its(event) => Some((event.as_ref(), reason)),
            _ => None,
        })?;
        let reason = ended_for(reason)?;
        (end.at.signed_duration_since(began.at) <= LATE_REFUSAL).then_some((end, reason))
    }

    /// How many disconnects since then there were for each reason.
    pub(in crate::check) fn disconnects(&self, from: DateTime<Utc>) -> BTreeMap<DisconnectReason, u64> {
        let mut by_reason = BTreeMap::new();
        for event in self.since(from) {
            if let ConnectionEventKind::Disconnected(reason) = event.kind {
                *by_reason.entry(reason).or_default() += 1;
            }
        }
        by_reason
    }

    /// When the session went up or down, in turn: the moment, and whether it is up from then on. The log may say
    /// that it is up, or down, where it was so before.
    ///
    /// A new session that took the place of an old one stays up when the end of the old one is logged after it.
    pub(in crate::check) fn changes(&self) -> Vec<(DateTime<Utc>, bool)> {
        let mut changes = Vec::new();
        let mut began: Vec<Option<&str>> = Vec::new();
        for event in self.iter() {
            match event.kind {
                ConnectionEventKind::Accepted => {
                    began.push(event.session.as_deref());
                    changes.push((event.at, true));
                }
                ConnectionEventKind::Disconnected(reason)
                    if !is_of_an_older(event, reason, &began) && !self.is_replaced(event) =>
                {
                    changes.push((event.at, false));
                }
                _ => {}
            }
        }
        changes
    }

    /// Whether the session was up after the last event, as far as the log shows.
    pub(in crate::check) fn state_at_end(&self, at_start: SessionState) -> SessionState {
        match self.changes().last() {
            Some((_, true)) => SessionState::Up,
            Some((_, false)) => SessionState::Down,
            None => at_start,
        }
    }

    /// True if the session that `end` ends began in the log, and so is known from an older one.
    pub(in crate::check) fn began_and_ended(&self, end: &ConnectionEvent) -> bool {
        end.session.is_some()
            && self
                .iter()
                .any(|event| event.kind == ConnectionEventKind::Accepted && event.session == end.session)
    }

    /// Whether a disconnect is that of an old session whose place a new one took: its session began before the log.
    pub(in crate::check) fn is_replaced(&self, event: &ConnectionEvent) -> bool {
        event.kind == ConnectionEventKind::Disconnected(DisconnectReason::DuplicateClientId)
            && event.session.is_some()
            && !self.began_and_ended(event)
    }
}

/// What of a log is dated in the future.
pub(in crate::check) fn ahead<'a>(
    log: &'a ConnectionLog,
    request: &'a CheckRequest<'_>,
) -> impl Iterator<Item = (&'static str, DateTime<Utc>)> + 'a {
    log.events.iter().filter(|event| !request.has_happened(event.at)).map(|event| {
        let what = match event.kind {
            ConnectionEventKind::Accepted => "accepted CONNECT",
            ConnectionEventKind::Refused(_) => "refused CONNECT",
            ConnectionEventKind::Disconnected(_) => "disconnect",
        };
        (what, event.at)
    })
}

/// True if a session that ended for this reason shows a fault: not where the client said goodbye, as a battery device does
/// after each report, nor where the broker restarted or moved its clients, nor where the session lasted as long as it may.
pub(in crate::check) const fn is_flap(reason: DisconnectReason) -> bool {
    !matches!(
        reason,
        DisconnectReason::ClientInitiated
            | DisconnectReason::ServerShuttingDown
            | DisconnectReason::ServerMoved
            | DisconnectReason::Expired
    )
}

/// Drops the loss of a connection that is only the end of a session that expired. Azure IoT Hub logs such an end twice, at once
/// or in the same minute: `401003` of the token, then `404104` of the connection.
fn drop_second_ends(events: &mut Vec<Cow<'_, ConnectionEvent>>) {
    use ConnectionEventKind::{Accepted, Disconnected};
    let expired: Vec<_> = events
        .iter()
        .filter(|event| event.kind == Disconnected(DisconnectReason::Expired))
        .map(|event| event.at)
        .collect();
    let mut unmatched = expired.into_iter().peekable();
    let mut expired_at = None;
    events.retain(|event| {
        while let Some(at) = unmatched.next_if(|at| *at <= event.at) {
            expired_at = Some(at);
        }
        match event.kind {
            Disconnected(DisconnectReason::ConnectionLost) => {
                let is_second = |at| event.at.signed_duration_since(at) <= SECOND_END_WITHIN;
                !expired_at.take().is_some_and(is_second)
            }
            Accepted => {
                expired_at = None;
                true
            }
            _ => true,
        }
    });
}

/// What the broker holds against a client whose session it ends; `None` where the end is no verdict on the client.
const fn ended_for(reason: DisconnectReason) -> Option<RefusalReason> {
    use DisconnectReason as D;
    use RefusalReason as R;
    Some(match reason {
        D::AuthError => R::AuthError,
        D::Forbidden => R::Forbidden,
        D::CertificateExpired => R::CertificateExpired,
        D::CertificateRevoked => R::CertificateRevoked,
        D::CertificateNotYetValid => R::CertificateNotYetValid,
        D::UnknownCa => R::UnknownCa,
        D::ProtocolError => R::ProtocolError,
        D::PacketTooLarge => R::PacketTooLarge,
        D::NotSupported => R::NotSupported,
        D::QuotaExceeded => R::QuotaExceeded,
        D::Throttled => R::Throttled,
        _ => return None,
    })
}

/// The reasons for the person who reads them, each with its count.
pub(in crate::check) fn reasons(by_reason: &BTreeMap<DisconnectReason, u64>) -> Option<Detail> {
    let reasons: Vec<_> = by_reason.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
    (!reasons.is_empty()).then(|| Detail::new("disconnects", reasons.join(", ")))
}

/// Whether what ended is an older session than the latest of those that `began` before: it began among them, or it
/// made room for one. Nothing else is believed to be older, as where the broker gives no ids.
fn is_of_an_older(end: &ConnectionEvent, reason: DisconnectReason, began: &[Option<&str>]) -> bool {
    let Some(latest) = began.last() else { return false };
    let ended = end.session.as_deref();
    if ended.is_some() && ended == *latest {
        return false;
    }
    reason == DisconnectReason::DuplicateClientId || ended.is_some() && began.contains(&ended)
}

fn in_order(one: &ConnectionEvent, other: &ConnectionEvent) -> Ordering {
    one.at.cmp(&other.at).then(one.kind.cmp(&other.kind)).then_with(|| one.session.cmp(&other.session))
}

/// Orders what happened at one instant: what ended, then what was refused, then what began, and last the end of
/// what began in the same instant. So a new session that takes the place of an old one is up afterwards.
fn order_instant(instant: &mut [Cow<'_, ConnectionEvent>]) {
    if instant.len() < 2 {
        return;
    }
    let began: Vec<_> = instant
        .iter()
        .filter(|event| event.kind == ConnectionEventKind::Accepted)
        .filter_map(|event| event.session.clone())
        .collect();
    instant.sort_by_key(|event| match event.kind {
        ConnectionEventKind::Disconnected(_) => {
            let ended_at_once = event.session.as_ref().is_some_and(|session| began.contains(session));
            if ended_at_once { 3 } else { 0 }
        }
        ConnectionEventKind::Refused(_) => 1,
        ConnectionEventKind::Accepted => 2,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::check::testing::*;
    use crate::probe::RefusalReason;

    fn log(events: Vec<ConnectionEvent>) -> ConnectionLog {
        ConnectionLog::new(at(NOW), period(0, NOW)).with_events(events)
    }

    fn lost(seconds: i64) -> ConnectionEvent {
        ConnectionEvent::disconnected(at(seconds), DisconnectReason::ConnectionLost)
    }

    #[test]
    fn events_are_put_in_order_and_each_stands_once() {
        let log = log(vec![
            lost(20),
            ConnectionEvent::accepted(at(10)),
            lost(20),
            ConnectionEvent::accepted(at(10)),
        ]);
        let events = Events::of(&log, &Asked::new().request());
        assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [at(10), at(20)]);
    }

    #[test]
    fn events_of_the_future_are_left_out() {
        let log = log(vec![lost(NOW + 30), lost(NOW + 31)]);
        assert_eq!(Events::of(&log, &Asked::new().request()).iter().count(), 1);
    }

    #[test]
    fn takeover_leaves_new_session_up() {
        let taken =
            ConnectionEvent::disconnected(at(10), DisconnectReason::DuplicateClientId).with_session("old");
        let log = log(vec![ConnectionEvent::accepted(at(10)).with_session("new"), taken.clone()]);
        let events = Events::of(&log, &Asked::new().request());
        assert_eq!(events.state_at_end(SessionState::Up), SessionState::Up);
        assert!(events.is_replaced(&taken));
    }

    #[test]
    fn late_end_of_old_session_ends_no_other() {
        let began =
            |seconds, session: &'static str| ConnectionEvent::accepted(at(seconds)).with_session(session);
        let thrown = ConnectionEvent::disconnected(at(12), DisconnectReason::DuplicateClientId);
        let state =
            |events| Events::of(&log(events), &Asked::new().request()).state_at_end(SessionState::NotKnown);
        use SessionState::{Down, Up};
        for (events, expected) in [
            // Its beginning is in the log, whatever ended it.
            (vec![began(5, "old"), began(10, "new"), lost(12).with_session("old")], Up),
            (vec![began(5, "old"), began(10, "new"), thrown.clone().with_session("old")], Up),
            // It began before the log, or the broker gives no ids: it made room for the new one.
            (vec![began(10, "new"), thrown.clone().with_session("old")], Up),
            (vec![ConnectionEvent::accepted(at(10)), thrown.clone()], Up),
            // It may be the one that is there.
            (vec![began(10, "new"), lost(12).with_session("old")], Down),
            (vec![began(10, "new"), lost(12)], Down),
            (vec![ConnectionEvent::accepted(at(10)), lost(12).with_session("old")], Down),
            (vec![began(5, "old"), began(10, "new"), thrown.clone().with_session("new")], Down),
            (vec![thrown.clone()], Down),
            // The new one has ended too.
            (
                vec![
                    began(5, "old"),
                    began(10, "new"),
                    lost(11).with_session("new"),
                    thrown.with_session("old"),
                ],
                Down,
            ),
        ] {
            assert_eq!(state(events.clone()), expected, "{events:?}");
        }
    }

    #[test]
    fn session_that_ends_as_it_begins_is_down() {
        let log = log(vec![
            lost(10).with_session("short"),
            ConnectionEvent::accepted(at(10)).with_session("short"),
        ]);
        assert_eq!(
            Events::of(&log, &Asked::new().request()).state_at_end(SessionState::NotKnown),
            SessionState::Down
        );
    }

    fn any_event() -> impl Strategy<Value = ConnectionEvent> {
        let kind = prop_oneof![
            Just(ConnectionEventKind::Accepted),
            Just(ConnectionEventKind::Refused(RefusalReason::AuthError)),
            Just(ConnectionEventKind::Disconnected(DisconnectReason::ConnectionLost)),
            Just(ConnectionEventKind::Disconnected(DisconnectReason::DuplicateClientId)),
        ];
        (0..8i64, kind, 0..3u8).prop_map(|(seconds, kind, session)| {
            let event = ConnectionEvent::new(at(seconds), kind);
            if session == 0 { event } else { event.with_session(format!("s{session}")) }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn repeats_and_order_change_nothing(
            events in prop::collection::vec(any_event(), 0..12),
            again in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            keys in prop::collection::vec(any::<u64>(), 18),
        ) {
            let mut delivered = events.clone();
            if !events.is_empty() {
                delivered.extend(again.iter().map(|index| index.get(&events).clone()));
            }
            let mut keyed: Vec<_> = keys.into_iter().zip(delivered).collect();
            keyed.sort_by_key(|(key, _)| *key);
            let once = log(events);
            let shuffled = log(keyed.into_iter().map(|(_, event)| event).collect());
            let asked = Asked::new();
            let one = Events::of(&once, &asked.request());
            let other = Events::of(&shuffled, &asked.request());
            prop_assert_eq!(one.iter().collect::<Vec<_>>(), other.iter().collect::<Vec<_>>());
        }
    }
}
