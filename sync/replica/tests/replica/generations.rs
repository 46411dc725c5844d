//! Fear: when a document is rolled to its next generation something is lost, comes back, or is decided in silence.

use std::collections::BTreeMap;

use holdfast_domain::conflict::ConflictKind;
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::field::Change;
use holdfast_domain::floor::{Generation, GenerationTag};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::DELETED_KEPT_MS;
use holdfast_domain::record::RecordId;
use holdfast_domain::task::{TaskChange, TaskStatus};
use holdfast_replica::replica::Replica;
use holdfast_replica::rolling::{Turned, Voice};
use proptest::prelude::*;

use crate::crew::{Member, START_MS, board, incident_new, incident_notes, meet, mission, pair, task, task_new};

const SECOND: Generation = Generation { number: 1, tag: GenerationTag([0x5a; 8]) };
const THIRD: Generation = Generation { number: 2, tag: GenerationTag([0x6b; 8]) };

/// How far each author was taken into the start of a generation.
type Vector = BTreeMap<AuthorId, u64>;

fn voice(member: &Member) -> Voice {
    Voice { author: member.author, at_ms: START_MS + 90_000_000 }
}

fn keep(member: &mut Member, turned: Turned) {
    for body in turned.bodies {
        let seq = member.seqs.entry(board()).or_default();
        *seq += 1;
        let key = EntryKey { stream: board(), author: member.author, seq: *seq };
        member.log.push(Entry::next(key, None, body));
    }
    let gone = |id: &RecordId| !matches!(id, RecordId::Unit(_)) && !turned.records.contains(id);
    member.shown.rows.retain(|id, _| !gone(id));
    member.shown.conflicts.retain(|id, _| !gone(id));
    member.shown.apply(&turned.patches);
}

fn roll_at(hub: &mut Member, to: Generation, at_ms: u64) -> Vector {
    let mut vector = Vector::new();
    for entry in hub.log.iter().filter(|entry| entry.key.stream == board()) {
        let head = vector.entry(entry.key.author).or_default();
        *head = entry.key.seq.max(*head);
    }
    let voice = Voice { author: hub.author, at_ms };
    let turned = hub.replica.roll(board(), to, voice).expect("a document rolls");
    keep(hub, turned);
    vector
}

fn roll(hub: &mut Member, to: Generation) -> Vector {
    roll_at(hub, to, START_MS + 90_000_000)
}

fn turn(member: &mut Member, to: Generation, vector: &Vector) {
    let entries: Vec<(u64, Vec<u8>)> = (member.log.iter())
        .filter(|entry| entry.key.stream == board())
        .map(|entry| (entry.key.seq, entry.body.clone()))
        .collect();
    let from = member.replica.generation(board()).expect("the board is open");
    let covered = vector.get(&member.author).copied().unwrap_or(0);
    let late: Vec<Vec<u8>> = (member.log.iter())
        .filter(|entry| entry.key.stream == board() && entry.key.author == member.author && entry.key.seq > covered)
        .filter(|entry| Replica::belongs(from, &entry.body))
        .map(|entry| entry.body.clone())
        .collect();
    let late = member.replica.late(board(), &late);
    let voice = voice(member);
    let turned = member.replica.turn(board(), to, &entries, &late, voice).expect("a document turns");
    keep(member, turned);
}

fn title(n: u8, title: &str) -> Edit {
    let change = TaskChange { title: Some(title.to_owned()), ..TaskChange::default() };
    Edit::TaskChange(mission(), task(n), change)
}

fn details(n: u8, details: &str) -> Edit {
    let change = TaskChange { details: Change::Set(details.to_owned()), ..TaskChange::default() };
    Edit::TaskChange(mission(), task(n), change)
}

/// A record and field at odds, with the rival values, each with whether it is shown.
type Odds = (RecordId, String, Vec<(String, bool)>);

/// The rivals of every open conflict, without who and when.
fn at_odds(member: &Member) -> Vec<Odds> {
    let conflicts = member.shown.conflicts.values().flatten();
    conflicts
        .map(|conflict| {
            let rivals = conflict.rivals.iter().map(|rival| (rival.value.to_string(), rival.shown)).collect();
            (conflict.record, conflict.field.clone(), rivals)
        })
        .collect()
}

