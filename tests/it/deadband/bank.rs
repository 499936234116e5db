use chrono::TimeDelta;
use iot_runbook::deadband::batch::{FilterBank, ScanError};
use iot_runbook::deadband::filter::{
    Band, Extent, Filter, Order, Reason, RestoreError, Rule, Saved, Settings, Suppression, Verdict,
};
use iot_runbook::deadband::profile::{Profile, Trigger};
use iot_runbook::deadband::sample::{Number, Quality, Sample};
use proptest::prelude::*;
use std::sync::Arc;

use super::filter::filter;
use super::streams;

#[derive(Clone, Debug)]
struct Scan {
    step: i64,
    /// The tags that come; none for all.
    some: Option<Vec<usize>>,
    with_quality: bool,
    /// What each tag shows, taken in turn.
    shown: Vec<(f64, Quality)>,
}

fn scans() -> impl Strategy<Value = Vec<Scan>> {
    let step = prop_oneof![12 => 1_i64..8, 1 => 20_i64..40];
    let some = prop::option::weighted(0.3, prop::collection::vec(0_usize..150, 0..140));
    let shown = prop::collection::vec((streams::value(), streams::quality()), 1..40);
    let scan = (step, some, any::<bool>(), shown).prop_map(|(step, some, with_quality, shown)| Scan {
        step,
        some,
        with_quality,
        shown,
    });
    prop::collection::vec(scan, 1..14)
}

/// A bank, and a filter for each of its tags.
struct Both<V: Number> {
    bank: FilterBank<V>,
    filters: Vec<Filter<V>>,
    clock: i64,
}

impl<V: Number> Both<V> {
    fn new(settings: &Settings, bands: &[Band], tags: usize) -> Self {
        let mut bank = FilterBank::new(settings.clone()).unwrap();
        let filters = (0..tags).map(|tag| {
            let band = bands[tag % bands.len()];
            assert_eq!(bank.add_tag(band).unwrap(), tag);
            let mut settings = settings.clone();
            settings.band = band;
            Filter::new(Arc::new(Rule::new(settings).unwrap()))
        });
        let filters = filters.collect();
        Self { bank, filters, clock: 0 }
    }

    fn scan(&mut self, scan: &Scan, of: impl Fn(f64) -> V) -> Result<(), TestCaseError> {
        self.clock += scan.step;
        let tags: Vec<u32> = match &scan.some {
            // No tag twice: for a filter that would be a sample of the same moment.
            Some(some) => {
                let mut some: Vec<_> = some.iter().map(|tag| (tag % self.filters.len()) as u32).collect();
                some.sort_unstable();
                some.dedup();
                some.reverse();
                some
            }
            None => (0..self.filters.len() as u32).collect(),
        };
        let shown = |tag: &u32| scan.shown[*tag as usize * 7 % scan.shown.len()];
        let values: Vec<V> = tags.iter().map(|tag| of(shown(tag).0)).collect();
        let qualities: Vec<_> = tags.iter().map(|tag| shown(tag).1).collect();
        let passed = match (&scan.some, scan.with_quality) {
            (None, false) => self.bank.scan(self.clock, &values),
            (None, true) => self.bank.scan_with_quality(self.clock, &values, &qualities),
            (Some(_), false) => self.bank.scan_some(self.clock, &tags, &values),
            (Some(_), true) => self.bank.scan_some_with_quality(self.clock, &tags, &values, &qualities),
        };
        let passed = passed.unwrap();
        let mut expected = vec![];
        for (position, tag) in tags.iter().enumerate() {
            let quality = if scan.with_quality { qualities[position] } else { Quality::GOOD };
            let sample = Sample::new(self.clock, values[position]).with_quality(quality);
            let verdict = self.filters[*tag as usize].observe(sample, |_| {}).unwrap();
            if let Verdict::Reported(reason) = verdict {
                expected.push(position);
                // A gap lies between two scans, for a bank.
                let is = |time| matches!(time, Some(Reason::Gap | Reason::Heartbeat));
                let told = passed.reason(position);
                prop_assert!(told == Some(reason) || is(told) && is(Some(reason)), "{told:?} {reason:?}");
            } else {
                prop_assert_eq!(passed.reason(position), None);
            }
        }
        prop_assert_eq!(passed.iter().collect::<Vec<_>>(), &expected[..]);
        prop_assert_eq!(passed.len(), expected.len());
        prop_assert_eq!(passed.is_empty(), expected.is_empty());
        for (tag, filter) in self.filters.iter().enumerate() {
            let (ours, theirs) = (self.bank.state(tag).unwrap(), filter.state());
            let (ours, theirs) = (ours.last_report(), theirs.last_report());
            let shown =
                |report: Option<Sample<V>>| report.map(|at| format!("{:?} {:?}", at.value, at.quality));
            prop_assert_eq!(shown(ours), shown(theirs), "tag {}", tag);
        }
        let all: u64 = self.filters.iter().map(|filter| filter.counts().all_reported()).sum();
        prop_assert_eq!(self.bank.counts().all_reported(), all);
        let band = |filter: &Filter<V>| filter.counts().suppressed(Suppression::Band);
        let all: u64 = self.filters.iter().map(band).sum();
        prop_assert_eq!(self.bank.counts().suppressed(Suppression::Band), all);
        for reason in [Reason::First, Reason::Quality, Reason::Value] {
            let all: u64 = self.filters.iter().map(|filter| filter.counts().reported(reason)).sum();
            prop_assert_eq!(self.bank.counts().reported(reason), all);
        }
        Ok(())
    }

