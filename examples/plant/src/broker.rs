//! The MQTT broker, on plain loopback behind the door, and its connection log.
//!
//! A client is who its certificate says: its client id must be the common name that it presented at the door, and
//! its password must be the one that the registry of credentials has.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use mqtt5::{
    broker::{
        AuthProvider, AuthResult, BrokerConfig, BrokerEventHandler, BrokerShutdownHandle, ClientConnectEvent,
        ClientDisconnectEvent, ClientPublishEvent, MqttBroker, PublishAction, StorageBackendType,
        StorageConfig,
    },
    packet::connect::ConnectPacket,
    types::ReasonCode,
};

use crate::{
    door::{Connection, Connections},
    error::{Error, Result},
    task::Task,
};

/// How many events the log keeps.
const LOG_LENGTH: usize = 8192;
/// How many messages the message log keeps.
const MESSAGES_KEPT: usize = 8192;

/// One event in the broker's connection log.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The client id that it is about.
    pub client: String,
    /// The number of the session that began or ended; a CONNECT that was refused has none.
    pub session: Option<u64>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Its CONNECT was accepted.
    Connected,
    /// Its CONNECT was refused.
    Refused(Refusal),
    /// Its session's connection ended.
    Disconnected(Reason),
}

/// Why a CONNECT was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong password, or none.
    BadCredentials,
    /// The access list does not let it in.
    NotAuthorized,
    /// The client id is not the name in the certificate.
    IdentityMismatch,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client said goodbye.
    ClientInitiated,
    /// The connection broke.
    ConnectionLost,
    /// The client was silent for longer than one and a half keep-alives.
    KeepAliveTimeout,
    /// Another connection with the same client id took the session over.
    DuplicateClientId,
    /// The broker ended it: shut down, or an error in the protocol.
    ServerInitiated,
}

/// A message that reached the broker.
#[derive(Clone, Debug)]
pub struct Published {
    /// When, by the broker's clock.
    pub at: DateTime<Utc>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Bytes,
    /// Whether the access list let it through; what it refuses is acknowledged and dropped.
    pub is_allowed: bool,
}

/// The broker with its log.
pub struct Broker {
    book: Arc<Book>,
    address: SocketAddr,
    shutdown: BrokerShutdownHandle,
    _run: Task,
}

impl Broker {
    /// Starts a broker that knows its peers from the door's `connections`.
    ///
    /// # Errors
    /// When it can't listen on loopback.
    pub async fn start(connections: Connections) -> Result<Self> {
        let book = Arc::new(Book { connections, state: Mutex::default() });
        let events: Arc<dyn BrokerEventHandler> = Arc::<Book>::clone(&book);
        let storage = StorageConfig::new().with_backend(StorageBackendType::Memory).with_persistence(false);
        let config = BrokerConfig::new()
            .with_bind_address((Ipv4Addr::LOCALHOST, 0))
            .with_storage(storage)
            .with_sys_topics_enabled(false)
            .with_event_handler(events);
        let access: Arc<dyn AuthProvider> = Arc::<Book>::clone(&book);
        let mut broker = MqttBroker::with_config(config).await?.with_auth_provider(access);
        let address = broker.local_addr().ok_or(Error::TimedOut("the broker"))?;
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let run = Task::spawn(async move {
            // It runs until it is shut down; an end before that shows in every client's session.
            broker.run().await.ok();
        });
        ready.wait_for(|ready| *ready).await.map_err(|_| Error::TimedOut("the broker"))?;
        Ok(Self { book, address, shutdown, _run: run })
    }

    /// Where it listens, for the door alone.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Enters a client and its password.
    pub fn admit(&self, client: &str, password: &str) {
        let mut state = self.book.state();
        state.passwords.insert(client.to_owned(), password.to_owned());
    }

    /// Takes a client off the access list: its next CONNECT is refused.
    pub fn forbid(&self, client: &str) {
        self.book.state().forbidden.insert(client.to_owned());
    }

    /// Puts a client back on the access list.
    pub fn allow(&self, client: &str) {
        self.book.state().forbidden.remove(client);
    }

