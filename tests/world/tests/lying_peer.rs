//! Fear: a peer claims to hold what it does not, and others stop telling each other, or doubt themselves.

use holdfast_driver::effect::Notice;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_untouched;
use holdfast_world::story::beside;

#[test]
fn a_peer_that_claims_more_than_anybody_wrote_keeps_nothing_from_others() {
    for seed in [201, 202] {
        let (world, nodes, _) = beside(seed, Malice::Liar);
        let forked = |(_, notice): &(usize, Notice)| matches!(notice, Notice::Fork { .. });
        assert!(!world.told().iter().any(forked), "a claim without proof was believed: {:?}", world.told());
        let liar = nodes.len();
        for &node in &nodes {
            demand_untouched(&world, node, liar);
            let told = |what: fn(&Notice) -> bool| {
                world.told().iter().filter(|(of, notice)| *of == node && what(notice)).count() as u64
            };
            let doubted = told(|notice| matches!(notice, Notice::PeerDoubted { .. }));
            let counted = world.counters(node).get("own_history_doubted").copied().unwrap_or(0);
            assert_eq!(counted, doubted, "node {node}");
            assert!(told(|notice| matches!(notice, Notice::EpochRaised { .. })) <= 1, "a bare word makes one author");
            let met = world.counters(node).contains_key("own_history");
            assert!(!met || doubted > 0, "node {node} was lied to all the time: {:?}", world.counters(node));
        }
    }
}
