//! One device: what it holds, what it was told, and whether it is there.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{Credential, Issued};
use iot_runbook::certificate::message::{Desired, Reported};
use iot_runbook::certificate::service::TestOutcome;
use iot_runbook::certificate::validity::Fingerprint;

use crate::mint::PublicKey;
use crate::random::Random;
use crate::roster::Kind;

/// A certificate that a device holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// The certificate.
    pub credential: Credential,
    /// Whether the broker ever accepted it.
    pub seen: bool,
}

/// One device of the simulation.
#[derive(Clone, Debug)]
pub struct Device {
    /// The platform's number of it.
    pub number: u32,
    /// Its name on the broker.
    pub name: String,
    /// What is the matter with it.
    pub kind: Kind,
    /// Its own numbers.
    pub random: Random,
    /// The public half of the key that it has.
    pub key: PublicKey,
    /// What it holds, the newest last.
    pub holds: Vec<Held>,
    /// Which of it it connects with.
    pub uses: Fingerprint,
    /// When it is back, where it is offline. `MAX_UTC`: when somebody goes there.
    pub back_at: Option<DateTime<Utc>>,
    /// Whether the provisioning service takes its manufacturing certificate.
    pub is_known_to_provisioning: bool,
    /// How often its test fails from now on.
    pub failing_tests: u32,
    /// Whether it is to lose its next certificate.
    pub loses_the_next: bool,
    /// What is retained for it on its topic.
    pub desired: Option<Desired>,
    /// What it published last of that.
    pub reported: Option<Reported>,
    /// What the test endpoint saw of it last.
    pub tested: Option<(Fingerprint, TestOutcome)>,
    /// When the broker last accepted it.
    pub last_seen: Option<DateTime<Utc>>,
    /// When the provisioning service last accepted it.
    pub contact: Option<DateTime<Utc>>,
}

impl Device {
    /// Whether it is there.
    #[must_use]
    pub fn is_online(&self, now: DateTime<Utc>) -> bool {
        self.back_at.is_none_or(|back| back <= now)
    }

    /// When it is expected back; `None`: it is there, or nobody knows.
    #[must_use]
    pub fn expected_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.back_at.filter(|back| *back > now && *back < DateTime::<Utc>::MAX_UTC)
    }

    /// Takes a certificate up: it connects with that from now on.
    pub fn take_up(&mut self, issued: &Issued) {
        let credential = *issued.credential();
        if !self.holds.iter().any(|held| held.credential.fingerprint == credential.fingerprint) {
            self.holds.push(Held { credential, seen: false });
        }
        self.uses = credential.fingerprint;
    }

    /// Goes back to what it held first.
    pub fn lose_what_is_new(&mut self) {
        self.holds.truncate(1);
        if let Some(first) = self.holds.first() {
            self.uses = first.credential.fingerprint;
        }
    }

    /// The certificate that a broker accepts, where there is one: what it uses, or else the newest that it holds.
    pub fn connect(
        &mut self,
        now: DateTime<Utc>,
        is_retired: impl Fn(Fingerprint) -> bool,
    ) -> Option<Fingerprint> {
        let works =
            |held: &&Held| is_valid(&held.credential, now) && !is_retired(held.credential.fingerprint);
        let mut working = self.holds.iter().rev().filter(works).map(|held| held.credential.fingerprint);
        let uses = self.uses;
        let found = working.clone().find(|one| *one == uses).or_else(|| working.next())?;
        self.uses = found;
        for held in &mut self.holds {
            held.seen |= held.credential.fingerprint == found;
        }
        self.last_seen = Some(now);
        Some(found)
    }

    /// Whether it could connect now, were it there.
    #[must_use]
    pub fn has_a_working_certificate(
        &self,
        now: DateTime<Utc>,
        is_retired: impl Fn(Fingerprint) -> bool,
    ) -> bool {
        self.holds
            .iter()
            .any(|held| is_valid(&held.credential, now) && !is_retired(held.credential.fingerprint))
    }

    /// How long it takes for something small: to download, to test.
    pub fn moment(&mut self) -> TimeDelta {
        self.random.minutes(1, 5)
    }
}

/// Whether a certificate is within its dates and those of its chain.
#[must_use]
pub fn is_valid(credential: &Credential, now: DateTime<Utc>) -> bool {
    credential.not_before <= now && credential.end().is_none_or(|end| now <= end)
}
