//! One walk through `device-offline`, machine alone and trace on: `cargo bench --bench diagnosis`.
//!
//! It watches the hot path from commit to commit; beside peers it stands in the package `peers`. Without cargo's
//! `--bench`, as `cargo test --benches` runs it, each walk is taken once and not timed.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use chrono::{DateTime, Utc};
use iot_runbook::catalog;
use iot_runbook::diagnosis::{Diagnosis, Finding, Output};
use iot_runbook::fact::{Observation, Source, Value};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

#[path = "../tests/it/deepest.rs"]
mod deepest;

type Failure = Box<dyn std::error::Error>;

/// How many walks a round has: short beside the slices of time that a busy machine gives.
const WALKS: u32 = 200;

const ROUNDS: usize = 1_001;

struct Case<'a> {
    set: &'a RunbookSet,
    /// The value of each query that the walk asks, by its position.
    values: Vec<Option<Value>>,
    subject: Subject,
    trigger: Trigger,
    source: Source,
    now: DateTime<Utc>,
}

fn main() -> Result<(), Failure> {
    let is_timed = std::env::args().any(|arg| arg == "--bench");
    let set = catalog::set()?;
    let mut shallow = deepest::facts(&set);
    for (value, query) in shallow.iter_mut().zip(set.queries()) {
        if &*query.check == "service-state" {
            *value = query.domain.find_choice("maintenance");
        }
    }
    for (name, values, conclusion) in
        [("shallow", shallow, "expected-offline"), ("deep", deepest::facts(&set), "dispatch-technician")]
    {
        let now = deepest::NOW;
        let subject = Subject::device("press-07").with_gateway("gw-2").with_site("north");
        let trigger = Trigger::new("offline alert", now);
        let case = Case { set: &set, values, subject, trigger, source: Source::from_static("memory"), now };
        let found = walk(&case)?;
        if found.conclusion() != Some(conclusion) {
            return Err(format!("{name}: {:?} instead of {conclusion}", found.conclusion()).into());
        }
        if is_timed {
            writeln!(std::io::stdout(), "diagnosis/{name} {:>8.1} ns", median(&case)?)?;
        }
    }
    Ok(())
}

/// The walk from a new diagnosis to its finding.
fn walk(case: &Case<'_>) -> Result<Finding, Failure> {
    let now = case.now;
    let (subject, trigger) = (case.subject.clone(), case.trigger.clone());
    let mut diagnosis = Diagnosis::new(Ulid(1), case.set, "device-offline", subject, trigger, now)?;
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let value = case.values.get(request.query_position()).copied().flatten();
                let value = value.ok_or("the walk asks for a fact that is not there")?;
                diagnosis.answer(request.id, Observation::known(value, now, case.source.clone()), now)?;
            }
            Output::Alert(_) => {}
            Output::Concluded(finding) => return Ok(*finding),
            other => return Err(format!("{other:?}").into()),
        }
    }
}

/// Nanoseconds of one walk in the median round.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn median(case: &Case<'_>) -> Result<f64, Failure> {
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for _ in 0..WALKS {
            black_box(walk(black_box(case))?);
        }
        rounds.push(begin.elapsed().as_secs_f64() * 1e9 / f64::from(WALKS));
    }
    rounds.sort_unstable_by(f64::total_cmp);
    Ok(rounds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN))
}
