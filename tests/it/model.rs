//! A slow, obvious reading of a runbook, against which the machine is held: one step after the other, facts in a
//! map, every path of an exploration walked by itself.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::fact::{Choice, Domain, Kind, UnknownReason, Value};
use iot_runbook::runbook::guard::{Branch, Branches};
use iot_runbook::runbook::step::{
    About, ActStep, ApprovalPolicy, CheckSource, CheckStep, Exit, OnFuture, OnUnknown, Query, Recheck,
    StepIndex, StepKind,
};
use iot_runbook::runbook::{Runbook, RunbookSet};
use iot_runbook::subject::{Scope, Subject};

/// What the world says, as a function of a seed: the n-th answer to a question is always the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// How many of 16 answers of a check are unknown.
    pub(crate) unknowns: u64,
    /// How many facts are pushed in at the most.
    pub(crate) news: usize,
}

/// A fact that somebody pushes in.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) at: DateTime<Utc>,
    pub(crate) check: String,
    pub(crate) value: Value,
}

/// How a person or an actuator reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    First,
    Second,
    Third,
    Never,
}

impl World {
    fn draw(self, what: &str, nth: usize) -> u64 {
        // SplitMix64 over an FNV hash: any mixing would do.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.seed;
        for byte in what.bytes().chain(nth.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// The n-th answer to a check, an instant by its age.
    pub(crate) fn value(self, query: &Query, nth: usize, now: DateTime<Utc>) -> Result<Value, UnknownReason> {
        let name = format!("{}{:?}", query.check, query.params);
        let draw = self.draw(&name, nth);
        if draw % 16 < self.unknowns {
            let passes = !(draw / 16).is_multiple_of(4);
            return Err(if passes { UnknownReason::Timeout } else { UnknownReason::Refused });
        }
        Ok(pick(&query.domain, draw / 16, now))
    }

    /// What is pushed in, in order; never at a moment at which anything else is due.
    pub(crate) fn news(self, set: &RunbookSet, begin: DateTime<Utc>) -> Vec<News> {
        const AFTER: [i64; 10] = [0, 1, 5, 20, 70, 130, 250, 640, 1_500, 90_000];
        let mut news: Vec<News> = (0..self.news)
            .filter_map(|nth| {
                let draw = self.draw("news", nth);
                let query = &set.queries()[usize::try_from(draw % set.queries().len() as u64).unwrap()];
                let after = AFTER[usize::try_from(draw / 64 % AFTER.len() as u64).unwrap()];
                let nth = i64::try_from(nth).unwrap();
                let at = begin + TimeDelta::seconds(after) + TimeDelta::milliseconds(500 + nth);
                let value = pick(&query.domain, draw / 1_024, at);
                let is_future = matches!(value, Value::Instant(instant) if instant > at);
                (!is_future).then(|| News { at, check: query.check.to_string(), value })
            })
            .collect();
        news.sort_by_key(|news| news.at);
        news
    }

    /// The n-th answer of a person to the question of a step.
    pub(crate) fn reply(self, step: &str, domain: &Domain, nth: usize, now: DateTime<Utc>) -> Option<Value> {
        let draw = self.draw(step, nth);
        (!draw.is_multiple_of(4)).then(|| pick(domain, draw / 4, now))
    }

    pub(crate) fn reaction(self, what: &str, nth: usize) -> Reaction {
        match self.draw(what, nth) % 5 {
            0 | 1 => Reaction::First,
            2 => Reaction::Second,
            3 => Reaction::Third,
            _ => Reaction::Never,
        }
    }
}

fn pick(domain: &Domain, draw: u64, now: DateTime<Utc>) -> Value {
    const AGES: [i64; 12] = [-86_400, -31, -30, 0, 299, 300, 600, 1_799, 1_800, 1_801, 86_400, 1_000_000];
    let draw_of = |length: usize| usize::try_from(draw % length as u64).unwrap();
    if domain.is_optional() && draw.is_multiple_of(7) {
        return Value::Absent;
    }
    match domain.kind() {
        Kind::Duration => Value::Duration(TimeDelta::seconds(AGES[draw_of(AGES.len())])),
        Kind::Instant => Value::Instant(now - TimeDelta::seconds(AGES[draw_of(AGES.len())])),
        Kind::Number => Value::Number([0.0, 0.2, 0.499, 0.5, 0.95, 1.0][draw_of(6)]),
        Kind::Count => Value::Count([0, 1, 9, 10, 11, u64::MAX][draw_of(6)]),
        Kind::Flag => Value::Flag(draw.is_multiple_of(2)),
        Kind::Choice(choices) => Value::Choice(Choice::new(u16::try_from(draw_of(choices.len())).unwrap())),
        _ => unreachable!("a kind that the model does not know"),
    }
}

/// What a walk comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Concluded(String),
    /// The causes that are left, and whether the walk to each is blocked.
    Undetermined(BTreeMap<String, bool>),
    Aborted,
}

/// The walk: the steps in order, and the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) steps: Vec<String>,
    pub(crate) end: End,
}

