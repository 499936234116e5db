//! Ours, and what people take instead: caches and maps that know ids alone.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;

use chrono::TimeDelta;
use iot_runbook::dedup::{Deduplicator, Limit, Settings, Verdict};
use siphasher::sip::SipHasher13;

use super::stream::Item;
use crate::error::Error;

/// What a map remembers of a message: as much as ours does.
#[derive(Clone, Copy)]
struct First {
    device: u32,
    payload: u64,
    _at_ms: i64,
}

impl First {
    const fn of(item: &Item) -> Self {
        Self {
            device: item.message.device.number(),
            payload: item.message.payload.to_u64(),
            _at_ms: item.at_ms,
        }
    }

    const fn is_copied_by(&self, item: &Item) -> bool {
        self.device == item.message.device.number() && self.payload == item.message.payload.to_u64()
    }
}

/// One way to deduplicate.
pub(super) trait Deduplication {
    /// Looks at messages one after the other, and adds for each whether it is a copy.
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>);
}

/// A side by its name, made for a window of so many ids.
pub(super) type Make = fn(u64) -> Result<Box<dyn Deduplication>, Error>;

/// Ours, one by one and by 64.
pub(super) const OURS: [(&str, Make); 2] = [
    ("single", |ids| Ok(Box::new(Single(ours(ids)?)))),
    ("batch64", |ids| {
        Ok(Box::new(Batched { engine: ours(ids)?, messages: Vec::new(), verdicts: Vec::new() }))
    }),
];

/// The others.
pub(super) const PEERS: [(&str, Make); 6] = [
    ("bare-line", |ids| Ok(Box::new(Bare::<false>::new(size(ids))))),
    ("bare-line-two-hashes", |ids| Ok(Box::new(Bare::<true>::new(size(ids))))),
    ("moka", |ids| Ok(Box::new(Moka::new(ids)))),
    ("quick_cache", |ids| Ok(Box::new(QuickCache(quick_cache::sync::Cache::new(size(ids)))))),
    ("dashmap-queue", |ids| {
        Ok(Box::new(Dash { map: dashmap::DashMap::new(), queue: VecDeque::new(), window: ids }))
    }),
    ("std-map-queue", |ids| Ok(Box::new(Std { map: HashMap::new(), queue: VecDeque::new(), window: ids }))),
];

fn ours(ids: u64) -> Result<Deduplicator, Error> {
    // A message a millisecond: so the window holds so many.
    let ttl = TimeDelta::milliseconds(i64::try_from(ids).unwrap_or(i64::MAX));
    let settings = Settings::new(ttl).with_grace(TimeDelta::zero()).with_limit(Limit::Ids(ids * 2));
    Deduplicator::with_settings(&settings).map_err(|error| Error::failed("the engine", error))
}

fn size(ids: u64) -> usize {
    usize::try_from(ids).unwrap_or(usize::MAX)
}

struct Single(Deduplicator);

impl Deduplication for Single {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        copies.extend(items.iter().map(|item| self.0.observe(&item.message, item.at).drops()));
    }
}

struct Batched {
    engine: Deduplicator,
    messages: Vec<iot_runbook::dedup::Message>,
    verdicts: Vec<Verdict>,
}

impl Deduplication for Batched {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        for batch in items.chunks(64) {
            self.messages.clear();
            self.messages.extend(batch.iter().map(|item| item.message));
            self.verdicts.clear();
            let Some(first) = batch.first() else { continue };
            self.engine.observe_batch(&self.messages, first.at, &mut self.verdicts);
            copies.extend(self.verdicts.iter().map(|verdict| verdict.drops()));
        }
    }
}

/// The floor: the same hash, one cache line of an index read and written, one record written. Nothing is looked for,
/// nothing is decided, and so nothing is found. With two hashes, of which one is for nothing, it takes almost as many
/// instructions as ours, and waits for no more.
struct Bare<const TWICE: bool> {
    hasher: SipHasher13,
    other: SipHasher13,
    lines: Vec<[u32; 16]>,
    records: Vec<(u128, u64, i64)>,
    next: usize,
}

