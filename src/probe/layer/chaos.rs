use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::hash::Hash as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::random::Fnv;
use super::{Answer, Inner, Key, Layer, Question};
use crate::probe::ProbeError;
use crate::time::Timer;

/// For tests: slow, failing, hanging and old answers, by a seed.
///
/// Each share runs from 0 to 1 and counts apart. The same seed and the same questions in the same order get the same.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use iot_runbook::{probe::layer::Chaos, time::Timer};
///
/// fn bad_day(seed: u64, timer: Arc<dyn Timer>) -> Chaos {
///     Chaos::new(seed, timer).with_latency(0.5, Duration::from_secs(4)).with_errors(0.1).with_hangs(0.02)
/// }
/// ```
pub struct Chaos {
    seed: u64,
    latency: (f64, Duration),
    errors: f64,
    hangs: f64,
    stale: f64,
    timer: Arc<dyn Timer>,
    asked: AtomicU64,
    /// The first answer to each question.
    first: Mutex<HashMap<Key, Answer>>,
}

impl Chaos {
    /// No chaos yet.
    #[must_use]
    pub fn new(seed: u64, timer: Arc<dyn Timer>) -> Self {
        Self {
            seed,
            latency: (0.0, Duration::ZERO),
            errors: 0.0,
            hangs: 0.0,
            stale: 0.0,
            timer,
            asked: AtomicU64::new(0),
            first: Mutex::default(),
        }
    }

    /// This share of the calls takes up to `longest` longer.
    #[must_use]
    pub const fn with_latency(mut self, share: f64, longest: Duration) -> Self {
        self.latency = (share, longest);
        self
    }

    setters! {
        /// This share of the calls fails: half of them for a moment, half for good.
        const with_errors(share: f64) => errors = share;
        /// This share of the calls never returns.
        const with_hangs(share: f64) => hangs = share;
        /// This share of the calls returns the first answer that the same question got, as a cache does that never
        /// expires.
        const with_stale(share: f64) => stale = share;
    }

    /// A number from 0 up to 1 for the nth call.
    fn draw(&self, question: &Question, nth: u64, what: &str) -> f64 {
        let mut hash = Fnv::new(self.seed);
        (question.method().name, question.part().name(), nth, what).hash(&mut hash);
        hash.share()
    }
}

#[async_trait]
impl Layer for Chaos {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed);
        let draw = |what| self.draw(question, nth, what);
        let (share, longest) = self.latency;
        if draw("latency") < share {
            self.timer.sleep(longest.mul_f64(draw("length"))).await;
        }
        if draw("hang") < self.hangs {
            pending::<()>().await;
        }
        if draw("error") < self.errors {
            return Err(if draw("kind") < 0.5 {
                ProbeError::transient("chaos: it fails for a moment")
            } else {
                ProbeError::failed("chaos: it fails")
            });
        }
        let first = || self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if draw("stale") < self.stale {
            let old = first().get(question.key()).cloned();
            if let Some(old) = old {
                return Ok(old);
            }
        }
        let answer = inner.ask().await?;
        if self.stale > 0.0 {
            first().entry(question.key().clone()).or_insert_with(|| answer.clone());
        }
        Ok(answer)
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos").field("seed", &self.seed).finish_non_exhaustive()
    }
}
