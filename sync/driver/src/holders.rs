//! Who has this: what this node says it holds of each scope, and what it knows of what others hold, near and far.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::clock::{Hlc, Now};
use holdfast_domain::entry::{Digest, Entry};
use holdfast_domain::feed::{self, AlertBody, HoldsBody, MessageBody};
use holdfast_domain::frontier::Fingerprint;
use holdfast_domain::holders::{Held, Holder, Holders, ScopeHolder};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::{AuthorId, DeviceCredential, DeviceId, DeviceRole};
use holdfast_domain::limits::{CLOCK_SUSPECT_MS, HOLDS_BPS, HOLDS_PAUSE_S_MAX, HOLDS_PAUSE_S_MIN, HOLDS_QUIET_S};
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Family, Scope, StreamId, StreamKind};
use holdfast_replica::replica::{Replica, document_of};
use holdfast_store::error::StoreError;

use crate::engine::{Core, Step};

/// When this node says what it holds: once a burst is over, and only if documents or feeds have moved, so that words
/// about words never cause more of them.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    scopes: BTreeMap<Scope, Told>,
}

/// What was told of one scope.
#[derive(Debug, Default)]
struct Told {
    /// What was held when it was last looked at.
    seen: Option<Fingerprint>,
    changed_us: u64,
    /// Since when something is to be told.
    waiting_us: Option<u64>,
    /// Not before this is it told again.
    next_us: u64,
    /// What was said last; `None` before this node's own word was looked up.
    said: Option<Digest>,
}

impl Told {
    /// Whether it is time to look whether there is something to tell.
    fn is_due(&mut self, durable: Fingerprint, now_us: u64) -> bool {
        if self.seen != Some(durable) {
            self.seen = Some(durable);
            self.changed_us = now_us;
            self.waiting_us.get_or_insert(now_us);
        }
        let passed = |since_us: u64, s: u64| now_us.saturating_sub(since_us) >= s * 1_000_000;
        self.waiting_us.is_some_and(|waiting_us| {
            now_us >= self.next_us && (passed(self.changed_us, HOLDS_QUIET_S) || passed(waiting_us, HOLDS_PAUSE_S_MIN))
        })
    }
}

/// What a register entry costs beside its body, bytes: signature, author, number and the head of a pack.
const AROUND_BYTES: u64 = 128;

/// The pause that keeps the words of so many devices, of so many bytes each, to their share; microseconds.
fn pause_us(devices: u64, bytes: u64) -> u64 {
    let s = devices * (bytes + AROUND_BYTES) * 8 / HOLDS_BPS;
    s.clamp(HOLDS_PAUSE_S_MIN, HOLDS_PAUSE_S_MAX) * 1_000_000
}

/// The newest word of a device.
struct Word {
    author: AuthorId,
    said: Hlc,
    held: Held,
}

/// The entries that make a record what it is.
type Written = Vec<(StreamId, AuthorId, u64)>;

impl Core {
    /// Says what this node holds of each scope where that is due.
    pub(crate) fn tell_holdings(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let now_us = step.now.mono_us;
        let scopes = self.protocol.frontier().scopes();
        let due: Vec<(Scope, Held, u64)> = scopes
            .filter(|(scope, held)| self.telling.scopes.entry(*scope).or_default().is_due(held.durable(), now_us))
            .map(|(scope, held)| (scope, Held::of(held), held.heads_of(StreamKind::Holds).count() as u64))
            .collect();
        for (scope, held, others) in due {
            let stream = StreamId::new(scope, StreamKind::Holds);
            let digest = digest(&held);
            let before = match self.telling.scopes.get(&scope).and_then(|told| told.said) {
                Some(said) => Some(said),
                None => self.own_word(step, stream)?,
            };
            let told = self.telling.scopes.entry(scope).or_default();
            (told.waiting_us, told.said) = (None, Some(digest));
            if before == Some(digest) || held.is_empty() {
                continue;
            }
            let body = feed::encode(&HoldsBody::V1 { said: self.clock.tick(step.now), held });
            told.next_us = now_us + pause_us(others.max(1), body.len() as u64);
            self.write(step, stream, body);
            *self.counters.entry("holdings_told").or_default() += 1;
        }
        Ok(())
    }

    /// What this node said of a scope before it was started.
    fn own_word(&self, step: &Step<'_>, stream: StreamId) -> Result<Option<Digest>, StoreError> {
        let own = step.store.run(stream, &[(self.credential.author(), 1)], usize::MAX, 1)?;
        Ok(own.last().and_then(read).map(|(_, held)| digest(&held)))
    }

