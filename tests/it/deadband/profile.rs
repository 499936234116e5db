//! The same inputs under each profile, each with its vendor's answer.

mod node_red;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{Band, Extent, Reason, Report, Rule, Settings, Suppression, Verdict};
use iot_runbook::deadband::profile::{Compare, Mode, NodeRed, Profile, Trigger};
use iot_runbook::deadband::sample::{Quality, Sample};

use super::filter::filter;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Which of the values pass, one each nanosecond.
fn passes(settings: Settings, values: &[f64]) -> Vec<bool> {
    let mut filter = filter::<f64>(settings);
    let verdicts = values.iter().zip(0..).map(|(value, at)| {
        let mut last = None;
        let verdict = filter.observe(Sample::new(at, *value), |report| last = Some(report.sample)).unwrap();
        assert_eq!(matches!(verdict, Verdict::Reported(_)), last.is_some());
        last.is_some()
    });
    verdicts.collect()
}

/// `x` passes, `.` does not.
fn shown(settings: Settings, values: &[f64]) -> String {
    passes(settings, values).into_iter().map(|passes| if passes { 'x' } else { '.' }).collect()
}

fn node(mode: Mode, band: impl Into<Band>) -> Settings {
    Settings::new(band).with_profile(Profile::NodeRed(NodeRed::new(mode)))
}

const GAP: Extent = Extent::Absolute(1.0);
const NO_GAP: Extent = Extent::Absolute(0.0);
const NO_PERCENT: Extent = Extent::PercentOfLast { percent: 0.0, floor: 0.0 };
const TENTH: Extent = Extent::PercentOfLast { percent: 10.0, floor: 0.0 };

#[test]
fn node_red_answers_as_its_own_code_does() {
    use Mode::{Deadband, DeadbandEq, Narrowband, NarrowbandEq, Rbe, Rbei};
    // Each of these was put through `rbe.js` of Node-RED 5.0.4.
    for (mode, band, values, expected) in [
        (Rbe, Band::None, &[1.0, 1.0, 2.0, 1.0, -0.0, 0.0, NAN, NAN, INF, INF][..], "x.xxx.xxx."),
        (Rbei, Band::None, &[1.0, 1.0, 2.0, 1.0][..], "..xx"),
        (Deadband, GAP.into(), &[0.0, 1.0, 1.5, 2.5, 2.6, 0.0][..], "x.x.xx"),
        (DeadbandEq, GAP.into(), &[0.0, 1.0, 1.5, 2.5, 2.6, 0.0][..], "xx.x.x"),
        (Narrowband, GAP.into(), &[0.0, 1.0, 5.0, 2.0, 2.5, 3.5][..], "xx.xxx"),
        (NarrowbandEq, GAP.into(), &[0.0, 1.0, 5.0, 0.5, 1.5, 1.4][..], "x..x.x"),
        // The first value misses its own mark where adding one to it changes nothing.
        (Deadband, GAP.into(), &[1e17, 1e17, 1e18][..], "..x"),
        // Its subtraction rounds.
        (Deadband, GAP.into(), &[-1e-30, 1.0][..], "x."),
        // Not numbers are passed over, and an infinity passes once each way.
        (Deadband, GAP.into(), &[0.0, NAN, 0.5, INF, INF, 0.0, 0.5][..], "x..x.x."),
        // After an infinity a band in percent is infinite: nothing passes any more.
        (Deadband, TENTH.into(), &[100.0, 110.0, 111.0, INF, 0.0, 1e300][..], "x.xx.."),
        (DeadbandEq, TENTH.into(), &[100.0, 110.0, 111.0, INF, 0.0, 1e300][..], "xx.xxx"),
        (Deadband, TENTH.into(), &[0.0, 1e-9, 0.0, 0.0][..], "xxx."),
        (DeadbandEq, TENTH.into(), &[0.0, 0.0, 0.0][..], "xxx"),
        (Narrowband, TENTH.into(), &[100.0, 110.0, 122.0, 121.0, 0.0][..], "xx.x."),
        (NarrowbandEq, TENTH.into(), &[100.0, 110.0, 109.0, 0.0][..], "x.x."),
        (NarrowbandEq, TENTH.into(), &[0.0, 0.0, 0.0][..], "..."),
        (Narrowband, TENTH.into(), &[0.0, 0.0, 0.1][..], "xx."),
        // To a narrowband an infinity is an outlier like any other; as the first value it mutes the rest.
        (Narrowband, GAP.into(), &[0.0, INF, 0.5, NAN, -INF, 0.5][..], "x.x..x"),
        (NarrowbandEq, GAP.into(), &[0.0, INF, 0.5, NAN, -INF, 0.5][..], "x.x..x"),
        (Narrowband, GAP.into(), &[INF, INF, 0.0][..], "..."),
        (Narrowband, TENTH.into(), &[100.0, INF, 105.0][..], "x.x"),
        (Narrowband, TENTH.into(), &[INF, 0.0, 1.0][..], ".x."),
        (NarrowbandEq, TENTH.into(), &[INF, 0.0, 1.0][..], "..."),
        // An infinity misses its own mark too. No percent of it is no gap.
        (Deadband, GAP.into(), &[INF, 0.0, 0.5][..], ".x."),
        (Deadband, NO_PERCENT.into(), &[INF, 0.0, 0.0, INF][..], ".x.x"),
        (DeadbandEq, NO_PERCENT.into(), &[INF, 0.0, 0.0, INF][..], ".xxx"),
        // Without a gap.
        (Deadband, NO_GAP.into(), &[0.0, 0.0, 1.0, 1.0][..], "x.x."),
        (DeadbandEq, NO_GAP.into(), &[0.0, 0.0, 1.0, 1.0][..], "xxxx"),
        (Narrowband, NO_GAP.into(), &[0.0, 0.0, 1.0, 0.0][..], "xx.x"),
        (NarrowbandEq, NO_GAP.into(), &[0.0, 0.0, 1.0, 0.0][..], "...."),
    ] {
        assert_eq!(shown(node(mode, band), values), expected, "{mode:?} {band:?} {values:?}");
    }
}

