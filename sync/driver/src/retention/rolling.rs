//! What a command post does: it lays floors, rolls documents that have grown large, and says late edits again whose
//! authors do not.

use std::collections::BTreeMap;

use holdfast_domain::entry::Digest;
use holdfast_domain::feed::{self, ControlBody};
use holdfast_domain::floor::{Floor, FloorReason, Generation};
use holdfast_domain::identity::{AuthorId, DeviceId, DeviceRole};
use holdfast_domain::limits::{FLOOR_HEADS_MAX, ROLL_CHANGES_MIN};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Family, Scope, StreamId, StreamKind};
use holdfast_replica::replica::Replica;
use holdfast_replica::rolling::Voice;
use holdfast_store::error::StoreError;
use holdfast_store::floors::FloorRow;

use crate::engine::{Core, Step};
use crate::retention::CONTROL;
use crate::retention::floors::begun_by;
use crate::retention::turning::document_error;

/// A document is rolled when it has reached nine parts in ten of a limit: what is under way elsewhere has room.
const ROLL_PARTS: (u64, u64) = (9, 10);
/// Between two floors of one feed, milliseconds.
const FLOOR_EVERY_MS: u64 = 24 * 3600 * 1000;
/// Feeds of which old entries may go.
const FEEDS: [StreamKind; 4] =
    [StreamKind::Message, StreamKind::Track, StreamKind::TrackSampled, StreamKind::TrackSimplified];

impl Core {
    /// Rolls a document because somebody asked for it.
    pub(crate) fn roll_asked(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
    ) -> Result<Result<u32, Refusal>, StoreError> {
        let refuse = |field, fault: &str| Ok(Err(Refusal::Invalid { field, fault: fault.to_owned() }));
        if !self.keeps_all() {
            return refuse("role", "is that of a node; only a command post rolls documents");
        }
        if stream.kind.family() != Family::Document || stream.scope == Scope::Org {
            return refuse("kind", "is no document; give `board` or `roster`");
        }
        if !step.store.has_stream(stream)? {
            return Ok(Err(Refusal::NotFound { kind: "document", id: stream.to_string() }));
        }
        self.seal(step)?;
        match self.roll(step, stream)? {
            Some(number) => Ok(Ok(number)),
            None => refuse("mission", "has changes that wait for others, or a generation on its way; try again later"),
        }
    }

    /// Lays a floor under a feed because somebody asked for it.
    pub(crate) fn floor_asked(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
    ) -> Result<Result<u32, Refusal>, StoreError> {
        let refuse = |field, fault: &str| Ok(Err(Refusal::Invalid { field, fault: fault.to_owned() }));
        if !self.keeps_all() {
            return refuse("role", "is that of a node; only a command post lays floors");
        }
        if !FEEDS.contains(&stream.kind) || stream.scope == Scope::Org {
            let names = FEEDS.map(StreamKind::as_str).join("`, `");
            return refuse("kind", &format!("has no floors by age; give one of `{names}`"));
        }
        self.seal(step)?;
        match self.lay_age_floor(step, stream)? {
            Some(number) => Ok(Ok(number)),
            None => refuse("mission", "has nothing there that no floor covers yet"),
        }
    }

    /// Rolls documents that have grown to their limits, at the one command post that does so.
    pub(crate) fn roll_grown(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let limits = &self.config.retention;
        let (parts, of) = ROLL_PARTS;
        let changes_max = limits.generation_changes_max * parts / of;
        let bytes_max = limits.generation_bytes_max as u64 * parts / of;
        let grown: Vec<StreamId> = self
            .documents
            .open()
            .into_iter()
            .filter(|stream| {
                let changes = self.replica.changes(*stream);
                let large = self.floors.saved_bytes(*stream) as u64 >= bytes_max && changes >= ROLL_CHANGES_MIN;
                changes >= changes_max || large
            })
            .collect();
        if grown.is_empty() || !self.is_roller() {
            return Ok(());
        }
        for stream in grown {
            self.seal(step)?;
            self.roll(step, stream)?;
        }
        Ok(())
    }

    /// Of several command posts the one with the lowest device id rolls by itself.
    fn is_roller(&self) -> bool {
        let me = self.config.device.device();
        let hubs = self.peers.devices().filter(|device| device.role == DeviceRole::Hub);
        hubs.map(holdfast_domain::identity::DeviceCredential::device).all(|hub: DeviceId| me <= hub)
    }

