use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{
        BrokerPath, BrokerPathRequest, Client, DevicePath, DevicePathRequest, NetworkProbe, PathTried,
        PathsTried, PortReply, ProbeError, Replier, SitePathsRequest, TlsOutcome, Vantage,
    },
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{registered, unanswered};
use crate::{device::Kind, factory::Factory, gateway::field::Reach, monitor, pki::Validity};

/// How long a connection to the door, and then its handshake, may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Networks, by connecting: to a site past one of its gateways, from a gateway to a device, and to the broker over the
/// way that a client's messages take.
#[derive(Debug)]
pub struct Networks {
    factory: Arc<Factory>,
    source: Source,
}

impl Networks {
    /// Those of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("network, by connecting") }
    }

    /// Where the client's messages enter the way to the door.
    fn way_of(&self, client: &Client) -> Result<SocketAddr, ProbeError> {
        let gateway = match client {
            Client::Device(device) => registered(&self.factory, device.as_str())?.gateway,
            Client::Gateway(gateway) => gateway.as_str().to_owned(),
            _ => return Err(ProbeError::unsupported()),
        };
        let gateway = self.factory.gateway(&gateway).map_err(|error| unanswered("the plant", error))?;
        Ok(gateway.to_door().address())
    }

    /// Shakes hands with the door over that way, as a client whose certificate is good.
    async fn shake(&self, way: SocketAddr) -> Result<BrokerPath, ProbeError> {
        let answer = BrokerPath::new(Utc::now(), true).with_name(true);
        let Ok(Ok(stream)) = timeout(ANSWERS_WITHIN, TcpStream::connect(way)).await else {
            return Ok(answer.with_port(PortReply::Silent));
        };
        let authority = self.factory.authority();
        let config = authority
            .issue(monitor::CLIENT, Validity::current())
            .and_then(|identity| identity.client_config(authority.roots()?));
        let config = config.map_err(|error| unanswered("the test client", error))?;
        let name = ServerName::IpAddress(way.ip().into());
        let connector = TlsConnector::from(Arc::new(config));
        Ok(match timeout(ANSWERS_WITHIN, connector.connect(name, stream)).await {
            Ok(Ok(_)) => answer.with_port(PortReply::Answered).with_tls(TlsOutcome::Completed),
            // A relay of the plant takes every connection, and ends it at once where the network is cut.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                answer.with_port(PortReply::Silent).with_error(error.to_string())
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                answer.with_port(PortReply::Silent).with_error(error.to_string())
            }
            Ok(Err(error)) => answer
                .with_port(PortReply::Answered)
                .with_tls(TlsOutcome::Alert)
                .with_error(error.to_string()),
            Err(_) => answer.with_port(PortReply::Answered).with_tls(TlsOutcome::TimedOut),
        })
    }
}

#[async_trait]
impl NetworkProbe for Networks {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn site_paths(&self, request: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        let site = self.factory.site(request.site.as_str());
        let site = site.map_err(|error| unanswered("the plant", error))?;
        let except = request.except.as_ref().map_or("", |gateway| gateway.as_str());
        let tried = site.try_paths(except).await.into_iter();
        let paths =
            tried.map(|path| PathTried::new(format!("{} of {}", path.via, site.id()).into(), path.answered));
        Ok(PathsTried::new(Utc::now()).with_paths(paths.collect()))
    }

    async fn device_path(&self, request: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        let device = request.device.as_str();
        let entry = registered(&self.factory, device)?;
        let from = match &request.from {
            Vantage::Gateway(gateway) => gateway.as_str().to_owned(),
            _ => return Err(ProbeError::unsupported()),
        };
        let gateway = self.factory.gateway(&from).map_err(|error| unanswered("the plant", error))?;
        let reached = gateway.reach(device).await;
        let answers =
            reached.map_err(|error| unanswered("the gateway that is to try", error))? == Reach::Reachable;
        let mut answer = DevicePath::new(Utc::now());
        let mut tried = vec![PathTried::new(format!("{from} to {device}").into(), answers)];
        let part = self.factory.device(device);
        // An MQTT device dials by itself, and listens on no port.
        answer = match (&part, answers) {
            (Ok(part), _) if part.spec().kind == Kind::Mqtt => answer.with_port(PortReply::ListensNowhere),
            (_, true) => answer.with_port(PortReply::Answered),
            (_, false) => answer.with_port(PortReply::Silent),
        };
        answer = answer.with_otherwise(answers);
        if answers {
            return Ok(answer.with_replier(Replier::Device).with_tried(tried));
        }
        // Its segment: its port as the managed switch has it (a slow one shows errors), and whether any neighbour
        // answers.
        let port_works = part.as_ref().is_ok_and(|part| !part.port().is_cut() && !part.port().is_slow());
        let neighbours = self.factory.devices().map(crate::device::Device::spec);
        let mut tries = tokio::task::JoinSet::new();
        for other in neighbours.filter(|other| other.site == entry.site && other.id != device) {
            let (factory, from, to) = (Arc::clone(&self.factory), other.gateway.clone(), other.id.clone());
            // Side by side: on a segment without power each try takes as long as it may.
            tries.spawn(async move {
                let host = factory.gateway(&from).ok()?;
                let reached = host.reach(&to).await.is_ok_and(|reach| reach == Reach::Reachable);
                Some(PathTried::new(format!("{from} to {to}").into(), reached))
            });
        }
        let paths = tries.join_all().await;
        let neighbour_answers = paths.iter().flatten().any(|path| path.answered);
        tried.extend(paths.into_iter().flatten());
        if let Ok(part) = &part {
            answer = answer.with_link(part.has_link());
        }
        Ok(answer.with_segment(port_works && neighbour_answers).with_tried(tried))
    }

    async fn broker_path(&self, request: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        let way = self.way_of(&request.holder)?;
        self.shake(way).await
    }
}
