//! What is known of a gateway's health, and of its polls in the field.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::network::PathTried;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, TagId};
use crate::time::Period;

/// Reports facts about a gateway: its process, its resources, and what it reads from the devices behind it.
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

    /// What the gateway's polls or its subscription of one device returned in a period: made, answered, withheld,
    /// passed on. Ask afresh about a period that ends now.
    ///
    /// # Errors
    /// [`ProbeError`] where the gateway does not know; the default does not answer. A device that the gateway does not
    /// poll is an answer of zero.
    async fn field_polls(&self, _request: &FieldPollsRequest) -> Result<FieldPolls, ProbeError> {
        Err(ProbeError::unsupported())
    }

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

records! {
    /// How is the gateway?
    #[derive(Eq, Hash)]
    HealthRequest {
        /// The gateway.
        gateway: GatewayId,
    }

    /// Facts about a gateway's health. Each one that is `None` is not known; it is never taken for good.
    GatewayHealth {
        /// When these facts held.
        observed_at: DateTime<Utc>,
        ..
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
        /// How that heartbeat travels.
        heartbeat_path: HeartbeatPath = with_heartbeat_path(path: HeartbeatPath) => path,
        /// Its health endpoint.
        endpoint: Endpoint = with_endpoint(endpoint: Endpoint) => endpoint,
        /// The ways on which it was tried to be reached for this answer, such as its agent or SSH.
        paths: Vec<PathTried> = with_paths(paths: Vec<PathTried>) => paths,
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
    /// Not known.
    #[default]
    NotKnown,
}

/// The health endpoint of a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// It answered when this was looked up.
    Answers,
    /// It has answered nothing since this time; where it never did, since it was first asked.
    SilentSince(DateTime<Utc>),
    /// The gateway has no health endpoint.
    Absent,
    /// Not known.
    #[default]
    NotKnown,
}

/// How a gateway's heartbeat reaches whoever reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeartbeatPath {
    /// Over the MQTT session that is in question: where the session is down, no heartbeat says nothing of the gateway.
    Session,
    /// To its supervisor, by another way than the session.
    Supervisor,
    /// Not known.
    #[default]
    NotKnown,
}

records! {
    /// What do the gateway's polls or its subscription of a device return?
    #[derive(Eq, Hash)]
    FieldPollsRequest {
        /// The gateway.
        gateway: GatewayId,
        /// The device behind it.
        device: DeviceId,
        /// The period in question.
        period: Period,
    }

    /// What the gateway's polls or its subscription of a device returned in a period. Each that is `None` is not known.
    FieldPolls {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the counts are complete for.
        covers: Period,
        ..
        /// False: the connection or session to the device cannot be opened.
        connected: Option<bool> = with_connected(connected: bool) => Some(connected),
        /// The state of the subscription of this device, where it is not polled.
        subscription: Option<Subscription> = with_subscription(state: Subscription) => Some(state),
        /// How many polls were made.
        made: Option<u64> = with_made(count: u64) => Some(count),
        /// How many of them were answered; with a subscription how many notifications came.
        answered: Option<u64> = with_answered(count: u64) => Some(count),
        /// How many of the answers a deadband or a report-by-exception rule withheld.
        withheld: Option<u64> = with_withheld(count: u64) => Some(count),
        /// How many were passed on to the MQTT client or the outbox.
        passed_on: Option<u64> = with_passed_on(count: u64) => Some(count),
        /// The last error, for the person who reads the trace.
        error: Option<Box<str>> = with_error(error: impl Into<Box<str>>) => Some(error.into()),
    }

    /// What did the gateway get of the device in the period?
    #[derive(Eq, Hash)]
    AcquisitionRequest {
        /// The gateway.
        gateway: GatewayId,
        /// The device behind it.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// Count the polls of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// What a gateway got of a device over a period. A count that is `None` is not known.
    Acquisition {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the counts are complete for.
        covers: Period,
        ..
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

/// The state of a subscription in the field, such as an OPC UA subscription or a LoRaWAN session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subscription {
    /// Its keep-alives arrive.
    Alive,
    /// The device or its server does not have it any more.
    Lost,
}
