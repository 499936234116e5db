//! The certificates that were replaced: until they are retired, and after.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::event::EventError;
use super::pass::is_over;
use crate::certificate::validity::{CertId, Fingerprint};
use crate::time::saturating_add;

/// How many retired certificates are remembered: those of years, for one device.
const MOST_RETIRED: usize = 16;

/// The certificates that were replaced, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retirements {
    retiring: Vec<Retiring>,
    /// The latest that were retired, the oldest first.
    #[serde(default)]
    retired: Vec<Retired>,
}

/// A certificate that was replaced, until it is retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retiring {
    pub(super) credential: Credential,
    #[serde(default)]
    pub(super) cert_id: Option<CertId>,
    retire_at: DateTime<Utc>,
    /// The command to retire it is open, or was.
    pub(super) ordered: bool,
    /// Someone was alerted that it is not retired though its overlap is long over.
    #[serde(default)]
    alerted: bool,
}

/// A certificate that was retired: no broker may accept it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Retired {
    fingerprint: Fingerprint,
    at: DateTime<Utc>,
    /// The date of the latest connection with it that someone was alerted of.
    alerted_at: Option<DateTime<Utc>>,
}

impl Retirements {
    /// One was replaced. It is to be retired then.
    pub(super) fn add(&mut self, credential: Credential, cert_id: Option<CertId>, retire_at: DateTime<Utc>) {
        self.retiring.push(Retiring { credential, cert_id, retire_at, ordered: false, alerted: false });
    }

    /// True if each is retired.
    pub(super) const fn is_empty(&self) -> bool {
        self.retiring.is_empty()
    }

    /// Those that are not retired.
    pub(super) fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.retiring.iter().map(|one| &one.credential)
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.credentials().any(|one| one.fingerprint == fingerprint)
    }

    /// The device went back to it: it is no longer to be retired.
    pub(super) fn take_back(&mut self, fingerprint: Fingerprint) -> Option<Retiring> {
        let at = self.retiring.iter().position(|one| one.credential.fingerprint == fingerprint)?;
        Some(self.retiring.remove(at))
    }

    /// Those of a key are retired another way.
    pub(super) fn drop_key(&mut self, public_key: Fingerprint) {
        self.retiring.retain(|one| one.credential.public_key != public_key);
    }

    /// Those whose overlap is over, each once: they are to be retired now.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<Fingerprint> {
        let is_due = |one: &&mut Retiring| !one.ordered && now >= one.retire_at;
        let due = self.retiring.iter_mut().filter(is_due);
        due.map(|one| {
            one.ordered = true;
            one.credential.fingerprint
        })
        .collect()
    }

    /// Those that are still accepted though their overlap has been over for that long, each once.
    pub(super) fn take_late(&mut self, now: DateTime<Utc>, by: TimeDelta) -> Vec<Fingerprint> {
        let is_late = |one: &&mut Retiring| !one.alerted && is_over(saturating_add(one.retire_at, by), now);
        let mut late = Vec::new();
        for one in self.retiring.iter_mut().filter(is_late) {
            one.alerted = true;
            // One that has ended is of no use to anybody.
            late.extend((!one.credential.has_ended(now)).then_some(one.credential.fingerprint));
        }
        late
    }

    /// It is retired.
    pub(super) fn retired(&mut self, fingerprint: Fingerprint, now: DateTime<Utc>) {
        self.retired.retain(|one| one.fingerprint != fingerprint);
        // The oldest has ended long ago: at one renewal in ten months sixteen are over a decade.
        if self.retired.len() >= MOST_RETIRED {
            self.retired.remove(0);
        }
        self.retired.push(Retired { fingerprint, at: now, alerted_at: None });
        self.retiring.retain(|one| !one.ordered || one.credential.fingerprint != fingerprint);
    }

    pub(super) fn is_retired(&self, fingerprint: Fingerprint) -> bool {
        self.retired.iter().any(|one| one.fingerprint == fingerprint)
    }

    /// A connection with a retired certificate was accepted. An alert is due, unless it is reported late or there was one within
    /// `again_after`.
    ///
    /// # Errors
    /// [`EventError`] where no alert is due.
    pub(super) fn retired_in_use(
        &mut self,
        fingerprint: Fingerprint,
        at: DateTime<Utc>,
        seen_at: Option<DateTime<Utc>>,
        again_after: TimeDelta,
    ) -> Result<(), EventError> {
        let Some(retired) = self.retired.iter_mut().find(|one| one.fingerprint == fingerprint) else {
            return Err(EventError::UnknownCertificate);
        };
        // Before it was retired it was accepted rightly; later than all others, it is what the device has.
        if at <= retired.at && seen_at.is_some_and(|seen| at <= seen) {
            return Err(EventError::Stale);
        }
        if retired.alerted_at.is_some_and(|alerted| at < saturating_add(alerted, again_after)) {
            return Err(EventError::Known);
        }
        retired.alerted_at = Some(at);
        Ok(())
    }

    /// Those whose overlap is over at `now`, that are valid and not retired, with when the overlap was over.
    pub(super) fn unretired(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&Credential, DateTime<Utc>)> {
        let is_over = move |one: &&Retiring| now >= one.retire_at && !one.credential.has_ended(now);
        self.retiring.iter().filter(is_over).map(|one| (&one.credential, one.retire_at))
    }

    /// When the next one is to be retired, where that may be, or is late by so much, where that is watched.
    pub(super) fn wake_at(&self, may_retire: bool, late_after: Option<TimeDelta>) -> Option<DateTime<Utc>> {
        let due = self.retiring.iter().filter(|one| may_retire && !one.ordered).map(|one| one.retire_at);
        let unalerted = self.retiring.iter().filter(|one| !one.alerted);
        let late = unalerted.filter_map(|one| Some(saturating_add(one.retire_at, late_after?)));
        due.chain(late).min()
    }

    /// After the clock was set: no overlap ends later than `latest`.
    pub(super) fn accept_clock(&mut self, latest: DateTime<Utc>) {
        for one in &mut self.retiring {
            one.retire_at = one.retire_at.min(latest);
        }
    }
}
