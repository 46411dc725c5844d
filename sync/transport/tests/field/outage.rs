//! Fear: the link is back, and nobody notices for minutes.

use std::time::Duration;

use holdfast_domain::scope::Class;
use holdfast_transport::profile::{LinkProfile, knobs};

use crate::pair::{DIALLER, LISTENER, Pair};
use crate::wire::Nature;

/// How long after an outage of so many seconds the listener reads something again, with the dialler's window full or with
/// something said only now and then.
fn comes_back(profile: Option<LinkProfile>, nature: Nature, outage_s: u64, bulk: bool) -> Duration {
    let mut pair = Pair::new(profile, [nature; 2], 3);
    pair.dial();
    assert!(pair.run(Duration::from_mins(1), |pair| pair.ends[DIALLER].connected_at.is_some()), "no handshake");
    let stream = pair.open(DIALLER, Class::P2);
    let cut = pair.elapsed() + Duration::from_secs(10);
    let back = cut + Duration::from_secs(outage_s);
    for wire in &mut pair.wires {
        wire.cut(pair.begun + cut, pair.begun + back);
    }
    let mut next_word = Duration::ZERO;
    let mut speak = |pair: &mut Pair| {
        if bulk {
            pair.fill(DIALLER, stream);
        } else if pair.elapsed() >= next_word {
            next_word = pair.elapsed() + Duration::from_secs(1);
            drop(pair.connection(DIALLER).send_stream(stream).write(&[1; 50]));
        }
    };
    pair.run(back, |pair| {
        speak(pair);
        false
    });
    let before = pair.ends[LISTENER].read_bytes;
    let returned = pair.run(back + Duration::from_mins(5), |pair| {
        speak(pair);
        pair.ends[LISTENER].read_bytes > before
    });
    assert!(returned, "the link never came back");
    assert!(!pair.ends[DIALLER].lost, "the link was given up");
    pair.elapsed().saturating_sub(back)
}

#[test]
fn the_first_useful_byte_follows_an_outage_within_a_beacon_and_one_and_a_half_round_trips() {
    let cases = [
        (None, 1_000_000, 200, 30),
        (None, 1_000_000, 200, 3),
        (None, 250_000, 600, 50),
        (Some(LinkProfile::Sat), 256_000, 700, 45),
        (Some(LinkProfile::Narrowband), 9_600, 1_000, 120),
    ];
    for (profile, rate_bps, round_trip_ms, outage_s) in cases {
        let round_trip = Duration::from_millis(round_trip_ms);
        let nature = Nature {
            rate_bps,
            delay: round_trip / 2,
            loss: 0.0,
            queue_bytes: rate_bps / 8 + 8_000,
            jitter: Duration::ZERO,
        };
        for bulk in [true, false] {
            let took = comes_back(profile, nature, outage_s, bulk);
            // The packets themselves take their time on a slow link.
            let packets = Duration::from_secs_f64(3.0 * 1_228.0 * 8.0 / rate_bps as f64);
            let allowed = knobs(profile).beacon + round_trip * 3 / 2 + packets + Duration::from_millis(100);
            println!(
                "{profile:?}, {rate_bps} bit/s, {round_trip_ms} ms, out for {outage_s} s, bulk {bulk}: {took:.2?} of {allowed:.2?}"
            );
            assert!(took <= allowed, "{took:?} after {outage_s} s at {rate_bps} bit/s, bulk {bulk}");
        }
    }
}

#[test]
fn a_link_that_comes_back_is_not_introduced_anew() {
    let round_trip = Duration::from_millis(100);
    let nature =
        Nature { rate_bps: 1_000_000, delay: round_trip / 2, loss: 0.0, queue_bytes: 64_000, jitter: Duration::ZERO };
    for outage_s in [3, 20, 45] {
        let mut pair = Pair::new(None, [nature; 2], 3);
        pair.dial();
        assert!(pair.run(Duration::from_mins(1), |pair| pair.ends[DIALLER].connected_at.is_some()), "no handshake");
        let stream = pair.open(DIALLER, Class::P2);
        let cut = Duration::from_secs(10);
        let back = cut + Duration::from_secs(outage_s);
        for wire in &mut pair.wires {
            wire.cut(pair.begun + cut, pair.begun + back);
        }
        pair.run(cut, |_| false);
        // Something small is owed, so that the silence is noticed.
        drop(pair.connection(DIALLER).send_stream(stream).write(&[1; 50]));
        pair.run(back, |_| false);
        let on_air = |pair: &Pair| pair.wires.iter().map(|wire| wire.carried_bytes).sum::<u64>();
        let before = on_air(&pair);
        pair.run(back + Duration::from_secs(4), |_| false);
        let cost = on_air(&pair) - before;
        println!("out for {outage_s} s: {cost} bytes on air until all is settled");
        assert_eq!(pair.ends[LISTENER].read_bytes, 50, "the word came");
        assert!(cost <= 1_000, "{cost} bytes after {outage_s} s");
    }
}

#[test]
fn few_words_both_ways_over_a_modem_draw_no_beacons() {
    for profile in [Some(LinkProfile::Narrowband), None] {
        let delay = Duration::from_millis(500);
        let nature = Nature { rate_bps: 9_600, delay, loss: 0.0, queue_bytes: 16_000, jitter: Duration::ZERO };
        let mut pair = Pair::new(profile, [nature; 2], 1);
        pair.dial();
        let both = |pair: &mut Pair| pair.ends.iter().all(|end| end.connected_at.is_some());
        assert!(pair.run(Duration::from_mins(1), both), "no handshake");
        let streams = [pair.open(DIALLER, Class::P2), pair.open(LISTENER, Class::P2)];
        // What the handshake left open is settled.
        let begun = pair.elapsed() + Duration::from_secs(30);
        pair.run(begun, |_| false);
        let beacons = |pair: &mut Pair| [DIALLER, LISTENER].map(|end| pair.connection(end).stats().frame_tx.datagram);
        let before = beacons(&mut pair);
        let mut next_word = begun;
        pair.run(begun + Duration::from_mins(10), |pair| {
            if pair.elapsed() >= next_word {
                next_word += Duration::from_secs(7);
                for end in [DIALLER, LISTENER] {
                    drop(pair.connection(end).send_stream(streams[end]).write(&[1; 50]));
                }
            }
            false
        });
        assert!(pair.ends.iter().all(|end| end.read_bytes >= 85 * 50), "words were lost");
        assert_eq!(beacons(&mut pair), before, "{profile:?}");
    }
}
