//! Fear: random loss is taken for a full link, or a full link for a free one.

use std::collections::BTreeMap;

use super::*;

const PACKET: u16 = 1_200;

/// A bottleneck with a finite queue, and behind it random loss.
struct Path {
    rate_bps: f64,
    round_trip: Duration,
    loss: f64,
    queue_bytes: f64,
}

/// What a run over a path gave.
struct Run {
    steering: Steering,
    begun: Instant,
    now: Instant,
    free_at: Instant,
    in_flight_bytes: u64,
    /// When the fate of a packet is known, its number, when it was sent and whether it arrived.
    due: BTreeMap<(Instant, u64), (Instant, bool)>,
    sent: u64,
    arrived_bytes: u64,
    waits: Vec<Duration>,
    dice: u64,
}

impl Run {
    fn new(steering: Steering) -> Self {
        let now = Instant::now();
        Self {
            steering,
            begun: now,
            now,
            free_at: now,
            in_flight_bytes: 0,
            due: BTreeMap::new(),
            sent: 0,
            arrived_bytes: 0,
            waits: Vec::new(),
            dice: 7,
        }
    }

    fn throw(&mut self) -> f64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn send(&mut self, path: &Path) {
        let waits = self.free_at.saturating_duration_since(self.now);
        let full = waits.as_secs_f64() * path.rate_bps / 8.0 + f64::from(PACKET) > path.queue_bytes;
        let lost = self.throw() < path.loss || full;
        if !full {
            self.waits.push(waits);
            self.free_at =
                self.free_at.max(self.now) + Duration::from_secs_f64(f64::from(PACKET) * 8.0 / path.rate_bps);
        }
        // A loss is noticed a little after the time at which the packet would have been acknowledged.
        let known =
            self.free_at.max(self.now) + path.round_trip + if lost { path.round_trip / 8 } else { Duration::ZERO };
        self.due.insert((known, self.sent), (self.now, !lost));
        self.sent += 1;
        self.in_flight_bytes += u64::from(PACKET);
    }

    /// Keeps the window full for so many seconds more, then forgets what it counted before.
    fn run(&mut self, path: &Path, seconds: u64) {
        self.arrived_bytes = 0;
        self.waits.clear();
        let until = self.now + Duration::from_secs(seconds);
        loop {
            while self.in_flight_bytes + u64::from(PACKET) <= self.steering.window_bytes() {
                self.send(path);
            }
            let Some(((at, _), (sent, arrived))) = self.due.pop_first() else { return };
            self.now = at.max(self.now);
            self.in_flight_bytes -= u64::from(PACKET);
            if arrived {
                self.arrived_bytes += u64::from(PACKET);
                self.steering.acked(sent, u64::from(PACKET));
                self.steering.acked_all(self.now, self.in_flight_bytes, false);
            } else {
                self.steering.lost(u64::from(PACKET));
            }
            if self.now >= until {
                return;
            }
        }
    }

    fn mean_wait(&self) -> Duration {
        self.waits.iter().sum::<Duration>() / self.waits.len().max(1) as u32
    }
}

fn path(rate_bps: f64, round_trip_ms: u64, loss: f64) -> Path {
    Path { rate_bps, round_trip: Duration::from_millis(round_trip_ms), loss, queue_bytes: rate_bps / 8.0 }
}

fn share(run: &Run, path: &Path, seconds: f64) -> f64 {
    run.arrived_bytes as f64 * 8.0 / (path.rate_bps * (1.0 - path.loss) * seconds)
}

#[test]
fn random_loss_leaves_the_rate_and_the_queue_as_they_were() {
    for round_trip_ms in [100, 300, 600] {
        for loss in [0.0, 0.05, 0.3] {
            let path = path(1e6, round_trip_ms, loss);
            let mut run = Run::new(Steering::new(PACKET, 10, None));
            run.run(&path, 20);
            run.run(&path, 60);
            let (share, wait) = (share(&run, &path, 60.0), run.mean_wait());
            assert!(share >= 0.85, "{share:.3} of C(1-p) at {round_trip_ms} ms, loss {loss}");
            let allowed = Duration::from_millis(20 + round_trip_ms / 2);
            assert!(wait <= allowed, "packets waited {wait:?} at {round_trip_ms} ms, loss {loss}");
        }
    }
}

#[test]
fn a_link_that_slows_down_to_a_quarter_gets_its_short_queue_back_within_seconds() {
    let mut run = Run::new(Steering::new(PACKET, 10, None));
    run.run(&path(1e6, 200, 0.0), 20);
    let slow = path(250e3, 200, 0.0);
    run.run(&slow, 10);
    run.run(&slow, 20);
    assert!(run.mean_wait() <= Duration::from_millis(80 + 100), "packets waited {:?}", run.mean_wait());
    assert!(share(&run, &slow, 20.0) >= 0.85);
}

