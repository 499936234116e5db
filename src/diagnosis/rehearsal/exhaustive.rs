//! Every way out of every step, walked.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Rehearsed, STAGE_TIME, Way, begin, ways_taken, whole_subject};
use crate::diagnosis::log::Place;
use crate::diagnosis::{ActReport, Diagnosis, NoSuchRunbook, Output, Phase, ProbeRequest, Reply, RequestId};
use crate::fact::{Observation, UnknownReason, Value};
use crate::runbook::guard::{Branches, Values};
use crate::runbook::step::{CheckSource, StepIndex, StepKind};
use crate::runbook::{Runbook, RunbookSet};
use crate::subject::Scope;

/// What walking every way came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EveryWay {
    /// One walk to its end for each that took a way for the first time.
    pub walks: Vec<Rehearsed>,
    /// The ways that were taken, those of the runbooks that were handed over to among them.
    pub taken: BTreeSet<Way>,
    /// The ways of the runbook itself that no sequence of answers takes (the time since the trigger can rule a
    /// way out), or that were not found within the bound.
    pub untaken: BTreeSet<Way>,
    /// Whether the bound cut the search off.
    pub cut_off: bool,
}

/// As many states are visited; the built-in runbooks have some tens of thousands.
const MOST_STATES: usize = 200_000;

/// Takes every way out of every step of the named runbook: every branch of every check at both of its edges,
/// unknown among them, every way an act and a question can go, with time simulated.
///
/// It visits the states of the diagnosis breadth first, two being the same where they stand at the same step,
/// know the same of what is asked again later, and have run for as many minutes, as far as any guard distinguishes them.
///
/// # Errors
/// [`NoSuchRunbook`].
pub fn every_way(runbooks: &RunbookSet, runbook: &str) -> Result<EveryWay, NoSuchRunbook> {
    // A subject that names everything takes no exit for a part that is not named: each part is left out once.
    let mut next = VecDeque::new();
    let whole = whole_subject();
    let mut unnamed = [whole.clone(), whole.clone(), whole.clone()];
    unnamed[0].gateway = None;
    unnamed[1].site = None;
    unnamed[2].pipeline = None;
    for subject in std::iter::once(whole).chain(unnamed) {
        next.push_back((begin(runbooks, runbook, subject, STAGE_TIME)?, STAGE_TIME));
    }
    let all = runbooks.find(runbook).map(Way::all_of).unwrap_or_default();
    let asks = Asks::of(runbooks);
    let mut seen = HashSet::new();
    let mut every = EveryWay { walks: Vec::new(), taken: BTreeSet::new(), untaken: all, cut_off: false };
    while let Some((diagnosis, now)) = next.pop_front() {
        for (follower, at) in follow(diagnosis, now, &asks) {
            every.note(&follower, at, &asks);
            // Two walks that can only go on alike are one: else each loop with a wait would multiply them
            // without end.
            if !follower.is_ended() && seen.insert(Signature::of(&follower, &asks)) {
                next.push_back((follower, at));
            }
        }
        if seen.len() > MOST_STATES {
            every.cut_off = true;
            break;
        }
    }
    Ok(every)
}

impl EveryWay {
    /// Where it took a way that none took before, it is walked to an end, by the first answer to each request.
    fn note(&mut self, diagnosis: &Diagnosis, now: DateTime<Utc>, asks: &Asks) {
        // Thousands of walks take the same branches. Only the first of them is kept.
        if ways_taken(diagnosis).is_subset(&self.taken) {
            return;
        }
        let mut walk = (diagnosis.clone(), now);
        while !walk.0.is_ended() {
            match follow(walk.0.clone(), walk.1, asks).into_iter().next() {
                Some(next) if next.0.trace_len() > walk.0.trace_len() => walk = next,
                _ => break,
            }
        }
        let ways = ways_taken(&walk.0);
        self.untaken.retain(|way| !ways.contains(way));
        self.taken.extend(ways);
        self.walks.push(Rehearsed::of(&walk.0));
    }
}

/// What later steps can ask about earlier ones.
struct Asks {
    /// For each step the queries that more than one step asks and that may still be asked from there on.
    again: HashMap<(u32, StepIndex), Vec<u32>>,
    /// The steps from which on the time since the trigger may still be asked.
    timed: HashSet<(u32, StepIndex)>,
    /// The longest time since the trigger that a guard distinguishes from a longer one.
    longest: TimeDelta,
    /// Whether a step adds the shares that the answers account for.
    adds_shares: bool,
}

