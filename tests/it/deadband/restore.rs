//! A state that is saved and restored goes on; one that cannot be is refused.

use std::sync::Arc;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{Extent, Filter, RestoreError, Rule, Saved, Settings};
use iot_runbook::deadband::profile::{Compare, Mode, NodeRed, Profile, Trigger};
use iot_runbook::deadband::sample::{Quality, Sample};
use proptest::prelude::*;

use super::filter::shown;
use super::streams;

proptest! {
    #![proptest_config(crate::random::cases(600))]

    #[test]
    fn restart_after_any_sample_changes_nothing(settings in streams::settings(), samples in streams::unkind()) {
        let Ok(rule) = Rule::<f64>::new(settings) else { return Ok(()) };
        let rule = Arc::new(rule);
        let mut through = Filter::new(Arc::clone(&rule));
        let mut restarted = Filter::new(Arc::clone(&rule));
        for (sample, _) in samples {
            let (mut expected, mut out) = (vec![], vec![]);
            let verdict = through.observe(sample, |report| expected.push(report));
            prop_assert_eq!(restarted.observe(sample, |report| out.push(report)), verdict);
            prop_assert_eq!(shown(&out), shown(&expected));
            let text = serde_json::to_string(&restarted.save()).unwrap();
            let saved: Saved = serde_json::from_str(&text).unwrap();
            restarted = Filter::restore(Arc::clone(&rule), &saved).unwrap();
            prop_assert_eq!(format!("{:?}", restarted.save()), format!("{:?}", through.save()));
        }
    }

    /// Whatever stands in the fields: an error, or a filter that goes on without a panic.
    #[test]
    fn state_from_elsewhere_is_refused_or_works(
        (last, value) in (streams::value(), streams::value()),
        times in prop::array::uniform5(prop_oneof![-3_i64..12, Just(i64::MIN), Just(i64::MAX)]),
        (anchor, with_held, with_previous) in (0_usize..4, any::<bool>(), any::<bool>()),
        settings in streams::settings(),
        samples in streams::unkind(),
    ) {
        let Ok(rule) = Rule::<f64>::new(settings) else { return Ok(()) };
        let rule = Arc::new(rule);
        let kept = |at: i64, value: f64| {
            serde_json::json!({ "at": at, "value": value.to_string(), "quality": 0 })
        };
        let [reported_at, newest, lowest, highest, end] = times;
        let held = serde_json::json!({
            "lowest": kept(lowest, last), "highest": kept(highest, value), "last": kept(end, value),
        });
        let name = ["nothing", "value", "start", "below"][anchor];
        let saved = serde_json::json!({
            "profile": "exact", "version": 1,
            "state": {
                "last": last.to_string(), "reported_at": reported_at, "newest": newest, "quality": 0,
                "anchor": name,
            },
            "hold": {
                "previous": with_previous.then(|| kept(lowest, value)),
                "held": with_held.then_some(held),
            },
            "counts": {},
        });
        let saved: Saved = serde_json::from_value(saved).unwrap();
        let Ok(mut filter) = Filter::restore(Arc::clone(&rule), &saved) else { return Ok(()) };
        prop_assert!(anchor < 2, "only nodes of Node-RED leave such an anchor");
        for (sample, _) in samples {
            let mut moments = vec![];
            let in_order = filter.state().newest().is_none_or(|newest| newest < sample.at);
            let _ = filter.observe(sample, |report| moments.push(report.sample.at));
            prop_assert!(!in_order || moments.is_sorted(), "{moments:?}");
        }
    }
}

#[test]
fn state_under_other_semantics_is_refused() {
    let exact = Arc::new(Rule::<f64>::new(Settings::new(Extent::Absolute(1.0))).unwrap());
    let node = Profile::NodeRed(NodeRed::new(Mode::Deadband));
    let node = Arc::new(Rule::new(Settings::new(Extent::Absolute(1.0)).with_profile(node)).unwrap());
    let saved = Filter::new(exact).save();
    let error = Filter::restore(node, &saved).unwrap_err();
    assert!(matches!(error, RestoreError::Profile { .. }));
    assert!(
        error.to_string().starts_with("the state was saved under the profile exact, version 1"),
        "{error}"
    );
}

