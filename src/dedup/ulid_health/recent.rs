//! The ids that are remembered, by their randomness.

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::sighting::Sighting;

/// How many ids are kept for good.
pub(super) const SAMPLED: usize = 64;

/// The last ids, and a sample of all: those whose randomness has the smallest hashes. A sequence of random
/// numbers that begins anew at each boot is sampled at the same places each time, so that it is found however
/// many ids lie between.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(into = "Kept", from = "Kept")]
pub(super) struct Recent {
    order: VecDeque<u128>,
    by_random: HashMap<u128, Sighting>,
    sampled: BTreeMap<u64, Sighting>,
}

/// How an id relates to those that are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// None has its randomness.
    New,
    /// The same id of the same device: delivered again.
    Again,
    /// The same id of another device.
    OtherDevice(Sighting),
    /// Its randomness in another millisecond.
    OtherTime(Sighting),
}

impl Recent {
    /// Looks the id up; remembers it where it is new, and no more than `most` of them.
    pub(super) fn meet(&mut self, sighting: Sighting, most: usize) -> Met {
        let random = sighting.random();
        let hash = mix(random);
        let sampled = || self.sampled.get(&hash).filter(|first| first.random() == random);
        if let Some(first) = self.by_random.get(&random).or_else(sampled) {
            return match (first.id == sighting.id, first.device == sighting.device) {
                (true, true) => Met::Again,
                (true, false) => Met::OtherDevice(*first),
                (false, _) => Met::OtherTime(*first),
            };
        }
        self.sample(hash, sighting);
        self.order.push_back(random);
        self.by_random.insert(random, sighting);
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.by_random.remove(&oldest);
            }
        }
        Met::New
    }

    /// When the oldest of the last ids was received.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        self.by_random.get(self.order.front()?).map(|oldest| oldest.received_at)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    fn sample(&mut self, hash: u64, sighting: Sighting) {
        if self.sampled.len() < SAMPLED {
            self.sampled.insert(hash, sighting);
        } else if self.sampled.last_key_value().is_some_and(|(largest, _)| hash < *largest) {
            self.sampled.insert(hash, sighting);
            if self.sampled.len() > SAMPLED {
                self.sampled.pop_last();
            }
        }
    }
}

/// The same for the same bits on every machine, for a sample is saved.
const fn mix(random: u128) -> u64 {
    let mut bits = (random as u64) ^ ((random >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    bits ^ (bits >> 33)
}

/// As it is saved.
#[derive(Serialize, Deserialize)]
struct Kept {
    recent: Vec<Sighting>,
    sampled: Vec<Sighting>,
}

impl From<Recent> for Kept {
    fn from(recent: Recent) -> Self {
        Self {
            recent: recent.order.iter().filter_map(|random| recent.by_random.get(random).copied()).collect(),
            sampled: recent.sampled.into_values().collect(),
        }
    }
}

impl From<Kept> for Recent {
    fn from(kept: Kept) -> Self {
        let mut recent = Self::default();
        for sighting in kept.sampled {
            recent.sample(mix(sighting.random()), sighting);
        }
        for sighting in kept.recent {
            if recent.by_random.insert(sighting.random(), sighting).is_none() {
                recent.order.push_back(sighting.random());
            }
        }
        recent
    }
}
