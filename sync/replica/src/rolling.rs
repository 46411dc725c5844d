//! Generations: what a document shows, written anew; and what an author has still to say when a document has rolled on.
//!
//! A roll loses no value: rivals stand beside each other in the start as they did before, and a deletion stays a deletion.
//! An edit that its author made after the roll, without knowing of it, is *late*: its author says it again in the next
//! generation. What the late edit replaced was seen by its author and gives way; anything else stands beside it, and
//! people settle it.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ChangeHash, ObjId, ReadDoc, ScalarValue, Value};
use holdfast_domain::entry::Digest;
use holdfast_domain::field::Deletion;
use holdfast_domain::floor::Generation;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::DELETED_KEPT_MS;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::scope::StreamId;

use crate::conflict;
use crate::craft::{Craft, NotTaken};
use crate::decode;
use crate::document::Document;
use crate::examine::{Op, examine};
use crate::layout::{DELETED, Table};
use crate::merge::object_id;
use crate::record::{self, Record};
use crate::replica::{Replica, ReplicaError};
use crate::value;

/// What a replica did at the turn to another generation.
#[derive(Debug, Default)]
pub struct Turned {
    /// Bodies to store, each as the author's next entry in the stream.
    pub bodies: Vec<Vec<u8>>,
    /// How the views change.
    pub patches: Vec<Patch>,
    /// Every record of the generation; rows of others are no more.
    pub records: BTreeSet<RecordId>,
}

