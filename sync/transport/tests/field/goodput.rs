//! Fear: random loss is taken for a full link, and the link stands idle while there is much to say.

use std::time::Duration;

use holdfast_domain::scope::Class;
use holdfast_transport::profile::LinkProfile;

use crate::pair::{DIALLER, LISTENER, Pair};
use crate::wire::{Nature, Wire};

const MBIT: u64 = 1_000_000;

fn nature(rate_bps: u64, round_trip_ms: u64, loss: f64) -> Nature {
    let delay = Duration::from_millis(round_trip_ms / 2);
    // A queue of a second, as radios and mobile networks have.
    Nature { rate_bps, delay, loss, queue_bytes: (rate_bps / 8).max(16_000), jitter: Duration::ZERO }
}

/// What a minute of a full link showed, ten seconds and twenty round trips after its start.
struct Shown {
    /// Share of C(1−p) that arrived as useful bytes.
    share: f64,
    /// How long a packet waited in the link's queue on average.
    mean_wait: Duration,
}

fn fill(profile: Option<LinkProfile>, nature: Nature, seed: u64) -> Shown {
    let mut pair = Pair::new(profile, [nature; 2], seed);
    pair.dial();
    assert!(pair.run(Duration::from_mins(1), |pair| pair.ends[DIALLER].connected_at.is_some()), "no handshake");
    let stream = pair.open(DIALLER, Class::P2);
    let warm = pair.elapsed() + Duration::from_secs(10) + nature.delay * 40;
    let mut flood = |pair: &mut Pair| {
        pair.fill(DIALLER, stream);
        false
    };
    pair.run(warm, &mut flood);
    pair.wires[0].forget_waits();
    let before = pair.ends[LISTENER].read_bytes;
    pair.run(warm + Duration::from_mins(1), &mut flood);
    let could = nature.rate_bps as f64 / 8.0 * (1.0 - nature.loss) * 60.0;
    Shown { share: (pair.ends[LISTENER].read_bytes - before) as f64 / could, mean_wait: pair.wires[0].mean_wait() }
}

/// What a flash alert may wait behind bulk: two packets and half a round trip.
fn wait_allowed(rate_bps: u64, round_trip_ms: u64) -> Duration {
    Duration::from_secs_f64(2.0 * 1_228.0 * 8.0 / rate_bps as f64) + Duration::from_millis(round_trip_ms / 2)
}

#[test]
fn a_third_of_all_packets_lost_leaves_most_of_the_link_in_use() {
    const SEEDS: u64 = 5;
    for round_trip_ms in [100, 200, 300, 600] {
        let shown: Vec<Shown> = (1..=SEEDS).map(|seed| fill(None, nature(MBIT, round_trip_ms, 0.3), seed)).collect();
        let share = shown.iter().map(|shown| shown.share).sum::<f64>() / SEEDS as f64;
        let least = shown.iter().map(|shown| shown.share).fold(1.0, f64::min);
        let wait = shown.iter().map(|shown| shown.mean_wait).sum::<Duration>() / SEEDS as u32;
        println!("1 Mbit/s, {round_trip_ms} ms, loss 30 %: {share:.3} of C(1-p), least {least:.3}, queue {wait:.0?}");
        assert!(share >= 0.85, "{share:.3} at {round_trip_ms} ms");
        assert!(wait <= wait_allowed(MBIT, round_trip_ms), "{wait:?} at {round_trip_ms} ms");
    }
}

#[test]
fn links_of_every_speed_are_filled_and_their_queues_stay_short() {
    let cases = [
        (Some(LinkProfile::Lan), 20 * MBIT, 20, 0.01),
        (Some(LinkProfile::Lte), MBIT, 100, 0.0),
        (Some(LinkProfile::Sat), MBIT, 600, 0.01),
        (None, 250_000, 200, 0.1),
        (None, 64_000, 600, 0.1),
        (Some(LinkProfile::Narrowband), 9_600, 1_000, 0.05),
    ];
    for (profile, rate_bps, round_trip_ms, loss) in cases {
        // A minute of a narrow link is some sixty packets: one run tells little.
        let shown: Vec<Shown> =
            (1..=6).map(|seed| fill(profile, nature(rate_bps, round_trip_ms, loss), seed)).collect();
        let share = shown.iter().map(|shown| shown.share).sum::<f64>() / shown.len() as f64;
        let mean_wait = shown.iter().map(|shown| shown.mean_wait).sum::<Duration>() / shown.len() as u32;
        println!("{rate_bps} bit/s, {round_trip_ms} ms, loss {loss}: {share:.3} of C(1-p), queue {mean_wait:.0?}");
        assert!(share >= 0.85, "{share:.3} at {rate_bps} bit/s");
        // No more stands in the queue than a round trip.
        assert!(mean_wait <= wait_allowed(rate_bps, round_trip_ms), "{mean_wait:?} at {rate_bps} bit/s");
    }
}

