//! The daily job beside a model that looks at every certificate each time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use iot_runbook::certificate::sweep::{
    Contact, Entry, EntryError, ExpiryIndex, Extended, Metrics, Reach, Renewal, Settings, State, Sweep, Visit,
};
use iot_runbook::certificate::validity::{Certificate, Chain};
use iot_runbook::certificate::{Policy, Share, Stage};
use iot_runbook::subject::DeviceId;
use proptest::prelude::*;

use super::random::cases;

fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(480_000 + hours)
}

fn day(days: i64) -> DateTime<Utc> {
    hour(days * 24)
}

fn id(number: u64) -> DeviceId {
    format!("pump-{number:020}").into()
}

fn number(device: &DeviceId) -> u64 {
    device.as_str().trim_start_matches("pump-").parse().unwrap()
}

fn new(device: u64, from: DateTime<Utc>, to: DateTime<Utc>) -> Entry {
    Entry::new(id(device), from, to)
}

fn due_of(sweep: &mut Sweep, index: &ExpiryIndex, now: DateTime<Utc>) -> Vec<(u64, Stage)> {
    let digest = sweep.run(index, now, |_| None).unwrap();
    digest.due().iter().map(|due| (number(&due.device), due.stage)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Entry),
    Remove(u64),
    Renewal(u64, u8),
    Revoked(u64, bool),
    Extend(Vec<Entry>),
    Replaced(u64),
    Run(i64),
    Restart,
}

fn renewal(number: u8) -> Renewal {
    [Renewal::None, Renewal::Running, Renewal::Failed, Renewal::Confirmed][usize::from(number)]
}

