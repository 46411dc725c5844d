//! Floors: a command post's word that it holds a stream so far for good, and with it the leave to drop what lies below.
//!
//! Of a document a floor is also the end of a generation: what stood at its heads is written anew by the same command
//! post, as entries of the next generation ("start entries"), and replaces all that lies below.

use serde::{Deserialize, Serialize};

use crate::bytes::byte_id;
use crate::entry::{Digest, stream_bytes};
use crate::identity::{AuthorId, Credential};
use crate::scope::{Family, StreamId, StreamKind};

byte_id! {
    /// Names a generation of a document; zeros name the first.
    GenerationTag, 8
}

/// A generation of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// 0 for the one that every document begins with.
    pub number: u32,
    /// Its name: two command posts that roll one document apart make two generations of one number.
    pub tag: GenerationTag,
}

impl Generation {
    /// The one that every document begins with.
    pub const FIRST: Self = Self { number: 0, tag: GenerationTag([0; 8]) };

    /// The generation begun by the floor that `author` wrote as entry `seq` of `control`.
    pub fn begun_by(floor: &Floor, author: AuthorId, seq: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("holdfast generation v1");
        hasher.update(&stream_bytes(&floor.stream));
        hasher.update(&floor.number.to_le_bytes());
        hasher.update(&author.0);
        hasher.update(&seq.to_le_bytes());
        let mut tag = [0; 8];
        hasher.finalize_xof().fill(&mut tag);
        // Zeros are taken.
        tag[0] |= 1;
        Self { number: floor.number, tag: GenerationTag(tag) }
    }

    /// Whether every document begins with it.
    pub fn is_first(&self) -> bool {
        self.tag == Self::FIRST.tag
    }
}

/// The body of a floor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The stream.
    pub stream: StreamId,
    /// Of a document the number of the generation that begins here; of a feed it rises with each floor. From 1.
    pub number: u32,
    /// How far the command post holds each author durably, with the chain digest there.
    pub heads: Vec<(AuthorId, u64, Digest)>,
    /// Who these authors are: whoever begins at the floor gets no entry of many of them.
    pub credentials: Vec<Credential>,
    /// What replaces the entries below.
    pub reason: FloorReason,
    /// When the command post held all that, Unix milliseconds by its clock: age is counted from here.
    pub cut_ms: u64,
}

/// What replaces the entries below a floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FloorReason {
    /// Nothing: they may go once they are old enough; the command post keeps them.
    Age,
    /// The start entries of the next generation, by the author of the floor.
    Generation {
        /// The generation that ends.
        from: GenerationTag,
        /// Number of the first start entry in the document's stream.
        first: u64,
        /// How many there are.
        count: u32,
    },
    /// Of position history: what is left of it, as entries of the author of the floor in the stream that it is thinned
    /// into. They may go once they are old enough and those are held.
    Thinned {
        /// Number of the last of those entries; 0 if nothing was left.
        end: u64,
    },
}

impl Floor {
    /// Whether the floor can stand: its reason fits its stream, and no author comes up twice.
    pub fn is_sound(&self) -> bool {
        let fits = match self.reason {
            FloorReason::Age => self.stream.kind == StreamKind::Message || self.stream.kind.is_track(),
            FloorReason::Thinned { .. } => self.stream.kind.thinned_into().is_some(),
            FloorReason::Generation { first, count, .. } => {
                self.stream.kind.family() == Family::Document && first >= 1 && count >= 1
            }
        };
        let mut authors: Vec<AuthorId> = self.heads.iter().map(|(author, ..)| *author).collect();
        authors.sort_unstable();
        authors.dedup();
        fits && self.number >= 1
            && authors.len() == self.heads.len()
            && self.heads.iter().all(|(_, seq, _)| *seq >= 1)
            && self.credentials.iter().all(|credential| authors.binary_search(&credential.author()).is_ok())
    }

    /// How far an author is covered, with the chain digest there.
    pub fn head(&self, author: AuthorId) -> Option<(u64, Digest)> {
        self.heads.iter().find(|(known, ..)| *known == author).map(|(_, seq, digest)| (*seq, *digest))
    }

    /// The number of the last start entry; `None` for a feed.
    pub fn start_end(&self) -> Option<u64> {
        match self.reason {
            FloorReason::Age | FloorReason::Thinned { .. } => None,
            FloorReason::Generation { first, count, .. } => Some(first.saturating_add(u64::from(count)) - 1),
        }
    }
}
