//! Saving a diagnosis step by step: only the new records are written each time, and the bundle is put together again
//! on reading.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Diagnosis;
use super::bundle::{Bundle, FORMAT, Hash, Record, ResumeError};
use super::id::DiagnosisId;
use crate::runbook::{Fingerprint, Runbook};
use crate::subject::{Subject, Trigger};

/// The part of a saved diagnosis that never changes: what it is about, and the runbook that it walks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Opening {
    /// The version of the bundle's form.
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
}

/// How far a diagnosis is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavePoint {
    /// How many records are saved.
    pub records: u64,
    /// SHA-256 over the opening and those records, each linked to the one before, as hexadecimal text: it shows damage.
    pub chain: String,
    /// What the clock said last.
    pub as_of: DateTime<Utc>,
    /// How many alerts were delivered, from the first on.
    pub alerts_told: u32,
}

/// What a diagnosis has gained since a [`SavePoint`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Increment {
    /// The position of the first new record.
    pub from: u64,
    /// The new records, in order.
    pub records: Vec<Record>,
    /// How far it is saved once these are.
    pub to: SavePoint,
}

impl Opening {
    /// The save point at which nothing is saved but this.
    #[must_use]
    pub fn save_point(&self) -> SavePoint {
        let mut hash = Hash::new();
        // Writing into a hash cannot fail.
        let _ = write!(hash, "{self:?}");
        SavePoint { records: 0, chain: hash.finish(), as_of: self.started_at, alerts_told: 0 }
    }
}

impl SavePoint {
    fn link(chain: &str, record: &Record) -> String {
        let mut hash = Hash::new();
        // Writing into a hash cannot fail.
        let _ = write!(hash, "{chain}");
        hash.add(record);
        hash.finish()
    }
}

impl Increment {
    /// Nothing is new since that save point.
    #[must_use]
    pub const fn none(saved: SavePoint) -> Self {
        Self { from: saved.records, records: Vec::new(), to: saved }
    }

    pub(crate) fn of(saved: &SavePoint, records: Vec<Record>, as_of: DateTime<Utc>) -> Self {
        let chain = records.iter().fold(saved.chain.clone(), |chain, record| SavePoint::link(&chain, record));
        let count = saved.records.saturating_add(records.len() as u64);
        let to = SavePoint { records: count, chain, as_of, alerts_told: saved.alerts_told };
        Self { from: saved.records, records, to }
    }
}

impl Diagnosis {
    /// The part of it that never changes, to be saved once.
    #[must_use]
    pub fn opening(&self) -> Opening {
        let context = &self.context;
        Opening {
            format: FORMAT,
            diagnosis: context.id,
            runbook: self.runbook().to_owned(),
            version: context.set.runbook(context.entry).map_or(0, Runbook::version),
            fingerprint: self.fingerprint(),
            subject: context.subject.clone(),
            trigger: context.trigger.clone(),
            incident: context.incident.clone(),
            started_at: context.started_at,
        }
    }

    /// What it has gained since that save point of its own: the cost is that of the new records, however long the trace
    /// is. Append the records to those that are saved, and keep [`Increment::to`] for the next time.
    ///
    /// ```
    /// # #[cfg(feature = "toml")] {
    /// # use chrono::{TimeZone, Utc};
    /// # use iot_runbook::diagnosis::{Bundle, Diagnosis};
    /// # use iot_runbook::subject::{Subject, Trigger};
    /// # let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
    /// # let set = iot_runbook::catalog::set()?;
    /// # let trigger = Trigger::new("offline alert", now);
    /// # let id = iot_runbook::diagnosis::DiagnosisId::random(now)?;
    /// let mut diagnosis =
    ///     Diagnosis::new(id, &set, "device-offline", Subject::device("press-07"), trigger, now)?;
    /// let opening = diagnosis.opening();
    /// let first = diagnosis.increment_since(&opening.save_point());
    /// diagnosis.poll(now);
    /// let second = diagnosis.increment_since(&first.to);
    ///
    /// let records = first.records.into_iter().chain(second.records).collect();
    /// let bundle = Bundle::assemble(&opening, &second.to, records)?;
    /// assert_eq!(bundle, diagnosis.bundle());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn increment_since(&self, saved: &SavePoint) -> Increment {
        let from = usize::try_from(saved.records).unwrap_or(usize::MAX);
        let records: Vec<Record> = (from..self.trace_len()).filter_map(|at| self.record(at)).collect();
        let mut increment = Increment::of(saved, records, self.now);
        increment.to.alerts_told = self.alerts_told;
        increment
    }
}

impl Bundle {
    /// The bundle of a diagnosis that was saved in increments.
    ///
    /// # Errors
    /// [`ResumeError::Damaged`] where the records are not those of the save point.
    pub fn assemble(opening: &Opening, saved: &SavePoint, records: Vec<Record>) -> Result<Self, ResumeError> {
        let chain =
            records.iter().fold(opening.save_point().chain, |chain, record| SavePoint::link(&chain, record));
        if chain != saved.chain || records.len() as u64 != saved.records {
            return Err(ResumeError::Damaged);
        }
        let mut bundle = Self {
            format: opening.format,
            diagnosis: opening.diagnosis,
            runbook: opening.runbook.clone(),
            version: opening.version,
            fingerprint: opening.fingerprint,
            subject: opening.subject.clone(),
            trigger: opening.trigger.clone(),
            incident: opening.incident.clone(),
            started_at: opening.started_at,
            as_of: saved.as_of,
            alerts_told: saved.alerts_told,
            records,
            digest: String::new(),
        };
        bundle.digest = bundle.computed_digest();
        Ok(bundle)
    }
}
