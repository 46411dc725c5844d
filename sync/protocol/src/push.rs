//! What to send next on a link: what the peer lacks, the most urgent first, bounded by what it has acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use holdfast_domain::clock::Now;
use holdfast_domain::entry::{Digest, Entry};
use holdfast_domain::frame::{Carriage, Flow, Frame, FrameV1, LinkId, Pack, PackForm, capability};
use holdfast_domain::frontier::Head;
use holdfast_domain::identity::{AuthorId, Credential, DeviceRole};
use holdfast_domain::limits::{FRAME_BYTES_MAX, IN_FLIGHT_PACKS_MAX, PACK_AUTHORS_MAX, PACKET_BYTES};
use holdfast_domain::scope::{Class, Family, StreamId, StreamKind};

use crate::blob::BlobEffect;
use crate::counters;
use crate::heads::Theirs;
use crate::held::Held;
use crate::parts::{Part, Parts};
use crate::protocol::{Effect, Protocol};
use crate::push::ahead::Ahead;
use crate::run::{self, Run};

pub(crate) mod ahead;
mod answers;
#[cfg(test)]
mod tests;

/// The sending side of one session. It holds no queue of entries: what is to be sent is always what is held beyond what
/// the peer holds and what was sent already.
#[derive(Debug)]
pub(crate) struct Push {
    /// Streams in which the peer may lack something.
    behind: BTreeSet<(Class, StreamId)>,
    /// The stream served last in each class, so that every stream has its turn.
    served: BTreeMap<Class, StreamId>,
    /// Bytes sent in each class below the strict ones, divided by its share: the least goes next.
    turns: BTreeMap<Class, u64>,
    /// How far each chain was sent on this link. Falls only for packets that were lost: what was refused is not sent
    /// again unasked.
    sent: BTreeMap<(StreamId, AuthorId), u64>,
    /// Chains of which the peer acknowledged a run without holding it; sent only if asked for, until it holds them.
    refused: BTreeSet<(StreamId, AuthorId)>,
    /// Chains to send whatever the peer is known to hold.
    asked: BTreeMap<(StreamId, AuthorId), Asked>,
    /// Chains shown to the peer from their start, as one half of the proof of a fork.
    shown: BTreeSet<(StreamId, AuthorId)>,
    /// Credentials sent. Packs of other classes may overtake, so each class carries its own.
    told: BTreeSet<(Class, AuthorId)>,
    in_flight: BTreeMap<u32, InFlight>,
    /// Packs and bytes in flight, by class.
    in_flight_load: BTreeMap<Class, (usize, usize)>,
    /// The one load under way.
    loading: Option<Loading>,
    /// Whether the peer begins at floors where it holds nothing; a command post is to hold everything.
    at_floors: bool,
    /// Streams of which nothing can be sent just now.
    deferred: BTreeSet<StreamId>,
    /// What goes before the peer has said what it holds.
    pub(crate) ahead: Ahead,
    /// Parts of blobs that the peer asked for.
    pub(crate) parts: Parts,
}

#[derive(Debug)]
struct Asked {
    /// The next number to send.
    next: u64,
    /// Whether the peer asked, rather than this side having a fork to show.
    by_peer: bool,
}

/// A pack that is not acknowledged.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: u32,
    pub(crate) stream: StreamId,
    /// The last entry of each author's run.
    pub(crate) runs: Vec<(AuthorId, Head)>,
    /// All of it, to go on with after a cut.
    pub(crate) frame: Vec<u8>,
    carriage: Carriage,
    sent_us: u64,
}

#[derive(Debug)]
struct Loading {
    stream: StreamId,
    wanted: Vec<(AuthorId, u64)>,
    /// Whether it goes before anything is known of the peer.
    ahead: bool,
}

/// What goes next: entries of a stream, or a part of a blob.
enum Next {
    Entries(Loading),
    Part(Part),
}

/// What was loaded for a pack; see [`crate::protocol::Input::Loaded`].
pub(crate) struct Loaded {
    pub(crate) stream: StreamId,
    pub(crate) entries: Vec<Entry>,
    pub(crate) bases: Vec<(AuthorId, Digest)>,
    pub(crate) cuts: BTreeSet<(AuthorId, u64)>,
    pub(crate) form: PackForm,
    pub(crate) payload: Vec<u8>,
}