    /// Takes from a client the right to publish. MQTT 3.1.1 has no refusal of a message: each is acknowledged and
    /// dropped.
    pub fn forbid_publishing(&self, client: &str) {
        self.book.state().muted.insert(client.to_owned());
    }

    /// Gives a client the right to publish again.
    pub fn allow_publishing(&self, client: &str) {
        self.book.state().muted.remove(client);
    }

    /// The log of this client from `since` on, oldest first.
    pub fn events(&self, client: &str, since: DateTime<Utc>) -> Vec<Event> {
        let state = self.book.state();
        state.log.iter().filter(|event| event.client == client && event.at >= since).cloned().collect()
    }

    /// Since when the client's session is up now; none when it is not.
    pub fn session_since(&self, client: &str) -> Option<DateTime<Utc>> {
        let state = self.book.state();
        let live = state.live.get(client)?;
        live.iter().map(|session| session.since).max()
    }

    /// When the client last published something, and its topic.
    pub fn last_publish(&self, client: &str) -> Option<(DateTime<Utc>, String)> {
        self.book.state().last_publish.get(client).cloned()
    }

    /// The messages that came on this topic, were passed on and are kept, oldest first.
    pub fn messages(&self, topic: &str) -> Vec<Published> {
        self.all_messages(topic).into_iter().filter(|message| message.is_allowed).collect()
    }

    /// The same with those that the access list refused.
    pub fn all_messages(&self, topic: &str) -> Vec<Published> {
        let state = self.book.state();
        state.messages.iter().filter(|message| &*message.topic == topic).cloned().collect()
    }

    /// Since when the message log is complete; none while it holds every message since the broker's beginning.
    pub fn messages_cover_from(&self) -> Option<DateTime<Utc>> {
        self.book.state().messages_cover_from
    }

    /// Since when the log is complete; none while it holds every event since the broker's beginning.
    pub fn log_covers_from(&self) -> Option<DateTime<Utc>> {
        self.book.state().covers_from
    }

    /// Shuts the broker down in good order.
    pub fn stop(&self) {
        self.shutdown.shutdown();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What the broker's hooks write down. Each session is known by the number of its connection at the door, which the
/// broker hands back as the session's user id.
struct Book {
    connections: Connections,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    passwords: HashMap<String, String>,
    forbidden: HashSet<String>,
    muted: HashSet<String>,
    log: VecDeque<Event>,
    covers_from: Option<DateTime<Utc>>,
    live: HashMap<String, Vec<Session>>,
    last_publish: HashMap<String, (DateTime<Utc>, String)>,
    messages: VecDeque<Published>,
    messages_cover_from: Option<DateTime<Utc>>,
    admitted: HashMap<u64, Admitted>,
}

/// A session that is up.
struct Session {
    number: u64,
    since: DateTime<Utc>,
}

/// A CONNECT that was let in and whose connection still stands.
struct Admitted {
    connection: Arc<Connection>,
    keep_alive: TimeDelta,
}

impl State {
    fn record(&mut self, client: &str, session: Option<u64>, kind: EventKind) {
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
            self.covers_from = self.log.front().map(|oldest| oldest.at);
        }
        self.log.push_back(Event { at: Utc::now(), client: client.to_owned(), session, kind });
    }

    /// Forgets CONNECTs that were let in long ago and never became a session: no event ends them.
    fn forget_stillborn(&mut self) {
        let long_ago = Utc::now() - TimeDelta::minutes(1);
        self.admitted.retain(|_, admitted| {
            Arc::strong_count(&admitted.connection) > 1 || admitted.connection.last_heard() > long_ago
        });
    }

    fn judge(&self, connect: &ConnectPacket, connection: &Connection) -> Result<(), Refusal> {
        if connection.common_name() != connect.client_id {
            return Err(Refusal::IdentityMismatch);
        }
        if self.forbidden.contains(&connect.client_id) {
            return Err(Refusal::NotAuthorized);
        }
        let known = self.passwords.get(&connect.client_id);
        match (known, &connect.password) {
            (Some(known), Some(given)) if known.as_bytes() == given.as_slice() => Ok(()),
            _ => Err(Refusal::BadCredentials),
        }
    }
}

impl Book {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, connect: &ConnectPacket, peer: SocketAddr) -> AuthResult {
        let Some(connection) = self.connections.behind(peer) else {
            // Not through the door: a stranger on loopback.
            return AuthResult::fail(ReasonCode::NotAuthorized);
        };
        let mut state = self.state();
        match state.judge(connect, &connection) {
            Ok(()) => {
                let number = connection.number();
                let keep_alive = TimeDelta::seconds(i64::from(connect.keep_alive));
                state.forget_stillborn();
                state.admitted.insert(number, Admitted { connection, keep_alive });
                AuthResult::success_with_user(number.to_string())
            }
            Err(refusal) => {
                // By the name in the certificate, which can't be made up.
                state.record(connection.common_name(), None, EventKind::Refused(refusal));
                AuthResult::fail(match refusal {
                    Refusal::BadCredentials => ReasonCode::BadUsernameOrPassword,
                    Refusal::NotAuthorized => ReasonCode::NotAuthorized,
                    Refusal::IdentityMismatch => ReasonCode::ClientIdentifierNotValid,
                })
            }
        }
    }

