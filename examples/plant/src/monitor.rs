//! The platform's monitoring of itself: a test client whose messages take the way of every device's.

use std::time::Duration;

use chrono::Utc;
use rumqttc::{ConnectionError, Event, Packet, PublishOptions};
use tokio::time::timeout;

use crate::{
    error::Result,
    factory::{Factory, password},
    mqtt,
    pki::Validity,
    wait,
};

/// The client id of the test client, which is also the device that its messages are about.
pub const CLIENT: &str = "monitor";
const SITE: &str = "platform";
/// How long the broker may take to accept the test client, and then its message.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(2);
/// How long the ingestion may take to store it.
const STORED_WITHIN: Duration = Duration::from_millis(1500);

/// What became of a test client's message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Whether the broker accepted the connection.
    pub connected: bool,
    /// Whether the broker acknowledged the message.
    pub acknowledged: bool,
    /// Whether the ingestion stored it.
    pub stored: bool,
    /// Whether the time for it was over before the broker had answered. Nothing is known of it then.
    pub timed_out: bool,
}

/// Connects a test client, publishes one message, and looks whether it is stored.
///
/// # Errors
/// When the test client can't be made. What the platform does not do is an answer.
pub async fn try_platform(factory: &Factory) -> Result<Trial> {
    let authority = factory.authority();
    let identity = authority.issue(CLIENT, Validity::current())?;
    factory.broker().admit(CLIENT, &password(CLIENT));
    let since = Utc::now();
    let roots = authority.roots()?;
    let (client, mut events) = mqtt::client(&identity, &password(CLIENT), roots, factory.door().address())?;
    let mut trial = Trial::default();
    let topic = mqtt::telemetry(SITE, CLIENT);
    let talk = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    trial.connected = true;
                    let payload = since.to_rfc3339();
                    client.try_publish(topic.clone(), payload, PublishOptions::at_least_once()).ok();
                }
                Ok(Event::Incoming(Packet::PubAck(_))) => {
                    trial.acknowledged = true;
                    return;
                }
                Ok(_) => {}
                // The client has a time limit of its own, which may be over first.
                Err(ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout) => {
                    trial.timed_out = true;
                    return;
                }
                Err(_) => return,
            }
        }
    };
    // A broker that is gone ends the connection at once; one that is slow may be well.
    let timed_out = timeout(ACCEPTED_WITHIN, talk).await.is_err();
    trial.timed_out |= timed_out;
    client.try_disconnect().ok();
    if trial.acknowledged {
        let stored = || async { factory.platform().last_seen(CLIENT).is_some_and(|at| at >= since) };
        trial.stored = wait::until_within("a test message", STORED_WITHIN, stored).await.is_ok();
    }
    Ok(trial)
}
