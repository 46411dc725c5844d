//! Fear: a disk fills up while others send, and what they sent in vain is believed to be held.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn a_disk_that_fills_up_and_heals_again_and_again_takes_everything_in_the_end() {
    let mut world = World::new(71);
    let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
    world.line(&nodes, Profile::RADIO.at_bps(256_000));
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    for _ in 0..12 {
        world.fail_commits(1, true);
        story.busy(&mut world, &[0, 2], 6, 700);
        world.fail_commits(1, false);
        world.run_for_ms(1_500);
    }
    demand_agreement(&mut world, &nodes, 60_000);
}
