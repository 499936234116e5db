//! `iot-runbook explain`: a runbook in words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iot_runbook::runbook::step::{Severity, Step, StepIndex, StepKind};
use iot_runbook::{Document, Runbook};
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Explain;
use crate::facets::{self, Facets};
use crate::failure::Failure;
use crate::input::Inputs;
use crate::names;
use crate::page::{Page, Style};
use crate::runbooks::load;
use crate::table::Table;
use crate::terminal::Terminal;
use crate::words::{self, counted};

pub(crate) fn run(explain: &Explain, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let loaded = load(&explain.file, &explain.overrides, inputs)?;
    let runbook = &loaded.runbook;
    let text = match &explain.step {
        Some(id) => {
            let Some(step) = runbook.find(id).and_then(|at| runbook.step(at)) else {
                let meant = names::meant(id, runbook.steps().iter().map(|step| &*step.id));
                let name = loaded.name;
                return Err(Failure::Other(format!(
                    "{name} has no step or conclusion `{id}`{meant}; run `iot-runbook explain {name}` to see them"
                )));
            };
            if explain.json {
                words::json(&step_to_json(runbook, step))
            } else {
                one_step(runbook, step, terminal)
            }
        }
        None if explain.json => words::json(&to_json(&loaded.document, runbook)),
        None => whole(&loaded.document, runbook, terminal),
    };
    Ok(Outcome::new(text, false))
}

fn whole(document: &Document, runbook: &Runbook, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    page.styled(Style::Heading, "", "", &format!("{}: {}", runbook.name(), runbook.title()));
    let conclusions = runbook.conclusions().count();
    page.line(&format!(
        "Version {}, {} and {}, fingerprint {}.",
        runbook.version(),
        counted(runbook.steps().len() - conclusions, "step"),
        counted(conclusions, "conclusion"),
        runbook.fingerprint().to_string().get(..12).unwrap_or_default(),
    ));
    for (name, value) in facets::of_runbook(runbook).iter().skip(2) {
        page.item("  ", &format!("{name}: {value}"));
    }
    thresholds_in_words(document, &mut page);
    page.heading("Steps");
    let (steps, ends): (Vec<_>, Vec<_>) = in_order(runbook)
        .into_iter()
        .filter_map(|at| runbook.step(at))
        .partition(|step| !matches!(step.kind, StepKind::Conclude(_)));
    for step in steps {
        page.gap();
        page.styled(Style::Plain, "", "    ", &headline(step));
        let facets = facets::of_step(runbook, step);
        facts_in_words(&facets, &mut page);
        for way in &facets.ways {
            let alert = way.alert.as_ref().map(|(severity, _)| format!("  [alert: {severity}]"));
            page.item("    ", &format!("{}{}", way.arrow(), alert.unwrap_or_default()));
        }
    }
    page.heading("Conclusions");
    for step in ends {
        page.gap();
        conclusion(runbook, step, &mut page);
    }
    page.finish()
}

fn headline(step: &Step) -> String {
    if step.title.is_empty() { step.id.to_string() } else { format!("{}: {}", step.id, step.title) }
}

fn facts_in_words(facets: &Facets, page: &mut Page) {
    let facts: Vec<String> = facets
        .facts
        .iter()
        // The branches show the answers.
        .filter(|(name, _)| name != "answers")
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    page.item("  ", &facts.join("; "));
}

fn conclusion(runbook: &Runbook, step: &Step, page: &mut Page) {
    let style = match &step.kind {
        StepKind::Conclude(end) => style_of(end.severity),
        _ => Style::Plain,
    };
    page.styled(style, "", "    ", &headline(step));
    facts_in_words(&facets::of_step(runbook, step), page);
    for advice in &step.advice {
        page.item("    - ", &facets::advised(advice));
    }
}

const fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Critical => Style::Bad,
        Severity::Warning => Style::Careful,
        _ => Style::Heading,
    }
}

fn thresholds_in_words(document: &Document, page: &mut Page) {
    let thresholds = thresholds(document);
    if thresholds.is_empty() {
        return;
    }
    page.heading("Thresholds");
    let mut table = Table::new(&["name", "value", "used by"]);
    for (name, (value, users)) in &thresholds {
        table.row([name.clone(), value.clone(), users.join(", ")]);
    }
    table.write(page);
}

/// The thresholds of a document: the value of each, and which steps, checks and rechecks use it.
pub(crate) fn thresholds(document: &Document) -> BTreeMap<String, (String, Vec<String>)> {
    // A document is made of texts, numbers, lists and tables, which JSON has.
    let whole = serde_json::to_value(document).unwrap_or_default();
    let mut thresholds: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for (name, value) in whole.get("thresholds").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        thresholds.insert(name.clone(), (value, Vec::new()));
    }
    for (key, value) in whole.as_object().into_iter().flatten() {
        let is_group = matches!(key.as_str(), "steps" | "conclusions" | "checks" | "rechecks");
        let parts: Vec<(&str, &Value)> = match value.as_object() {
            Some(parts) if is_group => parts.iter().map(|(id, part)| (id.as_str(), part)).collect(),
            _ => vec![(key.as_str(), value)],
        };
        for (id, part) in parts {
            let mut used = BTreeSet::new();
            references(part, &mut used);
            for name in used {
                if let Some((_, users)) = thresholds.get_mut(&name) {
                    users.push(id.to_owned());
                }
            }
        }
    }
    thresholds
}

