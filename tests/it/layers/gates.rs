//! What waits, fails and is refused: `Limit`, `Rate`, `Retry`, `Breaker`, `Timeout`, `Chaos`.

use super::shared::{Agent, Task};
use super::*;

fn health<'a>(probe: &'a dyn GatewayProbe, gateway: &str) -> Task<'a, Result<GatewayHealth, ProbeError>> {
    let ask = HealthRequest::new(gateway.into());
    Task::new(async move { probe.health(&ask).await })
}

fn ask(probe: &dyn GatewayProbe, gateway: &str) -> Result<GatewayHealth, ProbeError> {
    block_on(probe.health(&HealthRequest::new(gateway.into())))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn limit_holds_and_nobody_is_forgotten(
        steps in prop::collection::vec((0_usize..8, 0_u8..8), 1..80),
        most in 1_usize..4,
        turns in 0_u32..4,
    ) {
        let clock = Arc::new(ManualClock::new(NOW));
        let agent = Arc::new(Agent::new(&clock, turns));
        let limit = Arc::new(Limit::new(most));
        let layered = Layered::new(agent.clone()).with_layer(limit.clone());
        let mut tasks: Vec<_> = (0..8).map(|_| health(&layered, "gw-2")).collect();
        for (task, what) in steps {
            if what == 0 { tasks[task].cancel() } else { let _ = tasks[task].poll(); }
            prop_assert_eq!(agent.open.lock().unwrap().0, limit.running());
            prop_assert!(limit.running() <= most);
            prop_assert!(limit.waiting() == 0 || tasks.len() > most);
        }
        for _ in 0..100 {
            for task in &mut tasks {
                let _ = task.poll();
            }
        }
        prop_assert!(tasks.iter().all(Task::is_over));
        prop_assert!(agent.open.lock().unwrap().1 <= most);
        prop_assert_eq!((limit.running(), limit.waiting()), (0, 0));
    }

    /// A bucket of `burst` tokens gains one each second; whoever finds none waits for the one that comes next.
    #[test]
    fn rate_is_a_token_bucket(
        pauses in prop::collection::vec(prop_oneof![Just(0_i64), 0..4_000_i64, Just(1_000), Just(60_000)], 1..60),
        burst in 1_u32..6,
    ) {
        let clock = Arc::new(ManualClock::new(NOW));
        let timer = Arc::new(Noted::default());
        let rate = Rate::new(2, TimeDelta::seconds(2), clock.clone(), timer.clone()).with_burst(burst);
        let layered = Layered::new(Arc::new(Agent::new(&clock, 0))).with_layer(Arc::new(rate));
        let most = i64::from(burst) * 1_000;
        // In thousandths; below zero where tokens that come later are taken already.
        let mut tokens = most;
        for pause in pauses {
            clock.advance(TimeDelta::milliseconds(pause));
            tokens = (tokens + pause).min(most) - 1_000;
            ask(&layered, "gw-2").unwrap();
            let slept: Duration = timer.0.lock().unwrap().drain(..).sum();
            prop_assert_eq!(i64::try_from(slept.as_millis()).unwrap(), (-tokens).max(0));
        }
    }
}

#[test]
fn limit_serves_in_order() {
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent::new(&clock, 1));
    let limit = Arc::new(Limit::new(1));
    let layered = Layered::new(agent).with_layer(limit.clone());
    let (mut first, mut second, mut third) =
        (health(&layered, "a"), health(&layered, "b"), health(&layered, "c"));
    assert!(first.poll().is_none() && second.poll().is_none() && third.poll().is_none());
    assert_eq!((limit.running(), limit.waiting()), (1, 2));
    assert!(first.poll().is_some());
    assert!(third.poll().is_none(), "it is the second's turn");
    assert_eq!((limit.running(), limit.waiting()), (0, 2));
    // One that comes now does not overtake those who wait.
    let mut fourth = health(&layered, "d");
    assert!(fourth.poll().is_none());
    assert_eq!((limit.running(), limit.waiting()), (0, 3));
    assert!(second.poll().is_none() && second.poll().is_some());
    assert!(third.poll().is_none() && third.poll().is_some());
}

#[test]
fn rate_waits_no_longer_after_the_clock_was_set_back() {
    let clock = Arc::new(ManualClock::new(NOW));
    let timer = Arc::new(Noted::default());
    let rate = Arc::new(Rate::new(1, TimeDelta::seconds(10), clock.clone(), timer.clone()));
    let layered = Layered::new(Arc::new(Agent::new(&clock, 0))).with_layer(rate.clone());
    ask(&layered, "gw-2").unwrap();
    clock.advance(TimeDelta::hours(-1));
    ask(&layered, "gw-2").unwrap();
    assert_eq!(*timer.0.lock().unwrap(), [Duration::from_secs(10)]);
    assert_eq!(rate.waiting(), 0);
}

