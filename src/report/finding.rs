//! A diagnosis as the parts of a report, in words.

use chrono::{DateTime, Utc};

use super::chart::RunbookChart;
use super::deadband::DeadbandChart;
use super::decisive::{DECISIVE, decisive};
use super::timeline::{self, Moment};
use super::validity::CertificateTimeline;
use crate::diagnosis::{Answer, Diagnosis, Ending, Fact, Finding, Hypothesis, Recorded};
use crate::fact::Details;
use crate::runbook::step::Severity;
use crate::runbook::{Runbook, RunbookSet};
use crate::subject::Subject;

/// A diagnosis for people: what was concluded and what to do first, then why. All texts are plain; each format escapes
/// them. Made of a diagnosis that has ended or still runs.
///
/// ```
/// # #[cfg(all(feature = "toml", feature = "report"))] {
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::diagnosis::DiagnosisId;
/// use iot_runbook::report::Report;
/// use iot_runbook::{Diagnosis, Subject, Trigger, catalog};
///
/// let (runbooks, now) = (catalog::set()?, Utc.timestamp_opt(1_800_000_000, 0).unwrap());
/// let subject = Subject::device("press-07 <hall 2>");
/// let trigger = Trigger::new("offline alert 4711", now);
/// let mut diagnosis = Diagnosis::new(DiagnosisId::random(now)?, &runbooks, "device-offline", subject, trigger, now)?;
/// diagnosis.withdraw("shift lead", "the line is being moved", now)?;
///
/// let report = Report::of(&diagnosis);
/// assert!(report.to_text(80).starts_with("Withdrawn by shift lead: the line is being moved"));
/// assert!(report.to_html().contains("press-07 &lt;hall 2&gt;"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// How urgent it is, for the colour of the headline.
    pub tone: Tone,
    /// The conclusion in a line.
    pub headline: String,
    /// Whom it is about and what came out of it, as names and values.
    pub about: Vec<(&'static str, String)>,
    /// What to do, the first thing first.
    pub advice: Vec<String>,
    /// The root causes that are still possible, the likeliest first. Empty at a conclusion.
    pub likely: Vec<Likely>,
    /// What to find out next, where something stayed unknown.
    pub next: Option<String>,
    /// What was found on the way and did not decide the end.
    pub notes: Vec<String>,
    /// Each question with its answer, in order.
    pub answers: Vec<Answer>,
    /// A chart of each runbook that was walked, in order, with the path through it.
    pub charts: Vec<RunbookChart>,
    /// Pictures of what engines did, such as a deadband or the ends of certificates.
    pub pictures: Vec<Picture>,
    /// The devices of an incident, the silent ones first. Empty for one diagnosis.
    pub affected: Vec<Affected>,
    /// The conclusions that the facts rule out.
    pub ruled_out: Vec<RuledOut>,
    /// What nobody asked, and why.
    pub not_asked: Vec<String>,
    /// What should not have happened.
    pub warnings: Vec<String>,
    /// What happened, in order, the alert first.
    pub timeline: Vec<Moment>,
    /// What shows that the report follows from the evidence, as names and values.
    pub evidence: Vec<(&'static str, String)>,
}

/// How urgent a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tone {
    /// All is well again.
    Recovered,
    /// A conclusion of that severity.
    Concluded(Severity),
    /// Something stayed unknown.
    Undetermined,
    /// It still runs, was withdrawn, or could not go on.
    Open,
}

impl Tone {
    /// The word for it, in capitals on a label: `critical`, `recovered`, `not certain`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Concluded(severity) => severity.name(),
            Self::Undetermined => "not certain",
            Self::Open => "open",
        }
    }
}

/// A root cause that is still possible.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Likely {
    /// The root cause, as words.
    pub cause: String,
    /// Its share of the weight of all, from 0 to 1.
    pub share: f64,
    /// The titles of its conclusions.
    pub conclusions: Vec<String>,
    /// What speaks for it.
    pub because: Vec<String>,
    /// The titles of the steps whose answer is missing on the way to it.
    pub needs: Vec<String>,
}

/// A conclusion that the facts rule out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuledOut {
    /// Its title.
    pub conclusion: String,
    /// The facts that rule it out, each by itself; empty where only several together do.
    pub by: Vec<String>,
}

