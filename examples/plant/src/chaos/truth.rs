//! What an expert would accept for each operation, for a device whose messages take that way.
//!
//! Written from the field, not from the runbook: whoever is sent somewhere must find the broken part there.

use super::Broken;
use crate::{
    device::{Application, Kind},
    operation::{Done, Effect, Given, Location, Operation, Owner, Place},
    platform::ServiceState,
    scenario_file::ScenarioFile,
};

/// A certificate of the factory is good for so many days from now, and was for so many.
const GOOD_FOR: i64 = 330;
const GOOD_SINCE: i64 = 30;

/// The conclusions that send people to what this operation broke, for this device; none where its messages do not
/// depend on the part.
pub(super) fn concludes(operation: &Operation, device: &str) -> &'static [&'static str] {
    let Some(location) = Location::of(device) else { return &[] };
    if !location.depends_on(device, &operation.owner) {
        return &[];
    }
    let own_session = location.kind == Kind::Mqtt;
    // Whose session the messages travel in.
    let holds_session = match operation.word.owner {
        Owner::Gateway => !own_session,
        _ => own_session,
    };
    match operation.word.effect {
        Effect::Cut(place) => cut(place),
        Effect::Slow(place) => slow(place),
        // Its interruptions are shorter than what counts as a silence: that it is steady again may be all there is.
        Effect::Flap(Place::Uplink) => &["persistent-flapping", "connectivity-flap", "site-uplink-fault"],
        Effect::Flap(_) => &["persistent-flapping", "connectivity-flap", "ot-network-fault"],
        Effect::KillProcess
        | Effect::StopProcess
        | Effect::LeakMemory
        | Effect::LimitMemory
        | Effect::BreakOutbox => &["gateway-fault", "gateway-recovered"],
        // Its outbox fills, and its client sends nothing: both conclusions send people to the gateway's software.
        Effect::StallClient if !own_session => {
            &["gateway-client-fault", "gateway-collector-fault", "gateway-recovered"]
        }
        Effect::Breaker { closed: false } if operation.word.owner == Owner::Gateway => {
            &["gateway-fault", "gateway-recovered"]
        }
        Effect::Breaker { closed: false } => &["power-fault"],
        Effect::Feed { mains: false, ups_charged: false } => &["power-fault", "site-power-fault"],
        Effect::Run(Application::Hung | Application::Crashed) if own_session => &["device-client-fault"],
        Effect::Run(Application::Hung | Application::Crashed) => &["field-protocol-fault"],
        Effect::BreakModule => &["dispatch-technician"],
        Effect::Certificate(given) if holds_session => certificate(given),
        Effect::Forbid | Effect::SpoilPassword if holds_session => &["connection-refused"],
        Effect::AddTwin if holds_session => &["persistent-flapping"],
        Effect::SetClock if holds_session && is_out_of_time(operation) => &["clock-wrong"],
        Effect::Register(ServiceState::InMaintenance | ServiceState::Decommissioned) => &["expected-offline"],
        Effect::Register(ServiceState::NeverProvisioned) => &["never-provisioned"],
        Effect::StopIngestion => &["ingestion-fault"],
        _ => &[],
    }
}

fn cut(place: Place) -> &'static [&'static str] {
    match place {
        Place::Uplink => &["site-uplink-fault"],
        Place::BrokerRule => &["broker-path-fault"],
        Place::OtNetwork | Place::Port => &["ot-network-fault"],
        Place::Cable => &["gateway-fault", "gateway-recovered"],
        Place::GatewayModule => &["gateway-fault", "gateway-recovered"],
        Place::BrokerHost => &["broker-fault"],
    }
}

/// What is slow loses what has a time limit, and delays the rest: it may look as if it came and went.
fn slow(place: Place) -> &'static [&'static str] {
    match place {
        Place::Uplink => {
            &["site-uplink-fault", "broker-path-fault", "persistent-flapping", "connectivity-flap"]
        }
        Place::BrokerRule => &["broker-path-fault", "persistent-flapping", "connectivity-flap"],
        Place::OtNetwork | Place::Port => &["ot-network-fault", "persistent-flapping", "connectivity-flap"],
        Place::Cable | Place::GatewayModule => {
            &["gateway-fault", "broker-path-fault", "persistent-flapping", "connectivity-flap"]
        }
        Place::BrokerHost => &["broker-fault"],
    }
}

fn certificate(given: Given) -> &'static [&'static str] {
    match given {
        Given::Current => &[],
        Given::Expired { .. } => &["certificate-expired", "certificate-renewed"],
        Given::NotYetValid { .. } => &["certificate-not-yet-valid"],
        Given::Revoked => &["certificate-revoked"],
        Given::Foreign => &["trust-chain-fault"],
        Given::Nothing => &["certificate-missing"],
    }
}

/// Whether by that clock no certificate of the factory is good.
fn is_out_of_time(operation: &Operation) -> bool {
    let days = operation.by.map_or(0, |by| by.num_days());
    !(-GOOD_SINCE..=GOOD_FOR).contains(&days)
}

/// Every conclusion that would be accepted at some time of this scenario.
pub fn accepted(scenario: &ScenarioFile) -> Vec<&'static str> {
    let operations = scenario.operations.iter();
    let mut all = operations
        .flat_map(|operation| concludes(operation, &scenario.device))
        .copied()
        .chain(["recovered-meanwhile", "connectivity-flap"])
        .collect::<Vec<_>>();
    all.sort_unstable();
    all.dedup();
    all
}

/// What was broken on the way of this device's messages, from when until when.
pub fn broken_by(done: &[Done], device: &str) -> Vec<Broken> {
    let performed = || done.iter().filter(|done| done.failed.is_none());
    performed()
        .filter_map(|breaking| {
            let undone_by = breaking.operation.word.undone_by?;
            let undoing = performed().find(|other| {
                other.from >= breaking.from
                    && other.operation.word.verb == undone_by
                    && other.operation.part() == breaking.operation.part()
            });
            let conclusions = concludes(&breaking.operation, device);
            let until = undoing.and_then(|undoing| undoing.through);
            Some(Broken { conclusions, from: breaking.from, until })
        })
        .filter(|broken| !broken.conclusions.is_empty())
        .collect()
}
