//! The answers of a bundle, given to the runbook as it is now: would it still come to the same end?
//!
//! This is not a replay: the runbook may ask what nobody answered then. That is unknown.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use iot_runbook::diagnosis::{
    ActOutcome, ActReport, Bundle, Output, Record, Recorded, RecordedObservation, RecordedValue, RequestId,
};
use iot_runbook::fact::{Domain, Observation, UnknownReason, Value};
use iot_runbook::time::parse_duration;
use iot_runbook::{Diagnosis, Finding, RunbookSet};

/// What came of it.
pub(super) struct Again {
    pub(super) finding: Finding,
    /// The last step that both walks have in common, before they part.
    pub(super) parts_after: Option<String>,
    /// The checks that were asked and that the bundle does not answer.
    pub(super) unanswered: BTreeSet<String>,
}

/// The conclusion that the bundle came to.
pub(super) fn conclusion(bundle: &Bundle) -> Option<&str> {
    let last = bundle.records.last()?;
    matches!(last.what, Recorded::Concluded).then_some(&*last.step)
}

/// Walks the runbook of the set with the answers of the bundle. `None` where the bundle has not ended, so that there is
/// nothing to compare, or where the runbook does not come to an end with them.
pub(super) fn walk(bundle: &Bundle, set: &RunbookSet) -> Option<Again> {
    let ends = |record: &Record| {
        matches!(
            record.what,
            Recorded::Concluded | Recorded::Undetermined | Recorded::Withdrawn { .. } | Recorded::Aborted(_)
        )
    };
    bundle.records.last().filter(|last| ends(last))?;
    let (subject, trigger) = (bundle.subject.clone(), bundle.trigger.clone());
    let mut diagnosis =
        Diagnosis::new(bundle.diagnosis, set, &bundle.runbook, subject, trigger, bundle.started_at).ok()?;
    let mut answers = Answers::of(bundle);
    // A walk has fewer outputs than this; one that does not end is not shown.
    for _ in 0..100_000 {
        match diagnosis.poll(answers.now) {
            Output::Concluded(finding) => {
                let parts_after = parting(&bundle.records, &diagnosis.trace().collect::<Vec<_>>());
                return Some(Again { finding: *finding, parts_after, unanswered: answers.unanswered });
            }
            Output::Alert(_) => {}
            output => answers.give(&mut diagnosis, output)?,
        }
    }
    None
}

/// The answers of a bundle, and which of them were given.
struct Answers<'b> {
    records: &'b [Record],
    given: BTreeSet<usize>,
    now: DateTime<Utc>,
    /// The news and withdrawals to come.
    news: Vec<&'b Record>,
    /// What was asked and has no answer yet: news may end it first.
    open: Vec<(RequestId, String)>,
    unanswered: BTreeSet<String>,
}

impl<'b> Answers<'b> {
    fn of(bundle: &'b Bundle) -> Self {
        let is_news =
            |record: &&Record| matches!(record.what, Recorded::News { .. } | Recorded::Withdrawn { .. });
        let mut news: Vec<&Record> = bundle.records.iter().filter(is_news).collect();
        news.reverse();
        Self {
            records: &bundle.records,
            given: BTreeSet::new(),
            now: bundle.started_at,
            news,
            open: Vec::new(),
            unanswered: BTreeSet::new(),
        }
    }

