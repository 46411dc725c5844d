//! Fear: a timeout made for fast links keeps a slow one from ever coming up.

use std::time::Duration;

use holdfast_transport::profile::LinkProfile;

use crate::pair::{DIALLER, LISTENER, Pair};
use crate::wire::Nature;

fn modem(loss: f64) -> Nature {
    Nature { rate_bps: 9_600, delay: Duration::from_millis(500), loss, queue_bytes: 16_000, jitter: Duration::ZERO }
}

/// How long it takes until both ends are connected; a dialler that gives up dials again.
fn comes_up(profile: Option<LinkProfile>, seed: u64) -> (Duration, u32) {
    let mut pair = Pair::new(profile, [modem(0.3); 2], seed);
    let mut dials = 0;
    while pair.ends.iter().any(|end| end.connected_at.is_none()) {
        pair.dial();
        dials += 1;
        let settled =
            |pair: &mut Pair| pair.ends[DIALLER].lost || pair.ends.iter().all(|end| end.connected_at.is_some());
        assert!(pair.run(Duration::from_mins(5), settled), "{profile:?}, seed {seed}: no handshake");
    }
    (pair.elapsed(), dials)
}

#[test]
fn a_modem_that_loses_a_third_of_all_packets_comes_up() {
    for profile in [Some(LinkProfile::Narrowband), None] {
        let mut times: Vec<(Duration, u32)> = (1..=20).map(|seed| comes_up(profile, seed)).collect();
        times.sort_unstable();
        let (half, all) = (times[9].0, times[19].0);
        println!("9.6 kbit/s, 1 s, loss 30 %, {profile:?}: half within {half:.1?}, all within {all:.1?}");
        if profile.is_some() {
            assert!(times.iter().all(|(_, dials)| *dials == 1), "a handshake was given up: {times:?}");
        }
    }
}

#[test]
fn a_quiet_modem_link_stays_up_and_spends_a_hundredth_of_itself_on_it() {
    let mut pair = Pair::new(Some(LinkProfile::Narrowband), [modem(0.05); 2], 1);
    pair.dial();
    assert!(pair.run(Duration::from_mins(1), |pair| pair.ends[DIALLER].connected_at.is_some()), "no handshake");
    let settled = pair.elapsed() + Duration::from_mins(1);
    pair.run(settled, |_| false);
    let before = pair.wires[0].carried_bytes + pair.wires[1].carried_bytes;
    pair.run(settled + Duration::from_hours(1), |_| false);
    assert!(!pair.ends[DIALLER].lost && !pair.ends[LISTENER].lost, "the quiet link was given up");
    let a_second = (pair.wires[0].carried_bytes + pair.wires[1].carried_bytes - before) as f64 / 3_600.0;
    println!("quiet modem link: {a_second:.1} bytes a second both ways with UDP and IP");
    assert!(a_second <= 12.0, "{a_second:.1} bytes a second");
}
