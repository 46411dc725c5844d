//! Fear: somebody speaks in the name of another, or of the org.

use holdfast_domain::frame::Bye;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_refused;
use holdfast_world::story::beside;

#[test]
fn nothing_forged_is_taken_and_the_forger_is_told() {
    for (seed, malice) in [(231, Malice::Forger), (232, Malice::Impostor)] {
        let (world, ..) = beside(seed, malice);
        demand_refused(&world, &[Bye::BadSignature, Bye::BadCredential]);
        let after = world.engine(0).store().quarantined().expect("a store");
        assert!(after.is_empty(), "{malice:?} left something behind: {after:?}");
    }
}
