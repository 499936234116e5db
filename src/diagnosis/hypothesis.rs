//! Hypotheses: the root causes that remain possible when a value stays unknown, ranked by the evidence.
//!
//! The weight of a cause is its prior times the likelihood of every answer that was measured:
//!
//! - The runbook's `prior` gives its causes the weights 5, 4, 3, 2, 1, in that order; any other cause weighs 0.5.
//! - A branch may speak for causes: those that its document declares as `supports`, or else those of the conclusions
//!   that it leads to without another check. If an answer took such a branch, a cause that the branch does not speak for
//!   needs the measured fault beside it as an unlikely coincidence: its weight is multiplied by [`COINCIDENCE`].
//! - A branch may speak against causes (`against`): their weight is multiplied by [`CONTRADICTED`].
//!
//! A cause is possible if the walk reaches one of its conclusions, or an act that its branch leads to. What an act that
//! nobody has begun may lead to is no hypothesis; it is listed under its cause.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::runbook::Runbook;
use crate::runbook::step::{CheckStep, Exit, StepIndex, StepKind, UNKNOWN_CAUSE};

/// The likelihood of a measured fault beside a cause that does not explain it.
const COINCIDENCE: f64 = 0.05;
/// The likelihood of a measured answer that speaks against a cause.
const CONTRADICTED: f64 = 0.2;
/// The number of unknown steps that are weighed for the next probe, and of facts that are tried for a refutation, the
/// first that were reached: each costs a walk.
const MOST_WALKS: usize = 64;

/// The state of a step that an exploration reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    /// Its value is known and takes this exit; `entry` is the entry of the log that has the answer.
    Known { entry: Option<u32>, exit: u16 },
    /// Its value is unknown.
    Unknown { entry: Option<u32> },
    /// The subject does not name the part that it asks about: it takes its exit for that, or else stays open like an
    /// unknown one, and no answer is wanted.
    NotNamed { exit: Option<u16> },
    /// It waits, acts, asks a person or hands over: it is not taken on a hypothesis.
    Blocked,
    /// An end.
    Conclusion,
}

impl StepState {
    /// The steps that are possible after it, as far as it can be walked.
    pub(super) fn targets(self, kind: &StepKind) -> impl Iterator<Item = StepIndex> + '_ {
        self.exits(kind).map(|exit| exit.to)
    }

    fn exits(self, kind: &StepKind) -> impl Iterator<Item = &Exit> {
        let (from, to) = match self {
            Self::Known { exit, .. } | Self::NotNamed { exit: Some(exit) } => (exit, exit + 1),
            Self::Unknown { .. } | Self::NotNamed { exit: None } => match kind {
                StepKind::Check(check) => unknown_exits(check),
                _ => (0, 0),
            },
            Self::Blocked | Self::Conclusion => (0, 0),
        };
        (from..to).filter_map(|exit| kind.exit(exit))
    }
}

/// The exits that stay possible where a check is unknown: its own exit for that; or else every branch, and that of a
/// person who does not answer.
fn unknown_exits(check: &CheckStep) -> (u16, u16) {
    let branches = u16::try_from(check.branches.as_slice().len()).unwrap_or(u16::MAX);
    match check.unknown_position() {
        Some(exit) => (exit, exit.saturating_add(1)),
        None => (0, branches.saturating_add(u16::from(check.expired_position().is_some()))),
    }
}

/// Why asking an unknown step again now would not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unanswerable {
    /// No adapter answers for it.
    NoAdapter,
    /// It goes through a part that another question just failed to reach.
    PartFailed,
}

impl fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAdapter => "no adapter answers it",
            Self::PartFailed => "it goes through a part that just failed",
        })
    }
}

/// The result of an exploration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Explored {
    /// The likeliest first.
    pub(super) candidates: Vec<Candidate>,
    pub(super) refuted: Vec<(StepIndex, Vec<u32>)>,
    /// The unknown step whose answer is worth most, and how many bits.
    pub(super) next: Option<(StepIndex, f64)>,
    /// The unknown steps that are never proposed as the next probe.
    pub(super) unanswerable: Vec<(StepIndex, Unanswerable)>,
    /// The steps that nobody asks because the subject does not name their part.
    pub(super) not_named: Vec<StepIndex>,
}

