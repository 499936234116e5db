//! `iot-runbook diff`: two runbooks compared by what they mean. How a document is written does not count.

use std::collections::{BTreeMap, BTreeSet};

use iot_runbook::Runbook;
use iot_runbook::runbook::step::{Step, StepKind};
use serde::Serialize;

use crate::Outcome;
use crate::arguments::{Diff, Overrides};
use crate::explain::thresholds;
use crate::facets;
use crate::failure::Failure;
use crate::input::Inputs;
use crate::page::{Page, Style};
use crate::runbooks::{Loaded, load};
use crate::terminal::Terminal;
use crate::words::{self, counted};

/// Parts of a step, each with its value.
type Parts = Vec<(String, String)>;

/// What differs.
#[derive(Debug, Default, Serialize)]
struct Differences {
    /// Of the runbook as a whole.
    runbook: Vec<Change>,
    thresholds: Vec<Change>,
    steps: Vec<StepChange>,
    conclusions: Vec<StepChange>,
    /// How many titles, notes and pieces of advice differ.
    words: usize,
}

/// One part that differs: without `old` it was added, without `new` removed.
#[derive(Debug, Serialize)]
struct Change {
    what: String,
    old: Option<String>,
    new: Option<String>,
    /// The steps that a threshold acts on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    used_by: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StepChange {
    id: String,
    kind: &'static str,
    /// `added`, `removed` or `changed`.
    how: &'static str,
    title: String,
    changes: Vec<Change>,
}

pub(crate) fn run(diff: &Diff, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let old = load(&diff.old, &Overrides::default(), inputs)?;
    let new = load(&diff.new, &Overrides::default(), inputs)?;
    let differences = compare(&old, &new, diff.words);
    let differs = old.runbook.fingerprint() != new.runbook.fingerprint()
        || !differences.thresholds.is_empty()
        || (diff.words && differences.words > 0);
    let text = if diff.json {
        words::json(&serde_json::json!({ "same": !differs, "differences": differences }))
    } else {
        to_text(&old, &new, &differences, differs, diff.words, terminal)
    };
    Ok(Outcome::new(text, differs))
}

fn compare(old: &Loaded, new: &Loaded, with_words: bool) -> Differences {
    let mut differences = Differences { thresholds: compare_thresholds(old, new), ..Differences::default() };
    // A threshold that has another value changes every guard that uses it. That is one change, so the steps are compared
    // with the old values.
    let mut document = new.document.clone();
    for change in &differences.thresholds {
        if let (Some(value), Some(_)) = (&change.old, &change.new) {
            document = document.threshold(&change.what, value.as_str());
        }
    }
    let leveled = document.validate().unwrap_or_else(|_| new.runbook.clone());
    differences.runbook = changes(facets::of_runbook(&old.runbook), facets::of_runbook(&leveled));
    let ids: BTreeSet<&str> =
        [&old.runbook, &leveled].iter().flat_map(|one| one.steps()).map(|step| &*step.id).collect();
    for id in ids {
        let step = |runbook: &Runbook| runbook.find(id).and_then(|at| runbook.step(at).cloned());
        let change = match (step(&old.runbook), step(&leveled)) {
            (Some(before), Some(after)) => {
                let (old_parts, old_words) = meaning(&old.runbook, &before);
                let (new_parts, new_words) = meaning(&leveled, &after);
                let (mut parts, mut words) = (changes(old_parts, new_parts), changes(old_words, new_words));
                // The words of a branch that was added or removed belong to that change.
                words.retain(|word| word.old.is_some() && word.new.is_some() || !word.what.contains(" on "));
                differences.words += words.len();
                if with_words {
                    parts.extend(words);
                }
                (!parts.is_empty()).then(|| step_change(&after, "changed", parts))
            }
            (Some(before), None) => Some(step_change(&before, "removed", Vec::new())),
            (None, Some(after)) => {
                Some(step_change(&after, "added", changes(Vec::new(), meaning(&leveled, &after).0)))
            }
            (None, None) => None,
        };
        let Some(change) = change else { continue };
        if change.kind == "conclude" {
            differences.conclusions.push(change);
        } else {
            differences.steps.push(change);
        }
    }
    differences
}

/// What a step means, and its texts for people.
fn meaning(runbook: &Runbook, step: &Step) -> (Parts, Parts) {
    let facets = facets::of_step(runbook, step);
    let mut parts = vec![("kind".to_owned(), step.kind.name().to_owned())];
    parts.extend(facets.facts);
    parts.extend(facets.ways.iter().map(|way| (format!("on {}", way.label), way.meaning())));
    (parts, facets.words)
}

fn step_change(step: &Step, how: &'static str, mut changes: Vec<Change>) -> StepChange {
    changes.retain(|change| how != "added" || change.what != "kind");
    let kind = if matches!(step.kind, StepKind::Conclude(_)) { "conclude" } else { step.kind.name() };
    StepChange { id: step.id.to_string(), kind, how, title: step.title.to_string(), changes }
}

