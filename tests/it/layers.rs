//! Layers around adapters: what passes, what is shared, what waits.

mod breaker;
mod gates;
mod rehearsed;
mod shared;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::fact::Source;
use iot_runbook::mock;
use iot_runbook::probe::layer::{
    Answer, Breaker, Chaos, Inner, Layer, Layered, Limit, METHODS, Method, Only, Question, Rate, Retry,
    Shared, Sharing, Timeout,
};
use iot_runbook::probe::*;
use iot_runbook::time::{Clock, ManualClock, Period, SimulatedTimer, Sleep, Timer};
use proptest::prelude::*;

use crate::deepest::NOW;
use crate::memory::Memory;
use crate::random::cases;

/// Polls until it is ready.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// Refuses each question, and notes its method and part.
#[derive(Default)]
struct Note(Mutex<Vec<(&'static str, String)>>);

#[async_trait]
impl Layer for Note {
    async fn around(&self, question: &Question, _: Inner<'_>) -> Result<Answer, ProbeError> {
        self.0.lock().unwrap().push((question.method().name, question.part().to_string()));
        Err(ProbeError::refused("noted"))
    }
}

/// A source that answers no question: each would panic.
macro_rules! silent {
    ($mock:ident) => {{
        let mut silent = mock::$mock::new();
        silent.expect_source().return_const(Source::new("silent"));
        Arc::new(silent)
    }};
}

#[test]
fn every_method_asks_its_layers() {
    let note = Arc::new(Note::default());
    let probes = Probes::new()
        .with_device(silent!(MockDeviceProbe))
        .with_broker(silent!(MockBrokerProbe))
        .with_gateway(silent!(MockGatewayProbe))
        .with_layer(note.clone())
        // Those that are supplied later are wrapped as well.
        .with_network(silent!(MockNetworkProbe))
        .with_platform(silent!(MockPlatformProbe))
        .with_cert_store(silent!(MockCertStoreProbe))
        .with_power(silent!(MockPowerProbe))
        .with_kafka(silent!(MockKafkaProbe))
        .with_edge_buffer(silent!(MockEdgeBufferProbe))
        .with_schema(silent!(MockSchemaProbe))
        .with_dedup_log(silent!(MockDedupLogProbe))
        .with_deadband(silent!(MockDeadbandProbe))
        .with_telemetry(silent!(MockTelemetryProbe));
    let (client, period) = (Client::Gateway("gw-2".into()), Period::ending(NOW, TimeDelta::hours(1)));
    block_on(async {
        conformance::device(&**probes.device().unwrap(), "press-07", period, NOW).await;
        conformance::broker(&**probes.broker().unwrap(), client.clone(), period, NOW).await;
        let broker = probes.broker().unwrap();
        assert!(broker.messages(&MessagesRequest::new("press-07".into(), period)).await.is_err());
        let publishing = PublishingRequest::new(Client::Gateway("gw-2".into()), "press-07".into(), period);
        assert!(broker.publishing(&publishing).await.is_err());
        conformance::gateway(&**probes.gateway().unwrap(), "gw-2", "press-07", period, NOW).await;
        conformance::network(&**probes.network().unwrap(), "north", "gw-2", "press-07", NOW).await;
        conformance::platform(&**probes.platform().unwrap(), "press-07", NOW).await;
        conformance::cert_store(&**probes.cert_store().unwrap(), client, period, NOW).await;
        conformance::power(&**probes.power().unwrap(), "press-07", NOW).await;
        conformance::site_power(&**probes.power().unwrap(), "north", NOW).await;
        conformance::kafka(&**probes.kafka().unwrap(), "ingest", "press-07", period, NOW).await;
        conformance::edge_buffer(&**probes.edge_buffer().unwrap(), "gw-2", "press-07", period, NOW).await;
        conformance::schema(&**probes.schema().unwrap(), "press-07", period, NOW).await;
        conformance::dedup_log(&**probes.dedup_log().unwrap(), "press-07", period, NOW).await;
        conformance::deadband(&**probes.deadband().unwrap(), "press-07", period, NOW).await;
        conformance::telemetry(&**probes.telemetry().unwrap(), "ingest", "press-07", period, NOW).await;
    });
    let noted = note.0.lock().unwrap();
    let asked: BTreeSet<_> = noted.iter().map(|(method, _)| *method).collect();
    assert_eq!(asked, METHODS.iter().map(|method| method.name).collect());
    for (method, part) in &*noted {
        let expected = match method.split_once('.').unwrap() {
            ("network", "site_paths") | ("power", "site_power") => "site north",
            ("network", "broker_path") | ("broker", "connection_log" | "publishing" | "clock_readings") => {
                "gateway gw-2"
            }
            ("broker", "disconnected_together") | ("cert_store" | "gateway" | "edge_buffer", _) => {
                "gateway gw-2"
            }
            ("platform", "broker_health" | "ingestion_health") => "platform platform",
            ("kafka", _) | ("telemetry", "storage_refusals") => "pipeline ingest",
            _ => "device press-07",
        };
        assert_eq!(part, expected, "{method}");
    }
}

/// A default method that the wrapper does not pass on would hide what the adapter answers.
#[test]
fn every_method_of_every_trait_is_in_the_table() {
    let mut declared = BTreeSet::new();
    let mut traits = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let declared_here =
            text.lines().find_map(|line| line.strip_prefix("pub trait ")?.split_once("Probe:"));
        let Some((name, _)) = declared_here else { continue };
        let set = name.chars().enumerate().fold(String::new(), |name, (at, letter)| {
            let under = if at > 0 && letter.is_uppercase() { "_" } else { "" };
            name + under + &letter.to_lowercase().to_string()
        });
        traits += 1;
        let body =
            text.lines().skip_while(|line| !line.starts_with("pub trait ")).take_while(|line| *line != "}");
        for line in body {
            if let Some(method) = line.trim().strip_prefix("async fn ") {
                declared.insert(format!("{set}.{}", method.split('(').next().unwrap()));
            }
        }
    }
    assert_eq!(traits, 13);
    assert_eq!(declared, METHODS.iter().map(|method| method.name.to_owned()).collect());
}

#[test]
fn an_answer_of_another_method_is_an_error() {
    /// Answers each question with the first answer that it saw.
    #[derive(Default)]
    struct Mixed(Mutex<Option<Answer>>);

    #[async_trait]
    impl Layer for Mixed {
        async fn around(&self, _: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
            if let Some(answer) = self.0.lock().unwrap().clone() {
                return Ok(answer);
            }
            let answer = inner.ask().await?;
            assert_eq!(answer.observed_at(), Some(NOW));
            *self.0.lock().unwrap() = Some(answer.clone());
            Ok(answer)
        }
    }

    let memory = Memory::new(Arc::new(ManualClock::new(NOW)));
    let layered = Layered::new(memory).with_layer(Arc::new(Mixed::default()));
    let state = block_on(layered.service_state(&ServiceStateRequest::new("press-07".into()))).unwrap();
    assert_eq!(state.state, Some(ServiceState::InService));
    let error = block_on(layered.last_seen(&LastSeenRequest::new("press-07".into()))).unwrap_err();
    assert_eq!(error.kind(), ProbeErrorKind::Failed);
}

#[test]
fn the_last_layer_that_is_added_is_the_outermost() {
    struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

    #[async_trait]
    impl Layer for Named {
        async fn around(&self, _: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
            self.1.lock().unwrap().push(self.0);
            inner.ask().await
        }
    }

    let order = Arc::new(Mutex::new(Vec::new()));
    let named = |name| Arc::new(Named(name, order.clone()));
    let memory = Memory::new(Arc::new(ManualClock::new(NOW)));
    let probes = memory.probes().with_layer(named("inner")).with_layer(named("outer"));
    block_on(probes.power().unwrap().power(&PowerRequest::new("press-07".into()))).unwrap();
    assert_eq!(*order.lock().unwrap(), ["outer", "inner"]);
    assert_eq!(memory.asked("power"), 1);
}

#[test]
fn unknown_methods_are_refused() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
    assert!(Method::named("gateway.health").is_ok());
    let error = Shared::new(clock.clone()).with_sharing("gateway.heath", Sharing::Never).unwrap_err();
    assert!(error.to_string().contains("\"gateway.heath\""), "{error}");
    assert!(Shared::new(clock).with_group("health", |_| None).is_err());
}

