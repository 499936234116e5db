//! The circuit breaker beside a slow model, which reads the whole history of a circuit for each question.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// What an adapter may come to. The first three are failures of a system that does not work.
const OUTCOMES: usize = 6;

fn outcome(number: usize) -> Result<GatewayHealth, ProbeError> {
    Err(match number {
        0 => ProbeError::transient("busy"),
        1 => ProbeError::timeout("late"),
        2 => ProbeError::failed("broken"),
        3 => ProbeError::refused("forbidden"),
        4 => ProbeError::unsupported(),
        _ => return Ok(GatewayHealth::new(NOW)),
    })
}

/// An adapter whose calls end when the test says so.
#[derive(Default)]
struct Held(Mutex<Vec<Option<usize>>>);

#[async_trait]
impl GatewayProbe for Held {
    fn source(&self) -> Source {
        Source::new("held")
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        let call = {
            let mut calls = self.0.lock().unwrap();
            calls.push(None);
            calls.len() - 1
        };
        let ended = poll_fn(|_| self.0.lock().unwrap()[call].map_or(Poll::Pending, Poll::Ready));
        outcome(ended.await)
    }
}

/// A question that was let through, and is not answered yet.
struct Open<'a> {
    call: usize,
    circuit: usize,
    work: Pin<Box<dyn Future<Output = Result<GatewayHealth, ProbeError>> + Send + 'a>>,
}

/// Something that happened to a call of a circuit.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Event {
    Began,
    Failed,
    Worked,
    Dropped,
}

/// The history of one circuit: when, which call, what.
type History = Vec<(DateTime<Utc>, usize, Event)>;

/// How a circuit is after its history: since when it is open, and the call that is its trial.
fn read(history: &History, failures: usize) -> (Option<DateTime<Utc>>, Option<usize>) {
    let (mut open_since, mut trial) = (None, None);
    // The history since it was last closed.
    let mut closed_from = 0;
    for (position, (at, call, event)) in history.iter().enumerate() {
        match (event, open_since) {
            (Event::Began, Some(_)) => trial = Some(*call),
            (_, Some(_)) if trial == Some(*call) => {
                trial = None;
                match event {
                    Event::Failed => open_since = Some(*at),
                    Event::Worked => (open_since, closed_from) = (None, position + 1),
                    _ => {}
                }
            }
            (Event::Failed, None) => {
                let ends = history[closed_from..=position].iter().rev().map(|(_, _, event)| event);
                let ends = ends.filter(|event| matches!(event, Event::Failed | Event::Worked));
                if ends.take_while(|event| **event == Event::Failed).count() >= failures {
                    open_since = Some(*at);
                }
            }
            _ => {}
        }
    }
    (open_since, trial)
}

#[derive(Clone, Debug)]
enum Step {
    /// A question about one of three gateways.
    Ask(usize),
    /// One of the open calls ends.
    End(usize, usize),
    /// The caller of one of them is dropped.
    Drop(usize),
    /// Seconds pass; the clock may be set back.
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Failures are likely, or few circuits would open.
    let outcome = prop_oneof![4 => 0_usize..3, 2 => 3..OUTCOMES];
    let step = prop_oneof![
        6 => (0_usize..3).prop_map(Step::Ask),
        6 => (0_usize..8, outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => (0_usize..8).prop_map(Step::Drop),
        2 => prop_oneof![0_i64..12, Just(10), -30_i64..0, Just(1_000)].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn breaker_does_what_the_model_does(
        steps in steps(),
        failures in 1_u32..4,
        pause in prop_oneof![Just(0_i64), Just(10)],
        per_part in any::<bool>(),
    ) {
        let clock = Arc::new(ManualClock::new(NOW));
        let pause = TimeDelta::seconds(pause);
        let breaker = Breaker::new(clock.clone()).with_failures(failures).with_pause(pause);
        let breaker = Arc::new(if per_part { breaker.per_part() } else { breaker });
        let held = Arc::new(Held::default());
        let layered: Arc<dyn GatewayProbe> = Arc::new(Layered::new(held.clone()).with_layer(breaker.clone()));
        let mut histories: [History; 3] = Default::default();
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        let need = failures as usize;
        for step in steps {
            match step {
                Step::Ask(part) => {
                    let circuit = if per_part { part } else { 0 };
                    let now = clock.now();
                    let (open_since, trial) = read(&histories[circuit], need);
                    let left = open_since.map(|since| (since + pause - now).min(pause));
                    let ask = HealthRequest::new(format!("gw-{part}").into());
                    let asked = layered.clone();
                    let mut work = Box::pin(async move { asked.health(&ask).await });
                    let calls = held.0.lock().unwrap().len();
                    let answer = work.as_mut().poll(&mut context);
                    let passed = held.0.lock().unwrap().len() - calls;
                    match left {
                        Some(left) if left > TimeDelta::zero() || trial.is_some() => {
                            let Poll::Ready(Err(error)) = answer else { panic!("it passed an open circuit") };
                            let retry_after = Some(left.max(TimeDelta::zero()));
                            prop_assert_eq!(error.kind(), ProbeErrorKind::Transient { retry_after });
                            prop_assert!(error.text().contains("the circuit of held is open"), "{}", error);
                            prop_assert_eq!(passed, 0);
                        }
                        _ => {
                            prop_assert!(answer.is_pending());
                            prop_assert_eq!(passed, 1);
                            histories[circuit].push((now, calls, Event::Began));
                            open.push(Open { call: calls, circuit, work });
                        }
                    }
                }
                Step::End(which, number) if !open.is_empty() => {
                    let at = which % open.len();
                    let Open { call, circuit, mut work } = open.swap_remove(at);
                    held.0.lock().unwrap()[call] = Some(number);
                    let Poll::Ready(answer) = work.as_mut().poll(&mut context) else { panic!("it waits") };
                    // What the adapter says passes unchanged.
                    let expected = outcome(number);
                    prop_assert_eq!(answer.is_ok(), expected.is_ok());
                    if let (Err(answer), Err(expected)) = (answer, expected) {
                        prop_assert_eq!((answer.kind(), answer.text()), (expected.kind(), expected.text()));
                    }
                    let event = if number < 3 { Event::Failed } else { Event::Worked };
                    histories[circuit].push((clock.now(), call, event));
                }
                Step::Drop(which) if !open.is_empty() => {
                    let at = which % open.len();
                    let Open { call, circuit, work } = open.swap_remove(at);
                    drop(work);
                    histories[circuit].push((clock.now(), call, Event::Dropped));
                }
                Step::Pass(seconds) => clock.advance(TimeDelta::seconds(seconds)),
                Step::End(..) | Step::Drop(_) => {}
            }
            let expected = histories.iter().filter(|history| read(history, need).0.is_some()).count();
            prop_assert_eq!(breaker.open(), expected);
        }
    }
}