#[test]
fn a_link_that_becomes_ten_times_as_fast_is_soon_used() {
    let mut run = Run::new(Steering::new(PACKET, 10, None));
    run.run(&path(250e3, 100, 0.0), 20);
    let fast = path(2.5e6, 100, 0.0);
    run.run(&fast, 10);
    run.run(&fast, 10);
    assert!(share(&run, &fast, 10.0) >= 0.85, "{:.3}", share(&run, &fast, 10.0));
}

#[test]
fn an_outage_of_an_hour_leaves_the_window() {
    let mut run = Run::new(Steering::new(PACKET, 10, None));
    let path = path(1e6, 200, 0.0);
    run.run(&path, 20);
    let before = run.steering.window_bytes();
    // All under way is lost, and one packet tells so an hour later.
    run.steering.lost(run.in_flight_bytes);
    let resent = run.now + Duration::from_hours(1);
    run.steering.acked(resent, 1_200);
    run.steering.acked_all(resent + path.round_trip, 0, false);
    let after = run.steering.window_bytes();
    assert!(after * 4 >= before * 3, "{before} bytes before, {after} after");
}

#[test]
fn a_ceiling_holds_and_nothing_goes_below_two_packets() {
    let path = path(1e6, 200, 0.0);
    let mut run = Run::new(Steering::new(PACKET, 10, Some(100_000)));
    run.run(&path, 20);
    run.run(&path, 20);
    let rate = run.arrived_bytes as f64 * 8.0 / 20.0;
    assert!((70_000.0..=160_000.0).contains(&rate), "{rate:.0} bit/s under a ceiling of 100,000");
    let mut steering = Steering::new(PACKET, 1, Some(1));
    steering.lost(1 << 40);
    assert!(steering.window_bytes() >= 2 * u64::from(PACKET));
}

#[test]
fn a_rate_is_told_only_once_the_link_has_limited_it() {
    let mut steering = Steering::new(PACKET, 10, None);
    let mut now = Instant::now();
    for _ in 0..50 {
        steering.acked(now, 100);
        now += Duration::from_millis(100);
        steering.acked_all(now, 0, true);
    }
    assert_eq!(steering.rate_bps(), None);
    let path = path(1e6, 200, 0.0);
    let mut run = Run::new(Steering::new(PACKET, 10, None));
    run.run(&path, 10);
    let rate = run.steering.rate_bps().expect("measured");
    assert!((900_000..=1_100_000).contains(&rate), "{rate}");
    assert!(run.now > run.begun);
}

/// Rounds of a second in each of which so many bytes of a window were acknowledged, the sender having no more.
fn rounds(steering: &mut Steering, now: &mut Instant, count: usize, window_share: f64) {
    for _ in 0..count {
        let bytes = (steering.window_bytes() as f64 * window_share) as u64;
        let sent = *now;
        *now += Duration::from_secs(1);
        steering.acked(sent, bytes / 2);
        steering.acked_all(*now, bytes / 2, true);
        steering.acked(sent + Duration::from_millis(1), bytes / 2);
        steering.acked_all(*now, 0, true);
    }
}

#[test]
fn a_sender_that_leaves_some_room_does_not_believe_in_less_and_less() {
    let mut run = Run::new(Steering::new(PACKET, 10, None));
    run.run(&path(64e3, 1_000, 0.0), 60);
    let (mut steering, mut now) = (run.steering, run.now);
    let before = steering.rate_bps().expect("measured");
    rounds(&mut steering, &mut now, 100, 0.7);
    let after = steering.rate_bps().expect("measured");
    assert!(after * 10 >= before * 7, "{before} bit/s became {after}");
}

#[test]
fn a_rate_once_taken_for_low_is_believed_to_be_what_goes_through() {
    let mut run = Run::new(Steering::new(PACKET, 10, None));
    run.run(&path(64e3, 1_000, 0.0), 60);
    let (mut steering, mut now) = (run.steering, run.now);
    // Most of what is remembered was slow, one round was fast.
    steering.rates = [1_500.0, 1_500.0, 1_500.0, 1_500.0, 1_500.0, 8_000.0].into();
    steering.proved = steering.rates.clone();
    assert_eq!(steering.rate_bps(), Some(12_000));
    for _ in 0..8 {
        let share = 4_000.0 / steering.window_bytes() as f64;
        rounds(&mut steering, &mut now, 1, share);
    }
    assert!(steering.rate_bps().expect("measured") > 25_000, "{:?}", steering.rate_bps());
}