    /// Gives what an output asks for, or lets time pass; `None` where nothing would come any more.
    fn give(&mut self, diagnosis: &mut Diagnosis, output: Output) -> Option<()> {
        let given = match output {
            Output::Probe(request) => {
                let query = request.query();
                match self.observation(request.step(), &query.check, &query.domain) {
                    Some(observation) => diagnosis.answer(request.id, observation, self.now),
                    None => {
                        self.open.push((request.id, query.check.to_string()));
                        Ok(())
                    }
                }
            }
            Output::Approve(request) => match self.take(request.step(), |what| {
                matches!(what, Recorded::Approved { .. } | Recorded::Declined { request: Some(_), .. })
            }) {
                Some(Recorded::Approved { by, .. }) => diagnosis.approve(request.grant(by.clone()), self.now),
                Some(Recorded::Declined { by, reason, .. }) => {
                    diagnosis.approve(request.decline(by.clone(), reason.clone()), self.now)
                }
                _ => Ok(()),
            },
            Output::Act(request) => {
                match self.take(request.step(), |what| matches!(what, Recorded::Acted { .. })) {
                    Some(Recorded::Acted { outcome, by, details, .. }) => {
                        let report = match outcome {
                            ActOutcome::Done => ActReport::done(by.clone()),
                            ActOutcome::Refused => ActReport::refused(by.clone(), ""),
                            _ => ActReport::failed(by.clone(), ""),
                        };
                        diagnosis.report_act(
                            request.id,
                            report.with_details(details.iter().cloned()),
                            self.now,
                        )
                    }
                    _ => Ok(()),
                }
            }
            Output::Ask(request) => {
                match self.take(request.step(), |what| matches!(what, Recorded::PersonAnswered { .. })) {
                    Some(Recorded::PersonAnswered { value, by, details, .. }) => {
                        let (by, details) = (by.clone(), details.clone());
                        // The question may have changed: an answer that it does not take is dropped.
                        let _ = diagnosis.reply_recorded(request.id, value.as_ref(), by, details, self.now);
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            Output::Pending { until } => return self.pass_time(diagnosis, until),
            _ => return None,
        };
        given.ok()
    }

    /// Time passes until the next news, or until the diagnosis is to be polled again.
    fn pass_time(&mut self, diagnosis: &mut Diagnosis, until: Option<DateTime<Utc>>) -> Option<()> {
        match self.news.pop_if(|record| until.is_none_or(|until| record.at < until)) {
            Some(record) => {
                self.now = self.now.max(record.at);
                // News that nobody asks for any more changes nothing.
                match &record.what {
                    Recorded::News { check, observation } => {
                        let _ = diagnosis.inform_recorded(check, observation, self.now);
                    }
                    Recorded::Withdrawn { by, why, .. } => {
                        let _ = diagnosis.withdraw(by.clone(), why.clone(), self.now);
                    }
                    _ => {}
                }
            }
            // Nobody answered, and nothing came that would have ended it.
            None if !self.open.is_empty() => {
                for (request, check) in std::mem::take(&mut self.open) {
                    if diagnosis.is_open(request) {
                        let text = "the evidence has no answer";
                        let unknown = Observation::unknown(UnknownReason::NoAdapter, "replay", text);
                        diagnosis.answer(request, unknown, self.now).ok()?;
                        self.unanswered.insert(check);
                    }
                }
            }
            None => self.now = self.now.max(until?),
        }
        Some(())
    }

    /// The next answer to a check: first one that its step got, then the latest that any step got.
    fn observation(&mut self, step: &str, check: &str, domain: &Domain) -> Option<Observation> {
        let own = self.position(step, |what| observed(what).is_some_and(|(of, _)| of == check));
        let found = match own {
            Some(at) => {
                self.given.insert(at);
                self.records.get(at).inspect(|record| self.now = self.now.max(record.at))
            }
            None => self.records.iter().rfind(|record| {
                record.at <= self.now && observed(&record.what).is_some_and(|(of, _)| of == check)
            }),
        };
        found.and_then(|record| observed(&record.what)).map(|(_, observation)| read(observation, domain))
    }

    /// The next record of a step that holds, given from then on.
    fn take(&mut self, step: &str, holds: impl Fn(&Recorded) -> bool) -> Option<&'b Recorded> {
        let at = self.position(step, holds)?;
        self.given.insert(at);
        let record = self.records.get(at)?;
        self.now = self.now.max(record.at);
        Some(&record.what)
    }

    fn position(&self, step: &str, holds: impl Fn(&Recorded) -> bool) -> Option<usize> {
        let mut records = self.records.iter().enumerate();
        let fits = |(at, record): &(usize, &Record)| {
            *record.step == *step && holds(&record.what) && !self.given.contains(at)
        };
        records.find(fits).map(|(at, _)| at)
    }
}

/// The check that a record answers, and the answer.
fn observed(what: &Recorded) -> Option<(&str, &RecordedObservation)> {
    match what {
        Recorded::Answered { check, observation, .. }
        | Recorded::Explored { check, observation, .. }
        | Recorded::Rechecked { check, observation, .. } => Some((check, observation)),
        _ => None,
    }
}

/// A recorded observation in the domain that the check has now.
fn read(observation: &RecordedObservation, domain: &Domain) -> Observation {
    match observation {
        RecordedObservation::Known { value, observed_at, source, details, accounts_for } => {
            let Some(value) = in_domain(value, domain) else {
                let text = "the answer is none of the check's values any more";
                return Observation::unknown(UnknownReason::NotInDomain, source.clone(), text);
            };
            let known =
                Observation::known(value, *observed_at, source.clone()).with_details(details.iter().cloned());
            match accounts_for {
                Some(share) => known.with_accounts_for(*share),
                None => known,
            }
        }
        RecordedObservation::Unknown { reason, source, details, .. } => {
            // Not when to ask again: nobody would answer then.
            Observation::unknown(*reason, source.clone(), "").with_details(details.iter().cloned())
        }
        _ => Observation::unknown(UnknownReason::Failed, "replay", "an observation of a later version"),
    }
}

fn in_domain(value: &RecordedValue, domain: &Domain) -> Option<Value> {
    let value = match value {
        RecordedValue::Absent => Value::Absent,
        RecordedValue::Duration(text) => Value::Duration(parse_duration(text).ok()?),
        RecordedValue::Instant(at) => Value::Instant(*at),
        RecordedValue::Number(text) => Value::Number(text.parse().ok()?),
        RecordedValue::Count(count) => Value::Count(*count),
        RecordedValue::Flag(flag) => Value::Flag(*flag),
        RecordedValue::Choice(name) => domain.find_choice(name)?,
        _ => return None,
    };
    Some(value).filter(|value| value.is_of(domain))
}

/// The last step that both walks have in common from their begin.
fn parting(then: &[Record], now: &[Record]) -> Option<String> {
    let (then, now) = (steps(then), steps(now));
    let common = then.iter().zip(&now).take_while(|(one, other)| one == other).count();
    let is_same = common == then.len() && common == now.len();
    then.get(common.checked_sub(1)?).filter(|_| !is_same).cloned()
}

/// The steps of a walk in order, each once in a row.
fn steps(records: &[Record]) -> Vec<String> {
    let mut steps: Vec<String> =
        records.iter().map(|record| format!("{}/{}", record.runbook, record.step)).collect();
    steps.dedup();
    steps
}
