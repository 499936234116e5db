//! A world of one device: what it holds, what the certification authority issued, what was retired. It knows commands and
//! events, and nothing of the machine's insides; it says when one of them harms the device.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{
    AlertKind, Command, Csr, Event, Issue, Issued, Lifecycle, Order, Reachability, Rules, Status, SubjectKey,
};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};
use iot_runbook::certificate::validity::Fingerprint;

use super::{NOW, certificate, day, under_issuer, with_left};

/// What can happen next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// The time comes at which the machine wants to be asked, or so much of it passes.
    Wake,
    Pass(TimeDelta),
    /// A command is carried out, and the answer arrives, or is lost.
    Answer(String),
    AnswerLost(String),
    /// It fails, and that is told.
    Fail(String),
    /// What is to be issued waits for its turn, for an hour.
    Postpone(String),
    /// What is issued is due already.
    IssueDue(String),
    /// The device says something of what it was told to use.
    Report(Outcome),
    /// It takes up what it was told to use, and that is seen, or not.
    Switch,
    SwitchUnseen,
    /// It connects with what it uses.
    Reconnect,
    /// It loses all but its first certificate, and connects with it. What is retained for it comes again.
    RollBack,
    /// What was told before is told again.
    Again(usize),
    /// It reaches the provisioning service.
    Reach,
    /// The visit came to nothing.
    VisitFailed,
    Compromise,
    Reachability(Reachability),
    ByHand,
    Restart,
    Decommission,
    /// Of what happens more rarely: what is issued is for another key, or ends with an issuer that ends soon.
    IssueForAnotherKey(String),
    IssueUnderAnEndingIssuer(String),
    /// The issuer has a successor, from which the next certificates are.
    IssuerReplaced,
    /// The key of what was issued last is in other hands, told or not.
    CompromiseIssued,
    /// The device asks for its next certificate to be for a new key.
    OfferKey,
    /// The test endpoint saw its test, which passed or failed.
    Tested(bool),
    /// It takes up what it was told to use, and that is told two hours later.
    SwitchToldLater,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) now: DateTime<Utc>,
    pub(super) machine: Lifecycle,
    /// What the device has, and which of it it connects with.
    holds: Vec<Issued>,
    uses: Fingerprint,
    /// What it was told to use, and of which generation.
    desired: Option<Desired>,
    /// Commands that are not answered, by key.
    pub(super) orders: BTreeMap<String, Command>,
    /// What was issued, by key.
    issued: BTreeMap<String, Issued>,
    /// The key of the last of them.
    latest: Option<Fingerprint>,
    /// The latest generation that was published.
    published: u64,
    /// Which certificate the machine took for which generation.
    taken: BTreeMap<u64, Fingerprint>,
    seen: BTreeSet<Fingerprint>,
    retired: BTreeSet<Fingerprint>,
    compromised: BTreeSet<Fingerprint>,
    /// What was told, each once.
    pub(super) told: Vec<Event>,
    keys: u8,
    /// Whether people know of an issuer that must be replaced.
    issuer_told: bool,
    pub(super) closed: bool,
}

impl World {
    /// A device whose certificate of 60 days has so many left.
    pub(super) fn new(left: i64, auto_renewal: bool) -> Self {
        Self::with(with_left(left), auto_renewal)
    }

    /// A device with that certificate.
    pub(super) fn with(first: Issued, auto_renewal: bool) -> Self {
        let fingerprint = first.credential().fingerprint;
        let machine = Lifecycle::new("d", *first.credential(), NOW).unwrap().with_auto_renewal(auto_renewal);
        let mut world = Self {
            rules: Rules::default(),
            now: NOW,
            machine,
            holds: vec![first],
            uses: fingerprint,
            desired: None,
            orders: BTreeMap::new(),
            issued: BTreeMap::new(),
            latest: None,
            published: 0,
            taken: BTreeMap::new(),
            seen: BTreeSet::from([fingerprint]),
            retired: BTreeSet::new(),
            compromised: BTreeSet::new(),
            told: Vec::new(),
            keys: 1,
            issuer_told: false,
            closed: false,
        };
        world.drain();
        world
    }

    fn works(&self, one: &Issued) -> bool {
        let credential = one.credential();
        credential.not_before <= self.now
            && credential.not_after >= self.now.into()
            && !self.retired.contains(&credential.fingerprint)
    }

    fn can_connect(&self) -> bool {
        self.holds.iter().any(|one| one.credential().fingerprint == self.uses && self.works(one))
    }

