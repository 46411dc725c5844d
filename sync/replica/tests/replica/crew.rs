//! A crew of replicas with their logs, for the tests: each member drafts, keeps what it drafted and takes from others.

use std::collections::BTreeMap;

use holdfast_domain::clock::Hlc;
use holdfast_domain::conflict::Conflict;
use holdfast_domain::edit::{Edit, EditEffect, Outcome, Resolution};
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::id::{IncidentId, MessageId, MissionId, TaskId, UnitId};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::incident::{Incident, IncidentChange, IncidentNew};
use holdfast_domain::mission::{Mission, MissionNew};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Family, Scope, StreamId, StreamKind};
use holdfast_domain::task::{Task, TaskNew};
use holdfast_domain::unit::{Unit, UnitNew};
use holdfast_replica::replica::{Context, Draft, Merged, Replica, documents_of};

/// Some moment in 2023, Unix milliseconds.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// The mission of the tests.
pub(crate) fn mission() -> MissionId {
    MissionId::mint(START_MS, [1; 10])
}

/// The `n`th incident.
pub(crate) fn incident(n: u8) -> IncidentId {
    IncidentId::mint(START_MS, [n; 10])
}

/// The `n`th task.
pub(crate) fn task(n: u8) -> TaskId {
    TaskId::mint(START_MS, [n; 10])
}

/// The `n`th unit.
pub(crate) fn unit(n: u8) -> UnitId {
    UnitId::mint(START_MS, [n; 10])
}

/// The `n`th message.
pub(crate) fn message(n: u8) -> MessageId {
    MessageId::mint(START_MS, [n; 10])
}

/// A stream of the mission.
pub(crate) fn stream(kind: StreamKind) -> StreamId {
    StreamId::new(Scope::Mission(mission()), kind)
}

/// The board of the mission.
pub(crate) fn board() -> StreamId {
    stream(StreamKind::Board)
}

/// The roster of the mission.
pub(crate) fn roster() -> StreamId {
    stream(StreamKind::Roster)
}

/// Opens the mission.
pub(crate) fn mission_new() -> Edit {
    Edit::MissionOpen(MissionNew { id: Some(mission()), name: "Storm".to_owned(), objective: String::new() })
}

/// Reports an incident.
pub(crate) fn incident_new(n: u8) -> IncidentNew {
    IncidentNew {
        id: Some(incident(n)),
        number: Some(format!("2023-{n}")),
        kind: "Structure Fire".to_owned(),
        priority: 2,
        address: format!("{n} Bay Street"),
        area: String::new(),
        position: None,
        notes: String::new(),
        opened_ms: Some(START_MS),
        status: None,
    }
}

/// Makes a task.
pub(crate) fn task_new(n: u8) -> TaskNew {
    TaskNew {
        id: Some(task(n)),
        number: Some(format!("engine-7-{n}")),
        incident: None,
        title: "Search the upper floor".to_owned(),
        details: String::new(),
        priority: 3,
        assignee: None,
        due_ms: None,
    }
}

/// Puts a unit on the roster.
pub(crate) fn unit_new(n: u8) -> UnitNew {
    UnitNew { id: Some(unit(n)), callsign: format!("E{n:02}"), kind: "ENGINE".to_owned(), home: String::new() }
}

/// Changes an incident by JSON merge patch fields.
pub(crate) fn incident_notes(n: u8, notes: &str) -> Edit {
    let change =
        IncidentChange { notes: holdfast_domain::field::Change::Set(notes.to_owned()), ..IncidentChange::default() };
    Edit::IncidentChange(mission(), incident(n), change)
}

/// What the views of a member show: rows and conflicts by record, feeds as they came.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Shown {
    pub(crate) rows: BTreeMap<RecordId, Patch>,
    pub(crate) conflicts: BTreeMap<RecordId, Vec<Conflict>>,
    pub(crate) feed: Vec<Patch>,
}

impl Shown {
    /// Applies patches as the store does.
    pub(crate) fn apply(&mut self, patches: &[Patch]) {
        for patch in patches {
            let id = match patch {
                Patch::Mission(row) => RecordId::Mission(row.id),
                Patch::Incident(row) => RecordId::Incident(row.id),
                Patch::Task(row) => RecordId::Task(row.id),
                Patch::Unit(row) => RecordId::Unit(row.id),
                Patch::Conflicts { record, conflicts, .. } => {
                    self.conflicts.insert(*record, conflicts.clone());
                    self.conflicts.retain(|_, open| !open.is_empty());
                    continue;
                }
                other => {
                    self.feed.push(other.clone());
                    continue;
                }
            };
            self.rows.insert(id, patch.clone());
        }
    }
}

/// One member of the crew.
pub(crate) struct Member {
    pub(crate) author: AuthorId,
    pub(crate) replica: Replica,
    pub(crate) shown: Shown,
    /// Every entry held, own and of others, in order of arrival.
    pub(crate) log: Vec<Entry>,
    pub(crate) seqs: BTreeMap<StreamId, u64>,
    now_ms: u64,
}

impl Member {
    /// A member with the mission's documents open and empty.
    pub(crate) fn new(n: u8) -> Self {
        let mut replica = Replica::new();
        for stream in [board(), roster()] {
            replica.open(stream, None, &[]).expect("an empty document opens");
        }
        let author = AuthorId([n; 16]);
        Self { author, replica, shown: Shown::default(), log: Vec::new(), seqs: BTreeMap::new(), now_ms: START_MS }
    }

