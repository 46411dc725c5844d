//! An org with its authority, devices with their keys, and entries written by hand.

use ed25519_dalek::SigningKey;
use holdfast_domain::entry::{Digest, Entry, EntryKey};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::{Credential, DeviceCredential, DeviceId, DeviceRole, OrgId, PublicKey};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

/// The key of someone numbered.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

/// The authority's key.
pub(crate) fn authority() -> SigningKey {
    key(200)
}

pub(crate) fn org() -> OrgId {
    OrgId::of(&public(&authority()))
}

pub(crate) fn device(number: u8) -> DeviceId {
    DeviceId::of(&public(&key(number)))
}

/// The credential of the device with this number, vouched for by `authority`.
pub(crate) fn credential_by(authority: &SigningKey, number: u8, epoch: u32) -> Credential {
    let mut device = DeviceCredential {
        org: OrgId::of(&public(authority)),
        key: public(&key(number)),
        name: format!("engine-{number}"),
        role: DeviceRole::Node,
        issued_ms: 1_700_000_000_000,
        signature: holdfast_domain::entry::Signature([0; 64]),
    };
    device.signature = sign(authority, &device.signed_text());
    Credential { device, epoch }
}

pub(crate) fn credential(number: u8, epoch: u32) -> Credential {
    credential_by(&authority(), number, epoch)
}

fn sign(key: &SigningKey, text: &[u8]) -> holdfast_domain::entry::Signature {
    use ed25519_dalek::Signer;
    holdfast_domain::entry::Signature(key.sign(text).to_bytes())
}

pub(crate) fn mission(number: u8) -> Scope {
    Scope::Mission(MissionId::mint(1_700_000_000_000, [number; 10]))
}

pub(crate) fn board() -> StreamId {
    StreamId::new(mission(1), StreamKind::Board)
}

pub(crate) fn stream(kind: StreamKind) -> StreamId {
    StreamId::new(if kind == StreamKind::Control { Scope::Org } else { mission(1) }, kind)
}

/// A chain of entries by the device with this number, after `previous`, signed at its end.
pub(crate) fn chain(number: u8, stream: StreamId, previous: Option<&Entry>, bodies: &[&str]) -> Vec<Entry> {
    chain_of((number, 0), stream, previous, bodies)
}

/// The same by a device in a later epoch.
pub(crate) fn chain_of(
    (number, epoch): (u8, u32),
    stream: StreamId,
    previous: Option<&Entry>,
    bodies: &[&str],
) -> Vec<Entry> {
    let author = credential(number, epoch).author();
    let mut last: Option<(u64, Digest)> = previous.map(|entry| (entry.key.seq, entry.digest));
    let mut entries = Vec::new();
    for body in bodies {
        let seq = last.map_or(1, |(seq, _)| seq + 1);
        let entry =
            Entry::next(EntryKey { stream, author, seq }, last.map(|(_, digest)| digest), body.as_bytes().into());
        last = Some((seq, entry.digest));
        entries.push(entry);
    }
    if let Some(entry) = entries.last_mut() {
        entry.sign(&org(), &key(number));
    }
    entries
}
