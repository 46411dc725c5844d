//! What the peer holds: learned from its greeting, its heads, its acknowledgements and from what it sends itself.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::clock::Now;
use holdfast_domain::frame::{Bye, FrameV1, Greeting, Heads, LinkId};
use holdfast_domain::frontier::{Fingerprint, Frontier, Head, Mark};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{ANNOUNCE_SHARE, FRONTIER_FRAME_HEADS, PEER_HEADS_MAX};
use holdfast_domain::scope::{Class, Family, Scope, StreamId, StreamKind};

use crate::counters;
use crate::marks::Covered;
use crate::protocol::{Effect, Protocol};
use crate::session::send;

/// What the peer is known to hold durably. Nothing optimistic: what is only sent is not in here.
#[derive(Debug)]
pub(crate) struct Theirs {
    frontier: Frontier,
    heads: usize,
    /// Authors of whom it holds anything, so that it must hold their credentials.
    authors: BTreeSet<AuthorId>,
    awaited: Awaited,
    /// The registers it named when it greeted.
    named_latest: Mark,
    /// Whether it is known that this is all it holds, registers aside.
    whole: bool,
    /// Whether there is something to report.
    changed: bool,
}

/// What the peer is about to say of its heads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Awaited {
    /// Nothing: what is known is all there is to know for now.
    Nothing,
    /// What changed since the base that is remembered.
    Change,
    /// The scopes that differ from those this node named; of those not mentioned it holds the same.
    Scopes(BTreeSet<Scope>),
}

/// What the peer was told of this node's heads.
#[derive(Debug)]
pub(crate) struct Told {
    /// How much had come in when it was told last.
    arrivals: u64,
    whole: Mark,
    /// Chains it has seen this node hold so far since: by sending them, or by an acknowledgement.
    shared: BTreeMap<(StreamId, AuthorId), u64>,
    /// Not before this is it told again, microseconds.
    next_us: u64,
    /// The registers it was told of, those held when it was last thought of telling it, and since when it was not told.
    latest: Mark,
    latest_seen: Mark,
    latest_us: u64,
    /// How much had come in when it was told of registers.
    latest_arrivals: u64,
    /// Since when it could be told that it knows all, and nothing else.
    bare_us: Option<u64>,
    /// Whether it knows a whole of this node, to go by at the next meeting.
    has_base: bool,
}

/// Registers in constant movement are told of so rarely: those who send them unasked bring them anyway.
const LATEST_ANNOUNCE_US: u64 = 30_000_000;
/// A peer that saw all of it on this link is told so rarely that it knows all: the word counts at the next meeting only,
/// and with its answer and what acknowledges them costs more than an edit.
const BARE_ANNOUNCE_US: u64 = 10_000_000;
/// Unless so many chains moved: if the link ends before it is told, their heads are said again at the next meeting.
const BARE_CHAINS_MAX: usize = 32;

impl Told {
    pub(crate) fn nothing() -> Self {
        let none = Mark([0; 8]);
        Self {
            arrivals: 0,
            whole: none,
            shared: BTreeMap::new(),
            next_us: 0,
            latest: none,
            latest_seen: none,
            latest_us: 0,
            latest_arrivals: 0,
            bare_us: None,
            has_base: false,
        }
    }

    pub(crate) fn said(&mut self, arrivals: u64, whole: Mark) {
        self.arrivals = arrivals;
        self.whole = whole;
        self.bare_us = None;
    }

    pub(crate) fn said_latest(&mut self, arrivals: u64, latest: Mark) {
        self.latest_arrivals = arrivals;
        self.latest = latest;
        self.latest_seen = latest;
    }

    /// Whether to tell of registers: when they have come to rest, and in the midst of movement now and then.
    fn is_latest_due(&mut self, now_us: u64, latest: Mark) -> bool {
        if self.latest == latest {
            self.latest_us = now_us;
        }
        let rests = std::mem::replace(&mut self.latest_seen, latest) == latest;
        self.latest != latest && (rests || now_us.saturating_sub(self.latest_us) > LATEST_ANNOUNCE_US)
    }

