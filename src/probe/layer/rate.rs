use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Answer, Inner, Layer, Question};
use crate::probe::ProbeError;
use crate::time::{Clock, Timer, saturating_add};

/// At most so many calls in a length of time, after a burst; the rest waits for its turn.
///
/// The generic cell rate algorithm (GCRA): one instant is all it keeps. It allows what a token bucket of `burst` tokens
/// allows that gains one each `length / calls`. A call that is dropped while it waits does not give its turn back.
///
/// ```
/// use std::sync::Arc;
/// use chrono::TimeDelta;
/// use iot_runbook::{probe::layer::Rate, time::{Clock, Timer}};
///
/// fn polite(clock: Arc<dyn Clock>, timer: Arc<dyn Timer>) -> Rate {
///     // 50 a second, 10 of them at once.
///     Rate::new(50, TimeDelta::seconds(1), clock, timer).with_burst(10)
/// }
/// ```
pub struct Rate {
    /// The time from one call to the next.
    interval: TimeDelta,
    burst: u32,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    state: Mutex<State>,
    waiting: AtomicUsize,
}

struct State {
    /// When the bucket is full again: the theoretical arrival time.
    full_at: DateTime<Utc>,
    latest: DateTime<Utc>,
}

impl Rate {
    /// `calls` in each `per`, one at a time. No calls are taken as one, and a length that is not positive as no limit.
    #[must_use]
    pub fn new(calls: u32, per: TimeDelta, clock: Arc<dyn Clock>, timer: Arc<dyn Timer>) -> Self {
        let interval = per.max(TimeDelta::zero()) / i32::try_from(calls.max(1)).unwrap_or(i32::MAX);
        let state = State { full_at: DateTime::<Utc>::MIN_UTC, latest: DateTime::<Utc>::MIN_UTC };
        Self { interval, burst: 1, clock, timer, state: Mutex::new(state), waiting: AtomicUsize::new(0) }
    }

    /// So many calls may come at once; zero is taken as one.
    #[must_use]
    pub fn with_burst(mut self, burst: u32) -> Self {
        self.burst = burst.max(1);
        self
    }

    /// How many calls wait for their turn now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes the next turn, and returns how long it is until then.
    fn take_turn(&self) -> TimeDelta {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now < state.latest {
            // The clock was set back: what is due stays as far away as it was.
            let back = now.signed_duration_since(state.latest);
            state.full_at = saturating_add(state.full_at, back);
        }
        state.latest = now;
        let begins = state.full_at.max(now);
        state.full_at = saturating_add(begins, self.interval);
        let ahead = i32::try_from(self.burst - 1).unwrap_or(i32::MAX);
        let tolerance = self.interval.checked_mul(ahead).unwrap_or(TimeDelta::MAX);
        (begins.signed_duration_since(now) - tolerance.min(TimeDelta::days(365_000))).max(TimeDelta::zero())
    }
}

/// Counts one that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Layer for Rate {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let wait = self.take_turn().to_std().unwrap_or_default();
        if !wait.is_zero() {
            question.emit_wait("rate", Some(wait));
            let _waiting = Waiting::new(&self.waiting);
            self.timer.sleep(wait).await;
        }
        inner.ask().await
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate")
            .field("interval", &self.interval)
            .field("burst", &self.burst)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
