//! Fear: somebody speaks in the name of another, or of the org.

use holdfast_domain::frame::Bye;
use holdfast_driver::effect::Notice;
use holdfast_world::link::Profile;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn nothing_forged_is_taken_and_the_forger_is_told() {
    for (seed, malice) in [(231, Malice::Forger), (232, Malice::Impostor)] {
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
        let refused = |(_, notice): &(usize, Notice)| matches!(notice, Notice::PeerRefused { reason, .. } if matches!(reason, Bye::BadSignature | Bye::BadCredential));
        assert!(world.told().iter().any(refused), "{malice:?} was not told: {:?}", world.told());
        let after = world.engine(0).store().quarantined().expect("a store");
        assert!(after.is_empty(), "{malice:?} left something behind: {after:?}");
    }
}