    /// Whether a word without heads, after so many chains that moved, has waited long enough for some to go with it.
    fn is_bare_due(&mut self, chains: usize, now_us: u64) -> bool {
        let since_us = *self.bare_us.get_or_insert(now_us);
        let waited = now_us.saturating_sub(since_us) >= BARE_ANNOUNCE_US;
        waited || !self.has_base || chains > BARE_CHAINS_MAX
    }

    /// Both ends know that this node holds a chain so far.
    pub(crate) fn share(&mut self, stream: StreamId, author: AuthorId, seq: u64) {
        let known = self.shared.entry((stream, author)).or_default();
        *known = seq.max(*known);
    }
}

impl Theirs {
    /// Nothing is known before the peer speaks.
    pub(crate) fn unknown() -> Self {
        Self {
            frontier: Frontier::default(),
            heads: 0,
            authors: BTreeSet::new(),
            awaited: Awaited::Scopes(BTreeSet::new()),
            named_latest: Mark([0; 8]),
            whole: false,
            changed: false,
        }
    }

    /// What the peer held when it was last known whole.
    pub(crate) fn remembered(base: &Frontier) -> Self {
        let mut theirs = Self { awaited: Awaited::Change, ..Self::unknown() };
        theirs.become_like(base);
        theirs
    }

    fn become_like(&mut self, frontier: &Frontier) {
        self.heads = frontier.len();
        self.authors = frontier.authors().collect();
        self.frontier = frontier.clone();
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn seq(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.frontier.seq(stream, author)
    }

    pub(crate) fn knows(&self, author: AuthorId) -> bool {
        self.authors.contains(&author)
    }

    pub(crate) fn knows_own(&mut self, author: AuthorId) {
        self.authors.insert(author);
    }

    /// Whether the peer is still to say what it holds.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited != Awaited::Nothing
    }

    /// Whether anything is known at all, if only from before.
    pub(crate) fn is_known(&self) -> bool {
        !matches!(self.awaited, Awaited::Scopes(_))
    }

    /// A peer that was put back from a backup names a base that holds, since registers are not in it, and lacks some of the
    /// registers that are remembered of it. Nothing would ask for them: they have holes by nature.
    fn forget_latest(&mut self) {
        let mut frontier = Frontier::default();
        for (scope, heads) in self.frontier.scopes() {
            for (kind, author, head) in heads.heads().filter(|(kind, ..)| *kind != StreamKind::Latest) {
                frontier.set(StreamId::new(scope, kind), author, head);
            }
        }
        self.become_like(&frontier);
    }

    /// Takes note of a head. What is held durably never shrinks within a session.
    pub(crate) fn learn(&mut self, stream: StreamId, author: AuthorId, head: Head) {
        let old = self.frontier.head(stream, author);
        if old.is_none_or(|old| head.seq > old.seq) {
            self.heads += usize::from(old.is_none());
            self.authors.insert(author);
            self.frontier.set(stream, author, head);
            self.changed = true;
            self.whole &= stream.kind.family() == Family::Register;
        }
    }

    /// Both greetings named the same.
    fn is_as_said(&mut self, said: &Frontier) {
        self.become_like(said);
        self.awaited = Awaited::Nothing;
        (self.whole, self.changed) = (true, true);
    }

    /// The peer has said its piece.
    fn complete(&mut self, said: &Frontier, whole: Mark) {
        let awaited = std::mem::replace(&mut self.awaited, Awaited::Nothing);
        if awaited == Awaited::Change && self.frontier.latest().mark() != self.named_latest {
            self.forget_latest();
        }
        if let Awaited::Scopes(mentioned) = awaited {
            for (scope, same) in said.scopes().filter(|(scope, _)| !mentioned.contains(scope)) {
                self.authors.extend(same.heads().map(|(_, author, _)| author));
                self.frontier.take_scope(scope, said);
            }
            self.heads = self.frontier.len();
        }
        self.whole = self.frontier.whole().mark() == whole;
        self.changed = true;
    }
}

