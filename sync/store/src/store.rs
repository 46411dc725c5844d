//! The database of a node: opening it, and the one transaction of a step.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::blobs::room::Room;
use crate::blobs::{self, Blobs};
use crate::error::StoreError;
use crate::lock::{Lock, private_directory, private_file};
use crate::marks;
use crate::rows::{one, sql};
use crate::schema;
use crate::views::Views;

/// The database of a node, with its one writer.
///
/// Writes go through a [`Txn`]; reads of the store see what the open transaction has written so far. Whoever only asks
/// the views takes a [`Store::reader`], which sees what is committed. Dropping the store closes the database cleanly,
/// but nothing depends on that: what a commit returned for survives a power cut.
pub struct Store {
    // Closed before the lock is let go of.
    conn: Connection,
    place: Place,
    rev: Cell<u64>,
    pub(crate) blobs: Blobs,
    fail_commits: Cell<bool>,
    _lock: Option<Lock>,
}

/// Where the database lies.
#[derive(Debug, Clone)]
enum Place {
    /// A file.
    File(PathBuf),
    /// Memory shared under this URI within the process.
    Memory(String),
}

/// Names databases in memory apart.
static MEMORY: AtomicU64 = AtomicU64::new(0);

/// Pages the writer keeps in memory, KiB: enough for the upper pages of a million entries.
const WRITER_CACHE_KIB: i64 = 8 << 10;

/// How long to wait for a backup tool or a shell that holds the database; no other holdfast can.
const BUSY_MS: u64 = 5_000;

/// What the log file is cut back to after it was copied into the database, bytes.
const WAL_BYTES: i64 = 8 << 20;

/// Databases up to this size are read through when they are opened. It costs about 20 ms on a laptop, below half a
/// second on a Pi's card; larger ones are checked by `doctor`, and page by page as they are used.
const QUICK_CHECK_BYTES_MAX: u64 = 16 << 20;

/// Statements kept compiled: all that this room uses, with room for the variants of lists.
pub(crate) const STATEMENTS: usize = 160;

impl Store {
    /// Opens the database at `path`, making it (and its directory, for its owner alone) if there is none, and takes it
    /// to the newest schema. Recovers by itself from a power cut.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let not_writable = |source| StoreError::NotWritable { path: path.to_owned(), source };
        // Absolute, so that no name can be taken for an SQLite URI.
        let path = std::path::absolute(path).map_err(not_writable)?;
        if let Some(directory) = path.parent() {
            private_directory(directory).map_err(not_writable)?;
        }
        let lock = Lock::take(&path)?;
        let size = private_file(&path).and_then(|file| file.metadata()).map_err(not_writable)?.len();
        let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        recognise(&conn, &path)?;
        let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(StoreError::NoWal { path });
        }
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "fullfsync", true)?;
        conn.pragma_update(None, "checkpoint_fullfsync", true)?;
        conn.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
        if size <= QUICK_CHECK_BYTES_MAX {
            quick_check(&conn)?;
        }
        let folder = path.with_file_name("blobs");
        let room = Room::folder(&folder).map_err(|source| StoreError::NotWritable { path: folder, source })?;
        Self::ready(conn, Place::File(path), Some(lock), room)
    }

    /// A database in memory that lives as long as this store; for tests and the simulated world. Readers see what is
    /// committed, as with a file, but wait while a transaction is open.
    pub fn memory() -> Result<Self, StoreError> {
        Self::filled(Room::memory(), |_| Ok(()))
    }

    /// The database behind `conn`, brought to the newest schema.
    fn ready(conn: Connection, place: Place, lock: Option<Lock>, room: Room) -> Result<Self, StoreError> {
        conn.busy_timeout(Duration::from_millis(BUSY_MS))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        // Nothing of a mission may end up in a temporary file that others can read.
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        schema::migrate(&conn)?;
        blobs::reconcile(&conn, &room)?;
        let rev = newest_rev(&conn)?;
        let blobs = Blobs::new(room);
        Ok(Self { conn, place, rev: Cell::new(rev), blobs, fail_commits: Cell::new(false), _lock: lock })
    }

    /// The store on a fresh database in memory that `fill` fills, given its URI.
    pub(crate) fn filled(room: Room, fill: impl FnOnce(&str) -> Result<(), StoreError>) -> Result<Self, StoreError> {
        let uri = memory_uri();
        // Open before it is filled: a database in memory is gone when its last connection is.
        let conn = open_memory(&uri)?;
        fill(&uri)?;
        Self::ready(conn, Place::Memory(uri), None, room)
    }

    /// Begins the transaction of a step. There can be one at a time; dropped without a commit it leaves no trace.
    pub fn begin(&self) -> Result<Txn<'_>, StoreError> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        Ok(Txn {
            store: self,
            rev_before: self.rev.get(),
            spoiled: Cell::new(false),
            number: Cell::new(None),
            open: true,
        })
    }

    /// A connection for questions to the views, beside this one.
    pub fn reader(&self) -> Result<Views, StoreError> {
        match &self.place {
            Place::File(path) => Views::open(path),
            Place::Memory(uri) => Views::over(open_memory(uri)?),
        }
    }

    /// The newest revision of a view row, counting the open transaction.
    pub fn newest_rev(&self) -> u64 {
        self.rev.get()
    }

    /// A value that the node keeps about itself.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        one(&self.conn, "SELECT value FROM meta WHERE name = ?1", [name], |row| Ok(row.get(0)?))
    }

    /// Makes every commit fail as on a full disk, or ends that: how tests cut the power at the worst moment.
    #[doc(hidden)]
    pub fn fail_commits(&self, fail: bool) {
        self.fail_commits.set(fail);
    }

    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }
}

