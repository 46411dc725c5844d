//! What to send next on a link: what the peer lacks, the most urgent first, bounded by what it has acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use holdfast_domain::frame::{Ack, Ask, Bye, Frame, FrameV1, LinkId, Pack, PackForm, capability};
use holdfast_domain::frontier::Frontier;
use holdfast_domain::identity::{AuthorId, Credential};
use holdfast_domain::limits::{
    ASKS_SERVED_MAX, FRAME_BYTES_MAX, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_PACKS_MAX, PACK_AUTHORS_MAX,
};
use holdfast_domain::scope::{Class, Family, StreamId};

use crate::counters;
use crate::heads::Theirs;
use crate::held::Held;
use crate::protocol::{Effect, Protocol};
use crate::run::{self, Run};

/// The sending side of one session. It holds no queue of entries: what is to be sent is always what is held beyond what
/// the peer holds and what was sent already.
#[derive(Debug)]
pub(crate) struct Push {
    /// Streams in which the peer may lack something.
    behind: BTreeSet<(Class, StreamId)>,
    /// The stream served last in each class, so that every stream has its turn.
    served: BTreeMap<Class, StreamId>,
    /// How far each chain was sent on this link. Never falls: what was refused is not sent again unasked.
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
    last_pack: u32,
    /// The one load under way.
    loading: Option<Loading>,
}

#[derive(Debug)]
struct Asked {
    /// The next number to send.
    next: u64,
    /// Whether the peer asked, rather than this side having a fork to show.
    by_peer: bool,
}

#[derive(Debug)]
struct InFlight {
    stream: StreamId,
    bytes: usize,
    /// The last number of each author's run.
    runs: Vec<(AuthorId, u64)>,
}

#[derive(Debug)]
struct Loading {
    stream: StreamId,
    wanted: Vec<(AuthorId, u64)>,
}

impl Push {
    /// At the greeting: everything held in scopes that the peer did not name, and what was committed since the
    /// fingerprints of the others were taken. Scopes whose heads are awaited come later.
    pub(crate) fn new(author: AuthorId, theirs: &Theirs, said: &Frontier, held: &Frontier) -> Self {
        let mut behind = BTreeSet::new();
        for (scope, frontier) in held.scopes() {
            let equal = said.scope(scope).is_some_and(|then| then.fingerprint() == frontier.fingerprint());
            if theirs.is_awaited(scope) || (equal && theirs.has_scope(scope)) {
                continue;
            }
            behind.extend(frontier.heads().map(|(kind, ..)| (kind.class(), StreamId::new(scope, kind))));
        }
        Self {
            behind,
            served: BTreeMap::new(),
            sent: BTreeMap::new(),
            refused: BTreeSet::new(),
            asked: BTreeMap::new(),
            shown: BTreeSet::new(),
            told: Class::ALL.into_iter().map(|class| (class, author)).collect(),
            in_flight: BTreeMap::new(),
            in_flight_load: BTreeMap::new(),
            last_pack: 0,
            loading: None,
        }
    }

    /// The peer may lack something in this stream.
    pub(crate) fn fell_behind(&mut self, stream: StreamId) {
        self.behind.insert((stream.kind.class(), stream));
    }