#[test]
fn the_start_shows_what_the_last_generation_showed_rivals_included() {
    let (mut hub, mut engine) = pair();
    hub.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    for n in 1..=3 {
        hub.edit(Edit::TaskOpen(mission(), task_new(n)));
    }
    meet(&mut hub, &mut engine);
    hub.edit(title(1, "Search the attic"));
    engine.edit(title(1, "Search the cellar"));
    hub.edit(Edit::Delete(mission(), RecordId::Task(task(2))));
    hub.edit(Edit::Delete(mission(), RecordId::Task(task(3))));
    engine.edit(details(3, "two people inside"));
    meet(&mut hub, &mut engine);
    let (rows, odds) = (hub.shown.rows.clone(), at_odds(&hub));
    assert_eq!(odds.len(), 2, "{odds:?}");

    let vector = roll(&mut hub, SECOND);
    assert_eq!(hub.shown.rows, rows);
    assert_eq!(at_odds(&hub), odds);
    hub.must_rebuild();
    engine.take_from(&hub);
    turn(&mut engine, SECOND, &vector);
    engine.must_equal(&hub);
    assert_eq!(engine.log.len(), hub.log.len(), "nobody had anything to say again");

    // Work goes on, and rolls on.
    engine.edit(details(1, "smoke on the stairs"));
    hub.edit(Edit::TaskOpen(mission(), task_new(4)));
    meet(&mut hub, &mut engine);
    let vector = roll(&mut hub, THIRD);
    engine.take_from(&hub);
    turn(&mut engine, THIRD, &vector);
    engine.must_equal(&hub);
    assert_eq!(engine.task(1).details, "smoke on the stairs");
}

#[test]
fn what_was_written_without_knowing_of_the_roll_is_said_again() {
    let (mut hub, mut engine) = pair();
    hub.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    meet(&mut hub, &mut engine);
    engine.edit(Edit::TaskOpen(mission(), task_new(1)));
    engine.edit(title(1, "Vent the roof"));
    engine.edit(incident_notes(1, "roof is hot"));
    let vector = roll(&mut hub, SECOND);
    hub.take_from(&engine);
    assert!(!hub.shown.rows.contains_key(&RecordId::Task(task(1))), "it belongs to the generation that is over");
    engine.take_from(&hub);
    assert_eq!(engine.task(1).title, "Vent the roof", "until the turn nothing changes");
    turn(&mut engine, SECOND, &vector);
    meet(&mut hub, &mut engine);
    assert_eq!(hub.task(1).title, "Vent the roof");
    assert_eq!(hub.incident(1).notes, "roof is hot");
    assert!(at_odds(&hub).is_empty(), "{:?}", at_odds(&hub));
}

#[test]
fn a_late_edit_never_wins_in_silence_over_what_its_author_had_not_seen() {
    let (mut hub, mut engine) = pair();
    for n in 1..=3 {
        hub.edit(Edit::TaskOpen(mission(), task_new(n)));
    }
    meet(&mut hub, &mut engine);
    engine.edit(title(1, "engine's before the roll's time"));
    engine.edit(title(2, "engine's"));
    engine.edit(title(3, "the same"));
    hub.edit(title(1, "hub's before the roll"));
    let vector = roll(&mut hub, SECOND);
    hub.edit(title(2, "hub's after the roll"));
    hub.edit(title(3, "the same"));
    engine.take_from(&hub);
    turn(&mut engine, SECOND, &vector);
    meet(&mut hub, &mut engine);
    let odds = at_odds(&hub);
    let fields: Vec<_> = odds.iter().map(|(record, field, _)| (*record, field.as_str())).collect();
    assert_eq!(fields, [(RecordId::Task(task(1)), "title"), (RecordId::Task(task(2)), "title")], "{odds:?}");
    assert!(odds.iter().all(|(.., rivals)| rivals.len() == 2));
    let kinds: Vec<_> = hub.conflicts(RecordId::Task(task(1))).iter().map(|conflict| conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::Values]);
}

#[test]
fn a_late_edit_that_saw_what_stands_replaces_it() {
    let (mut hub, mut engine) = pair();
    hub.edit(Edit::TaskOpen(mission(), task_new(1)));
    hub.edit(title(1, "one"));
    meet(&mut hub, &mut engine);
    engine.edit(title(1, "two"));
    hub.edit(details(1, "hub's"));
    // The engine hears of the hub's edit before it writes again, and both come after the roll's vector.
    let vector = roll(&mut hub, SECOND);
    engine.edit(title(1, "three"));
    engine.take_from(&hub);
    turn(&mut engine, SECOND, &vector);
    meet(&mut hub, &mut engine);
    assert_eq!((hub.task(1).title.as_str(), hub.task(1).details.as_str()), ("three", "hub's"));
    assert!(at_odds(&hub).is_empty());
}

