//! What is shared, beside a slow model, and among callers that come and go.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use iot_runbook::probe::layer::Part;
use iot_runbook::subject::Scope;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    NOW + TimeDelta::seconds(seconds)
}

/// The shortest of `Sharing` in seconds that the documentation of the methods allows.
const HEARTBEAT: i64 = 30;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// An adapter that notes each call, and answers with the time of it.
struct Counted {
    clock: Arc<ManualClock>,
    calls: Mutex<Vec<String>>,
}

impl Counted {
    fn note(&self, call: String) -> DateTime<Utc> {
        self.calls.lock().unwrap().push(call);
        self.clock.now()
    }
}

#[async_trait]
impl GatewayProbe for Counted {
    fn source(&self) -> Source {
        Source::new("counted")
    }

    async fn health(&self, ask: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        Ok(GatewayHealth::new(self.note(format!("health {}", ask.gateway))))
    }

    async fn acquisition(&self, ask: &AcquisitionRequest) -> Result<Acquisition, ProbeError> {
        Ok(Acquisition::new(self.note(format!("acquisition {}", ask.gateway)), ask.period))
    }
}

#[async_trait]
impl DeviceProbe for Counted {
    fn source(&self) -> Source {
        Source::new("counted")
    }

    async fn service_state(&self, ask: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        Ok(ServiceStateAnswer::new(self.note(format!("state {}", ask.device))))
    }

    async fn last_seen(&self, ask: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        Ok(LastSeenAnswer::new(self.note(format!("seen {}", ask.device))))
    }

    async fn receipts(&self, ask: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        Ok(Receipts::new(self.note(format!("receipts {}", ask.device)), ask.period))
    }
}

