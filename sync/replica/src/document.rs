//! One open document: an automerge document, the changes that wait for others, and its records.

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, AutomergeError, Change, ObjId, ObjType, Prop, ReadDoc, ScalarValue, Value};
use holdfast_domain::conflict::Conflict;
use holdfast_domain::entry::Digest;
use holdfast_domain::floor::Generation;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

use crate::conflict;
use crate::decode;
use crate::examine::{Examined, Op, OpName, examine};
use crate::genesis::{actor, author_in, genesis};
use crate::layout::{self, Table};
use crate::merge::{End, Place, Queue, Settled, object_id};
use crate::record::Record;
use crate::replica::ReplicaError;

/// An open document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) mission: MissionId,
    pub(crate) doc: Automerge,
    pub(crate) generation: Generation,
    pub(crate) kind: StreamKind,
    pub(crate) ends: BTreeMap<AuthorId, End>,
    queue: Queue,
}

/// What is to be written about one record.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// The maps it has; none if it is to be made.
    pub(crate) objects: Vec<ObjId>,
    pub(crate) fields: BTreeMap<&'static str, ScalarValue>,
}

impl Document {
    /// Opens a generation of a document from its snapshot and the bodies of the entries after it, each with its number;
    /// those of other generations are passed over.
    pub(crate) fn open<'a>(
        stream: StreamId,
        generation: Generation,
        snapshot: Option<&[u8]>,
        tail: impl Iterator<Item = (u64, &'a [u8])>,
    ) -> Result<Self, ReplicaError> {
        let (Scope::Mission(mission), Some(first)) = (stream.scope, genesis(stream.kind, generation)) else {
            return Err(ReplicaError::NotADocument { stream });
        };
        let doc = if let Some(bytes) = snapshot { load(stream, bytes)? } else { begun(stream, &first)? };
        if doc.get_change_meta_by_hash(&first.hash()).is_none() {
            return Err(ReplicaError::OtherBeginning { stream });
        }
        let ends = ends(&doc);
        let mut document = Self { mission, doc, generation, kind: stream.kind, ends, queue: Queue::default() };
        let arrived = tail
            .filter(|(_, body)| decode::tag(body).is_none_or(|tag| tag == generation.tag))
            .filter_map(|(entry, body)| examine(stream.kind, generation, entry, body))
            .collect();
        let settled = document.settle(arrived);
        document.apply(settled.ready);
        Ok(document)
    }

    /// Changes that wait for a predecessor.
    pub(crate) fn held(&self) -> usize {
        self.queue.len()
    }

    /// Takes in bodies of entries; what cannot be a change of its author is refused and named in `refused`.
    pub(crate) fn merge<'a>(
        &mut self,
        bodies: impl Iterator<Item = (Place, &'a [u8])>,
        patches: &mut Vec<Patch>,
        refused: &mut Vec<Place>,
    ) -> u64 {
        let mut arrived = Vec::new();
        for (place, body) in bodies {
            if decode::tag(body).is_some_and(|tag| tag != self.generation.tag) {
                continue;
            }
            match examine(self.kind, self.generation, place.1, body).filter(|change| self.is_in_place(change, place)) {
                Some(change) => arrived.push(change),
                None => {
                    refused.push(place);
                    self.bar(place);
                }
            }
        }
        let newest_ms = arrived.iter().map(|change| change.change.timestamp().max(0) as u64).max().unwrap_or(0);
        let mut settled = self.settle(arrived);
        refused.append(&mut settled.refused);
        let touched = self.touched(&settled);
        let before = self.conflicts(touched.iter().copied());
        self.apply(settled.ready);
        self.show(before, patches);
        newest_ms
    }

    /// Whether a change is its author's, and in the first generation of the number of its entry; in a later one it is
    /// enough that the author's changes follow each other.
    fn is_in_place(&self, change: &Examined, place: Place) -> bool {
        change.author == place.0 && (!self.generation.is_first() || change.seq == place.1)
    }

