//! The fear: what a node shows depends on the order in which it heard of things, or an edit vanishes in a merge.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::edit::{Edit, EditEffect, Resolution};
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::field::Change;
use holdfast_domain::incident::{IncidentChange, IncidentStatus};
use holdfast_domain::mission::{MissionChange, MissionStatus};
use holdfast_domain::record::RecordId;
use holdfast_domain::task::{TaskChange, TaskStatus};
use holdfast_domain::unit::{UnitChange, UnitStatus};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::crew::*;

const MEMBERS: usize = 3;

/// A step of a run: somebody edits, or some of what one member holds reaches another in some order.
#[derive(Debug, Clone)]
enum Step {
    Edit(usize, Vec<(u8, u8, u8)>),
    Send { from: usize, to: usize, order: u64, share: u8 },
}

fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let edits = prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..4);
    let send = (0..MEMBERS, 0..MEMBERS, any::<u64>(), any::<u8>());
    let step = prop_oneof![
        3 => (0..MEMBERS, edits).prop_map(|(member, edits)| Step::Edit(member, edits)),
        2 => send.prop_map(|(from, to, order, share)| Step::Send { from, to, order, share }),
    ];
    prop::collection::vec(step, 1..length)
}

/// Shuffles by a simple congruential generator, so that a failing case shrinks.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for at in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(at, (seed >> 33) as usize % (at + 1));
    }
}

/// What one member may send another: in any order, some left out, some twice.
fn parcel(from: &Member, order: u64, share: u8) -> Vec<Entry> {
    let mut entries = from.log.clone();
    shuffle(&mut entries, order);
    entries.truncate(entries.len() * (usize::from(share) + 1) / 256);
    let again: Vec<Entry> = entries.iter().take(2).cloned().collect();
    entries.extend(again);
    entries
}

fn crew() -> Vec<Member> {
    (1..=MEMBERS as u8).map(Member::new).collect()
}

/// Any edit at all, from three bytes.
fn any_edit(member: &Member, (what, which, value): (u8, u8, u8)) -> Edit {
    let n = which % 3 + 1;
    let record = match value % 4 {
        0 => RecordId::Mission(mission()),
        1 => RecordId::Incident(incident(n)),
        2 => RecordId::Task(task(n)),
        _ => RecordId::Unit(unit(n)),
    };
    match what % 14 {
        0 => mission_new(),
        1 => Edit::IncidentOpen(mission(), incident_new(n)),
        2 => Edit::TaskOpen(mission(), task_new(n)),
        3 => Edit::UnitAdd(mission(), unit_new(n)),
        4 => incident_notes(n, &format!("notes {}", value % 3)),
        5 => {
            let status = Some(IncidentStatus::ALL[usize::from(value) % 5]);
            let change = IncidentChange { status, priority: Some(value % 5 + 1), ..IncidentChange::default() };
            Edit::IncidentChange(mission(), incident(n), change)
        }
        6 => {
            let assignee = if value % 3 == 0 { Change::Clear } else { Change::Set(unit(value % 3 + 1)) };
            Edit::TaskChange(mission(), task(n), TaskChange { assignee, ..TaskChange::default() })
        }
        7 => {
            let status = Some(TaskStatus::ALL[usize::from(value) % 5]);
            let incident = Change::Set(incident(value % 3 + 1));
            Edit::TaskChange(mission(), task(n), TaskChange { status, incident, ..TaskChange::default() })
        }
        8 => {
            let status = Some(UnitStatus::ALL[usize::from(value) % 5]);
            Edit::UnitChange(mission(), unit(n), UnitChange { status, ..UnitChange::default() })
        }
        9 => Edit::Delete(mission(), record),
        10 | 11 => Edit::Restore(mission(), record),
        12 => {
            // Closed rarely, or nothing else would happen.
            let status = if value < 16 { MissionStatus::Closed } else { MissionStatus::Active };
            Edit::MissionChange(mission(), MissionChange { status: Some(status), ..MissionChange::default() })
        }
        _ => {
            let mut open = member.shown.conflicts.values().flatten();
            match open.nth(usize::from(which) % member.shown.conflicts.len().max(1)) {
                Some(conflict) => {
                    let rival = &conflict.rivals[usize::from(value) % conflict.rivals.len()];
                    let resolution = Resolution { field: conflict.field.clone(), choice: rival.choice };
                    Edit::ConflictResolve(mission(), conflict.record, resolution)
                }
                None => mission_new(),
            }
        }
    }
}

