//! Below settled floors: newcomers begin there, whoever is behind goes on from there, and what is old enough is dropped.

use holdfast_domain::entry::Digest;
use holdfast_domain::floor::FloorReason;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::DROPPED_SEGMENTS_PER_STEP;
use holdfast_domain::scope::{Family, StreamId};
use holdfast_protocol::protocol::Input;
use holdfast_replica::replica::Replica;
use holdfast_store::error::StoreError;
use holdfast_store::floors::FloorRow;

use crate::engine::{Core, Step};
use crate::retention::floors::{Covered, covered};
use crate::retention::sweeping::spans_of;

impl Core {
    /// Tells the protocol where newcomers begin, and goes on above floors where this node lacks what lies below: there
    /// is a replacement for it, or it would be dropped at once.
    pub(crate) fn settle_floors(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let now_ms = self.floors.now_ms(step.now.wall_ms);
        for stream in self.floors.streams() {
            let settled = covered(&self.floors.settled(stream, now_ms, &self.config.retention, false));
            let heads = settled.iter().map(|(author, (seq, _))| (*author, *seq)).collect();
            self.say(step, Input::Settled { stream, heads })?;
            if self.keeps_all() {
                let lost = self.given_up(step, stream, settled);
                self.jump_to(step, stream, &lost)?;
                continue;
            }
            self.jump_to(step, stream, &settled)?;
            // Who holds nothing of a document begins with its newest generation.
            if stream.kind.family() == Family::Document && self.protocol.authors_of(stream).is_empty() {
                let best: Vec<_> = self.floors.best(stream).into_iter().collect();
                let newest = covered(&best);
                self.jump_to(step, stream, &newest)?;
            }
        }
        Ok(())
    }

    /// A command post is to keep everything. Only what a floor covers and nobody has brought for long, though somebody was
    /// there, is given up: its disk was put back to an older state, and all others have dropped what came since.
    fn given_up(&mut self, step: &Step<'_>, stream: StreamId, mut settled: Covered) -> Covered {
        let in_touch = self.protocol.links().any(|(.., open)| open);
        let wait_us = self.config.retention.reset_wait_s.saturating_mul(1_000_000);
        settled.retain(|author, (seq, _)| {
            let held = self.protocol.digest(stream, *author).map_or(0, |(seq, _)| seq);
            if held >= *seq {
                self.floors.lacking_since_us.remove(&(stream, *author));
                return false;
            }
            let since = self.floors.lacking_since_us.entry((stream, *author)).or_insert((held, step.now.mono_us));
            if since.0 != held || !in_touch {
                *since = (held, step.now.mono_us);
            }
            step.now.mono_us.saturating_sub(since.1) >= wait_us
        });
        settled
    }

    fn jump_to(&mut self, step: &mut Step<'_>, stream: StreamId, heads: &Covered) -> Result<(), StoreError> {
        for (&author, &(seq, digest)) in heads {
            let held = self.protocol.digest(stream, author).map_or(0, |(seq, _)| seq);
            let known = self.protocol.credential(author).is_some();
            // What this device wrote and does not know any more makes it write as another author; that is not passed over.
            if held >= seq || !known || author == self.credential.author() {
                continue;
            }
            let passed = step.txn.jump(stream, author, seq, digest)?;
            step.dirty = true;
            self.floors.passed(stream, passed);
            self.say(step, Input::Based { stream, author, seq, digest })?;
        }
        Ok(())
    }

    /// Drops what lies below floors, where what replaces it is stored and the age has passed.
    pub(crate) fn drop_old(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        if self.keeps_all() {
            return Ok(());
        }
        let now_ms = self.floors.now_ms(step.now.wall_ms);
        for stream in self.floors.streams() {
            let mut aged = self.floors.settled(stream, now_ms, &self.config.retention, true);
            aged.retain(|row| self.holds_what_is_left(row));
            let aged = covered(&aged);
            if stream.kind.is_track() {
                self.drop_track(step, stream, aged)?;
                continue;
            }
            let mut gone = Vec::new();
            for (author, (seq, digest)) in aged {
                let to_go = if self.may_drop(stream, author, seq) { seq } else { 0 };
                if stream.kind.family() == Family::Feed {
                    for entry in step.store.entries_between(stream, author, 1, to_go)? {
                        gone.extend(Replica::rows_of_feed(&entry).unwrap_or_default());
                    }
                }
                self.drop_below(step, stream, author, (seq, digest))?;
            }
            if !gone.is_empty() {
                step.txn.forget_messages(&gone)?;
                for author in self.protocol.authors_of(stream) {
                    let left = step.store.entries_between(stream, author, 1, u64::MAX)?;
                    for entry in left {
                        step.show(&Replica::rows_of_feed(&entry).unwrap_or_default())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what is left of position history below a floor is stored here.
    fn holds_what_is_left(&self, row: &FloorRow) -> bool {
        let (FloorReason::Thinned { end }, Some(into)) = (row.floor.reason, row.floor.stream.kind.thinned_into())
        else {
            return true;
        };
        let into = StreamId::new(row.floor.stream.scope, into);
        self.protocol.digest(into, row.author).map_or(0, |(seq, _)| seq) >= end
    }

    /// Drops position history, some chains in one step; what is left of it is shown bit by bit from then on.
    fn drop_track(&mut self, step: &mut Step<'_>, stream: StreamId, aged: Covered) -> Result<(), StoreError> {
        let Some(mission) = stream.scope.mission() else { return Ok(()) };
        let (mut gone, mut entries) = (Vec::new(), 0);
        for (author, (seq, digest)) in aged {
            if !self.may_drop(stream, author, seq) {
                continue;
            }
            if entries >= DROPPED_SEGMENTS_PER_STEP {
                self.floors.drops_on = true;
                break;
            }
            let spans = spans_of(step.store, stream, author, (1, seq))?;
            entries += spans.len();
            gone.extend(spans.into_iter().map(|(_, span)| span));
            self.drop_below(step, stream, author, (seq, digest))?;
        }
        if gone.is_empty() { Ok(()) } else { self.note_stale(step, mission, gone) }
    }

    fn may_drop(&self, stream: StreamId, author: AuthorId, seq: u64) -> bool {
        let held = self.protocol.digest(stream, author).map_or(0, |(seq, _)| seq);
        held >= seq && self.floors.dropped_to(stream, author) < seq
    }

    fn drop_below(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
        author: AuthorId,
        (seq, digest): (u64, Digest),
    ) -> Result<(), StoreError> {
        if !self.may_drop(stream, author, seq) {
            return Ok(());
        }
        let dropped = step.txn.drop_below(stream, author, seq, digest)?;
        self.floors.dropped(stream, author, seq);
        if self.protocol.base(stream, author) < seq {
            self.say(step, Input::Based { stream, author, seq, digest })?;
        }
        if dropped.entries > 0 {
            step.dirty = true;
            *self.counters.entry("entries_dropped").or_default() += dropped.entries;
            *self.counters.entry("bytes_dropped").or_default() += dropped.bytes;
        }
        Ok(())
    }
}
