//! The library's `DedupStore` over Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use iot_runbook::dedup::MessageId;
use iot_runbook::dedup::store::{DedupStore, StoreError};

use crate::link::{Link, LinkError};

/// Replaces or removes in one step what is as expected. An answer of 1: done.
const REPLACE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";
const REMOVE: &str =
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])";

/// A window in Redis 7 or later: one key for each id, which leaves by itself.
///
/// Run the server with `maxmemory-policy noeviction`: any other forgets ids before their time, and says nothing.
/// One that is full then says so, and messages are untracked. After a failover what was not yet copied is forgotten.
#[derive(Clone, Debug)]
pub struct RedisStore {
    link: Arc<Link>,
    prefix: Arc<str>,
}

impl RedisStore {
    /// A window over `link`; each key begins with `prefix`.
    #[must_use]
    pub fn new(link: Arc<Link>, prefix: &str) -> Self {
        Self { link, prefix: prefix.into() }
    }

    fn key(&self, id: MessageId) -> Vec<u8> {
        [self.prefix.as_bytes(), &id.to_u128().to_be_bytes()].concat()
    }
}

#[async_trait]
impl DedupStore for RedisStore {
    async fn put_if_absent(
        &self,
        key: MessageId,
        value: &[u8],
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut ask = redis::cmd("SET");
        ask.arg(self.key(key)).arg(value).arg("NX").arg("GET").arg("PX").arg(milliseconds(keep));
        self.link.ask(&ask).await.map_err(store_error)
    }

    async fn replace_if(
        &self,
        key: MessageId,
        expected: &[u8],
        value: &[u8],
        keep: Duration,
    ) -> Result<bool, StoreError> {
        let mut ask = redis::cmd("EVAL");
        ask.arg(REPLACE).arg(1).arg(self.key(key));
        ask.arg(expected).arg(value).arg(milliseconds(keep));
        self.link.ask(&ask).await.map_err(store_error)
    }

    async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError> {
        let mut ask = redis::cmd("EVAL");
        ask.arg(REMOVE).arg(1).arg(self.key(key)).arg(expected);
        self.link.ask(&ask).await.map_err(store_error)
    }
}

/// Redis refuses zero.
pub(crate) fn milliseconds(keep: Duration) -> u64 {
    u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64 / 2)
}

fn store_error(error: LinkError) -> StoreError {
    let text = error.to_string();
    let told = match &error {
        LinkError::NotConnected(_) => StoreError::unavailable(text),
        LinkError::NoAnswer(_) => StoreError::no_answer(text),
        LinkError::Answered(answer) => match answer.code() {
            Some("OOM") => StoreError::full(text),
            Some("NOAUTH" | "NOPERM" | "WRONGPASS") => StoreError::refused(text),
            Some("LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY") => {
                StoreError::unavailable(text)
            }
            _ => StoreError::unreadable(text),
        },
    };
    told.with_cause(error)
}
