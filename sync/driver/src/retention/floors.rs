//! The floors known, and the generation in which each document is kept.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::entry::Digest;
use holdfast_domain::feed::{self, ControlBody};
use holdfast_domain::floor::{Floor, FloorReason, Generation, GenerationTag};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::scope::{Family, StreamId};
use holdfast_protocol::protocol::Input;
use holdfast_store::error::StoreError;
use holdfast_store::floors::FloorRow;
use holdfast_store::store::Store;

use crate::retention::sweeping::Stale;
use crate::retention::thinning::Thinning;
use crate::retention::{CONTROL, Retention};

/// What is known of floors; all but the news and the waiting times lies on disk.
#[derive(Debug, Default)]
pub(crate) struct Floors {
    rows: BTreeMap<StreamId, Vec<FloorRow>>,
    generations: BTreeMap<StreamId, Generation>,
    /// Documents that are not yet in the generation that counts.
    pending: BTreeSet<StreamId>,
    /// Floors that the protocol has not heard of.
    news: Vec<Floor>,
    /// Whether something happened after which all floors are to be gone through.
    pub(crate) moved: bool,
    /// When all floors were gone through last.
    pub(crate) round_us: u64,
    /// Entries passed over and not yet told of.
    passed: BTreeMap<StreamId, u64>,
    /// Size of each document when it was saved last.
    saved_bytes: BTreeMap<StreamId, usize>,
    /// How far each chain was dropped since the start.
    dropped: BTreeMap<(StreamId, AuthorId), u64>,
    /// How far a chain is held whose next entries nobody brings, and since when, microseconds.
    pub(crate) lacking_since_us: BTreeMap<(StreamId, AuthorId), (u64, u64)>,
    /// Position history on its way to a floor.
    pub(crate) thinning: BTreeMap<StreamId, Thinning>,
    /// Whether there is more to drop than one step was for.
    pub(crate) drops_on: bool,
    /// Position history that the views show and entries hold no more.
    pub(crate) stale: Stale,
    /// Since when the late edits of an author wait here to be said again, microseconds.
    pub(crate) late_since_us: BTreeMap<(StreamId, AuthorId), u64>,
}

/// How far each author is covered.
pub(crate) type Covered = BTreeMap<AuthorId, (u64, Digest)>;

/// The generation that a floor begins.
pub(crate) fn begun_by(row: &FloorRow) -> Generation {
    Generation::begun_by(&row.floor, row.author, row.seq)
}

/// The generation that a floor ends.
pub(crate) fn ended_by(floor: &Floor) -> Option<GenerationTag> {
    match floor.reason {
        FloorReason::Generation { from, .. } => Some(from),
        FloorReason::Age | FloorReason::Thinned { .. } => None,
    }
}

