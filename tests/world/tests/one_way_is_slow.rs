//! Fear: what is fast one way and a trickle the other stands still for want of acknowledgements.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn a_trickle_of_acknowledgements_carries_much() {
    let mut world = World::new(291);
    let nodes = world.nodes(&["hub", "engine-7"]);
    let slow_back = Profile { rate_bps: [4_000_000, 9_600], delay_us: [50_000, 600_000], ..Profile::LAN };
    let link = world.link(nodes[0], nodes[1], slow_back);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(10_000);
    world.cut(link);
    for _ in 0..60 {
        story.track(&mut world, 0, 500);
    }
    story.busy(&mut world, &nodes, 40, 100);
    world.heal();
    demand_agreement(&mut world, &nodes, 60_000);
}
