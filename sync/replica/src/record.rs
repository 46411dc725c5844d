//! Reading a record: the union of what stands in every map that was made for it.
//!
//! Two nodes that derive the same id, such as two imports of one file on two sides of a partition, each make a map for
//! the record. Neither map is the record: all of them are. A field's rivals are the values that stand in any of them;
//! a value written when a map was made gives way to one written later in any map, since whoever wrote that meant the
//! record and could not know of the other map. Edits are written to every map known (see `document`).

use std::collections::BTreeMap;

use automerge::{Automerge, ObjId, ReadDoc, ScalarValue, Value, ValueRef};
use holdfast_domain::entry::Digest;
use holdfast_domain::field::Deletion;
use holdfast_domain::id::MissionId;
use holdfast_domain::incident::Incident;
use holdfast_domain::mission::Mission;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::task::Task;
use holdfast_domain::unit::Unit;

use crate::layout::{self, ASSIGNEE, DELETED, Field, STATUS, Table};
use crate::value;

/// A value that stands in a field, with the operation that wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) value: ScalarValue,
    pub(crate) op: ObjId,
}

/// A record as the document has it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: RecordId,
    pub(crate) table: Table,
    /// The maps made for it; more than one after rival births.
    pub(crate) objects: Vec<ObjId>,
    /// What stands in each field, oldest operation first: the last is shown. No list is empty.
    fields: BTreeMap<String, Vec<Candidate>>,
}

impl Record {
    /// Reads a record; `None` if the document has none of this id.
    pub(crate) fn read(doc: &Automerge, id: RecordId) -> Option<Self> {
        let table = Table::of_record(id)?;
        let mut objects: Vec<ObjId> = doc
            .get_all(table.object(), layout::key(id))
            .ok()?
            .into_iter()
            .filter_map(|(value, object)| value.is_object().then_some(object))
            .collect();
        objects.sort();
        if objects.is_empty() {
            return None;
        }
        let mut fields: BTreeMap<String, Vec<(Candidate, bool)>> = BTreeMap::new();
        for object in &objects {
            let rivals = objects.len() > 1;
            let born = if rivals { doc.hash_for_opid(object) } else { None };
            for (field, candidate) in standing(doc, object) {
                let at_birth = rivals && doc.hash_for_opid(&candidate.op) == born;
                fields.entry(field).or_default().push((candidate, at_birth));
            }
        }
        let fields = fields.into_iter().map(|(field, candidates)| (field, settle(candidates))).collect();
        Some(Self { id, table, objects, fields })
    }

    /// What stands in a field, oldest operation first.
    pub(crate) fn candidates(&self, field: &str) -> &[Candidate] {
        self.fields.get(field).map_or(&[], Vec::as_slice)
    }

    /// The value shown; `None` if the field was never written.
    pub(crate) fn shown(&self, field: &str) -> Option<&ScalarValue> {
        self.candidates(field).last().map(|candidate| &candidate.value)
    }

    /// Everything that stands, field by field, the deletion aside.
    pub(crate) fn content(&self) -> impl Iterator<Item = (&str, &[Candidate])> {
        self.fields.iter().filter(|(field, _)| *field != DELETED).map(|(field, all)| (field.as_str(), all.as_slice()))
    }

