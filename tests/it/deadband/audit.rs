//! The audit beside figures computed from all samples at once, in pieces, saved and restored; and how often it is
//! right.

mod model;
mod power;
mod series;
mod table;
mod watched;

use chrono::TimeDelta;
use iot_runbook::deadband::audit::{Audit, AuditError, Figures, Limits};
use iot_runbook::deadband::sample::{Quality, Sample};
use proptest::prelude::*;

const TICK: i64 = 1_000;

/// A sample, and whether it was reported.
type Seen = (Sample, bool);

fn empty() -> Audit {
    Audit::new(1.0).unwrap().with_longest_gap(TimeDelta::nanoseconds(5 * TICK)).unwrap()
}

fn audit(seen: &[Seen]) -> Audit {
    let mut audit = empty();
    seen.iter().for_each(|(sample, is_reported)| audit.observe(sample, *is_reported));
    audit
}

fn figures(audit: &Audit) -> Figures {
    audit.figures(&Limits::default())
}

/// Each figure with its name.
fn list(figures: &Figures) -> Vec<(String, f64)> {
    let serde_json::Value::Object(fields) = serde_json::to_value(figures).unwrap() else { panic!() };
    let number =
        |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| f64::from(u8::from(*value == true)));
    fields.iter().map(|(name, value)| (name.clone(), number(value))).collect()
}

fn assert_near(one: &Figures, other: &Figures) {
    for ((name, one_is), (_, other_is)) in list(one).into_iter().zip(list(other)) {
        let room = 1e-9 * one_is.abs().max(other_is.abs()).max(1e-3);
        assert!((one_is - other_is).abs() <= room, "{name}: {one_is} {other_is}\n{one:?}\n{other:?}");
    }
}

prop_compose! {
    fn seen()(
        step in prop_oneof![30 => Just(1_i64), 1 => Just(0), 1 => Just(-2), 1 => Just(3), 1 => Just(9)],
        value in prop_oneof![
            20 => -4.0..4.0_f64,
            20 => (-8..8_i32).prop_map(|step| f64::from(step) / 4.0),
            1 => Just(f64::NAN),
            1 => Just(1e200),
        ],
        quality in prop_oneof![
            30 => Just(Quality::GOOD),
            1 => Just(Quality::UNCERTAIN),
            1 => Just(Quality::BAD),
        ],
        is_reported in proptest::bool::weighted(0.07),
    ) -> (i64, f64, Quality, bool) {
        (step, value, quality, is_reported)
    }
}

prop_compose! {
    /// Values go along with a walk, so that there is something to find.
    fn stream()(steps in proptest::collection::vec(seen(), 0..250), slope in -0.2..0.2_f64) -> Vec<Seen> {
        let mut at = 0;
        steps.into_iter().zip(0..).map(|((step, value, quality, is_reported), i)| {
            at += step * TICK;
            let value = f64::from(i).mul_add(slope, value);
            (Sample::new(at, value).with_quality(quality), is_reported)
        }).collect()
    }
}

/// The same samples as an exact deadband reports them, in pieces that lie further apart than neighbours do.
fn pieces(seen: &[Seen], cuts: &[prop::sample::Index]) -> Vec<Vec<Seen>> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(seen.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = vec![vec![]];
    let (mut held, mut shift, mut latest) = (f64::NAN, 0, i64::MIN);
    for (at, (sample, is_reported)) in seen.iter().enumerate() {
        if cuts.contains(&at) {
            shift += 1_000 * TICK;
            pieces.push(vec![]);
        }
        let sample = Sample { at: sample.at + shift, ..*sample };
        let is_usable = sample.value.abs() < 1e140 && sample.quality != Quality::BAD && sample.at > latest;
        latest = latest.max(sample.at);
        let is_reported =
            if is_usable { held.is_nan() || (sample.value - held).abs() > 1.0 } else { *is_reported };
        held = if is_usable && is_reported { sample.value } else { held };
        pieces.last_mut().unwrap().push((sample, is_reported));
    }
    pieces
}