#[test]
fn node_red_compares_last_input_or_start() {
    let settings = |mode, compare, start| {
        let node = NodeRed::new(mode).with_compare(compare);
        let node = if let Some(start) = start { node.with_start(start) } else { node };
        Settings::new(GAP).with_profile(Profile::NodeRed(node))
    };
    for (mode, compare, start, values, expected) in [
        (Mode::Deadband, Compare::LastInput, None, &[0.0, 0.8, 1.6, 2.4, 4.0][..], "x...x"),
        (Mode::Deadband, Compare::LastOutput, None, &[0.0, 0.8, 1.6, 2.4, 4.0][..], "x.x.x"),
        (Mode::Narrowband, Compare::LastOutput, Some(10.0), &[0.0, 9.0, 9.5, 5.0][..], ".xx."),
        (Mode::Narrowband, Compare::LastInput, Some(10.0), &[0.0, 9.0, 9.5, 5.0, 5.0][..], "..x.x"),
        (Mode::Narrowband, Compare::LastInput, None, &[0.0, INF, 0.5, 0.5][..], "x..x"),
        (Mode::NarrowbandEq, Compare::LastOutput, Some(10.0), &[9.0, 9.5, 10.5, 10.4][..], ".x.x"),
        // Only a narrowband looks at it.
        (Mode::Deadband, Compare::LastOutput, Some(10.0), &[10.0, 10.5][..], "x."),
    ] {
        assert_eq!(
            shown(settings(mode, compare, start), values),
            expected,
            "{mode:?} {compare:?} {values:?}"
        );
    }
}

