//! Positions reported here on their way into history: kept as they come, sealed into segments when enough wait.
//!
//! Only the node at which a fix was reported seals it, so it is sealed once. What waits is shown with the track here at
//! once; others know the newest position alone until the segment comes.

use std::collections::BTreeMap;

use holdfast_domain::clock::Now;
use holdfast_domain::feed;
use holdfast_domain::id::{MissionId, UnitId};
use holdfast_domain::limits::{
    SEGMENT_AGE_MS_MAX, SEGMENT_FIXES, SEGMENT_SILENCE_FIXES_MIN, SEGMENT_SILENCE_MS, SEGMENTS_PER_STEP,
    TRACK_FIXES_MAX, UNASKED_AFTER_START_MS,
};
use holdfast_domain::record::Patch;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::track::Fix;
use holdfast_replica::segment;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

use crate::engine::{Core, Step};

/// The source of fixes that were reported one by one.
const LIVE: &str = "live";

/// What waits, unit by unit; the same as the store says.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    tracks: BTreeMap<(MissionId, UnitId), Waiting>,
    /// When all was read from the store: at the start, or after a commit that failed.
    loaded_us: u64,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    fixes: u64,
    first_ms: u64,
    last_ms: u64,
}

impl Waiting {
    fn is_due(&self, now_ms: u64) -> bool {
        let silent = now_ms.saturating_sub(self.last_ms) >= SEGMENT_SILENCE_MS;
        self.fixes >= SEGMENT_FIXES as u64
            || now_ms.saturating_sub(self.first_ms) >= SEGMENT_AGE_MS_MAX
            || silent && self.fixes >= SEGMENT_SILENCE_FIXES_MIN
    }
}

impl Pending {
    pub(crate) fn load(store: &Store, now: Now) -> Result<Self, StoreError> {
        let rows = store.pending_tracks()?.into_iter();
        let tracks = rows.map(|row| {
            let waiting = Waiting { fixes: row.fixes, first_ms: row.first_ms, last_ms: row.last_ms };
            ((row.mission, row.unit), waiting)
        });
        Ok(Self { tracks: tracks.collect(), loaded_us: now.mono_us })
    }
}

impl Core {
    /// Keeps a fix reported here until it is sealed.
    pub(crate) fn keep_fix(
        &mut self,
        step: &mut Step<'_>,
        mission: MissionId,
        unit: UnitId,
        fix: &Fix,
    ) -> Result<(), StoreError> {
        let now_ms = self.clock.last().ms();
        let one_more = step.txn.put_pending_fix(mission, unit, fix, now_ms)?;
        step.dirty = true;
        let none = Waiting { fixes: 0, first_ms: now_ms, last_ms: now_ms };
        let waiting = self.pending.tracks.entry((mission, unit)).or_insert(none);
        waiting.fixes += u64::from(one_more);
        waiting.last_ms = now_ms;
        Ok(())
    }

    /// Seals what has waited long enough.
    pub(crate) fn seal_tracks(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        if step.now.mono_us.saturating_sub(self.pending.loaded_us) < UNASKED_AFTER_START_MS * 1_000 {
            return Ok(());
        }
        // The hybrid clock never steps back, so a wall clock that does cannot hold a segment up.
        let now_ms = self.clock.last().ms().max(step.now.wall_ms);
        let due = self.pending.tracks.iter().filter(|(_, waiting)| waiting.is_due(now_ms));
        let due: Vec<(MissionId, UnitId)> = due.map(|(track, _)| *track).take(SEGMENTS_PER_STEP).collect();
        for (mission, unit) in due {
            self.pending.tracks.remove(&(mission, unit));
            loop {
                let (fixes, taken) = step.txn.take_pending_fixes(mission, unit, TRACK_FIXES_MAX)?;
                if taken == 0 {
                    break;
                }
                step.dirty = true;
                if !fixes.is_empty() {
                    self.write_segment(step, mission, unit, fixes)?;
                }
            }
        }
        Ok(())
    }

    fn write_segment(
        &mut self,
        step: &mut Step<'_>,
        mission: MissionId,
        unit: UnitId,
        fixes: Vec<Fix>,
    ) -> Result<(), StoreError> {
        let written = self.clock.tick(step.now);
        let body = segment::body(written, unit, LIVE, &fixes);
        self.write(step, StreamId::new(Scope::Mission(mission), StreamKind::Track), feed::encode(&body));
        *self.counters.entry("segments_sealed").or_default() += 1;
        step.show(&[Patch::Fixes { mission, unit, fixes }])
    }
}
