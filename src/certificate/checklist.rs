//! The prevention checklist: five checks that keep an expiry from coming as a surprise, each judged from evidence with
//! its age.
//!
//! # What holds
//! - No check passes without evidence that is recent enough: [`Verdict::Unknown`] says what is missing or stale.
//! - Evidence of a fault that is stale is unknown too: it may have been mended.
//! - Evidence from the future is no evidence: a clock is wrong.
//!
//! ```
//! use chrono::{TimeDelta, TimeZone, Utc};
//! use iot_runbook::certificate::checklist::{Check, Checklist, Evidence, MonitoringRun, Verdict};
//!
//! let now = Utc.with_ymd_and_hms(2026, 3, 1, 6, 0, 0).unwrap();
//! let mut evidence = Evidence::default();
//! evidence.monitoring = Some(MonitoringRun::new(now - TimeDelta::hours(20), true));
//! let checklist = Checklist::judge(&evidence, now);
//! let monitoring = checklist.item(Check::DailyMonitoringPagesBelow30d);
//! assert_eq!(monitoring.verdict, Verdict::Pass);
//! assert_eq!(monitoring.age, Some(TimeDelta::hours(20)));
//! assert_eq!(checklist.items()[1].verdict, Verdict::Unknown);
//! assert_eq!(checklist.items()[1].because, "nobody told which device types support auto-renewal");
//! ```

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How old a run of the daily monitoring may be: a day, and two hours for a run that takes its time.
const DAILY: TimeDelta = TimeDelta::hours(26);
/// How old the review of the offline backlog, and the word on device types, may be.
const WEEKLY: TimeDelta = TimeDelta::days(7);
/// How old a drill may be.
const QUARTERLY: TimeDelta = TimeDelta::days(92);
/// How long an emergency certificate, and the manufacturing certificate, must be valid still.
const AHEAD: TimeDelta = TimeDelta::days(90);

/// The five checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Check {
    /// The daily job runs, and pages for what has less than 30 days left.
    #[serde(rename = "daily-monitoring-pages-below-30d")]
    DailyMonitoringPagesBelow30d,
    /// Every device type that supports auto-renewal has it on.
    #[serde(rename = "auto-renewal-for-every-supporting-type")]
    AutoRenewalForEverySupportingType,
    /// Somebody looks through the devices that are offline each week.
    #[serde(rename = "offline-backlog-reviewed-weekly")]
    OfflineBacklogReviewedWeekly,
    /// The provisioning service takes a manufacturing certificate when the operational one has ended.
    #[serde(rename = "provisioning-accepts-manufacturing-certificate-after-expiry")]
    ProvisioningAcceptsManufacturingCertificateAfterExpiry,
    /// An emergency certificate lies ready.
    #[serde(rename = "emergency-certificate-ready")]
    EmergencyCertificateReady,
}

impl Check {
    /// All five, in the order of the checklist.
    pub const ALL: [Self; 5] = [
        Self::DailyMonitoringPagesBelow30d,
        Self::AutoRenewalForEverySupportingType,
        Self::OfflineBacklogReviewedWeekly,
        Self::ProvisioningAcceptsManufacturingCertificateAfterExpiry,
        Self::EmergencyCertificateReady,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::DailyMonitoringPagesBelow30d => "daily-monitoring-pages-below-30d",
            Self::AutoRenewalForEverySupportingType => "auto-renewal-for-every-supporting-type",
            Self::OfflineBacklogReviewedWeekly => "offline-backlog-reviewed-weekly",
            Self::ProvisioningAcceptsManufacturingCertificateAfterExpiry => {
                "provisioning-accepts-manufacturing-certificate-after-expiry"
            }
            Self::EmergencyCertificateReady => "emergency-certificate-ready",
        }
    }

    /// How old its evidence may be: 26 hours for the daily job, 7 days for device types and the review, 92 days for
    /// the drill with the provisioning service and the look at the emergency certificate. Exactly so old is recent.
    #[must_use]
    pub const fn max_age(self) -> TimeDelta {
        match self {
            Self::DailyMonitoringPagesBelow30d => DAILY,
            Self::AutoRenewalForEverySupportingType | Self::OfflineBacklogReviewedWeekly => WEEKLY,
            Self::ProvisioningAcceptsManufacturingCertificateAfterExpiry
            | Self::EmergencyCertificateReady => QUARTERLY,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "the contract has these three")]
