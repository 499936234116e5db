//! The checks from outside: bound to the catalog, asked over adapters, and with a user's own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::{BindError, BindFault, CheckRequest, Checks, ParamKind, RegisterError};
use iot_runbook::deadband::audit::{Audit, Limits};
use iot_runbook::deadband::sample::Sample;
use iot_runbook::fact::{Domain, Kind, Observation, Source, UnknownReason, Value};
use iot_runbook::mock::{
    MockBrokerProbe, MockCertStoreProbe, MockCustomCheck, MockDeadbandProbe, MockDeviceProbe,
    MockGatewayProbe, MockKafkaProbe, MockNetworkProbe, MockPlatformProbe, MockPowerProbe,
};
use iot_runbook::probe::conformance::{self, Rule};
use iot_runbook::probe::{
    Acquisition, Authentication, BrokerHealth, Certificate, CertificateAnswer, Client, ClientPublishing,
    ConnectionEvent, ConnectionLog, DeadbandAudit, DeadbandFacts, DevicePath, FeedReading, FieldPolls,
    GatewayHealth, IngestionHealth, LagFacts, LagSample, LastSeenAnswer, MessageCounts, PartitionLag,
    PathTried, PathsTried, PortReply, ProbeError, ProbeErrorKind, Probes, RefusalReason, Replier, Revocation,
    SessionState, SilentPeers, SilentShare, SitePower, Together,
};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::{About, Param};
use iot_runbook::subject::{Scope, Subject};
use iot_runbook::time::Period;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn position(set: &RunbookSet, check: &str) -> usize {
    set.queries().iter().position(|query| &*query.check == check).unwrap()
}

async fn observe(
    set: &RunbookSet,
    check: &str,
    probes: &Probes,
    subject: &Subject,
) -> Result<Observation, ProbeError> {
    let bound = Checks::builtin().bind(set).unwrap();
    let query = position(set, check);
    let request =
        CheckRequest::new(subject, &set.queries()[query].params, About::Now, at(-60), at(-900), at(0));
    bound.observe(query, &request, probes).await
}

fn reason(observation: &Observation) -> Option<UnknownReason> {
    match observation {
        Observation::Unknown(unknown) => Some(unknown.reason),
        Observation::Known(_) => None,
    }
}

#[tokio::test]
async fn catalog_binds_and_no_adapter_is_unknown() {
    let set = catalog::set().unwrap();
    let bound = Checks::builtin().bind(&set).unwrap();
    let subject = Subject::device("press-07").with_gateway("gw-2");
    for (position, query) in set.queries().iter().enumerate() {
        let request = CheckRequest::new(&subject, &query.params, query.about, at(-60), at(-900), at(0));
        let observation = bound.observe(position, &request, &Probes::new()).await.unwrap();
        assert_eq!(reason(&observation), Some(UnknownReason::NoAdapter), "{}", query.check);
    }
    let request = CheckRequest::new(&subject, &set.queries()[0].params, About::Now, at(0), at(0), at(0));
    let beyond = bound.observe(bound.len(), &request, &Probes::new()).await.unwrap();
    assert_eq!(reason(&beyond), Some(UnknownReason::Failed));
}