impl Protocol {
    /// Peers may name what is held now as a base from here on.
    pub(crate) fn mark(&mut self, latest: u64, out: &mut Vec<Effect>) {
        let mark = self.held.frontier().whole().mark();
        if self.marks.set(mark, Covered { chains: self.held.arrivals(), latest }) {
            out.push(Effect::Marked { mark });
        }
    }

    /// Compares what both greetings named. If it is the same, both ends know all; else each says what the other cannot
    /// know. `base`: what the peer knows of this node for sure.
    /// `repeated`: the peer was asked for this greeting and waits for an answer even so.
    pub(crate) fn compare(
        &mut self,
        link: LinkId,
        greeting: &Greeting,
        base: Option<Covered>,
        repeated: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.open.theirs.named_latest = greeting.latest;
        let same_whole = state.said.whole() == greeting.whole;
        state.open.told.has_base = same_whole || base.is_some();
        if same_whole && state.said.latest().mark() == greeting.latest {
            state.open.theirs.is_as_said(&state.said);
            state.open.push.reconsider(&self.held, &state.open.theirs);
            if !repeated {
                return;
            }
        }
        // Who holds nothing needs no word for it, and to whoever holds nothing this node says what it brings.
        if greeting.whole == Fingerprint([0; 16]) && greeting.latest == Mark([0; 8]) {
            state.open.theirs.is_as_said(&Frontier::default());
            state.open.push.reconsider(&self.held, &state.open.theirs);
        }
        if state.said.is_empty() {
            return;
        }
        match base {
            Some(Covered { chains, latest }) => {
                let since = |stream: &StreamId| match stream.kind.family() {
                    Family::Register => Some(latest),
                    _ => (!same_whole).then_some(chains),
                };
                let grown = self.held.grown_since(chains.min(latest));
                let news = grown.filter(|((stream, ..), at)| since(stream).is_some_and(|since| *at > since));
                let heads = news.map(|(head, _)| head).collect();
                self.send_heads(link, BTreeSet::new(), heads, self.held.arrivals(), out);
            }
            None => self.send_differing(link, &greeting.scopes, out),
        }
    }

    fn send_differing(&mut self, link: LinkId, named: &[(Scope, Fingerprint)], out: &mut Vec<Effect>) {
        let named: BTreeMap<Scope, Fingerprint> = named.iter().copied().collect();
        let held = self.held.frontier();
        let mut heads = Vec::new();
        let mut mentioned = BTreeSet::new();
        for (scope, mine) in held.scopes().filter(|(scope, mine)| named.get(scope) != Some(&mine.fingerprint())) {
            mentioned.insert(scope);
            heads.extend(mine.heads().map(|(kind, author, head)| (StreamId::new(scope, kind), author, head)));
        }
        mentioned.extend(named.keys().filter(|scope| held.scope(**scope).is_none()));
        if mentioned.is_empty() {
            // A scope mentioned without heads would count as empty here.
            mentioned.insert(Scope::Org);
            let org = held.scope(Scope::Org).into_iter().flat_map(|org| org.heads());
            heads.extend(org.map(|(kind, author, head)| (StreamId::new(Scope::Org, kind), author, head)));
        }
        self.send_heads(link, mentioned, heads, self.held.arrivals(), out);
    }

