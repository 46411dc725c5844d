//! Blobs on disk: parts are verified before they are stored, and what is said to be here is there after a power cut.
//!
//! Bytes lie in files ([`room`]), the bitmap of verified groups in the database. A commit makes the files durable first,
//! so that no row claims what a power cut took.

pub mod room;

use std::cell::RefCell;
use std::collections::BTreeMap;

use bao_tree::io::sync::{DecodeResponseIter, OutboardMut, WriteAt, encode_ranges_validated};
use bao_tree::io::{BaoContentItem, DecodeError};
use bao_tree::{ChunkNum, ChunkRanges};
use holdfast_domain::blob::{Attachment, BlobId, BlobKey};
use holdfast_domain::identity::DeviceId;
use holdfast_domain::mission::Mission;
use holdfast_domain::ranges::Ranges;
use rusqlite::Connection;

use crate::blobs::room::{GROUP, Pair, Room, Staged, root_of, tree_of};
use crate::error::StoreError;
use crate::rows::{all, from_json, number, one, sql};
use crate::store::{Store, Txn};

/// What is held of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Which.
    pub key: BlobKey,
    /// Its groups that are here, verified.
    pub held: Ranges,
    /// When it was last asked for here, Unix milliseconds.
    pub used_ms: u64,
}

impl BlobRow {
    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.held.is_whole(self.key.groups())
    }

    /// Bytes of it that are here.
    pub fn stored(&self) -> u64 {
        self.key.bytes_of(self.held.count())
    }
}

/// Why a part was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartFault {
    /// Its bytes do not lead to the blob's name: whoever sent it did wrong.
    #[error("the part does not belong to the blob")]
    Forged,
    /// The disk did not take it; the part may be good.
    #[error("the disk did not take the part: {0}")]
    Disk(String),
}

/// What was read of a blob to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// Groups and hashes, verified as they were read.
    Good(Vec<u8>),
    /// It is not here, or what lies on disk is not what was stored: the disk has lost it.
    Lost,
}

/// What a step does to files, to be finished by its commit.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    written: BTreeMap<BlobKey, Pair>,
    dropped: Vec<BlobKey>,
}

impl Pending {
    /// A blob comes whole in the step in which parts of it came, or in which it was let go of.
    fn taken_back(&mut self, key: &BlobKey) {
        self.written.remove(key);
        self.dropped.retain(|dropped| dropped != key);
    }
}

/// The blobs of a store.
#[derive(Debug)]
pub(crate) struct Blobs {
    pub(crate) room: Room,
    pending: RefCell<Pending>,
}

impl Blobs {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, pending: RefCell::default() }
    }

    /// Makes durable what the step wrote. After this its rows may be committed.
    pub(crate) fn settle(&self) -> std::io::Result<()> {
        let written = std::mem::take(&mut self.pending.borrow_mut().written);
        for pair in written.values() {
            pair.data.sync()?;
            pair.tree.data.sync()?;
        }
        Ok(())
    }

    /// The rows are committed: files of blobs that are let go of may go. What cannot be removed is swept at the next start.
    pub(crate) fn committed(&self) {
        for key in std::mem::take(&mut self.pending.borrow_mut().dropped) {
            self.room.drop_blob(&key).ok();
        }
    }

    /// The step is not committed: what it wrote to files is claimed by no row.
    pub(crate) fn forget(&self) {
        *self.pending.borrow_mut() = Pending::default();
    }
}

/// Brings files and rows together at the start: files that no row claims go, rows whose files are gone go.
pub(crate) fn reconcile(conn: &Connection, room: &Room) -> Result<(), StoreError> {
    let keys: Vec<BlobKey> = rows(conn)?.into_iter().map(|row| row.key).collect();
    let (kept, lost): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| room.has(key));
    for key in lost {
        conn.execute("DELETE FROM blobs WHERE id = ?1 AND bytes = ?2", (key.id.0, sql(key.bytes)))?;
    }
    // Stray files cost only room.
    room.sweep(&kept).ok();
    Ok(())
}

