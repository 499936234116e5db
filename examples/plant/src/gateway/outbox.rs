//! A gateway's outbox: store and forward on disk.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// How many messages an outbox holds; beyond that the oldest are dropped.
pub const CAPACITY: u64 = 10_000;

const BUSY_FOR: Duration = Duration::from_millis(500);

/// The numbers of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// How many messages it holds at most.
    pub capacity: u64,
    /// How many wait to be sent.
    pub unsent: u64,
    /// How many were dropped, ever.
    pub dropped: u64,
    /// When the oldest that waits was stored.
    pub oldest_unsent: Option<DateTime<Utc>>,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its row, for [`Outbox::sent`].
    pub row: i64,
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// An outbox in an SQLite database.
#[derive(Debug)]
pub struct Outbox {
    database: Mutex<Connection>,
    capacity: u64,
}

impl Outbox {
    /// Opens an outbox, and makes it if it is not there.
    ///
    /// # Errors
    /// When the file is no such database.
    pub fn open(path: &Path) -> Result<Self> {
        Self::with_capacity(path, CAPACITY)
    }

    fn with_capacity(path: &Path, capacity: u64) -> Result<Self> {
        let database = Connection::open(path)?;
        database.busy_timeout(BUSY_FOR)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        // A message may be lost with the machine, not with the process: what a gateway's flash can bear.
        database.pragma_update(None, "synchronous", "normal")?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS message (
                 row INTEGER PRIMARY KEY AUTOINCREMENT,
                 stored_ms INTEGER NOT NULL,
                 topic TEXT NOT NULL,
                 payload BLOB NOT NULL
             );
             CREATE TABLE IF NOT EXISTS dropped (count INTEGER NOT NULL);
             INSERT INTO dropped SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM dropped);",
        )?;
        Ok(Self { database: Mutex::new(database), capacity })
    }

    /// Stores a message; where the outbox is full, the oldest is dropped for it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn store(&self, topic: &str, payload: &[u8]) -> Result<()> {
        let mut database = self.database();
        let transaction = database.transaction()?;
        transaction.execute(
            "INSERT INTO message (stored_ms, topic, payload) VALUES (?1, ?2, ?3)",
            params![Utc::now().timestamp_millis(), topic, payload],
        )?;
        // SQLite's integers are signed; no outbox holds more than they can say.
        let capacity = i64::try_from(self.capacity).unwrap_or(i64::MAX);
        transaction
            .execute("DELETE FROM message WHERE row <= (SELECT max(row) FROM message) - ?1", [capacity])?;
        transaction.execute("UPDATE dropped SET count = count + changes()", [])?;
        transaction.commit()?;
        Ok(())
    }

    /// The oldest messages, at most `limit`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn oldest(&self, limit: u32) -> Result<Vec<Message>> {
        let database = self.database();
        let mut query =
            database.prepare_cached("SELECT row, topic, payload FROM message ORDER BY row LIMIT ?1")?;
        let rows = query.query_map([limit], |row| {
            Ok(Message { row: row.get(0)?, topic: row.get(1)?, payload: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Takes out a message that the broker has acknowledged.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sent(&self, row: i64) -> Result<()> {
        self.database().execute("DELETE FROM message WHERE row = ?1", [row])?;
        Ok(())
    }

    /// Its numbers.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn numbers(&self) -> Result<Numbers> {
        read_numbers(&self.database(), self.capacity)
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the numbers of an outbox from outside, whether its gateway runs or not.
///
/// # Errors
/// When there is no such database.
pub fn numbers_at(path: &Path) -> Result<Numbers> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    database.busy_timeout(BUSY_FOR)?;
    read_numbers(&database, CAPACITY)
}

fn read_numbers(database: &Connection, capacity: u64) -> Result<Numbers> {
    let (unsent, oldest) = database.query_row("SELECT count(*), min(stored_ms) FROM message", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    let dropped = database.query_row("SELECT count FROM dropped", [], |row| row.get::<_, i64>(0))?;
    Ok(Numbers {
        capacity,
        unsent: unsent.unsigned_abs(),
        dropped: dropped.unsigned_abs(),
        oldest_unsent: oldest.and_then(DateTime::from_timestamp_millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outbox_is_ordered_and_sends_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        let outbox = Outbox::open(&path).unwrap();
        for payload in ["a", "b", "c"] {
            outbox.store("topic", payload.as_bytes()).unwrap();
        }
        let messages = outbox.oldest(2).unwrap();
        assert_eq!(messages[0].payload, b"a");
        assert_eq!(messages[1].payload, b"b");
        outbox.sent(messages[0].row).unwrap();
        assert_eq!(outbox.oldest(1).unwrap()[0].payload, b"b");
        let numbers = numbers_at(&path).unwrap();
        assert_eq!((numbers.unsent, numbers.dropped), (2, 0));
        assert!(numbers.oldest_unsent.is_some());
    }

    #[test]
    fn what_was_stored_survives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        Outbox::open(&path).unwrap().store("topic", b"a").unwrap();
        assert_eq!(Outbox::open(&path).unwrap().oldest(9).unwrap().len(), 1);
    }

    #[test]
    fn full_outbox_drops_the_oldest_and_counts_them() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::with_capacity(&folder.path().join("outbox.db"), 2).unwrap();
        for payload in ["a", "b", "c", "d"] {
            outbox.store("topic", payload.as_bytes()).unwrap();
        }
        let numbers = outbox.numbers().unwrap();
        assert_eq!((numbers.unsent, numbers.dropped), (2, 2));
        assert_eq!(outbox.oldest(1).unwrap()[0].payload, b"c");
    }

    #[test]
    fn a_broken_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        std::fs::write(&path, [0x5a; 8192]).unwrap();
        assert!(Outbox::open(&path).is_err());
    }
}
