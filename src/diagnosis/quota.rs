//! How much of a limit of acts is used, for whoever is asked to approve one.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::fact::duration_in_words;
use crate::subject::SiteId;
use crate::time::saturating_add;

/// How much of a limit of acts is used: at most so many of one kind at one site within a period. An act that begins while
/// the limit is reached is refused, approved or not.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use iot_runbook::diagnosis::ActQuota;
///
/// let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0).unwrap();
/// let quota = ActQuota::new("restart-gateway", Some("north".into()), 2, TimeDelta::hours(1), at(30));
/// assert!(!quota.clone().with_used(vec![at(0)]).is_reached());
/// let used_up = quota.with_used(vec![at(0), at(10)]);
/// assert_eq!(used_up.free_at(), Some(at(60)));
/// assert_eq!(
///     used_up.to_string(),
///     "the limit is reached: 2 of 2 `restart-gateway` at site north within 1 h, the first at 2027-01-15T08:00:00Z; one that \
///      begins before 2027-01-15T09:00:00Z is refused"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActQuota {
    /// The id of the action.
    pub action: Box<str>,
    /// The site; acts whose site is not known count together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// How many may be done within the period.
    pub most: usize,
    /// The period.
    pub within: TimeDelta,
    /// When each of those was granted that count, the oldest first.
    pub used: Vec<DateTime<Utc>>,
    /// When this was looked up: later there may be more, or fewer.
    pub at: DateTime<Utc>,
}

impl ActQuota {
    /// A limit of which nothing is used at that time; a negative period is taken as zero.
    #[must_use]
    pub fn new(
        action: impl Into<Box<str>>,
        site: Option<SiteId>,
        most: usize,
        within: TimeDelta,
        at: DateTime<Utc>,
    ) -> Self {
        let within = within.max(TimeDelta::zero());
        Self { action: action.into(), site, most, within, used: Vec::new(), at }
    }

    /// With when each act was granted that counts, in any order.
    #[must_use]
    pub fn with_used(mut self, mut used: Vec<DateTime<Utc>>) -> Self {
        used.sort_unstable();
        self.used = used;
        self
    }

    /// True if one more act is refused.
    #[must_use]
    pub const fn is_reached(&self) -> bool {
        self.used.len() >= self.most
    }

    /// When the next act is granted, if no other comes first; `None` where one is free now, or where none ever is.
    #[must_use]
    pub fn free_at(&self) -> Option<DateTime<Utc>> {
        // The oldest of those beyond which there is room again: there may be more than the limit, since it was lowered.
        let frees = self.used.len().checked_sub(self.most).and_then(|at| self.used.get(at));
        frees.map(|granted| saturating_add(*granted, self.within))
    }
}

/// In words: how many of how many, since when, and when the next is free.
impl fmt::Display for ActQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        if self.is_reached() {
            f.write_str("the limit is reached: ")?;
        }
        write!(f, "{} of {} `{}` ", self.used.len(), self.most, self.action)?;
        match &self.site {
            Some(site) => write!(f, "at site {}", site.as_str())?,
            None => f.write_str("where the site is not known")?,
        }
        write!(f, " within {}", duration_in_words(self.within))?;
        if let Some(first) = self.used.first() {
            write!(f, ", the first at {}", time(*first))?;
        }
        match self.free_at() {
            Some(free) => write!(f, "; one that begins before {} is refused", time(free)),
            None if self.is_reached() => f.write_str("; every one is refused"),
            None => Ok(()),
        }
    }
}
