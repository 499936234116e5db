//! The spreading of renewals beside models that step through time, count, or try every order.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::schedule::{
    Forecast, Maintenance, Pending, Plan, Rate, ScheduleError, Scheduler, Settings, Start, TokenBucket,
    Window, jitter, retry_after,
};
use iot_runbook::subject::DeviceId;
use proptest::prelude::*;

use super::random::cases;

fn id(number: u64) -> DeviceId {
    format!("pump-{number:020}").into()
}

fn number(device: &DeviceId) -> u64 {
    device.as_str().trim_start_matches("pump-").parse().unwrap()
}

fn new(device: u64, generation: u32, due: DateTime<Utc>, end: DateTime<Utc>) -> Pending {
    Pending::new(id(device), generation, due, end)
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn scheduler(settings: Settings) -> Scheduler {
    Scheduler::new(settings).unwrap()
}

fn settings(lead: i64, maintenance: Maintenance) -> Settings {
    let mut settings = Settings::default();
    settings.lead = TimeDelta::seconds(lead);
    settings.maintenance = maintenance;
    settings
}

fn full(per_minute: u32, burst: u32) -> TokenBucket {
    TokenBucket::full(Rate::new(per_minute, burst).unwrap(), at(0))
}

/// Nothing is drawn from a window so short: it is its start.
fn moment(seconds: i64) -> Window {
    Window::new(at(seconds), at(seconds) + TimeDelta::nanoseconds(1)).unwrap()
}

fn pending() -> impl Strategy<Value = Pending> {
    let window = prop_oneof![3 => Just(None), 1 => (-50i64..300).prop_map(|start| Some(moment(start)))];
    (0u64..12, 0u32..2, -100i64..250, -20i64..400, window, prop::bool::weighted(0.1)).prop_map(
        |(device, generation, due, end, window, compromised)| {
            new(device, generation, at(due), at(end)).with_window(window).with_compromised(compromised)
        },
    )
}

/// By device and generation: when it may start, its deadline, whether it is compromised, and what it was told as.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Job {
    key: (u64, u32),
    due: i64,
    release: i64,
    deadline: i64,
    urgent: bool,
    written: (i64, Option<i64>),
}

fn jobs(pending: &[Pending], lead: i64) -> Vec<Job> {
    let second = |at: DateTime<Utc>| (at - self::at(0)).num_seconds();
    let mut jobs: Vec<Job> = Vec::new();
    for one in pending {
        let deadline = second(one.end) - lead;
        let due = if one.compromised { 0 } else { second(one.due) };
        let release = one.window.filter(|_| !one.compromised).map_or(due, |window| second(window.start()));
        let [due, release] = [due, release].map(|at| at.min(deadline).max(0));
        let written = (second(one.due), one.window.map(|window| second(window.start())));
        let (key, urgent) = ((number(&one.device), one.generation), one.compromised);
        let job = Job { key, due, release, deadline, urgent, written };
        match jobs.iter_mut().find(|held| held.key == job.key) {
            None => jobs.push(job),
            Some(held) => {
                let order = |job: &Job| (!job.urgent, job.deadline, job.written);
                if order(&job) < order(held) {
                    *held = job;
                }
            }
        }
    }
    jobs
}

/// Second by second; the bucket is counted in sixtieths of a token.
fn step_through(
    mut jobs: Vec<Job>,
    (per_minute, burst): (u32, u32),
    open: impl Fn(i64) -> bool,
) -> Vec<((u64, u32), i64, bool)> {
    let mut told = Vec::new();
    let mut level = burst * 60;
    for now in 0..1_200 {
        while level >= 60 {
            let next = jobs
                .iter()
                .filter(|job| job.release <= now && (job.urgent || open(now)))
                .min_by_key(|job| (!job.urgent, job.deadline, job.key))
                .copied();
            let Some(next) = next else { break };
            jobs.retain(|job| *job != next);
            told.push((next.key, now, now > next.deadline));
            level -= 60;
        }
        level = (level + per_minute).min(burst * 60);
    }
    told
}

