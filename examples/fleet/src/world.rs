//! Everything outside of the platform: the devices, the certification authority, the network that loses and repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{CommandKey, Event, Issued, PostMortem, Reachability};
use iot_runbook::certificate::schedule::{Rate, TokenBucket};
use iot_runbook::certificate::service::Notice;
use iot_runbook::subject::DeviceId;

use crate::agenda::{Agenda, DeviceHappening, Happening};
use crate::device::{Device, Held};
use crate::error::FleetError;
use crate::ledger::Ledger;
use crate::mint::{Mint, PublicKey};
use crate::random::Random;
use crate::roster::{EDGE_CA, Kind, NEW_CA, OLD_CA, PLANT_CA};
use crate::turns::Turns;

/// How much the network did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// Something was done, and the answer was lost.
    pub lost_answers: u32,
    /// A message of a device was lost.
    pub lost_messages: u32,
    /// A message came twice.
    pub twice: u32,
    /// A message came hours late.
    pub late: u32,
}

/// A visit that is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Whose.
    pub device: u32,
    /// Whether somebody goes there, or it waits for the device to be back.
    pub goes_there: bool,
    /// Whether the emergency certificate is loaded.
    pub is_emergency: bool,
}

/// Everything outside of the platform.
#[derive(Debug)]
pub struct World {
    /// When the simulation began.
    pub start: DateTime<Utc>,
    /// The devices by their numbers.
    pub devices: Vec<Device>,
    /// Who issues.
    pub mint: Mint,
    /// What was issued and retired.
    pub ledger: Ledger,
    /// What happens next.
    pub agenda: Agenda,
    /// Whose turn it is at the provisioning service.
    pub turns: Turns,
    /// Who was told what, by key.
    pub notices: BTreeMap<CommandKey, Notice>,
    /// The records of emergencies, by key.
    pub post_mortems: BTreeMap<CommandKey, PostMortem>,
    /// Visits, by key.
    pub visits: BTreeMap<CommandKey, Planned>,
    /// All visits that were ever asked for: each is planned once.
    pub asked_for: BTreeSet<CommandKey>,
    /// Visits that were called off.
    pub called_off: u32,
    /// Whether the issuer that ends first was replaced.
    pub is_issuer_replaced: bool,
    /// When the provisioning service last took a manufacturing certificate after the operational one had ended.
    pub re_provisioned_at: Option<DateTime<Utc>>,
    /// What the network did.
    pub mishaps: Mishaps,
    names: BTreeMap<String, u32>,
    /// Those that were issued a certificate that was due.
    issued_due: BTreeSet<u32>,
    random: Random,
}

/// The world as adapters share it.
pub type Shared = Arc<Mutex<World>>;

