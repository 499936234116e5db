//! The adapters: each method a few lines, where your own calls a service.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::fact::Source;
use iot_runbook::probe::{
    BrokerHealth, BrokerProbe, Client, ClientPublishing, ConnectionLog, ConnectionLogRequest, DeviceProbe,
    GatewayHealth, GatewayProbe, HealthRequest, IngestionHealth, LastSeenAnswer, LastSeenRequest,
    MessageCounts, Messages, MessagesRequest, NetworkProbe, PathTried, PathsTried, PlatformProbe,
    PlatformRequest, PowerFacts, PowerProbe, PowerRequest, ProbeError, ProcessState, PublishingRequest,
    Receipts, ReceiptsRequest, ServiceStateAnswer, ServiceStateRequest, SessionState, SilentPeers,
    SilentShare, SitePathsRequest,
};
use iot_runbook::time::{Clock as _, SystemClock};

use super::{Document, Plant, PlantError};

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

impl From<PlantError> for ProbeError {
    fn from(error: PlantError) -> Self {
        Self::failed("the file of the plant can't be used").with_cause(error)
    }
}

/// The registry and the ingestion.
#[async_trait]
impl DeviceProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("registry")
    }

    async fn service_state(&self, ask: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        let plant = self.read()?;
        let state = plant.devices.get(ask.device.as_str()).map(|device| device.service);
        Ok(state.into_iter().fold(ServiceStateAnswer::new(now()), ServiceStateAnswer::with_state))
    }

    async fn last_seen(&self, ask: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        let plant = self.read()?;
        let at = plant.last_message(ask.device.as_str(), now());
        Ok(at.into_iter().fold(LastSeenAnswer::new(now()), LastSeenAnswer::with_last_receipt))
    }

    async fn receipts(&self, ask: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        let plant = self.read()?;
        // A device that is live has just sent one; a period ends before its end.
        let just_now = ask.period.end() - TimeDelta::milliseconds(1);
        let last = plant.last_message(ask.device.as_str(), just_now);
        let last = last.filter(|at| ask.period.contains(*at));
        Ok(last.into_iter().fold(Receipts::new(now(), ask.period), Receipts::with_live))
    }
}

/// The broker's connection log and its counters.
#[async_trait]
impl BrokerProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("broker")
    }

    async fn connection_log(&self, ask: &ConnectionLogRequest) -> Result<Option<ConnectionLog>, ProbeError> {
        // Devices travel in the sessions of their gateways.
        let Client::Gateway(gateway) = &ask.client else { return Ok(None) };
        let is_down = self.read()?.down_since(gateway.as_str()).is_some();
        let state = if is_down { SessionState::Down } else { SessionState::Up };
        Ok(Some(ConnectionLog::new(now(), ask.period).with_now(state)))
    }

    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn publishing(&self, ask: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        let Client::Gateway(gateway) = &ask.client else { return Err(ProbeError::unsupported()) };
        let plant = self.read()?;
        let count = |is_live: bool| MessageCounts::new(if is_live { 40 } else { 0 });
        let device = count(plant.silent_since(ask.device.as_str()).is_none());
        // A gateway that runs has other devices to publish; this file need not name them.
        let others = count(plant.down_since(gateway.as_str()).is_none());
        Ok(ClientPublishing::new(now(), ask.period).with_device(device).with_others(others))
    }
}

/// The supervisor of the gateways.
#[async_trait]
impl GatewayProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("gateway supervisor")
    }

    async fn health(&self, ask: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        let plant = self.read()?;
        let gateway = ask.gateway.as_str();
        let started_at = plant.restarted_at(gateway).unwrap_or(DateTime::UNIX_EPOCH);
        let health = GatewayHealth::new(now()).with_started_at(started_at);
        Ok(match plant.down_since(gateway) {
            Some(since) => health.with_process(ProcessState::NotRunning).with_last_heartbeat(since),
            None => health.with_process(ProcessState::Running).with_last_heartbeat(now()),
        })
    }
}

/// Ways into the sites.
#[async_trait]
impl NetworkProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("network")
    }

    async fn site_paths(&self, ask: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        let plant = self.read()?;
        let answers = plant.sites.get(ask.site.as_str()).is_some_and(|site| !site.is_cut_off);
        Ok(PathsTried::new(now()).with_paths(vec![PathTried::new("router".into(), answers)]))
    }
}

/// Power meters. What nobody measures is unknown, and the runbook asks a person.
#[async_trait]
impl PowerProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("power meters")
    }

    async fn power(&self, ask: &PowerRequest) -> Result<PowerFacts, ProbeError> {
        let plant = self.read()?;
        let live = plant.devices.get(ask.device.as_str()).and_then(|device| device.power);
        let live = live.ok_or_else(ProbeError::unsupported)?;
        Ok(PowerFacts::new(now()).with_feed_live(live))
    }
}

/// The platform's own health.
#[async_trait]
impl PlatformProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("platform")
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        Ok(BrokerHealth::new(now()).with_takes_connections(true).with_takes_messages(true))
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        Ok(IngestionHealth::new(now()).with_takes_messages(true).with_stores_rows(true))
    }

    async fn silent_peers(&self, ask: &PlatformRequest) -> Result<SilentPeers, ProbeError> {
        let plant = self.read()?;
        let peers = SilentPeers::new(now());
        let Some(gateway) = &ask.gateway else { return Ok(peers) };
        let all = plant.devices.values().filter(|device| device.gateway == gateway.as_str()).count() as u64;
        let live = plant.live_behind(gateway.as_str()) as u64;
        Ok(peers.with_gateway(SilentShare::new(all - live, all)))
    }
}

impl Document {
    /// Returns when the last message of a device arrived; `now` of one that is not silent.
    fn last_message(&self, device: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.devices.get(device)?;
        Some(self.silent_since(device).unwrap_or(now))
    }
}
