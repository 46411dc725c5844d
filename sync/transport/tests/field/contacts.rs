//! Fear: a vehicle drives by for seconds, and they are spent on finding out again what the radio carries.

use std::time::Duration;

use holdfast_domain::scope::Class;
use holdfast_transport::profile::Met;

use crate::pair::{DIALLER, LISTENER, Pair};
use crate::wire::Nature;

fn nature(rate_bps: u64, round_trip_ms: u64, loss: f64) -> Nature {
    let queue_bytes = (rate_bps / 8 * round_trip_ms.max(200) / 1_000).max(6_000);
    Nature { rate_bps, delay: Duration::from_millis(round_trip_ms / 2), loss, queue_bytes, jitter: Duration::ZERO }
}

/// Bytes read of a contact of so long, and packets that found the queue full, on average over some seeds.
fn contact(nature: Nature, lasts: Duration, met: Option<Met>) -> (f64, f64) {
    const SEEDS: u64 = 20;
    let (mut read, mut overflowed) = (0, 0);
    for seed in 0..SEEDS {
        let mut pair = Pair::acquainted(None, [nature; 2], seed, met);
        pair.dial();
        let mut stream = None;
        pair.run(lasts, |pair| {
            // The one that is met has more to say, as a hub does.
            if pair.ends[LISTENER].connected_at.is_some() {
                let stream = *stream.get_or_insert_with(|| pair.open(LISTENER, Class::P2));
                pair.fill(LISTENER, stream);
            }
            false
        });
        read += pair.ends[DIALLER].read_bytes;
        overflowed += pair.wires[LISTENER].overflowed;
    }
    (read as f64 / SEEDS as f64, overflowed as f64 / SEEDS as f64)
}

#[test]
fn who_was_met_over_a_narrow_way_is_met_again_without_overrunning_it() {
    for (rate_bps, round_trip_ms, loss, lasts_s) in [
        (250_000, 100, 0.0, 5),
        (250_000, 100, 0.1, 5),
        (64_000, 600, 0.0, 8),
        (64_000, 600, 0.1, 8),
        (9_600, 1_000, 0.0, 30),
    ] {
        let (nature, lasts) = (nature(rate_bps, round_trip_ms, loss), Duration::from_secs(lasts_s));
        let rtt = Duration::from_millis(round_trip_ms);
        let met = |rate_bps| Some(Met { rtt, rate_bps });
        let (strange, spilt) = contact(nature, lasts, met(None));
        let (known, kept) = contact(nature, lasts, met(Some((rate_bps as f64 * (1.0 - loss)) as u64)));
        println!(
            "{rate_bps} bit/s, {round_trip_ms} ms, loss {loss}: {strange:.0} B, {spilt:.1} spilt; known {known:.0} B, {kept:.1}"
        );
        assert!(known >= 0.98 * strange, "{known:.0} B of {strange:.0}");
        assert!(kept <= spilt / 2.0, "{kept:.1} packets spilt, {spilt:.1} by strangers");
    }
}

#[test]
fn a_way_that_has_become_another_is_found_out() {
    for (was_bps, is_bps) in [(64_000, 4_000_000), (4_000_000, 64_000)] {
        let (nature, rtt) = (nature(is_bps, 200, 0.0), Duration::from_millis(200));
        let lasts = Duration::from_secs(10);
        let (strange, _) = contact(nature, lasts, Some(Met { rtt, rate_bps: None }));
        let (known, _) = contact(nature, lasts, Some(Met { rtt, rate_bps: Some(was_bps) }));
        println!("{was_bps} -> {is_bps}: {strange:.0} B, {known:.0} B");
        assert!(known >= 0.95 * strange, "{known:.0} B of {strange:.0}");
    }
}