fn rows(conn: &Connection) -> Result<Vec<BlobRow>, StoreError> {
    all(conn, "SELECT id, bytes, held, used_ms FROM blobs ORDER BY id, bytes", (), row_from)
}

pub(crate) fn row_of(conn: &Connection, key: &BlobKey) -> Result<Option<BlobRow>, StoreError> {
    let question = "SELECT id, bytes, held, used_ms FROM blobs WHERE id = ?1 AND bytes = ?2";
    one(conn, question, (key.id.0, sql(key.bytes)), row_from)
}

fn row_from(row: &rusqlite::Row<'_>) -> Result<BlobRow, StoreError> {
    let key = BlobKey { id: BlobId(row.get(0)?), bytes: number(row, 1)? };
    let held: Vec<u8> = row.get(2)?;
    let held: Ranges = postcard::from_bytes(&held).map_err(|error| fault(&error))?;
    if !held.is_sound(key.groups(), usize::MAX) {
        return Err(fault(&"the bitmap is out of order"));
    }
    Ok(BlobRow { key, held, used_ms: number(row, 3)? })
}

fn fault(error: &impl std::fmt::Display) -> StoreError {
    StoreError::Row { table: "blobs", fault: error.to_string() }
}

/// How many devices said they hold all of it.
pub(crate) fn holder_count(conn: &Connection, key: &BlobKey) -> Result<u64, StoreError> {
    let question = "SELECT count(*) FROM blob_holders WHERE id = ?1 AND bytes = ?2";
    Ok(one(conn, question, (key.id.0, sql(key.bytes)), |row| number(row, 0))?.unwrap_or(0))
}

/// Groups as chunks; the last chunk of a blob may be cut short.
fn chunks(groups: (u32, u32)) -> ChunkRanges {
    let chunk = |group: u32| ChunkNum(u64::from(group) << GROUP.chunk_log());
    ChunkRanges::from(chunk(groups.0)..chunk(groups.1))
}

impl Store {
    /// Where the files lie.
    pub fn blob_room(&self) -> &Room {
        &self.blobs.room
    }

    /// Every blob of which something is here.
    pub fn blob_list(&self) -> Result<Vec<BlobRow>, StoreError> {
        rows(self.conn())
    }

    /// What is held of blobs with this name, whatever length is said of them.
    pub fn blob_list_of(&self, id: BlobId) -> Result<Vec<BlobRow>, StoreError> {
        all(self.conn(), "SELECT id, bytes, held, used_ms FROM blobs WHERE id = ?1 ORDER BY bytes", [id.0], row_from)
    }

    /// What is held of a blob, counting the open transaction.
    pub fn blob(&self, key: &BlobKey) -> Result<Option<BlobRow>, StoreError> {
        row_of(self.conn(), key)
    }

    /// What people or room decided about a blob.
    pub fn blob_wish(&self, key: &BlobKey) -> Result<Option<bool>, StoreError> {
        let question = "SELECT keep FROM blob_wishes WHERE id = ?1 AND bytes = ?2";
        one(self.conn(), question, (key.id.0, sql(key.bytes)), |row| Ok(row.get(0)?))
    }

    /// Bytes of blobs that are here.
    pub fn blob_bytes(&self) -> Result<u64, StoreError> {
        Ok(one(self.conn(), "SELECT ifnull(sum(stored), 0) FROM blobs", (), |row| number(row, 0))?.unwrap_or(0))
    }

    /// Devices that said they hold all of a blob.
    pub fn blob_holders(&self, key: &BlobKey) -> Result<Vec<DeviceId>, StoreError> {
        let question = "SELECT device FROM blob_holders WHERE id = ?1 AND bytes = ?2 ORDER BY device";
        all(self.conn(), question, (key.id.0, sql(key.bytes)), |row| Ok(DeviceId(row.get(0)?)))
    }

    /// Attachments that are this blob or have it as their small picture, and are not removed.
    pub fn attachments_with(&self, id: BlobId) -> Result<Vec<Attachment>, StoreError> {
        let question = "SELECT record FROM attachments WHERE id = ?1 AND deleted = 0
                        UNION ALL SELECT record FROM attachments WHERE thumbnail = ?1 AND deleted = 0";
        all(self.conn(), question, [id.0], |row| from_json("attachments", &row.get::<_, String>(0)?))
    }