/// Everybody hears everything.
fn heal(crew: &mut [Member]) {
    let mut all: BTreeMap<EntryKey, Entry> = BTreeMap::new();
    for member in crew.iter() {
        all.extend(member.log.iter().map(|entry| (entry.key, entry.clone())));
    }
    for (at, member) in crew.iter_mut().enumerate() {
        let mut entries: Vec<Entry> = all.values().cloned().collect();
        shuffle(&mut entries, at as u64);
        let merged = member.take(&entries);
        assert!(merged.refused.is_empty(), "an honest change was refused");
        assert_eq!(member.replica.held(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn all_end_up_equal_whatever_the_order(steps in steps(40)) {
        let mut crew = crew();
        for step in steps {
            match step {
                Step::Edit(member, edits) => {
                    let edits: Vec<Edit> = edits.into_iter().map(|edit| any_edit(&crew[member], edit)).collect();
                    crew[member].gesture(&edits);
                }
                Step::Send { from, to, order, share } => {
                    let parcel = parcel(&crew[from], order, share);
                    crew[to].take(&parcel);
                    crew[to].must_rebuild();
                }
            }
        }
        heal(&mut crew);
        let (first, others) = crew.split_first().expect("there are members");
        for other in others {
            first.must_equal(other);
        }
    }

    #[test]
    fn a_document_opened_again_is_the_same_and_goes_on(steps in steps(24), cut in any::<u8>()) {
        let mut crew = crew();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Edit(member, edits) => {
                    let edits: Vec<Edit> = edits.into_iter().map(|edit| any_edit(&crew[member], edit)).collect();
                    crew[member].gesture(&edits);
                }
                Step::Send { from, to, order, share } => {
                    let parcel = parcel(&crew[from], order, share);
                    crew[to].take(&parcel);
                }
            }
            for member in &mut crew {
                reopen(member, at % 3 == usize::from(cut) % 3);
            }
        }
        heal(&mut crew);
        for other in &crew[1..] {
            crew[0].must_equal(other);
        }
    }

    #[test]
    fn no_edit_vanishes_and_none_is_overruled_unseen(steps in steps(40)) {
        let mut run = Run::new();
        for step in steps {
            match step {
                Step::Edit(member, edits) => edits.into_iter().for_each(|edit| run.edit(member, edit)),
                Step::Send { from, to, order, share } => run.send(from, to, order, share),
            }
        }
        heal(&mut run.crew);
        let all: BTreeSet<EntryKey> = run.seen.keys().copied().collect();
        for at in 0..MEMBERS {
            run.applied[at].clone_from(&all);
            run.check(at);
        }
    }
}

/// Closes a member's documents and opens them from a snapshot (if nothing waits) or from their entries.
fn reopen(member: &mut Member, snapshot: bool) {
    for stream in [board(), roster()] {
        let (heads, held) = (member.replica.heads(stream), member.replica.held());
        let saved = if snapshot && held == 0 { member.replica.snapshot(stream) } else { None };
        let tail = if saved.is_some() { Vec::new() } else { member.tail(stream) };
        member.replica.close(stream);
        member.replica.open(stream, saved.as_deref(), &tail).expect("what was stored opens");
        assert_eq!((member.replica.heads(stream), member.replica.held()), (heads, held));
    }
    member.must_rebuild();
}

/// The field a write is about.
type Place = (RecordId, &'static str);

/// A run with a model beside it: which writes stand is worked out from who had heard of what, and nothing else.
struct Run {
    crew: Vec<Member>,
    /// For each entry, the entries that its author had applied.
    seen: BTreeMap<EntryKey, BTreeSet<EntryKey>>,
    applied: Vec<BTreeSet<EntryKey>>,
    writes: BTreeMap<Place, Vec<(EntryKey, Value, bool)>>,
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            crew: crew(),
            seen: BTreeMap::new(),
            applied: vec![BTreeSet::new(); MEMBERS],
            writes: BTreeMap::new(),
        };
        run.crew[0].edit(mission_new());
        run.note(0);
        let opening = run.crew[0].log.clone();
        for at in 1..MEMBERS {
            run.crew[at].take(&opening);
            run.apply(at);
        }
        run
    }

    /// One edit: a birth, or one field of an incident set to one of few values.
    fn edit(&mut self, at: usize, (what, which, value): (u8, u8, u8)) {
        let n = which % 2 + 1;
        let record = RecordId::Incident(incident(n));
        let birth = what % 4 == 0;
        let (edit, field, value) = match what % 4 {
            0 => {
                let priority = value % 3 + 1;
                let new = holdfast_domain::incident::IncidentNew { priority, ..incident_new(n) };
                (Edit::IncidentOpen(mission(), new), "priority", json!(priority))
            }
            1 | 2 => {
                let priority = value % 5 + 1;
                let change = IncidentChange { priority: Some(priority), ..IncidentChange::default() };
                (Edit::IncidentChange(mission(), incident(n), change), "priority", json!(priority))
            }
            _ => {
                let notes = if value % 4 == 0 { String::new() } else { format!("notes {value}") };
                (incident_notes(n, &notes), "notes", json!(notes))
            }
        };
        let Ok(outcome) = self.crew[at].try_edit(edit) else { return };
        if outcome.effect == EditEffect::Unchanged {
            return;
        }
        let key = self.note(at);
        self.writes.entry((record, field)).or_default().push((key, value, birth));
        self.check(at);
    }

    /// Notes the entry just drafted, with what its author had applied.
    fn note(&mut self, at: usize) -> EntryKey {
        let key = self.crew[at].log.last().expect("something was drafted").key;
        self.seen.insert(key, self.applied[at].clone());
        self.applied[at].insert(key);
        key
    }

    fn send(&mut self, from: usize, to: usize, order: u64, share: u8) {
        let parcel = parcel(&self.crew[from], order, share);
        self.crew[to].take(&parcel);
        self.apply(to);
        self.check(to);
    }

    /// Works out which entries a member has applied: those whose author had seen nothing it has not applied.
    fn apply(&mut self, at: usize) {
        let held: BTreeSet<EntryKey> = self.crew[at].log.iter().map(|entry| entry.key).collect();
        loop {
            let ready = held
                .iter()
                .find(|key| !self.applied[at].contains(*key) && self.seen[*key].is_subset(&self.applied[at]));
            let Some(ready) = ready else { break };
            self.applied[at].insert(*ready);
        }
        assert_eq!(self.crew[at].replica.held(), held.len() - self.applied[at].len(), "what waits");
    }

    /// Compares what a member shows with what should stand.
    fn check(&self, at: usize) {
        let (member, applied) = (&self.crew[at], &self.applied[at]);
        for ((record, field), writes) in &self.writes {
            let here: Vec<_> = writes.iter().filter(|(key, ..)| applied.contains(key)).collect();
            let stands = |key: &EntryKey| !here.iter().any(|(later, ..)| self.seen[later].contains(key));
            let mut standing: Vec<_> = here.iter().filter(|(key, ..)| stands(key)).collect();
            if standing.iter().any(|(.., birth)| !birth) {
                standing.retain(|(.., birth)| !birth);
            }
            let expected: BTreeSet<String> = standing.iter().map(|(_, value, _)| value.to_string()).collect();
            if expected.is_empty() {
                continue;
            }
            let open = member.conflicts(*record).iter().find(|conflict| conflict.field == *field);
            let found: BTreeSet<String> = match open {
                Some(conflict) => conflict.rivals.iter().map(|rival| rival.value.to_string()).collect(),
                None => BTreeSet::from([self.shown(at, *record, field).to_string()]),
            };
            assert_eq!(found, expected, "{record}, {field}: what stands");
            assert_eq!(open.is_some(), expected.len() > 1, "{record}, {field}: whether it is at odds");
        }
    }

    fn shown(&self, at: usize, record: RecordId, field: &str) -> Value {
        let RecordId::Incident(id) = record else { panic!("the run is about incidents") };
        let n = (1..=2).find(|n| incident(*n) == id).expect("one of two incidents");
        let row = self.crew[at].incident(n);
        if field == "priority" { json!(row.priority) } else { json!(row.notes) }
    }
}
