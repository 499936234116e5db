//! The HTTP API.

mod alerts;
mod asked;
mod cases;
mod error;
mod status;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use iot_runbook::driver::Actuator;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::cases::Cases;
use error::ApiError;

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) cases: Cases,
    /// It knows how much of the limit of an act is used.
    pub(crate) actuator: Arc<dyn Actuator>,
    pub(crate) device_label: String,
    pub(crate) metrics: PrometheusHandle,
    /// False once the service stops.
    pub(crate) is_ready: AtomicBool,
}

type Api = Arc<Shared>;

/// Returns the routes. A body longer than `body_limit` bytes is refused.
pub(crate) fn routes(shared: Api, body_limit: usize) -> Router {
    Router::new()
        .route("/alerts", post(alerts::take))
        .route("/approvals", get(asked::approvals))
        .route("/approvals/{id}", post(asked::approve))
        .route("/questions", get(asked::questions))
        .route("/questions/{id}", post(asked::answer))
        .route("/cases", get(cases::list))
        .route("/cases/{id}", get(cases::show).delete(cases::withdraw))
        .route("/cases/{id}/report", get(cases::report))
        .route("/metrics", get(status::metrics))
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(body_limit))
        .with_state(shared)
}

async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is no `{}`: see the README for the paths", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::no_such_method(format!("`{}` does not take {method}: see the README", uri.path()))
}