/// A picture in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it shows.
    pub title: String,
    svg: String,
}

impl Picture {
    /// The picture as an SVG.
    #[must_use]
    pub fn svg(&self) -> &str {
        &self.svg
    }
}

mod drawn {
    use std::fmt::Display;

    /// What a report takes as a picture: only what this crate draws, since an SVG may hold a script.
    pub trait Drawn: Display {}

    impl Drawn for super::CertificateTimeline {}
    impl Drawn for super::DeadbandChart<'_> {}
    impl Drawn for super::RunbookChart {}
}

/// Devices that belong to an incident for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Affected {
    /// Whether they are silent, for what part, and why that is believed.
    pub why: String,
    /// The devices, in the order of their names.
    pub devices: Vec<String>,
}

impl Report {
    /// The report of a diagnosis, as it is now.
    #[must_use]
    pub fn of(diagnosis: &Diagnosis) -> Self {
        let finding = diagnosis.finding();
        let answers = diagnosis.answers();
        let titles = Titles {
            walked: diagnosis.walked(),
            runbooks: diagnosis.runbooks(),
            runbook: diagnosis.runbook(),
        };
        let headline = headline(finding.as_ref(), diagnosis, &titles);
        let mut report = Self {
            about: about(finding.as_ref(), diagnosis, &answers),
            timeline: timeline::moments(diagnosis, &answers),
            charts: RunbookChart::of_diagnosis(diagnosis),
            answers,
            evidence: evidence(diagnosis, finding.as_ref()),
            ..Self::blank(tone(finding.as_ref()), headline)
        };
        if let Some(finding) = &finding {
            report.add_finding(finding, &titles);
        }
        match validity(diagnosis, &report.answers) {
            Some(timeline) => report.with_picture("The certificate's end", &timeline),
            None => report,
        }
    }

    /// The same with a picture: a [`DeadbandChart`], a [`CertificateTimeline`] or a [`RunbookChart`]. The HTML page shows it;
    /// the other formats have no pictures.
    #[must_use]
    pub fn with_picture(mut self, title: impl Into<String>, picture: &impl drawn::Drawn) -> Self {
        self.pictures.push(Picture { title: title.into(), svg: picture.to_string() });
        self
    }

    /// A report that says nothing but its headline.
    pub(super) const fn blank(tone: Tone, headline: String) -> Self {
        Self {
            tone,
            headline,
            about: Vec::new(),
            advice: Vec::new(),
            likely: Vec::new(),
            next: None,
            notes: Vec::new(),
            answers: Vec::new(),
            charts: Vec::new(),
            pictures: Vec::new(),
            affected: Vec::new(),
            ruled_out: Vec::new(),
            not_asked: Vec::new(),
            warnings: Vec::new(),
            timeline: Vec::new(),
            evidence: Vec::new(),
        }
    }

    fn add_finding(&mut self, finding: &Finding, titles: &Titles<'_>) {
        self.advice = finding.advice().map(str::to_owned).collect();
        self.likely = finding.hypotheses().iter().map(|one| likely(one, titles)).collect();
        self.next = finding.next_probe().map(|next| titles.of(&next.step));
        self.notes = finding.contributing().iter().map(|note| note.note.to_string()).collect();
        self.ruled_out = finding
            .refuted()
            .iter()
            .map(|refuted| RuledOut { conclusion: titles.of(&refuted.conclusion), by: facts(&refuted.by) })
            .collect();
        let unasked = finding.unasked().iter();
        self.not_asked = unasked
            .map(|one| format!("{}: no {} is named", titles.in_runbook(&one.runbook, &one.step), one.part))
            .collect();
        let unanswered = finding.unanswered().iter();
        self.not_asked.extend(unanswered.map(|one| format!("{}: {}", titles.of(&one.step), one.why)));
        let warning = |(at, anomaly): &(DateTime<Utc>, _)| format!("{}: {anomaly}", moment(*at));
        self.warnings = finding.anomalies().iter().map(warning).collect();
        for called in finding.called() {
            let came_to = called.conclusion.as_deref();
            let title = came_to.map(|id| titles.in_runbook(&called.runbook, id));
            let came_to = title.unwrap_or_else(|| "nothing that is certain".to_owned());
            self.notes.push(format!("The runbook {} came to: {came_to}", called.runbook));
        }
    }
}

