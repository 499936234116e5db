use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Answer, Inner, Layer, Part, Question};
use crate::fact::Source;
use crate::probe::{ProbeError, ProbeErrorKind};
use crate::time::{Clock, saturating_add};

/// Leaves a system alone that fails again and again: a circuit breaker for each source.
///
/// After five failures in a row the circuit opens for 30 s: each question gets an unknown answer at once (`unavailable`),
/// with the reason and the last error. Then one question is let through as a trial; its success closes the circuit, its
/// failure opens it again. Errors that may pass, timeouts and failures count; a refusal and a question that an adapter
/// does not answer do not, and neither does a call that its caller drops.
///
/// ```
/// use std::sync::Arc;
/// use chrono::TimeDelta;
/// use iot_runbook::{probe::layer::Breaker, time::Clock};
///
/// fn breaker(clock: Arc<dyn Clock>) -> Breaker {
///     // Each gateway has a circuit of its own at its source.
///     Breaker::new(clock).with_failures(3).with_pause(TimeDelta::seconds(60)).per_part()
/// }
/// ```
pub struct Breaker {
    failures: u32,
    pause: TimeDelta,
    per_part: bool,
    clock: Arc<dyn Clock>,
    circuits: Mutex<HashMap<Circuit, State>>,
}

/// Circuits that are kept at the most; those without a failure are not.
const MOST_CIRCUITS: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Circuit(Source, Option<Part>);

struct State {
    /// Failures in a row.
    failures: u32,
    last: ProbeError,
    opened_at: Option<DateTime<Utc>>,
    trial: bool,
}

impl Breaker {
    /// A circuit for each source, which opens after 5 failures in a row for 30 s.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            failures: 5,
            pause: TimeDelta::seconds(30),
            per_part: false,
            clock,
            circuits: Mutex::default(),
        }
    }

    setters! {
        /// It opens after so many failures in a row; zero is taken as one.
        with_failures(failures: u32) => failures = failures.max(1);
        /// For how long it stays open before a trial; a negative length is taken as zero.
        with_pause(pause: TimeDelta) => pause = pause.max(TimeDelta::zero());
    }

    /// A circuit for each part at each source: one gateway that does not answer opens no circuit for the others.
    #[must_use]
    pub const fn per_part(mut self) -> Self {
        self.per_part = true;
        self
    }

    /// How many circuits are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().values().filter(|state| state.opened_at.is_some()).count()
    }

    /// Lets a question pass, or says why not. True: it passes as the trial of an open circuit.
    fn enter(&self, circuit: &Circuit) -> Result<bool, ProbeError> {
        let now = self.clock.now();
        let mut circuits = self.lock();
        let Some(state) = circuits.get_mut(circuit) else { return Ok(false) };
        let Some(opened_at) = state.opened_at else { return Ok(false) };
        // A clock that was set back makes the pause no longer than it is.
        let left = saturating_add(opened_at, self.pause).signed_duration_since(now).min(self.pause);
        if left <= TimeDelta::zero() && !state.trial {
            state.trial = true;
            return Ok(true);
        }
        let text = format!(
            "the circuit of {} is open after {} failures in a row, the last: {}",
            circuit.0.as_str(),
            state.failures,
            state.last
        );
        Err(ProbeError::transient(text).with_retry_after(left))
    }

    fn leave(&self, circuit: &Circuit, is_trial: bool, outcome: Result<(), &ProbeError>) {
        let mut circuits = self.lock();
        let Err(error) = outcome else {
            // The answer of a call from before it opened does not close it.
            if is_trial || circuits.get(circuit).is_some_and(|state| state.opened_at.is_none()) {
                circuits.remove(circuit);
            }
            return;
        };
        if circuits.len() >= MOST_CIRCUITS && !circuits.contains_key(circuit) {
            circuits.retain(|_, state| state.opened_at.is_some());
            if circuits.len() >= MOST_CIRCUITS {
                return;
            }
        }
        let state = circuits.entry(circuit.clone()).or_insert_with(|| State {
            failures: 0,
            last: error.clone(),
            opened_at: None,
            trial: false,
        });
        state.failures = state.failures.saturating_add(1);
        state.last = error.clone();
        if is_trial {
            state.trial = false;
        }
        if is_trial || (state.opened_at.is_none() && state.failures >= self.failures) {
            state.opened_at = Some(self.clock.now());
            #[cfg(feature = "tracing")]
            tracing::warn!(source = circuit.0.as_str(), failures = state.failures, %error, "circuit opened");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Circuit, State>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trial that is under way: one that is dropped lets the next question be the trial.
struct Trial<'a> {
    breaker: &'a Breaker,
    circuit: &'a Circuit,
    is_trial: bool,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.is_trial
            && let Some(state) = self.breaker.lock().get_mut(self.circuit)
        {
            state.trial = false;
        }
    }
}

#[async_trait]
impl Layer for Breaker {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let part = self.per_part.then(|| question.part().clone());
        let circuit = Circuit(question.source().clone(), part);
        let is_trial = self.enter(&circuit)?;
        let mut trial = Trial { breaker: self, circuit: &circuit, is_trial };
        let answer = inner.ask().await;
        trial.is_trial = false;
        let outcome = match &answer {
            Err(error) if counts(error) => Err(error),
            _ => Ok(()),
        };
        self.leave(&circuit, is_trial, outcome);
        answer
    }
}

/// True for an error of a system that does not work. One that refuses works.
const fn counts(error: &ProbeError) -> bool {
    matches!(
        error.kind(),
        ProbeErrorKind::Transient { .. } | ProbeErrorKind::Timeout | ProbeErrorKind::Failed
    )
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("failures", &self.failures)
            .field("pause", &self.pause)
            .field("per_part", &self.per_part)
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}
