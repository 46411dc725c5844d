//! What an edit needs to find, what a refused one leaves behind (nothing), and what a gesture becomes.

use holdfast_domain::clock::Hlc;
use holdfast_domain::edit::{Edit, EditEffect};
use holdfast_domain::feed::{self, MessageBody, TrackBody};
use holdfast_domain::field::Change;
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::MissionId;
use holdfast_domain::incident::{IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::limits::{ENTRY_BODY_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};
use holdfast_domain::message::{Channel, MessageNew};
use holdfast_domain::mission::{MissionChange, MissionNew, MissionStatus};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::task::{TaskChange, TaskNew};
use holdfast_domain::track::{Fix, TrackNew};
use holdfast_domain::unit::{UnitChange, UnitStatus};
use holdfast_replica::replica::{Context, Replica, ReplicaError, documents_of};

use crate::crew::*;

fn member() -> Member {
    let mut member = Member::new(1);
    member.edit(mission_new());
    member.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    member.edit(Edit::TaskOpen(mission(), task_new(1)));
    member.edit(Edit::UnitAdd(mission(), unit_new(1)));
    member
}

fn mission_status(status: MissionStatus) -> Edit {
    Edit::MissionChange(mission(), MissionChange { status: Some(status), ..MissionChange::default() })
}

fn incident_status(status: IncidentStatus) -> Edit {
    let change = IncidentChange { status: Some(status), ..IncidentChange::default() };
    Edit::IncidentChange(mission(), incident(1), change)
}

fn say(n: u8) -> Edit {
    Edit::MessageSend(
        mission(),
        MessageNew { id: Some(message(n)), channel: Channel::Mission, text: "On scene".to_owned() },
    )
}

fn fix(second: u64) -> Fix {
    Fix {
        at_ms: START_MS + second * 1_000,
        position: LatLon::new(37.78, -122.42).expect("on Earth"),
        altitude_dm: None,
        speed_cm_s: None,
        course_cdeg: None,
    }
}

/// Fails unless the edit is refused and nothing at all came of it.
fn refused(member: &mut Member, edit: Edit) -> Refusal {
    let heads = [board(), roster()].map(|stream| member.replica.heads(stream));
    let draft = member.gesture(&[edit]);
    assert!(draft.bodies.is_empty() && draft.patches.is_empty());
    assert_eq!([board(), roster()].map(|stream| member.replica.heads(stream)), heads);
    draft.outcomes.into_iter().next().expect("one outcome").expect_err("the edit is refused")
}

#[test]
fn records_are_made_with_what_was_given_and_sensible_defaults() {
    let mut member = member();
    let row = member.mission().clone();
    assert_eq!((row.status, row.operational_period, row.name.as_str()), (MissionStatus::Active, 1, "Storm"));
    assert_eq!(row.opened_ms, START_MS + 1_000);
    let new = IncidentNew {
        status: Some(IncidentStatus::OnScene),
        position: Some(LatLon::new(37.78, -122.42).expect("on Earth")),
        opened_ms: None,
        ..incident_new(2)
    };
    assert_eq!(member.edit(Edit::IncidentOpen(mission(), new.clone())), EditEffect::Created);
    let row = member.incident(2);
    assert_eq!((row.status, row.position, row.priority), (IncidentStatus::OnScene, new.position, 2));
    assert_eq!((row.number.as_str(), row.address.as_str(), row.notes.as_str()), ("2023-2", "2 Bay Street", ""));
    assert!(row.opened_ms > START_MS);
    assert_eq!((member.unit(1).callsign.as_str(), member.unit(1).status), ("E01", UnitStatus::Available));
    member.must_rebuild();
}

#[test]
fn nothing_can_be_done_before_the_mission_is_there() {
    let mut member = Member::new(1);
    let edits = [
        Edit::IncidentOpen(mission(), incident_new(1)),
        Edit::TaskOpen(mission(), task_new(1)),
        Edit::UnitAdd(mission(), unit_new(1)),
        say(1),
        mission_status(MissionStatus::Closed),
        Edit::Delete(mission(), RecordId::Mission(mission())),
    ];
    for edit in edits {
        assert!(matches!(refused(&mut member, edit), Refusal::NotFound { kind: "mission", .. }));
    }
}

#[test]
fn an_edit_whose_documents_are_not_open_finds_nothing() {
    let mut member = member();
    member.replica.close(roster());
    let position = Edit::PositionReport(mission(), unit(1), fix(1));
    let context = Context { author: member.author, hlc: Hlc::default(), from: "" };
    let draft = member.replica.draft(&context, &[position]);
    assert!(matches!(draft.outcomes.as_slice(), [Err(Refusal::NotFound { kind: "unit", .. })]));
    let other = MissionId::mint(START_MS, [7; 10]);
    let new = MissionNew { id: Some(other), name: "Flood".to_owned(), objective: String::new() };
    let draft = member.replica.draft(&context, &[Edit::MissionOpen(new)]);
    assert!(matches!(draft.outcomes.as_slice(), [Err(Refusal::NotFound { .. })]));
}

#[test]
fn a_closed_mission_takes_only_its_reopening() {
    let mut member = member();
    member.edit(mission_status(MissionStatus::Closed));
    let rename = |status| {
        let change = MissionChange { name: Some("Flood".to_owned()), status, ..MissionChange::default() };
        Edit::MissionChange(mission(), change)
    };
    let unit_change = UnitChange { status: Some(UnitStatus::Dispatched), ..UnitChange::default() };
    let edits = [
        Edit::IncidentOpen(mission(), incident_new(1)),
        incident_notes(1, "x"),
        Edit::UnitChange(mission(), unit(1), unit_change),
        Edit::Delete(mission(), RecordId::Incident(incident(1))),
        Edit::PositionReport(mission(), unit(1), fix(1)),
        say(1),
        rename(None),
    ];
    for edit in edits {
        assert!(matches!(refused(&mut member, edit), Refusal::MissionClosed { .. }));
    }
    assert!(matches!(refused(&mut member, mission_status(MissionStatus::Planned)), Refusal::IllegalStep { .. }));
    assert_eq!(member.edit(mission_status(MissionStatus::Closed)), EditEffect::Unchanged);
    assert_eq!(member.edit(rename(Some(MissionStatus::Active))), EditEffect::Changed);
    assert_eq!(member.mission().name, "Flood");
    assert_eq!(member.edit(incident_notes(1, "x")), EditEffect::Changed);
}

#[test]
fn a_deleted_record_is_left_alone_until_it_is_restored() {
    let mut member = member();
    let id = RecordId::Incident(incident(1));
    assert_eq!(member.edit(Edit::Delete(mission(), id)), EditEffect::Changed);
    assert_eq!(member.edit(Edit::Delete(mission(), id)), EditEffect::Unchanged);
    assert!(member.incident(1).deleted.is_some());
    assert!(matches!(refused(&mut member, incident_notes(1, "x")), Refusal::Deleted { kind: "incident", .. }));
    let reopened = Edit::IncidentOpen(mission(), incident_new(1));
    assert_eq!(member.edit(reopened), EditEffect::Unchanged, "an import does not bring it back");
    assert_eq!(member.edit(Edit::Restore(mission(), id)), EditEffect::Changed);
    assert_eq!(member.edit(Edit::Restore(mission(), id)), EditEffect::Unchanged);
    assert_eq!(member.edit(incident_notes(1, "x")), EditEffect::Changed);
    member.edit(Edit::Delete(mission(), RecordId::Mission(mission())));
    assert!(matches!(refused(&mut member, incident_notes(1, "y")), Refusal::Deleted { kind: "mission", .. }));
    member.edit(Edit::Restore(mission(), RecordId::Mission(mission())));
    member.edit(incident_notes(1, "y"));
}

#[test]
fn messages_are_never_deleted() {
    let mut member = member();
    member.edit(say(1));
    let delete = Edit::Delete(mission(), RecordId::Message(message(1)));
    assert!(matches!(refused(&mut member, delete), Refusal::Invalid { field: "record", .. }));
}

#[test]
fn what_an_edit_refers_to_must_be_there() {
    let mut member = member();
    let task_for = |incident, assignee| Edit::TaskOpen(mission(), TaskNew { incident, assignee, ..task_new(2) });
    let assign = |n| {
        let change = TaskChange { assignee: Change::Set(unit(n)), ..TaskChange::default() };
        Edit::TaskChange(mission(), task(1), change)
    };
    let commit = |n| {
        let change = UnitChange { incident: Change::Set(incident(n)), ..UnitChange::default() };
        Edit::UnitChange(mission(), unit(1), change)
    };
    let missing = [
        task_for(Some(incident(9)), None),
        task_for(None, Some(unit(9))),
        assign(9),
        commit(9),
        incident_notes(9, "x"),
        Edit::PositionReport(mission(), unit(9), fix(1)),
        Edit::Restore(mission(), RecordId::Unit(unit(9))),
    ];
    for edit in missing {
        assert!(matches!(refused(&mut member, edit), Refusal::NotFound { .. }));
    }
    assert_eq!(member.edit(task_for(Some(incident(1)), Some(unit(1)))), EditEffect::Created);
    assert_eq!(member.edit(assign(1)), EditEffect::Changed);
    assert_eq!(member.edit(commit(1)), EditEffect::Changed);
    assert_eq!((member.task(2).incident, member.unit(1).incident), (Some(incident(1)), Some(incident(1))));
    member.edit(Edit::Delete(mission(), RecordId::Unit(unit(1))));
    let late = Edit::TaskOpen(mission(), TaskNew { assignee: Some(unit(1)), ..task_new(3) });
    assert!(matches!(refused(&mut member, late), Refusal::Deleted { kind: "unit", .. }));
    assert_eq!(member.edit(task_for(None, Some(unit(1)))), EditEffect::Unchanged, "it is there already");
    assert!(matches!(refused(&mut member, Edit::PositionReport(mission(), unit(1), fix(1))), Refusal::Deleted { .. }));
}

#[test]
fn ids_and_numbers_are_filled_in_before() {
    let mut member = member();
    let edits = [
        Edit::IncidentOpen(mission(), IncidentNew { id: None, ..incident_new(3) }),
        Edit::IncidentOpen(mission(), IncidentNew { number: None, ..incident_new(3) }),
        Edit::TaskOpen(mission(), TaskNew { number: None, ..task_new(3) }),
        Edit::MissionOpen(MissionNew { id: None, name: "x".to_owned(), objective: String::new() }),
    ];
    for edit in edits {
        assert!(matches!(refused(&mut member, edit), Refusal::Invalid { .. }));
    }
}

#[test]
fn values_that_cannot_stand_and_steps_that_cannot_be_taken_are_refused_whole() {
    let mut member = member();
    let change = IncidentChange {
        status: Some(IncidentStatus::Contained),
        notes: Change::Set("never written".to_owned()),
        ..IncidentChange::default()
    };
    let step = Edit::IncidentChange(mission(), incident(1), change);
    assert!(matches!(refused(&mut member, step), Refusal::IllegalStep { from: "reported", to: "contained", .. }));
    let long = IncidentNew { kind: "x".repeat(NAME_BYTES_MAX + 1), ..incident_new(3) };
    assert!(matches!(refused(&mut member, Edit::IncidentOpen(mission(), long)), Refusal::Invalid { .. }));
    assert_eq!(member.incident(1).notes, "");
}

#[test]
fn one_gesture_is_one_change_for_each_document_and_leaves_the_refused_out() {
    let mut member = member();
    let edits = [
        Edit::IncidentOpen(mission(), incident_new(2)),
        incident_notes(2, "seen by later edits of the gesture"),
        incident_notes(9, "no such incident"),
        Edit::UnitAdd(mission(), unit_new(2)),
        Edit::TaskOpen(mission(), TaskNew { assignee: Some(unit(2)), incident: Some(incident(2)), ..task_new(2) }),
        say(1),
    ];
    let draft = member.gesture(&edits);
    let taken: Vec<bool> = draft.outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, true, false, true, true, true]);
    let streams: Vec<StreamKind> = draft.bodies.iter().map(|(stream, _)| stream.kind).collect();
    assert_eq!(streams, [StreamKind::Board, StreamKind::Roster, StreamKind::Message]);
    assert_eq!(draft.patches.len(), 4, "each record once, and the message");
    assert_eq!(member.incident(2).notes, "seen by later edits of the gesture");
    member.must_rebuild();
}

