//! Frontiers: how far a node holds each author's entries, with a fingerprint that tells two frontiers apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bytes::byte_id;
use crate::entry::{EntryKey, ShortDigest};
use crate::identity::AuthorId;
use crate::scope::{Scope, StreamId, StreamKind};

byte_id! {
    /// A 128-bit fingerprint of one scope's frontier: the sum, modulo 2^128, of a hash of each head. Equal
    /// fingerprints mean equal frontiers between honest peers; entries themselves are proved by signatures.
    Fingerprint, 16
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
    sum: u128,
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
        if let Some(old) = self.heads.insert((kind, author), head) {
            self.sum = self.sum.wrapping_sub(term(kind, author, old));
        }
        self.sum = self.sum.wrapping_add(term(kind, author, head));
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

    /// The fingerprint of these heads.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.sum.to_le_bytes())
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

/// What a node holds, over all scopes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    scopes: BTreeMap<Scope, ScopeFrontier>,
}

impl Frontier {
    /// The frontier of one scope; `None` if nothing of it is held.
    pub fn scope(&self, scope: Scope) -> Option<&ScopeFrontier> {
        self.scopes.get(&scope)
    }

    /// Every scope in order.
    pub fn scopes(&self) -> impl Iterator<Item = (Scope, &ScopeFrontier)> {
        self.scopes.iter().map(|(&scope, frontier)| (scope, frontier))
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
        self.scopes.entry(stream.scope).or_default().set(stream.kind, author, head);
    }

    /// Takes over a whole scope, in place of what was known of it.
    pub fn set_scope(&mut self, scope: Scope, frontier: ScopeFrontier) {
        self.scopes.insert(scope, frontier);
    }

    /// Whether the entry is covered.
    pub fn holds(&self, key: &EntryKey) -> bool {
        self.seq(key.stream, key.author) >= key.seq
    }

    /// How many entries `self` has beyond `other`, per scope. In register streams each newer head counts as one.
    pub fn lead_over(&self, other: &Self) -> BTreeMap<Scope, u64> {
        let mut lead = BTreeMap::new();
        for (scope, mine) in self.scopes() {
            let missing: u64 = mine
                .heads()
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
}