pub(crate) struct Model<'a> {
    set: &'a RunbookSet,
    subject: Subject,
    world: World,
    now: DateTime<Utc>,
    began: DateTime<Utc>,
    longest: TimeDelta,
    triggered_at: DateTime<Utc>,
    /// What is known since the last wait, act or question; unknown is known too.
    facts: HashMap<String, Option<Value>>,
    /// The latest instant of each query, whenever it was asked.
    instants: HashMap<String, Option<DateTime<Utc>>>,
    asked: HashMap<String, usize>,
    steps: Vec<String>,
    waits: usize,
    idle: BTreeSet<String>,
    looks_again: Cell<bool>,
    /// The runbooks that run, the one that began first.
    running: Vec<&'a Runbook>,
    /// What is still to be pushed in, the next last.
    news: Vec<News>,
}

/// Why a walk does not go on at the present step.
enum Stop {
    Aborted,
    /// A pushed fact leads to an end of the runbook at that place among those that run.
    Turned {
        depth: usize,
        to: StepIndex,
    },
}

type Walked<T> = Result<T, Stop>;

enum Next {
    At(StepIndex),
    End(End),
}

/// What time passes for, with the checks whose pushed value ends it.
#[derive(Clone, Copy)]
enum Pause<'q> {
    Wait,
    /// A check is put off.
    PutOff(Option<&'q str>),
    /// A person is asked, maybe in place of a check.
    Person(Option<&'q str>),
    /// An approval, of an act that looks again.
    Approval(Option<(&'q str, &'q Branches)>),
    Act,
    /// Questions rest before they are asked again.
    Retry(&'q [&'q str]),
}

/// How it ended: the time was over, or this was pushed in for it.
type Told = Option<(String, Value)>;

/// A question of an exploration that is not answered yet.
struct Question<'q> {
    query: &'q Query,
    due: DateTime<Utc>,
    first: DateTime<Utc>,
    attempt: u32,
    steps: Vec<StepIndex>,
}

fn key(query: &Query) -> String {
    format!("{}{:?}", query.check, query.params)
}

const RETRY_FOR: TimeDelta = TimeDelta::seconds(30);
const RETRY_LAST_LOOK_FOR: TimeDelta = TimeDelta::seconds(5);

/// The pause before a question is asked again that failed for a moment; none where that was the last time.
fn pause(query: &Query, attempt: u32, spent: TimeDelta, longest: TimeDelta) -> Option<TimeDelta> {
    let left = query.stale_after.map_or(longest, |bound| bound.min(longest)) - spent;
    (left > TimeDelta::zero()).then(|| TimeDelta::seconds(2_i64.pow(attempt.min(6)).min(60)).min(left))
}

