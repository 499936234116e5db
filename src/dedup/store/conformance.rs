//! Tests of a [`DedupStore`] against the rules of its trait, for the adapter's own tests.
//!
//! ```
//! use iot_runbook::dedup::MessageId;
//! use iot_runbook::dedup::store::{MemoryStore, conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = MemoryStore::default();
//! let unused = MessageId::from_u128(0x51AB);
//! assert_eq!(conformance::operations(&store, unused).await?, []);
//! assert_eq!(conformance::races(&store, unused).await?, []);
//! assert_eq!(conformance::expiry(&store, unused, async |time| store.advance(time)).await?, []);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An adapter's error breaks no rule; it ends the test, and is given to the caller.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::{DedupStore, StoreError};
use crate::dedup::MessageId;

/// How long values are kept while nothing is to expire.
const LONG: Duration = Duration::from_secs(60);

/// How long they are kept that are to expire.
const SHORT: Duration = Duration::from_millis(400);

/// How many callers race.
const RACERS: u8 = 16;

/// What a store did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The method.
    pub method: &'static str,
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong.
    pub text: String,
}

/// The rules that a store can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A value is not there that was put, or one is there that was not.
    Presence,
    /// A value is not given back byte by byte.
    Bytes,
    /// A value was replaced or removed that was not as expected, or was not though it was.
    Compare,
    /// Two keys are taken for one.
    Keys,
    /// Of callers at once not just one comes first.
    Atomic,
    /// A value leaves too early or stays much too long.
    Expiry,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.method, self.text)
    }
}

/// Each method, on values of every kind, one call after the other. `unused` and the ids that differ from it in one
/// bit must be unused; they are so again at the end.
///
/// # Errors
/// [`StoreError`], the first of the adapter.
pub async fn operations(store: &dyn DedupStore, unused: MessageId) -> Result<Vec<Violation>, StoreError> {
    let mut found = Found::default();
    let all: Vec<u8> = (0..64).map(|n| n * 4 + 3).collect();
    let values: [&[u8]; 6] = [b"", b"\0", b"\r\n", b"0", &[0xFF, 0xFE, 0, 0x80], &all];
    for (at, value) in values.into_iter().enumerate() {
        let other = values.get((at + 1) % values.len()).copied().unwrap_or_default();
        found.one_after_another(store, unused, value, other).await?;
    }
    found.apart(store, unused).await?;
    Ok(found.0)
}

/// Many callers at once: just one of them puts, one replaces, one removes. `unused` must be unused; it is so again
/// at the end.
///
/// # Errors
/// [`StoreError`], the first of the adapter.
pub async fn races(store: &dyn DedupStore, unused: MessageId) -> Result<Vec<Violation>, StoreError> {
    let mut found = Found::default();
    let values: Vec<_> = (0..RACERS).map(|n| [n; 38]).collect();
    let put = at_once(values.iter().map(|value| store.put_if_absent(unused, value, LONG))).await?;
    let first = put.iter().zip(&values).find(|(there, _)| there.is_none()).map(|(_, value)| value);
    let others = put.iter().flatten().filter(|there| first.is_some_and(|first| ***there == *first)).count();
    found.one("put_if_absent", others + 1, "one puts its value, and the others are given it");
    let Some(first) = first else { return Ok(found.0) };
    let new: Vec<_> = (0..RACERS).map(|n| [n; 50]).collect();
    let replaced = at_once(new.iter().map(|value| store.replace_if(unused, first, value, LONG))).await?;
    found.one("replace_if", met(&replaced), "one replaces the value");
    let removed = at_once(new.iter().map(|value| store.remove_if(unused, value))).await?;
    found.one("remove_if", met(&removed), "one finds the value that it removes");
    store.remove_if(unused, first).await?;
    Ok(found.0)
}

