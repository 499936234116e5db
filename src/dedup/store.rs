//! A window that is shared by machines: what a store must do for it, and the verdicts over any such store.
//!
//! A [`DedupStore`] is small and dumb: three atomic operations on bytes. A [`StoreDeduplicator`] over it decides, by
//! the same rules as the engine within one process, so that no adapter can get a verdict wrong.
//!
//! ```
//! use chrono::{DateTime, TimeDelta};
//! use iot_runbook::dedup::store::{MemoryStore, Settled, StoreDeduplicator, StoreSettings};
//! use iot_runbook::dedup::{Device, Fingerprint, Message, MessageId, Verdict};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let dedup = StoreDeduplicator::new(MemoryStore::default(), StoreSettings::new(TimeDelta::hours(6)))?;
//! let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
//! let message = Message::new(MessageId::from_u128(7), Device::new(4)?, Fingerprint::from_u64(23));
//!
//! let reserved = dedup.reserve(&message, now).await?;
//! assert_eq!(reserved.verdict, Verdict::Fresh);
//! // Another consumer has the same message in hand, and leaves it to this one.
//! assert_eq!(dedup.observe(&message, now).await?, Verdict::InFlight);
//! if let Some(reservation) = reserved.reservation {
//!     assert_eq!(dedup.commit(&reservation).await?, Settled::Done);
//! }
//! assert!(dedup.observe(&message, now).await?.drops());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from the engine in one process
//! Each machine has a clock of its own: where they differ, windows are longer or shorter by as much. A record that
//! was made later than now has age zero, so that a clock that runs back forgets nothing. A clock that runs far
//! ahead takes what others remember for old: its messages are passed on, as late or fresh, never dropped. The store
//! bounds its own memory: one that is full says so, and the message is [`Untracked`](super::Verdict::Untracked).

pub mod conformance;
mod deduplicator;
mod error;
#[cfg(feature = "mock")]
mod memory;
mod record;
mod settings;

use std::time::Duration;

use async_trait::async_trait;

pub use deduplicator::{Reserved, Settled, StoreDeduplicator, StoreReservation, Troubles};
pub use error::{StoreError, StoreErrorKind};
#[cfg(feature = "mock")]
pub use memory::MemoryStore;
pub use record::{RecordError, StoredRecord};
pub use settings::{StoreSettings, WhenUnavailable};

use super::MessageId;

/// A store of values under the ids of messages, shared by all who deduplicate together.
///
/// The values are opaque: up to 64 bytes of any kind ([`StoredRecord`] says what is in them), which are given back,
/// and compared, byte by byte.
///
/// # What must hold
/// - Each method is atomic: of two callers at once one comes first. All of them ask the same copy; a replica that
///   lags behind is asked for nothing.
/// - A value is there from when it was put until `keep` has passed, and not much longer. None leaves earlier to
///   make room: a store that is full answers [`StoreError::full`].
/// - No method waits for long: an adapter has a time limit of its own, and answers [`StoreError::no_answer`] beyond
///   it.
/// - An error is never an answer. Where it is not known whether a value was put, that is
///   [`StoreError::no_answer`], and never [`StoreError::unavailable`].
///
/// # What may go wrong
/// A store may forget, as after a failover: the copy of a message is passed on then, and counted twice. What it may
/// never do is give a value that nobody put, or one that was removed or replaced: a message would be dropped that
/// nobody has processed.
///
/// In Redis: `SET key value NX GET PX keep`, and two scripts of three lines. The package `platform` of this
/// repository has that adapter. [`conformance`] tests yours.
#[async_trait]
pub trait DedupStore: Send + Sync {
    /// Puts `value` under `key` for the time of `keep`, unless there is one. Gives the one that was there, and
    /// `None` where `value` was put.
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be done, or it is not known whether it was.
    async fn put_if_absent(
        &self,
        key: MessageId,
        value: &[u8],
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts `value` in the place of `expected`, for the time of `keep` from now; does nothing where there is
    /// another value, or none. Gives whether it was put.
    ///
    /// # Errors
    /// As above.
    async fn replace_if(
        &self,
        key: MessageId,
        expected: &[u8],
        value: &[u8],
        keep: Duration,
    ) -> Result<bool, StoreError>;

    /// Takes `expected` away; does nothing where there is another value, or none. Gives whether it was taken away.
    ///
    /// # Errors
    /// As above.
    async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError>;
}

const _: Option<&dyn DedupStore> = None;

/// Whoever shares a store shares it behind an [`Arc`](std::sync::Arc).
#[async_trait]
impl<S: DedupStore + ?Sized> DedupStore for std::sync::Arc<S> {
    async fn put_if_absent(
        &self,
        key: MessageId,
        value: &[u8],
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).put_if_absent(key, value, keep).await
    }

    async fn replace_if(
        &self,
        key: MessageId,
        expected: &[u8],
        value: &[u8],
        keep: Duration,
    ) -> Result<bool, StoreError> {
        (**self).replace_if(key, expected, value, keep).await
    }

    async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError> {
        (**self).remove_if(key, expected).await
    }
}
