//! zen-engine beside the loader: text to a decision that is validated and compiled.
//!
//! What it proves is less: that there is one input node and, where it checks that, no cycle. Conditions that
//! leave a hole, overlap or cannot be read are found when they are evaluated, and taken for "no".

use super::super::diagnosis::zen::{Graph, Otherwise, chart, decision};
use super::compare;
use crate::error::Error;
use crate::measure::Side;
use crate::report::Report;

const PEER: &str = "zen-compile";

/// The longest chart that is given to it: one of 100 000 steps overflows a stack of 8 MiB.
const LONGEST: u32 = 10_000;

/// The chart of `device-offline` as it is timed in the diagnosis.
pub(super) fn device_offline(report: &mut Report, work: &'static str, ours: Side<'_>) -> Result<(), Error> {
    beside(report, work, "device-offline", ours, &chart(Otherwise::LastArm).to_string())
}

/// A chart of as many switch nodes in a row as the runbook has steps.
pub(super) fn synthetic(
    report: &mut Report,
    work: &'static str,
    case: &str,
    steps: u32,
    ours: Side<'_>,
) -> Result<(), Error> {
    if steps > LONGEST {
        report.remark(format!("{case}: no row for {PEER}, which overflows a stack of 8 MiB on such a chart"));
        return Ok(());
    }
    beside(report, work, case, ours, &row(steps))
}

fn beside(
    report: &mut Report,
    work: &'static str,
    case: &str,
    ours: Side<'_>,
    text: &str,
) -> Result<(), Error> {
    decision(text)?;
    let peer: Side<'_> = Box::new(move |runs| {
        for _ in 0..runs {
            let _ = std::hint::black_box(decision(std::hint::black_box(text)));
        }
    });
    compare(report, work, case, ours, (PEER, peer)).map(drop)
}

fn row(steps: u32) -> String {
    let mut graph = Graph::new("step-0");
    for at in 0..steps {
        let (id, next) = (
            format!("step-{at}"),
            if at + 1 < steps { format!("step-{}", at + 1) } else { "well".to_owned() },
        );
        let arms: [(String, &str); 2] = match at % 10 {
            0 => [(format!("age_{at} == null"), "lost"), (format!("age_{at} < 300"), &next)],
            1 => [(format!("waited_{at} > 60"), "lost"), (format!("waited_{at} <= 60"), &next)],
            2..6 => [
                (format!("state_{at} == 'offline'"), "lost"),
                (format!("state_{at} == 'healthy' or state_{at} == 'degraded'"), &next),
            ],
            _ => [(format!("errors_{at} >= 10"), "worn"), (format!("errors_{at} < 10"), &next)],
        };
        graph.switch(&id, arms.iter().map(|(condition, to)| (condition.as_str(), *to)), Otherwise::LastArm);
    }
    for end in ["well", "worn", "lost"] {
        graph.conclusion(end);
    }
    graph.document().to_string()
}
