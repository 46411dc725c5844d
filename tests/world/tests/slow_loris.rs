//! Fear: a peer that takes and never answers fills the memory of whoever serves it.

use holdfast_domain::limits::IN_FLIGHT_BYTES_MAX;
use holdfast_world::mallory::Malice;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::beside;

#[test]
fn who_is_silent_costs_a_bounded_queue_and_keeps_nobody_waiting() {
    for (seed, malice) in [(241, Malice::Mute), (242, Malice::SlowLoris)] {
        let (mut world, nodes, mut story) = beside(seed, malice);
        // Bulk that nobody acknowledges is not sent on and on.
        for _ in 0..40 {
            story.track(&mut world, 0, 1_000);
            world.run_for_ms(200);
        }
        demand_agreement(&mut world, &nodes, 30_000);
        assert!(world.queue_bytes_most <= 4 * IN_FLIGHT_BYTES_MAX, "{} bytes waited", world.queue_bytes_most);
    }
}
