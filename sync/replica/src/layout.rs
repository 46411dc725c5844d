//! What a document holds: its tables, the fields of their records, and how each field reads as JSON.
//!
//! A document is maps only: the root holds the tables, a table holds records by id, a record holds scalars. Nothing
//! else is ever accepted, so a later version that needs more begins another kind of stream.

use automerge::{ActorId, ObjId, ScalarValue};
use holdfast_domain::incident::IncidentStatus;
use holdfast_domain::mission::MissionStatus;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::StreamKind;
use holdfast_domain::task::TaskStatus;
use holdfast_domain::unit::UnitStatus;
use serde_json::Value;

use crate::genesis::NOBODY;
use crate::value;

/// The field that holds a record's deletion.
pub(crate) const DELETED: &str = "deleted";
/// The field that holds a task's assignee.
pub(crate) const ASSIGNEE: &str = "assignee";
/// The field that holds a state.
pub(crate) const STATUS: &str = "status";

/// A table of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Incidents,
    Mission,
    Tasks,
    Units,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Text,
    /// A state, by the function that reads one.
    State(fn(Option<&ScalarValue>) -> &'static str),
    Priority,
    Period,
    Time,
    Incident,
    Unit,
    Position,
    Deletion,
}

/// A field with its name in the document, which is its name in JSON too.
pub(crate) type Field = (&'static str, Form);

const MISSION: &[Field] = &[
    ("name", Form::Text),
    (STATUS, Form::State(|scalar| mission_status(scalar).as_str())),
    ("objective", Form::Text),
    ("operational_period", Form::Period),
    ("opened_ms", Form::Time),
    (DELETED, Form::Deletion),
];
const INCIDENT: &[Field] = &[
    ("number", Form::Text),
    ("kind", Form::Text),
    ("priority", Form::Priority),
    (STATUS, Form::State(|scalar| incident_status(scalar).as_str())),
    ("address", Form::Text),
    ("area", Form::Text),
    ("position", Form::Position),
    ("notes", Form::Text),
    ("opened_ms", Form::Time),
    (DELETED, Form::Deletion),
];
const TASK: &[Field] = &[
    ("number", Form::Text),
    ("title", Form::Text),
    ("details", Form::Text),
    ("priority", Form::Priority),
    (STATUS, Form::State(|scalar| task_status(scalar).as_str())),
    (ASSIGNEE, Form::Unit),
    ("incident", Form::Incident),
    ("due_ms", Form::Time),
    ("created_ms", Form::Time),
    (DELETED, Form::Deletion),
];
const UNIT: &[Field] = &[
    ("callsign", Form::Text),
    ("kind", Form::Text),
    ("home", Form::Text),
    (STATUS, Form::State(|scalar| unit_status(scalar).as_str())),
    ("incident", Form::Incident),
    (DELETED, Form::Deletion),
];

impl Table {
    /// The tables of a document, in the order in which its first change makes them.
    pub(crate) fn of_document(kind: StreamKind) -> &'static [Self] {
        match kind {
            StreamKind::Board => &[Self::Incidents, Self::Mission, Self::Tasks],
            StreamKind::Roster => &[Self::Units],
            _ => &[],
        }
    }

    /// The table that keeps this record; messages and alerts are in no document.
    pub(crate) fn of_record(record: RecordId) -> Option<Self> {
        match record {
            RecordId::Mission(_) => Some(Self::Mission),
            RecordId::Incident(_) => Some(Self::Incidents),
            RecordId::Task(_) => Some(Self::Tasks),
            RecordId::Unit(_) => Some(Self::Units),
            RecordId::Message(_) | RecordId::Alert(_) => None,
        }
    }

    /// The document it is in.
    pub(crate) fn document(self) -> StreamKind {
        match self {
            Self::Incidents | Self::Mission | Self::Tasks => StreamKind::Board,
            Self::Units => StreamKind::Roster,
        }
    }

    /// The number of the operation that made it, in the document's first change.
    fn counter(self) -> u64 {
        match self {
            Self::Incidents | Self::Units => 1,
            Self::Mission => 2,
            Self::Tasks => 3,
        }
    }

    /// The map it is.
    pub(crate) fn object(self) -> ObjId {
        ObjId::Id(self.counter(), ActorId::from(NOBODY.0.as_slice()), 0)
    }

    /// The table that this operation of the first change made.
    pub(crate) fn made_by(kind: StreamKind, counter: u64) -> Option<Self> {
        Self::of_document(kind).iter().copied().find(|table| table.counter() == counter)
    }

    /// The fields of its records.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::Mission => MISSION,
            Self::Incidents => INCIDENT,
            Self::Tasks => TASK,
            Self::Units => UNIT,
        }
    }

    /// The field of this name.
    pub(crate) fn field(self, name: &str) -> Option<Field> {
        self.fields().iter().copied().find(|(known, _)| *known == name)
    }

    /// The record under this key; a key is an id in its one canonical spelling.
    pub(crate) fn record(self, key: &str) -> Option<RecordId> {
        let record = match self {
            Self::Mission => RecordId::Mission(key.parse().ok()?),
            Self::Incidents => RecordId::Incident(key.parse().ok()?),
            Self::Tasks => RecordId::Task(key.parse().ok()?),
            Self::Units => RecordId::Unit(key.parse().ok()?),
        };
        (self::key(record) == key).then_some(record)
    }
}

