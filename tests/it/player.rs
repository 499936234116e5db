//! Drives the machine through a [`World`], as the model walks it.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use iot_runbook::diagnosis::{ActReport, Diagnosis, Ending, Output, Recorded, Reply, RequestId};
use iot_runbook::fact::Observation;
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::Period;
use ulid::Ulid;

use crate::deepest::NOW;
use crate::model::{End, News, Reaction, Walk, World};

pub(crate) fn subject() -> Subject {
    Subject::device("press-07")
        .with_tag("temperature")
        .with_gateway("gw-2")
        .with_site("north")
        .with_pipeline("ingest")
        .with_period(Period::ending(NOW, chrono::TimeDelta::hours(1)))
}

/// A subject that names only the parts of the set bits: gateway, site, pipeline, period.
pub(crate) fn subject_with(parts: u8) -> Subject {
    let whole = subject();
    let mut subject = Subject::device("press-07");
    subject.gateway = whole.gateway.filter(|_| parts & 1 != 0);
    subject.site = whole.site.filter(|_| parts & 2 != 0);
    subject.pipeline = whole.pipeline.filter(|_| parts & 4 != 0);
    subject.period = whole.period.filter(|_| parts & 8 != 0);
    subject
}

pub(crate) fn begin(set: &RunbookSet, runbook: &str, triggered_at: DateTime<Utc>) -> Diagnosis {
    begin_of(set, runbook, subject(), triggered_at)
}

pub(crate) fn begin_of(
    set: &RunbookSet,
    runbook: &str,
    subject: Subject,
    triggered_at: DateTime<Utc>,
) -> Diagnosis {
    let trigger = Trigger::new("alert", triggered_at);
    Diagnosis::new(Ulid(7), set, runbook, subject, trigger, NOW).unwrap()
}

/// Plays the world to the end. Between any two calls `between` may put another diagnosis in its place.
pub(crate) fn play(
    diagnosis: Diagnosis,
    world: World,
    between: impl FnMut(Diagnosis) -> Diagnosis,
) -> Diagnosis {
    play_watched(diagnosis, world, between, |_| {})
}

/// The same; `watch` sees it wherever nothing is left to do but wait.
pub(crate) fn play_watched(
    mut diagnosis: Diagnosis,
    world: World,
    mut between: impl FnMut(Diagnosis) -> Diagnosis,
    mut watch: impl FnMut(&Diagnosis),
) -> Diagnosis {
    let mut now = NOW;
    let mut asked: HashMap<String, usize> = HashMap::new();
    // A request that is handed out again is the same question.
    let mut drawn: HashMap<RequestId, usize> = HashMap::new();
    let mut nth = |request: RequestId, what: String| {
        *drawn.entry(request).or_insert_with(|| {
            let nth = asked.entry(what).or_default();
            *nth += 1;
            *nth - 1
        })
    };
    let mut news = world.news(diagnosis.runbooks(), NOW).into_iter().peekable();
    // An act's approval and its outcome are drawn under one number.
    let mut acts: HashMap<String, usize> = HashMap::new();
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let query = request.query();
                let nth = nth(request.id, format!("{}{:?}", query.check, query.params));
                let observation = match world.value(query, nth, now) {
                    Ok(value) => Observation::known(value, now, "world"),
                    Err(reason) => Observation::unknown(reason, "world", ""),
                };
                diagnosis = between(diagnosis);
                diagnosis.answer(request.id, observation, now).unwrap();
            }
            Output::Approve(request) => {
                let nth = nth(request.id, format!("act {}", request.step()));
                acts.insert(request.step().to_owned(), nth);
                // Where nobody answers, a resumed diagnosis would ask again and again: it is left as it is.
                let reaction = world.reaction(&format!("approve {}", request.step()), nth);
                if reaction != Reaction::Never {
                    diagnosis = between(diagnosis);
                }
                match reaction {
                    Reaction::First => diagnosis.approve(request.grant("world"), now).unwrap(),
                    Reaction::Second | Reaction::Third => {
                        diagnosis.approve(request.decline("world", "no"), now).unwrap();
                    }
                    Reaction::Never => {}
                }
            }
            Output::Act(request) => {
                let step = request.step();
                let nth = acts.get(step).copied().unwrap_or_else(|| nth(request.id, format!("act {step}")));
                let report = match world.reaction(&format!("act {step}"), nth) {
                    Reaction::First => Some(ActReport::done("world")),
                    Reaction::Second => Some(ActReport::refused("world", "not safe")),
                    Reaction::Third => Some(ActReport::failed("world", "broken")),
                    Reaction::Never => None,
                };
                if let Some(report) = report {
                    diagnosis = between(diagnosis);
                    diagnosis.report_act(request.id, report, now).unwrap();
                }
            }
            Output::Ask(request) => {
                let nth = nth(request.id, format!("person {}", request.step()));
                let reply = world.reply(request.step(), request.domain(), nth, now);
                if let Some(value) = reply {
                    diagnosis = between(diagnosis);
                    diagnosis.reply(request.id, Reply::new(value, "world"), now).unwrap();
                }
            }
            Output::Alert(alert) => {
                diagnosis.alert_delivered(alert.number());
                diagnosis = between(diagnosis);
            }
            Output::Pending { until } => {
                watch(&diagnosis);
                let until = until.expect("nothing is awaited");
                match news.next_if(|news| news.at < until) {
                    Some(News { at, check, value }) => {
                        now = at;
                        let told = Observation::known(value, at, "world");
                        // It may be over by then.
                        let _ = diagnosis.inform(&check, told, at);
                        diagnosis = between(diagnosis);
                    }
                    None => now = until,
                }
            }
            Output::Concluded(_) => return diagnosis,
            other => panic!("{other:?}"),
        }
    }
}

/// What the machine's trace says, in the model's words.
pub(crate) fn walk(diagnosis: &Diagnosis) -> Walk {
    let mut steps: Vec<String> = Vec::new();
    for record in diagnosis.trace() {
        if matches!(record.what, Recorded::Asked { exploring: true, .. } | Recorded::Explored { .. }) {
            continue;
        }
        let name = if *record.runbook == *diagnosis.runbook() {
            record.step.to_string()
        } else {
            format!("{}/{}", record.runbook, record.step)
        };
        if steps.last() != Some(&name) {
            steps.push(name);
        }
    }
    let finding = diagnosis.finding().unwrap();
    let end = match finding.ending() {
        Ending::Concluded => End::Concluded(finding.conclusion().unwrap().to_owned()),
        Ending::Undetermined => {
            let left =
                finding.hypotheses().iter().map(|left| (left.cause.to_string(), left.blocked_at.is_some()));
            End::Undetermined(left.collect::<BTreeMap<_, _>>())
        }
        _ => End::Aborted,
    };
    Walk { steps, end }
}
