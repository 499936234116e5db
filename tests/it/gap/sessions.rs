//! The parts of a gap beside a walk over each of its rows.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::gap::{GapDetector, Presence, Sessions};
use iot_runbook::time::Period;
use proptest::prelude::*;

use super::streams::{self, TICK, at};

/// Ends of periods in ticks.
fn period(from: i64, length: i64) -> Period {
    Period::new(at(from * TICK), at((from + length) * TICK)).unwrap()
}

/// Where the device was at an instant, asked of each session.
fn presence(covers: Period, online: &[Period], at: DateTime<Utc>) -> Presence {
    if !covers.contains(at) {
        Presence::Unknown
    } else if online.iter().any(|session| session.contains(at)) {
        Presence::Online
    } else {
        Presence::Offline
    }
}

proptest! {
    #![proptest_config(crate::random::cases(500))]

    #[test]
    fn the_parts_are_the_gap(
        settings in streams::settings(),
        rows in streams::rows(),
        covers in (-50_i64..2_000, 0_i64..20_000),
        online in prop::collection::vec((-50_i64..5_000, 0_i64..900), 0..12),
        shortest in prop_oneof![Just(0_i64), 0_i64..300],
    ) {
        let covers = period(covers.0, covers.1);
        let online: Vec<_> = online.into_iter().map(|(from, length)| period(from, length)).collect();
        let shortest = TimeDelta::nanoseconds(shortest * TICK);
        let sessions = Sessions::new(covers, online.iter().copied()).ignoring_shorter_than(shortest);
        let mut detector = GapDetector::new(settings).unwrap();
        for (event, arrival) in rows {
            detector.observe_nanos(event, arrival);
        }
        for gap in detector.finish(at(9_000 * TICK)).gaps {
            let parts = gap.split(&sessions);
            prop_assert_eq!(parts.first().unwrap().period.start(), gap.from);
            prop_assert_eq!(parts.last().unwrap().period.end(), gap.to);
            for pair in parts.windows(2) {
                prop_assert_eq!(pair[0].period.end(), pair[1].period.start());
                prop_assert!(pair[0].presence != pair[1].presence);
            }
            prop_assert_eq!(parts.iter().map(|part| part.expected).sum::<u64>(), gap.expected);
            prop_assert_eq!(parts.iter().map(|part| part.missing).sum::<u64>(), gap.missing);
            for part in &parts {
                prop_assert_eq!(part.expected, part.caught_up() + part.missing);
                prop_assert!(parts.len() == 1 || part.period.length() >= shortest);
                // Each missing row, put where it is taken to lie.
                let mut missing = 0;
                for hole in &gap.holes {
                    let length = i128::from(hole.to.signed_duration_since(hole.from).num_nanoseconds().unwrap());
                    let parts = i128::from(hole.missing) + 1;
                    for row in 1..parts {
                        let after = |from: DateTime<Utc>| {
                            let bound = i128::from(from.signed_duration_since(hole.from).num_nanoseconds().unwrap());
                            row * length >= bound * parts
                        };
                        missing += u64::from(after(part.period.start()) && !after(part.period.end()));
                    }
                }
                prop_assert_eq!(part.missing, missing, "{:?} {:?}", gap, part);
                if shortest.is_zero() {
                    for moment in [part.period.start(), part.period.end() - TimeDelta::nanoseconds(1)] {
                        prop_assert_eq!(part.presence, presence(covers, &online, moment));
                    }
                }
            }
        }
    }
}
