//! What others bring in while a diagnosis runs: a fact, or that it is no longer wanted.

use chrono::{DateTime, Utc};

use super::super::error::{CannotGoOn, NewsError};
use super::super::id::RequestId;
use super::super::log::{Event, ExitIndex, Place, Statement};
use super::super::open::ExpectedReply;
use super::{ACT_EXITS, OVER};
use crate::diagnosis::facts::exit_of;
use crate::diagnosis::{Diagnosis, Phase};
use crate::fact::{Domain, Observation, Source, Value};
use crate::runbook::step::{CheckSource, Recheck, StepKind};

/// A fact that was pushed in.
struct News {
    check: Box<str>,
    domain: Domain,
    value: Value,
    observation: Observation,
    /// Its entry in the log.
    entry: u32,
}

impl Diagnosis {
    /// Pushes in a fact: the value of a check that somebody knows without being asked. It is recorded as a known answer
    /// to that check, and the first of these that applies happens:
    ///
    /// 1. It answers the open requests of that check.
    /// 2. At an act that waits for its approval or its recheck, and whose recheck asks that check: a branch of the
    ///    recheck that takes the value is taken, and the request closes.
    /// 3. Where the `unless` of the runbook asks that check and a branch takes the value, the diagnosis goes there. The
    ///    runbook that is running comes first, then its callers; the runbooks between are left.
    /// 4. Where a person is asked in place of that check, it is the answer.
    /// 5. A wait ends at once; a question that was put off ends its pause if it asks that check.
    /// 6. Otherwise it is a fact that later steps find known.
    ///
    /// While an act is under way only 1 and 6 apply: its report is awaited.
    ///
    /// # Errors
    /// [`NewsError`]; nothing has changed then.
    pub fn inform(
        &mut self,
        check: &str,
        observation: Observation,
        now: DateTime<Utc>,
    ) -> Result<(), NewsError> {
        if self.is_ended() {
            return Err(NewsError::Ended);
        }
        let query = self.query_of(check).ok_or_else(|| NewsError::NoSuchCheck { check: check.into() })?;
        let domain = self.context.set.queries().get(query as usize).map(|query| query.domain.clone());
        let domain = domain.ok_or_else(|| NewsError::NoSuchCheck { check: check.into() })?;
        let Some(value) = observation.value() else { return Err(NewsError::Unknown { check: check.into() }) };
        if !value.is_of(&domain) {
            let (value, domain) = (value.render(&domain), domain.to_string());
            return Err(NewsError::NotInDomain { check: check.into(), value, domain });
        }
        self.take_observation(check, query, domain, observation, now)
    }

    /// The same of a record, which may hold a value that was out of date.
    pub(in crate::diagnosis) fn inform_again(
        &mut self,
        check: &str,
        observation: Observation,
        now: DateTime<Utc>,
    ) -> Result<(), NewsError> {
        let query = self.query_of(check).ok_or_else(|| NewsError::NoSuchCheck { check: check.into() })?;
        let domain = self.context.set.queries().get(query as usize).map(|query| query.domain.clone());
        let domain = domain.ok_or_else(|| NewsError::NoSuchCheck { check: check.into() })?;
        self.take_observation(check, query, domain, observation, now)
    }

    fn take_observation(
        &mut self,
        check: &str,
        query: u32,
        domain: Domain,
        mut observation: Observation,
        now: DateTime<Utc>,
    ) -> Result<(), NewsError> {
        self.advance(now);
        if self.is_ended() {
            return Err(NewsError::Ended);
        }
        let is_future = self.accept(query, &mut observation);
        let entry = self.log.next();
        let observed = self.log.keep(observation.clone());
        self.push(Event::News { query, observed });
        self.note_future(is_future);
        // One that is out of date, or dated in the future, is kept and decides nothing.
        if let Some(value) = observation.value() {
            let news = News { check: check.into(), domain, value, observation, entry };
            self.take_news(&news);
        }
        Ok(())
    }