impl Asks {
    fn of(runbooks: &RunbookSet) -> Self {
        let mut once = HashSet::new();
        let mut twice = HashSet::new();
        let mut asks = Self {
            again: HashMap::new(),
            timed: HashSet::new(),
            longest: TimeDelta::zero(),
            adds_shares: false,
        };
        for (at, runbook) in (0_u32..).zip(runbooks.runbooks()) {
            let checks = runbook.steps().iter().filter_map(|step| match &step.kind {
                StepKind::Check(check) => Some(check),
                _ => None,
            });
            for check in checks {
                match check.source {
                    CheckSource::Query(query) => {
                        twice.extend(runbooks.query(at, query).filter(|query| !once.insert(*query)));
                    }
                    CheckSource::Elapsed => asks.longest = asks.longest.max(longest(&check.branches)),
                    CheckSource::Accounted => asks.adds_shares = true,
                }
            }
        }
        for (at, runbook) in (0_u32..).zip(runbooks.runbooks()) {
            for step in (0_u32..).map(StepIndex).take(runbook.steps().len()) {
                let ahead = ahead(runbook, step);
                let mut kinds = ahead.iter().filter_map(|step| Some(&runbook.step(*step)?.kind));
                if kinds.any(
                    |kind| matches!(kind, StepKind::Check(check) if check.source == CheckSource::Elapsed),
                ) {
                    asks.timed.insert((at, step));
                }
                let queries = ahead.into_iter().filter_map(|step| runbook.step(step)?.kind.query());
                let again =
                    queries.filter_map(|query| runbooks.query(at, query)).filter(|at| twice.contains(at));
                let again: BTreeSet<u32> = again.collect();
                asks.again.insert((at, step), again.into_iter().collect());
            }
        }
        asks
    }
}

/// Every step that may come from `from` on, this one included.
fn ahead(runbook: &Runbook, from: StepIndex) -> HashSet<StepIndex> {
    let mut seen = HashSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        if seen.insert(at)
            && let Some(step) = runbook.step(at)
        {
            next.extend(step.kind.exits().map(|(_, exit)| exit.to));
        }
    }
    seen
}

fn longest(branches: &Branches) -> TimeDelta {
    let bounds = branches.as_slice().iter().flat_map(|branch| match branch.guard.values {
        Values::Durations(lower, upper) => [lower, upper],
        _ => [Bound::Unbounded; 2],
    });
    let finite = bounds.filter_map(|bound| match bound {
        Bound::Included(at) | Bound::Excluded(at) => at.checked_add(&TimeDelta::nanoseconds(1)),
        Bound::Unbounded => None,
    });
    finite.max().unwrap_or_default()
}

/// What distinguishes two states.
#[derive(PartialEq, Eq, Hash)]
struct Signature {
    named: [bool; 3],
    place: (u32, StepIndex),
    callers: Vec<(u32, StepIndex)>,
    phase: std::mem::Discriminant<Phase>,
    /// What is known in this epoch, by the text of its value.
    facts: Vec<(u32, String)>,
    /// The minutes since the trigger, up to the longest that any step distinguishes. Finer, a wait that ends a nanosecond
    /// later would be a state of its own, and there would be no end of them.
    minutes: i64,
    /// Whether anything is accounted for.
    accounted: bool,
}

impl Signature {
    fn of(diagnosis: &Diagnosis, asks: &Asks) -> Self {
        let set = &diagnosis.context.set;
        let pair = |place: &Place| (place.runbook, place.step);
        let places = diagnosis.callers.iter().chain([&diagnosis.place]).map(pair);
        let places: Vec<_> = places.collect();
        let again: BTreeSet<u32> =
            places.iter().filter_map(|place| asks.again.get(place)).flatten().copied().collect();
        let is_timed = places.iter().any(|place| asks.timed.contains(place));
        let facts: Vec<(u32, String)> = again
            .into_iter()
            .filter_map(|query| {
                let (_, observation) = diagnosis.fact(query)?;
                let domain = &set.queries().get(query as usize)?.domain;
                Some((query, observation.render(domain)))
            })
            .collect();
        let names = |scope: &Scope| diagnosis.context.subject.name_of(*scope).is_some();
        Self {
            named: [Scope::Gateway, Scope::Site, Scope::Pipeline].map(|scope| names(&scope)),
            place: pair(&diagnosis.place),
            callers: diagnosis.callers.iter().map(pair).collect(),
            phase: std::mem::discriminant(&diagnosis.phase),
            facts,
            // Time tells two walks apart only where a step ahead asks for it, and not beyond the last
            // bound that it is compared with.
            minutes: if is_timed { diagnosis.since_trigger().min(asks.longest).num_minutes() } else { 0 },
            accounted: asks.adds_shares && diagnosis.accounted() > 0.0,
        }
    }
}

