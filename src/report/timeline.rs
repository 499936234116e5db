//! What happened, a line each.

use chrono::{DateTime, Utc};

use super::finding::{for_reading, words};
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

impl Moment {
    /// What the record at a position of the trace says, as the timeline of a report has it; `None` for what is left out,
    /// such as a question, whose answer follows.
    #[must_use]
    pub fn at_record(diagnosis: &Diagnosis, record: u32) -> Option<Self> {
        Self::with_answer(diagnosis, record, diagnosis.answer_at(record).as_ref())
    }

    fn with_answer(diagnosis: &Diagnosis, record: u32, answer: Option<&Answer>) -> Option<Self> {
        let recorded = diagnosis.record(record as usize)?;
        let what = match (answer, &recorded.what) {
            (Some(answer), _) => format!("{} {}", with_mark(&answer.question), answer.answer),
            (None, Recorded::Alerted { severity, text }) => {
                let text = diagnosis.noted_at(record).unwrap_or_else(|| text.to_string());
                format!("Alert went out ({severity}): {text}")
            }
            (None, what) => in_words(what)?,
        };
        Some(Self { at: recorded.at, what })
    }
}

/// The moments of a diagnosis, its alert first. What was merely asked is left out: its answer is there.
pub(super) fn moments(diagnosis: &Diagnosis, answers: &[Answer]) -> Vec<Moment> {
    let trigger = diagnosis.trigger();
    let mut moments = vec![Moment { at: trigger.at, what: format!("Alert: {}", trigger.text) }];
    let mut answers = answers.iter().peekable();
    let records = 0..u32::try_from(diagnosis.trace_len()).unwrap_or(u32::MAX);
    moments.extend(records.filter_map(|record| {
        let answer = answers.next_if(|answer| answer.record == record);
        Moment::with_answer(diagnosis, record, answer)
    }));
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
            let details: Vec<_> = details
                .iter()
                .map(|detail| format!("; {}: {}", detail.name, for_reading(&detail.text)))
                .collect();
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
        Recorded::Anomaly(anomaly) => format!("Not as it should be: {anomaly}"),
        Recorded::Concluded => "Concluded".to_owned(),
        Recorded::Undetermined => "Ended without certainty".to_owned(),
        Recorded::Aborted(anomaly) => format!("Could not go on: {anomaly}"),
        _ => return None,
    })
}