    /// Whether all that was sent is acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.loading.is_none()
    }

    /// Sends a chain from `first` on, whatever the peer is known to hold, unless that was done in this session: the
    /// peer is to see the proof of a fork too.
    pub(crate) fn show(&mut self, stream: StreamId, author: AuthorId, first: u64) {
        if self.shown.insert((stream, author)) {
            self.asked.insert((stream, author), Asked { next: first, by_peer: false });
            self.fell_behind(stream);
        }
    }

    /// The most urgent stream of which the peer lacks something, and what it lacks.
    fn next(&mut self, held: &Held, theirs: &Theirs) -> Option<Loading> {
        for class in Class::ALL {
            if self.is_full(class) {
                return None;
            }
            while let Some(stream) = self.next_stream(class) {
                let wanted = self.wanted(stream, held, theirs);
                self.served.insert(class, stream);
                if !wanted.is_empty() {
                    return Some(Loading { stream, wanted });
                }
                self.behind.remove(&(class, stream));
            }
        }
        None
    }

    /// Whether so much is unacknowledged in this class and those more urgent that a pack of the class must wait. What is
    /// less urgent does not count, so that bulk never keeps an alert waiting.
    fn is_full(&self, class: Class) -> bool {
        let load = self.in_flight_load.range(..=class).map(|(_, load)| *load);
        let (packs, bytes) = load.fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1));
        packs >= IN_FLIGHT_PACKS_MAX || bytes >= IN_FLIGHT_BYTES_MAX
    }

    fn landed(&mut self, pack: u32) -> Option<InFlight> {
        let flown = self.in_flight.remove(&pack)?;
        if let Some((packs, bytes)) = self.in_flight_load.get_mut(&flown.stream.kind.class()) {
            *packs -= 1;
            *bytes -= flown.bytes;
        }
        Some(flown)
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

    fn wanted(&self, stream: StreamId, held: &Held, theirs: &Theirs) -> Vec<(AuthorId, u64)> {
        let unasked = !theirs.is_awaited(stream.scope);
        held.heads_of(stream)
            .filter_map(|(author, head)| {
                let chain = (stream, author);
                let first = match self.asked.get(&chain) {
                    Some(asked) => asked.next,
                    None if unasked && !self.refused.contains(&chain) => {
                        let sent = self.sent.get(&chain).copied().unwrap_or(0);
                        sent.max(theirs.seq(stream, author)).saturating_add(1)
                    }
                    None => return None,
                };
                (first <= head.seq).then_some((author, first))
            })
            .take(PACK_AUTHORS_MAX)
            .collect()
    }

    /// Gives up on the first chain wanted: what cannot be sent must not hold up the rest.
    fn give_up(&mut self, loading: &Loading) {
        if let Some(&(author, _)) = loading.wanted.first() {
            self.asked.remove(&(loading.stream, author));
            self.refused.insert((loading.stream, author));
        }
    }

    /// Credentials the peer may lack for these authors, in this class.
    fn untold(&self, class: Class, runs: &[Run], held: &Held, theirs: &Theirs) -> Vec<Credential> {
        runs.iter()
            .map(|run| run.range.author)
            .filter(|&author| !theirs.knows(author) && !self.told.contains(&(class, author)))
            .filter_map(|author| held.credential(author).cloned())
            .collect()
    }

    fn left(&mut self, pack: &Pack, runs: &[Run], held: &Held, bytes: usize) {
        let class = pack.stream.kind.class();
        self.told.extend(pack.credentials.iter().map(|credential| (class, credential.author())));
        self.last_pack = pack.id;
        let runs: Vec<(AuthorId, u64)> = runs.iter().map(|run| (run.range.author, run.last)).collect();
        for &(author, last) in &runs {
            let chain = (pack.stream, author);
            let sent = self.sent.entry(chain).or_default();
            *sent = last.max(*sent);
            if let Some(asked) = self.asked.get_mut(&chain) {
                asked.next = last.saturating_add(1);
                if last >= held.head(pack.stream, author).map_or(0, |(seq, _)| seq) {
                    self.asked.remove(&chain);
                }
            }
        }
        let load = self.in_flight_load.entry(class).or_default();
        *load = (load.0 + 1, load.1 + bytes);
        self.in_flight.insert(pack.id, InFlight { stream: pack.stream, bytes, runs });
    }
}

