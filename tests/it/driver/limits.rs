//! Limits of acts beside a slow model, and what a diagnosis makes of a refused act.

use std::task::{Context, Poll, Waker};

use iot_runbook::diagnosis::{ActOutcome, ActQuota};
use iot_runbook::driver::{ActLimit, Asked, DryRun, Handle, LimitedActuator, Progress};
use iot_runbook::fact::Detail;
use iot_runbook::probe::Probes;
use proptest::prelude::*;

use super::*;
use crate::random::cases;

/// Restarts a gateway, and asks a person where that was refused.
const RESTART: &str = r#"
name = "restart"
version = 1
title = "Restart a gateway"
start = "restart"
[steps.restart]
title = "Restart it"
act = "restart-gateway"
scope = "gateway"
approval = "automatic"
answer_within = "1h"
on = { done = "restarted", refused = "by-hand", failed = "failed", expired = "failed" }
[steps.by-hand]
title = "Decide"
ask = "May it be restarted?"
domain = "flag"
answer_within = "1h"
branches = [{ is = true, to = "restarted" }, { is = false, to = "failed" }]
expired = "failed"
[conclusions.restarted]
title = "It was restarted"
severity = "info"
[conclusions.failed]
title = "It was not restarted"
severity = "warning"
"#;

fn restart_set() -> RunbookSet {
    RunbookSet::new([Document::from_toml(RESTART).unwrap().validate().unwrap()]).unwrap()
}