/// What late changes have written and what still stands of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Late {
    records: BTreeMap<RecordId, LateRecord>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct LateRecord {
    /// Values to make the record with, should it not be there: those of its birth, and others' for what it lacks.
    birth: BTreeMap<String, ScalarValue>,
    fields: BTreeMap<String, LateField>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct LateField {
    /// What the late changes wrote and nobody replaced.
    values: Vec<ScalarValue>,
    /// What their author saw there.
    seen: Vec<ScalarValue>,
    /// Whether the value was written when the record was made.
    at_birth: bool,
}

impl Late {
    /// Takes over what another author of the same device has still to say.
    pub fn extend(&mut self, other: Self) {
        for (id, record) in other.records {
            let known = self.records.entry(id).or_default();
            known.birth.extend(record.birth);
            known.fields.extend(record.fields);
        }
    }

    /// Whether there is nothing to say again.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// What is said in a generation in whose name and when.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// The author of the changes.
    pub author: AuthorId,
    /// Unix milliseconds.
    pub at_ms: u64,
}

impl Replica {
    /// The generation in which a document is open.
    pub fn generation(&self, stream: StreamId) -> Option<Generation> {
        self.documents.get(&stream).map(|document| document.generation)
    }

    /// Changes that are applied in an open document.
    pub fn changes(&self, stream: StreamId) -> u64 {
        self.documents.get(&stream).map_or(0, |document| document.ends.values().map(|end| end.seq).sum())
    }

    /// Changes of one open document that wait for a predecessor.
    pub fn held_in(&self, stream: StreamId) -> usize {
        self.documents.get(&stream).map_or(0, Document::held)
    }

    /// Whether the body of an entry belongs to this generation.
    pub fn belongs(generation: Generation, body: &[u8]) -> bool {
        decode::tag(body) == Some(generation.tag)
    }

    /// The number of a change among its author's in this generation; `None` if it belongs to another.
    pub fn number_in(generation: Generation, body: &[u8]) -> Option<u64> {
        decode::number(body).filter(|(tag, _)| *tag == generation.tag).map(|(_, number)| number)
    }

    /// Rolls an open document to its next generation: what it shows becomes the start, in the bodies of the answer. In
    /// case of an error nothing was changed.
    pub fn roll(&mut self, stream: StreamId, to: Generation, voice: Voice) -> Result<Turned, ReplicaError> {
        let Some(old) = self.documents.get(&stream) else { return Err(ReplicaError::NotADocument { stream }) };
        let records = old.records();
        let mut next = Document::open(stream, to, None, std::iter::empty())?;
        let bodies = start(&mut next, &records, voice).map_err(|NotTaken| ReplicaError::NotTaken { stream })?;
        Ok(self.replace(stream, next, bodies))
    }

    /// Turns an open document to another generation, of which all entries are given, and says there again what is late.
    pub fn turn(
        &mut self,
        stream: StreamId,
        to: Generation,
        entries: &[(u64, Vec<u8>)],
        late: &Late,
        voice: Voice,
    ) -> Result<Turned, ReplicaError> {
        let tail = entries.iter().map(|(seq, body)| (*seq, body.as_slice()));
        let mut next = Document::open(stream, to, None, tail)?;
        let bodies = propose(&mut next, late, voice).map_err(|NotTaken| ReplicaError::NotTaken { stream })?;
        Ok(self.replace(stream, next, bodies))
    }

    /// Says again in an open document what others' late changes have written.
    pub fn propose(&mut self, stream: StreamId, late: &Late, voice: Voice) -> Result<Turned, ReplicaError> {
        let Some(document) = self.documents.get_mut(&stream) else {
            return Err(ReplicaError::NotADocument { stream });
        };
        let before = document.conflicts(late.records.keys().copied());
        let bodies = propose(document, late, voice).map_err(|NotTaken| ReplicaError::NotTaken { stream })?;
        let mut turned = Turned { bodies, ..Turned::default() };
        document.show(before, &mut turned.patches);
        turned.records = document.ids().into_iter().collect();
        Ok(turned)
    }

    /// What these changes of an open document have written that still stands there.
    pub fn late(&self, stream: StreamId, bodies: &[Vec<u8>]) -> Late {
        self.documents.get(&stream).map_or_else(Late::default, |document| late(document, bodies))
    }

    fn replace(&mut self, stream: StreamId, next: Document, bodies: Vec<Vec<u8>>) -> Turned {
        let mut turned = Turned { bodies, records: next.ids().into_iter().collect(), ..Turned::default() };
        let old = self.documents.insert(stream, next);
        let next = &self.documents[&stream];
        let mut before: BTreeMap<_, _> = turned.records.iter().map(|id| (*id, Vec::new())).collect();
        if let Some(old) = old {
            before.extend(old.conflicts(turned.records.iter().copied()));
        }
        next.show(before, &mut turned.patches);
        turned
    }
}

/// Writes records into a document that has only begun. Of rival values the one that is shown stays the newest.
fn start(next: &mut Document, records: &[Record], voice: Voice) -> Result<Vec<Vec<u8>>, NotTaken> {
    let mut craft = Craft::new(next, voice.author, voice.at_ms);
    let mut rivals: Vec<(RecordId, String, Vec<ScalarValue>)> = Vec::new();
    for record in records {
        let object = craft.make(record.id).ok_or(NotTaken)?;
        if let Some(deletion) = long_gone(record, voice.at_ms) {
            craft.put(&object, DELETED, &deletion, &[]).ok_or(NotTaken)?;
        } else {
            for (field, candidates) in record.fields() {
                let Some((first, others)) = distinct(record.table, field, candidates)
                    .split_first()
                    .map(|(first, others)| (first.clone(), others.to_vec()))
                else {
                    continue;
                };
                craft.put(&object, field, &first, &[]).ok_or(NotTaken)?;
                if !others.is_empty() {
                    rivals.push((record.id, field.to_owned(), others));
                }
            }
        }
        craft.finish_if_full()?;
    }
    craft.finish()?;
    // A field is written once in a change.
    while !rivals.is_empty() {
        for (id, field, values) in &mut rivals {
            let object = Record::read(&craft.document().doc, *id).and_then(|record| record.objects.first().cloned());
            craft.put(&object.ok_or(NotTaken)?, field, &values.remove(0), &[]).ok_or(NotTaken)?;
        }
        rivals.retain(|(.., values)| !values.is_empty());
        craft.finish()?;
    }
    craft.into_bodies()
}

/// The values of a field that differ, the one shown last.
fn distinct(table: Table, field: &str, candidates: &[record::Candidate]) -> Vec<ScalarValue> {
    let mut values: Vec<ScalarValue> = Vec::new();
    for candidate in candidates {
        values.retain(|known| !reads_alike(table, field, known, &candidate.value));
        values.push(candidate.value.clone());
    }
    values
}

/// The deletion of a record that is carried on as nothing else: nobody contests it, and it is long past.
fn long_gone(record: &Record, now_ms: u64) -> Option<ScalarValue> {
    let deletion = record.deletion()?;
    if conflict::deletion_at_odds(record) || deletion.at_ms.saturating_add(DELETED_KEPT_MS) > now_ms {
        return None;
    }
    let basis: Digest = record::basis(std::iter::empty());
    Some(value::from_deletion(Some(&Deletion { at_ms: deletion.at_ms, basis })))
}

fn late(document: &Document, bodies: &[Vec<u8>]) -> Late {
    let doc = &document.doc;
    let changes: Vec<_> = bodies
        .iter()
        .filter_map(|body| examine(document.kind, document.generation, 0, body))
        .filter(|change| doc.get_change_meta_by_hash(&change.hash).is_some())
        .collect();
    let hashes: BTreeSet<ChangeHash> = changes.iter().map(|change| change.hash).collect();
    let mut seen: BTreeMap<RecordId, BTreeMap<&str, Vec<ScalarValue>>> = BTreeMap::new();
    let mut births: BTreeMap<RecordId, ChangeHash> = BTreeMap::new();
    for change in &changes {
        for op in &change.ops {
            match op {
                Op::Make(record) => {
                    births.entry(*record).or_insert(change.hash);
                    seen.entry(*record).or_default();
                }
                Op::Write { object, field, .. } => {
                    let Some(record) = document.record_of(*object) else { continue };
                    let values = seen.entry(record).or_default().entry(field.as_str()).or_default();
                    let map = object_id(document.generation, *object);
                    let before = doc.get_all_at(&map, field.as_str(), change.change.deps()).unwrap_or_default();
                    values.extend(before.into_iter().filter_map(|(value, _)| match value {
                        Value::Scalar(value) => Some(value.into_owned()),
                        Value::Object(_) => None,
                    }));
                }
            }
        }
    }
    let mut late = Late::default();
    for (id, seen) in seen {
        let Some(record) = Record::read(doc, id) else { continue };
        let mut said = LateRecord::default();
        for (field, candidates) in record.fields() {
            for candidate in candidates {
                let by = doc.hash_for_opid(&candidate.op);
                if !by.is_some_and(|hash| hashes.contains(&hash)) {
                    said.birth.insert(field.to_owned(), candidate.value.clone());
                    continue;
                }
                let at_birth = by.as_ref() == births.get(&id);
                if at_birth {
                    said.birth.insert(field.to_owned(), candidate.value.clone());
                }
                let known = said.fields.entry(field.to_owned()).or_default();
                known.values.push(candidate.value.clone());
                known.at_birth = at_birth;
                known.seen.extend(seen.get(field).into_iter().flatten().cloned());
            }
        }
        if births.contains_key(&id) || !said.fields.is_empty() {
            late.records.insert(id, said);
        }
    }
    late
}

fn propose(document: &mut Document, late: &Late, voice: Voice) -> Result<Vec<Vec<u8>>, NotTaken> {
    let mut craft = Craft::new(document, voice.author, voice.at_ms);
    let mut made = BTreeSet::new();
    for (id, record) in &late.records {
        if Record::read(&craft.document().doc, *id).is_none() {
            made.insert(*id);
            let object = craft.make(*id).ok_or(NotTaken)?;
            for (field, value) in &record.birth {
                craft.put(&object, field, value, &[]).ok_or(NotTaken)?;
            }
            craft.finish_if_full()?;
        }
    }
    // Edits come after births, so that they outdo what another writes who makes the same record again.
    craft.finish()?;
    for (id, record) in &late.records {
        let Some(present) = Record::read(&craft.document().doc, *id) else { continue };
        for (field, late) in &record.fields {
            if late.at_birth && made.contains(id) {
                continue;
            }
            say(&mut craft, &present, field, late)?;
        }
        craft.finish_if_full()?;
    }
    craft.into_bodies()
}

/// Writes a late value into each map of its record, in place of what its author saw; what it did not see stays beside it.
fn say(craft: &mut Craft<'_>, present: &Record, field: &str, late: &LateField) -> Result<(), NotTaken> {
    let Some(value) = late.values.last() else { return Ok(()) };
    let standing = present.candidates(field);
    let told = standing.iter().any(|candidate| {
        if field == DELETED {
            candidate.value == *value
        } else {
            reads_alike(present.table, field, &candidate.value, value)
        }
    });
    if told || (standing.is_empty() && value::is_blank(value)) {
        return Ok(());
    }
    for object in &present.objects {
        let replaced: Vec<ObjId> = craft
            .document()
            .doc
            .get_all(object, field)
            .unwrap_or_default()
            .into_iter()
            .filter(|(there, op)| match there {
                Value::Scalar(there) => {
                    let shown = standing.iter().any(|candidate| candidate.op == *op);
                    !shown || late.seen.iter().any(|seen| reads_alike(present.table, field, seen, there))
                }
                Value::Object(_) => false,
            })
            .map(|(_, op)| op)
            .collect();
        craft.put(object, field, value, &replaced).ok_or(NotTaken)?;
    }
    Ok(())
}

/// Whether two values of a field are one to a reader.
fn reads_alike(table: Table, field: &str, left: &ScalarValue, right: &ScalarValue) -> bool {
    match table.field(field) {
        Some((_, form)) => form.json(Some(left)) == form.json(Some(right)),
        None => left == right,
    }
}
