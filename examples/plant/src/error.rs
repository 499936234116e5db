//! What can go wrong in the plant.

use std::{io, net::SocketAddr};

/// A result of a part of the plant.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in the plant.
///
/// Faults that were put into the plant on purpose are not errors: they are read from its parts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, a socket or a process could not be used.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// A certificate could not be read.
    #[error("a certificate could not be read: {0}")]
    UnreadableCertificate(String),
    /// A TLS endpoint could not be set up.
    #[error("a TLS endpoint could not be set up")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// A verifier of client certificates could not be set up.
    #[error("a verifier of client certificates could not be set up")]
    Verifier(#[from] tokio_rustls::rustls::server::VerifierBuilderError),
    /// The broker could not be started.
    #[error("the broker could not be started")]
    Broker(#[from] mqtt5::MqttError),
    /// An MQTT client could not be set up, or its request could not be queued.
    #[error("an MQTT client failed: {0}")]
    Mqtt(String),
    /// A database refused.
    #[error("a database refused")]
    Database(#[from] rusqlite::Error),
    /// The Kafka protocol broker, or one of its clients, failed.
    #[error("the Kafka protocol broker failed")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// A part said something that is not in its protocol.
    #[error("a part said something that is not in its protocol")]
    Message(#[from] serde_json::Error),
    /// Nothing answers there.
    #[error("no answer from {address} in time")]
    NoAnswer {
        /// Where the question was sent.
        address: SocketAddr,
    },
    /// Something did not happen in time.
    #[error("waited in vain for {0}")]
    TimedOut(&'static str),
    /// A gateway's process ended before it was ready.
    #[error("the gateway's process ended before it was ready: {0}")]
    NotReady(String),
    /// The plant has no such part.
    #[error("the plant has no {kind} {id:?}")]
    Unknown {
        /// The kind of part.
        kind: &'static str,
        /// The id that was asked for.
        id: String,
    },
    /// The command line asks for something that is not to be had.
    #[error("{0}; see --help")]
    Usage(String),
    /// A runbook can't be used, or a diagnosis can't be run.
    #[error("{0}")]
    Runbook(String),
    /// The limit of open files is too low.
    #[error(
        "the plant opens up to {needed} files and sockets, and may not: raise the limit, as with `ulimit -n 4096`"
    )]
    OpenFiles {
        /// How many it needs.
        needed: usize,
        /// Why it may not.
        source: io::Error,
    },
    /// A scenario file has faults.
    #[error(transparent)]
    ScenarioFile(#[from] crate::scenario_file::Faults),
    /// A part refused an order.
    #[error("refused: {0}")]
    Refused(String),
}

impl Error {
    /// Makes an [`Error::Runbook`] of an error of the library, for `map_err`.
    pub fn runbook(error: impl std::fmt::Display) -> Self {
        Self::Runbook(error.to_string())
    }

    /// Makes an [`Error::Io`] of what was being done, for `map_err`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
