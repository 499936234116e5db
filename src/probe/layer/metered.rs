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
/// | `iot_runbook_probe_seconds` | `probe` | a histogram of how long an answer took |
///
/// `method` is such as `gateway.health`, and `probe` such as `gateway`. `outcome` is `known`, or the name of the reason for
/// which the value is unknown: `unavailable`, `timeout`, `refused`, `failed`; `no-adapter` of a method that the adapter
/// does not answer. No label names a device: there are fewer than 200 series, however many devices there are.
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
        let (method, began) = (question.method(), self.clock.now());
        let answer = inner.ask().await;
        let took = self.clock.now().signed_duration_since(began).to_std().unwrap_or_default();
        let outcome = match &answer {
            Ok(_) => "known",
            Err(error) => error.unknown_reason().name(),
        };
        metrics::counter!("iot_runbook_probe_answers_total", "method" => method.name, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("iot_runbook_probe_seconds", "probe" => method.probe())
            .record(took.as_secs_f64());
        answer
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use chrono::{DateTime, TimeDelta};
    use metrics::{
        Counter, CounterFn, Gauge, Histogram, HistogramFn, KeyName, Metadata, Recorder, SharedString, Unit,
        with_local_recorder,
    };

    use super::*;
    use crate::fact::Source;
    use crate::probe::layer::{Layered, METHODS};
    use crate::probe::{PowerFacts, PowerProbe, PowerRequest};
    use crate::time::ManualClock;

    /// Each series, and what was recorded in it.
    #[derive(Clone, Default)]
    struct Series(Arc<Mutex<Vec<String>>>);

    struct One(Series, String);

    impl CounterFn for One {
        fn increment(&self, value: u64) {
            self.0.0.lock().unwrap().push(format!("{} +{value}", self.1));
        }

        fn absolute(&self, _: u64) {}
    }

    impl HistogramFn for One {
        fn record(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{} {value}", self.1));
        }
    }

    fn series(key: &metrics::Key) -> String {
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        format!("{} {}", key.name(), labels.collect::<Vec<_>>().join(" "))
    }

    impl Recorder for Series {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &metrics::Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(One(self.clone(), series(key))))
        }

        fn register_gauge(&self, _: &metrics::Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, key: &metrics::Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(One(self.clone(), series(key))))
        }
    }

    /// Takes two seconds for each answer, and knows nothing of the second device.
    struct Slow(Arc<ManualClock>);

    #[async_trait]
    impl PowerProbe for Slow {
        fn source(&self) -> Source {
            Source::new("slow")
        }

        async fn power(&self, ask: &PowerRequest) -> Result<PowerFacts, ProbeError> {
            self.0.advance(TimeDelta::seconds(2));
            match ask.device.as_str() {
                "press-1" => Ok(PowerFacts::new(self.0.now())),
                _ => Err(ProbeError::refused("not of this hall")),
            }
        }
    }

    #[test]
    fn answers_are_counted_by_method_and_outcome() {
        let (clock, recorder) = (Arc::new(ManualClock::new(DateTime::UNIX_EPOCH)), Series::default());
        let metered = Arc::new(Metered::new(clock.clone()));
        let layered = Layered::new(Arc::new(Slow(clock))).with_layer(metered);
        with_local_recorder(&recorder, || {
            for device in ["press-1", "press-2"] {
                let ask = PowerRequest::new(device.into());
                let answer = pin!(layered.power(&ask)).poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(answer, Poll::Ready(_)));
            }
        });
        assert_eq!(
            *recorder.0.lock().unwrap(),
            [
                "iot_runbook_probe_answers_total method=power.power outcome=known +1",
                "iot_runbook_probe_seconds probe=power 2",
                "iot_runbook_probe_answers_total method=power.power outcome=refused +1",
                "iot_runbook_probe_seconds probe=power 2",
            ]
        );
    }

    #[test]
    fn there_are_few_series() {
        let probes: BTreeSet<_> = METHODS.iter().map(|method| method.probe()).collect();
        assert_eq!(probes.len(), 13);
        // Of each method five outcomes, or the one of a method that is not answered.
        assert!(METHODS.len() * 5 + probes.len() <= 200);
    }
}
