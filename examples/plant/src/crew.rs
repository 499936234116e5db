//! The plant's people: who approves, who goes and looks, and who is told.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    diagnosis::{Alert, Approval, ApprovalRequest, AskRequest, Reply},
    driver::Operator,
    fact::Value,
};
use tokio::time::sleep;

use crate::{error::Result, factory::Factory, fault::Injected, power, scenario::People, story::Story, wait};

const SHIFT_LEAD: &str = "shift lead";
const ON_SITE: &str = "technician on the site";
/// How long a person takes to read what they are to approve.
const READING: Duration = Duration::from_secs(1);
/// How long it is waited for what somebody on the site did by themselves to show.
const SHOWS_WITHIN: Duration = Duration::from_secs(6);

/// The people of one scenario.
pub struct Crew {
    factory: Arc<Factory>,
    people: People,
    injected: Arc<Vec<Injected>>,
    story: Arc<Story>,
}

impl Crew {
    /// The people of a scenario in which these faults are in the factory.
    pub fn new(
        factory: Arc<Factory>,
        people: People,
        injected: Arc<Vec<Injected>>,
        story: Arc<Story>,
    ) -> Self {
        Self { factory, people, injected, story }
    }

    /// What somebody on the site does while an approval is waited for. Nobody here knows of it; it is only given
    /// the time to show.
    async fn meanwhile(&self, device: &str) -> Result<()> {
        let since = Utc::now();
        let mut done = false;
        for injected in self.injected.iter() {
            done |= injected.meanwhile(&self.factory).await?;
        }
        if done {
            let back = || async { self.factory.platform().last_seen(device).is_some_and(|at| at > since) };
            // Another fault may keep it away; then the approval comes all the same.
            wait::until_within("a device that came back", SHOWS_WITHIN, back).await.ok();
        }
        Ok(())
    }

    /// Looks at the gateway's cabinet: does its process run? Whoever starts it stays until its panel shows the device.
    async fn look_at_gateway(&self, gateway: &str, device: &str) -> Result<bool> {
        let supervisor = self.factory.gateway(gateway)?.supervisor();
        if self.people == People::HandsOn {
            let since = Utc::now();
            supervisor.start().await?;
            let back = || async { self.factory.platform().last_seen(device).is_some_and(|at| at > since) };
            wait::until_within("a device that came back", SHOWS_WITHIN, back).await.ok();
        }
        Ok(supervisor.status().is_running())
    }

    /// Looks at the device's outlet, at the power unit itself.
    async fn look_at_outlet(&self, site: &str, device: &str) -> Result<bool> {
        let unit = self.factory.site(site)?.power_unit().address();
        let (feed, outlet) = tokio::try_join!(power::feed(unit), power::outlet(unit, device))?;
        Ok(feed.supplies() && outlet.breaker_closed && outlet.draw_milliwatts > 0)
    }

    async fn look(&self, request: &AskRequest) -> Result<Option<Value>> {
        let subject = request.subject();
        match request.step() {
            "restarted-by-hand" => {
                let Some(gateway) = &subject.gateway else { return Ok(None) };
                let runs = self.look_at_gateway(gateway.as_str(), subject.device.as_str()).await?;
                Ok(Some(Value::Flag(runs)))
            }
            "power" => {
                let Some(site) = &subject.site else { return Ok(None) };
                let powered = self.look_at_outlet(site.as_str(), subject.device.as_str()).await?;
                Ok(request.domain().find_choice(if powered { "confirmed" } else { "lost" }))
            }
            "site-power" => {
                let Some(site) = &subject.site else { return Ok(None) };
                let unit = self.factory.site(site.as_str())?.power_unit().address();
                let fed = power::feed(unit).await?.supplies();
                Ok(request.domain().find_choice(if fed { "fed" } else { "not-fed" }))
            }
            _ => Ok(None),
        }
    }
}

#[async_trait]
impl Operator for Crew {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        let target = request.target().unwrap_or("it");
        match self.people {
            People::Absent => None,
            People::Declining => Some(request.decline(SHIFT_LEAD, "not during this shift")),
            People::HandsOn => Some(request.decline(SHIFT_LEAD, "we restart gateways by hand")),
            People::Attentive => {
                self.story.tell(format_args!("      {SHIFT_LEAD} reads: {} {target} ...", request.action()));
                // What went wrong on the site is not for this diagnosis to know.
                self.meanwhile(request.subject().device.as_str()).await.ok();
                sleep(READING).await;
                Some(request.grant(SHIFT_LEAD))
            }
        }
    }

    async fn answer(&self, request: &AskRequest) -> Option<Reply> {
        if self.people == People::Absent {
            return None;
        }
        self.story.tell(format_args!("      {ON_SITE} goes and looks ..."));
        sleep(READING).await;
        Some(match self.look(request).await {
            Ok(Some(value)) => Reply::new(value, ON_SITE),
            Ok(None) => Reply::does_not_know(ON_SITE),
            Err(error) => Reply::does_not_know(ON_SITE).with_remark(error.to_string()),
        })
    }

    async fn tell(&self, alert: &Alert) {
        self.story.tell(format_args!("    ! {} alert: {}", alert.severity(), alert.text()));
    }
}
