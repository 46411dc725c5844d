//! Entries: one change, message or event of one author, signed in a chain.
//!
//! In a document or feed every entry extends its author's chain: `digest(n) = BLAKE3(digest(n-1) ‖ BLAKE3(body))`, with
//! a start that names the stream and the author. One signature over (org, stream, author, n, digest(n)) therefore
//! proves entries 1 to n, so most entries need none of their own. In a register stream each entry stands alone: its
//! digest starts from its own number, and each carries its signature.

use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::bytes::byte_id;
use crate::identity::{AuthorId, OrgId, PublicKey};
use crate::scope::{Family, Scope, StreamId};

byte_id! {
    /// The running digest of an author's chain.
    Digest, 32
}
byte_id! {
    /// The first eight bytes of a [`Digest`]: enough to notice that two chains differ, never used as proof.
    ShortDigest, 8
}

impl Digest {
    /// The form that travels in frontiers.
    pub fn short(&self) -> ShortDigest {
        let mut out = [0; 8];
        out.copy_from_slice(&self.0[..8]);
        ShortDigest(out)
    }
}

/// An Ed25519 signature; hex in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if out.is_human_readable() {
            out.collect_str(&std::fmt::from_fn(|f| self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))))
        } else {
            crate::bytes::serialize_bare(&self.0, out)
        }
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        if input.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
            crate::bytes::from_hex(&text)
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom("a signature is 128 hex digits"))
        } else {
            crate::bytes::deserialize_bare(input).map(Self)
        }
    }
}

impl utoipa::PartialSchema for Signature {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^[0-9a-f]{128}$"))
            .into()
    }
}

impl ToSchema for Signature {
    fn name() -> std::borrow::Cow<'static, str> {
        "Signature".into()
    }
}

/// Names one entry. Sequence numbers start at 1 and rise by one for each entry of an author in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryKey {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Who wrote it.
    pub author: AuthorId,
    /// Its number, from 1.
    pub seq: u64,
}

/// One entry as it is stored and relayed; `body` is kept byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: EntryKey,
    /// A raw automerge change, or an encoded body of [`crate::feed`].
    pub body: Vec<u8>,
    /// The chain digest up to and including this entry.
    pub digest: Digest,
    /// The author's signature over the chain up to here; most entries of a long run have none.
    pub signature: Option<Signature>,
}

impl Entry {
    /// Makes the author's next entry after `previous` (the digest of entry `seq - 1`, `None` at the start), unsigned.
    pub fn next(key: EntryKey, previous: Option<Digest>, body: Vec<u8>) -> Self {
        let digest = digest_after(&key, previous, &body);
        Self { key, body, digest, signature: None }
    }

    /// Signs the chain up to here.
    pub fn sign(&mut self, org: &OrgId, key: &SigningKey) {
        self.signature = Some(Signature(key.sign(&signed_text(org, &self.key, &self.digest)).to_bytes()));
    }

    /// Whether the entry carries a good signature of `author_key` over its digest.
    pub fn verifies(&self, org: &OrgId, author_key: &PublicKey) -> bool {
        self.signature
            .is_some_and(|signature| author_key.verifies(&signed_text(org, &self.key, &self.digest), &signature))
    }
}

/// The chain digest of the entry `key` with this body, after `previous`. Registers ignore `previous`.
pub fn digest_after(key: &EntryKey, previous: Option<Digest>, body: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    match previous.filter(|_| key.stream.kind.family() != Family::Register) {
        Some(digest) => hasher.update(&digest.0),
        None => hasher.update(chain_start(key).as_bytes()),
    };
    hasher.update(blake3::hash(body).as_bytes());
    Digest(*hasher.finalize().as_bytes())
}

fn chain_start(key: &EntryKey) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast chain start v1");
    hasher.update(&stream_bytes(&key.stream));
    hasher.update(&key.author.0);
    if key.stream.kind.family() == Family::Register {
        hasher.update(&key.seq.to_le_bytes());
    }
    hasher.finalize()
}

/// What an author signs: a label, the org, the stream, the author, the number and the chain digest, all of fixed size.
pub fn signed_text(org: &OrgId, key: &EntryKey, digest: &Digest) -> Vec<u8> {
    let mut text = b"holdfast entry v1".to_vec();
    text.extend_from_slice(&org.0);
    text.extend_from_slice(&stream_bytes(&key.stream));
    text.extend_from_slice(&key.author.0);
    text.extend_from_slice(&key.seq.to_le_bytes());
    text.extend_from_slice(&digest.0);
    text
}

/// A stream's name in 17 bytes: the mission's id (zeros for the org, which no UUIDv7 is) and the code of the kind.
pub fn stream_bytes(stream: &StreamId) -> [u8; 17] {
    let mut out = [0; 17];
    if let Scope::Mission(mission) = &stream.scope {
        out[..16].copy_from_slice(mission.as_bytes());
    }
    out[16] = stream.kind.code();
    out
}
