//! Cases as people and dashboards read them.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Html;
use chrono::{DateTime, Utc};
use iot_runbook::Diagnosis;
use iot_runbook::case::{Case, CaseStore as _, Filter, Message, State as CaseState, StateKind};
use iot_runbook::diagnosis::{DiagnosisId, Finding};
use iot_runbook::report::Report;
use iot_runbook::time::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Api;
use super::asked::{self, Shown};
use super::error::{ApiError, Body};

/// Which cases to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    state: Option<StateKind>,
    after: Option<DiagnosisId>,
    #[serde(default = "page")]
    limit: usize,
}

/// A page of cases has so many, and at most ten times as many.
const fn page() -> usize {
    50
}

/// A case in a line.
#[derive(Serialize)]
pub(super) struct Line {
    id: DiagnosisId,
    device: String,
    runbook: String,
    state: StateKind,
    opened_at: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
    step: Option<String>,
    conclusion: Option<String>,
}

/// An entry of a list of cases.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Entry {
    Case(Line),
    /// A case that can't be read: somebody must repair its rows.
    Damaged {
        id: DiagnosisId,
        damaged: String,
    },
}

impl Entry {
    const fn id(&self) -> DiagnosisId {
        match self {
            Self::Case(line) => line.id,
            Self::Damaged { id, .. } => *id,
        }
    }
}

/// Lists cases by id, which is by age. The next page begins `after` the last id of this one.
pub(super) async fn list(
    State(api): State<Api>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<Entry>>, ApiError> {
    let Query(page) = page.map_err(|rejected| ApiError::wrong(rejected.body_text()))?;
    let filter = page.state.map_or_else(Filter::all, Filter::of);
    let filter = page.after.into_iter().fold(filter, Filter::after);
    let page = api.cases.store.list(&filter, page.limit.clamp(1, 500)).await?;
    let damaged = page.damaged.into_iter().map(|one| Entry::Damaged { id: one.id, damaged: one.why });
    let mut entries: Vec<Entry> = page.cases.iter().map(Line::of).map(Entry::Case).chain(damaged).collect();
    entries.sort_by_key(Entry::id);
    Ok(Json(entries))
}

/// Shows a case: where it is, what it asks, what was found, and how it came there.
pub(super) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let id = parse(&id)?;
    let case = api.cases.store.load(id).await?.ok_or_else(|| no_such(id))?;
    let history = api.cases.store.history(id).await?;
    let now = SystemClock.now();
    let mut asks: Vec<Shown> = Vec::new();
    if let CaseState::Asking(open) = &case.state {
        for asked in open {
            asks.push(asked::show(&api, &case, asked, now).await);
        }
    }
    let (finding, stuck) = match &case.state {
        CaseState::Ended(finding) => (Some(written(finding)), None),
        CaseState::Stuck { why } => (None, Some(why.clone())),
        _ => (None, None),
    };
    Ok(Json(json!({
        "case": Line::of(&case),
        "subject": case.opening.subject,
        "trigger": case.opening.trigger,
        "version": case.version,
        "asks": asks,
        "stuck": stuck,
        "finding": finding,
        // Delivered, and not taken by a worker yet.
        "waiting_messages": case.inbox.len(),
        "trace": case.records.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "history": history,
    })))
}

/// Shows a case as a page for a person.
pub(super) async fn report(State(api): State<Api>, Path(id): Path<String>) -> Result<Html<String>, ApiError> {
    let id = parse(&id)?;
    let case = api.cases.store.load(id).await?.ok_or_else(|| no_such(id))?;
    let diagnosis = case.bundle().and_then(|bundle| Diagnosis::resume(&bundle, &api.cases.runbooks));
    let diagnosis =
        diagnosis.map_err(|error| ApiError::conflict(format!("no report can be written: {error}")))?;
    let mut report = Report::of(&diagnosis);
    if let CaseState::Asking(open) = &case.state {
        for asked in open {
            asked::add_to(&mut report, &api, &case, asked).await;
        }
    }
    Ok(Html(report.to_html()))
}

/// Who withdraws a case, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Withdrawal {
    by: String,
    why: String,
}

/// Withdraws a case: nobody wants it any more.
pub(super) async fn withdraw(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(Withdrawal { by, why }): Body<Withdrawal>,
) -> Result<Json<Value>, ApiError> {
    let id = parse(&id)?;
    asked::named(&by)?;
    let number = api.cases.store.deliver(id, Message::withdrawal(by, why), SystemClock.now()).await?;
    Ok(Json(json!({ "case": id, "message": number })))
}

impl Line {
    pub(super) fn of(case: &Case) -> Self {
        let conclusion = match &case.state {
            CaseState::Ended(finding) => finding.conclusion().map(str::to_owned),
            _ => None,
        };
        Self {
            id: case.id(),
            device: case.opening.subject.device.to_string(),
            runbook: case.opening.runbook.clone(),
            state: case.state.kind(),
            opened_at: case.opening.started_at,
            due_at: case.due_at,
            step: case.records.last().map(|record| record.step.to_string()),
            conclusion,
        }
    }
}

pub(super) fn parse(id: &str) -> Result<DiagnosisId, ApiError> {
    id.parse().map_err(|error| ApiError::not_found(format!("there is no such case: {error}")))
}

pub(super) fn no_such(id: DiagnosisId) -> ApiError {
    ApiError::not_found(format!("there is no case {id}: `GET /cases` lists them"))
}

fn written(finding: &Finding) -> Value {
    let hypotheses = finding.hypotheses().iter().map(|hypothesis| json!(hypothesis));
    json!({
        "ending": finding.ending(),
        "conclusion": finding.conclusion(),
        "title": finding.title(),
        "root_cause": finding.root_cause(),
        "severity": finding.severity(),
        "part": finding.part().map(ToString::to_string),
        "is_recovered": finding.is_recovered(),
        "advice": finding.advice().collect::<Vec<_>>(),
        "hypotheses": hypotheses.collect::<Vec<_>>(),
        "at": finding.at(),
    })
}
