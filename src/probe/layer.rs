//! Layers: wrappers of any probe, composed around the adapters of a [`Probes`](super::Probes).
//!
//! A thousand devices behind ten gateways ask about the same ten gateways. Layers share the answers, limit what reaches a
//! system, retry, and stop asking a system that is down, without a line in an adapter:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use iot_runbook::probe::{Probes, layer::{Breaker, Limit, Shared, Timeout}};
//! use iot_runbook::time::{Clock, SimulatedTimer, ManualClock};
//! # let manual = Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
//! # let (clock, timer) = (manual.clone(), Arc::new(SimulatedTimer::new(manual)));
//!
//! let probes = Probes::new() // .with_gateway(..).with_broker(..)
//!     .with_layer(Arc::new(Timeout::new(Duration::from_secs(3), timer)))
//!     .with_layer(Arc::new(Breaker::new(clock.clone())))
//!     .with_layer(Arc::new(Limit::new(32)))
//!     .with_layer(Arc::new(Shared::new(clock)));
//! ```
//!
//! # Order
//! The layer that is added last is the outermost: it is asked first. Above, [`Shared`] answers from what it has, and only
//! what it must ask takes one of the 32 places; a call that takes longer than 3 s counts against its source at the
//! [`Breaker`]. A good order from the adapter outwards: [`Timeout`], [`Breaker`], [`Retry`], [`Rate`], [`Limit`],
//! [`Shared`], then what counts and traces.
//!
//! # Which layer
//! | layer | what it does |
//! |---|---|
//! | [`Shared`] | one call for equal questions, and its answer for as long as the method's documentation allows |
//! | [`Limit`] | at most so many calls at a time |
//! | [`Rate`] | at most so many calls a second |
//! | [`Timeout`] | an upper bound for one call |
//! | [`Retry`] | asks again at once where an answer fails for a moment |
//! | [`Breaker`] | leaves a system alone that fails again and again |
//! | [`Only`] | another layer, for some questions only |
//! | [`Chaos`] | for tests: slow, failing, hanging and old answers |
//! | `Traced`, `Metered` | what was asked, seen from outside (features `tracing`, `metrics`) |
//!
//! # Freshness
//! A diagnosis asks afresh after each wait and act, and right before an act or a conclusion. The driver says so to the
//! layers: [`Question::since`] is the earliest time at which an answer may have been asked, and `None` means now. No layer
//! here gives out an answer that was asked before, so that a device that came back is never judged by an answer from when
//! it was gone. An act of the driver also ends the sharing of all answers from before, see [`Layer::forget_all`].
//!
//! # Seen from outside
//! With the feature `tracing` layers have events, each named by its message, with a target that begins with
//! `iot_runbook::probe::layer`:
//!
//! | event | level | fields |
//! |---|---|---|
//! | `retry` | debug | [`Retry`] asks again: `method`, `part`, `error`, `pause` |
//! | `wait in a limiter` | debug | [`Limit`] or [`Rate`] lets a question wait: `layer`, `method`, `part`, and `wait` of a rate |
//! | `circuit opened` | warn | [`Breaker`] leaves a source alone: `source`, `failures`, `error` |
//! | `answered`, `unknown` | debug | in the span `question` of `Traced` |
//!
//! # A layer of your own
//! ```
//! use async_trait::async_trait;
//! use iot_runbook::probe::{ProbeError, layer::{Answer, Inner, Layer, Question}};
//!
//! /// Keeps everybody away from a gateway that is being repaired.
//! struct Spare(&'static str);
//!
//! #[async_trait]
//! impl Layer for Spare {
//!     async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
//!         if question.part().name() == self.0 {
//!             return Err(ProbeError::refused("it is being repaired"));
//!         }
//!         inner.ask().await
//!     }
//! }
//! ```

mod breaker;
mod chaos;
mod limit;
#[cfg(feature = "metrics")]
mod metered;
mod only;
mod question;
mod random;
mod rate;
mod retry;
mod shared;
mod table;
mod timeout;
#[cfg(feature = "tracing")]
mod traced;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;

pub use breaker::Breaker;
pub use chaos::Chaos;
pub use limit::Limit;
#[cfg(feature = "metrics")]
pub use metered::Metered;
pub use only::Only;
pub use question::{Answer, Key, Part, Question};
pub use rate::Rate;
pub use retry::Retry;
pub use shared::Shared;
pub use table::{METHODS, Method, Sharing, UnknownMethod};
pub use timeout::Timeout;
#[cfg(feature = "tracing")]
pub use traced::Traced;

