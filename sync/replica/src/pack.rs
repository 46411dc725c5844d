//! How bodies of entries travel: raw, under zstd, or as an automerge bundle; what is unpacked is what was packed, to
//! the byte.

use std::collections::BTreeMap;
use std::io::Read;

use automerge::{Automerge, ChangeHash};
use holdfast_domain::entry::Entry;
use holdfast_domain::floor::Generation;
use holdfast_domain::frame::{PackForm, PackRange};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{PACK_ENTRIES_MAX, UNPACKED_BYTES_MAX};

use crate::decode;
use crate::genesis::author_in;

/// 12 is where zstd's ratio on changes levels off; a pack of 256 KiB takes about ten milliseconds.
const ZSTD_LEVEL: i32 = 12;
/// Windows larger than what a pack may unpack to serve only to exhaust memory: 2^22 bytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 22;

/// Why a payload is not the pack that its ranges promise. Nothing of it may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// The ranges name too many entries, overflow, or name one twice.
    #[error("the ranges of the pack do not add up")]
    BadRanges,
    /// More than a pack may unpack to.
    #[error("the pack unpacks to more than {UNPACKED_BYTES_MAX} bytes")]
    TooLarge,
    /// Not the layout that the form says.
    #[error("the payload is not laid out as {form:?}")]
    Malformed {
        /// The form given.
        form: PackForm,
    },
    /// Other entries than the ranges name.
    #[error("the ranges name {expected} entries, the payload holds {found}, or others")]
    OtherEntries {
        /// Entries named.
        expected: usize,
        /// Entries found.
        found: usize,
    },
}

/// What came of bundling.
pub(crate) enum Bundled {
    /// A bundle that gives every body back.
    Exact(Vec<u8>),
    /// The bundle gives something else back.
    Mismatch,
    /// Some entry is not applied, so there is nothing to bundle.
    NotApplied,
}

/// Bundles the changes of entries and tries whether they come out again.
pub(crate) fn bundle(doc: &Automerge, entries: &[Entry]) -> Bundled {
    let Some(hashes) = entries.iter().map(|entry| applied(doc, entry)).collect::<Option<Vec<_>>>() else {
        return Bundled::NotApplied;
    };
    let Ok(bundle) = doc.bundle(hashes) else { return Bundled::NotApplied };
    let payload = bundle.bytes().to_vec();
    let places = entries.iter().map(|entry| (entry.key.author, entry.key.seq));
    let exact = unbundle(&payload, places.collect())
        .is_ok_and(|bodies| bodies.iter().zip(entries).all(|(body, entry)| *body == entry.body));
    if exact { Bundled::Exact(payload) } else { Bundled::Mismatch }
}

fn applied(doc: &Automerge, entry: &Entry) -> Option<ChangeHash> {
    let change = decode::change(&entry.body)?;
    let known = doc.get_change_meta_by_hash(&change.hash())?;
    let (author, tag) = author_in(&known.actor)?;
    let in_place = tag != Generation::FIRST.tag || known.seq == entry.key.seq;
    (in_place && author == entry.key.author).then_some(change.hash())
}

/// Of each author's run the part before the first change that still waits for another, up to a signature.
pub(crate) fn without_waiting(doc: &Automerge, entries: Vec<Entry>) -> Vec<Entry> {
    let mut kept = Vec::with_capacity(entries.len());
    for run in entries.chunk_by(|a, b| a.key.author == b.key.author) {
        let whole = run.iter().position(|entry| applied(doc, entry).is_none()).unwrap_or(run.len());
        let signed = run[..whole].iter().rposition(|entry| entry.signature.is_some()).map_or(0, |last| last + 1);
        kept.extend_from_slice(&run[..signed]);
    }
    kept
}

/// Lays bodies out as a list with its length, each body with its own; under zstd if that is smaller.
pub(crate) fn raw(entries: &[Entry]) -> (PackForm, Vec<u8>) {
    let bodies: Vec<&[u8]> = entries.iter().map(|entry| entry.body.as_slice()).collect();
    let raw = postcard::to_stdvec(&bodies).expect("bytes in memory always encode");
    match zstd::bulk::compress(&raw, ZSTD_LEVEL) {
        Ok(small) if small.len() < raw.len() => (PackForm::RawZstd, small),
        _ => (PackForm::Raw, raw),
    }
}

