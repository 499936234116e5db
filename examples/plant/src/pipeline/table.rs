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

/// A row by who made it, whatever series it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The series that it is in.
    pub series: String,
    /// The row.
    pub row: Row,
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
                 series TEXT NOT NULL,
                 at_us INTEGER NOT NULL,
                 value REAL NOT NULL,
                 arrived_us INTEGER NOT NULL,
                 device TEXT NOT NULL,
                 PRIMARY KEY (series, at_us)
             ) WITHOUT ROWID;",
        )?;
        let reader = Connection::open(path)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Writes a row of a device into a series. What is there already stays, and is shown in its place: false then.
    ///
    /// # Errors
    /// When the database does not take it: locked by another, or the disk is full.
    pub fn write(&self, series: &str, device: &str, at: DateTime<Utc>, value: f64) -> rusqlite::Result<bool> {
        let written = lock(&self.writer).execute(
            "INSERT OR IGNORE INTO sample VALUES (?1, ?2, ?3, ?4, ?5)",
            params![series, at.timestamp_micros(), value, Utc::now().timestamp_micros(), device],
        )?;
        Ok(written > 0)
    }

    /// The rows of a series, in the order in which they were taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn rows(&self, series: &str) -> Result<Vec<Row>> {
        let reader = lock(&self.reader);
        let mut query =
            reader.prepare_cached("SELECT at_us, arrived_us FROM sample WHERE series = ?1 ORDER BY at_us")?;
        let rows = query
            .query_map([series], |row| Ok(Row { at: moment(row.get(0)?), arrived: moment(row.get(1)?) }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The rows that a device made, in whatever series, in the order in which they were written.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn made_by(&self, device: &str) -> Result<Vec<Placed>> {
        let reader = lock(&self.reader);
        let mut query = reader.prepare_cached(
            "SELECT series, at_us, arrived_us FROM sample WHERE device = ?1 ORDER BY arrived_us",
        )?;
        let rows = query.query_map([device], |row| {
            let series = row.get(0)?;
            Ok(Placed { series, row: Row { at: moment(row.get(1)?), arrived: moment(row.get(2)?) } })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Moves the rows of one series into another. What is there already stays.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn merge(&self, from: &str, into: &str) -> Result<()> {
        lock(&self.writer)
            .execute("UPDATE OR IGNORE sample SET series = ?2 WHERE series = ?1", [from, into])?;
        Ok(())
    }

    /// When the newest row of a series was taken.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn newest(&self, series: &str) -> Result<Option<DateTime<Utc>>> {
        let newest = lock(&self.reader).query_row(
            "SELECT max(at_us) FROM sample WHERE series = ?1",
            [series],
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

fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
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
    fn locked_or_full_disk_refuses_rows() {
        let folder = tempfile::tempdir().unwrap();
        let table = Table::open(&folder.path().join("table.db")).unwrap();
        let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
        let write = |second| table.write("press-9", "press-9", at(second), 1.0);
        write(1).unwrap();
        let locked = table.lock_out().unwrap();
        let refused = write(2).unwrap_err();
        assert!(refused.to_string().contains("locked"), "{refused}");
        drop(locked);
        write(2).unwrap();
        table.fill_disk().unwrap();
        let refused = (3..99).find_map(|second| write(second).err()).unwrap();
        assert!(refused.to_string().contains("full"), "{refused}");
        table.free_disk().unwrap();
        write(99).unwrap();
        assert_eq!(table.newest("press-9").unwrap(), Some(at(99)));
        assert_eq!(table.newest("press-8").unwrap(), None);
        assert!(table.rows("press-9").unwrap().is_sorted_by_key(|row| row.at));
    }

    #[test]
    fn rows_are_found_in_any_series() {
        let folder = tempfile::tempdir().unwrap();
        let table = Table::open(&folder.path().join("table.db")).unwrap();
        let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
        assert!(table.write("press-9", "press-9", at(1), 1.0).unwrap());
        assert!(!table.write("press-9", "press-9", at(1), 2.0).unwrap());
        assert!(table.write("line-9", "press-9", at(2), 1.0).unwrap());
        let series = || table.made_by("press-9").unwrap().into_iter().map(|placed| placed.series);
        assert_eq!(series().collect::<Vec<_>>(), ["press-9", "line-9"]);
        table.merge("line-9", "press-9").unwrap();
        assert_eq!(series().collect::<Vec<_>>(), ["press-9", "press-9"]);
        assert_eq!(table.rows("press-9").unwrap().len(), 2);
        assert_eq!(table.made_by("line-9").unwrap(), []);
    }
}