impl<'a> Model<'a> {
    pub(crate) fn walk(
        set: &'a RunbookSet,
        runbook: &str,
        subject: Subject,
        world: World,
        triggered_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Walk {
        let runbook = set.find(runbook).unwrap();
        let mut news = world.news(set, now);
        news.reverse();
        let mut model = Model {
            set,
            subject,
            world,
            now,
            began: now,
            longest: runbook.longest(),
            triggered_at,
            facts: HashMap::new(),
            instants: HashMap::new(),
            asked: HashMap::new(),
            steps: Vec::new(),
            waits: 0,
            idle: BTreeSet::new(),
            looks_again: Cell::new(true),
            running: Vec::new(),
            news,
        };
        let end = model.run(runbook, "").unwrap_or(End::Aborted);
        Walk { steps: model.steps, end }
    }

    fn nth(&mut self, what: &str) -> usize {
        let nth = self.asked.entry(what.to_owned()).or_default();
        *nth += 1;
        *nth - 1
    }

    /// Lets time pass up to a moment, unless something is pushed in that ends the pause before.
    fn pass(&mut self, until: DateTime<Utc>, pause: Pause<'_>) -> Walked<Told> {
        loop {
            let news = self.news.pop_if(|news| news.at < until);
            let at = news.as_ref().map_or(until, |news| news.at);
            if at - self.began >= self.longest {
                return Err(Stop::Aborted);
            }
            self.now = at;
            let Some(News { check, value, .. }) = news else { return Ok(None) };
            let told = Some((check.clone(), value));
            self.learn(&check, value);
            let takes = |branches: &Branches| {
                branches.as_slice().iter().any(|branch| branch.guard.takes(value, self.now))
            };
            match pause {
                Pause::Retry(asked) if asked.contains(&&*check) => return Ok(told),
                Pause::Act => continue,
                Pause::Approval(Some((asked, branches))) if asked == check && takes(branches) => {
                    return Ok(told);
                }
                _ => {}
            }
            let runbooks = self.running.iter().enumerate().rev();
            let turned = runbooks.filter_map(|(depth, runbook)| {
                let unless = runbook.unless()?;
                let asks = *runbook.queries()[unless.query.position()].check == *check;
                let mut branches = unless.branches.as_slice().iter().filter(|_| asks);
                let to = branches.find(|branch| branch.guard.takes(value, self.now))?.exit.to;
                Some(Stop::Turned { depth, to })
            });
            if let Some(turned) = turned.into_iter().next() {
                self.only_knows(&check, value);
                return Err(turned);
            }
            match pause {
                Pause::Wait => {}
                Pause::PutOff(Some(asked)) | Pause::Person(Some(asked)) if asked == check => {}
                _ => continue,
            }
            self.only_knows(&check, value);
            return Ok(told);
        }
    }

    /// Every query of that check has that value.
    fn learn(&mut self, check: &str, value: Value) {
        for query in self.set.queries().iter().filter(|query| *query.check == *check) {
            self.remember(query, Some(value));
        }
    }

    fn only_knows(&mut self, check: &str, value: Value) {
        self.facts.clear();
        self.learn(check, value);
    }

    fn remember(&mut self, query: &Query, value: Option<Value>) {
        let instant = match value {
            Some(Value::Instant(at)) => Some(at),
            _ => None,
        };
        self.instants.insert(key(query), instant);
        self.facts.insert(key(query), value);
    }

    /// One attempt. `Err`: it failed for a moment.
    fn attempt(&mut self, query: &Query) -> Result<Option<Value>, ()> {
        let nth = self.nth(&key(query));
        match self.world.value(query, nth, self.now) {
            Err(UnknownReason::Timeout) => Err(()),
            Err(_) => Ok(None),
            Ok(value) => {
                let is_future = matches!(value, Value::Instant(at) if at > self.now + TimeDelta::seconds(30));
                Ok(Some(value).filter(|_| query.future == OnFuture::Value || !is_future))
            }
        }
    }

    fn ask(&mut self, query: &Query) -> Walked<Option<Value>> {
        match self.facts.get(&key(query)) {
            Some(known) => Ok(*known),
            None => Ok(self.ask_afresh(query, None, RETRY_FOR)?.unwrap_or(None)),
        }
    }

    /// Asks until there is an answer, at the most until `limit`: nothing is known then.
    fn ask_afresh(
        &mut self,
        query: &Query,
        limit: Option<DateTime<Utc>>,
        longest: TimeDelta,
    ) -> Walked<Option<Option<Value>>> {
        let first = self.now;
        let mut value = None;
        for attempt in 0.. {
            match self.attempt(query) {
                Ok(answer) => {
                    value = answer;
                    break;
                }
                Err(()) => {
                    let Some(pause) = pause(query, attempt, self.now - first, longest) else { break };
                    let until = self.now + pause;
                    let over = limit.filter(|limit| *limit < until);
                    if let Some((_, told)) =
                        self.pass(over.unwrap_or(until), Pause::Retry(&[&query.check]))?
                    {
                        value = Some(told);
                        break;
                    }
                    if over.is_some() {
                        return Ok(None);
                    }
                }
            }
        }
        self.remember(query, value);
        Ok(Some(value))
    }

    /// Whether the subject names what is asked about.
    fn names(&self, query: &Query) -> bool {
        let part = match query.scope {
            Scope::Gateway => self.subject.gateway.is_some(),
            Scope::Site => self.subject.site.is_some(),
            Scope::Pipeline => self.subject.pipeline.is_some(),
            _ => true,
        };
        part && (query.about == About::Now || self.subject.period.is_some())
    }

    /// Asks a recheck, never from what is known. Where it leads; nowhere where the walk goes on as it was.
    fn look_again(&mut self, runbook: &Runbook, recheck: &Recheck) -> Walked<Option<StepIndex>> {
        let query = &runbook.queries()[recheck.query.position()];
        if !self.names(query) {
            return Ok(None);
        }
        let value = self.ask_afresh(query, None, RETRY_LAST_LOOK_FOR)?.unwrap_or(None);
        Ok(value.and_then(|value| self.taken(recheck, value)))
    }

    fn taken(&self, recheck: &Recheck, value: Value) -> Option<StepIndex> {
        let taken = |branch: &&Branch| branch.guard.takes(value, self.now);
        recheck.branches.as_slice().iter().find(taken).map(|branch| branch.exit.to)
    }

    fn run(&mut self, runbook: &'a Runbook, prefix: &str) -> Walked<End> {
        self.running.push(runbook);
        let mut at = runbook.start();
        loop {
            let step = runbook.step(at).unwrap();
            self.steps.push(format!("{prefix}{}", step.id));
            let depth = self.running.len() - 1;
            match self.step(runbook, at, prefix) {
                Ok(Next::At(to)) => at = to,
                Err(Stop::Turned { depth: of, to }) if of == depth => at = to,
                Ok(Next::End(end)) => {
                    self.running.pop();
                    return Ok(end);
                }
                Err(stop) => {
                    self.running.pop();
                    return Err(stop);
                }
            }
        }
    }

    fn step(&mut self, runbook: &'a Runbook, at: StepIndex, prefix: &str) -> Walked<Next> {
        let step = runbook.step(at).unwrap();
        let looks_again = self.looks_again.replace(true);
        Ok(Next::At(match &step.kind {
            StepKind::Conclude(conclusion) => {
                let looked = match conclusion.unless.as_ref().filter(|_| looks_again) {
                    Some(recheck) => self.look_again(runbook, recheck)?,
                    None => None,
                };
                match looked {
                    Some(to) => to,
                    None => return Ok(Next::End(End::Concluded(step.id.to_string()))),
                }
            }
            StepKind::Wait(wait) => {
                self.waits += 1;
                if self.waits > 10_000 {
                    return Err(Stop::Aborted);
                }
                let mut ends = wait.length.map(|length| self.now + length);
                if let Some(until) = wait.until {
                    let query = &runbook.queries()[until.fact.position()];
                    if let Some(at) = self.instants.get(&key(query)).copied().flatten() {
                        let end = at + until.plus;
                        ends = Some(ends.map_or(end, |ends| ends.min(end)));
                    }
                }
                let ends = ends.unwrap_or(self.now);
                if ends > self.now {
                    if self.pass(ends, Pause::Wait)?.is_none() {
                        self.facts.clear();
                    }
                    self.idle.clear();
                } else {
                    if !self.idle.insert(format!("{prefix}{}", step.id)) {
                        return Err(Stop::Aborted);
                    }
                    self.facts.clear();
                }
                wait.exit.to
            }
            StepKind::Check(check) => match self.check(runbook, check, &step.id)? {
                Some(to) => to,
                None => {
                    let left = self.explore(runbook, at)?;
                    let looked = match runbook.unless() {
                        Some(recheck) if prefix.is_empty() => self.look_again(runbook, recheck)?,
                        _ => None,
                    };
                    match looked {
                        Some(to) => to,
                        None => return Ok(Next::End(left)),
                    }
                }
            },
            StepKind::Act(act) => self.act(runbook, act, &step.id)?,
            StepKind::Ask(ask) => {
                match self.person(&step.id, ask.branches.domain(), ask.answer_within, None)? {
                    Some(value) => self.branch(&ask.branches, value),
                    None => ask.expired.to,
                }
            }
            StepKind::Handover(handover) => {
                let callee = self.set.find(&handover.runbook).unwrap();
                let end = self.run(callee, &format!("{}/", callee.name()));
                // It comes back to the handover, or passes it on the way out.
                if !matches!(end, Err(Stop::Aborted)) {
                    self.steps.push(format!("{prefix}{}", step.id));
                }
                match end? {
                    End::Aborted => return Err(Stop::Aborted),
                    End::Undetermined(_) => handover.unknown.to,
                    End::Concluded(conclusion) => handover
                        .branches
                        .iter()
                        .find(|branch| branch.conclusions.iter().any(|name| **name == conclusion))
                        .map_or_else(|| handover.otherwise.as_ref().unwrap().to, |branch| branch.exit.to),
                }
            }
            _ => unreachable!("a kind of step that the model does not know"),
        }))
    }

    fn act(&mut self, runbook: &Runbook, act: &ActStep, step: &str) -> Walked<StepIndex> {
        let nth = self.nth(&format!("act {step}"));
        let approval = match act.approval {
            ApprovalPolicy::Never => Reaction::Second,
            ApprovalPolicy::Automatic => Reaction::First,
            _ => self.world.reaction(&format!("approve {step}"), nth),
        };
        let recheck = act.recheck.as_ref().map(|recheck| {
            let query = &runbook.queries()[recheck.query.position()];
            (recheck, query)
        });
        match approval {
            Reaction::Second | Reaction::Third => {
                self.facts.clear();
                return Ok(act.refused.to);
            }
            Reaction::Never => {
                let pause =
                    Pause::Approval(recheck.map(|(recheck, query)| (&*query.check, &recheck.branches)));
                let told = self.pass(self.now + act.answer_within, pause)?;
                let Some((check, value)) = told else {
                    self.facts.clear();
                    return Ok(act.expired.to);
                };
                self.only_knows(&check, value);
                return Ok(recheck.and_then(|(recheck, _)| self.taken(recheck, value)).unwrap());
            }
            Reaction::First => {}
        }
        self.facts.clear();
        if let Some((recheck, query)) = recheck.filter(|(_, query)| self.names(query)) {
            let limit = self.now + act.answer_within;
            let Some(value) = self.ask_afresh(query, Some(limit), RETRY_FOR)? else {
                self.facts.clear();
                return Ok(act.expired.to);
            };
            if let Some(to) = value.and_then(|value| self.taken(recheck, value)) {
                self.facts.clear();
                return Ok(to);
            }
        }
        let outcome = self.world.reaction(&format!("act {step}"), nth);
        if outcome == Reaction::Never {
            self.pass(self.now + act.answer_within, Pause::Act)?;
        }
        self.facts.clear();
        Ok(match outcome {
            Reaction::First => act.done.to,
            Reaction::Second => act.refused.to,
            Reaction::Third => act.failed.to,
            Reaction::Never => act.expired.to,
        })
    }

    fn person(
        &mut self,
        step: &str,
        domain: &Domain,
        within: TimeDelta,
        check: Option<&str>,
    ) -> Walked<Option<Value>> {
        let nth = self.nth(&format!("person {step}"));
        if let Some(value) = self.world.reply(step, domain, nth, self.now) {
            self.facts.clear();
            return Ok(Some(value));
        }
        match self.pass(self.now + within, Pause::Person(check))? {
            Some((_, value)) => Ok(Some(value)),
            None => {
                self.facts.clear();
                Ok(None)
            }
        }
    }

    fn branch(&self, branches: &Branches, value: Value) -> StepIndex {
        let mut taken = branches.as_slice().iter().filter(|branch| branch.guard.takes(value, self.now));
        let only = taken.next().unwrap();
        assert!(taken.next().is_none(), "two branches take {value:?}");
        self.looks_again.set(only.exit.look_again);
        only.exit.to
    }

    /// Where a check leads; nowhere where it explores.
    fn check(&mut self, runbook: &Runbook, check: &CheckStep, step: &str) -> Walked<Option<StepIndex>> {
        let query = match check.source {
            CheckSource::Elapsed | CheckSource::Accounted => None,
            CheckSource::Query(query) => Some(&runbook.queries()[query.position()]),
            _ => unreachable!("a source that the model does not know"),
        };
        let id = query.map(|query| &*query.check);
        if let Some(after) = check.after {
            self.waits += 1;
            if self.waits > 10_000 {
                return Err(Stop::Aborted);
            }
            if self.pass(self.now + after.of(TimeDelta::zero()), Pause::PutOff(id))?.is_none() {
                self.facts.clear();
            }
            self.idle.clear();
        }
        let value = match query {
            None => Some(self.value_of_time(check)),
            // A pushed value is known of what the subject does not name too.
            Some(query) if self.facts.contains_key(&key(query)) || self.names(query) => self.ask(query)?,
            Some(_) => match &check.not_named {
                Some(exit) => return Ok(Some(exit.to)),
                None => None,
            },
        };
        Ok(match (value, &check.unknown) {
            (Some(value), _) => Some(self.branch(&check.branches, value)),
            (None, OnUnknown::Go(exit)) => Some(exit.to),
            (None, OnUnknown::Ask { answer_within, expired, .. }) => {
                match self.person(step, check.branches.domain(), *answer_within, id)? {
                    Some(value) => Some(self.branch(&check.branches, value)),
                    None => expired.as_ref().map(|exit| exit.to),
                }
            }
            (None, _) => None,
        })
    }

    fn explore(&mut self, runbook: &Runbook, origin: StepIndex) -> Walked<End> {
        let mut reached = BTreeMap::new();
        let mut questions: Vec<Question<'_>> = Vec::new();
        self.possible(runbook, origin, origin, &mut reached, &mut questions);
        while !questions.is_empty() {
            // Of those that are due at one moment the first that was asked.
            let next = (0..questions.len()).min_by_key(|at| questions[*at].due).unwrap();
            let checks: Vec<&str> = questions.iter().map(|question| &*question.query.check).collect();
            let due = questions[next].due;
            let told = if due > self.now { self.pass(due, Pause::Retry(&checks))? } else { None };
            let mut answered: Vec<Question<'_>> = Vec::new();
            if let Some((check, _)) = told {
                let (about, rest) =
                    questions.into_iter().partition(|question| *question.query.check == *check);
                (answered, questions) = (about, rest);
            } else {
                let mut question = questions.remove(next);
                match self.attempt(question.query) {
                    Ok(value) => {
                        self.remember(question.query, value);
                        answered.push(question);
                    }
                    Err(()) => {
                        match pause(question.query, question.attempt, self.now - question.first, RETRY_FOR) {
                            Some(pause) => {
                                question.due = self.now + pause;
                                question.attempt += 1;
                                questions.push(question);
                            }
                            None => {
                                self.remember(question.query, None);
                                answered.push(question);
                            }
                        }
                    }
                }
            }
            for step in answered.into_iter().flat_map(|question| question.steps) {
                self.possible(runbook, origin, step, &mut reached, &mut questions);
            }
        }
        let mut left: BTreeMap<String, bool> = BTreeMap::new();
        for (at, open) in &reached {
            let kind = &runbook.step(*at).unwrap().kind;
            match open {
                Some(_) => {}
                None if matches!(kind, StepKind::Conclude(_)) => {
                    left.extend(cause(runbook, *at).map(|cause| (cause, false)));
                }
                None => {
                    for cause in behind(runbook, *at, &reached) {
                        left.entry(cause).or_insert(true);
                    }
                }
            }
        }
        Ok(End::Undetermined(left))
    }

    /// Walks everything that is possible. Each step gets the exits that stay open; none where the walk stops.
    fn possible<'q>(
        &mut self,
        runbook: &'q Runbook,
        origin: StepIndex,
        at: StepIndex,
        reached: &mut BTreeMap<StepIndex, Option<Vec<Exit>>>,
        questions: &mut Vec<Question<'q>>,
    ) {
        if reached.contains_key(&at) {
            return;
        }
        let check = match &runbook.step(at).unwrap().kind {
            StepKind::Check(check) if check.after.is_none() || at == origin => check,
            _ => {
                reached.insert(at, None);
                return;
            }
        };
        let query = match check.source {
            CheckSource::Query(query) => Some(&runbook.queries()[query.position()]),
            _ => None,
        };
        let known = query.and_then(|query| self.facts.get(&key(query)).copied());
        let is_named = query.is_none_or(|query| known.is_some() || self.names(query));
        let value = match (query, known) {
            _ if at == origin || !is_named => None,
            (None, _) => Some(self.value_of_time(check)),
            (_, Some(value)) => value,
            (Some(query), None) => {
                match questions.iter_mut().find(|asked| key(asked.query) == key(query)) {
                    Some(asked) => asked.steps.push(at),
                    None => questions.push(Question {
                        query,
                        due: self.now,
                        first: self.now,
                        attempt: 0,
                        steps: vec![at],
                    }),
                }
                return;
            }
        };
        let branches = check.branches.as_slice().iter().map(|branch| branch.exit.clone());
        let open: Vec<Exit> = match (value, &check.not_named, &check.unknown) {
            (Some(value), ..) => {
                let mut branches = check.branches.as_slice().iter();
                let taken = branches.find(|branch| branch.guard.takes(value, self.now));
                taken.map(|branch| branch.exit.clone()).into_iter().collect()
            }
            (None, Some(exit), _) if !is_named => vec![exit.clone()],
            (None, _, OnUnknown::Go(exit)) => vec![exit.clone()],
            (None, _, OnUnknown::Ask { expired, .. }) => branches.chain(expired.clone()).collect(),
            _ => branches.collect(),
        };
        reached.insert(at, Some(open.clone()));
        for exit in open {
            self.possible(runbook, origin, exit.to, reached, questions);
        }
    }

