//! Fear: a small pack unpacks to more than a Pi has.

use holdfast_domain::frame::Bye;
use holdfast_driver::effect::Notice;
use holdfast_world::link::Profile;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn a_pack_that_unpacks_to_very_much_is_cut_off_and_told() {
    for (seed, malice) in [(221, Malice::Bomb), (222, Malice::Bomb)] {
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
