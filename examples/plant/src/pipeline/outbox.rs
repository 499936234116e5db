//! The gateway's outbox: store and forward on a disk that is not endless, and an account of what became of each
//! message.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::time::Period;
use rusqlite::{Connection, ErrorCode, params};

use super::kept::Kept;
use crate::error::Result;

/// In bytes. Small, so that a disk of a few kilobytes is possible.
const PAGE: u32 = 512;
/// How many pages the disk has unless something takes them.
const PAGES: u64 = 4096;
const KEPT: usize = 16_384;
/// A message that was delivered sooner was not kept: so long a reading and a sending may take.
const LATER: TimeDelta = TimeDelta::seconds(2);

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its row, for [`Outbox::sent`].
    pub row: i64,
    /// When it was made.
    pub made: DateTime<Utc>,
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// What the outbox did over a period. Byte counts are of its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// How much its disk holds, in bytes.
    pub capacity: u64,
    /// The most that was used in the period, in bytes.
    pub peak_used: u64,
    /// How many messages it dropped in the period.
    pub dropped: u64,
    /// How many messages made in the period still wait.
    pub unsent: u64,
    /// When the oldest of them was made.
    pub oldest_unsent: Option<DateTime<Utc>>,
    /// How many messages made in the period it had to keep, and delivered later.
    pub delivered: u64,
    /// From when on the counts are complete; none while nothing was forgotten.
    pub complete_from: Option<DateTime<Utc>>,
}

/// An outbox in an SQLite database with a limit to its size.
#[derive(Debug)]
pub struct Outbox {
    database: Mutex<Connection>,
    account: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    /// When each was dropped.
    dropped: Kept<()>,
    /// When each that was delivered later was made.
    delivered: Kept<()>,
    used: Kept<u64>,
}