#[async_trait]
impl PlatformProbe for Counted {
    fn source(&self) -> Source {
        Source::new("counted")
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn silent_peers(&self, _: &PlatformRequest) -> Result<SilentPeers, ProbeError> {
        Ok(SilentPeers::new(self.note("peers".to_owned())))
    }
}

/// What happens next to a service that shares.
#[derive(Clone, Debug)]
enum Act {
    /// Seconds pass; the clock may be set back.
    Pass(i64),
    /// A method (of five) is asked about a part (of two), by one whom answers of the last so many seconds serve.
    Ask(u8, u8, Option<i64>),
    ForgetGateway(u8),
    ForgetAll,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let since =
        prop_oneof![1 => Just(None), 6 => prop_oneof![Just(0), 0..100_i64, Just(10_000)].prop_map(Some)];
    let act = prop_oneof![
        6 => prop_oneof![Just(0), 1..40_i64, Just(HEARTBEAT), Just(MINUTE), Just(HOUR), -20..0_i64].prop_map(Act::Pass),
        12 => (0..5_u8, 0..2_u8, since).prop_map(|(method, part, since)| Act::Ask(method, part, since)),
        1 => (0..2_u8).prop_map(Act::ForgetGateway),
        1 => Just(Act::ForgetAll),
    ];
    prop::collection::vec(act, 1..60)
}

/// Asks, and gives when the answer was asked.
fn ask(probes: &Probes, method: u8, part: u8, period: Period) -> DateTime<Utc> {
    let (gateway, device) = (format!("gw-{part}"), format!("press-{part}"));
    block_on(async {
        match method {
            0 => {
                probes
                    .gateway()
                    .unwrap()
                    .health(&HealthRequest::new(gateway.into()))
                    .await
                    .unwrap()
                    .observed_at
            }
            1 => {
                let ask = ServiceStateRequest::new(device.into());
                probes.device().unwrap().service_state(&ask).await.unwrap().observed_at
            }
            2 => {
                probes
                    .device()
                    .unwrap()
                    .last_seen(&LastSeenRequest::new(device.into()))
                    .await
                    .unwrap()
                    .observed_at
            }
            3 => {
                let ask = AcquisitionRequest::new(gateway.into(), "press".into(), period);
                probes.gateway().unwrap().acquisition(&ask).await.unwrap().observed_at
            }
            _ => {
                let ask = ReceiptsRequest::new(device.into(), period);
                probes.device().unwrap().receipts(&ask).await.unwrap().observed_at
            }
        }
    })
}

proptest! {
    #![proptest_config(cases(400))]

    /// The model keeps each answer that was ever asked, and looks through all of them.
    #[test]
    fn answers_are_those_of_a_slow_model(
        acts in acts(),
        around in prop::collection::vec(1_u8..7, 0..3),
        ends in -100..100_i64,
    ) {
        let clock = Arc::new(ManualClock::new(NOW));
        let adapter = Arc::new(Counted { clock: clock.clone(), calls: Mutex::default() });
        let shared = Arc::new(Shared::new(clock.clone()));
        let mut probes = Probes::new().with_gateway(adapter.clone()).with_device(adapter.clone());
        for kind in &around {
            probes = probes.with_layer(plain_layer(*kind, &clock));
        }
        let probes = probes.with_layer(shared.clone());
        let period = Period::ending(at(ends), TimeDelta::hours(1));
        // Of each method and part: when it was asked.
        let mut asked: Vec<(u8, u8, DateTime<Utc>)> = Vec::new();
        let mut calls = 0;
        let mut latest = NOW;
        for act in acts {
            match act {
                Act::Pass(seconds) => clock.advance(TimeDelta::seconds(seconds)),
                Act::ForgetGateway(part) => {
                    shared.forget(&Part::new(Scope::Gateway, format!("gw-{part}")));
                    asked.retain(|(method, of, _)| !(matches!(method, 0 | 3) && *of == part));
                }
                Act::ForgetAll => {
                    probes.forget_all();
                    asked.clear();
                }
                Act::Ask(method, part, since) => {
                    let now = clock.now();
                    let since = since.map(|ago| now - TimeDelta::seconds(ago));
                    // After a step back nobody knows what was asked before what. It is seen by what may be shared.
                    if method != 2 {
                        if now < latest {
                            asked.clear();
                        }
                        latest = now;
                    }
                    let serves = |of: &&(u8, u8, DateTime<Utc>)| {
                        let (for_seconds, is_over) = match method {
                            0 => (HEARTBEAT, true),
                            1 => (MINUTE, true),
                            _ => (HOUR, period.end() <= of.2),
                        };
                        let age = (now - of.2).num_seconds();
                        method != 2
                            && (of.0, of.1) == (method, part) && is_over && age < for_seconds && since.is_some_and(|since| since <= of.2)
                    };
                    let expected = asked.iter().rfind(serves).map_or(now, |of| of.2);
                    if !asked.iter().any(|of| serves(&of)) {
                        calls += 1;
                        asked.push((method, part, now));
                    }
                    let answered = ask(&probes.shared_since(since), method, part, period);
                    prop_assert_eq!(answered, expected, "{} {}", method, part);
                    prop_assert!(answered == now || since.is_some_and(|since| since <= answered));
                    prop_assert_eq!(adapter.calls.lock().unwrap().len(), calls);
                }
            }
        }
    }
}

#[test]
fn each_question_of_a_storm_is_asked_once() {
    let clock = Arc::new(ManualClock::new(NOW));
    let adapter = Arc::new(Counted { clock: clock.clone(), calls: Mutex::default() });
    let shared = Arc::new(Shared::new(clock));
    let probes = Probes::new()
        .with_gateway(adapter.clone())
        .with_platform(adapter.clone())
        .with_layer(shared)
        .shared_since(Some(NOW))
        .into_owned();
    for device in 0..1_000 {
        let gateway = format!("gw-{}", device % 10);
        let peers =
            PlatformRequest::new(format!("press-{device}").into()).with_gateway(gateway.clone().into());
        block_on(probes.gateway().unwrap().health(&HealthRequest::new(gateway.into()))).unwrap();
        block_on(probes.platform().unwrap().silent_peers(&peers)).unwrap();
    }
    assert_eq!(adapter.calls.lock().unwrap().len(), 20);
    // Without a gateway nobody knows whose peers they are.
    for device in ["a", "b"] {
        block_on(probes.platform().unwrap().silent_peers(&PlatformRequest::new(device.into()))).unwrap();
    }
    assert_eq!(adapter.calls.lock().unwrap().len(), 22);
}

#[test]
fn a_group_shares_and_rules_are_overridden() {
    let clock = Arc::new(ManualClock::new(NOW));
    let adapter = Arc::new(Counted { clock: clock.clone(), calls: Mutex::default() });
    let shared =
        Shared::new(clock.clone()).with_sharing("device.last_seen", Sharing::For(TimeDelta::seconds(2)));
    let shared = shared.unwrap().with_group("device.last_seen", |_| Some("all".into())).unwrap();
    let probes = Probes::new().with_device(adapter).with_layer(Arc::new(shared));
    let probes = probes.shared_since(Some(NOW));
    let period = Period::ending(NOW, TimeDelta::hours(1));
    assert_eq!(ask(&probes, 2, 0, period), NOW);
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(ask(&probes, 2, 1, period), NOW);
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(ask(&probes, 2, 1, period), at(2));
}

#[test]
fn sources_do_not_share_with_each_other() {
    struct Other(Arc<Counted>);

    #[async_trait]
    impl GatewayProbe for Other {
        fn source(&self) -> Source {
            Source::new("other")
        }

        async fn health(&self, ask: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
            self.0.health(ask).await
        }
    }

    let clock = Arc::new(ManualClock::new(NOW));
    let adapter = Arc::new(Counted { clock: clock.clone(), calls: Mutex::default() });
    let shared: Arc<dyn Layer> = Arc::new(Shared::new(clock));
    let one = Layered::new(adapter.clone()).with_layer(shared.clone()).shared_since(Some(NOW));
    let two = Layered::new(Arc::new(Other(adapter.clone()))).with_layer(shared).shared_since(Some(NOW));
    for _ in 0..2 {
        block_on(one.health(&HealthRequest::new("gw-2".into()))).unwrap();
        block_on(two.health(&HealthRequest::new("gw-2".into()))).unwrap();
    }
    assert_eq!(adapter.calls.lock().unwrap().len(), 2);
}

#[test]
fn memory_is_bounded() {
    let clock = Arc::new(ManualClock::new(NOW));
    let adapter = Arc::new(Counted { clock: clock.clone(), calls: Mutex::default() });
    let shared = Arc::new(Shared::new(clock).with_most(10));
    let probes = Probes::new().with_gateway(adapter.clone()).with_layer(shared.clone());
    let probes = probes.shared_since(Some(NOW));
    let health = |number: u32| HealthRequest::new(format!("gw-{number}").into());
    for number in 0..100 {
        block_on(probes.gateway().unwrap().health(&health(number))).unwrap();
        assert!(shared.kept() <= 10);
        // The latest few are always there.
        block_on(probes.gateway().unwrap().health(&health(number))).unwrap();
        block_on(probes.gateway().unwrap().health(&health(number.saturating_sub(4)))).unwrap();
    }
    assert_eq!(adapter.calls.lock().unwrap().len(), 100);
}

/// A future that is polled only when it was woken, as a runtime does.
pub(super) struct Task<'a, T> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send + 'a>>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a, T> Task<'a, T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'a) -> Self {
        Self { work: Some(Box::pin(work)), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    pub(super) fn poll(&mut self) -> Option<T> {
        let work = self.work.as_mut()?;
        if !self.woken.0.swap(false, Ordering::Relaxed) {
            return None;
        }
        let waker = Waker::from(self.woken.clone());
        let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) else { return None };
        self.work = None;
        Some(done)
    }