#[test]
fn a_delete_holds_for_ever() {
    let (mut hub, mut engine) = pair();
    for n in 1..=2 {
        hub.edit(Edit::TaskOpen(mission(), task_new(n)));
        hub.edit(Edit::Delete(mission(), RecordId::Task(task(n))));
    }
    meet(&mut hub, &mut engine);
    hub.edit(Edit::Restore(mission(), RecordId::Task(task(2))));
    // Months later only the fact of the deletion is carried on.
    let vector = roll_at(&mut hub, SECOND, START_MS + DELETED_KEPT_MS + 90_000_000);
    assert!(hub.task(1).deleted.is_some());
    assert_eq!(hub.task(1).title, "");
    assert!(hub.task(2).deleted.is_none());
    engine.take_from(&hub);
    turn(&mut engine, SECOND, &vector);
    engine.must_equal(&hub);
    assert!(at_odds(&hub).is_empty(), "{:?}", at_odds(&hub));
    assert!(engine.try_edit(title(1, "again")).is_err(), "a deleted task takes no edit");
}

#[test]
fn an_edit_of_what_was_deleted_meanwhile_is_shown_to_people() {
    let (mut hub, mut engine) = pair();
    hub.edit(Edit::TaskOpen(mission(), task_new(1)));
    meet(&mut hub, &mut engine);
    hub.edit(Edit::Delete(mission(), RecordId::Task(task(1))));
    engine.edit(details(1, "we are half way through"));
    let vector = roll(&mut hub, SECOND);
    engine.take_from(&hub);
    turn(&mut engine, SECOND, &vector);
    meet(&mut hub, &mut engine);
    assert_eq!(hub.conflicts(RecordId::Task(task(1)))[0].kind, ConflictKind::DeletedAndEdited);
    assert_eq!(hub.task(1).details, "we are half way through");
}

#[test]
fn two_that_worked_on_one_late_record_do_not_make_it_twice() {
    let (mut hub, mut engine) = pair();
    let mut truck = Member::new(3);
    truck.take_from(&hub);
    engine.edit(Edit::TaskOpen(mission(), task_new(1)));
    truck.take_from(&engine);
    let status = TaskChange { status: Some(TaskStatus::Accepted), ..TaskChange::default() };
    truck.edit(Edit::TaskChange(mission(), task(1), status));
    let vector = roll(&mut hub, SECOND);
    for member in [&mut truck, &mut engine] {
        member.take_from(&hub);
        turn(member, SECOND, &vector);
        hub.take_from(member);
    }
    truck.take_from(&hub);
    engine.take_from(&hub);
    engine.must_equal(&hub);
    truck.must_equal(&hub);
    assert_eq!(hub.task(1).status, TaskStatus::Accepted);
    assert!(at_odds(&hub).is_empty(), "{:?}", at_odds(&hub));
}

#[test]
fn a_change_of_another_generation_is_kept_out_without_being_refused() {
    let (mut hub, mut engine) = pair();
    hub.edit(Edit::TaskOpen(mission(), task_new(1)));
    meet(&mut hub, &mut engine);
    let vector = roll(&mut hub, SECOND);
    hub.edit(title(1, "in the second"));
    let merged = engine.take_from(&hub);
    assert_eq!((merged.refused.len(), merged.unreadable, engine.replica.held()), (0, 0, 0));
    engine.edit(details(1, "in the first"));
    let merged = hub.take_from(&engine);
    assert_eq!((merged.refused.len(), merged.unreadable, hub.replica.held()), (0, 0, 0));
    turn(&mut engine, SECOND, &vector);
    meet(&mut hub, &mut engine);
    // A snapshot of one generation does not open as another.
    let snapshot = hub.replica.snapshot(board()).expect("the board is open");
    assert!(Replica::new().open(board(), Some(&snapshot), &[]).is_err());
    let mut again = Replica::new();
    again.open_at(board(), SECOND, Some(&snapshot), &[]).expect("it opens as what it is");
    assert_eq!(again.heads(board()), hub.replica.heads(board()));
}

#[test]
fn a_pack_of_a_later_generation_comes_out_as_it_went_in() {
    let (mut hub, mut engine) = pair();
    for n in 1..=5 {
        hub.edit(Edit::TaskOpen(mission(), task_new(n)));
    }
    meet(&mut hub, &mut engine);
    let vector = roll(&mut hub, SECOND);
    engine.take_from(&hub);
    turn(&mut engine, SECOND, &vector);
    for n in 1..=5 {
        hub.edit(title(n, "hub's"));
        engine.edit(details(n, "engine's"));
    }
    meet(&mut hub, &mut engine);
    let mut late: Vec<Entry> = (hub.log.iter())
        .filter(|entry| entry.key.stream == board() && Replica::belongs(SECOND, &entry.body))
        .cloned()
        .collect();
    late.sort_by_key(|entry| (entry.key.author, entry.key.seq));
    let (form, payload) = hub.replica.pack(board(), &late, true);
    assert_eq!(form, holdfast_domain::frame::PackForm::Bundle);
    assert_eq!(hub.replica.bundle_mismatches(), 0);
    let runs = late.chunk_by(|a, b| a.key.author == b.key.author);
    let ranges: Vec<_> =
        runs.map(|run| crate::packs::range(run[0].key.author, run[0].key.seq, run.len() as u32)).collect();
    let bodies = holdfast_replica::pack::unpack(form, &payload, &ranges).expect("it unpacks");
    assert!(bodies.iter().zip(&late).all(|(body, entry)| *body == entry.body));
}

