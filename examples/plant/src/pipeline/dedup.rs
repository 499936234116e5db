//! Deduplication in the ingestion: by the id alone, as many run it, or by the library's engine.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    dedup::{Deduplicator, Device, Fingerprint, Message, Secret, Settings},
    probe::Dropped,
    time::Period,
};

use super::kept::Kept;
use crate::error::{Error, Result};

/// The pipeline has one device.
const ONE: Device = match Device::new(1) {
    Ok(device) => device,
    Err(_) => Device::MAX,
};
const TTL: TimeDelta = TimeDelta::hours(6);
const KEPT: usize = 8192;

/// Which deduplication the ingestion has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By the id alone, as with `SET id NX`: what has the id of another message is dropped, whatever is in it.
    ById,
    /// The same, and its log keeps no contents: nobody can tell from it which of the dropped were copies.
    Blind,
    /// By the library's engine, which tells a copy from a collision.
    Engine,
}

/// The deduplication.
#[derive(Debug)]
pub enum Dedup {
    /// By the id alone.
    ById(ById),
    /// The library's engine, and the secret that its ids and fingerprints are made by.
    Engine(Box<Deduplicator>, Secret),
}

/// Ids with what had them first, and the log of what was dropped.
#[derive(Debug)]
pub struct ById {
    seen: HashMap<String, (DateTime<Utc>, Fingerprint)>,
    secret: Secret,
    keeps_contents: bool,
    dropped: Kept<DroppedMessage>,
}

/// A message that was dropped.
#[derive(Clone, Copy, Debug)]
struct DroppedMessage {
    /// When its sample was taken.
    made: DateTime<Utc>,
    /// Whether it was no copy of the one that had its id first.
    collided: bool,
}

impl Dedup {
    /// An empty window.
    ///
    /// # Errors
    /// When the engine refuses its settings.
    pub fn new(how: How) -> Result<Self> {
        Ok(match how {
            How::ById | How::Blind => Self::ById(ById {
                seen: HashMap::new(),
                secret: Secret::random(),
                keeps_contents: how == How::ById,
                dropped: Kept::new(KEPT),
            }),
            How::Engine => {
                let settings = Settings::new(TTL);
                let engine = Deduplicator::with_settings(&settings)
                    .map_err(|error| Error::Refused(error.to_string()))?;
                Self::Engine(Box::new(engine), settings.secret)
            }
        })
    }

    /// Whether a message is dropped whose sample was taken at `made`.
    pub fn drops(&mut self, id: &str, payload: &[u8], made: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        match self {
            Self::ById(window) => window.drops(id, payload, made, now),
            Self::Engine(engine, secret) => {
                let message = Message::new(secret.id(id.as_bytes()), ONE, secret.fingerprint(payload));
                engine.observe(&message, now).drops()
            }
        }
    }

    /// What was dropped in a period. `is_stored`: whether a sample of that time has a row.
    pub fn dropped(
        &self,
        asked: Period,
        now: DateTime<Utc>,
        is_stored: impl Fn(DateTime<Utc>) -> bool,
    ) -> Dropped {
        match self {
            Self::ById(window) => {
                let covers = crate::adapters::covered(asked, window.dropped.complete_from(), now);
                let dropped = || window.dropped.within(asked).map(|(_, message)| message);
                let answer = |collided| Dropped::new(now, covers, dropped().count() as u64, collided);
                let answer = if window.keeps_contents {
                    answer(dropped().filter(|message| message.collided).count() as u64)
                } else {
                    let missing = dropped().map(|message| message.made).filter(|made| !is_stored(*made));
                    answer(0).with_unstored(missing.collect::<HashSet<_>>().len() as u64)
                };
                answer.with_ttl(TTL)
            }
            Self::Engine(engine, _) => Dropped::from_drops(&engine.dropped(ONE, asked), TTL, asked, now),
        }
    }
}

impl ById {
    fn drops(&mut self, id: &str, payload: &[u8], made: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let own = self.secret.fingerprint(payload);
        match self.seen.get(id) {
            Some((at, first)) if now - *at < TTL => {
                self.dropped.enter(now, DroppedMessage { made, collided: *first != own });
                true
            }
            _ => {
                self.seen.insert(id.to_owned(), (now, own));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_passes_reused_ids() {
        let now = Utc::now();
        let asked = Period::new(now - TimeDelta::minutes(1), now + TimeDelta::minutes(1)).unwrap();
        let later = now + TimeDelta::seconds(1);
        for (how, passed, dropped, collided, unstored) in [
            (How::ById, false, 2, 1, None),
            (How::Blind, false, 2, 0, Some(1)),
            (How::Engine, true, 1, 0, None),
        ] {
            let mut dedup = Dedup::new(how).unwrap();
            assert!(!dedup.drops("a", b"1", now, now));
            assert!(dedup.drops("a", b"1", now, now));
            assert_eq!(!dedup.drops("a", b"2", later, now), passed, "{how:?}");
            let answer = dedup.dropped(asked, now + TimeDelta::minutes(1), |made| made == now);
            assert_eq!((answer.dropped, answer.collided), (dropped, collided), "{how:?}");
            assert_eq!(answer.unstored, unstored, "{how:?}");
        }
    }
}