fn told(plan: &Plan) -> Vec<((u64, u32), i64, bool)> {
    plan.starts
        .iter()
        .map(|start| {
            assert_eq!(start.at.timestamp_subsec_nanos(), 0);
            ((number(&start.device), start.generation), (start.at - at(0)).num_seconds(), start.late)
        })
        .collect()
}

/// The lowest rate, by what is due until each deadline and what the bucket gives until then.
fn counted_rate(deadlines: &mut [i128], burst: u32) -> Option<u128> {
    deadlines.sort_unstable();
    let mut rate = 0;
    for (before, deadline) in deadlines.iter().enumerate() {
        let missing = (before as u128 + 1).saturating_sub(u128::from(burst));
        let elapsed = u128::try_from(*deadline).ok()?;
        if missing == 0 {
            continue;
        }
        // At a burst of 1 what comes within the last nanosecond of a wait is too much: each wait is a whole number.
        let (parts, elapsed) = match burst {
            1 => (60_000_000_000, elapsed / missing),
            _ => (missing * 60_000_000_000, elapsed),
        };
        rate = rate.max(parts.div_ceil(if elapsed == 0 { return None } else { elapsed }));
    }
    Some(rate)
}

/// Whether some order is in time, each start as early as it can be.
fn some_order_is_in_time(left: &[Job], bucket: TokenBucket, now: DateTime<Utc>) -> bool {
    left.is_empty()
        || left.iter().any(|job| {
            let mut bucket = bucket;
            let start = bucket.ready_at(now.max(at(job.due)));
            let rest: Vec<_> = left.iter().filter(|other| *other != job).copied().collect();
            assert!(bucket.try_take(start));
            start <= at(job.deadline) && some_order_is_in_time(&rest, bucket, start)
        })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn plan_is_what_stepping_through_time_tells(
        pending in prop::collection::vec(pending(), 0..24),
        per_minute in prop::sample::select(vec![3u32, 6, 12, 20, 60]),
        burst in 1u32..5,
        lead in 0i64..20,
        kind in 0u8..3,
    ) {
        let window = |from, to| Window::new(at(from), at(to)).unwrap();
        let (maintenance, open): (_, fn(i64) -> bool) = match kind {
            0 => (Maintenance::always(), |_| true),
            1 => (
                Maintenance::windows([window(200, 230), window(30, 50), window(40, 60), window(60, 70)]),
                |now| (30..70).contains(&now) || (200..230).contains(&now),
            ),
            _ => (
                Maintenance::recurring(window(-75, -60), TimeDelta::seconds(40)).unwrap(),
                |now| (now + 75).rem_euclid(40) < 15,
            ),
        };
        let scheduler = scheduler(settings(lead, maintenance));
        let bucket = full(per_minute, burst);
        let plan = scheduler.plan(pending.clone(), &bucket, at(0));
        let jobs = jobs(&pending, lead);
        let late = |told: &[((u64, u32), i64, bool)]| {
            told.iter().filter(|told| told.2).count() + jobs.len() - told.len()
        };
        let spread = step_through(jobs.clone(), (per_minute, burst), open);
        let due = jobs.iter().map(|job| Job { release: job.due.min(job.release), ..*job }).collect();
        let hurried = step_through(due, (per_minute, burst), open);
        prop_assert_eq!(plan.hurried, late(&hurried) < late(&spread));
        let expected = if plan.hurried { hurried.clone() } else { spread };
        prop_assert_eq!(&told(&plan), &expected);
        prop_assert_eq!(plan.starts.len() + plan.unplaced.len(), jobs.len());
        prop_assert_eq!(plan.duplicates, pending.len() - jobs.len());
        prop_assert!(kind == 1 || plan.unplaced.is_empty());

        let forecast = scheduler.forecast(pending.clone(), &bucket, at(0));
        let late = late(&expected);
        prop_assert_eq!((forecast.count, forecast.late), (jobs.len(), late));
        let first = jobs.iter().map(|job| at(job.deadline)).min();
        prop_assert_eq!(forecast.first_deadline, first);
        let cleared = expected.last().filter(|_| expected.len() == jobs.len()).map(|told| at(told.1));
        prop_assert_eq!(forecast.cleared_at, cleared);
        prop_assert_eq!(late == 0, forecast.in_time.is_some_and(|needed| needed.growth == 0));
        let is_cleared = first.is_none_or(|first| {
            hurried.len() == jobs.len() && hurried.iter().all(|told| at(told.1) <= first)
        });
        prop_assert_eq!(is_cleared, forecast.cleared_in_time.is_some_and(|needed| needed.growth == 0));
        // The rate that it names does without the wishes of a CA, and one less does not.
        if let Some(needed) = forecast.in_time.filter(|needed| needed.growth > 0) {
            let bare = || {
                pending.iter().map(|one| {
                    let mut bare = one.clone().with_window(None);
                    bare.due = one.window.map_or(one.due, |window| one.due.min(window.start()));
                    bare
                })
            };
            let late_at = |per_minute| scheduler.forecast(bare(), &full(per_minute, burst), at(0)).late;
            prop_assert_eq!(needed.per_minute - needed.growth, per_minute);
            prop_assert_eq!(late_at(needed.per_minute), 0);
            prop_assert!(late_at(needed.per_minute - 1) > 0);
        }

        let mut turned = pending;
        turned.reverse();
        prop_assert_eq!(scheduler.plan(turned, &bucket, at(0)), plan);
    }

    #[test]
    fn needed_rate_equals_count_by_deadline(
        ends in prop::collection::vec(0i64..5_000_000_000, 0..40), burst in 1u32..6, per_minute in 1u32..200,
    ) {
        let end = |nanos: &i64| at(0) + TimeDelta::nanoseconds(*nanos * 31);
        let fleet: Vec<_> =
            ends.iter().enumerate().map(|(device, nanos)| new(device as u64, 0, at(-1), end(nanos))).collect();
        let told = scheduler(Settings::default()).forecast(fleet, &full(per_minute, burst), at(0));
        let mut deadlines: Vec<_> = ends.iter().map(|nanos| i128::from(*nanos) * 31).collect();
        let check = |needed: Option<u128>, told: Option<u32>| {
            let needed = needed.filter(|needed| *needed <= u128::from(u32::MAX));
            assert_eq!(told.map(u128::from), needed.map(|needed| needed.max(u128::from(per_minute))));
        };
        check(counted_rate(&mut deadlines, burst), told.in_time.map(|needed| needed.per_minute));
        let first = deadlines.first().copied().unwrap_or_default();
        deadlines.fill(first);
        check(counted_rate(&mut deadlines, burst), told.cleared_in_time.map(|needed| needed.per_minute));
    }

    #[test]
    fn no_order_is_in_time_where_this_one_is_late(
        pending in prop::collection::vec(pending(), 0..6), burst in 1u32..3, per_minute in 1u32..8,
    ) {
        let pending: Vec<_> = pending
            .into_iter()
            .map(|mut one| {
                one.due = one.due.min(at(0));
                one.with_compromised(false)
            })
            .collect();
        let bucket = full(per_minute, burst);
        let plan = scheduler(Settings::default()).plan(pending.clone(), &bucket, at(0));
        let told = scheduler(Settings::default()).forecast(pending.clone(), &bucket, at(0));
        prop_assert_eq!(plan.late().count() == 0, told.late == 0);
        prop_assert_eq!(told.late == 0, some_order_is_in_time(&jobs(&pending, 0), bucket, at(0)));
    }

    #[test]
    fn plan_made_anew_after_a_restart_moves_nobody(
        pending in prop::collection::vec(pending(), 0..24), per_minute in 1u32..90, burst in 1u32..4, again in 0i64..300,
    ) {
        let mut settings = settings(3, Maintenance::always());
        settings.spread = TimeDelta::seconds(120);
        let scheduler = scheduler(settings);
        let mut bucket = full(per_minute, burst);
        let pending: Vec<_> = pending
            .into_iter()
            .map(|mut one| {
                one.end += TimeDelta::seconds(600);
                one
            })
            .collect();
        let plan = scheduler.plan(pending.clone(), &bucket, at(0));
        if plan.hurried || plan.late().count() > 0 {
            return Ok(());
        }
        let (begun, rest): (Vec<Start>, Vec<Start>) = plan.starts.into_iter().partition(|start| start.at <= at(again));
        for start in &begun {
            prop_assert!(bucket.try_take(start.at), "there is a token at each start");
        }
        let bucket: TokenBucket = serde_json::from_str(&serde_json::to_string(&bucket).unwrap()).unwrap();
        let left = pending.into_iter().filter(|one| {
            !begun.iter().any(|start| (number(&start.device), start.generation) == (number(&one.device), one.generation))
        });
        let anew = scheduler.plan(left, &bucket, at(again));
        prop_assert_eq!(anew.starts, rest);
    }

    #[test]
    fn bucket_keeps_its_rate_to_the_fraction(
        rate in (1u32..5_000, 1u32..20), steps in prop::collection::vec(0i64..400_000_000_000, 1..60),
    ) {
        let (per_minute, burst) = rate;
        let mut bucket = full(per_minute, burst);
        // In parts of a token, of which a nanosecond brings `per_minute`.
        let (token, mut level, mut now) = (60_000_000_000u128, u128::from(burst) * 60_000_000_000, at(0));
        for step in steps {
            now += TimeDelta::nanoseconds(step);
            level = (level + step as u128 * u128::from(per_minute)).min(u128::from(burst) * token);
            prop_assert_eq!(u128::from(bucket.available(now)), level / token);
            prop_assert_eq!(bucket.try_take(now), level >= token);
            level = if level >= token { level - token } else { level };
            if level < token {
                let ready = bucket.ready_at(now);
                prop_assert_eq!(bucket.available(ready), 1);
                prop_assert_eq!(bucket.available(ready - TimeDelta::nanoseconds(1)), 0);
            }
        }
    }

    #[test]
    fn no_dates_make_it_panic(
        ends in prop::collection::vec((0usize..5, 0usize..5, 0usize..5), 0..5), now in 0usize..5, bucket in 0usize..5,
        rate in prop::sample::select(vec![1u32, u32::MAX]), long in any::<bool>(), limited in any::<bool>(),
    ) {
        let dates =
            [DateTime::<Utc>::MIN_UTC, at(0), at(1), at(2), DateTime::<Utc>::MAX_UTC];
        let whole = Window::new(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC).unwrap();
        let fleet = ends.iter().map(|(due, end, window)| {
            let window = Window::new(dates[*window], dates[4]).ok().or(Some(whole)).filter(|_| *window != 1);
            new(*end as u64, 0, dates[*due], dates[*end]).with_window(window)
        });
        let mut settings = Settings::default();
        if long {
            (settings.spread, settings.lead) = (TimeDelta::MAX, TimeDelta::MAX);
        }
        if limited {
            settings.maintenance = Maintenance::recurring(moment(5), TimeDelta::MAX).unwrap();
        }
        let bucket = TokenBucket::empty(Rate::new(rate, rate).unwrap(), dates[bucket]);
        let scheduler = scheduler(settings);
        let plan = scheduler.plan(fleet.clone(), &bucket, dates[now]);
        prop_assert!(plan.starts.iter().all(|start| start.at >= dates[now]));
        let told: Forecast = scheduler.forecast(fleet, &bucket, dates[now]);
        prop_assert_eq!(told.late, plan.late().count() + plan.unplaced.len());
    }
}