#[test]
fn a_link_with_next_to_no_queue_is_not_drowned() {
    let mut shallow = nature(MBIT, 200, 0.0);
    // Quinn's pacer lets ten packets go at once.
    shallow.queue_bytes = 12 * 1_228;
    let mut pair = Pair::new(None, [shallow, nature(MBIT, 200, 0.0)], 1);
    pair.dial();
    assert!(pair.run(Duration::from_secs(10), |pair| pair.ends[DIALLER].connected_at.is_some()), "no handshake");
    let stream = pair.open(DIALLER, Class::P2);
    pair.run(Duration::from_secs(70), |pair| {
        pair.fill(DIALLER, stream);
        false
    });
    let lost = pair.wires[0].overflowed as f64 / pair.ends[DIALLER].sent_datagrams as f64;
    let share = pair.ends[LISTENER].read_bytes as f64 * 8.0 / (MBIT * 70) as f64;
    println!("1 Mbit/s, 200 ms, queue of 12 packets: {share:.3} of C, {lost:.3} lost to haste");
    assert!(share >= 0.8 && lost <= 0.15, "{share:.3} of C, {lost:.3} lost");
}

#[test]
fn a_delay_that_trembles_is_not_taken_for_a_queue() {
    for (rate_bps, round_trip_ms, jitter_ms, loss) in
        [(5 * MBIT, 30, 10, 0.02), (MBIT, 100, 40, 0.05), (10 * MBIT, 60, 30, 0.0), (250_000, 600, 100, 0.02)]
    {
        let trembling = Nature { jitter: Duration::from_millis(jitter_ms), ..nature(rate_bps, round_trip_ms, loss) };
        let Shown { share, mean_wait } = fill(None, trembling, 1);
        println!(
            "{rate_bps} bit/s, {round_trip_ms} ms and up to {jitter_ms}, loss {loss}: {share:.3} of C(1-p), queue {mean_wait:.0?}"
        );
        // 0.90 to 0.94 were measured; a delay taken for a queue halves the share.
        assert!(share >= 0.85, "{rate_bps} bit/s, {round_trip_ms} ms and up to {jitter_ms}: {share:.3}");
        // No more stands in the queue than a round trip.
        assert!(
            mean_wait <= Duration::from_millis(round_trip_ms + jitter_ms),
            "{mean_wait:?} of queue at {round_trip_ms} ms"
        );
    }
}

/// The shares of C(1−p) of both directions while both ends flood the link, and the longer of the mean waits.
fn fill_both_ways(nature: Nature, seed: u64) -> ([f64; 2], Duration) {
    let mut pair = Pair::new(None, [nature; 2], seed);
    pair.dial();
    let both = |pair: &mut Pair| pair.ends.iter().all(|end| end.connected_at.is_some());
    assert!(pair.run(Duration::from_mins(1), both), "no handshake");
    let streams = [pair.open(DIALLER, Class::P2), pair.open(LISTENER, Class::P2)];
    let mut flood = |pair: &mut Pair| {
        pair.fill(DIALLER, streams[0]);
        pair.fill(LISTENER, streams[1]);
        false
    };
    let warm = pair.elapsed() + Duration::from_secs(20);
    pair.run(warm, &mut flood);
    let before = [LISTENER, DIALLER].map(|end| pair.ends[end].read_bytes);
    pair.wires.iter_mut().for_each(Wire::forget_waits);
    pair.run(warm + Duration::from_mins(1), &mut flood);
    let could = nature.rate_bps as f64 / 8.0 * (1.0 - nature.loss) * 60.0;
    let after = [LISTENER, DIALLER].map(|end| pair.ends[end].read_bytes);
    let waits = pair.wires.iter().map(Wire::mean_wait).max().unwrap_or_default();
    ([0, 1].map(|way| (after[way] - before[way]) as f64 / could), waits)
}

#[test]
fn both_ends_can_fill_the_link_at_once() {
    const SEEDS: u64 = 3;
    // Least mean share, and least share of one direction. A round trip does not tell in which direction a packet waited,
    // so each end takes part of the other's queue for its own, and for a while one of them gets less than the other. Where
    // a minute is a hundred round trips that shows most: 0.59 to 0.69 of one direction was measured at 600 ms. With a third
    // of all packets lost, acknowledgements that wait behind data are lost, too: 0.64 to 0.68 at 250 kbit/s.
    let cases = [
        (MBIT, 100, 0.0, 0.75, 0.7),
        (MBIT, 600, 0.1, 0.75, 0.5),
        (MBIT, 200, 0.3, 0.75, 0.6),
        (250_000, 200, 0.0, 0.75, 0.65),
        (250_000, 200, 0.3, 0.75, 0.55),
        (64_000, 600, 0.1, 0.85, 0.75),
    ];
    for (rate_bps, round_trip_ms, loss, least_mean, least_of_one) in cases {
        let shown: Vec<_> =
            (1..=SEEDS).map(|seed| fill_both_ways(nature(rate_bps, round_trip_ms, loss), seed)).collect();
        let shares = shown.iter().flat_map(|(shares, _)| *shares);
        let mean = shares.clone().sum::<f64>() / (2 * SEEDS) as f64;
        let least = shares.fold(1.0, f64::min);
        let wait = shown.iter().map(|(_, wait)| *wait).max().unwrap_or_default();
        println!(
            "{rate_bps} bit/s, {round_trip_ms} ms, loss {loss}, both ways: {mean:.3} of C(1-p), least {least:.3}, longest queue {wait:.0?}"
        );
        assert!(mean >= least_mean, "{mean:.3} at {rate_bps} bit/s, {round_trip_ms} ms, loss {loss}");
        assert!(least >= least_of_one, "{least:.3} at {rate_bps} bit/s, {round_trip_ms} ms, loss {loss}");
    }
}
