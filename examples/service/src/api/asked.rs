//! What people are asked: to approve an act, or to answer a question.
//!
//! An approval is shown once for one act on one target, however many cases want it, and the word on it goes to all of them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use iot_runbook::case::{
    Case, CaseStore as _, DamagedCase, Filter, Message, State as CaseState, StateKind, StoreError,
};
use iot_runbook::diagnosis::{ActKey, ActQuota, DiagnosisId, Fact, RecordedValue, Situation};
use iot_runbook::driver::Asked;
use iot_runbook::fact::{Details, Domain, Kind};
use iot_runbook::report::Report;
use iot_runbook::time::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Api;
use super::cases;
use super::error::{ApiError, Body};

/// How many cases are read at a time.
const PAGE: usize = 200;

/// What a person sees.
#[derive(Serialize)]
pub(super) struct Shown {
    /// The id to answer under.
    id: String,
    #[serde(flatten)]
    what: What,
    title: Box<str>,
    advice: Vec<Box<str>>,
    /// What was found before it was asked.
    evidence: Vec<Fact>,
    trigger: Value,
    /// Each case that asks the same, with its device.
    cases: BTreeMap<DiagnosisId, String>,
    expires_at: DateTime<Utc>,
    /// Somebody has answered, and no worker has taken it yet.
    is_answered: bool,
    /// It came too late: nobody may answer any more.
    is_expired: bool,
    /// How much of the limit of such acts is used now, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

/// How much of the limit of acts is used.
#[derive(Serialize)]
struct Limit {
    /// Such an act is refused now, approved or not.
    is_reached: bool,
    used: usize,
    most: usize,
    since: Option<DateTime<Utc>>,
    /// When the next act is free; `null`: one is free now, or none ever is.
    free_at: Option<DateTime<Utc>>,
    /// The same for a person.
    words: String,
}

impl From<ActQuota> for Limit {
    fn from(quota: ActQuota) -> Self {
        Self {
            is_reached: quota.is_reached(),
            used: quota.used.len(),
            most: quota.most,
            since: quota.used.first().copied(),
            free_at: quota.free_at(),
            words: quota.to_string(),
        }
    }
}

/// An entry of a list of what people are asked.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Entry {
    Asked(Box<Shown>),
    /// A case that may ask something, and can't be read.
    Damaged(Damaged),
}

/// A case that can't be read: somebody must repair its rows.
#[derive(Serialize)]
pub(super) struct Damaged {
    case: DiagnosisId,
    damaged: String,
}

impl From<DamagedCase> for Damaged {
    fn from(DamagedCase { id, why, .. }: DamagedCase) -> Self {
        tracing::error!(case = %id, why, "what the store has of a case can't be read");
        Self { case: id, damaged: why }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Approval { action: String, target: Option<String> },
    Question { question: String, answers: String },
}

/// Lists what is to be approved.
pub(super) async fn approvals(State(api): State<Api>) -> Result<Json<Vec<Entry>>, ApiError> {
    let now = SystemClock.now();
    let mut by_act: BTreeMap<ActKey, Shown> = BTreeMap::new();
    // What has no name is no target that two cases could share.
    let mut alone = Vec::new();
    let (open, damaged) = all(&api).await?;
    for (case, asked) in open {
        let Asked::Approval(request) = &asked else { continue };
        let act = request.act_key();
        if let Some(first) = act.as_ref().and_then(|act| by_act.get_mut(act)) {
            first.is_answered &= is_answered(&case, &asked);
            first.cases.insert(case.id(), request.subject().device.to_string());
            continue;
        }
        let shown = show(&api, &case, &asked, now).await;
        match act {
            None => alone.push(shown),
            Some(act) => drop(by_act.insert(act, shown)),
        }
    }
    Ok(Json(entries(by_act.into_values().chain(alone), damaged)))
}

/// What is asked first; what can't be read behind it.
fn entries(asked: impl IntoIterator<Item = Shown>, damaged: Vec<DamagedCase>) -> Vec<Entry> {
    let asked = asked.into_iter().map(|shown| Entry::Asked(Box::new(shown)));
    asked.chain(damaged.into_iter().map(|one| Entry::Damaged(one.into()))).collect()
}

/// Lists the questions.
pub(super) async fn questions(State(api): State<Api>) -> Result<Json<Vec<Entry>>, ApiError> {
    let now = SystemClock.now();
    let (open, damaged) = all(&api).await?;
    let mut questions = Vec::new();
    for (case, asked) in &open {
        if matches!(asked, Asked::Question(_)) {
            questions.push(show(&api, case, asked, now).await);
        }
    }
    Ok(Json(entries(questions, damaged)))
}

/// A person's word on an act.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    approve: bool,
    /// Who. Yours takes it from your login, and not from the body.
    by: String,
    /// Why it is refused.
    reason: Option<String>,
}