    /// A clock that runs ahead for one scan, and then back.
    fn run_ahead(&mut self, scan: &Scan, of: impl Fn(f64) -> V) -> Result<(), TestCaseError> {
        let before = self.clock;
        self.clock += 1_000_000;
        self.scan(scan, of)?;
        self.clock = before + 1;
        self.bank.accept_clock(self.clock);
        for filter in &mut self.filters {
            filter.accept_clock(self.clock, |_| unreachable!("nothing is held"));
        }
        Ok(())
    }

    /// Saves every tag and goes on with a bank that is restored.
    fn restart(&mut self, settings: &Settings, bands: &[Band]) {
        let mut restored = Self::new(settings, bands, self.filters.len());
        for tag in 0..self.filters.len() {
            let text = serde_json::to_string(&self.bank.save(tag).unwrap()).unwrap();
            let saved: Saved<V> = serde_json::from_str(&text).unwrap();
            restored.bank.restore(tag, &saved).unwrap();
        }
        let text = serde_json::to_string(self.bank.counts()).unwrap();
        let counts: iot_runbook::deadband::filter::Counts = serde_json::from_str(&text).unwrap();
        assert_eq!(counts, *self.bank.counts());
        // Counts are the service's own; the filters go on beside.
        self.bank = restored.bank;
        for filter in &mut self.filters {
            let state = serde_json::to_value(filter.save()).unwrap();
            let mut state = state.as_object().unwrap().clone();
            state.insert("counts".to_owned(), serde_json::json!({}));
            let saved = serde_json::from_value(state.into()).unwrap();
            *filter = Filter::restore(Arc::clone(filter.rule()), &saved).unwrap();
        }
    }
}

fn settings(max: Option<i64>) -> Settings {
    let mut settings = Settings::new(Band::None);
    settings.max_interval = max.map(TimeDelta::nanoseconds);
    settings
}

proptest! {
    #![proptest_config(crate::random::cases(300))]

    #[test]
    fn bank_does_what_a_filter_for_each_tag_does(
        max in prop::option::of(5_i64..30),
        bands in prop::collection::vec(streams::band(), 1..6),
        tags in 1_usize..150,
        scans in scans(),
        restart_at in 0_usize..14,
        ahead_at in 0_usize..20,
    ) {
        let settings = settings(max);
        let mut both = Both::<f64>::new(&settings, &bands, tags);
        for (position, scan) in scans.iter().enumerate() {
            if position == restart_at {
                both.restart(&settings, &bands);
            }
            if position == ahead_at {
                both.run_ahead(scan, |value| value)?;
            }
            both.scan(scan, |value| value)?;
        }
    }

    #[test]
    fn so_does_a_bank_of_constant_bands(
        absolute in proptest::sample::select(vec![0.0, 0.1, 0.3, 0.5, 5e-324]),
        scans in scans(),
    ) {
        let bands = [Band::Of(Extent::Absolute(absolute))];
        Both::<f64>::new(&settings(None), &bands, 130).scans(&scans, |value| value)?;
        Both::<f32>::new(&settings(None), &bands, 130).scans(&scans, |value| value as f32)?;
    }

    #[test]
    fn so_do_banks_of_integers(bands in prop::collection::vec(streams::band(), 1..3), scans in scans()) {
        Both::<i64>::new(&settings(Some(20)), &bands, 70).scans(&scans, |value| value as i64)?;
        Both::<u64>::new(&settings(None), &bands, 70).scans(&scans, |value| (value * 3.0) as u64)?;
        Both::<i8>::new(&settings(None), &bands, 70).scans(&scans, |value| (value * 10.0) as i8)?;
        Both::<u16>::new(&settings(None), &bands, 70).scans(&scans, |value| (value * 10.0) as u16)?;
    }
}

