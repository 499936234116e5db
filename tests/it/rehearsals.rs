//! The built-in runbooks against rehearsals as data.

use std::sync::LazyLock;

use iot_runbook::catalog;
use iot_runbook::diagnosis::rehearsal::{Coverage, Rehearsal, RehearsalError};
use iot_runbook::runbook::RunbookSet;
use serde::Deserialize;

#[derive(Deserialize)]
struct Rehearsals {
    rehearsal: Vec<Rehearsal>,
}

static REHEARSALS: LazyLock<Vec<Rehearsal>> = LazyLock::new(|| {
    let texts = [
        include_str!("rehearsals/device-offline.toml"),
        include_str!("rehearsals/data-gap.toml"),
        include_str!("rehearsals/certificate-expiry.toml"),
    ];
    texts.into_iter().flat_map(|text| toml::from_str::<Rehearsals>(text).unwrap().rehearsal).collect()
});

/// Whether each comes out as it says.
///
/// # Errors
/// The first that does not.
pub(crate) fn all_hold(set: &RunbookSet) -> Result<(), RehearsalError> {
    REHEARSALS.iter().try_for_each(|rehearsal| rehearsal.check(set).map(drop))
}

#[test]
fn each_comes_out_as_it_says() {
    all_hold(&catalog::set().unwrap()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_way_of_the_runbooks_is_rehearsed() {
    let set = catalog::set().unwrap();
    let rehearsed: Vec<_> = REHEARSALS.iter().map(|one| one.check(&set).unwrap()).collect();
    let coverage = Coverage::of(&set, &rehearsed);
    let untaken: Vec<_> = coverage.untaken.iter().map(ToString::to_string).collect();
    // What is published, and whether there is a session, was asked before, and led here by another answer.
    let not_reached = ["client-session [refused]", "client-session [unknown]"].into_iter().chain([
        "collector-or-client [refused-by-acl]",
        "collector-or-client [dropped-by-quota]",
        "collector-or-client [this-device]",
        "collector-or-client [unknown]",
    ]);
    assert_eq!(untaken, not_reached.map(|way| format!("device-offline/{way}")).collect::<Vec<_>>());
}

#[test]
fn coverage_names_what_was_left_out() {
    let set = catalog::set().unwrap();
    let device_offline = REHEARSALS.iter().filter(|one| one.runbook == "device-offline");
    let rehearsed: Vec<_> = device_offline.map(|one| one.check(&set).unwrap()).collect();
    let coverage = Coverage::of(&set, &rehearsed);
    assert!(coverage.share() > 0.25 && coverage.share() < 1.0, "{}", coverage.share());
    assert!(coverage.untaken.iter().all(|way| !coverage.taken.contains(way)));
    assert!(coverage.untaken.iter().any(|way| way.to_string() == "data-gap/bridge [unknown]"));
    assert!(coverage.taken.iter().any(|way| way.to_string() == "device-offline/power [unknown]"));
}

#[test]
fn facts_that_no_step_asked_for_are_listed() {
    let set = catalog::set().unwrap();
    let ended_early = Rehearsal::new("early", "device-offline")
        .tell("service-state", "maintenance")
        .tell("last-seen", "1h")
        .expect_conclusion("expected-offline");
    assert_eq!(ended_early.check(&set).unwrap().unused, ["last-seen"]);
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
    let expected =
        "rehearsal \"wrong\", step \"service-state\": \"on-holiday\" is no value of the domain choice of ";
    assert!(cue.to_string().starts_with(expected), "{cue}");
    let step = Rehearsal::new("wrong", "device-offline").tell("servce-state", "maintenance").check(&set);
    assert!(matches!(step, Err(RehearsalError::NoSuchStep { .. })));
    assert!(step.unwrap_err().to_string().contains("(did you mean \"service-state\"?)"));
    let conclusion = rehearsal("maintenance").expect_conclusion("expected-ofline").check(&set).unwrap_err();
    assert_eq!(
        conclusion.to_string(),
        "rehearsal \"wrong\": its runbooks have no conclusion \"expected-ofline\" (did you mean \"expected-offline\"?); \
         name one that they have"
    );
    let nothing = rehearsal("maintenance").check(&set).unwrap_err();
    assert!(matches!(nothing, RehearsalError::ExpectsNothing { .. }), "{nothing}");
    let mut none = rehearsal("maintenance");
    none.expect.hypotheses = Some(Vec::new());
    assert_eq!(
        none.check(&set).unwrap_err().to_string(),
        "rehearsal \"wrong\": the hypotheses should be nothing, and came out as expected-offline"
    );
    let runbook = Rehearsal::new("wrong", "device-offlien").check(&set);
    assert!(matches!(runbook, Err(RehearsalError::NoSuchRunbook(_))));
}
