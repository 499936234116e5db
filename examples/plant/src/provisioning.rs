//! The provisioning service: a TLS endpoint for devices that have no valid certificate any more.
//!
//! A device comes with its manufacturing certificate and a signing request of a key that it has just made. The service
//! enters the contact, and issues an operational certificate where that was granted. The key never leaves the device.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use iot_runbook::time::Period;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{RootCertStore, ServerConfig, pki_types::ServerName, server::WebPkiClientVerifier},
};

use crate::{
    error::{Error, Result},
    line,
    network::listen,
    pipeline::kept::Kept,
    pki::{Authority, Identity, Presented, Request, Validity, provider},
    task::Task,
};

/// How long one contact may take.
const CONTACT_WITHIN: Duration = Duration::from_secs(3);
const CONTACTS_KEPT: usize = 4096;

/// The service.
pub struct Provisioning {
    shared: Arc<Shared>,
    address: SocketAddr,
    _serve: Task,
}

struct Shared {
    acceptor: TlsAcceptor,
    authority: Arc<Authority>,
    state: Mutex<State>,
}

struct State {
    /// Who came, with an accepted manufacturing certificate.
    contacts: Kept<String>,
    granted: HashSet<String>,
    /// The certificate that was last issued or loaded for a holder, in DER.
    newest: HashMap<String, (DateTime<Utc>, Vec<u8>)>,
}

impl Provisioning {
    /// Starts the service. It presents `identity`, accepts manufacturing certificates of `maker`, and has `authority`
    /// issue.
    ///
    /// # Errors
    /// When no loopback port is to be had, or TLS can't be set up.
    pub async fn start(identity: &Identity, maker: &Authority, authority: Arc<Authority>) -> Result<Self> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(maker.roots()?), provider());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(vec![identity.certificate().clone()], identity.private_key())?;
        let state =
            State { contacts: Kept::new(CONTACTS_KEPT), granted: HashSet::new(), newest: HashMap::new() };
        let shared = Arc::new(Shared {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            authority,
            state: Mutex::new(state),
        });
        let listener = listen().await?;
        let address =
            listener.local_addr().map_err(Error::io("reading the provisioning service's address"))?;
        let serve = serve(Arc::clone(&shared), listener);
        Ok(Self { shared, address, _serve: Task::spawn(serve) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Grants one operational certificate to this holder, at its next contact.
    pub fn grant(&self, holder: &str) {
        self.shared.state().granted.insert(holder.to_owned());
    }

    /// Takes back what was granted and not fetched.
    pub fn withdraw(&self, holder: &str) {
        self.shared.state().granted.remove(holder);
    }

    /// Enters a certificate that was loaded by hand, or renewed.
    pub fn note_newest(&self, holder: &str, certificate: &[u8]) {
        self.shared.state().newest.insert(holder.to_owned(), (Utc::now(), certificate.to_vec()));
    }

    /// The certificate that was last issued or loaded for a holder, in DER, and when.
    pub fn newest(&self, holder: &str) -> Option<(DateTime<Utc>, Vec<u8>)> {
        self.shared.state().newest.get(holder).cloned()
    }

    /// The last contact of a holder in a period.
    pub fn last_contact(&self, holder: &str, period: Period) -> Option<DateTime<Utc>> {
        let state = self.shared.state();
        let of_holder = state.contacts.within(period).filter(|(_, name)| name == holder);
        of_holder.map(|(at, _)| *at).max()
    }

    /// From when on its log is complete; none while it forgot nothing.
    pub fn log_complete_from(&self) -> Option<DateTime<Utc>> {
        self.shared.state().contacts.complete_from()
    }
}

impl fmt::Debug for Provisioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioning").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a contact, and issues a certificate where that was granted.
    fn contact(&self, holder: &str, request: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut state = self.state();
        state.contacts.enter(Utc::now(), holder.to_owned());
        if !state.granted.contains(holder) {
            return Ok(None);
        }
        let der = self.authority.sign(holder, request, Validity::current())?;
        state.granted.remove(holder);
        state.newest.insert(holder.to_owned(), (Utc::now(), der.clone()));
        Ok(Some(der))
    }
}

