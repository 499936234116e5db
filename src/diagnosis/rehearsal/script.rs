//! A rehearsal being played: its answers, read by the domain of their step.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::cue::{Cue, Cues, TimedCue};
use super::{Push, Rehearsal, RehearsalError, STAGE_TIME};
use crate::diagnosis::{ActReport, Diagnosis, Output, Phase, ProbeRequest, Reply};
use crate::fact::{Domain, Kind, Observation, UnknownReason, Value};
use crate::runbook::step::StepKind;
use crate::runbook::suggest::nearest;
use crate::runbook::{Runbook, RunbookSet};
use crate::time::{parse_duration, saturating_add};

/// A rehearsal being played.
pub(super) struct Script<'a> {
    rehearsal: &'a Rehearsal,
    /// How often each was used.
    used: BTreeMap<String, usize>,
    now: DateTime<Utc>,
    /// When each news is pushed in, the next last.
    news: Vec<(DateTime<Utc>, &'a Push)>,
}

/// A length of time that a rehearsal names.
pub(super) fn length(rehearsal: &str, key: &str, text: &str) -> Result<TimeDelta, RehearsalError> {
    parse_duration(text).map_err(|error| RehearsalError::WrongCue {
        rehearsal: rehearsal.to_owned(),
        step: key.to_owned(),
        why: error.to_string(),
    })
}

impl<'a> Script<'a> {
    pub(super) fn new(rehearsal: &'a Rehearsal, runbooks: &RunbookSet) -> Result<Self, RehearsalError> {
        for key in rehearsal.facts.keys() {
            let (runbook, step) = key.split_once('/').unwrap_or((&rehearsal.runbook, key));
            let (id, part) = step.split_once('.').unwrap_or((step, ""));
            let runbook = runbooks.find(runbook);
            let known = runbook.and_then(|runbook| Some(&runbook.step(runbook.find(id)?)?.kind));
            let is_told = match (known, part) {
                (None, "") => id == "unless" && runbook.is_some_and(|runbook| runbook.unless().is_some()),
                (Some(StepKind::Conclude(conclusion)), "unless") => conclusion.unless.is_some(),
                (Some(StepKind::Act(act)), "recheck") => act.recheck.is_some(),
                (Some(StepKind::Check(_)), "person") => true,
                (Some(StepKind::Conclude(_)), _) => false,
                (Some(_), "") => true,
                _ => false,
            };
            // A misspelt step would otherwise be a fact that nobody reads, and the rehearsal would pass
            // for another reason.
            if !is_told {
                let ids = runbooks.runbooks().flat_map(Runbook::steps).map(|step| &*step.id);
                return Err(RehearsalError::NoSuchStep {
                    rehearsal: rehearsal.name.clone(),
                    step: key.clone(),
                    meant: nearest(id, ids).map(str::to_owned),
                });
            }
        }
        for (key, cues) in &rehearsal.facts {
            if let Cues::OverTime(cues) = cues {
                // Before it is played, or a wrong length would be found only in walks that come so far.
                cues.iter().try_for_each(|cue| length(&rehearsal.name, key, &cue.from).map(drop))?;
            }
        }
        let mut news = Vec::new();
        for push in &rehearsal.news {
            news.push((saturating_add(STAGE_TIME, length(&rehearsal.name, "news", &push.after)?), push));
        }
        // Stable, and taken from the end: of one moment the first that is written comes first.
        news.reverse();
        news.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Ok(Self { rehearsal, used: BTreeMap::new(), now: STAGE_TIME, news })
    }

    /// Plays it to the end, and returns the facts that no step asked for. Time moves only where the diagnosis waits.
    pub(super) fn play(mut self, diagnosis: &mut Diagnosis) -> Result<Vec<String>, RehearsalError> {
        self.drive(diagnosis)?;
        // A list that is not used up is left alone: a loop may end sooner than its author counted.
        let is_unused = |key: &&String| !self.used.contains_key(*key);
        Ok(self.rehearsal.facts.keys().filter(is_unused).cloned().collect())
    }