#[test]
fn node_red_reports_ignored_without_quality() {
    let mut filter = filter::<f64>(node(Mode::Deadband, GAP));
    let mut verdict =
        |value, quality| filter.observe(Sample::new(0, value).with_quality(quality), |_| {}).unwrap();
    assert_eq!(verdict(NAN, Quality::GOOD), Verdict::Suppressed(Suppression::Ignored));
    assert_eq!(verdict(1.0, Quality::GOOD), Verdict::Reported(Reason::First));
    assert_eq!(verdict(1.0, Quality::BAD), Verdict::Suppressed(Suppression::Band));
    assert_eq!(verdict(9.0, Quality::BAD), Verdict::Reported(Reason::Value));
}

#[test]
fn telegraf_compares_equality_by_clock() {
    let dedup = || Settings::new(Band::None).with_profile(Profile::Telegraf);
    assert_eq!(shown(dedup(), &[1.0, 1.0, 2.0, NAN, NAN, INF, INF, 0.0, -0.0]), "x.xxxx.x.");
    let mut filter = filter::<f64>(dedup().with_max_interval(TimeDelta::nanoseconds(10)));
    let mut reports = vec![];
    for (at, received, quality) in [
        (0, 0, Quality::GOOD),
        (5, 9, Quality::GOOD),
        // Old, and its time is not looked at, but what is cached is as old as the interval.
        (3, 10, Quality::GOOD),
        (4, 11, Quality::BAD),
        (4, 12, Quality::BAD),
        // What is cached is of the time of its source.
        (4, 14, Quality::BAD),
    ] {
        let sample = Sample::new(at, 1.0).with_quality(quality);
        filter.observe_received(sample, received, |report| reports.push((received, report.reason))).unwrap();
    }
    let expected =
        [(0, Reason::First), (10, Reason::Heartbeat), (11, Reason::Quality), (14, Reason::Heartbeat)];
    assert_eq!(reports, expected);
    // A change is told as one, however old what is cached is.
    for (value, quality, reason) in [
        (2.0, Quality::GOOD, Reason::Value),
        (1.0, Quality::BAD, Reason::Quality),
        (NAN, Quality::BAD, Reason::Quality),
        (1.0, Quality::GOOD, Reason::Heartbeat),
    ] {
        let mut filter = super::filter::filter::<f64>(dedup());
        filter.observe(Sample::new(0, 1.0), |_| {}).unwrap();
        let sample = Sample::new(i64::MAX, value).with_quality(quality);
        assert_eq!(filter.observe(sample, |_| {}).unwrap(), Verdict::Reported(reason));
    }
    // Ten minutes unless told otherwise.
    let mut filter = super::filter::filter::<u8>(dedup());
    let minutes =
        [0, 9, 10].map(|minute| filter.observe(Sample::new(minute * 60_000_000_000, 1), |_| {}).unwrap());
    assert_eq!(minutes[1..], [Verdict::Suppressed(Suppression::Band), Verdict::Reported(Reason::Heartbeat)]);
}

#[test]
fn opc_ua_reports_by_its_trigger() {
    let band = |band: Band, trigger| Settings::new(band).with_profile(Profile::OpcUa(trigger));
    let values = [0.0, 1.0, 1.5, NAN, NAN, 1.5, INF, INF, 0.0];
    assert_eq!(shown(band(GAP.into(), Trigger::StatusValue), &values), "x.xx.xx.x");
    assert_eq!(shown(band(GAP.into(), Trigger::StatusValueTimestamp), &values), "x.xx.xx.x");
    assert_eq!(shown(band(Band::None, Trigger::StatusValue), &[0.0, 0.0, -0.0, 5e-324]), "x..x");
    assert_eq!(shown(band(Band::None, Trigger::StatusValueTimestamp), &[0.0, 0.0, 0.0]), "xxx");
    assert_eq!(shown(band(GAP.into(), Trigger::Status), &values), "x........");
    let mut timed = filter::<f64>(band(Band::None, Trigger::StatusValueTimestamp));
    let verdicts = [5, 5, 6, 6].map(|at| timed.observe(Sample::new(at, 0.0), |_| {}).unwrap());
    assert_eq!(verdicts.map(|verdict| matches!(verdict, Verdict::Reported(_))), [true, false, true, false]);
    // A whole span is a percentage too.
    let whole = Extent::PercentOfSpan { percent: 100.0, low: 0.0, high: 2.0 };
    assert_eq!(shown(band(whole.into(), Trigger::StatusValue), &[0.0, 2.0, 2.5]), "x.x");
    let mut filter = filter::<f64>(band(GAP.into(), Trigger::Status));
    for (at, quality, reported) in
        [(5, Quality::GOOD, true), (4, Quality::BAD, true), (6, Quality::BAD, false)]
    {
        let sample = Sample::new(at, 0.0).with_quality(quality);
        let verdict = filter.observe(sample, |_| {}).unwrap();
        assert_eq!(matches!(verdict, Verdict::Reported(_)), reported);
    }
}

