//! Lists must read an index in order, not sort a mission: that is what keeps them fast on a Pi.

use holdfast_domain::id::{IncidentId, MissionId, UnitId};
use holdfast_domain::incident::IncidentStatus;
use holdfast_domain::message::Channel;
use holdfast_domain::query::{AlertFilter, IncidentFilter, MessageFilter, TaskFilter, UnitFilter};

use super::Question;
use crate::alerts::alerts;
use crate::store::Store;
use crate::views::{CONFLICTS, MISSIONS, POSITIONS, fixes, incidents, messages, of_mission, tasks, units};

fn mission() -> MissionId {
    MissionId::from_bytes([1; 16])
}

fn plan(question: &Question) -> String {
    let store = Store::memory().expect("a store");
    question.plan(store.conn()).expect("a plan").join("; ")
}

#[test]
fn every_list_walks_an_index_in_its_order() {
    let status = vec![IncidentStatus::Closed, IncidentStatus::OnScene];
    let text = Some("fire".to_owned());
    let questions = [
        Question::of(&MISSIONS).deleted(false),
        incidents(mission(), &IncidentFilter::default()),
        incidents(mission(), &IncidentFilter { status, text, deleted: true }),
        tasks(mission(), &TaskFilter::default()),
        units(mission(), &UnitFilter::default()),
        messages(mission(), &MessageFilter::default()),
        messages(mission(), &MessageFilter { channel: Some(Channel::Mission) }),
        of_mission(&POSITIONS, mission()),
        fixes(UnitId::from_bytes([2; 16]), *mission().as_bytes()).only("at_ms >= ?", 5),
        of_mission(&CONFLICTS, mission()).only("open = ?", true),
        alerts(Some(mission()), AlertFilter::default()),
        alerts(None, AlertFilter { open_at_ms: Some(1) }),
    ];
    for question in questions {
        let plan = plan(&question);
        assert!(plan.contains("INDEX") && !plan.contains("TEMP B-TREE"), "{}: {plan}", question.list.table);
    }
}

#[test]
fn tasks_of_an_incident_or_a_unit_are_found_without_reading_the_mission() {
    let here = TaskFilter { incident: Some(IncidentId::from_bytes([2; 16])), ..TaskFilter::default() };
    let mine = TaskFilter { assignee: Some(UnitId::from_bytes([2; 16])), ..TaskFilter::default() };
    for (filter, index) in [(here, "tasks_by_incident"), (mine, "tasks_by_assignee")] {
        let plan = plan(&tasks(mission(), &filter));
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