/// What a class gets of a link when others want it too, in parts of one: P2 half, P3 and P4 a fifth each, P5 a tenth.
fn share(class: Class) -> u64 {
    match class {
        Class::P0 | Class::P1 | Class::P2 => 5,
        Class::P3 | Class::P4 => 2,
        Class::P5 => 1,
    }
}

/// Classes that go before all others while there is anything in them.
fn is_strict(class: Class) -> bool {
    class <= Class::P1
}

impl Push {
    pub(crate) fn new(author: AuthorId) -> Self {
        Self {
            behind: BTreeSet::new(),
            served: BTreeMap::new(),
            turns: BTreeMap::new(),
            sent: BTreeMap::new(),
            refused: BTreeSet::new(),
            asked: BTreeMap::new(),
            shown: BTreeSet::new(),
            told: Class::ALL.into_iter().map(|class| (class, author)).collect(),
            in_flight: BTreeMap::new(),
            in_flight_load: BTreeMap::new(),
            loading: None,
            at_floors: true,
            deferred: BTreeSet::new(),
            ahead: Ahead::default(),
            parts: Parts::default(),
        }
    }

    /// The peer is of this role.
    pub(crate) fn serves(&mut self, role: DeviceRole) {
        self.at_floors = role != DeviceRole::Hub;
    }

    /// What the peer holds was learned anew: looks again at every scope in which it may lack something.
    pub(crate) fn reconsider(&mut self, held: &Held, theirs: &Theirs) {
        for (scope, mine) in held.frontier().scopes() {
            let same = theirs.frontier().scope(scope).is_some_and(|other| other.fingerprint() == mine.fingerprint());
            if !same {
                self.behind.extend(mine.heads().map(|(kind, ..)| (kind.class(), StreamId::new(scope, kind))));
            }
        }
    }

    /// The peer may lack something in this stream.
    pub(crate) fn fell_behind(&mut self, stream: StreamId) {
        self.behind.insert((stream.kind.class(), stream));
    }

    /// What was to be loaded of a stream waits for something that is about to come.
    pub(crate) fn not_yet(&mut self, stream: StreamId) {
        self.loading.take_if(|loading| loading.stream == stream);
        self.behind.remove(&(stream.kind.class(), stream));
        self.deferred.insert(stream);
    }

    /// Time has passed: what could not be sent is looked at again.
    pub(crate) fn try_again(&mut self) {
        let deferred = std::mem::take(&mut self.deferred);
        self.behind.extend(deferred.into_iter().map(|stream| (stream.kind.class(), stream)));
    }

    /// Whether there may be something to send, or under way, that can wait for power.
    pub(crate) fn has_bulk(&self) -> bool {
        self.behind.iter().map(|(class, _)| *class).chain(self.parts.classes()).any(|class| class >= Class::P3)
            || self.in_flight_load.range(Class::P3..).any(|(_, (packs, _))| *packs > 0)
    }

