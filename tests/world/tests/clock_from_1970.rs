//! Fear: a Pi without a clock boots in 1970 and its edits vanish, win for ever, or are refused.

use holdfast_domain::edit::Edit;
use holdfast_domain::field::Change;
use holdfast_domain::incident::IncidentChange;
use holdfast_domain::query::PageRequest;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::{EPOCH_MS, World};

#[test]
fn a_node_that_boots_in_1970_joins_and_its_edits_merge() {
    let mut world = World::new(21);
    let hub = world.node("hub");
    let mut story = Story::begin(&mut world, hub);
    let incident = story.incident(&mut world, hub, "1 Pier Street");
    let pi = world.node("engine-7");
    world.power_cut(pi);
    world.set_clock(pi, 0);
    world.power_on(pi);
    world.link(pi, hub, Profile::LAN);
    demand_agreement(&mut world, &[hub, pi], 5_000);
    let change = IncidentChange { notes: Change::Set("smoke from the roof".to_owned()), ..IncidentChange::default() };
    world.edit(pi, Edit::IncidentChange(story.mission, incident, change)).expect("edited");
    story.say(&mut world, pi, "on scene");
    demand_agreement(&mut world, &[hub, pi], 5_000);
    let views = world.engine(hub).store().reader().expect("a reader");
    assert_eq!(views.incident_by_id(incident).expect("views").expect("there").record.notes, "smoke from the roof");
    assert_eq!(views.conflict_list(story.mission, &PageRequest::default()).expect("views").items.len(), 0);
}

#[test]
fn a_clock_a_year_ahead_is_told_and_drags_nobody() {
    let mut world = World::new(22);
    let hub = world.node("hub");
    let fast = world.node("engine-7");
    world.set_clock(fast, EPOCH_MS + 365 * 24 * 3_600_000);
    world.link(fast, hub, Profile::LAN);
    let story = Story::begin(&mut world, fast);
    demand_agreement(&mut world, &[hub, fast], 5_000);
    story.say(&mut world, hub, "your clock is wrong");
    demand_agreement(&mut world, &[hub, fast], 5_000);
    let now = holdfast_domain::clock::Now { mono_us: world.now_ms() * 1000, wall_ms: EPOCH_MS + world.now_ms() };
    let status = world.engine(hub).status(now).expect("status");
    assert!(status.clock_offset_ms.expect("a peer spoke") > 300 * 24 * 3_600_000);
    assert!(world.engine(hub).clock_floor_ms() < EPOCH_MS + 600_000, "the hub's clock was dragged");
}
