//! The built-in runbooks against their contract, written down here a second time: every step, what comes back,
//! and where it leads. A way out that no line of the tables takes is an error too.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use iot_runbook::catalog;
use iot_runbook::fact::{Kind, Value};
use iot_runbook::runbook::Runbook;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::guard::Branches;
use iot_runbook::runbook::step::{ApprovalPolicy, Exit, OnUnknown, Severity, StepKind};
use iot_runbook::time::parse_duration;

const DEVICE_OFFLINE: &str = "
service-state: in-service → last-seen
service-state: maintenance → expected-offline
service-state: decommissioned → expected-offline
service-state: never-provisioned → never-provisioned
service-state: unknown → last-seen
last-seen: -30s1ns → platform-health
last-seen: -30s → flap
last-seen: 0s → flap
last-seen: 4m59s → flap
last-seen: 5m → watch
last-seen: 29m59s → watch
last-seen: 30m → platform-health !
last-seen: 400d → platform-health !
last-seen: absent → platform-health
last-seen: unknown → platform-health
flap: over → recheck
watch: over → recheck
recheck: silent → silent-for
recheck: steady → flap-history
recheck: flapping → flapping-for
recheck: unknown → silent-for
silent-for: 0s → last-seen
silent-for: 29m59s → last-seen
silent-for: 30m → still-fresh !
still-fresh: -30s1ns → platform-health
still-fresh: -30s → platform-health
still-fresh: 29m59s → platform-health
still-fresh: 30m → platform-health
still-fresh: absent → platform-health
still-fresh: unknown → platform-health
flapping-for: 0s → flap
flapping-for: 29m59s → flap
flapping-for: 30m → persistent-flapping !
flap-history: shared → broker-fault
flap-history: rare → connectivity-flap
flap-history: recurring → persistent-flapping
flap-history: unknown → connectivity-flap
platform-health: well → broker-connect
platform-health: broker-down → broker-fault
platform-health: ingestion-down → ingestion-fault
platform-health: unknown → broker-connect
broker-connect: session-up → gateway-publishing
broker-connect: recent-connect → gateway-publishing
broker-connect: refused → refusal
broker-connect: half-open → gateway-health
broker-connect: none → gateway-health
gateway-publishing: refused-by-acl → connection-refused
gateway-publishing: dropped-by-quota → broker-fault
gateway-publishing: this-device → ingestion-fault
gateway-publishing: nothing-of-its-own → device-client-fault
gateway-publishing: other-devices → field-path
gateway-publishing: only-itself → collector-path
gateway-publishing: nothing → collector-path
gateway-publishing: not-even-heartbeats → gateway-client-fault
field-path: answers → field-polls
field-path: port-refused → field-protocol-fault
field-path: port-silent → ot-network-fault
field-path: other-host → other-host
field-path: link-up → seen-elsewhere
field-path: link-down → seen-elsewhere
field-path: segment-only → seen-elsewhere
field-path: segment-unknown → seen-elsewhere
field-path: nobody → segment-power
field-path: unknown → seen-elsewhere
field-path: not named → power
field-polls: withheld → expected-offline
field-polls: failing → field-protocol-fault
field-polls: not-made → gateway-collector-fault
field-polls: subscription-lost → gateway-collector-fault
field-polls: not-passed-on → gateway-collector-fault
field-polls: not-at-broker → gateway-collector-fault
field-polls: unknown → field-protocol-fault
collector-path: answers → collector-polls
collector-path: port-refused → field-protocol-fault
collector-path: port-silent → ot-network-fault
collector-path: other-host → other-host
collector-path: link-up → seen-elsewhere
collector-path: link-down → seen-elsewhere
collector-path: segment-only → seen-elsewhere
collector-path: segment-unknown → seen-elsewhere
collector-path: nobody → segment-power
collector-path: not named → power
other-host: withheld → expected-offline
other-host: failing → address-taken
other-host: not-made → collector-or-client
other-host: subscription-lost → collector-or-client
other-host: not-passed-on → collector-or-client
other-host: not-at-broker → collector-or-client
other-host: unknown → address-taken
seen-elsewhere: yes → behind-other-gateway
seen-elsewhere: no → power
seen-elsewhere: unknown → power
collector-polls: withheld → expected-offline
collector-polls: failing → field-protocol-fault
collector-polls: not-made → collector-or-client
collector-polls: subscription-lost → collector-or-client
collector-polls: not-passed-on → collector-or-client
collector-polls: not-at-broker → collector-or-client
collector-polls: unknown → collector-or-client
segment-power: lost → power-fault
segment-power: confirmed → ot-network-fault
segment-power: uncertain → ot-network-fault
segment-power: unknown → ot-network-fault
collector-or-client: nothing → gateway-client-fault
collector-or-client: not-even-heartbeats → gateway-client-fault
collector-or-client: only-itself → gateway-collector-fault
collector-or-client: other-devices → gateway-collector-fault
collector-or-client: nothing-of-its-own → gateway-collector-fault
collector-or-client: this-device → ingestion-fault
collector-or-client: refused-by-acl → connection-refused
collector-or-client: dropped-by-quota → broker-fault
collector-or-client: unknown → gateway-collector-fault
refusal: certificate → refused-certificate
refusal: trust → holder-clock
refusal: credentials → holder-clock
refusal: not-allowed → connection-refused
refusal: unavailable → broker-fault
refusal: unavailable-before → gateway-health
refusal: no-reason → refused-certificate
refusal: unknown → refused-certificate
holder-clock: right → refused-for
holder-clock: time-zone → refused-for
holder-clock: off → clock-wrong
holder-clock: unknown → refused-for
refused-for: credentials → connection-refused
refused-for: trust → trust-chain-fault
refused-for: certificate → trust-chain-fault
refused-for: not-allowed → trust-chain-fault
refused-for: unavailable → trust-chain-fault
refused-for: unavailable-before → trust-chain-fault
refused-for: no-reason → trust-chain-fault
refused-for: unknown → trust-chain-fault
refused-certificate: never-connected → never-provisioned
refused-certificate: missing → certificate-missing
refused-certificate: revoked → certificate-revoked
refused-certificate: not-yet-valid → certificate-not-yet-valid
refused-certificate: expired → renew-certificate !
refused-certificate: valid → connection-refused
refused-certificate: uses-none → connection-refused
gateway-health: healthy → broker-path
gateway-health: degraded → broker-path
gateway-health: hung → restart-gateway
gateway-health: offline → restart-gateway
gateway-health: oom → restart-gateway
gateway-health: unreachable → site-uplink
gateway-health: not named → broker-path
broker-path: open → holder-of-open-path
broker-path: closed → broker-path-fault
broker-path: tls-timeout → broker-path-fault
broker-path: tls-alert → certificate-after-tls
broker-path: unknown → holder-of-untried-path
holder-of-open-path: gateway → gateway-client-fault
holder-of-open-path: device → ot-network
holder-of-open-path: unknown → ot-network
holder-of-untried-path: gateway → certificate
holder-of-untried-path: device → ot-network
holder-of-untried-path: unknown → ot-network
certificate-after-tls: never-connected → never-provisioned
certificate-after-tls: missing → certificate-missing
certificate-after-tls: revoked → certificate-revoked
certificate-after-tls: not-yet-valid → certificate-not-yet-valid
certificate-after-tls: expired → renew-certificate !
certificate-after-tls: valid → holder-clock
certificate-after-tls: uses-none → holder-clock
site-uplink: yes → restart-gateway
site-uplink: no → site-power
site-uplink: not named → restart-gateway
site-power: fed → site-uplink-fault
site-power: not-fed → site-power-fault
site-power: nobody knows → site-offline
restart-gateway: done → verify-reconnect
restart-gateway: refused → restarted-by-hand
restart-gateway: failed → restarted-by-hand
restart-gateway: expired → restarted-by-hand
restart-gateway: recheck device-back → recovered-meanwhile
restart-gateway: recheck restarted → verify-reconnect
restarted-by-hand: yes → verify-reconnect
restarted-by-hand: no → gateway-went-first
restarted-by-hand: expired → gateway-went-first
verify-reconnect: yes → gateway-recovered
verify-reconnect: no → gateway-after-restart
gateway-after-restart: healthy → connected-after-restart
gateway-after-restart: degraded → connected-after-restart
connected-after-restart: session-up → gateway-publishing
connected-after-restart: recent-connect → gateway-publishing
connected-after-restart: refused → refusal
connected-after-restart: half-open → broker-path
connected-after-restart: none → broker-path
connected-after-restart: unknown → broker-path
gateway-after-restart: hung → gateway-went-first
gateway-after-restart: offline → gateway-went-first
gateway-after-restart: oom → gateway-went-first
gateway-after-restart: unreachable → gateway-went-first
gateway-went-first: yes → gateway-fault
gateway-went-first: no → power
gateway-went-first: unknown → gateway-fault
ot-network: carrier-holds → carrier-fault
ot-network: answers → certificate
ot-network: port-refused → certificate
ot-network: other-host → address-taken
ot-network: link-up → certificate
ot-network: link-down → certificate
ot-network: segment-only → certificate
ot-network: segment-unknown → certificate
ot-network: port-silent → ot-network-fault
ot-network: nobody → segment-power
ot-network: unknown → certificate
certificate: never-connected → never-provisioned
certificate: missing → certificate-missing
certificate: revoked → certificate-revoked
certificate: not-yet-valid → certificate-not-yet-valid
certificate: expired → renew-certificate !
certificate: valid → holder-of-certificate
certificate: uses-none → holder-of-certificate
holder-of-certificate: gateway → gateway-uplink-fault
holder-of-certificate: device → answered-on-network
holder-of-certificate: unknown → power
answered-on-network: answers → device-client-fault
answered-on-network: port-refused → device-client-fault
answered-on-network: other-host → power
answered-on-network: link-up → power
answered-on-network: link-down → power
answered-on-network: segment-only → power
answered-on-network: segment-unknown → power
answered-on-network: nobody → power
answered-on-network: port-silent → power
answered-on-network: carrier-holds → power
answered-on-network: unknown → power
renew-certificate: renewed → certificate-renewed
renew-certificate: re-provisioned → certificate-renewed
renew-certificate: emergency-certificate-installed → certificate-renewed
renew-certificate: recovered-meanwhile → certificate-renewed
renew-certificate: any → certificate-expired
renew-certificate: unknown → certificate-expired
power: confirmed → network-known
power: lost → power-fault
power: uncertain → power-uncertain
network-known: answers → dispatch-technician
network-known: port-refused → dispatch-technician
network-known: link-up → dispatch-technician
network-known: link-down → not-reachable
network-known: segment-only → not-reachable
network-known: other-host → address-taken
network-known: segment-unknown → not-reachable
network-known: port-silent → ot-network-fault
network-known: nobody → ot-network-fault
network-known: carrier-holds → carrier-fault
network-known: unknown → not-reachable
";

