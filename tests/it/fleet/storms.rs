//! Storms of alerts with hidden causes, diagnosed by the built-in runbook over a world that knows the truth.

use std::sync::Arc;

use super::storm::{Hearing, by_gateway, judge, night, play};
use super::world::{BEGIN, Size};
use super::*;

const HEARING: Hearing = Hearing { lost: 50, late: 20, doubled: 20, vague: 10 };

#[test]
fn no_page_of_a_storm_names_a_wrong_cause() {
    let times = std::env::var("FRESH_CASES").ok().and_then(|times| times.parse::<u64>().ok()).unwrap_or(1);
    let (mut faults, mut named, mut pages, mut by_label) = (0, 0, 0, 0);
    for seed in 0..24 * times {
        let size = Size { sites: 10, gateways: 20, devices: 1_200 };
        let world = Arc::new(night(seed, size));
        let played = play(&world, seed, HEARING, BEGIN + TimeDelta::hours(6));
        let judged = judge(&world, &played);
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
    assert!(pages * 2 < by_label, "{pages} pages, and {by_label} by the gateway's label");
    assert!(named * 100 >= faults * 95, "{named} of {faults} were named first");
}
