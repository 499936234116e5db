//! The TLS front door: every session with the broker comes through here, and every refused peer is written down.
//!
//! Handshakes run side by side, each with a time limit, so that a silent peer holds up nobody. The certificate that
//! a peer presents is recorded before it is judged: a refusal names its subject, its serial and why.

mod verifier;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        server::{NoServerSessionStorage, danger::ClientCertVerifier},
    },
    server::TlsStream,
};

use self::verifier::{Watched, refusal, verifier_of};
use crate::{
    error::{Error, Result},
    network::{Switch, listen},
    pki::{Authority, Identity, Presented, provider},
    task::Task,
};

/// How long a peer may take for its handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// How many events the log keeps.
const LOG_LENGTH: usize = 4096;

/// Why the door refused a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its time is over.
    Expired,
    /// It is on the revocation list.
    Revoked,
    /// Its time has not come.
    NotYetValid,
    /// Nobody knows its issuer.
    UnknownAuthority,
    /// The peer presented none.
    NoCertificate,
    /// Something else: a broken handshake, a signature that does not fit, a silent peer.
    Other,
}

/// One event in the door's log.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened, by the platform's clock.
    pub at: DateTime<Utc>,
    /// The certificate that the peer presented, if it came so far.
    pub presented: Option<Presented>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A peer was let in, as the connection of this number.
    Accepted(u64),
    /// A peer was refused.
    Refused(Refusal),
    /// The connection of this number ended.
    Closed(u64),
}

/// A connection that was let in: what the broker may know of its peer.
#[derive(Debug)]
pub struct Connection {
    number: u64,
    common_name: String,
    ended_by_peer: AtomicBool,
    last_heard: Mutex<DateTime<Utc>>,
}

impl Connection {
    /// Its number, unique in the life of the door.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The common name of the certificate that its peer presented.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// Whether the peer, or the network before it, ended the connection before the broker did.
    pub fn ended_by_peer(&self) -> bool {
        self.ended_by_peer.load(Ordering::SeqCst)
    }