/// A root cause that is still consistent with what is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Candidate {
    /// The root cause, or the id of the conclusion where that names none.
    pub(super) cause: Box<str>,
    pub(super) weight: f64,
    /// Conclusions of this cause that are possible without an act.
    pub(super) conclusions: Vec<StepIndex>,
    /// Conclusions of this cause that an act which nobody has begun may lead to.
    pub(super) outcomes: Vec<StepIndex>,
    /// The first step that is not taken on a hypothesis, where the cause is possible only behind one.
    pub(super) blocked_at: Option<StepIndex>,
    /// Entries of the log whose answers speak for it.
    pub(super) supports: Vec<u32>,
    /// The unknown steps on the way to it.
    pub(super) needs: Vec<StepIndex>,
}

/// What is possible of a cause.
#[derive(Default)]
struct Possible {
    conclusions: BTreeSet<StepIndex>,
    outcomes: BTreeSet<StepIndex>,
    blocked_at: Option<StepIndex>,
    is_open: bool,
}

/// An answer that was measured, and the causes it speaks for and against.
struct Measured<'a> {
    entry: u32,
    supports: BTreeSet<&'a str>,
    against: &'a [Box<str>],
}

/// An explored runbook.
pub(super) struct Map<'a> {
    runbook: &'a Runbook,
    origin: StepIndex,
    reached: &'a [StepIndex],
    states: HashMap<StepIndex, StepState>,
    /// The answers on the path to the origin: the entry of each, and the exit that it took.
    path: BTreeMap<StepIndex, (u32, u16)>,
    unanswerable: Vec<(StepIndex, Unanswerable)>,
}

impl<'a> Map<'a> {
    pub(super) const fn new(
        runbook: &'a Runbook,
        origin: StepIndex,
        reached: &'a [StepIndex],
        states: HashMap<StepIndex, StepState>,
        path: BTreeMap<StepIndex, (u32, u16)>,
        unanswerable: Vec<(StepIndex, Unanswerable)>,
    ) -> Self {
        Self { runbook, origin, reached, states, path, unanswerable }
    }

    pub(super) fn explored(&self) -> Explored {
        let possible = self.possible(&|at| self.exits(at));
        let measured = self.measured();
        let mut candidates: Vec<Candidate> = possible
            .into_iter()
            .map(|(cause, possible)| self.candidate(cause, possible, &measured))
            .collect();
        candidates.sort_by(|a, b| {
            (b.weight.total_cmp(&a.weight))
                .then(a.blocked_at.is_some().cmp(&b.blocked_at.is_some()))
                // The order of the document last, so that two runs of the same facts never rank
                // differently.
                .then(a.first().cmp(&b.first()))
        });
        let refuted = self.refuted();
        let next = self.next_probe(&candidates);
        let unanswerable = self.unanswerable.clone();
        Explored { candidates, refuted, next, unanswerable, not_named: Vec::new() }
    }

