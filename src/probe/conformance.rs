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
    if let Ok(answer) = probe.service_state(&ServiceStateRequest::new(device.clone())).await {
        found.at("service_state", "observed_at", answer.observed_at);
    }
    if let Ok(answer) = probe.last_seen(&LastSeenRequest::new(device.clone())).await {
        found.at("last_seen", "observed_at", answer.observed_at);
        found.all_at("last_seen", "last_receipt", answer.last_receipt);
        for other in answer.others {
            found.at("last_seen", "others", other.at);
            if other.kind == MessageKind::Live {
                found.add("last_seen", Rule::Contradiction, "a live message is among the others".to_owned());
            }
        }
    }
    if let Ok(answer) = probe.service_history(&ServiceHistoryRequest::new(device.clone(), period)).await {
        let method = "service_history";
        found.log(method, answer.observed_at, answer.covers);
        for change in &answer.changes {
            found.within(method, "change", Some(change.at), answer.covers);
        }
    }
    if let Ok(answer) = probe.sightings(&SightingsRequest::new(device.clone(), period)).await {
        found.at("sightings", "observed_at", answer.observed_at);
        for sighting in &answer.sightings {
            found.within("sightings", "sighting", Some(sighting.at), period);
        }
    }
    if let Ok(answer) = probe.receipts(&ReceiptsRequest::new(device, period)).await {
        let method = "receipts";
        found.log(method, answer.observed_at, answer.covers);
        for message in answer.messages {
            found.within(method, "message", Some(message.at), period);
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
    if let Ok(Some(log)) = probe.connection_log(&asked).await {
        let method = "connection_log";
        found.log(method, log.observed_at, log.covers);
        for event in &log.events {
            found.within(method, "event", Some(event.at), period);
            found.within(method, "event", Some(event.at), log.covers);
        }
        found.all_at(method, "last_packet", log.last_packet);
        if log.keep_alive.is_some_and(|length| length < TimeDelta::zero()) {
            found.add(method, Rule::Number, "the keep-alive is negative".to_owned());
        }
    }
    if let Ok(readings) = probe.clock_readings(&ClockRequest::new(client.clone(), period)).await {
        found.at("clock_readings", "observed_at", readings.observed_at);
        for reading in readings.readings {
            found.within("clock_readings", "reading", Some(reading.at), period);
        }
    }
    let asked = TogetherRequest::new(now, TimeDelta::minutes(1), client.clone());
    if let Ok(together) = probe.disconnected_together(&asked).await {
        let method = "disconnected_together";
        found.at(method, "observed_at", together.observed_at);
        found.part(method, "lost", together.lost, together.connected);
    }
    if let Client::Device(device) = &client {
        if let Ok(answer) = probe.messages(&MessagesRequest::new(device.clone(), period)).await {
            found.messages(&answer);
        }
        let asked = PublishingRequest::new(client.clone(), device.clone(), period);
        if let Ok(answer) = probe.publishing(&asked).await {
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
    if let Ok(facts) = probe.health(&HealthRequest::new(gateway.clone())).await {
        let method = "health";
        found.at(method, "observed_at", facts.observed_at);
        for (name, at) in [
            ("started_at", facts.started_at),
            ("last_oom_kill", facts.last_oom_kill),
            ("last_heartbeat", facts.last_heartbeat),
        ] {
            found.all_at(method, name, at);
        }
        for (name, share) in [("memory", facts.memory), ("cpu", facts.cpu), ("disk", facts.disk)] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                found.add(method, Rule::Number, format!("{name} of {share} is no share from 0 to 1"));
            }
        }
    }
    let device = device.into();
    if let Ok(got) =
        probe.acquisition(&AcquisitionRequest::new(gateway.clone(), device.clone(), period)).await
    {
        let method = "acquisition";
        found.log(method, got.observed_at, got.covers);
        let given = got.withheld.unwrap_or_default().saturating_add(got.passed_on.unwrap_or_default());
        found.part(method, "failed", got.failed, got.made);
        // What is not polled has notifications, and no polls.
        found.part(method, "answered", got.answered, got.made);
        found.part(method, "withheld and passed on", given, got.answered);
        if got.subscription_down.is_some_and(|down| down < TimeDelta::zero() || down > period.length()) {
            let text = "subscription_down must be a length of time within the period".to_owned();
            found.add(method, Rule::Number, text);
        }
    }
    if let Ok(polls) = probe.field_polls(&FieldPollsRequest::new(gateway, device, period)).await {
        let method = "field_polls";
        found.log(method, polls.observed_at, polls.covers);
        // Notifications of a subscription are not polled for.
        if polls.subscription.is_none() {
            found.part(method, "answered", polls.answered, polls.made);
        }
        found.part(method, "withheld", polls.withheld, polls.answered);
        found.part(method, "passed_on", polls.passed_on, polls.answered);
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
    if let Ok(tried) = probe.site_paths(&SitePathsRequest::new(site.into())).await {
        found.at("site_paths", "observed_at", tried.observed_at);
    }
    let gateway = gateway.into();
    let asked = DevicePathRequest::new(Vantage::Gateway(gateway.clone()), device.into());
    if let Ok(path) = probe.device_path(&asked).await {
        let method = "device_path";
        found.at(method, "observed_at", path.observed_at);
        let replied =
            matches!(path.port, PortReply::Answered | PortReply::Refused) || path.otherwise == Some(true);
        if !replied && path.replier != Replier::NotKnown {
            found.add(method, Rule::Contradiction, "a replier is named, and nobody replied".to_owned());
        }
        if !replied && path.identity.is_some() {
            found.add(method, Rule::Contradiction, "an identity is named, and nobody replied".to_owned());
        }
    }
    if let Ok(path) = probe.broker_path(&BrokerPathRequest::new(Client::Gateway(gateway))).await {
        let method = "broker_path";
        found.at(method, "observed_at", path.observed_at);
        if path.tls == TlsOutcome::Completed && path.name == Some(false) {
            found.add(
                method,
                Rule::Contradiction,
                "TLS was completed, and the name did not resolve".to_owned(),
            );
        }
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
        let Ok(answer) = probe.certificate(&CertificateRequest::new(holder.clone(), which)).await else {
            continue;
        };
        let method = "certificate";
        found.at(method, "observed_at", answer.observed_at);
        let Some(certificate) = answer.certificate else { continue };
        found.all_at(method, "last_used", certificate.last_used);
        if certificate.not_after < certificate.not_before {
            found.add(method, Rule::Contradiction, format!("{which}: not_after is before not_before"));
        }
        if certificate.fingerprint.is_empty() {
            found.add(method, Rule::Contradiction, format!("{which}: the fingerprint is empty"));
        }
    }
    if let Ok(answer) = probe.renewal(&RenewalRequest::new(holder.clone())).await {
        found.at("renewal", "observed_at", answer.observed_at);
        let latest = answer.latest.iter();
        for at in latest.flat_map(|one| {
            [Some(one.started_at), one.reported_at, one.confirmed_at, one.failed_at, one.progress_at]
        }) {
            found.all_at("renewal", "latest", at);
        }
    }
    if let Ok(answer) = probe.provisioning_contact(&ProvisioningContactRequest::new(holder, period)).await {
        found.log("provisioning_contact", answer.observed_at, answer.covers);
        found.within("provisioning_contact", "last", answer.last, period);
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
    if let Ok(broker) = probe.broker_health(&asked).await {
        found.at("broker_health", "observed_at", broker.observed_at);
    }
    if let Ok(ingestion) = probe.ingestion_health(&asked).await {
        found.at("ingestion_health", "observed_at", ingestion.observed_at);
        if ingestion.takes_messages == Some(false) && ingestion.stores_rows == Some(true) {
            let text = "rows are stored, and no message is taken".to_owned();
            found.add("ingestion_health", Rule::Contradiction, text);
        }
    }
    if let Ok(peers) = probe.silent_peers(&asked).await {
        found.at("silent_peers", "observed_at", peers.observed_at);
        for share in peers.gateway.into_iter().chain(peers.site) {
            found.part("silent_peers", "silent", share.silent, share.of);
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
    if let Ok(facts) = probe.power(&PowerRequest::new(device.into())).await {
        found.at("power", "observed_at", facts.observed_at);
    }
    found.violations
}

/// Asks `probe` for the feeds of a site.
pub async fn site_power(
    probe: &dyn PowerProbe,
    site: impl Into<SiteId>,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    if let Ok(answer) = probe.site_power(&SitePowerRequest::new(site.into())).await {
        let method = "site_power";
        found.at(method, "observed_at", answer.observed_at);
        for (at, feed) in answer.feeds.iter().enumerate() {
            let same = answer.feeds.iter().take(at).find(|other| other.name == feed.name);
            if same.is_some_and(|other| other.live != feed.live) {
                let text = format!("feed {} is live and is not", feed.name);
                found.add(method, Rule::Contradiction, text);
            }
        }
    }
    found.violations
}
