use std::{sync::Arc, thread::available_parallelism};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{
        Endpoint, FieldPolls, FieldPollsRequest, GatewayHealth, GatewayProbe, HealthRequest, HeartbeatPath,
        PathTried, ProbeError, ProcessState,
    },
};

use super::{covered, unanswered};
use crate::{
    factory::Factory,
    gateway::health::Health,
    supervisor::{How, Status},
};

/// Gateways, as they tell of themselves, and as their supervisors and their heartbeats do.
#[derive(Debug)]
pub struct Gateways {
    factory: Arc<Factory>,
    source: Source,
}

impl Gateways {
    /// Those of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("gateway and its supervisor") }
    }
}

#[async_trait]
impl GatewayProbe for Gateways {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn health(&self, request: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        let id = request.gateway.as_str();
        let host = self.factory.gateway(id).map_err(|error| unanswered("the plant", error))?;
        let (health, process) = tokio::join!(host.health(), host.process());
        let mut facts = GatewayHealth::new(Utc::now()).with_paths(vec![
            PathTried::new(format!("health endpoint of {id}").into(), health.is_ok()),
            PathTried::new(format!("supervisor of {id}").into(), process.is_ok()),
        ]);
        facts = facts.with_heartbeat_path(HeartbeatPath::Session).with_endpoint(match health {
            Ok(_) => Endpoint::Answers,
            Err(_) => Endpoint::SilentSince(host.last_answer()),
        });
        if let Ok(status) = process {
            facts = with_process(facts, &status);
        }
        if let Ok(health) = health {
            facts = with_resources(facts, &health);
        }
        Ok(match self.factory.platform().last_heartbeat(id) {
            Some((at, _)) => facts.with_last_heartbeat(at),
            None => facts,
        })
    }

    async fn field_polls(&self, request: &FieldPollsRequest) -> Result<FieldPolls, ProbeError> {
        let id = request.gateway.as_str();
        let device = request.device.as_str();
        let host = self.factory.gateway(id).map_err(|error| unanswered("the plant", error))?;
        let polls = host.polls(device).await;
        let polls = polls.map_err(|error| unanswered("the gateway's poll counters", error))?;
        let covers = covered(request.period, polls.complete_from, Utc::now());
        let made: Vec<bool> =
            polls.made.iter().filter(|(at, _)| covers.contains(*at)).map(|(_, answered)| *answered).collect();
        let answered = made.iter().filter(|answered| **answered).count() as u64;
        // It stores every answer in its outbox.
        Ok(FieldPolls::new(Utc::now(), covers)
            .with_made(made.len() as u64)
            .with_answered(answered)
            .with_withheld(0)
            .with_passed_on(answered))
    }
}

fn with_process(mut facts: GatewayHealth, status: &Status) -> GatewayHealth {
    facts = facts.with_process(match status.is_running() {
        true => ProcessState::Running,
        false => ProcessState::NotRunning,
    });
    if let Some(at) = status.started_at {
        facts = facts.with_started_at(at);
    }
    match status.last_end {
        Some(end) if end.how == How::OutOfMemory => facts.with_last_oom_kill(end.at),
        _ => facts,
    }
}

fn with_resources(facts: GatewayHealth, health: &Health) -> GatewayHealth {
    let processors = available_parallelism().map_or(1, usize::from) as f64;
    let facts = facts
        .with_memory((health.memory_bytes as f64 / health.memory_budget as f64).min(1.0))
        .with_cpu((f64::from(health.cpu_percent) / 100.0 / processors).clamp(0.0, 1.0));
    match health.disk_free_share {
        Some(free) => facts.with_disk((1.0 - free).clamp(0.0, 1.0)),
        None => facts,
    }
}
