//! Fear: a link goes down in the middle of a frame, and what had come of it spoils something.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn prefixes_of_frames_reach_the_receiver_and_do_no_harm() {
    let mut world = World::new(281);
    let nodes = world.nodes(&["hub", "engine-7"]);
    let link = world.link(nodes[0], nodes[1], Profile::RADIO);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    world.cut(link);
    story.busy(&mut world, &nodes[..1], 200, 100);
    (0..5).for_each(|_| story.track(&mut world, 0, 1_000));
    for window in 0..10 {
        world.heal();
        world.run_for_ms(1_900 + 137 * window);
        world.cut(link);
        world.run_for_ms(500);
    }
    assert!(world.partials > 0, "no frame was cut in two");
    world.heal();
    demand_agreement(&mut world, &nodes, 120_000);
}
