//! Who watches the topic and its consumer group from outside: how far the group was, and which messages are there.
//!
//! It has the group's id and never joins: committed offsets and watermarks are asked for, and the messages are read
//! by assignment.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use iot_runbook::lag::{Sample, Window};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::{
    ingestion::GROUP,
    kept::Kept,
    stream::{PARTITIONS, Stable, Stream, TOPIC},
};
use crate::error::{Error, Result};

const SAMPLE_EVERY: Duration = Duration::from_millis(100);
const ASK_WITHIN: Duration = Duration::from_secs(2);
const SAMPLES_KEPT: usize = 1024;
const MESSAGES_KEPT: usize = 16_384;

/// A message that stands in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: u64,
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
    /// Where the group reads committed records alone.
    stable: Option<Stable>,
    seen: Mutex<Seen>,
}

struct Seen {
    windows: HashMap<i32, Window>,
    sampled_until: Option<DateTime<Utc>>,
    messages: Kept<Standing>,
    /// When the message at each offset was produced.
    produced: HashMap<(i32, u64), DateTime<Utc>>,
}

impl Monitor {
    /// Begins to watch. `reads_committed`: so does the group.
    ///
    /// # Errors
    /// When no consumer can be set up.
    pub fn start(stream: &Stream, reads_committed: bool) -> Result<Self> {
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
            windows: HashMap::new(),
            sampled_until: None,
            messages: Kept::new(MESSAGES_KEPT),
            produced: HashMap::new(),
        };
        let stable = reads_committed.then(|| stream.stable());
        let shared = Arc::new(Shared { stopped: AtomicBool::new(false), stable, seen: Mutex::new(seen) });
        let watching = Arc::clone(&shared);
        thread::Builder::new()
            .name("lag monitor".to_owned())
            .spawn(move || watching.watch(&consumer))
            .map_err(Error::io("starting the lag monitor"))?;
        Ok(Self { shared })
    }

    /// The window of a partition's samples: the last minute and a half.
    pub fn window(&self, partition: i32) -> Window {
        self.shared.seen().windows.get(&partition).cloned().unwrap_or_default()
    }

    /// The messages of a device that were seen in the topic, those too that it deleted since; and from when on they
    /// are complete.
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
        self.shared.seen().sampled_until
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
            seen.messages.enter(at, Standing { partition, offset, device, payload });
        }
    }

    fn sample(&self, consumer: &BaseConsumer) -> Result<()> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(TOPIC, 0, PARTITIONS - 1);
        let committed = consumer.committed_offsets(asked, ASK_WITHIN)?;
        for partition in 0..PARTITIONS {
            let (low, high) = consumer.fetch_watermarks(TOPIC, partition, ASK_WITHIN)?;
            let committed =
                committed.find_partition(TOPIC, partition).and_then(|found| match found.offset() {
                    Offset::Offset(offset) => u64::try_from(offset).ok(),
                    _ => None,
                });
            let (low, high) = (low.unsigned_abs(), high.unsigned_abs());
            let mut sample = Sample::new(Utc::now(), low, high).with_committed(committed);
            if let Some(stable) = &self.stable {
                sample =
                    sample.with_last_stable_offset(stable.open(partition).map_or(high, |open| open.first));
            }
            self.seen().enter(partition, sample)?;
        }
        self.seen().sampled_until = Some(Utc::now());
        Ok(())
    }
}

impl Seen {
    fn enter(&mut self, partition: i32, mut sample: Sample) -> Result<()> {
        if let Some(oldest) =
            sample.committed.and_then(|committed| self.produced.get(&(partition, committed)))
        {
            sample = sample.with_oldest_at(*oldest);
        }
        let window = match self.windows.entry(partition) {
            Entry::Occupied(window) => window.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Window::new(SAMPLES_KEPT).map_err(|error| Error::Refused(error.to_string()))?)
            }
        };
        window.observe(sample);
        Ok(())
    }
}