    /// It tries what it has, the newest first, unless what it uses works.
    fn falls_back(&mut self) {
        if !self.can_connect()
            && let Some(other) = self.holds.iter().rev().find(|one| self.works(one))
        {
            self.uses = other.credential().fingerprint;
        }
    }

    /// Takes all commands, and looks at each.
    pub(super) fn drain(&mut self) {
        for _ in 0..100 {
            let Some(order) = self.machine.poll(&self.rules, self.now) else {
                let wake_at = self.machine.wake_at(&self.rules);
                assert!(
                    wake_at.is_none_or(|at| at > self.now),
                    "it never rests: {wake_at:?} at {}",
                    self.now
                );
                assert!(self.closed || wake_at.is_some(), "a device is lost");
                return;
            };
            self.look_at(&order);
            self.orders.insert(order.key.to_string(), order.command);
        }
        panic!("commands without end: {:?}", self.orders.keys());
    }

    fn look_at(&mut self, order: &Order) {
        let key = order.key.to_string();
        match &order.command {
            Command::Issue(issue) | Command::ReProvision(issue) => {
                let taken = self.taken.get(&issue.generation);
                assert!(taken.is_none(), "generation {} is issued twice", issue.generation);
                let suffix =
                    if matches!(order.command, Command::Issue(_)) { "issue" } else { "re-provision" };
                assert_eq!(key, format!("d/{}/{suffix}", issue.generation), "one key for a generation");
            }
            Command::Publish(desired) => {
                let read = Issued::from_pem(desired.certificate.clone()).unwrap();
                let fingerprint = read.credential().fingerprint;
                assert!(
                    self.taken.values().any(|taken| *taken == fingerprint),
                    "what was issued is published"
                );
                let taken = self.taken.insert(desired.generation, fingerprint);
                assert!(taken.is_none_or(|taken| taken == fingerprint), "one certificate for a generation");
                assert!(desired.generation >= self.published, "the topic goes back a generation");
                self.published = desired.generation;
                assert!(!self.retired.contains(&fingerprint), "what is retired is published");
            }
            Command::Retire(retire) => {
                // It may be carried out from now on.
                self.retired.insert(retire.fingerprint);
                // A device out of service needs none.
                if !retire.compromised && !self.closed {
                    let other = self
                        .holds
                        .iter()
                        .find(|one| self.works(one) && self.seen.contains(&one.credential().fingerprint));
                    let held =
                        self.holds.iter().find(|one| one.credential().fingerprint == retire.fingerprint);
                    // One that had ended worked no more.
                    let ended = held.is_none_or(|one| one.credential().not_after < self.now.into());
                    assert!(
                        other.is_some() || ended,
                        "the only working certificate is retired, at {}",
                        self.now
                    );
                }
            }
            Command::Alert(alert) => {
                self.issuer_told |= matches!(alert.what, AlertKind::IssuerBinds { .. });
            }
            _ => {}
        }
    }

    /// Tells the machine.
    fn tell(&mut self, event: Event) {
        if !self.told.contains(&event) {
            self.told.push(event.clone());
        }
        let took = self.machine.handle(&self.rules, event.clone(), self.now).is_ok();
        if took {
            match event {
                Event::Issued { generation, certificate }
                | Event::ReProvisioned { generation, certificate } => {
                    self.taken.insert(generation, certificate.credential().fingerprint);
                }
                Event::Connected { fingerprint, .. } => {
                    self.seen.insert(fingerprint);
                }
                Event::Installed { certificate } | Event::EmergencyLoaded { certificate } => {
                    self.taken.insert(self.machine.generation(), certificate.credential().fingerprint);
                }
                _ => {}
            }
        }
        self.drain();
        let in_use = self.machine.in_use().public_key;
        assert!(
            !self.compromised.contains(&in_use) || self.machine.cut_off_at().is_some() || self.closed,
            "a key in other hands is in use"
        );
    }

    fn tell_of_connection(&mut self) {
        if self.can_connect() {
            self.tell(Event::Connected { fingerprint: self.uses, at: self.now });
        }
    }

    /// The certification authority: one certificate for each key.
    fn issue(&mut self, key: &str, issue: &Issue, days: i64) -> Issued {
        if let Some(known) = self.issued.get(key) {
            return known.clone();
        }
        let number = match &issue.key {
            SubjectKey::Held(held) => self.number_of(*held),
            SubjectKey::Csr(csr) => self.number_of(csr.public_key()),
            _ => self.new_key(),
        };
        let serial = u8::try_from(self.issued.len() + 2).unwrap();
        let one = certificate(number, serial, self.now - TimeDelta::hours(1), self.now + day(days));
        self.issued.insert(key.to_owned(), one.clone());
        self.latest = Some(one.credential().public_key);
        one
    }

