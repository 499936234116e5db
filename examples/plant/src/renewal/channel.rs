//! The channel between the job and the devices: `{device}/config/desired`, retained, and `{device}/config/reported`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::certificate::{
    message::{Reported, desired_topic, device_of_reported},
    service::{ConfigChannel, PublishRequest, ReportedRequest, ServiceError},
};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    error::{Error, Result},
    task::Task,
};

const REPORTS: &str = "+/config/reported";
const REDIAL_AFTER: Duration = Duration::from_millis(300);
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(3);

/// The job's side of the channel.
pub struct Channel {
    client: AsyncClient,
    heard: Arc<Mutex<Heard>>,
    is_subscribed: watch::Receiver<bool>,
    _listen: Task,
}

#[derive(Default)]
struct Heard {
    /// What each device reported last, and when that came.
    reports: HashMap<String, (DateTime<Utc>, Reported)>,
    /// When something was last published to a device.
    published: HashMap<String, DateTime<Utc>>,
}

impl Channel {
    /// Opens the channel by an MQTT client of its own.
    pub fn open((client, events): (AsyncClient, EventLoop)) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let (subscribed, is_subscribed) = watch::channel(false);
        let listen = listen(client.clone(), events, Arc::clone(&heard), subscribed);
        Self { client, heard, is_subscribed, _listen: Task::spawn(listen) }
    }

    /// Whether reports of devices come in.
    pub fn is_subscribed(&self) -> bool {
        *self.is_subscribed.borrow()
    }

    /// Takes back what is retained for a device.
    ///
    /// # Errors
    /// When the broker does not acknowledge it.
    pub async fn take_back(&self, device: &str) -> Result<()> {
        let topic = desired_topic(device).map_err(|error| Error::Mqtt(error.to_string()))?;
        self.publish_retained(topic, Vec::new()).await?;
        lock(&self.heard).reports.remove(device);
        Ok(())
    }

    async fn publish_retained(&self, topic: String, payload: Vec<u8>) -> Result<()> {
        publish(&self.client, topic, payload, PublishOptions::at_least_once().retained()).await
    }
}

#[async_trait]
impl ConfigChannel for Channel {
    async fn publish(&self, request: &PublishRequest) -> Result<(), ServiceError> {
        let payload = serde_json::to_vec(&request.desired)
            .map_err(|error| ServiceError::refused("the message can't be written").with_cause(error))?;
        lock(&self.heard).published.insert(request.device.to_string(), Utc::now());
        let published = self.publish_retained(request.topic.clone(), payload).await;
        published.map_err(|error| ServiceError::transient("the broker does not take it").with_cause(error))
    }

    async fn reported(&self, request: &ReportedRequest) -> Result<Option<Reported>, ServiceError> {
        let heard = lock(&self.heard);
        let published = heard.published.get(request.device.as_str());
        let latest = heard.reports.get(request.device.as_str());
        // What came before the latest offer is of another one.
        let latest = latest.filter(|(at, _)| published.is_none_or(|published| at >= published));
        Ok(latest.map(|(_, reported)| reported.clone()))
    }
}

/// Publishes, and waits for the broker's acknowledgement.
///
/// # Errors
/// When it does not come in time.
pub async fn publish(
    client: &AsyncClient,
    topic: String,
    payload: Vec<u8>,
    options: PublishOptions,
) -> Result<()> {
    let failed = |why: String| Error::Mqtt(why);
    let notice =
        client.publish_tracked(topic, payload, options).await.map_err(|error| failed(error.to_string()))?;
    let acknowledged = timeout(ACKNOWLEDGED_WITHIN, notice.wait_completion_async()).await;
    acknowledged
        .map_err(|_| Error::TimedOut("an acknowledgement"))?
        .map(drop)
        .map_err(|error| failed(error.to_string()))
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(
    client: AsyncClient,
    mut events: EventLoop,
    heard: Arc<Mutex<Heard>>,
    subscribed: watch::Sender<bool>,
) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // The session is clean each time. A full queue means that a subscription waits in it already.
                client.try_subscribe(REPORTS, QoS::AtLeastOnce).ok();
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                subscribed.send_replace(true);
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let topic = String::from_utf8_lossy(&publish.topic);
                // What is no report is of no use to the job.
                if let (Ok(device), Ok(reported)) =
                    (device_of_reported(&topic), serde_json::from_slice(&publish.payload))
                {
                    lock(&heard).reports.insert(device.to_owned(), (Utc::now(), reported));
                }
            }
            Ok(_) => {}
            Err(_) => {
                subscribed.send_replace(false);
                sleep(REDIAL_AFTER).await;
            }
        }
    }
}