    /// Ends the diagnosis: it is no longer wanted. An act that is under way is named in the finding; nobody stops it.
    ///
    /// # Errors
    /// [`NewsError::Ended`] where it has ended already.
    pub fn withdraw(
        &mut self,
        by: impl Into<Source>,
        why: impl Into<Box<str>>,
        now: DateTime<Utc>,
    ) -> Result<(), NewsError> {
        self.advance(now);
        if self.is_ended() {
            return Err(NewsError::Ended);
        }
        // Whoever withdraws it must know that something may still happen to the device.
        let acting = matches!(self.phase, Phase::Acting { .. });
        let said = self.log.keep_statement(Statement::Withdrawn { by: by.into(), why: why.into() });
        self.push(Event::Withdrawn { said, acting });
        self.ask_no_more();
        self.phase = Phase::Ended;
        Ok(())
    }

    /// The checks for whose sake a diagnosis that ended undetermined can [go on](Self::go_on): their answers failed in a
    /// way that may have passed by now. Empty otherwise.
    #[must_use]
    pub fn can_go_on(&self) -> Vec<&str> {
        if !matches!(self.last_event(), Some(Event::Undetermined)) {
            return Vec::new();
        }
        let mut checks: Vec<&str> = Vec::new();
        // What failed before a wait or an act was asked again after it, or was not needed.
        for entry in self.log.entries().iter().skip(self.epoch as usize) {
            let (Event::Answered { query, observed, .. } | Event::Explored { query, observed, .. }) =
                entry.event
            else {
                continue;
            };
            let Some(Observation::Unknown(unknown)) = self.log.observation(observed) else { continue };
            let Some(query) = self.context.set.queries().get(query as usize) else { continue };
            if unknown.reason.is_transient() && !checks.contains(&&*query.check) {
                checks.push(&query.check);
            }
        }
        checks
    }

    /// Goes on where it ended undetermined: what was known is asked afresh, from the step that could not be decided.
    ///
    /// # Errors
    /// [`CannotGoOn`] where [`Diagnosis::can_go_on`] names no check, or the runbook's `longest` is over; nothing has
    /// changed then.
    pub fn go_on(&mut self, now: DateTime<Utc>) -> Result<(), CannotGoOn> {
        // The time in between was nobody's wait: it counts, and is no anomaly.
        let gained = crate::time::since(now, self.now).max(chrono::TimeDelta::zero());
        let elapsed = self.after(gained);
        // Beyond the longest it would only be aborted, and its hypotheses lost.
        if self.can_go_on().is_empty() || elapsed >= self.longest() {
            return Err(CannotGoOn);
        }
        (self.elapsed, self.now) = (elapsed, now);
        self.push(Event::WentOn);
        // Or the next tick would take the pause for a jump of the clock.
        (self.logged, self.logged_elapsed) = (self.log.next(), self.elapsed);
        self.begin_epoch();
        if let Some(exit) = self.enter() {
            self.leave(exit);
        }
        Ok(())
    }

    /// A query that asks the check: of the present runbook where it has one, else of its callers, else of any other.
    pub(in crate::diagnosis) fn query_of(&self, check: &str) -> Option<u32> {
        let set = &self.context.set;
        let running = std::iter::once(self.place).chain(self.callers.iter().rev().copied());
        let own = running.filter_map(|place| {
            let queries = set.runbook(place.runbook)?.queries();
            let at = queries.iter().position(|query| *query.check == *check)?;
            set.query(place.runbook, crate::runbook::step::QueryIndex(u32::try_from(at).ok()?))
        });
        // A runbook that is not running may be called later: the fact is kept for it.
        let any = set.queries().iter().zip(0_u32..).filter(|(query, _)| *query.check == *check);
        own.chain(any.map(|(_, at)| at)).next()
    }

    fn take_news(&mut self, news: &News) {
        for (query, answer) in self.context.set.queries().iter().zip(&mut self.answers) {
            if news.is_about(&query.check, &query.domain) {
                *answer = Some(news.entry);
            }
        }
        // An act that runs cannot be called back from here: to walk on would leave its outcome out of the
        // trace.
        if self.answer_by(news) || matches!(self.phase, Phase::Acting { .. }) {
            return;
        }
        let _ = self.turn_from_act(news)
            || self.turn_by_unless(news)
            || self.answer_for_person(news)
            || self.end_pause(news);
    }