pub enum Verdict {
    /// Recent evidence shows that it holds.
    Pass,
    /// Recent evidence shows that it does not.
    Fail,
    /// There is no evidence, or none that is recent.
    Unknown,
}

/// The last run of the daily monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MonitoringRun {
    /// When it was.
    pub at: DateTime<Utc>,
    /// Whether a certificate with less than 30 days left pages operations, and the page arrives.
    pub pages_below_30d: bool,
}

impl MonitoringRun {
    /// A run at that time.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, pages_below_30d: bool) -> Self {
        Self { at, pages_below_30d }
    }
}

/// The device types that could renew by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AutoRenewal {
    /// When this was looked up.
    pub at: DateTime<Utc>,
    /// How many types support it.
    pub supporting: u32,
    /// How many of those have it on.
    pub enabled: u32,
}

impl AutoRenewal {
    /// As looked up at that time.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, supporting: u32, enabled: u32) -> Self {
        Self { at, supporting, enabled }
    }
}

/// A drill: a device whose operational certificate has ended asked the provisioning service for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProvisioningDrill {
    /// When it was.
    pub at: DateTime<Utc>,
    /// Whether the service took the manufacturing certificate.
    pub accepted: bool,
    /// The earliest end among the manufacturing certificates in use.
    pub manufacturing_not_after: DateTime<Utc>,
}

impl ProvisioningDrill {
    /// A drill at that time.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, accepted: bool, manufacturing_not_after: DateTime<Utc>) -> Self {
        Self { at, accepted, manufacturing_not_after }
    }
}

/// A look at the emergency certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmergencyLook {
    /// When it was.
    pub at: DateTime<Utc>,
    /// The end of the certificate; `None`: there is no such certificate.
    pub not_after: Option<DateTime<Utc>>,
}

impl EmergencyLook {
    /// A look at that time.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, not_after: Option<DateTime<Utc>>) -> Self {
        Self { at, not_after }
    }
}

/// What is known; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "there are five checks, and a sixth must be seen by who fills this in"
)]
pub struct Evidence {
    /// The last run of the daily monitoring.
    pub monitoring: Option<MonitoringRun>,
    /// The device types that could renew by themselves.
    pub auto_renewal: Option<AutoRenewal>,
    /// When the devices that are offline were last looked through.
    pub backlog_reviewed_at: Option<DateTime<Utc>>,
    /// The last drill with the provisioning service.
    pub provisioning: Option<ProvisioningDrill>,
    /// The last look at the emergency certificate.
    pub emergency: Option<EmergencyLook>,
}

/// One check with what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// The check.
    pub check: Check,
    /// What it came to.
    pub verdict: Verdict,
    /// When its evidence was taken; `None`: there is none.
    pub observed_at: Option<DateTime<Utc>>,
    /// How old that is; negative where it is from the future.
    #[serde(skip)]
    pub age: Option<TimeDelta>,
    /// Why, in a line.
    pub because: &'static str,
}

/// All five, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Checklist([Item; 5]);

impl Checklist {
    /// Judges the evidence at `now`.
    #[must_use]
    pub fn judge(evidence: &Evidence, now: DateTime<Utc>) -> Self {
        Self(Check::ALL.map(|check| judge(check, evidence, now)))
    }

    /// The checks in their order.
    #[must_use]
    pub const fn items(&self) -> &[Item; 5] {
        &self.0
    }