#[test]
fn opc_ua_does_not_look_at_the_order_of_time() {
    let settings = Settings::new(GAP).with_profile(Profile::OpcUa(Trigger::StatusValue));
    let mut filter = filter::<f64>(settings);
    let mut reports = vec![];
    for (at, value) in [(10, 0.0), (5, 0.5), (4, 2.0), (10, 2.5)] {
        filter
            .observe(Sample::new(at, value), |report| reports.push((report.sample.at, report.reason)))
            .unwrap();
    }
    assert_eq!(reports, [(10, Reason::First), (4, Reason::Value)]);
}

#[test]
fn opc_ua_divides_before_it_multiplies() {
    let band = Extent::PercentOfSpan { percent: 7.0, low: 0.0, high: 100.0 };
    let of = |profile| Rule::<f64>::new(Settings::new(band).with_profile(profile)).unwrap();
    assert_eq!(of(Profile::Exact).width_at(0.0), 7.0);
    assert_eq!(of(Profile::Pi).width_at(0.0), 7.0);
    assert_eq!(of(Profile::OpcUa(Trigger::StatusValue)).width_at(0.0), 7.0_f64.next_up());
}

#[test]
fn pi_sends_previous_and_drops_too_soon() {
    let settings = Settings::new(GAP)
        .with_profile(Profile::Pi)
        .with_min_interval(TimeDelta::nanoseconds(3))
        .with_max_interval(TimeDelta::nanoseconds(20));
    let mut filter = filter::<f64>(settings);
    let mut reports = vec![];
    for (at, value) in
        [(0, 0.0), (1, 9.0), (2, 0.0), (4, 0.5), (5, 9.0), (8, 8.0), (9, 7.0), (15, 7.0), (29, 7.5)]
    {
        filter
            .observe(Sample::new(at, value), |Report { sample, reason }| reports.push((sample.at, reason)))
            .unwrap();
    }
    let expected = [
        (0, Reason::First),
        (4, Reason::Previous),
        (5, Reason::Value),
        (8, Reason::Previous),
        (9, Reason::Value),
        (15, Reason::Previous),
        (29, Reason::Heartbeat),
    ];
    assert_eq!(reports, expected);
    assert_eq!(filter.counts().suppressed(Suppression::MinInterval), 1);
    assert!(filter.due().is_none());
}

#[test]
fn pi_does_as_exact_where_nothing_is_stated() {
    let settings = || {
        Settings::new(GAP)
            .with_profile(Profile::Pi)
            .with_min_interval(TimeDelta::nanoseconds(5))
            .with_max_interval(TimeDelta::nanoseconds(9))
    };
    let (good, bad) = (Quality::GOOD, Quality::BAD);
    for (second, verdict) in [
        // Within ExcMin, at just that age, and at just the age of ExcMax.
        ((4, 9.0, good), Verdict::Suppressed(Suppression::MinInterval)),
        ((5, 9.0, good), Verdict::Reported(Reason::Value)),
        ((8, 1.0, good), Verdict::Suppressed(Suppression::Band)),
        ((9, 1.0, good), Verdict::Reported(Reason::Heartbeat)),
        // Another status and what is no number pass within ExcMin.
        ((1, 0.0, bad), Verdict::Reported(Reason::Quality)),
        ((1, NAN, good), Verdict::Reported(Reason::Value)),
        ((1, INF, good), Verdict::Reported(Reason::Value)),
        ((0, 9.0, good), Verdict::Reported(Reason::Order)),
        ((-1, 9.0, good), Verdict::Reported(Reason::Order)),
    ] {
        let mut filter = filter::<f64>(settings());
        filter.observe(Sample::new(0, 0.0), |_| {}).unwrap();
        let (at, value, quality) = second;
        let sample = Sample::new(at, value).with_quality(quality);
        assert_eq!(filter.observe(sample, |_| {}).unwrap(), verdict, "{second:?}");
    }
    let mut filter = filter::<f64>(settings());
    let verdicts = [0.0, NAN, NAN, INF, INF, 0.0].map(|value| {
        let at = filter.state().newest().map_or(0, |newest| newest + 1);
        matches!(filter.observe(Sample::new(at, value), |_| {}).unwrap(), Verdict::Reported(_))
    });
    assert_eq!(verdicts, [true, true, false, true, false, true]);
}

