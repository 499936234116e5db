//! A worker process: it runs the due cases of a PostgreSQL, beside any number of others.

use std::error::Error;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use iot_runbook::case::Worker;
use iot_runbook::driver::TokioTimer;
use iot_runbook::probe::Probes;
use iot_runbook::{Checks, Document, Driver, RunbookSet};
use iot_runbook_postgres::PostgresCases;
use tokio::sync::oneshot;

use crate::acts::Pumps;
use crate::database::Database;

/// A runbook that asks for an approval, acts, and looks a moment later.
const RESTART: &str = r#"
name = "pump-tripped"
version = 1
title = "Restart the pump"
start = "restart"
[steps.restart]
title = "Restart the pump"
act = "restart-pump"
scope = "device"
approval = "required"
answer_within = "1h"
on = { done = "settle", refused = "by-hand", failed = "by-hand", expired = "by-hand" }
[steps.settle]
title = "Let it run up"
wait = { for = "200ms" }
to = "restarted"
[conclusions.restarted]
title = "It was restarted"
severity = "info"
[conclusions.by-hand]
title = "Somebody must look at it"
severity = "critical"
"#;

/// So long after a crash another worker takes a case up: short, for a demonstration.
const LEASE: Duration = Duration::from_millis(1_500);
const IDLE: Duration = Duration::from_millis(20);

type Failure = Box<dyn Error + Send + Sync>;

/// The runbooks of the workers, and of whoever opens cases for them.
///
/// # Errors
/// Where one is not valid.
pub fn runbooks() -> Result<RunbookSet, Failure> {
    Ok(RunbookSet::new([Document::from_toml(RESTART)?.validate()?])?)
}

/// Works until its standard input ends, as it does when whoever started it is gone.
///
/// # Errors
/// Where the database is not there at the beginning; later it is waited for.
pub async fn work(database: &str, name: &str) -> Result<(), Failure> {
    let config: tokio_postgres::Config = database.parse()?;
    let store = Arc::new(PostgresCases::new(&config, 2));
    store.migrate().await?;
    let pumps = Pumps::begin(Arc::new(Database::new(config)), name).await?;
    let driver = Driver::new(&runbooks()?, &Checks::none(), Probes::new(), Arc::new(TokioTimer))?
        .with_actuator(Arc::new(pumps));
    let worker = Worker::new(name, store, driver)
        .with_lease(LEASE)
        .with_idle(IDLE)
        // A wait is given back, so that another worker may go on after it.
        .with_longest_wait(Duration::ZERO);
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        // The content does not matter, and an error ends it as well.
        let mut rest = Vec::new();
        std::io::stdin().read_to_end(&mut rest).ok();
        drop(stop);
    });
    worker.run(async { drop(stopped.await) }, |_| {}).await;
    Ok(())
}