    /// When the last byte came from the peer.
    pub fn last_heard(&self) -> DateTime<Utc> {
        *self.last_heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections that are let in, by the loopback port from which the door reaches the broker for each.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    by_port: Arc<Mutex<HashMap<u16, Arc<Connection>>>>,
}

impl Connections {
    /// The connection behind this peer address of the broker.
    pub fn behind(&self, peer: SocketAddr) -> Option<Arc<Connection>> {
        self.lock().get(&peer.port()).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u16, Arc<Connection>>> {
        self.by_port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The front door.
pub struct Door {
    shared: Arc<Shared>,
    address: SocketAddr,
    _serve: Task,
}

struct Shared {
    identity: Identity,
    authority: Arc<Authority>,
    verifier: RwLock<Arc<dyn ClientCertVerifier>>,
    connections: Connections,
    broker_host: Switch,
    log: Mutex<VecDeque<Event>>,
    next_number: AtomicU64,
}

impl Door {
    /// Opens a door to `broker`. It presents `identity`, and lets in whom `authority` vouches for.
    ///
    /// # Errors
    /// When no loopback port is to be had, or TLS can't be set up.
    pub async fn open(
        identity: Identity,
        authority: Arc<Authority>,
        connections: Connections,
        broker: SocketAddr,
    ) -> Result<Self> {
        let verifier = RwLock::new(verifier_of(&authority)?);
        let shared = Arc::new(Shared {
            identity,
            authority,
            verifier,
            connections,
            broker_host: Switch::new(),
            log: Mutex::default(),
            next_number: AtomicU64::new(1),
        });
        let listener = listen().await?;
        let address = listener.local_addr().map_err(Error::io("reading the door's address"))?;
        let serve = serve(Arc::clone(&shared), listener, broker);
        Ok(Self { shared, address, _serve: Task::spawn(serve) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The host of the broker: cut, the broker is gone for everybody, though the door still answers.
    pub fn broker_host(&self) -> &Switch {
        &self.shared.broker_host
    }

    /// Takes the authority's revocation list as it is now; live sessions stay.
    ///
    /// # Errors
    /// When the list can't be signed or read.
    pub fn reload_revocations(&self) -> Result<()> {
        let verifier = verifier_of(&self.shared.authority)?;
        *self.shared.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        Ok(())
    }

    /// The events from `since` on whose peer presented a certificate with this common name, oldest first.
    pub fn events(&self, common_name: &str, since: DateTime<Utc>) -> Vec<Event> {
        self.shared
            .log()
            .iter()
            .filter(|event| event.at >= since)
            .filter(|event| {
                event.presented.as_ref().is_some_and(|presented| presented.common_name == common_name)
            })
            .cloned()
            .collect()
    }

    /// The certificate with this common name that was presented last, whether let in or refused, and when.
    pub fn last_presented(&self, common_name: &str) -> Option<(DateTime<Utc>, Presented)> {
        self.shared.log().iter().rev().find_map(|event| {
            let presented = event.presented.as_ref()?;
            let asked = presented.common_name == common_name && !matches!(event.kind, EventKind::Closed(_));
            asked.then(|| (event.at, presented.clone()))
        })
    }

    /// Since when the log is complete; none while it holds every event since the opening of the door.
    pub fn log_covers_from(&self) -> Option<DateTime<Utc>> {
        let log = self.shared.log();
        log.front().filter(|_| log.len() == LOG_LENGTH).map(|oldest| oldest.at)
    }

    /// The whole log that is kept, oldest first.
    pub fn log(&self) -> Vec<Event> {
        self.shared.log().iter().cloned().collect()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn log(&self) -> std::sync::MutexGuard<'_, VecDeque<Event>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, presented: Option<Presented>, kind: EventKind) {
        let mut log = self.log();
        if log.len() == LOG_LENGTH {
            log.pop_front();
        }
        log.push_back(Event { at: Utc::now(), presented, kind });
    }
}

async fn serve(shared: Arc<Shared>, listener: TcpListener, broker: SocketAddr) {
    let mut peers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = peers.join_next() => continue,
        };
        if let Ok((stream, _)) = accepted {
            let shared = Arc::clone(&shared);
            // What became of the peer is in the log.
            peers.spawn(async move { admit(&shared, stream, broker).await.ok() });
        }
    }
}

async fn admit(shared: &Shared, stream: TcpStream, broker: SocketAddr) -> Result<()> {
    let verifier = shared.verifier.read().unwrap_or_else(PoisonError::into_inner).clone();
    let watched = Arc::new(Watched::new(verifier));
    let acceptor = TlsAcceptor::from(server_config(&shared.identity, &watched)?);
    let shaken = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await;
    let presented = watched.presented();
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            shared.record(presented, EventKind::Refused(refusal(&error)));
            return Ok(());
        }
        Err(_) => {
            shared.record(presented, EventKind::Refused(Refusal::Other));
            return Ok(());
        }
    };
    let Some(presented) = presented else {
        shared.record(None, EventKind::Refused(Refusal::NoCertificate));
        return Ok(());
    };
    let connection = Arc::new(Connection {
        number: shared.next_number.fetch_add(1, Ordering::Relaxed),
        common_name: presented.common_name.clone(),
        ended_by_peer: AtomicBool::new(false),
        last_heard: Mutex::new(Utc::now()),
    });
    let accepted = EventKind::Accepted(connection.number);
    shared.record(Some(presented.clone()), accepted);
    let carried = carry(shared, stream, broker, &connection).await;
    let closed = EventKind::Closed(connection.number);
    shared.record(Some(presented), closed);
    carried
}

/// Carries bytes between the peer and the broker until either ends.
///
/// The connection is entered under its port before the broker sees it, so that the broker can always tell its peer.
async fn carry(
    shared: &Shared,
    stream: TlsStream<TcpStream>,
    broker: SocketAddr,
    connection: &Arc<Connection>,
) -> Result<()> {
    if shared.broker_host.is_cut() {
        return Ok(());
    }
    let socket = TcpSocket::new_v4().map_err(Error::io("reaching the broker"))?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(Error::io("reaching the broker"))?;
    let port = socket.local_addr().map_err(Error::io("reaching the broker"))?.port();
    let entry = Entry { connections: &shared.connections, port };
    entry.connections.lock().insert(port, Arc::clone(connection));
    let far = socket.connect(broker).await.map_err(Error::io("reaching the broker"))?;
    let (mut far_read, mut far_write) = far.into_split();
    let (mut near_read, mut near_write) = tokio::io::split(stream);
    let inward = async {
        let ended = pass(&mut near_read, &mut far_write, |_| {
            *connection.last_heard.lock().unwrap_or_else(PoisonError::into_inner) = Utc::now();
        })
        .await;
        // Set before the broker can notice, so that it finds the reason when it looks.
        connection.ended_by_peer.store(true, Ordering::SeqCst);
        ended
    };
    let outward = pass(&mut far_read, &mut near_write, |_| ());
    let ended = tokio::select! {
        biased;
        ended = outward => ended,
        ended = inward => ended,
        () = shared.broker_host.until_cut() => Ok(()),
    };
    // The far side is told first; only then the entry goes.
    drop((far_read, far_write));
    ended.map_err(Error::io("carrying a session"))
}

struct Entry<'a> {
    connections: &'a Connections,
    port: u16,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.port);
    }
}

