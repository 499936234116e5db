//! Adapters whose table of names is off by one row: while they lie, each answers truly, of another part.

use std::sync::Arc;

use async_trait::async_trait;
use iot_runbook::{
    fact::Source,
    probe::*,
    subject::{DeviceId, GatewayId, SiteId},
};

use super::Adapters;
use crate::operation::{Trouble, Troubles};

/// Each part, and the one in the next row.
const NEXT: &[(&str, &str)] = &[
    ("press-1", "robot-1"),
    ("robot-1", "mixer-1"),
    ("mixer-1", "press-1"),
    ("spare-1", "press-1"),
    ("oven-1", "pump-1"),
    ("mill-1", "pump-1"),
    ("pump-1", "tank-1"),
    ("tank-1", "oven-1"),
    ("gw-north-1", "gw-north-2"),
    ("gw-north-2", "gw-south-1"),
    ("gw-south-1", "gw-north-1"),
    ("north", "south"),
    ("south", "north"),
];

/// An adapter that may lie.
struct Astray<P: ?Sized> {
    inner: Arc<P>,
    troubles: Troubles,
}

impl Adapters {
    /// The same, of which those lie that `troubles` names.
    #[must_use]
    pub fn astray(self, troubles: &Troubles) -> Self {
        let troubles = || troubles.clone();
        Self {
            device: Arc::new(Astray { inner: self.device, troubles: troubles() }),
            broker: Arc::new(Astray { inner: self.broker, troubles: troubles() }),
            gateway: Arc::new(Astray { inner: self.gateway, troubles: troubles() }),
            network: Arc::new(Astray { inner: self.network, troubles: troubles() }),
            cert_store: Arc::new(Astray { inner: self.cert_store, troubles: troubles() }),
            power: Arc::new(Astray { inner: self.power, troubles: troubles() }),
            platform: self.platform,
        }
    }
}

/// The name of a part in a request.
trait Named {
    /// The part in the next row.
    fn next(&self) -> Self;
}

fn next(name: &str) -> &str {
    NEXT.iter().find(|(own, _)| *own == name).map_or(name, |(_, next)| next)
}

impl Named for DeviceId {
    fn next(&self) -> Self {
        next(self.as_str()).into()
    }
}

impl Named for GatewayId {
    fn next(&self) -> Self {
        next(self.as_str()).into()
    }
}

impl Named for SiteId {
    fn next(&self) -> Self {
        next(self.as_str()).into()
    }
}

impl Named for Client {
    fn next(&self) -> Self {
        match self {
            Self::Device(device) => Self::Device(device.next()),
            Self::Gateway(gateway) => Self::Gateway(gateway.next()),
            other => other.clone(),
        }
    }
}

impl Named for Vantage {
    fn next(&self) -> Self {
        match self {
            Self::Gateway(gateway) => Self::Gateway(gateway.next()),
            Self::Site(site) => Self::Site(site.next()),
            other => other.clone(),
        }
    }
}

macro_rules! may_lie {
    ($($name:literal: $probe:ident {
        $($method:ident($request:ty) -> $answer:ty, of [$($part:ident)+];)*
    })*) => {$(
        #[async_trait]
        impl $probe for Astray<dyn $probe> {
            fn source(&self) -> Source {
                self.inner.source()
            }

            $(
                async fn $method(&self, request: &$request) -> Result<$answer, ProbeError> {
                    if self.troubles.of($name) != Some(Trouble::Lies) {
                        return self.inner.$method(request).await;
                    }
                    let mut request = request.clone();
                    $(request.$part = request.$part.next();)+
                    self.inner.$method(&request).await
                }
            )*
        }
    )*};
}

may_lie! {
    "device": DeviceProbe {
        service_state(ServiceStateRequest) -> ServiceStateAnswer, of [device];
        last_seen(LastSeenRequest) -> LastSeenAnswer, of [device];
        receipts(ReceiptsRequest) -> Receipts, of [device];
        service_history(ServiceHistoryRequest) -> ServiceHistory, of [device];
        sightings(SightingsRequest) -> Sightings, of [device];
    }
    "broker": BrokerProbe {
        connection_log(ConnectionLogRequest) -> Option<ConnectionLog>, of [client];
        messages(MessagesRequest) -> Messages, of [device];
        publishing(PublishingRequest) -> ClientPublishing, of [client device];
        disconnected_together(TogetherRequest) -> Together, of [client];
        clock_readings(ClockRequest) -> ClockReadings, of [client];
    }
    "gateway": GatewayProbe {
        health(HealthRequest) -> GatewayHealth, of [gateway];
        field_polls(FieldPollsRequest) -> FieldPolls, of [gateway device];
        acquisition(AcquisitionRequest) -> Acquisition, of [gateway device];
    }
    "network": NetworkProbe {
        site_paths(SitePathsRequest) -> PathsTried, of [site];
        device_path(DevicePathRequest) -> DevicePath, of [from device];
        broker_path(BrokerPathRequest) -> BrokerPath, of [holder];
    }
    "cert_store": CertStoreProbe {
        certificate(CertificateRequest) -> CertificateAnswer, of [holder];
        renewal(RenewalRequest) -> RenewalAnswer, of [holder];
        provisioning_contact(ProvisioningContactRequest) -> ProvisioningContact, of [holder];
    }
    "power": PowerProbe {
        power(PowerRequest) -> PowerFacts, of [device];
        site_power(SitePowerRequest) -> SitePower, of [site];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Location;

    #[test]
    fn mixed_up_rows_are_of_the_same_kind() {
        for (own, next) in NEXT {
            assert_ne!(own, next);
            let (Some(own), Some(next)) = (Location::of(own), Location::of(next)) else { continue };
            assert_eq!(own.kind, next.kind);
            // A device's next gateway is the gateway's next: the report is consistent, and of another place.
            assert_eq!(super::next(own.gateway), next.gateway);
        }
    }
}