    fn candidate(&self, cause: &str, possible: Possible, measured: &[Measured<'_>]) -> Candidate {
        let mut weight = self.prior(cause);
        let mut supports = Vec::new();
        // Naive Bayes, and two numbers in place of a table for each check: nobody has the data for more.
        for answer in measured {
            if answer.supports.contains(cause) {
                supports.push(answer.entry);
            } else if !answer.supports.is_empty() {
                weight *= COINCIDENCE;
            }
            if answer.against.iter().any(|other| **other == *cause) {
                weight *= CONTRADICTED;
            }
        }
        let needs = self.needs(cause);
        Candidate {
            cause: cause.into(),
            weight,
            blocked_at: possible.blocked_at.filter(|_| !possible.is_open),
            outcomes: possible.outcomes.difference(&possible.conclusions).copied().collect(),
            conclusions: possible.conclusions.into_iter().collect(),
            supports,
            needs,
        }
    }

    /// The unknown steps that the cause is possible behind.
    fn needs(&self, cause: &str) -> Vec<StepIndex> {
        let unknown = self.reached.iter().copied().filter(|at| self.is_unknown(*at));
        // What is possible behind an act depends on the branches that lead there, so each step is walked from. Without one
        // a search backwards finds the same in one walk: of 5 000 steps the walks took a minute, unoptimized.
        if self.reached.iter().any(|at| self.states.get(at) == Some(&StepState::Blocked)) {
            return unknown
                .filter(|at| self.possible_from(*at, &|at| self.exits(at)).contains_key(cause))
                .collect();
        }
        let mut before: HashMap<StepIndex, Vec<StepIndex>> = HashMap::new();
        for at in self.reached {
            self.targets(*at).into_iter().for_each(|to| before.entry(to).or_default().push(*at));
        }
        let is_end = |at: &StepIndex| self.states.get(at) == Some(&StepState::Conclusion);
        let ends = self.reached.iter().copied().filter(|at| is_end(at) && self.cause(*at) == Some(cause));
        let leads = reach(ends, |at| before.get(&at).cloned().unwrap_or_default());
        unknown.filter(|at| leads.contains(at)).collect()
    }

    /// The weight of a cause before anything is measured.
    fn prior(&self, cause: &str) -> f64 {
        match self.runbook.prior().position(|known| known == cause) {
            Some(0) => 5.0,
            Some(1) => 4.0,
            Some(2) => 3.0,
            Some(3) => 2.0,
            Some(_) => 1.0,
            None => 0.5,
        }
    }

    /// Every measured answer whose branch speaks for or against a cause.
    fn measured(&self) -> Vec<Measured<'a>> {
        let known = self.reached.iter().filter_map(|at| match self.states.get(at) {
            Some(StepState::Known { entry: Some(entry), exit }) => Some((*at, *entry, *exit)),
            _ => None,
        });
        let before = self.path.iter().map(|(at, (entry, exit))| (*at, *entry, *exit));
        let answer = |(at, entry, exit): (StepIndex, u32, u16)| {
            let exit = self.kind(at)?.exit(exit)?;
            let against = exit.against.as_deref().unwrap_or_default();
            Some(Measured { entry, supports: self.speaks_for(exit), against })
        };
        before.chain(known).filter_map(answer).collect()
    }

    /// The causes that taking an exit speaks for.
    fn speaks_for(&self, exit: &'a Exit) -> BTreeSet<&'a str> {
        if let Some(declared) = &exit.supports {
            return declared.iter().map(AsRef::as_ref).collect();
        }
        let without_a_check = reach([exit.to], |at| match self.kind(at) {
            None | Some(StepKind::Check(_)) => Vec::new(),
            Some(_) => self.all_targets(at).collect(),
        });
        without_a_check.into_iter().filter_map(|at| self.cause(at)).collect()
    }

    /// Every cause that is possible, with `exits` as those that stay open of each step.
    fn possible<'e>(&self, exits: &dyn Fn(StepIndex) -> Vec<&'e Exit>) -> BTreeMap<&'a str, Possible>
    where
        'a: 'e,
    {
        self.possible_from(self.origin, exits)
    }

