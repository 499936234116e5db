//! Tests of an adapter against the rules of its trait, for the adapter's own tests.
//!
//! Each function asks every question of a trait once, of a real or a simulated system, and lists what breaks the
//! rules. An adapter's error breaks none: which error is right, only its author can say.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use chrono::{DateTime, TimeDelta};
//! use iot_runbook::fact::Source;
//! use iot_runbook::probe::conformance::{self, Rule};
//! use iot_runbook::probe::{PowerFacts, PowerProbe, PowerRequest, ProbeError};
//!
//! struct AheadOfItsTime;
//!
//! #[async_trait]
//! impl PowerProbe for AheadOfItsTime {
//!     fn source(&self) -> Source {
//!         Source::new("power unit")
//!     }
//!
//!     async fn power(&self, _: &PowerRequest) -> Result<PowerFacts, ProbeError> {
//!         Ok(PowerFacts::new(DateTime::UNIX_EPOCH + TimeDelta::hours(2)))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
//! let violations = conformance::power(&AheadOfItsTime, "press-07", now).await;
//! assert_eq!(violations.len(), 1);
//! assert_eq!(violations[0].rule, Rule::Future);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod deadband_audit;
mod found;
mod pipeline;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::subject::{DeviceId, GatewayId, SiteId};
use crate::time::Period;
use found::Found;

pub use pipeline::{deadband, dedup_log, edge_buffer, kafka, schema, telemetry};

/// What an answer did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The method that answered.
    pub method: &'static str,
    /// The rule that the answer breaks.
    pub rule: Rule,
    /// What is wrong with it, with the values.
    pub text: String,
}

/// The rules that an answer can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A fact is more than 30 s in the future.
    Future,
    /// An event or a fact lies outside of the period that was asked for, or that the answer says to cover.
    Outside,
    /// A log says to cover what was not asked: more than 30 s beyond the present.
    Covers,
    /// Shares, counts or lengths that cannot be.
    Number,
    /// Two facts of one answer, or two answers, contradict each other.
    Contradiction,
    /// The source has no name, or a new one each time.
    Source,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.method, self.text)
    }
}

/// Asks `probe` about a device, with its receipts of `period`.
pub async fn device(
    probe: &dyn DeviceProbe,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let device = device.into();
    let mut found = Found::of(|| probe.source(), now);
    let asked = ServiceStateRequest::new(device.clone());
    found.answer("service_state", probe.service_state(&asked).await);
    let asked = LastSeenRequest::new(device.clone());
    if let Some(answer) = found.answer("last_seen", probe.last_seen(&asked).await) {
        found.all_at("last_receipt", answer.last_receipt);
        for other in answer.others {
            found.at("others", other.at);
            if other.kind == MessageKind::Live {
                found.add(Rule::Contradiction, "a live message is among the others");
            }
        }
    }
    let asked = ServiceHistoryRequest::new(device.clone(), period);
    if let Some(answer) = found.answer("service_history", probe.service_history(&asked).await) {
        found.covers(answer.covers);
        for change in &answer.changes {
            found.within("change", Some(change.at), answer.covers);
        }
    }
    let asked = SightingsRequest::new(device.clone(), period);
    if let Some(answer) = found.answer("sightings", probe.sightings(&asked).await) {
        for sighting in &answer.sightings {
            found.within("sighting", Some(sighting.at), period);
        }
    }
    let asked = ReceiptsRequest::new(device, period);
    if let Some(answer) = found.answer("receipts", probe.receipts(&asked).await) {
        found.covers(answer.covers);
        for message in answer.messages {
            found.within("message", Some(message.at), period);
        }
    }
    found.violations
}

