//! Series as devices, outboxes, brokers and wrong clocks make them.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::gap::{Cadence, Settings};
use proptest::prelude::*;

use super::model::Row;

pub(super) const SECOND: i64 = 1_000_000_000;

pub(super) fn at(nanos: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanos)
}

/// Durations are whole ticks of half a second, so that distances meet the limits exactly.
pub(super) const TICK: i64 = SECOND / 2;

fn ticks(range: std::ops::Range<i64>) -> impl Strategy<Value = TimeDelta> {
    range.prop_map(|ticks| TimeDelta::nanoseconds(ticks * TICK))
}

pub(super) fn cadence() -> impl Strategy<Value = Cadence> {
    let heartbeat = prop::option::weighted(0.3, ticks(1..30));
    (ticks(1..12), heartbeat, prop::option::of(ticks(0..8)), any::<bool>()).prop_map(
        |(every, heartbeat, tolerance, deadband)| {
            let mut cadence = Cadence::every(every);
            (cadence.heartbeat, cadence.tolerance, cadence.deadband) = (heartbeat, tolerance, deadband);
            cadence
        },
    )
}

pub(super) fn settings() -> impl Strategy<Value = Settings> {
    let rows = prop_oneof![1_usize..6, Just(1024)];
    let late_after = prop::option::of(ticks(0..60));
    let end = prop::option::of(0_i64..20_000);
    (cadence(), 0_i64..40, end, ticks(0..40), rows, late_after, ticks(0..9_000)).prop_map(
        |(cadence, start, end, reorder_within, rows, late_after, ahead)| {
            let mut settings = Settings::live(cadence, at(start * TICK))
                .with_reorder_within(reorder_within)
                .with_reorder_rows(rows)
                .with_ahead(ahead);
            settings.end = end.map(|end| at((start + end) * TICK));
            settings.late_after = late_after;
            settings
        },
    )
}

/// How much slower a slow series is.
const SLOWER: i64 = 300;

/// A series that is so much slower, and settings for it.
pub(super) fn slow() -> impl Strategy<Value = (Settings, Vec<Row>)> {
    (settings(), rows(), 1_i32..40).prop_map(|(mut settings, mut rows, every)| {
        let slower = |at: i64| at.saturating_mul(SLOWER);
        rows.iter_mut().for_each(|row| *row = (slower(row.0), row.1.map(slower)));
        settings.cadence.every = TimeDelta::nanoseconds(TICK) * every * SLOWER as i32;
        settings.cadence.tolerance = None;
        settings.late_after = settings.late_after.map(|bound| bound * SLOWER as i32);
        settings.ahead = settings.ahead * SLOWER as i32;
        (settings, rows)
    })
}

#[derive(Clone, Debug)]
enum Act {
    /// Rows, one each so many ticks.
    Rows(u8, i64),
    /// Nothing is sent for so many ticks.
    Silence(i64),
    /// Rows are taken, and kept.
    Keep(u8, i64),
    /// So many of what was kept are sent, from the front or the back, and whether they stay to be sent again.
    Replay(u8, bool, bool),
    /// The clock of the device is set by so many ticks.
    Clock(i64),
    /// A row of anywhere.
    Stray(i64),
    /// The last row is sent again.
    Again,
    /// A row overtakes the one before it.
    Swap(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let every = prop_oneof![1_i64..4, 1_i64..20];
    prop_oneof![
        4 => (1_u8..8, every.clone()).prop_map(|(rows, every)| Act::Rows(rows, every)),
        2 => prop_oneof![1_i64..40, 1_i64..5_000].prop_map(Act::Silence),
        2 => (1_u8..12, every).prop_map(|(rows, every)| Act::Keep(rows, every)),
        3 => (1_u8..12, any::<bool>(), any::<bool>()).prop_map(|(rows, back, stay)| Act::Replay(rows, back, stay)),
        2 => prop_oneof![
            (-4_i64..4).prop_map(|half_hours| half_hours * 3_600),
            (-4_i64..4).prop_map(|half_hours| half_hours * 3_600 / SLOWER),
            -60_i64..60,
            -5_000_i64..5_000
        ]
        .prop_map(Act::Clock),
        1 => (-200_i64..20_000).prop_map(Act::Stray),
        1 => Just(Act::Again),
        2 => (1_i64..6).prop_map(Act::Swap),
    ]
}

fn play(acts: Vec<Act>, with_arrivals: bool) -> Vec<Row> {
    let (mut now, mut clock) = (0_i64, 0_i64);
    let mut kept: Vec<i64> = vec![];
    let mut rows: Vec<(i64, i64)> = vec![];
    for act in acts {
        match act {
            Act::Rows(count, every) => {
                for _ in 0..count {
                    now += every;
                    rows.push((now + clock, now));
                }
            }
            Act::Silence(length) => now += length,
            Act::Keep(count, every) => {
                for _ in 0..count {
                    now += every;
                    kept.push(now + clock);
                }
            }
            Act::Replay(count, from_back, stay) => {
                let mut sent = kept.clone();
                if from_back {
                    sent.reverse();
                }
                sent.truncate(usize::from(count));
                rows.extend(sent.iter().map(|event| (*event, now)));
                if !stay {
                    kept.retain(|event| !sent.contains(event));
                }
            }
            Act::Clock(by) => clock += by,
            Act::Stray(event) => rows.push((event, now)),
            Act::Again => rows.extend(rows.last().copied()),
            Act::Swap(by) => {
                now += 2 * by;
                rows.push((now + clock, now));
                rows.push((now + clock - by, now));
            }
        }
    }
    rows.into_iter().map(|(event, arrival)| (event * TICK, with_arrivals.then_some(arrival * TICK))).collect()
}

/// The rows in the order in which they come, or in the order of their events as a table tells them.
pub(super) fn rows() -> impl Strategy<Value = Vec<Row>> {
    (prop::collection::vec(act(), 0..40), any::<bool>(), prop::bool::weighted(0.25)).prop_map(
        |(acts, with_arrivals, sorted)| {
            let mut rows = play(acts, with_arrivals);
            if sorted {
                rows.sort_by_key(|row| row.0);
            }
            rows
        },
    )
}

/// Rows at which arithmetic may break.
pub(super) fn unkind() -> impl Strategy<Value = Vec<Row>> {
    const ENDS: &[i64] = &[i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let time = prop_oneof![
        2 => prop::sample::select(ENDS),
        1 => any::<i64>(),
        2 => (-5_i64..50).prop_map(|ticks| ticks * TICK),
    ];
    prop::collection::vec((time.clone(), prop::option::of(time)), 0..40)
}
