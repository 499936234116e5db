use async_trait::async_trait;
use tracing::Instrument as _;

use super::{Answer, Inner, Layer, Question};
use crate::probe::ProbeError;

/// A span for each question to an adapter, `question`, with its method, part and source; and an event in it with what came
/// of it: `answered`, or `unknown` with the error.
///
/// ```
/// use std::sync::Arc;
/// use iot_runbook::probe::{Probes, layer::Traced};
///
/// let probes = Probes::new().with_layer(Arc::new(Traced));
/// # let _ = probes;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Traced;

#[async_trait]
impl Layer for Traced {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let span = tracing::debug_span!(
            "question",
            method = question.method().name,
            part = %question.part(),
            source = question.source().as_str(),
        );
        async {
            let answer = inner.ask().await;
            match &answer {
                Ok(answer) => tracing::debug!(observed_at = ?answer.observed_at(), "answered"),
                Err(error) => tracing::debug!(%error, "unknown"),
            }
            answer
        }
        .instrument(span)
        .await
    }
}
