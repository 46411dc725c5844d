//! Frames made by hand, for nodes that lie; and frames in words, for people who read a recorded run.
//!
//! The one room of this crate that knows what frames look like inside.

use std::sync::OnceLock;

use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::entry::{ShortDigest, Signature};
use holdfast_domain::frame::{Ack, Flow, Frame, FrameV1, Greeting, Heads, Pack, PackForm, PackRange, capability};
use holdfast_domain::frontier::{Fingerprint, Head, Mark};
use holdfast_domain::identity::{AuthorId, Credential, DeviceCredential};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

/// How far beyond the truth a liar claims to be.
const BEYOND: u64 = 1_000;
/// What a bomb unpacks to, bytes.
const BOMB_BYTES: usize = 32 << 20;

/// A greeting of a device that names these scopes, each with a fingerprint that nobody else has.
pub(crate) fn greeting(device: &DeviceCredential, scopes: &[Scope], wall_ms: u64) -> Vec<u8> {
    let named = scopes.iter().map(|&scope| (scope, Fingerprint([0x5a; 16]))).collect();
    let credential = Credential { device: device.clone(), epoch: 0 };
    encode(FrameV1::Greeting(Greeting {
        org: device.org,
        author: credential.author(),
        credential: Some(credential),
        capabilities: capability::BUNDLE,
        wall_ms,
        whole: Fingerprint([0x5a; 16]),
        latest: Mark([0x5a; 8]),
        base: None,
        scopes: named,
        partials: Vec::new(),
        flow: Flow::Eager,
    }))
}

/// The scopes a greeting names; `None` if the frame is no greeting.
pub(crate) fn scopes_greeted(bytes: &[u8]) -> Option<Vec<Scope>> {
    let Ok(Frame::V1(FrameV1::Greeting(greeting))) = Frame::decode(bytes) else { return None };
    Some(greeting.scopes.into_iter().map(|(scope, _)| scope).collect())
}

/// The lie that answers a frame: heads far beyond those named, and acknowledgements of what was never taken.
pub(crate) fn lie(bytes: &[u8]) -> Option<Vec<u8>> {
    let beyond = |head: Head| Head { seq: head.seq + BEYOND, digest: ShortDigest([0x5a; 8]) };
    match Frame::decode(bytes).ok()? {
        Frame::V1(FrameV1::Heads(mut heads)) => {
            for (_, head) in heads.heads.iter_mut().flat_map(|(_, heads)| heads) {
                *head = beyond(*head);
            }
            Some(encode(FrameV1::Heads(Heads { whole: Some(Mark([0x5a; 8])), ..heads })))
        }
        Frame::V1(FrameV1::Pack(pack)) => {
            let held = |(place, range): (u16, &PackRange)| {
                let head = Head { seq: range.first + u64::from(range.count), digest: ShortDigest([0; 8]) };
                (place, Some(beyond(head)))
            };
            Some(encode(FrameV1::Ack(Ack { pack: pack.id, others: (0..).zip(&pack.ranges).map(held).collect() })))
        }
        Frame::V1(_) => None,
    }
}

/// A pack of one entry in the name of `author`, signed by somebody else.
pub(crate) fn forged_pack(
    scope: Scope,
    author: AuthorId,
    key: &SigningKey,
    form: PackForm,
    payload: Vec<u8>,
) -> Vec<u8> {
    let range = PackRange {
        author,
        first: 1,
        count: 1,
        skips: Vec::new(),
        base: ShortDigest([0; 8]),
        signatures: vec![(0, Signature(key.sign(b"believe me").to_bytes()))],
    };
    encode(FrameV1::Pack(Pack {
        id: 1,
        stream: StreamId::new(scope, StreamKind::Message),
        credentials: Vec::new(),
        ranges: vec![range],
        form,
        payload,
    }))
}

/// A few bytes that unpack to very many.
pub(crate) fn bomb() -> Vec<u8> {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| zstd::bulk::compress(&vec![0; BOMB_BYTES], 1).expect("zeros compress")).clone()
}

/// A body list of one body that is no body.
pub(crate) fn nonsense() -> Vec<u8> {
    vec![1, 4, 0xde, 0xad, 0xbe, 0xef]
}

fn encode(frame: FrameV1) -> Vec<u8> {
    Frame::V1(frame).encode()
}

/// A frame in words.
pub fn in_words(bytes: &[u8]) -> String {
    match Frame::decode(bytes) {
        Err(error) => format!("no frame: {error}"),
        Ok(Frame::V1(FrameV1::Pack(pack))) => {
            let runs = pack.ranges.iter().map(|range| format!("{} {}+{}", range.author, range.first, range.count));
            let runs: Vec<String> = runs.collect();
            let (id, stream, form, size) = (pack.id, pack.stream, pack.form, pack.payload.len());
            format!("pack {id} of {stream}, {form:?} in {size} bytes: {}", runs.join(", "))
        }
        Ok(Frame::V1(frame)) => format!("{frame:?}"),
    }
}
