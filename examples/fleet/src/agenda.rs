//! What happens next: in the order of time, and of what happens at one time in the order in which it was put down.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};
use iot_runbook::certificate::lifecycle::{CommandKey, Event};

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The daily job runs.
    Sweep,
    /// The issuer that ends first is replaced.
    IssuerReplaced,
    /// The service is stopped, and starts again from what it saved.
    Restart,
    /// Something happens to one device.
    Of(u32, DeviceHappening),
}

/// Something that happens to one device.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceHappening {
    /// Its lifecycle asked to be woken.
    Wake,
    /// It connects; again after its heartbeat, where that is said.
    Connect {
        /// Whether it goes on connecting.
        goes_on: bool,
    },
    /// It reads what is retained for it.
    Read,
    /// It tests what it read.
    Test,
    /// It loses its newest certificate.
    RollBack,
    /// A visit takes place, unless it was called off.
    Visit(CommandKey),
    /// The platform hears something, late or twice or as it should.
    Hear(Box<Event>),
}

/// All that is to happen.
#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<Item>>,
    count: u64,
}

#[derive(Debug)]
struct Item {
    at: DateTime<Utc>,
    number: u64,
    what: Happening,
}

impl Agenda {
    /// Puts something down.
    pub fn add(&mut self, at: DateTime<Utc>, what: Happening) {
        self.count += 1;
        self.heap.push(Reverse(Item { at, number: self.count, what }));
    }

    /// What happens next, and when, unless that is later.
    pub fn next(&mut self, until: DateTime<Utc>) -> Option<(DateTime<Utc>, Happening)> {
        self.heap.peek().filter(|Reverse(item)| item.at <= until)?;
        self.heap.pop().map(|Reverse(item)| (item.at, item.what))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
