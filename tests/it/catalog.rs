//! The built-in runbooks against their contract, written down here a second time: every step, what comes back,
//! and where it leads. A way out that no line of the tables takes is an error too.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use iot_runbook::catalog;
use iot_runbook::fact::{Kind, Value};
use iot_runbook::runbook::Runbook;
use iot_runbook::runbook::guard::Branches;
use iot_runbook::runbook::step::{ApprovalPolicy, Exit, OnUnknown, Severity, StepKind};
use iot_runbook::time::parse_duration;

const DEVICE_OFFLINE: &str = "
service-state: in-service → last-seen
service-state: maintenance → expected-offline
service-state: decommissioned → expected-offline
service-state: never-provisioned → never-provisioned
service-state: unknown → last-seen
last-seen: -30s1ns → broker-connect
last-seen: -30s → flap
last-seen: 0s → flap
last-seen: 4m59s → flap
last-seen: 5m → watch
last-seen: 29m59s → watch
last-seen: 30m → broker-connect !
last-seen: 400d → broker-connect !
last-seen: absent → broker-connect
flap: over → recheck
watch: over → recheck
recheck: silent → last-seen
recheck: steady → flap-history
recheck: flapping → flapping-for
flapping-for: 0s → flap
flapping-for: 29m59s → flap
flapping-for: 30m → persistent-flapping !
flap-history: 0 → connectivity-flap
flap-history: 9 → connectivity-flap
flap-history: 10 → persistent-flapping
broker-connect: session-up → gateway-publishing
broker-connect: recent-connect → gateway-publishing
broker-connect: refused → refused-certificate
broker-connect: none → gateway-health
gateway-publishing: publishing → field-protocol-fault
gateway-publishing: silent → gateway-client-fault
refused-certificate: none → never-provisioned
refused-certificate: revoked → certificate-revoked
refused-certificate: not-yet-valid → certificate-not-yet-valid
refused-certificate: expired → renew-certificate !
refused-certificate: valid → connection-refused
gateway-health: healthy → ot-network
gateway-health: degraded → ot-network
gateway-health: offline → restart-gateway
gateway-health: oom → restart-gateway
gateway-health: unreachable → site-uplink
site-uplink: yes → restart-gateway
site-uplink: no → ot-network-fault
restart-gateway: done → verify-reconnect
restart-gateway: refused → restarted-by-hand
restart-gateway: failed → restarted-by-hand
restart-gateway: expired → restarted-by-hand
restart-gateway: needless → recovered-meanwhile
restarted-by-hand: yes → verify-reconnect
restarted-by-hand: no → gateway-fault
restarted-by-hand: expired → gateway-fault
verify-reconnect: yes → gateway-recovered
verify-reconnect: no → gateway-after-restart
gateway-after-restart: healthy → ot-network
gateway-after-restart: degraded → ot-network
gateway-after-restart: offline → gateway-fault
gateway-after-restart: oom → gateway-fault
gateway-after-restart: unreachable → gateway-fault
ot-network: reachable → certificate
ot-network: unreachable → ot-network-fault
certificate: none → never-provisioned
certificate: revoked → certificate-revoked
certificate: not-yet-valid → certificate-not-yet-valid
certificate: expired → renew-certificate !
certificate: valid → power
renew-certificate: any → certificate-expired
renew-certificate: unknown → certificate-expired
power: confirmed → dispatch-technician
power: uncertain → power-fault
";