/// One step of a random story.
#[derive(Debug, Clone)]
enum Deed {
    Title(usize, u8, u8),
    Details(usize, u8, u8),
    Open(usize, u8),
    Delete(usize, u8),
    Meet(usize, usize),
    Roll,
    Turn(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0..4_usize, 1..6_u8, 0..4_u8).prop_map(|(who, n, text)| Deed::Title(who, n, text)),
        4 => (0..4_usize, 1..6_u8, 0..4_u8).prop_map(|(who, n, text)| Deed::Details(who, n, text)),
        3 => (0..4_usize, 1..6_u8).prop_map(|(who, n)| Deed::Open(who, n)),
        1 => (0..4_usize, 1..6_u8).prop_map(|(who, n)| Deed::Delete(who, n)),
        3 => (0..4_usize, 0..4_usize).prop_map(|(a, b)| Deed::Meet(a, b)),
        1 => Just(Deed::Roll),
        2 => (1..4_usize).prop_map(Deed::Turn),
    ];
    prop::collection::vec(deed, 1..40)
}

fn give(crew: &mut [Member], from: usize, to: usize) {
    if from == to {
        return;
    }
    let (low, high) = (from.min(to), from.max(to));
    let (left, right) = crew.split_at_mut(high);
    let (a, b) = (&mut left[low], &mut right[0]);
    if from < to {
        b.take_from(a)
    } else {
        a.take_from(b)
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_around_a_roll_all_agree_and_no_record_is_lost(deeds in deeds()) {
        let mut crew: Vec<Member> = (1..=4).map(Member::new).collect();
        crew[0].edit(crate::crew::mission_new());
        for to in 1..4 {
            give(&mut crew, 0, to);
        }
        let (mut rolled, mut turned, mut opened) = (None, [true, false, false, false], Vec::new());
        let holds_start = |crew: &[Member], who: usize| {
            let starts = |member: &Member| member.log.iter()
                .filter(|entry| entry.key.author == crew[0].author && Replica::belongs(SECOND, &entry.body)).count();
            starts(&crew[who]) > 0
        };
        for deed in deeds {
            match deed {
                Deed::Title(who, n, text) => drop(crew[who].try_edit(title(n, &format!("title {text}")))),
                Deed::Details(who, n, text) => drop(crew[who].try_edit(details(n, &format!("details {text}")))),
                Deed::Open(who, n) => if crew[who].try_edit(Edit::TaskOpen(mission(), task_new(n))).is_ok() {
                    opened.push(n);
                },
                Deed::Delete(who, n) => drop(crew[who].try_edit(Edit::Delete(mission(), RecordId::Task(task(n))))),
                Deed::Meet(a, b) => { give(&mut crew, a, b); give(&mut crew, b, a); }
                Deed::Roll => if rolled.is_none() { rolled = Some(roll(&mut crew[0], SECOND)); },
                Deed::Turn(who) => if let Some(vector) = rolled.as_ref().filter(|_| !turned[who])
                    && holds_start(&crew, who)
                {
                    turn(&mut crew[who], SECOND, vector);
                    turned[who] = true;
                },
            }
        }
        let vector = rolled.unwrap_or_else(|| roll(&mut crew[0], SECOND));
        for who in 1..4 {
            give(&mut crew, 0, who);
            if !turned[who] {
                turn(&mut crew[who], SECOND, &vector);
            }
        }
        for _ in 0..2 {
            for (a, b) in [(0, 1), (0, 2), (0, 3), (0, 1), (0, 2), (0, 3)] {
                give(&mut crew, a, b);
                give(&mut crew, b, a);
            }
        }
        for who in 1..4 {
            crew[who].must_equal(&crew[0]);
            prop_assert_eq!(crew[who].replica.held(), 0);
        }
        for n in opened {
            prop_assert!(crew[0].shown.rows.contains_key(&RecordId::Task(task(n))), "task {} is gone", n);
        }
    }
}
