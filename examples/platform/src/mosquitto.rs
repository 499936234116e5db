//! The sessions of a Mosquitto, read from its log.
//!
//! The broker must write what happens to its clients, with times in UTC (start it with `TZ=UTC`):
//!
//! ```text
//! log_dest file /var/log/mosquitto/mosquitto.log
//! log_type all
//! connection_messages true
//! log_timestamp_format %Y-%m-%dT%H:%M:%S
//! use_identity_as_username true
//! ```
//!
//! What its log does not say is not answered:
//!
//! - A TLS handshake that was refused has no name and often no reason. It belongs to no client: see
//!   [`MosquittoLog::refused_handshakes`], and compare it with the inventory of certificates.
//! - Times are whole seconds, cut off.
//! - A broker that was killed says no goodbye. Its sessions end when it says that it starts again, for no known reason.
//! - A log that rests may be that of a broker that is gone. After [`MosquittoLog::with_lag`] it covers up to its last line, and
//!   whether a session is up is not known. Keep a client of your own connected whose keep-alive is shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use iot_runbook::fact::Source;
use iot_runbook::probe::vocabulary::mosquitto::{disconnect_reason, refusal_reason};
use iot_runbook::probe::{
    BrokerProbe, Client, ConnectionEvent, ConnectionEventKind, ConnectionLog, ConnectionLogRequest,
    DisconnectReason, Messages, MessagesRequest, ProbeError, RefusalReason, SessionState,
};
use iot_runbook::time::{Clock, Period, saturating_add};

/// What the log says of the end of a session, after the id of its client.
const ENDS: [&str; 5] = [
    " disconnected",
    " closed its connection",
    " has exceeded timeout",
    " already connected",
    " been disconnected",
];

/// For how long events are kept.
const KEPT: TimeDelta = TimeDelta::days(7);

/// Adapter over the log of a Mosquitto.
pub struct MosquittoLog {
    file: PathBuf,
    clock: Arc<dyn Clock>,
    lag: TimeDelta,
    /// Devices whose messages travel in the session of their gateway.
    behind_gateways: BTreeSet<Box<str>>,
    log: Mutex<Log>,
}

impl MosquittoLog {
    /// Reads that file, when it is asked, from where it has read before.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            file: file.into(),
            clock,
            lag: TimeDelta::seconds(30),
            behind_gateways: BTreeSet::new(),
            log: Mutex::default(),
        }
    }

    /// After so long without a line the broker may be gone. Default 30 s.
    #[must_use]
    pub const fn with_lag(mut self, lag: TimeDelta) -> Self {
        self.lag = lag;
        self
    }

    /// These devices have no session of their own.
    #[must_use]
    pub fn with_devices_behind_gateways(mut self, devices: impl IntoIterator<Item = Box<str>>) -> Self {
        self.behind_gateways.extend(devices);
        self
    }

    /// The TLS handshakes and connections that were refused in a period before a client had a name.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn refused_handshakes(&self, period: Period) -> io::Result<Vec<ConnectionEvent>> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.read_on(&self.file, self.clock.now())?;
        Ok(log.refused.iter().filter(|event| period.contains(event.at)).cloned().collect())
    }

    fn answer(&self, name: &str, period: Period) -> io::Result<ConnectionLog> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        log.read_on(&self.file, now)?;
        let is_live = log.last.is_some_and(|last| saturating_add(last, self.lag) >= now);
        // The second of the last line has been read to its end only once it is over.
        let to = if is_live { Some(now) } else { log.last.map(|last| last + TimeDelta::seconds(1)) };
        let from = log.covers_from.unwrap_or(now).max(saturating_add(now, -KEPT));
        let start = period.start().max(from).min(now);
        let end = period.end().min(to.unwrap_or(start)).min(now).max(start);
        let covers = Period::new(start, end).unwrap_or(Period::ending(start, TimeDelta::zero()));
        let history = log.events.get(name).map_or(&[][..], Vec::as_slice);
        let events = history.iter().filter(|event| covers.contains(event.at)).cloned().collect();
        let mut answer = ConnectionLog::new(now, covers).with_events(events);
        answer.at_start = log.state_at(name, start);
        if is_live {
            answer.now = log.state_at(name, saturating_add(now, TimeDelta::seconds(1)));
        }
        if let Some(session) = log.sessions.values().find(|session| *session.name == *name) {
            answer.keep_alive = session.keep_alive;
            answer.last_packet = session.last_packet.filter(|_| answer.now == SessionState::Up);
        }
        Ok(answer)
    }
}

