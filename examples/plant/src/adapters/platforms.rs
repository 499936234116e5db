use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{
        BrokerHealth, IngestionHealth, PlatformProbe, PlatformRequest, ProbeError, SilentPeers, SilentShare,
    },
};

use super::unanswered;
use crate::{factory::Factory, monitor};

/// A device that was not heard for so long is silent.
const SILENT_FOR: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

/// The platform itself, as its monitoring sees it: a test client whose message takes the way of every device's.
#[derive(Debug)]
pub struct Platforms {
    factory: Arc<Factory>,
    source: Source,
}

impl Platforms {
    /// That of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("test client of the platform") }
    }

    fn silent(&self, among: impl Iterator<Item = String>) -> SilentShare {
        let now = Utc::now();
        let heard = |device: &String| {
            self.factory.platform().last_seen(device).is_some_and(|at| now - at < SILENT_FOR)
        };
        let devices: Vec<String> = among.collect();
        let silent = devices.iter().filter(|device| !heard(device)).count();
        SilentShare::new(silent as u64, devices.len() as u64)
    }
}

#[async_trait]
impl PlatformProbe for Platforms {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        let trial = monitor::try_platform(&self.factory).await;
        let trial = trial.map_err(|error| unanswered("the test client", error))?;
        if trial.timed_out && !trial.connected {
            return Err(ProbeError::timeout(
                "the broker neither took the test client nor refused it in time",
            ));
        }
        let health = BrokerHealth::new(Utc::now()).with_takes_connections(trial.connected);
        let is_known = trial.connected && (trial.acknowledged || !trial.timed_out);
        Ok(if is_known { health.with_takes_messages(trial.acknowledged) } else { health })
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        let trial = monitor::try_platform(&self.factory).await;
        let trial = trial.map_err(|error| unanswered("the test client", error))?;
        let health = IngestionHealth::new(Utc::now());
        // A message that the broker did not take shows nothing of what comes behind it.
        Ok(if trial.acknowledged { health.with_stores_rows(trial.stored) } else { health })
    }

    async fn silent_peers(&self, request: &PlatformRequest) -> Result<SilentPeers, ProbeError> {
        let of = |is_among: &dyn Fn(&crate::device::Spec) -> bool| {
            let devices = self.factory.devices().map(crate::device::Device::spec);
            self.silent(devices.filter(|spec| is_among(spec)).map(|spec| spec.id.clone()))
        };
        let mut peers = SilentPeers::new(Utc::now());
        if let Some(gateway) = &request.gateway {
            peers = peers.with_gateway(of(&|spec| spec.gateway == gateway.as_str()));
        }
        if let Some(site) = &request.site {
            peers = peers.with_site(of(&|spec| spec.site == site.as_str()));
        }
        Ok(peers)
    }
}
