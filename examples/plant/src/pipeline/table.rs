//! The time-series table: SQLite.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use crate::error::Result;

/// In bytes. Small, so that a full disk is soon full.
const PAGE: u32 = 512;
/// How long a write waits for another's lock.
const BUSY_FOR: Duration = Duration::from_millis(20);
const PAGES: u64 = 1 << 20;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// When the sample was taken.
    pub at: DateTime<Utc>,
    /// When it was written.
    pub arrived: DateTime<Utc>,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

/// Somebody's transaction that holds the lock on writing, until it is dropped.
#[derive(Debug)]
pub struct Locked {
    _transaction: Mutex<Connection>,
}

impl Table {
    /// Opens the table, and makes it if it is not there.
    ///
    /// # Errors
    /// When the file is no such database.
    pub fn open(path: &Path) -> Result<Self> {
        let writer = Connection::open(path)?;
        writer.pragma_update(None, "page_size", PAGE)?;
        writer.pragma_update(None, "journal_mode", "wal")?;
        writer.pragma_update(None, "synchronous", "normal")?;
        writer.busy_timeout(BUSY_FOR)?;
        writer.execute_batch(
            "CREATE TABLE IF NOT EXISTS sample (
                 device TEXT NOT NULL,
                 at_us INTEGER NOT NULL,
                 value REAL NOT NULL,
                 arrived_us INTEGER NOT NULL,
                 PRIMARY KEY (device, at_us)
             ) WITHOUT ROWID;",
        )?;
        let reader = Connection::open(path)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Writes a row. What is there already stays.
    ///
    /// # Errors
    /// When the database does not take it: locked by another, or the disk is full.
    pub fn write(&self, device: &str, at: DateTime<Utc>, value: f64) -> rusqlite::Result<()> {
        lock(&self.writer).execute(
            "INSERT OR IGNORE INTO sample VALUES (?1, ?2, ?3, ?4)",
            params![device, at.timestamp_micros(), value, Utc::now().timestamp_micros()],
        )?;
        Ok(())
    }

    /// The rows of a device, in the order in which they were taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn rows(&self, device: &str) -> Result<Vec<Row>> {
        let reader = lock(&self.reader);
        let mut query =
            reader.prepare_cached("SELECT at_us, arrived_us FROM sample WHERE device = ?1 ORDER BY at_us")?;
        let moment = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default();
        let rows = query
            .query_map([device], |row| Ok(Row { at: moment(row.get(0)?), arrived: moment(row.get(1)?) }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When the newest row of a device was taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn newest(&self, device: &str) -> Result<Option<DateTime<Utc>>> {
        let newest = lock(&self.reader).query_row(
            "SELECT max(at_us) FROM sample WHERE device = ?1",
            [device],
            |row| row.get::<_, Option<i64>>(0),
        )?;
        Ok(newest.and_then(DateTime::from_timestamp_micros))
    }

    /// Somebody begins a transaction that writes, and leaves it open: a migration, or a console forgotten.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn lock_out(&self) -> Result<Locked> {
        let transaction = Connection::open(&self.path)?;
        transaction.busy_timeout(Duration::from_secs(5))?;
        transaction.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Locked { _transaction: Mutex::new(transaction) })
    }

    /// Its disk is full: it grows no further.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn fill_disk(&self) -> Result<()> {
        let writer = lock(&self.writer);
        let has = writer.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))?;
        limit(&writer, has.unsigned_abs())
    }

    /// Its disk has room again.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn free_disk(&self) -> Result<()> {
        limit(&lock(&self.writer), PAGES)
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn limit(database: &Connection, pages: u64) -> Result<()> {
    // It answers with the limit in force.
    Ok(database.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn rows_are_refused_while_another_writes_or_the_disk_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let table = Table::open(&folder.path().join("table.db")).unwrap();
        let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
        table.write("press-9", at(1), 1.0).unwrap();
        let locked = table.lock_out().unwrap();
        let refused = table.write("press-9", at(2), 1.0).unwrap_err();
        assert!(refused.to_string().contains("locked"), "{refused}");
        drop(locked);
        table.write("press-9", at(2), 1.0).unwrap();
        table.fill_disk().unwrap();
        let refused = (3..99).find_map(|second| table.write("press-9", at(second), 1.0).err()).unwrap();
        assert!(refused.to_string().contains("full"), "{refused}");
        table.free_disk().unwrap();
        table.write("press-9", at(99), 1.0).unwrap();
        assert_eq!(table.newest("press-9").unwrap(), Some(at(99)));
        assert_eq!(table.newest("press-8").unwrap(), None);
        assert!(table.rows("press-9").unwrap().is_sorted_by_key(|row| row.at));
    }
}
