//! The evidence bundle: the trace with its observations, as a document. It is what is saved and resumed, what
//! is replayed to check a conclusion, and what an auditor reads.

mod display;
mod record;
mod redact;

use std::fmt::{self, Write as _};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Diagnosis;
use super::anomaly::Anomaly;
use super::id::{DiagnosisId, RequestId};
use super::reply::{ActOutcome, ActReport, Reply};
use crate::fact::{Details, Source, UnknownReason};
use crate::runbook::{Fingerprint, RunbookSet};
use crate::subject::{Subject, Trigger};

pub(super) use display::OneLine;
pub(super) use record::record;
pub use redact::Redaction;

/// The version of the form.
pub(super) const FORMAT: u32 = 2;

/// A diagnosis as a document, for any self-describing serde format (JSON, TOML, YAML, CBOR).
///
/// It is made whole by [`Diagnosis::bundle`] and only read by [`Diagnosis::resume`], which walks it again: a
/// bundle that does not follow from its own answers is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bundle {
    /// The version of this form.
    pub format: u32,
    /// The diagnosis.
    pub diagnosis: DiagnosisId,
    /// The name of the runbook it began with.
    pub runbook: String,
    /// The version of that runbook.
    pub version: u32,
    /// What that runbook and all that it can hand over to mean.
    pub fingerprint: Fingerprint,
    /// Whom it is about.
    pub subject: Subject,
    /// What began it.
    pub trigger: Trigger,
    /// The incident that it belongs to; `None`: the diagnosis itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Box<str>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// What the clock said last.
    pub as_of: DateTime<Utc>,
    /// How many alerts were delivered, from the first on.
    pub alerts_told: u32,
    /// Everything that happened, in order.
    pub records: Vec<Record>,
    /// SHA-256 over all the above, as hexadecimal text: it shows damage.
    pub digest: String,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The time that the call which brought it was given.
    pub at: DateTime<Utc>,
    /// The name of the runbook.
    pub runbook: Box<str>,
    /// The id of the step.
    pub step: Box<str>,
    /// What happened.
    pub what: Recorded,
}

/// The way out that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Took {
    /// The step it leads to.
    pub to: Box<str>,
    /// The guard that took the value, or the name of the way out.
    pub by: Box<str>,
    /// What the runbook notes about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
}

/// What happened. Lengths of time are texts such as `5m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are documented on their variants")]
#[non_exhaustive]
pub enum Recorded {
    /// A check was asked, of the named part of the subject; on the way, or while exploring.
    Asked { request: RequestId, check: Box<str>, of: Box<str>, exploring: bool },
    /// It was answered. Without `took` a person was asked then, or the diagnosis explored.
    Answered { request: RequestId, check: Box<str>, observation: RecordedObservation, took: Option<Took> },
    /// A check did not answer, in a way that may pass: it is asked again after that pause.
    Blipped { request: RequestId, check: Box<str>, observation: RecordedObservation, pause: String },
    /// Somebody pushed in a fact.
    News { check: Box<str>, observation: RecordedObservation },
    /// A check was answered that was asked while exploring.
    Explored { request: RequestId, check: Box<str>, observation: RecordedObservation },
    /// A check needed no asking: the record at that position has the answer.
    Known { check: Box<str>, record: u32, took: Option<Took> },
    /// A check was not asked: the subject does not name the part, or the period, that it asks about.
    NotNamed { check: Box<str>, part: Box<str>, took: Option<Took> },
    /// The time since the trigger was taken.
    Elapsed { elapsed: String, took: Option<Took> },
    /// The shares that the answers account for were added.
    Accounted { share: f64, took: Option<Took> },
    /// A person was asked, for so long at the most.
    PersonAsked { request: RequestId, question: Box<str>, within: String },
    /// A person answered; without a value they do not know.
    PersonAnswered {
        request: RequestId,
        value: Option<RecordedValue>,
        by: Source,
        details: Details,
        took: Option<Took>,
    },
    /// A wait began.
    WaitBegan { length: String },
    /// It ended; `idle` where it was over before it began.
    WaitEnded { idle: bool, took: Option<Took> },
    /// An approval was asked for, for so long at the most.
    ApprovalAsked { request: RequestId, action: Box<str>, within: String },
    /// It was given.
    Approved { request: RequestId, by: Source },
    /// It was refused; without a request by the runbook's own policy.
    Declined { request: Option<RequestId>, by: Source, reason: Box<str>, took: Option<Took> },
    /// What was asked again before an act or an end was answered; without `took` the walk went on as it was.
    Rechecked { request: RequestId, check: Box<str>, observation: RecordedObservation, took: Option<Took> },
    /// The actuator was asked to act, on that visit of the step, for so long at the most.
    ActBegan { request: RequestId, action: Box<str>, visit: u32, within: String },
    /// It reported.
    Acted { request: RequestId, outcome: ActOutcome, by: Source, details: Details, took: Option<Took> },
    /// No answer came in time. Without `took` the diagnosis explored then.
    Expired { request: RequestId, took: Option<Took> },
    /// Another runbook was called.
    Called { runbook: Box<str> },
    /// It ended, with that conclusion or without one.
    Returned { conclusion: Option<Box<str>>, took: Option<Took> },
    /// The called runbook was left, since a pushed fact led to an end of the caller.
    Left,
    /// An alert came due.
    Alerted { severity: crate::runbook::step::Severity, text: Box<str> },
    /// Something was not as it should be.
    Anomaly(Anomaly),
    /// The step is a conclusion.
    Concluded,
    /// Exploring ended with hypotheses.
    Undetermined,
    /// The diagnosis went on, since answers had failed for a moment only.
    WentOn,
    /// It was withdrawn, `acting` while an act was under way.
    Withdrawn { by: Source, why: Box<str>, acting: bool },
    /// The diagnosis could not go on.
    Aborted(Anomaly),
}