const DATA_GAP: &str = "
online-during-gap: offline → catch-up
online-during-gap: online → broker-messages
online-during-gap: part → split-by-presence
catch-up: pending → disconnected-catching-up
catch-up: arrived → disconnected-caught-up
catch-up: none → disconnected-data-lost
broker-messages: 0 → edge-buffer
broker-messages: 0.49 → edge-buffer
broker-messages: 0.5 → bridge
broker-messages: 1 → bridge
edge-buffer: full → buffer-overrun
edge-buffer: unsent → gateway-uplink-fault
edge-buffer: empty → edge-deadband
bridge: 0 → consumer-lag
bridge: 0.49 → consumer-lag
bridge: 0.5 → bridge-fault
consumer-lag: past-retention → ingestion-overloaded
consumer-lag: stopped → ingestion-overloaded
consumer-lag: stalled → ingestion-overloaded
consumer-lag: over-threshold → ingestion-overloaded
consumer-lag: normal → schema-rejections
schema-rejections: 0 → dedup-log
schema-rejections: 0.49 → dedup-log
schema-rejections: 0.5 → schema-mismatch
dedup-log: 0 → storage-write
dedup-log: 0.49 → storage-write
dedup-log: 0.5 → dedup-false-positive
storage-write: 0 → deadband
storage-write: 0.49 → deadband
storage-write: 0.5 → storage-write-fault
deadband: too-wide → deadband-too-wide
deadband: stable → process-stable
deadband: stuck → sensor-stuck
deadband: fine → unexplained-gap
deadband: too-narrow → unexplained-gap
deadband: none → unexplained-gap
edge-deadband: too-wide → deadband-too-wide
edge-deadband: stable → process-stable
edge-deadband: stuck → sensor-stuck
edge-deadband: fine → unexplained-gap
edge-deadband: too-narrow → unexplained-gap
edge-deadband: none → unexplained-gap
";

const CERTIFICATE_EXPIRY: &str = "
stage: ok → nothing-due
stage: awareness → nothing-due
stage: renewal → renewal-state
stage: follow-up → follow-up
stage: expired → provisioning-contact
stage: not-yet-valid → not-yet-valid
stage: revoked → revoked
stage: clock-suspect → clock-suspect
renewal-state: confirmed → renewed
renewal-state: running → renewal-in-progress
renewal-state: failed → follow-up
renewal-state: unsupported → follow-up
follow-up: done → follow-up-required
follow-up: refused → follow-up-required !
follow-up: failed → follow-up-required !
follow-up: expired → follow-up-required !
follow-up: needless → recovered-meanwhile
provisioning-contact: yes → re-provision
provisioning-contact: no → physical-access
re-provision: done → verify-re-provisioned
re-provision: refused → physical-access
re-provision: failed → physical-access
re-provision: expired → physical-access
re-provision: needless → recovered-meanwhile
verify-re-provisioned: yes → re-provisioned
verify-re-provisioned: no → physical-access
physical-access: done → verify-emergency
physical-access: refused → recovery-failed
physical-access: failed → recovery-failed
physical-access: expired → recovery-failed
physical-access: needless → recovered-meanwhile
verify-emergency: yes → emergency-certificate-installed
verify-emergency: no → recovery-failed
";

/// Conclusion, root cause (`-`: none), severity, whether it means that the subject has recovered.
const CONCLUSIONS: [(&str, &str); 3] = [
    (
        "device-offline",
        "
expected-offline - info
never-provisioned not-provisioned warning
connectivity-flap unstable-connectivity info recovered
persistent-flapping unstable-connectivity warning
field-protocol-fault plc-communication warning
gateway-client-fault gateway-client warning
connection-refused connection-refused warning
gateway-fault gateway-crash-or-oom critical
gateway-recovered gateway-crash-or-oom warning recovered
recovered-meanwhile - info recovered
ot-network-fault network-change critical
certificate-expired certificate-expiry critical
certificate-revoked certificate-revoked critical
certificate-not-yet-valid certificate-not-yet-valid warning
dispatch-technician device-fault warning
power-fault power-loss critical
",
    ),
    (
        "data-gap",
        "
disconnected-catching-up device-offline info
disconnected-caught-up device-offline info recovered
disconnected-data-lost device-offline warning
split-by-presence - info
buffer-overrun buffer-overrun critical
gateway-uplink-fault gateway-uplink critical
bridge-fault bridge critical
ingestion-overloaded consumer-lag critical
schema-mismatch schema-rejection critical
dedup-false-positive dedup-false-positive critical
storage-write-fault storage-write critical
deadband-too-wide deadband warning
process-stable deadband info
sensor-stuck sensor critical
unexplained-gap - warning
",
    ),
    (
        "certificate-expiry",
        "
nothing-due - info
renewed - info recovered
renewal-in-progress - info
follow-up-required renewal-not-confirmed critical
recovered-meanwhile - info recovered
re-provisioned renewal-failed warning recovered
emergency-certificate-installed renewal-failed warning recovered
recovery-failed renewal-failed critical
not-yet-valid certificate-not-yet-valid warning
revoked certificate-revoked critical
clock-suspect clock critical
",
    ),
];