#[async_trait]
impl BrokerProbe for MosquittoLog {
    fn source(&self) -> Source {
        Source::new("mosquitto log")
    }

    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        let name = match &request.client {
            Client::Device(device) if self.behind_gateways.contains(device.as_str()) => return Ok(None),
            Client::Device(device) => device.as_str(),
            Client::Gateway(gateway) => gateway.as_str(),
            _ => return Err(ProbeError::unsupported()),
        };
        let answer = self.answer(name, request.period).map_err(|error| {
            ProbeError::transient("the log of mosquitto cannot be read").with_cause(error)
        })?;
        Ok(Some(answer))
    }

    /// The log has no sample times.
    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

/// What was read so far.
#[derive(Default)]
struct Log {
    /// The file that was read, and how far.
    inode: u64,
    offset: u64,
    /// From when on nothing is missing.
    covers_from: Option<DateTime<Utc>>,
    /// The time of the last line.
    last: Option<DateTime<Utc>>,
    /// Whether the start of the broker was seen: who is not connected then is known to be down.
    saw_start: bool,
    /// The sessions that are up, by the id of the client.
    sessions: BTreeMap<Box<str>, Session>,
    /// The events of each client, by the common name of its certificate, or its id where it has shown none.
    events: BTreeMap<Box<str>, Vec<ConnectionEvent>>,
    refused: Vec<ConnectionEvent>,
    count: u64,
}

struct Session {
    name: Box<str>,
    number: u64,
    keep_alive: Option<TimeDelta>,
    last_packet: Option<DateTime<Utc>>,
    /// It has sent a DISCONNECT.
    said_goodbye: bool,
}

