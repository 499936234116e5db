//! The daily job beside a model that looks at every certificate each time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::sweep::{
    Contact, Entry, EntryError, ExpiryIndex, Reach, Renewal, Settings, State, Sweep, Visit,
};
use iot_runbook::certificate::{Policy, Stage};
use proptest::prelude::*;

fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(480_000 + hours)
}

fn day(days: i64) -> DateTime<Utc> {
    hour(days * 24)
}

fn due_of(sweep: &mut Sweep, index: &ExpiryIndex, now: DateTime<Utc>) -> Vec<(u64, Stage)> {
    let digest = sweep.run(index, now, |_| None).unwrap();
    digest.due().iter().map(|due| (due.device, due.stage)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Insert { device: u64, from: i64, life: i64, issuer: Option<u64>, auto: bool, renewal: u8 },
    Remove(u64),
    Renewal(u64, u8),
    Replaced(u64),
    Run(i64),
    Restart,
}

fn renewal(number: u8) -> Renewal {
    [Renewal::None, Renewal::Running, Renewal::Failed, Renewal::Confirmed][usize::from(number)]
}

fn step() -> impl Strategy<Value = Step> {
    let device = 0u64..12;
    let life = prop_oneof![0i64..100, 0i64..12_000, Just(70_000_000)];
    let issuer = prop_oneof![Just(None), (0u64..3).prop_map(Some)];
    prop_oneof![
        6 => (device.clone(), -9_000i64..3_000, life, issuer, any::<bool>(), 0u8..4).prop_map(
            |(device, from, life, issuer, auto, renewal)| Step::Insert { device, from, life, issuer, auto, renewal }
        ),
        2 => device.clone().prop_map(Step::Remove),
        2 => (device, 0u8..4).prop_map(|(device, renewal)| Step::Renewal(device, renewal)),
        1 => (0u64..3).prop_map(Step::Replaced),
        5 => prop_oneof![0i64..30, -5i64..900].prop_map(Step::Run),
        1 => Just(Step::Restart),
    ]
}

/// A due certificate: device, end, stage, overdue.
type Told = (u64, DateTime<Utc>, Stage, bool);
/// An issuer that is due: number, stage, leaves.
type ToldIssuer = (u64, Stage, u64);

/// Every certificate is looked at, in nanoseconds, with the bounds as the contract has them.
#[derive(Default)]
struct Model {
    devices: BTreeMap<u64, Entry>,
    issuers: BTreeMap<u64, (DateTime<Utc>, DateTime<Utc>)>,
    replaced: BTreeSet<u64>,
    mark: Option<DateTime<Utc>>,
    paged: BTreeSet<(i64, u64, DateTime<Utc>)>,
}

fn nanos(length: TimeDelta) -> i128 {
    i128::from(length.num_seconds()) * 1_000_000_000 + i128::from(length.subsec_nanos())
}

fn stage_of(
    from: DateTime<Utc>,
    own: DateTime<Utc>,
    end: DateTime<Utc>,
    now: DateTime<Utc>,
    done: bool,
) -> (Stage, bool) {
    const DAY: i128 = 86_400_000_000_000;
    let never = "9999-12-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let left = nanos(end - now);
    let life = if own >= never { i128::MAX / 1_000 } else { nanos(own - from) };
    if end >= never {
        return (Stage::Ok, false);
    }
    // All in 24ths, so that no share is rounded.
    let [awareness, renewal, late] =
        [(90, 12), (60, 8), (30, 4)].map(|(days, share)| (days * DAY * 24).min(life * share));
    let left = left * 24;
    let overdue = !done && left < renewal - (7 * DAY * 24).min(life);
    let stage = if now < from {
        Stage::NotYetValid
    } else if left < 0 {
        Stage::Expired
    } else if left < late && !done {
        Stage::FollowUp
    } else if left < renewal {
        Stage::Renewal
    } else if left < awareness {
        Stage::Awareness
    } else {
        Stage::Ok
    };
    (stage, overdue)
}

impl Model {
    fn told(&self, now: DateTime<Utc>) -> (Vec<Told>, Vec<ToldIssuer>) {
        let never = "9999-12-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let mut leaves: BTreeMap<u64, u64> = BTreeMap::new();
        let mut due = Vec::new();
        for entry in self.devices.values() {
            let mut end = entry.not_after;
            if let Some(issuer) = entry.issuer {
                let last = self.issuers[&issuer].1;
                if last <= end && last < never && !self.replaced.contains(&issuer) {
                    *leaves.entry(issuer).or_default() += 1;
                    continue;
                }
                end = end.min(last);
            }
            let done = entry.renewal == Renewal::Confirmed;
            let (stage, overdue) = stage_of(entry.not_before, entry.not_after, end, now, done);
            if !matches!(stage, Stage::Ok | Stage::NotYetValid) {
                due.push((entry.device, end, stage, overdue && stage != Stage::Awareness));
            }
        }
        due.sort_by_key(|(device, end, ..)| (*end, *device));
        let mut issuers: Vec<_> = leaves
            .into_iter()
            .map(|(issuer, leaves)| {
                let (from, to) = self.issuers[&issuer];
                (issuer, stage_of(from, to, to, now, false).0, leaves)
            })
            .filter(|(_, stage, _)| !matches!(stage, Stage::Ok | Stage::NotYetValid))
            .collect();
        issuers.sort_by_key(|(issuer, ..)| (self.issuers[issuer].1, *issuer));
        (due, issuers)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_run_tells_what_a_look_at_every_certificate_tells(steps in prop::collection::vec(step(), 1..60)) {
        let mut index = ExpiryIndex::new(Policy::default());
        let mut sweep = Sweep::new(Settings::default());
        let mut model = Model::default();
        for (issuer, from, life) in [(0, -20_000, 21_000), (1, -1_000, 3_000), (2, -9_000, 90_000_000)] {
            index.insert_issuer(issuer, hour(from), hour(from + life)).unwrap();
            model.issuers.insert(issuer, (hour(from), hour(from + life)));
        }
        let mut now = 0;
        for step in steps {
            match step {
                Step::Insert { device, from, life, issuer, auto, renewal: number } => {
                    let entry = Entry::new(device, hour(from), hour(from + life))
                        .with_issuer(issuer)
                        .with_generation(7)
                        .with_auto_renewal(auto)
                        .with_renewal(renewal(number));
                    prop_assert_eq!(index.insert(&entry).unwrap(), model.devices.insert(device, entry));
                }
                Step::Remove(device) => prop_assert_eq!(index.remove(device), model.devices.remove(&device)),
                Step::Renewal(device, number) => {
                    let held = model.devices.get_mut(&device);
                    prop_assert_eq!(index.set_renewal(device, renewal(number)), held.is_some());
                    if let Some(held) = held {
                        held.renewal = renewal(number);
                    }
                }
                Step::Replaced(issuer) => {
                    prop_assert!(index.issuer_replaced(issuer));
                    model.replaced.insert(issuer);
                }
                Step::Restart => {
                    let saved = serde_json::to_string(sweep.state()).unwrap();
                    sweep = Sweep::resume(Settings::default(), serde_json::from_str::<State>(&saved).unwrap());
                }
                Step::Run(by) => {
                    now += by;
                    let result = sweep.run(&index, hour(now), |_| None);
                    let suspect = model.mark.is_some_and(|mark| {
                        hour(now) < mark || hour(now) - mark > TimeDelta::days(30)
                    });
                    prop_assert_eq!(result.is_err(), suspect);
                    let Ok(digest) = result else {
                        sweep.accept_clock(hour(now));
                        model.mark = Some(hour(now));
                        continue;
                    };
                    model.mark = Some(hour(now));
                    let (due, issuers) = model.told(hour(now));
                    let told: Vec<_> =
                        digest.due().iter().map(|due| (due.device, due.end, due.stage, due.overdue)).collect();
                    prop_assert_eq!(told, due);
                    let told: Vec<_> =
                        digest.issuers().iter().map(|due| (due.issuer, due.stage, due.leaves)).collect();
                    prop_assert_eq!(told, issuers);
                    // Nothing is paged twice on a day, and all that pages was paged by now.
                    let today = hour(now).timestamp().div_euclid(86_400);
                    model.paged.retain(|(day, ..)| *day == today);
                    for due in digest.page().iter().flat_map(|page| &page.due) {
                        prop_assert!(model.paged.insert((today, due.device, due.end)));
                    }
                    for due in digest.due().iter().filter(|due| due.pages()) {
                        prop_assert!(model.paged.contains(&(today, due.device, due.end)));
                    }
                }
            }
            prop_assert_eq!(index.len(), model.devices.len());
            for device in 0..12 {
                prop_assert_eq!(index.get(device), model.devices.get(&device).copied());
            }
        }
    }
}

#[test]
fn bounds_are_exact_to_the_nanosecond() {
    let nano = TimeDelta::nanoseconds(1);
    let mut index = ExpiryIndex::new(Policy::default());
    // A life of 35 s: half of it is no whole second, and a third no whole nanosecond.
    let end = day(0) + TimeDelta::seconds(35);
    index.insert(&Entry::new(1, day(0), end)).unwrap();
    for (now, expected) in [
        (end - TimeDelta::milliseconds(17_500), None),
        (end - TimeDelta::milliseconds(17_500) + nano, Some(Stage::Awareness)),
        (end - TimeDelta::nanoseconds(11_666_666_667), Some(Stage::Awareness)),
        (end - TimeDelta::nanoseconds(11_666_666_666), Some(Stage::Renewal)),
        (end, Some(Stage::FollowUp)),
        (end + nano, Some(Stage::Expired)),
    ] {
        let told = due_of(&mut Sweep::default(), &index, now);
        assert_eq!(told, expected.map(|stage| (1, stage)).into_iter().collect::<Vec<_>>(), "{now}");
    }
}

#[test]
fn the_clock_is_suspect_behind_the_mark_and_far_ahead_of_it_over_a_restart() {
    let index = ExpiryIndex::new(Policy::default());
    let mut sweep = Sweep::new(Settings::default());
    sweep.run(&index, day(0), |_| None).unwrap();
    let mut sweep = Sweep::resume(Settings::default(), sweep.state().clone());
    let far = day(30) + TimeDelta::nanoseconds(1);
    for now in [day(0) - TimeDelta::nanoseconds(1), far, DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC] {
        let suspect = sweep.run(&index, now, |_| None).unwrap_err();
        assert_eq!((suspect.now, suspect.mark), (now, day(0)));
        assert_eq!(sweep.state().high_water(), Some(day(0)));
    }
    sweep.run(&index, day(30), |_| None).unwrap();
    sweep.accept_clock(day(100));
    sweep.run(&index, day(100), |_| None).unwrap();
}

#[test]
fn who_is_offline_gets_what_its_return_allows() {
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert(&Entry::new(1, day(-340), day(20))).unwrap();
    let mut sweep = Sweep::new(Settings::default());
    let ago = |hours| Some(day(0) - TimeDelta::hours(hours));
    for (contact, reach) in [
        (None, Reach::Unknown),
        (Some(Contact::new(ago(24))), Reach::Online),
        (Some(Contact::new(None)), Reach::Offline { since: None, visit: Visit::Undecided }),
        (
            Some(Contact::new(ago(25)).with_back_at(Some(day(20)))),
            Reach::Offline { since: ago(25), visit: Visit::MaintenanceWindow },
        ),
        (
            Some(Contact::new(ago(25)).with_back_at(Some(hour(481)))),
            Reach::Offline { since: ago(25), visit: Visit::Technician },
        ),
        (
            Some(Contact::new(ago(25)).with_back_at(Some(day(-1)))),
            Reach::Offline { since: ago(25), visit: Visit::Undecided },
        ),
    ] {
        let digest = sweep.run(&index, day(0), |_| contact).unwrap();
        assert_eq!(digest.due()[0].reach, reach);
        assert_eq!(digest.offline().count(), usize::from(reach != Reach::Online));
    }
    // After its end only a technician helps; one that has a confirmed successor is not asked for.
    let digest =
        sweep.run(&index, day(21), |_| Some(Contact::new(None).with_back_at(Some(day(22))))).unwrap();
    assert_eq!(digest.due()[0].reach, Reach::Offline { since: None, visit: Visit::Technician });
    assert_eq!(digest.expired().count(), 1);
    index.set_renewal(1, Renewal::Confirmed);
    assert_eq!(sweep.run(&index, day(21), |_| None).unwrap().due()[0].reach, Reach::NotAsked);
}

#[test]
fn a_device_that_cannot_renew_and_a_renewal_that_failed_need_a_person_at_once() {
    let mut index = ExpiryIndex::new(Policy::default());
    let entry = |device| Entry::new(device, day(-310), day(55));
    index.insert(&entry(1)).unwrap();
    index.insert(&entry(2).with_auto_renewal(false)).unwrap();
    index.insert(&entry(3).with_renewal(Renewal::Failed)).unwrap();
    index.insert(&entry(4).with_renewal(Renewal::Running)).unwrap();
    index.insert(&entry(5).with_auto_renewal(false).with_renewal(Renewal::Running)).unwrap();
    let digest = Sweep::default().run(&index, day(0), |_| None).unwrap();
    let devices = |due: Vec<u64>| due;
    assert_eq!(devices(digest.to_renew().map(|due| due.device).collect()), [1]);
    assert_eq!(devices(digest.follow_up().map(|due| due.device).collect()), [2, 3]);
    assert_eq!(digest.overdue().count(), 0);
    // Three days later all of them should have been renewed, though 52 days are left.
    let digest = Sweep::default().run(&index, day(3), |_| None).unwrap();
    assert_eq!(digest.overdue().count(), 5);
    assert_eq!(digest.awareness().count(), 0);
}

#[test]
fn an_issuer_that_ends_first_is_one_entry_until_it_is_replaced() {
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert_issuer(9, day(-1_000), day(20)).unwrap();
    for device in 0..1_000 {
        // Every second one ends with the issuer, the rest after it.
        index
            .insert(&Entry::new(device, day(-100), day(20 + device as i64 % 2)).with_issuer(Some(9)))
            .unwrap();
    }
    let mut sweep = Sweep::default();
    let digest = sweep.run(&index, day(0), |_| None).unwrap();
    assert!(digest.due().is_empty());
    let [issuer] = digest.issuers() else { panic!("{digest:?}") };
    assert_eq!((issuer.issuer, issuer.stage, issuer.leaves), (9, Stage::FollowUp, 1_000));
    assert_eq!(digest.page().unwrap().issuers.len(), 1);
    assert!(sweep.run(&index, day(0), |_| None).unwrap().page().is_none());
    assert!(index.issuer_replaced(9));
    assert!(!index.issuer_replaced(8));
    let digest = sweep.run(&index, day(0), |_| None).unwrap();
    assert_eq!((digest.due().len(), digest.issuers().len()), (1_000, 0));
    assert!(digest.due().iter().all(|due| due.end == day(20)));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert_issuer(9, day(0), day(10)).unwrap();
    index.insert_issuer(9, day(0), day(10)).unwrap();
    assert_eq!(index.insert_issuer(9, day(0), day(11)), Err(EntryError::IssuerDiffers { issuer: 9 }));
    assert!(index.insert_issuer(7, day(1), day(0)).is_err());
    let entry = Entry::new(1, day(0), day(1));
    assert_eq!(
        index.insert(&entry.with_issuer(Some(8))),
        Err(EntryError::UnknownIssuer { device: 1, issuer: 8 })
    );
    assert!(index.insert(&Entry::new(1, day(1), day(0))).is_err());
    assert!(index.is_empty());
}

#[test]
fn the_ends_of_the_calendar_neither_panic_nor_end() {
    let ends = [DateTime::<Utc>::MIN_UTC, day(0), DateTime::<Utc>::MAX_UTC];
    for from in ends {
        for to in ends.into_iter().filter(|to| *to >= from) {
            let mut index = ExpiryIndex::new(Policy::default());
            index.insert(&Entry::new(u64::MAX, from, to)).unwrap();
            for now in ends {
                let _ = Sweep::default().run(&index, now, |_| Some(Contact::new(Some(from)))).unwrap();
            }
            assert!(index.remove(u64::MAX).is_some());
        }
    }
}

#[test]
fn a_record_takes_64_bytes_at_most_whether_reserved_or_grown() {
    const DEVICES: u64 = 200_000;
    let fill = |reserved: bool| {
        let mut index = ExpiryIndex::new(Policy::default());
        if reserved {
            index.reserve(DEVICES as usize);
        }
        for device in 0..DEVICES {
            let from = day(-300) + TimeDelta::minutes((device * 7_919 % 525_600) as i64);
            index.insert(&Entry::new(device, from, from + TimeDelta::days(365))).unwrap();
        }
        index
    };
    for reserved in [true, false] {
        let mut index = None;
        let counted = allocation_counter::measure(|| index = Some(fill(reserved)));
        let bytes = counted.bytes_current;
        assert!(bytes <= 64 * DEVICES as i64, "{} a record", bytes as f64 / DEVICES as f64);
        assert_eq!(index.map(|index| index.len()), Some(DEVICES as usize));
    }
}
