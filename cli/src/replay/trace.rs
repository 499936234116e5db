//! The trace of a bundle, a line for each thing that happened. A question and its answer are one line.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use iot_runbook::diagnosis::{
    Bundle, Diagnosis, Record, Recorded, RecordedObservation, RecordedValue, RequestId, Took,
};
use iot_runbook::time::parse_duration;

use crate::page::Page;
use crate::words;

/// Notes and alerts have their facts in place where the bundle could be replayed, as `diagnosis`.
pub(crate) fn write(bundle: &Bundle, diagnosis: Option<&Diagnosis>, page: &mut Page) {
    let answered: BTreeSet<RequestId> =
        bundle.records.iter().filter_map(|record| answers(&record.what)).collect();
    let mut day: Option<NaiveDate> = None;
    for (position, record) in (0_u32..).zip(&bundle.records) {
        if matches!(&record.what, Recorded::Asked { request, .. } if answered.contains(request)) {
            continue;
        }
        let today = record.at.date_naive();
        if day.replace(today) != Some(today) {
            page.line(&today.to_string());
        }
        let noted = diagnosis.and_then(|diagnosis| diagnosis.noted_at(position));
        line(record, &bundle.runbook, noted.as_deref(), page);
    }
}

/// The question that a record answers.
const fn answers(what: &Recorded) -> Option<RequestId> {
    match what {
        Recorded::Answered { request, .. }
        | Recorded::Blipped { request, .. }
        | Recorded::Explored { request, .. }
        | Recorded::Rechecked { request, .. } => Some(*request),
        _ => None,
    }
}

fn line(record: &Record, runbook: &str, noted: Option<&str>, page: &mut Page) {
    let step = if *record.runbook == *runbook {
        record.step.to_string()
    } else {
        format!("{}/{}", record.runbook, record.step)
    };
    let took = record.what.took().map_or_else(String::new, |took| branch(took, noted));
    page.item(
        &record.at.format("%H:%M:%S  ").to_string(),
        &format!("{step}: {}{took}", words_of(&record.what, noted)),
    );
}

fn branch(took: &Took, noted: Option<&str>) -> String {
    let note = noted.or(took.note.as_deref()).map_or_else(String::new, |note| format!(" ({note})"));
    format!(" -> {}{note}", took.to)
}

fn words_of(what: &Recorded, noted: Option<&str>) -> String {
    match what {
        Recorded::Answered { observation, .. } => observed(observation),
        Recorded::Explored { check, observation, .. } => {
            format!("explored, {check} is {}", observed(observation))
        }
        Recorded::Rechecked { check, observation, .. } => {
            format!("asked again, {check} is {}", observed(observation))
        }
        Recorded::News { check, observation } => format!("news, {check} is {}", observed(observation)),
        Recorded::Blipped { observation, pause, .. } => {
            format!("{}; asks again in {}", observed(observation), length(pause))
        }
        Recorded::Known { check, .. } => format!("{check} is known already"),
        Recorded::NotNamed { part, .. } => format!("not asked, the subject names no {part}"),
        Recorded::Elapsed { elapsed, .. } => format!("{} since the trigger", length(elapsed)),
        Recorded::WaitBegan { length: long } => format!("waits {}", length(long)),
        Recorded::WaitEnded { idle, .. } => if *idle { "was over already" } else { "waited" }.to_owned(),
        Recorded::PersonAsked { question, within, .. } => {
            format!("asks a person, within {}: {question}", length(within))
        }
        Recorded::PersonAnswered { value: Some(answer), by, .. } => format!("{by} says {}", value(answer)),
        Recorded::PersonAnswered { by, .. } => format!("{by} does not know"),
        Recorded::ApprovalAsked { action, within, .. } => {
            format!("asks for approval of {action}, within {}", length(within))
        }
        Recorded::ActBegan { action, .. } => format!("begins {action}"),
        Recorded::Alerted { severity, text } => format!("alert ({severity}): {}", noted.unwrap_or(text)),
        Recorded::Expired { .. } => "no answer in time".to_owned(),
        Recorded::Returned { conclusion, .. } => {
            format!("it came to {}", conclusion.as_deref().unwrap_or("no conclusion"))
        }
        other => {
            // The branch is written behind, whatever the record is.
            let shown = other.to_string();
            let end = other.took().and_then(|took| shown.rfind(&format!(" [{}] -> ", took.by)));
            end.and_then(|end| shown.get(..end)).unwrap_or(&shown).to_owned()
        }
    }
}

fn observed(observation: &RecordedObservation) -> String {
    match observation {
        RecordedObservation::Known { value: known, source, details, .. } => {
            let details: Vec<String> =
                details.iter().map(|detail| format!("{} {}", detail.name, detail.text)).collect();
            let details =
                if details.is_empty() { String::new() } else { format!("; {}", details.join(", ")) };
            format!("{} ({source}{details})", value(known))
        }
        RecordedObservation::Unknown { reason, source, details, .. } => {
            let details: Vec<&str> =
                details.iter().map(|detail| &*detail.text).filter(|text| !text.is_empty()).collect();
            let details =
                if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
            format!("unknown, {reason} ({source}{details})")
        }
        other => other.to_string(),
    }
}

fn value(value: &RecordedValue) -> String {
    match value {
        RecordedValue::Duration(text) => length(text),
        RecordedValue::Number(text) => text.parse().map_or_else(|_| text.clone(), words::number),
        RecordedValue::Instant(at) => words::moment(*at),
        other => other.to_string(),
    }
}

fn length(text: &str) -> String {
    parse_duration(text).map_or_else(|_| text.to_owned(), words::duration)
}
