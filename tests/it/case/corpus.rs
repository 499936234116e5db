//! The replay corpus: bundles of earlier code, which this code must resume. Each file has the bundles of one runbook: every
//! conclusion, and every point at which something is awaited (a wait, an approval, an act, a question).
//!
//! `UPDATE_CORPUS=1 cargo test --test it case::corpus` adds the places that have no bundle yet, and never changes one that is there.
//! Where a change of a runbook makes a bundle unusable, name it in [`LOST`] with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use iot_runbook::catalog;
use iot_runbook::diagnosis::{Bundle, Diagnosis, Recorded};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::step::StepKind;

use crate::deepest::NOW;
use crate::model::World;
use crate::player::{begin, play_watched};

const RUNBOOKS: [&str; 3] = ["certificate-expiry", "data-gap", "device-offline"];

/// What can't be resumed any more: the runbook, the place, and why.
const LOST: &[(&str, &str, &str)] = &[];

/// The places that have no bundle: the worlds that are drawn come to values that these need too rarely.
const WITHOUT: &[&str] = &["concluded data-gap/several-causes"];

/// The bundles of a runbook, by the place where each is.
type Bundles = BTreeMap<String, Bundle>;

fn file(runbook: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/case/corpus").join(format!("{runbook}.json"))
}

fn read(runbook: &str) -> Bundles {
    fs::read_to_string(file(runbook))
        .map_or_else(|_| Bundles::new(), |text| serde_json::from_str(&text).unwrap())
}

/// Where a diagnosis is that waits or has ended: what it does, and at which step.
fn place(diagnosis: &Diagnosis) -> Option<String> {
    let step = |what: &str, runbook: &str, step: &str| Some(format!("{what} {runbook}/{step}"));
    let records: Vec<_> = diagnosis.trace().collect();
    for record in records.iter().rev() {
        let what = match &record.what {
            Recorded::Concluded => "concluded",
            Recorded::WaitBegan { .. } => "waits",
            Recorded::ApprovalAsked { .. } => "approval",
            Recorded::PersonAsked { .. } => "question",
            Recorded::ActBegan { .. } => "act",
            Recorded::Undetermined => return Some("undetermined".into()),
            Recorded::Alerted { .. } | Recorded::Called { .. } => continue,
            _ => return None,
        };
        return step(what, &record.runbook, &record.step);
    }
    None
}

/// Every place of the runbook: its conclusions, and its steps at which something is awaited.
fn places(set: &RunbookSet, runbook: &str) -> BTreeSet<String> {
    let runbook = set.runbooks().find(|one| one.name() == runbook).unwrap();
    let mut places = BTreeSet::new();
    for step in runbook.steps() {
        let what = match &step.kind {
            StepKind::Conclude(_) => "concluded",
            StepKind::Wait(_) => "waits",
            StepKind::Act(_) => "act",
            StepKind::Ask(_) => "question",
            _ => continue,
        };
        places.insert(format!("{what} {}/{}", runbook.name(), step.id));
    }
    places
}

/// Plays worlds until every place was seen; keeps the shortest bundle of each.
fn update(set: &RunbookSet, runbook: &str) {
    let before = read(runbook);
    let mut bundles = Bundles::new();
    let mut see = |diagnosis: &Diagnosis| {
        let Some(place) = place(diagnosis) else { return };
        let is_shorter =
            bundles.get(&place).is_none_or(|there: &Bundle| there.records.len() > diagnosis.trace_len());
        if is_shorter {
            bundles.insert(place, diagnosis.bundle());
        }
    };
    for seed in 0..240_000 {
        let world = World { seed, unknowns: seed % 4, news: usize::try_from(seed % 2).unwrap() };
        let ended = play_watched(begin(set, runbook, NOW), world, |same| same, &mut see);
        see(&ended);
    }
    bundles.extend(before);
    let mut text = String::from("{\n");
    for (at, (place, bundle)) in bundles.iter().enumerate() {
        let comma = if at + 1 < bundles.len() { "," } else { "" };
        let line = serde_json::to_string(bundle).unwrap();
        text.push_str(&format!("{}: {line}{comma}\n", serde_json::to_string(place).unwrap()));
    }
    text.push_str("}\n");
    fs::create_dir_all(file(runbook).parent().unwrap()).unwrap();
    fs::write(file(runbook), text).unwrap();
}

#[test]
fn every_bundle_of_the_corpus_resumes() {
    let set = catalog::set().unwrap();
    let mut size = 0;
    for runbook in RUNBOOKS {
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            update(&set, runbook);
        }
        size += fs::metadata(file(runbook)).unwrap().len();
        let bundles = read(runbook);
        for (name, bundle) in &bundles {
            let lost = LOST.iter().any(|(lost_runbook, lost, _)| *lost_runbook == runbook && lost == name);
            match Diagnosis::resume(bundle, &set) {
                Err(error) => assert!(lost, "{runbook}, {name}: {error}; it goes on, or is named in LOST"),
                Ok(resumed) => {
                    assert!(!lost, "{runbook}, {name}: it resumes, so it is not lost");
                    assert_eq!(resumed.bundle(), *bundle, "{runbook}, {name}");
                    assert_eq!(place(&resumed).as_deref(), Some(&**name), "{runbook}");
                    let conclusion = resumed.finding().and_then(|one| one.conclusion().map(str::to_owned));
                    let expected = name.strip_prefix(&format!("concluded {runbook}/")).map(str::to_owned);
                    assert_eq!(conclusion, expected, "{runbook}, {name}");
                }
            }
        }
        let there: BTreeSet<String> = bundles.into_keys().collect();
        let named = WITHOUT.iter().find(|place| there.contains(**place));
        assert!(named.is_none(), "{named:?} has a bundle: take it out of WITHOUT");
        let missing: Vec<_> = places(&set, runbook).difference(&there).cloned().collect();
        let missing: Vec<_> = missing.into_iter().filter(|place| !WITHOUT.contains(&&**place)).collect();
        assert!(missing.is_empty(), "{runbook}: no bundle of {missing:?}; run with UPDATE_CORPUS=1");
    }
    assert!(size < 1_000_000, "the corpus has {size} bytes");
}
