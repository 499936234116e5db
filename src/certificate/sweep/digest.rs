//! What a run reports.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::entry::Renewal;
use crate::certificate::Stage;
use crate::fact::counted;
use crate::subject::DeviceId;

/// What is due at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Digest {
    /// When it was reported.
    pub at: DateTime<Utc>,
    pub(super) due: Vec<Due>,
    pub(super) issuers: Vec<IssuerDue>,
    pub(super) page: Option<Page>,
}

/// One certificate that is past its awareness bound, revoked, or not valid yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Due {
    /// The device, by the id that the platform uses.
    pub device: DeviceId,
    /// Which certificate of the device it is.
    pub generation: u32,
    /// Its effective end; where it never ends, what it has as `not_after`, on 9999-12-31 or later.
    pub end: DateTime<Utc>,
    /// Its stage.
    pub stage: Stage,
    /// How far its renewal has come.
    pub renewal: Renewal,
    /// Whether the device renews by itself.
    pub auto_renewal: bool,
    /// Its renewal should have happened: it was due for longer than the grace, and nobody has seen a successor.
    pub overdue: bool,
    /// Whether the device can be reached. Asked in every stage but awareness, where no successor is confirmed.
    pub reach: Reach,
}

/// Whether a device can be reached for a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reach {
    /// It was not asked: nothing is to be done with the device.
    NotAsked,
    /// It was seen of late.
    Online,
    /// It was not seen for longer than the bound.
    Offline {
        /// When it was last seen; `None`: never.
        since: Option<DateTime<Utc>>,
        /// What to plan.
        visit: Visit,
    },
    /// Not known. It is on the offline list.
    Unknown,
}

/// What to plan for a device that is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Visit {
    /// It is expected back in time: renew it in a maintenance window then.
    MaintenanceWindow,
    /// It is expected back after its certificate has ended, or that has ended: send a technician.
    Technician,
    /// Nobody knows when it is back: find out, and plan for a technician.
    Undecided,
}

/// An issuer that binds leaves and is past its awareness bound, or one that is not valid yet: one entry for all leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IssuerDue {
    /// The number of the issuer in the index.
    pub issuer: u64,
    /// Its name, where the index has one: of a [chain](super::ExpiryIndex::insert_chain) that was read, the subject of the
    /// certificate and the beginning of its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Its end.
    pub end: DateTime<Utc>,
    /// The stage of its own certificate.
    pub stage: Stage,
    /// How many certificates in use end with it, or would end later than it; of one that is not valid yet, how many
    /// there are.
    pub leaves: u64,
}

/// What operations is paged for: follow-ups, what has ended, is revoked or not valid yet, overdue renewals, and
/// issuers as late. Each once a day, and once more where it has ended, or is revoked, since it was paged as late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// The day in UTC.
    pub day: NaiveDate,
    /// The certificates, earliest end first.
    pub due: Vec<Due>,
    /// The issuers, earliest end first.
    pub issuers: Vec<IssuerDue>,
}

impl Digest {
    /// All that is due, revoked or not valid yet, earliest end first, then by device. The leaves that an issuer binds
    /// are among them only where they are revoked or not valid yet themselves.
    #[must_use]
    pub fn due(&self) -> &[Due] {
        &self.due
    }

    /// The issuers that bind leaves and are due, earliest end first.
    #[must_use]
    pub fn issuers(&self) -> &[IssuerDue] {
        &self.issuers
    }

    /// What operations is to be paged for; `None` where there is nothing that was not paged today.
    #[must_use]
    pub const fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// For the infrastructure team to know; nothing is to be done.
    pub fn awareness(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| due.stage == Stage::Awareness)
    }

    /// Renewals to begin: due, by a device that renews by itself, none begun, and it has not ended.
    pub fn to_renew(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| {
            matches!(due.stage, Stage::Renewal | Stage::FollowUp)
                && due.auto_renewal
                && due.renewal == Renewal::None
        })
    }

    /// Renewals that should have happened.
    pub fn overdue(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| due.overdue)
    }

    /// What a person must see to before it ends.
    pub fn follow_up(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| due.needs_follow_up())
    }

    /// What has ended.
    pub fn expired(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| due.stage == Stage::Expired)
    }

    /// What is revoked and still in use. Whether the device gets another one is for a person to say: it may have been
    /// revoked to shut the device out.
    pub fn revoked(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| due.stage == Stage::Revoked)
    }

    /// What is in use and not valid yet: peers with a right clock refuse it.
    pub fn not_yet_valid(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| due.stage == Stage::NotYetValid)
    }

    /// The follow-up list of devices that are offline, or may be.
    pub fn offline(&self) -> impl Iterator<Item = &Due> {
        self.due.iter().filter(|due| matches!(due.reach, Reach::Offline { .. } | Reach::Unknown))
    }
}

