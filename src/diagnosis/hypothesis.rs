//! What is left when a value stays unknown: hypotheses, ranked, and what to ask next.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use crate::fact::Kind;
use crate::runbook::Runbook;
use crate::runbook::step::{CheckStep, StepIndex, StepKind};

/// Where a step stands that an exploration reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its value is known and takes this exit; the entry of the log that says so.
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

impl Standing {
    /// The steps that are possible after it, as far as it can be walked.
    pub(super) fn targets(self, kind: &StepKind) -> impl Iterator<Item = StepIndex> + '_ {
        let (from, to) = match self {
            Self::Known { exit, .. } | Self::NotNamed { exit: Some(exit) } => (exit, exit + 1),
            Self::Unknown { .. } | Self::NotNamed { exit: None } => match kind {
                StepKind::Check(check) => unknown_exits(check),
                _ => (0, 0),
            },
            Self::Blocked | Self::Conclusion => (0, 0),
        };
        (from..to).filter_map(|exit| kind.exit(exit)).map(|exit| exit.to)
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

/// What an exploration came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Explored {
    /// The likeliest first.
    pub(super) hypotheses: Vec<Hypothetical>,
    pub(super) refuted: Vec<(StepIndex, Vec<u32>)>,
    /// The step whose answer would tell most, and how many bits it is worth.
    pub(super) next: Option<(StepIndex, f64)>,
    /// The steps that nobody asks because the subject does not name their part.
    pub(super) not_named: Vec<StepIndex>,
}

/// A conclusion that is still consistent with what is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hypothetical {
    pub(super) conclusion: StepIndex,
    pub(super) weight: f64,
    pub(super) blocked_at: Option<StepIndex>,
    /// Entries of the log.
    pub(super) supports: Vec<u32>,
    /// Steps on the way whose value is unknown.
    pub(super) needs: Vec<StepIndex>,
}

/// As many unknown steps are weighed for the next probe, the first that were reached.
const MOST_CANDIDATES: usize = 64;
/// As many hypotheses, the likeliest, and as many refuted conclusions are told with their facts: each costs a walk.
const MOST_DETAILED: usize = 64;

/// An explored runbook.
///
/// A step stands here or beyond. Here is what was walked: facts hold as they were found. Beyond lies what comes
/// after a wait, an act, a question or a handover, which is never taken on a hypothesis: what was not walked is
/// open there; what was walked keeps its value, unless time itself moves it (an instant's age, a time that has
/// passed), since another look may then take another branch.
pub(super) struct Map<'a> {
    runbook: &'a Runbook,
    origin: StepIndex,
    reached: &'a [StepIndex],
    standings: HashMap<StepIndex, Standing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Spot {
    step: StepIndex,
    beyond: bool,
}

impl<'a> Map<'a> {
    pub(super) const fn new(
        runbook: &'a Runbook,
        origin: StepIndex,
        reached: &'a [StepIndex],
        standings: HashMap<StepIndex, Standing>,
    ) -> Self {
        Self { runbook, origin, reached, standings }
    }

    pub(super) fn explored(&self) -> Explored {
        let consistent = self.conclusions();
        let mut before: HashMap<Spot, Vec<Spot>> = HashMap::new();
        for from in reach([self.here(self.origin)], |at| self.targets(at)) {
            for to in self.targets(from) {
                before.entry(to).or_default().push(from);
            }
        }
        let mut hypotheses: Vec<Hypothetical> = consistent
            .iter()
            .map(|(conclusion, blocked_at)| Hypothetical {
                conclusion: *conclusion,
                weight: self.weight(*conclusion),
                blocked_at: *blocked_at,
                supports: Vec::new(),
                needs: Vec::new(),
            })
            .collect();
        hypotheses.sort_by(|a, b| {
            (b.weight.total_cmp(&a.weight))
                .then(a.blocked_at.is_some().cmp(&b.blocked_at.is_some()))
                .then(a.conclusion.cmp(&b.conclusion))
        });
        for hypothesis in hypotheses.iter_mut().take(MOST_DETAILED) {
            let end = spots(hypothesis.conclusion);
            let way = reach(end, |at| before.get(&at).into_iter().flatten().copied());
            self.detail(hypothesis, &way);
        }
        let refuted = self.refuted(&consistent);
        let next = self.next_probe(&hypotheses);
        Explored { hypotheses, refuted, next, not_named: Vec::new() }
    }

