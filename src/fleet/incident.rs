//! One cause, the parts that have it, and the devices that are silent for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::alert::Silence;
use super::change::Change;
use crate::diagnosis::{DiagnosisId, Ending, Finding, Hypothesis};
use crate::fact::{Source, counted};
use crate::runbook::step::Severity;
use crate::subject::{DeviceId, GatewayId, Part, SiteId};

/// The number of an incident within its fleet, from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

/// What a finding blames. Two findings of one cause have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// A conclusion, by its id.
    Concluded(Box<str>),
    /// Something stayed unknown. This root cause is the likeliest, where there is any.
    Undetermined(Option<Box<str>>),
    /// All came back before anybody had found out why.
    ShortOutage,
}

impl Cause {
    pub(super) fn of(finding: &Finding) -> Self {
        match (finding.ending(), finding.conclusion()) {
            (Ending::Concluded, Some(conclusion)) => Self::Concluded(conclusion.into()),
            _ => Self::Undetermined(finding.hypotheses().first().map(|hypothesis| hypothesis.cause.clone())),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concluded(conclusion) => f.write_str(conclusion),
            Self::Undetermined(Some(leading)) => write!(f, "undetermined, most likely {leading}"),
            Self::Undetermined(None) => f.write_str("undetermined"),
            Self::ShortOutage => f.write_str("short outage"),
        }
    }
}

/// One cause, and all that is silent for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// The runbook that found the cause.
    pub runbook: Arc<str>,
    /// The cause.
    pub cause: Cause,
    /// The cause in a line.
    pub title: Box<str>,
    /// The root cause that the conclusion names.
    pub root_cause: Option<Box<str>>,
    /// How urgent it is; `None` where the cause is undetermined.
    pub severity: Option<Severity>,
    /// Whether the conclusion means that the part works again.
    pub is_recovered: bool,
    /// What to do.
    pub advice: Vec<Box<str>>,
    /// What is possible, where the cause is undetermined, with what was changed weighed in.
    pub hypotheses: Vec<Hypothesis>,
    /// The smallest part that holds all of `parts`. It says where they are, not that it is at fault.
    pub place: Part,
    /// The parts that have this cause, each with the finding that says so.
    #[serde(with = "super::pairs")]
    pub parts: BTreeMap<Part, Blamed>,
    /// All devices that were ever silent for it.
    pub members: BTreeMap<DeviceId, Member>,
    /// When the first of them fell silent, as far as is known.
    pub began: DateTime<Utc>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When a measurement last confirmed it.
    pub confirmed_at: DateTime<Utc>,
    /// What was changed before it began, on parts that it touches, the latest first.
    pub changes: Vec<Change>,
    /// When the page about it went out.
    pub paged_at: Option<DateTime<Utc>>,
    /// How it ended; `None` while it is open.
    pub closed: Option<Closed>,
    /// The hypotheses as the diagnosis ranked them.
    pub(super) measured: Vec<Hypothesis>,
    pub(super) out: BTreeSet<DeviceId>,
    /// The gateway and the site that all its parts have in common.
    pub(super) gateway: Option<GatewayId>,
    pub(super) site: Option<SiteId>,
    /// The pause before the next measurement, and when that is due.
    pub(super) pause: Duration,
    pub(super) recheck_at: Option<Duration>,
}

/// A part that is at fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blamed {
    /// What was measured, one for each time at which devices fell silent for it.
    pub measured: Vec<Measured>,
    /// How many devices are silent for it now.
    pub silent: usize,
    /// When it was found to work again, or all its devices were back.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A diagnosis that blames a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measured {
    /// The diagnosis.
    pub by: DiagnosisId,
    /// Its device.
    pub device: DeviceId,
    /// The site of that device, as far as it is known.
    pub site: Option<SiteId>,
    pub(super) silence: Silence,
}

/// A device of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The part that it is silent for.
    pub part: Part,
    /// Why it belongs to the incident.
    pub proof: Proof,
    /// Who raised the alerts about it.
    pub sources: Vec<Source>,
    /// When it joined.
    pub joined_at: DateTime<Utc>,
    /// When it was seen again, or its alert was resolved.
    pub back_at: Option<DateTime<Utc>>,
}

