//! The names that a document declares, for what somebody may have meant.

use iot_runbook::{Checks, Document};
use serde_json::Value;

/// The names that a document declares.
pub(super) struct Known(Value);

impl Known {
    pub(super) fn of(document: &Document) -> Self {
        // A document is made of texts, numbers, lists and tables, which JSON has.
        Self(serde_json::to_value(document).unwrap_or_default())
    }

    /// The keys of a table at the top.
    pub(super) fn keys(&self, table: &str) -> impl Iterator<Item = &str> {
        self.0
            .get(table)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|table| table.keys().map(String::as_str))
    }

    /// The ids of steps and conclusions.
    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        self.keys("steps").chain(self.keys("conclusions"))
    }

    /// The root causes that conclusions name.
    pub(super) fn causes(&self) -> impl Iterator<Item = &str> {
        let conclusions = self.0.get("conclusions").and_then(Value::as_object);
        conclusions
            .into_iter()
            .flat_map(|table| table.values())
            .filter_map(|one| one.get("root_cause")?.as_str())
    }

    /// The conclusion that names a root cause, where it is the only one.
    pub(super) fn concluding(&self, cause: &str) -> Option<&str> {
        let conclusions = self.0.get("conclusions").and_then(Value::as_object)?;
        let names = |one: &Value| one.get("root_cause").and_then(Value::as_str) == Some(cause);
        let mut naming = conclusions.iter().filter(|(_, one)| names(one));
        naming.next().filter(|_| naming.next().is_none()).map(|(id, _)| id.as_str())
    }

    /// The keys of a step.
    pub(super) fn step_keys(&self, step: &str) -> impl Iterator<Item = &str> {
        let step = self.0.get("steps").and_then(|steps| steps.get(step)).and_then(Value::as_object);
        step.into_iter().flat_map(|step| step.keys().map(String::as_str))
    }

    /// The ids that the exits of a step name, as far as they can be read.
    pub(super) fn exits(&self, step: &str) -> Vec<&str> {
        let mut found = Vec::new();
        if let Some(step) = self.0.get("steps").and_then(|steps| steps.get(step)) {
            exits(step, &mut found);
        }
        found
    }

    /// The check that is asked at a path such as `steps.power.branches[0].is`, and the choices that it declares, each with
    /// its path.
    pub(super) fn choices(&self, path: &str) -> Option<(&str, Vec<(String, &str)>)> {
        let mut keys = path.split('.');
        let asker = self.0.get(keys.next()?)?.get(keys.next()?)?;
        let check = asker.get("check")?.as_str()?;
        let domain = self.0.get("checks")?.get(check)?.get("domain")?.as_array()?;
        let path = |at| format!("checks.{check}.domain[{at}]");
        let named = domain.iter().enumerate().filter_map(|(at, name)| Some((path(at), name.as_str()?)));
        Some((check, named.collect()))
    }
}

/// Collects the ids in the places of exits.
fn exits<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    const EXITS: [&str; 7] = ["to", "expired", "unknown", "not_named", "done", "refused", "failed"];
    match value {
        Value::Array(items) => items.iter().for_each(|item| exits(item, found)),
        Value::Object(entries) => {
            for (key, entry) in entries {
                match entry.as_str() {
                    Some(id) if EXITS.contains(&key.as_str()) => found.push(id),
                    _ => exits(entry, found),
                }
            }
        }
        _ => {}
    }
}

/// The choices of the built-in check of that id.
pub(super) fn built_in_choices(checks: &Checks, check: &str) -> Vec<String> {
    match checks.find(check).map(|spec| spec.domain.kind().clone()) {
        Some(iot_runbook::fact::Kind::Choice(choices)) => choices.names().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