    /// Whether all that was sent is acknowledged, single packets aside.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.values().all(|flown| flown.carriage == Carriage::Packet) && self.loading.is_none()
    }

    /// What was not acknowledged when the link ended.
    pub(crate) fn into_flown(self) -> Vec<InFlight> {
        self.in_flight.into_values().collect()
    }

    /// Sends a chain from `first` on, whatever the peer is known to hold, unless that was done in this session: the
    /// peer is to see the proof of a fork too.
    pub(crate) fn show(&mut self, stream: StreamId, author: AuthorId, first: u64) {
        if self.shown.insert((stream, author)) {
            self.asked.insert((stream, author), Asked { next: first, by_peer: false });
            self.fell_behind(stream);
        }
    }

    /// The stream whose turn it is of those of which the peer lacks something, and what it lacks. `served`: classes to
    /// be sent at all. `window_bytes`: what may be unacknowledged. `bulk`: whether what can wait for power may go.
    fn next(
        &mut self,
        held: &Held,
        theirs: &Theirs,
        serve: Flow,
        (window_bytes, part_bytes): (usize, usize),
        bulk: bool,
    ) -> Option<Next> {
        if theirs.is_known() {
            self.ahead.end();
        } else if let Some(loading) = self.ahead.next() {
            return Some(Next::Entries(loading));
        }
        let mut classes = vec![Class::P0, Class::P1];
        let mut fair = vec![Class::P2, Class::P3, Class::P4, Class::P5];
        fair.sort_by_key(|class| (self.turns.get(class).copied().unwrap_or(0), *class));
        classes.extend(fair);
        classes.retain(|class| bulk || *class < Class::P3);
        for class in classes {
            if self.is_full(class, window_bytes) {
                if is_strict(class) {
                    return None;
                }
                continue;
            }
            while let Some(stream) = self.next_stream(class) {
                // Registers have holes by nature: of a peer that was set back since, one would hide those before it.
                let at_once = is_strict(class) && stream.kind.family() != Family::Register;
                let unasked = theirs.is_known()
                    && (class == Class::P0 || serve == Flow::Eager)
                    && (at_once || !theirs.is_awaited());
                let wanted = self.wanted(stream, held, theirs, unasked);
                self.served.insert(class, stream);
                if !wanted.is_empty() {
                    return Some(Next::Entries(Loading { stream, wanted, ahead: false }));
                }
                self.behind.remove(&(class, stream));
            }
            if let Some(part) = self.parts.next(class, part_bytes) {
                return Some(Next::Part(part));
            }
        }
        None
    }

    /// A class that had nothing to send for a while gets no more than its share now.
    fn took_turn(&mut self, class: Class, bytes: usize) {
        let behind = self.behind.iter().map(|(class, _)| *class).chain(self.parts.classes());
        let waiting = behind.filter(|class| !is_strict(*class));
        let least = waiting.filter_map(|class| self.turns.get(&class)).min().copied().unwrap_or(0);
        let turn = self.turns.entry(class).or_insert(least);
        *turn = (*turn).max(least) + bytes as u64 / share(class);
    }

    /// Whether so much is unacknowledged in this class and those more urgent that a pack of the class must wait. What is
    /// less urgent than a strict class does not count, so that bulk never keeps an alert waiting; the classes below
    /// share one window.
    fn is_full(&self, class: Class, window_bytes: usize) -> bool {
        let upto = if is_strict(class) { class } else { Class::P5 };
        let load = self.in_flight_load.range(..=upto).map(|(_, load)| *load);
        let (packs, bytes) = load.fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1));
        packs >= IN_FLIGHT_PACKS_MAX || bytes >= window_bytes
    }

    /// A part of a blob is on its way.
    pub(crate) fn part_left(&mut self, class: Class, bytes: usize) {
        self.took_turn(class, bytes);
        let load = self.in_flight_load.entry(class).or_default();
        *load = (load.0 + 1, load.1 + bytes);
    }

    /// Whether this number is of a part, which was dealt with.
    fn part_landed(&mut self, id: u32) -> bool {
        let Some((class, bytes)) = self.parts.landed(id) else { return false };
        if let Some(load) = self.in_flight_load.get_mut(&class) {
            *load = (load.0 - 1, load.1 - bytes);
        }
        true
    }

    fn landed(&mut self, pack: u32) -> Option<InFlight> {
        let flown = self.in_flight.remove(&pack)?;
        if let Some((packs, bytes)) = self.in_flight_load.get_mut(&flown.stream.kind.class()) {
            *packs -= 1;
            *bytes -= flown.frame.len();
        }
        Some(flown)
    }

    /// A frame whose beginning the peer kept over a cut is on its way once more.
    pub(crate) fn left_again(&mut self, flown: InFlight) {
        for &(author, head) in &flown.runs {
            let sent = self.sent.entry((flown.stream, author)).or_default();
            *sent = head.seq.max(*sent);
        }
        self.flies(flown);
    }

    fn flies(&mut self, flown: InFlight) {
        let load = self.in_flight_load.entry(flown.stream.kind.class()).or_default();
        *load = (load.0 + 1, load.1 + flown.frame.len());
        self.in_flight.insert(flown.id, flown);
    }

    /// Packets that were lost, so that what is newest then is sent again.
    fn lost_packets(&mut self, before_us: u64) -> usize {
        let lost = |flown: &&InFlight| flown.carriage == Carriage::Packet && flown.sent_us < before_us;
        let lost: Vec<u32> = self.in_flight.values().filter(lost).map(|flown| flown.id).collect();
        for &id in &lost {
            let Some(flown) = self.landed(id) else { continue };
            self.fell_behind(flown.stream);
            for (author, head) in flown.runs {
                if self.sent.get(&(flown.stream, author)) == Some(&head.seq) {
                    self.sent.remove(&(flown.stream, author));
                }
            }
        }
        lost.len()
    }

    fn next_stream(&self, class: Class) -> Option<StreamId> {
        let of_class = |&&(other, _): &&(Class, StreamId)| other == class;
        let after = self.served.get(&class).and_then(|&last| {
            self.behind.range((Bound::Excluded((class, last)), Bound::Unbounded)).next().filter(of_class)
        });
        let first = || {
            let lowest = StreamId::new(holdfast_domain::scope::Scope::Org, holdfast_domain::scope::StreamKind::Board);
            self.behind.range((class, lowest)..).next().filter(of_class)
        };
        after.or_else(first).map(|&(_, stream)| stream)
    }

    fn wanted(&self, stream: StreamId, held: &Held, theirs: &Theirs, unasked: bool) -> Vec<(AuthorId, u64)> {
        let newest = stream.kind.family() == Family::Register;
        let on_stream = if newest { self.flying_on_stream(stream) } else { BTreeSet::new() };
        held.heads_of(stream)
            .filter_map(|(author, head)| {
                let chain = (stream, author);
                let known = theirs.seq(stream, author);
                let next = self.sent.get(&chain).copied().unwrap_or(0).max(known).saturating_add(1);
                let (first, news) = match self.asked.get(&chain) {
                    Some(asked) => (asked.next, asked.next),
                    None if !unasked || self.refused.contains(&chain) => return None,
                    // A packet may be lost, and one after it must not hide what it held: each goes from what the peer
                    // holds for sure, and none overtakes what a stream carries.
                    None if newest && on_stream.contains(&author) => return None,
                    None if newest => (known.saturating_add(1), next),
                    None => (next, next),
                };
                // Who has nothing of a chain begins at its floor, whatever it asks for; and what is not held here cannot
                // be sent.
                let floor = if known == 0 && self.at_floors { held.start(stream, author) } else { 0 };
                let first = first.max(floor.max(held.base(stream, author)).saturating_add(1));
                (first.max(news) <= head.seq).then_some((author, first))
            })
            .take(PACK_AUTHORS_MAX)
            .collect()
    }

    /// Authors of whose runs in this stream some are under way in a class's order.
    fn flying_on_stream(&self, stream: StreamId) -> BTreeSet<AuthorId> {
        let flown =
            self.in_flight.values().filter(|flown| flown.stream == stream && flown.carriage == Carriage::Stream);
        flown.flat_map(|flown| flown.runs.iter().map(|(author, _)| *author)).collect()
    }

    /// Gives up on the first chain wanted: what cannot be sent must not hold up the rest.
    fn give_up(&mut self, loading: &Loading) {
        if let Some(&(author, _)) = loading.wanted.first() {
            self.asked.remove(&(loading.stream, author));
            self.refused.insert((loading.stream, author));
        }
    }

    /// Credentials the peer may lack for these authors. Who asks for a chain may lack what it is believed to know.
    fn untold(&self, stream: StreamId, runs: &[Run], held: &Held, theirs: &Theirs) -> Vec<Credential> {
        let class = stream.kind.class();
        let lacking = |author: AuthorId| {
            let asked = self.asked.get(&(stream, author)).is_some_and(|asked| asked.by_peer);
            asked || (!theirs.knows(author) && !self.told.contains(&(class, author)))
        };
        let authors = runs.iter().map(|run| run.range.author).filter(|&author| lacking(author));
        authors.filter_map(|author| held.credential(author).cloned()).collect()
    }

    fn left(&mut self, pack: &Pack, runs: &[Run], held: &Held, flown: InFlight) {
        let class = pack.stream.kind.class();
        // A packet may be lost, so it tells nothing until it is acknowledged.
        if flown.carriage == Carriage::Stream {
            self.told.extend(pack.credentials.iter().map(|credential| (class, credential.author())));
        }
        for run in runs {
            let chain = (pack.stream, run.range.author);
            let sent = self.sent.entry(chain).or_default();
            *sent = run.last.seq.max(*sent);
            if let Some(asked) = self.asked.get_mut(&chain) {
                asked.next = run.last.seq.saturating_add(1);
                if run.last.seq >= held.head(pack.stream, run.range.author).map_or(0, |(seq, _)| seq) {
                    self.asked.remove(&chain);
                }
            }
        }
        self.took_turn(class, flown.frame.len());
        self.flies(flown);
    }
}