/// The table in the documentation, beside what the checks say of themselves and miss first.
#[tokio::test]
async fn documented_checks_are_the_built_in_ones() {
    let mut table = std::collections::BTreeMap::new();
    for line in include_str!("../../src/check/builtin.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        assert!(table.insert(cells[0].trim_matches('`').to_owned(), cells[1..].to_vec()).is_none());
    }
    let checks = Checks::builtin();
    for spec in checks.specs() {
        let told = table.remove(&*spec.id).unwrap_or_else(|| panic!("{} is not documented", spec.id));
        let mut domain = match spec.domain.kind() {
            Kind::Choice(choices) => {
                choices.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            }
            _ => spec.domain.to_string().trim_end_matches(" or absent").to_owned(),
        };
        if spec.domain.is_optional() {
            domain += ", optional";
        }
        let params = spec.params.unwrap_or_default().iter().map(|param| {
            assert!(param.required);
            let kind = match param.kind {
                ParamKind::Duration => "duration".to_owned(),
                ParamKind::Share => "share".to_owned(),
                ParamKind::Count => "count".to_owned(),
                ParamKind::OneOf(words) => format!("`{}`", words.join("`, `")),
                other => panic!("{other}"),
            };
            format!("`{}` ({kind})", param.name)
        });
        let about = spec.about.map(About::name);
        let expected = [spec.scope.name(), about.unwrap(), &domain, &params.collect::<Vec<_>>().join(", ")];
        assert_eq!(told[..4], expected, "{}", spec.id);
    }
    assert!(table.is_empty(), "{table:?}");

    let set = catalog::set().unwrap();
    let bound = checks.bind(&set).unwrap();
    for (position, query) in set.queries().iter().enumerate() {
        let subject = Subject::device("press-07").with_gateway("gw-2");
        let request = CheckRequest::new(&subject, &query.params, query.about, at(-60), at(-900), at(0));
        let missed = bound.observe(position, &request, &Probes::new()).await.unwrap();
        let row = include_str!("../../src/check/builtin.md").lines();
        let row = row.filter(|line| line.starts_with(&format!("| `{}` ", query.check))).collect::<String>();
        let first = missed.source().as_str().trim_end_matches(" probe").to_owned();
        assert!(row.contains(&format!("| {first}")), "{row} does not begin with {first}");
    }
}

#[tokio::test]
async fn sessionless_device_reads_gateway_log() {
    let mut device = MockDeviceProbe::new();
    device.expect_source().return_const(Source::new("registry"));
    device.expect_last_seen().returning(|_| Ok(LastSeenAnswer::new(at(0)).with_last_receipt(at(-4000))));
    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker eu-1"));
    broker.expect_connection_log().times(2).returning(|request| match &request.client {
        Client::Gateway(gateway) if gateway.as_str() == "gw-2" => {
            assert_eq!(request.period.start(), at(-4000));
            let refused = ConnectionEvent::refused(at(-100), RefusalReason::CertificateExpired);
            let log = ConnectionLog::new(at(0), request.period).with_now(SessionState::Down);
            Ok(Some(log.with_events(vec![refused.clone(), refused])))
        }
        _ => Ok(None),
    });
    let probes = Probes::new().with_device(Arc::new(device)).with_broker(Arc::new(broker));
    let set = catalog::set().unwrap();
    let subject = Subject::device("press-07").with_gateway("gw-2");
    let observation = observe(&set, "broker-connect", &probes, &subject).await.unwrap();
    let domain = &set.queries()[position(&set, "broker-connect")].domain;
    assert_eq!(observation.value(), domain.find_choice("refused"));
    assert_eq!(observation.details().find("refused with"), Some("certificate-expired"));
    assert_eq!(observation.source().as_str(), "broker eu-1");
}

#[tokio::test]
async fn only_the_named_session_holder_is_asked() {
    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker eu-1"));
    broker.expect_connection_log().times(3).returning(|request| match &request.client {
        Client::Gateway(_) => Ok(Some(ConnectionLog::new(at(0), request.period).with_now(SessionState::Up))),
        _ => Ok(None),
    });
    let probes = Probes::new().with_broker(Arc::new(broker));
    let set = catalog::set().unwrap();
    let domain = &set.queries()[position(&set, "broker-connect")].domain;
    let device = || Subject::device("press-07").with_gateway("gw-2");
    // One question where the topology knows; two where the broker decides.
    let gateways = observe(&set, "broker-connect", &probes, &device().with_gateway_session()).await.unwrap();
    assert_eq!(gateways.value(), domain.find_choice("session-up"));
    assert_eq!(gateways.details().find("session of"), Some("its gateway"));
    let broker_decides = observe(&set, "session-holder", &probes, &device()).await.unwrap();
    assert_eq!(broker_decides.details().find("session of"), Some("its gateway gw-2"));
    // Topology and broker contradict each other: the gateway's session is not judged as the device's.
    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker eu-1"));
    broker.expect_connection_log().times(1).returning(|_| Ok(None));
    let probes = Probes::new().with_broker(Arc::new(broker));
    let own = observe(&set, "broker-connect", &probes, &device().with_own_session()).await.unwrap();
    assert_eq!(reason(&own), Some(UnknownReason::Undetermined));
}