    /// Rolls a document; `None` if it cannot be now.
    fn roll(&mut self, step: &mut Step<'_>, stream: StreamId) -> Result<Option<u32>, StoreError> {
        self.open_document(step, stream)?;
        let from = self.floors.generation(stream);
        let behind = self.floors.best(stream).is_some_and(|best| begun_by(best) != from);
        let heads = self.heads_of(stream);
        if behind || self.replica.held_in(stream) > 0 || heads.len() > FLOOR_HEADS_MAX {
            return Ok(None);
        }
        let author = self.credential.author();
        let hlc = self.clock.tick(step.now);
        let mut floor = Floor {
            stream,
            number: from.number + 1,
            heads,
            credentials: Vec::new(),
            reason: FloorReason::Age,
            cut_ms: hlc.ms(),
        };
        self.vouch_for_heads(&mut floor);
        let seq = self.protocol.digest(CONTROL, author).map_or(0, |(seq, _)| seq) + 1;
        let to = Generation::begun_by(&floor, author, seq);
        let turned = self.replica.roll(stream, to, Voice { author, at_ms: hlc.ms() });
        let turned = turned.map_err(|error| document_error(stream, &error))?;
        let first = self.protocol.digest(stream, author).map_or(0, |(seq, _)| seq) + 1;
        floor.reason = FloorReason::Generation { from: from.tag, first, count: turned.bodies.len() as u32 };
        let number = floor.number;
        *self.counters.entry("documents_rolled").or_default() += 1;
        self.write(step, CONTROL, feed::encode(&ControlBody::FloorV1 { written: hlc, floor: floor.clone() }));
        self.goes_on_in(step, stream, to, turned)?;
        self.lay(step, FloorRow { author, seq, floor })?;
        self.seal(step)?;
        Ok(Some(number))
    }

    /// Lays a floor under each feed once a day, the first when it has been there for a day.
    pub(crate) fn lay_daily_floors(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        if !self.is_roller() {
            return Ok(());
        }
        let mut feeds = step.store.streams(None)?;
        feeds.retain(|stream| FEEDS.contains(&stream.kind));
        for stream in feeds {
            let newest = self.floors.rows(stream).iter().map(|row| row.floor.cut_ms).max();
            let newest = newest.map_or_else(|| first_seen(step, stream), Ok)?;
            if newest.saturating_add(FLOOR_EVERY_MS) <= step.now.wall_ms {
                self.seal(step)?;
                self.lay_age_floor(step, stream)?;
            }
        }
        self.tell_the_day(step)
    }

    /// Lays a floor of nothing where a day has passed without any and something waits for its age: nodes judge age by the
    /// newest floor.
    fn tell_the_day(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let Some(told_ms) = self.floors.newest_ms() else { return Ok(()) };
        let (limits, mut feed, mut waits) = (&self.config.retention, None, false);
        for stream in self.floors.streams() {
            let age_ms = limits.age_ms(stream.kind);
            feed = feed.or(FEEDS.contains(&stream.kind).then_some(stream));
            waits |= self.floors.rows(stream).iter().any(|row| row.floor.cut_ms.saturating_add(age_ms) > told_ms);
        }
        match feed.filter(|_| waits && told_ms.saturating_add(FLOOR_EVERY_MS) <= step.now.wall_ms) {
            Some(feed) => {
                let number = self.floors.next_number(feed);
                self.lay_feed_floor(step, feed, number, Vec::new(), FloorReason::Age)
            }
            None => Ok(()),
        }
    }

    /// Lays a floor under a feed at all that is held; it names only the chains that have grown since the last one. Under
    /// position history it comes when that is thinned.
    fn lay_age_floor(&mut self, step: &mut Step<'_>, stream: StreamId) -> Result<Option<u32>, StoreError> {
        if stream.kind.thinned_into().is_some() {
            return self.begin_thinning(step, stream);
        }
        let heads = self.uncovered(stream);
        if heads.is_empty() {
            return Ok(None);
        }
        let number = self.floors.next_number(stream);
        self.lay_feed_floor(step, stream, number, heads, FloorReason::Age)?;
        Ok(Some(number))
    }

    /// How far the chains of a feed are held that have grown since its last floor.
    pub(crate) fn uncovered(&self, stream: StreamId) -> Vec<(AuthorId, u64, Digest)> {
        let known = self.floors.covered_of(stream);
        let mut heads = self.heads_of(stream);
        heads.retain(|(author, seq, _)| known.get(author).is_none_or(|(covered, _)| seq > covered));
        // What does not fit one floor comes with the next.
        heads.truncate(FLOOR_HEADS_MAX);
        heads
    }