    fn new_key(&mut self) -> u8 {
        self.keys += 1;
        self.keys
    }

    /// The certification authority issues another certificate than was asked for, under that key.
    fn issue_badly(&mut self, key: &str, bad: impl FnOnce(&mut Self, u8) -> Issued) {
        let Some(Command::Issue(issue)) = self.orders.remove(key) else { return };
        let number = match &issue.key {
            SubjectKey::Held(held) => self.number_of(*held),
            SubjectKey::Csr(csr) => self.number_of(csr.public_key()),
            _ => self.new_key(),
        };
        let one = self.issued.get(key).cloned().unwrap_or_else(|| bad(self, number));
        self.issued.insert(key.to_owned(), one.clone());
        self.latest = Some(one.credential().public_key);
        self.tell(Event::Issued { generation: issue.generation, certificate: one });
    }

    fn number_of(&self, public_key: Fingerprint) -> u8 {
        let of = |number: &u8| certificate(*number, 1, NOW, NOW).credential().public_key == public_key;
        (1..=self.keys).find(of).unwrap_or(1)
    }

    fn holds_now(&mut self, one: &Issued) {
        if !self.holds.contains(one) {
            self.holds.push(one.clone());
        }
        self.uses = one.credential().fingerprint;
    }

    /// Carries a command out. Gives the answer.
    fn carry_out(&mut self, key: &str, days: i64) -> Option<Event> {
        let command = self.orders.get(key)?.clone();
        Some(match command {
            Command::Issue(issue) => {
                Event::Issued { generation: issue.generation, certificate: self.issue(key, &issue, days) }
            }
            Command::ReProvision(issue) => {
                let certificate = self.issue(key, &issue, days);
                self.holds_now(&certificate);
                Event::ReProvisioned { generation: issue.generation, certificate }
            }
            Command::LookUpContact => Event::ProvisioningContact { last: None },
            Command::LoadEmergencyCertificate(_) => {
                let issue = Issue::clone(&fresh());
                let certificate = self.issue(key, &issue, 30);
                self.holds_now(&certificate);
                Event::EmergencyLoaded { certificate }
            }
            Command::Publish(desired) => {
                self.desired = Some(desired);
                self.done(key)
            }
            _ => self.done(key),
        })
    }

    fn done(&self, key: &str) -> Event {
        let key = self.machine.open_commands().find(|open| open.as_str() == key).cloned();
        key.map_or(Event::IssuerReplaced, |key| Event::Done { key })
    }

