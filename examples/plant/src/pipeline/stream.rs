//! The Kafka protocol broker: librdkafka's mock cluster, over real sockets.
//!
//! It speaks the protocol, keeps partitions, groups' offsets and watermarks, and deletes beyond its retention of
//! 5 MiB a partition. It is a mock of the protocol, not Apache Kafka.
//!
//! It takes transactions of producers, but answers the head as the last stable offset, whatever is open. So the last
//! stable offset is kept here, by the first record of the open transaction, and a consumer that reads committed
//! records asks for it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use rdkafka::{
    ClientConfig,
    producer::{DefaultProducerContext, FutureProducer, FutureRecord, Producer, ThreadedProducer},
    types::{RDKafkaApiKey, RDKafkaRespErr},
    util::Timeout,
};

use crate::error::{Error, Result};

/// The topic of the samples.
pub const TOPIC: &str = "telemetry";
/// How many partitions it has.
pub const PARTITIONS: i32 = 2;
/// How many produce requests are refused at the most, before the refusal is renewed.
const REFUSALS: usize = 512;
/// Who publishes pictures.
pub const CAMERA: &str = "camera-1";
/// In bytes.
const PICTURE: usize = 900_000;

/// Whose transactions are open.
pub const RECIPES: &str = "recipes";
const TRANSACTED_WITHIN: Duration = Duration::from_secs(10);

/// The broker.
pub struct Stream {
    /// It hosts the cluster, and produces nothing.
    host: ThreadedProducer<DefaultProducerContext>,
    servers: String,
    stable: Stable,
    transacting: Mutex<Option<FutureProducer>>,
}

/// The last stable offset of each partition that an open transaction is in.
#[derive(Clone, Debug, Default)]
pub struct Stable(Arc<Mutex<Vec<Open>>>);

/// A transaction that is open on a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The partition.
    pub partition: i32,
    /// The offset of its first record: the last stable offset.
    pub first: u64,
    /// Since when it is open.
    pub since: DateTime<Utc>,
}

impl Stable {
    /// The transaction that is open on a partition; none where every record is stable.
    pub fn open(&self, partition: i32) -> Option<Open> {
        self.lock().iter().find(|open| open.partition == partition).copied()
    }

    fn set(&self, open: Open) {
        let mut all = self.lock();
        all.retain(|other| other.partition != open.partition);
        all.push(open);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Starts the broker, with the topic in it.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn start() -> Result<Self> {
        let host: ThreadedProducer<DefaultProducerContext> =
            ClientConfig::new().set("test.mock.num.brokers", "1").create()?;
        let servers = {
            let cluster = host.client().mock_cluster().ok_or(Error::TimedOut("a Kafka protocol broker"))?;
            cluster.create_topic(TOPIC, PARTITIONS, 1)?;
            cluster.bootstrap_servers()
        };
        Ok(Self { host, servers, stable: Stable::default(), transacting: Mutex::default() })
    }

    /// The last stable offsets.
    pub fn stable(&self) -> Stable {
        self.stable.clone()
    }

    /// Another publisher begins a transaction with a record in this partition, and does not end it. `from`: an offset
    /// that its record does not come before.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn leave_transaction_open(&self, partition: i32, from: u64) -> Result<()> {
        let producer: FutureProducer =
            self.client().set("transactional.id", RECIPES).set("linger.ms", "0").create()?;
        let since = Utc::now();
        // Nobody may read past the record before its offset is known.
        self.stable.set(Open { partition, first: from, since });
        let starting = producer.clone();
        let started = tokio::task::spawn_blocking(move || {
            starting.init_transactions(TRANSACTED_WITHIN)?;
            starting.begin_transaction()
        });
        started.await.map_err(|error| Error::Refused(error.to_string()))??;
        let record = FutureRecord::to(TOPIC).partition(partition).key(RECIPES).payload("{}");
        let sent = producer.send(record, Timeout::Never).await.map_err(|(error, _)| error)?;
        self.stable.set(Open { partition, first: sent.offset.unsigned_abs(), since });
        *self.transacting.lock().unwrap_or_else(PoisonError::into_inner) = Some(producer);
        Ok(())
    }

    /// Aborts the open transaction, as an operator does whose producer is gone.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn abort_transaction(&self) -> Result<()> {
        let open = self.transacting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(producer) = open {
            let aborted = tokio::task::spawn_blocking(move || producer.abort_transaction(TRANSACTED_WITHIN));
            aborted.await.map_err(|error| Error::Refused(error.to_string()))??;
        }
        self.stable.lock().clear();
        Ok(())
    }

    /// Another publisher writes a record without a payload into a partition: a tombstone.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn publish_tombstone(&self, partition: i32) -> Result<()> {
        let producer: FutureProducer = self.client().create()?;
        let record = FutureRecord::<_, [u8]>::to(TOPIC).partition(partition).key(RECIPES);
        producer.send(record, Timeout::Never).await.map_err(|(error, _)| error)?;
        Ok(())
    }

    /// What its clients are configured with.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config
    }

    /// Nobody may produce any more: each request is refused for want of authorization.
    pub fn refuse_produce(&self) {
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        if let Some(cluster) = self.host.client().mock_cluster() {
            cluster.request_errors(RDKafkaApiKey::Produce, &[refusal; REFUSALS]);
        }
    }

    /// Another publisher writes a big message into a partition: a picture. Some of them are more than its retention
    /// keeps.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn publish_picture(&self, partition: i32) -> Result<()> {
        let producer: FutureProducer = self.client().create()?;
        let payload = vec![0_u8; PICTURE];
        let record = FutureRecord::to(TOPIC).partition(partition).key(CAMERA).payload(&payload);
        producer.send(record, Timeout::Never).await.map_err(|(error, _)| error)?;
        Ok(())
    }

    /// Everybody may produce again.
    pub fn allow_produce(&self) {
        if let Some(cluster) = self.host.client().mock_cluster() {
            cluster.clear_request_errors(RDKafkaApiKey::Produce);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("servers", &self.servers).finish_non_exhaustive()
    }
}