/// An observation as a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are those of `Evidence` and `Unknown`")]
#[non_exhaustive]
pub enum RecordedObservation {
    /// The value is known.
    Known {
        value: RecordedValue,
        observed_at: DateTime<Utc>,
        source: Source,
        details: Details,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accounts_for: Option<f64>,
    },
    /// The value is unknown.
    Unknown {
        reason: UnknownReason,
        source: Source,
        details: Details,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
    },
}

/// A value as a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordedValue {
    /// Looked, and there is none.
    Absent,
    /// A length of time, such as `5m`.
    Duration(String),
    /// A moment.
    Instant(DateTime<Utc>),
    /// A number as text, so that it comes back exactly, the infinities too.
    Number(String),
    /// A whole number from zero.
    Count(u64),
    /// Yes or no.
    Flag(bool),
    /// A choice by its name.
    Choice(Box<str>),
}

/// A bundle that can't be resumed or replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// A form of another version.
    #[error(
        "the bundle has format {found}; this version reads {FORMAT}: resume it with the version of the library that wrote it"
    )]
    Format {
        /// The version it says.
        found: u32,
    },
    /// The bundle is not as it was made.
    #[error(
        "the bundle is damaged or edited: its digest does not fit its content; take an earlier copy of it, or begin a new diagnosis"
    )]
    Damaged,
    /// The set has no such runbook.
    #[error(transparent)]
    NoSuchRunbook(#[from] super::NoSuchRunbook),
    /// The runbook means something else now.
    #[error(
        "runbook \"{runbook}\" has fingerprint {found}, the bundle was made with {saved}: add the version and thresholds that it was begun with to the set"
    )]
    OtherRunbook {
        /// The runbook.
        runbook: String,
        /// The fingerprint in the bundle.
        saved: Fingerprint,
        /// The fingerprint in the set.
        found: Fingerprint,
    },
    /// A record does not follow from those before it.
    #[error("record {record} of the bundle does not follow from those before it: {why}")]
    Diverged {
        /// The position of the record, from zero.
        record: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Diagnosis {
    /// The diagnosis as a document, to save, to show, and to replay.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        let context = &self.context;
        let runbook = context.set.runbook(context.entry);
        let mut bundle = Bundle {
            format: FORMAT,
            diagnosis: context.id,
            runbook: self.runbook().to_owned(),
            version: runbook.map_or(0, crate::runbook::Runbook::version),
            fingerprint: self.fingerprint(),
            subject: context.subject.clone(),
            trigger: context.trigger.clone(),
            incident: context.incident.clone(),
            started_at: context.started_at,
            as_of: self.now,
            alerts_told: self.alerts_told,
            records: self.trace().collect(),
            digest: String::new(),
        };
        bundle.digest = bundle.computed_digest();
        bundle
    }

    /// Walks a bundle again, entry by entry, and goes on where it stopped. What was asked and not answered is
    /// handed out again, under the same numbers, and so are alerts that were not
    /// [delivered](Diagnosis::alert_delivered).
    ///
    /// It is also how a bundle is replayed: a bundle that ended resumes as a diagnosis that has ended, with the
    /// same finding, or is refused.
    ///
    /// # Errors
    /// [`ResumeError`] where the bundle is of another version, damaged, of another runbook, or does not follow
    /// from its own answers.
    pub fn resume(bundle: &Bundle, runbooks: &RunbookSet) -> Result<Self, ResumeError> {
        if bundle.format != FORMAT {
            return Err(ResumeError::Format { found: bundle.format });
        }
        // Before it is walked: a damaged file then has one clear error, and not the first strange thing
        // that follows from it.
        if bundle.digest != bundle.computed_digest() {
            return Err(ResumeError::Damaged);
        }
        // Of several versions the one that it began with.
        let entry = match runbooks.saved(&bundle.runbook, bundle.fingerprint) {
            Ok(entry) => entry,
            Err(None) => return Err(super::NoSuchRunbook::of(&bundle.runbook, runbooks).into()),
            Err(Some(found)) => {
                let (runbook, saved) = (bundle.runbook.clone(), bundle.fingerprint);
                return Err(ResumeError::OtherRunbook { runbook, saved, found });
            }
        };
        let (subject, trigger) = (bundle.subject.clone(), bundle.trigger.clone());
        let mut diagnosis =
            Self::begin_at(bundle.diagnosis, runbooks, entry, subject, trigger, bundle.started_at);
        if let Some(incident) = &bundle.incident {
            diagnosis = diagnosis.with_incident(incident.clone());
        }
        for (position, record) in bundle.records.iter().enumerate() {
            diagnosis.walk_again(position, record)?;
        }
        diagnosis.advance(bundle.as_of);
        // Time alone may lead on. Whoever cut records off the end would get another walk out of the same
        // evidence.
        if diagnosis.trace_len() > bundle.records.len() {
            let why = "the walk goes on where the bundle ends: records are missing".to_owned();
            return Err(ResumeError::Diverged { record: bundle.records.len(), why });
        }
        // Or alerts that come due later would count as delivered, and wake nobody.
        if diagnosis.alerts_due < bundle.alerts_told {
            let why = format!("`alerts_told` is {}, and fewer alerts came due", bundle.alerts_told);
            return Err(ResumeError::Diverged { record: bundle.records.len(), why });
        }
        diagnosis.alerts_told = bundle.alerts_told;
        diagnosis.rewind_alerts();
        Ok(diagnosis)
    }

    /// Brings about the record at `position`, unless what came before has, and compares.
    fn walk_again(&mut self, position: usize, record: &Record) -> Result<(), ResumeError> {
        let diverged = |why: String| ResumeError::Diverged { record: position, why };
        // One answer may write several records. Those that are there already are compared and not brought
        // about again.
        if self.trace_len() == position {
            self.bring_about(record).map_err(diverged)?;
        }
        match self.record(position) {
            // Without words: a corrected note in the runbook must not orphan the diagnoses that are
            // running.
            Some(walked) if walked.without_words() == record.without_words() => Ok(()),
            Some(walked) => Err(diverged(format!("the walk has `{walked}` there, the bundle `{record}`"))),
            None => Err(diverged(format!("the walk does not come to `{record}`"))),
        }
    }

    fn bring_about(&mut self, record: &Record) -> Result<(), String> {
        let at = record.at;
        let refused = |error: super::AnswerError| error.to_string();
        match &record.what {
            Recorded::Answered { request, observation, .. }
            | Recorded::Explored { request, observation, .. }
            | Recorded::Blipped { request, observation, .. }
            | Recorded::Rechecked { request, observation, .. } => {
                let super::ExpectedReply::Answer { query } = self.opened(*request).map_err(refused)? else {
                    return Err(format!("request {request} is not open for an answer"));
                };
                let domain = self.context.set.queries().get(query as usize).map(|query| query.domain.clone());
                let domain = domain.ok_or("the query is not there")?;
                let observation = observation.read(&domain)?;
                self.answer(*request, observation, at).map_err(refused)
            }
            Recorded::PersonAnswered { request, value, by, details, .. } => {
                let domain = self.asked_domain().ok_or("no question is open")?;
                let value = value.as_ref().map(|value| value.read(domain)).transpose()?;
                let reply = Reply { value, by: by.clone(), details: details.clone() };
                self.reply(*request, reply, at).map_err(refused)
            }
            Recorded::Approved { request, by } => self.approve_again(*request, by, None, at),
            Recorded::Declined { request: Some(request), by, reason, .. } => {
                self.approve_again(*request, by, Some(reason.clone()), at)
            }
            Recorded::Acted { request, outcome, by, details, .. } => {
                let report = ActReport { outcome: *outcome, by: by.clone(), details: details.clone() };
                self.report_act(*request, report, at).map_err(refused)
            }
            Recorded::News { check, observation } => {
                let query =
                    self.query_of(check).and_then(|query| self.context.set.queries().get(query as usize));
                let domain = query.map(|query| query.domain.clone()).ok_or("no runbook asks the check")?;
                let observation = observation.read(&domain)?;
                self.inform_again(check, observation, at).map_err(|error| error.to_string())
            }
            Recorded::Withdrawn { by, why, .. } => {
                self.withdraw(by.clone(), why.clone(), at).map_err(|error| error.to_string())
            }
            Recorded::WentOn => self.go_on(at).map_err(|error| error.to_string()),
            Recorded::Anomaly(Anomaly::ClockBack { to }) => {
                self.advance(at);
                // The step back is written at the time before it, so both moments are shown to the clock
                // again.
                self.advance(*to);
                Ok(())
            }
            _ => {
                self.advance(at);
                Ok(())
            }
        }
    }

    fn approve_again(
        &mut self,
        request: RequestId,
        by: &Source,
        declined: Option<Box<str>>,
        at: DateTime<Utc>,
    ) -> Result<(), String> {
        let binding = self.binding(request).ok_or_else(|| format!("request {request} is not open"))?;
        let approval = super::Approval { binding, by: by.clone(), declined };
        self.approve(approval, at).map_err(|error| error.to_string())
    }
}