const DATA_GAP: &str = "
service-state: in-service → online-during-gap
service-state: out-of-service → expected-offline
service-state: partly-in-service → online-during-gap
service-state: unknown → online-during-gap
online-during-gap: offline → catch-up
online-during-gap: online → broker-messages
online-during-gap: part → split-by-presence
catch-up: pending → disconnected-catching-up
catch-up: arrived → disconnected-caught-up
catch-up: lost → disconnected-data-lost
broker-messages: dropped → broker-dropped
broker-messages: not-reached → edge-buffer
broker-messages: reached → bridge
edge-buffer: dropped → buffer-overrun
edge-buffer: unsent → gateway-uplink-fault
edge-buffer: neither → acquisition
edge-buffer: not named → acquisition
acquisition: not-acquired → acquisition-fault
acquisition: not-passed-on → gateway-collector-fault
acquisition: passed-on → edge-deadband
acquisition: unknown → edge-deadband
acquisition: not named → edge-deadband
bridge: 0 → consumer-offset
bridge: 0.49 → consumer-offset
bridge: 0.5 → bridge-fault
consumer-offset: skipped → messages-skipped
consumer-offset: held-back → producer-transaction-open
consumer-offset: poison-record → poison-record
consumer-offset: none → consumer-lag
consumer-offset: unknown → consumer-lag
consumer-lag: past-retention → ingestion-overloaded
consumer-lag: stopped → ingestion-overloaded
consumer-lag: stalled → ingestion-overloaded
consumer-lag: over-threshold → ingestion-overloaded
consumer-lag: unread → ingestion-overloaded
consumer-lag: drained → schema-rejections
consumer-lag: normal → schema-rejections
schema-rejections: 0 → dedup-log
schema-rejections: 0.49 → dedup-log
schema-rejections: 0.5 → schema-mismatch
dedup-log: 0 → storage-write
dedup-log: 0.49 → storage-write
dedup-log: 0.5 → dedup-false-positive
storage-write: 0 → stored-elsewhere
storage-write: 0.49 → stored-elsewhere
storage-write: 0.5 → storage-write-fault
stored-elsewhere: other-times → timestamps-wrong
stored-elsewhere: out-of-sight → stored-out-of-sight
stored-elsewhere: nowhere → deadband
stored-elsewhere: unknown → deadband
deadband: too-wide → deadband-too-wide
deadband: stable → process-stable
deadband: sensor-stuck → sensor-stuck
deadband: fine → altogether
deadband: too-narrow → altogether
deadband: little-withheld → altogether
deadband: none → altogether
edge-deadband: too-wide → deadband-too-wide
edge-deadband: stable → process-stable
edge-deadband: sensor-stuck → sensor-stuck
edge-deadband: fine → altogether
edge-deadband: too-narrow → altogether
edge-deadband: little-withheld → altogether
edge-deadband: none → altogether
altogether: 0 → unexplained-gap
altogether: 0.49 → unexplained-gap
altogether: 0.5 → several-causes
altogether: 1 → several-causes
";