impl Protocol {
    /// Loads the next pack for a link, if there is something to send and room for it.
    pub(crate) fn load_next(&mut self, now: Now, link: LinkId, out: &mut Vec<Effect>) {
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        if open.push.loading.is_some() || open.push.parts.loading.is_some() {
            return;
        }
        let open_us = now.mono_us.saturating_sub(open.since_us);
        let sizes = (open.pace.window_bytes(open_us), open.pace.pack_bytes(open_us));
        let loading = match open.push.next(&self.held, &open.theirs, open.agreed.flow, sizes, self.thrift.is_open()) {
            None => return,
            Some(Next::Part(part)) => {
                open.push.parts.loading = Some(part);
                let Part { blob, first, count } = part;
                return out.push(Effect::Blob(BlobEffect::LoadPart { link, blob, first, count }));
            }
            Some(Next::Entries(loading)) => loading,
        };
        let both = self.config.capabilities & open.capabilities;
        let family = loading.stream.kind.family();
        let bundle = family == Family::Document && both & capability::BUNDLE != 0;
        let raw_bytes = if loading.ahead { ahead::RAW_BYTES } else { open.pace.raw_bytes(family, open_us) };
        let (stream, wanted, span_bytes) = (loading.stream, loading.wanted.clone(), open.pace.span_bytes());
        out.push(Effect::Load { link, stream, wanted, bundle, raw_bytes, span_bytes });
        open.push.loading = Some(loading);
    }