fn runbooks() -> BTreeMap<String, Runbook> {
    let documents = catalog::documents().unwrap();
    let runbooks: BTreeMap<String, Runbook> = documents
        .iter()
        .map(|document| document.validate().unwrap_or_else(|faults| panic!("{faults}")))
        .map(|runbook| (runbook.name().to_owned(), runbook))
        .collect();
    assert_eq!(runbooks.keys().collect::<BTreeSet<_>>().len(), catalog::names().len());
    runbooks
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The branch that takes the value a table writes, and its way out.
fn branch<'r>(branches: &'r Branches, written: &str) -> (String, &'r Exit) {
    let value = match (written, branches.domain().kind()) {
        ("absent", _) => Value::Absent,
        (_, Kind::Instant) => Value::Instant(now() - parse_duration(written).unwrap()),
        (_, Kind::Duration) => Value::Duration(parse_duration(written).unwrap()),
        (_, Kind::Number) => Value::Number(written.parse().unwrap()),
        (_, Kind::Count) => Value::Count(written.parse().unwrap()),
        ("yes" | "no", Kind::Flag) => Value::Flag(written == "yes"),
        _ => branches.domain().find_choice(written).unwrap_or_else(|| panic!("{written}")),
    };
    let at = branches.select(value, now()).unwrap_or_else(|| panic!("{written}"));
    (format!("branch {at}"), &branches.as_slice()[usize::from(at)].exit)
}

fn way_out<'r>(kind: &'r StepKind, written: &str) -> (String, &'r Exit) {
    let named = |exit: &'r Exit| (written.to_owned(), exit);
    match (kind, written) {
        (StepKind::Check(step), "unknown") => match &step.unknown {
            OnUnknown::Go(exit) => named(exit),
            other => panic!("{other:?}"),
        },
        (StepKind::Check(step), _) => branch(&step.branches, written),
        (StepKind::Wait(step), "over") => named(&step.exit),
        (StepKind::Act(step), "done") => named(&step.done),
        (StepKind::Act(step), "refused") => named(&step.refused),
        (StepKind::Act(step), "failed") => named(&step.failed),
        (StepKind::Act(step), "expired") => named(&step.expired),
        (StepKind::Act(step), "needless") => named(step.needless.as_ref().unwrap()),
        (StepKind::Ask(step), "expired") => named(&step.expired),
        (StepKind::Ask(step), _) => branch(&step.branches, written),
        (StepKind::Handover(step), "any") => named(step.otherwise.as_ref().unwrap()),
        (StepKind::Handover(step), "unknown") => named(&step.unknown),
        (other, _) => panic!("{written}: {other:?}"),
    }
}

/// All ways out of a step that a table must take.
fn ways_out(kind: &StepKind) -> usize {
    match kind {
        StepKind::Check(step) => {
            step.branches.as_slice().len() + usize::from(matches!(step.unknown, OnUnknown::Go(_)))
        }
        StepKind::Wait(_) => 1,
        StepKind::Act(step) => 4 + usize::from(step.needless.is_some()),
        StepKind::Ask(step) => step.branches.as_slice().len() + 1,
        StepKind::Handover(step) => step.branches.len() + usize::from(step.otherwise.is_some()) + 1,
        _ => 0,
    }
}

#[test]
fn every_way_is_that_of_the_contract() {
    let runbooks = runbooks();
    for (name, table) in [
        ("device-offline", DEVICE_OFFLINE),
        ("data-gap", DATA_GAP),
        ("certificate-expiry", CERTIFICATE_EXPIRY),
    ] {
        let runbook = &runbooks[name];
        let mut taken: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for line in table.trim().lines() {
            let (step, rest) = line.split_once(": ").unwrap();
            let (written, target) = rest.split_once(" → ").unwrap();
            let (target, alerts) = target.strip_suffix(" !").map_or((target, false), |target| (target, true));
            let found = runbook.find(step).unwrap_or_else(|| panic!("{name} has no {step}"));
            let (way, exit) = way_out(&runbook.step(found).unwrap().kind, written);
            assert_eq!(&*runbook.step(exit.to).unwrap().id, target, "{name}: {line}");
            assert_eq!(exit.alert.is_some(), alerts, "{name}: {line}");
            taken.entry(step).or_default().insert(way);
        }
        for step in runbook.steps() {
            let taken = taken.get(&*step.id).map_or(0, BTreeSet::len);
            assert_eq!(taken, ways_out(&step.kind), "{name}: ways out of {}", step.id);
        }
        let first = table.trim().split_once(':').unwrap().0;
        assert_eq!(&*runbook.step(runbook.start()).unwrap().id, first);
    }
}

