//! Position history thinned at a command post: it writes what is left as entries of its own, and lays the floor then.
//!
//! A day of many vehicles is more than one step may take, so it goes on tick by tick, in memory alone: after a restart it
//! begins again, and what was written twice are the same fixes.

use std::collections::BTreeMap;

use holdfast_domain::entry::Digest;
use holdfast_domain::feed::{self, TrackSpan};
use holdfast_domain::floor::FloorReason;
use holdfast_domain::id::{MissionId, UnitId};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{THINNED_FIXES_PER_STEP, TRACK_FIXES_MAX};
use holdfast_domain::scope::{StreamId, StreamKind};
use holdfast_domain::track::Fix;
use holdfast_replica::{segment, thin};
use holdfast_store::error::StoreError;

use crate::engine::{Core, Step};
use crate::retention::sweeping::spans_of;

/// The source of fixes that were left.
const THINNED: &str = "thinned";

/// Position history on its way to a floor.
#[derive(Debug)]
pub(crate) struct Thinning {
    /// As whom this command post writes.
    author: AuthorId,
    /// What the floor will be.
    number: u32,
    heads: Vec<(AuthorId, u64, Digest)>,
    /// What is to be gone through, whole hours, the next one last.
    spans: Vec<TrackSpan>,
    /// Fixes left of one unit and not yet written.
    left: Option<(UnitId, Vec<Fix>)>,
}

impl Core {
    /// Begins to thin what came into a stream since its last floor. The number that its next floor will have; `None` if
    /// there is nothing to do.
    pub(crate) fn begin_thinning(&mut self, step: &mut Step<'_>, stream: StreamId) -> Result<Option<u32>, StoreError> {
        if let Some(thinning) = self.floors.thinning.get(&stream) {
            return Ok(Some(thinning.number));
        }
        let heads = self.uncovered(stream);
        if heads.is_empty() {
            return Ok(None);
        }
        let known = self.floors.covered_of(stream);
        let mut spans = Vec::new();
        for &(author, seq, _) in &heads {
            let from = known.get(&author).map_or(0, |(seq, _)| *seq) + 1;
            spans.extend(spans_of(step.store, stream, author, (from, seq))?.into_iter().map(|(_, span)| span));
        }
        let (author, number) = (self.credential.author(), self.floors.next_number(stream));
        let mut spans = merged(spans.into_iter().map(thin::whole_hours));
        spans.reverse();
        self.floors.thinning.insert(stream, Thinning { author, number, heads, spans, left: None });
        Ok(Some(number))
    }

    /// Goes on with the first stream that is being thinned, and lays its floor at the end.
    pub(crate) fn go_on_thinning(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let Some((stream, mut thinning)) = self.floors.thinning.pop_first() else { return Ok(()) };
        let (Some(into), Some(mission)) = (stream.kind.thinned_into(), stream.scope.mission()) else { return Ok(()) };
        if thinning.author != self.credential.author() {
            // The entries of another author are none that its floor could name; the next round begins again.
            return Ok(());
        }
        let into = StreamId::new(stream.scope, into);
        let mut read = 0;
        while let Some(span) = thinning.spans.pop() {
            if read >= THINNED_FIXES_PER_STEP {
                thinning.spans.push(span);
                self.floors.thinning.insert(stream, thinning);
                return Ok(());
            }
            let (fixes, rest) = next_hours(step, mission, span)?;
            read += fixes.len();
            thinning.spans.extend(rest);
            let left =
                if into.kind == StreamKind::TrackSampled { thin::sampled(&fixes) } else { thin::simplified(&fixes) };
            self.leave(step, into, &mut thinning, (span.unit, left));
        }
        if let Some((unit, fixes)) = thinning.left.take() {
            self.write_left(step, into, unit, &fixes);
        }
        self.seal(step)?;
        let end = self.protocol.digest(into, thinning.author).map_or(0, |(seq, _)| seq);
        *self.counters.entry("tracks_thinned").or_default() += 1;
        self.lay_feed_floor(step, stream, thinning.number, thinning.heads, FloorReason::Thinned { end })
    }

    fn leave(
        &mut self,
        step: &mut Step<'_>,
        into: StreamId,
        thinning: &mut Thinning,
        (unit, left): (UnitId, Vec<Fix>),
    ) {
        if let Some((before, fixes)) = thinning.left.take_if(|(before, _)| *before != unit) {
            self.write_left(step, into, before, &fixes);
        }
        let (_, fixes) = thinning.left.get_or_insert_with(|| (unit, Vec::new()));
        fixes.extend(left);
        while fixes.len() >= TRACK_FIXES_MAX {
            let full: Vec<Fix> = fixes.drain(..TRACK_FIXES_MAX).collect();
            self.write_left(step, into, unit, &full);
        }
    }

    fn write_left(&mut self, step: &mut Step<'_>, into: StreamId, unit: UnitId, fixes: &[Fix]) {
        if !fixes.is_empty() {
            let written = self.clock.tick(step.now);
            self.write(step, into, feed::encode(&segment::body(written, unit, THINNED, fixes)));
        }
    }
}

/// The fixes of a stretch from its beginning on, so many hours of them as a step may take, and what is left of it.
fn next_hours(
    step: &Step<'_>,
    mission: MissionId,
    span: TrackSpan,
) -> Result<(Vec<Fix>, Option<TrackSpan>), StoreError> {
    let mut fixes = step.store.fixes_within(mission, &span, THINNED_FIXES_PER_STEP)?;
    let (Some(first), Some(last)) = (fixes.first(), fixes.last()) else { return Ok((fixes, None)) };
    if fixes.len() < THINNED_FIXES_PER_STEP {
        return Ok((fixes, None));
    }
    let hour = last.at_ms / thin::HOUR_MS * thin::HOUR_MS;
    // An hour of more fixes than a step may take is cut, and keeps a fix more.
    let next = if first.at_ms < hour { hour } else { last.at_ms + 1 };
    fixes.retain(|fix| fix.at_ms < next);
    Ok((fixes, (next <= span.last_ms).then_some(TrackSpan { first_ms: next, ..span })))
}

/// Stretches without those that lie in others, each unit's in order of time; empty ones are none.
pub(crate) fn merged(spans: impl IntoIterator<Item = TrackSpan>) -> Vec<TrackSpan> {
    let mut units: BTreeMap<UnitId, Vec<TrackSpan>> = BTreeMap::new();
    for span in spans.into_iter().filter(|span| span.first_ms <= span.last_ms) {
        units.entry(span.unit).or_default().push(span);
    }
    let mut out: Vec<TrackSpan> = Vec::new();
    for mut spans in units.into_values() {
        spans.sort_unstable();
        for span in spans {
            match out
                .last_mut()
                .filter(|last| last.unit == span.unit && span.first_ms <= last.last_ms.saturating_add(1))
            {
                Some(last) => last.last_ms = last.last_ms.max(span.last_ms),
                None => out.push(span),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_meet_are_gone_through_once() {
        let unit = |n| UnitId::from_bytes([n; 16]);
        let span = |n, first_ms, last_ms| TrackSpan { unit: unit(n), first_ms, last_ms };
        let spans = [span(2, 5, 9), span(1, 30, 40), span(1, 0, 9), span(1, 10, 12), span(1, 3, 4), span(1, 1, 0)];
        assert_eq!(merged(spans), [span(1, 0, 12), span(1, 30, 40), span(2, 5, 9)]);
    }
}
