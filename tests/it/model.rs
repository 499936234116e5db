//! A slow, obvious reading of a runbook, against which the machine is held: one step after the other, facts in a
//! map, every path of an exploration walked by itself.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::fact::{Choice, Domain, Kind, UnknownReason, Value};
use iot_runbook::runbook::guard::{Branch, Branches};
use iot_runbook::runbook::step::{
    About, ApprovalPolicy, CheckSource, CheckStep, Exit, OnFuture, OnUnknown, Query, Recheck, StepIndex,
    StepKind,
};
use iot_runbook::runbook::{Runbook, RunbookSet};
use iot_runbook::subject::{Scope, Subject};

/// What the world says, as a function of a seed: the n-th answer to a question is always the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// How many of 16 answers of a check are unknown.
    pub(crate) unknowns: u64,
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
            return Err(UnknownReason::Timeout);
        }
        Ok(pick(&query.domain, draw / 16, now))
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
}

fn key(query: &Query) -> String {
    format!("{}{:?}", query.check, query.params)
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
        let mut model = Model {
            set,
            subject,
            world,
            now,
            triggered_at,
            facts: HashMap::new(),
            instants: HashMap::new(),
            asked: HashMap::new(),
            steps: Vec::new(),
            waits: 0,
            idle: BTreeSet::new(),
            looks_again: Cell::new(true),
        };
        let end = model.run(set.find(runbook).unwrap(), "");
        Walk { steps: model.steps, end }
    }

    fn nth(&mut self, what: &str) -> usize {
        let nth = self.asked.entry(what.to_owned()).or_default();
        *nth += 1;
        *nth - 1
    }

    fn ask(&mut self, query: &Query) -> Option<Value> {
        let name = key(query);
        if let Some(known) = self.facts.get(&name) {
            return *known;
        }
        let nth = self.nth(&name);
        let value = self.world.value(query, nth, self.now).ok();
        let value = value.filter(|value| query.future == OnFuture::Value || !self.is_future(*value));
        self.instants.insert(
            name.clone(),
            match value {
                Some(Value::Instant(at)) => Some(at),
                _ => None,
            },
        );
        self.facts.insert(name, value);
        value
    }

    fn is_future(&self, value: Value) -> bool {
        matches!(value, Value::Instant(at) if at > self.now + TimeDelta::seconds(30))
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
    fn look_again(&mut self, runbook: &Runbook, recheck: &Recheck) -> Option<StepIndex> {
        let query = &runbook.queries()[recheck.query.position()];
        if !self.names(query) {
            return None;
        }
        self.facts.remove(&key(query));
        let value = self.ask(query)?;
        let taken = |branch: &&Branch| branch.guard.takes(value, self.now);
        recheck.branches.as_slice().iter().find(taken).map(|branch| branch.exit.to)
    }

    fn run(&mut self, runbook: &Runbook, prefix: &str) -> End {
        let mut at = runbook.start();
        loop {
            let step = runbook.step(at).unwrap();
            self.steps.push(format!("{prefix}{}", step.id));
            let looks_again = self.looks_again.replace(true);
            at = match &step.kind {
                StepKind::Conclude(conclusion) => {
                    let unless = conclusion.unless.as_ref().filter(|_| looks_again);
                    match unless.and_then(|recheck| self.look_again(runbook, recheck)) {
                        Some(to) => to,
                        None => return End::Concluded(step.id.to_string()),
                    }
                }
                StepKind::Wait(wait) => {
                    self.waits += 1;
                    if self.waits > 10_000 {
                        return End::Aborted;
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
                        self.now = ends;
                        self.idle.clear();
                    } else if !self.idle.insert(format!("{prefix}{}", step.id)) {
                        return End::Aborted;
                    }
                    self.facts.clear();
                    wait.exit.to
                }
                StepKind::Check(check) => match self.check(runbook, check, &step.id) {
                    Some(to) => to,
                    None => {
                        let left = self.explore(runbook, at);
                        let unless = runbook.unless().filter(|_| prefix.is_empty());
                        match unless.and_then(|recheck| self.look_again(runbook, recheck)) {
                            Some(to) => to,
                            None => return left,
                        }
                    }
                },
                StepKind::Act(act) => {
                    let nth = self.nth(&format!("act {}", step.id));
                    let approval = match act.approval {
                        ApprovalPolicy::Never => Reaction::Second,
                        ApprovalPolicy::Automatic => Reaction::First,
                        _ => self.world.reaction(&format!("approve {}", step.id), nth),
                    };
                    self.facts.clear();
                    match approval {
                        Reaction::Second | Reaction::Third => act.refused.to,
                        Reaction::Never => {
                            self.now += act.answer_within;
                            act.expired.to
                        }
                        Reaction::First => {
                            let recheck = act.recheck.as_ref();
                            if let Some(to) = recheck.and_then(|recheck| self.look_again(runbook, recheck)) {
                                self.facts.clear();
                                to
                            } else {
                                let outcome = self.world.reaction(&format!("act {}", step.id), nth);
                                self.facts.clear();
                                match outcome {
                                    Reaction::First => act.done.to,
                                    Reaction::Second => act.refused.to,
                                    Reaction::Third => act.failed.to,
                                    Reaction::Never => {
                                        self.now += act.answer_within;
                                        act.expired.to
                                    }
                                }
                            }
                        }
                    }
                }
                StepKind::Ask(ask) => {
                    let reply = self.person(&step.id, ask.branches.domain(), ask.answer_within);
                    match reply {
                        Some(value) => self.branch(&ask.branches, value),
                        None => ask.expired.to,
                    }
                }
                StepKind::Handover(handover) => {
                    let callee = self.set.find(&handover.runbook).unwrap();
                    let end = self.run(callee, &format!("{}/", callee.name()));
                    self.steps.push(format!("{prefix}{}", step.id));
                    match end {
                        End::Aborted => return End::Aborted,
                        End::Undetermined(_) => handover.unknown.to,
                        End::Concluded(conclusion) => handover
                            .branches
                            .iter()
                            .find(|branch| branch.conclusions.iter().any(|name| **name == conclusion))
                            .map_or_else(|| handover.otherwise.as_ref().unwrap().to, |branch| branch.exit.to),
                    }
                }
                _ => unreachable!("a kind of step that the model does not know"),
            };
        }
    }

    fn person(&mut self, step: &str, domain: &Domain, within: TimeDelta) -> Option<Value> {
        let nth = self.nth(&format!("person {step}"));
        self.facts.clear();
        match self.world.reply(step, domain, nth, self.now) {
            Some(value) => Some(value),
            None => {
                self.now += within;
                None
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
    fn check(&mut self, runbook: &Runbook, check: &CheckStep, step: &str) -> Option<StepIndex> {
        if let Some(after) = check.after {
            self.now += after.of(TimeDelta::zero());
            self.facts.clear();
            self.idle.clear();
        }
        let value = match check.source {
            CheckSource::Elapsed => Some(Value::Duration(self.now - self.triggered_at)),
            // No answer of the world accounts for anything.
            CheckSource::Accounted => Some(Value::Number(0.0)),
            CheckSource::Query(query) => {
                let query = &runbook.queries()[query.position()];
                match (self.names(query), &check.not_named) {
                    (true, _) => self.ask(query),
                    (false, Some(exit)) => return Some(exit.to),
                    (false, None) => None,
                }
            }
            _ => unreachable!("a source that the model does not know"),
        };
        match (value, &check.unknown) {
            (Some(value), _) => Some(self.branch(&check.branches, value)),
            (None, OnUnknown::Go(exit)) => Some(exit.to),
            (None, OnUnknown::Ask { answer_within, expired, .. }) => {
                match self.person(step, check.branches.domain(), *answer_within) {
                    Some(value) => Some(self.branch(&check.branches, value)),
                    None => expired.as_ref().map(|exit| exit.to),
                }
            }
            (None, _) => None,
        }
    }

    fn explore(&mut self, runbook: &Runbook, origin: StepIndex) -> End {
        let mut reached = BTreeMap::new();
        self.possible(runbook, origin, origin, &mut reached);
        let mut left: BTreeMap<String, bool> = BTreeMap::new();
        for (at, open) in &reached {
            let kind = &runbook.step(*at).unwrap().kind;
            match open {
                Some(_) => {}
                None if matches!(kind, StepKind::Conclude(_)) => {
                    left.extend(cause(runbook, *at).map(|cause| (cause, false)));
                }
                None => {
                    let behind = behind(runbook, *at, &reached);
                    for cause in behind {
                        left.entry(cause).or_insert(true);
                    }
                }
            }
        }
        End::Undetermined(left)
    }

    /// Walks everything that is possible. Each step gets the exits that stay open; none where the walk stops.
    fn possible(
        &mut self,
        runbook: &Runbook,
        origin: StepIndex,
        at: StepIndex,
        reached: &mut BTreeMap<StepIndex, Option<Vec<Exit>>>,
    ) {
        if reached.contains_key(&at) {
            return;
        }
        reached.insert(at, None);
        let StepKind::Check(check) = &runbook.step(at).unwrap().kind else { return };
        if check.after.is_some() && at != origin {
            return;
        }
        let query = match check.source {
            CheckSource::Query(query) => Some(&runbook.queries()[query.position()]),
            _ => None,
        };
        let is_named = query.is_none_or(|query| self.names(query));
        let value = match query {
            _ if at == origin || !is_named => None,
            None if check.source == CheckSource::Accounted => Some(Value::Number(0.0)),
            None => Some(Value::Duration(self.now - self.triggered_at)),
            Some(query) => self.ask(query),
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
            self.possible(runbook, origin, exit.to, reached);
        }
    }
}

/// The causes that are possible behind a step which is not taken on a hypothesis: behind an act those that it is begun
/// for, where the branch that leads to it speaks for any.
fn behind(
    runbook: &Runbook,
    at: StepIndex,
    reached: &BTreeMap<StepIndex, Option<Vec<Exit>>>,
) -> BTreeSet<String> {
    if matches!(runbook.step(at).unwrap().kind, StepKind::Act(_)) {
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
