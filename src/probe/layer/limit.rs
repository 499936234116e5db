use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;

use super::{Answer, Inner, Layer, Question};
use crate::probe::ProbeError;

/// At most so many calls at a time; the rest waits, first come, first served.
///
/// What waits is seen in [`Limit::waiting`]. A call that is dropped while it waits or runs gives its place back.
///
/// ```
/// use std::sync::Arc;
/// use iot_runbook::probe::{Probes, layer::Limit};
///
/// let limit = Arc::new(Limit::new(32));
/// let probes = Probes::new().with_layer(limit.clone());
/// assert_eq!((limit.running(), limit.waiting()), (0, 0));
/// # let _ = probes;
/// ```
#[derive(Debug)]
pub struct Limit {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    next: u64,
    /// Who waits, by the number of its ticket.
    waiting: BTreeMap<u64, Waker>,
}

impl Limit {
    /// At most `most` calls at a time; zero is taken as one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), state: Mutex::default() }
    }

    /// How many calls run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().running
    }

    /// How many calls wait for a place now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    async fn enter(&self, question: &Question) -> Place<'_> {
        let mut ticket = Ticket { limit: self, number: None };
        poll_fn(|context| {
            let mut state = self.lock();
            let is_next = match (state.waiting.first_key_value(), ticket.number) {
                (Some((first, _)), Some(own)) => *first == own,
                (Some(_), None) => false,
                (None, _) => true,
            };
            if is_next && state.running < self.most {
                if let Some(number) = ticket.number.take() {
                    state.waiting.remove(&number);
                }
                state.running += 1;
                // There may be room for one more.
                self.wake_next(state);
                return Poll::Ready(Place(self));
            }
            let is_first = ticket.number.is_none();
            let number = *ticket.number.get_or_insert_with(|| {
                state.next += 1;
                state.next
            });
            state.waiting.insert(number, context.waker().clone());
            drop(state);
            if is_first {
                question.emit_wait("limit", None);
            }
            Poll::Pending
        })
        .await
    }

    /// Wakes the first that waits, if there is room.
    fn wake_next(&self, state: MutexGuard<'_, State>) {
        let has_room = state.running < self.most;
        let next = state.waiting.values().next().filter(|_| has_room).cloned();
        // A waker may run its task at once.
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that waits, or has not asked for a place yet.
struct Ticket<'a> {
    limit: &'a Limit,
    number: Option<u64>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut state = self.limit.lock();
            state.waiting.remove(&number);
            // It may have been woken and dropped before it ran: the next one takes its turn.
            self.limit.wake_next(state);
        }
    }
}

/// A place among those that run.
struct Place<'a>(&'a Limit);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        self.0.wake_next(state);
    }
}

#[async_trait]
impl Layer for Limit {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let _place = self.enter(question).await;
        inner.ask().await
    }
}
