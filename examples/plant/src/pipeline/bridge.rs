//! The bridge between the MQTT broker and Kafka: what it hears it produces, and what Kafka does not take it drops.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, Publish, QoS};
use tokio::{task::JoinSet, time::sleep};

use super::stream::TOPIC;
use crate::{error::Result, task::Task};

const FILTER: &str = "plant/+/+/telemetry";
const REDIAL_AFTER: Duration = Duration::from_millis(200);

/// Dials the MQTT broker anew.
type Dial = Box<dyn Fn() -> Result<(AsyncClient, EventLoop)> + Send + Sync>;

/// The bridge, or what is left of it while it does not run.
pub struct Bridge {
    dial: Dial,
    kafka: ClientConfig,
    running: Mutex<Option<Task>>,
    counts: Arc<Mutex<Counts>>,
}

/// What the bridge did since its first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many messages Kafka took.
    pub bridged: u64,
    /// How many it did not.
    pub dropped: u64,
    /// How often its subscription was granted.
    pub subscribed: u64,
}

impl Bridge {
    /// Starts a bridge.
    ///
    /// # Errors
    /// When no client can be set up.
    pub fn start(dial: Dial, kafka: ClientConfig) -> Result<Self> {
        let bridge = Self { dial, kafka, running: Mutex::default(), counts: Arc::default() };
        bridge.restart()?;
        Ok(bridge)
    }

    /// Kills it. Its session is clean: what is published meanwhile it never hears of.
    pub fn kill(&self) {
        self.running().take();
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When no client can be set up.
    pub fn restart(&self) -> Result<()> {
        let mut kafka = self.kafka.clone();
        let producer: FutureProducer = kafka.set("linger.ms", "0").create()?;
        let (client, events) = (self.dial)()?;
        let carry = carry(client, events, producer, Arc::clone(&self.counts));
        *self.running() = Some(Task::spawn(carry));
        Ok(())
    }

    /// What it did.
    pub fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    fn running(&self) -> MutexGuard<'_, Option<Task>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn carry(
    client: AsyncClient,
    mut events: EventLoop,
    producer: FutureProducer,
    counts: Arc<Mutex<Counts>>,
) {
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                client.try_subscribe(FILTER, QoS::AtLeastOnce).ok();
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => lock(&counts).subscribed += 1,
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                under_way.spawn(produce(publish, producer.clone(), Arc::clone(&counts)));
            }
            Ok(_) => {}
            Err(_) => sleep(REDIAL_AFTER).await,
        }
    }
}

async fn produce(publish: Publish, producer: FutureProducer, counts: Arc<Mutex<Counts>>) {
    let topic = String::from_utf8_lossy(&publish.topic);
    let device = topic.split('/').nth(2).unwrap_or_default();
    let record = FutureRecord::to(TOPIC).key(device).payload(&publish.payload[..]);
    let produced = producer.send(record, Timeout::Never).await;
    let mut counts = lock(&counts);
    match produced {
        Ok(_) => counts.bridged += 1,
        Err(_) => counts.dropped += 1,
    }
}