    pub(super) fn cancel(&mut self) {
        self.work = None;
    }

    pub(super) fn is_over(&self) -> bool {
        self.work.is_none()
    }
}

/// A gateway agent that takes its time: turns, and what becomes of the first calls.
pub(super) struct Agent {
    pub(super) clock: Arc<ManualClock>,
    pub(super) turns: u32,
    /// Of the nth call: panics, fails, or (all others) answers.
    pub(super) panics: usize,
    pub(super) fails: usize,
    pub(super) began: Mutex<usize>,
    pub(super) open: Mutex<(usize, usize)>,
}

impl Agent {
    pub(super) fn new(clock: &Arc<ManualClock>, turns: u32) -> Self {
        let clock = clock.clone();
        Self { clock, turns, panics: 0, fails: 0, began: Mutex::default(), open: Mutex::default() }
    }
}

struct Open<'a>(&'a Mutex<(usize, usize)>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

#[async_trait]
impl GatewayProbe for Agent {
    fn source(&self) -> Source {
        Source::new("agent")
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        let observed_at = self.clock.now();
        let nth = {
            let mut began = self.began.lock().unwrap();
            *began += 1;
            *began
        };
        {
            let mut open = self.open.lock().unwrap();
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        let _open = Open(&self.open);
        crate::memory::turn(self.turns).await;
        assert!(nth > self.panics, "the agent panics");
        if nth <= self.panics + self.fails {
            return Err(ProbeError::transient("not just now"));
        }
        Ok(GatewayHealth::new(observed_at))
    }
}

fn health<'a, P: GatewayProbe>(layered: &'a P) -> Task<'a, Result<GatewayHealth, ProbeError>> {
    Task::new(async { layered.health(&HealthRequest::new("gw-2".into())).await })
}