/// A value leaves when its time is over, and not before; `wait` lets the time pass. Takes 1.2 s. `unused` must be
/// unused; it is so again at the end.
///
/// # Errors
/// [`StoreError`], the first of the adapter.
pub async fn expiry(
    store: &dyn DedupStore,
    unused: MessageId,
    wait: impl AsyncFn(Duration),
) -> Result<Vec<Violation>, StoreError> {
    let mut found = Found::default();
    store.put_if_absent(unused, b"a", SHORT).await?;
    // Not kept longer by a caller who finds it.
    let there = store.put_if_absent(unused, b"b", LONG).await?;
    found.expect("put_if_absent", Rule::Expiry, there.as_deref() == Some(b"a"), "a value left at once");
    wait(SHORT * 3 / 2).await;
    let there = store.put_if_absent(unused, b"c", SHORT).await?;
    found.expect("put_if_absent", Rule::Expiry, there.is_none(), "a value stays beyond its time");
    // Kept longer by whoever replaces it.
    store.replace_if(unused, there.as_deref().unwrap_or(b"c"), b"d", LONG).await?;
    wait(SHORT * 3 / 2).await;
    let there = store.put_if_absent(unused, b"e", SHORT).await?;
    let stays = there.as_deref() == Some(b"d");
    found.expect("replace_if", Rule::Expiry, stays, "a value that was replaced has the time of the former");
    for value in [b"a", b"c", b"d", b"e"] {
        store.remove_if(unused, value).await?;
    }
    Ok(found.0)
}

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn expect(&mut self, method: &'static str, rule: Rule, holds: bool, text: impl Into<String>) {
        if !holds {
            self.0.push(Violation { method, rule, text: text.into() });
        }
    }

    /// Of the racers `met` are as they must be, and all must.
    fn one(&mut self, method: &'static str, met: usize, rule: &str) {
        let text = format!("of {RACERS} at once {rule}; it was not so");
        self.expect(method, Rule::Atomic, met == usize::from(RACERS), text);
    }

    /// All three methods under one key, from absent to absent.
    async fn one_after_another(
        &mut self,
        store: &dyn DedupStore,
        key: MessageId,
        value: &[u8],
        other: &[u8],
    ) -> Result<(), StoreError> {
        let (put, replace, remove) = ("put_if_absent", "replace_if", "remove_if");
        let shown = |value: &[u8]| format!("{:?}", value.escape_ascii().to_string());
        let changed = store.replace_if(key, value, other, LONG).await?;
        self.expect(replace, Rule::Presence, !changed, "a value was replaced that is not there");
        let removed = store.remove_if(key, value).await?;
        self.expect(remove, Rule::Presence, !removed, "a value was removed that is not there");
        let there = store.put_if_absent(key, value, LONG).await?;
        self.expect(put, Rule::Presence, there.is_none(), "a value is there that nobody put");
        let there = store.put_if_absent(key, other, LONG).await?;
        self.expect(put, Rule::Presence, there.is_some(), "a value is not there that was put");
        let text = format!("{} was put, and another was given", shown(value));
        self.expect(put, Rule::Bytes, there.as_deref().is_none_or(|there| there == value), text);
        for wrong in [other, b"?", &value.iter().copied().chain([0]).collect::<Vec<_>>()] {
            let text = format!("{} was taken for {}", shown(value), shown(wrong));
            let changed = store.replace_if(key, wrong, wrong, LONG).await?;
            self.expect(replace, Rule::Compare, !changed, text.clone());
            let removed = store.remove_if(key, wrong).await?;
            self.expect(remove, Rule::Compare, !removed, text);
        }
        let changed = store.replace_if(key, value, other, LONG).await?;
        self.expect(replace, Rule::Compare, changed, format!("{} was not replaced", shown(value)));
        let there = store.put_if_absent(key, value, LONG).await?;
        let text = format!("{} was put, and another was given", shown(other));
        self.expect(replace, Rule::Bytes, there.as_deref() == Some(other), text);
        let removed = store.remove_if(key, other).await?;
        self.expect(remove, Rule::Compare, removed, format!("{} was not removed", shown(other)));
        let there = store.put_if_absent(key, other, LONG).await?;
        self.expect(remove, Rule::Presence, there.is_none(), "a value is there that was removed");
        for leftover in [value, other] {
            store.remove_if(key, leftover).await?;
        }
        Ok(())
    }

    /// Keys that differ in one bit are apart.
    async fn apart(&mut self, store: &dyn DedupStore, unused: MessageId) -> Result<(), StoreError> {
        store.put_if_absent(unused, b"own", LONG).await?;
        let near = |bit: u32| MessageId::from_u128(unused.to_u128() ^ 1_u128.rotate_left(bit));
        for bit in 0..128 {
            let there = store.put_if_absent(near(bit), &[bit as u8], LONG).await?;
            let text = format!("ids that differ in bit {bit} are one key");
            self.expect("put_if_absent", Rule::Keys, there.is_none(), text);
        }
        for bit in 0..128 {
            let removed = store.remove_if(near(bit), &[bit as u8]).await?;
            let text = format!("the value under the id that differs in bit {bit} is another's");
            self.expect("remove_if", Rule::Keys, removed, text);
        }
        store.remove_if(unused, b"own").await?;
        Ok(())
    }
}

/// How many are as they must be where one alone is to have done it.
fn met(done: &[bool]) -> usize {
    match done.iter().filter(|done| **done).count() {
        1 => done.len(),
        _ => 0,
    }
}

type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Polls them side by side, until all are done.
async fn at_once<'a, T>(asked: impl Iterator<Item = Asked<'a, T>>) -> Result<Vec<T>, StoreError> {
    let mut under_way: Vec<_> = asked.map(|one| (one, None)).collect();
    poll_fn(|context| {
        for (one, answer) in &mut under_way {
            if answer.is_none()
                && let Poll::Ready(ready) = one.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if under_way.iter().all(|(_, answer)| answer.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    under_way.into_iter().filter_map(|(_, answer)| answer).collect()
}
