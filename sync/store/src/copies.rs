//! Copies of the database: a backup while the node runs, and a clone in memory.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::StoreError;
use crate::lock::private_file;
use crate::store::Store;
use crate::views::Views;

impl Store {
    /// Writes a copy of all that is committed to `path`, where nothing may be yet. The copy is whole and on disk when
    /// this returns; it is a database like this one, to be opened or put in its place. The writer waits meanwhile:
    /// [`Views::backup_to`] does not make it wait.
    pub fn backup_to(&self, path: &Path) -> Result<(), StoreError> {
        backup(self.conn(), path)
    }

    /// A copy of all that is committed, as a store in memory: what a cloned disk would hold.
    pub fn fork_copy(&self) -> Result<Store, StoreError> {
        Store::filled(self.blobs.room.fork_copy(), |uri| {
            self.conn().execute("VACUUM INTO ?1", [uri])?;
            Ok(())
        })
    }
}

impl Views {
    /// Writes a copy of all that is committed to `path`, where nothing may be yet, while the writer goes on. The copy is
    /// whole and on disk when this returns.
    pub fn backup_to(&self, path: &Path) -> Result<(), StoreError> {
        // The copy is another database, but SQLite's guard against writing means every database.
        self.conn().pragma_update(None, "query_only", false)?;
        let done = backup(self.conn(), path);
        self.conn().pragma_update(None, "query_only", true)?;
        done
    }
}

fn backup(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let partial = partial(path);
    let done = write(conn, path, &partial);
    if done.is_err() {
        // An unfinished copy is of no use; if it cannot be removed, the next backup overwrites it.
        drop(std::fs::remove_file(&partial));
    }
    done.map_err(|source| StoreError::Backup { path: path.to_owned(), source })
}

fn write(conn: &Connection, path: &Path, partial: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if path.try_exists()? {
        return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists).into());
    }
    if partial.try_exists()? {
        std::fs::remove_file(partial)?;
    }
    let file = private_file(partial)?;
    let target = partial.to_str().ok_or("the path is not UTF-8")?;
    conn.execute("VACUUM INTO ?1", [target])?;
    file.sync_all()?;
    std::fs::rename(partial, path)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".partial");
    // Absolute where possible: SQLite takes a name that begins with `file:` for a URI.
    std::path::absolute(path.with_file_name(&name)).unwrap_or_else(|_| path.with_file_name(name))
}