#[test]
fn forecast_of_a_hundred_thousand_is_exact() {
    let fleet = |hours: i64| (0..100_000).map(move |device| new(device, 1, at(0), at(hours * 3_600)));
    let scheduler = scheduler(Settings::default());
    let told = scheduler.forecast(fleet(17), &full(100, 1), at(0));
    // The first starts at once: 99 999 times 600 ms.
    assert_eq!(told.cleared_at, Some(at(0) + TimeDelta::milliseconds(59_999_400)));
    assert_eq!((told.late, told.cleared_in_time.map(|needed| needed.growth)), (0, Some(0)));
    // In 16 hours there is time for 96 001 of them; 105 a minute are needed.
    let told = scheduler.forecast(fleet(16), &full(100, 1), at(0));
    assert_eq!(told.late, 100_000 - 96_001);
    assert_eq!(told.in_time.map(|needed| (needed.per_minute, needed.growth)), Some((105, 5)));
    assert_eq!(told.cleared_in_time, told.in_time);
}

#[test]
fn backlog_past_first_end_may_be_in_time() {
    let fleet = (0..60).map(|device| new(device, 0, at(0), at(device as i64 * 10)));
    let told = scheduler(Settings::default()).forecast(fleet, &full(6, 1), at(0));
    assert_eq!((told.late, told.first_deadline, told.cleared_at), (0, Some(at(0)), Some(at(590))));
    assert_eq!((told.in_time.map(|needed| needed.growth), told.cleared_in_time), (Some(0), None));
}

