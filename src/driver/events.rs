//! Events of `tracing` for what happens to a diagnosis, made from the records of its trace.

use tracing::{debug, error, info, warn};

use crate::diagnosis::{ActOutcome, Diagnosis, Record, Recorded, RecordedObservation};
use crate::runbook::step::Severity;

/// An event for each record from the position `from` on. Returns how many records there are.
pub(crate) fn emit(diagnosis: &Diagnosis, from: usize) -> usize {
    let to = diagnosis.trace_len();
    // A record is copied out of the log, so none is where nobody listens: whoever hears of nothing hears of no error.
    if tracing::enabled!(tracing::Level::ERROR) {
        for at in from..to {
            if let Some(record) = diagnosis.record(at) {
                emit_record(diagnosis, at, &record);
            }
        }
    }
    to
}

// The names are an interface: the table in the documentation of `driver` lists them.
fn emit_record(diagnosed: &Diagnosis, at: usize, record: &Record) {
    let (diagnosis, step) = (diagnosed.id(), &*record.step);
    match &record.what {
        Recorded::Answered { check, observation, .. }
        | Recorded::Explored { check, observation, .. }
        | Recorded::Rechecked { check, observation, .. } => match observation {
            RecordedObservation::Known { value, source, .. } => {
                debug!(%diagnosis, step, check = &**check, %value, source = source.as_str(), "answer");
            }
            RecordedObservation::Unknown { reason, source, .. } => {
                info!(%diagnosis, step, check = &**check, %reason, source = source.as_str(), "unknown");
            }
        },
        Recorded::Blipped { check, observation, pause, .. } => {
            info!(%diagnosis, step, check = &**check, %observation, pause, "retry");
        }
        Recorded::News { check, observation } => {
            info!(%diagnosis, step, check = &**check, %observation, "news");
        }
        Recorded::WaitBegan { length } => info!(%diagnosis, step, length, "wait"),
        Recorded::PersonAsked { question, within, .. } => {
            info!(%diagnosis, step, question = &**question, within, "question");
        }
        Recorded::PersonAnswered { value, by, .. } => {
            let value = value.as_ref().map(tracing::field::display);
            info!(%diagnosis, step, value, by = by.as_str(), "reply");
        }
        Recorded::ApprovalAsked { action, within, .. } => {
            info!(%diagnosis, step, action = &**action, within, "approval asked");
        }
        Recorded::Approved { by, .. } => {
            info!(%diagnosis, step, granted = true, by = by.as_str(), "approval");
        }
        Recorded::Declined { by, reason, .. } => {
            info!(%diagnosis, step, granted = false, by = by.as_str(), reason = &**reason, "approval");
        }
        Recorded::ActBegan { action, visit, within, .. } => {
            info!(%diagnosis, step, action = &**action, visit, within, "act");
        }
        Recorded::Acted { outcome, by, .. } => {
            let outcome = match outcome {
                ActOutcome::Done => "done",
                ActOutcome::Refused => "refused",
                ActOutcome::Failed => "failed",
            };
            info!(%diagnosis, step, outcome, by = by.as_str(), "act reported");
        }
        Recorded::Expired { .. } => warn!(%diagnosis, step, "expired"),
        Recorded::Called { runbook } => info!(%diagnosis, step, runbook = &**runbook, "handover"),
        Recorded::Alerted { severity, text } => {
            // The record has it as the runbook has written it, without its facts.
            let filled = u32::try_from(at).ok().and_then(|at| diagnosed.noted_at(at));
            let (name, text) = (severity.name(), filled.as_deref().unwrap_or(text));
            match severity {
                Severity::Info => info!(%diagnosis, step, severity = name, text, "alert"),
                _ => warn!(%diagnosis, step, severity = name, text, "alert"),
            }
        }
        Recorded::Anomaly(anomaly) => warn!(%diagnosis, step, %anomaly, "anomaly"),
        Recorded::Concluded => info!(%diagnosis, runbook = &*record.runbook, conclusion = step, "conclusion"),
        Recorded::Undetermined => info!(%diagnosis, step, "undetermined"),
        Recorded::Withdrawn { by, why, .. } => {
            info!(%diagnosis, step, by = by.as_str(), why = &**why, "withdrawal");
        }
        Recorded::Aborted(anomaly) => error!(%diagnosis, step, %anomaly, "abort"),
        // They lead from one of the above to the next.
        Recorded::Asked { .. }
        | Recorded::Known { .. }
        | Recorded::NotNamed { .. }
        | Recorded::Elapsed { .. }
        | Recorded::Accounted { .. }
        | Recorded::WaitEnded { .. }
        | Recorded::Returned { .. }
        | Recorded::Left
        | Recorded::WentOn => {}
    }
}
