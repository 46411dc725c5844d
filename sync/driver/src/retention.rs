//! How long things are kept: floors, generations of documents, what is dropped and what is passed over.
//!
//! A command post lays floors and keeps everything. Every other node follows them: it turns documents to the generation
//! that a floor begins, goes on above a floor where nobody has what lies below, and drops what is old enough.

pub mod config;

mod dropping;
pub(crate) mod floors;
mod rolling;
mod status;
pub(crate) mod sweeping;
pub(crate) mod thinning;
mod turning;

pub use config::Retention;

use holdfast_domain::entry::Entry;
use holdfast_domain::feed::{self, ControlBody};
use holdfast_domain::identity::DeviceRole;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_protocol::protocol::Input;
use holdfast_store::error::StoreError;
use holdfast_store::floors::FloorRow;

use crate::effect::Notice;
use crate::engine::{Core, Step};

const CONTROL: StreamId = StreamId { scope: Scope::Org, kind: StreamKind::Control };

/// How often all floors are gone through, microseconds: nothing of it is urgent.
const ROUND_US: u64 = 60_000_000;

impl Core {
    /// Takes note of floors among entries that their author was allowed to write.
    pub(crate) fn take_floors(&mut self, step: &mut Step<'_>, allowed: &[Entry]) -> Result<(), StoreError> {
        for entry in allowed.iter().filter(|entry| entry.key.stream == CONTROL) {
            let Ok(ControlBody::FloorV1 { floor, .. }) = feed::decode(&entry.body) else { continue };
            let honest = |credential: &holdfast_domain::identity::Credential| {
                credential.device.org == self.config.device.org
                    && credential.device.verifies(&self.config.authority_key)
            };
            if !floor.is_sound() || !floor.credentials.iter().all(honest) {
                *self.counters.entry("floors_ignored").or_default() += 1;
                continue;
            }
            self.lay(step, FloorRow { author: entry.key.author, seq: entry.key.seq, floor })?;
        }
        Ok(())
    }

    /// Keeps a floor.
    fn lay(&mut self, step: &mut Step<'_>, row: FloorRow) -> Result<(), StoreError> {
        step.txn.put_floor(&row)?;
        for credential in &row.floor.credentials {
            step.txn.put_credential(credential)?;
        }
        step.dirty = true;
        *self.counters.entry("floors").or_default() += 1;
        self.floors.take(row);
        Ok(())
    }

    /// Does what floors call for, once all that came in this step is in the transaction and signed.
    pub(crate) fn follow_floors(&mut self, step: &mut Step<'_>, ticked: bool) -> Result<(), StoreError> {
        let news: Vec<Input> = self.floors.news().collect();
        for input in news {
            self.say(step, input)?;
        }
        for stream in self.floors.to_turn() {
            self.turn_if_whole(step, stream)?;
        }
        let unasked = self.may_write_unasked(step.now);
        if self.keeps_all() && unasked {
            self.roll_grown(step)?;
        }
        let due = ticked && step.now.mono_us.saturating_sub(self.floors.round_us) >= ROUND_US;
        if due || std::mem::take(&mut self.floors.moved) {
            self.settle_floors(step)?;
            self.floors.drops_on = true;
        }
        if ticked && std::mem::take(&mut self.floors.drops_on) {
            self.drop_old(step)?;
        }
        if ticked {
            self.sweep(step)?;
        }
        if ticked && unasked {
            self.go_on_thinning(step)?;
        }
        if due {
            self.floors.round_us = step.now.mono_us;
            if self.keeps_all() && unasked {
                self.say_for_the_silent(step)?;
                self.lay_daily_floors(step)?;
            }
        }
        for (stream, entries) in self.floors.take_passed() {
            *self.counters.entry("entries_passed_over").or_default() += entries;
            step.notice(Notice::Reset { stream, entries });
        }
        Ok(())
    }

    /// Command posts keep everything.
    pub(crate) fn keeps_all(&self) -> bool {
        self.config.device.role == DeviceRole::Hub
    }
}
