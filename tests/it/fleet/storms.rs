//! Storms of alerts with hidden causes, diagnosed by the built-in runbook over a world that knows the truth.

use std::sync::Arc;

use super::storm::{Hearing, by_gateway, judge, night, play, play_with};
use super::world::{BEGIN, Size};
use super::*;

const HEARING: Hearing = Hearing { lost: 50, late: 20, doubled: 20, vague: 10 };

#[test]
fn no_page_of_a_storm_names_a_wrong_cause() {
    let times = std::env::var("FRESH_CASES").ok().and_then(|times| times.parse::<u64>().ok()).unwrap_or(1);
    let (mut faults, mut named, mut pages, mut by_label) = (0, 0, 0, 0);
    let (mut questions, mut calls) = (0, 0);
    for seed in 0..24 * times {
        let size = Size { sites: 10, gateways: 20, devices: 1_200 };
        let world = Arc::new(night(seed, size));
        let played = play(&world, seed, HEARING, BEGIN + TimeDelta::hours(6));
        let judged = judge(&world, &played);
        questions += *world.questions.lock().unwrap();
        calls += *world.calls.lock().unwrap();
        assert_eq!(judged.wrong, [""; 0], "seed {seed}: {:?}", world.faults);
        assert!(
            judged.most_pages <= 10,
            "seed {seed}: {:?}",
            played.pages.iter().map(|(at, page, _)| (at, &page.lines)).collect::<Vec<_>>()
        );
        check(&played.fleet);
        (faults, named) = (faults + judged.faults, named + judged.named);
        (pages, by_label) = (pages + judged.pages, by_label + by_gateway(&world, seed, HEARING).pages);
        // Every fault ends within four hours, and every device comes back.
        assert_eq!(played.fleet.incidents().count(), 0, "seed {seed}");
        assert_eq!(played.fleet.counts().over + played.fleet.counts().repeated, played.alerts as u64);
        // Each device is diagnosed once, and once more where its incident ended without it.
        assert!(played.diagnoses <= 2 * played.alerts, "seed {seed}");
    }
    assert!(calls < questions, "{calls} of {questions} questions came to an adapter");
    assert!(pages * 2 < by_label, "{pages} pages, and {by_label} by the gateway's label");
    assert!(named * 100 >= faults * 95, "{named} of {faults} were named first");
}

#[test]
fn without_shared_answers_each_question_is_a_call() {
    let size = Size { sites: 10, gateways: 20, devices: 1_200 };
    for seed in 0..4 {
        let [shared, alone] = [true, false].map(|is_shared| {
            let world = Arc::new(night(seed, size));
            let played = play_with(&world, seed, HEARING, BEGIN + TimeDelta::hours(6), is_shared);
            assert_eq!(judge(&world, &played).wrong, [""; 0], "seed {seed}");
            (*world.questions.lock().unwrap(), *world.calls.lock().unwrap())
        });
        assert_eq!(alone.0, alone.1);
        assert!(shared.1 <= alone.1, "seed {seed}: {shared:?}, {alone:?}");
    }
}