#[test]
fn a_dropped_leader_hands_the_call_on() {
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent::new(&clock, 3));
    let layered =
        Layered::new(agent.clone()).with_layer(Arc::new(Shared::new(clock))).shared_since(Some(NOW));
    let (mut leader, mut follower, mut last) = (health(&layered), health(&layered), health(&layered));
    for task in [&mut leader, &mut follower, &mut last] {
        assert!(task.poll().is_none());
    }
    assert_eq!(*agent.began.lock().unwrap(), 1);
    leader.cancel();
    let mut answered = 0;
    for _ in 0..20 {
        answered += usize::from(follower.poll().is_some()) + usize::from(last.poll().is_some());
    }
    assert_eq!((answered, *agent.began.lock().unwrap()), (2, 2));
}

#[test]
fn a_panic_of_the_leader_reaches_it_alone() {
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent { panics: 1, ..Agent::new(&clock, 1) });
    let layered =
        Layered::new(agent.clone()).with_layer(Arc::new(Shared::new(clock))).shared_since(Some(NOW));
    let (mut leader, mut follower) = (health(&layered), health(&layered));
    assert!(leader.poll().is_none() && follower.poll().is_none());
    assert!(catch_unwind(AssertUnwindSafe(|| leader.poll())).is_err());
    leader.cancel();
    let answer = (0..9).find_map(|_| follower.poll());
    assert!(answer.unwrap().is_ok());
    assert_eq!(*agent.began.lock().unwrap(), 2);
}

#[test]
fn errors_go_to_those_who_waited_and_are_not_kept() {
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent { fails: 1, ..Agent::new(&clock, 1) });
    let layered =
        Layered::new(agent.clone()).with_layer(Arc::new(Shared::new(clock))).shared_since(Some(NOW));
    let (mut leader, mut follower) = (health(&layered), health(&layered));
    assert!(leader.poll().is_none() && follower.poll().is_none());
    assert!(leader.poll().unwrap().is_err());
    assert!(follower.poll().unwrap().is_err());
    assert!(block_on(layered.health(&HealthRequest::new("gw-2".into()))).is_ok());
    assert_eq!(*agent.began.lock().unwrap(), 2);
}

