//! `rbe.js` of Node-RED 5.0.4, written down again line by line, beside the profile.

use iot_runbook::deadband::filter::{Band, Extent, Filter, Rule, Settings, Suppression, Verdict};
use iot_runbook::deadband::profile::{Compare, Mode, NodeRed, Profile};
use iot_runbook::deadband::sample::{Number, Quality, Sample};
use proptest::prelude::*;
use std::sync::Arc;

use crate::deadband::{filter::shown, streams};

struct Script {
    node: NodeRed,
    pc: bool,
    g: f64,
    previous: Option<f64>,
}

impl Script {
    fn new(node: NodeRed, band: Band) -> Self {
        let (pc, g) = match band {
            Band::Of(Extent::PercentOfLast { percent, .. }) => (true, percent),
            Band::Of(Extent::Absolute(gap)) => (false, gap),
            _ => (false, 0.0),
        };
        Self { node, pc, g, previous: None }
    }

    /// Whether it sends.
    fn input(&mut self, n: f64) -> bool {
        let mode = self.node.mode;
        if matches!(mode, Mode::Rbe | Mode::Rbei) {
            let do_send = mode != Mode::Rbei || self.previous.is_some();
            let changed = self.previous != Some(n);
            if changed {
                self.previous = Some(n);
            }
            return changed && do_send;
        }
        if n.is_nan() {
            return false;
        }
        if self.previous.is_none() && matches!(mode, Mode::Narrowband | Mode::NarrowbandEq) {
            self.previous = Some(self.node.start.unwrap_or(n));
        }
        let mut gap = self.g;
        if self.pc {
            gap = (self.previous.unwrap_or(f64::NAN) * self.g / 100.0).abs();
            if gap.is_nan() {
                gap = 0.0;
            }
        }
        let before = *self.previous.get_or_insert(n - gap - 1.0);
        let apart = (n - before).abs();
        let sends = if apart == gap {
            matches!(mode, Mode::DeadbandEq | Mode::Narrowband)
        } else if apart > gap {
            matches!(mode, Mode::Deadband | Mode::DeadbandEq)
        } else if apart < gap {
            matches!(mode, Mode::Narrowband | Mode::NarrowbandEq)
        } else {
            false
        };
        if sends || self.node.compare == Compare::LastInput {
            self.previous = Some(n);
        }
        sends
    }
}

fn node() -> impl Strategy<Value = (NodeRed, Band)> {
    let modes =
        vec![Mode::Rbe, Mode::Rbei, Mode::Deadband, Mode::DeadbandEq, Mode::Narrowband, Mode::NarrowbandEq];
    let compares = vec![Compare::LastInput, Compare::LastOutput];
    let start = prop::option::of(prop::sample::select(vec![0.0, 1.0, -0.5]));
    let gap = prop::sample::select(vec![0.0, 5e-324, 0.1, 0.3, 0.5, 1.0, 10.0, 150.0, 1e308]);
    (prop::sample::select(modes), prop::sample::select(compares), start, any::<bool>(), gap).prop_map(
        |(mode, compare, start, percent, gap)| {
            let mut node = NodeRed::new(mode).with_compare(compare);
            let has_gap = !matches!(mode, Mode::Rbe | Mode::Rbei);
            node.start = start.filter(|_| has_gap);
            let extent = if percent {
                Extent::PercentOfLast { percent: gap, floor: 0.0 }
            } else {
                Extent::Absolute(gap)
            };
            (node, if has_gap { extent.into() } else { Band::None })
        },
    )
}