    /// Ends an author's chain before `place`, unless it is applied beyond. In a later generation a chain ends by itself
    /// where a change is missing.
    pub(crate) fn bar(&mut self, place: Place) {
        if !self.generation.is_first() {
            return;
        }
        if place.1 > self.ends.get(&place.0).copied().unwrap_or_default().seq {
            self.queue.bar(place);
        }
    }

    pub(crate) fn settle(&mut self, arrived: Vec<Examined>) -> Settled {
        self.queue.settle(&self.doc, &mut self.ends, arrived)
    }

    /// Applies changes that were examined and put in order.
    pub(crate) fn apply(&mut self, ready: Vec<Examined>) {
        if ready.is_empty() {
            return;
        }
        let changes: Vec<Change> = ready.into_iter().map(|examined| examined.change).collect();
        if self.doc.apply_changes(changes.clone()).is_err() {
            // Nothing of the batch went in. Whatever automerge objects to stays out; what builds on it waits for ever.
            for change in changes {
                self.doc.apply_changes([change]).ok();
            }
            self.ends = ends(&self.doc);
        }
    }

    /// The records that changes are about; their maps are those of the document or made by the changes themselves.
    fn touched(&self, settled: &Settled) -> BTreeSet<RecordId> {
        let mut known: BTreeMap<OpName, Option<RecordId>> = BTreeMap::new();
        let ops = settled.ready.iter().flat_map(|change| &change.ops);
        ops.filter_map(|op| match op {
            Op::Make(record) => Some(*record),
            Op::Write { object, .. } => match settled.made.get(object) {
                Some(record) => Some(*record),
                None => *known.entry(*object).or_insert_with(|| self.record_of(*object)),
            },
        })
        .collect()
    }

    pub(crate) fn record_of(&self, object: OpName) -> Option<RecordId> {
        let parent = self.doc.parents(object_id(self.generation, object)).ok()?.next()?;
        let Prop::Map(key) = parent.prop else { return None };
        Table::of_document(self.kind).iter().find(|table| table.object() == parent.obj)?.record(&key)
    }

    /// The open conflicts of records as they are now.
    pub(crate) fn conflicts(&self, records: impl Iterator<Item = RecordId>) -> BTreeMap<RecordId, Vec<Conflict>> {
        records
            .map(|id| (id, Record::read(&self.doc, id)))
            .map(|(id, record)| (id, record.map_or(Vec::new(), |record| self.conflicts_of(&record))))
            .collect()
    }

    /// The open conflicts of a record.
    pub(crate) fn conflicts_of(&self, record: &Record) -> Vec<Conflict> {
        conflict::of_record(&self.doc, self.mission, record)
    }

    /// The rows of records after a change, and their conflicts where these are not as they were `before`.
    pub(crate) fn show(&self, before: BTreeMap<RecordId, Vec<Conflict>>, patches: &mut Vec<Patch>) {
        for (id, before) in before {
            let Some(record) = Record::read(&self.doc, id) else { continue };
            patches.extend(record.patch(self.mission));
            let conflicts = self.conflicts_of(&record);
            if conflicts != before {
                patches.push(Patch::Conflicts { mission: self.mission, record: id, conflicts });
            }
        }
    }

    /// The newest change of each author of which something stands in a record, by its number in this generation.
    pub(crate) fn written(&self, id: RecordId) -> Vec<(AuthorId, u64)> {
        let Some(record) = Record::read(&self.doc, id) else { return Vec::new() };
        let mut newest: BTreeMap<AuthorId, u64> = BTreeMap::new();
        for op in record.ops() {
            let change = self.doc.hash_for_opid(op).and_then(|hash| self.doc.get_change_meta_by_hash(&hash));
            let Some((change, author)) = change.and_then(|change| Some((change.seq, author_in(&change.actor)?.0)))
            else {
                continue;
            };
            let seq = newest.entry(author).or_default();
            *seq = change.max(*seq);
        }
        newest.into_iter().collect()
    }

