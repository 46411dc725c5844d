//! Fixes of dropped entries leave the views hour by hour, so that no step has to write a week of a fleet anew.
//!
//! What is to be swept is noted in the transaction that drops the entries. Until a stretch is swept it shows more than the
//! entries hold; then exactly what they do.

use std::collections::BTreeMap;

use holdfast_domain::entry::EntryKey;
use holdfast_domain::feed::{self, TrackSpan};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::SWEPT_HOURS_PER_STEP;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_replica::replica::Replica;
use holdfast_replica::thin;
use holdfast_store::error::StoreError;
use holdfast_store::store::{Store, Txn};

use crate::engine::{Core, Step};
use crate::retention::thinning::merged;

/// Where it is noted what is to be swept.
const STALE: &str = "stale-tracks";

/// Stretches of tracks that are to be written anew from the entries that are left.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    spans: BTreeMap<MissionId, Vec<TrackSpan>>,
    /// Which stretches the entries hold, as far as they were read.
    known: Spans,
}

/// The stretches of each author's entries, in order of number.
type Spans = BTreeMap<(StreamId, AuthorId), Vec<(u64, TrackSpan)>>;

impl Stale {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let noted = store.meta(STALE)?;
        let spans = noted.and_then(|bytes| feed::decode(&bytes).ok()).unwrap_or_default();
        Ok(Self { spans, known: Spans::new() })
    }

    fn save(&self, txn: &Txn<'_>) -> Result<(), StoreError> {
        txn.put_meta(STALE, &feed::encode(&self.spans))
    }
}

impl Core {
    /// Notes that entries with these stretches were dropped.
    pub(crate) fn note_stale(
        &mut self,
        step: &Step<'_>,
        mission: MissionId,
        dropped: Vec<TrackSpan>,
    ) -> Result<(), StoreError> {
        let stale = &mut self.floors.stale;
        let noted = stale.spans.remove(&mission).unwrap_or_default();
        let spans = merged(dropped.into_iter().map(thin::whole_hours).chain(noted));
        stale.spans.insert(mission, spans);
        stale.save(step.txn)
    }

    /// Sweeps the next hours.
    pub(crate) fn sweep(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let Some((&mission, spans)) = self.floors.stale.spans.iter_mut().next() else { return Ok(()) };
        let mut hours = Vec::new();
        while hours.len() < SWEPT_HOURS_PER_STEP {
            let Some(span) = spans.last_mut() else { break };
            // The newest first: with each hour the rest ends earlier. Hours without fixes are passed over, or a receiver
            // that was in 1970 for a moment would hold everything up for days.
            let Some(newest_ms) = step.store.newest_fix_ms(mission, span)? else {
                spans.pop();
                continue;
            };
            let hour = newest_ms / thin::HOUR_MS * thin::HOUR_MS;
            let part = TrackSpan { first_ms: span.first_ms.max(hour), last_ms: newest_ms, ..*span };
            hours.push(part);
            if part.first_ms == span.first_ms {
                spans.pop();
            } else {
                span.last_ms = hour - 1;
            }
        }
        if spans.is_empty() {
            self.floors.stale.spans.remove(&mission);
        }
        let mut known = std::mem::take(&mut self.floors.stale.known);
        self.write_anew(step.store, step.txn, mission, &hours, &mut known)?;
        if !self.floors.stale.spans.is_empty() {
            self.floors.stale.known = known;
        }
        step.dirty = true;
        self.floors.stale.save(step.txn)
    }

    /// Sweeps all there is, before the views are compared with the entries.
    pub(crate) fn sweep_all(&self, store: &Store) -> Result<(), StoreError> {
        let stale = Stale::load(store)?;
        if stale.spans.is_empty() {
            return Ok(());
        }
        let txn = store.begin()?;
        for (mission, spans) in stale.spans {
            self.write_anew(store, &txn, mission, &spans, &mut Spans::new())?;
        }
        Stale::default().save(&txn)?;
        txn.commit()
    }

    /// Writes stretches of a mission's tracks anew.
    fn write_anew(
        &self,
        store: &Store,
        txn: &Txn<'_>,
        mission: MissionId,
        spans: &[TrackSpan],
        known: &mut Spans,
    ) -> Result<(), StoreError> {
        for span in spans {
            txn.forget_fixes(mission, span)?;
        }
        let aside = store.quarantined()?;
        for kind in StreamKind::ALL.into_iter().filter(|kind| kind.is_track()) {
            let stream = StreamId::new(Scope::Mission(mission), kind);
            for author in self.protocol.authors_of(stream) {
                let known = known.entry((stream, author)).or_default();
                let from = known.last().map_or(1, |(seq, _)| seq + 1);
                known.extend(spans_of(store, stream, author, (from, u64::MAX))?);
                let meets = |held: &TrackSpan| spans.iter().any(|span| span.meets(held));
                for (seq, _) in known.iter().filter(|(_, held)| meets(held)) {
                    if aside.contains(&EntryKey { stream, author, seq: *seq }) {
                        continue;
                    }
                    for entry in store.entries_between(stream, author, *seq, *seq)? {
                        txn.apply(&Replica::rows_of_feed(&entry).unwrap_or_default())?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The stretches of tracks that an author's stored entries hold, by number; one of which nothing can be read has none.
pub(crate) fn spans_of(
    store: &Store,
    stream: StreamId,
    author: AuthorId,
    (from, to): (u64, u64),
) -> Result<Vec<(u64, TrackSpan)>, StoreError> {
    let mut spans = Vec::new();
    for (seq, beginning) in store.beginnings(stream, author, (from, to), TrackSpan::BEGINNING_BYTES)? {
        if let Some(span) = TrackSpan::read(&beginning) {
            spans.push((seq, span));
            continue;
        }
        for entry in store.entries_between(stream, author, seq, seq)? {
            spans.extend(Replica::spans_of_feed(&entry).into_iter().map(|span| (seq, span)));
        }
    }
    Ok(spans)
}
