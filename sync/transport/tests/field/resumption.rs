//! Fear: every meeting costs a full introduction, on links where that takes seconds.

use std::time::Duration;

use holdfast_domain::scope::Class;
use holdfast_transport::profile::Met;

use crate::pair::{DIALLER, LISTENER, Pair};
use crate::wire::{HEADERS_BYTES, Nature};

/// What a meeting with nothing to say cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Bytes both ways, the goodbye included, and the same with UDP and IP.
    bytes: u64,
    bytes_on_air: u64,
    /// Until the dialler may speak, and until it has heard the listener's first word.
    connected: Duration,
    heard: Duration,
}

impl Cost {
    fn tell(&self, which: &str) {
        let Self { bytes, bytes_on_air, connected, heard } = self;
        println!("met {which}: {bytes} bytes, {bytes_on_air} on air; connected {connected:.0?}, heard {heard:.0?}");
    }
}

fn meet(pair: &mut Pair) -> Cost {
    let begun = pair.elapsed();
    let on_air = |pair: &Pair| pair.wires.iter().map(|wire| wire.carried_bytes).sum::<u64>();
    let datagrams = |pair: &Pair| pair.ends.iter().map(|end| end.sent_datagrams).sum::<u64>();
    let before = (on_air(pair), datagrams(pair));
    let read_before = pair.ends[DIALLER].read_bytes;
    pair.ends[LISTENER].connection = None;
    pair.dial();
    let mut spoken = false;
    let mut connected = None;
    let heard = pair.run(begun + Duration::from_secs(30), |pair| {
        // The listener speaks as soon as the dialler's device is proved, as the endpoint does.
        let proved = |pair: &mut Pair| pair.connection(LISTENER).crypto_session().peer_identity().is_some();
        if !spoken && pair.ends[LISTENER].connection.is_some() && proved(pair) {
            let stream = pair.open(LISTENER, Class::P2);
            spoken = pair.connection(LISTENER).send_stream(stream).write(&[1; 100]).is_ok();
        }
        connected = connected.or(pair.ends[DIALLER].connected_at);
        pair.ends[DIALLER].read_bytes > read_before
    });
    assert!(heard, "no word came");
    let heard_at = pair.elapsed();
    // What still belongs to the handshake goes to and fro.
    pair.run(heard_at + Duration::from_secs(3), |_| false);
    pair.hang_up(DIALLER);
    let hung_up = pair.elapsed();
    pair.run(hung_up + Duration::from_secs(3), |_| false);
    let bytes_on_air = on_air(pair) - before.0;
    let bytes = bytes_on_air - (datagrams(pair) - before.1) * HEADERS_BYTES;
    let connected = connected.map_or(heard_at, |at| at.duration_since(pair.begun));
    Cost { bytes, bytes_on_air, connected: connected.saturating_sub(begun), heard: heard_at.saturating_sub(begun) }
}

#[test]
fn a_known_peer_is_met_again_for_little_and_heard_after_one_round_trip() {
    let round_trip = Duration::from_millis(600);
    let nature =
        Nature { rate_bps: 250_000, delay: round_trip / 2, loss: 0.0, queue_bytes: 64_000, jitter: Duration::ZERO };
    let mut pair = Pair::acquainted(None, [nature; 2], 1, Some(Met { rtt: round_trip, rate_bps: None }));
    let cold = meet(&mut pair);
    cold.tell("first");
    for _ in 0..3 {
        let known = meet(&mut pair);
        known.tell("again");
        // The word took 104 of them.
        assert!(known.bytes <= 4_096, "{known:?}");
        // The packets of a handshake are padded to 1,200 bytes each way.
        let packets = Duration::from_secs_f64(4.0 * 1_228.0 * 8.0 / 250_000.0);
        assert!(known.heard <= round_trip + packets, "{known:?}");
        assert!(known.bytes < cold.bytes && known.connected <= cold.connected, "{known:?}");
    }
}