async fn pass<R, W>(from: &mut R, to: &mut W, heard: impl Fn(usize)) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; 8192];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        heard(read);
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
    }
}

/// One configuration for each connection: its verifier keeps what this one peer presents. Without tickets, as a
/// resumed session would present nothing.
fn server_config(identity: &Identity, watched: &Arc<Watched>) -> Result<Arc<ServerConfig>> {
    let verifier: Arc<dyn ClientCertVerifier> = Arc::<Watched>::clone(watched);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate().clone()], identity.private_key())?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

    use super::*;
    use crate::{line, pki::Validity, wait};

    async fn knock(door: &Door, authority: &Authority, identity: &Identity) {
        let config = identity.client_config(authority.roots().unwrap()).unwrap();
        let stream = TcpStream::connect(door.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        if let Ok(mut stream) = shaken {
            // In TLS 1.3 a client hears of its refusal only when it reads.
            stream.write_all(b"hello\n").await.ok();
            stream.shutdown().await.ok();
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    }

    #[tokio::test]
    async fn refusals_are_logged_in_full() {
        let echo = line::Server::start(|line| async move { Some(line) }).await.unwrap();
        let authority = Arc::new(Authority::new("authority").unwrap());
        let stranger = Authority::new("stranger").unwrap();
        let door = Door::open(
            authority.issue("door", Validity::current()).unwrap(),
            Arc::clone(&authority),
            Connections::default(),
            echo.address(),
        )
        .await
        .unwrap();
        let revoked = authority.issue("revoked", Validity::current()).unwrap();
        authority.revoke(revoked.serial());
        door.reload_revocations().unwrap();

        let cases = [
            (authority.issue("expired", Validity::expired()).unwrap(), Refusal::Expired),
            (authority.issue("early", Validity::not_yet()).unwrap(), Refusal::NotYetValid),
            (revoked, Refusal::Revoked),
            (stranger.issue("stranger", Validity::current()).unwrap(), Refusal::UnknownAuthority),
        ];
        for (identity, reason) in cases {
            knock(&door, &authority, &identity).await;
            let name = identity.common_name();
            wait::until("a refusal in the log", || async {
                !door.events(name, DateTime::UNIX_EPOCH).is_empty()
            })
            .await
            .unwrap();
            let events = door.events(name, DateTime::UNIX_EPOCH);
            assert_eq!(events[0].kind, EventKind::Refused(reason), "{name}");
            let (_, presented) = door.last_presented(name).unwrap();
            assert_eq!(presented.serial, identity.serial());
        }
    }

    #[tokio::test]
    async fn a_silent_peer_holds_up_nobody() {
        let echo = line::Server::start(|line| async move { Some(line) }).await.unwrap();
        let authority = Arc::new(Authority::new("authority").unwrap());
        let door = Door::open(
            authority.issue("door", Validity::current()).unwrap(),
            Arc::clone(&authority),
            Connections::default(),
            echo.address(),
        )
        .await
        .unwrap();
        let _silent = TcpStream::connect(door.address()).await.unwrap();
        let identity = authority.issue("press-1", Validity::current()).unwrap();
        knock(&door, &authority, &identity).await;
        let events = door.events("press-1", DateTime::UNIX_EPOCH);
        assert!(matches!(events[0].kind, EventKind::Accepted(_)));
    }
}
