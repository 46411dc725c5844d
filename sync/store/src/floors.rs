//! Floors, the generations of documents, and what follows from them: chains that begin above their first entry, entries
//! passed over, rows that are no more.

use std::collections::BTreeSet;

use holdfast_domain::entry::{Digest, Entry, stream_bytes};
use holdfast_domain::feed::{self, TrackSpan};
use holdfast_domain::floor::{Floor, Generation, GenerationTag};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::track::Fix;
use rusqlite::Connection;

use crate::chains::Chain;
use crate::error::StoreError;
use crate::patches::fix_from;
use crate::rows::{all, author, digest, entry, number, one, sql, stream};
use crate::store::{Store, Txn};

/// A floor and the entry of `control` that it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloorRow {
    /// The command post.
    pub author: AuthorId,
    /// Its number for the entry.
    pub seq: u64,
    /// The floor.
    pub floor: Floor,
}

/// Entries of a chain that a node was to have and passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipRow {
    /// The stream.
    pub stream: StreamId,
    /// The author.
    pub author: AuthorId,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// What was dropped of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many entries.
    pub entries: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

impl Txn<'_> {
    /// Keeps a floor that came in an entry of `control`.
    pub fn put_floor(&self, row: &FloorRow) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO floors (author, seq, stream, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            let name = stream_bytes(&row.floor.stream);
            conn.prepare_cached(put)?.execute((row.author.0, sql(row.seq), name, feed::encode(&row.floor)))?;
            Ok(())
        })
    }

    /// From now on the document is kept in this generation.
    pub fn put_generation(&self, stream: StreamId, generation: Generation) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO generations (stream, number, tag) VALUES (?1, ?2, ?3)
                       ON CONFLICT (stream) DO UPDATE SET number = excluded.number, tag = excluded.tag";
            conn.prepare_cached(put)?.execute((stream_bytes(&stream), generation.number, generation.tag.0))?;
            Ok(())
        })
    }

    /// Lets a chain go on from entry `seq` with this digest, without the entries up to there. What of them is held stays
    /// until it is dropped, so that a document of an earlier generation can still be read. Returns how many of
    /// a chain that was begun are passed over.
    pub fn jump(&self, stream: StreamId, author: AuthorId, seq: u64, digest: Digest) -> Result<u64, StoreError> {
        self.write(|conn| {
            let mut chain = Chain::of(conn, stream, author)?;
            if chain.seq >= seq {
                return Ok(0);
            }
            let passed = if chain.seq > 0 { seq - chain.seq } else { 0 };
            if chain.seq > 0 {
                let put =
                    "INSERT INTO skips (stream, author, first, last) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
                let name = (stream_bytes(&stream), author.0, sql(chain.seq + 1), sql(seq));
                conn.prepare_cached(put)?.execute(name)?;
            }
            (chain.seq, chain.digest) = (seq, digest);
            chain.save(conn, self.number(conn)?)?;
            rebase(conn, chain.id, seq, digest)?;
            Ok(passed)
        })
    }

    /// Drops a chain's entries up to `seq`, if the chain is held so far and its digest there is this one. The rows that
    /// feed entries have left in the views are for the caller to write anew ([`Txn::forget_messages`], [`Txn::forget_fixes`]).
    pub fn drop_below(&self, stream: StreamId, author: AuthorId, seq: u64, at: Digest) -> Result<Dropped, StoreError> {
        self.write(|conn| {
            let mut chain = Chain::of(conn, stream, author)?;
            if chain.seq < seq || known_digest(conn, &chain, seq)? != Some(at) {
                return Ok(Dropped::default());
            }
            let weigh = "SELECT count(*), coalesce(sum(length(body)), 0) FROM entries WHERE chain = ?1 AND seq <= ?2";
            let dropped = one(conn, weigh, (chain.id, sql(seq)), |row| {
                Ok(Dropped { entries: number(row, 0)?, bytes: number(row, 1)? })
            })?
            .unwrap_or_default();
            if dropped.entries > 0 {
                let drop = "DELETE FROM entries WHERE chain = ?1 AND seq <= ?2";
                conn.prepare_cached(drop)?.execute((chain.id, sql(seq)))?;
                chain.held = chain.held.saturating_sub(dropped.entries);
                let put = "UPDATE chains SET held = ?2 WHERE id = ?1";
                conn.prepare_cached(put)?.execute((chain.id, sql(chain.held)))?;
                // Places of arrival are used again from the end, and none that comes may look as if a snapshot held it.
                let lower = "UPDATE snapshots SET upto = min(upto, (SELECT coalesce(max(id), 0) FROM entries))";
                conn.prepare_cached(lower)?.execute(())?;
            }
            rebase(conn, chain.id, seq, at)?;
            Ok(dropped)
        })
    }

    /// Removes the fixes of a stretch of a unit's track from the views, to be written anew from the entries that are left.
    pub fn forget_fixes(&self, mission: MissionId, span: &TrackSpan) -> Result<(), StoreError> {
        self.write(|conn| {
            let forget = "DELETE FROM fixes WHERE at_ms BETWEEN ?3 AND ?4 AND track =
                          (SELECT id FROM tracks WHERE unit = ?1 AND mission = ?2)";
            let values = (span.unit.as_bytes(), mission.as_bytes(), sql(span.first_ms), sql(span.last_ms));
            conn.prepare_cached(forget)?.execute(values)?;
            Ok(())
        })
    }

    /// Removes messages from the views, to be written anew from the entries that are left.
    pub fn forget_messages(&self, patches: &[Patch]) -> Result<(), StoreError> {
        self.write(|conn| {
            for patch in patches {
                if let Patch::Message(message) = patch {
                    let forget = "DELETE FROM messages WHERE id = ?1 AND mission = ?2";
                    conn.prepare_cached(forget)?.execute((message.id.as_bytes(), message.mission.as_bytes()))?;
                }
            }
            Ok(())
        })
    }

    /// Removes the rows of a document's records that are none of these, and their conflicts.
    pub fn keep_records(&self, stream: StreamId, records: &BTreeSet<RecordId>) -> Result<(), StoreError> {
        let Scope::Mission(mission) = stream.scope else { return Ok(()) };
        let tables: &[(&str, &str)] = match stream.kind {
            StreamKind::Board => &[("incidents", "incident"), ("tasks", "task")],
            StreamKind::Roster => &[("units", "unit")],
            _ => return Ok(()),
        };
        let gone = self.write(|conn| {
            let mut gone = Vec::new();
            for (table, kind) in tables {
                let question = format!("SELECT id FROM {table} WHERE mission = ?1");
                let ids: Vec<[u8; 16]> = all(conn, &question, [mission.as_bytes()], |row| Ok(row.get(0)?))?;
                let known = ids.into_iter().filter_map(|id| RecordId::from_parts(kind, id));
                for record in known.filter(|record| !records.contains(record)) {
                    let forget = format!("DELETE FROM {table} WHERE id = ?1 AND mission = ?2");
                    conn.prepare_cached(&forget)?.execute((record.as_bytes(), mission.as_bytes()))?;
                    gone.push(record);
                }
            }
            Ok(gone)
        })?;
        let settled: Vec<Patch> =
            gone.into_iter().map(|record| Patch::Conflicts { mission, record, conflicts: Vec::new() }).collect();
        self.apply(&settled).map(drop)
    }
}