    /// What was found on the way to a hypothesis, and what is unknown on it.
    fn detail(&self, hypothesis: &mut Hypothetical, way: &HashSet<Spot>) {
        for at in self.reached.iter().filter(|at| spots(**at).iter().any(|spot| way.contains(spot))) {
            match self.standings.get(at) {
                Some(Standing::Known { entry: Some(entry), .. }) => hypothesis.supports.push(*entry),
                Some(Standing::Unknown { .. }) => hypothesis.needs.push(*at),
                _ => {}
            }
        }
    }

    /// Every conclusion that is still possible, and the step at which the walk to it stopped. One that can be
    /// walked to is not blocked, whatever else leads there.
    fn conclusions(&self) -> BTreeMap<StepIndex, Option<StepIndex>> {
        let mut found = BTreeMap::new();
        for at in self.reached {
            if self.standings.get(at) == Some(&Standing::Conclusion) {
                found.insert(*at, None);
            }
        }
        let mut seen: HashSet<Spot> = HashSet::new();
        for blocked in self.reached.iter().filter(|at| self.standings.get(at) == Some(&Standing::Blocked)) {
            let mut next = self.targets(self.here(*blocked));
            while let Some(at) = next.pop() {
                if !seen.insert(at) {
                    continue;
                }
                if self.is_conclusion(at.step) {
                    found.entry(at.step).or_insert(Some(*blocked));
                }
                next.extend(self.targets(at));
            }
        }
        found
    }

    const fn here(&self, step: StepIndex) -> Spot {
        Spot { step, beyond: false }
    }

    /// What stays possible right after `at`.
    fn targets(&self, at: Spot) -> Vec<Spot> {
        let Some(kind) = self.runbook.step(at.step).map(|step| &step.kind) else { return Vec::new() };
        let standing = self.standings.get(&at.step).copied();
        let beyond = at.beyond || standing == Some(Standing::Blocked);
        let spot = |step| Spot { step, beyond };
        match (standing, kind) {
            (_, StepKind::Conclude(_)) => Vec::new(),
            (None | Some(Standing::Blocked), _) => kind.exits().map(|(_, exit)| spot(exit.to)).collect(),
            (Some(Standing::Known { .. }), StepKind::Check(check)) if beyond && moves_with_time(check) => {
                check.branches.as_slice().iter().map(|branch| spot(branch.exit.to)).collect()
            }
            (Some(standing), _) => standing.targets(kind).map(spot).collect(),
        }
    }

    fn all_targets(&self, at: StepIndex) -> impl Iterator<Item = StepIndex> {
        // A conclusion is an end: what is asked again before it is no part of a hypothesis.
        let step = self.runbook.step(at).filter(|step| !matches!(step.kind, StepKind::Conclude(_)));
        step.into_iter().flat_map(|step| step.kind.exits()).map(|(_, exit)| exit.to)
    }

    fn is_conclusion(&self, at: StepIndex) -> bool {
        self.runbook.step(at).is_some_and(|step| matches!(step.kind, StepKind::Conclude(_)))
    }

    /// Every conclusion that the graph leads to from the origin and the facts rule out, with the facts that do so
    /// each by itself: were it open, the conclusion would be possible.
    fn refuted(&self, consistent: &BTreeMap<StepIndex, Option<StepIndex>>) -> Vec<(StepIndex, Vec<u32>)> {
        let possible = reach([self.origin], |at| self.all_targets(at));
        // What only a part that is not named keeps from being possible is neither a hypothesis nor refuted.
        let is_open = |at| matches!(self.standings.get(&at), Some(Standing::NotNamed { .. }));
        let unless_named = reach([self.here(self.origin)], |from: Spot| {
            let all = self.all_targets(from.step).map(|step| Spot { step, ..from });
            if is_open(from.step) { all.collect() } else { self.targets(from) }
        });
        let not_asked = |at: &StepIndex| spots(*at).iter().any(|spot| unless_named.contains(spot));
        let mut conclusions: Vec<StepIndex> = possible.into_iter().collect();
        conclusions.retain(|at| self.is_conclusion(*at) && !consistent.contains_key(at) && !not_asked(at));
        conclusions.sort_unstable();
        let mut refuted: Vec<(StepIndex, Vec<u32>)> =
            conclusions.into_iter().map(|conclusion| (conclusion, Vec::new())).collect();
        let known = self.reached.iter().filter_map(|at| match self.standings.get(at) {
            Some(Standing::Known { entry: Some(entry), .. }) => Some((*at, *entry)),
            _ => None,
        });
        for (open, entry) in known.take(MOST_DETAILED) {
            let all = |from: Spot| self.all_targets(from.step).map(|step| Spot { step, ..from }).collect();
            let left = reach([self.here(self.origin)], |from: Spot| {
                if from.step == open { all(from) } else { self.targets(from) }
            });
            for (conclusion, by) in &mut refuted {
                if spots(*conclusion).iter().any(|spot| left.contains(spot)) {
                    by.push(entry);
                }
            }
        }
        refuted
    }

