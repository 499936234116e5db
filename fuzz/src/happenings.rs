//! Anything that can happen to the certificate of a device.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{
    Command, CommandKey, Event, Issued, Lifecycle, Order, Reachability, Rules,
};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};

use crate::choices::Choices;
use crate::unsigned;

pub const NOW: DateTime<Utc> = match DateTime::from_timestamp(1_800_000_000, 0) {
    Some(now) => now,
    None => DateTime::UNIX_EPOCH,
};

/// Certificates of a few keys, with so many days from their beginning and to their end; some are due, ended, not valid yet, or
/// never end. The last has an issuer that ends first.
pub static CERTIFICATES: LazyLock<Vec<Issued>> = LazyLock::new(|| {
    let lives = [
        (1, -41, 19),
        (1, -1, 60),
        (2, -1, 60),
        (3, -1, 60),
        (3, -1, 5),
        (2, -60, -1),
        (1, 3, 90),
        (4, 0, 4_000),
    ];
    let mut all: Vec<_> = (1..).zip(lives).map(|(serial, life)| pem(serial, life)).collect();
    all.push(format!("{}{}", pem(20, (5, -41, 19)), pem(21, (6, -400, 10))));
    all.into_iter().map(|pem| Issued::from_pem(pem).expect("it is a certificate")).collect()
});

fn pem(serial: u8, (key, from, to): (u8, i64, i64)) -> String {
    let text = |days| (NOW + TimeDelta::days(days)).format("%Y%m%d%H%M%SZ").to_string();
    let end = if to >= 4_000 { "99991231235959Z".to_owned() } else { text(to) };
    let tag = unsigned::GENERALIZED_TIME;
    unsigned::pem(&unsigned::for_key(key, serial, (tag, &text(from)), (tag, &end)))
}

/// A device, what was handed out of it, and the time.
pub struct Device {
    pub rules: Rules,
    pub machine: Lifecycle,
    pub now: DateTime<Utc>,
    /// Handed out, and not answered as far as is known here.
    pub orders: Vec<Order>,
    told: Vec<Event>,
}

impl Device {
    pub fn new(machine: Lifecycle) -> Self {
        let now = machine.high_water();
        Self { rules: Rules::default(), machine, now, orders: Vec::new(), told: Vec::new() }
    }

    /// Takes what is handed out, so many at most. Whether it came to an end.
    pub fn poll(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(order) = self.machine.poll(&self.rules, self.now) else { return true };
            self.orders.push(order);
        }
        false
    }

    /// The time goes on, mostly; it steps back, jumps, or is anywhere.
    pub fn pass(&mut self, choices: &mut Choices<'_>) {
        let by = i64::from(choices.byte());
        let length = match choices.below(16) {
            0..=5 => TimeDelta::zero(),
            6 | 7 => TimeDelta::minutes(by),
            8 | 9 => TimeDelta::hours(by),
            10 => TimeDelta::days(by),
            11 => -TimeDelta::hours(by),
            12 => return self.now = self.machine.wake_at(&self.rules).unwrap_or(self.now),
            13 => return self.now = self.machine.high_water(),
            14 => TimeDelta::nanoseconds(by - 128),
            _ => {
                let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, NOW, DateTime::UNIX_EPOCH];
                return self.now = choices.pick(&ends);
            }
        };
        self.now = self.now.checked_add_signed(length).unwrap_or(self.now);
    }

    /// What happens next: an answer, a word of the device, or anything that was told before.
    pub fn event(&mut self, choices: &mut Choices<'_>) -> Event {
        let event = self.draw(choices);
        if self.told.len() < 64 {
            self.told.push(event.clone());
        }
        event
    }

    fn draw(&mut self, choices: &mut Choices<'_>) -> Event {
        let certificate = CERTIFICATES[choices.below(CERTIFICATES.len())].clone();
        let fingerprint = match choices.below(4) {
            0 => self.machine.in_use().fingerprint,
            1 => self.machine.newest().fingerprint,
            _ => certificate.credential().fingerprint,
        };
        let back = u64::from(choices.one_in(4));
        let generation = self.machine.generation().saturating_sub(back);
        let reason = Reason::new("no route");
        let at = match choices.below(8) {
            0 => NOW,
            1 => self.machine.high_water(),
            2 => self.now.checked_add_signed(TimeDelta::hours(20)).unwrap_or(self.now),
            3 => DateTime::<Utc>::MAX_UTC,
            _ => self.now,
        };
        match choices.below(24) {
            0..=4 => self.answer(choices, certificate),
            5 => match self.key(choices) {
                Some(key) if choices.one_in(3) => Event::Postponed { key, until: at },
                Some(key) => Event::Failed { key, reason },
                None => Event::IssuerReplaced,
            },
            6..=8 => Event::Connected { fingerprint, at },
            9 => Event::Issued { generation, certificate },
            10..=12 => {
                let newest = CERTIFICATES.iter().find(|one| one.credential() == self.machine.newest());
                let desired = Desired::new(generation, newest.unwrap_or(&certificate).pem());
                let outcomes = [
                    Outcome::Downloaded,
                    Outcome::TestPassed,
                    Outcome::Switched,
                    Outcome::TestFailed { reason: reason.clone() },
                    Outcome::Refused { reason },
                ];
                Event::Reported(Reported::new(&desired, outcomes[choices.below(5)].clone()))
            }
            13 => Event::Tested { fingerprint, failed: choices.one_in(2).then_some(reason) },
            14 => Event::KeyCompromised { public_key: certificate.credential().public_key },
            15 => Event::Installed { certificate },
            16 => Event::EmergencyLoaded { certificate },
            17 => Event::ReProvisioned { generation, certificate },
            18 => Event::ProvisioningContact { last: choices.one_in(2).then_some(at) },
            19 => Event::VisitFailed { reason },
            20 => Event::Reachability(match choices.below(3) {
                0 => Reachability::Online,
                1 => Reachability::Offline { back_at: None },
                _ => Reachability::Offline { back_at: Some(at) },
            }),
            21 if choices.one_in(8) => Event::Decommissioned,
            _ => match choices.below(self.told.len().max(1)) {
                at if at < self.told.len() => self.told[at].clone(),
                _ => Event::IssuerReplaced,
            },
        }
    }

    /// The answer to an order, the last one mostly.
    fn answer(&mut self, choices: &mut Choices<'_>, certificate: Issued) -> Event {
        let at = if choices.one_in(4) { choices.below(self.orders.len().max(1)) } else { usize::MAX };
        if self.orders.is_empty() {
            return Event::IssuerReplaced;
        }
        let order = self.orders.swap_remove(at.min(self.orders.len() - 1));
        match order.command {
            Command::Issue(issue) => Event::Issued { generation: issue.generation, certificate },
            Command::ReProvision(issue) => Event::ReProvisioned { generation: issue.generation, certificate },
            Command::LookUpContact => Event::ProvisioningContact { last: None },
            Command::LoadEmergencyCertificate(_) if choices.one_in(2) => {
                Event::EmergencyLoaded { certificate }
            }
            _ => Event::Done { key: order.key },
        }
    }

    fn key(&self, choices: &mut Choices<'_>) -> Option<CommandKey> {
        let count = self.machine.open_commands().count();
        self.machine.open_commands().nth(choices.below(count.max(1))).cloned()
    }
}
