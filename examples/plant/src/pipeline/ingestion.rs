//! The ingestion: a consumer of the topic that validates, deduplicates and writes rows, and commits what it has
//! dealt with.
//!
//! Its decoder expects a payload in every record. One without ends the consumer before it has committed; it is started
//! again where the group left off, and fails at the same record.
//!
//! Its partitions are assigned, not subscribed to: one consumer has nobody to share them with.

use std::{
    collections::HashMap,
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
    stream::{PARTITIONS, Stable, Stream, TOPIC},
    table::Table,
};
use crate::error::{Error, Result};

/// The consumer group.
pub const GROUP: &str = "ingestion";

const POLL: Duration = Duration::from_millis(50);
/// How long a consumer that failed waits before it is started again.
const RESTART_AFTER: Duration = Duration::from_millis(100);
const COMMIT_WITHIN: Duration = Duration::from_secs(2);
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

/// Offsets that the ingestion went past without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The partition.
    pub partition: i32,
    /// The offset that was next to be read.
    pub from: u64,
    /// The offset that was read instead.
    pub to: u64,
}

/// A record at which the consumer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: u64,
    /// Why.
    pub why: String,
}

/// What the ingestion writes down.
#[derive(Debug)]
pub struct Log {
    /// What it went past.
    pub skipped: Kept<Skipped>,
    /// Where it went back, and read again.
    pub rewound: Kept<Skipped>,
    /// Where its consumer ended.
    pub failed: Kept<Failed>,
    /// Rows of a device that came where another row has the same key.
    pub shadowed: Kept<String>,
    /// What does not match the schema.
    pub rejected: Kept<Refused>,
    /// What the database did not take.
    pub unwritten: Kept<Refused>,
    /// What it takes for duplicates.
    pub dedup: Dedup,
}

impl Log {
    /// The offset from which on messages of a partition were read again after a time; the largest where none were.
    pub fn read_again_from(&self, partition: i32, after: DateTime<Utc>) -> u64 {
        let later = self.rewound.iter().filter(|(at, back)| *at > after && back.partition == partition);
        later.map(|(_, back)| back.to).min().unwrap_or(u64::MAX)
    }
}

/// The ingestion, whether its consumer runs or not.
pub struct Ingestion {
    config: ClientConfig,
    shared: Arc<Shared>,
    running: Mutex<Option<Arc<AtomicBool>>>,
}

struct Shared {
    /// Where it reads committed records alone.
    stable: Option<Stable>,
    /// The next offset to be read, by partition.
    next: Mutex<HashMap<i32, u64>>,
    table: Arc<Table>,
    log: Mutex<Log>,
    consumers: AtomicU32,
    is_paused: AtomicBool,
    /// How long each write takes beyond what it takes by itself, in milliseconds.
    slowed: AtomicU64,
    /// A rule of somebody's: rows of this device are passed over.
    passes_over: Mutex<Option<String>>,
    /// Another rule: rows of this device go into the series of this name.
    renames: Mutex<Option<(String, String)>>,
}