    pub(crate) fn loaded(&mut self, now: Now, link: LinkId, loaded: Loaded, out: &mut Vec<Effect>) {
        let Loaded { stream, entries, bases, cuts, form, payload } = loaded;
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        let Some(loading) = open.push.loading.take_if(|loading| loading.stream == stream) else { return };
        self.stirred.insert(link);
        let runs = run::of_entries(stream, &loading.wanted, &entries, &bases, &cuts);
        let Some(runs) = runs.filter(|runs| !runs.is_empty()) else {
            if loading.ahead {
                return;
            }
            self.counters.one(counters::PACKS_UNSENDABLE);
            return open.push.give_up(&loading);
        };
        let class = stream.kind.class();
        self.last_pack = self.last_pack.wrapping_add(1);
        let pack = Pack {
            id: self.last_pack,
            stream,
            credentials: open.push.untold(stream, &runs, &self.held, &open.theirs),
            ranges: runs.iter().map(|run| run.range.clone()).collect(),
            form,
            payload,
        };
        let frame = Frame::V1(FrameV1::Pack(pack));
        let bytes = frame.encode();
        let Frame::V1(FrameV1::Pack(pack)) = frame else { return };
        if loading.ahead && !open.push.ahead.takes(&entries, &self.held, bytes.len()) {
            return;
        }
        if bytes.len() > FRAME_BYTES_MAX {
            self.counters.one(counters::PACKS_UNSENDABLE);
            return open.push.give_up(&loading);
        }
        self.counters.one(counters::PACKS_SENT);
        self.counters.add(counters::ENTRIES_SENT, entries.len());
        let raw = entries.iter().map(|entry| entry.body.len()).sum();
        open.pace.packed(stream.kind.family(), raw, bytes.len());
        let small = bytes.len() <= PACKET_BYTES;
        // Where the next word is a minute away, a stream costs less than a packet: others of its kind were said on it.
        let fleeting = stream.kind.family() == Family::Register && stream.kind != StreamKind::Holds;
        // What was asked for is not asked for twice, so it must arrive.
        let asked = loading.wanted.iter().any(|(author, _)| open.push.asked.contains_key(&(stream, *author)));
        let carriage = if small && fleeting && !asked { Carriage::Packet } else { Carriage::Stream };
        let flown = InFlight {
            id: pack.id,
            stream,
            runs: runs.iter().map(|run| (run.range.author, run.last)).collect(),
            frame: bytes.clone(),
            carriage,
            sent_us: now.mono_us,
        };
        open.push.left(&pack, &runs, &self.held, flown);
        // The end of a contact may take any packet with it: what is most urgent goes twice where packets count.
        if class == Class::P0 && small && !loading.ahead && open.pace.is_narrow() {
            out.push(Effect::Send { link, class, carriage: Carriage::Packet, bytes: bytes.clone() });
        }
        out.push(Effect::Send { link, class, carriage, bytes });
    }
}
