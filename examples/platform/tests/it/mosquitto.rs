//! Clients that come, go, break off and are refused, at a Mosquitto that wants certificates.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use iot_runbook::probe::{
    BrokerProbe, Client, ConnectionEventKind, ConnectionLog, ConnectionLogRequest, DisconnectReason,
    RefusalReason, SessionState, conformance,
};
use iot_runbook::time::{ManualClock, Period, SystemClock};
use platform::mosquitto::MosquittoLog;
use private::Mosquitto;
use private::mosquitto::Credentials;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// An authority, which signs the broker and its clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, name: &str, not_after: i32) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(not_after, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn broker(&self) -> Credentials {
        let (certificate, key) = self.sign("broker", 2100);
        Credentials::new(self.certificate.pem(), certificate.pem(), key.serialize_pem())
    }
}

/// A connection of a device; dropped it breaks off without a word.
type Session = TlsStream<TcpStream>;

/// Connects with a certificate of that name, which is valid until that year; `None` where the broker ends it.
async fn connect(
    broker: &Mosquitto,
    authority: &Authority,
    name: &str,
    until: i32,
    keep_alive: u8,
) -> Option<Session> {
    let (certificate, key) = authority.sign(name, until);
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key.into())
        .unwrap();
    let stream = TcpStream::connect(("127.0.0.1", broker.port())).await.unwrap();
    let server = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await.ok()?;
    // CONNECT of MQTT 3.1.1, with a clean session; the client id is not the name of the certificate.
    let id = format!("client of {name}");
    let mut packet =
        vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, keep_alive, 0, u8::try_from(id.len()).unwrap()];
    packet.extend(id.as_bytes());
    let mut connect = vec![0x10, u8::try_from(packet.len()).unwrap()];
    connect.extend(packet);
    stream.write_all(&connect).await.ok()?;
    stream.flush().await.ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.ok()?;
    assert_eq!(answer, [0x20, 2, 0, 0], "{name}");
    Some(stream)
}

async fn goodbye(mut session: Session) {
    session.write_all(&[0xe0, 0]).await.unwrap();
    session.flush().await.unwrap();
    session.shutdown().await.ok();
}

fn past() -> Period {
    Period::ending(Utc::now() + TimeDelta::seconds(1), TimeDelta::hours(1))
}

async fn log_of(probe: &MosquittoLog, name: &str) -> ConnectionLog {
    let request = ConnectionLogRequest::new(Client::Device(name.into()), past());
    probe.connection_log(&request).await.unwrap().unwrap()
}

