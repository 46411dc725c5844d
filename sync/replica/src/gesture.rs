//! One gesture in the making: what its edits would write, so that later edits see earlier ones beforehand.

use std::collections::BTreeMap;

use automerge::ScalarValue;
use holdfast_domain::entry::Digest;
use holdfast_domain::field::Deletion;
use holdfast_domain::id::MissionId;
use holdfast_domain::mission::MissionStatus;
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId};

use crate::conflict;
use crate::document::{Document, Writes};
use crate::layout::{self, DELETED, Field, STATUS, Table};
use crate::record::{self, Record};
use crate::value;

/// The documents as they are, under the writes planned so far.
pub(crate) struct Gesture<'a> {
    documents: &'a BTreeMap<StreamId, Document>,
    plans: BTreeMap<(StreamId, RecordId), Plan>,
}

/// A record as it is, under the writes planned for it.
#[derive(Default)]
pub(crate) struct Plan {
    base: Option<Record>,
    born: bool,
    fields: BTreeMap<&'static str, ScalarValue>,
}

impl<'a> Gesture<'a> {
    pub(crate) fn new(documents: &'a BTreeMap<StreamId, Document>) -> Self {
        Self { documents, plans: BTreeMap::new() }
    }

    /// The document that holds this record, if it is open.
    pub(crate) fn document(&self, mission: MissionId, id: RecordId) -> Option<&'a Document> {
        self.documents.get(&stream(mission, id)?)
    }

    /// The record, whether it is there or not.
    pub(crate) fn look(&mut self, mission: MissionId, id: RecordId) -> Result<&mut Plan, Refusal> {
        let (Some(stream), Some(document)) = (stream(mission, id), self.document(mission, id)) else {
            return Err(not_found(id));
        };
        let read = || Plan { base: Record::read(&document.doc, id), ..Plan::default() };
        Ok(self.plans.entry((stream, id)).or_insert_with(read))
    }

    /// The record, deleted or not.
    pub(crate) fn there(&mut self, mission: MissionId, id: RecordId) -> Result<&mut Plan, Refusal> {
        let plan = self.look(mission, id)?;
        if plan.exists() { Ok(plan) } else { Err(not_found(id)) }
    }

    /// The record, which must not be deleted.
    pub(crate) fn live(&mut self, mission: MissionId, id: RecordId) -> Result<&mut Plan, Refusal> {
        let plan = self.there(mission, id)?;
        if plan.deletion().is_some() {
            return Err(Refusal::Deleted { kind: id.kind(), id: layout::key(id) });
        }
        Ok(plan)
    }

    /// Checks that the mission can be worked in: it is there, not deleted and not closed.
    pub(crate) fn mission_open(&mut self, mission: MissionId) -> Result<(), Refusal> {
        let plan = self.live(mission, RecordId::Mission(mission))?;
        if layout::mission_status(plan.shown(STATUS)) == MissionStatus::Closed {
            return Err(Refusal::MissionClosed { id: mission.to_string() });
        }
        Ok(())
    }

    /// What is to be written, document by document.
    pub(crate) fn writes(self) -> BTreeMap<StreamId, BTreeMap<RecordId, Writes>> {
        let mut all: BTreeMap<StreamId, BTreeMap<RecordId, Writes>> = BTreeMap::new();
        for ((stream, id), plan) in self.plans {
            if let Some(writes) = plan.writes(id) {
                all.entry(stream).or_default().insert(id, writes);
            }
        }
        all
    }
}

impl Plan {
    /// Whether there is such a record.
    pub(crate) fn exists(&self) -> bool {
        self.born || self.base.is_some()
    }

    /// The record as the document has it.
    pub(crate) fn base(&self) -> Option<&Record> {
        self.base.as_ref()
    }

    /// The value of a field as planned.
    pub(crate) fn shown(&self, field: &str) -> Option<&ScalarValue> {
        self.fields.get(field).or_else(|| self.base.as_ref()?.shown(field))
    }

    /// The deletion as planned.
    pub(crate) fn deletion(&self) -> Option<Deletion> {
        value::deletion(self.shown(DELETED))
    }

    /// Whether rival values stand in a field and none was planned in their place.
    pub(crate) fn is_at_odds(&self, field: Field) -> bool {
        let base = self.base.as_ref().filter(|_| !self.fields.contains_key(field.0));
        base.is_some_and(|base| is_at_odds(base, field))
    }

    /// Makes the record of these fields, blank ones left out.
    pub(crate) fn create(&mut self, fields: Vec<(&'static str, ScalarValue)>) {
        self.born = true;
        self.fields.extend(fields.into_iter().filter(|(_, value)| !value::is_blank(value)));
    }

    /// Plans a value; `false` if the field reads so already and nothing rivals it.
    pub(crate) fn set(&mut self, field: Field, value: ScalarValue) -> bool {
        let (name, form) = field;
        let same = form.json(self.shown(name)) == form.json(Some(&value));
        if same && !self.is_at_odds(field) {
            return false;
        }
        self.fields.insert(name, value);
        true
    }

    /// Fingerprint of the content as planned.
    pub(crate) fn basis(&self) -> Digest {
        let base = self.base.iter().flat_map(Record::content);
        let mut content: BTreeMap<&str, &ScalarValue> =
            base.filter_map(|(field, all)| Some((field, &all.last()?.value))).collect();
        content
            .extend(self.fields.iter().filter(|(field, _)| **field != DELETED).map(|(field, value)| (*field, value)));
        record::basis(content.into_iter())
    }

    /// What remains to be written: a value that was changed and changed back within the gesture is left out.
    fn writes(self, id: RecordId) -> Option<Writes> {
        let Some(base) = self.base else {
            return self.born.then_some(Writes { objects: Vec::new(), fields: self.fields });
        };
        let table = Table::of_record(id)?;
        let mut fields = self.fields;
        fields.retain(|name, value| {
            table.field(name).is_some_and(|field| {
                let same = field.1.json(base.shown(name)) == field.1.json(Some(value));
                !same || is_at_odds(&base, field)
            })
        });
        (!fields.is_empty()).then_some(Writes { objects: base.objects, fields })
    }
}

fn is_at_odds(base: &Record, field: Field) -> bool {
    if field.0 == DELETED { conflict::deletion_at_odds(base) } else { base.is_rivalled(field) }
}

fn stream(mission: MissionId, id: RecordId) -> Option<StreamId> {
    Some(StreamId::new(Scope::Mission(mission), Table::of_record(id)?.document()))
}

fn not_found(id: RecordId) -> Refusal {
    Refusal::NotFound { kind: id.kind(), id: layout::key(id) }
}