#[tokio::test]
async fn session_holders_certificate_is_judged() {
    let mut store = MockCertStoreProbe::new();
    store.expect_source().return_const(Source::new("inventory"));
    store.expect_certificate().times(2).returning(|request| match &request.holder {
        Client::Gateway(_) => {
            let expired = Certificate::new("ab".into(), at(-9000), at(-5), Revocation::NotRevoked);
            Ok(CertificateAnswer::new(at(0)).with_certificate(expired))
        }
        _ => Ok(CertificateAnswer::new(at(0)).with_authentication(Authentication::WithoutCertificate)),
    });
    let probes = Probes::new().with_cert_store(Arc::new(store));
    let set = catalog::set().unwrap();
    let domain = &set.queries()[position(&set, "certificate")].domain;
    let device = Subject::device("press-07").with_gateway("gw-2");
    for (subject, state) in
        [(device.clone().with_gateway_session(), "expired"), (device.clone().with_own_session(), "uses-none")]
    {
        let observation = observe(&set, "certificate", &probes, &subject).await.unwrap();
        assert_eq!(observation.value(), domain.find_choice(state));
    }
    // Nobody knows whose session it is: nobody's certificate is judged.
    let observation = observe(&set, "certificate", &probes, &device).await.unwrap();
    assert_eq!(reason(&observation), Some(UnknownReason::NoAdapter));
}

#[tokio::test]
async fn reply_of_the_device_itself_proves_its_power() {
    let set = catalog::set().unwrap();
    let domain = &set.queries()[position(&set, "power")].domain;
    for (replier, known) in
        [(Replier::Device, true), (Replier::FedOtherwise, false), (Replier::NotKnown, false)]
    {
        let mut network = MockNetworkProbe::new();
        network.expect_source().return_const(Source::new("router"));
        network.expect_device_path().returning(move |_| {
            Ok(DevicePath::new(at(0)).with_port(PortReply::Answered).with_replier(replier))
        });
        let probes = Probes::new().with_network(Arc::new(network));
        let observation = observe(&set, "power", &probes, &Subject::device("press-07")).await.unwrap();
        assert_eq!(observation.value(), domain.find_choice("confirmed").filter(|_| known), "{replier:?}");
        assert_eq!(reason(&observation), (!known).then_some(UnknownReason::NoAdapter));
    }
}

#[tokio::test]
async fn errors_pass_on_and_unnamed_is_unknown() {
    let mut power = MockPowerProbe::new();
    power.expect_source().return_const(Source::new("power unit"));
    power
        .expect_power()
        .returning(|_| Err(ProbeError::transient("busy").with_retry_after(TimeDelta::seconds(2))));
    let mut gateway = MockGatewayProbe::new();
    gateway.expect_source().return_const(Source::new("agent"));
    let probes = Probes::new().with_power(Arc::new(power)).with_gateway(Arc::new(gateway));
    let set = catalog::set().unwrap();
    let subject = Subject::device("press-07");
    let error = observe(&set, "power", &probes, &subject).await.unwrap_err();
    assert_eq!(error.kind(), ProbeErrorKind::Transient { retry_after: Some(TimeDelta::seconds(2)) });
    let observation = observe(&set, "gateway-health", &probes, &subject).await.unwrap();
    assert_eq!(reason(&observation), Some(UnknownReason::NoSubject));
}

