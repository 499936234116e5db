//! What a diagnosis came to, as a person reads it.

use iot_runbook::diagnosis::{Bundle, Ending, Fact, Finding, Hypothesis};

pub(super) fn lines(finding: &Finding, bundle: &Bundle) -> Vec<String> {
    let mut lines = Vec::new();
    match finding.ending() {
        Ending::Concluded => concluded(finding, &mut lines),
        Ending::Undetermined => undetermined(finding, &mut lines),
        _ => lines.push(format!("  = It could not go on: {:?}", finding.ending())),
    }
    if !finding.contributing().is_empty() {
        lines.push("    Found on the way:".to_owned());
        for found in finding.contributing() {
            let fact = found.fact.as_ref().map_or_else(String::new, |told| format!(" ({})", fact(told)));
            lines.push(format!("      - {}{fact}", found.note));
        }
    }
    for called in finding.called() {
        let ended = called.conclusion.as_deref().unwrap_or("it could not tell");
        lines.push(format!("    Handed over to {}: {ended}", called.runbook));
        lines.extend(called.hypotheses.iter().map(hypothesis));
    }
    let records = bundle.records.len();
    lines.push(format!(
        "    Evidence: {records} records, digest {}; runbook {}, fingerprint {}",
        beginning(&bundle.digest),
        bundle.runbook,
        beginning(&bundle.fingerprint.to_string())
    ));
    lines
}

fn concluded(finding: &Finding, lines: &mut Vec<String>) {
    let conclusion = finding.conclusion().unwrap_or_default();
    lines.push(format!("  = {conclusion}: {}", finding.title().unwrap_or_default()));
    let cause = finding.root_cause().unwrap_or("none");
    let severity = finding.severity().map_or("none", |severity| severity.name());
    lines.push(format!("    Root cause: {cause}. Severity: {severity}."));
    lines.push("    Advice:".to_owned());
    lines.extend(finding.advice().map(|advice| format!("      - {advice}")));
}

fn undetermined(finding: &Finding, lines: &mut Vec<String>) {
    lines.push("  = It cannot be told for certain. Still possible:".to_owned());
    lines.extend(finding.hypotheses().iter().map(hypothesis));
    if let Some(next) = finding.next_probe() {
        lines.push(format!(
            "    What would tell most: {} (step {}, {:.2} bits)",
            next.check, next.step, next.bits
        ));
    }
}

fn hypothesis(hypothesis: &Hypothesis) -> String {
    let behind = hypothesis.blocked_at.as_ref().map_or_else(String::new, |step| format!(", behind {step}"));
    let by = hypothesis.supported_by.iter().map(fact).collect::<Vec<_>>();
    let by = if by.is_empty() { String::new() } else { format!("; {}", by.join(", ")) };
    format!("      {:>3.0} %  {}{behind}{by}", hypothesis.share * 100.0, hypothesis.cause)
}

fn fact(fact: &Fact) -> String {
    format!("{}: {}", fact.check, fact.value)
}

/// Enough of a hash to tell it from another by eye.
fn beginning(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
