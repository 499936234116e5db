//! Which ways answer: into a site, to a device, and from a session holder to the broker.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::record::records;
use super::{Client, ProbeError};
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, SiteId};

/// Tries ways to a site, to a device and to the broker, and reports which answered.
#[async_trait]
pub trait NetworkProbe: Send + Sync {
    /// Who answers, such as `network monitor`. Make it once and clone it.
    fn source(&self) -> Source;

    /// Tries to reach the site by ways that do not pass the gateway in question: another gateway of the site, its
    /// router. Devices of one site may share an answer for some seconds.
    ///
    /// # Errors
    /// [`ProbeError`] where the adapter itself could not try. A way that does not answer is an answer; a site
    /// without any way to try is an answer that tried none.
    async fn site_paths(&self, request: &SitePathsRequest) -> Result<PathsTried, ProbeError>;

    /// Tries to reach the device over its own network: the port of its field protocol, then anything else such as a
    /// ping, then its neighbours on the segment. From the gateway or the site that the request names. Ask afresh each
    /// time.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody could be made to try. A device that does not answer is an answer. The default does
    /// not answer.
    async fn device_path(&self, _request: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        Err(ProbeError::unsupported())
    }

    /// Tries the way from the session holder to the broker: its name, its port, a TLS handshake. Ask afresh each time.
    ///
    /// # Errors
    /// [`ProbeError`] where the session holder could not be made to try. A broker that does not answer is an answer. The
    /// default does not answer.
    async fn broker_path(&self, _request: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn NetworkProbe> = None;

records! {
    /// Does the site answer by another way than the gateway?
    #[derive(Eq, Hash)]
    SitePathsRequest {
        /// The site.
        site: SiteId,
        ..
        /// The gateway that is in question: leave it out.
        except: Option<GatewayId> = with_except(gateway: GatewayId) => Some(gateway),
    }

    /// Does the device answer on its network?
    #[derive(Eq, Hash)]
    DevicePathRequest {
        /// From where to try.
        from: Vantage,
        /// The device to reach.
        device: DeviceId,
    }
}

/// From where a device is tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vantage {
    /// From its gateway.
    Gateway(GatewayId),
    /// From the router of its site.
    Site(SiteId),
    /// From whoever can reach it, such as the carrier's network.
    Anywhere,
}

records! {
    /// Whether a device answers on its network.
    DevicePath {
        /// When it was tried.
        observed_at: DateTime<Utc>,
        ..
        /// The port of its field protocol.
        port: PortReply = with_port(reply: PortReply) => reply,
        /// Whether it answers by anything else, such as a ping. On radio: whether it is heard.
        otherwise: Option<bool> = with_otherwise(answered: bool) => Some(answered),
        /// Whether its segment works: a neighbour answers. `None`: not tried.
        segment: Option<bool> = with_segment(works: bool) => Some(works),
        /// Whether the switch port that is meant for the device has a link. `None`: not known.
        link: Option<bool> = with_link(up: bool) => Some(up),
        /// Who replied, where anybody did.
        replier: Replier = with_replier(replier: Replier) => replier,
        /// The hardware identity of whoever replied, beside the registered one. Leave it out where a router or a
        /// converter replies in between.
        identity: Option<Identity> = with_identity(identity: Identity) => Some(identity),
        /// True: the carrier says that it holds the device back (SIM, plan, access point). False: it says that it does
        /// not.
        held_by_carrier: Option<bool> = with_held_by_carrier(held: bool) => Some(held),
        /// What was tried, for the person who reads the trace.
        tried: Vec<PathTried> = with_tried(tried: Vec<PathTried>) => tried,
    }

    /// The identity that replied under a device's address, and the one that is registered for it: both of one kind, such
    /// as hardware addresses or serial numbers.
    Identity {
        /// As the registry has it.
        registered: Box<str>,
        /// As it replied.
        replied: Box<str>,
    }
}

/// What a port replied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortReply {
    /// It took the connection.
    Answered,
    /// The host itself refused the connection (TCP reset). A refusal by a firewall on the way (ICMP prohibited) is
    /// [`Silent`](Self::Silent).
    Refused,
    /// Nothing came back, or a firewall refused in its place.
    Silent,
    /// The device listens on no port.
    ListensNowhere,
    /// It was not tried.
    #[default]
    NotTried,
}

/// Who replied in the device's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replier {
    /// The device itself: its reply proves that it has power.
    Device,
    /// A module in front of it that is fed otherwise, such as a serial converter: its reply proves nothing of the device.
    FedOtherwise,
    /// Not known.
    #[default]
    NotKnown,
}

records! {
    /// Can the session holder reach the broker?
    #[derive(Eq, Hash)]
    BrokerPathRequest {
        /// Who tries.
        holder: Client,
    }

    /// The way from a session holder to the broker.
    BrokerPath {
        /// When it was tried.
        observed_at: DateTime<Utc>,
        /// True if it was tried over the way that the holder's messages take (interface, SIM, proxy). One that was tried
        /// otherwise shows nothing.
        same_way: bool,
        ..
        /// Whether the broker's name resolved.
        name: Option<bool> = with_name(resolved: bool) => Some(resolved),
        /// The broker's port.
        port: PortReply = with_port(reply: PortReply) => reply,
        /// The TLS handshake.
        tls: TlsOutcome = with_tls(outcome: TlsOutcome) => outcome,
        /// The text of a TLS alert or of an error, for the person who reads the trace.
        error: Option<Box<str>> = with_error(error: impl Into<Box<str>>) => Some(error.into()),
    }
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsOutcome {
    /// It was completed.
    Completed,
    /// It timed out, or the connection was reset in the middle of it.
    TimedOut,
    /// One side ended it with an alert, such as an unknown CA.
    Alert,
    /// The broker does not use TLS.
    NotUsed,
    /// It was not tried.
    #[default]
    NotTried,
}

records! {
    /// The ways that were tried.
    PathsTried {
        /// When they were tried.
        observed_at: DateTime<Utc>,
        ..
        /// Each that was tried; empty: there is none to try.
        paths: Vec<PathTried> = with_paths(paths: Vec<PathTried>) => paths,
    }

    /// One way that was tried.
    PathTried {
        /// Its name for a person, such as `router plant-north`.
        name: Box<str>,
        /// Whether it answered.
        answered: bool,
    }
}