#[tokio::test]
async fn asked_gateway_is_no_other_way_to_site() {
    let mut network = MockNetworkProbe::new();
    network.expect_source().return_const(Source::new("router"));
    network.expect_site_paths().times(1).returning(|asked| {
        assert_eq!(asked.site.as_str(), "plant-north");
        assert_eq!(asked.except.as_ref().map(|gateway| gateway.as_str()), Some("gw-2"));
        Ok(PathsTried::new(at(0)).with_paths(vec![PathTried::new("router".into(), true)]))
    });
    let probes = Probes::new().with_network(Arc::new(network));
    let subject = Subject::device("press-07").with_gateway("gw-2").with_site("plant-north");
    let observation = observe(&catalog::set().unwrap(), "site-uplink", &probes, &subject).await.unwrap();
    assert_eq!(observation.value(), Some(Value::Flag(true)));
}

#[test]
fn unknown_check_names_its_steps() {
    let set = catalog::set().unwrap();
    let errors = Checks::none().bind(&set).unwrap_err();
    assert_eq!(errors.faults().len(), set.queries().len());
    assert_eq!(errors.to_string().lines().count(), set.queries().len());
    assert!(errors.faults().iter().all(|fault| !fault.asked_by.is_empty()));
    let of = |position: usize| {
        let BindFault { asked_by, error, .. } = &errors.faults()[position];
        assert!(matches!(error, BindError::UnknownCheck { .. }));
        let steps = asked_by.iter().filter_map(|asked| Some((&*asked.runbook, asked.step.as_deref()?)));
        (steps.collect::<Vec<_>>(), errors.faults()[position].to_string())
    };
    // A check step, and a wait for the instant that it gives.
    let (steps, text) = of(position(&set, "last-seen"));
    let asking = ["last-seen", "still-fresh", "watch"].map(|step| ("device-offline", step));
    assert_eq!(steps, asking);
    assert_eq!(
        text,
        "runbook \"device-offline\", step \"last-seen\" and 2 more: check `last-seen` is not known: register it, \
         or ask another"
    );
    let (steps, text) = of(position(&set, "site-uplink"));
    assert_eq!(steps, ["site-still-there", "site-uplink"].map(|step| ("device-offline", step)));
    assert!(
        text.starts_with(
            "runbook \"device-offline\", step \"site-still-there\" and one more: check `site-uplink` is"
        ),
        "{text}"
    );
    // What is looked at again before something is done.
    let (steps, _) = of(position(&set, "restart-needed"));
    assert_eq!(steps, [("device-offline", "restart-gateway")]);
}

#[test]
fn runbook_level_check_names_its_runbook() {
    let text = r#"
        name = "feed"
        version = 1
        title = "t"
        start = "power"
        unless = "back"
        checks.power = { scope = "device", domain = "flag" }
        checks.back = { scope = "device", domain = "flag" }
        rechecks.back = { check = "back", branches = [{ is = true, to = "well" }] }
        conclusions.well = { title = "t", severity = "info", recovered = true }
        conclusions.dead = { title = "t", severity = "info" }

        [steps.power]
        check = "power"
        unknown = "explore"
        branches = [{ is = true, to = "well" }, { is = false, to = "dead" }]
    "#;
    let set = RunbookSet::new([Document::from_toml(text).unwrap().validate().unwrap()]).unwrap();
    let errors = Checks::none().bind(&set).unwrap_err();
    let fault = &errors.faults()[position(&set, "back")];
    assert!(matches!(&*fault.asked_by, [only] if &*only.runbook == "feed" && only.step.is_none()));
    assert!(fault.to_string().starts_with("runbook \"feed\", `unless`: check `back` is"), "{fault}");
}

