//! Frontiers: how far a node holds each author's entries, with a fingerprint that tells two frontiers apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bytes::byte_id;
use crate::entry::{EntryKey, ShortDigest};
use crate::identity::AuthorId;
use crate::scope::{Family, Scope, StreamId, StreamKind};

byte_id! {
    /// A 128-bit fingerprint of a frontier: of one scope the sum, modulo 2^128, of a hash of each head; of all scopes
    /// the sum of a hash of each scope with that of its documents and feeds. Equal fingerprints mean equal frontiers between honest peers;
    /// entries themselves are proved by signatures.
    Fingerprint, 16
}

byte_id! {
    /// The first eight bytes of a [`Fingerprint`]: names a frontier that both ends remember.
    Mark, 8
}

impl Fingerprint {
    /// The form that names a remembered frontier.
    pub fn mark(&self) -> Mark {
        let mut out = [0; 8];
        out.copy_from_slice(&self.0[..8]);
        Mark(out)
    }
}

/// How far one author's entries are held in one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Head {
    /// The newest number held; all before it are held too, save in register streams, where older ones may be gone.
    pub seq: u64,
    /// The chain digest at `seq`.
    pub digest: ShortDigest,
}

/// The heads of one scope, with a running fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeFrontier {
    heads: BTreeMap<(StreamKind, AuthorId), Head>,
    durable: u128,
    latest: u128,
}

impl ScopeFrontier {
    /// How far `author` is held in the stream of this kind.
    pub fn head(&self, kind: StreamKind, author: AuthorId) -> Option<Head> {
        self.heads.get(&(kind, author)).copied()
    }

    /// How far `author` is held, as a number; 0 if not at all.
    pub fn seq(&self, kind: StreamKind, author: AuthorId) -> u64 {
        self.head(kind, author).map_or(0, |head| head.seq)
    }

    /// Sets a head.
    pub fn set(&mut self, kind: StreamKind, author: AuthorId, head: Head) {
        let old = self.heads.insert((kind, author), head);
        let sum = if kind.family() == Family::Register { &mut self.latest } else { &mut self.durable };
        if let Some(old) = old {
            *sum = sum.wrapping_sub(term(kind, author, old));
        }
        *sum = sum.wrapping_add(term(kind, author, head));
    }

    /// Every head in order of kind and author.
    pub fn heads(&self) -> impl Iterator<Item = (StreamKind, AuthorId, Head)> + '_ {
        self.heads.iter().map(|(&(kind, author), &head)| (kind, author, head))
    }

    /// The heads of the stream of this kind, in order of author.
    pub fn heads_of(&self, kind: StreamKind) -> impl Iterator<Item = (AuthorId, Head)> + '_ {
        let authors = (kind, AuthorId([0; 16]))..=(kind, AuthorId([0xff; 16]));
        self.heads.range(authors).map(|(&(_, author), &head)| (author, head))
    }

    /// Number of heads.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The fingerprint of the heads of documents and feeds.
    pub fn durable(&self) -> Fingerprint {
        Fingerprint(self.durable.to_le_bytes())
    }

    /// The fingerprint of all that people work with: everything but what devices say of what they hold. Nodes that agree
    /// on this show the same.
    pub fn content(&self) -> Fingerprint {
        let latest = self.heads().filter(|(kind, ..)| kind.family() == Family::Register && *kind != StreamKind::Holds);
        let sum = latest.fold(self.durable, |sum, (kind, author, head)| sum.wrapping_add(term(kind, author, head)));
        Fingerprint(sum.to_le_bytes())
    }

    /// The fingerprint of these heads.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.durable.wrapping_add(self.latest).to_le_bytes())
    }
}

fn term(kind: StreamKind, author: AuthorId, head: Head) -> u128 {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast frontier v1");
    hasher.update(&[kind.code()]);
    hasher.update(&author.0);
    hasher.update(&head.seq.to_le_bytes());
    hasher.update(&head.digest.0);
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    u128::from_le_bytes(out)
}

/// A scope without documents and feeds adds nothing.
fn scope_term(scope: Scope, frontier: &ScopeFrontier) -> u128 {
    if frontier.durable == 0 {
        return 0;
    }
    let mut hasher = blake3::Hasher::new_derive_key("holdfast whole frontier v1");
    if let Scope::Mission(mission) = &scope {
        hasher.update(mission.as_bytes());
    }
    hasher.update(&frontier.durable.to_le_bytes());
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    u128::from_le_bytes(out)
}

/// What a node holds, over all scopes. A copy shares the scopes that do not change afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    scopes: BTreeMap<Scope, Arc<ScopeFrontier>>,
    durable: u128,
    latest: u128,
}

impl Frontier {
    /// The frontier of one scope; `None` if nothing of it is held.
    pub fn scope(&self, scope: Scope) -> Option<&ScopeFrontier> {
        self.scopes.get(&scope).map(Arc::as_ref)
    }

    /// Every scope in order.
    pub fn scopes(&self) -> impl Iterator<Item = (Scope, &ScopeFrontier)> {
        self.scopes.iter().map(|(&scope, frontier)| (scope, frontier.as_ref()))
    }

    /// How far `author` is held in `stream`, as a number; 0 if not at all.
    pub fn seq(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.scope(stream.scope).map_or(0, |scope| scope.seq(stream.kind, author))
    }

