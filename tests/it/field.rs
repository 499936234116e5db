//! Incidents that really happened, from public issue threads: the runbooks must find what the thread found, or say that
//! they cannot know.

use std::collections::{BTreeMap, BTreeSet};

use iot_runbook::catalog;
use iot_runbook::diagnosis::Finding;
use iot_runbook::diagnosis::rehearsal::{Cues, Part, Rehearsal};
use iot_runbook::runbook::step::StepKind;
use iot_runbook::runbook::{Runbook, RunbookSet};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    case: Vec<Case>,
    not_expressible: Vec<NotExpressible>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    link: String,
    found: String,
    runbook: String,
    accept: Vec<String>,
    facts: BTreeMap<String, Cues>,
    /// What the subject names beside the device; everything where it is not said.
    names: Option<Vec<Part>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NotExpressible {
    name: String,
    link: String,
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Right,
    /// Hypotheses, with the truth in first or second place.
    Honest,
    Wrong,
}

impl Case {
    fn judge(&self, set: &RunbookSet) -> (Judged, String) {
        let mut rehearsal = Rehearsal::new(&self.name, &self.runbook);
        rehearsal.facts.clone_from(&self.facts);
        rehearsal.names.clone_from(&self.names);
        let finding = rehearsal.run(set).unwrap().finding;
        judge(&finding, set.find(&self.runbook).unwrap(), &self.accept)
    }
}

/// Judges a finding by the conclusions that are right, and says what it found.
pub(crate) fn judge(finding: &Finding, runbook: &Runbook, accept: &[String]) -> (Judged, String) {
    if let Some(conclusion) = finding.conclusion() {
        let right = accept.iter().any(|accepted| accepted == conclusion);
        return (if right { Judged::Right } else { Judged::Wrong }, conclusion.to_owned());
    }
    let accepted: BTreeSet<&str> = accept.iter().map(|id| cause(runbook, id)).collect();
    let leading: Vec<&str> = finding.hypotheses().iter().map(|left| &*left.cause).take(2).collect();
    let honest = leading.iter().any(|cause| accepted.contains(cause));
    (if honest { Judged::Honest } else { Judged::Wrong }, format!("{leading:?}"))
}

fn cause<'a>(runbook: &'a Runbook, conclusion: &str) -> &'a str {
    let step = runbook.step(runbook.find(conclusion).unwrap()).unwrap();
    let StepKind::Conclude(conclusion) = &step.kind else { panic!("{conclusion} is no conclusion") };
    conclusion.root_cause.as_deref().unwrap_or(&step.id)
}

fn field() -> Field {
    toml::from_str(include_str!("field/cases.toml")).unwrap()
}

#[test]
fn no_incident_of_the_field_is_wrongly_certain() {
    let set = catalog::set().unwrap();
    let cases = field().case;
    let mut counts = [0_usize; 3];
    let mut wrong = Vec::new();
    for case in &cases {
        let (judged, came) = case.judge(&set);
        counts[judged as usize] += 1;
        println!("{judged:?}: {}: {came} ({})", case.name, case.link);
        if judged == Judged::Wrong {
            wrong
                .push(format!("{}: {came}, and the thread found: {} ({})", case.name, case.found, case.link));
        }
    }
    let [right, honest, certain] = counts;
    println!("{right} right, {honest} honest, {certain} wrong of {}", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right * 10 >= cases.len() * 8, "{right} right of {}", cases.len());
}

#[test]
fn each_incident_has_its_own_thread_and_name() {
    let field = field();
    assert!(field.case.len() >= 40);
    let own = field.not_expressible.iter().map(|left| (&left.name, &left.link));
    let threads: Vec<_> = field.case.iter().map(|case| (&case.name, &case.link)).chain(own).collect();
    assert_eq!(threads.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), threads.len());
    assert_eq!(threads.iter().map(|(_, link)| link).collect::<BTreeSet<_>>().len(), threads.len());
    assert!(threads.iter().all(|(_, link)| link.starts_with("https://github.com/")));
    assert!(field.not_expressible.iter().all(|left| left.reason.len() > 20));
}
