//! Fear: clocks jump while people work, and what was written later loses, or is refused.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::EPOCH_MS;
use holdfast_world::world::World;

const HOUR_MS: u64 = 3_600_000;

#[test]
fn clocks_that_jump_by_hours_days_and_decades_change_nothing_but_times() {
    for (seed, jump_ms) in [(61, HOUR_MS), (62, 48 * HOUR_MS), (63, 20 * 365 * 24 * HOUR_MS)] {
        let mut world = World::new(seed);
        let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
        world.mesh(&nodes, Profile::LAN);
        let mut story = Story::begin(&mut world, 0);
        for wall_ms in [EPOCH_MS + jump_ms, EPOCH_MS - jump_ms, 0, EPOCH_MS] {
            world.set_clock(1, wall_ms);
            story.busy(&mut world, &nodes, 12, 500);
        }
        demand_agreement(&mut world, &nodes, 10_000);
    }
}

#[test]
fn who_writes_last_wins_though_the_clock_fell_back() {
    use holdfast_domain::edit::Edit;
    use holdfast_domain::field::Change;
    use holdfast_domain::incident::IncidentChange;
    let mut world = World::new(64);
    let nodes = world.nodes(&["hub", "engine-7"]);
    world.line(&nodes, Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    let incident = story.incident(&mut world, 0, "1 Pier Street");
    demand_agreement(&mut world, &nodes, 5_000);
    for (wall_ms, notes) in [(EPOCH_MS + 50 * HOUR_MS, "before the jump"), (EPOCH_MS - 50 * HOUR_MS, "after the jump")]
    {
        world.set_clock(1, wall_ms);
        let change = IncidentChange { notes: Change::Set(notes.to_owned()), ..IncidentChange::default() };
        world.edit(1, Edit::IncidentChange(story.mission, incident, change)).expect("edited");
    }
    demand_agreement(&mut world, &nodes, 5_000);
    let views = world.engine(0).store().reader().expect("a reader");
    assert_eq!(views.incident_by_id(incident).expect("views").expect("there").record.notes, "after the jump");
}