proptest! {
    #![proptest_config(crate::random::cases(300))]

    #[test]
    fn joined_pieces_are_the_whole_with_breaks(
        seen in stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let pieces = pieces(&seen, &cuts);
        let whole = audit(&pieces.concat());
        let mut joined = empty();
        pieces.iter().for_each(|piece| joined.join(&audit(piece)).unwrap());
        assert_near(&figures(&joined), &figures(&whole));
        prop_assert_eq!(joined.unusable(), whole.unusable());
        prop_assert_eq!(joined.late(), whole.late());
        prop_assert_eq!(joined.period(), whole.period());
        // And what comes after is observed the same.
        let next = Sample::new(whole.period().map_or(0, |(_, end)| end) + TICK, 0.5);
        let mut later = [joined, whole];
        later.iter_mut().for_each(|audit| audit.observe(&next, false));
        assert_near(&figures(&later[0]), &figures(&later[1]));
    }

    #[test]
    fn neighbours_join_in_either_order(
        seen in stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 2),
    ) {
        let pieces: Vec<_> = pieces(&seen, &cuts).iter().map(|piece| audit(piece)).collect();
        let mut from_left = empty();
        pieces.iter().for_each(|piece| from_left.join(piece).unwrap());
        let mut from_right = empty();
        for piece in pieces.iter().rev() {
            let mut first = piece.clone();
            first.join(&from_right).unwrap();
            from_right = first;
        }
        assert_near(&figures(&from_left), &figures(&from_right));
    }

    #[test]
    fn restore_at_any_sample_goes_on_the_same(
        seen in stream(), cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(seen.len() + 1);
        let mut going = audit(&seen[..cut]);
        let saved = serde_json::to_string(&going).unwrap();
        going = serde_json::from_str(&saved).unwrap();
        prop_assert_eq!(&saved, &serde_json::to_string(&going).unwrap());
        seen[cut..].iter().for_each(|(sample, is_reported)| going.observe(sample, *is_reported));
        prop_assert_eq!(serde_json::to_string(&going).unwrap(), serde_json::to_string(&audit(&seen)).unwrap());
    }

    #[test]
    fn it_measures_what_the_model_does(seen in stream()) {
        model::compare(&figures(&audit(&seen)), &seen, 5 * TICK);
    }

    #[test]
    fn a_changed_state_is_refused_or_harmless(
        seen in stream(), byte in any::<prop::sample::Index>(), digit in b'0'..=b'9',
    ) {
        let mut saved = serde_json::to_string(&audit(&seen)).unwrap().into_bytes();
        let digits: Vec<_> = (0..saved.len()).filter(|at| saved[*at].is_ascii_digit()).collect();
        saved[*byte.get(&digits)] = digit;
        if let Ok(mut restored) = serde_json::from_slice::<Audit>(&saved) {
            seen.iter().for_each(|(sample, is_reported)| restored.observe(sample, *is_reported));
            let _ = restored.assess(&Limits::default()).to_string();
            let _ = audit(&seen).join(&restored);
        }
    }
}

/// Found by a random test: a piece that begins without a report is as far off as the report before it says.
#[test]
fn off_counts_what_an_earlier_piece_shows() {
    let at = |values: [f64; 8], begin: i64, is_reported: bool| -> Vec<Seen> {
        (begin..).zip(values).map(|(tick, value)| (Sample::new(tick * TICK, value), is_reported)).collect()
    };
    let report = vec![(Sample::new(0, 0.0), true)];
    let unreported = at([0.5; 8], 1_000, false);
    let lower = at([-0.75; 8], 9_000, false);
    let reported = [at([0.25; 8], 3_000, false), vec![(Sample::new(3_100 * TICK, 2.0), true)]].concat();
    for pieces in [
        vec![report.clone(), unreported.clone()],
        vec![report.clone(), unreported, lower.clone()],
        vec![report, reported.clone(), lower],
        vec![reported],
    ] {
        let whole = audit(&pieces.concat());
        let mut joined = empty();
        pieces.iter().for_each(|piece| joined.join(&audit(piece)).unwrap());
        assert_eq!(figures(&joined).off, figures(&whole).off, "{pieces:?}");
    }
}

