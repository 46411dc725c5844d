//! What this node holds: how far each chain reaches here, who vouches for whom, and which chains are frozen.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::entry::{Digest, EntryKey};
use holdfast_domain::floor::Floor;
use holdfast_domain::frontier::{Frontier, Head};
use holdfast_domain::identity::{AuthorId, Credential};
use holdfast_domain::scope::StreamId;

use crate::protocol::HeldHead;

/// The state that outlives sessions. The frontier names exactly the heads whose full digests are here.
#[derive(Debug)]
pub(crate) struct Held {
    own: Credential,
    own_author: AuthorId,
    frontier: Frontier,
    digests: BTreeMap<(StreamId, AuthorId), (u64, Digest)>,
    /// Rises with each entry that comes in.
    arrivals: u64,
    /// When each chain last grew, in arrivals.
    grown: BTreeMap<(StreamId, AuthorId), u64>,
    saved: BTreeMap<AuthorId, Credential>,
    /// This device's earlier epochs, as long as they are not among the saved.
    former: BTreeMap<AuthorId, Credential>,
    frozen: BTreeSet<(StreamId, AuthorId)>,
    /// The entry up to which a chain is not held any more.
    bases: BTreeMap<(StreamId, AuthorId), u64>,
    /// Chain digests that floors name.
    floors: BTreeMap<(StreamId, AuthorId), BTreeMap<u64, Digest>>,
    /// Where whoever holds nothing of a chain begins.
    starts: BTreeMap<StreamId, BTreeMap<AuthorId, u64>>,
}

impl Held {
    pub(crate) fn new(
        own: &Credential,
        mut heads: Vec<HeldHead>,
        credentials: Vec<Credential>,
        forks: Vec<(StreamId, AuthorId)>,
    ) -> Self {
        let mut held = Self {
            own: own.clone(),
            own_author: own.author(),
            frontier: Frontier::default(),
            digests: BTreeMap::new(),
            arrivals: 0,
            grown: BTreeMap::new(),
            saved: credentials.into_iter().map(|credential| (credential.author(), credential)).collect(),
            former: BTreeMap::new(),
            frozen: forks.into_iter().collect(),
            bases: BTreeMap::new(),
            floors: BTreeMap::new(),
            starts: BTreeMap::new(),
        };
        heads.sort_by_key(|head| head.arrived);
        for HeldHead { stream, author, seq, digest, arrived, base } in heads {
            if base > 0 {
                held.bases.insert((stream, author), base);
            }
            held.arrivals = arrived.max(held.arrivals).saturating_sub(1);
            held.grew(&EntryKey { stream, author, seq }, digest);
        }
        held
    }

    pub(crate) fn own_author(&self) -> AuthorId {
        self.own_author
    }

    pub(crate) fn reborn(&mut self, credential: &Credential) {
        let former = std::mem::replace(&mut self.own, credential.clone());
        let author = std::mem::replace(&mut self.own_author, credential.author());
        if !self.saved.contains_key(&author) {
            self.former.insert(author, former);
        }
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn head(&self, stream: StreamId, author: AuthorId) -> Option<(u64, Digest)> {
        self.digests.get(&(stream, author)).copied()
    }

    /// How much came in so far; a chain that grew later has a higher number.
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// The chains that grew after so many arrivals, in order of stream, each with when it did last.
    pub(crate) fn grown_since(&self, arrivals: u64) -> impl Iterator<Item = ((StreamId, AuthorId, Head), u64)> + '_ {
        let grown = self.grown.iter().filter(move |(_, at)| **at > arrivals);
        grown.filter_map(|(&(stream, author), &at)| Some(((stream, author, self.frontier.head(stream, author)?), at)))
    }

    /// The heads of one stream, in order of author.
    pub(crate) fn heads_of(&self, stream: StreamId) -> impl Iterator<Item = (AuthorId, Head)> + '_ {
        self.frontier.scope(stream.scope).into_iter().flat_map(move |scope| scope.heads_of(stream.kind))
    }

    /// Takes note of a committed entry; false if it moves nothing.
    pub(crate) fn grew(&mut self, key: &EntryKey, digest: Digest) -> bool {
        let newer = key.seq > self.frontier.seq(key.stream, key.author);
        if newer {
            self.frontier.set(key.stream, key.author, Head { seq: key.seq, digest: digest.short() });
            self.digests.insert((key.stream, key.author), (key.seq, digest));
            self.arrivals += 1;
            self.grown.insert((key.stream, key.author), self.arrivals);
        }
        newer
    }

    /// Takes note of what a floor names.
    pub(crate) fn floor(&mut self, floor: &Floor) {
        for &(author, seq, digest) in &floor.heads {
            self.floors.entry((floor.stream, author)).or_default().insert(seq, digest);
        }
    }

    /// The digest that a floor names at this number of a chain.
    pub(crate) fn floor_at(&self, stream: StreamId, author: AuthorId, seq: u64) -> Option<Digest> {
        self.floors.get(&(stream, author))?.get(&seq).copied()
    }

    /// Whoever holds nothing of these chains begins after these numbers, and of others of the stream with the first.
    pub(crate) fn begin_after(&mut self, stream: StreamId, heads: Vec<(AuthorId, u64)>) {
        self.starts.insert(stream, heads.into_iter().collect());
    }

    /// Where whoever holds nothing of a chain begins: after this number.
    pub(crate) fn start(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.starts.get(&stream).and_then(|heads| heads.get(&author)).copied().unwrap_or(0)
    }

    /// The entry up to which a chain is not held any more; 0 if it is held whole.
    pub(crate) fn base(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.bases.get(&(stream, author)).copied().unwrap_or(0)
    }

    /// The chain begins after this number here, and goes on from there if it was not held so far: then true.
    pub(crate) fn based(&mut self, stream: StreamId, author: AuthorId, seq: u64, digest: Digest) -> bool {
        let base = self.bases.entry((stream, author)).or_default();
        *base = seq.max(*base);
        self.grew(&EntryKey { stream, author, seq }, digest)
    }

    /// Takes note of a committed credential. The first one of an author stays.
    pub(crate) fn saved(&mut self, credential: Credential) {
        let author = credential.author();
        self.former.remove(&author);
        self.saved.entry(author).or_insert(credential);
    }

    /// Every credential, of this node's former authors too.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.saved.values().chain(self.former.values())
    }

    pub(crate) fn is_saved(&self, author: AuthorId) -> bool {
        self.saved.contains_key(&author)
    }

    /// The credential of an author: own, saved, or of an earlier epoch of this device.
    pub(crate) fn credential(&self, author: AuthorId) -> Option<&Credential> {
        if author == self.own_author {
            return Some(&self.own);
        }
        self.saved.get(&author).or_else(|| self.former.get(&author))
    }

    pub(crate) fn is_frozen(&self, stream: StreamId, author: AuthorId) -> bool {
        self.frozen.contains(&(stream, author))
    }

    pub(crate) fn freeze(&mut self, stream: StreamId, author: AuthorId) {
        self.frozen.insert((stream, author));
    }
}