const CERTIFICATE_EXPIRY: &str = "
stage: ok → nothing-due
stage: awareness → nothing-due
stage: renewal → renewal-state
stage: follow-up → follow-up
stage: issuer-due → follow-up
stage: overlap-overdue → follow-up
stage: expired → revocation
stage: not-yet-valid → not-yet-valid
stage: revoked → revoked
stage: clock-suspect → clock-suspect
revocation: yes → provisioning-contact
revocation: no → provisioning-contact
revocation: unknown → provisioning-contact
renewal-state: confirmed → renewed
renewal-state: rolled-back → follow-up
renewal-state: running → renewal-in-progress
renewal-state: retrying → renewal-in-progress
renewal-state: due → renewal-in-progress
renewal-state: stalled → renewal-stalled !
renewal-state: failed → follow-up
renewal-state: unsupported → follow-up
follow-up: done → follow-up-required
follow-up: refused → follow-up-required !
follow-up: failed → follow-up-required !
follow-up: expired → follow-up-required !
follow-up: recheck yes → recovered-meanwhile
provisioning-contact: yes → re-provision
provisioning-contact: no → restart-holder
provisioning-contact: unknown → re-provision
restart-holder: done → verify-re-provisioned
restart-holder: refused → physical-access
restart-holder: failed → physical-access
restart-holder: expired → physical-access
restart-holder: recheck yes → recovered-meanwhile
re-provision: done → verify-re-provisioned
re-provision: refused → physical-access
re-provision: failed → physical-access
re-provision: expired → physical-access
re-provision: recheck yes → recovered-meanwhile
physical-access: done → verify-emergency
physical-access: refused → recovery-failed
physical-access: failed → recovery-failed
physical-access: expired → recovery-failed
physical-access: recheck yes → recovered-meanwhile
verify-re-provisioned: yes → re-provisioned
verify-re-provisioned: no → physical-access
verify-emergency: yes → emergency-certificate-installed
verify-emergency: no → recovery-failed
";