#[test]
fn a_gesture_too_large_for_one_entry_takes_what_fits() {
    let mut member = member();
    let notes = "\u{1f525}".repeat(TEXT_BYTES_MAX / 4);
    let edits: Vec<Edit> = (1..=100)
        .map(|n| Edit::IncidentOpen(mission(), IncidentNew { notes: notes.clone(), ..incident_new(n) }))
        .collect();
    let draft = member.gesture(&edits);
    let [(_, body)] = draft.bodies.as_slice() else { panic!("one change") };
    assert!((ENTRY_BODY_BYTES_MAX / 2..ENTRY_BODY_BYTES_MAX).contains(&body.len()));
    assert!(matches!(draft.outcomes.last(), Some(Err(Refusal::Invalid { field: "edits", .. }))));
    member.must_rebuild();
}

#[test]
fn steps_within_a_gesture_follow_each_other() {
    let mut member = member();
    let draft = member.gesture(&[incident_status(IncidentStatus::OnScene), incident_status(IncidentStatus::Contained)]);
    assert!(draft.outcomes.iter().all(Result::is_ok));
    assert_eq!(member.incident(1).status, IncidentStatus::Contained);
    let draft = member.gesture(&[incident_status(IncidentStatus::Closed), incident_status(IncidentStatus::Contained)]);
    assert!(matches!(draft.outcomes.as_slice(), [Ok(_), Err(Refusal::IllegalStep { .. })]));
}