    /// Drafts a gesture and keeps its bodies as entries.
    pub(crate) fn gesture(&mut self, edits: &[Edit]) -> Draft {
        for edit in edits {
            for stream in documents_of(edit) {
                if !self.replica.is_open(stream) {
                    self.replica.open(stream, None, &[]).expect("an empty document opens");
                }
            }
        }
        self.now_ms += 1_000;
        let context = Context { author: self.author, hlc: Hlc::new(self.now_ms, 0), from: "engine-7" };
        let draft = self.replica.draft(&context, edits);
        for (stream, body) in &draft.bodies {
            let seq = self.seqs.entry(*stream).or_default();
            *seq += 1;
            let key = EntryKey { stream: *stream, author: self.author, seq: *seq };
            self.log.push(Entry::next(key, None, body.clone()));
        }
        self.shown.apply(&draft.patches);
        draft
    }

    /// Drafts one edit, which must be taken.
    pub(crate) fn edit(&mut self, edit: Edit) -> EditEffect {
        self.try_edit(edit).expect("the edit is taken").effect
    }

    /// Drafts one edit.
    pub(crate) fn try_edit(&mut self, edit: Edit) -> Result<Outcome, Refusal> {
        self.gesture(&[edit]).outcomes.remove(0)
    }

    /// Takes in entries.
    pub(crate) fn take(&mut self, entries: &[Entry]) -> Merged {
        let merged = self.replica.merge(entries);
        self.log.extend(entries.iter().cloned());
        self.shown.apply(&merged.patches);
        merged
    }

    /// Takes all that the other holds and this one does not.
    pub(crate) fn take_from(&mut self, other: &Self) -> Merged {
        let news: Vec<Entry> =
            other.log.iter().filter(|entry| !self.log.iter().any(|own| own.key == entry.key)).cloned().collect();
        self.take(&news)
    }

    /// Settles a conflict in favour of the rival whose value is this.
    pub(crate) fn settle(
        &mut self,
        record: RecordId,
        field: &str,
        value: &serde_json::Value,
    ) -> Result<Outcome, Refusal> {
        let conflicts = self.shown.conflicts.get(&record).expect("the record has conflicts");
        let conflict = conflicts.iter().find(|conflict| conflict.field == field).expect("the field is at odds");
        let rival = conflict.rivals.iter().find(|rival| rival.value == *value).expect("the value is a rival");
        let resolution = Resolution { field: field.to_owned(), choice: rival.choice };
        self.try_edit(Edit::ConflictResolve(mission(), record, resolution))
    }

    /// The open conflicts of a record.
    pub(crate) fn conflicts(&self, record: RecordId) -> &[Conflict] {
        self.shown.conflicts.get(&record).map_or(&[], Vec::as_slice)
    }

    /// The mission as shown.
    pub(crate) fn mission(&self) -> &Mission {
        let Some(Patch::Mission(row)) = self.shown.rows.get(&RecordId::Mission(mission())) else {
            panic!("no mission")
        };
        row
    }

    /// An incident as shown.
    pub(crate) fn incident(&self, n: u8) -> &Incident {
        let id = RecordId::Incident(incident(n));
        let Some(Patch::Incident(row)) = self.shown.rows.get(&id) else { panic!("no incident {n}") };
        row
    }

    /// A task as shown.
    pub(crate) fn task(&self, n: u8) -> &Task {
        let Some(Patch::Task(row)) = self.shown.rows.get(&RecordId::Task(task(n))) else { panic!("no task {n}") };
        row
    }

    /// A unit as shown.
    pub(crate) fn unit(&self, n: u8) -> &Unit {
        let Some(Patch::Unit(row)) = self.shown.rows.get(&RecordId::Unit(unit(n))) else { panic!("no unit {n}") };
        row
    }

    /// The bodies of one document's entries in order of arrival.
    pub(crate) fn tail(&self, stream: StreamId) -> Vec<Vec<u8>> {
        self.log.iter().filter(|entry| entry.key.stream == stream).map(|entry| entry.body.clone()).collect()
    }

    /// What the documents show when read at once.
    pub(crate) fn rebuilt(&self) -> Shown {
        let mut shown = Shown::default();
        for stream in [board(), roster()] {
            shown.apply(&self.replica.rows(stream));
        }
        for entry in self.log.iter().filter(|entry| entry.key.stream.kind.family() != Family::Document) {
            shown.apply(&Replica::rows_of_feed(entry).expect("own feeds can be read"));
        }
        shown
    }

    /// Fails unless both show and hold the same, told bit by bit and at once.
    pub(crate) fn must_equal(&self, other: &Self) {
        for stream in [board(), roster()] {
            assert_eq!(self.replica.heads(stream), other.replica.heads(stream), "documents differ");
        }
        assert_eq!(self.shown.rows, other.shown.rows, "rows differ");
        assert_eq!(self.shown.conflicts, other.shown.conflicts, "conflicts differ");
        self.must_rebuild();
        other.must_rebuild();
    }

    /// Fails unless the rows read at once are those told bit by bit.
    pub(crate) fn must_rebuild(&self) {
        let rebuilt = self.rebuilt();
        assert_eq!(self.shown.rows, rebuilt.rows, "rows told and rows read differ");
        assert_eq!(self.shown.conflicts, rebuilt.conflicts, "conflicts told and conflicts read differ");
    }
}

/// Two members that both have the mission.
pub(crate) fn pair() -> (Member, Member) {
    let (mut left, mut right) = (Member::new(1), Member::new(2));
    left.edit(mission_new());
    right.take_from(&left);
    (left, right)
}

/// Lets both take from each other, and fails unless they end up equal.
pub(crate) fn meet(left: &mut Member, right: &mut Member) {
    left.take_from(right);
    right.take_from(left);
    left.must_equal(right);
}