#[tokio::test]
async fn users_own_check_is_asked_with_its_params() {
    let mut own = MockCustomCheck::new();
    own.expect_observe().times(1).returning(|subject, params, now| {
        assert_eq!(subject.device.as_str(), "press-07");
        assert!(params.contains_key("anything"));
        Ok(Observation::known(Value::Flag(true), now, "door contact"))
    });
    let mut checks = Checks::builtin();
    let own = Arc::new(own);
    checks.register("cabinet-open", Domain::new(Kind::Flag), Scope::Device, own.clone()).unwrap();
    let again = checks.register("cabinet-open", Domain::new(Kind::Flag), Scope::Device, own.clone());
    assert_eq!(again, Err(RegisterError::Twice("cabinet-open".into())));
    let taken = checks.register("power", Domain::new(Kind::Flag), Scope::Device, own.clone());
    assert_eq!(taken, Err(RegisterError::Twice("power".into())));
    for id in ["Not An Id!", "9-lives", "two--dashes", "ends-", "with_underscore", "é", &"a".repeat(65)] {
        let refused = checks.register(id, Domain::new(Kind::Flag), Scope::Device, own.clone());
        assert!(matches!(refused, Err(RegisterError::Malformed { .. })), "{id}: {refused:?}");
    }
    let text =
        checks.register("Not An Id!", Domain::new(Kind::Flag), Scope::Device, own).unwrap_err().to_string();
    assert_eq!(
        text,
        "check id `Not An Id!` is malformed: write 1 to 64 lower-case letters and digits with single `-` between, a letter first"
    );

    let document = Document::from_toml(
        r#"
        name = "cabinet"
        title = "The cabinet of a press"
        version = 1
        start = "door"
        [checks.cabinet-open]
        scope = "device"
        domain = "flag"
        [steps.door]
        title = "Is the cabinet open?"
        check = "cabinet-open"
        params = { anything = "at all" }
        unknown = "explore"
        branches = [{ is = true, to = "open" }, { is = false, to = "closed" }]
        [conclusions.open]
        title = "The cabinet is open"
        severity = "warning"
        [conclusions.closed]
        title = "The cabinet is closed"
        severity = "info"
        "#,
    )
    .unwrap();
    let set = RunbookSet::new([document.validate().unwrap()]).unwrap();
    let bound = checks.bind(&set).unwrap();
    let subject = Subject::device("press-07");
    let request = CheckRequest::new(&subject, &set.queries()[0].params, About::Now, at(0), at(0), at(0));
    let observation = bound.observe(0, &request, &Probes::new()).await.unwrap();
    assert_eq!(observation.value(), Some(Value::Flag(true)));
}

#[tokio::test]
async fn conformance_names_what_an_adapter_does_wrong() {
    let period = Period::new(at(-100), at(0)).unwrap();
    let mut gateway = MockGatewayProbe::new();
    gateway.expect_source().return_const(Source::new("agent"));
    gateway.expect_health().returning(|_| {
        Ok(GatewayHealth::new(at(31)).with_memory(1.5).with_last_heartbeat(at(-5)).with_cpu(0.5))
    });
    gateway
        .expect_acquisition()
        .returning(move |_| Ok(Acquisition::new(at(0), period).with_made(1).with_failed(2)));
    gateway
        .expect_field_polls()
        .returning(move |_| Ok(FieldPolls::new(at(0), period).with_made(1).with_answered(2)));
    let violations = conformance::gateway(&gateway, "gw-2", "press-07", period, at(0)).await;
    let rules: Vec<_> = violations.iter().map(|violation| (violation.method, violation.rule)).collect();
    assert_eq!(
        rules,
        [
            ("health", Rule::Future),
            ("health", Rule::Number),
            ("acquisition", Rule::Contradiction),
            ("field_polls", Rule::Contradiction),
        ]
    );
}

#[tokio::test]
async fn conformance_names_platform_faults() {
    let mut platform = MockPlatformProbe::new();
    platform.expect_source().return_const(Source::new("monitor"));
    platform.expect_broker_health().returning(|_| Ok(BrokerHealth::new(at(31)).with_takes_messages(true)));
    platform
        .expect_ingestion_health()
        .returning(|_| Ok(IngestionHealth::new(at(0)).with_takes_messages(false).with_stores_rows(true)));
    platform.expect_silent_peers().returning(|_| {
        Ok(SilentPeers::new(at(0)).with_gateway(SilentShare::new(4, 4)).with_site(SilentShare::new(5, 4)))
    });
    let violations = conformance::platform(&platform, "press-07", at(0)).await;
    let rules: Vec<_> = violations.iter().map(|violation| (violation.method, violation.rule)).collect();
    assert_eq!(
        rules,
        [
            ("broker_health", Rule::Future),
            ("ingestion_health", Rule::Contradiction),
            ("silent_peers", Rule::Contradiction),
        ]
    );
}

