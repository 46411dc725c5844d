//! Entries as they go out: runs of authors for a peer, digests for a comparison, feeds in order of arrival.

use holdfast_domain::entry::{Digest, Entry, stream_bytes};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::UNSIGNED_RUN_ENTRIES_MAX;
use holdfast_domain::scope::{Family, StreamId};

use crate::error::StoreError;
use crate::rows::{all, author, digest, entry, number, one, sql};
use crate::store::Store;

/// What an answer may still hold.
struct Room {
    bytes: usize,
    entries: usize,
}

impl Room {
    fn take(&mut self, bytes: usize) -> bool {
        if self.entries == 0 || self.bytes < bytes {
            return false;
        }
        self.bytes -= bytes;
        self.entries -= 1;
        true
    }

    fn give_back(&mut self, entry: &Entry) {
        self.bytes += entry.body.len();
        self.entries += 1;
    }
}

impl Store {
    /// Entries of each wanted author from its first number on, author after author, until the bodies reach
    /// `raw_bytes_max` or the entries `entries_max`.
    ///
    /// Each author's entries follow each other without a gap (register streams aside) and end at a signed one: a run
    /// is cut back to it. If that left nothing at all to say, the first run goes on past the limits to its next
    /// signature, at most `UNSIGNED_RUN_ENTRIES_MAX` entries further.
    pub fn run(
        &self,
        stream: StreamId,
        wanted: &[(AuthorId, u64)],
        raw_bytes_max: usize,
        entries_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut room = Room { bytes: raw_bytes_max, entries: entries_max };
        let mut out = Vec::new();
        for &(author, first) in wanted {
            if !self.run_of(stream, author, first, &mut room, &mut out)? {
                break;
            }
        }
        Ok(out)
    }

    /// Adds one author's run; says whether there is room for the next.
    fn run_of(
        &self,
        stream: StreamId,
        author: AuthorId,
        first: u64,
        room: &mut Room,
        out: &mut Vec<Entry>,
    ) -> Result<bool, StoreError> {
        let Some(chain) = self.chain(stream, author)? else { return Ok(true) };
        let question = match stream.kind.family() {
            Family::Register => {
                "SELECT seq, digest, signature, body FROM registers WHERE chain = ?1 AND seq >= ?2 ORDER BY seq"
            }
            Family::Document | Family::Feed => {
                "SELECT seq, digest, signature, body FROM entries WHERE chain = ?1 AND seq >= ?2 ORDER BY seq"
            }
        };
        let mut signed = out.len();
        let mut over = 0;
        let mut statement = self.conn().prepare_cached(question)?;
        let mut rows = statement.query((chain, sql(first)))?;
        while let Some(row) = rows.next()? {
            let entry = entry(row, 0, stream, author)?;
            if !room.take(entry.body.len()) {
                // Only an answer that would be empty may go on past its limits.
                if signed > 0 || over == UNSIGNED_RUN_ENTRIES_MAX {
                    out.truncate(signed);
                    return Ok(out.is_empty());
                }
                over += 1;
            }
            let ends = entry.signature.is_some();
            out.push(entry);
            if ends {
                signed = out.len();
            }
            if ends && over > 0 {
                return Ok(false);
            }
        }
        out.drain(signed..).for_each(|entry| room.give_back(&entry));
        Ok(true)
    }

    /// Digests of the entries held from number `from` to number `to`, both included, in order.
    pub fn digests(
        &self,
        stream: StreamId,
        author: AuthorId,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, Digest)>, StoreError> {
        let Some(chain) = self.chain(stream, author)? else { return Ok(Vec::new()) };
        let question = match stream.kind.family() {
            Family::Register => {
                "SELECT seq, digest FROM registers WHERE chain = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
            }
            Family::Document | Family::Feed => {
                "SELECT seq, digest FROM entries WHERE chain = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
            }
        };
        all(self.conn(), question, (chain, sql(from), sql(to)), |row| Ok((number(row, 0)?, digest(row, 1)?)))
    }

    /// Entries of a feed or document in the order of arrival, after the one whose place is `after` (0 for the first),
    /// each with its place.
    pub fn feed_entries(&self, stream: StreamId, after: u64, limit: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
        let question = "SELECT e.id, c.author, e.seq, e.digest, e.signature, e.body
                        FROM entries e CROSS JOIN chains c ON c.id = e.chain
                        WHERE e.id > ?2 AND c.stream = ?1 ORDER BY e.id LIMIT ?3";
        all(self.conn(), question, (stream_bytes(&stream), sql(after), sql(limit as u64)), |row| {
            Ok((number(row, 0)?, entry(row, 2, stream, author(row, 1)?)?))
        })
    }

    fn chain(&self, stream: StreamId, author: AuthorId) -> Result<Option<i64>, StoreError> {
        let question = "SELECT id FROM chains WHERE stream = ?1 AND author = ?2";
        one(self.conn(), question, (stream_bytes(&stream), author.0), |row| Ok(row.get(0)?))
    }
}