/// A CA revokes all that it issued a day from now: how many have another certificate by then.
#[test]
fn mass_revocation_reports_its_shortfall() {
    const FLEET: u64 = 10_000;
    let mut settings = settings(0, Maintenance::always());
    settings.spread = TimeDelta::hours(2);
    let scheduler = scheduler(settings);
    // Years left, some ending sooner than the CA revokes, some in a window that the CA suggested before.
    let later = Window::new(at(40_000_000), at(40_100_000)).unwrap();
    let fleet = || {
        (0..FLEET).map(|device| {
            let end = if device < 10 { 3_600 } else { 90_000_000 };
            new(device, 1, at(80_000_000), at(end)).with_window((device % 2 == 0).then_some(later))
        })
    };
    let day = TimeDelta::days(1);
    for (per_minute, late, growth) in [(6, 1_359, 1), (7, 0, 0), (60, 0, 0)] {
        let bucket = TokenBucket::full(Rate::new(per_minute, 1).unwrap(), at(0));
        let forecast = scheduler.forecast_revocation(fleet(), day, &bucket, at(0));
        // One at once, and then so many a minute for 1 440 minutes.
        assert_eq!(forecast.late as u64, FLEET.saturating_sub(1 + u64::from(per_minute) * 1_440));
        assert_eq!((forecast.count as u64, forecast.late), (FLEET, late), "{per_minute}");
        assert_eq!(forecast.in_time.map(|needed| needed.growth), Some(growth));
        let minutes = (FLEET - 1).div_ceil(u64::from(per_minute)) as i64;
        let cleared = forecast.cleared_at.unwrap() - at(0);
        assert!((cleared - TimeDelta::minutes(minutes)).abs() < TimeDelta::minutes(1), "{cleared}");
    }
}