    /// What may happen next, of what could matter.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions =
            vec![Action::Wake, Action::Pass(TimeDelta::hours(2)), Action::Pass(day(9)), Action::Restart];
        for (key, command) in &self.orders {
            actions.push(Action::Answer(key.clone()));
            // Of what is only told to people the answer alone matters.
            match command {
                Command::Alert(_) | Command::OpenPostMortem(_) | Command::StandDown { .. } => continue,
                Command::Issue(_) => {
                    actions.extend([Action::IssueDue(key.clone()), Action::Postpone(key.clone())]);
                }
                Command::LoadEmergencyCertificate(_) => actions.push(Action::VisitFailed),
                _ => {}
            }
            actions.extend([Action::AnswerLost(key.clone()), Action::Fail(key.clone())]);
        }
        if self.desired.is_some() {
            let reason = Reason::new("no route");
            let said = [Outcome::Downloaded, Outcome::TestPassed, Outcome::TestFailed { reason }];
            actions.extend(said.map(Action::Report));
            actions.extend([Action::Switch, Action::SwitchUnseen]);
        }
        if self.holds.len() > 1 {
            actions.extend([Action::RollBack, Action::Reconnect]);
        }
        if self.machine.in_recovery() {
            actions.push(Action::Reach);
        }
        if self.compromised.is_empty() {
            actions.push(Action::Compromise);
        }
        actions.extend((0..self.told.len()).map(Action::Again));
        actions.push(Action::ByHand);
        let away = Reachability::Offline { back_at: None };
        if !self.told.contains(&Event::Reachability(away)) {
            actions.push(Action::Reachability(away));
        }
        if !self.closed {
            actions.push(Action::Decommission);
        }
        actions
    }

    /// The same with what happens more rarely.
    pub(super) fn all_actions(&self) -> Vec<Action> {
        let mut actions = self.actions();
        for (key, command) in &self.orders {
            if matches!(command, Command::Issue(_)) {
                actions.push(Action::IssueForAnotherKey(key.clone()));
                actions.push(Action::IssueUnderAnEndingIssuer(key.clone()));
            }
        }
        actions.extend([Action::IssuerReplaced, Action::CompromiseIssued, Action::OfferKey]);
        if self.desired.is_some() {
            let reason = Reason::new("no room");
            actions.extend([Outcome::Switched, Outcome::Refused { reason }].map(Action::Report));
            actions.extend([Action::Tested(true), Action::Tested(false), Action::SwitchToldLater]);
        }
        let back_at = Some(NOW + day(15));
        actions.extend([Reachability::Online, Reachability::Offline { back_at }].map(Action::Reachability));
        actions
    }

    pub(super) fn act(&mut self, action: &Action) {
        match action {
            Action::Wake => {
                let at = self.machine.wake_at(&self.rules);
                self.now = at.unwrap_or(self.now);
                self.falls_back();
                self.drain();
            }
            Action::Pass(time) => {
                self.now += *time;
                self.falls_back();
                self.drain();
            }
            Action::Answer(key) => {
                if let Some(event) = self.carry_out(key, 60) {
                    self.orders.remove(key);
                    self.tell(event);
                }
            }
            Action::AnswerLost(key) => {
                self.carry_out(key, 60);
                self.orders.remove(key);
            }
            Action::IssueDue(key) => {
                if let Some(event) = self.carry_out(key, 10) {
                    self.orders.remove(key);
                    self.tell(event);
                }
            }
            Action::Fail(key) => {
                self.orders.remove(key);
                if let Event::Done { key } = self.done(key) {
                    self.tell(Event::Failed { key, reason: Reason::new("not now") });
                }
            }
            Action::Postpone(key) => {
                let until = self.now + TimeDelta::hours(1);
                if let (Some(Command::Issue(_)), Event::Done { key }) =
                    (self.orders.remove(key), self.done(key))
                {
                    self.tell(Event::Postponed { key, until });
                }
            }
            Action::Report(outcome) => {
                if let Some(desired) = &self.desired {
                    self.tell(Event::Reported(Reported::new(desired, outcome.clone())));
                }
            }
            Action::Switch | Action::SwitchUnseen => {
                if let Some(desired) = &self.desired {
                    let one = Issued::from_pem(desired.certificate.clone()).unwrap();
                    self.holds_now(&one);
                    self.falls_back();
                    if *action == Action::Switch {
                        self.tell_of_connection();
                    }
                }
            }
            Action::Reconnect => {
                self.falls_back();
                self.tell_of_connection();
            }
            Action::RollBack => {
                // Where it cannot connect any more it was retired by then, and is not lost by the machine.
                let first = self.holds[0].clone();
                let cut_off = !self.works(&first);
                if !cut_off {
                    self.now += TimeDelta::seconds(1);
                    self.holds.truncate(1);
                    self.uses = first.credential().fingerprint;
                    self.tell_of_connection();
                }
            }
            Action::Again(at) => {
                if let Some(event) = self.told.get(*at).cloned() {
                    self.tell(event);
                }
            }
            Action::Reach => self.tell(Event::ProvisioningContact { last: Some(self.now) }),
            Action::VisitFailed => self.tell(Event::VisitFailed { reason: Reason::new("the gate was shut") }),
            Action::Compromise => {
                let public_key = self.holds[0].credential().public_key;
                self.compromised.insert(public_key);
                self.tell(Event::KeyCompromised { public_key });
            }
            Action::Reachability(outlook) => self.tell(Event::Reachability(*outlook)),
            Action::ByHand => {
                let certificate = self.issue(&format!("hand/{}", self.issued.len()), &fresh(), 60);
                self.holds_now(&certificate);
                self.tell(Event::Installed { certificate });
            }
            Action::Restart => {
                let saved = serde_json::to_string(&self.machine).unwrap();
                self.machine = serde_json::from_str(&saved).unwrap();
                assert_eq!(serde_json::to_string(&self.machine).unwrap(), saved);
                self.drain();
            }
            Action::Decommission => {
                self.closed = true;
                self.tell(Event::Decommissioned);
            }
            _ => self.act_rarely(action),
        }
    }

    fn act_rarely(&mut self, action: &Action) {
        let since = self.now - TimeDelta::hours(1);
        match action {
            Action::IssueForAnotherKey(key) => self.issue_badly(key, |world, _| {
                let another = world.new_key();
                certificate(another, 2, since, world.now + day(60))
            }),
            Action::IssueUnderAnEndingIssuer(key) => self.issue_badly(key, |world, number| {
                under_issuer(number, since, world.now + day(60), world.now + day(5))
            }),
            Action::IssuerReplaced => self.tell(Event::IssuerReplaced),
            Action::CompromiseIssued => {
                if let Some(public_key) = self.latest {
                    self.compromised.insert(public_key);
                    self.tell(Event::KeyCompromised { public_key });
                }
            }
            Action::OfferKey => {
                let number = self.new_key();
                self.tell(Event::KeyOffered(request(number)));
            }
            Action::Tested(passed) => {
                if let Some(desired) = &self.desired {
                    let one = Issued::from_pem(desired.certificate.clone()).unwrap();
                    let failed = (!passed).then(|| Reason::new("no route"));
                    self.tell(Event::Tested { fingerprint: one.credential().fingerprint, failed });
                }
            }
            Action::SwitchToldLater => {
                self.act(&Action::SwitchUnseen);
                let (at, fingerprint) = (self.now, self.uses);
                if self.can_connect() {
                    self.act(&Action::Pass(TimeDelta::hours(2)));
                    self.tell(Event::Connected { fingerprint, at });
                }
            }
            _ => {}
        }
    }

    /// From now on all goes well. Whether the device comes to have a certificate that works, by the machine's word too.
    pub(super) fn ends_well(&mut self, reaches_provisioning: bool) -> bool {
        // Retries come closer and closer before an end: it takes many until that is past.
        for _ in 0..300 {
            if self.closed {
                return true;
            }
            for key in self.orders.keys().cloned().collect::<Vec<_>>() {
                let is_look_up = matches!(self.orders.get(&key), Some(Command::LookUpContact));
                if is_look_up && reaches_provisioning {
                    self.orders.remove(&key);
                    self.act(&Action::Reach);
                } else {
                    self.act(&Action::Answer(key));
                }
            }
            if self.can_connect() {
                self.act(&Action::Switch);
            }
            self.act(&Action::Reconnect);
            if self.issuer_told {
                self.tell(Event::IssuerReplaced);
            }
            let settled = self.machine.status() == Status::Settled
                && self.machine.in_use().fingerprint == self.uses
                && self.machine.cut_off_at().is_none();
            if settled && self.can_connect() && self.orders.is_empty() {
                return true;
            }
            self.act(&Action::Wake);
        }
        false
    }

    /// What tells two worlds apart, whatever happened before.
    pub(super) fn state(&self) -> String {
        let machine = serde_json::to_string(&self.machine).unwrap();
        // It is the last field, and decides nothing.
        let machine = machine.split(",\"timeline\":").next().unwrap_or_default().to_owned();
        let holds: Vec<_> =
            self.holds.iter().map(|one| one.credential().fingerprint.as_bytes()[..4].to_vec()).collect();
        let told: Vec<_> = self.desired.iter().map(|one| one.generation).collect();
        format!(
            "{}|{holds:?}|{:?}|{told:?}|{:?}|{machine}",
            self.now,
            &self.uses.as_bytes()[..4],
            self.orders.keys().collect::<Vec<_>>(),
        )
    }
}

