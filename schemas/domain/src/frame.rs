//! Wire frames of ALPN `holdfast/1`, encoded with postcard (its specification 1.0).
//!
//! To add a version: add a variant `V2` to [`Frame`], raise nothing in `V1`, and let the greeting's capabilities say who
//! speaks it. Variants and fields of `V1` are fixed by golden bytes and never change place.

use serde::{Deserialize, Serialize};

use crate::blob::BlobKey;
use crate::entry::{ShortDigest, Signature};
use crate::frontier::{Fingerprint, Head, Mark};
use crate::identity::{AuthorId, Credential, OrgId};
use crate::limits::FRAME_BYTES_MAX;
use crate::ranges::Ranges;
use crate::scope::{Scope, StreamId, StreamKind};

/// One connection with a peer, numbered by whoever owns the connections; never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// The ALPN protocol name of a peer session.
pub const ALPN: &[u8] = b"holdfast/1";

/// One frame, by version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// The first version.
    V1(FrameV1),
}

/// The frames of version 1. Each is safe to receive twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameV1 {
    /// First frame each way.
    Greeting(Greeting),
    /// What I hold of a scope that you may not know of.
    Heads(Heads),
    /// Entries.
    Pack(Pack),
    /// What I hold durably, said after commit, once for each pack.
    Ack(Ack),
    /// Send me these, though your picture of me says I have them.
    Ask(Ask),
    /// I end the session, and why.
    Bye(Bye),
    /// Your greeting names what I do not remember: greet me in full.
    Again,
    /// Whether you should send me bulk unasked.
    Flow(Flow),
    /// The rest of a frame whose beginning you have from an earlier connection.
    Rest(Rest),
    /// What I hold of a blob.
    BlobHave(BlobHave),
    /// What I want of a blob.
    BlobAsk(BlobAsk),
    /// A part of a blob.
    BlobPart(BlobPart),
}

/// First frame each way: who I am and what I hold, in as few words as the peer needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// My org; a session between two orgs ends here.
    pub org: OrgId,
    /// Who I am as an author now.
    pub author: AuthorId,
    /// The org's word for it; left out towards a peer that had it before.
    pub credential: Option<Credential>,
    /// Bits of [`capability`].
    pub capabilities: u32,
    /// My wall clock, Unix milliseconds: to flag a suspicious clock, never to refuse anything.
    pub wall_ms: u64,
    /// A fingerprint of all documents and feeds I hold and you may see.
    pub whole: Fingerprint,
    /// The same of registers.
    pub latest: Mark,
    /// The last frontier of yours that I know whole: tell me only what changed since.
    pub base: Option<Mark>,
    /// A fingerprint of each scope I hold and you may see; empty where a base is named.
    pub scopes: Vec<(Scope, Fingerprint)>,
    /// Beginnings of frames of yours that an earlier connection left here.
    pub partials: Vec<Partial>,
    /// How I want to be served.
    pub flow: Flow,
}

/// The beginning of a frame that a lost connection cut in two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// How many bytes of it are here.
    pub bytes: u32,
    /// The first eight bytes of their BLAKE3 hash.
    pub hash: ShortDigest,
}

impl Partial {
    /// Names a beginning.
    pub fn of(beginning: &[u8]) -> Self {
        let mut hash = [0; 8];
        hash.copy_from_slice(&blake3::hash(beginning).as_bytes()[..8]);
        Self { bytes: beginning.len() as u32, hash: ShortDigest(hash) }
    }
}

/// How a frame travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carriage {
    /// In the order of its class, until it arrives or the link ends.
    Stream,
    /// In one packet that may be lost: what matters is said again, by whatever is newest then.
    Packet,
}

/// Whether a peer should send bulk unasked, or only say what it holds, since another brings it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flow {
    /// Send what I lack as soon as you have it.
    Eager,
    /// Send at once only what is most urgent (P0); of the rest say what you hold.
    Lazy,
}

/// The rest of a frame of which the peer holds the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The beginning that this continues.
    pub partial: Partial,
    /// The bytes after it.
    pub bytes: Vec<u8>,
}

/// Bits a greeting may set.
pub mod capability {
    /// Can unpack [`super::PackForm::Bundle`].
    pub const BUNDLE: u32 = 1;
    /// Knows the frames of blobs.
    pub const BLOBS: u32 = 2;
}

/// Heads of one scope: what changed since the base that the peer named, or of a scope whose fingerprints differ, or what
/// came in since I last said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// The scope.
    pub scope: Scope,
    /// Heads per stream kind and author.
    pub heads: Vec<(StreamKind, Vec<(AuthorId, Head)>)>,
    /// In the last frame of a row: the mark of all documents and feeds I hold now. With it the peer can tell whether it knows all of it.
    pub whole: Option<Mark>,
}

/// How the bodies of a pack are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackForm {
    /// Each body with its length, in the order of the ranges.
    Raw,
    /// `Raw` under zstd.
    RawZstd,
    /// An automerge bundle; the changes name their author and number themselves.
    Bundle,
}

/// The pack has been dealt with: what I took of it is durable. Said even if nothing moved.
///
/// Packs of different classes overtake each other, so an acknowledgement names its pack; the stream is the pack's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// [`Pack::id`].
    pub pack: u32,
    /// Runs of the pack, by place, that I do not hold to their end exactly as sent, each with my head of that author if
    /// I hold anything of it in the stream. Of the runs not named I hold all.
    pub others: Vec<(u16, Option<Head>)>,
}

