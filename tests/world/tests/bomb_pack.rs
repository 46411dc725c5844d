//! Fear: a small pack unpacks to more than a Pi has.

use holdfast_domain::frame::Bye;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_guilt;
use holdfast_world::story::beside;

#[test]
fn a_pack_that_unpacks_to_very_much_is_cut_off_and_told() {
    for seed in [221, 222] {
        let (world, nodes, _) = beside(seed, Malice::Bomb);
        demand_guilt(&world, &nodes, nodes.len(), &[Bye::BadFrame]);
    }
}
