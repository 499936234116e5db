//! The test endpoint: a TLS server that lets in whoever the door would let in, and keeps what became of each test.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::certificate::{
    service::{ServiceError, TestEndpoint, TestOutcome, TestRequest},
    validity::Fingerprint,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{RootCertStore, ServerConfig, pki_types::ServerName, server::WebPkiClientVerifier},
};

use super::fingerprint;
use crate::{
    error::{Error, Result},
    network::listen,
    pki::{Authority, Identity, provider},
    task::Task,
};

/// How long one test may take.
const TEST_WITHIN: Duration = Duration::from_secs(3);
/// What the endpoint says to whom it lets in.
const WELCOME: &[u8] = b"welcome";

/// The endpoint.
pub struct TrialServer {
    passed: Arc<Mutex<HashMap<Fingerprint, TestOutcome>>>,
    address: SocketAddr,
    _serve: Task,
}

impl TrialServer {
    /// Starts the endpoint. It presents `identity`, and lets in whom `authority` vouches for.
    ///
    /// # Errors
    /// When no loopback port is to be had, or TLS can't be set up.
    pub async fn start(identity: &Identity, authority: &Authority) -> Result<Self> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()?), provider());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(vec![identity.certificate().clone()], identity.private_key())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = listen().await?;
        let address = listener.local_addr().map_err(Error::io("reading the test endpoint's address"))?;
        let passed = Arc::<Mutex<_>>::default();
        let serve = serve(acceptor, listener, Arc::clone(&passed));
        Ok(Self { passed, address, _serve: Task::spawn(serve) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for TrialServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrialServer").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl TestEndpoint for TrialServer {
    /// Of a test that failed it knows nothing: whoever is refused, or does not get here, may be anybody.
    async fn outcome(&self, request: &TestRequest) -> Result<Option<TestOutcome>, ServiceError> {
        Ok(lock(&self.passed).get(&request.fingerprint).cloned())
    }
}

fn lock(
    passed: &Mutex<HashMap<Fingerprint, TestOutcome>>,
) -> MutexGuard<'_, HashMap<Fingerprint, TestOutcome>> {
    passed.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    acceptor: TlsAcceptor,
    listener: TcpListener,
    passed: Arc<Mutex<HashMap<Fingerprint, TestOutcome>>>,
) {
    let mut callers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = callers.join_next() => continue,
        };
        if let Ok((stream, _)) = accepted {
            let (acceptor, passed) = (acceptor.clone(), Arc::clone(&passed));
            // A caller that is refused knows it by the alert.
            callers
                .spawn(async move { timeout(TEST_WITHIN, welcome(&acceptor, stream, &passed)).await.ok() });
        }
    }
}

async fn welcome(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    passed: &Mutex<HashMap<Fingerprint, TestOutcome>>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let presented = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    if let Some(presented) = presented.map(|der| fingerprint(der)) {
        lock(passed).insert(presented, TestOutcome::passed(Utc::now()));
    }
    stream.write_all(WELCOME).await?;
    stream.shutdown().await
}

/// Tests an identity against the endpoint at `address`, as a device does before it switches.
///
/// # Errors
/// When the endpoint does not answer, or does not let it in.
pub async fn try_identity(address: SocketAddr, identity: &Identity, roots: RootCertStore) -> Result<()> {
    let testing = "testing a certificate";
    let config = identity.client_config(roots)?;
    let tested = async {
        let stream = TcpStream::connect(address).await.map_err(Error::io(testing))?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let mut said = Vec::new();
        // A client hears of its refusal only when it reads.
        stream.map_err(Error::io(testing))?.read_to_end(&mut said).await.map_err(Error::io(testing))?;
        match said == WELCOME {
            true => Ok(()),
            false => Err(Error::Refused("the test endpoint did not let it in".to_owned())),
        }
    };
    timeout(TEST_WITHIN, tested).await.map_err(|_| Error::NoAnswer { address })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Validity;

    #[tokio::test]
    async fn test_passes_for_own_valid_certificates() {
        let authority = Authority::new("authority").unwrap();
        let own = authority.issue("tests", Validity::current()).unwrap();
        let server = TrialServer::start(&own, &authority).await.unwrap();
        let stranger = Authority::new("stranger").unwrap();
        for (identity, passes) in [
            (authority.issue("press-1", Validity::current()), true),
            (authority.issue("press-1", Validity::expired()), false),
            (stranger.issue("press-1", Validity::current()), false),
        ] {
            let identity = identity.unwrap();
            let tried = try_identity(server.address(), &identity, authority.roots().unwrap()).await;
            assert_eq!(tried.is_ok(), passes, "{tried:?}");
            let asked = TestRequest::new("press-1", fingerprint(identity.certificate()));
            assert_eq!(server.outcome(&asked).await.unwrap().is_some(), passes);
        }
    }
}