    fn possible_from<'e>(
        &self,
        from: StepIndex,
        exits: &dyn Fn(StepIndex) -> Vec<&'e Exit>,
    ) -> BTreeMap<&'a str, Possible>
    where
        'a: 'e,
    {
        let mut found: BTreeMap<&'a str, Possible> = BTreeMap::new();
        let walked = reach([from], |at| exits(at).into_iter().map(|exit| exit.to).collect::<Vec<_>>());
        for at in self.reached.iter().copied().filter(|at| walked.contains(at)) {
            match self.states.get(&at) {
                Some(StepState::Conclusion) => {
                    if let Some(cause) = self.cause(at) {
                        let possible = found.entry(cause).or_default();
                        possible.conclusions.insert(at);
                        possible.is_open = true;
                    }
                }
                Some(StepState::Blocked) => self.behind(at, &walked, &mut found),
                _ => {}
            }
        }
        found
    }

    /// The causes that are possible behind a step which is not taken on a hypothesis.
    fn behind(&self, at: StepIndex, walked: &HashSet<StepIndex>, found: &mut BTreeMap<&'a str, Possible>) {
        let beyond = reach([at], |at| self.all_targets(at).collect());
        let is_act = matches!(self.kind(at), Some(StepKind::Act(_)));
        // An act is begun for a cause: those that a branch which leads to it is declared to speak for; where none
        // declares any, those that the open branches speak for.
        let mut begun_for: BTreeSet<&'a str> = BTreeSet::new();
        if is_act {
            let exits = self.runbook.steps().iter().flat_map(|step| step.kind.exits());
            let declared =
                exits.filter(|(_, exit)| exit.to == at).filter_map(|(_, exit)| exit.supports.as_ref());
            begun_for.extend(declared.flatten().map(AsRef::as_ref));
        }
        if is_act && begun_for.is_empty() {
            for from in self.reached.iter().filter(|from| walked.contains(from)) {
                for exit in self.exits(*from).into_iter().filter(|exit| exit.to == at) {
                    begun_for.extend(self.speaks_for(exit));
                }
            }
        }
        let is_ours = |cause: &str| begun_for.is_empty() || begun_for.contains(cause);
        let mut add = |cause: &'a str, conclusion: Option<StepIndex>| {
            let possible = found.entry(cause).or_default();
            possible.blocked_at = possible.blocked_at.or(Some(at));
            match conclusion {
                Some(conclusion) if is_act => possible.outcomes.insert(conclusion),
                Some(conclusion) => possible.conclusions.insert(conclusion),
                None => false,
            };
        };
        for cause in &begun_for {
            add(cause, None);
        }
        for end in beyond {
            if let Some(cause) = self.cause(end).filter(|cause| is_ours(cause)) {
                add(cause, Some(end));
            }
        }
    }

    /// Every conclusion that the graph leads to from the origin and the facts rule out, with the facts that do so
    /// each by itself: were it open, the conclusion would be possible.
    fn refuted(&self) -> Vec<(StepIndex, Vec<u32>)> {
        let left = |open: &dyn Fn(StepIndex) -> bool| {
            reach([self.origin], |at| {
                let is_behind = matches!(self.states.get(&at), None | Some(StepState::Blocked));
                if is_behind || open(at) { self.all_targets(at).collect() } else { self.targets(at) }
            })
        };
        let all = reach([self.origin], |at| self.all_targets(at).collect::<Vec<_>>());
        // What only a part that is not named keeps from being possible is neither a hypothesis nor refuted.
        let possible = left(&|at| matches!(self.states.get(&at), Some(StepState::NotNamed { .. })));
        let mut conclusions: Vec<StepIndex> =
            all.into_iter().filter(|at| self.cause(*at).is_some() && !possible.contains(at)).collect();
        conclusions.sort_unstable();
        let mut refuted: Vec<(StepIndex, Vec<u32>)> =
            conclusions.into_iter().map(|conclusion| (conclusion, Vec::new())).collect();
        let known = self.reached.iter().filter_map(|at| match self.states.get(at) {
            Some(StepState::Known { entry: Some(entry), .. }) => Some((*at, *entry)),
            _ => None,
        });
        // An answer refutes a conclusion if that would be possible again without it: found by walking as
        // if only that were open.
        for (step, entry) in known.take(MOST_WALKS) {
            let possible = left(&|at| at == step);
            for (conclusion, by) in &mut refuted {
                if possible.contains(conclusion) {
                    by.push(entry);
                }
            }
        }
        refuted
    }

    /// The unknown step whose answer would lower the entropy of the causes most: the mutual information of its branch
    /// and the cause, a cause being spread evenly over the branches that leave it possible.
    fn next_probe(&self, candidates: &[Candidate]) -> Option<(StepIndex, f64)> {
        let is_answerable = |at: &StepIndex| !self.unanswerable.iter().any(|(other, _)| other == at);
        let unknown = self.reached.iter().copied().filter(|at| self.is_unknown(*at)).filter(is_answerable);
        let mut best: Option<(StepIndex, f64)> = None;
        // Where one cause alone is left there is nothing to tell apart, but the cause itself may be ruled out: what remains
        // then is an end that is no cause, such as a recovery.
        let mut refuting: Option<StepIndex> = None;
        // Each step walks the whole chart once for each of its branches; the bound keeps a large chart
        // linear.
        for step in unknown.take(MOST_WALKS) {
            let Some(StepKind::Check(check)) = self.kind(step) else { continue };
            let branches: Vec<_> = (check.branches.as_slice().iter())
                .map(|branch| {
                    self.possible(&|at| if at == step { vec![&branch.exit] } else { self.exits(at) })
                        .into_keys()
                        .collect::<BTreeSet<_>>()
                })
                .collect();
            let may_refute =
                |candidate: &Candidate| branches.iter().any(|left| !left.contains(&*candidate.cause));
            if refuting.is_none() && candidates.iter().any(may_refute) {
                refuting = Some(step);
            }
            let bits = information(candidates, &branches);
            // Rounding alone makes differences of this size.
            if bits > best.map_or(1e-9, |(_, most)| most) {
                best = Some((step, bits));
            }
        }
        best.or(refuting.map(|step| (step, 0.0)))
    }

    fn is_unknown(&self, at: StepIndex) -> bool {
        matches!(self.states.get(&at), Some(StepState::Unknown { .. }))
    }

    fn kind(&self, at: StepIndex) -> Option<&'a StepKind> {
        self.runbook.step(at).map(|step| &step.kind)
    }

    /// The cause of a conclusion: its root cause, or its own id where it names none. That the subject has recovered is no
    /// cause, and neither is that the cause is unknown.
    fn cause(&self, at: StepIndex) -> Option<&'a str> {
        let step = self.runbook.step(at)?;
        let StepKind::Conclude(conclusion) = &step.kind else { return None };
        let own = (!conclusion.recovered).then_some(&*step.id);
        conclusion.root_cause.as_deref().or(own).filter(|cause| *cause != UNKNOWN_CAUSE)
    }

    /// The exits that stay open of a step that was reached.
    fn exits(&self, at: StepIndex) -> Vec<&'a Exit> {
        match (self.states.get(&at), self.kind(at)) {
            (Some(state), Some(kind)) => state.exits(kind).collect(),
            _ => Vec::new(),
        }
    }

    fn targets(&self, at: StepIndex) -> Vec<StepIndex> {
        self.exits(at).into_iter().map(|exit| exit.to).collect()
    }

    /// Every step that any exit leads to. A conclusion is an end: its `unless` is not followed.
    fn all_targets(&self, at: StepIndex) -> impl Iterator<Item = StepIndex> + use<'a> {
        let kind = self.kind(at).filter(|kind| !matches!(kind, StepKind::Conclude(_)));
        kind.into_iter().flat_map(|kind| kind.exits()).map(|(_, exit)| exit.to)
    }
}