    /// Everything that stands, field by field, each oldest operation first.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[Candidate])> {
        self.fields.iter().map(|(field, all)| (field.as_str(), all.as_slice()))
    }

    /// The operations that made it and those whose values stand in it.
    pub(crate) fn ops(&self) -> impl Iterator<Item = &ObjId> {
        let values = self.fields.values().flatten().map(|candidate| &candidate.op);
        self.objects.iter().chain(values)
    }

    /// Whether values stand in this field that read differently.
    pub(crate) fn is_rivalled(&self, (name, form): Field) -> bool {
        let mut values = self.candidates(name).iter().map(|candidate| form.json(Some(&candidate.value)));
        let first = values.next();
        values.any(|value| Some(&value) != first.as_ref())
    }

    /// The deletion, if the record is shown as deleted.
    pub(crate) fn deletion(&self) -> Option<Deletion> {
        value::deletion(self.shown(DELETED))
    }

    /// Fingerprint of what the record shows, its deletion aside. It covers fields that only later versions know, and
    /// makes no difference between a field that is blank and one that was never written.
    pub(crate) fn basis(&self) -> Digest {
        basis(self.content().filter_map(|(field, all)| Some((field, &all.last()?.value))))
    }

    /// The record as a row.
    pub(crate) fn patch(&self, mission: MissionId) -> Option<Patch> {
        let text = |field| value::text(self.shown(field)).to_owned();
        let priority = || layout::priority(self.shown("priority"));
        let status = self.shown(STATUS);
        Some(match self.id {
            RecordId::Mission(id) => Patch::Mission(Mission {
                id,
                name: text("name"),
                status: layout::mission_status(status),
                objective: text("objective"),
                operational_period: layout::operational_period(self.shown("operational_period")),
                opened_ms: value::time(self.shown("opened_ms")).unwrap_or(0),
                deleted: self.deletion(),
            }),
            RecordId::Incident(id) => Patch::Incident(Incident {
                id,
                mission,
                number: text("number"),
                kind: text("kind"),
                priority: priority(),
                status: layout::incident_status(status),
                address: text("address"),
                area: text("area"),
                position: value::position(self.shown("position")),
                notes: text("notes"),
                opened_ms: value::time(self.shown("opened_ms")).unwrap_or(0),
                deleted: self.deletion(),
            }),
            RecordId::Task(id) => Patch::Task(Task {
                id,
                mission,
                incident: value::incident(self.shown("incident")),
                number: text("number"),
                title: text("title"),
                details: text("details"),
                priority: priority(),
                status: layout::task_status(status),
                assignee: value::unit(self.shown(ASSIGNEE)),
                due_ms: value::time(self.shown("due_ms")),
                created_ms: value::time(self.shown("created_ms")).unwrap_or(0),
                deleted: self.deletion(),
            }),
            RecordId::Unit(id) => Patch::Unit(Unit {
                id,
                mission,
                callsign: text("callsign"),
                kind: text("kind"),
                home: text("home"),
                status: layout::unit_status(status),
                incident: value::incident(self.shown("incident")),
                deleted: self.deletion(),
            }),
            RecordId::Message(_) | RecordId::Alert(_) => return None,
        })
    }
}

/// Fingerprint of field values, given in order of their names.
pub(crate) fn basis<'a>(content: impl Iterator<Item = (&'a str, &'a ScalarValue)>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast record content v1");
    for (field, value) in content.filter(|(_, value)| !value::is_blank(value)) {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
        hasher.update(&value::fingerprint_bytes(value));
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Every value that stands in one map.
fn standing(doc: &Automerge, object: &ObjId) -> Vec<(String, Candidate)> {
    let mut all = Vec::new();
    for item in doc.map_range(object, ..) {
        if item.conflict {
            let rivals = doc.get_all(object, item.key.as_ref()).unwrap_or_default();
            all.extend(rivals.into_iter().filter_map(|(value, op)| match value {
                Value::Scalar(value) => Some((item.key.to_string(), Candidate { value: value.into_owned(), op })),
                Value::Object(_) => None,
            }));
        } else if let ValueRef::Scalar(value) = &item.value {
            let candidate = Candidate { value: value.to_owned().into(), op: item.id() };
            all.push((item.key.to_string(), candidate));
        }
    }
    all
}

/// Lets values written at a birth give way to any written later; oldest operation first.
fn settle(candidates: Vec<(Candidate, bool)>) -> Vec<Candidate> {
    let edited = candidates.iter().any(|(_, at_birth)| !at_birth);
    let mut standing: Vec<_> =
        candidates.into_iter().filter(|(_, at_birth)| !(edited && *at_birth)).map(|(candidate, _)| candidate).collect();
    standing.sort_by(|left, right| left.op.cmp(&right.op));
    standing
}
