//! What the peer holds: learned from its greeting, its heads, its acknowledgements and from what it sends itself.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::frame::{Bye, FrameV1, Heads, LinkId};
use holdfast_domain::frontier::{Fingerprint, Frontier, Head, ScopeFrontier};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{FRONTIER_FRAME_HEADS, PEER_HEADS_MAX};
use holdfast_domain::scope::{Class, Family, Scope, StreamId, StreamKind};

use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::session::send;

/// What the peer is known to hold durably. Nothing optimistic: what is only sent is not in here.
#[derive(Debug)]
pub(crate) struct Theirs {
    frontier: Frontier,
    heads: usize,
    /// Authors of whom it holds anything, so that it must hold their credentials.
    authors: BTreeSet<AuthorId>,
    /// Scopes whose heads the peer is about to name.
    awaited: BTreeSet<Scope>,
    /// Whether there is something to report.
    changed: bool,
}

impl Theirs {
    /// Compares what both greetings named. Both ends see the same two greetings and come to the same conclusion: of each
    /// scope whose fingerprints differ, whoever named it says its heads.
    pub(crate) fn greeted(said: &Frontier, named: &BTreeMap<Scope, Fingerprint>, author: AuthorId) -> Self {
        let mut theirs = Self {
            frontier: Frontier::default(),
            heads: 0,
            authors: BTreeSet::from([author]),
            awaited: BTreeSet::new(),
            changed: true,
        };
        for (&scope, fingerprint) in named {
            match said.scope(scope).filter(|held| held.fingerprint() == *fingerprint) {
                Some(same) => {
                    theirs.heads += same.len();
                    theirs.authors.extend(same.heads().map(|(_, author, _)| author));
                    theirs.frontier.set_scope(scope, same.clone());
                }
                None => drop(theirs.awaited.insert(scope)),
            }
        }
        theirs
    }

    pub(crate) fn seq(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.frontier.seq(stream, author)
    }

    pub(crate) fn knows(&self, author: AuthorId) -> bool {
        self.authors.contains(&author)
    }

    /// Whether anything of a scope is known to be held.
    pub(crate) fn has_scope(&self, scope: Scope) -> bool {
        self.frontier.scope(scope).is_some()
    }

    pub(crate) fn is_awaited(&self, scope: Scope) -> bool {
        self.awaited.contains(&scope)
    }

    /// Takes note of a head. What is held durably never shrinks within a session.
    pub(crate) fn learn(&mut self, stream: StreamId, author: AuthorId, head: Head) {
        let old = self.frontier.head(stream, author);
        if old.is_none_or(|old| head.seq > old.seq) {
            self.heads += usize::from(old.is_none());
            self.authors.insert(author);
            self.frontier.set(stream, author, head);
            self.changed = true;
        }
    }
}

impl Protocol {
    /// Says all heads of a scope.
    pub(crate) fn send_heads(&mut self, link: LinkId, scope: Scope, out: &mut Vec<Effect>) {
        let all: Vec<(StreamKind, AuthorId, Head)> =
            self.held.frontier().scope(scope).into_iter().flat_map(ScopeFrontier::heads).collect();
        let frames = all.len().div_ceil(FRONTIER_FRAME_HEADS);
        for (index, part) in all.chunks(FRONTIER_FRAME_HEADS).enumerate() {
            let mut heads: Vec<(StreamKind, Vec<(AuthorId, Head)>)> = Vec::new();
            for &(kind, author, head) in part {
                match heads.last_mut().filter(|(last, _)| *last == kind) {
                    Some((_, of_kind)) => of_kind.push((author, head)),
                    None => heads.push((kind, vec![(author, head)])),
                }
            }
            out.push(send(link, Class::P0, FrameV1::Heads(Heads { scope, heads, complete: index + 1 == frames })));
        }
    }

    pub(crate) fn heads_came(&mut self, link: LinkId, heads: &Heads, out: &mut Vec<Effect>) {
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
        let held = self.held.frontier().scope(heads.scope);
        let Some(open) = self.links.get_mut(&link).and_then(crate::session::Link::open_mut) else { return };
        if heads.complete && open.theirs.awaited.remove(&heads.scope) {
            for (kind, ..) in held.into_iter().flat_map(ScopeFrontier::heads) {
                open.push.fell_behind(StreamId::new(heads.scope, kind));
            }
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
        let Some(open) = self.open_mut(link) else { return false };
        open.theirs.learn(stream, author, head);
        if head.seq == 0 || open.theirs.heads > PEER_HEADS_MAX {
            self.close(link, Bye::BadFrame, out);
            return false;
        }
        if own_is_ahead || (rivals && author == self.held.own_author()) {
            self.own_history(stream, head.seq, out);
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
        let Some(open) = self.open_mut(link) else { return };
        if open.asks.suspect(stream, author) {
            let ask = open.asks.want(stream, author, first, last);
            self.counters.one(counters::FORKS_SUSPECTED);
            self.send_ask(link, ask, out);
        }
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
        let device = state.device;
        let Some(open) = state.open_mut() else { return };
        let settled = now_and_then || open.push.is_idle();
        if open.theirs.changed && open.theirs.awaited.is_empty() && settled {
            open.theirs.changed = false;
            out.push(Effect::PeerHeads { device, frontier: open.theirs.frontier.clone() });
        }
    }
}
