//! Entries of the log as they are recorded.

use chrono::TimeDelta;

use super::{Record, Recorded, RecordedObservation, RecordedValue, Took};
use crate::diagnosis::anomaly::Anomaly;
use crate::diagnosis::context::Context;
use crate::diagnosis::log::{Entry, Event, Log, Place, Statement};
use crate::diagnosis::outputs::Question;
use crate::diagnosis::reply::{ActReport, Reply};
use crate::fact::{Domain, Evidence, Observation, Unknown, Value};
use crate::runbook::step::{StepIndex, StepKind};
use crate::time::{format_duration, parse_duration};

/// An entry of the log as it is recorded.
pub(in crate::diagnosis) fn record(context: &Context, log: &Log, entry: &Entry) -> Record {
    Record {
        at: entry.at,
        runbook: context.runbook_name(entry.place).into(),
        step: context.step_id(entry.place).into(),
        // What an entry points at is always there.
        what: recorded(context, log, entry).unwrap_or(Recorded::Anomaly(Anomaly::NoBranch)),
    }
}

fn recorded(context: &Context, log: &Log, entry: &Entry) -> Option<Recorded> {
    let place = entry.place;
    let step = context.step(place);
    let took = took(context, place, &entry.event);
    let query = |query: &u32| context.set.queries().get(*query as usize);
    let check = |at: &u32| query(at).map_or(Box::default(), |query| query.check.clone());
    let observed = |at: &u32| Some(RecordedObservation::of(log.observation_of(entry)?, &query(at)?.domain));
    let act = match step.map(|step| &step.kind) {
        Some(StepKind::Act(act)) => Some(act),
        _ => None,
    };
    let action = || act.map_or(Box::default(), |act| act.action.clone());
    let question = step.and_then(Question::of);
    let length = |length: &TimeDelta| format_duration(*length);
    let within = || {
        let asked = question.as_ref().map(|question| question.within);
        format_duration(act.map(|act| act.answer_within).or(asked).unwrap_or_default())
    };
    Some(match &entry.event {
        Event::Asked { request, query: at, exploring } => {
            let of = query(at).and_then(|query| context.subject.name_of(query.scope)).unwrap_or_default();
            Recorded::Asked { request: *request, check: check(at), of: of.into(), exploring: *exploring }
        }
        Event::Answered { request, query, .. } => {
            Recorded::Answered { request: *request, check: check(query), observation: observed(query)?, took }
        }
        Event::Explored { request, query, .. } => {
            Recorded::Explored { request: *request, check: check(query), observation: observed(query)? }
        }
        Event::Blipped { request, query, pause, .. } => Recorded::Blipped {
            request: *request,
            check: check(query),
            observation: observed(query)?,
            pause: length(pause),
        },
        Event::News { query, .. } => Recorded::News { check: check(query), observation: observed(query)? },
        Event::Reused { query, entry, .. } => Recorded::Known { check: check(query), record: *entry, took },
        Event::NotNamed { query: at, .. } => {
            Recorded::NotNamed { check: check(at), part: context.unnamed_part(query(at)?).into(), took }
        }
        Event::Elapsed { elapsed, .. } => Recorded::Elapsed { elapsed: length(elapsed), took },
        Event::Accounted { share, .. } => Recorded::Accounted { share: *share, took },
        Event::PersonAsked { request } => {
            let question = question.as_ref().map_or(Box::default(), |question| question.text.into());
            Recorded::PersonAsked { request: *request, question, within: within() }
        }
        Event::PersonAnswered { request, said, .. } => {
            let Statement::Reply(Reply { value, by, details }) = log.statement(*said)?.clone() else {
                return None;
            };
            let value =
                value.zip(question).map(|(value, question)| RecordedValue::of(value, question.domain));
            Recorded::PersonAnswered { request: *request, value, by, details, took }
        }
        Event::WaitBegan { length: by } => Recorded::WaitBegan { length: length(by) },
        Event::WaitEnded { idle, .. } => Recorded::WaitEnded { idle: *idle, took },
        Event::ApprovalAsked { request } => {
            Recorded::ApprovalAsked { request: *request, action: action(), within: within() }
        }
        Event::Approved { request, said } => {
            let Statement::Approved(by) = log.statement(*said)?.clone() else { return None };
            Recorded::Approved { request: *request, by }
        }
        Event::Declined { request, said, .. } => {
            let Statement::Refused { by, reason } = log.statement(*said)?.clone() else { return None };
            Recorded::Declined { request: *request, by, reason, took }
        }
        Event::Rechecked { request, query, .. } => Recorded::Rechecked {
            request: *request,
            check: check(query),
            observation: observed(query)?,
            took,
        },
        Event::ActBegan { request, visit } => {
            Recorded::ActBegan { request: *request, action: action(), visit: *visit, within: within() }
        }
        Event::Acted { request, said, .. } => {
            let Statement::Report(ActReport { outcome, by, details }) = log.statement(*said)?.clone() else {
                return None;
            };
            Recorded::Acted { request: *request, outcome, by, details, took }
        }
        Event::Expired { request, .. } => Recorded::Expired { request: *request, took },
        Event::Called { callee } => {
            let runbook = context.set.runbook(*callee).map_or("", |runbook| runbook.name());
            Recorded::Called { runbook: runbook.into() }
        }
        Event::Returned { conclusion, .. } => {
            Recorded::Returned { conclusion: conclusion.map(|step| concluded(context, place, step)), took }
        }
        Event::Left => Recorded::Left,
        Event::WentOn => Recorded::WentOn,
        Event::Withdrawn { said, acting } => {
            let Statement::Withdrawn { by, why } = log.statement(*said)?.clone() else { return None };
            Recorded::Withdrawn { by, why, acting: *acting }
        }
        Event::Alerted { exit } => {
            let alert = context.exit(place, *exit)?.alert.as_ref()?;
            Recorded::Alerted { severity: alert.severity, text: alert.text.as_str().into() }
        }
        Event::Anomaly(anomaly) => Recorded::Anomaly(*anomaly),
        Event::Concluded => Recorded::Concluded,
        Event::Undetermined => Recorded::Undetermined,
        Event::Aborted(anomaly) => Recorded::Aborted(*anomaly),
    })
}