/// Why a device belongs to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Proof {
    /// Its own diagnosis found this cause.
    Diagnosed {
        /// That diagnosis.
        by: DiagnosisId,
    },
    /// The topology says that it depends on the part, and it fell silent when the others did. It was not diagnosed.
    Shares {
        /// The diagnosis that blames the part.
        blamed_by: DiagnosisId,
        /// When its silence began.
        silent_since: DateTime<Utc>,
        /// False: only the time of its alert is known.
        is_measured: bool,
        /// How far that is from the silence of the device that was diagnosed.
        apart: TimeDelta,
    },
    /// Diagnoses of devices beside it came to nothing, for the same reason. It was not diagnosed.
    LikeOthers {
        /// The last of these diagnoses.
        by: DiagnosisId,
    },
    /// It came back before it was diagnosed.
    CameBack,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Closed {
    /// When.
    pub at: DateTime<Utc>,
    /// How many of its devices are still silent; these are diagnosed again, each for itself.
    pub still_out: usize,
    /// The incident that it was merged into, whose parts and devices are now that one's.
    pub merged_into: Option<IncidentId>,
}

impl Incident {
    /// How many of its devices are silent now.
    #[must_use]
    pub fn silent(&self) -> usize {
        self.out.len()
    }

    /// Whether somebody must be paged for it.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self.cause {
            Cause::Undetermined(_) => true,
            Cause::Concluded(_) => !self.is_recovered && self.severity > Some(Severity::Info),
            Cause::ShortOutage => false,
        }
    }

    /// The members that are silent for that part.
    pub(super) fn out_for<'a>(&'a self, part: &'a Part) -> impl Iterator<Item = &'a DeviceId> {
        self.out.iter().filter(|device| self.members.get(*device).is_some_and(|member| member.part == *part))
    }

    /// Weighs the hypotheses anew: one that a change favours counts three times as much.
    pub(super) fn weigh(&mut self) {
        self.hypotheses.clone_from(&self.measured);
        for hypothesis in &mut self.hypotheses {
            if self.changes.iter().any(|change| change.favours.contains(&hypothesis.cause)) {
                hypothesis.share *= FAVOURED;
            }
        }
        let sum: f64 = self.hypotheses.iter().map(|hypothesis| hypothesis.share).sum();
        if sum > 0.0 {
            self.hypotheses.iter_mut().for_each(|hypothesis| hypothesis.share /= sum);
        }
        self.hypotheses.sort_by(|one, other| other.share.total_cmp(&one.share));
    }

    pub(super) fn open_parts(&self) -> impl Iterator<Item = (&Part, &Blamed)> {
        self.parts.iter().filter(|(_, blamed)| blamed.ended_at.is_none())
    }
}

/// How much likelier a change makes the causes that it favours. A judgement: a change is the commonest cause of an outage,
/// and most changes cause none.
const FAVOURED: f64 = 3.0;

/// As an operator reads it in a list: the cause, where, and how many devices.
impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.title)?;
        match (self.parts.len(), self.parts.keys().next()) {
            (1, Some(part)) => write!(f, " [{part}]")?,
            (parts, _) => write!(f, " [{parts} parts, {}]", self.place)?,
        }
        let (silent, all) = (self.out.len(), self.members.len());
        match &self.closed {
            None => write!(f, "; {silent} of {} silent", counted(all as u64, "device")),
            Some(Closed { merged_into: Some(into), .. }) => write!(f, "; merged into {into}"),
            Some(Closed { still_out: 0, .. }) if all == 1 => f.write_str("; closed, the device is back"),
            Some(Closed { still_out: 0, .. }) => write!(f, "; closed, all {all} devices are back"),
            Some(Closed { still_out, .. }) => {
                write!(f, "; closed, {still_out} of {} still silent", counted(all as u64, "device"))
            }
        }
    }
}
