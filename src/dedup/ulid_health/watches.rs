//! Many sources.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{UlidHealth, UlidRules, UlidWatch};
use crate::dedup::{Device, MessageId};

/// A watch for each source, by a key of yours: a firmware version, a device. No more than a set number.
///
/// ```
/// use chrono::DateTime;
/// use iot_runbook::dedup::ulid_health::{UlidRules, UlidWatches};
/// use iot_runbook::dedup::{Device, MessageId};
///
/// let mut watches: UlidWatches<String> = UlidWatches::new(UlidRules::default(), 2);
/// let id = MessageId::from_ulid_text("01JD8Z5K3V9QX7R2M4N6P8T0WA").unwrap();
/// let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
/// for firmware in ["1.0.3", "1.1.0", "2.0.0"] {
///     watches.observe(firmware, id, Device::new(4).unwrap(), now);
/// }
/// assert_eq!(watches.report("1.1.0").unwrap().ids, 1);
/// assert_eq!(watches.report("2.0.0"), None);
/// assert_eq!(watches.not_watched(), 1);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Clone + Serialize", deserialize = "K: Eq + Hash + Deserialize<'de>"))]
#[serde(into = "Kept<K>", from = "Kept<K>")]
pub struct UlidWatches<K> {
    rules: UlidRules,
    most: usize,
    watches: HashMap<K, UlidWatch>,
    not_watched: u64,
}

impl<K: Eq + Hash> UlidWatches<K> {
    /// No watch yet, and at most `most`.
    #[must_use]
    pub fn new(rules: UlidRules, most: usize) -> Self {
        Self { rules, most, watches: HashMap::new(), not_watched: 0 }
    }

    /// Takes an id of a source: see [`UlidWatch::observe`]. An id of a new source is counted and left when there
    /// are as many as may be: [`forget`](Self::forget) those that are no more.
    pub fn observe<Q>(&mut self, source: &Q, id: MessageId, device: Device, received_at: DateTime<Utc>)
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(watch) = self.watches.get_mut(source) {
            watch.observe(id, device, received_at);
        } else if self.watches.len() < self.most {
            self.watches.entry(source.to_owned()).or_insert_with(|| UlidWatch::new(self.rules)).observe(
                id,
                device,
                received_at,
            );
        } else {
            self.not_watched = self.not_watched.saturating_add(1);
        }
    }

    /// What was found of a source; `None` where it is not watched.
    #[must_use]
    pub fn report<Q>(&self, source: &Q) -> Option<UlidHealth>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.watches.get(source).map(UlidWatch::report)
    }

    /// Every source that is watched, in no order.
    pub fn reports(&self) -> impl Iterator<Item = (&K, UlidHealth)> {
        self.watches.iter().map(|(source, watch)| (source, watch.report()))
    }

    /// Ends the watch over a source; what it found so far.
    pub fn forget<Q>(&mut self, source: &Q) -> Option<UlidHealth>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.watches.remove(source).map(|watch| watch.report())
    }

    /// How many ids were left, for there was no room for a watch over their source.
    #[must_use]
    pub const fn not_watched(&self) -> u64 {
        self.not_watched
    }
}

/// As it is saved: a list, for not every format has keys of any kind.
#[derive(Serialize, Deserialize)]
struct Kept<K> {
    rules: UlidRules,
    most: usize,
    watches: Vec<(K, UlidWatch)>,
    not_watched: u64,
}

impl<K> From<UlidWatches<K>> for Kept<K> {
    fn from(all: UlidWatches<K>) -> Self {
        Self {
            rules: all.rules,
            most: all.most,
            watches: all.watches.into_iter().collect(),
            not_watched: all.not_watched,
        }
    }
}

impl<K: Eq + Hash> From<Kept<K>> for UlidWatches<K> {
    fn from(kept: Kept<K>) -> Self {
        Self {
            rules: kept.rules,
            most: kept.most,
            watches: kept.watches.into_iter().collect(),
            not_watched: kept.not_watched,
        }
    }
}