    pub(crate) fn lay_feed_floor(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
        number: u32,
        heads: Vec<(AuthorId, u64, Digest)>,
        reason: FloorReason,
    ) -> Result<(), StoreError> {
        let author = self.credential.author();
        let hlc = self.clock.tick(step.now);
        let mut floor = Floor { stream, number, heads, credentials: Vec::new(), reason, cut_ms: hlc.ms() };
        self.vouch_for_heads(&mut floor);
        let seq = self.protocol.digest(CONTROL, author).map_or(0, |(seq, _)| seq) + 1;
        self.write(step, CONTROL, feed::encode(&ControlBody::FloorV1 { written: hlc, floor: floor.clone() }));
        self.lay(step, FloorRow { author, seq, floor })?;
        self.seal(step)
    }

    fn heads_of(&self, stream: StreamId) -> Vec<(AuthorId, u64, Digest)> {
        let authors = self.protocol.authors_of(stream).into_iter();
        authors.filter_map(|author| self.protocol.digest(stream, author).map(|(seq, at)| (author, seq, at))).collect()
    }

    /// Names who the authors of a floor are; one of whom that is unknown is left out.
    fn vouch_for_heads(&self, floor: &mut Floor) {
        floor.heads.retain(|(author, ..)| self.protocol.credential(*author).is_some());
        let vouched = floor.heads.iter().filter_map(|(author, ..)| self.protocol.credential(*author).cloned());
        floor.credentials = vouched.collect();
    }

    /// Says late edits again whose authors have had their time to do so and have not.
    pub(crate) fn say_for_the_silent(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        if !self.is_roller() {
            return Ok(());
        }
        for stream in self.floors.streams() {
            let present = self.floors.generation(stream);
            if stream.kind.family() == Family::Document && !present.is_first() {
                for author in self.protocol.authors_of(stream) {
                    self.say_for(step, stream, author, present)?;
                }
            }
        }
        Ok(())
    }

    fn say_for(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
        author: AuthorId,
        present: Generation,
    ) -> Result<(), StoreError> {
        let newest = self.protocol.digest(stream, author).map_or(0, |(seq, _)| seq);
        let done = format!("said-for/{stream}/{author}");
        let said = step.store.meta(&done)?.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        if self.has_spoken(step, stream, author, present)? || said.unwrap_or(0) >= newest {
            self.floors.late_since_us.remove(&(stream, author));
            return Ok(());
        }
        let mut late = BTreeMap::new();
        for generation in self.floors.known_generations(stream) {
            if generation != present {
                let bodies = self.late_bodies(step, stream, author, generation)?;
                if !bodies.is_empty() {
                    late.insert(generation, bodies);
                }
            }
        }
        let waiting = !late.is_empty();
        let since = *self.floors.late_since_us.entry((stream, author)).or_insert(step.now.mono_us);
        let waited_us = step.now.mono_us.saturating_sub(since);
        if waiting && waited_us < self.config.retention.late_wait_s.saturating_mul(1_000_000) {
            return Ok(());
        }
        for (generation, bodies) in late {
            self.say_again(step, stream, generation, &bodies)?;
        }
        step.txn.put_meta(&done, &newest.to_le_bytes())?;
        step.dirty = true;
        Ok(())
    }

    fn say_again(
        &mut self,
        step: &mut Step<'_>,
        stream: StreamId,
        from: Generation,
        bodies: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let mut all = Vec::new();
        for author in self.protocol.authors_of(stream) {
            let entries = step.store.entries_between(stream, author, 1, u64::MAX)?;
            all.extend(entries.into_iter().map(|entry| (entry.key.seq, entry.body)));
        }
        let mut past = Replica::new();
        past.open_at(stream, from, None, &all).map_err(|error| document_error(stream, &error))?;
        let late = past.late(stream, bodies);
        self.seal(step)?;
        self.open_document(step, stream)?;
        let hlc = self.clock.tick(step.now);
        let voice = Voice { author: self.credential.author(), at_ms: hlc.ms() };
        let said = self.replica.propose(stream, &late, voice).map_err(|error| document_error(stream, &error))?;
        *self.counters.entry("late_changes_said_for_others").or_default() += said.bodies.len() as u64;
        for body in said.bodies {
            self.write(step, stream, body);
        }
        step.show(&said.patches)?;
        self.seal(step)
    }
}

/// When a command post first saw a feed under which no floor lies, Unix milliseconds.
fn first_seen(step: &mut Step<'_>, stream: StreamId) -> Result<u64, StoreError> {
    let name = format!("first-seen/{stream}");
    if let Some(bytes) = step.store.meta(&name)? {
        return Ok(bytes.try_into().map_or(0, u64::from_le_bytes));
    }
    step.txn.put_meta(&name, &step.now.wall_ms.to_le_bytes())?;
    step.dirty = true;
    Ok(step.now.wall_ms)
}