/// Entries of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// Numbers the packs that this node sends, over all sessions until it is started anew.
    pub id: u32,
    /// The stream.
    pub stream: StreamId,
    /// Credentials of authors that the receiver may not know.
    pub credentials: Vec<Credential>,
    /// Which entries, author by author.
    pub ranges: Vec<PackRange>,
    /// How `payload` is laid out.
    pub form: PackForm,
    /// The bodies.
    pub payload: Vec<u8>,
}

/// A run of one author's entries in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackRange {
    /// Who wrote them.
    pub author: AuthorId,
    /// Number of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// For registers: how many numbers are skipped before each entry but the first; empty where there are no holes.
    pub skips: Vec<u64>,
    /// Chain digest just before `first`: lets the receiver notice a fork. Zeros when `first` is 1, and in registers.
    pub base: ShortDigest,
    /// Signatures by position in this run (0 = `first`); the last entry of a run always has one.
    pub signatures: Vec<(u32, Signature)>,
}

impl PackRange {
    /// The number of the last entry; `None` if they overflow or the holes do not fit the count.
    pub fn last(&self) -> Option<u64> {
        self.seqs()?.last().copied()
    }

    /// The numbers of the run in order; `None` if they overflow or the holes do not fit the count.
    pub fn seqs(&self) -> Option<Vec<u64>> {
        if !self.skips.is_empty() && self.skips.len() + 1 != self.count as usize {
            return None;
        }
        let mut seqs = Vec::with_capacity((self.count as usize).min(crate::limits::PACK_ENTRIES_MAX));
        let mut seq = self.first;
        for index in 0..self.count as usize {
            if index > 0 {
                seq = seq.checked_add(1)?.checked_add(self.skips.get(index - 1).copied().unwrap_or(0))?;
            }
            if seqs.len() == crate::limits::PACK_ENTRIES_MAX {
                return None;
            }
            seqs.push(seq);
        }
        Some(seqs)
    }
}

/// A request for one author's entries from a number on: to fill a hole, or to prove a fork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The stream.
    pub stream: StreamId,
    /// Whose entries.
    pub author: AuthorId,
    /// From this number on.
    pub first: u64,
}

/// What I hold of a blob that you asked for, now or earlier in the session, or that you gave me a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobHave {
    /// The blob.
    pub blob: BlobKey,
    /// Its groups that are here, verified and durable; empty if there is nothing for you.
    pub groups: Ranges,
}

/// Send me these groups of a blob, too. Without groups: send nothing more of it, and tell me what you have. It is answered
/// by [`BlobPart`]s, and by a [`BlobHave`] where some of it is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobAsk {
    /// The blob.
    pub blob: BlobKey,
    /// The groups wanted from you, beside those asked for before.
    pub groups: Ranges,
}

/// Groups of a blob in a row, with the hashes that lead from them to the blob's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobPart {
    /// A number as of [`Pack::id`]; an [`Ack`] names it once the part is dealt with.
    pub id: u32,
    /// The blob.
    pub blob: BlobKey,
    /// The first group.
    pub first: u32,
    /// How many groups.
    pub count: u32,
    /// The groups and their hashes as bao lays out a slice, chunk groups of 16 KiB.
    pub slice: Vec<u8>,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bye {
    /// I am shutting down.
    Leaving,
    /// You are of another org.
    OtherOrg,
    /// Your greeting's credential is not good.
    BadCredential,
    /// You sent what is no frame, or a frame out of turn or over a limit.
    BadFrame,
    /// You sent entries whose signature does not hold.
    BadSignature,
    /// I have another, better connection with you.
    Duplicate,
    /// You do not take what I send.
    Slow,
    /// An operator keeps this link quiet.
    Paused,
}

impl Bye {
    /// The word used in logs, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaving => "leaving",
            Self::OtherOrg => "other_org",
            Self::BadCredential => "bad_credential",
            Self::BadFrame => "bad_frame",
            Self::BadSignature => "bad_signature",
            Self::Duplicate => "duplicate",
            Self::Slow => "slow",
            Self::Paused => "paused",
        }
    }

    /// Whether the peer did wrong, rather than the link or the operator.
    pub fn is_guilt(self) -> bool {
        matches!(self, Self::OtherOrg | Self::BadCredential | Self::BadFrame | Self::BadSignature)
    }
}

impl Frame {
    /// What kind of frame begins with these bytes, in a word for logs. Nothing else of it is looked at.
    pub fn kind_of(bytes: &[u8]) -> &'static str {
        const KINDS: [&str; 12] = [
            "greeting",
            "heads",
            "pack",
            "ack",
            "ask",
            "bye",
            "again",
            "flow",
            "rest",
            "blob_have",
            "blob_ask",
            "blob_part",
        ];
        match bytes {
            [0, kind, ..] => KINDS.get(usize::from(*kind)).copied().unwrap_or("unknown"),
            _ => "unknown",
        }
    }
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than any frame may be.
    #[error("a frame of {bytes} bytes is over the limit of {FRAME_BYTES_MAX}")]
    TooLarge {
        /// Size given.
        bytes: usize,
    },
    /// Not a frame of a version known here.
    #[error("not a frame of a known version: {0}")]
    Malformed(String),
    /// Bytes left over after the frame.
    #[error("{bytes} bytes follow the frame")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl Frame {
    /// The bytes of the frame.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a frame in memory always encodes")
    }

    /// The frame in `bytes`; nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge { bytes: bytes.len() });
        }
        let (frame, rest) =
            postcard::take_from_bytes(bytes).map_err(|error| FrameError::Malformed(error.to_string()))?;
        if rest.is_empty() { Ok(frame) } else { Err(FrameError::Trailing { bytes: rest.len() }) }
    }
}