    /// Says heads, scope by scope; scopes mentioned without any get a frame of their own. The last frame says that all
    /// is said, of registers all that came in up to `latest`.
    fn send_heads(
        &mut self,
        link: LinkId,
        mentioned: BTreeSet<Scope>,
        heads: Vec<(StreamId, AuthorId, Head)>,
        latest: u64,
        out: &mut Vec<Effect>,
    ) {
        let whole = self.held.frontier().whole().mark();
        let mut frames: Vec<Heads> = Vec::new();
        let spoken: BTreeSet<Scope> = heads.iter().map(|(stream, ..)| stream.scope).collect();
        let blank = |scope| Heads { scope, heads: Vec::new(), whole: None };
        for of_scope in heads.chunk_by(|a, b| a.0.scope == b.0.scope) {
            for part in of_scope.chunks(FRONTIER_FRAME_HEADS) {
                let mut frame = blank(part[0].0.scope);
                for of_kind in part.chunk_by(|a, b| a.0.kind == b.0.kind) {
                    let named = of_kind.iter().map(|(_, author, head)| (*author, *head)).collect();
                    frame.heads.push((of_kind[0].0.kind, named));
                }
                frames.push(frame);
            }
        }
        frames.extend(mentioned.difference(&spoken).map(|&scope| blank(scope)));
        match frames.last_mut() {
            Some(last) => last.whole = Some(whole),
            None => frames.push(Heads { whole: Some(whole), ..blank(Scope::Org) }),
        }
        let mut bytes = 0;
        for frame in frames {
            let effect = send(link, Class::P0, FrameV1::Heads(frame));
            if let Effect::Send { bytes: frame, .. } = &effect {
                bytes += frame.len();
            }
            out.push(effect);
        }
        let arrivals = self.held.arrivals();
        if let Some(state) = self.links.get_mut(&link) {
            state.open.told.said(arrivals, whole);
            state.open.told.next_us = state.open.pace.pause_us(bytes, ANNOUNCE_SHARE);
        }
        self.mark(latest, out);
    }

    /// Tells a peer what came in since it was told last, once nothing is under way to it: so that it need not be sent
    /// what others bring it, can ask for what nobody brings, and knows all at the next meeting.
    pub(crate) fn announce(&mut self, now: Now, link: LinkId, out: &mut Vec<Effect>) {
        let whole = self.held.frontier().whole().mark();
        let latest = self.held.frontier().latest().mark();
        let arrivals = self.held.arrivals();
        let Some(open) = self.open_mut(link) else { return };
        let with_latest = open.told.is_latest_due(now.mono_us, latest);
        let due = (with_latest || open.told.whole != whole) && now.mono_us >= open.told.next_us;
        if !due || open.theirs.is_awaited() || !open.push.is_idle() {
            return;
        }
        let shared = std::mem::take(&mut open.told.shared);
        let (since, latest_since) = (open.told.arrivals, open.told.latest_arrivals);
        let news = |(stream, author, head): &(StreamId, AuthorId, Head), grown: u64| {
            let register = stream.kind.family() == Family::Register;
            let wanted = if register { with_latest && grown > latest_since } else { grown > since };
            wanted && shared.get(&(*stream, *author)).is_none_or(|&seq| seq < head.seq)
        };
        let grown = self.held.grown_since(since.min(latest_since));
        let heads: Vec<_> = grown.filter(|(head, at)| news(head, *at)).map(|(head, _)| head).collect();
        if let Some(open) = self.open_mut(link).filter(|_| heads.is_empty())
            && !open.told.is_bare_due(shared.len(), now.mono_us)
        {
            open.told.shared = shared;
            return;
        }
        let told = if with_latest { arrivals } else { latest_since };
        self.send_heads(link, BTreeSet::new(), heads, told, out);
        if let Some(open) = self.open_mut(link) {
            open.told.next_us += now.mono_us;
            open.told.has_base = true;
            if with_latest {
                open.told.said_latest(arrivals, latest);
            } else {
                open.told.shared = shared;
                open.told.shared.retain(|(stream, _), _| stream.kind.family() == Family::Register);
            }
        }
        self.counters.one(counters::ANNOUNCEMENTS);
    }

    pub(crate) fn heads_came(&mut self, now: Now, link: LinkId, heads: &Heads, out: &mut Vec<Effect>) {
        if heads.heads.iter().map(|(_, of_kind)| of_kind.len()).sum::<usize>() > FRONTIER_FRAME_HEADS {
            return self.close(link, Bye::BadFrame, out);
        }
        for (kind, of_kind) in &heads.heads {
            for &(author, head) in of_kind {
                if !self.learn(link, StreamId::new(heads.scope, *kind), author, head, out) {
                    return;
                }
            }
        }
        let Some(state) = self.links.get_mut(&link) else { return };
        if let Awaited::Scopes(mentioned) = &mut state.open.theirs.awaited {
            mentioned.insert(heads.scope);
        }
        if let Some(whole) = heads.whole {
            let meeting = state.open.theirs.is_awaited();
            state.open.theirs.complete(&state.said, whole);
            state.open.push.reconsider(&self.held, &state.open.theirs);
            self.seek(now.mono_us, link, meeting, out);
        }
    }

