//! What an expert would accept for each operation, for a device whose messages take that way.
//!
//! Written from the field, not from the runbook: whoever is sent somewhere must find the broken part there.

use super::{Broken, judge::honest};
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
        // Each interruption ends the session that the messages travel in, which the broker logs. The way to the broker leads
        // over it: who tries it in an interruption, and the site beside one, is sent to the same people.
        Effect::Flap(Place::Uplink) => &["persistent-flapping", "site-uplink-fault", "broker-path-fault"],
        Effect::Flap(_) if own_session => &["persistent-flapping", "ot-network-fault"],
        // Between a gateway and a PLC there is no session, and the interruptions are shorter than what counts as a silence:
        // that its messages are steady again may be all there is to see.
        Effect::Flap(_) => &["persistent-flapping", "connectivity-flap", "ot-network-fault"],
        Effect::KillProcess
        | Effect::StopProcess
        | Effect::LeakMemory
        | Effect::LimitMemory
        | Effect::BreakOutbox => &["gateway-fault", "gateway-recovered"],
        // Its outbox fills, and its client sends nothing: both conclusions send people to the gateway's software.
        // A restart of the gateway restarts its client.
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

/// What is slow loses what has a time limit, and delays the rest: it may look as if it came and went, once or with every
/// time limit; and who asks over it gets no answer in time, as if it were cut.
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

/// Every conclusion that would be accepted at some time of this scenario, the honest ones included.
pub fn accepted(scenario: &ScenarioFile) -> Vec<&'static str> {
    let operations = scenario.operations.iter();
    let mut all = operations
        .flat_map(|operation| concludes(operation, &scenario.device))
        .copied()
        .chain(["recovered-meanwhile", "connectivity-flap"])
        .collect::<Vec<_>>();
    let honest = honest(&all).collect::<Vec<_>>();
    all.extend(honest);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};
    use iot_runbook::catalog;

    use super::*;
    use crate::operation::{VOCABULARY, Word, owners};

    fn word(owner: Owner, part: &str, verb: &str) -> &'static Word {
        let found = VOCABULARY.iter().find(|word| (word.owner, word.part, word.verb) == (owner, part, verb));
        found.unwrap()
    }

    fn operation(owner: &str, word: &'static Word) -> Operation {
        let by = word.takes_amount().then(|| TimeDelta::days(-400));
        Operation { at: Duration::ZERO, step: None, owner: owner.to_owned(), word, by }
    }

    /// What is accepted for this device, of the first owner of the kind that is on its way.
    fn accepts(word: &'static Word, device: &str) -> &'static [&'static str] {
        let location = Location::of(device).unwrap();
        let owners = owners(word.owner).into_iter();
        let mut on_the_way = owners.filter(|owner| location.depends_on(device, owner));
        concludes(&operation(on_the_way.next().unwrap(), word), device)
    }

    #[test]
    fn every_conclusion_is_one_of_the_runbook() {
        let runbook = catalog::device_offline().unwrap().validate().unwrap();
        let known = runbook.conclusions().map(|(conclusion, _)| conclusion).collect::<Vec<_>>();
        for word in VOCABULARY {
            for device in ["press-1", "oven-1"] {
                assert!(
                    accepts(word, device).iter().all(|one| known.contains(one)),
                    "{} {}",
                    word.verb,
                    word.part
                );
            }
        }
    }

    #[test]
    fn only_what_breaks_has_a_truth() {
        for word in VOCABULARY {
            let silences = ["press-1", "oven-1"].iter().any(|device| !accepts(word, device).is_empty());
            // The UPS carries the site.
            let breaks = word.undone_by.is_some() && word.verb != "use-ups";
            assert_eq!(silences, breaks, "{} {}", word.verb, word.part);
        }
    }

    #[test]
    fn parts_elsewhere_explain_nothing() {
        for word in VOCABULARY {
            for owner in owners(word.owner).into_iter().filter(|owner| *owner != "platform") {
                let elsewhere = !["press-1", "gw-north-1", "north"].contains(&owner);
                let accepts = concludes(&operation(owner, word), "press-1");
                assert!(!elsewhere || accepts.is_empty(), "{} {owner}.{}", word.verb, word.part);
            }
        }
        assert!(concludes(&operation("press-1", word(Owner::Device, "port", "cut")), "nobody").is_empty());
    }

    #[test]
    fn whose_session_it_is_decides() {
        let expired = word(Owner::Gateway, "certificate", "expire");
        assert_eq!(accepts(expired, "press-1"), [""; 0]);
        assert_eq!(accepts(expired, "oven-1"), ["certificate-expired", "certificate-renewed"]);
        let hung = word(Owner::Device, "application", "hang");
        assert_eq!(accepts(hung, "press-1"), ["device-client-fault"]);
        assert_eq!(accepts(hung, "oven-1"), ["field-protocol-fault"]);
        let flapping = word(Owner::Device, "port", "flap");
        assert!(!accepts(flapping, "press-1").contains(&"connectivity-flap"));
        assert!(accepts(flapping, "oven-1").contains(&"connectivity-flap"));
        let stalled = word(Owner::Gateway, "client", "stall");
        assert_eq!(accepts(stalled, "press-1"), [""; 0]);
    }

    #[test]
    fn clock_matters_once_dates_look_wrong() {
        let clock = word(Owner::Device, "clock", "set");
        for (days, matters) in [(0, false), (-30, false), (330, false), (-31, true), (331, true)] {
            let by = Some(TimeDelta::days(days));
            let set = Operation { by, ..operation("press-1", clock) };
            assert_eq!(!concludes(&set, "press-1").is_empty(), matters, "{days}");
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn done(owner: &str, part: &str, verb: &str, from: i64, failed: bool) -> Done {
        Done {
            operation: operation(owner, word(Owner::Device, part, verb)),
            from: at(from),
            through: Some(at(from + 1)),
            failed: failed.then(|| "refused".to_owned()),
        }
    }

    #[test]
    fn what_was_broken_lasts_until_it_is_undone() {
        let all = [
            done("press-1", "breaker", "close", 0, false),
            done("press-1", "port", "cut", 2, false),
            done("press-1", "breaker", "trip", 3, false),
            done("mill-1", "breaker", "close", 4, false),
            done("press-1", "application", "crash", 5, true),
            done("press-1", "port", "mend", 6, false),
            done("press-1", "breaker", "close", 8, true),
        ];
        let broken = broken_by(&all, "press-1");
        let lasted = broken.iter().map(|one| (one.conclusions[0], one.from, one.until)).collect::<Vec<_>>();
        assert_eq!(lasted, [("ot-network-fault", at(2), Some(at(7))), ("power-fault", at(3), None)]);
    }

    #[test]
    fn each_operation_explains_its_conclusion() {
        let scenario = ScenarioFile {
            title: None,
            device: "press-1".to_owned(),
            people: crate::scenario::People::Attentive,
            operations: vec![
                operation("press-1", word(Owner::Device, "breaker", "trip")),
                operation("mill-1", word(Owner::Device, "port", "cut")),
            ],
            expected: crate::scenario_file::Expectation::default(),
        };
        let accepted = accepted(&scenario);
        assert_eq!(
            accepted,
            [
                "back-and-gone",
                "changed-meanwhile",
                "connectivity-flap",
                "power-fault",
                "power-uncertain",
                "recovered-meanwhile"
            ]
        );
    }
}