#[test]
fn an_empty_fleet_is_clear() {
    let scheduler = scheduler(Settings::default());
    let told = scheduler.forecast([], &full(1, 1), at(0));
    assert_eq!((told.count, told.late, told.cleared_at, told.first_deadline), (0, 0, None, None));
    assert_eq!(told.in_time.map(|needed| (needed.per_minute, needed.growth)), Some((1, 0)));
    assert!(scheduler.plan([], &full(1, 1), at(0)).starts.is_empty());
}

#[test]
fn short_life_keeps_its_second_half() {
    let mut settings = Settings::default();
    settings.spread = TimeDelta::hours(10);
    let scheduler = scheduler(settings);
    let start = |end: i64| {
        let fleet = [new(7, 3, at(600), at(end))];
        scheduler.plan(fleet, &full(1, 1), at(0)).starts[0].at
    };
    assert_eq!(start(1_000_000), at(600) + jitter(&id(7), 3, TimeDelta::hours(10)));
    assert_eq!(start(1_600), at(600) + jitter(&id(7), 3, TimeDelta::seconds(500)));
    // Long due: the place that it had has passed.
    let fleet = [new(7, 3, at(-40_000), at(1_000_000))];
    assert_eq!(scheduler.plan(fleet, &full(1, 1), at(0)).starts[0].at, at(0));
}

