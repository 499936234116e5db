//! One entry of a trace, as a person reads it.

use chrono::{DateTime, Utc};
use iot_runbook::{
    diagnosis::{ActOutcome, Diagnosis, Record, Recorded, RecordedObservation, RecordedValue},
    fact::Details,
    time::parse_duration,
};

/// The step that an entry is the first of.
pub(super) fn step(diagnosis: &Diagnosis, record: &Record) -> Option<String> {
    let set = diagnosis.runbooks();
    let runbook = set.find(&record.runbook)?;
    let step = runbook.find(&record.step).and_then(|at| runbook.step(at))?;
    // What is asked while exploring is named by its check, and an end by its conclusion.
    if matches!(
        record.what,
        Recorded::Asked { exploring: true, .. }
            | Recorded::Explored { .. }
            | Recorded::Concluded
            | Recorded::Undetermined
            | Recorded::Aborted(_)
    ) {
        return None;
    }
    let of =
        if *record.runbook == *diagnosis.runbook() { String::new() } else { format!("{}: ", runbook.name()) };
    Some(format!("  > {of}{} ({})", step.title, step.id))
}

/// What an entry says; nothing where there is nothing to tell.
pub(super) fn lines(diagnosis: &Diagnosis, record: &Record) -> Vec<String> {
    let said = said(diagnosis, record).map(|said| format!("      {said}"));
    let took = record.what.took();
    let note = took.and_then(|took| took.note.as_ref()).map(|note| format!("      note: {note}"));
    said.into_iter().chain(note).collect()
}

fn said(diagnosis: &Diagnosis, record: &Record) -> Option<String> {
    Some(match &record.what {
        Recorded::Asked { exploring: true, check, of, .. } => format!("exploring: asks {check} of {of}"),
        Recorded::Answered { observation, .. } => observed(observation, record.at),
        Recorded::Explored { check, observation, .. } => {
            format!("exploring: {check}: {}", observed(observation, record.at))
        }
        Recorded::Known { check, record: known, .. } => {
            match diagnosis.record(*known as usize).map(|known| known.what) {
                Some(Recorded::Answered { observation, .. } | Recorded::Explored { observation, .. }) => {
                    format!("known already: {check}: {}", observed(&observation, record.at))
                }
                _ => format!("known already: {check}"),
            }
        }
        Recorded::NotNamed { check, part, .. } => format!("{check}: not asked, since no {part} is named"),
        Recorded::Accounted { share, .. } => format!("{:.0} % accounted for", share * 100.0),
        Recorded::Elapsed { elapsed, .. } => format!("{} since the alert", length(elapsed)),
        Recorded::PersonAsked { question, .. } => format!("asks a person: {question}"),
        Recorded::PersonAnswered { value: Some(value), by, details, .. } => {
            format!("{} ({by}{})", shown(value, record.at), beside(details, record.at))
        }
        Recorded::PersonAnswered { value: None, by, details, .. } => {
            format!("does not know ({by}{})", beside(details, record.at))
        }
        Recorded::WaitBegan { length: waits } => format!("waits {}", length(waits)),
        Recorded::ApprovalAsked { action, .. } => format!("asks for leave to {action}"),
        Recorded::Approved { by, .. } => format!("approved by {by}"),
        Recorded::Declined { by, reason, .. } => format!("declined by {by}: {reason}"),
        Recorded::Rechecked { check, observation, .. } => {
            format!("before it acts, {check}: {}", observed(observation, record.at))
        }
        Recorded::ActBegan { action, .. } => format!("acts: {action}"),
        Recorded::Acted { outcome, by, details, .. } => {
            let outcome = match outcome {
                ActOutcome::Done => "done",
                ActOutcome::Refused => "refused",
                ActOutcome::Failed => "failed",
                _ => "ended",
            };
            format!("{outcome} ({by}{})", beside(details, record.at))
        }
        Recorded::Expired { .. } => "no answer in time".to_owned(),
        Recorded::Called { runbook } => format!("hands over to {runbook}"),
        Recorded::Returned { conclusion: Some(conclusion), .. } => format!("it concluded {conclusion}"),
        Recorded::Returned { conclusion: None, .. } => "it could not tell".to_owned(),
        Recorded::Anomaly(anomaly) | Recorded::Aborted(anomaly) => format!("anomaly: {anomaly:?}"),
        Recorded::Undetermined => "what is left are hypotheses".to_owned(),
        // Alerts are told by whom they are told to.
        _ => return None,
    })
}

fn observed(observation: &RecordedObservation, now: DateTime<Utc>) -> String {
    match observation {
        RecordedObservation::Known { value, source, details, .. } => {
            format!("{} ({source}{})", shown(value, now), beside(details, now))
        }
        RecordedObservation::Unknown { reason, source, details, .. } => {
            format!("unknown, {reason} ({source}{})", beside(details, now))
        }
        _ => "an observation of another version".to_owned(),
    }
}

fn shown(value: &RecordedValue, now: DateTime<Utc>) -> String {
    match value {
        RecordedValue::Absent => "none".to_owned(),
        RecordedValue::Duration(text) => length(text),
        RecordedValue::Instant(at) => ago(*at, now),
        RecordedValue::Number(text) => text.clone(),
        RecordedValue::Count(count) => count.to_string(),
        RecordedValue::Flag(true) => "yes".to_owned(),
        RecordedValue::Flag(false) => "no".to_owned(),
        RecordedValue::Choice(name) => name.to_string(),
        _ => "a value of another version".to_owned(),
    }
}

fn beside(details: &Details, now: DateTime<Utc>) -> String {
    details
        .iter()
        .map(|detail| format!("; {}: {}", detail.name, moments_as_ages(&detail.text, now)))
        .collect()
}

/// A moment lately reads better as an age.
fn moments_as_ages(text: &str, now: DateTime<Utc>) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match DateTime::parse_from_rfc3339(word) {
            Ok(at) if (now - at.to_utc()).num_hours().abs() < 1 => {
                if words.last().is_some_and(|last| last == "at") {
                    words.pop();
                }
                words.push(ago(at.to_utc(), now));
            }
            _ => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).as_seconds_f64();
    if seconds > -0.05 { format!("{:.1} s ago", seconds.abs()) } else { format!("in {:.1} s", -seconds) }
}

fn length(text: &str) -> String {
    match parse_duration(text) {
        Ok(length) => format!("{:.1} s", length.as_seconds_f64()),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_moments_are_shown_as_ages() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let lately = (now - chrono::TimeDelta::seconds(5)).to_rfc3339();
        assert_eq!(moments_as_ages(&lately, now), "5.0 s ago");
        let soon = (now + chrono::TimeDelta::seconds(5)).to_rfc3339();
        assert_eq!(moments_as_ages(&soon, now), "in 5.0 s");
        assert_eq!(
            moments_as_ages(&format!("connection-lost at {lately}"), now),
            "connection-lost 5.0 s ago"
        );
        assert_eq!(moments_as_ages("2020-01-01T00:00:00Z", now), "2020-01-01T00:00:00Z");
        assert_eq!(moments_as_ages("router of north", now), "router of north");
    }
}