/// The id of the conclusion that a handover step's callee came to.
fn concluded(context: &Context, place: Place, step: StepIndex) -> Box<str> {
    let callee = context.set.link(place.runbook, place.step).map(|link| link.callee);
    callee.map_or("?", |runbook| context.step_id(Place { runbook, step })).into()
}

fn took(context: &Context, place: Place, event: &Event) -> Option<Took> {
    let index = event.exit()?;
    let exit = context.exit(place, index)?;
    Some(Took {
        to: context.step_id(Place { step: exit.to, ..place }).into(),
        by: context.exit_name(place, index).into(),
        note: exit.note.as_ref().map(|note| note.as_str().into()),
    })
}

impl RecordedObservation {
    fn of(observation: &Observation, domain: &Domain) -> Self {
        match observation {
            Observation::Known(Evidence { value, observed_at, source, details, accounts_for }) => {
                Self::Known {
                    value: RecordedValue::of(*value, domain),
                    observed_at: *observed_at,
                    source: source.clone(),
                    details: details.clone(),
                    accounts_for: *accounts_for,
                }
            }
            Observation::Unknown(Unknown { reason, source, details, retry_after }) => Self::Unknown {
                reason: *reason,
                source: source.clone(),
                details: details.clone(),
                retry_after: retry_after.map(format_duration),
            },
        }
    }

    pub(in crate::diagnosis) fn read(&self, domain: &Domain) -> Result<Observation, String> {
        Ok(match self {
            Self::Known { value, observed_at, source, details, accounts_for } => {
                let known = Observation::known(value.read(domain)?, *observed_at, source.clone())
                    .with_details(details.iter().cloned());
                match accounts_for {
                    // Checked here and not clamped: `accounts_for` decides branches, so a changed one
                    // would take another path.
                    Some(share) if !(0.0..=1.0).contains(share) => {
                        return Err(format!("it accounts for {share}, which is not from 0 to 1"));
                    }
                    Some(share) => known.with_accounts_for(*share),
                    None => known,
                }
            }
            Self::Unknown { reason, source, details, retry_after } => {
                let after = retry_after.as_deref().map(parse_duration).transpose();
                Observation::unknown(*reason, source.clone(), "")
                    .with_details(details.iter().cloned())
                    .with_retry_after(after.map_err(|error| error.to_string())?)
            }
        })
    }
}

impl RecordedValue {
    fn of(value: Value, domain: &Domain) -> Self {
        match value {
            Value::Absent => Self::Absent,
            Value::Duration(duration) => Self::Duration(format_duration(duration)),
            Value::Instant(at) => Self::Instant(at),
            // As text: JSON has no infinity, and a number must be read back to the last bit.
            Value::Number(number) => Self::Number(number.to_string()),
            Value::Count(count) => Self::Count(count),
            Value::Flag(flag) => Self::Flag(flag),
            Value::Choice(_) => Self::Choice(value.render(domain).into()),
        }
    }

    /// Why it is refused in that domain, and what to give instead.
    fn not_of(&self, domain: &Domain) -> String {
        let (kind, value): (_, &dyn std::fmt::Display) = match self {
            Self::Absent => return Value::Absent.not_of(domain),
            Self::Instant(at) => return Value::Instant(*at).not_of(domain),
            Self::Count(count) => return Value::Count(*count).not_of(domain),
            Self::Flag(flag) => return Value::Flag(*flag).not_of(domain),
            // Kept as text, which may be no value at all: it is quoted as it was written.
            Self::Duration(text) => ("duration", text),
            Self::Number(text) => ("number", text),
            Self::Choice(name) => ("choice", name),
        };
        format!("{kind} `{value}` is not a value of the domain {domain}: give one of these")
    }

    /// The value in that domain.
    pub(in crate::diagnosis) fn read(&self, domain: &Domain) -> Result<Value, String> {
        let value = match self {
            Self::Absent => Some(Value::Absent),
            Self::Duration(text) => {
                Some(Value::Duration(parse_duration(text).map_err(|error| error.to_string())?))
            }
            Self::Instant(at) => Some(Value::Instant(*at)),
            Self::Number(text) => text.parse().ok().map(Value::Number),
            Self::Count(count) => Some(Value::Count(*count)),
            Self::Flag(flag) => Some(Value::Flag(*flag)),
            Self::Choice(name) => domain.find_choice(name),
        };
        value
            // A domain may have changed under the same name; then the old value must be refused and not
            // read as another.
            .filter(|value| value.is_of(domain))
            .ok_or_else(|| self.not_of(domain))
    }
}
