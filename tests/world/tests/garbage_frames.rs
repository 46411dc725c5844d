//! Fear: bytes that are no frames stop a node, or fill it.

use holdfast_domain::frame::Bye;
use holdfast_driver::effect::Notice;
use holdfast_world::link::Profile;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn garbage_and_oversize_end_that_link_alone() {
    for (seed, malice) in [(211, Malice::Garbage), (212, Malice::Oversize)] {
        let mut world = World::new(seed);
        let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
        world.line(&nodes, Profile::LAN);
        let mut story = Story::begin(&mut world, 0);
        world.run_for_ms(2_000);
        let mallory = world.mallory(malice, 0);
        world.link(mallory, nodes[0], Profile::LAN);
        world.link(nodes[1], mallory, Profile::LAN);
        story.busy(&mut world, &nodes, 40, 1_000);
        demand_agreement(&mut world, &nodes, 10_000);
        let refused = |(_, notice): &(usize, Notice)| matches!(notice, Notice::PeerRefused { reason, .. } if *reason == Bye::BadFrame);
        assert!(world.told().iter().any(refused), "{malice:?} was not told: {:?}", world.told());
    }
}
