//! What was issued and retired, and the promises that are watched over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use iot_runbook::certificate::lifecycle::{CommandKey, Issued, Retire};
use iot_runbook::certificate::validity::Fingerprint;

use crate::device::{Device, is_valid};

/// The books of the certification authority, and what was broken.
#[derive(Debug, Default)]
pub struct Ledger {
    issued: BTreeMap<CommandKey, Issued>,
    generations: BTreeMap<(u32, u64), CommandKey>,
    retired: BTreeSet<Fingerprint>,
    broken: Vec<String>,
}

impl Ledger {
    /// What was issued under a key: asked again, it is the same.
    #[must_use]
    pub fn issued(&self, key: &CommandKey) -> Option<&Issued> {
        self.issued.get(key)
    }

    /// How many certificates were issued.
    #[must_use]
    pub fn count(&self) -> usize {
        self.issued.len()
    }

    /// Enters a certificate. There is one for each device and generation.
    pub fn enter(&mut self, device: &Device, generation: u64, key: &CommandKey, issued: Issued) {
        if let Some(other) = self.generations.insert((device.number, generation), key.clone()) {
            self.breaks(format!(
                "{} was issued two certificates for generation {generation}: under {other} and {key}",
                device.name
            ));
        }
        self.issued.insert(key.clone(), issued);
    }

    /// Whether a certificate is retired.
    #[must_use]
    pub fn is_retired(&self, fingerprint: Fingerprint) -> bool {
        self.retired.contains(&fingerprint)
    }

    /// Retires a certificate. One that worked may go only where the device has another that worked on a connection,
    /// but for a key in other hands.
    pub fn retire(&mut self, device: &Device, retire: &Retire, now: DateTime<Utc>) {
        self.retired.insert(retire.fingerprint);
        let works = |one: &&crate::device::Held| {
            is_valid(&one.credential, now) && !self.is_retired(one.credential.fingerprint)
        };
        let had_worked = device
            .holds
            .iter()
            .any(|held| held.credential.fingerprint == retire.fingerprint && is_valid(&held.credential, now));
        let has_another = device.holds.iter().filter(works).any(|held| held.seen);
        if had_worked && !has_another && !retire.compromised {
            self.breaks(format!("{} lost its only working certificate, {}", device.name, retire.fingerprint));
        }
    }

    /// Shuts a device out, by a person's decision.
    pub fn revoke(&mut self, fingerprint: Fingerprint) {
        self.retired.insert(fingerprint);
    }

    /// Notes that a promise was broken.
    pub fn breaks(&mut self, what: String) {
        self.broken.push(what);
    }

    /// What was broken.
    #[must_use]
    pub fn broken(&self) -> &[String] {
        &self.broken
    }
}