/// Conclusion, root cause (`-`: none), severity, whether it means that the subject has recovered.
const CONCLUSIONS: [(&str, &str); 3] = [
    (
        "device-offline",
        "
expected-offline not-in-service info
never-provisioned not-provisioned warning
connectivity-flap unstable-connectivity info recovered
persistent-flapping unstable-connectivity warning
broker-fault broker-outage critical
ingestion-fault ingestion-outage critical
field-protocol-fault plc-communication warning
gateway-collector-fault gateway-software warning
gateway-client-fault gateway-software warning
gateway-uplink-fault gateway-software warning
device-client-fault device-software warning
connection-refused credentials warning
clock-wrong clock critical
trust-chain-fault trust-chain critical
broker-path-fault network-change critical
site-uplink-fault network-change critical
site-power-fault power-loss critical
site-offline network-change critical
gateway-fault gateway-crash-or-oom critical
gateway-recovered gateway-crash-or-oom warning recovered
recovered-meanwhile - info recovered
ot-network-fault network-change critical
carrier-fault network-change critical
not-reachable network-change warning
certificate-expired certificate-expiry critical
certificate-renewed certificate-expiry warning recovered
certificate-missing not-provisioned critical
certificate-revoked certificate-other critical
certificate-not-yet-valid certificate-other warning
dispatch-technician device-fault warning
power-fault power-loss critical
address-taken network-change warning
behind-other-gateway network-change warning
power-uncertain unknown warning
",
    ),
    (
        "data-gap",
        "
expected-offline not-in-service info
disconnected-catching-up device-offline info
disconnected-caught-up device-offline info recovered
disconnected-data-lost device-offline warning
split-by-presence split-by-presence info
broker-dropped broker-dropped critical
buffer-overrun buffer-overrun critical
gateway-uplink-fault gateway-uplink critical
acquisition-fault acquisition critical
gateway-collector-fault gateway-software critical
bridge-fault bridge critical
messages-skipped consumer-lag critical
producer-transaction-open consumer-lag critical
poison-record consumer-lag critical
ingestion-overloaded consumer-lag critical
schema-mismatch schema-rejection critical
dedup-false-positive dedup-false-positive critical
storage-write-fault storage-write critical
timestamps-wrong timestamps-wrong critical
stored-out-of-sight stored-out-of-sight warning
deadband-too-wide deadband warning
process-stable deadband info
sensor-stuck sensor-stuck warning
several-causes several-causes critical
unexplained-gap - warning
recovered-meanwhile - info recovered
",
    ),
    (
        "certificate-expiry",
        "
nothing-due - info
renewed - info recovered
renewal-in-progress - info
renewal-stalled renewal-stalled critical
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
        (StepKind::Check(step), "nobody knows") => match &step.unknown {
            OnUnknown::Ask { expired: Some(exit), .. } => named(exit),
            other => panic!("{other:?}"),
        },
        (StepKind::Check(step), "not named") => named(step.not_named.as_ref().unwrap()),
        (StepKind::Check(step), _) => branch(&step.branches, written),
        (StepKind::Wait(step), "over") => named(&step.exit),
        (StepKind::Act(step), "done") => named(&step.done),
        (StepKind::Act(step), "refused") => named(&step.refused),
        (StepKind::Act(step), "failed") => named(&step.failed),
        (StepKind::Act(step), "expired") => named(&step.expired),
        (StepKind::Act(step), _) => {
            branch(&step.recheck.as_ref().unwrap().branches, written.strip_prefix("recheck ").unwrap())
        }
        (StepKind::Ask(step), "expired") => named(&step.expired),
        (StepKind::Ask(step), _) => branch(&step.branches, written),
        (StepKind::Handover(step), "any") => named(step.otherwise.as_ref().unwrap()),
        (StepKind::Handover(step), "unknown") => named(&step.unknown),
        (StepKind::Handover(step), conclusion) => {
            let takes = |ids: &[Box<str>]| ids.iter().any(|id| &**id == conclusion);
            let at = step.branches.iter().position(|branch| takes(&branch.conclusions)).unwrap();
            (format!("branch {at}"), &step.branches[at].exit)
        }
        (other, _) => panic!("{written}: {other:?}"),
    }
}

