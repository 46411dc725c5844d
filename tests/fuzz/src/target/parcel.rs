//! Parcels: any file, any body that a member gone mad signs, any text that a camera reads.

use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::clock::Hlc;
use holdfast_domain::entry::{Digest, Signature};
use holdfast_domain::identity::PublicKey;
use holdfast_domain::parcel::{Parcel, ParcelBody, ParcelHeader};
use holdfast_driver::parcel::ParcelReader;
use holdfast_driver::parcel::frames::{join, split};
use holdfast_driver::parcel::sealing::{ParcelKey, Recipient, seal};
use holdfast_replica::replica::Replica;

use super::{member, protocol, signed_entry};

fn reader() -> ParcelReader {
    let (key, credential) = member(2);
    let authority = PublicKey(SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes());
    ParcelReader { org: credential.device.org, authority, key: ParcelKey::of_device(&key) }
}

/// A body under the good signature of a member.
fn signed(body: Vec<u8>, entries: u64, sealed: bool) -> Vec<u8> {
    let (key, exporter) = member(3);
    let header = ParcelHeader {
        org: exporter.device.org,
        exporter,
        written: Hlc::new(1_700_000_000_000, 0),
        entries,
        sealed,
        body_bytes: body.len() as u64,
        body_digest: Digest(*blake3::hash(&body).as_bytes()),
    };
    let signature = Signature(key.sign(&header.signed_text()).to_bytes());
    Parcel { header, signature, body }.encode()
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let (entry, credential) = signed_entry();
    let (stream, wanted) = (entry.key.stream, [(entry.key.author, 1)]);
    let packed = Replica::new().pack(stream, std::slice::from_ref(&entry), false);
    let pack = holdfast_protocol::parcel::pack(0, stream, &wanted, &[entry], &[], packed).expect("a signed run packs");
    vec![ParcelBody { credentials: vec![credential], packs: vec![pack] }.encode()]
}

pub(super) fn files() -> Vec<Vec<u8>> {
    let (key, _) = member(2);
    let recipient = Recipient::of_device(&PublicKey(key.verifying_key().to_bytes())).expect("a key");
    let mut files = Vec::new();
    for body in bodies() {
        files.push(signed(seal(&body, std::slice::from_ref(&recipient)).expect("sealed"), 1, true));
        files.push(signed(body, 1, false));
    }
    files
}

pub(super) fn file(bytes: &[u8]) {
    if let Ok(contents) = reader().inspect(bytes) {
        assert_eq!((contents.entries, contents.readable), (1, true), "only what was signed is believed");
    }
}

/// What no signature of the maker keeps out: each entry must still be its author's.
pub(super) fn body(bytes: &[u8]) {
    let entries = ParcelBody::decode(bytes)
        .map_or(0, |body| body.packs.iter().flat_map(|pack| &pack.ranges).map(|range| u64::from(range.count)).sum());
    let parcel = signed(bytes.to_vec(), entries, false);
    let reader = reader();
    let Ok(opened) = reader.prove(&parcel).and_then(|parcel| reader.open(&parcel)) else { return };
    let mut node = protocol(2);
    let (true_one, _) = signed_entry();
    for pack in &opened.body.packs {
        let bodies = holdfast_replica::pack::unpack(pack.form, &pack.payload, &pack.ranges);
        let taken = node.take_parcel(pack, bodies.unwrap_or_default(), Vec::new(), &opened.offered);
        assert!(taken.fresh.iter().all(|entry| *entry == true_one), "an entry that nobody signed was taken");
    }
}

/// Open files only: a seal differs from run to run.
fn open_files() -> Vec<Vec<u8>> {
    bodies().into_iter().map(|body| signed(body, 1, false)).collect()
}

pub(super) fn frames() -> Vec<Vec<u8>> {
    let texts = open_files().into_iter().filter_map(|file| split(&file).ok()).map(|texts| texts.join("\n"));
    texts.map(String::into_bytes).collect()
}

pub(super) fn frame(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(joined) = join(text.lines()) {
        assert!(open_files().contains(&joined), "frames joined to another file than was split");
    }
}