#[test]
fn nothing_new_writes_nothing() {
    let mut member = member();
    member.edit(incident_notes(1, "two trapped"));
    let same = [
        mission_new(),
        Edit::IncidentOpen(mission(), incident_new(1)),
        incident_notes(1, "two trapped"),
        mission_status(MissionStatus::Active),
        Edit::TaskChange(mission(), task(1), TaskChange { assignee: Change::Clear, ..TaskChange::default() }),
        Edit::IncidentChange(mission(), incident(1), IncidentChange::default()),
    ];
    let draft = member.gesture(&same);
    assert!(draft.bodies.is_empty() && draft.patches.is_empty());
    assert!(draft.outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|o| o.effect == EditEffect::Unchanged)));
    let there_and_back = member.gesture(&[incident_notes(1, "x"), incident_notes(1, "two trapped")]);
    assert!(there_and_back.bodies.is_empty());
}

#[test]
fn null_clears_what_can_be_cleared() {
    let mut member = member();
    member.edit(incident_notes(1, "two trapped"));
    let change = IncidentChange {
        notes: Change::Clear,
        address: Change::Clear,
        position: Change::Set(LatLon::new(1.0, 2.0).expect("on Earth")),
        ..IncidentChange::default()
    };
    member.edit(Edit::IncidentChange(mission(), incident(1), change));
    let row = member.incident(1).clone();
    assert_eq!((row.notes.as_str(), row.address.as_str(), row.position.is_some()), ("", "", true));
    let change = IncidentChange { position: Change::Clear, ..IncidentChange::default() };
    member.edit(Edit::IncidentChange(mission(), incident(1), change));
    assert_eq!(member.incident(1).position, None);
}