fn entry() -> impl Strategy<Value = Entry> {
    let life = prop_oneof![0i64..100, 0i64..12_000, Just(70_000_000)];
    let issuer = prop_oneof![Just(None), (0u64..4).prop_map(Some)];
    let revoked = prop::bool::weighted(0.1);
    (0u64..12, -9_000i64..3_000, life, issuer, any::<bool>(), (0u8..4, 6u32..9), revoked).prop_map(
        |(device, from, life, issuer, auto, (number, generation), revoked)| {
            new(device, hour(from), hour(from + life))
                .with_issuer(issuer)
                .with_generation(generation)
                .with_auto_renewal(auto)
                .with_renewal(renewal(number))
                .with_revoked(revoked)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let device = 0u64..12;
    prop_oneof![
        6 => entry().prop_map(Step::Insert),
        2 => prop::collection::vec(entry(), 0..12).prop_map(Step::Extend),
        2 => device.clone().prop_map(Step::Remove),
        2 => (device.clone(), 0u8..4).prop_map(|(device, renewal)| Step::Renewal(device, renewal)),
        1 => (device, any::<bool>()).prop_map(|(device, revoked)| Step::Revoked(device, revoked)),
        1 => (0u64..4).prop_map(Step::Replaced),
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
    devices: BTreeMap<DeviceId, Entry>,
    issuers: BTreeMap<u64, (DateTime<Utc>, DateTime<Utc>)>,
    replaced: BTreeSet<u64>,
    mark: Option<DateTime<Utc>>,
    paged: BTreeSet<(i64, u64, DateTime<Utc>, bool)>,
    shares: [(u32, u32); 3],
}

fn refused(stage: Stage) -> bool {
    matches!(stage, Stage::Expired | Stage::Revoked | Stage::NotYetValid)
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
    shares: [(u32, u32); 3],
) -> (Stage, bool) {
    const DAY: i128 = 86_400_000_000_000;
    let never = "9999-12-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let left = nanos(end - now);
    let life = if own >= never { i128::MAX / 1_000 } else { nanos(own - from) };
    if end >= never {
        return (if now < from { Stage::NotYetValid } else { Stage::Ok }, false);
    }
    // All in 24ths, so that no share is rounded.
    let [awareness, renewal, late] =
        [(90, shares[0]), (60, shares[1]), (30, shares[2])].map(|(days, share)| match share {
            (0, _) => days * DAY * 24,
            (part, parts) => (days * DAY * 24).min(life * 24 * i128::from(part) / i128::from(parts)),
        });
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
    /// Gives what it replaces, or the later generation that stays.
    fn insert(&mut self, entry: Entry) -> Result<Option<Entry>, EntryError> {
        match self.devices.get(&entry.device) {
            Some(held) if (held.generation, held.not_before) > (entry.generation, entry.not_before) => {
                Err(EntryError::Older {
                    device: entry.device,
                    generation: entry.generation,
                    not_before: entry.not_before,
                    held_generation: held.generation,
                    held_not_before: held.not_before,
                })
            }
            _ => Ok(self.devices.insert(entry.device.clone(), entry)),
        }
    }

    fn told(&self, now: DateTime<Utc>) -> (Vec<Told>, Vec<ToldIssuer>) {
        let never = "9999-12-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let mut leaves: BTreeMap<u64, u64> = BTreeMap::new();
        let mut due = Vec::new();
        for entry in self.devices.values() {
            let mut end = entry.not_after;
            let mut is_bound = false;
            if let Some(issuer) = entry.issuer {
                let (from, last) = self.issuers[&issuer];
                is_bound = last <= end && last < never && !self.replaced.contains(&issuer);
                if is_bound || now < from {
                    *leaves.entry(issuer).or_default() += 1;
                }
                end = end.min(last);
            }
            let done = entry.renewal == Renewal::Confirmed;
            let (mut stage, overdue) =
                stage_of(entry.not_before, entry.not_after, end, now, done, self.shares);
            if entry.revoked {
                stage = Stage::Revoked;
            }
            let is_told = matches!(stage, Stage::Revoked | Stage::NotYetValid) || !is_bound;
            if is_told && stage != Stage::Ok {
                due.push((number(&entry.device), end, stage, overdue && stage != Stage::Awareness));
            }
        }
        due.sort_by_key(|(device, end, ..)| (*end, *device));
        let mut issuers: Vec<_> = leaves
            .into_iter()
            .map(|(issuer, leaves)| {
                let (from, to) = self.issuers[&issuer];
                (issuer, stage_of(from, to, to, now, false, self.shares).0, leaves)
            })
            .filter(|(_, stage, _)| *stage != Stage::Ok)
            .collect();
        issuers.sort_by_key(|(issuer, ..)| (self.issuers[issuer].1, *issuer));
        (due, issuers)
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn run_equals_a_full_scan(
        steps in prop::collection::vec(step(), 1..60),
        shares in prop::sample::select(vec![
            [(1, 2), (1, 3), (1, 6)],
            [(3, 4), (2, 3), (3, 8)],
            [(0, 1), (0, 1), (0, 1)],
            [(1, 4), (1, 8), (1, 24)],
            [(1, 1), (1, 12), (0, 1)],
        ]),
    ) {
        let mut policy = Policy::default();
        [policy.awareness_share, policy.renewal_share, policy.follow_up_share] =
            shares.map(|(part, parts)| Share::new(part, parts).unwrap());
        let mut index = ExpiryIndex::new(policy);
        let mut sweep = Sweep::new(Settings::default());
        let mut model = Model { shares, ..Model::default() };
        for (issuer, from, life) in
            [(0, -20_000, 21_000), (1, -1_000, 3_000), (2, -9_000, 90_000_000), (3, 400, 5_000)]
        {
            index.insert_issuer(issuer, hour(from), hour(from + life)).unwrap();
            model.issuers.insert(issuer, (hour(from), hour(from + life)));
        }
        let mut now = 0;
        for step in steps {
            match step {
                Step::Insert(entry) => {
                    prop_assert_eq!(index.insert(&entry), model.insert(entry));
                }
                Step::Extend(entries) => {
                    let taken: Vec<_> = entries.iter().map(|one| model.insert(one.clone())).collect();
                    let told = index.extend(entries).unwrap();
                    prop_assert_eq!(told.replaced, taken.iter().filter(|one| matches!(one, Ok(Some(_)))).count());
                    prop_assert_eq!(told.older, taken.iter().filter(|one| one.is_err()).count());
                }
                Step::Revoked(device, revoked) => {
                    let held = model.devices.get_mut(&id(device));
                    prop_assert_eq!(index.set_revoked(&id(device), revoked), held.is_some());
                    if let Some(held) = held {
                        held.revoked = revoked;
                    }
                }
                Step::Remove(device) => prop_assert_eq!(index.remove(&id(device)), model.devices.remove(&id(device))),
                Step::Renewal(device, number) => {
                    let held = model.devices.get_mut(&id(device));
                    prop_assert_eq!(index.set_renewal(&id(device), renewal(number)), held.is_some());
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
                        digest.due().iter().map(|due| (number(&due.device), due.end, due.stage, due.overdue)).collect();
                    prop_assert_eq!(told, due);
                    let told: Vec<_> =
                        digest.issuers().iter().map(|due| (due.issuer, due.stage, due.leaves)).collect();
                    prop_assert_eq!(told, issuers);
                    // Nothing is paged twice on a day, and all that pages was paged by now.
                    let today = hour(now).timestamp().div_euclid(86_400);
                    model.paged.retain(|(day, ..)| *day == today);
                    for due in digest.page().iter().flat_map(|page| &page.due) {
                        prop_assert!(model.paged.insert((today, number(&due.device), due.end, refused(due.stage))));
                    }
                    for due in digest.due().iter().filter(|due| due.pages()) {
                        prop_assert!(model.paged.contains(&(today, number(&due.device), due.end, refused(due.stage))));
                    }
                }
            }
            prop_assert_eq!(index.len(), model.devices.len());
            for device in 0..12 {
                prop_assert_eq!(index.get(&id(device)), model.devices.get(&id(device)));
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
    index.insert(&new(1, day(0), end)).unwrap();
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
fn clock_is_suspect_beyond_its_bounds() {
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
    index.insert(&new(1, day(-340), day(20))).unwrap();
    let mut sweep = Sweep::new(Settings::default());
    let ago = |hours| Some(day(0) - TimeDelta::hours(hours));
    for (contact, reach) in [
        (None, Reach::Unknown),
        (Some(Contact::new(ago(24))), Reach::Online),
        (Some(Contact::new(Some(day(0) + TimeDelta::seconds(30)))), Reach::Online),
        (Some(Contact::new(Some(day(0) + TimeDelta::seconds(31)))), Reach::Unknown),
        (Some(Contact::new(Some(day(3650)))), Reach::Unknown),
        (Some(Contact::new(None)), Reach::Offline { since: None, visit: Visit::Undecided }),
        (
            Some(Contact::new(ago(25)).with_back_at(Some(day(20)))),
            Reach::Offline { since: ago(25), visit: Visit::MaintenanceWindow },
        ),
        (
            Some(Contact::new(ago(25)).with_back_at(Some(day(0)))),
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
    index.set_renewal(&id(1), Renewal::Confirmed);
    assert_eq!(sweep.run(&index, day(21), |_| None).unwrap().due()[0].reach, Reach::NotAsked);
}

#[test]
fn failed_or_manual_needs_a_person_at_once() {
    let mut index = ExpiryIndex::new(Policy::default());
    let entry = |device| new(device, day(-310), day(55));
    index.insert(&entry(1)).unwrap();
    index.insert(&entry(2).with_auto_renewal(false)).unwrap();
    index.insert(&entry(3).with_renewal(Renewal::Failed)).unwrap();
    index.insert(&entry(4).with_renewal(Renewal::Running)).unwrap();
    index.insert(&entry(5).with_auto_renewal(false).with_renewal(Renewal::Running)).unwrap();
    let digest = Sweep::default().run(&index, day(0), |_| None).unwrap();
    let devices = |due: Vec<u64>| due;
    assert_eq!(devices(digest.to_renew().map(|due| number(&due.device)).collect()), [1]);
    assert_eq!(devices(digest.follow_up().map(|due| number(&due.device)).collect()), [2, 3]);
    assert_eq!(digest.overdue().count(), 0);
    // Three days later all of them should have been renewed, though 52 days are left.
    let digest = Sweep::default().run(&index, day(3), |_| None).unwrap();
    assert_eq!(digest.overdue().count(), 5);
    assert_eq!(digest.awareness().count(), 0);
}

#[test]
fn early_issuer_is_one_entry() {
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert_issuer(9, day(-1_000), day(20)).unwrap();
    for device in 0..1_000 {
        // Every second one ends with the issuer, the rest after it.
        index.insert(&new(device, day(-100), day(20 + device as i64 % 2)).with_issuer(Some(9))).unwrap();
    }
    let mut sweep = Sweep::default();
    let digest = sweep.run(&index, day(0), |_| None).unwrap();
    assert!(digest.due().is_empty());
    let [issuer] = digest.issuers() else { panic!("{digest:?}") };
    assert_eq!((issuer.issuer, issuer.stage, issuer.leaves), (9, Stage::FollowUp, 1_000));
    assert_eq!((issuer.name.as_deref(), &*issuer.label()), (None, "9"));
    assert_eq!(digest.page().unwrap().issuers.len(), 1);
    assert!(sweep.run(&index, day(0), |_| None).unwrap().page().is_none());
    assert!(index.issuer_replaced(9));
    assert!(!index.issuer_replaced(8) && !index.name_issuer(8, "Plant CA"));
    let digest = sweep.run(&index, day(0), |_| None).unwrap();
    assert_eq!((digest.due().len(), digest.issuers().len()), (1_000, 0));
    assert!(digest.due().iter().all(|due| due.end == day(20)));
}

#[test]
fn refused_input_changes_nothing() {
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert_issuer(9, day(0), day(10)).unwrap();
    index.insert_issuer(9, day(0), day(10)).unwrap();
    assert_eq!(index.insert_issuer(9, day(0), day(11)), Err(EntryError::IssuerDiffers { issuer: 9 }));
    assert!(index.insert_issuer(7, day(1), day(0)).is_err());
    let entry = new(1, day(0), day(1));
    assert_eq!(
        index.insert(&entry.with_issuer(Some(8))),
        Err(EntryError::UnknownIssuer { device: id(1), issuer: 8 })
    );
    assert!(index.insert(&new(1, day(1), day(0))).is_err());
    assert!(index.is_empty());
}

#[test]
fn ends_of_the_calendar_neither_panic_nor_end() {
    let ends = [DateTime::<Utc>::MIN_UTC, day(0), DateTime::<Utc>::MAX_UTC];
    for from in ends {
        for to in ends.into_iter().filter(|to| *to >= from) {
            let mut index = ExpiryIndex::new(Policy::default());
            index.insert(&new(u64::MAX, from, to)).unwrap();
            for now in ends {
                let _ = Sweep::default().run(&index, now, |_| Some(Contact::new(Some(from)))).unwrap();
            }
            assert!(index.remove(&id(u64::MAX)).is_some());
        }
    }
}

#[test]
fn revoked_is_paged_until_succeeded() {
    let mut index = ExpiryIndex::new(Policy::default());
    let never = "9999-12-31T23:59:59Z".parse::<DateTime<Utc>>().unwrap();
    index.insert_issuer(9, day(5), day(900)).unwrap();
    let entries = [
        new(1, day(-10), day(355)).with_revoked(true),
        new(2, day(1), day(366)),
        new(3, day(1), never),
        new(4, day(-10), never).with_revoked(true).with_renewal(Renewal::Confirmed),
        new(5, day(-10), day(355)).with_issuer(Some(9)),
        new(6, day(-10), day(355)),
    ];
    assert_eq!(index.extend(entries), Ok(Extended::default()));
    let digest = Sweep::default().run(&index, day(0), |_| Some(Contact::new(Some(day(-3))))).unwrap();
    let told: Vec<_> = digest.due().iter().map(|due| (number(&due.device), due.stage, due.end)).collect();
    let (revoked, early) = (Stage::Revoked, Stage::NotYetValid);
    assert_eq!(told, [(1, revoked, day(355)), (2, early, day(366)), (3, early, never), (4, revoked, never)]);
    assert_eq!(digest.revoked().map(|due| number(&due.device)).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(digest.not_yet_valid().map(|due| number(&due.device)).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(digest.offline().map(|due| number(&due.device)).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((digest.to_renew().count(), digest.expired().count()), (0, 0));
    let page = digest.page().unwrap();
    assert_eq!(page.due.iter().map(|due| number(&due.device)).collect::<Vec<_>>(), [1, 2, 3]);
    // The issuer binds nobody, but nobody can use what it issued.
    let [issuer] = &page.issuers[..] else { panic!("{page:?}") };
    assert_eq!((issuer.issuer, issuer.stage, issuer.leaves), (9, early, 1));
    // Its first second is within its life.
    assert!(index.set_revoked(&id(1), false) && !index.set_revoked(&id(77), true));
    let told = due_of(&mut Sweep::default(), &index, day(1));
    assert_eq!(told, [(4, Stage::Revoked)]);
}

#[test]
fn entries_before_a_refused_one_are_in() {
    let entry = |device, life: i64| new(device, day(-300), day(-300 + life));
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert(&entry(0, 365)).unwrap();
    let entries = (0..200).map(|device| entry(device, if device == 150 { -1 } else { 310 }));
    assert!(
        matches!(index.extend(entries), Err(EntryError::EndsBeforeItBegins { device, .. }) if device == id(150))
    );
    assert_eq!((index.len(), index.get(&id(149)), index.get(&id(151))), (150, Some(&entry(149, 310)), None));
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)).len(), 150);
    // Twice in one call: the later stands. Far apart in time, and in no order.
    let twice = [entry(500, 3_000_000), entry(7, 365), entry(500, 310), entry(7, 309)];
    assert_eq!(index.extend(twice).unwrap().replaced, 3);
    assert_eq!((index.get(&id(500)), index.get(&id(7))), (Some(&entry(500, 310)), Some(&entry(7, 309))));
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)).len(), 151);
    for device in 0..501 {
        index.remove(&id(device));
    }
    assert!(index.is_empty() && due_of(&mut Sweep::default(), &index, day(0)).is_empty());
}

#[test]
fn validity_begins_in_its_first_second() {
    let second = TimeDelta::seconds(1);
    let mut index = ExpiryIndex::new(Policy::default());
    index.insert_issuer(9, day(0) + second, day(20)).unwrap();
    index.insert(&new(1, day(0) + second, day(365))).unwrap();
    index.insert(&new(2, day(-9), day(10)).with_issuer(Some(9))).unwrap();
    index.insert(&new(3, day(-9), day(365)).with_issuer(Some(9))).unwrap();
    let told = |now| {
        let digest = Sweep::default().run(&index, now, |_| None).unwrap();
        let early: Vec<_> = digest.not_yet_valid().map(|due| number(&due.device)).collect();
        (early, digest.issuers().iter().map(|due| due.leaves).collect::<Vec<_>>())
    };
    assert_eq!(told(day(0)), (vec![1], vec![2]));
    // Then the issuer binds the one that would end after it.
    let binding = told(day(0) + second).0;
    assert!(binding.is_empty());
    assert_eq!(told(day(15)), (vec![], vec![1]));
}

#[test]
fn late_record_replaces_no_later_one() {
    let entry = |device, generation, left| new(device, day(-300), day(left)).with_generation(generation);
    let mut index = ExpiryIndex::new(Policy::default());
    assert_eq!(index.insert(&entry(1, 2, 300)), Ok(None));
    let older = index.insert(&entry(1, 1, 20)).unwrap_err();
    let expected = "device pump-00000000000000000001: generation 1, valid from 2023-12-09";
    assert!(older.to_string().starts_with(expected), "{older}");
    // In one call too, in whatever order, and beside what is there.
    let told =
        index.extend([entry(1, 0, 20), entry(2, 5, 300), entry(2, 4, 20), entry(3, 1, 20), entry(3, 2, 300)]);
    let told = told.unwrap();
    assert_eq!((told.replaced, told.older), (1, 2));
    assert_eq!(
        [1, 2, 3].map(|device| index.get(&id(device)).map(|held| held.generation)),
        [Some(2), Some(5), Some(2)]
    );
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)), []);
    // Of one generation and one beginning the last stays, and of two beginnings the later one, in whatever order.
    assert_eq!(index.insert(&entry(1, 2, 80)), Ok(Some(entry(1, 2, 300))));
    let numberless = [
        new(7, day(-10), day(355)),
        new(7, day(-300), day(65)),
        new(8, day(-300), day(65)),
        new(8, day(-10), day(355)),
    ];
    let done = index.extend(numberless).unwrap();
    assert_eq!((done.replaced, done.older), (1, 1));
    assert_eq!([7, 8].map(|device| index.get(&id(device)).map(|held| held.not_before)), [Some(day(-10)); 2]);
    assert!(index.remove(&id(2)).is_some());
    assert_eq!(index.insert(&entry(2, 0, 80)), Ok(None));
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)).len(), 2);
}

#[test]
fn entries_that_panic_leave_the_index_whole() {
    let entry = |device: u64| new(device, day(-300), day(20)).with_revoked(device.is_multiple_of(2));
    let mut index = ExpiryIndex::new(Policy::default());
    index.extend((0..10).map(entry)).unwrap();
    let entries =
        (0..1_000).map(|device| if device == 500 { panic!("the source broke off") } else { entry(device) });
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| index.extend(entries)));
    assert!(broken.is_err());
    let held = index.len() as u64;
    assert!((500 - 64..=500).contains(&held), "{held}");
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)).len() as u64, held);
    // All of it can be changed, replaced and taken out.
    assert_eq!(index.extend((0..1_000).map(entry)).unwrap().replaced as u64, held);
    for device in (0..1_000).rev() {
        assert_eq!(index.remove(&id(device)), Some(entry(device)));
    }
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)), []);
}

