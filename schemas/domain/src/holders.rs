//! Who has this: what devices say they hold of a scope, in short, and the answer for one record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::byte_id;
use crate::frontier::ScopeFrontier;
use crate::identity::{AuthorId, DeviceId, DeviceRole};
use crate::limits::HOLDS_AUTHORS_MAX;
use crate::record::RecordId;
use crate::scope::{Family, StreamKind};

byte_id! {
    /// The first eight bytes of an [`AuthorId`]: names an author in a summary, where a wrong one costs a wrong word to
    /// people and no data.
    ShortAuthor, 8
}

impl AuthorId {
    /// The form that stands in summaries.
    pub fn short(&self) -> ShortAuthor {
        let mut out = [0; 8];
        out.copy_from_slice(&self.0[..8]);
        ShortAuthor(out)
    }
}

/// How far a device holds each author's documents and feeds of one scope: about 8 bytes for an author and 3 for each of
/// its streams. Kinds are codes, so that one of a later version does not make the rest unreadable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Held {
    /// In order of author; for each stream its code and the newest number held.
    authors: Vec<(ShortAuthor, Vec<(u8, u64)>)>,
}

impl Held {
    /// The summary of a frontier; of more authors than [`HOLDS_AUTHORS_MAX`] the last are left out.
    pub fn of(frontier: &ScopeFrontier) -> Self {
        let mut authors: BTreeMap<ShortAuthor, Vec<(u8, u64)>> = BTreeMap::new();
        for (kind, author, head) in frontier.heads().filter(|(kind, ..)| kind.family() != Family::Register) {
            let streams = authors.entry(author.short()).or_default();
            match streams.iter_mut().find(|(code, _)| *code == kind.code()) {
                // Two authors of one short name: only what is true of both is said.
                Some((_, seq)) => *seq = head.seq.min(*seq),
                None => streams.push((kind.code(), head.seq)),
            }
        }
        Self { authors: authors.into_iter().take(HOLDS_AUTHORS_MAX).collect() }
    }

    /// How far `author` is held in the stream of this kind; 0 if not at all.
    pub fn seq(&self, kind: StreamKind, author: AuthorId) -> u64 {
        let Ok(place) = self.authors.binary_search_by_key(&author.short(), |(short, _)| *short) else { return 0 };
        let streams = &self.authors[place].1;
        streams.iter().find(|(code, _)| *code == kind.code()).map_or(0, |(_, seq)| *seq)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.authors.is_empty()
    }
}

/// Who holds a record as this node shows it, as far as is known here: by acknowledgements of neighbours and by what
/// devices say of themselves, signed, over any number of relays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holders {
    /// The record.
    pub record: RecordId,
    /// Devices that hold it, this one among them; by name.
    pub held_by: Vec<Holder>,
    /// Devices in all.
    pub of: u64,
    /// Devices of which it is not known that they hold it; by name.
    pub not_yet: Vec<Holder>,
    /// Whether a command post holds it.
    pub at_hub: bool,
}

/// A device in such an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holder {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: DeviceRole,
    /// When it was last heard, Unix milliseconds: on a link by this node's clock, else when it last said what it holds,
    /// by its own. Absent if never, and for this device itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<u64>,
}

/// What a device holds of a scope, compared with this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScopeHolder {
    /// The device.
    #[serde(flatten)]
    pub holder: Holder,
    /// When it last said what it holds of this scope, Unix milliseconds by its own clock; absent if no word of it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_ms: Option<u64>,
    /// Entries that this node holds and the device, as far as known, does not; registers do not count.
    pub lacks: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ShortDigest;
    use crate::feed::{self, HoldsBody};
    use crate::frontier::Head;
    use crate::limits::ENTRY_BODY_BYTES_MAX;

    fn frontier(authors: u32) -> ScopeFrontier {
        let mut frontier = ScopeFrontier::default();
        for number in 0..authors {
            let mut author = [7; 16];
            author[..4].copy_from_slice(&number.to_le_bytes());
            for kind in StreamKind::ALL {
                frontier.set(kind, AuthorId(author), Head { seq: 100_000, digest: ShortDigest([1; 8]) });
            }
        }
        frontier
    }

    #[test]
    fn a_summary_says_how_far_and_nothing_of_registers() {
        let held = Held::of(&frontier(3));
        assert_eq!(held.seq(StreamKind::Message, AuthorId([7; 16])), 0);
        let author = frontier(3).heads().map(|(_, author, _)| author).next().expect("an author");
        assert_eq!(held.seq(StreamKind::Message, author), 100_000);
        assert_eq!(held.seq(StreamKind::Latest, author), 0);
        assert_eq!(held.seq(StreamKind::Holds, author), 0);
    }

    #[test]
    fn a_summary_of_the_largest_org_fits_one_entry() {
        let held = Held::of(&frontier(HOLDS_AUTHORS_MAX as u32 + 5));
        let body = feed::encode(&HoldsBody::V1 { said: crate::clock::Hlc(u64::MAX), held });
        assert!(body.len() <= ENTRY_BODY_BYTES_MAX, "{}", body.len());
    }
}