/// Approves or refuses an act, for every case that asks for it now.
pub(super) async fn approve(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(word): Body<Word>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    named(&word.by)?;
    let reason = match (word.approve, word.reason) {
        (true, _) => None,
        (false, Some(reason)) if !reason.trim().is_empty() => Some(reason),
        (false, _) => return Err(ApiError::wrong("`reason` is missing: say why it is refused".to_owned())),
    };
    let (case, asked) = find(&api, &id, "approval").await?;
    let Asked::Approval(request) = &asked else { return Err(not_asked(&case, &id, "approval")) };
    let act = request.act_key();
    let mut cases = vec![(case.id(), asked.clone())];
    if let Some(act) = &act {
        for other in api.cases.database.cases_asking(act).await? {
            let same = |asked: &&Asked| matches!(asked, Asked::Approval(request) if request.act_key().as_ref() == Some(act));
            let other_case = match api.cases.store.load(other).await {
                // It gets the report of the act when it is repaired and asks again.
                Err(StoreError::Damaged { .. }) => None,
                loaded => loaded?,
            };
            if other != case.id()
                && let Some(case) = other_case
                && let CaseState::Asking(open) = &case.state
                && let Some(asked) = open.iter().find(same)
            {
                cases.push((other, asked.clone()));
            }
        }
    }
    let mut delivered = Vec::with_capacity(cases.len());
    for (at, (id, asked)) in cases.into_iter().enumerate() {
        let Asked::Approval(request) = asked else { continue };
        let approval = match &reason {
            None => request.grant(word.by.as_str()),
            Some(reason) => request.decline(word.by.as_str(), reason.as_str()),
        };
        match api.cases.store.deliver(id, Message::Approval(approval), SystemClock.now()).await {
            Ok(_) => delivered.push(id),
            // Another of the group may have ended since it was listed.
            Err(StoreError::Ended(_)) if at > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
    let answer = if word.approve { "approved" } else { "refused" };
    metrics::counter!("service_approvals_total", "answer" => answer).increment(1);
    Ok((StatusCode::ACCEPTED, Json(json!({ "answer": answer, "cases": delivered }))))
}

/// A person's answer to a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    /// The answer; `null`: they do not know.
    answer: Value,
    by: String,
    remark: Option<String>,
}

/// Answers a question.
pub(super) async fn answer(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(reply): Body<Reply>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    named(&reply.by)?;
    let (case, asked) = find(&api, &id, "question").await?;
    let Asked::Question(request) = &asked else { return Err(not_asked(&case, &id, "question")) };
    let value = value_of(&reply.answer, request.domain())?;
    let details = reply.remark.map_or_else(Details::none, |remark| Details::one("remark", remark));
    let message = Message::Reply { request: request.id, value, by: reply.by.as_str().into(), details };
    api.cases.store.deliver(case.id(), message, SystemClock.now()).await?;
    metrics::counter!("service_answers_total").increment(1);
    Ok((StatusCode::ACCEPTED, Json(json!({ "answer": reply.answer, "cases": [case.id()] }))))
}

/// What a person sees of it.
pub(super) async fn show(api: &Api, case: &Case, asked: &Asked, now: DateTime<Utc>) -> Shown {
    let (what, situation, expires_at) = match asked {
        Asked::Approval(request) => {
            let (action, target) = (request.action().to_owned(), request.target().map(str::to_owned));
            (What::Approval { action, target }, request.situation(), request.expires_at())
        }
        Asked::Question(request) => {
            let (question, answers) = (request.question().to_owned(), request.domain().to_string());
            (What::Question { question, answers }, request.situation(), request.expires_at())
        }
    };
    let Situation { title, advice, facts, trigger, subject, .. } = situation;
    Shown {
        id: format!("{}-{}", case.id(), asked.id()),
        what,
        title: title.clone(),
        advice: advice.clone(),
        evidence: facts.clone(),
        trigger: json!(trigger),
        cases: BTreeMap::from([(case.id(), subject.device.to_string())]),
        expires_at,
        is_answered: is_answered(case, asked),
        is_expired: expires_at <= now,
        limit: quota(api, asked).await.map(Limit::from),
    }
}

/// Puts what is asked into the report of its case: whoever answers reads it before the evidence, and how to answer.
pub(super) async fn add_to(report: &mut Report, api: &Api, case: &Case, asked: &Asked) {
    let id = format!("{}-{}", case.id(), asked.id());
    let (what, list, situation, expires_at) = match asked {
        Asked::Approval(request) => {
            let action = request.action().replace('-', " ");
            let what =
                request.target().map_or_else(|| action.clone(), |target| format!("{action}: {target}"));
            (what, "approvals", request.situation(), request.expires_at())
        }
        Asked::Question(request) => {
            let what = format!("{} ({})", request.question(), request.domain());
            (what, "questions", request.situation(), request.expires_at())
        }
    };
    report.about.push(("Asked", what));
    report.about.push(("Open until", expires_at.format("%Y-%m-%d %H:%M:%S UTC").to_string()));
    let word = if is_answered(case, asked) { "answered, and not taken up yet" } else { "open" };
    report.about.push(("Answer at", format!("POST /{list}/{id} ({word})")));
    let limit = quota(api, asked).await;
    report.about.extend(limit.map(|limit| ("Limit", limit.to_string())));
    report.advice.extend(situation.advice.iter().map(ToString::to_string));
}

/// How much of the limit of an act is used now: what was saved when it was asked may be hours old.
pub(super) async fn quota(api: &Api, asked: &Asked) -> Option<ActQuota> {
    match asked {
        Asked::Approval(request) => api.actuator.quota(request).await,
        Asked::Question(_) => None,
    }
}

/// Refuses an empty name: an approval without a person is none.
pub(super) fn named(by: &str) -> Result<(), ApiError> {
    let is_empty = by.trim().is_empty();
    if is_empty { Err(ApiError::wrong("`by` is empty: say who you are".to_owned())) } else { Ok(()) }
}

/// Everything that people are asked, the oldest case first, and the cases that can't be read.
async fn all(api: &Api) -> Result<(Vec<(Case, Asked)>, Vec<DamagedCase>), ApiError> {
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    let mut filter = Filter::of(StateKind::Asking);
    loop {
        let page = api.cases.store.list(&filter, PAGE).await?;
        for case in page.cases {
            let CaseState::Asking(asked) = &case.state else { continue };
            found.extend(asked.clone().into_iter().map(|asked| (case.clone(), asked)));
        }
        damaged.extend(page.damaged);
        match page.next {
            Some(next) => filter = filter.after(next),
            None => return Ok((found, damaged)),
        }
    }
}

/// The case of an id, and what it asks under it.
async fn find(api: &Api, id: &str, kind: &str) -> Result<(Case, Asked), ApiError> {
    let (case, number) = id.rsplit_once('-').ok_or_else(|| {
        ApiError::not_found(format!("`{id}` is no id of a {kind}: `GET /{kind}s` lists them"))
    })?;
    let case_id = cases::parse(case)?;
    let case = api.cases.store.load(case_id).await?.ok_or_else(|| cases::no_such(case_id))?;
    let asked = match &case.state {
        CaseState::Asking(asked) => asked.iter().find(|asked| asked.id().to_string() == number).cloned(),
        _ => None,
    };
    let asked = asked.ok_or_else(|| not_asked(&case, id, kind))?;
    if is_answered(&case, &asked) {
        let why = format!("{kind} {id} was answered a moment ago, and the case is about to go on");
        return Err(ApiError::conflict(why));
    }
    Ok((case, asked))
}

fn not_asked(case: &Case, id: &str, kind: &str) -> ApiError {
    let state = case.state.kind().name();
    ApiError::conflict(format!(
        "case {} is {state}, and {kind} {id} is not open: `GET /{kind}s` lists those that are",
        case.id()
    ))
}

/// Whether an answer waits for a worker.
fn is_answered(case: &Case, asked: &Asked) -> bool {
    case.inbox.iter().any(|(_, message)| match (message, asked) {
        (Message::Approval(_), Asked::Approval(_)) => true,
        (Message::Reply { request, .. }, Asked::Question(question)) => *request == question.id,
        _ => false,
    })
}

/// The value that an answer is, if the question has it.
fn value_of(answer: &Value, domain: &Domain) -> Result<Option<RecordedValue>, ApiError> {
    let value = match (answer, domain.kind()) {
        (Value::Null, _) => return Ok(None),
        (Value::String(text), _) if text == "absent" && domain.is_optional() => Some(RecordedValue::Absent),
        (Value::Bool(flag), Kind::Flag) => Some(RecordedValue::Flag(*flag)),
        (Value::Number(count), Kind::Count) => count.as_u64().map(RecordedValue::Count),
        (Value::Number(number), Kind::Number) => Some(RecordedValue::Number(number.to_string())),
        (Value::String(name), Kind::Choice(choices)) => {
            choices.find(name).map(|_| RecordedValue::Choice(name.as_str().into()))
        }
        (Value::String(text), Kind::Duration) => Some(RecordedValue::Duration(text.clone())),
        (Value::String(text), Kind::Instant) => text.parse().ok().map(RecordedValue::Instant),
        _ => None,
    };
    let why =
        || ApiError::wrong(format!("`answer` is {answer}: give a {domain}, or null where nobody knows"));
    value.map(Some).ok_or_else(why)
}
