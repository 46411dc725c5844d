//! Conflicts as people meet them: how each kind comes about, what is shown, and how one action settles it.

use crate::crew::*;
use holdfast_domain::conflict::ConflictKind;
use holdfast_domain::edit::{Edit, EditEffect, Resolution};
use holdfast_domain::entry::Digest;
use holdfast_domain::field::Change;
use holdfast_domain::incident::{IncidentChange, IncidentStatus};
use holdfast_domain::mission::{MissionChange, MissionStatus};
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::task::TaskChange;
use serde_json::json;

fn deletion_of(n: u8) -> Edit {
    Edit::Delete(mission(), RecordId::Incident(incident(n)))
}

fn pair_with_incident() -> (Member, Member) {
    let (mut left, mut right) = pair();
    left.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    right.take_from(&left);
    (left, right)
}

#[test]
fn two_values_of_one_field_stay_side_by_side_until_one_is_chosen() {
    let (mut left, mut right) = pair_with_incident();
    let id = RecordId::Incident(incident(1));
    left.edit(incident_notes(1, "roof is gone"));
    right.edit(incident_notes(1, "two trapped"));
    meet(&mut left, &mut right);

    let [conflict] = left.conflicts(id) else { panic!("one conflict") };
    assert_eq!((conflict.kind, conflict.field.as_str()), (ConflictKind::Values, "notes"));
    let values: Vec<_> = conflict.rivals.iter().map(|rival| (rival.value.clone(), rival.author, rival.shown)).collect();
    assert_eq!(
        values,
        [(json!("roof is gone"), left.author, false), (json!("two trapped"), right.author, true)],
        "both values, their authors, and the one shown"
    );
    assert_eq!(left.incident(1).notes, "two trapped");
    assert!(conflict.rivals.iter().all(|rival| rival.at_ms > START_MS));

    left.settle(id, "notes", &json!("roof is gone")).expect("a rival can be chosen");
    assert!(left.conflicts(id).is_empty());
    meet(&mut left, &mut right);
    assert_eq!(right.incident(1).notes, "roof is gone");
    assert!(right.conflicts(id).is_empty());
}

#[test]
fn choosing_what_is_shown_settles_too() {
    let (mut left, mut right) = pair_with_incident();
    let id = RecordId::Incident(incident(1));
    left.edit(incident_notes(1, "roof is gone"));
    right.edit(incident_notes(1, "two trapped"));
    meet(&mut left, &mut right);
    let settled = left.settle(id, "notes", &json!("two trapped")).expect("a rival can be chosen");
    assert_eq!(settled.effect, EditEffect::Changed);
    meet(&mut left, &mut right);
    assert!(right.conflicts(id).is_empty());
    assert_eq!(right.incident(1).notes, "two trapped");
}

#[test]
fn writing_the_shown_value_again_settles_it() {
    let (mut left, mut right) = pair_with_incident();
    left.edit(incident_notes(1, "roof is gone"));
    right.edit(incident_notes(1, "two trapped"));
    meet(&mut left, &mut right);
    assert_eq!(right.edit(incident_notes(1, "two trapped")), EditEffect::Changed);
    meet(&mut left, &mut right);
    assert!(left.conflicts(RecordId::Incident(incident(1))).is_empty());
}

#[test]
fn the_same_value_from_two_sides_is_no_conflict() {
    let (mut left, mut right) = pair_with_incident();
    left.edit(incident_notes(1, "two trapped"));
    right.edit(incident_notes(1, "two trapped"));
    meet(&mut left, &mut right);
    assert!(left.conflicts(RecordId::Incident(incident(1))).is_empty());
    assert_eq!(left.edit(incident_notes(1, "two trapped")), EditEffect::Unchanged);
}

#[test]
fn different_fields_never_conflict() {
    let (mut left, mut right) = pair_with_incident();
    left.edit(incident_notes(1, "two trapped"));
    let change = IncidentChange { priority: Some(1), ..IncidentChange::default() };
    right.edit(Edit::IncidentChange(mission(), incident(1), change));
    meet(&mut left, &mut right);
    assert!(left.shown.conflicts.is_empty());
    assert_eq!((left.incident(1).notes.as_str(), left.incident(1).priority), ("two trapped", 1));
}

