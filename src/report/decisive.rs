//! Which answers decided a conclusion.

use std::collections::BTreeSet;

use petgraph::visit::Dfs;

use super::timeline::with_mark;
use crate::diagnosis::{Answer, Diagnosis, Ending, Finding};
use crate::runbook::Runbook;
use crate::runbook::step::StepKind;

/// What the answers are called in the head of a report. Two are named: one alone may say too little, as "it has power" behind
/// "it refuses the port".
pub(super) const DECISIVE: [&str; 2] = ["Decided by", "and by"];

/// A question with its answer.
pub(super) fn in_a_line(answer: &Answer) -> String {
    format!("{} {}", with_mark(&answer.question), answer.answer)
}

/// The answers that decided a conclusion, in words: the last one that ruled out another root cause, and the known one before
/// it. What merely confirms it, such as a last look whether the device is back, rules out none. Empty where nothing was
/// concluded.
pub(super) fn decisive(finding: &Finding, diagnosis: &Diagnosis, answers: &[Answer]) -> Vec<String> {
    if !matches!(finding.ending(), Ending::Concluded) {
        return Vec::new();
    }
    let last_known = |answers: &[Answer]| answers.iter().rposition(|answer| answer.is_known);
    if finding.is_recovered() {
        // A device that is back ends the search, whatever was still possible.
        return last_known(answers).and_then(|at| answers.get(at)).map(in_a_line).into_iter().collect();
    }
    let walked = diagnosis.walked();
    let rules_out = |answer: &Answer| {
        let runbook = walked.iter().find(|runbook| runbook.name() == &*answer.runbook);
        answer.is_known && runbook.is_some_and(|runbook| narrows(runbook, answer))
    };
    let Some((last, earlier)) =
        answers.iter().rposition(rules_out).and_then(|last| Some((answers.get(last)?, answers.get(..last)?)))
    else {
        return Vec::new();
    };
    let before = last_known(earlier).and_then(|at| earlier.get(at));
    before.into_iter().chain([last]).map(in_a_line).collect()
}

/// Whether fewer root causes can be reached behind an answer than at its question.
fn narrows(runbook: &Runbook, answer: &Answer) -> bool {
    let Some(next) = &answer.leads_to else { return false };
    causes(runbook, next).len() < causes(runbook, &answer.step).len()
}

/// The root causes that can be reached from a step. A runbook that it hands over to counts as one.
fn causes<'r>(runbook: &'r Runbook, step: &str) -> BTreeSet<&'r str> {
    let Some(from) = runbook.find(step) else { return BTreeSet::new() };
    let graph = runbook.graph();
    let mut search = Dfs::new(&graph, from.into());
    let mut causes = BTreeSet::new();
    while let Some(at) = search.next(&graph) {
        let step = graph[at];
        match &step.kind {
            StepKind::Conclude(end) if !end.recovered => {
                causes.insert(end.root_cause.as_deref().unwrap_or(&step.id))
            }
            StepKind::Handover(_) => causes.insert(&step.id),
            _ => false,
        };
    }
    causes
}
