//! Ours without I/O: `poll` and `answer` over facts in memory. The trace is on; there is no way to turn it off.
//!
//! The runbook is version 1 of `device-offline`, which the peers were written for, so that both sides walk alike.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::{Diagnosis, Ending, Finding, Output, ProbeRequest, Reply};
use iot_runbook::fact::{Observation, Source, UnknownReason, Value};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::{Param, Query};
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use super::Conclusion;
use super::facts::{Fact, Facts};
use crate::error::Error;
use crate::measure::Side;

/// The runbook that is walked.
pub(crate) const RUNBOOK: &str = "device-offline";

/// It, and the one that it hands over to.
const WALKED: [&str; 2] =
    [include_str!("walked/device-offline.toml"), include_str!("walked/certificate-expiry.toml")];

/// The runbooks with a device to diagnose.
pub(crate) struct Machine {
    set: RunbookSet,
    subject: Subject,
    source: Source,
}

/// What a query is answered with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Known(Value),
    Unknown,
    /// It belongs to a wait, an act or another runbook, before which the comparison ends.
    Beyond,
}

/// Where a walk ended.
enum End {
    Concluded(Box<Finding>),
    /// It would wait, act or hand over: the step, and the runbook of it.
    Stands(String),
}

/// Facts as the machine takes them: an answer for each query of the set, by its position.
pub(crate) struct Answers {
    by_query: Vec<Answer>,
    now: DateTime<Utc>,
}

impl Machine {
    /// The runbooks, loaded.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut walked = Vec::with_capacity(WALKED.len());
        for text in WALKED {
            let document = Document::from_toml(text).map_err(|error| Error::failed("a runbook", error))?;
            walked.push(document.validate().map_err(|error| Error::failed("a runbook", error))?);
        }
        Ok(Self {
            set: RunbookSet::new(walked).map_err(|error| Error::failed("the runbooks", error))?,
            subject: Subject::device("press-07").with_gateway("gw-2").with_site("plant-north"),
            source: Source::from_static("memory"),
        })
    }

    /// A diagnosis that has just begun.
    fn begin(&self, trigger: &Trigger, now: DateTime<Utc>) -> Result<Diagnosis, Error> {
        Diagnosis::new(Ulid(1), &self.set, RUNBOOK, self.subject.clone(), trigger.clone(), now)
            .map_err(|error| Error::failed("a diagnosis", error))
    }

    /// The facts as answers.
    pub(crate) fn answers(&self, facts: &Facts) -> Answers {
        // Any moment will do: the machine is told the time, and reads no clock.
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let by_query = self.set.queries().iter().map(|query| answer(query, facts, now)).collect();
        Answers { by_query, now }
    }

    /// What the machine concludes of the facts, and why not where it does not.
    pub(crate) fn conclude(&self, facts: &Facts) -> Result<Conclusion, Error> {
        let answers = self.answers(facts);
        let trigger = Trigger::new("offline alert", answers.now);
        Ok(match self.walk(&answers, &trigger)? {
            End::Stands(step) => Conclusion::At(step),
            End::Concluded(finding) => conclusion(&finding),
        })
    }

    /// The walk, for timing: everything from a new diagnosis to its finding, both dropped.
    pub(crate) fn side<'a>(&'a self, facts: &Facts) -> Side<'a> {
        let answers = self.answers(facts);
        let trigger = Trigger::new("offline alert", answers.now);
        Box::new(move |runs| {
            for _ in 0..runs {
                let _ = std::hint::black_box(self.walk(&answers, &trigger));
            }
        })
    }

    fn walk(&self, answers: &Answers, trigger: &Trigger) -> Result<End, Error> {
        let now = answers.now;
        let mut diagnosis = self.begin(trigger, now)?;
        loop {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    let observation = match answers.by_query.get(request.query_position()) {
                        Some(Answer::Known(value)) => Observation::known(*value, now, self.source.clone()),
                        Some(Answer::Beyond) if is_beyond(&request) => return Ok(stands(&request)),
                        _ => Observation::unknown(UnknownReason::Failed, self.source.clone(), ""),
                    };
                    diagnosis
                        .answer(request.id, observation, now)
                        .map_err(|error| Error::failed("an answer", error))?;
                }
                Output::Ask(request) => diagnosis
                    .reply(request.id, Reply::does_not_know(self.source.clone()), now)
                    .map_err(|error| Error::failed("a reply", error))?,
                Output::Alert(_) => {}
                Output::Concluded(finding) => return Ok(End::Concluded(finding)),
                _ => return Ok(End::Stands(diagnosis.step().to_owned())),
            }
        }
    }
}

