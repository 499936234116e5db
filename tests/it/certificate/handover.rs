//! From `device-offline` into `certificate-expiry`, and back when the device is.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use iot_runbook::certificate::lifecycle::{Event, Origin};
use iot_runbook::diagnosis::Finding;
use iot_runbook::fact::Source;
use iot_runbook::probe::{
    ConnectionEvent, DeviceProbe, LastSeenAnswer, LastSeenRequest, ProbeError, Probes, Receipts,
    ReceiptsRequest, RefusalReason, ServiceStateAnswer, ServiceStateRequest, SessionState,
};
use iot_runbook::time::Clock as _;

use super::lifecycle::{day, with_left};
use super::site::{Act, Site};
use crate::memory::Memory;

/// A device whose certificate ended a day ago, and which the broker refuses since.
struct Plant {
    site: Arc<Site>,
    memory: Arc<Memory>,
}

impl Plant {
    fn new() -> Self {
        let site = Site::new(&with_left(1));
        site.pass(day(2));
        let memory = Memory::new(site.clock.clone());
        let now = site.clock.now();
        memory.set(|facts| {
            facts.last_seen = Some(now - day(1));
            let refused =
                ConnectionEvent::refused(now - TimeDelta::hours(1), RefusalReason::CertificateExpired);
            facts.events = vec![refused];
        });
        Self { site, memory }
    }

    fn probes(&self) -> Probes {
        let (site, memory) = (Arc::clone(&self.site), Arc::clone(&self.memory));
        self.memory.probes().with_device(Arc::new(Sends { site, memory }))
    }

    fn walk(&self) -> Finding {
        self.site.walk("device-offline", self.probes())
    }
}

/// A device that sends each ten seconds from when the broker accepts it.
struct Sends {
    site: Arc<Site>,
    memory: Arc<Memory>,
}

impl Sends {
    fn hear(&self) {
        let Some(at) = self.site.with(|state, _| state.connected) else { return };
        let now = self.site.clock.now();
        self.memory.set(|facts| {
            facts.last_seen = Some(now - TimeDelta::seconds(10));
            facts.events = vec![ConnectionEvent::accepted(at)];
            facts.session = SessionState::Up;
        });
    }
}

#[async_trait]
impl DeviceProbe for Sends {
    fn source(&self) -> Source {
        DeviceProbe::source(&*self.memory)
    }

    async fn service_state(&self, request: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        self.memory.service_state(request).await
    }

    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        self.hear();
        self.memory.last_seen(request).await
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        self.hear();
        let answer = self.memory.receipts(request).await?;
        let Some(from) = self.site.with(|state, _| state.connected) else { return Ok(answer) };
        let each = std::iter::successors(Some(from), |at| Some(*at + TimeDelta::seconds(10)));
        let heard = each.take_while(|at| *at < self.site.clock.now());
        Ok(heard.filter(|at| request.period.contains(*at)).fold(answer, Receipts::with_live))
    }
}

/// How the runbook that was called ended.
fn called(finding: &Finding) -> Option<&str> {
    let [called] = finding.called() else { panic!("{:?}", finding.called()) };
    assert_eq!(&*called.runbook, "certificate-expiry");
    called.conclusion.as_deref()
}

#[test]
fn expired_is_handed_over_and_recovers() {
    let plant = Plant::new();
    plant.site.with(|state, now| {
        state.contact = Some(now - TimeDelta::hours(1));
        state.tell(Event::ProvisioningContact { last: state.contact }, now);
    });
    let finding = plant.walk();
    assert_eq!(finding.conclusion(), Some("certificate-renewed"));
    assert_eq!(called(&finding), Some("re-provisioned"));
    assert_eq!(finding.root_cause(), Some("certificate-expiry"));
    plant.site.with(|state, _| {
        assert_eq!(state.acts, ["re-provision"]);
        assert!(state.alerts.iter().any(|alert| alert.contains("stays offline until it is renewed")));
        assert_eq!(state.machine.origin(), Origin::ReProvisioned);
        assert!(!state.machine.in_recovery() && state.did("/post-mortem"));
    });
    // Asked again, the caller finds it back: no second handover.
    let again = plant.walk();
    assert_eq!((again.conclusion(), again.is_recovered()), (Some("connectivity-flap"), true));
    assert!(again.called().is_empty());
}

#[test]
fn device_that_needs_a_visit_is_handed_over_too() {
    let plant = Plant::new();
    let finding = plant.walk();
    assert_eq!(called(&finding), Some("emergency-certificate-installed"));
    assert!(plant.walk().is_recovered());
}

/// It stays away with a certificate that was loaded: the caller says that there is another cause; the next time it
/// tries again.
#[test]
fn unrecovered_is_handed_over_again() {
    let plant = Plant::new();
    plant.site.with(|state, _| state.visit = Act::NotBack);
    let finding = plant.walk();
    assert_eq!(
        (finding.conclusion(), called(&finding)),
        (Some("renewed-and-silent"), Some("loaded-and-silent"))
    );
    assert!(!finding.is_recovered());
    plant.site.pass(day(9));
    plant.site.with(|state, now| {
        assert!(state.machine.in_recovery());
        state.visit = Act::Works;
        state.contact = Some(now);
        state.tell(Event::ProvisioningContact { last: state.contact }, now);
    });
    let finding = plant.walk();
    assert_eq!(called(&finding), Some("re-provisioned"));
    assert!(plant.walk().is_recovered());
}

/// Where the broker has no word of a refusal, the certificate is found at the end of the walk.
#[test]
fn certificate_is_found_without_a_refusal() {
    let plant = Plant::new();
    plant.memory.set(|facts| facts.events.clear());
    let finding = plant.walk();
    assert_eq!(finding.conclusion(), Some("certificate-renewed"));
    assert_eq!(called(&finding), Some("emergency-certificate-installed"));
}
