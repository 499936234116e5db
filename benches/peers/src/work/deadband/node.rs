//! Node-RED's own code, and a plain loop, run by `node` on the same samples.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{NAME, WIDTH};
use crate::error::Error;
use crate::measure::Medians;
use crate::report::{Report, Row};

/// Where the node's source lies.
const PATH: &str = "NODE_RED_RBE";

/// How much quicker ours shall be.
const TARGET: f64 = 8.0;

/// Our own script: reads the samples, prints which of them pass in the first round, runs rounds for the
/// processor time of half a second, and prints the median round, in nanoseconds a sample.
const SCRIPT: &str = include_str!("node/run.js");

/// Rows beside what `node` runs, for the two filters that give its verdicts: the default, and the one that has
/// Node-RED's semantics. A remark where there is no `node`.
pub(super) fn beside(
    report: &mut Report,
    percent: u64,
    values: &[f64],
    [plain, as_node]: [Medians; 2],
) -> Result<(), Error> {
    let case = format!("step {percent} %");
    match run(values, None)? {
        Some(peer_ns) => row(report, &case, "javascript-loop", Medians { peer_ns, ..plain })?,
        None if percent == 0 => {
            report.remark("no rows beside JavaScript: there is no `node` that runs; install Node.js");
        }
        None => {}
    }
    let path = std::env::var(PATH).ok().filter(|path| !path.is_empty());
    match path.map(|path| run(values, Some(&path))).transpose()?.flatten() {
        Some(peer_ns) => {
            for (case, ours) in [(case, plain), (format!("step as Node-RED, {percent} %"), as_node)] {
                let medians = Medians { peer_ns, ..ours };
                row(report, &case, "node-red-rbe", medians)?;
                report.target(&format!("{case}, an eighth of Node-RED"), medians, peer_ns / TARGET);
            }
        }
        None if percent == 0 => report.remark(format!(
            "no rows beside Node-RED: `npm install @node-red/nodes`, and set {PATH} to its core/function/rbe.js"
        )),
        None => {}
    }
    Ok(())
}

fn row(report: &mut Report, case: &str, peer: &'static str, medians: Medians) -> Result<(), Error> {
    report.row(&Row { work: NAME, case: case.to_owned(), peer, medians, notes: Vec::new() })
}

/// Nanoseconds a sample; none where there is no `node`, or it fails. What it lets pass must be what ours does.
fn run(values: &[f64], path: Option<&str>) -> Result<Option<f64>, Error> {
    let child = Command::new("node")
        .args(["-e", SCRIPT, path.unwrap_or_default(), &WIDTH.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return Ok(None) };
    let samples = serde_json::to_vec(values).map_err(|error| Error::failed("the samples", error))?;
    // A script that ends early closes the pipe; its status tells.
    let _ = child.stdin.take().map(|mut input| input.write_all(&samples));
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (Some((passes, took)), true) = (text.split_once('\n'), output.status.success()) else {
        return Ok(None);
    };
    let ours: String = super::passes(values).iter().map(|passes| if *passes { 'x' } else { '.' }).collect();
    if passes != ours {
        let at = passes.chars().zip(ours.chars()).position(|(theirs, ours)| theirs != ours);
        return Err(Error::Differs(format!("`node` and the loop differ first at sample {at:?}")));
    }
    Ok(took.trim().parse().ok())
}