impl Ingestion {
    /// Starts the ingestion into `table`. `reads_committed`: of transactions that are open it reads nothing.
    ///
    /// # Errors
    /// When no consumer can be set up.
    pub fn start(stream: &Stream, table: Arc<Table>, dedup: How, reads_committed: bool) -> Result<Self> {
        let log = Log {
            skipped: Kept::new(LOG_KEPT),
            rewound: Kept::new(LOG_KEPT),
            failed: Kept::new(LOG_KEPT),
            shadowed: Kept::new(LOG_KEPT),
            rejected: Kept::new(LOG_KEPT),
            unwritten: Kept::new(LOG_KEPT),
            dedup: Dedup::new(dedup)?,
        };
        let mut config = stream.client();
        config
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20");
        let ingestion = Self {
            config,
            shared: Arc::new(Shared {
                stable: reads_committed.then(|| stream.stable()),
                next: Mutex::default(),
                table,
                log: Mutex::new(log),
                consumers: AtomicU32::new(0),
                is_paused: AtomicBool::new(false),
                slowed: AtomicU64::new(0),
                passes_over: Mutex::default(),
                renames: Mutex::default(),
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
        let mut consumer = Some(consumer(&self.config)?);
        let stopped = Arc::new(AtomicBool::new(false));
        *lock(&self.running) = Some(Arc::clone(&stopped));
        let (shared, config) = (Arc::clone(&self.shared), self.config.clone());
        shared.consumers.fetch_add(1, Ordering::SeqCst);
        thread::Builder::new()
            .name("ingestion".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    if let Some(consumer) = consumer.take() {
                        shared.consume(&consumer, &stopped);
                    } else {
                        thread::sleep(RESTART_AFTER);
                        consumer = self::consumer(&config).ok();
                    }
                }
                shared.consumers.fetch_sub(1, Ordering::SeqCst);
            })
            .map_err(Error::io("starting the ingestion"))?;
        Ok(())
    }

    /// Sets the group's offset on a partition, as an administrator does while no consumer runs.
    ///
    /// # Errors
    /// When Kafka does not take it.
    pub fn set_offset(&self, partition: i32, offset: u64) -> Result<()> {
        let consumer: BaseConsumer = self.config.create()?;
        let mut position = TopicPartitionList::new();
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        position.add_partition_offset(TOPIC, partition, Offset::Offset(offset))?;
        consumer.commit(&position, CommitMode::Sync)?;
        let committed = consumer.committed_offsets(position, COMMIT_WITHIN)?;
        match committed.find_partition(TOPIC, partition).map(|found| found.offset()) {
            Some(Offset::Offset(found)) if found == offset => Ok(()),
            found => Err(Error::Refused(format!("the group's offset is {found:?}, not {offset}"))),
        }
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

    /// Puts a rule in force that writes the rows of a device into a series of another name; or takes it out.
    pub fn rename(&self, rule: Option<(&str, &str)>) {
        *lock(&self.shared.renames) = rule.map(|(device, series)| (device.to_owned(), series.to_owned()));
    }

    /// Has it deduplicate another way from now on, with an empty window.
    ///
    /// # Errors
    /// When the engine refuses its settings.
    pub fn deduplicate(&self, how: How) -> Result<()> {
        self.log().dedup = Dedup::new(how)?;
        Ok(())
    }

    /// Whether it reads committed records alone.
    pub fn reads_committed(&self) -> bool {
        self.shared.stable.is_some()
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

/// A consumer of every partition, from where the group left off.
fn consumer(config: &ClientConfig) -> KafkaResult<BaseConsumer> {
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&assignment()?)?;
    Ok(consumer)
}

fn assignment() -> KafkaResult<TopicPartitionList> {
    let mut topic = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        topic.add_partition_offset(TOPIC, partition, Offset::Stored)?;
    }
    Ok(topic)
}

impl Shared {
    /// Consumes until it is stopped, or fails at a record.
    fn consume(&self, consumer: &BaseConsumer, stopped: &AtomicBool) {
        let Ok(topic) = assignment() else { return };
        let mut was_paused = false;
        while !stopped.load(Ordering::SeqCst) {
            let paused = self.is_paused.load(Ordering::SeqCst);
            if paused != was_paused {
                let turned = if paused { consumer.pause(&topic) } else { consumer.resume(&topic) };
                was_paused = if turned.is_ok() { paused } else { was_paused };
            }
            if let Some(Ok(message)) = consumer.poll(POLL) {
                if !self.wait_until_stable(&message, stopped) {
                    return;
                }
                self.note_position(&message);
                if let Err(why) = self.take(&message) {
                    let (partition, offset) = (message.partition(), message.offset().unsigned_abs());
                    lock(&self.log).failed.enter(Utc::now(), Failed { partition, offset, why });
                    return;
                }
                // What could not be committed is read again after a restart; deduplication is for that.
                consumer.commit_message(&message, CommitMode::Sync).ok();
            }
        }
    }

    /// Waits while the record is at or behind the first of an open transaction. False: it was stopped before.
    fn wait_until_stable(&self, message: &BorrowedMessage<'_>, stopped: &AtomicBool) -> bool {
        let Some(stable) = &self.stable else { return true };
        let is_held = || {
            let open = stable.open(message.partition());
            open.is_some_and(|open| message.offset().unsigned_abs() >= open.first)
        };
        while is_held() {
            if stopped.load(Ordering::SeqCst) {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    fn note_position(&self, message: &BorrowedMessage<'_>) {
        let (partition, to) = (message.partition(), message.offset().unsigned_abs());
        let expected = lock(&self.next).insert(partition, to + 1);
        let Some(from) = expected.filter(|from| *from != to) else { return };
        let mut log = lock(&self.log);
        let entries = if from < to { &mut log.skipped } else { &mut log.rewound };
        entries.enter(Utc::now(), Skipped { partition, from, to });
    }

    /// Deals with a record; an error where the decoder fails.
    fn take(&self, message: &BorrowedMessage<'_>) -> Result<(), String> {
        let device = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
        let payload = message.payload().ok_or("the decoder fails at a record without payload")?;
        thread::sleep(Duration::from_millis(self.slowed.load(Ordering::SeqCst)));
        let now = Utc::now();
        let refused = |why| Refused { device: device.clone(), firmware: firmware_of(payload), why };
        let valid = match validate(payload) {
            Ok(valid) => valid,
            Err(why) => {
                lock(&self.log).rejected.enter(now, refused(why));
                return Ok(());
            }
        };
        let at = DateTime::from_timestamp_micros(valid.at).unwrap_or_default();
        if lock(&self.log).dedup.drops(&valid.id, payload, at, now)
            || lock(&self.passes_over).as_deref() == Some(&valid.device)
        {
            return Ok(());
        }
        let rule = lock(&self.renames).clone();
        let series = rule.filter(|(device, _)| *device == valid.device).map(|(_, series)| series);
        let series = series.as_ref().unwrap_or(&valid.device);
        match self.table.write(series, &valid.device, at, valid.value) {
            Ok(true) => {}
            Ok(false) => lock(&self.log).shadowed.enter(now, device),
            Err(error) => lock(&self.log).unwritten.enter(now, refused(error.to_string())),
        }
        Ok(())
    }
}
