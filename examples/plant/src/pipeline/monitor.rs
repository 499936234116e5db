//! Who watches the topic and its consumer group from outside: how far the group was, and which messages are there.
//!
//! It has the group's id and never joins: committed offsets and watermarks are asked for, and the messages are read
//! by assignment.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::time::Period;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};

use super::{
    ingestion::GROUP,
    kept::{Extract, Kept},
    stream::{PARTITIONS, Stream, TOPIC},
};
use crate::error::{Error, Result};

const SAMPLE_EVERY: Duration = Duration::from_millis(100);
const ASK_WITHIN: Duration = Duration::from_secs(2);
const SAMPLES_KEPT: usize = 4096;
const MESSAGES_KEPT: usize = 16_384;

/// One partition at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagSample {
    /// The partition.
    pub partition: i32,
    /// The oldest offset that is still kept.
    pub low: u64,
    /// The offset that the next message will get.
    pub high: u64,
    /// The offset that the group committed; none where it never did.
    pub committed: Option<u64>,
    /// How old the message at the committed offset is; none where that is not known.
    pub age: Option<TimeDelta>,
}

/// A message that stands in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its partition.
    pub partition: i32,
    /// Its key: the device.
    pub device: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// The monitor.
pub struct Monitor {
    shared: Arc<Shared>,
}

struct Shared {
    stopped: AtomicBool,
    seen: Mutex<Seen>,
}

struct Seen {
    samples: Kept<LagSample>,
    messages: Kept<Standing>,
    /// When the message at each offset was produced.
    produced: HashMap<(i32, u64), DateTime<Utc>>,
}

impl Monitor {
    /// Begins to watch.
    ///
    /// # Errors
    /// When no consumer can be set up.
    pub fn start(stream: &Stream) -> Result<Self> {
        let consumer: BaseConsumer = stream
            .client()
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "50")
            .create()?;
        let mut topic = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            topic.add_partition_offset(TOPIC, partition, Offset::Beginning)?;
        }
        consumer.assign(&topic)?;
        let seen = Seen {
            samples: Kept::new(SAMPLES_KEPT),
            messages: Kept::new(MESSAGES_KEPT),
            produced: HashMap::new(),
        };
        let shared = Arc::new(Shared { stopped: AtomicBool::new(false), seen: Mutex::new(seen) });
        let watching = Arc::clone(&shared);
        thread::Builder::new()
            .name("lag monitor".to_owned())
            .spawn(move || watching.watch(&consumer))
            .map_err(Error::io("starting the lag monitor"))?;
        Ok(Self { shared })
    }

    /// The samples of a period.
    pub fn samples(&self, period: Period) -> Extract<LagSample> {
        self.shared.seen().samples.extract(period)
    }

    /// The messages of a device that were seen in the topic, those too that it deleted since, and from when on they are complete.
    pub fn messages(&self, device: &str) -> (Vec<Standing>, Option<DateTime<Utc>>) {
        let seen = self.shared.seen();
        let of_device = seen.messages.iter().filter(|(_, message)| message.device == device);
        (of_device.map(|(_, message)| message.clone()).collect(), seen.messages.complete_from())
    }

    /// How many messages of a device were seen in the topic.
    pub fn count(&self, device: &str) -> usize {
        self.shared.seen().messages.iter().filter(|(_, message)| message.device == device).count()
    }

    /// When the last sample was taken.
    pub fn sampled_until(&self) -> Option<DateTime<Utc>> {
        self.shared.seen().samples.iter().last().map(|(at, _)| *at)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, consumer: &BaseConsumer) {
        while !self.stopped.load(Ordering::SeqCst) {
            self.read(consumer);
            // A sample that could not be taken is missing, and is never made up.
            self.sample(consumer).ok();
        }
    }

    /// Reads what was produced since, for as long as lies between two samples.
    fn read(&self, consumer: &BaseConsumer) {
        let until = Utc::now() + SAMPLE_EVERY;
        while let Ok(left) = (until - Utc::now()).to_std() {
            let Some(Ok(message)) = consumer.poll(left) else { continue };
            let (partition, offset) = (message.partition(), message.offset().unsigned_abs());
            let at = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
            let at = at.unwrap_or_else(Utc::now);
            let device = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let payload = message.payload().unwrap_or_default().to_vec();
            let mut seen = self.seen();
            seen.produced.insert((partition, offset), at);
            seen.messages.enter(at, Standing { partition, device, payload });
        }
    }

    fn sample(&self, consumer: &BaseConsumer) -> KafkaResult<()> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(TOPIC, 0, PARTITIONS - 1);
        let committed = consumer.committed_offsets(asked, ASK_WITHIN)?;
        for partition in 0..PARTITIONS {
            let (low, high) = consumer.fetch_watermarks(TOPIC, partition, ASK_WITHIN)?;
            let (low, high) = (low.unsigned_abs(), high.unsigned_abs());
            let committed = match committed.find_partition(TOPIC, partition).map(|found| found.offset()) {
                Some(Offset::Offset(offset)) => Some(offset.unsigned_abs()),
                _ => None,
            };
            let now = Utc::now();
            let mut seen = self.seen();
            let age = match committed {
                Some(committed) if committed >= high => Some(TimeDelta::zero()),
                Some(committed) => {
                    seen.produced.get(&(partition, committed)).map(|at| (now - *at).max(TimeDelta::zero()))
                }
                None => None,
            };
            seen.samples.enter(now, LagSample { partition, low, high, committed, age });
        }
        Ok(())
    }
}
