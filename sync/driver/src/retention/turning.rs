//! A document turns to the generation that a floor began: its rows are read anew, and late edits are said again.

use holdfast_domain::floor::{Floor, FloorReason, Generation};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::HELD_ENTRIES_MAX;
use holdfast_domain::scope::StreamId;
use holdfast_replica::replica::{Replica, ReplicaError};
use holdfast_replica::rolling::{Late, Turned, Voice};
use holdfast_store::error::StoreError;

use crate::effect::Notice;
use crate::engine::{Core, Step, chain};
use crate::retention::floors::begun_by;

impl Core {
    /// Turns a document to the generation that counts, if its start is here whole.
    pub(crate) fn turn_if_whole(&mut self, step: &mut Step<'_>, stream: StreamId) -> Result<(), StoreError> {
        let Some(best) = self.floors.best(stream) else { return Ok(()) };
        let (to, poster, floor) = (begun_by(best), best.author, best.floor.clone());
        if !self.holds_start(stream, poster, &floor) {
            return Ok(());
        }
        self.open_document(step, stream)?;
        let from = self.floors.generation(stream);
        let mut late = Late::default();
        for author in self.own_authors() {
            if !self.has_spoken(step, stream, author, to)? {
                let bodies = self.late_bodies(step, stream, author, from)?;
                late.extend(self.replica.late(stream, &bodies));
            }
        }
        step.txn.forget_snapshot(stream)?;
        let (_, entries) = step.store.snapshot_and_tail(stream)?;
        let hlc = self.clock.tick(step.now);
        let voice = Voice { author: self.credential.author(), at_ms: hlc.ms() };
        let turned = self.replica.turn(stream, to, &entries, &late, voice);
        let turned = turned.map_err(|error| document_error(stream, &error))?;
        step.notice(Notice::Turned { stream, generation: to.number, late: turned.bodies.len() });
        *self.counters.entry("documents_turned").or_default() += 1;
        *self.counters.entry("late_changes_said_again").or_default() += turned.bodies.len() as u64;
        self.goes_on_in(step, stream, to, turned)
    }

    /// Writes down that a document is in another generation now, with what that showed and said.
    pub(crate) fn goes_on_in(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
        to: Generation,
        turned: Turned,
    ) -> Result<(), StoreError> {
        step.dirty = true;
        step.txn.put_generation(stream, to)?;
        step.txn.forget_snapshot(stream)?;
        self.floors.turned(stream, to);
        self.documents.save_soon(stream);
        step.show(&turned.patches)?;
        step.txn.keep_records(stream, &turned.records)?;
        for body in turned.bodies {
            self.write(step, stream, body);
        }
        Ok(())
    }

    /// Whether every start entry of a generation is stored here.
    fn holds_start(&self, stream: StreamId, poster: AuthorId, floor: &Floor) -> bool {
        let (FloorReason::Generation { first, .. }, Some(end)) = (floor.reason, floor.start_end()) else {
            return false;
        };
        let held = self.protocol.digest(stream, poster).map_or(0, |(seq, _)| seq);
        held >= end && self.protocol.base(stream, poster) < first
    }

    /// The authors that this device writes or wrote as.
    fn own_authors(&self) -> Vec<AuthorId> {
        let me = self.config.device.device();
        let mut own: Vec<AuthorId> = self.protocol.authors_of_device(me);
        own.push(self.credential.author());
        own.sort_unstable();
        own.dedup();
        own
    }

    /// Whether an author has written anything in a generation.
    pub(crate) fn has_spoken(
        &self,
        step: &Step<'_>,
        stream: StreamId,
        author: AuthorId,
        generation: Generation,
    ) -> Result<bool, StoreError> {
        let newest = self.protocol.digest(stream, author).map_or(0, |(seq, _)| seq);
        let newest = step.store.entries_between(stream, author, newest, newest)?;
        Ok(newest.iter().any(|entry| Replica::belongs(generation, &entry.body)))
    }

    /// What an author wrote in a generation after it had ended.
    pub(crate) fn late_bodies(
        &self,
        step: &Step<'_>,
        stream: StreamId,
        author: AuthorId,
        from: Generation,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let end = self.floors.end_of(stream, from.tag).map(|row| &row.floor);
        let covered = end.and_then(|floor| floor.head(author)).map_or(0, |(seq, _)| seq);
        let entries = step.store.entries_between(stream, author, covered + 1, u64::MAX)?;
        let late = entries.into_iter().filter(|entry| Replica::belongs(from, &entry.body));
        Ok(late.take(HELD_ENTRIES_MAX).map(|entry| entry.body).collect())
    }
}

pub(crate) fn document_error(stream: StreamId, error: &ReplicaError) -> StoreError {
    StoreError::Document { stream: stream.to_string(), fault: chain(error) }
}
