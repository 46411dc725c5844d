//! Who writes: devices, authors, and the credential by which an org vouches for a device.

use ed25519_dalek::{Signature as DalekSignature, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::byte_id;
use crate::entry::Signature;

byte_id! {
    /// An organisation: the first 16 bytes of BLAKE3 over its authority's Ed25519 public key.
    OrgId, 16
}
byte_id! {
    /// A device: the first 16 bytes of BLAKE3 over its Ed25519 public key.
    DeviceId, 16
}
byte_id! {
    /// One life of a device's writing: the first 16 bytes of BLAKE3(device public key ‖ epoch, little-endian).
    /// It is automerge's actor id too.
    AuthorId, 16
}
byte_id! {
    /// An Ed25519 public key.
    PublicKey, 32
}

fn first_16(hash: blake3::Hash) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}

impl OrgId {
    /// The org whose authority holds this key.
    pub fn of(authority: &PublicKey) -> Self {
        Self(first_16(blake3::hash(&authority.0)))
    }
}

impl DeviceId {
    /// The device that holds this key.
    pub fn of(key: &PublicKey) -> Self {
        Self(first_16(blake3::hash(&key.0)))
    }
}

impl AuthorId {
    /// The author that this device is in this epoch.
    pub fn of(key: &PublicKey, epoch: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&key.0);
        hasher.update(&epoch.to_le_bytes());
        Self(first_16(hasher.finalize()))
    }
}

impl PublicKey {
    /// Whether `signature` over `text` was made with this key. Small-order keys and malleable signatures fail.
    pub fn verifies(&self, text: &[u8], signature: &Signature) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| !key.is_weak() && key.verify(text, &DalekSignature::from_bytes(&signature.0)).is_ok())
    }
}

/// What a device is for. It decides what it may author; see `sync/policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRole {
    /// A vehicle, a laptop, a Pi.
    Node,
    /// A command post: may enrol devices and write the `control` feed.
    Hub,
}

impl DeviceRole {
    /// The word used in commands and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Hub => "hub",
        }
    }
}

/// The org's word for a device, signed by its authority: small enough to travel beside entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceCredential {
    /// The org that vouches.
    pub org: OrgId,
    /// The key of the device.
    pub key: PublicKey,
    /// Name shown to people, such as `engine-7`; no secret.
    pub name: String,
    /// What the device is for.
    pub role: DeviceRole,
    /// When it was issued, Unix milliseconds by the authority's clock.
    pub issued_ms: u64,
    /// Ed25519 by the authority over [`DeviceCredential::signed_text`].
    pub signature: Signature,
}

impl DeviceCredential {
    /// The bytes the authority signs: a label, then each field with its length where it varies.
    pub fn signed_text(&self) -> Vec<u8> {
        let mut text = b"holdfast device credential v1".to_vec();
        text.extend_from_slice(&self.org.0);
        text.extend_from_slice(&self.key.0);
        text.extend_from_slice(&(self.name.len() as u32).to_le_bytes());
        text.extend_from_slice(self.name.as_bytes());
        text.push(match self.role {
            DeviceRole::Node => 0,
            DeviceRole::Hub => 1,
        });
        text.extend_from_slice(&self.issued_ms.to_le_bytes());
        text
    }

    /// Whether `authority` is the authority of this credential's org and signed it.
    pub fn verifies(&self, authority: &PublicKey) -> bool {
        OrgId::of(authority) == self.org && authority.verifies(&self.signed_text(), &self.signature)
    }

    /// The device it speaks of.
    pub fn device(&self) -> DeviceId {
        DeviceId::of(&self.key)
    }
}

/// A device's credential with the epoch it writes in: all that is needed to check an author's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// The org's word for the device.
    pub device: DeviceCredential,
    /// The life of the device's writing.
    pub epoch: u32,
}

impl Credential {
    /// The author whose signatures this credential checks.
    pub fn author(&self) -> AuthorId {
        AuthorId::of(&self.device.key, self.epoch)
    }
}
