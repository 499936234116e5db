//! A store within this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{DedupStore, StoreError};
use crate::dedup::MessageId;

/// A store in memory, for tests: its time stands still until it is [advanced](Self::advance). It grows without
/// bound unless it is made with one.
#[derive(Debug, Default)]
pub struct MemoryStore {
    room: Option<usize>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    now: Duration,
    /// The values, and when each is over.
    values: HashMap<MessageId, (Vec<u8>, Duration)>,
}

impl MemoryStore {
    /// A store with room for so many values.
    #[must_use]
    pub fn with_room(values: usize) -> Self {
        Self { room: Some(values), ..Self::default() }
    }

    /// Lets its time pass.
    pub fn advance(&self, by: Duration) {
        self.with(|held| {
            held.now = held.now.saturating_add(by);
            let now = held.now;
            held.values.retain(|_, (_, until)| *until > now);
        });
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(|held| held.values.len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn put(&mut self, key: MessageId, value: &[u8], keep: Duration) {
        self.values.insert(key, (value.to_vec(), self.now.saturating_add(keep)));
    }

    fn holds(&self, key: MessageId, expected: &[u8]) -> bool {
        self.values.get(&key).is_some_and(|(value, _)| value == expected)
    }
}

#[async_trait]
impl DedupStore for MemoryStore {
    async fn put_if_absent(
        &self,
        key: MessageId,
        value: &[u8],
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|held| {
            if let Some((there, _)) = held.values.get(&key) {
                return Ok(Some(there.clone()));
            }
            if self.room.is_some_and(|room| held.values.len() >= room) {
                return Err(StoreError::full(format!("it holds {} values", held.values.len())));
            }
            held.put(key, value, keep);
            Ok(None)
        })
    }

    async fn replace_if(
        &self,
        key: MessageId,
        expected: &[u8],
        value: &[u8],
        keep: Duration,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|held| {
            let holds = held.holds(key, expected);
            if holds {
                held.put(key, value, keep);
            }
            holds
        }))
    }

    async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError> {
        Ok(self.with(|held| held.holds(key, expected) && held.values.remove(&key).is_some()))
    }
}
