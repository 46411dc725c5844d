//! Fear: somebody speaks in the name of another, or of the org.

use holdfast_domain::frame::Bye;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_guilt;
use holdfast_world::story::beside;

#[test]
fn nothing_forged_is_taken_and_the_forger_is_told() {
    for (seed, malice) in [(231, Malice::Forger), (232, Malice::Impostor)] {
        let (world, nodes, _) = beside(seed, malice);
        demand_guilt(&world, &nodes, nodes.len(), &[Bye::BadSignature, Bye::BadCredential]);
    }
}