/// Notes each sleep and does not wait.
#[derive(Default)]
struct Noted(Mutex<Vec<Duration>>);

impl Timer for Noted {
    fn sleep(&self, length: Duration) -> Sleep {
        self.0.lock().unwrap().push(length);
        Box::pin(std::future::ready(()))
    }
}

/// A layer that lets everything pass where nothing is amiss.
fn plain_layer(kind: u8, clock: &Arc<ManualClock>) -> Arc<dyn Layer> {
    let timer: Arc<dyn Timer> = Arc::new(SimulatedTimer::new(clock.clone()));
    let noted = Arc::new(Noted::default());
    match kind {
        0 => Arc::new(Shared::new(clock.clone())),
        1 => Arc::new(Limit::new(1)),
        2 => Arc::new(Rate::new(1_000, TimeDelta::seconds(1), clock.clone(), noted)),
        3 => Arc::new(Timeout::new(Duration::from_secs(5), timer)),
        4 => Arc::new(Retry::new(timer)),
        5 => Arc::new(Breaker::new(clock.clone()).per_part()),
        6 => Arc::new(Only::adapter("power", Limit::new(2))),
        _ => Arc::new(Chaos::new(7, noted).with_latency(0.5, Duration::from_millis(20))),
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// Over any stack of layers an adapter keeps its rules, and breaks those that it breaks without them.
    #[test]
    fn adapters_conform_over_any_stack(stack in prop::collection::vec(0_u8..8, 0..6), ahead in any::<bool>()) {
        let clock = Arc::new(ManualClock::new(NOW));
        let memory = Memory::new(clock.clone());
        let seen = if ahead { NOW + TimeDelta::hours(1) } else { NOW - TimeDelta::hours(1) };
        memory.set(|facts| facts.last_seen = Some(seen));
        let layered = stack.iter().fold(memory.probes(), |probes, kind| probes.with_layer(plain_layer(*kind, &clock)));
        let layered = layered.shared_since(Some(NOW)).into_owned();
        let period = Period::ending(NOW, TimeDelta::hours(1));
        let violations = |probes: &Probes| block_on(async {
            let client = Client::Device("press-07".into());
            let mut found = conformance::device(&**probes.device().unwrap(), "press-07", period, NOW).await;
            found.extend(conformance::broker(&**probes.broker().unwrap(), client.clone(), period, NOW).await);
            found.extend(conformance::gateway(&**probes.gateway().unwrap(), "gw-2", "press-07", period, NOW).await);
            found.extend(conformance::network(&**probes.network().unwrap(), "north", "gw-2", "press-07", NOW).await);
            found.extend(conformance::platform(&**probes.platform().unwrap(), "press-07", NOW).await);
            found.extend(conformance::cert_store(&**probes.cert_store().unwrap(), client, period, NOW).await);
            found.extend(conformance::power(&**probes.power().unwrap(), "press-07", NOW).await);
            found
        });
        let plain = violations(&memory.probes());
        prop_assert_eq!(!plain.is_empty(), ahead);
        prop_assert_eq!(&violations(&layered), &plain);
        // And once more, by what is shared now.
        prop_assert_eq!(&violations(&layered), &plain);
    }
}