async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut callers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = callers.join_next() => continue,
        };
        if let Ok((stream, _)) = accepted {
            let shared = Arc::clone(&shared);
            // A caller that goes away, or whose certificate is refused, gets nothing and is not entered.
            callers.spawn(async move { timeout(CONTACT_WITHIN, attend(&shared, stream)).await.ok() });
        }
    }
}

async fn attend(shared: &Shared, stream: TcpStream) -> Result<()> {
    let talking = "talking to a device that asks to be provisioned";
    let stream = shared.acceptor.accept(stream).await.map_err(Error::io(talking))?;
    let holder = {
        let presented = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        presented.map(|der| Presented::parse(der)).transpose()?
    };
    let holder = holder.ok_or_else(|| Error::UnreadableCertificate("none was presented".to_owned()))?;
    let (read, mut write) = tokio::io::split(stream);
    let mut asked = String::new();
    BufReader::new(read).read_line(&mut asked).await.map_err(Error::io(talking))?;
    let request = serde_json::from_str::<Vec<u8>>(&asked)?;
    let answer = line::reply(shared.contact(&holder.common_name, &request));
    write.write_all(format!("{answer}\n").as_bytes()).await.map_err(Error::io(talking))?;
    write.shutdown().await.map_err(Error::io(talking))
}

/// Asks the service at `address` for an operational certificate, as a device does: with its manufacturing certificate
/// and a fresh key. None where none was granted.
///
/// # Errors
/// When the service does not answer, does not accept the certificate, or refuses.
pub async fn ask(
    address: SocketAddr,
    manufacturing: &Identity,
    roots: RootCertStore,
) -> Result<Option<Identity>> {
    let request = Request::new(manufacturing.common_name())?;
    let asking = "asking the provisioning service";
    let config = manufacturing.client_config(roots)?;
    let asked = async {
        let stream = TcpStream::connect(address).await.map_err(Error::io(asking))?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let (read, mut write) = tokio::io::split(stream.map_err(Error::io(asking))?);
        let line = serde_json::to_string(request.der())?;
        write.write_all(format!("{line}\n").as_bytes()).await.map_err(Error::io(asking))?;
        let mut answer = String::new();
        BufReader::new(read).read_line(&mut answer).await.map_err(Error::io(asking))?;
        serde_json::from_str::<Result<Option<Vec<u8>>, String>>(&answer)?.map_err(Error::Refused)
    };
    let issued = timeout(CONTACT_WITHIN, asked).await.map_err(|_| Error::NoAnswer { address })??;
    issued.map(|der| request.complete(der)).transpose()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[tokio::test]
    async fn factory_certificate_gets_only_its_grant() {
        let authority = Arc::new(Authority::new("authority").unwrap());
        let maker = Authority::new("maker").unwrap();
        let own = authority.issue("provisioning", Validity::current()).unwrap();
        let service = Provisioning::start(&own, &maker, Arc::clone(&authority)).await.unwrap();
        let device = maker.issue("press-1", Validity::current()).unwrap();
        let ask = |identity: Identity| {
            let roots = authority.roots().unwrap();
            async move { ask(service.address, &identity, roots).await }
        };
        let lately = || Period::ending(Utc::now() + TimeDelta::seconds(1), TimeDelta::minutes(1));

        // A certificate of another maker, or one of operation, is no manufacturing certificate.
        for stranger in [Authority::new("another").unwrap().issue("press-1", Validity::current()), {
            authority.issue("press-1", Validity::current())
        }] {
            assert!(ask(stranger.unwrap()).await.is_err());
        }
        assert_eq!(service.last_contact("press-1", lately()), None);

        assert!(ask(device.clone()).await.unwrap().is_none());
        assert!(service.last_contact("press-1", lately()).is_some());
        assert!(service.last_contact("press-2", lately()).is_none());

        service.grant("press-1");
        let issued = ask(device.clone()).await.unwrap().unwrap();
        assert_eq!(issued.common_name(), "press-1");
        let presented = Presented::parse(issued.certificate()).unwrap();
        assert_eq!(presented.issuer, "authority");
        assert_eq!(service.newest("press-1").unwrap().1, issued.certificate().to_vec());
        // Its key is the one that was made with the request.
        assert!(issued.client_config(authority.roots().unwrap()).is_ok());
        assert!(ask(device).await.unwrap().is_none());
    }
}