#[test]
fn two_assignees_of_one_task_are_named_as_such() {
    let (mut left, mut right) = pair();
    for n in [1, 2] {
        left.edit(Edit::UnitAdd(mission(), unit_new(n)));
    }
    left.edit(Edit::TaskOpen(mission(), task_new(1)));
    right.take_from(&left);
    let assign = |n| {
        let change = TaskChange { assignee: Change::Set(unit(n)), ..TaskChange::default() };
        Edit::TaskChange(mission(), task(1), change)
    };
    left.edit(assign(1));
    right.edit(assign(2));
    meet(&mut left, &mut right);
    let id = RecordId::Task(task(1));
    let [conflict] = right.conflicts(id) else { panic!("one conflict") };
    assert_eq!((conflict.kind, conflict.field.as_str()), (ConflictKind::Assignees, "assignee"));
    right.settle(id, "assignee", &json!(unit(1).to_string())).expect("a rival can be chosen");
    meet(&mut left, &mut right);
    assert_eq!(left.task(1).assignee, Some(unit(1)));
    assert!(left.conflicts(id).is_empty());
}

#[test]
fn a_deletion_that_meets_an_edit_is_asked_about_and_can_go_both_ways() {
    for keep in [true, false] {
        let (mut left, mut right) = pair_with_incident();
        let id = RecordId::Incident(incident(1));
        left.edit(deletion_of(1));
        right.edit(incident_notes(1, "two trapped"));
        meet(&mut left, &mut right);
        let [conflict] = left.conflicts(id) else { panic!("one conflict") };
        assert_eq!((conflict.kind, conflict.field.as_str()), (ConflictKind::DeletedAndEdited, "deleted"));
        let rivals: Vec<_> = conflict.rivals.iter().map(|rival| (rival.value.clone(), rival.author)).collect();
        assert_eq!(rivals, [(json!("edited"), right.author), (json!("deleted"), left.author)]);
        assert!(left.incident(1).deleted.is_some(), "deleted until people say otherwise");
        assert_eq!(left.incident(1).notes, "two trapped", "and nothing is lost");

        right.settle(id, "deleted", &json!(if keep { "edited" } else { "deleted" })).expect("a rival can be chosen");
        meet(&mut left, &mut right);
        assert!(left.conflicts(id).is_empty());
        assert_eq!(left.incident(1).deleted.is_none(), keep);
    }
}

#[test]
fn an_edit_by_the_deleter_is_not_taken_for_the_rival() {
    let (mut left, mut right) = pair_with_incident();
    for notes in ["one", "two", "three"] {
        left.edit(incident_notes(1, notes));
    }
    left.edit(deletion_of(1));
    let change = IncidentChange { priority: Some(5), ..IncidentChange::default() };
    right.edit(Edit::IncidentChange(mission(), incident(1), change));
    meet(&mut left, &mut right);
    let [conflict] = left.conflicts(RecordId::Incident(incident(1))) else { panic!("one conflict") };
    assert_eq!(conflict.rivals[0].author, right.author);
}

#[test]
fn two_deletions_agree() {
    let (mut left, mut right) = pair_with_incident();
    left.edit(deletion_of(1));
    right.edit(deletion_of(1));
    meet(&mut left, &mut right);
    assert!(left.shown.conflicts.is_empty());
    assert!(left.incident(1).deleted.is_some());
}

#[test]
fn a_deletion_after_the_edit_was_seen_settles_a_blind_one() {
    let (mut left, mut right) = pair_with_incident();
    left.edit(deletion_of(1));
    right.edit(incident_notes(1, "false alarm"));
    right.edit(deletion_of(1));
    meet(&mut left, &mut right);
    assert!(left.shown.conflicts.is_empty());
    assert!(left.incident(1).deleted.is_some());
}

