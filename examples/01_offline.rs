//! A device has gone offline: three adapters in memory, and the library finds out why.
//!
//! `cargo run --example 01_offline --features tokio,report`
#[path = "page/page.rs"]
mod page;

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::DiagnosisId;
use iot_runbook::driver::TokioTimer;
use iot_runbook::fact::Source;
use iot_runbook::probe::*;
use iot_runbook::report::Report;
use iot_runbook::time::{Clock as _, SystemClock};
use iot_runbook::{Checks, Diagnosis, Driver, RunbookSet, Subject, Trigger, catalog};
use page::{columns, say};

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// What this platform knows. Yours asks its registry, its broker and its network here.
struct Platform;

#[async_trait]
impl DeviceProbe for Platform {
    fn source(&self) -> Source {
        Source::from_static("registry")
    }
    async fn service_state(&self, _: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        Ok(ServiceStateAnswer::new(now()).with_state(ServiceState::InService))
    }
    async fn last_seen(&self, _: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        Ok(LastSeenAnswer::new(now()).with_last_receipt(now() - TimeDelta::hours(2)))
    }
    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        Ok(Receipts::new(now(), request.period))
    }
}

#[async_trait]
impl BrokerProbe for Platform {
    fn source(&self) -> Source {
        Source::from_static("broker eu-1")
    }
    async fn connection_log(&self, ask: &ConnectionLogRequest) -> Result<Option<ConnectionLog>, ProbeError> {
        Ok(Some(ConnectionLog::new(now(), ask.period).with_now(SessionState::Up)))
    }
    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }
    async fn publishing(&self, ask: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        let (none, others) = (MessageCounts::new(0), MessageCounts::new(40));
        Ok(ClientPublishing::new(now(), ask.period).with_device(none).with_others(others))
    }
}

#[async_trait]
impl NetworkProbe for Platform {
    fn source(&self) -> Source {
        Source::from_static("gateway agent")
    }
    async fn site_paths(&self, _: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        Err(ProbeError::unsupported())
    }
    async fn device_path(&self, _: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        Ok(DevicePath::new(now()).with_port(PortReply::Refused).with_replier(Replier::Device))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // It waits for a device that has just started: two seconds here, and not five minutes.
    let offline = catalog::device_offline()?.threshold("reconnect_within", TimeDelta::seconds(2));
    let runbooks = RunbookSet::new([offline.validate()?, catalog::certificate_expiry()?.validate()?])?;
    let platform = Arc::new(Platform);
    let probes =
        Probes::new().with_device(platform.clone()).with_broker(platform.clone()).with_network(platform);
    let driver = Driver::new(&runbooks, &Checks::builtin(), probes, Arc::new(TokioTimer))?;

    let subject = Subject::device("press-07").with_gateway("gw-2").with_gateway_session();
    let trigger = Trigger::new("offline alert 4711", now());
    let id = DiagnosisId::random(now())?;
    let mut diagnosis = Diagnosis::new(id, &runbooks, "device-offline", subject, trigger, now())?;
    let finding = driver.run(&mut diagnosis).await?;

    // The conclusion and what to do, then why; `diagnosis.trace()` has every record.
    say(Report::of(&diagnosis).to_text(columns().unwrap_or(80)));
    assert_eq!(finding.conclusion(), Some("field-protocol-fault"));
    Ok(())
}