/// The chain digest at a number, if the chain has it.
fn known_digest(conn: &Connection, chain: &Chain, seq: u64) -> Result<Option<Digest>, StoreError> {
    if chain.seq == seq {
        return Ok(Some(chain.digest));
    }
    let question = "SELECT base_digest FROM chains WHERE id = ?1 AND base = ?2
                    UNION SELECT digest FROM entries WHERE chain = ?1 AND seq = ?2";
    one(conn, question, (chain.id, sql(seq)), |row| digest(row, 0))
}

fn rebase(conn: &Connection, chain: i64, seq: u64, at: Digest) -> Result<(), StoreError> {
    let put = "UPDATE chains SET base = ?2, base_digest = ?3 WHERE id = ?1 AND base < ?2";
    conn.prepare_cached(put)?.execute((chain, sql(seq), at.0))?;
    Ok(())
}

impl Store {
    /// Every floor known, in order of author and number.
    pub fn floors(&self) -> Result<Vec<FloorRow>, StoreError> {
        all(self.conn(), "SELECT author, seq, body FROM floors ORDER BY author, seq", (), |row| {
            let body: Vec<u8> = row.get(2)?;
            let floor =
                feed::decode(&body).map_err(|error| StoreError::Row { table: "floors", fault: error.to_string() })?;
            Ok(FloorRow { author: author(row, 0)?, seq: number(row, 1)?, floor })
        })
    }

    /// The generation of each document that is kept in another than its first.
    pub fn generations(&self) -> Result<Vec<(StreamId, Generation)>, StoreError> {
        all(self.conn(), "SELECT stream, number, tag FROM generations", (), |row| {
            let generation = Generation { number: row.get(1)?, tag: GenerationTag(row.get(2)?) };
            Ok((stream(row, 0)?, generation))
        })
    }

