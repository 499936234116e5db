//! A service to copy: alerts come in by webhook, each device has a case on PostgreSQL, people approve by HTTP. Any number of
//! replicas share one database; see the README.

mod acts;
mod api;
mod cases;
mod database;
mod notify;
mod plant;
mod runbooks;
mod settings;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use iot_runbook::case::{StateKind, StoreError, Worker};
use iot_runbook::diagnosis::DiagnosisId;
use iot_runbook::driver::{Actuator, DryRun, TokioTimer};
use iot_runbook::probe::Probes;
use iot_runbook::probe::layer::Metered;
use iot_runbook::time::SystemClock;
use iot_runbook::{Checks, Driver};
use iot_runbook_postgres::PostgresCases;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use acts::Actions;
use api::Shared;
use cases::Cases;
use database::Database;
use plant::Plant;
use settings::Settings;

/// How many connections to the database the cases have.
const CONNECTIONS: usize = 4;
/// How long a worker rests where no case is due: so long an approval waits at the most.
const IDLE: Duration = Duration::from_millis(250);
/// The bounds of the histogram of the adapters' times, in seconds.
const BUCKETS: [f64; 7] = [0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 10.0];

type Failure = Box<dyn Error>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = std::iter::successors(error.source(), |cause| (*cause).source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            tracing::error!(%error, ?causes, "the service ends");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let metrics = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;

    let plant = Plant::new(settings.plant.clone());
    plant.read()?;
    let runbooks = runbooks::load(settings.runbooks.as_deref())?;
    let store = Arc::new(PostgresCases::new(&settings.database, CONNECTIONS));
    let database = Arc::new(Database::new(settings.database.clone()));
    store.migrate().await?;
    database.migrate().await?;

    let actions = Actions {
        database: Arc::clone(&database),
        plant: plant.clone(),
        replica: settings.replica.as_str().into(),
        limit: settings.act_limit,
        per_hour: settings.acts_per_hour,
    };
    let actuator: Arc<dyn Actuator> = if settings.dry_run { Arc::new(DryRun) } else { Arc::new(actions) };
    let driver = Driver::new(&runbooks, &Checks::builtin(), probes(&plant), Arc::new(TokioTimer))?
        .with_actuator(Arc::clone(&actuator))
        .with_operator(Arc::new(notify::Log));
    let worker = Worker::new(settings.replica.as_str(), Arc::<PostgresCases>::clone(&store), driver)
        .with_lease(settings.lease)
        .with_idle(IDLE);

    let cases = Cases { store, database, runbooks, plant };
    let label = settings.device_label.clone();
    let is_ready = AtomicBool::new(true);
    let shared = Shared { cases, actuator, device_label: label, metrics: metrics.clone(), is_ready };
    serve(&settings, Arc::new(shared), worker, metrics).await
}

/// Runs the API and the worker until the process is asked to stop, and then until both have ended.
async fn serve(
    settings: &Settings,
    shared: Arc<Shared>,
    worker: Worker,
    metrics: PrometheusHandle,
) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(&settings.listen).await;
    let listener = listener.map_err(|error| format!("`LISTEN` is \"{}\": {error}", settings.listen))?;
    let (stop, stopped) = watch::channel(false);
    let until_stopped = |mut stopped: watch::Receiver<bool>| async move {
        // An error says that the sender is gone, which ends the service too.
        drop(stopped.wait_for(|stop| *stop).await);
    };

    let routes = api::routes(Arc::clone(&shared), settings.body_limit);
    let address = listener.local_addr()?;
    let serving = axum::serve(listener, routes).with_graceful_shutdown(until_stopped(stopped.clone()));
    let serving = tokio::spawn(async move { serving.await });
    let working = until_stopped(stopped);
    let working = tokio::spawn(async move { worker.run(working, report).await });
    // Without it the samples of histograms pile up between two scrapes.
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    tracing::info!(%address, replica = %settings.replica, "the service listens");

    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("the service stops: it takes no more cases, and ends those that it runs");
    shared.is_ready.store(false, Ordering::Relaxed);
    stop.send_replace(true);
    let ended = tokio::time::timeout(settings.grace, async { (serving.await, working.await) }).await;
    upkeep.abort();
    match ended {
        Ok((served, worked)) => {
            served??;
            worked?;
            tracing::info!("the service has stopped");
        }
        // Everything that counts is saved: another replica goes on from there once the leases have expired.
        Err(_) => {
            tracing::warn!(grace = ?settings.grace, "cases still run: they are left to another replica");
        }
    }
    Ok(())
}

/// The adapters. Add the layers that your services need, see `iot_runbook::probe::layer`.
fn probes(plant: &Plant) -> Probes {
    let plant = Arc::new(plant.clone());
    Probes::new()
        .with_layer(Arc::new(Metered::new(Arc::new(SystemClock))))
        .with_device(plant.clone())
        .with_broker(plant.clone())
        .with_gateway(plant.clone())
        .with_network(plant.clone())
        .with_power(plant.clone())
        .with_platform(plant)
}

/// What the worker reports of each run of a case.
fn report(ran: Result<(DiagnosisId, StateKind), StoreError>) {
    match ran {
        Ok((case, state)) => {
            metrics::counter!("service_runs_total", "state" => state.name()).increment(1);
            tracing::info!(%case, state = state.name(), "a case was run");
        }
        Err(error) => {
            metrics::counter!("service_runs_total", "state" => "not-saved").increment(1);
            tracing::warn!(%error, "the run of a case was not saved: it is taken up again");
        }
    }
}