impl Log {
    fn read_on(&mut self, path: &PathBuf, now: DateTime<Utc>) -> io::Result<()> {
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        if found.ino() != self.inode || found.len() < self.offset {
            // Rotated: what was written between the last reading and that is gone, and with it whose session has ended.
            *self = Self { inode: found.ino(), count: self.count, ..Self::default() };
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        // A line is read once it is whole.
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.offset += whole as u64;
        for line in String::from_utf8_lossy(new.get(..whole).unwrap_or_default()).lines() {
            self.take(line);
        }
        let oldest = saturating_add(now, -KEPT);
        self.events.values_mut().for_each(|events| events.retain(|event| event.at >= oldest));
        self.events.retain(|_, events| !events.is_empty());
        self.refused.retain(|event| event.at >= oldest);
        Ok(())
    }

    fn take(&mut self, line: &str) {
        let Some((at, text)) = line.split_once(": ") else { return };
        let Ok(at) = NaiveDateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S") else { return };
        let at = at.and_utc();
        self.covers_from.get_or_insert(at);
        self.last = Some(at);
        if let Some(state) = text.strip_prefix("mosquitto version ") {
            if state.ends_with(" starting") {
                self.saw_start = true;
                self.end_all(at, DisconnectReason::Unspecified, "the broker started again");
            } else if state.ends_with(" terminating") {
                self.end_all(at, DisconnectReason::ServerShuttingDown, text);
            }
        } else if let Some(connected) = text.strip_prefix("New client connected from ") {
            self.connected(at, connected);
        } else if let Some(rest) = text.strip_prefix("Received ") {
            let Some((packet, from)) = rest.split_once(" from ") else { return };
            let Some(id) = self.id_in(from) else { return };
            let Some(session) = self.sessions.get_mut(&id) else { return };
            session.last_packet = Some(at);
            session.said_goodbye |= packet == "DISCONNECT";
        } else if let Some(rest) = text.strip_prefix("Client ") {
            // Before it has a name: a handshake that fails as soon as it is accepted is logged so, and by OpenSSL's words later.
            let is_unnamed = rest.starts_with("connection from ")
                && (rest.contains(" failed: ") || rest.contains(" denied"));
            match self.id_in(rest) {
                _ if is_unnamed => self.refuse(at, text),
                Some(id) => self.ended(at, &id, text),
                None if rest.starts_with("<unknown>") && rest.contains("not authorised") => {
                    self.refuse(at, text);
                }
                None => self.ended_from_before(at, rest, text),
            }
        } else if text.starts_with("OpenSSL Error[0]") {
            self.refuse(at, text);
        } else if let Some(rest) = text.strip_prefix("Sending CONNACK to ") {
            self.acknowledged(at, rest, text);
        }
    }

    /// `127.0.0.1:51320 as press-07 (p2, c1, k60, u'press-07').`
    fn connected(&mut self, at: DateTime<Utc>, text: &str) {
        let Some((_, named)) = text.split_once(" as ") else { return };
        // An id may hold blanks and brackets; what follows it does not.
        let Some((id, settings)) = named.rsplit_once(" (") else { return };
        let settings = settings.trim_end_matches('.').trim_end_matches(')');
        let user = settings.split_once("u'").and_then(|(_, user)| user.strip_suffix('\''));
        let keep_alive = settings.split(", ").find_map(|setting| setting.strip_prefix('k')?.parse().ok());
        let name: Box<str> = user.unwrap_or(id).into();
        if self.sessions.contains_key(id) {
            self.end(at, id, DisconnectReason::DuplicateClientId, "session taken over");
        }
        self.count += 1;
        let session = Session {
            name: name.clone(),
            number: self.count,
            keep_alive: keep_alive.map(TimeDelta::seconds),
            last_packet: Some(at),
            said_goodbye: false,
        };
        self.sessions.insert(id.into(), session);
        let event = ConnectionEvent::accepted(at).with_session(self.count.to_string());
        self.events.entry(name).or_default().push(event);
    }

    fn ended(&mut self, at: DateTime<Utc>, id: &str, text: &str) {
        let said_goodbye = self.sessions.get(id).is_some_and(|session| session.said_goodbye);
        let reason = if said_goodbye { DisconnectReason::ClientInitiated } else { disconnect_reason(text) };
        self.end(at, id, reason, text);
    }

    /// The end of a session that began before the log did.
    fn ended_from_before(&mut self, at: DateTime<Utc>, rest: &str, text: &str) {
        let id = ENDS.iter().find_map(|phrase| rest.split_once(phrase)).map(|(id, _)| id);
        if let Some(id) = id.filter(|_| !self.saw_start) {
            let event = ConnectionEvent::disconnected(at, disconnect_reason(text)).with_text(text);
            self.events.entry(id.into()).or_default().push(event);
        }
    }

    fn end(&mut self, at: DateTime<Utc>, id: &str, reason: DisconnectReason, text: &str) {
        let Some(session) = self.sessions.remove(id) else { return };
        let event = ConnectionEvent::disconnected(at, reason)
            .with_session(session.number.to_string())
            .with_text(text);
        self.events.entry(session.name).or_default().push(event);
    }

    fn end_all(&mut self, at: DateTime<Utc>, reason: DisconnectReason, text: &str) {
        let ids: Vec<Box<str>> = self.sessions.keys().cloned().collect();
        ids.iter().for_each(|id| self.end(at, id, reason, text));
    }

    /// `press-07 (0, 5)`: the second number is the answer.
    fn acknowledged(&mut self, at: DateTime<Utc>, rest: &str, text: &str) {
        let Some((id, answer)) = rest.rsplit_once(" (") else { return };
        let code = answer.trim_end_matches(')').split(", ").nth(1).and_then(|code| code.parse::<u8>().ok());
        let reason = match code {
            None | Some(0) => return,
            Some(1 | 0x84) => RefusalReason::NotSupported,
            Some(2 | 0x85) => RefusalReason::ClientIdRejected,
            Some(3 | 0x88) => RefusalReason::ServerUnavailable,
            Some(4 | 0x86) => RefusalReason::AuthError,
            Some(5 | 0x87) => RefusalReason::Forbidden,
            Some(_) => RefusalReason::Unspecified,
        };
        // By the id that it gave: it was not let in, so nothing else is known of it.
        self.events.entry(id.into()).or_default().push(ConnectionEvent::refused(at, reason).with_text(text));
    }

    fn refuse(&mut self, at: DateTime<Utc>, text: &str) {
        self.refused.push(ConnectionEvent::refused(at, refusal_reason(text)).with_text(text));
    }

    /// The id of a session that is up, at the beginning of a text: it may hold blanks itself.
    fn id_in(&self, text: &str) -> Option<Box<str>> {
        let ends = text.match_indices(' ').map(|(at, _)| at).chain([text.len()]);
        let ids = ends.filter_map(|end| self.sessions.get_key_value(text.get(..end)?));
        ids.map(|(id, _)| id.clone()).next()
    }

    /// Whether a client was connected right before `at`.
    fn state_at(&self, name: &str, at: DateTime<Utc>) -> SessionState {
        let history = self.events.get(name).map_or(&[][..], Vec::as_slice);
        let is_up = |event: &ConnectionEvent| match event.kind {
            ConnectionEventKind::Accepted => Some(true),
            ConnectionEventKind::Disconnected(_) => Some(false),
            _ => None,
        };
        let before = history.iter().rev().filter(|event| event.at < at).find_map(is_up);
        // What began later was not up before, and what ended later was. Old events are forgotten: without any it has not changed.
        let after = history.iter().filter(|event| event.at >= at).find_map(is_up).map(|is_up| !is_up);
        let unchanged = || self.sessions.values().any(|session| *session.name == *name);
        match before.or(after) {
            Some(is_up) => {
                if is_up {
                    SessionState::Up
                } else {
                    SessionState::Down
                }
            }
            None if unchanged() => SessionState::Up,
            None if self.saw_start => SessionState::Down,
            // One that was connected before the log began may be so still.
            None => SessionState::NotKnown,
        }
    }
}
