use std::fmt;
use std::hash::Hash as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::random::Fnv;
use super::{Answer, Inner, Layer, Question};
use crate::probe::{ProbeError, ProbeErrorKind};
use crate::time::Timer;

/// Asks again where an answer fails for a moment ([`ProbeError::transient`]), after a pause that doubles and is spread.
///
/// A diagnosis asks again by itself, for up to half a minute. This is for what passes within its time limit for one
/// question (10 s): a connection that was closed, a 503. An error that names a longer pause than the layer makes
/// (`retry_after`) is returned at once. The pauses are the same for the same seed, part and method.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use iot_runbook::{probe::layer::Retry, time::Timer};
///
/// fn patient(timer: Arc<dyn Timer>) -> Retry {
///     // At most three calls, with pauses of 100 to 150 ms and of 200 to 300 ms.
///     Retry::new(timer).with_attempts(3).with_pause(Duration::from_millis(100))
/// }
/// ```
pub struct Retry {
    attempts: u32,
    pause: Duration,
    longest: Duration,
    seed: u64,
    timer: Arc<dyn Timer>,
}

impl Retry {
    /// At most 3 calls, with a first pause of 200 ms, and none longer than 2 s.
    #[must_use]
    pub fn new(timer: Arc<dyn Timer>) -> Self {
        Self {
            attempts: 3,
            pause: Duration::from_millis(200),
            longest: Duration::from_secs(2),
            seed: 0,
            timer,
        }
    }

    setters! {
        /// At most so many calls, the first one included; zero is taken as one.
        with_attempts(attempts: u32) => attempts = attempts.max(1);
        /// The first pause; each further one is twice as long, and all are spread by up to a half of it.
        const with_pause(pause: Duration) => pause = pause;
        /// The longest pause.
        const with_longest_pause(longest: Duration) => longest = longest;
        /// Other pauses, such as for each process of a service.
        const with_seed(seed: u64) => seed = seed;
    }

    /// The pause after the failed call of that number, from one; `None` where no further call is made.
    fn pause_after(&self, question: &Question, failed: u32, error: &ProbeError) -> Option<Duration> {
        let ProbeErrorKind::Transient { retry_after } = error.kind() else { return None };
        if failed >= self.attempts {
            return None;
        }
        let mut hash = Fnv::new(self.seed);
        (question.method().name, question.part().name(), failed).hash(&mut hash);
        let doubled = self.pause.saturating_mul(1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX));
        let spread = doubled.saturating_add(doubled.min(self.longest).mul_f64(hash.share() / 2.0));
        let named = retry_after.unwrap_or_default().to_std().unwrap_or_default();
        (named <= self.longest).then(|| spread.min(self.longest).max(named))
    }
}

#[async_trait]
impl Layer for Retry {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let mut failed = 0;
        loop {
            let error = match inner.ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failed += 1;
            let Some(pause) = self.pause_after(question, failed, &error) else { return Err(error) };
            #[cfg(feature = "tracing")]
            tracing::debug!(method = question.method().name, part = %question.part(), %error, ?pause, "retry");
            self.timer.sleep(pause).await;
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("pause", &self.pause)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