/// The ends in the log of a client, once there are so many.
async fn ends(probe: &MosquittoLog, name: &str, count: usize) -> Vec<DisconnectReason> {
    for _ in 0..300 {
        let log = log_of(probe, name).await;
        let reasons = log.events.iter().filter_map(|event| match event.kind {
            ConnectionEventKind::Disconnected(reason) => Some(reason),
            _ => None,
        });
        let reasons: Vec<_> = reasons.collect();
        if reasons.len() >= count {
            return reasons;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name}: {:?}", log_of(probe, name).await);
}

#[tokio::test]
async fn each_end_of_a_session_has_its_reason() {
    let authority = Authority::new("the plant's");
    let mut broker = Mosquitto::start(&authority.broker()).unwrap();
    let probe =
        MosquittoLog::new(broker.log(), Arc::new(SystemClock)).with_devices_behind_gateways(["plc-1".into()]);
    // Up, with the keep-alive that it asked for.
    let first = connect(&broker, &authority, "press-1", 2100, 60).await.unwrap();
    let log = log_of(&probe, "press-1").await;
    assert_eq!((log.now, log.at_start), (SessionState::Up, SessionState::Down));
    assert_eq!(log.keep_alive, Some(TimeDelta::seconds(60)));
    assert!(log.last_packet.is_some());
    goodbye(first).await;
    assert_eq!(ends(&probe, "press-1", 1).await, [DisconnectReason::ClientInitiated]);
    assert_eq!(log_of(&probe, "press-1").await.now, SessionState::Down);

    drop(connect(&broker, &authority, "press-2", 2100, 60).await.unwrap());
    assert_eq!(ends(&probe, "press-2", 1).await, [DisconnectReason::ConnectionLost]);

    // It is silent for longer than one and a half of its keep-alive.
    let _silent = connect(&broker, &authority, "press-3", 2100, 1).await.unwrap();
    // Another session of the same client takes the place of the first.
    let _taken = connect(&broker, &authority, "press-4", 2100, 60).await.unwrap();
    let _new = connect(&broker, &authority, "press-4", 2100, 60).await.unwrap();
    assert_eq!(ends(&probe, "press-4", 1).await, [DisconnectReason::DuplicateClientId]);
    let log = log_of(&probe, "press-4").await;
    assert_eq!(log.now, SessionState::Up);
    let sessions: Vec<_> = log.events.iter().map(|event| event.session.clone()).collect();
    assert_eq!(sessions.len(), 3, "{log:?}");
    assert_ne!(log.events[0].session, log.events[2].session);
    assert_eq!(ends(&probe, "press-3", 1).await, [DisconnectReason::KeepAliveTimeout]);

    // Who never came is down; who travels with a gateway has no log of its own.
    let log = log_of(&probe, "press-9").await;
    assert_eq!((log.now, log.events.len()), (SessionState::Down, 0));
    let behind = ConnectionLogRequest::new(Client::Device("plc-1".into()), past());
    assert_eq!(probe.connection_log(&behind).await.unwrap(), None);

    broker.restart().unwrap();
    let reasons = ends(&probe, "press-4", 2).await;
    assert_eq!(reasons[1], DisconnectReason::ServerShuttingDown);
    let _last = connect(&broker, &authority, "press-5", 2100, 60).await.unwrap();
    // A broker that was killed says nothing: why its sessions ended is not known.
    broker.crash_and_restart().unwrap();
    assert_eq!(ends(&probe, "press-5", 1).await, [DisconnectReason::Unspecified]);

    let client = Client::Device("press-4".into());
    let now = Utc::now();
    let period = Period::ending(now, TimeDelta::hours(1));
    assert_eq!(conformance::broker(&probe, client, period, now).await, []);
}

#[tokio::test]
async fn a_refused_handshake_is_of_no_client() {
    let (authority, stranger) = (Authority::new("the plant's"), Authority::new("a stranger's"));
    let broker = Mosquitto::start(&authority.broker()).unwrap();
    let probe = MosquittoLog::new(broker.log(), Arc::new(SystemClock));
    assert!(connect(&broker, &authority, "press-1", 2020, 60).await.is_none(), "its certificate has expired");
    // A client that does not trust the broker says so, as OpenSSL does: rustls just goes.
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, stranger.certificate.pem()).unwrap();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-verify_return_error", "-connect", &format!("127.0.0.1:{}", broker.port())]);
    let client = client.arg("-CAfile").arg(trusted).stdin(Stdio::null()).output().unwrap();
    assert!(!client.status.success());
    let mut refused = Vec::new();
    for _ in 0..100 {
        refused = probe.refused_handshakes(past()).unwrap();
        if refused.len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kinds: Vec<_> = refused.iter().map(|event| event.kind).collect();
    let expected = [RefusalReason::TlsError, RefusalReason::ServerCertificateRejected];
    let log = std::fs::read_to_string(broker.log()).unwrap();
    assert_eq!(kinds, expected.map(ConnectionEventKind::Refused), "{log}");
    // Nobody knows whose it was, so no client has it in its log.
    for name in ["press-1", "press-2"] {
        let log = log_of(&probe, name).await;
        assert_eq!((log.now, log.events.len()), (SessionState::Down, 0));
    }
}

/// A log without its broker, to see what is answered when lines are missing.
#[tokio::test]
async fn a_log_that_rests_says_nothing_of_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mosquitto.log");
    let write = |text: &str| {
        let mut log = OpenOptions::new().append(true).create(true).open(&file).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    };
    let at = |seconds: i64| chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
    let clock = Arc::new(ManualClock::new(at(10)));
    let probe = MosquittoLog::new(&file, clock.clone());
    let ask = async |name: &str| {
        let period = Period::new(at(-60), at(600)).unwrap();
        let request = ConnectionLogRequest::new(Client::Gateway(name.into()), period);
        probe.connection_log(&request).await
    };
    assert!(ask("gw-1").await.is_err(), "there is no log");
    // It begins while the broker runs: who is connected already is not known.
    write("2027-01-15T08:00:00: New client connected from 10.0.0.7:5 as gw-1 (p2, c1, k60, u'gw-1').\n");
    write("2027-01-15T08:00:02: New client connected from 10.0.0.8:5 as odd (id) (p2, c0, k0).\n");
    write(
        "2027-01-15T08:00:03: Client gw-7 closed its connection.\n2027-01-15T08:00:04: Client gw-1 has exc",
    );
    let log = ask("gw-1").await.unwrap().unwrap();
    assert_eq!((log.now, log.at_start, log.events.len()), (SessionState::Up, SessionState::Down, 1));
    assert_eq!(log.covers, Period::new(at(0), at(10)).unwrap());
    let log = ask("odd (id)").await.unwrap().unwrap();
    assert_eq!((log.now, log.keep_alive), (SessionState::Up, Some(TimeDelta::zero())));
    let log = ask("gw-7").await.unwrap().unwrap();
    assert_eq!((log.now, log.at_start, log.events.len()), (SessionState::Down, SessionState::Up, 1));
    assert_eq!(ask("gw-8").await.unwrap().unwrap().now, SessionState::NotKnown);
    assert_eq!(probe.refused_handshakes(Period::new(at(0), at(10)).unwrap()).unwrap(), []);
    // The line is whole now.
    write("eeded timeout, disconnecting.\n");
    let log = ask("gw-1").await.unwrap().unwrap();
    assert_eq!((log.now, log.events.len()), (SessionState::Down, 2));
    // The same refusal in the two forms in which it is logged, and one for another reason.
    write(
        "2027-01-15T08:00:04: OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed\n\
         2027-01-15T08:00:04: Client connection from 10.0.0.9 failed: error:0A000086:SSL routines::certificate verify failed.\n\
         2027-01-15T08:00:04: Client connection from 10.0.0.9 denied: max_connections exceeded.\n",
    );
    let refused = probe.refused_handshakes(Period::new(at(0), at(10)).unwrap()).unwrap();
    let kinds: Vec<_> = refused.iter().map(|event| event.kind).collect();
    let expected = [RefusalReason::TlsError, RefusalReason::TlsError, RefusalReason::QuotaExceeded];
    assert_eq!(kinds, expected.map(ConnectionEventKind::Refused));
    // No line for a minute: the broker may be gone.
    clock.set(at(70));
    let log = ask("odd (id)").await.unwrap().unwrap();
    assert_eq!(log.now, SessionState::NotKnown);
    assert_eq!(log.covers, Period::new(at(0), at(5)).unwrap());
    // A new file: what happened in between is lost, and with it who is connected.
    std::fs::remove_file(&file).unwrap();
    write("2027-01-15T08:01:10: Received PINGREQ from odd (id)\n");
    let log = ask("odd (id)").await.unwrap().unwrap();
    assert_eq!((log.now, log.events.len()), (SessionState::NotKnown, 0));
    assert_eq!(log.covers.length(), TimeDelta::zero());
}