    /// One check.
    #[must_use]
    pub const fn item(&self, check: Check) -> &Item {
        let [monitoring, auto_renewal, backlog, provisioning, emergency] = &self.0;
        match check {
            Check::DailyMonitoringPagesBelow30d => monitoring,
            Check::AutoRenewalForEverySupportingType => auto_renewal,
            Check::OfflineBacklogReviewedWeekly => backlog,
            Check::ProvisioningAcceptsManufacturingCertificateAfterExpiry => provisioning,
            Check::EmergencyCertificateReady => emergency,
        }
    }

    /// Whether every check passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.0.iter().all(|item| item.verdict == Verdict::Pass)
    }
}

fn judge(check: Check, evidence: &Evidence, now: DateTime<Utc>) -> Item {
    // What recent evidence says, or that there is none.
    let (observed_at, (verdict, because)) = match check {
        Check::DailyMonitoringPagesBelow30d => match evidence.monitoring {
            None => (None, (Verdict::Unknown, "no run of the daily monitoring is known")),
            Some(run) if run.pages_below_30d => (Some(run.at), (Verdict::Pass, "it runs, and pages")),
            Some(run) => (Some(run.at), (Verdict::Fail, "it runs, and pages nobody below 30 days")),
        },
        Check::AutoRenewalForEverySupportingType => match evidence.auto_renewal {
            None => (None, (Verdict::Unknown, "nobody told which device types support auto-renewal")),
            Some(types) => (Some(types.at), auto_renewal(types)),
        },
        Check::OfflineBacklogReviewedWeekly => match evidence.backlog_reviewed_at {
            None => (None, (Verdict::Unknown, "no review of the offline devices is known")),
            at => (at, (Verdict::Pass, "it was reviewed within the week")),
        },
        Check::ProvisioningAcceptsManufacturingCertificateAfterExpiry => match evidence.provisioning {
            None => (None, (Verdict::Unknown, "no drill with the provisioning service is known")),
            Some(drill) => (Some(drill.at), provisioning(drill, now)),
        },
        Check::EmergencyCertificateReady => match evidence.emergency {
            None => (None, (Verdict::Unknown, "nobody looked at the emergency certificate")),
            Some(look) => (Some(look.at), emergency(look, now)),
        },
    };
    let age = observed_at.map(|at| now.signed_duration_since(at));
    let (verdict, because) = match age {
        Some(age) if age < TimeDelta::zero() => {
            (Verdict::Unknown, "its evidence is from the future: see to the clocks")
        }
        Some(age) if age > check.max_age() => (Verdict::Unknown, "its evidence is stale"),
        _ => (verdict, because),
    };
    Item { check, verdict, observed_at, age, because }
}

const fn auto_renewal(types: AutoRenewal) -> (Verdict, &'static str) {
    if types.enabled > types.supporting {
        (Verdict::Unknown, "more types have it on than support it: the evidence contradicts itself")
    } else if types.enabled < types.supporting {
        (Verdict::Fail, "a device type supports auto-renewal and has it off")
    } else {
        (Verdict::Pass, "every type that supports it has it on")
    }
}

fn provisioning(drill: ProvisioningDrill, now: DateTime<Utc>) -> (Verdict, &'static str) {
    if !drill.accepted {
        (Verdict::Fail, "the provisioning service refused a manufacturing certificate")
    } else if drill.manufacturing_not_after.signed_duration_since(now) < AHEAD {
        (Verdict::Fail, "a manufacturing certificate ends within 90 days, or has ended")
    } else {
        (Verdict::Pass, "the provisioning service took the manufacturing certificate")
    }
}

fn emergency(look: EmergencyLook, now: DateTime<Utc>) -> (Verdict, &'static str) {
    match look.not_after {
        None => (Verdict::Fail, "there is no emergency certificate"),
        Some(end) if end.signed_duration_since(now) < AHEAD => {
            (Verdict::Fail, "the emergency certificate ends within 90 days, or has ended")
        }
        Some(_) => (Verdict::Pass, "it is there, and valid for 90 days at least"),
    }
}