    /// What is known without a question.
    fn value_of_time(&self, check: &CheckStep) -> Value {
        match check.source {
            // No answer of the world accounts for anything.
            CheckSource::Accounted => Value::Number(0.0),
            _ => Value::Duration(self.now - self.triggered_at),
        }
    }
}

/// The causes that are possible behind a step which is not taken on a hypothesis: behind an act those that it is begun
/// for, where a branch that leads to it speaks for any.
fn behind(
    runbook: &Runbook,
    at: StepIndex,
    reached: &BTreeMap<StepIndex, Option<Vec<Exit>>>,
) -> BTreeSet<String> {
    if matches!(runbook.step(at).unwrap().kind, StepKind::Act(_)) {
        let exits = runbook.steps().iter().flat_map(|step| step.kind.exits());
        let declared = exits.filter(|(_, exit)| exit.to == at).filter_map(|(_, exit)| exit.supports.as_ref());
        let begun_for: BTreeSet<String> = declared.flatten().map(ToString::to_string).collect();
        if !begun_for.is_empty() {
            return begun_for;
        }
        let open = reached.values().flatten().flatten().filter(|exit| exit.to == at);
        let begun_for: BTreeSet<String> = open.flat_map(|exit| speaks_for(runbook, exit)).collect();
        if !begun_for.is_empty() {
            return begun_for;
        }
    }
    let all = beyond(runbook, at, &|_| true);
    all.into_iter().filter_map(|step| cause(runbook, step)).collect()
}