/// All that one step writes: on disk together when [`Txn::commit`] returns, or not at all.
///
/// After a write that failed the rest is refused, and so is the commit.
pub struct Txn<'a> {
    store: &'a Store,
    rev_before: u64,
    spoiled: Cell<bool>,
    /// Its number among the steps in which chains grew, once it is known.
    number: Cell<Option<u64>>,
    open: bool,
}

impl Txn<'_> {
    /// The number of this step among those in which chains grew.
    pub(crate) fn number(&self, conn: &Connection) -> Result<u64, StoreError> {
        if self.number.get().is_none() {
            self.number.set(Some(marks::newest_growth(conn)? + 1));
        }
        Ok(self.number.get().unwrap_or(1))
    }

    /// Keeps a value about the node itself.
    pub fn put_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            conn.prepare_cached(put)?.execute((name, value))?;
            Ok(())
        })
    }

    /// Makes everything durable. When this fails nothing of the step is saved.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.spoiled.get() {
            return Err(StoreError::Spoiled);
        }
        let rev = self.store.rev.get();
        if rev != self.rev_before {
            self.write(|conn| {
                conn.prepare_cached("UPDATE revision SET newest = ?1")?.execute([sql(rev)])?;
                Ok(())
            })?;
        }
        if self.store.fail_commits.get() {
            return Err(StoreError::DiskFull);
        }
        self.store.blobs.settle().map_err(|source| StoreError::Blobs { source })?;
        self.store.conn.prepare_cached("COMMIT")?.execute(())?;
        self.open = false;
        self.store.blobs.committed();
        Ok(())
    }

    /// Runs one write. After a fault SQLite may have ended the transaction by itself; writing on would then commit
    /// piece by piece, so the rest of the step is refused.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.spoiled.get() {
            return Err(StoreError::Spoiled);
        }
        let done = work(&self.store.conn);
        self.spoiled.set(done.is_err() || self.store.conn.is_autocommit());
        done
    }

    /// The revision that the next changed row gets; [`Txn::count_rev`] makes it used.
    pub(crate) fn next_rev(&self) -> u64 {
        self.store.rev.get() + 1
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.store.blobs
    }

    pub(crate) fn count_rev(&self) {
        self.store.rev.set(self.next_rev());
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        self.store.rev.set(self.rev_before);
        self.store.blobs.forget();
        if !self.store.conn.is_autocommit() {
            // A rollback cannot be refused; at worst the file's journal does it when it is opened next.
            drop(self.store.conn.execute_batch("ROLLBACK"));
        }
    }
}

/// Tells a database of ours, or an empty file, from anything else, before anything is written to it.
fn recognise(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let look = || -> rusqlite::Result<(i32, u32, u32)> {
        Ok((
            conn.pragma_query_value(None, "application_id", |row| row.get(0))?,
            conn.pragma_query_value(None, "user_version", |row| row.get(0))?,
            conn.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?,
        ))
    };
    let path = path.to_owned();
    match look() {
        Ok((schema::APPLICATION_ID, found, _)) if found > schema::VERSION => {
            Err(StoreError::NewerSchema { path, found, known: schema::VERSION })
        }
        Ok((schema::APPLICATION_ID, ..) | (0, 0, 0)) => Ok(()),
        Ok(_) => Err(StoreError::ForeignDatabase { path }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(StoreError::NotADatabase { path })
        }
        Err(error) => Err(error.into()),
    }
}

fn quick_check(conn: &Connection) -> Result<(), StoreError> {
    let said: String = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Corrupt { fault: said }) }
}

pub(crate) fn newest_rev(conn: &Connection) -> Result<u64, StoreError> {
    let newest: i64 = conn.prepare_cached("SELECT newest FROM revision")?.query_row((), |row| row.get(0))?;
    Ok(newest as u64)
}

/// A fresh name in SQLite's memory file system, which all connections of this process share. Unlike a shared cache it
/// lets readers see only what is committed, as they do with a file.
fn memory_uri() -> String {
    format!("file:/holdfast-{}?vfs=memdb", MEMORY.fetch_add(1, Ordering::Relaxed))
}

fn open_memory(uri: &str) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri, flags)?;
    // Spilled pages would lock readers out in the middle of a transaction.
    conn.pragma_update(None, "cache_spill", false)?;
    Ok(conn)
}

#[cfg(test)]
mod tests;