#[test]
fn profiles_round_the_band_edge_their_way() {
    let dedup = Settings::new(Band::None).with_profile(Profile::Telegraf);
    let of = |profile| Settings::new(GAP).with_profile(profile);
    for (settings, on_the_edge, beyond_by_less_than_rounding) in [
        (of(Profile::Exact), false, true),
        (of(Profile::OpcUa(Trigger::StatusValue)), false, true),
        (of(Profile::Pi), false, true),
        (node(Mode::Deadband, GAP), false, false),
        (node(Mode::DeadbandEq, GAP), true, true),
        (dedup, true, true),
    ] {
        let second = |values: [f64; 2]| passes(settings.clone(), &values)[1];
        assert_eq!(second([0.0, 1.0]), on_the_edge, "{settings:?}");
        assert_eq!(second([-1e-30, 1.0]), beyond_by_less_than_rounding, "{settings:?}");
    }
}

#[test]
fn missing_feature_is_refused_by_name() {
    let second = TimeDelta::seconds(1);
    let percent = |percent| Extent::PercentOfSpan { percent, low: 0.0, high: 1.0 };
    let opc_ua = |band: Band| Settings::new(band).with_profile(Profile::OpcUa(Trigger::StatusValue));
    let dedup = |band: Band| Settings::new(band).with_profile(Profile::Telegraf);
    let started = NodeRed::new(Mode::Narrowband).with_start(NAN);
    let rbe = NodeRed::new(Mode::Rbe).with_start(1.0);
    for (settings, says) in [
        (opc_ua(percent(101.0).into()), "`band.percent` does not go with the profile opc-ua: give 0 to 100"),
        (opc_ua(TENTH.into()), "`band` does not go with the profile opc-ua"),
        (opc_ua(GAP.into()).with_max_interval(second), "`max_interval, min_interval` does not go"),
        (opc_ua(GAP.into()).with_previous(), "`previous` does not go"),
        (opc_ua(GAP.into()).with_ahead(second), "`order` does not go"),
        (dedup(GAP.into()), "`band` does not go with the profile telegraf"),
        (dedup(Band::None).with_min_interval(second), "`max_interval, min_interval` does not go"),
        (node(Mode::Deadband, Band::None), "`band` does not go with the profile node-red"),
        (node(Mode::Rbe, GAP), "`band` does not go with the profile node-red: the modes rbe and rbei"),
        (node(Mode::Deadband, Extent::PercentOfLast { percent: 1.0, floor: 1.0 }), "`band` does not go"),
        (node(Mode::Deadband, GAP).with_max_interval(second), "`max_interval, min_interval` does not go"),
        (Settings::new(GAP).with_profile(Profile::NodeRed(started)), "`profile.start` does not go"),
        (Settings::new(Band::None).with_profile(Profile::NodeRed(rbe)), "`profile.start` does not go"),
        (Settings::new(TENTH).with_profile(Profile::Pi), "`band` does not go with the profile pi"),
    ] {
        let error = Rule::<f64>::new(settings).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