/// The diagnosis after each answer that its present request can get.
fn follow(mut diagnosis: Diagnosis, mut now: DateTime<Utc>, asks: &Asks) -> Vec<(Diagnosis, DateTime<Utc>)> {
    loop {
        let mut after = Vec::new();
        let mut fork = |given: &dyn Fn(&mut Diagnosis) -> bool| {
            let mut follower = diagnosis.clone();
            if given(&mut follower) {
                after.push((follower, now));
            }
        };
        match diagnosis.clone().poll(now) {
            Output::Probe(request) => {
                for observation in observations(&diagnosis, &request, now, asks) {
                    fork(&|follower| follower.answer(request.id, observation.clone(), now).is_ok());
                }
            }
            Output::Approve(request) => {
                fork(&|follower| follower.approve(request.grant("rehearsal"), now).is_ok());
                fork(&|follower| follower.approve(request.decline("rehearsal", "declined"), now).is_ok());
                after.extend(expire(&diagnosis, request.id, now));
            }
            Output::Act(request) => {
                let reports = [
                    ActReport::done("rehearsal"),
                    ActReport::refused("rehearsal", "it refuses"),
                    ActReport::failed("rehearsal", "it fails"),
                ];
                for report in reports {
                    fork(&|follower| follower.report_act(request.id, report.clone(), now).is_ok());
                }
                after.extend(expire(&diagnosis, request.id, now));
            }
            Output::Ask(request) => {
                let place = diagnosis.place;
                let branches = match diagnosis.context.step(place).map(|step| &step.kind) {
                    Some(StepKind::Ask(ask)) => Some(&ask.branches),
                    Some(StepKind::Check(check)) => Some(&check.branches),
                    _ => None,
                };
                for value in branches.into_iter().flat_map(|branches| edges(branches, now)) {
                    fork(&|follower| follower.reply(request.id, Reply::new(value, "rehearsal"), now).is_ok());
                }
                fork(&|follower| follower.reply(request.id, Reply::does_not_know("rehearsal"), now).is_ok());
                after.extend(expire(&diagnosis, request.id, now));
            }
            // Hand the alert out, and look again.
            Output::Alert(_) => {
                let _ = diagnosis.poll(now);
                continue;
            }
            Output::Pending { until: Some(until) } if until > now => {
                now = until;
                diagnosis.advance(now);
                continue;
            }
            Output::Pending { .. } | Output::Concluded(_) => {
                after.push((diagnosis.clone(), now));
            }
        }
        return after;
    }
}

/// Nobody answers until the time is over.
fn expire(
    diagnosis: &Diagnosis,
    request: RequestId,
    now: DateTime<Utc>,
) -> Option<(Diagnosis, DateTime<Utc>)> {
    let mut follower = diagnosis.clone();
    let due = follower.due_at()?.max(now);
    let _ = follower.poll(due);
    (!follower.is_open(request)).then_some((follower, due))
}

fn observations(
    diagnosis: &Diagnosis,
    request: &ProbeRequest,
    now: DateTime<Utc>,
    asks: &Asks,
) -> Vec<Observation> {
    let unknown = Observation::unknown(UnknownReason::NoAdapter, "rehearsal", "");
    let known = |value| Observation::known(value, now, "rehearsal");
    let mut all = vec![unknown];
    // While exploring nothing is taken, so that one answer to each request is enough.
    if !matches!(diagnosis.phase, Phase::Exploring(_)) {
        match diagnosis.context.step(request.place).map(|step| &step.kind) {
            Some(StepKind::Check(check)) if matches!(diagnosis.phase, Phase::Probing) => {
                let answers = edges(&check.branches, now).into_iter().map(known);
                // Beside each answer one that accounts for all there is to explain.
                all.extend(answers.flat_map(|answer| {
                    let whole = asks.adds_shares.then(|| answer.clone().with_accounts_for(1.0));
                    [Some(answer), whole].into_iter().flatten()
                }));
            }
            _ => {
                // A value that no branch of the recheck takes goes the same way as an unknown one.
                let recheck = diagnosis.context.recheck(request.place);
                let branches = recheck.into_iter().flat_map(|recheck| edges(&recheck.branches, now));
                all.extend(branches.map(known));
            }
        }
    }
    all
}

fn edges(branches: &Branches, now: DateTime<Utc>) -> Vec<Value> {
    let edges =
        |branch: &crate::runbook::guard::Branch| super::sample::edges(&branch.guard, branches.domain(), now);
    branches.as_slice().iter().flat_map(edges).collect()
}
