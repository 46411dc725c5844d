//! Entries as they come in: each author's chain in each stream, its head, and registers of which only the newest stays.

use std::collections::BTreeMap;

use holdfast_domain::entry::{Digest, Entry, stream_bytes};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::scope::{Family, StreamId, StreamKind};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::{all, author, digest, number, one, sql, stream};
use crate::store::{Store, Txn};

/// The newest entry held of an author in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRow {
    /// The stream.
    pub stream: StreamId,
    /// The author.
    pub author: AuthorId,
    /// Its number.
    pub seq: u64,
    /// Its digest.
    pub digest: Digest,
    /// The step that brought it, numbered from 1.
    pub grown: u64,
    /// The entry up to which nothing is needed any more; 0 if all is held.
    pub base: u64,
}

/// One author's entries in one stream, as far as they are held.
pub(crate) struct Chain {
    pub(crate) id: i64,
    pub(crate) seq: u64,
    pub(crate) digest: Digest,
    pub(crate) held: u64,
}

impl Chain {
    /// The chain of this author; begun if there is none.
    pub(crate) fn of(conn: &Connection, stream: StreamId, author: AuthorId) -> Result<Self, StoreError> {
        let find = "SELECT id, seq, digest, held FROM chains WHERE stream = ?1 AND author = ?2";
        let name = (stream_bytes(&stream), author.0);
        let known = one(conn, find, name, |row| {
            Ok(Self { id: row.get(0)?, seq: number(row, 1)?, digest: digest(row, 2)?, held: number(row, 3)? })
        })?;
        if let Some(chain) = known {
            return Ok(chain);
        }
        let begin = "INSERT INTO chains (stream, author, seq, digest, held) VALUES (?1, ?2, 0, zeroblob(32), 0)";
        conn.prepare_cached(begin)?.execute(name)?;
        Ok(Self { id: conn.last_insert_rowid(), seq: 0, digest: Digest([0; 32]), held: 0 })
    }

    /// `step`: the number of the step under way.
    pub(crate) fn save(&self, conn: &Connection, step: u64) -> Result<(), StoreError> {
        let put = "UPDATE chains SET seq = ?2, digest = ?3, held = ?4, grown = ?5 WHERE id = ?1";
        conn.prepare_cached(put)?.execute((self.id, sql(self.seq), self.digest.0, sql(self.held), sql(step)))?;
        Ok(())
    }

    fn rise(&mut self, entry: &Entry) {
        self.seq = entry.key.seq;
        self.digest = entry.digest;
    }

    fn append(&mut self, conn: &Connection, entry: &Entry) -> Result<(), StoreError> {
        let out_of_order = StoreError::OutOfOrder {
            stream: entry.key.stream,
            author: entry.key.author,
            seq: entry.key.seq,
            newest: self.seq,
        };
        if entry.key.seq <= self.seq {
            let find = "SELECT digest FROM entries WHERE chain = ?1 AND seq = ?2";
            let known = one(conn, find, (self.id, sql(entry.key.seq)), |row| digest(row, 0))?;
            // Delivered twice is harmless; a second history must never get here.
            return if known == Some(entry.digest) { Ok(()) } else { Err(out_of_order) };
        }
        if entry.key.seq != self.seq + 1 {
            return Err(out_of_order);
        }
        let put = "INSERT INTO entries (chain, seq, digest, signature, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        conn.prepare_cached(put)?.execute((
            self.id,
            sql(entry.key.seq),
            entry.digest.0,
            entry.signature.map(|signature| signature.0),
            &entry.body,
        ))?;
        self.held += 1;
        self.rise(entry);
        Ok(())
    }

    fn put(&mut self, conn: &Connection, entry: &Entry, key: &[u8]) -> Result<(), StoreError> {
        let find = "SELECT seq FROM registers WHERE chain = ?1 AND key = ?2";
        let known = one(conn, find, (self.id, key), |row| number(row, 0))?;
        if known.is_some_and(|known| known >= entry.key.seq) {
            return if known == Some(entry.key.seq) { Ok(()) } else { forget_quarantine(conn, entry, entry.key.seq) };
        }
        let put = "INSERT INTO registers (chain, key, seq, digest, signature, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (chain, key) DO UPDATE SET seq = excluded.seq, digest = excluded.digest,
                   signature = excluded.signature, body = excluded.body";
        conn.prepare_cached(put)?.execute((
            self.id,
            key,
            sql(entry.key.seq),
            entry.digest.0,
            entry.signature.map(|signature| signature.0),
            &entry.body,
        ))?;
        match known {
            Some(replaced) => forget_quarantine(conn, entry, replaced)?,
            None => self.held += 1,
        }
        if entry.key.seq > self.seq {
            self.rise(entry);
        }
        Ok(())
    }
}

