//! The lifecycle machine: its rules one by one, and beside a model of the world that knows nothing of its insides.

mod answers;
mod clocks;
mod issuers;
mod recovery;
mod renewal;
mod saved;
mod service;
mod walk;
mod world;

use std::cell::RefCell;
use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{Command, Event, EventError, Issued, Lifecycle, Order, Rules};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};

use super::mint;

pub(super) const NOW: DateTime<Utc> = match DateTime::from_timestamp(1_800_000_000, 0) {
    Some(now) => now,
    None => DateTime::UNIX_EPOCH,
};

pub(super) fn day(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

type Made = (u8, u8, i64, i64, Option<i64>);

/// A certificate for the key of that number.
pub(super) fn certificate(key: u8, serial: u8, from: DateTime<Utc>, to: DateTime<Utc>) -> Issued {
    made((key, serial, from.timestamp(), to.timestamp(), None))
}

/// The same with an issuer, and that one's end.
pub(super) fn under_issuer(key: u8, from: DateTime<Utc>, to: DateTime<Utc>, issuer: DateTime<Utc>) -> Issued {
    made((key, 9, from.timestamp(), to.timestamp(), Some(issuer.timestamp())))
}

/// Each is made once: a walk asks for the same ones again and again.
fn made(of: Made) -> Issued {
    thread_local!(static MADE: RefCell<HashMap<Made, Issued>> = RefCell::default());
    let make = || {
        let (key, serial, from, to, issuer) = of;
        let pem = |key, serial, to| {
            let text = |at| DateTime::from_timestamp(at, 0).unwrap().format("%Y%m%d%H%M%SZ").to_string();
            let date = |at: &str| (mint::GENERALIZED_TIME, at.to_owned());
            let (from, to) = (date(&text(from)), date(&text(to)));
            mint::pem(&mint::for_key(key, serial, (from.0, &from.1), (to.0, &to.1)))
        };
        let issuer = issuer.map(|end| pem(99, 99, end)).unwrap_or_default();
        Issued::from_pem(format!("{}{issuer}", pem(key, serial, to))).unwrap()
    };
    MADE.with_borrow_mut(|made| made.entry(of).or_insert_with(make).clone())
}

/// One that lives for 60 days, of which so many are left: due at 20, followed up at 10.
pub(super) fn with_left(days: i64) -> Issued {
    certificate(1, 1, NOW + day(days - 60), NOW + day(days))
}

/// A device and its clock.
pub(super) struct Bench {
    pub(super) rules: Rules,
    pub(super) now: DateTime<Utc>,
    pub(super) machine: Lifecycle,
}

impl Bench {
    pub(super) fn new(in_use: &Issued) -> Self {
        let machine = Lifecycle::new("pump-7", *in_use.credential(), NOW).unwrap();
        Self { rules: Rules::default(), now: NOW, machine }
    }

    /// What is handed out now, by key.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        std::iter::from_fn(|| self.machine.poll(&self.rules, self.now)).collect()
    }

    pub(super) fn keys(&mut self) -> Vec<String> {
        self.orders().iter().map(|order| order.key.to_string()).collect()
    }

    /// The only command that is handed out now.
    pub(super) fn order(&mut self) -> Order {
        let mut orders = self.orders();
        assert_eq!(orders.len(), 1, "{orders:#?}");
        orders.remove(0)
    }

    pub(super) fn tell(&mut self, event: Event) -> Result<(), EventError> {
        self.machine.handle(&self.rules, event, self.now)
    }

    pub(super) fn issue(&mut self, generation: u64, certificate: &Issued) -> Result<(), EventError> {
        self.tell(Event::Issued { generation, certificate: certificate.clone() })
    }

    pub(super) fn report(
        &mut self,
        generation: u64,
        of: &Issued,
        outcome: Outcome,
    ) -> Result<(), EventError> {
        self.tell(Event::Reported(Reported::new(&Desired::new(generation, of.pem()), outcome)))
    }

    pub(super) fn connect(&mut self, with: &Issued) -> Result<(), EventError> {
        self.tell(Event::Connected { fingerprint: with.credential().fingerprint, at: self.now })
    }

    pub(super) fn fail(&mut self, order: &Order, reason: &str) {
        self.tell(Event::Failed { key: order.key.clone(), reason: Reason::new(reason) }).unwrap();
    }

    /// Carries out what is only to be told, scheduled, published or retired. Gives the names of all.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let orders = self.orders();
        for order in &orders {
            let answered_otherwise =
                matches!(order.command, Command::Issue(_) | Command::ReProvision(_) | Command::LookUpContact);
            if !answered_otherwise {
                self.tell(Event::Done { key: order.key.clone() }).unwrap();
            }
        }
        orders.iter().map(|order| order.key.to_string()).collect()
    }

    pub(super) fn pass(&mut self, time: TimeDelta) -> &mut Self {
        self.now += time;
        self
    }

    /// To when it wants to be asked.
    pub(super) fn wake(&mut self) -> TimeDelta {
        let at = self.machine.wake_at(&self.rules).unwrap();
        let slept = at - self.now;
        self.now = at;
        slept
    }

    pub(super) fn restart(&mut self) {
        let saved = serde_json::to_string(&self.machine).unwrap();
        self.machine = serde_json::from_str(&saved).unwrap();
    }
}

/// The names of keys without what makes them unique.
pub(super) fn names(keys: &[String]) -> Vec<String> {
    let is_word = |part: &&str| part.parse::<u64>().is_err() && *part != "pump-7";
    keys.iter().map(|key| key.split('/').filter(is_word).collect::<Vec<_>>().join("/")).collect()
}