    fn connected(&self, event: &ClientConnectEvent) {
        let Some(number) = number_of(event.user_id.as_deref()) else {
            return;
        };
        let mut state = self.state();
        state.record(&event.client_id, Some(number), EventKind::Connected);
        let sessions = state.live.entry(event.client_id.to_string()).or_default();
        sessions.push(Session { number, since: Utc::now() });
    }

    fn disconnected(&self, event: &ClientDisconnectEvent) {
        let Some(number) = number_of(event.user_id.as_deref()) else {
            return;
        };
        let mut state = self.state();
        let admitted = state.admitted.remove(&number);
        // Of two connections with one client id the later one has the session.
        let taken_over = state.admitted.iter().any(|(other, admitted)| {
            *other > number && admitted.connection.common_name() == &*event.client_id
        });
        if let Some(sessions) = state.live.get_mut(&*event.client_id) {
            sessions.retain(|session| session.number != number);
            if sessions.is_empty() {
                state.live.remove(&*event.client_id);
            }
        }
        let reason = match admitted {
            _ if !event.unexpected => Reason::ClientInitiated,
            Some(admitted) if admitted.connection.ended_by_peer() => Reason::ConnectionLost,
            _ if taken_over => Reason::DuplicateClientId,
            Some(admitted) if Utc::now() - admitted.connection.last_heard() > admitted.keep_alive => {
                Reason::KeepAliveTimeout
            }
            _ => Reason::ServerInitiated,
        };
        state.record(&event.client_id, Some(number), EventKind::Disconnected(reason));
    }

    /// Enters a message, and decides whether it is passed on.
    fn published(&self, event: &ClientPublishEvent) -> PublishAction {
        let at = Utc::now();
        let mut state = self.state();
        let is_allowed = !state.muted.contains(&*event.client_id);
        if is_allowed {
            state.last_publish.insert(event.client_id.to_string(), (at, event.topic.to_string()));
        }
        if state.messages.len() == MESSAGES_KEPT {
            state.messages.pop_front();
            state.messages_cover_from = state.messages.front().map(|oldest| oldest.at);
        }
        let (topic, payload) = (Arc::clone(&event.topic), event.payload.clone());
        state.messages.push_back(Published { at, topic, payload, is_allowed });
        if is_allowed { PublishAction::Continue } else { PublishAction::Handled }
    }
}

fn number_of(user: Option<&str>) -> Option<u64> {
    user?.parse().ok()
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Book {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        let result = self.judge(connect, client_addr);
        Box::pin(async move { Ok(result) })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        _topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(async { true })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        _topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(async { true })
    }
}

impl BrokerEventHandler for Book {
    fn on_client_connect<'a>(&'a self, event: ClientConnectEvent) -> Answer<'a, ()> {
        self.connected(&event);
        Box::pin(async {})
    }

    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> Answer<'a, PublishAction> {
        let action = self.published(&event);
        Box::pin(async { action })
    }

    fn on_client_disconnect<'a>(&'a self, event: ClientDisconnectEvent) -> Answer<'a, ()> {
        self.disconnected(&event);
        Box::pin(async {})
    }
}
