use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Answer, Inner, Layer, Question};
use crate::probe::ProbeError;
use crate::time::{Timer, within};

/// An upper bound for one call: after it the answer is [`ProbeError::timeout`], and the call is dropped.
///
/// The driver bounds a whole check ([`Driver::with_time_limit`](crate::driver::Driver::with_time_limit), 10 s); this bounds each call of it, inside the layers that are added later.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use iot_runbook::{probe::layer::Timeout, time::Timer};
///
/// fn bounded(timer: Arc<dyn Timer>) -> Timeout {
///     Timeout::new(Duration::from_secs(3), timer)
/// }
/// ```
pub struct Timeout {
    limit: Duration,
    timer: Arc<dyn Timer>,
}

impl Timeout {
    /// At most `limit` for each call.
    #[must_use]
    pub fn new(limit: Duration, timer: Arc<dyn Timer>) -> Self {
        Self { limit, timer }
    }
}

#[async_trait]
impl Layer for Timeout {
    async fn around(&self, _: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let answer = within(&*self.timer, self.limit, inner.ask()).await;
        answer.unwrap_or_else(|| Err(ProbeError::timeout(format!("no answer within {:?}", self.limit))))
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("limit", &self.limit).finish_non_exhaustive()
    }
}