impl<V: Number> Both<V> {
    fn scans(mut self, scans: &[Scan], of: impl Fn(f64) -> V) -> Result<(), TestCaseError> {
        scans.iter().try_for_each(|scan| self.scan(scan, &of))
    }
}

fn bank(order: Order, tags: usize) -> FilterBank {
    let mut bank = FilterBank::new(Settings::new(Band::None).with_order(order)).unwrap();
    for _ in 0..tags {
        bank.add_tag(Extent::Absolute(1.0)).unwrap();
    }
    bank
}

#[test]
fn disordered_scan_moves_nothing() {
    let values = [5.0; 70];
    let mut passing = bank(Order::Pass, 70);
    passing.scan(10, &[0.0; 70]).unwrap();
    for at in [10, 9] {
        let passed = passing.scan(at, &values).unwrap();
        assert_eq!((passed.len(), passed.reason(69), passed.reason(70)), (70, Some(Reason::Order), None));
    }
    assert_eq!(passing.scan_some(9, &[3], &[5.0]).unwrap().reason(0), Some(Reason::Order));
    assert_eq!(passing.last(), [0.0; 70]);
    assert_eq!(passing.counts().reported(Reason::Order), 141);
    // Other tags of the same moment.
    assert_eq!(passing.scan_some(10, &[3], &[0.5]).unwrap().len(), 0);
    let mut dropping = bank(Order::Drop, 70);
    dropping.scan(10, &[0.0; 70]).unwrap();
    assert!(dropping.scan(9, &values).unwrap().is_empty());
    assert_eq!(dropping.counts().suppressed(Suppression::Order), 70);
    let mut refusing = bank(Order::Refuse, 70);
    refusing.scan(10, &[0.0; 70]).unwrap();
    assert_eq!(refusing.scan(9, &values).unwrap_err(), ScanError::Order { at: 9, newest: 10 });
    assert_eq!(refusing.scan(11, &values).unwrap().len(), 70);
}

/// Of each value that comes again, with another quality, or with another value, what a filter says.
#[test]
fn same_moment_scan_drops_duplicates_only() {
    let mut bank = bank(Order::DropDuplicates, 70);
    let mut filters = vec![filter::<f64>(Settings::new(Extent::Absolute(1.0))); 70];
    let first: Vec<_> = (0..70).map(f64::from).collect();
    // 64 is within the band, 65 on its edge, 66 outside, and 67 is bad.
    let (mut values, mut qualities) = (first.clone(), vec![Quality::GOOD; 70]);
    (values[64], values[65], values[66], qualities[67]) = (64.5, 66.0, 67.5, Quality::BAD);
    bank.scan(10, &first).unwrap();
    for (filter, value) in filters.iter_mut().zip(first) {
        filter.observe(Sample::new(10, value), |_| {}).unwrap();
    }
    for (at, expected) in [(10, vec![66, 67]), (9, (0..70).collect())] {
        let passed = bank.scan_with_quality(at, &values, &qualities).unwrap();
        assert_eq!(passed.iter().collect::<Vec<_>>(), expected);
        for (position, filter) in filters.iter_mut().enumerate() {
            let sample = Sample::new(at, values[position]).with_quality(qualities[position]);
            let verdict = filter.observe(sample, |_| {}).unwrap();
            let reason = passed.reason(position);
            assert_eq!(
                verdict,
                reason.map_or(Verdict::Suppressed(Suppression::Duplicate), Verdict::Reported)
            );
        }
    }
    let counts = bank.counts();
    assert_eq!((counts.suppressed(Suppression::Duplicate), counts.reported(Reason::Order)), (68, 72));
    // An older sparse scan: that of a tag alone.
    assert_eq!(bank.scan_some(9, &[3], &[3.0]).unwrap().reason(0), Some(Reason::Order));
}