/// The titles of steps.
pub(super) struct Titles<'a> {
    /// In the versions walked.
    pub(super) walked: Vec<&'a Runbook>,
    pub(super) runbooks: &'a RunbookSet,
    pub(super) runbook: &'a str,
}

impl Titles<'_> {
    fn of(&self, step: &str) -> String {
        self.in_runbook(self.runbook, step)
    }

    /// The title; the id as words where there is none.
    fn in_runbook(&self, runbook: &str, step: &str) -> String {
        // What was walked first: the newest version may have another title. A step that only a runbook that was never
        // called has is looked for in all.
        let walked = self.walked.iter().copied();
        let own = walked.clone().filter(|walked| walked.name() == runbook).chain(self.runbooks.find(runbook));
        let mut steps = own.chain(walked).chain(self.runbooks.runbooks()).filter_map(|runbook| {
            let step = runbook.step(runbook.find(step)?)?;
            (!step.title.is_empty()).then(|| step.title.to_string())
        });
        steps.next().unwrap_or_else(|| words(step))
    }
}

/// An id as words.
pub(super) fn words(id: &str) -> String {
    id.replace('-', " ")
}

/// What an answer was judged from, each with its name.
pub(super) fn details(details: &Details) -> Vec<String> {
    details.iter().map(|detail| format!("{}: {}", detail.name, for_reading(&detail.text))).collect()
}