impl Due {
    /// In follow-up, or in renewal where nothing renews it by itself: the renewal failed, or the device cannot.
    #[must_use]
    pub fn needs_follow_up(&self) -> bool {
        match self.stage {
            Stage::FollowUp => true,
            Stage::Renewal => {
                self.renewal == Renewal::Failed || !self.auto_renewal && self.renewal == Renewal::None
            }
            _ => false,
        }
    }

    /// How many whole days are left at `now` until its end; below zero from its end on. It is no bound: those are exact.
    #[must_use]
    pub fn days_left(&self, now: DateTime<Utc>) -> i64 {
        self.end.signed_duration_since(now).num_seconds().div_euclid(86_400)
    }

    /// Whether operations is paged for it.
    #[must_use]
    pub fn pages(&self) -> bool {
        let is_refused = match self.stage {
            Stage::Expired => true,
            Stage::Revoked | Stage::NotYetValid => self.renewal != Renewal::Confirmed,
            _ => false,
        };
        is_refused || self.needs_follow_up() || self.overdue
    }
}

/// For people: the device, the stage, the end, and how far its renewal is.
impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = if self.stage == Stage::Expired { "ended" } else { "ends" };
        write!(f, "{}: {}, {ends} {}", self.device, self.stage, self.end)?;
        match self.renewal {
            Renewal::None if !self.auto_renewal => f.write_str("; it cannot renew by itself")?,
            Renewal::None => {}
            Renewal::Running => f.write_str("; the renewal runs")?,
            Renewal::Failed => f.write_str("; the renewal failed")?,
            Renewal::Confirmed => f.write_str("; the successor is confirmed")?,
        }
        if self.overdue {
            f.write_str("; the renewal is overdue")?;
        }
        match self.reach {
            Reach::NotAsked | Reach::Online => return Ok(()),
            Reach::Unknown => return f.write_str("; nobody knows when it was last seen"),
            Reach::Offline { since: None, .. } => f.write_str("; never seen")?,
            Reach::Offline { since: Some(since), .. } => write!(f, "; offline since {since}")?,
        }
        match self.reach {
            Reach::Offline { visit: Visit::MaintenanceWindow, .. } => {
                f.write_str(", plan a maintenance window")
            }
            Reach::Offline { visit: Visit::Technician, .. } => f.write_str(", send a technician"),
            _ => f.write_str(", find out when it is back"),
        }
    }
}

/// For people: the issuer, the stage, the end, and how many certificates it binds.
impl fmt::Display for IssuerDue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { end, stage, leaves, .. } = self;
        let ends = if *stage == Stage::Expired { "ended" } else { "ends" };
        write!(f, "issuer {}: {stage}, {ends} {end}; {}", self.label(), counted(*leaves, "certificate"))
    }
}

/// The text of the page: the day, then a line for each issuer and each certificate.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (issuers, due) = (self.issuers.len() as u64, self.due.len() as u64);
        write!(f, "{}: {} and {}", self.day, counted(issuers, "issuer"), counted(due, "certificate"))?;
        self.issuers.iter().try_for_each(|issuer| write!(f, "\n{issuer}"))?;
        self.due.iter().try_for_each(|due| write!(f, "\n{due}"))
    }
}

impl IssuerDue {
    /// Whether operations is paged for it: its follow-up bound is passed, or it is not valid yet.
    #[must_use]
    pub fn pages(&self) -> bool {
        matches!(self.stage, Stage::FollowUp | Stage::Expired | Stage::NotYetValid)
    }

    /// The issuer for people: its name, else its number in the index.
    #[must_use]
    pub fn label(&self) -> String {
        self.name.as_deref().map_or_else(|| self.issuer.to_string(), str::to_owned)
    }
}
