//! The built-in runbooks against rehearsals as data.

use std::collections::BTreeSet;

use iot_runbook::catalog;
use iot_runbook::diagnosis::rehearsal::{Coverage, Rehearsal, RehearsalError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Rehearsals {
    rehearsal: Vec<Rehearsal>,
}

fn device_offline() -> Vec<Rehearsal> {
    toml::from_str::<Rehearsals>(include_str!("rehearsals/device-offline.toml")).unwrap().rehearsal
}

#[test]
fn each_comes_out_as_it_says() {
    let set = catalog::set().unwrap();
    for rehearsal in device_offline() {
        if let Err(error) = rehearsal.check(&set) {
            panic!("{error}");
        }
    }
}

#[test]
fn every_conclusion_of_device_offline_is_rehearsed() {
    let set = catalog::set().unwrap();
    let rehearsed: Vec<_> = device_offline().iter().map(|one| one.check(&set).unwrap()).collect();
    let reached: BTreeSet<_> = rehearsed.iter().filter_map(|one| one.finding.conclusion()).collect();
    let runbook = set.find("device-offline").unwrap();
    let all: BTreeSet<_> = runbook.conclusions().map(|(id, _)| id).collect();
    assert_eq!(reached, all);
    // The coverage knows what a set of rehearsals leaves out.
    let coverage = Coverage::of(&set, &rehearsed);
    assert!(coverage.share() > 0.25 && coverage.share() < 1.0, "{}", coverage.share());
    assert!(coverage.untaken.iter().all(|way| !coverage.taken.contains(way)));
    assert!(coverage.untaken.iter().any(|way| way.to_string() == "data-gap/bridge [unknown]"));
    assert!(coverage.taken.iter().any(|way| way.to_string() == "device-offline/power [unknown]"));
}

#[test]
fn failed_rehearsal_says_what_differs() {
    let set = catalog::set().unwrap();
    let rehearsal = |cue: &str| Rehearsal::new("wrong", "device-offline").tell("service-state", cue);
    let differs = rehearsal("maintenance").expect_conclusion("power-fault").check(&set).unwrap_err();
    assert_eq!(
        differs.to_string(),
        "rehearsal \"wrong\": the conclusion should be power-fault, and came out as expected-offline"
    );
    let cue = rehearsal("on-holiday").check(&set).unwrap_err();
    assert!(matches!(cue, RehearsalError::WrongCue { .. }), "{cue}");
    let step = Rehearsal::new("wrong", "device-offline").tell("servce-state", "maintenance").check(&set);
    assert!(matches!(step, Err(RehearsalError::NoSuchStep { .. })));
    let runbook = Rehearsal::new("wrong", "device-offlien").check(&set);
    assert!(matches!(runbook, Err(RehearsalError::NoSuchRunbook(_))));
}