#[tokio::test]
async fn conformance_names_power_faults() {
    for (observed_at, meter_again, expected) in [
        (0, true, vec![]),
        (31, true, vec![("site_power", Rule::Future)]),
        (0, false, vec![("site_power", Rule::Contradiction)]),
    ] {
        let mut power = MockPowerProbe::new();
        power.expect_source().return_const(Source::new("utility"));
        power.expect_site_power().returning(move |_| {
            let feed = |name: &str, live| FeedReading::new(name.into(), live, false);
            let feeds = vec![feed("meter", true), feed("generator", false), feed("meter", meter_again)];
            Ok(SitePower::new(at(observed_at)).with_feeds(feeds))
        });
        let violations = conformance::site_power(&power, "north", at(0)).await;
        let rules: Vec<_> = violations.iter().map(|violation| (violation.method, violation.rule)).collect();
        assert_eq!(rules, expected);
    }
}

#[tokio::test]
async fn conformance_passes_a_good_adapter() {
    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker"));
    broker.expect_connection_log().returning(|request| {
        let log = ConnectionLog::new(at(0), request.period);
        Ok(Some(log.with_events(vec![ConnectionEvent::accepted(at(-100))])))
    });
    broker.expect_messages().returning(|_| Err(ProbeError::unsupported()));
    broker.expect_clock_readings().returning(|_| Err(ProbeError::unsupported()));
    broker.expect_disconnected_together().returning(|_| Ok(Together::new(at(0), 3, 40)));
    broker.expect_publishing().returning(|request| {
        let counts = MessageCounts::new(5).with_last_accepted(at(-1));
        Ok(ClientPublishing::new(at(0), request.period).with_all(counts.clone()).with_device(counts))
    });
    let period = Period::new(at(-100), at(0)).unwrap();
    let violations = conformance::broker(&broker, Client::Device("press-07".into()), period, at(0)).await;
    assert_eq!(violations, []);
}

#[tokio::test]
async fn lag_sample_of_the_very_end_belongs_to_its_period() {
    let period = Period::new(at(-100), at(0)).unwrap();
    for (sampled, rules) in [(at(-101), vec![Rule::Outside]), (at(-100), vec![]), (at(0), vec![])] {
        let mut kafka = MockKafkaProbe::new();
        kafka.expect_source().return_const(Source::new("kafka"));
        kafka.expect_lag().returning(move |request| {
            let partition = PartitionLag::new(0).with_samples(vec![LagSample::new(sampled, 0, 5)]);
            Ok(LagFacts::new(at(0), request.period).with_partitions(vec![partition]))
        });
        kafka.expect_bridged().returning(|_| Err(ProbeError::unsupported()));
        kafka.expect_offsets().returning(|_| Err(ProbeError::unsupported()));
        let found = conformance::kafka(&kafka, "ingest", "press-07", period, at(0)).await;
        let found: Vec<_> = found.into_iter().map(|violation| violation.rule).collect();
        assert_eq!(found, rules, "{sampled}");
    }
}

/// What an adapter that answers so does wrong.
async fn wrong_with(facts: DeadbandFacts) -> Vec<Rule> {
    let mut probe = MockDeadbandProbe::new();
    probe.expect_source().return_const(Source::new("edge"));
    probe.expect_deadband().returning(move |_| Ok(facts.clone()));
    let period = Period::new(at(-100), at(0)).unwrap();
    let found = conformance::deadband(&probe, "press-07", period, at(0)).await;
    assert!(found.iter().all(|violation| violation.method == "deadband"), "{found:?}");
    found.iter().map(|violation| violation.rule).collect()
}

