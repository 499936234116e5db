//! What a chart of a runbook draws, whatever its language: boxes with lines of text, arrows with labels, groups.

use std::collections::BTreeMap;

use super::step::{ActStep, CheckSource, Conclusion, Step, StepIndex, StepKind, WaitStep};
use super::{Highlight, Runbook};
use crate::time::format_duration;

/// A box of a chart.
pub(super) struct Node<'r> {
    pub(super) shape: Shape,
    /// The lines of its text; one at least.
    pub(super) lines: Vec<String>,
    pub(super) group: Option<&'r str>,
    pub(super) highlighted: bool,
}

/// The shape of a box, by what its step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Check,
    Wait,
    Act,
    Ask,
    Handover,
    Conclusion,
    /// Of the recheck before an undetermined end, which belongs to no step.
    Unless,
}

/// An arrow between two boxes, by their positions.
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: String,
    pub(super) highlighted: bool,
}

/// A box for each step in the order of the steps, then one for the runbook's own `unless` if it has one.
pub(super) struct Chart<'r> {
    pub(super) nodes: Vec<Node<'r>>,
    pub(super) edges: Vec<Edge>,
}

impl<'r> Chart<'r> {
    pub(super) fn new(runbook: &'r Runbook, highlight: &Highlight) -> Self {
        let mut nodes = Vec::with_capacity(runbook.steps().len() + 1);
        let mut edges = Vec::new();
        for (at, step) in (0_u32..).map(StepIndex).zip(runbook.steps()) {
            nodes.push(Node {
                shape: shape(&step.kind),
                lines: lines(runbook, step),
                group: step.group.as_deref(),
                highlighted: highlight.has_step(at),
            });
            for (position, exit) in step.kind.exits() {
                edges.push(Edge {
                    from: at.position(),
                    to: exit.to.position(),
                    label: step.kind.exit_name(position),
                    highlighted: highlight.has_transition(at, position),
                });
            }
        }
        if let Some(recheck) = runbook.unless() {
            let from = nodes.len();
            let branches = recheck.branches.as_slice();
            for (position, branch) in (0_u16..).zip(branches) {
                edges.push(Edge {
                    from,
                    to: branch.exit.to.position(),
                    label: branch.guard.describe(recheck.branches.domain()),
                    highlighted: highlight.has_unless(position),
                });
            }
            nodes.push(Node {
                shape: Shape::Unless,
                lines: vec!["before an undetermined end".to_owned(), recheck.id.to_string()],
                group: None,
                highlighted: edges.iter().any(|edge| edge.from == from && edge.highlighted),
            });
        }
        Self { nodes, edges }
    }

    /// The positions of the boxes by group, in the order of the groups' names; those of no group come first.
    pub(super) fn groups(&self) -> BTreeMap<Option<&'r str>, Vec<usize>> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            groups.entry(node.group).or_default().push(at);
        }
        groups
    }
}

const fn shape(kind: &StepKind) -> Shape {
    match kind {
        StepKind::Check(_) => Shape::Check,
        StepKind::Wait(_) => Shape::Wait,
        StepKind::Act(_) => Shape::Act,
        StepKind::Ask(_) => Shape::Ask,
        StepKind::Handover(_) => Shape::Handover,
        StepKind::Conclude(_) => Shape::Conclusion,
    }
}

/// The id, the title where there is one, and what the step does where neither says it.
fn lines(runbook: &Runbook, step: &Step) -> Vec<String> {
    let mut lines = vec![step.id.to_string()];
    let filled = |text: &str| {
        let lines = text.split('\n').filter(|line| !line.trim().is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    lines.extend(filled(&step.title));
    let check = |query: super::step::QueryIndex| {
        let query = runbook.queries().get(query.position());
        query.map_or_else(String::new, |query| query.check.to_string())
    };
    match &step.kind {
        StepKind::Check(step) => match step.source {
            CheckSource::Query(query) => lines.push(format!("check {}", check(query))),
            CheckSource::Elapsed => lines.push("time since the trigger".to_owned()),
            CheckSource::Accounted => lines.push("share accounted for".to_owned()),
        },
        StepKind::Wait(WaitStep { length, until, .. }) => {
            lines.extend(length.map(|length| format!("wait {}", format_duration(length))));
            lines.extend(
                until.map(|until| {
                    format!("until {} after {}", format_duration(until.plus), check(until.fact))
                }),
            );
        }
        StepKind::Act(ActStep { action, approval, .. }) => {
            lines.push(format!("act {action}, approval {}", approval.name()));
        }
        StepKind::Ask(ask) => lines.extend(filled(&ask.question)),
        StepKind::Handover(handover) => lines.push(format!("runbook {}", handover.runbook)),
        StepKind::Conclude(Conclusion { root_cause, severity, .. }) => lines.push(match root_cause {
            Some(cause) => format!("{severity}, root cause {cause}"),
            None => severity.to_string(),
        }),
    }
    lines
}
