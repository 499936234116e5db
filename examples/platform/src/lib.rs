//! Adapters of the library's traits over services that a platform runs: Redis, PostgreSQL, Mosquitto and Kafka.
//!
//! | file | what |
//! |---|---|
//! | [`redis_store`] | a window that machines share: the library's `DedupStore` |
//! | [`id_only`] | what many run instead, `SET NX` on the id alone, and the log that shows what it costs |
//! | [`story`] | the same messages through both |
//! | [`worker`], [`acts`] | a worker process over cases on PostgreSQL, and acts that are done once |
//! | [`mosquitto`] | the sessions of a broker, by its log: a `BrokerProbe` |
//! | [`kafka`] | a consumer group by its offsets: it feeds the library's `LagMonitor`, a `KafkaProbe` |
//! | [`telemetry`] | samples, and the rows that PostgreSQL refuses: a reader for the library's `SeriesRows` |
//! | [`incidents`] | the incidents of a fleet, its pages and the fleet itself: a `Pager` |
//! | [`link`], [`database`] | connections to Redis and PostgreSQL that come back |

pub mod acts;
pub mod database;
pub mod id_only;
pub mod incidents;
pub mod kafka;
pub mod link;
pub mod mosquitto;
pub mod redis_store;
pub mod story;
pub mod telemetry;
pub mod worker;