/// A request for a certificate, of the key of that number: what is in it, and no signature.
fn request(number: u8) -> Csr {
    let ed25519 = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    let der = [
        &[0x30, 0x40, 0x30, 0x33, 0x02, 0x01, 0x00, 0x30, 0x00, 0x30, 0x2a][..],
        &ed25519,
        &[0x03, 0x21, 0x00],
        &[number; 32],
        &[0xa0, 0x00],
        &ed25519,
        &[0x03, 0x02, 0x00, 0x00],
    ];
    Csr::from_der(der.concat()).unwrap()
}

fn fresh() -> Issue {
    // The request of a re-provisioning, which has no constructor outside: read as it is written.
    serde_json::from_str(r#"{"generation":0,"key":{"fresh":{"except":[]}},"needed_by":null,"urgent":true}"#)
        .unwrap()
}

impl World {
    /// Under a clock that may be suspect: alerts alone, where it is.
    pub(super) fn drain_suspect(&mut self) {
        while let Some(order) = self.machine.poll(&self.rules, self.now) {
            if self.machine.clock_suspect().is_some() {
                assert!(matches!(order.command, Command::Alert(_)), "{order:?} under a suspect clock");
            }
            self.look_at(&order);
            self.orders.insert(order.key.to_string(), order.command);
        }
    }

    /// A person says that the clock is right.
    pub(super) fn accept(&mut self) {
        self.machine.accept_clock(&self.rules, self.now);
        self.falls_back();
        self.drain();
    }
}
