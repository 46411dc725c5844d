//! Fear: bytes that are no frames stop a node, or fill it.

use holdfast_domain::frame::Bye;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_guilt;
use holdfast_world::story::beside;

#[test]
fn garbage_and_oversize_end_that_link_alone() {
    for (seed, malice) in [(211, Malice::Garbage), (212, Malice::Oversize)] {
        let (world, nodes, _) = beside(seed, malice);
        demand_guilt(&world, &nodes, nodes.len(), &[Bye::BadFrame]);
    }
}