/// Asks `probe` for the log of a client over `period`, and, of a device, for its messages.
pub async fn broker(
    probe: &dyn BrokerProbe,
    client: Client,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = ConnectionLogRequest::new(client.clone(), period);
    if let Some(Some(log)) = found.answer("connection_log", probe.connection_log(&asked).await) {
        found.covers(log.covers);
        for event in &log.events {
            found.within("event", Some(event.at), period);
            found.within("event", Some(event.at), log.covers);
        }
        found.all_at("last_packet", log.last_packet);
        if log.keep_alive.is_some_and(|length| length < TimeDelta::zero()) {
            found.add(Rule::Number, "the keep-alive is negative");
        }
    }
    let asked = ClockRequest::new(client.clone(), period);
    if let Some(readings) = found.answer("clock_readings", probe.clock_readings(&asked).await) {
        for reading in readings.readings {
            found.within("reading", Some(reading.at), period);
        }
    }
    let asked = TogetherRequest::new(now, TimeDelta::minutes(1), client.clone());
    if let Some(together) = found.answer("disconnected_together", probe.disconnected_together(&asked).await) {
        found.part("lost", together.lost, together.connected);
    }
    if let Client::Device(device) = &client {
        let asked = MessagesRequest::new(device.clone(), period);
        if let Some(answer) = found.answer("messages", probe.messages(&asked).await) {
            found.messages(&answer);
        }
        let asked = PublishingRequest::new(client.clone(), device.clone(), period);
        if let Some(answer) = found.answer("publishing", probe.publishing(&asked).await) {
            found.publishing(&answer, period);
        }
    }
    found.violations
}

/// Asks `probe` about a gateway, with its polls of `device` in `period`.
pub async fn gateway(
    probe: &dyn GatewayProbe,
    gateway: impl Into<GatewayId>,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let gateway = gateway.into();
    let mut found = Found::of(|| probe.source(), now);
    let asked = HealthRequest::new(gateway.clone());
    if let Some(facts) = found.answer("health", probe.health(&asked).await) {
        for (name, at) in [
            ("started_at", facts.started_at),
            ("last_oom_kill", facts.last_oom_kill),
            ("last_heartbeat", facts.last_heartbeat),
        ] {
            found.all_at(name, at);
        }
        for (name, share) in [("memory", facts.memory), ("cpu", facts.cpu), ("disk", facts.disk)] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                found.add(Rule::Number, format!("{name} of {share} is no share from 0 to 1"));
            }
        }
    }
    let device = device.into();
    let asked = AcquisitionRequest::new(gateway.clone(), device.clone(), period);
    if let Some(got) = found.answer("acquisition", probe.acquisition(&asked).await) {
        found.covers(got.covers);
        let given = got.withheld.unwrap_or_default().saturating_add(got.passed_on.unwrap_or_default());
        found.part("failed", got.failed, got.made);
        // What is not polled has notifications, and no polls.
        found.part("answered", got.answered, got.made);
        found.part("withheld and passed on", given, got.answered);
        if got.subscription_down.is_some_and(|down| down < TimeDelta::zero() || down > period.length()) {
            let text = "subscription_down must be a length of time within the period";
            found.add(Rule::Number, text);
        }
    }
    let asked = FieldPollsRequest::new(gateway, device, period);
    if let Some(polls) = found.answer("field_polls", probe.field_polls(&asked).await) {
        found.covers(polls.covers);
        // Notifications of a subscription are not polled for.
        if polls.subscription.is_none() {
            found.part("answered", polls.answered, polls.made);
        }
        found.part("withheld", polls.withheld, polls.answered);
        found.part("passed_on", polls.passed_on, polls.answered);
    }
    found.violations
}

