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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::world::World;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    /// A retirement of the certificate that the device has at first.
    fn retire(world: &World, compromised: bool) -> Retire {
        let fingerprint = world.devices[0].uses.to_string();
        let text = serde_json::json!({ "fingerprint": fingerprint, "compromised": compromised });
        serde_json::from_value(text).unwrap()
    }

    fn world() -> (World, DateTime<Utc>) {
        let now = NOW + TimeDelta::days(20_000);
        (World::new(1, 1, now, |_| {}).unwrap().0, now)
    }

    #[test]
    fn last_certificate_goes_only_when_stolen() {
        for (compromised, has_another, was_seen, broken) in [
            (false, false, false, 1),
            (true, false, false, 0),
            (false, true, false, 1),
            (false, true, true, 0),
        ] {
            let (mut world, now) = world();
            let retire = retire(&world, compromised);
            if has_another {
                let another = world.emergency_certificate(0).unwrap().unwrap();
                world.devices[0].take_up(&another);
                world.devices[0].holds[1].seen = was_seen;
            }
            let World { devices, ledger, .. } = &mut world;
            ledger.retire(&devices[0], &retire, now);
            assert_eq!(ledger.broken().len(), broken, "{compromised} {has_another} {was_seen}");
            assert!(ledger.is_retired(retire.fingerprint));
        }
        // One that had ended is no loss.
        let (mut world, now) = world();
        let retire = retire(&world, false);
        let World { devices, ledger, .. } = &mut world;
        ledger.retire(&devices[0], &retire, now + TimeDelta::days(400));
        assert!(ledger.broken().is_empty());
    }

    #[test]
    fn second_certificate_of_a_generation_is_seen() {
        let (mut world, now) = world();
        let key = |text: &str| serde_json::from_value::<CommandKey>(text.into()).unwrap();
        let first = world.issue(0, &key("a"), 1, now).unwrap();
        assert_eq!(world.issue(0, &key("a"), 1, now).unwrap(), first);
        assert!(world.ledger.broken().is_empty());
        assert_ne!(world.issue(0, &key("b"), 1, now).unwrap(), first);
        assert_eq!(world.ledger.broken().len(), 1);
    }
}
