use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use iot_runbook::{
    diagnosis::{ActReport, ActRequest},
    driver::Actuator,
    fact::Detail,
};
use tokio::sync::Mutex as AsyncMutex;

use super::recovery;
use crate::factory::{Factory, site::GatewayHost};

/// A device that was heard within this is live: its gateway carries its data now.
const LIVE_WITHIN: TimeDelta = TimeDelta::seconds(2);
const SUPERVISOR: &str = "supervisor of the gateway";
const RESTART: &str = "restart-gateway";

/// Restarts gateways, where that takes nothing away from anyone, and brings back whose certificate has expired.
#[derive(Debug)]
pub struct Restart {
    factory: Arc<Factory>,
    /// What became of each act, by its idempotency key: one that comes again is not done again.
    reports: Mutex<HashMap<String, ActReport>>,
    /// Held while acting, so that the same act cannot be under way twice.
    acting: AsyncMutex<()>,
}

impl Restart {
    /// An actuator for this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), reports: Mutex::default(), acting: AsyncMutex::default() }
    }

    fn reported(&self, key: &str) -> Option<ActReport> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    async fn restart(&self, gateway: &str, device: &str) -> ActReport {
        let host = match self.factory.gateway(gateway) {
            Ok(host) => host,
            Err(error) => return ActReport::refused(SUPERVISOR, error.to_string()),
        };
        let safe = match self.is_safe(host, device).await {
            Ok(safe) => safe,
            Err(why) => return ActReport::refused(SUPERVISOR, why),
        };
        match host.restart().await {
            Ok(()) => ActReport::done(SUPERVISOR).with_details([Detail::new("safe because", safe)]),
            Err(error) => ActReport::failed(SUPERVISOR, error.to_string()),
        }
    }

    /// Why a restart takes nothing away from anyone; or else what it would.
    async fn is_safe(&self, host: &GatewayHost, device: &str) -> Result<String, String> {
        let live = self.live_behind(host.id(), device)?;
        if !live.is_empty() {
            return Err(format!("other devices are live behind {}: {}", host.id(), live.join(", ")));
        }
        let (process, outbox) = tokio::join!(host.process(), host.outbox());
        let outbox = match (process, outbox) {
            (Ok(status), Ok(outbox)) if status.is_running() && outbox.unsent > 0 => {
                return Err(format!("{} runs, and {} messages wait in its outbox", host.id(), outbox.unsent));
            }
            (_, Ok(outbox)) => format!("{} messages wait in its outbox, on disk", outbox.unsent),
            // What is in an outbox is on disk, and outlives a restart whether it can be counted or not.
            (_, Err(error)) => format!("its outbox is on disk, and cannot be counted ({error})"),
        };
        Ok(format!("no other device is live behind it; {outbox}"))
    }

    fn live_behind(&self, gateway: &str, but: &str) -> Result<Vec<String>, String> {
        let devices = self.factory.registry().behind(gateway).map_err(|error| error.to_string())?;
        let now = Utc::now();
        let live = devices.into_iter().filter(|device| device != but).filter_map(|device| {
            let age = now - self.factory.platform().last_seen(&device)?;
            (age < LIVE_WITHIN).then(|| format!("{device} ({:.1} s ago)", age.as_seconds_f64()))
        });
        Ok(live.collect())
    }
}

#[async_trait]
impl Actuator for Restart {
    async fn act(&self, request: &ActRequest) -> ActReport {
        let key = request.idempotency_key();
        let _acting = self.acting.lock().await;
        if let Some(report) = self.reported(&key) {
            return report;
        }
        let subject = request.subject();
        let device = subject.device.as_str();
        let report = match (request.action(), request.target()) {
            (RESTART, Some(gateway)) => self.restart(gateway, device).await,
            (recovery::RE_PROVISION, _) => recovery::re_provision(&self.factory, device).await,
            (recovery::OPEN_FOLLOW_UP, _) => recovery::open_follow_up(&self.factory, device),
            (recovery::LOAD_EMERGENCY, _) => recovery::load_emergency(&self.factory, device),
            (recovery::RESTART_HOLDER, _) => match recovery::holder(&self.factory, device) {
                Ok(recovery::Holder::Gateway(gateway)) => self.restart(&gateway, device).await,
                Ok(recovery::Holder::Device { gateway }) => {
                    recovery::restart_client(&self.factory, &gateway, device).await
                }
                Err(error) => ActReport::refused("plant", error.to_string()),
            },
            (action, _) => ActReport::refused("plant", format!("nothing here can do {action}")),
        };
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.insert(key, report.clone());
        report
    }
}