    /// Who holds a record of a mission or of the org, as far as is known here.
    pub(crate) fn holders(
        &mut self,
        step: &Step<'_>,
        mission: Option<MissionId>,
        record: RecordId,
    ) -> Result<Result<Holders, Refusal>, StoreError> {
        let scope = mission.map_or(Scope::Org, Scope::Mission);
        let written = self.written(step, scope, record)?;
        if written.is_empty() {
            let id = record.to_string().split(' ').next_back().unwrap_or_default().to_owned();
            return Ok(Err(Refusal::NotFound { kind: record.kind(), id }));
        }
        let words = self.words(step, scope)?;
        let (mut held_by, mut not_yet) = (Vec::new(), Vec::new());
        for device in self.members(step)? {
            let word = words.get(&device.device());
            let holds = written.iter().all(|&(stream, author, seq)| self.seq_at(&device, word, stream, author) >= seq);
            let list = if holds { &mut held_by } else { &mut not_yet };
            list.push(self.holder(&device, word, step.now));
        }
        let at_hub = held_by.iter().any(|holder| holder.role == DeviceRole::Hub);
        Ok(Ok(Holders { record, of: (held_by.len() + not_yet.len()) as u64, held_by, not_yet, at_hub }))
    }

    /// What each device holds of a scope, compared with this node.
    pub(crate) fn scope_holders(&self, step: &Step<'_>, scope: Scope) -> Result<Vec<ScopeHolder>, StoreError> {
        let words = self.words(step, scope)?;
        let mine: Vec<_> = self
            .protocol
            .frontier()
            .scope(scope)
            .into_iter()
            .flat_map(|held| held.heads())
            .filter(|(kind, ..)| kind.family() != Family::Register)
            .collect();
        let members = self.members(step)?.into_iter();
        Ok(members
            .map(|device| {
                let word = words.get(&device.device());
                let lacks = |&(kind, author, head): &(StreamKind, AuthorId, holdfast_domain::frontier::Head)| {
                    head.seq.saturating_sub(self.seq_at(&device, word, StreamId::new(scope, kind), author))
                };
                ScopeHolder {
                    holder: self.holder(&device, word, step.now),
                    said_ms: word.map(|word| word.said.ms()),
                    lacks: mine.iter().map(lacks).sum(),
                }
            })
            .collect())
    }

    /// How far a device is known to hold an author: by its acknowledgements, by its own word, and, of what it wrote
    /// itself in its present life, by that.
    fn seq_at(&self, device: &DeviceCredential, word: Option<&Word>, stream: StreamId, author: AuthorId) -> u64 {
        let id = device.device();
        let mine = self.protocol.frontier().seq(stream, author);
        if id == self.config.device.device() {
            return mine;
        }
        let near = self.peers.held_by(id).map_or(0, |held| held.seq(stream, author));
        let said = word.map_or(0, |word| word.held.seq(stream.kind, author));
        // What it wrote in a life that it has outlived it may have lost.
        let epoch = |author| {
            let known = self.protocol.credential(author).filter(|known| known.device.device() == id);
            known.map(|known| known.epoch)
        };
        let outlived = |own: u32| word.and_then(|word| epoch(word.author)).is_some_and(|present| present > own);
        let own = epoch(author).filter(|&own| !outlived(own)).map_or(0, |_| mine);
        near.max(said).max(own)
    }

    /// The entries that make a record what it is here; none if there is no such record.
    fn written(&mut self, step: &Step<'_>, scope: Scope, record: RecordId) -> Result<Written, StoreError> {
        let mission = scope.mission();
        if let RecordId::Message(id) = record {
            let Some((author, sent)) = step.store.message_origin(mission, id)? else { return Ok(Vec::new()) };
            let stream = StreamId::new(scope, StreamKind::Message);
            let place = |body: &[u8]| match feed::decode::<MessageBody>(body).map(|body| body.name(author)) {
                Ok((found, at)) => (at.cmp(&sent), found == id),
                Err(_) => (Ordering::Less, false),
            };
            return Ok(vec![(stream, author, step.store.seq_of(stream, author, place)?)]);
        }
        if let RecordId::Alert(id) = record {
            let Some((author, raised)) = step.store.alert_origin(mission, id)? else { return Ok(Vec::new()) };
            let stream = StreamId::new(scope, StreamKind::Alert);
            let place = |body: &[u8]| match feed::decode(body) {
                Ok(AlertBody::RaisedV1 { raised: at, id: found, .. }) => (at.cmp(&raised), found == id),
                Ok(AlertBody::AcknowledgedV1 { at, .. } | AlertBody::CancelledV1 { at, .. }) => {
                    (at.cmp(&raised), false)
                }
                Err(_) => (Ordering::Less, false),
            };
            return Ok(vec![(stream, author, step.store.seq_of(stream, author, place)?)]);
        }
        let Some(stream) = mission.and_then(|mission| document_of(mission, record)) else { return Ok(Vec::new()) };
        self.open_document(step, stream)?;
        let generation = self.floors.generation(stream);
        let mut written = Vec::new();
        for (author, number) in self.replica.written(stream, record) {
            // In the first generation changes are numbered as their entries; in a later one an author begins at 1 again,
            // after all it wrote before.
            let place = |body: &[u8]| match Replica::number_in(generation, body) {
                Some(at) => (at.cmp(&number), at == number),
                None => (Ordering::Less, false),
            };
            let seq = if generation.is_first() { number } else { step.store.seq_of(stream, author, place)? };
            written.push((stream, author, seq));
        }
        Ok(written)
    }