impl Outbox {
    /// Opens an outbox, and makes it if it is not there.
    ///
    /// # Errors
    /// When the file is no such database.
    pub fn open(path: &Path) -> Result<Self> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "page_size", PAGE)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "synchronous", "normal")?;
        set_limit(&database, PAGES)?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS message (
                 row INTEGER PRIMARY KEY AUTOINCREMENT,
                 made_us INTEGER NOT NULL,
                 topic TEXT NOT NULL,
                 payload BLOB NOT NULL
             );",
        )?;
        let books = Books { dropped: Kept::new(KEPT), delivered: Kept::new(KEPT), used: Kept::new(KEPT) };
        Ok(Self { database: Mutex::new(database), account: Mutex::new(books) })
    }

    /// Stores a message; where the disk is full, the oldest are dropped until there is room.
    ///
    /// # Errors
    /// When the database refuses for another reason.
    pub fn store(&self, made: DateTime<Utc>, topic: &str, payload: &[u8]) -> Result<()> {
        let database = self.database();
        let now = Utc::now();
        let mut books = self.books();
        loop {
            let stored = database.execute(
                "INSERT INTO message (made_us, topic, payload) VALUES (?1, ?2, ?3)",
                params![made.timestamp_micros(), topic, payload],
            );
            match stored {
                Ok(_) => break,
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                    books.dropped.enter(now, ());
                    let oldest = "DELETE FROM message WHERE row = (SELECT min(row) FROM message)";
                    if database.execute(oldest, [])? == 0 {
                        // Not even one fits: the message itself was dropped.
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let used = used(&database)?;
        books.used.enter(now, used);
        Ok(())
    }

    /// The oldest messages, at most `limit`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn oldest(&self, limit: u32) -> Result<Vec<Waiting>> {
        let database = self.database();
        let mut query = database
            .prepare_cached("SELECT row, made_us, topic, payload FROM message ORDER BY row LIMIT ?1")?;
        let rows = query.query_map([limit], |row| {
            let made = DateTime::from_timestamp_micros(row.get(1)?).unwrap_or_default();
            Ok(Waiting { row: row.get(0)?, made, topic: row.get(2)?, payload: row.get(3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Takes out a message that the broker has acknowledged.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sent(&self, message: &Waiting) -> Result<()> {
        self.database().execute("DELETE FROM message WHERE row = ?1", [message.row])?;
        if Utc::now() - message.made > LATER {
            self.books().delivered.enter(message.made, ());
        }
        Ok(())
    }

    /// How many messages wait.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn unsent(&self) -> Result<u64> {
        let unsent =
            self.database().query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0))?;
        Ok(unsent.unsigned_abs())
    }

    /// Something else on the gateway fills its disk: the outbox can grow by so many pages, and no further.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn squeeze(&self, pages: u64) -> Result<()> {
        let database = self.database();
        let has = database.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))?;
        set_limit(&database, has.unsigned_abs() + pages)
    }

    /// The disk has room again.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn release(&self) -> Result<()> {
        set_limit(&self.database(), PAGES)
    }

    /// What it did over a period.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn account(&self, period: Period) -> Result<Account> {
        let database = self.database();
        let limit = database.pragma_query_value(None, "max_page_count", |row| row.get::<_, i64>(0))?;
        let (unsent, oldest) = database.query_row(
            "SELECT count(*), min(made_us) FROM message WHERE made_us >= ?1 AND made_us < ?2",
            [period.start().timestamp_micros(), period.end().timestamp_micros()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)),
        )?;
        let books = self.books();
        let count = |log: &Kept<()>| log.within(period).count() as u64;
        let forgot = [books.dropped.complete_from(), books.delivered.complete_from()];
        Ok(Account {
            capacity: limit.unsigned_abs() * u64::from(PAGE),
            peak_used: books.used.within(period).map(|(_, used)| *used).max().unwrap_or(used(&database)?),
            dropped: count(&books.dropped),
            unsent: unsent.unsigned_abs(),
            oldest_unsent: oldest.and_then(DateTime::from_timestamp_micros),
            delivered: count(&books.delivered),
            complete_from: forgot.into_iter().chain([books.used.complete_from()]).flatten().max(),
        })
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set_limit(database: &Connection, pages: u64) -> Result<()> {
    // It answers with the limit in force.
    Ok(database.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
}

/// How many bytes of its disk are in use: its pages, less those that are free to be written again.
fn used(database: &Connection) -> Result<u64> {
    let count = |name| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((count("page_count")? - count("freelist_count")?).unsigned_abs() * u64::from(PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> (tempfile::TempDir, Outbox) {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox.db")).unwrap();
        (folder, outbox)
    }

    fn lately() -> Period {
        Period::new(Utc::now() - TimeDelta::minutes(1), Utc::now() + TimeDelta::minutes(1)).unwrap()
    }

    #[test]
    fn outbox_is_ordered_and_counts_the_late() {
        let (_folder, outbox) = outbox();
        outbox.store(Utc::now() - TimeDelta::seconds(9), "topic", b"a").unwrap();
        outbox.store(Utc::now(), "topic", b"b").unwrap();
        let account = outbox.account(lately()).unwrap();
        assert_eq!((account.unsent, account.delivered, account.dropped), (2, 0, 0));
        for message in outbox.oldest(9).unwrap() {
            outbox.sent(&message).unwrap();
        }
        let account = outbox.account(lately()).unwrap();
        assert_eq!((account.unsent, account.delivered, account.oldest_unsent), (0, 1, None));
    }

    #[test]
    fn full_disk_drops_the_oldest_and_counts_each() {
        let (_folder, outbox) = outbox();
        outbox.squeeze(8).unwrap();
        let stored = 100;
        for number in 0..stored {
            outbox.store(Utc::now(), "topic", format!("{number:0200}").as_bytes()).unwrap();
        }
        let account = outbox.account(lately()).unwrap();
        assert!(account.dropped > 50, "{account:?}");
        assert_eq!(account.dropped + account.unsent, stored);
        assert!(account.peak_used * 100 >= account.capacity * 95, "{account:?}");
        let oldest = &outbox.oldest(1).unwrap()[0].payload;
        assert_eq!(*oldest, format!("{:0200}", account.dropped).into_bytes());
        outbox.release().unwrap();
        outbox.store(Utc::now(), "topic", b"a").unwrap();
        assert_eq!(outbox.account(lately()).unwrap().dropped, account.dropped);
    }
}
