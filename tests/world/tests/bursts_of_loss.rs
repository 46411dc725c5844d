//! Fear: a mobile network at the edge of its cell loses in bursts, is slow one way, queues deeply, and all stands still.

use holdfast_world::link::Profile;
use holdfast_world::oracle::bound_ms;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn cells_with_bursts_of_loss_and_unequal_ways_agree_in_time() {
    for seed in 261..264 {
        let mut world = World::new(seed);
        let nodes = world.nodes(&["hub", "engine-7", "truck-3", "medic-17"]);
        for &node in &nodes[1..] {
            world.link(node, nodes[0], Profile::CELL);
        }
        let mut story = Story::begin(&mut world, 0);
        story.busy(&mut world, &nodes, 80, 1_000);
        let bound = bound_ms(&world, &nodes);
        demand_agreement(&mut world, &nodes, bound);
    }
}