    /// The id of every record, in order.
    pub(crate) fn ids(&self) -> Vec<RecordId> {
        let mut ids: Vec<RecordId> = Vec::new();
        for table in Table::of_document(self.kind) {
            ids.extend(self.doc.keys(table.object()).filter_map(|key| table.record(&key)));
        }
        ids.sort();
        ids
    }

    /// Every record in order of its id.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.ids().into_iter().filter_map(|id| Record::read(&self.doc, id)).collect()
    }

    /// Every record in order of its id, each followed by its conflicts if it has any.
    pub(crate) fn rows(&self) -> Vec<Patch> {
        let mut patches = Vec::new();
        self.show(self.ids().into_iter().map(|id| (id, Vec::new())).collect(), &mut patches);
        patches
    }

    /// Writes one change of this author; `None` if there was nothing to write. A record with rival maps is written in
    /// each of them, so that what is written replaces all that stands.
    pub(crate) fn write(
        &mut self,
        author: AuthorId,
        at_ms: u64,
        writes: BTreeMap<RecordId, Writes>,
    ) -> Result<Option<Vec<u8>>, AutomergeError> {
        self.doc.set_actor(actor(author, self.generation));
        let mut transaction = self.doc.transaction();
        let fill = || {
            for (id, writes) in writes {
                let Some(table) = Table::of_record(id) else { continue };
                let mut objects = writes.objects;
                if objects.is_empty() {
                    objects.push(transaction.put_object(table.object(), layout::key(id), ObjType::Map)?);
                }
                for object in &objects {
                    for (field, value) in &writes.fields {
                        // Automerge leaves a value that stands already as it is and only clears its rivals. The choice
                        // must stand by itself, or it would give way to an edit made elsewhere without a word.
                        let present = transaction.get(object, *field)?;
                        if matches!(present, Some((Value::Scalar(present), _)) if *present == *value) {
                            transaction.delete(object, *field)?;
                        }
                        transaction.put(object, *field, value.clone())?;
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = fill() {
            transaction.rollback();
            return Err(error);
        }
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(at_ms as i64));
        let Some(change) = hash.and_then(|hash| self.doc.get_change_by_hash(&hash)) else { return Ok(None) };
        self.ends.insert(author, End { seq: change.seq(), max_op: change.max_op() });
        Ok(Some(change.raw_bytes().to_vec()))
    }

    /// The document as a snapshot: what is applied, with every change to be had from it again.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.doc.save()
    }

    /// BLAKE3 of the sorted heads.
    pub(crate) fn heads(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("holdfast document heads v1");
        for head in self.doc.get_heads() {
            hasher.update(&head.0);
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

/// A document that has only begun.
fn begun(stream: StreamId, first: &Change) -> Result<Automerge, ReplicaError> {
    let mut doc = Automerge::new();
    let applied = doc.apply_changes([first.clone()]);
    applied.map_err(|source| ReplicaError::Snapshot { stream, source: Box::new(source) })?;
    Ok(doc)
}

fn load(stream: StreamId, bytes: &[u8]) -> Result<Automerge, ReplicaError> {
    match decode::contained(|| Automerge::load(bytes)) {
        Some(Ok(doc)) => Ok(doc),
        Some(Err(source)) => Err(ReplicaError::Snapshot { stream, source: Box::new(source) }),
        None => Err(ReplicaError::Unloadable { stream }),
    }
}

/// How far each author's changes are applied.
fn ends(doc: &Automerge) -> BTreeMap<AuthorId, End> {
    let mut ends: BTreeMap<AuthorId, End> = BTreeMap::new();
    for change in doc.get_changes_meta(&[]) {
        if let Some((author, _)) = author_in(&change.actor) {
            let end = ends.entry(author).or_default();
            if change.seq > end.seq {
                *end = End { seq: change.seq, max_op: change.max_op };
            }
        }
    }
    ends
}