    fn drive(&mut self, diagnosis: &mut Diagnosis) -> Result<(), RehearsalError> {
        loop {
            let now = self.now;
            // An answer to a request that was just handed out is never refused: time does not move between.
            let answered = match diagnosis.poll(now) {
                Output::Probe(request) => {
                    let key = self.asked(diagnosis, &request);
                    let cue = self.next(&key);
                    let observation = self.observation(&key, cue, &request.query().domain, now)?;
                    diagnosis.answer(request.id, observation, now)
                }
                Output::Approve(request) => {
                    let key = self.key(request.runbook(), request.step(), "");
                    // Its word on the act is a word on the approval too, even where the act is then not begun.
                    self.used.entry(key.clone()).or_default();
                    match self.peek(&key) {
                        Some(Cue::Text(how)) if how == "declined" => {
                            self.next(&key);
                            diagnosis.approve(request.decline("rehearsal", "declined"), now)
                        }
                        Some(_) => diagnosis.approve(request.grant("rehearsal"), now),
                        None => Ok(()),
                    }
                }
                Output::Act(request) => {
                    let key = self.key(request.runbook(), request.step(), "");
                    match self.next(&key) {
                        Some(cue) => match self.report(&key, &cue)? {
                            Some(report) => diagnosis.report_act(request.id, report, now),
                            None => Ok(()),
                        },
                        None => Ok(()),
                    }
                }
                Output::Ask(request) => {
                    let kind = diagnosis.context.step(diagnosis.place).map(|step| &step.kind);
                    let suffix = if matches!(kind, Some(StepKind::Check(_))) { ".person" } else { "" };
                    let key = self.key(request.runbook(), request.step(), suffix);
                    match self.next(&key) {
                        None => Ok(()),
                        Some(Cue::Unknown { .. }) => {
                            diagnosis.reply(request.id, Reply::does_not_know("rehearsal"), now)
                        }
                        Some(cue) => {
                            let value = self.value(&key, &cue, request.domain(), now)?;
                            diagnosis.reply(request.id, Reply::new(value, "rehearsal"), now)
                        }
                    }
                }
                Output::Alert(_) => Ok(()),
                Output::Pending { until } => {
                    match (self.news.pop_if(|(at, _)| until.is_none_or(|until| *at < until)), until) {
                        (Some((at, push)), _) => {
                            self.now = now.max(at);
                            self.push(diagnosis, push)?;
                        }
                        (None, Some(until)) => self.now = now.max(until),
                        (None, None) => return Ok(()),
                    }
                    Ok(())
                }
                Output::Concluded(_) => {
                    let Some((_, push)) = self.news.pop() else { return Ok(()) };
                    return Err(
                        self.wrong("news", format!("it has ended before the news after {}", push.after))
                    );
                }
            };
            answered.map_err(|error| RehearsalError::WrongCue {
                rehearsal: self.rehearsal.name.clone(),
                step: diagnosis.step().to_owned(),
                why: error.to_string(),
            })?;
        }
    }

    /// The name of what is asked: the step, its recheck, or what the runbook asks again before an undetermined end.
    fn asked(&self, diagnosis: &Diagnosis, request: &ProbeRequest) -> String {
        match (&diagnosis.phase, request.context.step(request.place).map(|step| &step.kind)) {
            (Phase::LookingAgain(_), Some(StepKind::Check(_))) => self.key(request.runbook(), "unless", ""),
            (_, Some(StepKind::Conclude(_))) => self.key(request.runbook(), request.step(), ".unless"),
            (_, Some(StepKind::Act(_))) => self.key(request.runbook(), request.step(), ".recheck"),
            _ => self.key(request.runbook(), request.step(), ""),
        }
    }

    fn key(&self, runbook: &str, step: &str, suffix: &str) -> String {
        if runbook == self.rehearsal.runbook {
            format!("{step}{suffix}")
        } else {
            format!("{runbook}/{step}{suffix}")
        }
    }

    /// Pushes a fact in, or withdraws the diagnosis.
    fn push(&self, diagnosis: &mut Diagnosis, push: &Push) -> Result<(), RehearsalError> {
        let wrong = |why: String| self.wrong("news", why);
        let pushed = match (&push.check, &push.value, &push.withdrawn) {
            (Some(check), Some(value), None) => {
                let queries = diagnosis.context.set.queries();
                let query = diagnosis.query_of(check).and_then(|query| queries.get(query as usize));
                let query = query.ok_or_else(|| wrong(format!("no runbook asks a check `{check}`")))?;
                let value = self.value("news", value, &query.domain, self.now)?;
                diagnosis.inform(check, Observation::known(value, self.now, "rehearsal"), self.now)
            }
            (None, None, Some(why)) => diagnosis.withdraw("rehearsal", why.as_str(), self.now),
            _ => return Err(wrong("give `check` and `value`, or `withdrawn`".to_owned())),
        };
        pushed.map_err(|error| wrong(error.to_string()))
    }

