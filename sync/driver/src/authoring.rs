//! What this node writes itself: its next entries, their signatures, and a fresh life where the old one was lost.

use holdfast_domain::entry::Entry;
use holdfast_domain::limits::{SIGNED_SPAN_BYTES, UNSIGNED_RUN_ENTRIES_MAX};
use holdfast_domain::scope::{Family, StreamId};
use holdfast_protocol::protocol::Input;
use holdfast_store::error::StoreError;
use rand_chacha::rand_core::Rng;

use crate::effect::Notice;
use crate::engine::{Core, Step};

impl Core {
    /// Begins a fresh life as an author: own entries turned up that this store does not have.
    pub(crate) fn raise_epoch(&mut self, step: &mut Step<'_>) -> Result<Input, StoreError> {
        // A random stride, so that two clones that both rise do not meet again on one number.
        let stride = 1 + (self.rng.next_u32() & 0xffff);
        self.credential.epoch = self.credential.epoch.saturating_add(stride);
        step.txn.put_meta("epoch", &self.credential.epoch.to_le_bytes())?;
        step.dirty = true;
        step.notice(Notice::EpochRaised { epoch: self.credential.epoch });
        Ok(Input::Reborn { credential: self.credential.clone() })
    }

    /// Appends a body to one of this node's own streams; it is signed when the step is sealed.
    pub(crate) fn write(&mut self, step: &mut Step<'_>, stream: StreamId, body: Vec<u8>) {
        let author = self.credential.author();
        let chain = step.own.entry(stream).or_default();
        let previous =
            chain.last().map(|entry| (entry.key.seq, entry.digest)).or_else(|| self.protocol.digest(stream, author));
        let key = holdfast_domain::entry::EntryKey { stream, author, seq: previous.map_or(1, |(seq, _)| seq + 1) };
        chain.push(Entry::next(key, previous.map(|(_, digest)| digest), body));
    }

    /// Signs what this node wrote in the step, one signature for each run and span that a pack can carry, and lets the protocol push it on.
    pub(crate) fn seal(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let own = std::mem::take(&mut step.own);
        if own.is_empty() {
            return Ok(());
        }
        step.dirty = true;
        step.txn.put_credential(&self.credential)?;
        let mut committed = Vec::new();
        for (stream, mut entries) in own {
            let last = entries.len() - 1;
            let (mut run, mut span) = (0, 0);
            for (index, entry) in entries.iter_mut().enumerate() {
                run += 1;
                span += entry.body.len();
                let alone = stream.kind.family() == Family::Register;
                if alone || index == last || run == UNSIGNED_RUN_ENTRIES_MAX || span >= SIGNED_SPAN_BYTES {
                    entry.sign(&self.config.device.org, &self.config.key);
                    (run, span) = (0, 0);
                }
            }
            self.keep(step, &entries)?;
            committed.extend(entries.iter().map(|entry| (entry.key, entry.digest)));
        }
        let credentials = vec![self.credential.clone()];
        self.say(step, Input::Committed { from: None, entries: committed, credentials })
    }
}