    /// Takes in what the peer says it holds of one author. False if the link had to be closed.
    pub(crate) fn learn(
        &mut self,
        link: LinkId,
        stream: StreamId,
        author: AuthorId,
        head: Head,
        out: &mut Vec<Effect>,
    ) -> bool {
        let mine = self.held.head(stream, author);
        let rivals = mine.is_some_and(|(seq, digest)| seq == head.seq && digest.short() != head.digest);
        let own_is_ahead = author == self.held.own_author() && head.seq > mine.map_or(0, |(seq, _)| seq);
        let Some(state) = self.links.get_mut(&link) else { return false };
        let (device, open) = (state.device(), &mut state.open);
        open.theirs.learn(stream, author, head);
        if head.seq == 0 || open.theirs.heads > PEER_HEADS_MAX {
            self.close(link, Bye::BadFrame, out);
            return false;
        }
        if own_is_ahead || (rivals && author == self.held.own_author()) {
            // A word is enough once, since a node that writes under numbers it gave before does harm for good. A device that
            // says so of the next author, too, must show what it says: else a liar makes authors without end.
            if *self.left_on_the_word_of.entry(device).or_insert(author) == author {
                self.own_history(stream, head.seq, out);
            } else {
                self.doubt(link, stream, author, head.seq, out);
            }
        }
        if rivals {
            // A register entry proves itself; a chain is proved from its start.
            let first = if stream.kind.family() == Family::Register { head.seq } else { 1 };
            self.suspect(link, stream, author, first, head.seq, out);
        }
        true
    }

    /// Asks once for the history that the peer seems to hold in place of ours.
    pub(crate) fn suspect(
        &mut self,
        link: LinkId,
        stream: StreamId,
        author: AuthorId,
        first: u64,
        last: u64,
        out: &mut Vec<Effect>,
    ) {
        if self.held.is_frozen(stream, author) {
            return;
        }
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        if open.asks.suspect(stream, author) {
            let ask = open.asks.want(stream, author, first, last);
            self.counters.one(counters::FORKS_SUSPECTED);
            self.send_ask(link, ask, out);
        }
    }

    /// Asks for what a peer claims to hold of this node's hand; if it is true, it proves itself as it comes.
    fn doubt(&mut self, link: LinkId, stream: StreamId, author: AuthorId, last: u64, out: &mut Vec<Effect>) {
        self.counters.one(counters::OWN_HISTORY_DOUBTED);
        let first = self.held.head(stream, author).map_or(1, |(seq, _)| seq.min(last - 1) + 1);
        self.suspect(link, stream, author, first, last, out);
        out.extend(self.links.get(&link).map(|state| Effect::Doubt { device: state.device() }));
    }

    /// Own history turned up elsewhere. Said once until the driver has begun a fresh epoch.
    pub(crate) fn own_history(&mut self, stream: StreamId, seq: u64, out: &mut Vec<Effect>) {
        self.counters.one(counters::OWN_HISTORY);
        if !std::mem::replace(&mut self.rebirth_awaited, true) {
            out.push(Effect::OwnHistory { stream, seq });
        }
    }

    /// Reports what the peer holds if that changed: when it has said all it was about to say, and in the midst of bulk
    /// only now and then, since a report names everything.
    pub(crate) fn report_heads(&mut self, link: LinkId, now_and_then: bool, out: &mut Vec<Effect>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let device = state.device();
        let Some(open) = state.open_mut() else { return };
        let settled = now_and_then || open.push.is_idle();
        if open.theirs.changed && !open.theirs.is_awaited() && settled {
            open.theirs.changed = false;
            let (frontier, whole) = (open.theirs.frontier.clone(), open.theirs.whole);
            if whole {
                self.bases.insert(device, frontier.clone());
            }
            out.push(Effect::PeerHeads { device, frontier, whole });
        }
    }
}