#[test]
fn bank_clock_can_be_set_back() {
    let settings =
        Settings::new(Band::None).with_max_interval(TimeDelta::nanoseconds(10)).with_order(Order::Drop);
    let mut bank = FilterBank::<f64>::new(settings).unwrap();
    for _ in 0..2 {
        bank.add_tag(Extent::Absolute(1.0)).unwrap();
    }
    bank.accept_clock(5);
    bank.scan(0, &[0.0; 2]).unwrap();
    bank.scan_some(i64::MAX, &[1], &[9.0]).unwrap();
    assert!(bank.scan(4, &[5.0; 2]).unwrap().is_empty());
    bank.accept_clock(4);
    assert_eq!(bank.state(1).unwrap().last_report(), Some(Sample::new(4, 9.0)));
    // Not later than the last, nor a change.
    bank.accept_clock(6);
    assert!(bank.scan(4, &[5.0; 2]).unwrap().is_empty());
    assert_eq!(bank.counts().out_of_order(), 4);
    // The other was reported at zero, and is due first.
    for (at, due) in [(9, &[][..]), (10, &[0]), (13, &[]), (14, &[1])] {
        assert_eq!(bank.scan(at, &[0.5, 9.0]).unwrap().iter().collect::<Vec<_>>(), due, "{at}");
    }
}

#[test]
fn server_of_opc_ua_does_not_look_at_the_time() {
    let settings = Settings::new(Band::None).with_profile(Profile::OpcUa(Trigger::StatusValue));
    let mut bank = FilterBank::<f64>::new(settings).unwrap();
    bank.add_tag(Extent::Absolute(1.0)).unwrap();
    assert_eq!(bank.scan(10, &[0.0]).unwrap().len(), 1);
    assert_eq!(bank.scan(9, &[1.0]).unwrap().len(), 0);
    assert_eq!(bank.scan(9, &[1.5]).unwrap().reason(0), Some(Reason::Value));
    assert_eq!(bank.last(), [1.5]);
    assert!(bank.add_tag(Extent::PercentOfLast { percent: 1.0, floor: 0.0 }).is_err());
}

#[test]
fn wrong_scan_is_an_error_and_changes_nothing() {
    let mut bank = bank(Order::Pass, 3);
    assert_eq!(
        bank.scan(1, &[0.0]).unwrap_err().to_string(),
        "the scan has 1 values, and needs 3: give one for each"
    );
    assert!(bank.scan_with_quality(1, &[0.0; 3], &[]).is_err());
    assert!(bank.scan_some(1, &[0], &[]).is_err());
    assert!(bank.scan_some_with_quality(1, &[0], &[0.0], &[]).is_err());
    assert_eq!(
        bank.scan_some(1, &[0, 3], &[0.0, 0.0]).unwrap_err(),
        ScanError::Tag { position: 1, tag: 3, tags: 3 }
    );
    assert_eq!(bank.counts().all_reported(), 0);
    assert_eq!(bank.scan(1, &[0.0; 3]).unwrap().reason(2), Some(Reason::First));
    assert!(bank.state(3).is_none());
    let saved = bank.save(2).unwrap();
    assert!(bank.save(3).is_none());
    let error = bank.restore(3, &saved).unwrap_err();
    assert_eq!(error.to_string(), "the bank has 3 tags, and no tag 3: add it with `add_tag`");
}

