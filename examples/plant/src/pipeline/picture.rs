//! The picture of what a deadband did, for a report that rests on an audit of it.

use chrono::{DateTime, Utc};
use iot_runbook::{
    deadband::{filter, sample::Sample},
    diagnosis::{Answer, Diagnosis},
    report::{DeadbandChart, Report},
    time::Period,
};

use super::{
    Pipeline,
    edge::{Fate, Raw, Reporting},
    machine::TAG,
};

/// The check that asks what the deadband did.
const CHECK: &str = "deadband";

/// The report with the picture, where the diagnosis asked about the deadband, and there is one. The samples are not part
/// of the evidence: they are those that the gateway keeps, which the audit was made from.
pub(super) fn with_deadband(report: Report, diagnosis: &Diagnosis, pipeline: &Pipeline) -> Report {
    let edge = pipeline.edge();
    let asked = diagnosis.answers().into_iter().rev();
    let asked = asked.filter(|answer| answer.is_known).find(|answer| answer.check.as_deref() == Some(CHECK));
    let (Some(answer), Some(period), Reporting::Deadband { band, .. }) =
        (asked, diagnosis.subject().period, edge.reporting())
    else {
        return report;
    };
    // As long before the gap as in it: what the signal did when rows came.
    let Ok(shown) = Period::new(period.start() - period.length(), period.end()) else { return report };
    let extract = edge.raw(shown);
    let (samples, reported) = drawn(&extract.entries);
    let chart = DeadbandChart::new(format!("{TAG} of {}", diagnosis.subject().device), &samples, &reported)
        .with_band(band)
        .with_words(words(&answer, period, extract.complete_from.filter(|from| *from > shown.start())));
    report.with_picture("What the deadband did", &chart)
}

/// The samples, and those that were reported. What the converter dropped never came to the deadband.
fn drawn(entries: &[(DateTime<Utc>, Raw)]) -> (Vec<Sample>, Vec<filter::Report>) {
    let came = entries.iter().filter(|(_, raw)| raw.fate != Fate::NotConverted);
    let came = came.filter_map(|(at, raw)| Some((Sample::at_time(*at, raw.value).ok()?, raw.reason)));
    let (mut samples, mut reported) = (Vec::new(), Vec::new());
    for (sample, reason) in came {
        samples.push(sample);
        reported.extend(reason.map(|reason| filter::Report { sample, reason }));
    }
    (samples, reported)
}

/// What the audit found, in the words of the report.
fn words(answer: &Answer, gap: Period, complete_from: Option<DateTime<Utc>>) -> String {
    let details = answer.details.iter().map(|detail| format!("{}: {}", detail.name, detail.text));
    let details = details.collect::<Vec<_>>().join("; ");
    let (start, end) = (gap.start().format("%H:%M:%S%.3f"), gap.end().format("%H:%M:%S%.3f"));
    let mut words = format!("The gap is from {start} to {end} UTC. {}: {details}.", answer.answer);
    if let Some(from) = complete_from {
        words += &format!(" The gateway keeps samples from {} UTC on.", from.format("%H:%M:%S%.3f"));
    }
    words
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use iot_runbook::deadband::filter::Reason;

    use super::*;

    #[test]
    fn dropped_samples_are_not_drawn() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let raw = |fate, reason| Raw { value: 1.5, fate, reason };
        let fates = [
            raw(Fate::Reported, Some(Reason::First)),
            raw(Fate::Withheld, None),
            raw(Fate::NotConverted, None),
            raw(Fate::Reported, Some(Reason::Value)),
        ];
        let at = (0..).map(|second| start + TimeDelta::seconds(second));
        let entries: Vec<_> = at.zip(fates).collect();
        let (samples, reported) = drawn(&entries);
        assert_eq!(samples.len(), 3);
        let reasons: Vec<Reason> = reported.iter().map(|report| report.reason).collect();
        assert_eq!(reasons, [Reason::First, Reason::Value]);
        assert_eq!(reported[1].sample, samples[2]);
    }
}