    /// A mission as the views have it, counting the open transaction.
    pub fn mission(&self, id: holdfast_domain::id::MissionId) -> Result<Option<Mission>, StoreError> {
        one(self.conn(), "SELECT record FROM missions WHERE id = ?1", [id.as_bytes()], |row| {
            from_json("missions", &row.get::<_, String>(0)?)
        })
    }

    /// An attachment of a mission, removed or not.
    pub fn attachment(
        &self,
        mission: holdfast_domain::id::MissionId,
        id: BlobId,
    ) -> Result<Option<Attachment>, StoreError> {
        let question = "SELECT record FROM attachments WHERE id = ?1 AND mission = ?2 AND record IS NOT NULL";
        one(self.conn(), question, (id.0, mission.as_bytes()), |row| {
            from_json("attachments", &row.get::<_, String>(0)?)
        })
    }

    /// Every attachment that is not removed, the newest first.
    pub fn attachment_all(&self) -> Result<Vec<Attachment>, StoreError> {
        let question = "SELECT record FROM attachments WHERE deleted = 0 ORDER BY written DESC, id, mission";
        all(self.conn(), question, (), |row| from_json("attachments", &row.get::<_, String>(0)?))
    }

    /// Reads groups of a blob to send them, each verified against the blob's name.
    pub fn blob_slice(&self, key: &BlobKey, first: u32, count: u32) -> Slice {
        let Ok(pair) = self.blobs.room.pair(key) else { return Slice::Lost };
        let mut slice = Vec::new();
        let ranges = chunks((first, first.saturating_add(count)));
        match encode_ranges_validated(&pair.data, &pair.tree, &ranges, &mut slice) {
            Ok(()) => Slice::Good(slice),
            Err(_) => Slice::Lost,
        }
    }
}

