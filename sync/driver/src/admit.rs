//! Entries on their way to disk: what the policy allows is given meaning, everything verified is kept.

use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::feed::{self, RegisterBody};
use holdfast_domain::identity::Credential;
use holdfast_domain::scope::{Family, StreamKind};
use holdfast_replica::closure::causal_order;
use holdfast_store::error::StoreError;

use crate::effect::{Effect, Notice};
use crate::engine::{Core, Step};

impl Core {
    /// Takes in entries of others, verified and in order. A refused entry is kept and passed on, so that no chain has a
    /// hole, but it means nothing here.
    pub(crate) fn admit(
        &mut self,
        step: &mut Step<'_>,
        entries: &[Entry],
        credentials: &[Credential],
    ) -> Result<(), StoreError> {
        step.dirty = true;
        // What arrives first is sent on first, so nothing should arrive before what it follows from.
        let is_document = entries.first().is_some_and(|entry| entry.key.stream.kind.family() == Family::Document);
        let ordered = is_document.then(|| causal_order(entries.to_vec()));
        let entries = ordered.as_deref().unwrap_or(entries);
        for credential in credentials {
            step.txn.put_credential(credential)?;
        }
        let mut allowed = Vec::with_capacity(entries.len());
        for entry in entries {
            let known = credentials.iter().find(|credential| credential.author() == entry.key.author);
            let role = known.or_else(|| self.protocol.credential(entry.key.author)).map(|known| known.device.role);
            let stream = entry.key.stream;
            match role.map(|role| holdfast_policy::authorship::may_author(role, stream.kind, stream.scope)) {
                Some(Ok(())) => allowed.push(entry.clone()),
                Some(Err(denied)) => self.quarantine(step, entry.key, &denied.to_string())?,
                None => self.quarantine(step, entry.key, "its author is unknown")?,
            }
        }
        for entry in &allowed {
            if entry.key.stream.kind.family() == Family::Document {
                self.open_document(step, entry.key.stream)?;
                self.documents.came(entry.key.stream, step.now.mono_us);
            }
        }
        self.keep(step, entries)?;
        for entry in &allowed {
            step.out.extend(self.whereabouts(entry, credentials).map(Effect::Learned));
        }
        self.take_floors(step, &allowed)?;
        let merged = self.replica.merge(&allowed);
        for key in merged.refused {
            self.quarantine(step, key, "it is no change that this document can take")?;
        }
        self.clock.observe(merged.newest, step.now);
        *self.counters.entry("entries_admitted").or_default() += entries.len() as u64;
        *self.counters.entry("entries_unreadable").or_default() += merged.unreadable;
        step.show(&merged.patches)?;
        self.blob_news(step, &merged.patches)
    }

    fn quarantine(&mut self, step: &mut Step<'_>, key: EntryKey, reason: &str) -> Result<(), StoreError> {
        step.txn.quarantine(&key, reason)?;
        *self.counters.entry("entries_quarantined").or_default() += 1;
        step.notice(Notice::Quarantined { stream: key.stream, author: key.author });
        Ok(())
    }

    /// Puts entries on disk within the step's transaction.
    pub(crate) fn keep(&mut self, step: &mut Step<'_>, entries: &[Entry]) -> Result<(), StoreError> {
        let (registers, chained): (Vec<_>, Vec<_>) =
            entries.iter().cloned().partition(|entry| entry.key.stream.kind.family() == Family::Register);
        step.txn.append(&chained)?;
        for entry in &chained {
            self.documents.grew(entry.key.stream);
        }
        for entry in &registers {
            step.txn.put_register(entry, &register_key(entry))?;
        }
        Ok(())
    }
}

/// The key of a register entry: of what an author holds only the newest word counts. A value of a version unknown here gets a key of its own, so that it is kept and passed on.
fn register_key(entry: &Entry) -> Vec<u8> {
    if entry.key.stream.kind == StreamKind::Holds {
        return b"holds".to_vec();
    }
    match feed::decode::<RegisterBody>(&entry.body) {
        Ok(body) => feed::encode(&body.key()),
        Err(_) => [b"unknown".as_slice(), &entry.key.seq.to_le_bytes()].concat(),
    }
}