#[test]
fn state_of_other_settings_is_refused() {
    let node = |mode| Profile::NodeRed(NodeRed::new(mode));
    let narrow = NodeRed::new(Mode::Narrowband);
    for (saved, profile, field, says) in [
        (
            node(Mode::Deadband),
            node(Mode::Narrowband),
            "profile.mode",
            "`profile.mode` Deadband, and the rule has Narrowband",
        ),
        (
            Profile::NodeRed(narrow),
            Profile::NodeRed(narrow.with_compare(Compare::LastInput)),
            "profile.compare",
            "LastOutput, and the rule has LastInput",
        ),
        (
            Profile::NodeRed(narrow.with_start(0.1)),
            Profile::NodeRed(narrow),
            "profile.start",
            "0.1, and the rule has none",
        ),
        (
            Profile::OpcUa(Trigger::Status),
            Profile::OpcUa(Trigger::StatusValue),
            "profile.trigger",
            "Status, and the rule has StatusValue",
        ),
    ] {
        let rule = |profile| {
            let settings = Settings::new(Extent::Absolute(1.0)).with_profile(profile);
            Arc::new(Rule::<f64>::new(settings).unwrap())
        };
        let mut filter = Filter::new(rule(saved));
        filter.observe(Sample::new(0, 0.5), |_| {}).unwrap();
        let text = serde_json::to_string(&filter.save()).unwrap();
        let read: Saved = serde_json::from_str(&text).unwrap();
        assert!(Filter::restore(rule(saved), &read).is_ok(), "{text}");
        let error = Filter::restore(rule(profile), &read).unwrap_err();
        assert!(matches!(error, RestoreError::Setting { field: told, .. } if told == field), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        // One that does not tell its settings is none of this profile.
        let mut bare = serde_json::to_value(filter.save()).unwrap();
        bare.as_object_mut().unwrap().remove("settings");
        let bare: Saved = serde_json::from_value(bare).unwrap();
        assert!(matches!(Filter::restore(rule(saved), &bare), Err(RestoreError::Setting { .. })));
    }
}

#[test]
fn held_samples_must_follow_the_report() {
    let settings =
        Settings::new(Extent::Absolute(1.0)).with_min_interval(TimeDelta::nanoseconds(50)).with_previous();
    let rule = Arc::new(Rule::<f64>::new(settings).unwrap());
    let mut filter = Filter::new(Arc::clone(&rule));
    for (at, value) in [(10, 0.0), (11, 0.5), (12, 7.0), (13, 9.0), (14, 5.0), (15, 6.0)] {
        filter.observe(Sample::new(at, value), |_| {}).unwrap();
    }
    let saved = serde_json::to_value(filter.save()).unwrap();
    let restore = |saved| Filter::restore(Arc::clone(&rule), &serde_json::from_value(saved).unwrap());
    assert!(restore(saved.clone()).is_ok());
    for (pointer, value, field) in [
        ("/state/reported_at", 16.into(), "state.reported_at"),
        ("/hold/previous/at", 10.into(), "hold.previous"),
        ("/hold/previous/at", 16.into(), "hold.previous"),
        ("/hold/previous/at", 13.into(), "hold.held"),
        ("/hold/held/lowest/at", 10.into(), "hold.held"),
        ("/hold/held/lowest/at", 11.into(), "hold.held"),
        ("/hold/held/last/at", 16.into(), "hold.held"),
        ("/hold/held/last/at", 13.into(), "hold.held"),
        ("/hold/held/last/value", "4".into(), "hold.held"),
        ("/hold/held/last/value", "10".into(), "hold.held"),
        ("/hold/held/highest/value", "inf".into(), "hold.held"),
        ("/hold/held/highest/value", "NaN".into(), "hold.held"),
        ("/hold/held/lowest/quality", 7.into(), "hold.held"),
        ("/state/anchor", "below".into(), "state.anchor"),
        ("/state/anchor", "nothing".into(), "hold.previous"),
    ] {
        let mut changed: serde_json::Value = saved.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_eq!(restore(changed).unwrap_err(), RestoreError::Field { field }, "{pointer}");
    }
    // The last may be the lowest or the highest, and one sample all three.
    let mut changed = saved;
    changed["hold"]["held"]["last"] = changed["hold"]["held"]["lowest"].clone();
    changed["hold"]["held"]["highest"] = changed["hold"]["held"]["lowest"].clone();
    assert!(restore(changed).is_ok());
}

#[test]
fn unwanted_previous_sample_is_not_sent() {
    let rule = |settings| Arc::new(Rule::<f64>::new(settings).unwrap());
    let plain = Settings::new(Extent::Absolute(1.0));
    let mut filter = Filter::new(rule(plain.clone().with_previous()));
    for at in 0..2 {
        filter.observe(Sample::new(at, 0.0), |_| {}).unwrap();
    }
    let mut filter = Filter::restore(rule(plain), &filter.save()).unwrap();
    let mut out = vec![];
    let bad = Sample::new(3, 0.0).with_quality(Quality::BAD);
    filter.observe(bad, |report| out.push(report.sample.at)).unwrap();
    assert_eq!(out, [3]);
}

#[test]
fn no_text_is_a_state_of_no_number() {
    let rule = Arc::new(Rule::<f64>::new(Settings::new(Extent::Absolute(1.0))).unwrap());
    let mut filter = Filter::new(rule);
    filter.observe(Sample::new(0, f64::NAN), |_| {}).unwrap();
    let text = serde_json::to_string(&filter.save()).unwrap();
    assert!(text.contains(r#""last":"NaN""#), "{text}");
    let error = serde_json::from_str::<Saved>(&text.replace("NaN", "much")).unwrap_err();
    assert!(error.to_string().contains("`much` is no value of a sample"), "{error}");
}

#[test]
fn samples_are_written_as_people_write_them() {
    for (value, text) in [(21.5, "21.5"), (f64::NAN, "\"NaN\""), (f64::NEG_INFINITY, "\"-inf\"")] {
        let written = serde_json::to_string(&Sample::new(7, value)).unwrap();
        assert_eq!(written, format!(r#"{{"at":7,"value":{text},"quality":0}}"#));
        let read: Sample = serde_json::from_str(&written).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Sample::new(7, value)));
    }
    let read: Sample<u64> = serde_json::from_str(r#"{"at":7,"value":18446744073709551615}"#).unwrap();
    assert_eq!(read.value, u64::MAX);
}