impl Txn<'_> {
    /// Verifies a part against the blob's name and stores it; durable with the commit. Gives what is held of the blob
    /// then.
    pub fn blob_part(
        &self,
        key: &BlobKey,
        first: u32,
        count: u32,
        slice: &[u8],
        now_ms: u64,
    ) -> Result<Result<Ranges, PartFault>, StoreError> {
        let end = first.saturating_add(count).min(key.groups());
        let items = match opened(key, (first, end), slice) {
            Ok(items) => items,
            Err(fault) => return Ok(Err(fault)),
        };
        let blobs = self.blobs();
        self.write(|conn| {
            let row = row_of(conn, key)?;
            if let Err(error) = blobs.put(key, row.is_some(), items) {
                return Ok(Err(PartFault::Disk(error.to_string())));
            }
            let before = row.unwrap_or(BlobRow { key: *key, held: Ranges::none(), used_ms: now_ms });
            let held = before.held.or(&Ranges::span(first, end));
            put_row(conn, &BlobRow { held: held.clone(), ..before })?;
            Ok(Ok(held))
        })
    }

    /// Takes a staged file into its place; durable with the commit. Gives false if it was here whole.
    pub fn blob_adopt(&self, staged: Staged, now_ms: u64) -> Result<Result<bool, PartFault>, StoreError> {
        let key = staged.key();
        self.write(|conn| {
            let before = row_of(conn, &key)?;
            if before.as_ref().is_some_and(BlobRow::is_whole) {
                return Ok(Ok(false));
            }
            self.blobs().pending.borrow_mut().taken_back(&key);
            if let Err(error) = staged.into_place() {
                return Ok(Err(PartFault::Disk(error.to_string())));
            }
            put_row(conn, &BlobRow { key, held: Ranges::below(key.groups()), used_ms: now_ms })?;
            Ok(Ok(true))
        })
    }

    /// Lets go of a blob; its files go once that is committed.
    pub fn blob_drop(&self, key: &BlobKey) -> Result<(), StoreError> {
        self.write(|conn| {
            conn.prepare_cached("DELETE FROM blobs WHERE id = ?1 AND bytes = ?2")?
                .execute((key.id.0, sql(key.bytes)))?;
            let mut pending = self.blobs().pending.borrow_mut();
            pending.written.remove(key);
            pending.dropped.push(*key);
            Ok(())
        })
    }

    /// Remembers what people or room decided about a blob, over the policy: fetch and keep it, or let go of it; or that
    /// nothing is decided.
    pub fn put_blob_wish(&self, key: &BlobKey, keep: Option<bool>) -> Result<(), StoreError> {
        self.write(|conn| {
            let name = (key.id.0, sql(key.bytes));
            match keep {
                None => conn.prepare_cached("DELETE FROM blob_wishes WHERE id = ?1 AND bytes = ?2")?.execute(name)?,
                Some(keep) => {
                    let put = "INSERT INTO blob_wishes (id, bytes, keep) VALUES (?1, ?2, ?3)
                               ON CONFLICT (id, bytes) DO UPDATE SET keep = excluded.keep";
                    conn.prepare_cached(put)?.execute((name.0, name.1, keep))?
                }
            };
            Ok(())
        })
    }

    /// A blob that is here was used, Unix milliseconds: what was not used for longest goes first when room is short.
    pub fn blob_used(&self, key: &BlobKey, now_ms: u64) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "UPDATE blobs SET used_ms = ?3 WHERE id = ?1 AND bytes = ?2";
            conn.prepare_cached(put)?.execute((key.id.0, sql(key.bytes), sql(now_ms)))?;
            Ok(())
        })
    }

    /// Remembers that a device holds all of a blob, or does not any more.
    pub fn put_blob_holder(&self, key: &BlobKey, device: DeviceId, holds: bool) -> Result<(), StoreError> {
        self.write(|conn| {
            let statement = if holds {
                "INSERT INTO blob_holders (id, bytes, device) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
            } else {
                "DELETE FROM blob_holders WHERE id = ?1 AND bytes = ?2 AND device = ?3"
            };
            conn.prepare_cached(statement)?.execute((key.id.0, sql(key.bytes), device.0))?;
            Ok(())
        })
    }
}

fn put_row(conn: &Connection, row: &BlobRow) -> Result<(), StoreError> {
    let held = postcard::to_stdvec(&row.held).map_err(|error| fault(&error))?;
    let put = "INSERT INTO blobs (id, bytes, held, stored, used_ms) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (id, bytes) DO UPDATE SET held = excluded.held, stored = excluded.stored,
               used_ms = excluded.used_ms";
    conn.prepare_cached(put)?.execute((row.key.id.0, sql(row.key.bytes), held, sql(row.stored()), sql(row.used_ms)))?;
    Ok(())
}

/// The groups and hashes of a slice, each proved to belong to the blob; nothing may follow them.
fn opened(key: &BlobKey, groups: (u32, u32), slice: &[u8]) -> Result<Vec<BaoContentItem>, PartFault> {
    let ranges = chunks(groups);
    let mut rest = slice;
    let items: Result<Vec<_>, DecodeError> =
        DecodeResponseIter::new(root_of(key), tree_of(key), &mut rest, &ranges).collect();
    match items {
        Ok(items) if rest.is_empty() && !items.is_empty() => Ok(items),
        _ => Err(PartFault::Forged),
    }
}

impl Blobs {
    fn put(&self, key: &BlobKey, begun: bool, items: Vec<BaoContentItem>) -> std::io::Result<()> {
        let mut pending = self.pending.borrow_mut();
        pending.dropped.retain(|dropped| dropped != key);
        let pair = match pending.written.entry(*key) {
            std::collections::btree_map::Entry::Occupied(pair) => pair.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(if begun { self.room.pair(key)? } else { self.room.fresh_pair(key)? })
            }
        };
        for item in items {
            match item {
                BaoContentItem::Parent(parent) => pair.tree.save(parent.node, &parent.pair)?,
                BaoContentItem::Leaf(leaf) => pair.data.write_all_at(leaf.offset, &leaf.data)?,
            }
        }
        Ok(())
    }
}
