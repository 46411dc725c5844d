//! The fear: two nodes import the same file while apart, both make the same records, and work on them is lost.

use crate::crew::*;
use holdfast_domain::edit::{Edit, EditEffect};
use holdfast_domain::incident::IncidentChange;
use holdfast_domain::record::RecordId;
use serde_json::json;

fn births() -> (Member, Member) {
    let (mut left, mut right) = pair();
    for member in [&mut left, &mut right] {
        assert_eq!(member.edit(Edit::IncidentOpen(mission(), incident_new(1))), EditEffect::Created);
    }
    (left, right)
}

fn priority(n: u8) -> Edit {
    Edit::IncidentChange(mission(), incident(1), IncidentChange { priority: Some(n), ..IncidentChange::default() })
}

#[test]
fn the_same_import_on_two_sides_is_one_record_without_conflict() {
    let (mut left, mut right) = births();
    meet(&mut left, &mut right);
    assert!(left.shown.conflicts.is_empty());
    assert_eq!(left.edit(Edit::IncidentOpen(mission(), incident_new(1))), EditEffect::Unchanged);
    assert_eq!(left.shown.rows.len(), 2, "the mission and one incident");
}

#[test]
fn an_edit_made_while_apart_outlives_the_other_birth() {
    for first in [true, false] {
        let (mut left, mut right) = births();
        let editor = if first { &mut left } else { &mut right };
        editor.edit(incident_notes(1, "two trapped"));
        editor.edit(priority(1));
        meet(&mut left, &mut right);
        assert!(left.shown.conflicts.is_empty(), "a birth gives way to an edit");
        assert_eq!((left.incident(1).notes.as_str(), left.incident(1).priority), ("two trapped", 1));
    }
}

#[test]
fn edits_on_both_sides_are_rivals() {
    let (mut left, mut right) = births();
    left.edit(priority(1));
    right.edit(priority(5));
    meet(&mut left, &mut right);
    let id = RecordId::Incident(incident(1));
    assert_eq!(left.conflicts(id).len(), 1);
    left.settle(id, "priority", &json!(1)).expect("a rival can be chosen");
    meet(&mut left, &mut right);
    assert_eq!(right.incident(1).priority, 1);
    assert!(right.shown.conflicts.is_empty());
}

#[test]
fn births_that_differ_are_rivals() {
    let (mut left, mut right) = pair();
    left.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    let mut other = incident_new(1);
    "Gas Leak".clone_into(&mut other.kind);
    right.edit(Edit::IncidentOpen(mission(), other));
    meet(&mut left, &mut right);
    let id = RecordId::Incident(incident(1));
    assert_eq!(left.conflicts(id).len(), 1);
    right.settle(id, "kind", &json!("Structure Fire")).expect("a rival can be chosen");
    meet(&mut left, &mut right);
    assert_eq!(left.incident(1).kind, "Structure Fire");
    assert!(left.shown.conflicts.is_empty());
}

#[test]
fn an_edit_after_the_meeting_replaces_what_stood_in_both() {
    let (mut left, mut right) = births();
    left.edit(priority(1));
    meet(&mut left, &mut right);
    right.edit(priority(4));
    meet(&mut left, &mut right);
    assert_eq!(left.incident(1).priority, 4);
    assert!(left.shown.conflicts.is_empty());
}

#[test]
fn a_third_birth_that_comes_late_changes_nothing() {
    let (mut left, mut right) = births();
    let mut third = Member::new(3);
    third.take(&left.log[..1]);
    third.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    left.edit(priority(1));
    meet(&mut left, &mut right);
    right.edit(priority(4));
    right.take_from(&third);
    meet(&mut left, &mut right);
    assert_eq!(left.incident(1).priority, 4);
    assert!(left.shown.conflicts.is_empty());
}

#[test]
fn a_deletion_holds_against_an_equal_birth() {
    let (mut left, mut right) = births();
    left.edit(Edit::Delete(mission(), RecordId::Incident(incident(1))));
    meet(&mut left, &mut right);
    assert!(right.incident(1).deleted.is_some());
    assert!(right.shown.conflicts.is_empty());
}

#[test]
fn a_mission_opened_twice_is_one_mission() {
    let (mut left, mut right) = (Member::new(1), Member::new(2));
    left.edit(mission_new());
    right.edit(mission_new());
    left.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    right.edit(Edit::IncidentOpen(mission(), incident_new(2)));
    meet(&mut left, &mut right);
    assert_eq!(left.shown.rows.len(), 3);
    assert!(left.shown.conflicts.is_empty());
}