#[test]
fn retry_asks_again_only_what_may_pass() {
    let clock = Arc::new(ManualClock::new(NOW));
    for (fails, calls, is_known) in [(0, 1, true), (1, 2, true), (2, 3, true), (3, 3, false)] {
        let agent = Arc::new(Agent { fails, ..Agent::new(&clock, 0) });
        let timer = Arc::new(Noted::default());
        let layered = Layered::new(agent.clone()).with_layer(Arc::new(Retry::new(timer.clone())));
        assert_eq!(ask(&layered, "gw-2").is_ok(), is_known, "{fails}");
        assert_eq!(*agent.began.lock().unwrap(), calls, "{fails}");
        let pauses = timer.0.lock().unwrap();
        for (pause, from) in pauses.iter().zip([200, 400]) {
            assert!((from..=from * 3 / 2).contains(&pause.as_millis()), "{pause:?}");
        }
        assert_eq!(pauses.len(), calls - 1);
    }
    let busy = |seconds| ProbeError::transient("busy").with_retry_after(TimeDelta::seconds(seconds));
    for (error, calls) in [
        (ProbeError::refused("no"), 1),
        (ProbeError::failed("no"), 1),
        (ProbeError::timeout("no"), 1),
        (busy(2), 3),
        (busy(3), 1),
    ] {
        let (layered, timer, asked) = failing(error);
        let layered = layered.with_layer(Arc::new(Retry::new(timer.clone())));
        assert!(ask(&layered, "gw-2").is_err());
        assert_eq!(*asked.lock().unwrap(), calls);
        assert!(timer.0.lock().unwrap().iter().all(|pause| *pause == Duration::from_secs(2)));
    }
}

#[test]
fn retry_pauses_are_spread_and_stay_the_same() {
    let pauses = |seed: u64, gateway: &str| {
        let (layered, timer, _) = failing(ProbeError::transient("busy"));
        let layered = layered.with_layer(Arc::new(Retry::new(timer.clone()).with_seed(seed)));
        assert!(ask(&layered, gateway).is_err());
        timer.0.lock().unwrap().clone()
    };
    assert_eq!(pauses(1, "gw-2"), pauses(1, "gw-2"));
    assert_ne!(pauses(1, "gw-2"), pauses(2, "gw-2"));
    let first: BTreeSet<_> =
        (0..100).map(|part| pauses(1, &format!("gw-{part}"))[0].as_millis() / 10).collect();
    assert!(first.len() >= 9, "{first:?}");
}

/// An adapter that always fails, how often it was asked, and a timer.
fn failing(error: ProbeError) -> (Layered<dyn GatewayProbe>, Arc<Noted>, Arc<Mutex<u32>>) {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let mut gateway = mock::MockGatewayProbe::new();
    gateway.expect_source().return_const(Source::new("agent"));
    gateway.expect_health().returning(move |_| {
        *count.lock().unwrap() += 1;
        Err(error.clone())
    });
    (Layered::new(Arc::new(gateway)), Arc::new(Noted::default()), asked)
}

#[test]
fn breaker_opens_tries_and_closes() {
    let clock = Arc::new(ManualClock::new(NOW));
    // Three failures in a row, one more at the trial, then it works.
    let agent = Arc::new(Agent { fails: 4, ..Agent::new(&clock, 1) });
    let breaker = Arc::new(Breaker::new(clock.clone()).with_failures(3));
    let layered = Layered::new(agent.clone()).with_layer(breaker.clone());
    for failures in 0..3 {
        assert_eq!(breaker.open(), 0, "{failures}");
        assert!(ask(&layered, "gw-2").is_err());
    }
    assert_eq!(breaker.open(), 1);
    let is_open = |left: i64| {
        let error = ask(&layered, "gw-2").unwrap_err();
        let retry_after = Some(TimeDelta::seconds(left));
        assert_eq!(error.kind(), ProbeErrorKind::Transient { retry_after });
        assert!(error.text().contains("open after") && error.text().contains("not just now"), "{error}");
    };
    is_open(30);
    clock.advance(TimeDelta::seconds(29));
    is_open(1);
    assert_eq!(*agent.began.lock().unwrap(), 3);
    // The trial fails: it opens for as long again.
    clock.advance(TimeDelta::seconds(1));
    assert!(ask(&layered, "gw-2").is_err());
    assert_eq!(*agent.began.lock().unwrap(), 4);
    is_open(30);
    // One trial at a time, and one that is dropped is none.
    clock.advance(TimeDelta::seconds(30));
    let mut trial = health(&layered, "gw-2");
    assert!(trial.poll().is_none());
    is_open(0);
    trial.cancel();
    assert_eq!(*agent.began.lock().unwrap(), 5);
    assert!(ask(&layered, "gw-2").is_ok());
    assert_eq!(breaker.open(), 0);
    assert!(ask(&layered, "gw-2").is_ok());
}

