//! The built-in runbooks against their contract, which is written down here a second time, by hand: `catalog/*.toml`.

mod contract;
mod described;
mod mutants;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use contract::Contract;
use iot_runbook::catalog;
use iot_runbook::runbook::Runbook;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::{OnUnknown, StepKind};

/// In the order of [`catalog::documents`].
static CONTRACTS: LazyLock<[Contract; 3]> = LazyLock::new(|| {
    [
        include_str!("catalog/device-offline.toml"),
        include_str!("catalog/data-gap.toml"),
        include_str!("catalog/certificate-expiry.toml"),
    ]
    .map(Contract::read)
});

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

#[test]
fn each_runbook_is_that_of_its_contract() {
    for ((contract, document), name) in
        CONTRACTS.iter().zip(catalog::documents().unwrap()).zip(catalog::names())
    {
        assert_eq!(contract.name, *name);
        let runbook = document.validate().unwrap();
        contract.check(&document, &runbook).unwrap_or_else(|differs| panic!("{differs}"));
    }
}

#[test]
fn no_two_texts_could_be_swapped() {
    let runbooks = runbooks();
    let found: Vec<_> =
        CONTRACTS.iter().flat_map(|contract| contract.mistakable(&runbooks[&contract.name])).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
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
                    | "seen-elsewhere"
                    | "published-by-now"
                    | "gateway-still-down"
                    | "site-still-there"
                    | "field-polls"
                    | "clock-by-now"
                    | "client-session"
                    | "dark-power"
                    | "gateway-clock"
                    | "gateway-feed"
                    | "record-or-schema"
                    | "record-or-storage"
                    | "refused-though-valid"
                    | "power-beside-clock",
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

#[test]
fn a_cause_that_stays_open_has_no_prior() {
    let text = include_str!("../../src/catalog/device-offline.toml");
    let with = text.replacen("\"power-loss\"]", "\"power-loss\", \"unknown\"]", 1);
    let faults = Document::from_toml(&with).unwrap().validate().unwrap_err();
    assert!(faults.to_string().contains("no conclusion has the root cause `unknown`"), "{faults}");
}

/// Rule 3: what says that something is still wrong is asked again right before it; what is over or meant to be is not.
#[test]
fn only_over_or_meant_is_not_asked_again() {
    let without = |name: &str| -> BTreeSet<String> {
        let runbook = &runbooks()[name];
        let plain = |step| match &runbook.step(step).unwrap().kind {
            StepKind::Conclude(conclusion) => conclusion.unless.is_none(),
            other => panic!("{}", other.name()),
        };
        runbook.conclusions().filter(|(_, step)| plain(*step)).map(|(id, _)| id.to_owned()).collect()
    };
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        without("device-offline"),
        set(&[
            "expected-offline",
            "connectivity-flap",
            "persistent-flapping",
            "gateway-recovered",
            "recovered-meanwhile",
            "back-and-gone",
            "certificate-renewed",
        ])
    );
    assert_eq!(
        without("data-gap"),
        set(&["expected-offline", "disconnected-caught-up", "process-stable", "recovered-meanwhile"])
    );
}
