//! A run of one author's entries on its way out: which numbers, which signatures, and on what base.

use std::collections::BTreeSet;

use holdfast_domain::entry::{Digest, Entry, ShortDigest, Signature};
use holdfast_domain::frame::PackRange;
use holdfast_domain::frontier::Head;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{SIGNED_SPAN_BYTES, UNSIGNED_RUN_ENTRIES_MAX};
use holdfast_domain::scope::{Family, StreamId};

/// One range of a pack with its last entry.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) range: PackRange,
    pub(crate) last: Head,
}

/// The runs of loaded entries; `None` if they are not what was wanted, or do not end at a signature. `cuts`: entries whose
/// signatures travel in any case.
pub(crate) fn of_entries(
    stream: StreamId,
    wanted: &[(AuthorId, u64)],
    entries: &[Entry],
    bases: &[(AuthorId, Digest)],
    cuts: &BTreeSet<(AuthorId, u64)>,
) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    for run in entries.chunk_by(|a, b| a.key.author == b.key.author) {
        let (first, last) = (run.first()?, run.last()?);
        let author = first.key.author;
        let &(_, wanted_first) = wanted.iter().find(|(wanted, _)| *wanted == author)?;
        let register = stream.kind.family() == Family::Register;
        let in_order = run.windows(2).all(|pair| match pair[1].key.seq.checked_sub(pair[0].key.seq) {
            Some(step) => step == 1 || (register && step > 1),
            None => false,
        });
        let at_start = first.key.seq == wanted_first || (register && first.key.seq > wanted_first);
        let base = if register || wanted_first <= 1 {
            ShortDigest([0; 8])
        } else {
            bases.iter().find(|(base, _)| *base == author)?.1.short()
        };
        last.signature?;
        if !in_order || !at_start || first.key.seq == 0 || run.iter().any(|entry| entry.key.stream != stream) {
            return None;
        }
        let range = PackRange {
            author,
            first: first.key.seq,
            count: run.len() as u32,
            skips: skips(run),
            base,
            signatures: if register { every_signature(run)? } else { thinned(run, cuts) },
        };
        runs.push(Run { range, last: Head { seq: last.key.seq, digest: last.digest.short() } });
    }
    Some(runs)
}

fn skips(run: &[Entry]) -> Vec<u64> {
    let skips: Vec<u64> = run.windows(2).map(|pair| pair[1].key.seq - pair[0].key.seq - 1).collect();
    if skips.iter().all(|&skip| skip == 0) { Vec::new() } else { skips }
}

fn every_signature(run: &[Entry]) -> Option<Vec<(u32, Signature)>> {
    run.iter().enumerate().map(|(index, entry)| Some((index as u32, entry.signature?))).collect()
}

/// The last signature of the run, those at cuts, and of the others only as many as a receiver needs: one in so many
/// entries, and one in so many bytes.
fn thinned(run: &[Entry], cuts: &BTreeSet<(AuthorId, u64)>) -> Vec<(u32, Signature)> {
    let mut kept = Vec::new();
    let mut candidate: Option<(u32, Signature)> = None;
    let (mut kept_end, mut candidate_bytes, mut bytes) = (0, 0, 0);
    for (index, entry) in run.iter().enumerate() {
        bytes += entry.body.len();
        let Some(signature) = entry.signature else { continue };
        let too_long = index + 1 - kept_end > UNSIGNED_RUN_ENTRIES_MAX || bytes > SIGNED_SPAN_BYTES;
        if let Some(previous) = candidate.filter(|_| too_long) {
            kept.push(previous);
            kept_end = previous.0 as usize + 1;
            bytes -= candidate_bytes;
        }
        if cuts.contains(&(entry.key.author, entry.key.seq)) {
            kept.push((index as u32, signature));
            (kept_end, bytes, candidate) = (index + 1, 0, None);
            continue;
        }
        candidate = Some((index as u32, signature));
        candidate_bytes = bytes;
    }
    kept.extend(candidate);
    kept
}