/// Takes the world. Nothing that holds it panics; if it did, the world is as it was left.
pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The issuers and a fleet of that many devices, each with its first certificate. Gives the certificates too.
    /// `minted` hears how many there are, each time.
    ///
    /// # Errors
    /// [`FleetError`] where a certificate is not made.
    pub fn new(
        devices: u32,
        seed: u64,
        start: DateTime<Utc>,
        mut minted: impl FnMut(u32),
    ) -> Result<(Self, Vec<Issued>), FleetError> {
        let mut random = Random::new(seed, u64::MAX);
        let mut mint = Mint::default();
        let years = |count: i64| TimeDelta::days(count * 365);
        let since = start - years(2);
        for (number, name, until) in [
            (PLANT_CA, "Plant CA", start + years(8)),
            (OLD_CA, "Press CA", start + TimeDelta::days(33)),
            (EDGE_CA, "Edge CA", start + years(3)),
        ] {
            mint.add(number, name, (since, until), &mut random)?;
        }
        let rate = Rate::new((devices / 500).max(2), 5)?;
        let mut world = Self {
            start,
            turns: Turns::new(TokenBucket::full(rate, start)),
            devices: Vec::new(),
            mint,
            ledger: Ledger::default(),
            agenda: Agenda::default(),
            notices: BTreeMap::new(),
            post_mortems: BTreeMap::new(),
            visits: BTreeMap::new(),
            asked_for: BTreeSet::new(),
            called_off: 0,
            is_issuer_replaced: false,
            re_provisioned_at: None,
            mishaps: Mishaps::default(),
            names: BTreeMap::new(),
            issued_due: BTreeSet::new(),
            random,
        };
        let mut certificates = Vec::new();
        for number in 0..devices {
            certificates.push(world.add(number, seed)?);
            minted(number + 1);
        }
        Ok((world, certificates))
    }

    /// The name of a device.
    #[must_use]
    pub fn name(&self, number: u32) -> &str {
        self.device(number).map_or("", |device| &device.name)
    }

    /// The number of a device.
    #[must_use]
    pub fn number(&self, name: &DeviceId) -> Option<u32> {
        self.names.get(name.as_str()).copied()
    }

    fn add(&mut self, number: u32, seed: u64) -> Result<Issued, FleetError> {
        let kind = Kind::of(number);
        let mut random = Random::new(seed, u64::from(number));
        let name = format!("{}-{number:05}", kind.model());
        let key = PublicKey::new(&mut random)?;
        let issued = self.mint.issue(kind.issuer(), &name, &key, kind.dates(self.start, &mut random))?;
        let credential = *issued.credential();
        if kind == Kind::Revoked {
            self.ledger.revoke(credential.fingerprint);
        }
        let back_at = kind.back_at(self.start, &mut random);
        let ago = if back_at.is_some() { random.days(2, 9) } else { random.minutes(1, 5 * 60) };
        let seen = credential.not_before <= self.start && kind != Kind::Revoked;
        let last_seen = credential.end().map_or(self.start - ago, |end| end.min(self.start - ago));
        let first = self.start + random.minutes(1, 60);
        self.names.insert(name.clone(), number);
        self.devices.push(Device {
            number,
            name,
            kind,
            random,
            key,
            holds: vec![Held { credential, seen }],
            uses: credential.fingerprint,
            back_at,
            is_known_to_provisioning: !matches!(kind, Kind::EndedUnknown | Kind::OfflineForGood),
            failing_tests: kind.failing_tests(),
            loses_the_next: kind == Kind::RollsBack,
            desired: None,
            reported: None,
            tested: None,
            last_seen: Some(last_seen).filter(|_| seen),
            contact: None,
        });
        self.agenda.add(first, Happening::Of(number, DeviceHappening::Connect { goes_on: true }));
        if let Some(back_at) = back_at {
            let expected = Some(back_at).filter(|back| *back < DateTime::<Utc>::MAX_UTC);
            self.hear(number, self.start, Event::Reachability(Reachability::Offline { back_at: expected }));
        }
        if kind == Kind::Compromised {
            let public_key = credential.public_key;
            self.hear(number, self.start + TimeDelta::hours(27), Event::KeyCompromised { public_key });
        }
        Ok(issued)
    }

    /// The number of the device of that name.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// The device of that number.
    #[must_use]
    pub fn device(&self, number: u32) -> Option<&Device> {
        self.devices.get(usize::try_from(number).ok()?)
    }

    /// The same, to change.
    pub fn device_mut(&mut self, number: u32) -> Option<&mut Device> {
        self.devices.get_mut(usize::try_from(number).ok()?)
    }

    /// Something happens to a device, so much later.
    pub fn later(&mut self, number: u32, at: DateTime<Utc>, what: DeviceHappening) {
        self.agenda.add(at, Happening::Of(number, what));
    }

    /// The platform will hear that.
    pub fn hear(&mut self, number: u32, at: DateTime<Utc>, event: Event) {
        self.later(number, at, DeviceHappening::Hear(Box::new(event)));
    }

    /// The platform may hear that: as it should, hours late, twice, or never.
    pub fn hear_perhaps(&mut self, number: u32, now: DateTime<Utc>, event: Event) {
        if self.random.percent(8) {
            self.mishaps.lost_messages += 1;
            return;
        }
        if self.random.percent(10) {
            self.mishaps.twice += 1;
            let at = now + self.random.minutes(1, 90);
            self.hear(number, at, event.clone());
        }
        let at = if self.random.percent(8) {
            self.mishaps.late += 1;
            now + self.random.minutes(60, 8 * 60)
        } else {
            now
        };
        self.hear(number, at, event);
    }

    /// Whether an answer is lost, though all was done.
    pub fn loses_the_answer(&mut self) -> bool {
        let is_lost = self.random.percent(12);
        self.mishaps.lost_answers += u32::from(is_lost);
        is_lost
    }

    /// So much later, by chance.
    pub fn some_minutes(&mut self, from: u32, to: u32) -> TimeDelta {
        self.random.minutes(from, to)
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub fn happens(&mut self, percent: u64) -> bool {
        self.random.percent(percent)
    }

    /// Issues a certificate for the key that a device has, once for each key of a command.
    ///
    /// # Errors
    /// [`FleetError`] where it is not made.
    pub fn issue(
        &mut self,
        number: u32,
        key: &CommandKey,
        generation: u64,
        now: DateTime<Utc>,
    ) -> Result<Option<Issued>, FleetError> {
        if let Some(known) = self.ledger.issued(key) {
            return Ok(Some(known.clone()));
        }
        let is_first_of_a_bad_issuer = |kind| kind == Kind::IssuedDue && !self.issued_due.contains(&number);
        let Some(device) = self.device(number) else { return Ok(None) };
        let is_due = is_first_of_a_bad_issuer(device.kind);
        let issuer = match device.kind.issuer() {
            OLD_CA if self.is_issuer_replaced => NEW_CA,
            other => other,
        };
        let life = device.kind.life();
        let dates = match is_due {
            true => (now - life + TimeDelta::days(20), now + TimeDelta::days(20)),
            false => (now - TimeDelta::minutes(5), now + life),
        };
        let (name, public_key) = (device.name.clone(), device.key.clone());
        if is_due {
            self.issued_due.insert(number);
        }
        let issued = self.mint.issue(issuer, &name, &public_key, dates)?;
        let Some(device) = self.devices.get(usize::try_from(number).unwrap_or(usize::MAX)) else {
            return Ok(None);
        };
        self.ledger.enter(device, generation, key, issued.clone());
        Ok(Some(issued))
    }

    /// The emergency certificate of a device: made in advance, with a key of its own, and valid for half a year.
    ///
    /// # Errors
    /// [`FleetError`] where it is not made.
    pub fn emergency_certificate(&mut self, number: u32) -> Result<Option<Issued>, FleetError> {
        let dates = (self.start - TimeDelta::days(10), self.emergency_not_after());
        let key = PublicKey::new(&mut self.random)?;
        let Some(name) = self.device(number).map(|device| device.name.clone()) else { return Ok(None) };
        self.mint.issue(PLANT_CA, &name, &key, dates).map(Some)
    }

    /// Until when the emergency certificates are valid.
    #[must_use]
    pub fn emergency_not_after(&self) -> DateTime<Utc> {
        self.start + TimeDelta::days(170)
    }

    /// Until when the manufacturing certificates are valid, the first of them to end.
    #[must_use]
    pub fn manufacturing_not_after(&self) -> DateTime<Utc> {
        self.start + TimeDelta::days(9 * 365)
    }

    /// The people of the PKI replace the issuer that ends first.
    ///
    /// # Errors
    /// [`FleetError`] where it is not made.
    pub fn replace_issuer(&mut self, now: DateTime<Utc>) -> Result<(), FleetError> {
        let until = now + TimeDelta::days(10 * 365);
        self.mint.add(NEW_CA, "Press CA 2", (now, until), &mut self.random)?;
        self.is_issuer_replaced = true;
        Ok(())
    }

    /// Whether the device could connect, were it there.
    #[must_use]
    pub fn has_a_working_certificate(&self, number: u32, now: DateTime<Utc>) -> bool {
        self.device(number).is_some_and(|device| {
            device.has_a_working_certificate(now, |fingerprint| self.ledger.is_retired(fingerprint))
        })
    }
}