#[test]
fn later_pages_go_out_next_run_once() {
    let mut index = ExpiryIndex::new(Policy::default());
    let entries = [
        new(1, day(-100), day(265)),
        new(2, day(-345), day(20)),
        new(3, day(-365), hour(8)),
        new(4, day(-345), day(20)),
    ];
    index.extend(entries).unwrap();
    index.insert_issuer(9, day(-900), hour(8)).unwrap();
    index.insert(&new(5, day(-345), day(20)).with_issuer(Some(9))).unwrap();
    let mut sweep = Sweep::default();
    let mut page = |index: &ExpiryIndex, hours| {
        let saved = serde_json::to_string(sweep.state()).unwrap();
        sweep = Sweep::resume(Settings::default(), serde_json::from_str(&saved).unwrap());
        let digest = sweep.run(index, hour(hours), |_| None).unwrap();
        let page = digest.page()?;
        Some((
            page.due.iter().map(|due| number(&due.device)).collect::<Vec<_>>(),
            page.issuers.iter().map(|due| due.issuer).collect::<Vec<_>>(),
        ))
    };
    assert_eq!(page(&index, 6), Some((vec![3, 2, 4], vec![9])));
    assert_eq!(page(&index, 7), None);
    // One that was not due, and one that was paged as late, are revoked; another one has ended.
    assert!(index.set_revoked(&id(1), true) && index.set_revoked(&id(2), true));
    assert_eq!(page(&index, 9), Some((vec![3, 2, 1], vec![9])));
    assert_eq!(page(&index, 10), None);
    // To and fro is no news on that day.
    assert!(index.set_revoked(&id(1), false) && index.set_revoked(&id(2), false));
    assert_eq!(page(&index, 11), None);
    assert!(index.set_revoked(&id(1), true));
    assert_eq!(page(&index, 23), None);
    assert_eq!(page(&index, 24), Some((vec![3, 2, 4, 1], vec![9])));
}

