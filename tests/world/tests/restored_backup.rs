//! Fear: last week's backup is put back, the node writes its numbers anew, and others lose or refuse its words.

use holdfast_driver::effect::Notice;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn a_disk_of_last_week_rises_to_a_fresh_epoch_and_nothing_of_others_is_lost() {
    let mut world = World::new(51);
    let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
    world.line(&nodes, Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 5_000);
    world.backup(1);
    for _ in 0..7 {
        story.busy(&mut world, &nodes, 9, 1_000);
        world.part(&nodes[..1], &nodes[1..]);
        world.part(&nodes[1..2], &nodes[2..]);
        world.run_for_ms(24 * 3_600_000);
        world.heal();
    }
    demand_agreement(&mut world, &nodes, 10_000);
    let before = world.engine(1).author();
    assert!(world.restore(1));
    world.run_for_ms(5_000);
    assert!(world.told().iter().any(|(at, notice)| *at == 1 && matches!(notice, Notice::EpochRaised { .. })));
    assert_ne!(world.engine(1).author(), before);
    story.busy(&mut world, &nodes, 30, 1_000);
    demand_agreement(&mut world, &nodes, 10_000);
    assert!(!world.told().iter().any(|(_, notice)| matches!(notice, Notice::Fork { .. })), "nothing was forked");
}