#[test]
fn feeds_get_bodies_that_read_back_as_their_rows() {
    let mut member = member();
    let track = TrackNew { source: "gpx:run.gpx".to_owned(), fixes: vec![fix(3), fix(1), fix(3), fix(2)] };
    let draft = member.gesture(&[
        say(1),
        Edit::PositionReport(mission(), unit(1), fix(3)),
        Edit::TrackAppend(mission(), unit(1), track),
    ]);
    let kinds: Vec<StreamKind> = draft.bodies.iter().map(|(stream, _)| stream.kind).collect();
    assert_eq!(kinds, [StreamKind::Message, StreamKind::Latest, StreamKind::Track]);
    let Ok(MessageBody::V1 { from, text, .. }) = feed::decode(&draft.bodies[0].1) else { panic!("a message body") };
    assert_eq!((from.as_str(), text.as_str()), ("engine-7", "On scene"));
    let Ok(TrackBody::V3 { segment, source, .. }) = feed::decode(&draft.bodies[2].1) else { panic!("a segment") };
    let fixes = holdfast_replica::segment::open(&segment).expect("what was sealed opens");
    assert_eq!((fixes, source.as_str()), (vec![fix(1), fix(2), fix(3)], "gpx:run.gpx"));
    let mut other = Member::new(2);
    let merged = other.take_from(&member);
    assert_eq!(other.shown.feed, member.shown.feed);
    assert_eq!(member.rebuilt().feed, member.shown.feed);
    assert!(matches!(&member.shown.feed[1], Patch::Position(position) if position.fix == fix(3)));
    assert!(merged.newest.ms() >= START_MS + 4_000);
}