/// All ways out of a step that a table must take.
fn ways_out(kind: &StepKind) -> usize {
    match kind {
        StepKind::Check(step) => {
            step.branches.as_slice().len()
                + usize::from(matches!(
                    step.unknown,
                    OnUnknown::Go(_) | OnUnknown::Ask { expired: Some(_), .. }
                ))
                + usize::from(step.not_named.is_some())
        }
        StepKind::Wait(_) => 1,
        StepKind::Act(_) => kind.exit_count(),
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
flap: monitor, before you escalate, alert
watch: alert
broker-connect: check, connection log, CONNECT
gateway-publishing: protocol layer, MQTT log
field-protocol-fault: field protocol, identity, taken the address
gateway-health: check, memory, CPU, disk
restart-gateway: system logs, memory, CPU, disk, safe
gateway-fault: system logs, memory, CPU, disk, restart, safe
connected-after-restart: connection log, restart
verify-reconnect: reconnect, within five minutes
ot-network: check, connectivity, OT network
ot-network-fault: contact, IT/OT team, firewall rules, VLAN configuration
certificate: check, expire, issuers, revoked
renew-certificate: execute, renewal runbook, stays offline until
certificate-expired: stays offline until
power: check, power, connectivity, UPS, power feed, circuit breaker, fuse, cable, switch port, moved, cycle its power remotely
dispatch-technician: dispatch, technician, physical inspection, sensor wiring, status LEDs, local HMI
power-fault: UPS, power feed, circuit breaker, fuse
power-uncertain: nothing was measured, moved, UPS, power feed, circuit breaker, fuse, cable, switch port, other gateways, cycle its power remotely
seen-elsewhere: other gateways, sessions, scans, address tables
behind-other-gateway: moved, registry, switch port, cable, VLAN configuration
other-host: exchanged, took the address
address-taken: both identities, hardware address, address conflict, exchanged, registry
broker-path-fault: contact, IT/OT team, firewall rules, VLAN configuration, DNS, proxy, packet size
trust-chain-fault: CA, whole chain, TLS inspection
clock-wrong: clock, NTP
carrier-fault: SIM, plan, access point
not-reachable: network first, switch port, cable, other gateways, technician
certificate-renewed: post-mortem, alert earlier
",
    ),
    (
        "data-gap",
        "
online-during-gap: check, sessions, messages, one and a half keep-alives
catch-up: check, store-and-forward buffer
disconnected-catching-up: no data gap, store-and-forward buffer
split-by-presence: diagnose each by itself
broker-messages: check, broker's logs, arrive, during the gap, drop or refuse
broker-dropped: queues, quotas, ACL
edge-buffer: check, outbox table
buffer-overrun: disk space, gateway, network bandwidth, increase the buffer, poll less often
gateway-uplink-fault: MQTT connection, TLS certificate, broker's ACLs, nearly full
acquisition: polls, answered, failed, passed on
acquisition-fault: PLC, device-offline
gateway-collector-fault: converter, mapper, local broker
bridge-fault: bridge, subscription
consumer-offset: offset, reset, open transaction, one record
messages-skipped: offset reset policy, read the messages again
producer-transaction-open: producer, transaction coordinator
poison-record: dead-letter
consumer-lag: check, Kafka consumer lag, ingestion group
ingestion-overloaded: scale, consumer, write latency, slow queries
schema-rejections: check, rejection logs, schema validation
schema-mismatch: firmware version, registered schema version, handler, new version
dedup-log: check, deduplication log, false positives
dedup-false-positive: ids that collide, TTL, replay, ULID, firmware
storage-write: refused or failed to write
stored-elsewhere: outside the period, another name, series or database, same key, retention, not applied
timestamps-wrong: clock, time zone, device, gateway, parser
stored-out-of-sight: another name, series or database, same key, retention, not applied
deadband: check, deadband configuration, edge
edge-deadband: check, deadband configuration, edge
deadband-too-wide: review the deadband settings, process engineer
sensor-stuck: sensor, wiring
several-causes: share of each
unexplained-gap: every share
process-stable: review the deadband, process engineer
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
            // Its title says all: in service? whose session? is it known?
            let is_plain = step.id.starts_with("holder-of-") || &*step.id == "service-state";
            let is_plain = is_plain || &*step.id == "answered-on-network";
            assert!(!silent || is_plain, "{name}: {} gives no advice", step.id);
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
fn a_cause_that_stays_open_has_no_prior() {
    let text = include_str!("../../src/catalog/device-offline.toml");
    let with = text.replacen("\"power-loss\"]", "\"power-loss\", \"unknown\"]", 1);
    let faults = Document::from_toml(&with).unwrap().validate().unwrap_err();
    assert!(faults.to_string().contains("no conclusion has the root cause `unknown`"), "{faults}");
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
        ("restart-holder", ("session", ApprovalPolicy::Required)),
        ("open-follow-up", ("session", ApprovalPolicy::Automatic)),
        ("re-provision", ("session", ApprovalPolicy::Required)),
        ("load-emergency-certificate", ("session", ApprovalPolicy::Required)),
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
                ("silence_margin", "1m"),
                ("holder_clock_off", "1h"),
            ][..],
        ),
        (
            catalog::data_gap().unwrap(),
            &[
                ("lag_age", "5m"),
                ("lag_messages", "10000"),
                ("buffer_full_at", "0.95"),
                ("explains", "0.5"),
                ("replay_still", "15m"),
                ("clock_tolerance", "30s"),
            ][..],
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
                // The conclusion itself says what nobody could tell, or the step after it asks again.
                (
                    "collector-or-client"
                    | "refused-for"
                    | "gateway-went-first"
                    | "answered-on-network"
                    | "seen-elsewhere",
                    OnUnknown::Go(_),
                ) => {}
                // Where nobody answers nothing was measured: no conclusion.
                ("power", OnUnknown::Ask { expired: None, .. }) => {}
                ("site-power", OnUnknown::Ask { .. }) => {}
                (id, OnUnknown::Go(exit)) => assert!(exit.note.is_some(), "{name}: {id}"),
                (id, unknown) => assert_eq!(*unknown, OnUnknown::Explore, "{name}: {id}"),
            }
        }
    }
}

