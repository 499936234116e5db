//! Deduplication in the ingestion: by the id alone, as many run it, or by the library's engine.

use std::collections::HashMap;

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

/// Ids with what had them first, and the log of what was dropped: of which device, and whether it was no copy.
#[derive(Debug)]
pub struct ById {
    seen: HashMap<String, (DateTime<Utc>, Fingerprint)>,
    secret: Secret,
    dropped: Kept<bool>,
}

impl Dedup {
    /// An empty window.
    ///
    /// # Errors
    /// When the engine refuses its settings.
    pub fn new(how: How) -> Result<Self> {
        Ok(match how {
            How::ById => {
                Self::ById(ById { seen: HashMap::new(), secret: Secret::random(), dropped: Kept::new(KEPT) })
            }
            How::Engine => {
                let settings = Settings::new(TTL);
                let engine = Deduplicator::with_settings(&settings)
                    .map_err(|error| Error::Refused(error.to_string()))?;
                Self::Engine(Box::new(engine), settings.secret)
            }
        })
    }

    /// Whether a message is dropped.
    pub fn drops(&mut self, id: &str, payload: &[u8], now: DateTime<Utc>) -> bool {
        match self {
            Self::ById(window) => window.drops(id, payload, now),
            Self::Engine(engine, secret) => {
                let message = Message::new(secret.id(id.as_bytes()), ONE, secret.fingerprint(payload));
                engine.observe(&message, now).drops()
            }
        }
    }

    /// What was dropped in a period.
    pub fn dropped(&self, asked: Period, now: DateTime<Utc>) -> Dropped {
        match self {
            Self::ById(window) => {
                let covers = crate::adapters::covered(asked, window.dropped.complete_from(), now);
                let dropped = window.dropped.within(asked).count() as u64;
                let collided = window.dropped.within(asked).filter(|(_, collided)| *collided).count() as u64;
                Dropped::new(now, covers, dropped, collided).with_ttl(TTL)
            }
            Self::Engine(engine, _) => Dropped::from_drops(&engine.dropped(ONE, asked), TTL, asked, now),
        }
    }
}

impl ById {
    fn drops(&mut self, id: &str, payload: &[u8], now: DateTime<Utc>) -> bool {
        let own = self.secret.fingerprint(payload);
        match self.seen.get(id) {
            Some((at, first)) if now - *at < TTL => {
                self.dropped.enter(now, *first != own);
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
        for (how, passed, collided) in [(How::ById, false, 1), (How::Engine, true, 0)] {
            let mut dedup = Dedup::new(how).unwrap();
            assert!(!dedup.drops("a", b"1", now));
            assert!(dedup.drops("a", b"1", now));
            assert_eq!(!dedup.drops("a", b"2", now), passed, "{how:?}");
            let dropped = dedup.dropped(asked, now + TimeDelta::minutes(1));
            assert_eq!((dropped.collided, dropped.dropped - dropped.collided), (collided, 1), "{how:?}");
        }
    }
}
