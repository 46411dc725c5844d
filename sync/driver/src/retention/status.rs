//! What is kept, as people read it.

use std::collections::BTreeMap;

use holdfast_domain::clock::Now;
use holdfast_domain::retention::{RetentionStatus, StreamKept};
use holdfast_domain::scope::{Family, Scope, StreamId, StreamKind};
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

use crate::engine::Core;

impl Core {
    pub(crate) fn retention_status(&self, store: &Store, now: Now) -> Result<RetentionStatus, StoreError> {
        let mut below: BTreeMap<StreamId, u64> = BTreeMap::new();
        for head in store.heads()? {
            *below.entry(head.stream).or_default() += head.base;
        }
        let mut passed: BTreeMap<StreamId, u64> = BTreeMap::new();
        for skip in store.skips()? {
            *passed.entry(skip.stream).or_default() += skip.last - skip.first + 1;
        }
        let mut streams = Vec::new();
        for (&stream, &below) in below.iter().filter(|(stream, _)| stream.scope != Scope::Org) {
            if stream.kind == StreamKind::Latest {
                continue;
            }
            let weight = store.stream_weight(stream)?;
            let document = stream.kind.family() == Family::Document;
            let newest = self.floors.rows(stream).iter().max_by_key(|row| row.floor.number).map(|row| &row.floor);
            let next = self.floors.rows(stream).iter().map(|row| row.floor.cut_ms);
            let drops_ms = next
                .map(|cut_ms| cut_ms.saturating_add(self.config.retention.age_ms(stream.kind)))
                .filter(|drops_ms| *drops_ms > now.wall_ms)
                .min();
            streams.push(StreamKept {
                stream: stream.to_string(),
                entries: weight.entries,
                bytes: weight.bytes,
                generation: document.then(|| self.floors.generation(stream).number),
                floor: newest.map(|floor| floor.number),
                floor_ms: newest.map(|floor| floor.cut_ms),
                drops_ms: drops_ms.filter(|_| !self.keeps_all()),
                below,
                passed_over: passed.get(&stream).copied().unwrap_or(0),
                awaits_start: self.floors.to_turn().contains(&stream),
                thinning: self.floors.thinning.contains_key(&stream),
            });
        }
        Ok(RetentionStatus { keeps_all: self.keeps_all(), streams })
    }
}