/// A text with its instants as the rest of a report has them: adapters write them to the nanosecond.
pub(super) fn for_reading(text: &str) -> String {
    let in_words = |word: &str| {
        let instant = word.trim_end_matches([',', ';', ')', '.']);
        // `2026-11-30T13:49:55Z` is the shortest; a date alone is no instant.
        let at = (instant.len() >= 20).then(|| DateTime::parse_from_rfc3339(instant).ok()).flatten()?;
        Some(format!("{}{}", moment(at.to_utc()), &word[instant.len()..]))
    };
    let words = text.split(' ').map(|word| in_words(word).unwrap_or_else(|| word.to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn tone(finding: Option<&Finding>) -> Tone {
    let Some(finding) = finding else { return Tone::Open };
    match (finding.ending(), finding.severity()) {
        (Ending::Concluded, _) if finding.is_recovered() => Tone::Recovered,
        (Ending::Concluded, Some(severity)) => Tone::Concluded(severity),
        (Ending::Undetermined, _) => Tone::Undetermined,
        _ => Tone::Open,
    }
}

fn headline(finding: Option<&Finding>, diagnosis: &Diagnosis, titles: &Titles<'_>) -> String {
    let Some(finding) = finding else {
        // It may be in a called runbook, whose step has the id of one here.
        let last = diagnosis.trace_len().checked_sub(1).and_then(|last| diagnosis.record(last));
        let waits_for = match last.as_ref().map(|record| &record.what) {
            // A title such as "Restart the gateway" alone would read as an order.
            Some(Recorded::ApprovalAsked { .. }) => "Waits for an approval",
            Some(Recorded::PersonAsked { .. }) => "Waits for a person's answer",
            _ => "Not finished",
        };
        let runbook = last.map_or_else(|| titles.runbook.into(), |record| record.runbook);
        return format!("{waits_for}: {}", titles.in_runbook(&runbook, diagnosis.step()));
    };
    match finding.ending() {
        Ending::Concluded => finding.title().unwrap_or("It came to a conclusion without a title").to_owned(),
        Ending::Undetermined => match finding.hypotheses() {
            // Its share is the whole, which must not read as certainty.
            [only] => {
                format!("Not certain. Of what was considered, only this is left: {}", words(&only.cause))
            }
            [first, ..] => {
                format!("Not certain. Most likely: {} ({})", words(&first.cause), percent(first.share))
            }
            [] => "Not certain, and nothing is left that could be the cause".to_owned(),
        },
        Ending::Aborted(anomaly) => format!("It could not go on: {anomaly}"),
        Ending::Withdrawn { by, why, .. } => format!("Withdrawn by {by}: {why}"),
    }
}

fn about(
    finding: Option<&Finding>,
    diagnosis: &Diagnosis,
    answers: &[Answer],
) -> Vec<(&'static str, String)> {
    let Subject { device, tag, gateway, site, pipeline, period, .. } = diagnosis.subject();
    let mut about = vec![("Device", device.to_string())];
    let mut add = |name, value: Option<String>| about.extend(value.map(|value| (name, value)));
    add("Tag", tag.as_ref().map(ToString::to_string));
    add("Gateway", gateway.as_ref().map(ToString::to_string));
    add("Site", site.as_ref().map(ToString::to_string));
    add("Pipeline", pipeline.as_ref().map(ToString::to_string));
    add("Period", period.map(|period| format!("{} to {}", moment(period.start()), moment(period.end()))));
    add("Alert", Some(format!("{}, {}", diagnosis.trigger().text, moment(diagnosis.trigger().at))));
    if let Some(finding) = finding {
        add("At fault", finding.part().filter(|_| !finding.is_recovered()).map(ToString::to_string));
        add("Severity", finding.severity().map(|severity| severity.to_string()));
        add("Root cause", finding.root_cause().map(words));
        let decisive = decisive(finding, diagnosis, answers);
        DECISIVE.into_iter().zip(decisive).for_each(|(name, said)| add(name, Some(said)));
        add("Ended", Some(moment(finding.at())));
        if let Ending::Withdrawn { under_way: Some(act), .. } = finding.ending() {
            let target = act.target.as_deref().unwrap_or("an unnamed part");
            add(
                "Still under way",
                Some(format!("{} of {target}; nobody has stopped it", words(&act.action))),
            );
        }
    }
    about
}

pub(super) fn likely(hypothesis: &Hypothesis, titles: &Titles<'_>) -> Likely {
    let named = |steps: &[Box<str>]| steps.iter().map(|step| titles.of(step)).collect();
    let conclusions = match &*hypothesis.conclusions {
        [] => &hypothesis.outcomes,
        _ => &hypothesis.conclusions,
    };
    Likely {
        cause: words(&hypothesis.cause),
        share: hypothesis.share,
        conclusions: named(conclusions),
        because: facts(&hypothesis.supported_by),
        needs: named(&hypothesis.needs),
    }
}

/// The facts in words, each once.
fn facts(facts: &[Fact]) -> Vec<String> {
    let mut said = Vec::new();
    for fact in facts {
        let words = format!("{}: {}", words(&fact.check), words(&fact.value));
        if !said.contains(&words) {
            said.push(words);
        }
    }
    said
}

/// A share for reading, never `0 %` of something.
pub(super) fn percent(share: f64) -> String {
    crate::fact::Value::Number(share).in_percent().unwrap_or_default()
}

/// When the certificate ends that was looked at last, where its end was found.
fn validity(diagnosis: &Diagnosis, answers: &[Answer]) -> Option<CertificateTimeline> {
    let (answer, end) = answers.iter().rev().find_map(|answer| {
        // An end that is its issuer's has words behind it; one that never comes is no time.
        let end = answer.details.find("not after")?.split_whitespace().next()?;
        Some((answer, DateTime::parse_from_rfc3339(end).ok()?.to_utc()))
    })?;
    let mut timeline = CertificateTimeline::new(answer.at);
    timeline.add(diagnosis.subject().device.to_string(), None, None, end);
    Some(timeline)
}

fn evidence(diagnosis: &Diagnosis, finding: Option<&Finding>) -> Vec<(&'static str, String)> {
    let bundle = diagnosis.bundle();
    let conclusion = finding.and_then(Finding::conclusion).map(|id| ("Conclusion", id.to_owned()));
    let mut evidence = vec![
        ("Diagnosis", bundle.diagnosis.to_string()),
        ("Runbook", format!("{}, version {}", bundle.runbook, bundle.version)),
        ("Fingerprint", bundle.fingerprint.to_string()),
        ("Records", bundle.records.len().to_string()),
        ("Digest", bundle.digest),
    ];
    evidence.extend(conclusion);
    evidence
}
