//! A runbook in the words of the contract.

use std::fmt::Write as _;
use std::ops::Bound;

use iot_runbook::fact::{Domain, Kind};
use iot_runbook::runbook::guard::{Branches, Guard, Values};
use iot_runbook::runbook::step::{About, Exit, OnFuture, OnUnknown, Param, Query, Step, StepKind};
use iot_runbook::runbook::text::Advice;
use iot_runbook::time::format_duration;

pub(super) fn sorted<'a>(choices: impl Iterator<Item = &'a str>) -> String {
    let mut choices: Vec<_> = choices.collect();
    choices.sort_unstable();
    choices.join(", ")
}

pub(super) fn question(kind: &StepKind) -> Option<&str> {
    match kind {
        StepKind::Check(check) => match &check.unknown {
            OnUnknown::Ask { question, .. } => Some(question),
            _ => None,
        },
        StepKind::Ask(ask) => Some(&ask.question),
        _ => None,
    }
}

/// The advice of a step, each item with its condition.
pub(super) fn advice_text(step: &Step) -> String {
    let item = |advice: &Advice| match &advice.condition {
        Some(condition) => {
            let when = if condition.holds { "when" } else { "unless" };
            let guard = guard(&condition.guard, &condition.domain).replace(", ", " or ");
            let detail = condition.detail.as_ref().map(|name| format!(" and its {name}"));
            format!("{} ({when} {}: {guard}{})", advice.text, condition.check, detail.unwrap_or_default())
        }
        None => advice.text.to_string(),
    };
    step.advice.iter().map(item).collect::<Vec<_>>().join(" ")
}

/// All ways out of a step, with their guards.
pub(super) fn ways(kind: &StepKind) -> Vec<(String, &Exit)> {
    let named = |guard: &str, exit| (guard.to_owned(), exit);
    match kind {
        StepKind::Check(check) => {
            let unknown = match &check.unknown {
                OnUnknown::Go(exit) => Some(named("unknown", exit)),
                OnUnknown::Ask { expired: Some(exit), .. } => Some(named("nobody knows", exit)),
                _ => None,
            };
            let not_named = check.not_named.as_ref().map(|exit| named("not named", exit));
            branches(&check.branches).chain(unknown).chain(not_named).collect()
        }
        StepKind::Wait(wait) => vec![named("over", &wait.exit)],
        StepKind::Act(act) => vec![
            named("done", &act.done),
            named("refused", &act.refused),
            named("failed", &act.failed),
            named("expired", &act.expired),
        ],
        StepKind::Ask(ask) => branches(&ask.branches).chain([named("expired", &ask.expired)]).collect(),
        StepKind::Handover(handover) => {
            let named_ones = handover.branches.iter();
            let mut ways: Vec<_> = named_ones
                .map(|branch| (sorted(branch.conclusions.iter().map(AsRef::as_ref)), &branch.exit))
                .collect();
            ways.extend(handover.otherwise.as_ref().map(|exit| named("any", exit)));
            ways.push(named("unknown", &handover.unknown));
            ways
        }
        _ => Vec::new(),
    }
}

pub(super) fn branches(branches: &Branches) -> impl Iterator<Item = (String, &Exit)> {
    branches.as_slice().iter().map(|branch| (guard(&branch.guard, branches.domain()), &branch.exit))
}

fn guard(guard: &Guard, domain: &Domain) -> String {
    let values = match &guard.values {
        Values::None => return "absent".to_owned(),
        Values::All => "any".to_owned(),
        Values::Durations(lower, upper) => between(*lower, *upper, format_duration),
        Values::Numbers(lower, upper) => between(*lower, *upper, |number| number.to_string()),
        Values::Counts(lower, upper) => between(*lower, *upper, |count| count.to_string()),
        Values::Flags { yes, no } => match (yes, no) {
            (true, false) => "yes".to_owned(),
            (false, true) => "no".to_owned(),
            _ => "any".to_owned(),
        },
        Values::Choices(taken) => match domain.kind() {
            Kind::Choice(choices) => sorted(taken.iter().filter_map(|choice| choices.name(*choice))),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    if guard.absent { format!("{values} or absent") } else { values }
}

fn between<T: Copy>(lower: Bound<T>, upper: Bound<T>, text: impl Fn(T) -> String) -> String {
    let lower = match lower {
        Bound::Unbounded => None,
        Bound::Included(bound) => Some(format!(">= {}", text(bound))),
        Bound::Excluded(bound) => Some(format!("> {}", text(bound))),
    };
    let upper = match upper {
        Bound::Unbounded => None,
        Bound::Included(bound) => Some(format!("<= {}", text(bound))),
        Bound::Excluded(bound) => Some(format!("< {}", text(bound))),
    };
    lower.into_iter().chain(upper).collect::<Vec<_>>().join(" and ")
}

pub(super) fn param(value: &Param) -> String {
    match value {
        Param::Duration(length) => format_duration(*length),
        Param::Number(number) => number.to_string(),
        Param::Count(count) => count.to_string(),
        Param::Text(word) => word.to_string(),
        other => format!("{other:?}"),
    }
}

pub(super) fn domain(domain: &Domain) -> String {
    let kind = match domain.kind() {
        Kind::Duration => "duration".to_owned(),
        Kind::Instant => "instant".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Count => "count".to_owned(),
        Kind::Flag => "flag".to_owned(),
        Kind::Choice(choices) => choices.names().collect::<Vec<_>>().join(", "),
        other => format!("{other:?}"),
    };
    if domain.is_optional() { format!("{kind} or absent") } else { kind }
}

/// A check, as the contract writes it.
pub(super) fn described(query: &Query) -> String {
    let mut row = format!("{}: {}", query.scope.name(), domain(&query.domain));
    if query.about == About::Period {
        row.push_str(" | about period");
    }
    if query.future == OnFuture::Value {
        row.push_str(" | future is a value");
    }
    if let Some(age) = query.stale_after {
        let _ = write!(row, " | stale {}", format_duration(age));
    }
    row
}
