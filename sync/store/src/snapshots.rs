//! Saved documents: one snapshot a stream, and the entries that came after it.

use holdfast_domain::entry::stream_bytes;
use holdfast_domain::scope::StreamId;

use crate::error::StoreError;
use crate::rows::{all, number, one};
use crate::store::{Store, Txn};

/// A saved document, if there is one, and the bodies that came after it, each with the number of its entry.
pub type SnapshotAndTail = (Option<Vec<u8>>, Vec<(u64, Vec<u8>)>);

impl Txn<'_> {
    /// Keeps the saved form of a document. It stands for every entry of the stream appended so far, those of this
    /// transaction included; all of them must be applied in it.
    pub fn put_snapshot(&self, stream: StreamId, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO snapshots (stream, upto, bytes)
                       VALUES (?1, (SELECT coalesce(max(id), 0) FROM entries), ?2)
                       ON CONFLICT (stream) DO UPDATE SET upto = excluded.upto, bytes = excluded.bytes";
            conn.prepare_cached(put)?.execute((stream_bytes(&stream), bytes))?;
            Ok(())
        })
    }

    /// Forgets the saved form of a document: all its entries are its tail again.
    pub fn forget_snapshot(&self, stream: StreamId) -> Result<(), StoreError> {
        self.write(|conn| {
            conn.prepare_cached("DELETE FROM snapshots WHERE stream = ?1")?.execute([stream_bytes(&stream)])?;
            Ok(())
        })
    }
}

impl Store {
    /// A document's snapshot, and the bodies of the entries that came after it, in the order of arrival; entries kept
    /// aside are not among them.
    pub fn snapshot_and_tail(&self, stream: StreamId) -> Result<SnapshotAndTail, StoreError> {
        let name = stream_bytes(&stream);
        let find = "SELECT upto, bytes FROM snapshots WHERE stream = ?1";
        let snapshot: Option<(i64, Vec<u8>)> = one(self.conn(), find, [name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let upto = snapshot.as_ref().map_or(0, |(upto, _)| *upto);
        let chains: Vec<i64> =
            all(self.conn(), "SELECT id FROM chains WHERE stream = ?1", [name], |row| Ok(row.get(0)?))?;
        let mut tail: Vec<(i64, (u64, Vec<u8>))> = Vec::new();
        // Within a chain the order of arrival is the order of numbers, so each is read from its end back to the
        // snapshot, however long it is and whatever else arrived.
        let mut back = self.conn().prepare_cached(
            "SELECT id, seq, body FROM entries WHERE chain = ?1 AND NOT EXISTS (
                 SELECT 1 FROM chains JOIN quarantine USING (stream, author)
                 WHERE chains.id = entries.chain AND quarantine.seq = entries.seq)
             ORDER BY seq DESC",
        )?;
        for chain in chains {
            let mut rows = back.query([chain])?;
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                if id <= upto {
                    break;
                }
                tail.push((id, (number(row, 1)?, row.get(2)?)));
            }
        }
        tail.sort_unstable_by_key(|(id, _)| *id);
        Ok((snapshot.map(|(_, bytes)| bytes), tail.into_iter().map(|(_, body)| body).collect()))
    }
}