/// Asks `probe` for the ways to a site, from a gateway to a device, and from it to the broker.
pub async fn network(
    probe: &dyn NetworkProbe,
    site: impl Into<SiteId>,
    gateway: impl Into<GatewayId>,
    device: impl Into<DeviceId>,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = SitePathsRequest::new(site.into());
    found.answer("site_paths", probe.site_paths(&asked).await);
    let gateway = gateway.into();
    let asked = DevicePathRequest::new(Vantage::Gateway(gateway.clone()), device.into());
    if let Some(path) = found.answer("device_path", probe.device_path(&asked).await) {
        let replied =
            matches!(path.port, PortReply::Answered | PortReply::Refused) || path.otherwise == Some(true);
        if !replied && path.replier != Replier::NotKnown {
            found.add(Rule::Contradiction, "a replier is named, and nobody replied");
        }
        if !replied && path.identity.is_some() {
            found.add(Rule::Contradiction, "an identity is named, and nobody replied");
        }
    }
    let asked = BrokerPathRequest::new(Client::Gateway(gateway));
    if let Some(path) = found.answer("broker_path", probe.broker_path(&asked).await)
        && path.tls == TlsOutcome::Completed
        && path.name == Some(false)
    {
        found.add(Rule::Contradiction, "TLS was completed, and the name did not resolve");
    }
    found.violations
}

/// Asks `probe` for the certificates of a session holder, its renewal, and its contact in `period`.
pub async fn cert_store(
    probe: &dyn CertStoreProbe,
    holder: Client,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    for which in [WhichCertificate::InUse, WhichCertificate::Presented, WhichCertificate::NewlyIssued] {
        let asked = CertificateRequest::new(holder.clone(), which);
        let Some(answer) = found.answer("certificate", probe.certificate(&asked).await) else { continue };
        let Some(certificate) = answer.certificate else { continue };
        found.all_at("last_used", certificate.last_used);
        if certificate.not_after < certificate.not_before {
            found.add(Rule::Contradiction, format!("{which}: not_after is before not_before"));
        }
        if certificate.fingerprint.is_empty() {
            found.add(Rule::Contradiction, format!("{which}: the fingerprint is empty"));
        }
    }
    let asked = RenewalRequest::new(holder.clone());
    if let Some(answer) = found.answer("renewal", probe.renewal(&asked).await) {
        let latest = answer.latest.iter();
        for at in latest.flat_map(|one| {
            [Some(one.started_at), one.reported_at, one.confirmed_at, one.failed_at, one.progress_at]
        }) {
            found.all_at("latest", at);
        }
    }
    let asked = ProvisioningContactRequest::new(holder, period);
    if let Some(answer) = found.answer("provisioning_contact", probe.provisioning_contact(&asked).await) {
        found.covers(answer.covers);
        found.within("last", answer.last, period);
    }
    found.violations
}

/// Asks `probe` whether the platform's parts that serve a device are well.
pub async fn platform(
    probe: &dyn PlatformProbe,
    device: impl Into<DeviceId>,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = PlatformRequest::new(device.into());
    found.answer("broker_health", probe.broker_health(&asked).await);
    if let Some(ingestion) = found.answer("ingestion_health", probe.ingestion_health(&asked).await)
        && ingestion.takes_messages == Some(false)
        && ingestion.stores_rows == Some(true)
    {
        found.add(Rule::Contradiction, "rows are stored, and no message is taken");
    }
    if let Some(peers) = found.answer("silent_peers", probe.silent_peers(&asked).await) {
        for share in peers.gateway.into_iter().chain(peers.site) {
            found.part("silent", share.silent, share.of);
        }
    }
    found.violations
}

/// Asks `probe` for the power of a device.
pub async fn power(
    probe: &dyn PowerProbe,
    device: impl Into<DeviceId>,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = PowerRequest::new(device.into());
    found.answer("power", probe.power(&asked).await);
    found.violations
}

/// Asks `probe` for the feeds of a site.
pub async fn site_power(
    probe: &dyn PowerProbe,
    site: impl Into<SiteId>,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = SitePowerRequest::new(site.into());
    if let Some(answer) = found.answer("site_power", probe.site_power(&asked).await) {
        for (at, feed) in answer.feeds.iter().enumerate() {
            let same = answer.feeds.iter().take(at).find(|other| other.name == feed.name);
            if same.is_some_and(|other| other.live != feed.live) {
                let text = format!("feed {} is live and is not", feed.name);
                found.add(Rule::Contradiction, text);
            }
        }
    }
    found.violations
}