impl Bundle {
    pub(super) fn computed_digest(&self) -> String {
        let mut hash = Hash::new();
        // Writing into a hash cannot fail.
        let _ = write!(
            hash,
            "{:?}",
            (
                self.format,
                self.diagnosis,
                &self.runbook,
                self.version,
                self.fingerprint,
                &self.subject,
                &self.trigger,
                &self.incident,
                self.started_at,
                self.as_of,
                self.alerts_told,
            )
        );
        for record in &self.records {
            hash.add(record);
        }
        hash.finish()
    }
}

/// SHA-256 over the records of a diagnosis, but for their words, as hexadecimal text.
pub(super) fn digest(id: DiagnosisId, records: impl Iterator<Item = Record>) -> String {
    let mut hash = Hash::new();
    // Writing into a hash cannot fail.
    let _ = writeln!(hash, "{id:?}");
    for record in records {
        hash.add(&record.without_words());
    }
    hash.finish()
}

impl Record {
    /// The record without the words of notes and alerts, which a runbook may change without meaning anything else:
    /// a better word orphans neither a saved diagnosis nor an approval.
    #[must_use]
    pub fn without_words(&self) -> Self {
        let mut record = self.clone();
        if let Some(took) = record.what.took_mut() {
            took.note = None;
        }
        if let Recorded::Alerted { text, .. } = &mut record.what {
            *text = Box::default();
        }
        record
    }
}