/// Unpacks a payload into the bodies that the ranges name, range by range in order.
///
/// # Errors
///
/// If the payload is anything but exactly those bodies, or more than [`UNPACKED_BYTES_MAX`].
pub fn unpack(form: PackForm, payload: &[u8], ranges: &[PackRange]) -> Result<Vec<Vec<u8>>, UnpackError> {
    let places = places(ranges)?;
    match form {
        PackForm::Raw => unpack_raw(form, payload, places.len()),
        PackForm::RawZstd => unpack_raw(form, &inflate(payload)?, places.len()),
        PackForm::Bundle => unbundle(payload, places),
    }
}

/// Every entry that the ranges name, in order.
fn places(ranges: &[PackRange]) -> Result<Vec<(AuthorId, u64)>, UnpackError> {
    let mut places = Vec::new();
    for range in ranges {
        let seqs = range.seqs().ok_or(UnpackError::BadRanges)?;
        places.extend(seqs.into_iter().map(|seq| (range.author, seq)));
        if places.len() > PACK_ENTRIES_MAX {
            return Err(UnpackError::BadRanges);
        }
    }
    Ok(places)
}

fn unpack_raw(form: PackForm, payload: &[u8], expected: usize) -> Result<Vec<Vec<u8>>, UnpackError> {
    let malformed = |_| UnpackError::Malformed { form };
    if payload.len() > UNPACKED_BYTES_MAX {
        return Err(UnpackError::TooLarge);
    }
    let (found, mut rest): (usize, &[u8]) = postcard::take_from_bytes(payload).map_err(malformed)?;
    if found != expected {
        return Err(UnpackError::OtherEntries { expected, found });
    }
    let mut bodies = Vec::with_capacity(expected);
    for _ in 0..expected {
        let (body, after): (&[u8], &[u8]) = postcard::take_from_bytes(rest).map_err(malformed)?;
        bodies.push(body.to_vec());
        rest = after;
    }
    if rest.is_empty() { Ok(bodies) } else { Err(UnpackError::Malformed { form }) }
}

fn inflate(payload: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let malformed = |_| UnpackError::Malformed { form: PackForm::RawZstd };
    let mut decoder = zstd::stream::read::Decoder::new(payload).map_err(malformed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(malformed)?;
    let mut raw = Vec::new();
    decoder.take(UNPACKED_BYTES_MAX as u64 + 1).read_to_end(&mut raw).map_err(malformed)?;
    if raw.len() > UNPACKED_BYTES_MAX { Err(UnpackError::TooLarge) } else { Ok(raw) }
}

fn unbundle(payload: &[u8], places: Vec<(AuthorId, u64)>) -> Result<Vec<Vec<u8>>, UnpackError> {
    let changes = decode::bundle(payload).ok_or(UnpackError::Malformed { form: PackForm::Bundle })?;
    let (expected, found) = (places.len(), changes.len());
    let others = UnpackError::OtherEntries { expected, found };
    let mut bodies = BTreeMap::new();
    // In a later generation an author's changes have other numbers than its entries, but the same order.
    let mut rolled: BTreeMap<AuthorId, BTreeMap<u64, Vec<u8>>> = BTreeMap::new();
    let mut bytes = 0;
    for change in changes {
        bytes += change.raw_bytes().len();
        if bytes > UNPACKED_BYTES_MAX {
            return Err(UnpackError::TooLarge);
        }
        let (author, tag) = author_in(change.actor_id()).ok_or_else(|| others.clone())?;
        if tag == Generation::FIRST.tag {
            bodies.insert((author, change.seq()), change.raw_bytes().to_vec());
        } else {
            rolled.entry(author).or_default().insert(change.seq(), change.raw_bytes().to_vec());
        }
    }
    let distinct = bodies.len() + rolled.values().map(BTreeMap::len).sum::<usize>();
    if distinct != expected || found != expected {
        return Err(others);
    }
    let body = |place: (AuthorId, u64)| {
        let next = || Some(rolled.get_mut(&place.0)?.pop_first()?.1);
        bodies.remove(&place).or_else(next).ok_or_else(|| others.clone())
    };
    places.into_iter().map(body).collect()
}
