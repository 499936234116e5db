use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::{
    fact::Source,
    probe::{
        BrokerProbe, Client, ConnectionEvent, ConnectionEventKind, ConnectionLog, ConnectionLogRequest,
        DisconnectReason, Messages, MessagesRequest, ProbeError, RefusalReason, SessionState,
    },
    time::Period,
};

use super::{covered, registered};
use crate::{
    broker::{self, Broker},
    door::{self, Door},
    factory::Factory,
};

/// Sessions, as the broker's log and the log of the door in front of it tell of them.
#[derive(Debug)]
pub struct Sessions {
    factory: Arc<Factory>,
    source: Source,
}

impl Sessions {
    /// Those at this factory's broker.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("broker and its TLS door") }
    }
}

/// What broker and door logged of a client over a period.
pub(super) fn log(broker: &Broker, door: &Door, client: &str, period: Period) -> ConnectionLog {
    let now = Utc::now();
    let complete_from = broker.log_covers_from().max(door.log_covers_from());
    let covers = covered(period, complete_from, now);
    let since = covers.start();
    let at_broker = broker.events(client, since);
    // A peer that the door lets in has not said CONNECT yet; only whom it refuses never comes to the broker.
    let at_door = door.events(client, since).into_iter().filter_map(|event| refused_at_door(&event));
    let events =
        at_broker.iter().map(broker_event).chain(at_door).filter(|event| covers.contains(event.at)).collect();
    ConnectionLog::new(now, covers)
        .with_events(events)
        .with_now(up_if(broker.session_since(client).is_some()))
        .with_at_start(state_at(broker, client, since))
}

/// Whether the session was up then, by the last event before.
fn state_at(broker: &Broker, client: &str, at: DateTime<Utc>) -> SessionState {
    let before = broker.events(client, DateTime::<Utc>::MIN_UTC);
    let last = before.iter().rev().filter(|event| event.at < at).find_map(|event| match event.kind {
        broker::EventKind::Connected => Some(SessionState::Up),
        broker::EventKind::Disconnected(_) => Some(SessionState::Down),
        broker::EventKind::Refused(_) => None,
    });
    match last {
        Some(state) => state,
        None if broker.log_covers_from().is_none() => SessionState::Down,
        None => SessionState::NotTold,
    }
}

#[async_trait]
impl BrokerProbe for Sessions {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        let log = |client: &str| log(self.factory.broker(), self.factory.door(), client, request.period);
        match &request.client {
            Client::Device(device) => {
                let own = registered(&self.factory, device.as_str())?.own_session;
                Ok(own.then(|| log(device.as_str())))
            }
            Client::Gateway(gateway) => Ok(Some(log(gateway.as_str()))),
            _ => Err(ProbeError::unsupported()),
        }
    }

    /// The factory's own devices publish samples without a number; nothing tells their messages apart.
    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

fn up_if(up: bool) -> SessionState {
    if up { SessionState::Up } else { SessionState::Down }
}

fn broker_event(event: &broker::Event) -> ConnectionEvent {
    let kind = match event.kind {
        broker::EventKind::Connected => ConnectionEventKind::Accepted,
        broker::EventKind::Refused(refusal) => ConnectionEventKind::Refused(match refusal {
            broker::Refusal::BadCredentials => RefusalReason::AuthError,
            broker::Refusal::NotAuthorized | broker::Refusal::IdentityMismatch => RefusalReason::Forbidden,
        }),
        broker::EventKind::Disconnected(reason) => ConnectionEventKind::Disconnected(match reason {
            broker::Reason::ClientInitiated => DisconnectReason::ClientInitiated,
            broker::Reason::ConnectionLost => DisconnectReason::ConnectionLost,
            broker::Reason::KeepAliveTimeout => DisconnectReason::KeepAliveTimeout,
            broker::Reason::DuplicateClientId => DisconnectReason::DuplicateClientId,
            broker::Reason::ServerInitiated => DisconnectReason::ServerInitiated,
        }),
    };
    let told = ConnectionEvent::new(event.at, kind);
    match event.session {
        Some(session) => told.with_session(session.to_string()),
        None => told,
    }
}

fn refused_at_door(event: &door::Event) -> Option<ConnectionEvent> {
    let door::EventKind::Refused(refusal) = event.kind else { return None };
    let reason = match refusal {
        door::Refusal::Expired => RefusalReason::CertificateExpired,
        door::Refusal::Revoked => RefusalReason::CertificateRevoked,
        door::Refusal::NotYetValid => RefusalReason::CertificateNotYetValid,
        door::Refusal::UnknownAuthority => RefusalReason::UnknownCa,
        door::Refusal::NoCertificate => RefusalReason::NoCertificate,
        door::Refusal::Other => RefusalReason::Unspecified,
    };
    Some(ConnectionEvent::refused(event.at, reason))
}