#[test]
fn what_does_not_follow_does_not_join() {
    let piece = |at: i64| audit(&[(Sample::new(at, 1.0), true)]);
    let mut first = piece(5);
    let before = first.clone();
    assert!(matches!(first.join(&piece(5)), Err(AuditError::Overlap { begin: 5, end: 5 })));
    assert!(matches!(first.join(&Audit::new(1.0).unwrap()), Err(AuditError::Unlike)));
    assert!(matches!(empty().join(&Audit::new(2.0).unwrap()), Err(AuditError::Unlike)));
    assert_eq!(first, before);
    first.join(&piece(6)).unwrap();
    first.join(&empty()).unwrap();
    assert_eq!(first.samples(), 2);
}

#[test]
fn settings_that_cannot_be_are_named() {
    for band in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(Audit::new(band).unwrap_err().to_string().contains("`band`"));
    }
    for gap in [TimeDelta::zero(), TimeDelta::seconds(-1), TimeDelta::MAX] {
        assert!(empty().with_longest_gap(gap).unwrap_err().to_string().contains("`longest_gap`"));
    }
}

#[test]
fn state_that_contradicts_itself_is_refused() {
    let seen: Vec<Seen> =
        (0..100_i32).map(|i| (Sample::new(i64::from(i), f64::from(i % 7)), i % 9 == 0)).collect();
    let saved = serde_json::to_value(audit(&seen)).unwrap();
    serde_json::from_value::<Audit>(saved.clone()).unwrap();
    let nan = serde_json::json!(f64::NAN.to_bits());
    for (pointer, value, told) in [
        ("/version", serde_json::json!(1), "version 1"),
        ("/band", nan.clone(), "`band`"),
        ("/longest_gap", serde_json::json!(0), "`longest_gap`"),
        ("/first", serde_json::Value::Null, "`first`"),
        ("/first", serde_json::json!(1_000), "`first`"),
        ("/reported", serde_json::json!(101), "`reported`"),
        ("/range", serde_json::Value::Null, "`range`"),
        ("/range/low", nan.clone(), "`range`"),
        ("/quantum", nan.clone(), "`quantum`"),
        ("/neighbour", nan.clone(), "`neighbour`"),
        ("/noise/ties", serde_json::json!(1_000), "`noise`"),
        ("/noise/lags/1/wait", serde_json::json!(4), "`noise`"),
        ("/noise/lags/0/turns", serde_json::json!(1_000), "`noise`"),
        ("/noise/lags/0/bends/buckets/0/0", serde_json::json!(65_535), "bucket"),
        ("/silences/off", nan.clone(), "`silences`"),
        ("/silences/levels/high", nan.clone(), "`silences`"),
        ("/silences/block/count", serde_json::json!(8), "`silences`"),
        ("/errors/squares", nan, "`errors`"),
        ("/constant/samples", serde_json::json!(0), "`constant`"),
    ] {
        let mut changed = saved.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let error = serde_json::from_value::<Audit>(changed).unwrap_err().to_string();
        assert!(error.contains(told), "{pointer}: {error}");
    }
}

#[test]
fn counts_stop_at_their_end() {
    let seen: Vec<Seen> = (0..100).map(|at| (Sample::new(at, (at % 7) as f64), at == 0)).collect();
    let mut full = serde_json::to_value(audit(&seen)).unwrap();
    for count in
        ["/samples", "/noise/pairs", "/noise/lags/0/threes", "/silences/open/samples", "/constant/samples"]
    {
        *full.pointer_mut(count).unwrap() = u64::MAX.into();
    }
    let mut full: Audit = serde_json::from_value(full).unwrap();
    full.observe(&Sample::new(1_000, 3.0), false);
    full.observe(&Sample::new(1_001, 3.0), true);
    full.join(&empty()).unwrap();
    assert_eq!(full.samples(), u64::MAX);
    assert!(full.assess(&Limits::default()).to_string().len() > 100);
}

#[test]
fn it_takes_the_same_room_whatever_its_length() {
    let info = allocation_counter::measure(|| drop(empty()));
    let room = size_of::<Audit>() as u64 + info.bytes_total;
    assert!(room <= 7_168, "{room}: the documentation says 7 KiB");
}

#[test]
fn a_sample_allocates_nothing() {
    let mut audit = empty();
    let info = allocation_counter::measure(|| {
        for at in 0..5_000_i32 {
            audit.observe(&Sample::new(i64::from(at), f64::from(at % 97).exp2()), at % 5 == 0);
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
}
