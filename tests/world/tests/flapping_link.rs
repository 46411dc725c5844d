//! Fear: a link that comes and goes starts over each time and never gets anywhere.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn every_short_window_gets_further() {
    let mut world = World::new(271);
    let nodes = world.nodes(&["hub", "engine-7"]);
    let link = world.link(nodes[0], nodes[1], Profile::CONTACT);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(2_000);
    world.cut(link);
    story.busy(&mut world, &nodes[..1], 300, 1_000);
    let mut windows = 0;
    while world.engine(0).frontier() != world.engine(1).frontier() {
        windows += 1;
        assert!(windows <= 60, "windows of 800 ms get nowhere");
        world.heal();
        world.run_for_ms(800);
        world.cut(link);
        world.run_for_ms(200);
    }
    world.heal();
    demand_agreement(&mut world, &nodes, 10_000);
}
