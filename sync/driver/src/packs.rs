//! Packs on their way out and in: which bodies go into one, and what one holds.

use std::collections::BTreeSet;

use holdfast_domain::entry::Entry;
use holdfast_domain::frame::{LinkId, Pack, PackForm};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{PACK_ENTRIES_MAX, PACK_RAW_BYTES};
use holdfast_domain::scope::{Family, StreamId};
use holdfast_protocol::protocol::Input;
use holdfast_replica::closure::{self, Whole};
use holdfast_store::error::StoreError;

use crate::engine::{Core, Step, chain};

/// What a pack is to hold.
pub(crate) struct Wanted {
    pub(crate) stream: StreamId,
    /// Whose entries, each from which number on.
    pub(crate) authors: Vec<(AuthorId, u64)>,
    pub(crate) bundle: bool,
    pub(crate) raw_bytes: usize,
    /// In how many bytes of bodies a cut is wanted, if they are changes that travel as a bundle.
    pub(crate) span_bytes: usize,
}

/// What goes into a pack, author by author, and where it can be cut again.
struct Chosen {
    entries: Vec<Entry>,
    cuts: BTreeSet<(AuthorId, u64)>,
}

/// Whose signatures are far apart is read on for so many times the bytes that were wanted.
const READ_ON_TIMES: usize = 4;

/// Changes that wait for others are passed on as they are once nothing has come for so long, microseconds.
const WAITING_US_MAX: u64 = 10_000_000;

impl Chosen {
    fn of(runs: Vec<Vec<Entry>>, whole: &Whole) -> Self {
        let cuts = whole.cuts.iter().flat_map(|cut| runs.iter().zip(cut));
        let ends = cuts.filter_map(|(run, &length)| run.get(length.checked_sub(1)?));
        let cuts = ends.map(|entry| (entry.key.author, entry.key.seq)).collect();
        let taken = runs.into_iter().zip(&whole.lengths).flat_map(|(run, &length)| run.into_iter().take(length));
        Self { entries: taken.collect(), cuts }
    }
}

impl Core {
    pub(crate) fn load_pack(&mut self, step: &Step<'_>, link: LinkId, wanted: &Wanted) -> Result<Input, StoreError> {
        let stream = wanted.stream;
        let bundle = wanted.bundle && stream.kind.family() == Family::Document;
        let Chosen { mut entries, cuts } = Self::choose(step, wanted, bundle)?;
        if bundle {
            self.open_document(step, stream)?;
            // What changes wait for is most likely in the next pack that comes here; then they travel in half the bytes.
            let came_us = self.documents.came_us(stream);
            if came_us.is_some_and(|came_us| step.now.mono_us.saturating_sub(came_us) < WAITING_US_MAX) {
                entries = self.replica.without_waiting(stream, entries);
                if entries.is_empty() {
                    return Ok(Input::NotYet { link, stream });
                }
            }
        }
        let (form, payload) = self.replica.pack(stream, &entries, bundle);
        let name = match form {
            PackForm::Raw => "packs_raw",
            PackForm::RawZstd => "packs_zstd",
            PackForm::Bundle => "packs_bundle",
        };
        *self.counters.entry(name).or_default() += 1;
        if bundle && form != PackForm::Bundle {
            *self.counters.entry("packs_of_changes_unbundled").or_default() += 1;
        }
        let mut bases = Vec::new();
        if stream.kind.family() != Family::Register {
            for &(author, first) in wanted.authors.iter().filter(|(_, first)| *first > 1) {
                let before = step.store.digests(stream, author, first - 1, first - 1)?;
                bases.extend(before.into_iter().map(|(_, digest)| (author, digest)));
            }
        }
        Ok(Input::Loaded { link, stream, entries, bases, cuts, form, payload })
    }

    /// Changes go with all that they follow from, if that can be had within reason.
    fn choose(step: &Step<'_>, wanted: &Wanted, bundle: bool) -> Result<Chosen, StoreError> {
        let &Wanted { stream, raw_bytes, span_bytes, .. } = wanted;
        // Some of what is read stays behind.
        let mut most = (raw_bytes * 3 / 2).min(PACK_RAW_BYTES);
        let furthest = (raw_bytes * READ_ON_TIMES).min(PACK_RAW_BYTES);
        while bundle && most <= furthest {
            let runs = step.store.runs(stream, &wanted.authors, most, PACK_ENTRIES_MAX)?;
            let whole = closure::whole(&runs, span_bytes);
            let read: usize = runs.iter().flatten().map(|entry| entry.body.len()).sum();
            if whole.bytes > 0 && (whole.bytes >= raw_bytes * 2 / 3 || read < most) {
                return Ok(Chosen::of(runs, &whole));
            }
            most *= 2;
        }
        let entries = step.store.run(stream, &wanted.authors, raw_bytes, PACK_ENTRIES_MAX)?;
        Ok(Chosen { entries, cuts: BTreeSet::new() })
    }

    pub(crate) fn unpack(step: &Step<'_>, link: LinkId, mut pack: Pack) -> Result<Input, StoreError> {
        let payload = std::mem::take(&mut pack.payload);
        let bodies = holdfast_replica::pack::unpack(pack.form, &payload, &pack.ranges).map_err(|error| chain(&error));
        let mut mine = Vec::new();
        for range in &pack.ranges {
            // A register's numbers have holes; a run that does not add up is the protocol's to refuse.
            let Some(last) = range.seqs().and_then(|seqs| seqs.last().copied()) else { continue };
            let digests = step.store.digests(pack.stream, range.author, range.first.saturating_sub(1), last)?;
            mine.push((range.author, digests));
        }
        Ok(Input::Unpacked { link, pack, bodies, mine })
    }
}
