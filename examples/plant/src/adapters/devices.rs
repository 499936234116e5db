use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{
        DeviceProbe, LastSeenAnswer, LastSeenRequest, MessageKind, ProbeError, Receipt, Receipts,
        ReceiptsRequest, ServiceChange, ServiceHistory, ServiceHistoryRequest, ServiceState,
        ServiceStateAnswer, ServiceStateRequest,
    },
};

use super::{covered, unanswered};
use crate::{
    factory::Factory,
    platform::{self, Registry},
};

/// Devices, as the platform's registry and its subscriber know them.
#[derive(Debug)]
pub struct Devices {
    factory: Arc<Factory>,
    source: Source,
}

impl Devices {
    /// Those of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("platform") }
    }
}

/// The state in which a registry has a device.
pub(super) fn state(
    registry: &Registry,
    request: &ServiceStateRequest,
) -> Result<ServiceStateAnswer, ProbeError> {
    let found = registry.device(request.device.as_str());
    let found = found.map_err(|error| unanswered("the registry", error))?;
    let answer = ServiceStateAnswer::new(Utc::now());
    Ok(match found {
        None => answer,
        Some(registered) => answer.with_state(reported(registered.state)),
    })
}

/// The states of a device over a period, as a registry has them.
pub(super) fn history(
    registry: &Registry,
    request: &ServiceHistoryRequest,
) -> Result<ServiceHistory, ProbeError> {
    let entries = registry.history(request.device.as_str());
    let entries = entries.map_err(|error| unanswered("the registry", error))?;
    let now = Utc::now();
    let covers = covered(request.period, None, now);
    let before = entries.iter().rev().find(|(at, _)| *at <= covers.start());
    let within = entries.iter().filter(|(at, _)| covers.start() < *at && *at < covers.end());
    let changes = within.map(|(at, state)| ServiceChange::new(*at, Some(reported(*state)))).collect();
    let at_start = before.map(|(_, state)| reported(*state));
    Ok(ServiceHistory::new(now, covers, at_start).with_changes(changes))
}

fn reported(state: platform::ServiceState) -> ServiceState {
    match state {
        platform::ServiceState::InService => ServiceState::InService,
        platform::ServiceState::InMaintenance => ServiceState::Maintenance,
        platform::ServiceState::Decommissioned => ServiceState::Decommissioned,
        platform::ServiceState::NeverProvisioned => ServiceState::NeverProvisioned,
    }
}

#[async_trait]
impl DeviceProbe for Devices {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn service_state(&self, request: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        state(self.factory.registry(), request)
    }

    async fn service_history(&self, request: &ServiceHistoryRequest) -> Result<ServiceHistory, ProbeError> {
        history(self.factory.registry(), request)
    }

    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        let last = self.factory.platform().last_seen(request.device.as_str());
        let answer = LastSeenAnswer::new(Utc::now());
        Ok(match last {
            Some(at) => answer.with_last_receipt(at),
            None => answer,
        })
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        let now = Utc::now();
        let receipts = self.factory.platform().receipts(request.device.as_str());
        let covers = covered(request.period, receipts.complete_from, now);
        // What a gateway kept in its outbox looks like any other message, but for the time in it.
        let received = receipts.at.iter().zip(&receipts.made).filter(|(at, _)| covers.contains(**at));
        let messages = received.map(|(at, made)| {
            let message = Receipt::new(*at, MessageKind::Live);
            match made {
                Some(made) => message.with_made_at(*made),
                None => message,
            }
        });
        Ok(Receipts::new(now, covers).with_messages(messages.collect()))
    }
}
