use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Answer, Inner, Layer, Question};
use crate::probe::ProbeError;
use crate::time::Clock;

/// Counts the questions to adapters and how long they take, through the `metrics` facade.
///
/// | metric | labels | what |
/// |---|---|---|
/// | `iot_runbook_probe_answers_total` | `method`, `outcome` | a counter of answers |
/// | `iot_runbook_probe_seconds` | `method` | a histogram of how long an answer took |
///
/// `outcome` is `known`, or the name of the reason for which the value is unknown, such as `timeout`. No label names a
/// device: there are as many series for a hundred thousand of them as for one.
///
/// Added before `Shared` it counts the calls of adapters, and after it the questions of diagnoses.
///
/// ```
/// use std::sync::Arc;
/// use iot_runbook::probe::{Probes, layer::Metered};
/// use iot_runbook::time::SystemClock;
///
/// let probes = Probes::new().with_layer(Arc::new(Metered::new(Arc::new(SystemClock))));
/// # let _ = probes;
/// ```
pub struct Metered {
    clock: Arc<dyn Clock>,
}

impl Metered {
    /// Measures by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Layer for Metered {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let (method, began) = (question.method().name, self.clock.now());
        let answer = inner.ask().await;
        let took = self.clock.now().signed_duration_since(began).to_std().unwrap_or_default();
        let outcome = match &answer {
            Ok(_) => "known",
            Err(error) => error.unknown_reason().name(),
        };
        metrics::counter!("iot_runbook_probe_answers_total", "method" => method, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("iot_runbook_probe_seconds", "method" => method).record(took.as_secs_f64());
        answer
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").finish_non_exhaustive()
    }
}