    /// The newest word of each device of which one is here.
    fn words(&self, step: &Step<'_>, scope: Scope) -> Result<BTreeMap<DeviceId, Word>, StoreError> {
        let mut words: BTreeMap<DeviceId, Word> = BTreeMap::new();
        for entry in step.store.registers(StreamId::new(scope, StreamKind::Holds))? {
            let author = entry.key.author;
            let (Some((said, held)), Some(known)) = (read(&entry), self.protocol.credential(author)) else { continue };
            let device = known.device.device();
            if words.get(&device).is_none_or(|word| (word.said, word.author) < (said, author)) {
                words.insert(device, Word { author, said, held });
            }
        }
        Ok(words)
    }

    /// Every device of the org that is known here, this one among them, by name.
    fn members(&self, step: &Step<'_>) -> Result<Vec<DeviceCredential>, StoreError> {
        // Those never met, and of whose enrolment no word came, are known by what they wrote.
        let authors: BTreeSet<AuthorId> = self.protocol.frontier().authors().collect();
        let wrote = authors.into_iter().filter_map(|author| self.protocol.credential(author));
        let mut members: BTreeMap<DeviceId, DeviceCredential> =
            wrote.map(|known| (known.device.device(), known.device.clone())).collect();
        members.extend(self.devices(step)?.into_iter().map(|device| (device.device(), device)));
        members.insert(self.config.device.device(), self.config.device.clone());
        let mut members: Vec<DeviceCredential> = members.into_values().collect();
        members.sort_by(|left, right| (&left.name, left.device()).cmp(&(&right.name, right.device())));
        Ok(members)
    }

    fn holder(&self, device: &DeviceCredential, word: Option<&Word>, now: Now) -> Holder {
        let id = device.device();
        let near = self.peers.last_heard_ms(id);
        // A clock that is ahead would have a device heard of just now for ever.
        let said = word.map(|word| word.said.ms()).filter(|&said_ms| said_ms <= now.wall_ms + CLOCK_SUSPECT_MS);
        let last_heard_ms = near.max(said).filter(|_| id != self.config.device.device());
        Holder { device: id, name: device.name.clone(), role: device.role, last_heard_ms }
    }
}

fn digest(held: &Held) -> Digest {
    Digest(*blake3::hash(&feed::encode(held)).as_bytes())
}

/// A word as it was said; `None` if it is of a later version.
fn read(entry: &Entry) -> Option<(Hlc, Held)> {
    let HoldsBody::V1 { said, held } = feed::decode(&entry.body).ok()?;
    Some((said, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(n: u8) -> Fingerprint {
        Fingerprint([n; 16])
    }

    /// Seconds at which a word was due, with a change in each of `changes`.
    fn due(changes: &[u64], until_s: u64) -> Vec<u64> {
        let mut told = Told::default();
        let mut due = Vec::new();
        for now_s in 0..until_s {
            let held = changes.iter().filter(|&&at| at <= now_s).count() as u8;
            if told.is_due(fingerprint(held), now_s * 1_000_000) {
                due.push(now_s);
                told.waiting_us = None;
                told.next_us = now_s * 1_000_000 + pause_us(8, 200);
            }
        }
        due
    }

    #[test]
    fn a_burst_is_told_once_and_silence_costs_nothing() {
        assert_eq!(due(&[], 3_600), [10]);
        assert_eq!(due(&[600, 601, 605], 3_600), [10, 615]);
    }

    #[test]
    fn what_never_rests_is_told_at_its_pause_and_no_more() {
        let changes: Vec<u64> = (1..240).collect();
        let due = due(&changes, 240);
        assert_eq!(due[..3], [30, 82, 134], "a first word after half a minute, then one in 52 s: {due:?}");
    }

    #[test]
    fn a_large_org_speaks_less_often_and_never_falls_silent() {
        let pauses = [(2, 50), (8, 200), (20, 450), (1_000, 20_000)].map(|(n, bytes)| pause_us(n, bytes) / 1_000_000);
        assert_eq!(pauses, [30, 52, 231, 600]);
    }
}