#[tokio::test]
async fn conformance_looks_at_each_figure_of_an_audit() {
    let period = Period::new(at(-100), at(0)).unwrap();
    let facts =
        |audit| DeadbandFacts::new(at(0), period).with_width(2.0).with_movement(9.0).with_audit(audit);
    let good = || {
        DeadbandAudit::new(2.0, 1_000, 1_000)
            .with_constant(1_000)
            .with_ties(1.0)
            .with_noise(0.0)
            .with_damped_noise(0.0)
            .with_quantum(0.0)
            .with_noise_band(0.0)
            .with_noise_band_least(0.0)
            .with_range(9.0)
            .with_movement(9.0)
            .with_off(0.0)
            .with_hidden(9.0)
            .with_hidden_time(0.0)
            .with_hidden_time_most(1.0)
    };
    assert_eq!(wrong_with(facts(good())).await, []);
    assert_eq!(wrong_with(facts(DeadbandAudit::new(2.0, 0, 0))).await, []);
    for audit in [
        good().with_noise(-0.1),
        good().with_noise(f64::NAN),
        good().with_damped_noise(-1.0),
        good().with_quantum(f64::INFINITY),
        good().with_noise_band(-1.0),
        good().with_noise_band_least(-1.0),
        good().with_range(f64::NAN),
        good().with_movement(f64::NEG_INFINITY),
        good().with_off(-1.0),
        good().with_hidden(f64::NAN),
        good().with_ties(1.1),
        good().with_hidden_time(-0.1),
        good().with_hidden_time_most(f64::NAN),
    ] {
        assert_eq!(wrong_with(facts(audit.clone())).await, [Rule::Number], "{audit:?}");
    }
    for audit in [
        DeadbandAudit::new(2.0, 1_000, 1_001),
        DeadbandAudit::new(2.5, 1_000, 1),
        good().with_constant(1_001),
        good().with_movement(9.1),
        good().with_hidden(9.1),
    ] {
        assert_eq!(wrong_with(facts(audit.clone())).await, [Rule::Contradiction], "{audit:?}");
    }
    let no_band = DeadbandFacts::new(at(0), period).with_audit(good());
    assert_eq!(wrong_with(no_band).await, [Rule::Contradiction]);
    let mut audit = Audit::new(2.0).unwrap();
    for second in 0..100_i64 {
        audit.observe(&Sample::new(second, (second % 7) as f64), second % 10 == 0);
    }
    assert_eq!(
        wrong_with(DeadbandFacts::from_figures(&audit.figures(&Limits::default()), at(0), period)).await,
        []
    );
}

#[test]
fn param_of_another_kind_is_refused_by_name() {
    let params = [
        ("within", Param::Duration(TimeDelta::minutes(5))),
        ("share", Param::Number(0.5)),
        ("most", Param::Count(3)),
    ]
    .into_iter()
    .chain([("strict", Param::Flag(true)), ("which", Param::Text("in-use".into()))])
    .map(|(name, param)| (name.into(), param))
    .collect();
    let (subject, at) = (Subject::device("press-07"), DateTime::UNIX_EPOCH);
    let request = CheckRequest::new(&subject, &params, About::Now, at, at, at);
    assert_eq!(request.duration("within").unwrap(), TimeDelta::minutes(5));
    assert_eq!((request.number("share").unwrap(), request.number("most").unwrap()), (0.5, 3.0));
    assert_eq!(request.count("most").unwrap(), 3);
    assert!(request.flag("strict").unwrap());
    assert_eq!(request.text("which").unwrap(), "in-use");
    for (error, says) in [
        (request.duration("share").unwrap_err(), "the param `share` must be a duration, got Number(0.5)"),
        (request.number("within").unwrap_err(), "the param `within` must be a number, got Duration"),
        (request.count("share").unwrap_err(), "the param `share` must be a count, got Number(0.5)"),
        (request.flag("which").unwrap_err(), "the param `which` must be a flag, got Text(\"in-use\")"),
        (request.text("most").unwrap_err(), "the param `most` must be a text, got Count(3)"),
        (request.text("wich").unwrap_err(), "the param `wich` is missing; give it in the step's params"),
    ] {
        assert!(error.text().starts_with(says), "{error}");
        assert_eq!(error.unknown_reason(), UnknownReason::Failed);
    }
}