/// The parts that differ, in the order of the old ones; those that were added last.
fn changes(old: Parts, new: Parts) -> Vec<Change> {
    let mut left: BTreeMap<String, String> = new.iter().cloned().collect();
    let mut changes = Vec::new();
    for (what, old) in old {
        let new = left.remove(&what);
        if new.as_ref() != Some(&old) {
            changes.push(Change { what, old: Some(old), new, used_by: Vec::new() });
        }
    }
    for (what, new) in new {
        if left.remove(&what).is_some() {
            changes.push(Change { what, old: None, new: Some(new), used_by: Vec::new() });
        }
    }
    changes
}

fn compare_thresholds(old: &Loaded, new: &Loaded) -> Vec<Change> {
    let (old, new) = (thresholds(&old.document), thresholds(&new.document));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (old.get(name), new.get(name));
        let value = |of: Option<&(String, Vec<String>)>| of.map(|(value, _)| value.clone());
        let used_by = after.or(before).map(|(_, users)| users.clone()).unwrap_or_default();
        let change = Change { what: name.clone(), old: value(before), new: value(after), used_by };
        (change.old != change.new).then_some(change)
    });
    changes.collect()
}

fn to_text(
    old: &Loaded,
    new: &Loaded,
    differences: &Differences,
    differs: bool,
    with_words: bool,
    terminal: &Terminal,
) -> String {
    let mut page = Page::new(terminal);
    // Those that are shown need no hint.
    let hidden = if with_words { 0 } else { differences.words };
    if !differs {
        page.styled(Style::Good, "", "  ", &format!("{} and {} mean the same", old.name, new.name));
        words_in_words(hidden, &mut page);
        return page.finish();
    }
    page.styled(
        Style::Careful,
        "",
        "  ",
        &format!("{} and {} differ: {}", old.name, new.name, summary(differences)),
    );
    if !differences.runbook.is_empty() {
        page.heading("Runbook");
        differences.runbook.iter().for_each(|change| change_in_words(change, "  ", &mut page));
    }
    if !differences.thresholds.is_empty() {
        page.heading("Thresholds");
        differences.thresholds.iter().for_each(|change| change_in_words(change, "  ", &mut page));
    }
    for (head, steps) in [("Steps", &differences.steps), ("Conclusions", &differences.conclusions)] {
        if steps.is_empty() {
            continue;
        }
        page.heading(head);
        for step in steps {
            let sign = match step.how {
                "added" => "+ ",
                "removed" => "- ",
                _ => "~ ",
            };
            let title = if step.title.is_empty() { String::new() } else { format!(": {}", step.title) };
            page.item(sign, &format!("{}{title}", step.id));
            step.changes.iter().for_each(|change| change_in_words(change, "    ", &mut page));
        }
    }
    words_in_words(hidden, &mut page);
    page.finish()
}

fn summary(differences: &Differences) -> String {
    let all = differences.steps.iter().map(|step| (step, "step"));
    let all: Vec<_> = all.chain(differences.conclusions.iter().map(|step| (step, "conclusion"))).collect();
    let mut parts = Vec::new();
    if !differences.thresholds.is_empty() {
        parts.push(counted(differences.thresholds.len(), "threshold"));
    }
    for kind in ["step", "conclusion"] {
        for how in ["added", "removed", "changed"] {
            let count = all.iter().filter(|(step, of)| *of == kind && step.how == how).count();
            if count > 0 {
                parts.push(format!("{} {how}", counted(count, kind)));
            }
        }
    }
    if !differences.runbook.is_empty() {
        parts.push("the runbook as a whole".to_owned());
    }
    if parts.is_empty() { "in words alone".to_owned() } else { parts.join(", ") }
}

fn change_in_words(change: &Change, indent: &str, page: &mut Page) {
    let text = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("~ {}: {old}, now {new}", change.what),
        (Some(old), None) => format!("- {}: {old}", change.what),
        (None, Some(new)) => format!("+ {}: {new}", change.what),
        (None, None) => return,
    };
    let used_by = if change.used_by.is_empty() {
        String::new()
    } else {
        format!(" (used by {})", change.used_by.join(", "))
    };
    let (first, rest) = (indent, format!("{indent}  "));
    page.styled(Style::Plain, first, &rest, &format!("{text}{used_by}"));
}

fn words_in_words(words: usize, page: &mut Page) {
    if words > 0 {
        let verb = if words == 1 { "differs" } else { "differ" };
        page.gap();
        page.styled(
            Style::Quiet,
            "",
            "",
            &format!("{} (titles, advice, notes) {verb}; `--words` shows them", counted(words, "text")),
        );
    }
}
