use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::{
    fact::Source,
    probe::{
        BrokerProbe, Client, ClientPublishing, ClockReading, ClockReadings, ClockRequest, ClockSource,
        ConnectionEvent, ConnectionEventKind, ConnectionLog, ConnectionLogRequest, DisconnectReason,
        MessageCounts, Messages, MessagesRequest, ProbeError, PublishingRequest, RefusalReason, SessionState,
        Together, TogetherRequest,
    },
    time::Period,
};

use super::{covered, registered};
use crate::{
    broker::{self, Broker},
    device::Kind,
    door::{self, Door},
    factory::Factory,
    mqtt,
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
        None => SessionState::NotKnown,
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

    /// By topic: a client publishes under its own name, and a gateway under those of the devices that it reads.
    async fn publishing(&self, request: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        let broker = self.factory.broker();
        let covers = covered(request.period, broker.messages_cover_from(), Utc::now());
        let counts = |topics: Vec<String>| {
            let messages = topics.iter().flat_map(|topic| broker.messages(topic));
            let at: Vec<_> = messages.map(|message| message.at).filter(|at| covers.contains(*at)).collect();
            let counts = MessageCounts::new(at.len() as u64);
            match at.into_iter().max() {
                Some(last) => counts.with_last_accepted(last),
                None => counts,
            }
        };
        let device = registered(&self.factory, request.device.as_str())?;
        let own = counts(vec![mqtt::telemetry(&device.site, &device.device)]);
        let answer = ClientPublishing::new(Utc::now(), covers).with_device(own);
        let Client::Gateway(gateway) = &request.client else { return Ok(answer) };
        let gateway = gateway.as_str();
        let specs = self.factory.devices().map(crate::device::Device::spec);
        let others = specs
            .filter(|spec| spec.gateway == gateway && spec.kind == Kind::Plc && spec.id != device.device);
        let others = others.map(|spec| mqtt::telemetry(&spec.site, &spec.id)).collect();
        Ok(answer
            .with_others(counts(others))
            .with_itself(counts(vec![mqtt::status(&device.site, gateway)]))
            .with_sends_heartbeats(true))
    }

    async fn disconnected_together(&self, request: &TogetherRequest) -> Result<Together, ProbeError> {
        let broker = self.factory.broker();
        let is_left_out = |spec: &crate::device::Spec| {
            request.except_gateway.as_ref().is_some_and(|gateway| spec.gateway == gateway.as_str())
                || request.except_site.as_ref().is_some_and(|site| spec.site == site.as_str())
        };
        let specs = self.factory.devices().map(crate::device::Device::spec);
        let others = specs.filter(|spec| spec.kind == Kind::Mqtt && !is_left_out(spec));
        let others: Vec<_> = others.map(|spec| spec.id.clone()).collect();
        let went = |client: &&String| {
            let ends = broker.events(client, request.at - request.within);
            ends.iter().any(|event| {
                event.at <= request.at + request.within
                    && matches!(event.kind, broker::EventKind::Disconnected(reason)
                        if reason != broker::Reason::ClientInitiated)
            })
        };
        let lost = others.iter().filter(went).count();
        Ok(Together::new(Utc::now(), lost as u64, others.len() as u64))
    }

    /// The times in the client's own samples.
    async fn clock_readings(&self, request: &ClockRequest) -> Result<ClockReadings, ProbeError> {
        let Client::Device(device) = &request.client else { return Err(ProbeError::unsupported()) };
        let entry = registered(&self.factory, device.as_str())?;
        let messages = self.factory.broker().messages(&mqtt::telemetry(&entry.site, &entry.device));
        let reading = |message: &broker::Published| {
            let sample: serde_json::Value = serde_json::from_slice(&message.payload).ok()?;
            let shown = DateTime::parse_from_rfc3339(sample.get("at")?.as_str()?).ok()?;
            Some(ClockReading::new(message.at, shown.with_timezone(&Utc), ClockSource::Message))
        };
        let within = messages.iter().filter(|message| request.period.contains(message.at));
        Ok(ClockReadings::new(Utc::now()).with_readings(within.filter_map(reading).collect()))
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