#[test]
fn messages_without_ids_get_the_same_ones_everywhere() {
    let mut member = member();
    let unnamed = |text: &str| {
        Edit::MessageSend(mission(), MessageNew { id: None, channel: Channel::Mission, text: text.to_owned() })
    };
    let draft = member.gesture(&[unnamed("On scene"), say(1), unnamed("On scene")]);
    let sent: Vec<RecordId> = draft.outcomes.iter().map(|outcome| outcome.as_ref().expect("sent").record).collect();
    assert!(sent[0] != sent[2] && sent[1] == RecordId::Message(message(1)), "{sent:?}");
    assert!(draft.bodies[0].1.len() + 14 < draft.bodies[1].1.len(), "an id that follows from the rest does not travel");
    let mut other = Member::new(2);
    other.take_from(&member);
    assert_eq!(other.shown.feed, member.shown.feed);
    assert_eq!(member.rebuilt().feed, member.shown.feed);
}

#[test]
fn documents_named_for_an_edit_are_all_it_needs() {
    let mut member = member();
    let edits = [
        mission_new(),
        incident_notes(1, "x"),
        Edit::TaskOpen(mission(), TaskNew { assignee: Some(unit(1)), ..task_new(4) }),
        Edit::Delete(mission(), RecordId::Task(task(1))),
        Edit::Delete(mission(), RecordId::Unit(unit(1))),
        Edit::Restore(mission(), RecordId::Unit(unit(1))),
        Edit::PositionReport(mission(), unit(1), fix(1)),
        say(2),
    ];
    for edit in edits {
        for stream in [board(), roster()] {
            member.replica.close(stream);
        }
        for stream in documents_of(&edit) {
            let tail = member.tail(stream);
            member.replica.open(stream, None, &tail).expect("what was stored opens");
        }
        member.edit(edit);
    }
    let open = MissionNew { id: None, name: "x".to_owned(), objective: String::new() };
    assert!(documents_of(&Edit::MissionOpen(open)).is_empty());
}

#[test]
fn what_is_no_document_does_not_open() {
    let mut replica = Replica::new();
    let none = [stream(StreamKind::Message), StreamId::new(Scope::Org, StreamKind::Board)];
    for stream in none {
        assert!(matches!(replica.open(stream, None, &[]), Err(ReplicaError::NotADocument { .. })));
    }
    let member = member();
    let snapshot = member.replica.snapshot(roster()).expect("the roster is open");
    assert!(matches!(replica.open(board(), Some(&snapshot), &[]), Err(ReplicaError::OtherBeginning { .. })));
    let half = &snapshot[..snapshot.len() / 2];
    assert!(replica.open(roster(), Some(half), &[]).is_err());
    assert!(replica.open(roster(), Some(b""), &[]).is_err(), "an empty snapshot is no document");
    assert!(!replica.is_open(roster()) && !replica.is_open(board()));
}