impl<const TWICE: bool> Bare<TWICE> {
    fn new(ids: usize) -> Self {
        Self {
            hasher: SipHasher13::new_with_keys(1, 2),
            other: SipHasher13::new_with_keys(3, 4),
            lines: vec![[0; 16]; ids / 5],
            records: vec![(0, 0, 0); ids],
            next: 0,
        }
    }
}

impl<const TWICE: bool> Deduplication for Bare<TWICE> {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        copies.extend(items.iter().map(|item| {
            let id = item.message.id.to_u128();
            let hash = self.hasher.hash(&id.to_le_bytes());
            if TWICE {
                black_box(self.other.hash(&id.to_le_bytes()));
            }
            let at = (u128::from(hash) * self.lines.len() as u128) >> 64;
            if let Some(line) = self.lines.get_mut(at as usize) {
                line[self.next % 16] ^= self.next as u32;
            }
            if let Some(record) = self.records.get_mut(self.next) {
                *record = (id, item.message.payload.to_u64(), item.at_ms);
            }
            self.next = if self.next + 1 < self.records.len() { self.next + 1 } else { 0 };
            false
        }));
    }
}

/// moka, least recently used first: its own clock cannot be told the time, so that the window is its capacity.
struct Moka(moka::sync::Cache<u128, First>);

impl Moka {
    fn new(ids: u64) -> Self {
        let lru = moka::policy::EvictionPolicy::lru();
        Self(moka::sync::Cache::builder().max_capacity(ids).eviction_policy(lru).build())
    }
}

impl Deduplication for Moka {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        copies.extend(items.iter().map(|item| {
            let entry = self.0.entry(item.message.id.to_u128()).or_insert_with(|| First::of(item));
            !entry.is_fresh() && entry.value().is_copied_by(item)
        }));
    }
}

/// quick_cache, by its capacity.
struct QuickCache(quick_cache::sync::Cache<u128, First>);

impl Deduplication for QuickCache {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        copies.extend(items.iter().map(|item| {
            let id = item.message.id.to_u128();
            match self.0.get(&id) {
                Some(first) => first.is_copied_by(item),
                None => {
                    self.0.insert(id, First::of(item));
                    false
                }
            }
        }));
    }
}

/// DashMap, with a queue of what leaves when.
struct Dash {
    map: dashmap::DashMap<u128, First>,
    queue: VecDeque<(i64, u128)>,
    window: u64,
}

impl Deduplication for Dash {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        let window = i64::try_from(self.window).unwrap_or(i64::MAX);
        copies.extend(items.iter().map(|item| {
            while let Some((at_ms, id)) = self.queue.front().copied() {
                if item.at_ms - at_ms < window {
                    break;
                }
                self.queue.pop_front();
                self.map.remove(&id);
            }
            let id = item.message.id.to_u128();
            match self.map.entry(id) {
                dashmap::Entry::Occupied(known) => known.get().is_copied_by(item),
                dashmap::Entry::Vacant(free) => {
                    free.insert(First::of(item));
                    self.queue.push_back((item.at_ms, id));
                    false
                }
            }
        }));
    }
}

/// The standard library's map, with a queue of what leaves when.
struct Std {
    map: HashMap<u128, First>,
    queue: VecDeque<(i64, u128)>,
    window: u64,
}

impl Deduplication for Std {
    fn look(&mut self, items: &[Item], copies: &mut Vec<bool>) {
        let window = i64::try_from(self.window).unwrap_or(i64::MAX);
        copies.extend(items.iter().map(|item| {
            while let Some((at_ms, id)) = self.queue.front().copied() {
                if item.at_ms - at_ms < window {
                    break;
                }
                self.queue.pop_front();
                self.map.remove(&id);
            }
            let id = item.message.id.to_u128();
            match self.map.entry(id) {
                std::collections::hash_map::Entry::Occupied(known) => known.get().is_copied_by(item),
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(First::of(item));
                    self.queue.push_back((item.at_ms, id));
                    false
                }
            }
        }));
    }
}