impl Floors {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut floors = Self { moved: true, stale: Stale::load(store)?, ..Self::default() };
        let mut rows = store.floors()?;
        if rows.is_empty() {
            rows = from_control(store)?;
        }
        for row in rows {
            floors.rows.entry(row.floor.stream).or_default().push(row);
        }
        floors.generations = store.generations()?.into_iter().collect();
        for stream in floors.streams() {
            floors.look_at(stream);
        }
        Ok(floors)
    }

    pub(crate) fn take(&mut self, row: FloorRow) {
        self.moved = true;
        self.news.push(row.floor.clone());
        let rows = self.rows.entry(row.floor.stream).or_default();
        if rows.iter().all(|known| (known.author, known.seq) != (row.author, row.seq)) {
            let stream = row.floor.stream;
            rows.push(row);
            self.look_at(stream);
        }
    }

    /// Finds out whether a document has to turn.
    fn look_at(&mut self, stream: StreamId) {
        let turns = stream.kind.family() == Family::Document
            && self.best(stream).is_some_and(|best| begun_by(best) != self.generation(stream));
        if turns {
            self.pending.insert(stream);
        } else {
            self.pending.remove(&stream);
        }
    }

    /// What the protocol is to hear.
    pub(crate) fn news(&mut self) -> impl Iterator<Item = Input> + use<> {
        let news = std::mem::take(&mut self.news);
        (!news.is_empty()).then_some(Input::Floors(news)).into_iter()
    }

    /// How far each author of a stream is covered by any floor.
    pub(crate) fn covered_of(&self, stream: StreamId) -> Covered {
        covered(&self.rows(stream).iter().collect::<Vec<_>>())
    }

    /// The number of a feed's next floor.
    pub(crate) fn next_number(&self, stream: StreamId) -> u32 {
        self.rows(stream).iter().map(|row| row.floor.number).max().unwrap_or(0).saturating_add(1)
    }

    pub(crate) fn all(&self) -> Vec<Floor> {
        self.rows.values().flatten().map(|row| row.floor.clone()).collect()
    }

    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.rows.keys().copied().collect()
    }

    pub(crate) fn rows(&self, stream: StreamId) -> &[FloorRow] {
        self.rows.get(&stream).map_or(&[], Vec::as_slice)
    }

    /// The floor that counts: of two with one number, as two command posts may lay apart, that of the higher author.
    pub(crate) fn best(&self, stream: StreamId) -> Option<&FloorRow> {
        self.rows(stream).iter().max_by_key(|row| (row.floor.number, row.author, row.seq))
    }

    /// The floor that ended a generation on the way to the one that counts; none if another way led there.
    pub(crate) fn end_of(&self, stream: StreamId, tag: GenerationTag) -> Option<&FloorRow> {
        let way = self.way_to(stream, begun_by(self.best(stream)?).tag);
        way.into_iter().find(|row| ended_by(&row.floor) == Some(tag))
    }

    /// The floors on the way to a generation, the newest first.
    fn way_to(&self, stream: StreamId, mut tag: GenerationTag) -> Vec<&FloorRow> {
        let rows = self.rows(stream);
        let mut way = Vec::new();
        while let Some(row) = rows.iter().find(|row| begun_by(row).tag == tag) {
            way.push(row);
            match ended_by(&row.floor) {
                // A command post that names a generation as its own ancestor leads nowhere.
                Some(before) if way.len() <= rows.len() => tag = before,
                _ => break,
            }
        }
        way
    }

    /// The generation in which a document is kept.
    pub(crate) fn generation(&self, stream: StreamId) -> Generation {
        self.generations.get(&stream).copied().unwrap_or(Generation::FIRST)
    }

    pub(crate) fn turned(&mut self, stream: StreamId, generation: Generation) {
        self.generations.insert(stream, generation);
        self.moved = true;
        self.look_at(stream);
    }

    /// Documents that are not yet in the generation that counts.
    pub(crate) fn to_turn(&self) -> Vec<StreamId> {
        self.pending.iter().copied().collect()
    }

    /// The time by which age is judged: what this node's clock and the command posts' newest word agree has come. A clock
    /// that runs ahead drops nothing, and neither does a node that has not heard of a command post since.
    pub(crate) fn now_ms(&self, wall_ms: u64) -> u64 {
        wall_ms.min(self.newest_ms().unwrap_or(0))
    }

    /// When the newest floor was laid, by its command post's clock.
    pub(crate) fn newest_ms(&self) -> Option<u64> {
        self.rows.values().flatten().map(|row| row.floor.cut_ms).max()
    }

    /// The floors whose lower part this node needs no more: of a document those on the way to its present generation,
    /// of a feed those that are old enough. `only_aged`: of documents, too, only those.
    pub(crate) fn settled(
        &self,
        stream: StreamId,
        now_ms: u64,
        retention: &Retention,
        only_aged: bool,
    ) -> Vec<&FloorRow> {
        let age_ms = retention.age_ms(stream.kind);
        let aged = |row: &&FloorRow| row.floor.cut_ms.saturating_add(age_ms) <= now_ms;
        if stream.kind.family() != Family::Document {
            return self.rows(stream).iter().filter(aged).collect();
        }
        let mut way = self.way_to(stream, self.generation(stream).tag);
        way.retain(|row| !only_aged || aged(row));
        way
    }

    /// Every generation of a document that is known, the first among them.
    pub(crate) fn known_generations(&self, stream: StreamId) -> Vec<Generation> {
        std::iter::once(Generation::FIRST).chain(self.rows(stream).iter().map(begun_by)).collect()
    }

    pub(crate) fn dropped_to(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.dropped.get(&(stream, author)).copied().unwrap_or(0)
    }

    pub(crate) fn dropped(&mut self, stream: StreamId, author: AuthorId, seq: u64) {
        self.dropped.insert((stream, author), seq);
    }

    pub(crate) fn passed(&mut self, stream: StreamId, entries: u64) {
        if entries > 0 {
            *self.passed.entry(stream).or_default() += entries;
        }
    }

    pub(crate) fn take_passed(&mut self) -> BTreeMap<StreamId, u64> {
        std::mem::take(&mut self.passed)
    }

    pub(crate) fn saved(&mut self, stream: StreamId, bytes: usize) {
        self.saved_bytes.insert(stream, bytes);
    }

    pub(crate) fn saved_bytes(&self, stream: StreamId) -> usize {
        self.saved_bytes.get(&stream).copied().unwrap_or(0)
    }
}

/// The floors in `control`: what a program that knew none has kept as it came.
fn from_control(store: &Store) -> Result<Vec<FloorRow>, StoreError> {
    let aside = store.quarantined()?;
    let entries = store.feed_entries(CONTROL, 0, usize::MAX >> 1)?.into_iter().map(|(_, entry)| entry);
    let floors = entries.filter(|entry| !aside.contains(&entry.key)).filter_map(|entry| {
        let Ok(ControlBody::FloorV1 { floor, .. }) = feed::decode(&entry.body) else { return None };
        floor.is_sound().then_some(FloorRow { author: entry.key.author, seq: entry.key.seq, floor })
    });
    Ok(floors.collect())
}

/// How far each author is covered by any of these floors.
pub(crate) fn covered(rows: &[&FloorRow]) -> Covered {
    let mut covered = Covered::new();
    for &(author, seq, digest) in rows.iter().flat_map(|row| &row.floor.heads) {
        let known = covered.entry(author).or_insert((seq, digest));
        if seq > known.0 {
            *known = (seq, digest);
        }
    }
    covered
}
