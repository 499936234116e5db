use async_trait::async_trait;

use super::{Answer, Inner, Layer, Question};
use crate::probe::ProbeError;

type Chosen = Box<dyn Fn(&Question) -> bool + Send + Sync>;

/// Another layer, for some questions only. The rest passes it by.
///
/// ```
/// use iot_runbook::probe::layer::{Limit, Only};
///
/// // The gateways' agents take four calls at a time.
/// let agents = Only::adapter("gateway", Limit::new(4));
/// // One method alone, at one source.
/// let log = Only::new(
///     |asked| asked.method().name == "broker.connection_log" && asked.source().as_str() == "broker eu-1",
///     Limit::new(1),
/// );
/// # let _ = (agents, log);
/// ```
pub struct Only<L> {
    chosen: Chosen,
    layer: L,
}

impl<L: Layer> Only<L> {
    /// `layer` for the questions that `chosen` is true of.
    pub fn new(chosen: impl Fn(&Question) -> bool + Send + Sync + 'static, layer: L) -> Self {
        Self { chosen: Box::new(chosen), layer }
    }

    /// `layer` for one adapter of [`Probes`](crate::probe::Probes), by its name there, such as `gateway`.
    pub fn adapter(name: &'static str, layer: L) -> Self {
        Self::new(move |asked| asked.method().probe() == name, layer)
    }

    /// The layer.
    pub const fn layer(&self) -> &L {
        &self.layer
    }
}

#[async_trait]
impl<L: Layer> Layer for Only<L> {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        if (self.chosen)(question) { self.layer.around(question, inner).await } else { inner.ask().await }
    }

    fn forget_all(&self) {
        self.layer.forget_all();
    }
}

impl<L: std::fmt::Debug> std::fmt::Debug for Only<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Only").field("layer", &self.layer).finish_non_exhaustive()
    }
}