pub(super) use question::Observed;
pub(super) use table::Wrap;
#[cfg(feature = "mock")]
pub(crate) use table::every_method;

/// A wrapper of any method of any probe.
///
/// Its future may be dropped at any await, and an adapter inside may panic: a layer keeps nothing half done then.
#[async_trait]
pub trait Layer: Send + Sync {
    /// Answers `question`: by [`Inner::ask`], any number of times, or otherwise.
    ///
    /// # Errors
    /// [`ProbeError`] as the adapter gave it, or a layer's own.
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError>;

    /// Gives out no answer that was asked before now. The driver calls it when an act begins and when it has ended.
    fn forget_all(&self) {}
}

const _: Option<&dyn Layer> = None;

#[async_trait]
impl<L: Layer + ?Sized> Layer for Arc<L> {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        (**self).around(question, inner).await
    }

    fn forget_all(&self) {
        (**self).forget_all();
    }
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Answer, ProbeError>> + Send + 'a>>;

/// What a layer wraps: the layers inside it, and the adapter.
#[derive(Clone, Copy)]
pub struct Inner<'a> {
    question: &'a Question,
    layers: &'a [Arc<dyn Layer>],
    call: &'a (dyn Fn() -> Asking<'a> + Send + Sync),
}

impl Inner<'_> {
    /// Asks once.
    ///
    /// # Errors
    /// [`ProbeError`] as the adapter or a layer inside gave it.
    pub async fn ask(&self) -> Result<Answer, ProbeError> {
        match self.layers.split_last() {
            None => (self.call)().await,
            Some((layer, layers)) => layer.around(self.question, Inner { layers, ..*self }).await,
        }
    }
}

impl fmt::Debug for Inner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

/// An adapter with layers around it: it implements each probe trait that the adapter implements.
///
/// [`Probes::with_layer`](super::Probes::with_layer) wraps a whole set. Wrap a single adapter where no driver asks it,
/// and use [`Only`] where one does: the driver's [`Question::since`] does not reach an adapter that was wrapped alone, and
/// `Shared` shares nothing without it.
///
/// ```
/// use std::sync::Arc;
///
/// use iot_runbook::probe::PowerProbe;
/// use iot_runbook::probe::layer::{Layered, Limit};
///
/// fn limited(power: Arc<dyn PowerProbe>) -> Arc<dyn PowerProbe> {
///     Arc::new(Layered::new(power).with_layer(Arc::new(Limit::new(4))))
/// }
/// ```
pub struct Layered<P: ?Sized> {
    adapter: Arc<P>,
    layers: Arc<[Arc<dyn Layer>]>,
    since: Option<DateTime<Utc>>,
}

impl<P: ?Sized> Layered<P> {
    /// The adapter, without a layer yet.
    #[must_use]
    pub fn new(adapter: Arc<P>) -> Self {
        Self::of(adapter, Arc::new([]), None)
    }

    pub(super) const fn of(
        adapter: Arc<P>,
        layers: Arc<[Arc<dyn Layer>]>,
        since: Option<DateTime<Utc>>,
    ) -> Self {
        Self { adapter, layers, since }
    }

    /// The same with `layer` around it: the last that is added is asked first.
    #[must_use]
    pub fn with_layer(mut self, layer: Arc<dyn Layer>) -> Self {
        self.layers = self.layers.iter().cloned().chain([layer]).collect();
        self
    }

    /// The same for a caller to whom answers serve that were asked at `since` or later; see [`Question::since`].
    #[must_use]
    pub fn shared_since(&self, since: Option<DateTime<Utc>>) -> Self {
        Self::of(Arc::clone(&self.adapter), Arc::clone(&self.layers), since)
    }

    /// Asks through all layers; `call` asks the adapter.
    async fn ask<'a>(
        &'a self,
        question: &'a Question,
        call: &'a (dyn Fn() -> Asking<'a> + Send + Sync),
    ) -> Result<Answer, ProbeError> {
        Inner { question, layers: &self.layers, call }.ask().await
    }
}

impl<P: ?Sized> fmt::Debug for Layered<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