/// A register that is gone takes its mark along; else a device without rights would fill the disk with marks.
fn forget_quarantine(conn: &Connection, entry: &Entry, seq: u64) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM quarantine WHERE stream = ?1 AND author = ?2 AND seq = ?3")?.execute((
        stream_bytes(&entry.key.stream),
        entry.key.author.0,
        sql(seq),
    ))?;
    Ok(())
}

impl Txn<'_> {
    /// Appends entries of documents and feeds, each author's in order and without a gap. An entry that is held already
    /// is left out; another one under its number is [`StoreError::OutOfOrder`].
    pub fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        self.write(|conn| {
            let mut chains = BTreeMap::new();
            for entry in entries {
                let (stream, author) = (entry.key.stream, entry.key.author);
                if stream.kind.family() == Family::Register {
                    return Err(StoreError::WrongFamily { stream });
                }
                let chain = match chains.entry((stream, author)) {
                    std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::btree_map::Entry::Vacant(free) => free.insert(Chain::of(conn, stream, author)?),
                };
                chain.append(conn, entry)?;
            }
            let step = self.number(conn)?;
            chains.values().try_for_each(|chain| chain.save(conn, step))
        })
    }

    /// Puts a register entry in the place of the older one of the same stream, author and key. An older one than is
    /// held is left out.
    pub fn put_register(&self, entry: &Entry, key: &[u8]) -> Result<(), StoreError> {
        self.write(|conn| {
            let stream = entry.key.stream;
            if stream.kind.family() != Family::Register {
                return Err(StoreError::WrongFamily { stream });
            }
            let mut chain = Chain::of(conn, stream, entry.key.author)?;
            chain.put(conn, entry, key)?;
            chain.save(conn, self.number(conn)?)
        })
    }
}

impl Store {
    /// How far each author is held in each stream.
    pub fn heads(&self) -> Result<Vec<HeadRow>, StoreError> {
        let question = "SELECT stream, author, seq, digest, grown, base FROM chains WHERE seq > 0";
        all(self.conn(), question, (), |row| {
            Ok(HeadRow {
                stream: stream(row, 0)?,
                author: author(row, 1)?,
                seq: number(row, 2)?,
                digest: digest(row, 3)?,
                grown: number(row, 4)?,
                base: number(row, 5)?,
            })
        })
    }

    /// Entries held, registers included.
    pub fn entry_count(&self) -> Result<u64, StoreError> {
        let held = one(self.conn(), "SELECT coalesce(sum(held), 0) FROM chains", (), |row| number(row, 0))?;
        Ok(held.unwrap_or(0))
    }

    /// Streams of which something is held, of one kind or of all, in order.
    pub fn streams(&self, kind: Option<StreamKind>) -> Result<Vec<StreamId>, StoreError> {
        let mut streams =
            all(self.conn(), "SELECT DISTINCT stream FROM chains WHERE seq > 0", (), |row| stream(row, 0))?;
        streams.retain(|stream| kind.is_none_or(|kind| stream.kind == kind));
        streams.sort_unstable();
        Ok(streams)
    }
}