/// The causes that an exit speaks for: those that are declared, or those of the conclusions that it leads to without
/// another check.
fn speaks_for(runbook: &Runbook, exit: &Exit) -> BTreeSet<String> {
    if let Some(declared) = &exit.supports {
        return declared.iter().map(ToString::to_string).collect();
    }
    let is_no_check = |at| !matches!(runbook.step(at).unwrap().kind, StepKind::Check(_));
    beyond(runbook, exit.to, &is_no_check).into_iter().filter_map(|step| cause(runbook, step)).collect()
}

fn cause(runbook: &Runbook, at: StepIndex) -> Option<String> {
    let step = runbook.step(at).unwrap();
    match &step.kind {
        StepKind::Conclude(conclusion) => match &conclusion.root_cause {
            Some(cause) if &**cause == "unknown" => None,
            Some(cause) => Some(cause.to_string()),
            None if conclusion.recovered => None,
            None => Some(step.id.to_string()),
        },
        _ => None,
    }
}

/// Everything that any exit leads to, as far as steps may be passed. A conclusion is an end.
fn beyond(runbook: &Runbook, at: StepIndex, passes: &dyn Fn(StepIndex) -> bool) -> BTreeSet<StepIndex> {
    let mut seen = BTreeSet::new();
    let mut next = vec![at];
    while let Some(at) = next.pop() {
        if seen.insert(at) && passes(at) {
            let kind = &runbook.step(at).unwrap().kind;
            if !matches!(kind, StepKind::Conclude(_)) {
                next.extend(kind.exits().map(|(_, exit)| exit.to));
            }
        }
    }
    seen
}
