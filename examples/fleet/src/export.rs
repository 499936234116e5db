//! A digest for programs: CSV and JSON, each certificate with the days that it has left.

use std::fmt::Write as _;

use iot_runbook::certificate::sweep::{Digest, Due, Reach, Renewal, Visit};
use serde_json::Value;

/// All that is due, a line each, with a line of names first.
#[must_use]
pub fn to_csv(digest: &Digest) -> String {
    let mut text =
        "device,generation,end,days_left,stage,renewal,auto_renewal,overdue,reach,visit\n".to_owned();
    for due in digest.due() {
        let (reach, visit) = reach(due);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{reach},{visit}",
            quoted(due.device.as_ref()),
            due.generation,
            due.end.to_rfc3339(),
            due.days_left(digest.at),
            due.stage,
            renewal(due.renewal),
            due.auto_renewal,
            due.overdue
        );
    }
    text
}

/// The digest, with `days_left` in each certificate.
///
/// # Errors
/// When it cannot be serialized.
pub fn to_json(digest: &Digest) -> Result<String, serde_json::Error> {
    let mut json = serde_json::to_value(digest)?;
    let written = json.get_mut("due").and_then(Value::as_array_mut);
    for (due, written) in digest.due().iter().zip(written.into_iter().flatten()) {
        if let Value::Object(written) = written {
            written.insert("days_left".to_owned(), due.days_left(digest.at).into());
        }
    }
    serde_json::to_string_pretty(&json)
}

const fn renewal(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::None => "none",
        Renewal::Running => "running",
        Renewal::Failed => "failed",
        Renewal::Confirmed => "confirmed",
        _ => "other",
    }
}

fn reach(due: &Due) -> (&'static str, &'static str) {
    match due.reach {
        Reach::NotAsked => ("not-asked", ""),
        Reach::Online => ("online", ""),
        Reach::Offline { visit: Visit::MaintenanceWindow, .. } => ("offline", "maintenance-window"),
        Reach::Offline { visit: Visit::Technician, .. } => ("offline", "technician"),
        Reach::Offline { .. } => ("offline", "undecided"),
        _ => ("unknown", ""),
    }
}

/// A field of a CSV file, by RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_with_commas_are_quoted() {
        assert_eq!(quoted("press-7"), "press-7");
        assert_eq!(quoted("a,b \"c\""), "\"a,b \"\"c\"\"\"");
    }
}