#[test]
fn what_is_forgotten_under_way_is_not_joined_or_kept() {
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent::new(&clock, 1));
    let shared = Arc::new(Shared::new(clock.clone()));
    let layered = Layered::new(agent.clone()).with_layer(shared.clone()).shared_since(Some(NOW));
    let mut before = health(&layered);
    assert!(before.poll().is_none());
    shared.forget(&Part::new(Scope::Gateway, "gw-2"));
    let mut after = health(&layered);
    assert!(after.poll().is_none());
    assert_eq!(*agent.began.lock().unwrap(), 2, "it does not join what was asked before");
    assert!(after.poll().is_some() && before.poll().is_some());
    let third = block_on(layered.health(&HealthRequest::new("gw-2".into()))).unwrap();
    assert_eq!((third.observed_at, *agent.began.lock().unwrap()), (NOW, 2));
    // The same without a second call: nothing is kept.
    let mut before = health(&layered);
    clock.advance(TimeDelta::seconds(31));
    assert!(before.poll().is_none());
    Layer::forget_all(&*shared);
    assert!(before.poll().is_some());
    assert_eq!(shared.kept(), 0);
}

#[test]
fn a_later_caller_does_not_join_an_earlier_call() {
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent::new(&clock, 1));
    let layered = Layered::new(agent.clone()).with_layer(Arc::new(Shared::new(clock.clone())));
    let (early, late) = (layered.shared_since(Some(NOW)), layered.shared_since(Some(at(1))));
    let mut first = health(&early);
    assert!(first.poll().is_none());
    clock.advance(TimeDelta::seconds(1));
    let mut second = health(&late);
    assert!(second.poll().is_none());
    assert_eq!(second.poll().unwrap().unwrap().observed_at, at(1));
    assert_eq!(first.poll().unwrap().unwrap().observed_at, NOW);
    // The later answer is the one that is kept.
    assert_eq!(block_on(early.health(&HealthRequest::new("gw-2".into()))).unwrap().observed_at, at(1));
    assert_eq!(*agent.began.lock().unwrap(), 2);
}

proptest! {
    #![proptest_config(cases(300))]

    /// Callers come, are dropped and go on in any order, each polled only when it was woken: nobody hangs, and there is
    /// never more than one call of those who share.
    #[test]
    fn single_flight_never_hangs(steps in prop::collection::vec((0_usize..6, 0_u8..8), 1..60), turns in 0_u32..4, fails in 0_usize..3) {
        let clock = Arc::new(ManualClock::new(NOW));
        let agent = Arc::new(Agent { fails, ..Agent::new(&clock, turns) });
        let layered = Layered::new(agent.clone()).with_layer(Arc::new(Shared::new(clock))).shared_since(Some(NOW));
        let mut tasks: Vec<_> = (0..6).map(|_| health(&layered)).collect();
        for (task, what) in steps {
            if what == 0 { tasks[task].cancel() } else { let _ = tasks[task].poll(); }
        }
        for _ in 0..100 {
            for task in &mut tasks {
                let _ = task.poll();
            }
        }
        prop_assert!(tasks.iter().all(Task::is_over));
        prop_assert!(agent.open.lock().unwrap().1 <= 1);
        prop_assert_eq!(agent.open.lock().unwrap().0, 0);
    }
}

#[test]
fn a_call_under_way_outlives_no_rule() {
    // A call that takes longer than its answer may be shared is not joined by one who comes after that.
    let clock = Arc::new(ManualClock::new(NOW));
    let agent = Arc::new(Agent::new(&clock, 1));
    let layered = Layered::new(agent.clone()).with_layer(Arc::new(Shared::new(clock.clone())));
    let layered = layered.shared_since(Some(NOW));
    let mut first = health(&layered);
    assert!(first.poll().is_none());
    clock.advance(TimeDelta::seconds(HEARTBEAT));
    let mut second = health(&layered);
    assert!(second.poll().is_none());
    assert_eq!(*agent.began.lock().unwrap(), 2);
    block_on(poll_fn(|_| if second.poll().is_some() { Poll::Ready(()) } else { Poll::Pending }));
}
