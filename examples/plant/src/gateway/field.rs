//! A gateway's OT side: reading, reaching and looking at the devices behind it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use crate::{
    device::RESTART_CLIENT,
    error::{Error, Result},
    line,
    pki::provider,
};

/// How long a device may take to answer on the OT network.
const ANSWER_WITHIN: Duration = Duration::from_millis(1000);
/// How many polls of a device a gateway remembers.
const POLLS_KEPT: usize = 512;

/// A device behind a gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FieldDevice {
    /// Its id.
    pub id: String,
    /// Whether the gateway polls it and publishes for it.
    pub polled: bool,
    /// The gateway's way to its network module.
    pub ot: SocketAddr,
    /// The gateway's way to its TLS maintenance port.
    pub maintenance: SocketAddr,
}

/// Whether a device can be reached over the OT network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Its network module answered.
    Reachable,
    /// It did not.
    Unreachable {
        /// What happened instead.
        why: String,
    },
}

/// The certificate that a device holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It has none.
    Nothing,
    /// It presented this one, in DER, and proved that it has the key.
    Presented {
        /// The certificate.
        der: Vec<u8>,
    },
    /// It could not be asked.
    Unreachable {
        /// What happened instead.
        why: String,
    },
}

/// The polls of one device that a gateway remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Polls {
    /// Each poll, oldest first: when it ended, and whether it was answered.
    pub made: VecDeque<(DateTime<Utc>, bool)>,
    /// From when on they are complete; none while all since the start of the gateway are kept.
    pub complete_from: Option<DateTime<Utc>>,
}

impl Polls {
    pub(super) fn enter(&mut self, answered: bool) {
        if self.made.len() == POLLS_KEPT {
            self.made.pop_front();
            self.complete_from = self.made.front().map(|(at, _)| *at);
        }
        self.made.push_back((Utc::now(), answered));
    }
}

pub(super) async fn read(device: &FieldDevice) -> Result<String> {
    line::ask_within(device.ot, "read", ANSWER_WITHIN).await
}

pub(super) async fn reach(device: &FieldDevice) -> Reach {
    match line::ask_within(device.ot, "ping", ANSWER_WITHIN).await {
        Ok(_) => Reach::Reachable,
        Err(error) => Reach::Unreachable { why: error.to_string() },
    }
}

/// Has a device start its provisioning client again.
pub(super) async fn restart_client(device: &FieldDevice) -> Result<String> {
    line::ask_within(device.ot, RESTART_CLIENT, ANSWER_WITHIN).await
}

pub(super) async fn held(device: &FieldDevice) -> Held {
    let looked = async {
        let answer = line::ask_within(device.ot, "identity", ANSWER_WITHIN).await?;
        if answer == "none" {
            return Ok(Held::Nothing);
        }
        let der = presented(device.maintenance).await?;
        Ok::<_, Error>(Held::Presented { der })
    };
    looked.await.unwrap_or_else(|error| Held::Unreachable { why: error.to_string() })
}

/// Connects and takes what the device presents. It is not trusted here, only read; the platform judges it.
async fn presented(address: SocketAddr) -> Result<Vec<u8>> {
    let reader = Arc::new(Reader { provider: provider(), seen: Mutex::default() });
    let verifier: Arc<dyn ServerCertVerifier> = Arc::<Reader>::clone(&reader);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let shaken = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(address.ip().into());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    timeout(ANSWER_WITHIN, shaken)
        .await
        .map_err(|_| Error::NoAnswer { address })?
        .map_err(Error::io("reading a device's certificate"))?;
    let seen = reader.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.clone().ok_or(Error::NoAnswer { address })
}

#[derive(Debug)]
struct Reader {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Vec<u8>>>,
}

impl ServerCertVerifier for Reader {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
