//! What happened, a line each.

use chrono::{DateTime, Utc};

use super::finding::words;
use crate::diagnosis::{ActOutcome, Answer, Diagnosis, Recorded};
use crate::fact::duration_in_words;
use crate::time::parse_duration;

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// When, by the clock of the service.
    pub at: DateTime<Utc>,
    /// What, in a line.
    pub what: String,
}

/// The moments of a diagnosis, its alert first. What was merely asked is left out: its answer is there.
pub(super) fn moments(diagnosis: &Diagnosis, answers: &[Answer]) -> Vec<Moment> {
    let trigger = diagnosis.trigger();
    let mut moments = vec![Moment { at: trigger.at, what: format!("Alert: {}", trigger.text) }];
    let mut answers = answers.iter().peekable();
    for (position, record) in (0_u32..).zip(diagnosis.trace()) {
        let what = match answers.next_if(|answer| answer.record == position) {
            Some(answer) => Some(format!("{} {}", with_mark(&answer.question), answer.answer)),
            None => in_words(&record.what),
        };
        moments.extend(what.map(|what| Moment { at: record.at, what }));
    }
    moments
}

/// A question as it is; anything else with a colon.
pub(super) fn with_mark(question: &str) -> String {
    if question.ends_with('?') { question.to_owned() } else { format!("{question}:") }
}

/// A length of time as a record has it, rounded for reading.
fn length_in_words(length: &str) -> String {
    parse_duration(length).map_or_else(|_| length.to_owned(), duration_in_words)
}

fn in_words(what: &Recorded) -> Option<String> {
    Some(match what {
        Recorded::Blipped { check, pause, .. } => {
            format!("{} did not answer; asked again in {}", words(check), length_in_words(pause))
        }
        Recorded::PersonAsked { question, within, .. } => {
            format!("A person was asked, for {}: {question}", length_in_words(within))
        }
        Recorded::WaitBegan { length } => format!("A wait of {} began", length_in_words(length)),
        Recorded::ApprovalAsked { action, within, .. } => {
            format!("Approval was asked for, for {}: {}", length_in_words(within), words(action))
        }
        Recorded::Approved { by, .. } => format!("{by} approved"),
        Recorded::Declined { by, reason, .. } => format!("{by} declined: {reason}"),
        Recorded::ActBegan { action, .. } => format!("Act begun: {}", words(action)),
        Recorded::Acted { outcome, by, details, .. } => {
            let outcome = match outcome {
                ActOutcome::Done => "done",
                ActOutcome::Refused => "refused",
                ActOutcome::Failed => "failed",
            };
            let details: Vec<_> =
                details.iter().map(|detail| format!("; {}: {}", detail.name, detail.text)).collect();
            format!("{by} reported the act {outcome}{}", details.concat())
        }
        Recorded::Expired { .. } => "No answer came in time".to_owned(),
        Recorded::Called { runbook } => format!("Handed over to the runbook {runbook}"),
        Recorded::Returned { conclusion, .. } => match conclusion {
            Some(conclusion) => format!("The runbook came to: {}", words(conclusion)),
            None => "The runbook came to nothing that is certain".to_owned(),
        },
        Recorded::Left => "The runbook was left".to_owned(),
        Recorded::WentOn => "Went on: what had failed for a moment is asked again".to_owned(),
        Recorded::Withdrawn { by, why, .. } => format!("{by} withdrew the diagnosis: {why}"),
        Recorded::Alerted { severity, text } => format!("Alert went out ({severity}): {text}"),
        Recorded::Anomaly(anomaly) => format!("Not as it should be: {anomaly}"),
        Recorded::Concluded => "Concluded".to_owned(),
        Recorded::Undetermined => "Ended without certainty".to_owned(),
        Recorded::Aborted(anomaly) => format!("Could not go on: {anomaly}"),
        _ => return None,
    })
}
