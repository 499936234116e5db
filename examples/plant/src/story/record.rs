//! One entry of a trace, as a person reads it.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    diagnosis::{Answer, Diagnosis, Record, Recorded, RecordedObservation, RecordedValue},
    fact::duration_in_words,
    report::Moment,
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

/// What an entry says, in the words of the library's reports; nothing where there is nothing to tell.
pub(super) fn lines(diagnosis: &Diagnosis, position: u32, record: &Record) -> Vec<String> {
    let said = said(diagnosis, position, record).map(|said| format!("      {said}"));
    let took = record.what.took();
    let note = took.and_then(|took| took.note.as_ref()).and_then(|_| diagnosis.noted_at(position));
    said.into_iter().chain(note.map(|note| format!("      note: {note}"))).collect()
}

fn said(diagnosis: &Diagnosis, position: u32, record: &Record) -> Option<String> {
    if let Some(answer) = diagnosis.answer_at(position) {
        return Some(answered(&answer, record));
    }
    Some(match &record.what {
        Recorded::Asked { exploring: true, check, of, .. } => format!("exploring: asks {check} of {of}"),
        // What is asked is named by its step, and alerts are told by whom they are told to.
        Recorded::Asked { .. } | Recorded::Alerted { .. } | Recorded::Concluded | Recorded::Left => {
            return None;
        }
        _ => Moment::at_record(diagnosis, position)?.what,
    })
}

/// The answer with its source and what it was judged from; before it the question, where no step has named it.
fn answered(answer: &Answer, record: &Record) -> String {
    let question = match &record.what {
        Recorded::Explored { .. } => format!("exploring: {} ", answer.question),
        Recorded::Known { .. } => "known already: ".to_owned(),
        Recorded::Rechecked { .. } | Recorded::News { .. } => format!("{}: ", answer.question),
        _ => String::new(),
    };
    let age = match &record.what {
        Recorded::Answered { observation, .. } | Recorded::Explored { observation, .. } => {
            match observation {
                RecordedObservation::Known { value: RecordedValue::Instant(at), .. } => {
                    format!(", {}", ago(*at, record.at))
                }
                _ => String::new(),
            }
        }
        _ => String::new(),
    };
    let details = answer.details.iter();
    let details =
        details.map(|detail| format!("{}: {}", detail.name, moments_as_ages(&detail.text, record.at)));
    let beside: Vec<String> = answer.source.iter().map(ToString::to_string).chain(details).collect();
    let beside = if beside.is_empty() { String::new() } else { format!(" ({})", beside.join("; ")) };
    format!("{question}{}{age}{beside}", answer.answer)
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
    // Clocks of two machines differ by some milliseconds.
    match now - at {
        gone if gone > -TimeDelta::milliseconds(50) => format!("{} ago", duration_in_words(gone.abs())),
        ahead => format!("in {}", duration_in_words(ahead.abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_moments_are_shown_as_ages() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let lately = (now - TimeDelta::seconds(5)).to_rfc3339();
        assert_eq!(moments_as_ages(&lately, now), "5 s ago");
        let soon = (now + TimeDelta::seconds(5)).to_rfc3339();
        assert_eq!(moments_as_ages(&soon, now), "in 5 s");
        assert_eq!(moments_as_ages(&format!("connection-lost at {lately}"), now), "connection-lost 5 s ago");
        assert_eq!(moments_as_ages("2020-01-01T00:00:00Z", now), "2020-01-01T00:00:00Z");
        assert_eq!(moments_as_ages("router of north", now), "router of north");
    }
}
