//! MQTT clients over mutual TLS.

use std::{net::SocketAddr, sync::Arc};

use chrono::TimeDelta;
use rumqttc::{AsyncClient, EventLoop, MqttOptions, NetworkOptions, TlsConfiguration, Transport};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{
    error::{Error, Result},
    pki::Identity,
};

/// The keep-alive of every client of the factory, in seconds; the broker gives up after one and a half of it.
pub const KEEP_ALIVE: u16 = 2;

/// A client that dials `address`, with `identity`'s common name as its client id.
///
/// It connects when its event loop is polled, and again after each error.
///
/// # Errors
/// When the identity is not fit for TLS, or its name not for a client id.
pub fn client(
    identity: &Identity,
    password: &str,
    roots: RootCertStore,
    address: SocketAddr,
) -> Result<(AsyncClient, EventLoop)> {
    client_with(identity, password, roots, address, KEEP_ALIVE)
}

/// The same for a client whose own clock is ahead of the true time by `ahead`.
///
/// # Errors
/// As [`client`].
pub fn client_by_clock(
    identity: &Identity,
    password: &str,
    roots: RootCertStore,
    address: SocketAddr,
    ahead: TimeDelta,
) -> Result<(AsyncClient, EventLoop)> {
    build(identity, password, identity.client_config_by(roots, ahead)?, address, KEEP_ALIVE)
}

/// The same with another keep-alive, in seconds.
///
/// # Errors
/// As [`client`].
pub fn client_with(
    identity: &Identity,
    password: &str,
    roots: RootCertStore,
    address: SocketAddr,
    keep_alive: u16,
) -> Result<(AsyncClient, EventLoop)> {
    build(identity, password, identity.client_config(roots)?, address, keep_alive)
}

fn build(
    identity: &Identity,
    password: &str,
    tls: ClientConfig,
    address: SocketAddr,
    keep_alive: u16,
) -> Result<(AsyncClient, EventLoop)> {
    let mut options = MqttOptions::new(identity.common_name(), (address.ip().to_string(), address.port()));
    let tls = TlsConfiguration::Rustls(Arc::new(tls));
    options
        .set_transport(Transport::tls_with_config(tls))
        .set_credentials(identity.common_name(), password.to_owned())
        .set_keep_alive(keep_alive)
        .set_clean_session(true);
    let (client, mut events) = AsyncClient::builder(options)
        .capacity(64)
        .try_build()
        .map_err(|error| Error::Mqtt(error.to_string()))?;
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(2).set_tcp_nodelay(true);
    events.set_network_options(network);
    Ok((client, events))
}

/// The topic of a device's samples.
pub fn telemetry(site: &str, device: &str) -> String {
    format!("plant/{site}/{device}/telemetry")
}

/// The topic of a gateway's heartbeats.
pub fn status(site: &str, gateway: &str) -> String {
    format!("plant/{site}/{gateway}/status")
}