#[test]
fn every_conclusion_is_that_of_the_contract() {
    let runbooks = runbooks();
    for (name, table) in CONCLUSIONS {
        let runbook = &runbooks[name];
        let mut expected = BTreeSet::new();
        for line in table.trim().lines() {
            let mut words = line.split(' ');
            let (id, cause) = (words.next().unwrap(), words.next().unwrap());
            let severity = Severity::from_name(words.next().unwrap()).unwrap();
            let recovered = words.next() == Some("recovered");
            let step =
                runbook.step(runbook.find(id).unwrap_or_else(|| panic!("{name} has no {id}"))).unwrap();
            let StepKind::Conclude(conclusion) = &step.kind else { panic!("{id} is a {}", step.kind.name()) };
            assert_eq!(conclusion.root_cause.as_deref(), (cause != "-").then_some(cause), "{name}: {id}");
            assert_eq!((conclusion.severity, conclusion.recovered), (severity, recovered), "{name}: {id}");
            assert!(!step.advice.is_empty() && !step.title.is_empty(), "{name}: {id} says nothing");
            expected.insert(id);
        }
        assert_eq!(runbook.conclusions().map(|(id, _)| id).collect::<BTreeSet<_>>(), expected);
    }
}

/// What the boxes of the reference's charts tell a person to do: the step or conclusion whose advice says it, and
/// the words by which it is known.
const INSTRUCTIONS: [(&str, &str); 2] = [
    (
        "device-offline",
        "
last-seen: check, timestamp
flap: monitor, before escalating, alert
watch: alert
broker-connect: check, connection log, CONNECT
gateway-publishing: protocol layer, MQTT log
field-protocol-fault: protocol layer
gateway-health: check, memory, CPU, disk
restart-gateway: system logs, memory, CPU, disk, safe
gateway-fault: system logs, memory, CPU, disk, restart, safe
verify-reconnect: reconnecting, within
ot-network: check, connectivity, OT network
ot-network-fault: contact, IT/OT team, firewall rules, VLAN configuration
certificate: check, expires
renew-certificate: execute, renewal runbook, stays offline until
certificate-expired: stays offline until
power: check, power, connectivity
dispatch-technician: dispatch, technician, physical inspection, sensor wiring, status LEDs, local HMI
power-fault: UPS, power feed, circuit breaker, fuse, cycle its power remotely
",
    ),
    (
        "data-gap",
        "
online-during-gap: check, sessions
catch-up: check, store-and-forward buffer
disconnected-catching-up: store-and-forward buffer
broker-messages: check, broker's logs, arrive, during the gap
edge-buffer: check, outbox table
buffer-overrun: disk space, gateway, network bandwidth, buffer larger, poll less often
gateway-uplink-fault: MQTT connection, TLS certificate, broker's ACLs
consumer-lag: check, Kafka consumer lag, ingestion group
ingestion-overloaded: scale, consumers, write latency, slow queries
schema-rejections: check, rejection logs, schema validation
schema-mismatch: firmware version, registered schema version, handler, new version
dedup-log: check, deduplication log, false positives
dedup-false-positive: ids that collide, time to live, ULID, firmware
deadband: check, deadband configuration, edge
edge-deadband: check, deadband configuration, edge
deadband-too-wide: review the deadband settings, process engineer
process-stable: review the deadband, process engineer
sensor-stuck: check the sensor, wiring, converter
",
    ),
];

#[test]
fn every_instruction_of_the_reference_is_in_the_advice_of_its_step() {
    let runbooks = runbooks();
    for (name, table) in INSTRUCTIONS {
        let runbook = &runbooks[name];
        for line in table.trim().lines() {
            let (id, told) = line.split_once(": ").unwrap();
            let step = runbook.find(id).and_then(|found| runbook.step(found)).unwrap();
            let advice = step.advice.join(" ").to_lowercase();
            for words in told.split(", ") {
                assert!(
                    advice.contains(&words.to_lowercase()),
                    "{name}: {id} does not say `{words}`: {advice}"
                );
            }
        }
        for step in runbook.steps() {
            let silent = step.advice.is_empty() && !matches!(step.kind, StepKind::Ask(_));
            assert!(!silent || &*step.id == "service-state", "{name}: {} says not how", step.id);
        }
    }
}