    /// Entries passed over, in order of stream, author and number.
    pub fn skips(&self) -> Result<Vec<SkipRow>, StoreError> {
        all(self.conn(), "SELECT stream, author, first, last FROM skips ORDER BY 1, 2, 3", (), |row| {
            let (first, last) = (number(row, 2)?, number(row, 3)?);
            Ok(SkipRow { stream: stream(row, 0)?, author: author(row, 1)?, first, last })
        })
    }

    /// Where a chain begins here, with the digest there; `None` if it begins with its first entry.
    pub fn chain_base(&self, stream: StreamId, author: AuthorId) -> Result<Option<(u64, Digest)>, StoreError> {
        let question = "SELECT base, base_digest FROM chains WHERE stream = ?1 AND author = ?2 AND base > 0";
        one(self.conn(), question, (stream_bytes(&stream), author.0), |row| Ok((number(row, 0)?, digest(row, 1)?)))
    }

    /// An author's stored entries from one number to another, both included, in order, whether they follow each other or
    /// not.
    pub fn entries_between(
        &self,
        stream: StreamId,
        author: AuthorId,
        from: u64,
        to: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let question = "SELECT seq, digest, signature, body FROM entries WHERE seq BETWEEN ?3 AND ?4 AND chain =
                        (SELECT id FROM chains WHERE stream = ?1 AND author = ?2) ORDER BY seq";
        let params = (stream_bytes(&stream), author.0, sql(from), sql(to));
        all(self.conn(), question, params, |row| entry(row, 0, stream, author))
    }

    /// The first bytes of an author's stored entries from one number to another, both included, in order.
    pub fn beginnings(
        &self,
        stream: StreamId,
        author: AuthorId,
        (from, to): (u64, u64),
        bytes: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let question = "SELECT seq, substr(body, 1, ?5) FROM entries WHERE seq BETWEEN ?3 AND ?4 AND chain =
                        (SELECT id FROM chains WHERE stream = ?1 AND author = ?2) ORDER BY seq";
        let params = (stream_bytes(&stream), author.0, sql(from), sql(to), sql(bytes as u64));
        all(self.conn(), question, params, |row| Ok((number(row, 0)?, row.get(1)?)))
    }

    /// The fixes of a stretch of a unit's track that entries hold, in order of time, so many at most.
    pub fn fixes_within(&self, mission: MissionId, span: &TrackSpan, most: usize) -> Result<Vec<Fix>, StoreError> {
        let question = "SELECT at_ms, fix FROM fixes WHERE at_ms BETWEEN ?3 AND ?4 AND track =
                        (SELECT id FROM tracks WHERE unit = ?1 AND mission = ?2) ORDER BY at_ms LIMIT ?5";
        let (unit, mission) = (span.unit.as_bytes(), mission.as_bytes());
        let params = (unit, mission, sql(span.first_ms), sql(span.last_ms), sql(most as u64));
        all(self.conn(), question, params, |row| {
            fix_from(number(row, 0)?, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)
        })
    }

    /// When the newest fix of a stretch of a unit's track is that entries hold or held, Unix milliseconds.
    pub fn newest_fix_ms(&self, mission: MissionId, span: &TrackSpan) -> Result<Option<u64>, StoreError> {
        let question = "SELECT at_ms FROM fixes WHERE at_ms BETWEEN ?3 AND ?4 AND track =
                        (SELECT id FROM tracks WHERE unit = ?1 AND mission = ?2) ORDER BY at_ms DESC LIMIT 1";
        let params = (span.unit.as_bytes(), mission.as_bytes(), sql(span.first_ms), sql(span.last_ms));
        one(self.conn(), question, params, |row| number(row, 0))
    }

    /// How many entries of a stream are stored, and the bytes of their bodies.
    pub fn stream_weight(&self, stream: StreamId) -> Result<Dropped, StoreError> {
        let question = "SELECT count(*), coalesce(sum(length(e.body)), 0) FROM entries e
                        JOIN chains c ON c.id = e.chain WHERE c.stream = ?1";
        let weight = one(self.conn(), question, [stream_bytes(&stream)], |row| {
            Ok(Dropped { entries: number(row, 0)?, bytes: number(row, 1)? })
        })?;
        Ok(weight.unwrap_or_default())
    }

    /// Whether anything was ever kept of a stream.
    pub fn has_stream(&self, stream: StreamId) -> Result<bool, StoreError> {
        let question = "SELECT 1 FROM chains WHERE stream = ?1 AND seq > 0 LIMIT 1";
        Ok(one(self.conn(), question, [stream_bytes(&stream)], |_| Ok(()))?.is_some())
    }
}
