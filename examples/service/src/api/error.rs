//! Errors of the API: a status, and a sentence that says what is wrong and what to do.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use iot_runbook::case::StoreError;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cases::TakeError;

#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    what: String,
}

impl ApiError {
    pub(super) const fn new(status: StatusCode, what: String) -> Self {
        Self { status, what }
    }

    pub(super) const fn not_found(what: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub(super) const fn no_such_method(what: String) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, what)
    }

    pub(super) const fn conflict(what: String) -> Self {
        Self::new(StatusCode::CONFLICT, what)
    }

    /// What was sent can be read and is not right.
    pub(super) const fn wrong(what: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, what)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, what } = self;
        let body = Json(json!({ "error": what }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return (status, [(header::RETRY_AFTER, "5")], body).into_response();
        }
        (status, body).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::NoSuchCase(_) => StatusCode::NOT_FOUND,
            StoreError::Ended(_) | StoreError::AlreadyThere(_) => StatusCode::CONFLICT,
            StoreError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            // The cause may name hosts and users: it is for the log.
            tracing::error!(error = ?error, "the store failed");
            metrics::counter!("service_store_failures_total").increment(1);
        }
        Self { status, what: error.to_string() }
    }
}

impl From<TakeError> for ApiError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Store(error) => error.into(),
            // Alertmanager sends again what a server could not take.
            error => {
                tracing::error!(%error, "an alert can't be taken");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}

/// A body in JSON. What is wrong with one is answered like every other error.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejected) => Err(ApiError::new(rejected.status(), remedy(&rejected))),
        }
    }
}

fn remedy(rejected: &JsonRejection) -> String {
    let what = rejected.body_text();
    match rejected.status() {
        StatusCode::PAYLOAD_TOO_LARGE => format!("{what}: send fewer alerts in one webhook (`max_alerts`)"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => format!("{what}: send JSON"),
        _ => what,
    }
}