#[test]
fn the_prior_is_that_of_the_reference() {
    let runbooks = runbooks();
    let prior = |name: &str| runbooks[name].prior().map(str::to_owned).collect::<Vec<_>>().join(" > ");
    assert_eq!(
        prior("device-offline"),
        "network-change > certificate-expiry > gateway-crash-or-oom > plc-communication > power-loss"
    );
    assert_eq!(prior("data-gap"), "consumer-lag > schema-rejection > dedup-false-positive > deadband");
    assert_eq!(prior("certificate-expiry"), "");
}

#[test]
fn acts_wait_for_a_person_but_for_the_one_that_only_tells_people() {
    let mut found = BTreeMap::new();
    for (name, runbook) in &runbooks() {
        for step in runbook.steps() {
            if let StepKind::Act(act) = &step.kind {
                assert!(act.recheck.is_some(), "{name}: {} acts without a last look", step.id);
                found.insert(act.action.to_string(), (act.scope.name(), act.approval));
            }
        }
    }
    let expected = [
        ("restart-gateway", ("gateway", ApprovalPolicy::Required)),
        ("open-follow-up", ("device", ApprovalPolicy::Automatic)),
        ("re-provision", ("device", ApprovalPolicy::Required)),
        ("load-emergency-certificate", ("device", ApprovalPolicy::Required)),
    ];
    assert_eq!(found, expected.map(|(action, policy)| (action.to_owned(), policy)).into());
}

#[test]
fn thresholds_have_the_defaults_of_the_contract() {
    for (document, defaults) in [
        (
            catalog::device_offline().unwrap(),
            &[
                ("flap_window", "5m"),
                ("offline_after", "30m"),
                ("monitor_for", "10m"),
                ("recent_connect", "30m"),
                ("reconnect_within", "5m"),
                ("clock_tolerance", "30s"),
                ("recurring_flaps", "10"),
            ][..],
        ),
        (
            catalog::data_gap().unwrap(),
            &[("lag_age", "5m"), ("lag_messages", "10000"), ("buffer_full_at", "0.95"), ("explains", "0.5")]
                [..],
        ),
    ] {
        let plain = document.validate().unwrap().fingerprint();
        for (name, default) in defaults {
            let same = document.clone().threshold(name, *default).validate().unwrap().fingerprint();
            assert_eq!(same, plain, "{name}");
        }
    }
}

/// A value that nobody could tell never leads where a good one would, unless a note says what was assumed.
#[test]
fn what_is_unknown_is_explored_or_asked() {
    for (name, runbook) in &runbooks() {
        for step in runbook.steps() {
            let StepKind::Check(check) = &step.kind else { continue };
            match (&*step.id, &check.unknown) {
                ("service-state", OnUnknown::Go(exit)) => assert!(exit.note.is_some()),
                ("power", OnUnknown::Ask { .. }) => {}
                (id, unknown) => assert_eq!(*unknown, OnUnknown::Explore, "{name}: {id}"),
            }
        }
    }
}

#[test]
fn every_answer_has_a_bound_on_its_age_and_each_act_its_last_look() {
    let mut rechecks = BTreeMap::new();
    for (name, runbook) in &runbooks() {
        for query in runbook.queries() {
            assert!(query.stale_after.is_some(), "{name}: {} may be of any age", query.check);
        }
        for step in runbook.steps() {
            if let StepKind::Act(act) = &step.kind {
                let recheck = &runbook.queries()[act.recheck.unwrap().position()].check;
                rechecks.insert(act.action.to_string(), recheck.to_string());
            }
        }
    }
    let expected = [
        ("restart-gateway", "device-back"),
        ("open-follow-up", "certificate-replaced"),
        ("re-provision", "certificate-replaced"),
        ("load-emergency-certificate", "certificate-replaced"),
    ];
    assert_eq!(rechecks, expected.map(|(act, check)| (act.to_owned(), check.to_owned())).into());
}