/// What `$of` makes of the branch that was taken on a record, if one was.
macro_rules! taken {
    ($recorded:expr, $of:ident) => {
        match $recorded {
            Recorded::Answered { took, .. }
            | Recorded::Known { took, .. }
            | Recorded::NotNamed { took, .. }
            | Recorded::Elapsed { took, .. }
            | Recorded::Accounted { took, .. }
            | Recorded::PersonAnswered { took, .. }
            | Recorded::WaitEnded { took, .. }
            | Recorded::Declined { took, .. }
            | Recorded::Rechecked { took, .. }
            | Recorded::Acted { took, .. }
            | Recorded::Expired { took, .. }
            | Recorded::Returned { took, .. } => took.$of(),
            _ => None,
        }
    };
}

impl Recorded {
    /// The branch that was taken on it, if one was.
    #[must_use]
    pub const fn took(&self) -> Option<&Took> {
        taken!(self, as_ref)
    }

    const fn took_mut(&mut self) -> Option<&mut Took> {
        taken!(self, as_mut)
    }
}

/// A hash over the records' debug form, which quotes every text, so that no two different records look alike.
/// A golden test holds that form still.
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn new() -> Self {
        Self(Sha256::new_with_prefix(b"iot-runbook/evidence/1"))
    }

    pub(super) fn add(&mut self, record: &Record) {
        // Writing into a hash cannot fail.
        let _ = writeln!(self, "{record:?}");
    }

    pub(super) fn finish(self) -> String {
        Fingerprint::from_bytes(self.0.finalize().into()).to_string()
    }
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}