#[test]
fn compromised_key_waits_for_the_rate_alone() {
    let later = Window::new(at(5_000), at(6_000)).unwrap();
    let settings = settings(0, Maintenance::windows([Window::new(at(100), at(9_000)).unwrap()]));
    let fleet = [
        new(1, 0, at(-10), at(200)),
        new(2, 0, at(4_000), at(90_000)).with_window(Some(later)).with_compromised(true),
        new(3, 0, at(4_000), at(80_000)).with_compromised(true),
    ];
    let plan = scheduler(settings).plan(fleet, &full(1, 1), at(0));
    let starts: Vec<_> = plan.starts.iter().map(|start| (number(&start.device), start.at)).collect();
    assert_eq!(starts, [(3, at(0)), (2, at(60)), (1, at(120))]);
}

#[test]
fn early_ca_wish_stays_early() {
    // The CA will revoke the second: its window has passed, though the policy has time. The first would be late.
    let fleet = [
        new(1, 0, at(-10), at(50)),
        new(2, 0, at(40_000), at(90_000)).with_window(Some(moment(-500))),
        new(3, 0, at(-10), at(30)).with_window(Some(moment(20))),
        new(4, 0, at(-10), at(25)).with_window(Some(moment(20))),
    ];
    let plan = scheduler(Settings::default()).plan(fleet, &full(3, 1), at(0));
    let starts: Vec<_> = plan.starts.iter().map(|start| (number(&start.device), start.at)).collect();
    assert!(plan.hurried, "{plan:?}");
    assert_eq!(starts, [(4, at(0)), (3, at(20)), (1, at(40)), (2, at(60))]);
}

#[test]
fn ca_window_spreads_evenly() {
    let window = Window::new(at(0), at(1_000)).unwrap();
    let mut tenths = [0; 10];
    for device in 0..10_000 {
        let selected = window.selected(&id(device), 1);
        assert_eq!(selected, at(0) + jitter(&id(device), 1, TimeDelta::seconds(1_000)));
        assert_eq!(window.renew_at(&id(device), 1, at(-50)), selected);
        assert_eq!(window.renew_at(&id(device), 1, at(1_000)), at(1_000));
        tenths[((selected - at(0)).num_seconds() / 100) as usize] += 1;
    }
    assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
    for end in [at(0), at(-1)] {
        assert_eq!(Window::new(at(0), end), Err(ScheduleError::EndsBeforeItStarts { start: at(0), end }));
    }
}

#[test]
fn retry_after_is_from_a_minute_to_a_day() {
    let second = TimeDelta::seconds(1);
    for (told, kept) in [
        (TimeDelta::MIN, TimeDelta::minutes(1)),
        (TimeDelta::minutes(1) - second, TimeDelta::minutes(1)),
        (TimeDelta::minutes(1) + second, TimeDelta::minutes(1) + second),
        (TimeDelta::days(1) - second, TimeDelta::days(1) - second),
        (TimeDelta::days(1) + second, TimeDelta::days(1)),
        (TimeDelta::MAX, TimeDelta::days(1)),
    ] {
        assert_eq!(retry_after(told), kept);
    }
}

