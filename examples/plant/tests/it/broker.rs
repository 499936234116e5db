//! The broker's connection log: every end and every refusal is told apart.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use plant::{
    broker::{Broker, EventKind, Reason, Refusal},
    door::{Connections, Door},
    mqtt,
    pki::{Authority, Identity, Validity},
    wait,
};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, TlsConfiguration, Transport};

struct Front {
    authority: Arc<Authority>,
    broker: Broker,
    door: Door,
}

impl Front {
    async fn open() -> Self {
        let authority = Arc::new(Authority::new("authority").unwrap());
        let connections = Connections::default();
        let broker = Broker::start(connections.clone()).await.unwrap();
        let identity = authority.issue("door", Validity::current()).unwrap();
        let door = Door::open(identity, Arc::clone(&authority), connections, broker.address());
        Self { door: door.await.unwrap(), authority, broker }
    }

    fn provision(&self, client: &str) -> Identity {
        self.broker.admit(client, "password");
        self.authority.issue(client, Validity::current()).unwrap()
    }

    /// A client whose session is up.
    async fn connect(&self, identity: &Identity) -> (AsyncClient, EventLoop) {
        let roots = self.authority.roots().unwrap();
        let (client, mut events) = mqtt::client(identity, "password", roots, self.door.address()).unwrap();
        while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::ConnAck(_))) {}
        (client, events)
    }

    async fn logs(&self, client: &str, kind: EventKind) {
        wait::until("an event at the broker", || async {
            let events = self.broker.events(client, DateTime::UNIX_EPOCH);
            events.iter().any(|event| event.kind == kind)
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_goodbye_is_client_initiated() {
    let front = Front::open().await;
    let identity = front.provision("press-1");
    let (client, mut events) = front.connect(&identity).await;
    assert!(front.broker.session_since("press-1").is_some());
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
    let ended = EventKind::Disconnected(Reason::ClientInitiated);
    front.logs("press-1", ended).await;
    assert!(front.broker.session_since("press-1").is_none());
}

#[tokio::test]
async fn a_closed_socket_is_a_lost_connection() {
    let front = Front::open().await;
    let identity = front.provision("press-1");
    drop(front.connect(&identity).await);
    let ended = EventKind::Disconnected(Reason::ConnectionLost);
    front.logs("press-1", ended).await;
}

#[tokio::test]
async fn a_silent_client_times_out() {
    let front = Front::open().await;
    let identity = front.provision("press-1");
    // Not polled, it sends no pings.
    let _silent = front.connect(&identity).await;
    let ended = EventKind::Disconnected(Reason::KeepAliveTimeout);
    front.logs("press-1", ended).await;
}

#[tokio::test]
async fn second_client_of_the_same_id_takes_over() {
    let front = Front::open().await;
    let identity = front.provision("press-1");
    let _first = front.connect(&identity).await;
    let _second = front.connect(&identity).await;
    let ended = EventKind::Disconnected(Reason::DuplicateClientId);
    front.logs("press-1", ended).await;
    assert!(front.broker.session_since("press-1").is_some());
}

#[tokio::test]
async fn client_name_must_match_certificate() {
    let front = Front::open().await;
    let identity = front.provision("press-1");
    front.provision("robot-1");
    let address = front.door.address();
    let mut options = MqttOptions::new("robot-1", (address.ip().to_string(), address.port()));
    let roots = front.authority.roots().unwrap();
    let tls = Arc::new(identity.client_config(roots).unwrap());
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)))
        .set_credentials("robot-1", "password");
    let (_client, mut events) = AsyncClient::builder(options).try_build().unwrap();
    assert!(events.poll().await.is_err());
    // Under the name that can't be made up.
    let refused = EventKind::Refused(Refusal::IdentityMismatch);
    front.logs("press-1", refused).await;
    assert!(front.broker.events("robot-1", DateTime::UNIX_EPOCH).is_empty());
}

#[tokio::test]
async fn loopback_stranger_is_refused() {
    let front = Front::open().await;
    front.provision("press-1");
    let address = front.broker.address();
    let mut options = MqttOptions::new("press-1", (address.ip().to_string(), address.port()));
    options.set_credentials("press-1", "password");
    let (_client, mut events) = AsyncClient::builder(options).try_build().unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), events.poll()).await;
    assert!(answer.unwrap().is_err());
    assert!(front.broker.session_since("press-1").is_none());
}