/// What says that something is still wrong is asked again right before it; what is over or meant to be is not.
#[test]
fn device_offline_looks_again_before_it_says_that_something_is_wrong() {
    let runbook = &runbooks()["device-offline"];
    let mut certain = BTreeSet::new();
    for (id, found) in runbook.conclusions() {
        let StepKind::Conclude(conclusion) = &runbook.step(found).unwrap().kind else { panic!("{id}") };
        let Some(unless) = &conclusion.unless else {
            certain.insert(id);
            continue;
        };
        assert_eq!(&*runbook.queries()[unless.query.position()].check, "device-back", "{id}");
        for (value, target) in [("back", "recovered-meanwhile"), ("out-of-service", "expected-offline")] {
            let (_, exit) = branch(&unless.branches, value);
            assert_eq!(&*runbook.step(exit.to).unwrap().id, target, "{id}");
        }
        let silent = unless.branches.domain().find_choice("silent").unwrap();
        assert_eq!(unless.branches.select(silent, now()), None, "{id}");
    }
    let expected = [
        "expected-offline",
        "connectivity-flap",
        "persistent-flapping",
        "gateway-recovered",
        "recovered-meanwhile",
        "certificate-renewed",
    ];
    assert_eq!(certain, BTreeSet::from(expected));
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
                let recheck = &runbook.queries()[act.recheck.as_ref().unwrap().query.position()].check;
                rechecks.insert(act.action.to_string(), recheck.to_string());
            }
        }
    }
    let expected = [
        ("restart-gateway", "restart-needed"),
        ("restart-holder", "certificate-replaced"),
        ("open-follow-up", "certificate-replaced"),
        ("re-provision", "certificate-replaced"),
        ("load-emergency-certificate", "certificate-replaced"),
    ];
    assert_eq!(rechecks, expected.map(|(act, check)| (act.to_owned(), check.to_owned())).into());
}

/// What says that something is wrong is asked again right before it: the rows may be there now.
#[test]
fn data_gap_looks_again_before_it_says_that_rows_are_missing() {
    let runbook = &runbooks()["data-gap"];
    let mut certain = BTreeSet::new();
    for (id, found) in runbook.conclusions() {
        let StepKind::Conclude(conclusion) = &runbook.step(found).unwrap().kind else { panic!("{id}") };
        let Some(unless) = &conclusion.unless else {
            certain.insert(id);
            continue;
        };
        assert_eq!(&*runbook.queries()[unless.query.position()].check, "rows-there", "{id}");
        let [branch] = unless.branches.as_slice() else { panic!("{id}") };
        assert_eq!(&*runbook.step(branch.exit.to).unwrap().id, "recovered-meanwhile", "{id}");
        assert_eq!(unless.branches.select(Value::Flag(true), now()), Some(0), "{id}");
        assert_eq!(unless.branches.select(Value::Flag(false), now()), None, "{id}");
    }
    let expected = ["expected-offline", "disconnected-caught-up", "process-stable", "recovered-meanwhile"];
    assert_eq!(certain, BTreeSet::from(expected));
}