#[test]
fn breaker_counts_failures_in_a_row_of_one_circuit() {
    let clock = Arc::new(ManualClock::new(NOW));
    let (layered, _, asked) = failing(ProbeError::timeout("gone"));
    let by_part = layered.with_layer(Arc::new(Breaker::new(clock.clone()).with_failures(2).per_part()));
    for _ in 0..4 {
        assert!(ask(&by_part, "gw-1").is_err() && ask(&by_part, "gw-2").is_err());
    }
    assert_eq!(*asked.lock().unwrap(), 4);
    let (layered, _, asked) = failing(ProbeError::timeout("gone"));
    let by_source = layered.with_layer(Arc::new(Breaker::new(clock.clone()).with_failures(2)));
    for _ in 0..4 {
        assert!(ask(&by_source, "gw-1").is_err() && ask(&by_source, "gw-2").is_err());
    }
    assert_eq!(*asked.lock().unwrap(), 2);
    // Who refuses works.
    let (layered, _, asked) = failing(ProbeError::refused("no"));
    let layered = layered.with_layer(Arc::new(Breaker::new(clock.clone()).with_failures(1)));
    for _ in 0..4 {
        assert_eq!(ask(&layered, "gw-2").unwrap_err().kind(), ProbeErrorKind::Refused);
    }
    assert_eq!(*asked.lock().unwrap(), 4);
    // A success in between begins the count anew.
    let agent = Arc::new(Agent { fails: 1, ..Agent::new(&clock, 0) });
    let breaker = Arc::new(Breaker::new(clock).with_failures(2));
    let layered = Layered::new(agent.clone()).with_layer(breaker.clone());
    assert!(ask(&layered, "gw-2").is_err() && ask(&layered, "gw-2").is_ok());
    *agent.began.lock().unwrap() = 0;
    assert!(ask(&layered, "gw-2").is_err());
    assert_eq!(breaker.open(), 0);
}

#[test]
fn timeout_ends_what_hangs() {
    let clock = Arc::new(ManualClock::new(NOW));
    let timer = Arc::new(SimulatedTimer::new(clock.clone()));
    let agent = Arc::new(Agent::new(&clock, 1_000));
    let layered =
        Layered::new(agent.clone()).with_layer(Arc::new(Timeout::new(Duration::from_secs(3), timer)));
    let error = ask(&layered, "gw-2").unwrap_err();
    assert_eq!(error.kind(), ProbeErrorKind::Timeout);
    assert!(error.text().contains("3s"), "{error}");
    assert_eq!(clock.now(), NOW + TimeDelta::seconds(3));
    assert_eq!(agent.open.lock().unwrap().0, 0, "the call is dropped");
}

#[test]
fn chaos_is_the_same_for_the_same_seed() {
    let outcomes = |seed: u64| {
        let clock = Arc::new(ManualClock::new(NOW));
        let timer = Arc::new(Noted::default());
        let chaos = Chaos::new(seed, timer.clone())
            .with_latency(0.5, Duration::from_secs(2))
            .with_errors(0.25)
            .with_hangs(0.125)
            .with_stale(0.5);
        let layered = Layered::new(Arc::new(Agent::new(&clock, 0))).with_layer(Arc::new(chaos));
        let outcomes: Vec<_> = (0..400)
            .map(|_| {
                clock.advance(TimeDelta::seconds(1));
                match health(&layered, "gw-2").poll() {
                    None => "hangs",
                    Some(Err(error)) if error.is_transient() => "stumbles",
                    Some(Err(_)) => "fails",
                    Some(Ok(health)) if health.observed_at == clock.now() => "fresh",
                    Some(Ok(_)) => "stale",
                }
            })
            .collect();
        let slept = timer.0.lock().unwrap().clone();
        assert!(slept.iter().all(|length| *length <= Duration::from_secs(2)));
        (outcomes, slept)
    };
    let (one, slept) = outcomes(1);
    assert_eq!((one.clone(), slept.clone()), outcomes(1));
    assert_ne!(one, outcomes(2).0);
    let count = |what| one.iter().filter(|outcome| **outcome == what).count();
    // Of 400: an eighth, then a quarter of the rest, then half.
    assert!((30..=70).contains(&count("hangs")), "{}", count("hangs"));
    assert!((60..=115).contains(&(count("stumbles") + count("fails"))));
    assert!(count("stumbles") > 20 && count("fails") > 20);
    assert!((95..=165).contains(&count("stale")) && (95..=165).contains(&count("fresh")));
    assert!((160..=240).contains(&slept.len()), "{}", slept.len());
}

#[test]
fn only_the_chosen_pass_through_the_layer() {
    let clock = Arc::new(ManualClock::new(NOW));
    let note = Arc::new(Note::default());
    let only = Only::new(|asked| asked.part().name() == "gw-2", note.clone());
    let layered = Layered::new(Arc::new(Agent::new(&clock, 0))).with_layer(Arc::new(only));
    assert!(ask(&layered, "gw-1").is_ok());
    assert!(ask(&layered, "gw-2").is_err());
    assert_eq!(note.0.lock().unwrap().len(), 1);
    let memory = Memory::new(clock);
    let probes = memory.probes().with_layer(Arc::new(Only::adapter("power", note)));
    assert!(ask(&**probes.gateway().unwrap(), "gw-2").is_ok());
    assert!(block_on(probes.power().unwrap().power(&PowerRequest::new("press-07".into()))).is_err());
}