    /// The unknown step whose answer would lower the entropy of the hypotheses most: the mutual information of
    /// its branch and the hypothesis, a hypothesis being spread evenly over the branches that leave it possible.
    fn next_probe(&self, hypotheses: &[Hypothetical]) -> Option<(StepIndex, f64)> {
        let total: f64 = hypotheses.iter().map(|hypothesis| hypothesis.weight).sum();
        let unknown =
            self.reached.iter().filter(|at| matches!(self.standings.get(at), Some(Standing::Unknown { .. })));
        let mut best: Option<(StepIndex, f64)> = None;
        for at in unknown.take(MOST_CANDIDATES) {
            let Some(StepKind::Check(check)) = self.runbook.step(*at).map(|step| &step.kind) else {
                continue;
            };
            let branches: Vec<HashSet<StepIndex>> = (check.branches.as_slice().iter())
                .map(|branch| {
                    let left = reach([self.here(self.origin)], |from| {
                        if from.step == *at {
                            vec![Spot { step: branch.exit.to, ..from }]
                        } else {
                            self.targets(from)
                        }
                    });
                    left.into_iter().map(|spot| spot.step).collect()
                })
                .collect();
            let gain = information(hypotheses, total, &branches);
            if gain > best.map_or(1e-9, |(_, most)| most) {
                best = Some((*at, gain));
            }
        }
        best
    }

    /// The prior of the runbook: its ranks 1 to 5 weigh 5 to 1, a later one 1, any other cause 0.5.
    fn weight(&self, conclusion: StepIndex) -> f64 {
        let cause = self.runbook.step(conclusion).and_then(|step| match &step.kind {
            StepKind::Conclude(conclusion) => conclusion.root_cause.as_deref(),
            _ => None,
        });
        match cause.and_then(|cause| self.runbook.prior().position(|known| known == cause)) {
            Some(0) => 5.0,
            Some(1) => 4.0,
            Some(2) => 3.0,
            Some(3) => 2.0,
            Some(_) => 1.0,
            None => 0.5,
        }
    }
}

/// A step, here and beyond.
const fn spots(step: StepIndex) -> [Spot; 2] {
    [Spot { step, beyond: false }, Spot { step, beyond: true }]
}

/// Whether another look may find another value for no other reason than that time has passed.
fn moves_with_time(check: &CheckStep) -> bool {
    matches!(check.branches.domain().kind(), Kind::Instant | Kind::Duration)
}

/// Everything that `after` leads to from `from`, these included.
fn reach<T: Copy + Eq + Hash, I: IntoIterator<Item = T>>(
    from: impl IntoIterator<Item = T>,
    mut after: impl FnMut(T) -> I,
) -> HashSet<T> {
    let mut seen = HashSet::new();
    let mut next: Vec<T> = from.into_iter().collect();
    while let Some(at) = next.pop() {
        if seen.insert(at) {
            next.extend(after(at));
        }
    }
    seen
}

/// The mutual information, in bits, of which branch is taken and which hypothesis holds.
fn information(hypotheses: &[Hypothetical], total: f64, branches: &[HashSet<StepIndex>]) -> f64 {
    let mut joint = vec![vec![0.0; hypotheses.len()]; branches.len()];
    for (column, hypothesis) in hypotheses.iter().enumerate() {
        let left: Vec<usize> =
            (0..branches.len()).filter(|row| branches[*row].contains(&hypothesis.conclusion)).collect();
        for row in &left {
            joint[*row][column] = hypothesis.weight / total / left.len() as f64;
        }
    }
    let prior: f64 =
        (0..hypotheses.len()).map(|column| bits(joint.iter().map(|row| row[column]).sum())).sum();
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
    if p > 0.0 { -p * p.log2() } else { 0.0 }
}
