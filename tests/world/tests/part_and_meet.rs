//! Fear: two groups work apart for hours, and when they meet something is lost or they disagree.

use holdfast_domain::conflict::ConflictKind;
use holdfast_domain::edit::{Edit, Resolution};
use holdfast_domain::field::Change;
use holdfast_domain::query::PageRequest;
use holdfast_domain::record::RecordId;
use holdfast_domain::task::TaskChange;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

fn mesh(world: &mut World, names: &[&str], profile: Profile) -> Vec<usize> {
    let nodes: Vec<usize> = names.iter().map(|name| world.node(name)).collect();
    for (index, &a) in nodes.iter().enumerate() {
        for &b in &nodes[index + 1..] {
            world.link(a, b, profile);
        }
    }
    nodes
}

#[test]
fn both_sides_reassign_one_task_and_people_settle_it() {
    let mut world = World::new(1);
    let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3", "medic-17"], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    let task = story.task(&mut world, 0, "Search second floor");
    demand_agreement(&mut world, &nodes, 5_000);

    world.part(&nodes[..2], &nodes[2..]);
    story.assign(&mut world, 1, task, story.units[0]);
    story.assign(&mut world, 2, task, story.units[1]);
    story.say(&mut world, 1, "E07 takes the second floor");
    story.say(&mut world, 3, "T03 takes the second floor");
    story.incident(&mut world, 3, "12 Pier Street");
    world.run_for_ms(3_600_000);
    world.heal();
    demand_agreement(&mut world, &nodes, 10_000);

    for &node in &nodes {
        let views = world.engine(node).store().reader().expect("a reader");
        let page = views.conflict_list(story.mission, &PageRequest::default()).expect("views");
        assert_eq!(page.items.len(), 1, "node {node}: {:?}", page.items);
        let conflict = &page.items[0].record;
        assert_eq!(conflict.kind, ConflictKind::Assignees);
        assert_eq!(conflict.record, RecordId::Task(task));
        assert_eq!(conflict.rivals.len(), 2);
        assert_eq!(conflict.rivals.iter().filter(|rival| rival.shown).count(), 1);
    }

    let views = world.engine(3).store().reader().expect("a reader");
    let conflict = views.conflict_list(story.mission, &PageRequest::default()).expect("views").items.remove(0).record;
    let loser = conflict.rivals.iter().find(|rival| !rival.shown).expect("one is not shown");
    let resolution = Resolution { field: conflict.field.clone(), choice: loser.choice };
    world.edit(3, Edit::ConflictResolve(story.mission, RecordId::Task(task), resolution)).expect("settled");
    demand_agreement(&mut world, &nodes, 10_000);
    for &node in &nodes {
        let views = world.engine(node).store().reader().expect("a reader");
        assert!(views.conflict_list(story.mission, &PageRequest::default()).expect("views").items.is_empty());
        let assignee = views.task_by_id(task).expect("views").expect("the task").record.assignee;
        assert_eq!(serde_json::to_value(assignee).expect("json"), loser.value);
    }
}

#[test]
fn a_task_deleted_on_one_side_and_edited_on_the_other_is_shown_to_people() {
    let mut world = World::new(2);
    let nodes = mesh(&mut world, &["hub", "engine-7"], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    let task = story.task(&mut world, 0, "Vent the roof");
    demand_agreement(&mut world, &nodes, 5_000);
    world.part(&nodes[..1], &nodes[1..]);
    world.edit(0, Edit::Delete(story.mission, RecordId::Task(task))).expect("deleted");
    let change = TaskChange { details: Change::Set("Roof is hot".to_owned()), ..TaskChange::default() };
    world.edit(1, Edit::TaskChange(story.mission, task, change)).expect("edited");
    world.run_for_ms(60_000);
    world.heal();
    demand_agreement(&mut world, &nodes, 10_000);
    for &node in &nodes {
        let views = world.engine(node).store().reader().expect("a reader");
        let page = views.conflict_list(story.mission, &PageRequest::default()).expect("views");
        assert_eq!(page.items.len(), 1, "node {node}");
        assert_eq!(page.items[0].record.kind, ConflictKind::DeletedAndEdited);
        let kept = views.task_by_id(task).expect("views").expect("history stays").record;
        assert!(kept.deleted.is_some(), "a delete holds until people settle it");
        assert_eq!(kept.details, "Roof is hot", "the edit is not lost");
    }
}

#[test]
fn three_ways_apart_for_a_day() {
    let mut world = World::new(3);
    let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3", "medic-17", "boat-1", "brush-2"], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 5_000);
    world.part(&nodes[..2], &nodes[2..]);
    world.part(&nodes[2..4], &nodes[4..]);
    for round in 0..60 {
        story.anything(&mut world, nodes[round % nodes.len()]);
        world.run_for_ms(1_440_000);
    }
    world.heal();
    demand_agreement(&mut world, &nodes, 30_000);
}