impl Protocol {
    /// Loads the next pack for a link, if there is something to send and room for it.
    pub(crate) fn load_next(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        let Some(open) = self.links.get_mut(&link).and_then(crate::session::Link::open_mut) else { return };
        if open.push.loading.is_some() {
            return;
        }
        let Some(loading) = open.push.next(&self.held, &open.theirs) else { return };
        let both = self.config.capabilities & open.capabilities;
        let bundle = loading.stream.kind.family() == Family::Document && both & capability::BUNDLE != 0;
        out.push(Effect::Load { link, stream: loading.stream, wanted: loading.wanted.clone(), bundle });
        open.push.loading = Some(loading);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one input")]
    pub(crate) fn loaded(
        &mut self,
        link: LinkId,
        stream: StreamId,
        entries: &[holdfast_domain::entry::Entry],
        bases: &[(AuthorId, holdfast_domain::entry::Digest)],
        form: PackForm,
        payload: Vec<u8>,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = self.links.get_mut(&link).and_then(crate::session::Link::open_mut) else { return };
        let Some(loading) = open.push.loading.take_if(|loading| loading.stream == stream) else { return };
        self.stirred.insert(link);
        let runs = run::of_entries(stream, &loading.wanted, entries, bases);
        let Some(runs) = runs.filter(|runs| !runs.is_empty()) else {
            self.counters.one(counters::PACKS_UNSENDABLE);
            return open.push.give_up(&loading);
        };
        let class = stream.kind.class();
        let pack = Pack {
            id: open.push.last_pack.wrapping_add(1),
            stream,
            credentials: open.push.untold(class, &runs, &self.held, &open.theirs),
            ranges: runs.iter().map(|run| run.range.clone()).collect(),
            form,
            payload,
        };
        let frame = Frame::V1(FrameV1::Pack(pack));
        let bytes = frame.encode();
        let Frame::V1(FrameV1::Pack(pack)) = frame else { return };
        if bytes.len() > FRAME_BYTES_MAX {
            self.counters.one(counters::PACKS_UNSENDABLE);
            return open.push.give_up(&loading);
        }
        self.counters.one(counters::PACKS_SENT);
        self.counters.add(counters::ENTRIES_SENT, entries.len());
        open.push.left(&pack, &runs, &self.held, bytes.len());
        out.push(Effect::Send { link, class, bytes });
    }

    /// The peer has dealt with a pack. What it holds now decides whether it took each run; the room is free either way.
    pub(crate) fn ack_came(&mut self, link: LinkId, ack: &Ack, out: &mut Vec<Effect>) {
        let Some(open) = self.open_mut(link) else { return };
        let Some(flown) = open.push.landed(ack.pack) else {
            return self.counters.one(counters::ACKS_UNKNOWN);
        };
        if ack.heads.len() > PACK_AUTHORS_MAX {
            return self.close(link, Bye::BadFrame, out);
        }
        for &(author, head) in &ack.heads {
            if !self.learn(link, flown.stream, author, head, out) {
                return;
            }
        }
        let Some(open) = self.links.get_mut(&link).and_then(crate::session::Link::open_mut) else { return };
        for (author, last) in flown.runs {
            let chain = (flown.stream, author);
            if open.theirs.seq(flown.stream, author) >= last {
                if open.push.refused.remove(&chain) {
                    open.push.fell_behind(flown.stream);
                }
            } else if open.push.refused.insert(chain) {
                self.counters.one(counters::RUNS_REFUSED);
            }
        }
    }

    /// The peer wants a chain from some number on, whatever it is known to hold.
    pub(crate) fn ask_came(&mut self, link: LinkId, ask: &Ask, out: &mut Vec<Effect>) {
        self.counters.one(counters::ASKS_RECEIVED);
        let held = self.held.head(ask.stream, ask.author).map_or(0, |(seq, _)| seq);
        let Some(open) = self.open_mut(link) else { return };
        let chain = (ask.stream, ask.author);
        let others = open.push.asked.iter().filter(|(other, asked)| asked.by_peer && **other != chain).count();
        if ask.first == 0 || others >= ASKS_SERVED_MAX {
            return self.close(link, Bye::BadFrame, out);
        }
        if ask.first <= held {
            open.push.asked.insert(chain, Asked { next: ask.first, by_peer: true });
            open.push.fell_behind(ask.stream);
        }
        if ask.first == 1 || ask.stream.kind.family() == Family::Register {
            open.push.shown.insert(chain);
        }
    }
}