    fn peek(&self, key: &str) -> Option<&Cue> {
        match self.rehearsal.facts.get(key)? {
            Cues::Always(cue) => Some(cue),
            Cues::OverTime(cues) => {
                let elapsed = self.now - STAGE_TIME;
                let has_come = |cue: &&TimedCue| parse_duration(&cue.from).is_ok_and(|from| from <= elapsed);
                cues.iter().rfind(has_come).map(|cue| &cue.value)
            }
            Cues::InTurn(cues) => {
                // The last cue stays: a loop may ask once more than its author counted.
                cues.get(self.used.get(key).copied().unwrap_or_default()).or_else(|| cues.last())
            }
        }
    }

    fn next(&mut self, key: &str) -> Option<Cue> {
        let cue = self.peek(key).cloned();
        *self.used.entry(key.to_owned()).or_default() += 1;
        cue
    }

    fn observation(
        &self,
        key: &str,
        cue: Option<Cue>,
        domain: &Domain,
        now: DateTime<Utc>,
    ) -> Result<Observation, RehearsalError> {
        Ok(match cue {
            None => Observation::unknown(
                UnknownReason::NoAdapter,
                "rehearsal",
                "the rehearsal has no answer of this step",
            ),
            Some(Cue::Unknown { unknown }) => Observation::unknown(unknown, "rehearsal", ""),
            Some(Cue::Accounting { value, accounts_for }) => {
                let value = self.value(key, &value, domain, now)?;
                Observation::known(value, now, "rehearsal").with_accounts_for(accounts_for)
            }
            Some(cue) => Observation::known(self.value(key, &cue, domain, now)?, now, "rehearsal"),
        })
    }

    fn value(
        &self,
        key: &str,
        cue: &Cue,
        domain: &Domain,
        now: DateTime<Utc>,
    ) -> Result<Value, RehearsalError> {
        let length = |text: &str| parse_duration(text).ok();
        let value = match (cue, domain.kind()) {
            (Cue::Text(text), _) if text == "absent" && domain.is_optional() => Some(Value::Absent),
            (Cue::Flag(flag), Kind::Flag) => Some(Value::Flag(*flag)),
            (Cue::Count(count), Kind::Count) => Some(Value::Count(*count)),
            (Cue::Count(count), Kind::Number) => Some(Value::Number(*count as f64)),
            (Cue::Number(number), Kind::Number) => Some(Value::Number(*number)),
            (Cue::Text(text), Kind::Duration) => length(text).map(Value::Duration),
            (Cue::Text(text), Kind::Instant) => {
                let age = length(text).and_then(|age| TimeDelta::zero().checked_sub(&age));
                age.map(|back| Value::Instant(saturating_add(now, back)))
            }
            (Cue::Text(text), Kind::Choice(_)) => domain.find_choice(text),
            _ => None,
        };
        value.ok_or_else(|| self.wrong(key, format!("{cue} is no value of the domain {domain}")))
    }

    fn report(&self, key: &str, cue: &Cue) -> Result<Option<ActReport>, RehearsalError> {
        let how = match cue {
            Cue::Text(how) => how.as_str(),
            _ => "",
        };
        match how {
            "done" => Ok(Some(ActReport::done("rehearsal"))),
            "refused" => Ok(Some(ActReport::refused("rehearsal", "it refuses"))),
            "failed" => Ok(Some(ActReport::failed("rehearsal", "it fails"))),
            "expired" => Ok(None),
            _ => Err(self.wrong(key, format!("{cue} is none of done, refused, failed, expired, declined"))),
        }
    }

    fn wrong(&self, key: &str, why: String) -> RehearsalError {
        RehearsalError::WrongCue { rehearsal: self.rehearsal.name.clone(), step: key.to_owned(), why }
    }
}
