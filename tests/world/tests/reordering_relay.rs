//! Fear: packs overtake greetings, acknowledgements and each other, and something falls in between.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn classes_that_overtake_each_other_lose_nothing() {
    for seed in 251..254 {
        let mut world = World::new(seed);
        let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
        world.line(&nodes, Profile { reorder_permille: 300, jitter_us: 400_000, ..Profile::CONTACT });
        let mut story = Story::begin(&mut world, 0);
        story.busy(&mut world, &nodes, 60, 400);
        demand_agreement(&mut world, &nodes, 30_000);
    }
}