#[test]
fn clock_set_back_neither_gains_nor_starves() {
    let take = |bucket: &mut TokenBucket, seconds| bucket.try_take(at(seconds));
    let mut bucket = full(60, 5);
    while take(&mut bucket, 100) {}
    for _ in 0..1_000 {
        assert!(!take(&mut bucket, 40) && !take(&mut bucket, 100));
    }
    // 61 s behind: set back. It gains from there on, and tells so.
    assert_eq!((bucket.ready_at(at(40)), bucket.ready_at(at(39))), (at(101), at(40)));
    assert!(!take(&mut bucket, 39));
    assert!(take(&mut bucket, 40) && !take(&mut bucket, 40));
    // Far ahead it is full, and no more.
    let far = DateTime::<Utc>::MAX_UTC;
    assert_eq!(bucket.available(far), 5);
    assert!((0..5).all(|_| bucket.try_take(far)) && !bucket.try_take(far));
    assert!(!take(&mut bucket, 50) && take(&mut bucket, 51));
    // A bucket that takes long to fill waits as long: an hour here.
    let mut slow = full(1, 60);
    while take(&mut slow, 10_000) {}
    assert!(!take(&mut slow, 6_400) && !take(&mut slow, 10_000) && take(&mut slow, 10_060));
}

#[test]
fn new_rate_keeps_tokens_up_to_its_burst() {
    let mut bucket = full(60, 5);
    bucket.set_rate(Rate::new(30, 2).unwrap(), at(0));
    assert_eq!((bucket.available(at(0)), bucket.available(at(1_000))), (2, 2));
    assert!(bucket.try_take(at(0)) && bucket.try_take(at(0)));
    assert_eq!(bucket.ready_at(at(0)), at(2));
    bucket.set_rate(Rate::new(60, 9).unwrap(), at(1));
    // Half a token was there.
    assert_eq!((bucket.ready_at(at(1)), bucket.rate().burst()), (at(1) + TimeDelta::milliseconds(500), 9));
}

#[test]
fn impossible_settings_name_their_field() {
    let message = |result: Result<(), ScheduleError>| result.unwrap_err().to_string();
    assert!(message(Rate::new(0, 1).map(drop)).starts_with("`per_minute` is 0"));
    assert!(message(Rate::new(1, 0).map(drop)).starts_with("`burst` is 0"));
    assert!(serde_json::from_str::<Rate>(r#"{ "per_minute": 1, "burst": 0 }"#).is_err());
    let mut wrong = Settings::default();
    wrong.spread = TimeDelta::seconds(-1);
    assert!(message(Scheduler::new(wrong).map(drop)).starts_with("`spread` (-1s) is below zero"));
    let mut wrong = Settings::default();
    wrong.lead = TimeDelta::seconds(-1);
    assert!(message(Scheduler::new(wrong).map(drop)).starts_with("`lead` (-1s)"));
    let hour = Window::new(at(0), at(3_600)).unwrap();
    assert!(message(Maintenance::recurring(hour, TimeDelta::hours(1)).map(drop)).starts_with("`every` (1h)"));
    // A saved bucket that holds more than it can holds what it can.
    let saved = serde_json::to_string(&full(1, 2)).unwrap().replace("\"tokens\":2", "\"tokens\":9");
    assert_eq!(serde_json::from_str::<TokenBucket>(&saved).unwrap().available(at(0)), 2);
}

#[test]
fn inner_window_shortens_nothing() {
    let window = |from, to| Window::new(at(from), at(to)).unwrap();
    let all = Maintenance::windows([window(10, 20), window(0, 100)]);
    assert!(all.is_open(at(0)) && all.is_open(at(50)) && all.is_open(at(99)) && !all.is_open(at(100)));
    assert!(!Maintenance::windows([]).is_open(at(0)));
}