#[test]
fn unsupported_setting_is_refused_by_name() {
    let second = TimeDelta::seconds(1);
    let plain = || Settings::new(Band::None);
    for (settings, field) in [
        (plain().with_profile(Profile::Telegraf), "profile"),
        (plain().with_profile(Profile::OpcUa(Trigger::Status)), "profile"),
        (plain().with_min_interval(second), "min_interval"),
        (plain().with_ahead(second), "ahead"),
        (plain().with_previous(), "previous"),
    ] {
        let error = FilterBank::<f64>::new(settings).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{field}` does not go with a bank")), "{error}");
    }
}

#[test]
fn an_empty_bank_scans() {
    let mut bank = bank(Order::Pass, 0);
    assert!(bank.is_empty() && bank.scan(1, &[]).unwrap().is_empty());
    assert!(bank.scan_some(1, &[], &[]).unwrap().iter().next().is_none());
    assert_eq!(bank.len(), 0);
}

#[test]
fn gap_is_longer_than_the_longest_interval() {
    let settings = Settings::new(Extent::Absolute(1.0)).with_max_interval(TimeDelta::nanoseconds(10));
    for (at, reason) in [(10, Reason::Heartbeat), (11, Reason::Gap)] {
        let mut bank = FilterBank::<f64>::new(settings.clone()).unwrap();
        bank.add_tag(Extent::Absolute(1.0)).unwrap();
        bank.scan(0, &[5.0]).unwrap();
        assert_eq!(bank.scan(at, &[5.0]).unwrap().reason(0), Some(reason), "{at}");
    }
}

#[test]
fn restored_bank_knows_when_its_last_scan_was() {
    let settings = Settings::new(Extent::Absolute(1.0)).with_order(Order::Refuse);
    let new = || {
        let mut bank = FilterBank::<f64>::new(settings.clone()).unwrap();
        bank.add_tag(Extent::Absolute(1.0)).unwrap();
        bank
    };
    let mut saved = new();
    saved.scan(7, &[5.0]).unwrap();
    let mut bank = new();
    bank.restore(0, &saved.save(0).unwrap()).unwrap();
    assert!(bank.scan(7, &[5.0]).is_err());
    assert!(bank.scan(8, &[5.0]).unwrap().is_empty());
}

#[test]
fn foreign_or_holding_state_is_refused() {
    let under = |profile| Settings::new(Extent::Absolute(1.0)).with_profile(profile);
    let mut bank = FilterBank::<f64>::new(under(Profile::Exact)).unwrap();
    bank.add_tag(Extent::Absolute(1.0)).unwrap();
    bank.scan(1, &[5.0]).unwrap();
    let saved_by = |settings: Settings| {
        let mut filter = Filter::<f64>::new(Arc::new(Rule::new(settings).unwrap()));
        for (at, value) in [(2, 7.0), (3, 7.5), (4, 9.0)] {
            filter.observe(Sample::new(at, value), |_| {}).unwrap();
        }
        filter.save()
    };
    let opc_ua = Profile::OpcUa(Trigger::StatusValue);
    for (settings, says) in [
        (under(opc_ua), "saved under the profile opc-ua, version 1, and the rule has exact"),
        (under(Profile::Pi), "saved under the profile pi, version 1"),
        (under(Profile::Exact).with_min_interval(TimeDelta::nanoseconds(50)), "a bank has no `hold.held`"),
    ] {
        let error = bank.restore(0, &saved_by(settings)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let mut with_previous =
        Filter::<f64>::new(Arc::new(Rule::new(under(Profile::Exact).with_previous()).unwrap()));
    for at in 2..4 {
        with_previous.observe(Sample::new(at, 7.0), |_| {}).unwrap();
    }
    let error = bank.restore(0, &with_previous.save()).unwrap_err();
    assert_eq!(error, RestoreError::Bank { field: "hold.previous" });
    // Nothing has changed.
    assert_eq!(bank.state(0).unwrap().last_report(), Some(Sample::new(1, 5.0)));
    // To the filter of one tag and back.
    let mut filter =
        Filter::restore(Arc::new(Rule::new(under(Profile::Exact)).unwrap()), &bank.save(0).unwrap()).unwrap();
    filter.observe(Sample::new(9, 8.0), |_| {}).unwrap();
    bank.restore(0, &filter.save()).unwrap();
    assert_eq!(bank.last(), [8.0]);
    assert!(bank.scan(9, &[0.0]).unwrap().reason(0) == Some(Reason::Order));
}

proptest! {
    #![proptest_config(crate::random::cases(400))]

    /// About zero of either sign, where a band in percent of the last value closes.
    #[test]
    fn signed_zeros_are_equal_in_bank_and_filter(
        bands in prop::collection::vec((
            prop::sample::select(vec![0.0, -0.0, 10.0, 200.0]), prop::sample::select(vec![0.0, -0.0, 5e-324, 0.1]),
        ), 1..4),
        constant in prop::sample::select(vec![0.0, -0.0, 5e-324]),
        values in prop::collection::vec(
            prop::sample::select(vec![0.0, -0.0, 5e-324, -5e-324, 1e-323, 0.1, -0.1]), 1..40,
        ),
        start_with in 0_usize..3,
    ) {
        let mut bands: Vec<_> = bands.into_iter()
            .map(|(percent, floor)| Band::Of(Extent::PercentOfLast { percent, floor })).collect();
        bands.push(Band::Smaller(Extent::Absolute(constant), Extent::PercentOfLast { percent: 50.0, floor: -0.0 }));
        bands.push(Band::Larger(Extent::Absolute(constant), Extent::PercentOfLast { percent: 50.0, floor: 0.0 }));
        let shown: Vec<_> = values.iter().map(|value| (*value, Quality::GOOD)).collect();
        let mut both = Both::<f64>::new(&settings(None), &bands, 70);
        for turn in 0..values.len() {
            let mut shown = shown.clone();
            shown.rotate_left(turn);
            let some = (turn % 3 == start_with).then(|| (0..70).collect());
            both.scan(&Scan { step: 1, some, with_quality: turn % 2 == 0, shown }, |value| value)?;
            if turn == values.len() / 2 {
                both.restart(&settings(None), &bands);
            }
        }
    }
}
