use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::table::Method;
use crate::fact::Source;
use crate::probe::{Client, ProbeError};
use crate::subject::{DeviceId, GatewayId, PipelineId, Scope, SiteId};

/// A question to an adapter: the method, its request, and what a layer may want to know of them.
#[derive(Clone, Debug)]
pub struct Question {
    method: &'static Method,
    key: Key,
    part: Part,
    since: Option<DateTime<Utc>>,
    over_at: Option<DateTime<Utc>>,
}

impl Question {
    pub(super) fn new<R>(
        method: &'static Method,
        source: Source,
        request: &R,
        part: Part,
        since: Option<DateTime<Utc>>,
        over_at: Option<DateTime<Utc>>,
    ) -> Self
    where
        R: Any + Clone + fmt::Debug + Eq + Hash + Send + Sync,
    {
        let key = Key { method: method.name, source, request: Arc::new(request.clone()) };
        Self { method, key, part, since, over_at }
    }

    /// An event: the layer lets it wait, for so long where that is known.
    #[cfg(feature = "tracing")]
    pub(super) fn emit_wait(&self, layer: &'static str, wait: Option<std::time::Duration>) {
        let wait = wait.as_ref().map(tracing::field::debug);
        tracing::debug!(layer, method = self.method.name, part = %self.part, wait, "wait in a limiter");
    }

    #[cfg(not(feature = "tracing"))]
    pub(super) const fn emit_wait(&self, _: &'static str, _: Option<std::time::Duration>) {}

    /// The method that is asked, such as `gateway.health`.
    #[must_use]
    pub const fn method(&self) -> &'static Method {
        self.method
    }

    /// Who answers: the adapter.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.key.source
    }

    /// The part that it is asked about.
    #[must_use]
    pub const fn part(&self) -> &Part {
        &self.part
    }

    /// The request, where it is an `R`.
    #[must_use]
    pub fn request<R: Any>(&self) -> Option<&R> {
        self.key.request.as_any().downcast_ref()
    }

    /// Equal for equal requests to one method of one source.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The earliest time at which an answer may have been asked: one from before does not serve this caller. `None`: only
    /// an answer that is asked for this question serves.
    #[must_use]
    pub const fn since(&self) -> Option<DateTime<Utc>> {
        self.since
    }

    /// When the period or the moment ends that it is asked about; `None`: it is asked about now.
    #[must_use]
    pub const fn over_at(&self) -> Option<DateTime<Utc>> {
        self.over_at
    }
}

/// The identity of a question: its method, source and request. Cheap to clone.
#[derive(Clone)]
pub struct Key {
    method: &'static str,
    source: Source,
    request: Arc<dyn Request>,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method
            && self.source == other.source
            && self.request.is_equal(other.request.as_any())
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, mut state: &mut H) {
        self.method.hash(state);
        self.source.hash(state);
        self.request.hash_into(&mut state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {:?}", self.method, self.source.as_str(), self.request)
    }
}

/// A request of any type.
trait Request: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn is_equal(&self, other: &dyn Any) -> bool;
    fn hash_into(&self, state: &mut dyn Hasher);
}

impl<R: Any + fmt::Debug + Eq + Hash + Send + Sync> Request for R {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_equal(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<R>() == Some(self)
    }

    fn hash_into(&self, mut state: &mut dyn Hasher) {
        self.hash(&mut state);
    }
}

/// A part of the installation that is asked about: what it is, and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    scope: Scope,
    name: Arc<str>,
}

impl Part {
    /// The part of that scope and name.
    #[must_use]
    pub fn new(scope: Scope, name: impl Into<Arc<str>>) -> Self {
        Self { scope, name: name.into() }
    }

    /// What it is.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn platform() -> Self {
        Self::new(Scope::Platform, "platform")
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope, self.name)
    }
}

macro_rules! parts {
    ($($id:ident = $scope:ident,)*) => {$(
        impl From<&$id> for Part {
            fn from(id: &$id) -> Self {
                Self::new(Scope::$scope, id.as_str())
            }
        }
    )*};
}

parts! { DeviceId = Device, GatewayId = Gateway, SiteId = Site, PipelineId = Pipeline, }

impl From<&Client> for Part {
    fn from(client: &Client) -> Self {
        match client {
            Client::Device(device) => device.into(),
            Client::Gateway(gateway) => gateway.into(),
        }
    }
}

/// An answer of any method. Cheap to clone.
#[derive(Clone)]
pub struct Answer {
    value: Arc<dyn Any + Send + Sync>,
    observed_at: Option<DateTime<Utc>>,
}

impl Answer {
    pub(super) fn new<T: Observed + Send + Sync + 'static>(value: T) -> Self {
        let observed_at = value.observed_at();
        Self { value: Arc::new(value), observed_at }
    }

    /// When its facts held; `None` for an answer that carries none.
    #[must_use]
    pub const fn observed_at(&self) -> Option<DateTime<Utc>> {
        self.observed_at
    }

    /// The answer, where it is a `T`, such as a [`GatewayHealth`](crate::probe::GatewayHealth).
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }

    /// The answer as its method returns it.
    pub(super) fn take<T: Any + Clone + Send + Sync>(self) -> Result<T, ProbeError> {
        match self.value.downcast::<T>() {
            Ok(value) => Ok(Arc::unwrap_or_clone(value)),
            Err(_) => Err(ProbeError::failed("a layer returned an answer of another method")),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("observed_at", &self.observed_at).finish_non_exhaustive()
    }
}

/// An answer with the time at which its facts held.
pub(in crate::probe) trait Observed {
    fn observed_at(&self) -> Option<DateTime<Utc>>;
}

impl<T: Observed> Observed for Option<T> {
    fn observed_at(&self) -> Option<DateTime<Utc>> {
        self.as_ref().and_then(T::observed_at)
    }
}
