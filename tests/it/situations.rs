//! Situations in which something could not be known, beside the answer of an expert that was written first.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use iot_runbook::catalog;
use iot_runbook::diagnosis::rehearsal::{Cues, Part, Rehearsal};
use iot_runbook::runbook::RunbookSet;
use serde::Deserialize;

use crate::field::{Judged, judge};

#[derive(Deserialize)]
struct Situations {
    situation: Vec<Situation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    name: String,
    why: String,
    runbook: String,
    facts: BTreeMap<String, Cues>,
    /// What the subject names beside the device; everything where it is not said.
    names: Option<Vec<Part>>,
    /// The cause that leads.
    first: Option<String>,
    /// Causes that remain, each before the next.
    #[serde(default)]
    order: Vec<String>,
    /// Causes that are no hypothesis.
    #[serde(default)]
    absent: Vec<String>,
    /// Steps that are not proposed next.
    #[serde(default)]
    not_next: Vec<String>,
    /// The walk itself concludes.
    conclusion: Option<String>,
}

impl Situation {
    /// How the diagnosis differs from what the expert says.
    fn differs(&self, set: &RunbookSet) -> Option<String> {
        let mut rehearsal = Rehearsal::new(&self.name, &self.runbook);
        rehearsal.facts.clone_from(&self.facts);
        rehearsal.names.clone_from(&self.names);
        let rehearsed = match rehearsal.run(set) {
            Ok(rehearsed) => rehearsed,
            Err(error) => return Some(error.to_string()),
        };
        let finding = &rehearsed.finding;
        if finding.conclusion() != self.conclusion.as_deref() {
            return Some(format!("concluded {:?} after {:?}", finding.conclusion(), rehearsed.steps));
        }
        let causes: Vec<&str> = finding.hypotheses().iter().map(|left| &*left.cause).collect();
        let position = |cause: &String| causes.iter().position(|left| left == cause);
        if self.first.is_some() && self.first.as_deref() != causes.first().copied() {
            return Some(format!("first should be {:?}: {causes:?}", self.first));
        }
        if let Some(wrong) =
            self.order.windows(2).find(|pair| match (position(&pair[0]), position(&pair[1])) {
                (Some(one), Some(other)) => one >= other,
                _ => true,
            })
        {
            return Some(format!("{wrong:?} should be in this order: {causes:?}"));
        }
        if let Some(wrong) = self.absent.iter().find(|cause| position(cause).is_some()) {
            return Some(format!("{wrong} should be no hypothesis: {causes:?}"));
        }
        let next = finding.next_probe().map(|next| &*next.step);
        let wrong = self.not_next.iter().find(|step| next == Some(step.as_str()));
        wrong.map(|step| format!("{step} should not be proposed next"))
    }
}

static SITUATIONS: LazyLock<Vec<Situation>> = LazyLock::new(|| {
    toml::from_str::<Situations>(include_str!("situations/situations.toml")).unwrap().situation
});

/// Whether the diagnosis answers each as the expert does.
///
/// # Errors
/// All that differ.
pub(crate) fn all_hold(set: &RunbookSet) -> Result<(), String> {
    let mut wrong = Vec::new();
    for situation in &*SITUATIONS {
        if let Some(differs) = situation.differs(set) {
            wrong.push(format!("{}: {differs}\n    expert: {}", situation.name, situation.why));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{} of {}:\n{}", wrong.len(), SITUATIONS.len(), wrong.join("\n")))
    }
}

#[test]
fn hypotheses_rank_as_an_expert_ranks_them() {
    assert!(SITUATIONS.len() >= 60);
    all_hold(&catalog::set().unwrap()).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldOut {
    situation: Vec<HeldOutSituation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldOutSituation {
    name: String,
    why: String,
    runbook: String,
    accept: Vec<String>,
    facts: BTreeMap<String, Cues>,
    /// What the subject names beside the device; everything where it is not said.
    names: Option<Vec<Part>>,
}

#[test]
fn no_held_out_situation_is_wrongly_certain() {
    let set = catalog::set().unwrap();
    let situations = toml::from_str::<HeldOut>(include_str!("situations/held_out.toml")).unwrap().situation;
    assert!(situations.len() >= 20);
    let mut counts = [0_usize; 3];
    let mut wrong = Vec::new();
    for situation in &situations {
        let mut rehearsal = Rehearsal::new(&situation.name, &situation.runbook);
        rehearsal.facts.clone_from(&situation.facts);
        rehearsal.names.clone_from(&situation.names);
        let rehearsed = rehearsal.run(&set).unwrap();
        let runbook = set.find(&situation.runbook).unwrap();
        let (judged, came) = judge(&rehearsed.finding, runbook, &situation.accept);
        counts[judged as usize] += 1;
        println!("{judged:?}: {}: {came}", situation.name);
        if judged == Judged::Wrong {
            let (name, why, steps) = (&situation.name, &situation.why, &rehearsed.steps);
            wrong.push(format!("{name}: {came} after {steps:?}; {why}"));
        }
    }
    let [right, honest, certain] = counts;
    println!("{right} right, {honest} honest, {certain} wrong of {}", situations.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
