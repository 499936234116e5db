//! The Kafka protocol broker: librdkafka's mock cluster, over real sockets.
//!
//! It speaks the protocol, keeps partitions, groups' offsets and watermarks, and deletes beyond its retention of
//! 5 MiB a partition. It is a mock of the protocol, not Apache Kafka.

use std::fmt;

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

/// The broker.
pub struct Stream {
    /// It hosts the cluster, and produces nothing.
    host: ThreadedProducer<DefaultProducerContext>,
    servers: String,
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
        Ok(Self { host, servers })
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