#[test]
fn a_restoration_that_meets_a_fresh_deletion_is_asked_about() {
    let (mut left, mut right) = pair_with_incident();
    let id = RecordId::Incident(incident(1));
    left.edit(deletion_of(1));
    right.take_from(&left);
    left.edit(Edit::Restore(mission(), id));
    right.edit(Edit::Restore(mission(), id));
    right.edit(deletion_of(1));
    meet(&mut left, &mut right);
    let [conflict] = left.conflicts(id) else { panic!("one conflict") };
    assert_eq!(conflict.kind, ConflictKind::DeletedAndEdited);
    left.settle(id, "deleted", &json!("deleted")).expect("a rival can be chosen");
    meet(&mut left, &mut right);
    assert!(right.shown.conflicts.is_empty());
    assert!(right.incident(1).deleted.is_some());
}

#[test]
fn what_was_at_odds_before_a_deletion_comes_up_again_when_it_is_undone() {
    let (mut left, mut right) = pair_with_incident();
    let id = RecordId::Incident(incident(1));
    left.edit(incident_notes(1, "roof is gone"));
    right.edit(incident_notes(1, "two trapped"));
    meet(&mut left, &mut right);
    left.edit(deletion_of(1));
    assert!(left.conflicts(id).is_empty());
    left.edit(Edit::Restore(mission(), id));
    assert_eq!(left.conflicts(id).len(), 1);
    meet(&mut left, &mut right);
}

#[test]
fn a_conflict_over_closing_the_mission_can_be_settled_while_it_reads_closed() {
    let (mut left, mut right) = pair();
    let id = RecordId::Mission(mission());
    let status =
        |status| Edit::MissionChange(mission(), MissionChange { status: Some(status), ..MissionChange::default() });
    left.edit(status(MissionStatus::Closed));
    right.edit(status(MissionStatus::Closed));
    right.edit(status(MissionStatus::Active));
    meet(&mut left, &mut right);
    left.settle(id, "status", &json!("closed")).expect("a rival can be chosen");
    meet(&mut left, &mut right);
    assert_eq!(right.mission().status, MissionStatus::Closed);
    assert!(right.shown.conflicts.is_empty());
}

#[test]
fn a_choice_that_is_no_rival_is_refused() {
    let (mut left, mut right) = pair_with_incident();
    let id = RecordId::Incident(incident(1));
    let resolve = |field: &str| {
        let resolution = Resolution { field: field.to_owned(), choice: Digest([7; 32]) };
        Edit::ConflictResolve(mission(), id, resolution)
    };
    assert!(matches!(left.try_edit(resolve("notes")), Err(Refusal::NoConflict { .. })));
    left.edit(incident_notes(1, "roof is gone"));
    right.edit(incident_notes(1, "two trapped"));
    meet(&mut left, &mut right);
    for field in ["notes", "kind", "deleted", "no such field"] {
        assert!(matches!(left.try_edit(resolve(field)), Err(Refusal::NoConflict { .. })), "{field}");
    }
    assert_eq!(left.conflicts(id).len(), 1);
}

#[test]
fn three_sides_give_three_rivals_in_one_order() {
    let (mut left, mut right) = pair_with_incident();
    let mut third = Member::new(3);
    third.take_from(&left);
    left.edit(incident_notes(1, "a"));
    right.edit(incident_notes(1, "b"));
    third.edit(incident_notes(1, "c"));
    third.take_from(&right);
    third.take_from(&left);
    meet(&mut left, &mut right);
    left.take_from(&third);
    right.take_from(&third);
    left.must_equal(&third);
    right.must_equal(&third);
    let [conflict] = left.conflicts(RecordId::Incident(incident(1))) else { panic!("one conflict") };
    assert_eq!(conflict.rivals.iter().filter(|rival| rival.shown).count(), 1);
    assert_eq!(conflict.rivals.len(), 3);
}

#[test]
fn illegal_steps_are_judged_by_what_is_shown() {
    let (mut left, mut right) = pair_with_incident();
    let status = |status| {
        Edit::IncidentChange(
            mission(),
            incident(1),
            IncidentChange { status: Some(status), ..IncidentChange::default() },
        )
    };
    left.edit(status(IncidentStatus::Closed));
    right.edit(status(IncidentStatus::Dispatched));
    meet(&mut left, &mut right);
    let shown = left.incident(1).status;
    assert_eq!(left.try_edit(status(IncidentStatus::Contained)).is_ok(), shown.step(IncidentStatus::Contained).is_ok());
}
