//! The adapters: what the library's probes ask, answered by the plant's parts.
//!
//! Each is small and reads parts alone: logs, processes, sockets, databases, certificates. None of them knows what
//! is broken. They report facts; what these mean is for the library's checks to judge.

mod astray;
mod certificates;
mod devices;
mod gateways;
mod networks;
mod outlets;
pub mod pipeline;
mod platforms;
mod recovery;
mod restart;
mod sessions;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use iot_runbook::{
    probe::{
        BrokerProbe, CertStoreProbe, DeviceProbe, GatewayProbe, NetworkProbe, PlatformProbe, PowerProbe,
        ProbeError, Probes,
    },
    time::Period,
};

pub use self::{
    certificates::Certificates, devices::Devices, gateways::Gateways, networks::Networks, outlets::Outlets,
    platforms::Platforms, restart::Restart, sessions::Sessions,
};
use crate::{
    error::{Error, Result},
    factory::Factory,
    platform::Registered,
};

/// An adapter of each kind that the plant has a part for.
#[derive(Clone)]
pub struct Adapters {
    /// Who tells of devices.
    pub device: Arc<dyn DeviceProbe>,
    /// Who tells of sessions.
    pub broker: Arc<dyn BrokerProbe>,
    /// Who tells of gateways.
    pub gateway: Arc<dyn GatewayProbe>,
    /// Who tries ways to sites and devices.
    pub network: Arc<dyn NetworkProbe>,
    /// Who tells of certificates.
    pub cert_store: Arc<dyn CertStoreProbe>,
    /// Who tells of power.
    pub power: Arc<dyn PowerProbe>,
    /// Who reports on the platform itself.
    pub platform: Arc<dyn PlatformProbe>,
}

impl Adapters {
    /// The adapters of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self {
            device: Arc::new(Devices::of(factory)),
            broker: Arc::new(Sessions::of(factory)),
            gateway: Arc::new(Gateways::of(factory)),
            network: Arc::new(Networks::of(factory)),
            cert_store: Arc::new(Certificates::of(factory)),
            power: Arc::new(Outlets::of(factory)),
            platform: Arc::new(Platforms::of(factory)),
        }
    }

    /// All of them, as the driver takes them.
    pub fn probes(self) -> Probes {
        Probes::new()
            .with_device(self.device)
            .with_broker(self.broker)
            .with_gateway(self.gateway)
            .with_network(self.network)
            .with_cert_store(self.cert_store)
            .with_power(self.power)
            .with_platform(self.platform)
    }
}

/// What the registry knows of a device that a question is about.
fn registered(factory: &Factory, device: &str) -> Result<Registered, ProbeError> {
    match factory.registry().device(device) {
        Ok(Some(registered)) => Ok(registered),
        Ok(None) => Err(ProbeError::failed(format!("the registry has no device {device}"))),
        Err(error) => Err(unanswered("the registry", error)),
    }
}

/// What an error of a part means for whoever asked it.
fn unanswered(part: &str, error: Error) -> ProbeError {
    let text = format!("{part}: {error}");
    match error {
        // The part had its whole time to answer in.
        Error::NoAnswer { .. } | Error::TimedOut(_) => ProbeError::timeout(text),
        Error::Io { .. } => ProbeError::transient(text),
        _ => ProbeError::failed(text),
    }
    .with_cause(error)
}

/// The part of `asked` that a log tells of: up to now, and from `complete_from` on where it forgot what was before.
/// A log that forgot nothing is complete however far one looks back: before its part was made there was nothing.
pub(crate) fn covered(asked: Period, complete_from: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Period {
    let end = asked.end().min(now);
    let start = complete_from.map_or(asked.start(), |from| from.max(asked.start()));
    Period::ending(end, end - start.min(end))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn log_covers_what_it_remembers() {
        let now = Utc::now();
        let minutes =
            |from, to| Period::new(now + TimeDelta::minutes(from), now + TimeDelta::minutes(to)).unwrap();
        let asked = minutes(-10, 1);
        assert_eq!(covered(asked, None, now), minutes(-10, 0));
        assert_eq!(covered(asked, Some(now - TimeDelta::minutes(3)), now), minutes(-3, 0));
        assert_eq!(covered(asked, Some(now - TimeDelta::minutes(30)), now), minutes(-10, 0));
        assert_eq!(covered(minutes(-9, -8), Some(now), now), minutes(-8, -8));
    }
}