/// The key of a record in its table.
pub(crate) fn key(record: RecordId) -> String {
    match record {
        RecordId::Mission(id) => id.to_string(),
        RecordId::Incident(id) => id.to_string(),
        RecordId::Task(id) => id.to_string(),
        RecordId::Unit(id) => id.to_string(),
        RecordId::Message(id) => id.to_string(),
        RecordId::Alert(id) => id.to_string(),
    }
}

impl Form {
    /// The value of a field as it reads, in JSON: two scalars that read alike are the same value.
    pub(crate) fn json(self, scalar: Option<&ScalarValue>) -> Value {
        match self {
            Self::Text => Value::from(value::text(scalar)),
            Self::State(read) => Value::from(read(scalar)),
            Self::Priority => Value::from(priority(scalar)),
            Self::Period => Value::from(operational_period(scalar)),
            Self::Time => Value::from(value::time(scalar)),
            Self::Incident => value::incident(scalar).map_or(Value::Null, |id| Value::from(id.to_string())),
            Self::Unit => value::unit(scalar).map_or(Value::Null, |id| Value::from(id.to_string())),
            Self::Position => value::position(scalar)
                .map_or(Value::Null, |position| serde_json::json!({ "lat": position.lat(), "lon": position.lon() })),
            Self::Deletion => Value::from(if value::deletion(scalar).is_some() { "deleted" } else { "edited" }),
        }
    }
}

/// Urgency; 3 by default.
pub(crate) fn priority(scalar: Option<&ScalarValue>) -> u8 {
    value::count(scalar, 1..=5, 3) as u8
}

/// The operational period; 1 by default.
pub(crate) fn operational_period(scalar: Option<&ScalarValue>) -> u32 {
    value::count(scalar, 1..=u64::from(u32::MAX), 1) as u32
}

/// Where a mission stands; a word unknown here reads as running, so that nothing is locked by nonsense.
pub(crate) fn mission_status(scalar: Option<&ScalarValue>) -> MissionStatus {
    MissionStatus::from_word(value::text(scalar)).unwrap_or(MissionStatus::Active)
}

/// Where an incident stands; reported by default.
pub(crate) fn incident_status(scalar: Option<&ScalarValue>) -> IncidentStatus {
    IncidentStatus::from_word(value::text(scalar)).unwrap_or(IncidentStatus::Reported)
}

/// How far a task is; open by default.
pub(crate) fn task_status(scalar: Option<&ScalarValue>) -> TaskStatus {
    TaskStatus::from_word(value::text(scalar)).unwrap_or(TaskStatus::Open)
}

/// What a unit is doing; available by default.
pub(crate) fn unit_status(scalar: Option<&ScalarValue>) -> UnitStatus {
    UnitStatus::from_word(value::text(scalar)).unwrap_or(UnitStatus::Available)
}