#[test]
fn metrics_are_exact_for_short_lives() {
    let (grace, nano) = (TimeDelta::days(7), TimeDelta::nanoseconds(1));
    let metrics = |policy: &Policy, end, now| Metrics::of(policy, grace, day(0), end, None, now);
    let policy = Policy::default();
    // A third of 35 s, rounded so that it is not due at that moment yet.
    let end = day(0) + TimeDelta::seconds(35);
    let third = TimeDelta::nanoseconds(11_666_666_667);
    assert_eq!(metrics(&policy, end, day(0)).renewal_at, Some(end - third));
    // Overdue a 24th of the life after the third is.
    let bound = end - TimeDelta::nanoseconds(10_208_333_333);
    assert!(!metrics(&policy, end, bound - nano).overdue && metrics(&policy, end, bound + nano).overdue);
    // Without shares the fixed time counts, whatever the life.
    let mut fixed = policy;
    (fixed.awareness_share, fixed.renewal_share, fixed.follow_up_share) =
        (Share::NONE, Share::NONE, Share::NONE);
    let end = day(90);
    assert_eq!(metrics(&policy, end, day(0)).renewal_at, Some(day(60)));
    assert_eq!(metrics(&fixed, end, day(0)).renewal_at, Some(day(30)));
    assert_eq!(metrics(&policy, day(1_000), day(0)).renewal_at, Some(day(940)));
}