    /// Answers every request that is open for it, or rests before it is asked again.
    fn answer_by(&mut self, news: &News) -> bool {
        let open = self.open.iter().filter_map(|open| match open.wants {
            ExpectedReply::Answer { query } => Some((open.request, query)),
            _ => None,
        });
        let resting = self.retries.iter().map(|retry| (retry.asking.request, retry.asking.query));
        let mut asked: Vec<(RequestId, u32)> = open.chain(resting).collect();
        asked.retain(|(_, query)| self.is_about(news, *query));
        for (request, query) in &asked {
            let resting = self.retries.iter().position(|retry| retry.asking.request == *request);
            if let Some(at) = resting {
                self.retries.remove(at);
            } else if self.open.find(*request).is_none() {
                // The answer before it has led away.
                continue;
            }
            self.apply_answer(*request, *query, news.observation.clone(), false);
        }
        !asked.is_empty()
    }

    fn is_about(&self, news: &News, query: u32) -> bool {
        let query = self.context.set.queries().get(query as usize);
        query.is_some_and(|query| news.is_about(&query.check, &query.domain))
    }

    /// The position of the branch of a recheck that the news takes, and the query of the recheck.
    fn taken(&self, place: Place, recheck: &Recheck, news: &News) -> Option<(u32, u16)> {
        let query = self.context.set.query(place.runbook, recheck.query)?;
        let taken = recheck.branches.select(news.value, self.now)?;
        self.is_about(news, query).then_some((query, taken))
    }

    fn turn_from_act(&mut self, news: &News) -> bool {
        // The question of a recheck is open, and was answered before.
        if !matches!(self.phase, Phase::Approving { .. }) {
            return false;
        }
        let recheck = self.context.recheck(self.place);
        let taken = recheck.and_then(|recheck| self.taken(self.place, recheck, news));
        let Some((query, taken)) = taken else { return false };
        self.turn(news, query, ExitIndex::Step(taken.saturating_add(ACT_EXITS)));
        true
    }

    fn turn_by_unless(&mut self, news: &News) -> bool {
        let running = std::iter::once(self.place).chain(self.callers.iter().rev().copied());
        // From the inside out: the innermost runbook that knows what the news means decides.
        let found = running.enumerate().find_map(|(left, place)| {
            let unless = self.context.runbook(place)?.unless()?;
            Some((left, self.taken(place, unless, news)?))
        });
        let Some((left, (query, taken))) = found else { return false };
        for _ in 0..left {
            if let Some(caller) = self.callers.pop() {
                self.place = caller;
                self.push(Event::Left);
            }
        }
        self.turn(news, query, ExitIndex::Unless(taken));
        true
    }

    fn answer_for_person(&mut self, news: &News) -> bool {
        let Phase::Person { .. } = self.phase else { return false };
        let Some(query) = self.own_query().filter(|query| self.is_about(news, *query)) else { return false };
        let exit = self.check().and_then(|check| exit_of(check, &news.observation, self.now));
        let Some(exit) = exit else { return false };
        self.turn(news, query, exit);
        true
    }

    fn end_pause(&mut self, news: &News) -> bool {
        match self.phase {
            Phase::Waiting { .. } => {
                self.push(Event::WaitEnded { idle: false, exit: Some(OVER) });
                self.epoch = news.entry;
                self.leave(OVER);
                true
            }
            Phase::Deferred { .. } => {
                let source = self.check().map(|check| check.source);
                let Some(source) =
                    source.filter(|_| self.own_query().is_some_and(|own| self.is_about(news, own)))
                else {
                    return false;
                };
                self.push(Event::WaitEnded { idle: false, exit: None });
                self.epoch = news.entry;
                if let Some(exit) = self.enter_check(source) {
                    self.leave(exit);
                }
                true
            }
            _ => false,
        }
    }

    /// The news takes an exit; what it was given for is known from here on.
    fn turn(&mut self, news: &News, query: u32, exit: ExitIndex) {
        self.push(Event::Reused { query, entry: news.entry, exit: Some(exit) });
        self.epoch = news.entry;
        self.leave(exit);
    }

    /// The query of the present check step.
    fn own_query(&self) -> Option<u32> {
        let StepKind::Check(check) = &self.context.step(self.place)?.kind else { return None };
        let CheckSource::Query(query) = check.source else { return None };
        self.context.set.query(self.place.runbook, query)
    }
}

impl News {
    fn is_about(&self, check: &str, domain: &Domain) -> bool {
        *self.check == *check && self.domain == *domain
    }
}