impl Candidate {
    /// The first of its conclusions, in the order of the document.
    fn first(&self) -> Option<StepIndex> {
        self.conclusions.iter().chain(&self.outcomes).min().copied()
    }
}

/// Everything that `after` leads to from `from`, these included.
fn reach(
    from: impl IntoIterator<Item = StepIndex>,
    mut after: impl FnMut(StepIndex) -> Vec<StepIndex>,
) -> HashSet<StepIndex> {
    let mut seen = HashSet::new();
    let mut next: Vec<StepIndex> = from.into_iter().collect();
    while let Some(at) = next.pop() {
        if seen.insert(at) {
            next.extend(after(at));
        }
    }
    seen
}

/// The mutual information, in bits, of which branch is taken and which cause holds.
fn information(candidates: &[Candidate], branches: &[BTreeSet<&str>]) -> f64 {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let mut joint = vec![vec![0.0; candidates.len()]; branches.len()];
    for (column, candidate) in candidates.iter().enumerate() {
        let left: Vec<usize> =
            (0..branches.len()).filter(|row| branches[*row].contains(&*candidate.cause)).collect();
        for row in &left {
            // A cause that several answers leave possible is taken as equally likely to give each of
            // them.
            joint[*row][column] = candidate.weight / total / left.len() as f64;
        }
    }
    let prior: f64 =
        (0..candidates.len()).map(|column| bits(joint.iter().map(|row| row[column]).sum())).sum();
    let after: f64 = joint
        .iter()
        .map(|row| {
            let branch: f64 = row.iter().sum();
            row.iter().map(|cell| bits(*cell)).sum::<f64>() - bits(branch)
        })
        .sum();
    prior - after
}

/// `-p log2 p`, zero at zero.
fn bits(p: f64) -> f64 {
    // The limit at zero; the formula itself gives NaN there.
    if p > 0.0 { -p * p.log2() } else { 0.0 }
}
