//! The ingestion: a consumer of the topic that validates, deduplicates and writes rows, and commits what it has
//! dealt with.
//!
//! Its partitions are assigned, not subscribed to: one consumer has nobody to share them with.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaResult,
    message::BorrowedMessage,
};

use super::{
    dedup::{Dedup, How},
    kept::Kept,
    message::{firmware_of, validate},
    stream::{PARTITIONS, Stream, TOPIC},
    table::Table,
};
use crate::error::{Error, Result};

/// The consumer group.
pub const GROUP: &str = "ingestion";

const POLL: Duration = Duration::from_millis(50);
const LOG_KEPT: usize = 8192;

/// A message that was not written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The device.
    pub device: String,
    /// The firmware that it names, where it names one.
    pub firmware: Option<String>,
    /// Why.
    pub why: String,
}

/// What the ingestion writes down.
#[derive(Debug)]
pub struct Log {
    /// What does not match the schema.
    pub rejected: Kept<Refused>,
    /// What the database did not take.
    pub unwritten: Kept<Refused>,
    /// What it takes for duplicates.
    pub dedup: Dedup,
}

/// The ingestion, whether its consumer runs or not.
pub struct Ingestion {
    config: ClientConfig,
    shared: Arc<Shared>,
    running: Mutex<Option<Arc<AtomicBool>>>,
}

struct Shared {
    table: Arc<Table>,
    log: Mutex<Log>,
    consumers: AtomicU32,
    is_paused: AtomicBool,
    /// How long each write takes beyond what it takes by itself, in milliseconds.
    slowed: AtomicU64,
    /// A rule of somebody's: rows of this device are passed over.
    passes_over: Mutex<Option<String>>,
}

impl Ingestion {
    /// Starts the ingestion into `table`.
    ///
    /// # Errors
    /// When no consumer can be set up.
    pub fn start(stream: &Stream, table: Arc<Table>, dedup: How) -> Result<Self> {
        let log =
            Log { rejected: Kept::new(LOG_KEPT), unwritten: Kept::new(LOG_KEPT), dedup: Dedup::new(dedup)? };
        let mut config = stream.client();
        config
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20");
        let ingestion = Self {
            config,
            shared: Arc::new(Shared {
                table,
                log: Mutex::new(log),
                consumers: AtomicU32::new(0),
                is_paused: AtomicBool::new(false),
                slowed: AtomicU64::new(0),
                passes_over: Mutex::default(),
            }),
            running: Mutex::default(),
        };
        ingestion.restart()?;
        Ok(ingestion)
    }

    /// Stops its consumer.
    pub fn stop(&self) {
        if let Some(stopped) = lock(&self.running).take() {
            stopped.store(true, Ordering::SeqCst);
        }
    }

    /// Starts its consumer again, where the group left off.
    ///
    /// # Errors
    /// When no consumer can be set up.
    pub fn restart(&self) -> Result<()> {
        self.stop();
        let consumer: BaseConsumer = self.config.create()?;
        let topic = assignment()?;
        consumer.assign(&topic)?;
        let stopped = Arc::new(AtomicBool::new(false));
        *lock(&self.running) = Some(Arc::clone(&stopped));
        let shared = Arc::clone(&self.shared);
        shared.consumers.fetch_add(1, Ordering::SeqCst);
        thread::Builder::new()
            .name("ingestion".to_owned())
            .spawn(move || {
                shared.consume(&consumer, &topic, &stopped);
                shared.consumers.fetch_sub(1, Ordering::SeqCst);
            })
            .map_err(Error::io("starting the ingestion"))?;
        Ok(())
    }

    /// How many consumers run.
    pub fn consumers(&self) -> u32 {
        self.shared.consumers.load(Ordering::SeqCst)
    }

    /// Pauses its partitions, as a consumer does under back-pressure, or resumes them.
    pub fn pause(&self, paused: bool) {
        self.shared.is_paused.store(paused, Ordering::SeqCst);
    }

    /// Has each write wait so long, as behind a slow query.
    pub fn slow_down(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.shared.slowed.store(millis, Ordering::SeqCst);
    }

    /// Puts a rule in force that passes over the rows of a device, and tells nobody; or takes it out.
    pub fn pass_over(&self, device: Option<&str>) {
        *lock(&self.shared.passes_over) = device.map(str::to_owned);
    }

    /// What it wrote down.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.shared.log)
    }
}

impl Drop for Ingestion {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Ingestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingestion").field("consumers", &self.consumers()).finish_non_exhaustive()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every partition, from where the group left off.
fn assignment() -> KafkaResult<TopicPartitionList> {
    let mut topic = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        topic.add_partition_offset(TOPIC, partition, Offset::Stored)?;
    }
    Ok(topic)
}

impl Shared {
    fn consume(&self, consumer: &BaseConsumer, topic: &TopicPartitionList, stopped: &AtomicBool) {
        let mut was_paused = false;
        while !stopped.load(Ordering::SeqCst) {
            let paused = self.is_paused.load(Ordering::SeqCst);
            if paused != was_paused {
                let turned = if paused { consumer.pause(topic) } else { consumer.resume(topic) };
                was_paused = if turned.is_ok() { paused } else { was_paused };
            }
            if let Some(Ok(message)) = consumer.poll(POLL) {
                self.take(&message);
                // What could not be committed is read again after a restart; deduplication is for that.
                consumer.commit_message(&message, CommitMode::Sync).ok();
            }
        }
    }

    fn take(&self, message: &BorrowedMessage<'_>) {
        let device = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
        let payload = message.payload().unwrap_or_default();
        thread::sleep(Duration::from_millis(self.slowed.load(Ordering::SeqCst)));
        let now = Utc::now();
        let refused = |why| Refused { device: device.clone(), firmware: firmware_of(payload), why };
        let valid = match validate(payload) {
            Ok(valid) => valid,
            Err(why) => return lock(&self.log).rejected.enter(now, refused(why)),
        };
        if lock(&self.log).dedup.drops(&valid.id, payload, now)
            || lock(&self.passes_over).as_deref() == Some(&valid.device)
        {
            return;
        }
        let at = DateTime::from_timestamp_micros(valid.at).unwrap_or_default();
        if let Err(error) = self.table.write(&valid.device, at, valid.value) {
            lock(&self.log).unwritten.enter(now, refused(error.to_string()));
        }
    }
}