/// The act of a diagnosis of that number: at one of two sites, or at a site that is not known.
fn request(set: &RunbookSet, number: u128, site: usize) -> ActRequest {
    let subject = Subject::device("press-07").with_gateway(format!("gw-{number}"));
    let subject = match site {
        0 => subject,
        site => subject.with_site(format!("site-{site}")),
    };
    let trigger = Trigger::new("alert", NOW);
    let mut diagnosis = Diagnosis::new(Ulid(number), set, "restart", subject, trigger, NOW).unwrap();
    match diagnosis.poll(NOW) {
        Output::Act(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Does what the test wants next, and counts what came.
#[derive(Default)]
struct Hands {
    next: Mutex<u8>,
    came: Mutex<Vec<String>>,
}

#[async_trait]
impl Actuator for Hands {
    async fn act(&self, request: &ActRequest) -> ActReport {
        self.came.lock().unwrap().push(request.idempotency_key());
        turn(1).await;
        match *self.next.lock().unwrap() {
            0 => ActReport::refused("hands", "not safe"),
            1 => ActReport::failed("hands", "no answer"),
            _ => ActReport::done("hands"),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// The act of that number at that site, which comes to that, or is dropped half way.
    Act { number: u128, site: usize, comes_to: u8, is_dropped: bool },
    /// Seconds pass; the clock may be set back.
    Pass(i64),
}

/// A grant as the model remembers it: its key and site, how often it was passed on, whether it is left out since it was not
/// tried, and after which reading of the clock it came.
struct Grant {
    key: u128,
    site: usize,
    passed: u32,
    is_left_out: bool,
    reading: usize,
}

impl Grant {
    /// Whether it counts: at no reading since it was given was its period over, which begins anew where the clock is set back.
    fn counts(&self, readings: &[i64], within: i64) -> bool {
        !self.is_left_out
            && (self.reading..readings.len()).all(|last| {
                let since = readings[self.reading..=last].iter().min();
                since.is_some_and(|since| since + within > readings[last])
            })
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = (0_u128..12, 0_usize..3, 0_u8..6, prop::bool::weighted(0.1));
    let pass = prop_oneof![0_i64..20, Just(60), Just(59), -90_i64..0, Just(10_000)];
    prop::collection::vec(
        prop_oneof![
            4 => act.prop_map(|(number, site, comes_to, is_dropped)| Step::Act { number, site, comes_to, is_dropped }),
            1 => pass.prop_map(Step::Pass),
        ],
        1..80,
    )
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn limit_does_what_the_model_does(steps in steps(), most in 0_usize..4) {
        const WITHIN: i64 = 60;
        let set = restart_set();
        let clock = Arc::new(ManualClock::new(NOW));
        let hands = Arc::new(Hands::default());
        let limit = ActLimit::new(most, TimeDelta::seconds(WITHIN));
        let limited = LimitedActuator::new(hands.clone(), limit, clock.clone());
        let mut grants: Vec<Grant> = Vec::new();
        let mut readings: Vec<i64> = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        for step in steps {
            let Step::Act { number, site, comes_to, is_dropped } = step else {
                let Step::Pass(seconds) = step else { continue };
                clock.advance(TimeDelta::seconds(seconds));
                continue;
            };
            // A number is of one site.
            let number = number * 3 + site as u128;
            readings.push((clock.now() - NOW).num_seconds());
            let counting = |grant: &&mut Grant| grant.counts(&readings, WITHIN);
            let of_site = grants.iter_mut().filter(|grant| grant.site == site).filter(counting).count();
            let known = grants.iter_mut().filter(|grant| grant.key == number).find(counting);
            let is_granted = known.is_some() || of_site < most;
            let before = hands.came.lock().unwrap().len();
            *hands.next.lock().unwrap() = comes_to;
            let request = request(&set, number, site);
            let mut act = limited.act(&request);
            let first = act.as_mut().poll(&mut context);
            prop_assert_eq!(hands.came.lock().unwrap().len() - before, usize::from(is_granted));
            if !is_granted {
                let Poll::Ready(report) = first else { panic!("a refused act waits") };
                prop_assert_eq!(report.outcome, ActOutcome::Refused);
                prop_assert_eq!(report.by.as_str(), "act limit");
                let granted = report.details.iter().filter(|detail| detail.name == "granted at").count();
                prop_assert_eq!(granted, of_site);
                prop_assert_eq!(report.details.find("free at").is_some(), most > 0);
                continue;
            }
            match known {
                Some(known) => known.passed += 1,
                None => {
                    let reading = readings.len() - 1;
                    grants.push(Grant { key: number, site, passed: 1, is_left_out: false, reading });
                }
            }
            if is_dropped {
                drop(act);
                continue;
            }
            let Poll::Ready(report) = act.as_mut().poll(&mut context) else { panic!("it waits") };
            prop_assert_eq!(report.by.as_str(), "hands");
            if report.outcome == ActOutcome::Refused {
                let last = grants.iter_mut().rfind(|grant| grant.key == number).unwrap();
                last.is_left_out = last.passed == 1;
            }
            let counted = grants.iter().filter(|grant| grant.counts(&readings, WITHIN)).count();
            prop_assert_eq!(limited.granted().len(), counted);
        }
    }
}

#[test]
fn an_act_beyond_the_limit_is_put_to_a_person() {
    let set = restart_set();
    let clock = Arc::new(ManualClock::new(NOW));
    let hands = Arc::new(Hands { next: Mutex::new(2), ..Hands::default() });
    let limited = LimitedActuator::new(hands.clone(), ActLimit::per_hour(2), clock.clone());
    let limited = Arc::new(limited);
    let end = |number: u128, site: &str, actuator: Arc<dyn Actuator>| {
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let driver = Driver::new(&set, &Checks::none(), Probes::new(), timer).unwrap();
        let driver = driver.with_clock(clock.clone()).with_actuator(actuator);
        let subject = Subject::device("press-07").with_gateway(format!("gw-{number}")).with_site(site);
        let trigger = Trigger::new("alert", clock.now());
        let mut diagnosis =
            Diagnosis::new(Ulid(number), &set, "restart", subject, trigger, clock.now()).unwrap();
        let longest = Duration::ZERO;
        let progress = block_on(driver.run_until_wait(&mut diagnosis, &Handle::new(), longest)).unwrap();
        let trace = serde_json::to_string(&diagnosis.bundle()).unwrap();
        (matches!(progress, Progress::Waits { asked, .. } if !asked.is_empty()), trace)
    };
    assert!(!end(1, "north", limited.clone()).0 && !end(2, "north", limited.clone()).0);
    // The third of the hour is not done, and a person is asked; the reason is in the saved trace.
    let (is_asked, trace) = end(3, "north", limited.clone());
    assert!(is_asked);
    for words in [
        "the limit is reached: at most 2 `restart-gateway` at site north within 1 h",
        "free at",
        "2027-01-15T09:00:00Z",
    ] {
        assert!(trace.contains(words), "{words}: {trace}");
    }
    assert_eq!(hands.came.lock().unwrap().len(), 2);
    // Another site has acts of its own, and an hour later there are new ones.
    assert!(!end(4, "south", limited.clone()).0);
    clock.advance(TimeDelta::hours(1));
    assert!(!end(5, "north", limited.clone()).0);

    // What counts is taken over by the next process.
    let text = serde_json::to_string(&limited.granted()).unwrap();
    let next = LimitedActuator::new(hands, ActLimit::per_hour(1), clock.clone())
        .with_granted(serde_json::from_str::<Vec<_>>(&text).unwrap());
    assert!(end(6, "north", Arc::new(next)).0);

    let (is_asked, trace) = end(7, "west", Arc::new(DryRun));
    assert!(is_asked);
    assert!(trace.contains("`restart-gateway` on gateway gw-7 was not done: this is a dry run"), "{trace}");
}

/// The same runbook, whose act a person must approve.
fn asking_set() -> RunbookSet {
    let text = RESTART.replace("approval = \"automatic\"", "approval = \"required\"");
    RunbookSet::new([Document::from_toml(&text).unwrap().validate().unwrap()]).unwrap()
}

/// What the person at each approval sees of the limit.
#[derive(Default)]
struct Reads(Mutex<Vec<Option<ActQuota>>>);

#[async_trait]
impl Operator for Reads {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        self.0.lock().unwrap().push(request.quota().cloned());
        Some(request.grant("ann"))
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        None
    }

    async fn tell(&self, _: &Alert) {}
}

#[test]
fn a_person_sees_the_limit_before_the_act() {
    let set = asking_set();
    let clock = Arc::new(ManualClock::new(NOW));
    let hands = Arc::new(Hands { next: Mutex::new(2), ..Hands::default() });
    let reads = Arc::new(Reads::default());
    let limited = Arc::new(LimitedActuator::new(hands.clone(), ActLimit::per_hour(2), clock.clone()));
    // Within another limit that is never reached.
    let outer = Arc::new(LimitedActuator::new(limited.clone(), ActLimit::per_hour(100), clock.clone()));
    let restart = |number: u128, actuator: Arc<dyn Actuator>| {
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let driver = Driver::new(&set, &Checks::none(), Probes::new(), timer).unwrap();
        let driver = driver.with_clock(clock.clone()).with_actuator(actuator).with_operator(reads.clone());
        let subject = Subject::device("press-07").with_gateway(format!("gw-{number}")).with_site("north");
        let trigger = Trigger::new("alert", clock.now());
        let mut diagnosis =
            Diagnosis::new(Ulid(number), &set, "restart", subject, trigger, clock.now()).unwrap();
        let done = hands.came.lock().unwrap().len();
        block_on(driver.run(&mut diagnosis)).unwrap();
        (hands.came.lock().unwrap().len() > done, reads.0.lock().unwrap().pop().unwrap())
    };
    let mut granted = Vec::new();
    for (number, minute) in [(1, 0), (2, 10), (3, 30)] {
        let (at, is_free) = (NOW + TimeDelta::minutes(minute), granted.len() < 2);
        clock.set(at);
        let (is_done, quota) = restart(number, limited.clone());
        let quota = quota.unwrap();
        assert_eq!((quota.most, &quota.used, quota.at), (2, &granted, at));
        assert_eq!((is_done, quota.is_reached()), (is_free, !is_free), "{quota}");
        granted.extend(is_free.then_some(at));
    }
    // The last of them waited for a person in vain.
    clock.set(NOW + TimeDelta::minutes(35));
    // Through another wrapper, whose own limit is not reached: the one that refuses is shown.
    let (is_done, quota) = restart(4, outer.clone());
    assert!(!is_done && quota.as_ref().unwrap().is_reached());
    assert_eq!(
        quota.unwrap().to_string(),
        "the limit is reached: 2 of 2 `restart-gateway` at site north within 1 h, the first at 2027-01-15T08:00:00Z; \
         one that begins before 2027-01-15T09:00:00Z is refused"
    );
    clock.set(NOW + TimeDelta::hours(1));
    let (is_done, quota) = restart(5, outer);
    assert_eq!((is_done, quota.unwrap().most), (true, 100));
    // Where nothing is limited, nothing is shown.
    assert_eq!(restart(6, hands.clone()), (true, None));
}

#[test]
fn a_saved_approval_carries_the_limit() {
    let set = asking_set();
    let clock = Arc::new(ManualClock::new(NOW));
    let hands = Arc::new(Hands { next: Mutex::new(2), ..Hands::default() });
    let limited = Arc::new(LimitedActuator::new(hands, ActLimit::per_hour(1), clock.clone()));
    let (mut keys, news) = (Vec::new(), Handle::new());
    for number in 1..=2 {
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let driver = Driver::new(&set, &Checks::none(), Probes::new(), timer).unwrap();
        let driver = driver.with_clock(clock.clone()).with_actuator(limited.clone());
        let subject = Subject::device("press-07").with_gateway("gw-1").with_site("north");
        let trigger = Trigger::new("alert", NOW);
        let diagnosis = Diagnosis::new(Ulid(number), &set, "restart", subject, trigger, NOW).unwrap();
        // Two devices of one incident want one act.
        let mut diagnosis = diagnosis.with_incident("incident 7");
        let run = driver.run_until_wait(&mut diagnosis, &news, Duration::ZERO);
        let Progress::Waits { asked, .. } = block_on(run).unwrap() else { panic!("it has ended") };
        let saved: Vec<Asked> = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
        assert_eq!(saved, asked);
        let [Asked::Approval(request)] = &saved[..] else { panic!("{saved:?}") };
        // The second would be the same act: it is passed on, whatever the limit.
        assert_eq!(request.quota().map(ActQuota::is_reached), (number == 1).then_some(false));
        keys.push(request.idempotency_key().unwrap().to_owned());
        diagnosis.approve(request.grant("ann"), NOW).unwrap();
        let run = driver.run_until_wait(&mut diagnosis, &news, Duration::ZERO);
        assert!(matches!(block_on(run).unwrap(), Progress::Ended(_)));
    }
    let granted: Vec<String> = limited.granted().into_iter().map(|act| act.key).collect();
    assert_eq!(keys, [granted[0].clone(), granted[0].clone()]);
    assert_eq!(granted.len(), 1);
    // A request that was saved by an earlier version has neither.
    let mut text = serde_json::to_value(asked_once(&set)).unwrap();
    let fields = text["approval"].as_object_mut().unwrap();
    assert!(fields.remove("key").is_some() && fields.remove("quota").is_none());
    let Asked::Approval(request) = serde_json::from_value(text).unwrap() else { panic!("no approval") };
    assert_eq!((request.idempotency_key(), request.quota()), (None, None));
}

/// What a diagnosis asks that nobody limits.
fn asked_once(set: &RunbookSet) -> Asked {
    let subject = Subject::device("press-07").with_gateway("gw-1");
    let mut diagnosis =
        Diagnosis::new(Ulid(9), set, "restart", subject, Trigger::new("alert", NOW), NOW).unwrap();
    match diagnosis.poll(NOW) {
        Output::Approve(request) => Asked::Approval(Box::new(request)),
        other => panic!("{other:?}"),
    }
}

/// Does what it is asked, and can't say what is limited.
struct Unlimited {
    panics: bool,
}

#[async_trait]
impl Actuator for Unlimited {
    async fn act(&self, _: &ActRequest) -> ActReport {
        ActReport::done("hands")
    }

    async fn quota(&self, _: &ApprovalRequest) -> Option<ActQuota> {
        if self.panics {
            panic!("no table of limits");
        }
        std::future::pending().await
    }
}

#[test]
fn an_unknown_limit_keeps_nobody_from_being_asked() {
    let set = asking_set();
    for panics in [false, true] {
        let clock = Arc::new(ManualClock::new(NOW));
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let reads = Arc::new(Reads::default());
        let driver = Driver::new(&set, &Checks::none(), Probes::new(), timer).unwrap();
        let driver = driver.with_clock(clock.clone()).with_actuator(Arc::new(Unlimited { panics }));
        let begin = |number: u128| {
            let subject = Subject::device("press-07").with_gateway("gw-1");
            Diagnosis::new(Ulid(number), &set, "restart", subject, Trigger::new("alert", NOW), NOW).unwrap()
        };
        let finding = block_on(driver.clone().with_operator(reads.clone()).run(&mut begin(1))).unwrap();
        assert_eq!(finding.conclusion(), Some("restarted"));
        assert_eq!(*reads.0.lock().unwrap(), [None]);
        let (mut waits, news) = (begin(2), Handle::new());
        let run = driver.run_until_wait(&mut waits, &news, Duration::ZERO);
        let Progress::Waits { asked, .. } = block_on(run).unwrap() else { panic!("it has ended") };
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn an_action_may_have_a_limit_of_its_own() {
    let set = restart_set();
    let clock = Arc::new(ManualClock::new(NOW));
    let hands = Arc::new(Hands { next: Mutex::new(2), ..Hands::default() });
    let limited = LimitedActuator::new(hands.clone(), ActLimit::per_hour(1), clock.clone())
        .with_limit("restart-gateway", ActLimit::per_hour(0));
    let report = block_on(limited.act(&request(&set, 1, 1)));
    assert_eq!(report.outcome, ActOutcome::Refused);
    assert_eq!(report.details.iter().map(|detail| &*detail.name).collect::<Vec<_>>(), ["why"]);
    let plain =
        LimitedActuator::new(hands, ActLimit::per_hour(1), clock).with_limit("renew", ActLimit::per_hour(0));
    assert_eq!(block_on(plain.act(&request(&set, 1, 1))).outcome, ActOutcome::Done);
    let report = block_on(plain.act(&request(&set, 4, 1)));
    assert_eq!(report.outcome, ActOutcome::Refused);
    let used = report.details.iter().filter(|Detail { name, .. }| name == "granted at");
    assert_eq!(used.count(), 1);
}
