//! The machine over a runbook that has everything a document can say, held against the model.

mod hostile;
mod news;
mod pauses;
mod rehearsals;
mod versions;

use std::sync::LazyLock;

use chrono::TimeDelta;
use iot_runbook::diagnosis::rehearsal::every_way;
use iot_runbook::diagnosis::{Bundle, Diagnosis};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use proptest::prelude::*;

use crate::deepest::NOW;
use crate::model::{Model, World};
use crate::player;

static SET: LazyLock<RunbookSet> = LazyLock::new(|| {
    let runbook = |text| match Document::from_toml(text).unwrap().validate() {
        Ok(runbook) => runbook,
        Err(faults) => panic!("{faults}"),
    };
    let texts = [
        include_str!("machine/press.toml"),
        include_str!("machine/feed.toml"),
        include_str!("machine/valve.toml"),
    ];
    RunbookSet::new(texts.map(runbook)).unwrap()
});

/// Saved as text, read, and resumed.
fn saved(diagnosis: &Diagnosis) -> Diagnosis {
    let text = serde_json::to_string(&diagnosis.bundle()).unwrap();
    let bundle: Bundle = serde_json::from_str(&text).unwrap();
    Diagnosis::resume(&bundle, &SET).unwrap()
}

proptest! {
    #![proptest_config(crate::random::cases(400))]

    #[test]
    fn machine_walks_as_the_model_does(
        runbook in prop::sample::select(&["press", "feed", "valve"][..]),
        parts in 0..16_u8,
        seed: u64,
        unknowns in 0..10_u64,
        news in 0..5_usize,
        ago in 0..4_000_i64,
    ) {
        let world = World { seed, unknowns, news };
        let triggered_at = NOW - TimeDelta::seconds(ago);
        let subject = player::subject_with(parts);
        let expected = Model::walk(&SET, runbook, subject.clone(), world, triggered_at, NOW);
        let begun = player::begin_of(&SET, runbook, subject, triggered_at);
        let diagnosis = player::play(begun, world, |same| same);
        prop_assert_eq!(player::walk(&diagnosis), expected);
        let resumed = saved(&diagnosis);
        prop_assert_eq!(resumed.bundle(), diagnosis.bundle());
        prop_assert_eq!(resumed.finding(), diagnosis.finding());
    }

    #[test]
    fn saved_at_each_step_it_walks_the_same_way(
        runbook in prop::sample::select(&["press", "valve"][..]),
        parts in 0..16_u8,
        seed: u64,
        unknowns in 0..8_u64,
        news in 0..4_usize,
    ) {
        let world = World { seed, unknowns, news };
        let begin = || player::begin_of(&SET, runbook, player::subject_with(parts), NOW);
        let straight = player::play(begin(), world, |same| same);
        let stopped = player::play(begin(), world, |diagnosis| saved(&diagnosis));
        prop_assert_eq!(straight.bundle(), stopped.bundle());
    }
}

#[test]
fn every_way_of_it_is_walked_and_replays() {
    for runbook in ["press", "feed"] {
        let every = every_way(&SET, runbook).unwrap();
        assert!(!every.cut_off);
        let untaken: Vec<String> = every.untaken.iter().map(ToString::to_string).collect();
        // Rehearsals name every part.
        assert!(untaken.iter().all(|way| way.contains("[not named]")), "{untaken:#?}");
        for walk in &every.walks {
            assert_eq!(saved(&Diagnosis::resume(&walk.bundle, &SET).unwrap()).bundle(), walk.bundle);
        }
    }
}
