//! Which documents are open in memory, when they are closed again, and when they are saved as snapshots.

use std::collections::BTreeMap;

use holdfast_domain::limits::{OPEN_CHANGES_MAX, OPEN_DOCUMENTS_MAX, SNAPSHOT_TAIL_ENTRIES};
use holdfast_domain::scope::{Family, StreamId};
use holdfast_store::error::StoreError;

use crate::engine::{Core, Step, chain};

/// Use and growth of open documents.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    used: BTreeMap<StreamId, u64>,
    /// Changes of each open document: what it takes in memory goes by them.
    changes: BTreeMap<StreamId, usize>,
    tails: BTreeMap<StreamId, usize>,
    uses: u64,
    /// When entries of others last came.
    came_us: BTreeMap<StreamId, u64>,
}

impl Documents {
    /// Entries of others came.
    pub(crate) fn came(&mut self, stream: StreamId, now_us: u64) {
        self.came_us.insert(stream, now_us);
    }

    pub(crate) fn came_us(&self, stream: StreamId) -> Option<u64> {
        self.came_us.get(&stream).copied()
    }

    /// One more entry lies behind the snapshot.
    pub(crate) fn grew(&mut self, stream: StreamId) {
        if stream.kind.family() == Family::Document {
            *self.tails.entry(stream).or_default() += 1;
            self.changes.entry(stream).and_modify(|changes| *changes += 1);
        }
    }

    /// The document is to be saved with the step under way.
    pub(crate) fn save_soon(&mut self, stream: StreamId) {
        self.tails.insert(stream, SNAPSHOT_TAIL_ENTRIES);
    }

    /// Documents in use.
    pub(crate) fn open(&self) -> Vec<StreamId> {
        self.used.keys().copied().collect()
    }

    fn touch(&mut self, stream: StreamId) {
        self.uses += 1;
        self.used.insert(stream, self.uses);
    }

    /// The document to close before another is opened, while too many are open, or they are too large together.
    fn least_used(&self, but: StreamId) -> Option<StreamId> {
        let changes: usize = self.changes.values().sum();
        if self.used.len() < OPEN_DOCUMENTS_MAX && changes < OPEN_CHANGES_MAX {
            return None;
        }
        self.used.iter().filter(|(stream, _)| **stream != but).min_by_key(|(_, use_)| **use_).map(|(stream, _)| *stream)
    }

    fn forget(&mut self, stream: StreamId) {
        self.used.remove(&stream);
        self.changes.remove(&stream);
        self.tails.remove(&stream);
        self.came_us.remove(&stream);
    }
}

impl Core {
    /// Makes sure that a document is open, from its snapshot and the entries after it.
    pub(crate) fn open_document(&mut self, step: &Step<'_>, stream: StreamId) -> Result<(), StoreError> {
        if !self.replica.is_open(stream) {
            // While changes wait for a predecessor every document stays open: a waiting change lives in memory.
            while self.replica.held() == 0
                && let Some(idle) = self.documents.least_used(stream)
            {
                self.replica.close(idle);
                self.documents.forget(idle);
            }
            let (snapshot, tail) = step.store.snapshot_and_tail(stream)?;
            self.documents.tails.insert(stream, tail.len());
            self.replica
                .open_at(stream, self.floors.generation(stream), snapshot.as_deref(), &tail)
                .map_err(|error| StoreError::Document { stream: stream.to_string(), fault: chain(&error) })?;
            self.documents.changes.insert(stream, self.replica.changes(stream) as usize);
            for key in step.store.quarantined()?.iter().filter(|key| key.stream == stream) {
                self.replica.bar(key);
            }
        }
        self.documents.touch(stream);
        Ok(())
    }

    /// Saves documents with a long tail as snapshots, so that the next start loads them fast.
    pub(crate) fn snapshot_long_tails(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        // A snapshot holds what is applied; with changes waiting it would cover entries that it does not hold.
        if self.replica.held() > 0 {
            return Ok(());
        }
        let long: Vec<StreamId> = self
            .documents
            .tails
            .iter()
            .filter(|(stream, tail)| **tail >= SNAPSHOT_TAIL_ENTRIES && self.replica.is_open(**stream))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in long {
            if let Some(bytes) = self.replica.snapshot(stream) {
                step.txn.put_snapshot(stream, &bytes)?;
                self.floors.saved(stream, bytes.len());
                step.dirty = true;
                self.documents.tails.insert(stream, 0);
                *self.counters.entry("snapshots").or_default() += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use holdfast_domain::id::MissionId;
    use holdfast_domain::scope::{Scope, StreamKind};

    use super::*;

    fn board(n: u8) -> StreamId {
        StreamId::new(Scope::Mission(MissionId::mint(1_700_000_000_000, [n; 10])), StreamKind::Board)
    }

    fn with(changes: usize, count: u8) -> Documents {
        let mut documents = Documents::default();
        for n in 1..=count {
            documents.touch(board(n));
            documents.changes.insert(board(n), changes);
        }
        documents
    }

    #[test]
    fn a_few_huge_documents_are_as_many_as_fit_and_so_are_many_small_ones() {
        assert_eq!(with(10, 63).least_used(board(99)), None);
        assert_eq!(with(10, 64).least_used(board(99)), Some(board(1)));
        assert_eq!(with(50_000, 3).least_used(board(99)), None);
        let mut huge = with(50_000, 4);
        huge.touch(board(1));
        assert_eq!(huge.least_used(board(99)), Some(board(2)), "the one not used for longest");
        huge.forget(board(2));
        assert_eq!(huge.least_used(board(99)), None, "with it closed there is room");
        huge.grew(board(3));
        huge.grew(board(77));
        assert_eq!(huge.changes.values().sum::<usize>(), 150_001, "one that is not open takes no room");
    }
}
