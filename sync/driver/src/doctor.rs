//! Documents are rebuilt, never trusted blindly: chains, signatures, snapshots and views against the entries.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::api::DoctorReport;
use holdfast_domain::entry::{Digest, Entry, digest_after};
use holdfast_domain::floor::Generation;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::Patch;
use holdfast_domain::scope::{Family, Scope, StreamId};
use holdfast_replica::replica::Replica;
use holdfast_store::chains::HeadRow;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

use crate::engine::{Core, chain};

/// Entries read at once: bounds memory on a Pi.
const PORTION_ENTRIES: usize = 2_000;

/// Set to 1 by a migration after which the views are to be written anew.
const VIEWS_STALE: &str = "views_stale";

impl Core {
    /// Writes the views anew where a migration found entries that they do not show.
    pub(crate) fn refresh_views(&self, store: &mut Store) -> Result<(), StoreError> {
        if store.meta(VIEWS_STALE)?.is_none_or(|mark| mark != [1]) {
            return Ok(());
        }
        self.examine(store)?;
        let txn = store.begin()?;
        txn.put_meta(VIEWS_STALE, &[0])?;
        txn.commit()
    }

    /// Examines all that is stored; writes the views anew if they differ from what the entries say.
    pub(crate) fn examine(&self, store: &mut Store) -> Result<DoctorReport, StoreError> {
        self.sweep_all(store)?;
        let mut report = DoctorReport::default();
        report.faults.extend(store.check()?);
        let quarantined: BTreeSet<_> = store.quarantined()?.into_iter().collect();
        let mut heads: BTreeMap<StreamId, Vec<(AuthorId, u64, Digest)>> = BTreeMap::new();
        for HeadRow { stream, author, seq, digest, .. } in store.heads()? {
            heads.entry(stream).or_default().push((author, seq, digest));
        }
        let mut patches = Vec::new();
        for (stream, authors) in heads {
            let mut entries = Vec::new();
            for (author, seq, digest) in authors {
                let chain = self.walk_chain(store, stream, author, (seq, digest), &mut report)?;
                entries.extend(chain.into_iter().filter(|entry| !quarantined.contains(&entry.key)));
            }
            rebuild(store, stream, self.floors.generation(stream), &entries, &mut patches, &mut report)?;
        }
        compare_views(store, &patches, &mut report)?;
        Ok(report)
    }

    /// Checks one author's chain from its first entry to its head.
    fn walk_chain(
        &self,
        store: &Store,
        stream: StreamId,
        author: AuthorId,
        head: (u64, Digest),
        report: &mut DoctorReport,
    ) -> Result<Vec<Entry>, StoreError> {
        let register = stream.kind.family() == Family::Register;
        let key = self.protocol.credential(author).map(|credential| credential.device.key);
        // Below where a chain begins here some entries may still be stored; a document of an earlier generation needs them.
        let base = store.chain_base(stream, author)?;
        let base_seq = base.map_or(0, |(seq, _)| seq);
        let below = store.entries_between(stream, author, 1, base_seq)?;
        let mut chain: Vec<Entry> = Vec::new();
        let mut previous = base.map(|(_, digest)| digest);
        // A floor signed by a command post stands for the digest there.
        let mut signed = base_seq;
        loop {
            let first = chain.last().map_or(base_seq, |entry| entry.key.seq) + 1;
            let portion = store.run(stream, &[(author, first)], usize::MAX, PORTION_ENTRIES)?;
            if portion.is_empty() {
                break;
            }
            for entry in portion {
                report.entries += 1;
                let expected = if register { entry.key.seq } else { base_seq + chain.len() as u64 + 1 };
                if entry.key.seq != expected || digest_after(&entry.key, previous, &entry.body) != entry.digest {
                    report.faults.push(format!("{stream}: entry {} of {author} breaks its chain", entry.key.seq));
                }
                let verified = key.is_some_and(|key| entry.verifies(&self.config.device.org, &key));
                if entry.signature.is_some() && !verified {
                    report.faults.push(format!("{stream}: entry {} of {author} has a bad signature", entry.key.seq));
                }
                if verified {
                    signed = entry.key.seq;
                }
                previous = Some(entry.digest);
                chain.push(entry);
            }
        }
        let last = chain.last().map(|entry| (entry.key.seq, entry.digest)).or(base);
        if last != Some(head) {
            report.faults.push(format!("{stream}: the head of {author} is not its newest entry"));
        }
        if signed < head.0 {
            report.faults.push(format!("{stream}: the newest entries of {author} are not covered by a signature"));
        }
        Ok(below.into_iter().chain(chain).collect())
    }
}

/// Rebuilds one stream from its entries and collects what the views should show.
fn rebuild(
    store: &Store,
    stream: StreamId,
    generation: Generation,
    entries: &[Entry],
    patches: &mut Vec<Patch>,
    report: &mut DoctorReport,
) -> Result<(), StoreError> {
    if stream.kind.family() != Family::Document {
        for entry in entries {
            // A body of a later version shows nothing here; that is no fault.
            patches.extend(Replica::rows_of_feed(entry).unwrap_or_default());
        }
        return Ok(());
    }
    report.documents += 1;
    let mut fresh = Replica::new();
    if let Err(error) = fresh.open_at(stream, generation, None, &[]) {
        report.faults.push(format!("{stream}: cannot be begun: {}", chain(&error)));
        return Ok(());
    }
    let merged = fresh.merge(entries);
    if merged.unreadable > 0 {
        report.faults.push(format!("{stream}: {} entries are no changes of their author", merged.unreadable));
    }
    let (snapshot, tail) = store.snapshot_and_tail(stream)?;
    let mut kept = Replica::new();
    match kept.open_at(stream, generation, snapshot.as_deref(), &tail) {
        Ok(()) if kept.heads(stream) == fresh.heads(stream) => {}
        Ok(()) => report.faults.push(format!("{stream}: the snapshot and its tail differ from the entries")),
        Err(error) => report.faults.push(format!("{stream}: the snapshot does not load: {}", chain(&error))),
    }
    patches.extend(fresh.rows(stream));
    Ok(())
}

/// Writes the views anew within a transaction, compares, and keeps the new ones only if they differ.
fn compare_views(store: &Store, patches: &[Patch], report: &mut DoctorReport) -> Result<(), StoreError> {
    let mut scopes: BTreeSet<Scope> = store.heads()?.into_iter().map(|head| head.stream.scope).collect();
    scopes.insert(Scope::Org);
    let summaries = |report: &mut DoctorReport| -> Result<BTreeMap<_, _>, StoreError> {
        let mut all = BTreeMap::new();
        for scope in &scopes {
            for (table, (rows, digest)) in store.scope_summary(*scope)? {
                report.rows += rows;
                all.insert((*scope, table), (rows, digest));
            }
        }
        Ok(all)
    };
    let before = summaries(&mut DoctorReport::default())?;
    let txn = store.begin()?;
    txn.clear_views()?;
    txn.apply(patches)?;
    let after = summaries(report)?;
    for (place, (rows, digest)) in &after {
        let known = before.get(place);
        if known.is_none_or(|(_, digest_before)| digest_before != digest) {
            let rows_before = known.map_or(0, |(rows, _)| *rows);
            let (scope, table) = place;
            let place =
                if let Scope::Mission(mission) = scope { format!("mission {mission}") } else { "the org".to_owned() };
            report.faults.push(format!(
                "view {table} of {place} had {rows_before} rows and should have {rows}, or differs in content"
            ));
        }
    }
    if before == after {
        return Ok(());
    }
    txn.commit()?;
    report.repaired = true;
    Ok(())
}