#[test]
fn entries_of_unknown_count_are_taken() {
    let mut devices = 0..5_000_u64;
    let entries = std::iter::from_fn(|| devices.next().map(|device| new(device, day(-300), day(20))));
    let mut index = ExpiryIndex::new(Policy::default());
    index.extend(entries).unwrap();
    assert_eq!(due_of(&mut Sweep::default(), &index, day(0)).len(), 5_000);
}

/// A certificate ends with the first of its chain: entered as it was read, it is on the list.
#[test]
fn chain_is_entered_with_the_issuer_that_ends_first() {
    let date = |days| {
        let date = day(days).date_naive();
        (date.year(), date.month() as u8, date.day() as u8)
    };
    let at = |days| [date(-400), date(days)];
    let read = |dates: [super::mint::Dates; 3]| {
        let ders = super::mint::chain(dates);
        Chain::new(ders.iter().map(|der| Certificate::from_der(der).unwrap()).collect()).unwrap()
    };
    let mut index = ExpiryIndex::new(Policy::default());
    let bound = read([at(800), at(19), at(3000)]);
    index.insert_chain("bound", &bound).unwrap();
    index.insert_chain("well", &read([at(800), at(900), at(3000)])).unwrap();
    let alone = read([at(19), at(900), at(3000)]);
    index.insert_chain("alone", &Chain::new(vec![alone.leaf().clone()]).unwrap()).unwrap();
    let digest = Sweep::new(Settings::default()).run(&index, day(0), |_| None).unwrap();
    let due: Vec<_> = digest.due().iter().map(|due| due.device.as_str()).collect();
    assert_eq!(due, ["alone"], "another certificate of `bound` would end with its issuer too");
    assert_eq!(digest.issuers().len(), 1);
    assert_eq!((digest.issuers()[0].end.date_naive(), digest.issuers()[0].leaves), (day(19).date_naive(), 1));
    let issuer = &digest.issuers()[0];
    let binding = &bound.issuers()[0];
    let name = format!("{} ({})", binding.subject, &binding.fingerprint.to_string()[..8]);
    assert_eq!(issuer.name.as_deref(), Some(&*name));
    assert_eq!(issuer.label(), name);
    // Read again, it is the same entry.
    assert!(index.insert_chain("bound", &bound).unwrap().is_some());
}
