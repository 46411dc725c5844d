//! Entries as they go out: runs of authors for a peer, digests for a comparison, feeds in order of arrival.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use holdfast_domain::entry::{Digest, Entry, stream_bytes};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{GESTURE_EDITS_MAX, UNSIGNED_RUN_ENTRIES_MAX};
use holdfast_domain::scope::{Family, StreamId};

use rusqlite::Rows;

use crate::error::StoreError;
use crate::rows::{all, author, digest, entry, number, one, sql};
use crate::store::Store;

/// One author's run while it is read.
struct Run {
    author: AuthorId,
    chain: i64,
    entries: Vec<Entry>,
    /// Entries up to and including the last that is signed.
    signed: usize,
}

impl Run {
    fn push(&mut self, entry: Entry) {
        let ends = entry.signature.is_some();
        self.entries.push(entry);
        if ends {
            self.signed = self.entries.len();
        }
    }
}

impl Store {
    /// Entries of the wanted authors, each from its first number on, until the bodies reach `raw_bytes_max` or the
    /// entries `entries_max`: those that arrived here first, so that whoever gets them misses nothing they follow from.
    /// The answer is in order of author as wanted.
    ///
    /// A chain that begins above its first entry is read from there on.
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
        let runs = self.read(stream, wanted, raw_bytes_max, entries_max)?;
        if let Some(stuck) = runs.iter().find(|run| run.entries.len() > run.signed)
            && runs.iter().all(|run| run.signed == 0)
        {
            // A run that no signature ends must not hold up the others.
            let others: Vec<_> = wanted.iter().filter(|(author, _)| *author != stuck.author).copied().collect();
            return self.run(stream, &others, raw_bytes_max, entries_max);
        }
        let whole = runs.into_iter().flat_map(|run| run.entries.into_iter().take(run.signed));
        Ok(whole.collect())
    }

    /// As [`Store::run`], but with what follows the last signature of each author, and each author's entries apart.
    pub fn runs(
        &self,
        stream: StreamId,
        wanted: &[(AuthorId, u64)],
        raw_bytes_max: usize,
        entries_max: usize,
    ) -> Result<Vec<Vec<Entry>>, StoreError> {
        let runs = self.read(stream, wanted, raw_bytes_max, entries_max)?;
        Ok(runs.into_iter().map(|run| run.entries).collect())
    }

    /// Reads runs, merged by arrival, up to the limits; if no signature is among them, one of them on to its next.
    fn read(
        &self,
        stream: StreamId,
        wanted: &[(AuthorId, u64)],
        raw_bytes_max: usize,
        entries_max: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let question = match stream.kind.family() {
            Family::Register => {
                "SELECT seq, digest, signature, body, 0 FROM registers WHERE chain = ?1 AND seq >= ?2 ORDER BY seq"
            }
            Family::Document | Family::Feed => {
                "SELECT seq, digest, signature, body, id FROM entries WHERE chain = ?1 AND seq >= ?2
                 AND seq > (SELECT base FROM chains WHERE id = ?1) ORDER BY seq"
            }
        };
        let mut runs = Vec::new();
        let mut statements = Vec::new();
        for &(author, first) in wanted {
            if let Some(chain) = self.chain(stream, author)? {
                runs.push((Run { author, chain, entries: Vec::new(), signed: 0 }, first));
                statements.push(self.conn().prepare(question)?);
            }
        }
        let mut readers = Vec::with_capacity(statements.len());
        for (statement, (run, first)) in statements.iter_mut().zip(&runs) {
            readers.push(statement.query((run.chain, sql(*first)))?);
        }
        let mut runs: Vec<Run> = runs.into_iter().map(|(run, _)| run).collect();
        // The next entry of each run, by its place in the order of arrival.
        let mut heap = BinaryHeap::new();
        for (index, reader) in readers.iter_mut().enumerate() {
            if let Some(next) = next_of(reader, stream, runs[index].author)? {
                heap.push(Reverse((next.0, index, Waiting(next.1))));
            }
        }
        let (mut bytes, mut count) = (0, 0);
        while let Some(Reverse((_, index, Waiting(entry)))) = heap.pop() {
            bytes += entry.body.len();
            count += 1;
            if bytes > raw_bytes_max || count > entries_max {
                if runs.iter().all(|run| run.signed == 0) {
                    let last = runs[index].entries.len() + UNSIGNED_RUN_ENTRIES_MAX;
                    runs[index].push(entry);
                    finish(&mut readers[index], stream, &mut runs[index], last)?;
                }
                break;
            }
            runs[index].push(entry);
            if let Some(next) = next_of(&mut readers[index], stream, runs[index].author)? {
                heap.push(Reverse((next.0, index, Waiting(next.1))));
            }
        }
        drop(readers);
        Ok(runs)
    }

    /// Digests of the entries held from number `from` to number `to`, both included, in order; the digest at which a chain
    /// begins is among them.
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
                "SELECT base, base_digest FROM chains WHERE id = ?1 AND base > 0 AND base BETWEEN ?2 AND ?3
                 UNION SELECT seq, digest FROM entries WHERE chain = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY 1"
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

    /// The newest values of a register stream, in order of author and number; those kept aside are left out.
    pub fn registers(&self, stream: StreamId) -> Result<Vec<Entry>, StoreError> {
        let question = "SELECT c.author, r.seq, r.digest, r.signature, r.body
                        FROM chains c JOIN registers r ON r.chain = c.id WHERE c.stream = ?1 AND NOT EXISTS
                        (SELECT 1 FROM quarantine q WHERE q.stream = ?1 AND q.author = c.author AND q.seq = r.seq)
                        ORDER BY c.author, r.seq";
        all(self.conn(), question, [stream_bytes(&stream)], |row| entry(row, 1, stream, author(row, 0)?))
    }

    /// The number of an author's entry, found by halves in a feed whose bodies are in order. `place` says where a body
    /// lies to what is sought, and whether it is it. If it is not there any more, the number of the first entry after it:
    /// who holds that held it.
    pub fn seq_of(
        &self,
        stream: StreamId,
        author: AuthorId,
        place: impl Fn(&[u8]) -> (Ordering, bool),
    ) -> Result<u64, StoreError> {
        let Some(chain) = self.chain(stream, author)? else { return Ok(0) };
        let body = |seq: u64| {
            let question = "SELECT body FROM entries WHERE chain = ?1 AND seq = ?2";
            one(self.conn(), question, (chain, sql(seq)), |row| Ok(row.get::<_, Vec<u8>>(0)?))
        };
        let newest = one(self.conn(), "SELECT seq FROM chains WHERE id = ?1", [chain], |row| number(row, 0))?;
        let newest = newest.unwrap_or(0);
        let (mut low, mut high) = (1, newest);
        while low < high {
            let middle = low + (high - low) / 2;
            // What is not kept any more is older than what is.
            let before = body(middle)?.is_none_or(|body| place(&body).0 == Ordering::Less);
            (low, high) = if before { (middle + 1, high) } else { (low, middle) };
        }
        for seq in low..=newest.min(low + GESTURE_EDITS_MAX as u64) {
            if body(seq)?.is_some_and(|body| place(&body).1) {
                return Ok(seq);
            }
        }
        Ok(low)
    }

    fn chain(&self, stream: StreamId, author: AuthorId) -> Result<Option<i64>, StoreError> {
        let question = "SELECT id FROM chains WHERE stream = ?1 AND author = ?2";
        one(self.conn(), question, (stream_bytes(&stream), author.0), |row| Ok(row.get(0)?))
    }
}

/// An entry that waits for its turn; its place alone orders it.
struct Waiting(Entry);

impl PartialEq for Waiting {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// The next entry of a run with its place in the order of arrival; registers have none.
fn next_of(reader: &mut Rows<'_>, stream: StreamId, author: AuthorId) -> Result<Option<(u64, Entry)>, StoreError> {
    let Some(row) = reader.next()? else { return Ok(None) };
    Ok(Some((number(row, 4)?, entry(row, 0, stream, author)?)))
}

/// Reads a run on to its next signature, up to so many entries in all.
fn finish(reader: &mut Rows<'_>, stream: StreamId, run: &mut Run, last: usize) -> Result<(), StoreError> {
    while run.signed == 0
        && run.entries.len() < last
        && let Some((_, entry)) = next_of(reader, stream, run.author)?
    {
        run.push(entry);
    }
    Ok(())
}
