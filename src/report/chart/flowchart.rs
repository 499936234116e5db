//! The path as a Mermaid flowchart, which GitHub and GitLab draw in a ticket.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Arrow, Node, RunbookChart, State};
use crate::runbook::mermaid_escape;

/// A longer path makes a ticket that nobody reads.
const MOST_STEPS: usize = 40;
/// No more branches that were not taken than this, of all steps together and of one.
const MOST_BESIDE: usize = 24;
const MOST_BESIDE_ONE: usize = 6;

/// A flowchart, and how many branches were left out of it.
pub(in crate::report) struct Flowchart {
    pub(in crate::report) text: String,
    pub(in crate::report) left_out: usize,
}

/// The steps of the path, thick, and where their other branches would have led, dashed. `None` without a path, and where it
/// is longer than [`MOST_STEPS`].
///
/// Every text is escaped as in [`Runbook::to_mermaid`](crate::runbook::Runbook::to_mermaid): no title ends the fence of the
/// chart or becomes markup.
pub(in crate::report) fn flowchart(chart: &RunbookChart) -> Option<Flowchart> {
    if chart.walked.is_empty() || chart.walked.len() > MOST_STEPS {
        return None;
    }
    // What is asked again before an end without a conclusion is no step of the path, but led on.
    let mut path = chart.walked.clone();
    for at in chart.arrows.iter().filter(|arrow| arrow.is_lit).flat_map(|arrow| [arrow.from, arrow.to]) {
        if !path.contains(&at) {
            path.push(at);
        }
    }
    let mut text = "flowchart TD\n".to_owned();
    for (at, node) in path.iter().filter_map(|at| Some((at, chart.nodes.get(*at)?))) {
        write_node(&mut text, *at, node);
    }
    for arrow in chart.arrows.iter().filter(|arrow| arrow.is_lit) {
        write_arrow(&mut text, "==>", arrow);
    }
    let mut beside = BTreeSet::new();
    let (mut count, mut left_out) = (0, 0);
    for from in &chart.walked {
        // What a conclusion asks again last did not lead away.
        if chart.nodes.get(*from).is_none_or(|node| node.end.is_some()) {
            continue;
        }
        let others = chart.arrows.iter().filter(|arrow| arrow.from == *from && !arrow.is_lit);
        for (nth, arrow) in others.enumerate() {
            if nth >= MOST_BESIDE_ONE || count >= MOST_BESIDE {
                left_out += 1;
                continue;
            }
            count += 1;
            if !path.contains(&arrow.to)
                && beside.insert(arrow.to)
                && let Some(node) = chart.nodes.get(arrow.to)
            {
                write_node(&mut text, arrow.to, node);
            }
            write_arrow(&mut text, "-.->", arrow);
        }
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "classDef taken stroke-width:4px\nclass {} taken", ids(path.iter()));
    let possible = |at: &&usize| chart.nodes.get(**at).is_some_and(|node| node.state == State::Possible);
    let (possible, apart): (Vec<&usize>, Vec<&usize>) = beside.iter().partition(possible);
    if !possible.is_empty() {
        let possible = ids(possible.into_iter());
        let _ = writeln!(
            text,
            "classDef possible stroke-width:2px,stroke-dasharray:6 4\nclass {possible} possible"
        );
    }
    if !apart.is_empty() {
        let _ = writeln!(text, "classDef apart opacity:0.6\nclass {} apart", ids(apart.into_iter()));
    }
    Some(Flowchart { text, left_out })
}

fn ids<'a>(of: impl Iterator<Item = &'a usize>) -> String {
    of.map(|at| format!("s{at}")).collect::<Vec<_>>().join(",")
}

/// The title, and below it what was found.
fn write_node(text: &mut String, at: usize, node: &Node) {
    let (open, close) = if node.end.is_some() { ("([", "])") } else { ("[", "]") };
    let times = if node.times > 1 { format!("{} times", node.times) } else { String::new() };
    let lines = [&*node.title, node.answer.as_deref().unwrap_or_default(), &times];
    let lines: Vec<String> =
        lines.into_iter().filter(|line| !line.trim().is_empty()).map(mermaid_escape).collect();
    let _ = writeln!(text, "s{at}{open}\"{}\"{close}", lines.join("<br/>"));
}

fn write_arrow(text: &mut String, line: &str, arrow: &Arrow) {
    let Arrow { from, to, label, .. } = arrow;
    let _ = if label.trim().is_empty() {
        writeln!(text, "s{from} {line} s{to}")
    } else {
        writeln!(text, "s{from} {line}|\"{}\"| s{to}", mermaid_escape(label))
    };
}
