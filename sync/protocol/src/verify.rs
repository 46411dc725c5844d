//! Proof: whether a run of entries is what its author signed, and how it fits what is held.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::entry::{Digest, Entry, EntryKey};
use holdfast_domain::frame::{Pack, PackForm, PackRange};
use holdfast_domain::identity::{Credential, OrgId, PublicKey};
use holdfast_domain::limits::{PACK_AUTHORS_MAX, PACK_ENTRIES_MAX, UNSIGNED_RUN_ENTRIES_MAX};
use holdfast_domain::scope::{Family, StreamId};

/// A run to be judged, with what is held of its author.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) org: OrgId,
    pub(crate) key: &'a PublicKey,
    pub(crate) stream: StreamId,
    pub(crate) range: &'a PackRange,
    pub(crate) seqs: Vec<u64>,
    pub(crate) bodies: Vec<Vec<u8>>,
    /// The newest entry held.
    pub(crate) head: Option<(u64, Digest)>,
    /// Digests of entries held, of those that the run touches.
    pub(crate) mine: BTreeMap<u64, Digest>,
    /// The entry up to which the chain is not held any more; its digest is among `mine`. 0 if it is held whole.
    pub(crate) base: u64,
}

/// What a run turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing in it is wanted; the newest digest is that of its last entry.
    Duplicate(Digest),
    /// It continues what is held: the entries beyond, and the newest digest.
    Extends(Vec<Entry>, Digest),
    /// Entries are missing before it, from this number on.
    Gap(u64),
    /// It does not follow from what is held, nor claims to: perhaps the author has two histories.
    Suspect,
    /// The author signed two histories: the first number that differs, and the rivals up to a signed one.
    Forked(u64, Vec<Entry>),
    /// It claims to follow from what is held, and the author never signed it.
    Forged,
    /// No credential of the author is known.
    Unknown,
    /// The author's chain is frozen.
    Frozen,
    /// All of it lies below where the chain begins here.
    Below,
    /// Own digests needed for the comparison are missing.
    Unplaced,
}

/// Whether a pack has the shape that honest peers send. Nothing in it is proved yet.
pub(crate) fn is_well_formed(pack: &Pack, bundles_welcome: bool) -> bool {
    let family = pack.stream.kind.family();
    let authors: BTreeSet<_> = pack.ranges.iter().map(|range| range.author).collect();
    let vouched: BTreeSet<_> = pack.credentials.iter().map(Credential::author).collect();
    let entries: u64 = pack.ranges.iter().map(|range| u64::from(range.count)).sum();
    (1..=PACK_AUTHORS_MAX).contains(&pack.ranges.len())
        && authors.len() == pack.ranges.len()
        && vouched.len() == pack.credentials.len()
        && vouched.is_subset(&authors)
        && entries <= PACK_ENTRIES_MAX as u64
        && (pack.form != PackForm::Bundle || (bundles_welcome && family == Family::Document))
        && pack.ranges.iter().all(|range| is_range_well_formed(range, family))
}

fn is_range_well_formed(range: &PackRange, family: Family) -> bool {
    let register = family == Family::Register;
    let positions = || range.signatures.iter().map(|(position, _)| u64::from(*position));
    let starts = std::iter::once(0).chain(positions().map(|position| position + 1));
    range.first >= 1
        && range.count >= 1
        && (range.skips.is_empty() || register)
        && range.seqs().is_some()
        && (range.base.0 == [0; 8] || (range.first > 1 && !register))
        && positions().next_back() == Some(u64::from(range.count) - 1)
        && (!register || range.signatures.len() == range.count as usize)
        && starts
            .zip(positions())
            .all(|(start, position)| position >= start && position - start < UNSIGNED_RUN_ENTRIES_MAX as u64)
}

