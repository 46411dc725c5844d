//! Fear: a peer claims to hold what it does not, and others stop telling each other, or doubt themselves.

use holdfast_driver::effect::Notice;
use holdfast_world::link::Profile;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn a_peer_that_claims_more_than_anybody_wrote_keeps_nothing_from_others() {
    for (seed, malice) in [(201, Malice::Liar), (202, Malice::Liar)] {
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
        let forked = |(_, notice): &(usize, Notice)| matches!(notice, Notice::Fork { .. });
        assert!(!world.told().iter().any(forked), "a claim without proof was believed: {:?}", world.told());
    }
}