    /// How far `author` is held in `stream`.
    pub fn head(&self, stream: StreamId, author: AuthorId) -> Option<Head> {
        self.scope(stream.scope)?.head(stream.kind, author)
    }

    /// Sets a head.
    pub fn set(&mut self, stream: StreamId, author: AuthorId, head: Head) {
        let known = self.scopes.entry(stream.scope).or_default();
        self.latest = self.latest.wrapping_sub(known.latest);
        if stream.kind.family() != Family::Register {
            self.durable = self.durable.wrapping_sub(scope_term(stream.scope, known));
        }
        Arc::make_mut(known).set(stream.kind, author, head);
        self.latest = self.latest.wrapping_add(known.latest);
        if stream.kind.family() != Family::Register {
            self.durable = self.durable.wrapping_add(scope_term(stream.scope, known));
        }
    }

    /// Takes over a whole scope of another frontier, in place of what was known of it.
    pub fn take_scope(&mut self, scope: Scope, from: &Self) {
        if let Some(known) = self.scopes.remove(&scope) {
            self.durable = self.durable.wrapping_sub(scope_term(scope, &known));
            self.latest = self.latest.wrapping_sub(known.latest);
        }
        if let Some(frontier) = from.scopes.get(&scope) {
            self.durable = self.durable.wrapping_add(scope_term(scope, frontier));
            self.latest = self.latest.wrapping_add(frontier.latest);
            self.scopes.insert(scope, Arc::clone(frontier));
        }
    }

    /// Every author of whom something is held; one that wrote in several streams comes up several times.
    pub fn authors(&self) -> impl Iterator<Item = AuthorId> + '_ {
        self.scopes.values().flat_map(|scope| scope.heads.keys().map(|(_, author)| *author))
    }

    /// Whether anything of an author is held.
    pub fn has_author(&self, author: AuthorId) -> bool {
        self.authors().any(|other| other == author)
    }

    /// Number of heads over all scopes.
    pub fn len(&self) -> usize {
        self.scopes.values().map(|scope| scope.len()).sum()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The fingerprint of all documents and feeds.
    pub fn whole(&self) -> Fingerprint {
        Fingerprint(self.durable.to_le_bytes())
    }

    /// The fingerprint of all registers, which change by the second.
    pub fn latest(&self) -> Fingerprint {
        Fingerprint(self.latest.to_le_bytes())
    }

    /// Whether the entry is covered.
    pub fn holds(&self, key: &EntryKey) -> bool {
        self.seq(key.stream, key.author) >= key.seq
    }

    /// How many entries `self` has beyond `other`, per scope. In register streams each newer head counts as one; what
    /// devices say of what they hold does not count, since nobody works with it.
    pub fn lead_over(&self, other: &Self) -> BTreeMap<Scope, u64> {
        let mut lead = BTreeMap::new();
        for (scope, mine) in self.scopes() {
            if other.scope(scope).is_some_and(|theirs| theirs.fingerprint() == mine.fingerprint()) {
                continue;
            }
            let missing: u64 = mine
                .heads()
                .filter(|(kind, ..)| *kind != StreamKind::Holds)
                .map(|(kind, author, head)| {
                    let gap = head.seq.saturating_sub(other.seq(StreamId::new(scope, kind), author));
                    if kind == StreamKind::Latest { gap.min(1) } else { gap }
                })
                .sum();
            if missing > 0 {
                lead.insert(scope, missing);
            }
        }
        lead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_does_not_depend_on_the_order_of_arrival() {
        let head = |seq| Head { seq, digest: ShortDigest([seq as u8; 8]) };
        let (a, b) = (AuthorId([1; 16]), AuthorId([2; 16]));
        let mut left = ScopeFrontier::default();
        left.set(StreamKind::Board, a, head(1));
        left.set(StreamKind::Board, b, head(3));
        left.set(StreamKind::Board, a, head(2));
        let mut right = ScopeFrontier::default();
        right.set(StreamKind::Board, b, head(3));
        right.set(StreamKind::Board, a, head(2));
        assert_eq!(left.fingerprint(), right.fingerprint());
        right.set(StreamKind::Board, a, Head { seq: 2, digest: ShortDigest([9; 8]) });
        assert_ne!(left.fingerprint(), right.fingerprint());
    }

    #[test]
    fn the_whole_fingerprint_follows_every_change_and_forgets_none() {
        let stream = |scope| StreamId::new(scope, StreamKind::Board);
        let mission = Scope::Mission(crate::id::MissionId::from_bytes([7; 16]));
        let head = |seq| Head { seq, digest: ShortDigest([seq as u8; 8]) };
        let author = AuthorId([1; 16]);
        let mut left = Frontier::default();
        left.set(stream(Scope::Org), author, head(1));
        let one = left.clone();
        left.set(stream(mission), author, head(1));
        left.set(stream(Scope::Org), author, head(2));
        let mut right = Frontier::default();
        right.set(stream(Scope::Org), author, head(2));
        right.take_scope(mission, &left);
        assert_eq!(left, right);
        assert_ne!(left.whole(), one.whole());
        right.take_scope(mission, &one);
        right.take_scope(Scope::Org, &one);
        assert_eq!(right, one);
    }
}