impl Case<'_> {
    pub(crate) fn judge(self) -> Verdict {
        if self.stream.kind.family() == Family::Register { self.judge_registers() } else { self.judge_chain() }
    }

    fn held_to(&self) -> u64 {
        self.head.map_or(0, |(seq, _)| seq)
    }

    fn held_at(&self, seq: u64) -> Option<Digest> {
        self.head.filter(|(head, _)| *head == seq).map(|(_, digest)| digest).or_else(|| self.mine.get(&seq).copied())
    }

    /// The entries of the run but for the first `skipped`, digests computed from `previous` on.
    fn entries(&mut self, skipped: usize, mut previous: Option<Digest>) -> Vec<Entry> {
        let bodies = std::mem::take(&mut self.bodies);
        let mut entries: Vec<Entry> = Vec::with_capacity(bodies.len());
        for (&seq, body) in self.seqs.iter().zip(bodies).skip(skipped) {
            let key = EntryKey { stream: self.stream, author: self.range.author, seq };
            let entry = Entry::next(key, previous, body);
            previous = Some(entry.digest);
            entries.push(entry);
        }
        for &(position, signature) in &self.range.signatures {
            let place = (position as usize).checked_sub(skipped);
            if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
                entry.signature = Some(signature);
            }
        }
        entries
    }

    fn judge_chain(mut self) -> Verdict {
        let held_to = self.held_to();
        let skipped = (self.base + 1).saturating_sub(self.range.first) as usize;
        if skipped >= self.seqs.len() {
            return Verdict::Below;
        }
        let first = self.range.first + skipped as u64;
        if first > held_to.saturating_add(1) {
            return Verdict::Gap(held_to + 1);
        }
        let before = if first == 1 { None } else { self.held_at(first - 1) };
        if first > 1 && before.is_none() {
            return Verdict::Unplaced;
        }
        let mut entries = self.entries(skipped, before);
        let Some(newest) = entries.last().map(|entry| entry.digest) else { return Verdict::Unplaced };
        let mut differs = None;
        for (index, entry) in entries.iter().enumerate().take_while(|(_, entry)| entry.key.seq <= held_to) {
            match self.held_at(entry.key.seq) {
                None => return Verdict::Unplaced,
                Some(digest) if digest != entry.digest => {
                    differs = Some(index);
                    break;
                }
                Some(_) => {}
            }
        }
        let fresh = entries.iter().position(|entry| entry.key.seq > held_to);
        let Some(unproved) = differs.or(fresh) else { return Verdict::Duplicate(newest) };
        let proved =
            entries[unproved..].iter().all(|entry| entry.signature.is_none() || entry.verifies(&self.org, self.key));
        match (proved, differs) {
            (true, None) => Verdict::Extends(entries.split_off(unproved), newest),
            (true, Some(index)) => {
                let signed = entries[index..].iter().position(|entry| entry.signature.is_some()).unwrap_or(0);
                let rivals = entries.drain(index..=index + signed).collect();
                Verdict::Forked(first + index as u64, rivals)
            }
            // What the run claims to follow is the entry before its first.
            (false, _) if skipped == 0 && before.is_none_or(|digest| digest.short() == self.range.base) => {
                Verdict::Forged
            }
            (false, _) => Verdict::Suspect,
        }
    }

    fn judge_registers(mut self) -> Verdict {
        let held_to = self.held_to();
        let entries = self.entries(0, None);
        let Some(newest) = entries.last().map(|entry| entry.digest) else { return Verdict::Unplaced };
        let mut fresh = Vec::new();
        let mut rival = None;
        for entry in entries {
            let seq = entry.key.seq;
            let differs = seq <= held_to && self.held_at(seq).is_some_and(|digest| digest != entry.digest);
            if (differs || seq > held_to) && !entry.verifies(&self.org, self.key) {
                return Verdict::Forged;
            }
            if differs && rival.is_none() {
                rival = Some(entry);
            } else if seq > held_to {
                fresh.push(entry);
            }
        }
        match rival {
            Some(rival) => Verdict::Forked(rival.key.seq, vec![rival]),
            None if fresh.is_empty() => Verdict::Duplicate(newest),
            None => Verdict::Extends(fresh, newest),
        }
    }
}
