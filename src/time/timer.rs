use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::TimeDelta;

use super::ManualClock;

/// A future that ends when its time is over.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Lets time pass, on whatever runtime the service has.
///
/// It must not end early by more than its own resolution, and must survive lengths of years.
pub trait Timer: Send + Sync {
    /// A future that ends after `length`.
    fn sleep(&self, length: Duration) -> Sleep;
}

const _: Option<&dyn Timer> = None;

/// Time by tokio; it must be polled within a tokio runtime that has its timer enabled.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    fn sleep(&self, length: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Time for tests: whatever is waited for passes at once, and moves the clock.
///
/// Everything else that is ready goes first, so that a mocked probe answers before its time limit is over, and
/// a diagnosis that waits half an hour takes microseconds.
///
/// Each sleep moves the clock by its whole length when it ends, so sleeps side by side add up, and a long one may end before
/// a short one. A task of a test that shares the clock with a run sleeps in short steps.
///
/// It knows its own clock alone. A fake that awaits another one (`tokio::time::sleep`, a socket, a thread) is not ready in
/// the two turns that others are let go first, and so its time limit is over at once: it times out. Let such a fake sleep by
/// this timer, or answer at once; or test with `TokioTimer` (feature `tokio`) in a tokio runtime whose time is paused.
///
/// ```
/// use std::sync::Arc;
///
/// use chrono::DateTime;
/// use iot_runbook::time::{Clock, ManualClock, SimulatedTimer};
///
/// let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
/// let timer = SimulatedTimer::new(Arc::clone(&clock));
/// # use iot_runbook::time::Timer as _;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let minute = std::time::Duration::from_secs(60);
/// tokio::join!(timer.sleep(minute), timer.sleep(minute));
/// assert_eq!((clock.now() - DateTime::UNIX_EPOCH).num_minutes(), 2, "they add up");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SimulatedTimer(Arc<ManualClock>);

impl SimulatedTimer {
    /// A timer that moves `clock`.
    #[must_use]
    pub const fn new(clock: Arc<ManualClock>) -> Self {
        Self(clock)
    }
}

impl Timer for SimulatedTimer {
    fn sleep(&self, length: Duration) -> Sleep {
        Box::pin(Simulated { clock: Arc::clone(&self.0), length, turns: 0 })
    }
}

/// As often others are let go first.
const TURNS: u32 = 2;

struct Simulated {
    clock: Arc<ManualClock>,
    length: Duration,
    turns: u32,
}

impl Future for Simulated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.turns < TURNS {
            self.turns += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.clock.advance(TimeDelta::from_std(self.length).unwrap_or(TimeDelta::MAX));
        Poll::Ready(())
    }
}

/// `work`, or nothing where it takes longer than `limit`. The timer is asked only where it is not ready at once.
pub(crate) async fn within<T>(
    timer: &dyn Timer,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut sleep: Option<Sleep> = None;
    poll_fn(move |context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        let sleep = sleep.get_or_insert_with(|| timer.sleep(limit));
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}
