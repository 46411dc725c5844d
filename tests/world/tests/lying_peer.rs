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
        for &node in &nodes {
            println!("{:?}", world.counters(node));
            demand_untouched(&world, node, nodes.len());
        }
    }
}
