//! The floor: what missing items weigh packed as tightly as is known.

use anyhow::{Context, Result};
use automerge::{Automerge, Change};
use holdfast_domain::scope::StreamId;
use holdfast_replica::replica::Replica;

use crate::trace::Weight;

const ZSTD_LEVEL: i32 = 19;

/// Bodies under zstd -19, all in one frame.
pub(crate) fn zstd<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Result<(u64, u64)> {
    let raw: Vec<u8> = bodies.flatten().copied().collect();
    Ok((raw.len() as u64, zstd::bulk::compress(&raw, ZSTD_LEVEL)?.len() as u64))
}

/// The document that these changes make on top of what every document of its kind begins with.
pub(crate) fn document(stream: StreamId, changes: &[Change]) -> Result<Automerge> {
    let mut replica = Replica::new();
    replica.open(stream, None, &[])?;
    let mut doc = Automerge::load(&replica.snapshot(stream).context("a document was opened")?)?;
    doc.apply_changes(changes.iter().cloned())?;
    Ok(doc)
}

/// Missing changes of one document: the smaller of automerge's bundle and zstd -19 over the raw changes.
pub(crate) fn of_changes(stream: StreamId, all: &[Change], missing: &[&Change]) -> Result<Weight> {
    let doc = document(stream, all)?;
    let bundle = doc.bundle(missing.iter().map(|change| change.hash()))?.bytes().len() as u64;
    let (raw_bytes, zstd_bytes) = zstd(missing.iter().map(|change| change.raw_bytes()))?;
    Ok(Weight { missing: missing.len(), raw_bytes, zstd_bytes, floor_bytes: bundle.min(zstd_bytes) })
}

/// B0 = M/(1−p).
pub(crate) fn b0(floor_bytes: u64, loss: f64) -> f64 {
    floor_bytes as f64 / (1.0 - loss)
}
