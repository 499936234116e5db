use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures_util::{StreamExt as _, stream};
use iot_runbook::fleet::{Notice, Webhook};
use serde::Serialize;

use super::Api;
use super::error::{ApiError, Body};
use crate::cases::{RUNBOOK, Taken};

/// How many alerts of one webhook are saved side by side.
const AT_ONCE: usize = 8;

/// What became of the alerts of a webhook.
#[derive(Default, Serialize)]
pub(super) struct Answer {
    opened: u64,
    known: u64,
    resolved: u64,
    #[serde(rename = "nothing-open")]
    nothing_open: u64,
    /// How many alerts the sender left out: ask it for all.
    truncated: u64,
    /// What is wrong with the alerts that could not be taken, and will not be better when they are sent again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wrong: Vec<String>,
}

/// Takes a webhook of Alertmanager (version 4) or Grafana. It answers once every alert is saved: what waits, waits in the
/// database, and what could not be saved the sender sends again.
pub(super) async fn take(
    State(api): State<Api>,
    headers: HeaderMap,
    Body(webhook): Body<Webhook>,
) -> Result<(StatusCode, Json<Answer>), ApiError> {
    let mut answer = Answer { truncated: webhook.truncated_alerts, ..Answer::default() };
    if answer.truncated > 0 {
        tracing::warn!(truncated = answer.truncated, "a webhook leaves alerts out: set `max_alerts: 0`");
        metrics::counter!("service_alerts_truncated_total").increment(answer.truncated);
    }
    // The trace of the sender, for alerts that have none of their own. One that cannot be read is left out, as the W3C asks.
    let parent = headers.get("traceparent").and_then(|parent| parent.to_str().ok()?.parse().ok());
    let mut notices = Vec::with_capacity(webhook.alerts.len());
    for notice in webhook.notices(RUNBOOK, &api.device_label) {
        match notice {
            Ok(mut notice) => {
                if let Notice::Raised(alert) = &mut notice {
                    alert.trigger.trace_parent = alert.trigger.trace_parent.or(parent);
                }
                notices.push(notice);
            }
            Err(error) => {
                metrics::counter!("service_alerts_total", "outcome" => "no-device").increment(1);
                answer.wrong.push(error.to_string());
            }
        }
    }
    let mut taking = stream::iter(notices).map(|notice| api.cases.take(notice)).buffer_unordered(AT_ONCE);
    let mut failed = None;
    while let Some(taken) = taking.next().await {
        match taken {
            Ok(taken) => {
                metrics::counter!("service_alerts_total", "outcome" => taken.name()).increment(1);
                answer.count(taken);
            }
            // The others are tried all the same; the sender repeats the whole webhook, and they are known then.
            Err(error) => {
                metrics::counter!("service_alerts_total", "outcome" => "not-saved").increment(1);
                failed = Some(error);
            }
        }
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    let status = if answer.wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Json(answer)))
}

impl Answer {
    const fn count(&mut self, taken: Taken) {
        *match taken {
            Taken::Opened => &mut self.opened,
            Taken::Known => &mut self.known,
            Taken::Resolved => &mut self.resolved,
            Taken::NothingOpen => &mut self.nothing_open,
        } += 1;
    }
}