/// Whether the probe belongs to an act or to another runbook; while exploring, others may be asked too.
fn is_beyond(request: &ProbeRequest) -> bool {
    request.runbook() != RUNBOOK || request.step() == "restart-gateway"
}

fn stands(request: &ProbeRequest) -> End {
    let is_handed_over = request.runbook() != RUNBOOK;
    End::Stands(if is_handed_over { "renew-certificate" } else { request.step() }.to_owned())
}

/// What a finding says, in a few words.
pub(crate) fn conclusion(finding: &Finding) -> Conclusion {
    if let Some(id) = finding.conclusion() {
        return Conclusion::At(id.to_owned());
    }
    let why = match finding.ending() {
        Ending::Undetermined => {
            let possible: Vec<_> = finding.hypotheses().iter().map(|one| &*one.cause).collect();
            let ask = finding.next_probe().map_or("nothing more to ask", |next| &*next.check);
            format!("{} possible causes; ask next: {ask}", possible.len())
        }
        other => format!("{other:?}"),
    };
    Conclusion::Undetermined(why)
}

/// The answer to a query of the runbook, by the same names as the facts have.
fn answer(query: &Query, facts: &Facts, now: DateTime<Utc>) -> Answer {
    let word = |fact: Fact<&str>| match fact {
        Fact::Known(word) => query.domain.find_choice(word).map_or(Answer::Unknown, Answer::Known),
        Fact::Missing => Answer::Unknown,
        Fact::Mistyped => Answer::Known(Value::Number(7.0)),
    };
    match &*query.check {
        "service-state" => word(named(facts.service_state, |fact| fact.word())),
        "last-seen" => match facts.last_seen {
            Fact::Known(Some(age)) => Answer::Known(Value::Instant(now - TimeDelta::seconds(age))),
            Fact::Known(None) => Answer::Known(Value::Absent),
            Fact::Missing => Answer::Unknown,
            Fact::Mistyped => Answer::Known(Value::Number(7.0)),
        },
        "broker-connect" => word(named(facts.broker_connect, |fact| fact.word())),
        "gateway-publishing" => word(named(facts.gateway_publishing, |fact| fact.word())),
        "certificate" if query.params.get("which") == Some(&Param::Text("presented".into())) => {
            word(named(facts.presented, |fact| fact.word()))
        }
        "certificate" => word(named(facts.certificate, |fact| fact.word())),
        "gateway-health" => word(named(facts.gateway_health, |fact| fact.word())),
        "site-uplink" => match facts.site_uplink {
            Fact::Known(answers) => Answer::Known(Value::Flag(answers)),
            Fact::Missing => Answer::Unknown,
            Fact::Mistyped => Answer::Known(Value::Number(7.0)),
        },
        "ot-network" => word(named(facts.ot_network, |fact| fact.word())),
        "power" => word(named(facts.power, |fact| fact.word())),
        _ => Answer::Beyond,
    }
}

/// The same fact by its name.
fn named<T>(fact: Fact<T>, word: impl FnOnce(T) -> &'static str) -> Fact<&'static str> {
    match fact {
        Fact::Known(value) => Fact::Known(word(value)),
        Fact::Missing => Fact::Missing,
        Fact::Mistyped => Fact::Mistyped,
    }
}
