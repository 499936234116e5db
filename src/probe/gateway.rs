//! What a gateway tells of its health, and what it publishes.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::network::PathTried;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, TagId};
use crate::time::Period;

/// Tells facts about a gateway: its process and resources, and the log of what it publishes.
#[async_trait]
pub trait GatewayProbe: Send + Sync {
    /// Who answers, such as `gateway agent`. Make it once and clone it.
    fn source(&self) -> Source;

    /// What is known of the gateway's health now: from its agent, its supervisor, its heartbeats, and by trying
    /// to reach it. A gateway that does not answer is an answer (a path tried in vain), not an error. An answer
    /// may be shared for as long as a heartbeat takes, and never over a restart.
    ///
    /// # Errors
    /// [`ProbeError`] where the adapter itself could not ask.
    async fn health(&self, request: &HealthRequest) -> Result<GatewayHealth, ProbeError>;

    /// What the gateway's MQTT log shows of its publishing in a period. Ask afresh about a period that ends now.
    ///
    /// # Errors
    /// [`ProbeError`] where the log cannot be read; nothing published is an answer.
    async fn publishing(&self, request: &PublishingRequest) -> Result<PublishingLog, ProbeError>;

    /// What the gateway got of a device over a period: its polls, or its subscription, and what it passed on. About a
    /// period that is over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where the gateway keeps no such counters; the default does not answer.
    async fn acquisition(&self, _request: &AcquisitionRequest) -> Result<Acquisition, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn GatewayProbe> = None;

record! {
    /// How is the gateway?
    HealthRequest {
        required {
            /// The gateway.
            gateway: GatewayId,
        }
        optional {}
    }
}

record! {
    /// Facts about a gateway's health. Each one that is `None` is not told; it is never taken for good.
    GatewayHealth {
        required {
            /// When these facts held.
            observed_at: DateTime<Utc>,
        }
        optional {
            /// Whether its process runs.
            process: ProcessState = with_process(process: ProcessState) => process,
            /// When its process last started.
            started_at: Option<DateTime<Utc>> = with_started_at(at: DateTime<Utc>) => Some(at),
            /// The share of its memory in use, from 0 to 1.
            memory: Option<f64> = with_memory(share: f64) => Some(share),
            /// The share of its processor time in use, from 0 to 1.
            cpu: Option<f64> = with_cpu(share: f64) => Some(share),
            /// The share of its disk in use, from 0 to 1.
            disk: Option<f64> = with_disk(share: f64) => Some(share),
            /// When the kernel last killed its process for want of memory.
            last_oom_kill: Option<DateTime<Utc>> = with_last_oom_kill(at: DateTime<Utc>) => Some(at),
            /// When its last heartbeat was received, by the platform's clock.
            last_heartbeat: Option<DateTime<Utc>> = with_last_heartbeat(at: DateTime<Utc>) => Some(at),
            /// The ways on which it was tried to be reached for this answer, such as its agent or SSH.
            paths: Vec<PathTried> = with_paths(paths: Vec<PathTried>) => paths,
        }
    }
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcessState {
    /// Its supervisor says that it runs.
    Running,
    /// Its supervisor says that it does not run.
    NotRunning,
    /// Nobody tells.
    #[default]
    NotTold,
}

record! {
    /// What did the gateway publish in the period?
    PublishingRequest {
        required {
            /// The gateway.
            gateway: GatewayId,
            /// The period in question.
            period: Period,
        }
        optional {}
    }
}

record! {
    /// What a gateway's MQTT log shows of its publishing.
    PublishingLog {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the log is complete for.
            covers: Period,
        }
        optional {
            /// When it last published in the period; `None`: looked, and it did not.
            last_publish: Option<DateTime<Utc>> = with_last_publish(at: DateTime<Utc>) => Some(at),
            /// How many messages it published in the period, where the log counts them.
            published: Option<u64> = with_published(count: u64) => Some(count),
        }
    }
}

record! {
    /// What did the gateway get of the device in the period?
    AcquisitionRequest {
        required {
            /// The gateway.
            gateway: GatewayId,
            /// The device behind it.
            device: DeviceId,
            /// The period in question.
            period: Period,
        }
        optional {
            /// Count the polls of this tag alone; `None`: of all.
            tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        }
    }
}

record! {
    /// What a gateway got of a device over a period. A count that is `None` is not known.
    Acquisition {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the counts are complete for.
            covers: Period,
        }
        optional {
            /// How many polls the schedule of the gateway asks for in the period; `None` where the device is not polled.
            due: Option<u64> = with_due(count: u64) => Some(count),
            /// How many polls it made.
            made: Option<u64> = with_made(count: u64) => Some(count),
            /// How many polls failed: no answer, an error, or an answer with bad quality.
            failed: Option<u64> = with_failed(count: u64) => Some(count),
            /// How many polls were answered, or how many notifications of the subscription came.
            answered: Option<u64> = with_answered(count: u64) => Some(count),
            /// How many of the answers a deadband withheld.
            withheld: Option<u64> = with_withheld(count: u64) => Some(count),
            /// How many of the answers were passed on to the outbox or the MQTT client.
            passed_on: Option<u64> = with_passed_on(count: u64) => Some(count),
            /// Where the device is not polled: for how long of the period its subscription did not live. Zero: it lived
            /// all the time, whatever came.
            subscription_down: Option<TimeDelta> = with_subscription_down(length: TimeDelta) => Some(length),
            /// The last error, for the person who reads the trace.
            error: Option<Box<str>> = with_error(error: impl Into<Box<str>>) => Some(error.into()),
        }
    }
}
