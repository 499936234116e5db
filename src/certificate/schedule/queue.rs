//! The renewals in the order in which they start: earliest deadline first over a server that a token bucket limits.
//!
//! Where all may start at once, a token taken as soon as it is there leaves no policy with more starts by any time,
//! and the exchange of two never helps where the earlier deadline goes first: so a fleet for which this order is late
//! is late in every order. Where some may start only later, an order that leaves a token for one to come can do
//! better; therefore the wishes (jitter, windows of the CA) are given up where they would make one late.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bucket::Level;
use super::jitter::{jitter_nanos, nanos_at};
use super::maintenance::Maintenance;
use super::pending::Pending;
use crate::subject::DeviceId;

/// Times in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) pending: Pending,
    release: i128,
    /// The last moment at which it may start.
    pub(super) deadline: i128,
}

/// What waits, each device and generation once.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Compromised keys first, then by deadline. The place in it is the rank.
    waiting: Vec<Waiting>,
    /// Ranks by release; empty where all are released.
    releases: Vec<usize>,
    now: i128,
    pub(super) duplicates: usize,
}

impl Queue {
    pub(super) fn of(
        pending: impl IntoIterator<Item = Pending>,
        spread: i128,
        lead: i128,
        now: i128,
    ) -> Self {
        let mut waiting: Vec<_> =
            pending.into_iter().map(|pending| Waiting::of(pending, spread, lead, now)).collect();
        let count = waiting.len();
        // Of two the more urgent stays; the rest of the key makes it the same in whatever order they come.
        let of_one = |one: &Waiting, other: &Waiting| one.name().cmp(&other.name());
        waiting.sort_unstable_by(|one, other| {
            let rest = |one: &Waiting| (one.urgency(), one.pending.due, one.pending.window);
            of_one(one, other).then_with(|| rest(one).cmp(&rest(other)))
        });
        waiting.dedup_by(|one, other| one.name() == other.name());
        let duplicates = count - waiting.len();
        waiting.sort_unstable_by(|one, other| {
            one.urgency().cmp(&other.urgency()).then_with(|| of_one(one, other))
        });
        let mut queue = Self { waiting, releases: Vec::new(), now, duplicates };
        queue.order_releases();
        queue
    }

    /// Gives up the jitter and the windows of the CA: each may start when it is due. Where the CA wants it sooner than
    /// that, as before it revokes, it may start then still.
    pub(super) fn hurry(&mut self) {
        for one in &mut self.waiting {
            let due = if one.pending.compromised { self.now } else { nanos_at(one.pending.due) };
            one.release = one.release.min(due).max(self.now);
        }
        self.order_releases();
    }

    fn order_releases(&mut self) {
        self.releases.clear();
        if self.waiting.iter().any(|one| one.release > self.now) {
            // The releases beside their ranks: a sort of ranks alone would look each up far away, again and again.
            let mut order: Vec<_> =
                self.waiting.iter().enumerate().map(|(rank, one)| (one.release, rank)).collect();
            order.sort_unstable();
            self.releases.extend(order.into_iter().map(|(_, rank)| rank));
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = i128> + '_ {
        self.waiting.iter().map(|one| one.deadline)
    }

    /// Walks the renewals in the order in which they start, each with its moment; `None` where no window for
    /// maintenance is left. Ends early where `each` returns `false`.
    pub(super) fn walk(
        &self,
        mut level: Level,
        maintenance: &Maintenance,
        mut each: impl FnMut(&Waiting, Option<i128>) -> bool,
    ) {
        let mut at = self.now;
        let mut ready = Ready::of(self);
        while let Some(next) = ready.next_release(at) {
            at = at.max(next).max(level.ready_at());
            if !ready.is_urgent() {
                let Some(open) = maintenance.next_open(at) else { break };
                at = open;
            }
            let Some(waiting) = ready.pop(at) else { break };
            level.advance(at);
            level.take();
            if !each(waiting, Some(at)) {
                return;
            }
        }
        while let Some(waiting) = ready.pop(i128::MAX) {
            if !each(waiting, None) {
                return;
            }
        }
    }
}

impl Waiting {
    fn of(pending: Pending, spread: i128, lead: i128, now: i128) -> Self {
        let deadline = nanos_at(pending.end) - lead;
        let Pending { device, generation, .. } = &pending;
        let due = nanos_at(pending.due);
        let release = if pending.compromised {
            now
        } else if let Some(window) = pending.window {
            window.selected_nanos(device, *generation)
        } else {
            // A short life is not spread away.
            due + jitter_nanos(device, *generation, spread.min((deadline - due) / 2))
        };
        Self { pending, release: release.min(deadline).max(now), deadline }
    }

    fn name(&self) -> (&DeviceId, u32) {
        (&self.pending.device, self.pending.generation)
    }

    const fn urgency(&self) -> (bool, i128) {
        (!self.pending.compromised, self.deadline)
    }
}

/// Those that may start, by rank. Where all may from the beginning, their order is that of the ranks.
struct Ready<'a> {
    queue: &'a Queue,
    /// The next rank, or the next in the order of releases.
    next: usize,
    heap: BinaryHeap<Reverse<usize>>,
}

impl<'a> Ready<'a> {
    fn of(queue: &'a Queue) -> Self {
        Self { queue, next: 0, heap: BinaryHeap::new() }
    }

    /// When one may start, at `at` or later; `None`: none is left.
    fn next_release(&mut self, at: i128) -> Option<i128> {
        self.release(at);
        if !self.heap.is_empty() { Some(at) } else { self.peek().map(|one| one.release.max(at)) }
    }

    /// Whether the first is held back by the rate alone. Such a one is released from the beginning.
    fn is_urgent(&self) -> bool {
        let first = self.heap.peek().map(|Reverse(rank)| *rank);
        first
            .map_or_else(|| self.peek(), |rank| self.queue.waiting.get(rank))
            .is_some_and(|one| one.pending.compromised)
    }

    fn pop(&mut self, at: i128) -> Option<&'a Waiting> {
        self.release(at);
        if self.queue.releases.is_empty() {
            let first = self.queue.waiting.get(self.next);
            self.next += 1;
            return first;
        }
        let Reverse(rank) = self.heap.pop()?;
        self.queue.waiting.get(rank)
    }

    fn release(&mut self, at: i128) {
        if self.queue.releases.is_empty() {
            return;
        }
        while let Some(rank) = self.queue.releases.get(self.next)
            && self.queue.waiting.get(*rank).is_some_and(|one| one.release <= at)
        {
            self.heap.push(Reverse(*rank));
            self.next += 1;
        }
    }

    /// The next that is not in the heap.
    fn peek(&self) -> Option<&'a Waiting> {
        let rank =
            if self.queue.releases.is_empty() { self.next } else { *self.queue.releases.get(self.next)? };
        self.queue.waiting.get(rank)
    }
}