proptest! {
    #![proptest_config(crate::random::cases(2_000))]

    #[test]
    fn it_answers_as_the_script_does(
        (node, band) in node(),
        samples in prop::collection::vec((0_i64..9, streams::value(), streams::quality()), 0..60),
        restart_at in 0_usize..60,
        in_order: bool,
    ) {
        let settings = Settings::new(band).with_profile(Profile::NodeRed(node));
        let rule = Arc::new(Rule::<f64>::new(settings).unwrap());
        let mut filter = Filter::new(Arc::clone(&rule));
        let mut script = Script::new(node, band);
        let (mut newest, mut first, mut last) = (None, true, None);
        for (turn, (at, value, quality)) in samples.into_iter().enumerate() {
            let at = if in_order { i64::try_from(turn).unwrap() } else { at };
            if turn == restart_at {
                let text = serde_json::to_string(&filter.save()).unwrap();
                filter = Filter::restore(Arc::clone(&rule), &serde_json::from_str(&text).unwrap()).unwrap();
            }
            let sample = Sample::new(at, value).with_quality(quality);
            let (before, before_newest) = (script.previous, filter.state().newest());
            let sends = script.input(value);
            let mut out = vec![];
            let verdict = filter.observe(sample, |report| out.push(report)).unwrap();
            prop_assert_eq!(matches!(verdict, Verdict::Reported(_)), sends, "{:?} {:?} {}", node, before, value);
            prop_assert_eq!(out.iter().map(|report| report.sample.at).collect::<Vec<_>>(), vec![at; usize::from(sends)]);
            if let Some(before) = before_newest {
                prop_assert_eq!(filter.state().newest(), Some(before.max(at)));
            }
            if value.is_nan() && !sends {
                prop_assert_eq!(verdict, Verdict::Suppressed(Suppression::Ignored));
            } else if !sends {
                let is_ignored = first && node.mode == Mode::Rbei;
                let why = if is_ignored { Suppression::Ignored } else { Suppression::Band };
                prop_assert_eq!(verdict, Verdict::Suppressed(why));
            }
            let is_nothing = value.is_nan() && !matches!(node.mode, Mode::Rbe | Mode::Rbei);
            first &= is_nothing;
            // What it remembers is of the last that it sent, where that is what it compares with.
            if sends {
                newest = newest.max(Some(at));
                last = Some(out[0]);
            }
            if node.compare == Compare::LastOutput && matches!(node.mode, Mode::Deadband | Mode::DeadbandEq)
                && let Some(last) = last
            {
                prop_assert!(filter.state().newest() >= newest);
                let told = filter.state().last_report().map(|sample| iot_runbook::deadband::filter::Report { sample, ..last });
                prop_assert_eq!(told.map(|told| shown(&[told])), Some(shown(&[last])));
            }
        }
    }
}

/// Which of the values pass, one each nanosecond, and which the script sends.
fn both<V: Number>((node, band): (NodeRed, Band), values: &[V]) -> (Vec<bool>, Vec<bool>) {
    let mut script = Script::new(node, band);
    let mut filter = super::filter::<V>(Settings::new(band).with_profile(Profile::NodeRed(node)));
    let answers = (0..).zip(values).map(|(at, value)| {
        let verdict = filter.observe(Sample::new(at, *value), |_| {}).unwrap();
        (matches!(verdict, Verdict::Reported(_)), script.input(value.to_f64()))
    });
    answers.unzip()
}

proptest! {
    #![proptest_config(crate::random::cases(256))]

    // Numbers of other types are numbers of the script's only one.
    #[test]
    fn it_answers_as_the_script_does_of_other_types(
        node in node(),
        singles in prop::collection::vec(prop_oneof![streams::value(), -2.0..2.0, -1e9..1e9], 0..60),
        integers in prop::collection::vec(prop_oneof![-3_i64..3, any::<i64>(), i64::MAX - 3..], 0..60),
    ) {
        let singles: Vec<f32> = singles.into_iter().map(|value| value as f32).collect();
        let (ours, theirs) = both(node, &singles);
        prop_assert_eq!(ours, theirs, "{:?} {:?}", node, singles);
        let (ours, theirs) = both(node, &integers);
        prop_assert_eq!(ours, theirs, "{:?} {:?}", node, integers);
    }
}

/// Where `f64` rounds to the gap, and `f32` could say more.
#[test]
fn rounding_to_the_gap_is_as_in_the_script() {
    for (mode, last, value) in [
        (Mode::DeadbandEq, 1e-30_f32, 1.0_f32),
        (Mode::DeadbandEq, -1e-30, 1.0),
        (Mode::Deadband, -1e-30, 1.0),
        (Mode::Deadband, 1e-8, 1.0),
        (Mode::DeadbandEq, 1e-8, 1.0),
        (Mode::Deadband, -1e-8, 1.0),
    ] {
        let (ours, theirs) = both((NodeRed::new(mode), Extent::Absolute(1.0).into()), &[last, value]);
        assert_eq!(ours, theirs, "{mode:?} {last} {value}");
    }
}

#[test]
fn quality_goes_with_the_value_that_is_sent() {
    let node = Profile::NodeRed(NodeRed::new(Mode::Deadband));
    let mut filter = super::filter::<f64>(Settings::new(Extent::Absolute(1.0)).with_profile(node));
    for (at, value, quality) in
        [(5, 0.0, Quality::GOOD), (6, 2.0, Quality::BAD), (2, 4.0, Quality::UNCERTAIN)]
    {
        filter.observe(Sample::new(at, value).with_quality(quality), |_| {}).unwrap();
    }
    let state = filter.state();
    assert_eq!(state.last_report(), Some(Sample::new(2, 4.0).with_quality(Quality::UNCERTAIN)));
    assert_eq!(state.newest(), Some(6));
}
