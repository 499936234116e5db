//! For the monitoring of the service itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::Api;
use super::error::ApiError;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process is alive: restart it where this does not answer. It asks nobody, so that a database that is away does not have
/// every replica restarted.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The service can take alerts: send it none where this does not answer with 200.
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, ApiError> {
    let unavailable = |why: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    if !api.is_ready.load(Ordering::Relaxed) {
        return Err(unavailable("the service stops: ask another replica".to_owned()));
    }
    match tokio::time::timeout(PATIENCE, api.cases.database.ping()).await {
        Ok(Ok(())) => Ok("ready\n"),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(unavailable(format!("the database does not answer within {PATIENCE:?}"))),
    }
}

/// The metrics, in Prometheus' text. No label names a device.
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    // A state that no case is in any more must fall to zero.
    let mut counts = [("ready", 0), ("waiting", 0), ("asking", 0), ("stuck", 0), ("ended", 0)];
    let counted = tokio::time::timeout(PATIENCE, api.cases.database.count_cases()).await;
    let is_up = match counted {
        Ok(Ok(counted)) => {
            for (state, count) in counted {
                counts.iter_mut().filter(|(name, _)| *name == state).for_each(|(_, kept)| *kept = count);
            }
            for (state, count) in counts {
                metrics::gauge!("service_cases", "state" => state).set(count as f64);
            }
            1.0
        }
        _ => 0.0,
    };
    metrics::gauge!("service_database_up").set(is_up);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render())
}
