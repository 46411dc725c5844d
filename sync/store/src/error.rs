//! What can go wrong with the database, and what people do about it.

use std::path::PathBuf;

use holdfast_domain::identity::AuthorId;
use holdfast_domain::scope::StreamId;
use rusqlite::ErrorCode;

/// Why the store could not do it. After any error nothing of the transaction at hand is saved.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory belongs to a running node.
    #[error("another holdfast is running on this data directory ({} is locked); stop it first, or choose another directory", .path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The directory or a file in it cannot be made, opened or written.
    #[error("{} cannot be opened for writing; check that its directory exists, is not read-only and belongs to this user", .path.display())]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a database; move it away (keep it) and restore a backup, or start without it: what peers hold comes back by itself", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A database, but not of holdfast.
    #[error("{} is the database of another program; nothing was changed; choose another data directory", .path.display())]
    ForeignDatabase {
        /// The file.
        path: PathBuf,
    },
    /// A later holdfast has written here.
    #[error("{} was written by a later holdfast (format {found}, this one knows {known}); nothing was changed; install that version again", .path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Version of the schema found.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// The step back was never promised.
    #[error(
        "the database cannot be taken back to format {version}; restore a backup made by the version you want to run"
    )]
    NoWayBack {
        /// Version of the schema asked for.
        version: u32,
    },
    /// Pages of the file are damaged.
    #[error(
        "the database is damaged ({fault}); stop the node, move holdfast.db and its -wal file away (keep them) and \
         restore a backup, or start without: what peers hold comes back by itself"
    )]
    Corrupt {
        /// What SQLite said.
        fault: String,
    },
    /// No room left.
    #[error("the disk is full; nothing was saved; free some space and repeat")]
    DiskFull,
    /// The file system has become read-only.
    #[error("the database has become read-only; check the disk (a failing card is often remounted so) and its mount")]
    ReadOnly,
    /// The disk failed to read or write.
    #[error("the disk failed to read or write; check the cable, the card and the system log")]
    Disk {
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Another program holds the database.
    #[error("another program holds the database locked; close it (a database browser, a backup tool) and repeat")]
    Busy,
    /// The file system cannot carry a write-ahead log.
    #[error("{} lies on a file system without shared memory, such as a network share; use a local disk", .path.display())]
    NoWal {
        /// The file.
        path: PathBuf,
    },
    /// A row that cannot be what was written.
    #[error("a row of {table} cannot be read ({fault}); `holdfast doctor` writes the views anew from the entries")]
    Row {
        /// The table or the kind of row.
        table: &'static str,
        /// What is wrong.
        fault: String,
    },
    /// An entry whose place is not at the end of its author's chain.
    #[error("{stream}: entry {seq} of {author} does not follow entry {newest}; nothing was saved")]
    OutOfOrder {
        /// The stream.
        stream: StreamId,
        /// The author.
        author: AuthorId,
        /// Number of the entry.
        seq: u64,
        /// Newest number held.
        newest: u64,
    },
    /// A register where a chained entry belongs, or the other way round.
    #[error("{stream}: registers are put by key, all other entries are appended")]
    WrongFamily {
        /// The stream.
        stream: StreamId,
    },
    /// An earlier write of the transaction failed, so its commit is refused.
    #[error("an earlier write of this step failed; nothing of it was saved")]
    Spoiled,
    /// A document that does not load from its snapshot and entries.
    #[error("document {stream} does not load ({fault}); `holdfast doctor` shows what is damaged")]
    Document {
        /// The stream, as `scope/kind`.
        stream: String,
        /// What is wrong.
        fault: String,
    },
    /// Files of blobs could not be made durable.
    #[error("files of attachments could not be made durable; nothing was saved; check the disk and its free space")]
    Blobs {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A cursor that this list never gave.
    #[error("the cursor is not one that this list gave; leave it out to begin at the first page")]
    BadCursor,
    /// The copy could not be made; an unfinished copy has been removed.
    #[error("the backup {} could not be written; check that it does not exist yet, and the free space there", .path.display())]
    Backup {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// SQLite refused a statement: a fault of holdfast itself.
    #[error("the database refused a statement; please report this with the line that follows")]
    Sql {
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        match (source.sqlite_error_code(), &source) {
            (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => {
                Self::Corrupt { fault: source.to_string() }
            }
            (Some(ErrorCode::DiskFull), _) => Self::DiskFull,
            (Some(ErrorCode::ReadOnly), _) => Self::ReadOnly,
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => Self::Busy,
            (Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen), _) => Self::Disk { source },
            (
                None,
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..),
            ) => Self::Row { table: "the database", fault: source.to_string() },
            _ => Self::Sql { source },
        }
    }
}