fn references(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix('-').unwrap_or(text).strip_prefix('$');
            used.extend(name.map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, used)),
        Value::Object(entries) => entries.values().for_each(|entry| references(entry, used)),
        _ => {}
    }
}

/// Every step: those that are fewer ways from the start first.
fn in_order(runbook: &Runbook) -> Vec<StepIndex> {
    let mut seen = BTreeSet::from([runbook.start()]);
    let mut order = Vec::new();
    let mut next = VecDeque::from([runbook.start()]);
    let unless = runbook.unless().into_iter().flat_map(|unless| unless.branches.as_slice());
    let mut ends: VecDeque<StepIndex> = unless.map(|branch| branch.exit.to).collect();
    while let Some(at) = next.pop_front().or_else(|| ends.pop_front().filter(|at| seen.insert(*at))) {
        order.push(at);
        let Some(step) = runbook.step(at) else { continue };
        next.extend(step.kind.exits().map(|(_, exit)| exit.to).filter(|to| seen.insert(*to)));
        // What was seen at the end already is not taken twice.
        while ends.front().is_some_and(|end| seen.contains(end)) {
            ends.pop_front();
        }
    }
    order
}

/// The ways that lead to a step.
fn ways_to(runbook: &Runbook, id: &str) -> Vec<(String, String)> {
    let mut ways = Vec::new();
    for step in runbook.steps() {
        let facets = facets::of_step(runbook, step);
        let here = facets.ways.into_iter().filter(|way| way.to.as_deref() == Some(id));
        ways.extend(here.map(|way| (step.id.to_string(), way.label)));
    }
    ways
}

fn one_step(runbook: &Runbook, step: &Step, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    if let StepKind::Conclude(_) = step.kind {
        conclusion(runbook, step, &mut page);
    } else {
        page.styled(Style::Heading, "", "    ", &headline(step));
    }
    let facets = facets::of_step(runbook, step);
    if !matches!(step.kind, StepKind::Conclude(_)) {
        for (name, value) in &facets.facts {
            page.item("  ", &format!("{name} {value}"));
        }
    }
    if !facets.ways.is_empty() {
        page.heading("Where it leads");
    }
    for way in &facets.ways {
        page.item("  ", &way.arrow());
        for line in &way.besides {
            page.item("      ", line);
        }
        if let Some(says) = &way.says {
            page.item("      ", &format!("in words: {says}"));
        }
        if let Some(note) = &way.note {
            page.item("      ", &format!("note: {note}"));
        }
        if let Some((severity, text)) = &way.alert {
            page.item("      ", &format!("alert ({severity}): {text}"));
        }
    }
    if !step.advice.is_empty() && !matches!(step.kind, StepKind::Conclude(_)) {
        page.heading("Advice");
        for advice in &step.advice {
            page.item("  - ", &facets::advised(advice));
        }
    }
    let ways = ways_to(runbook, &step.id);
    if !ways.is_empty() {
        page.heading("What leads here");
        for (from, label) in ways {
            page.item("  ", &format!("{from}, on {label}"));
        }
    }
    page.finish()
}

fn to_json(document: &Document, runbook: &Runbook) -> Value {
    let steps: Vec<Value> = in_order(runbook)
        .into_iter()
        .filter_map(|at| runbook.step(at))
        .map(|step| step_to_json(runbook, step))
        .collect();
    let thresholds: BTreeMap<String, Value> = thresholds(document)
        .into_iter()
        .map(|(name, (value, users))| (name, json!({ "value": value, "used_by": users })))
        .collect();
    json!({
        "name": runbook.name(),
        "version": runbook.version(),
        "title": runbook.title(),
        "fingerprint": runbook.fingerprint().to_string(),
        "start": runbook.step(runbook.start()).map(|step| &*step.id),
        "prior": runbook.prior().collect::<Vec<_>>(),
        "thresholds": thresholds,
        "steps": steps,
    })
}

fn step_to_json(runbook: &Runbook, step: &Step) -> Value {
    let facets = facets::of_step(runbook, step);
    let facts: BTreeMap<&str, &str> = facets.facts.iter().map(|(name, value)| (&**name, &**value)).collect();
    let ways: Vec<Value> = facets
        .ways
        .iter()
        .map(|way| {
            let alert = way.alert.as_ref();
            json!({
                "on": way.label,
                "to": way.to,
                "note": way.note,
                "alert": alert.map(|(severity, text)| json!({ "severity": severity, "text": text })),
            })
        })
        .collect();
    json!({
        "id": step.id,
        "kind": step.kind.name(),
        "title": step.title,
        "advice": step.advice.iter().map(facets::advised).collect::<Vec<_>>(),
        "facts": facts,
        "ways": ways,
    })
}
