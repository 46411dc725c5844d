//! One direction of a simulated link: rate, delay, loss, a finite queue, outages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// UDP and IPv4 around each datagram.
pub(crate) const HEADERS_BYTES: u64 = 28;

/// What a link is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    pub(crate) rate_bps: u64,
    /// One way.
    pub(crate) delay: Duration,
    /// Share of datagrams that are lost after they used the link.
    pub(crate) loss: f64,
    /// What waits at most; more is dropped.
    pub(crate) queue_bytes: u64,
    /// Up to so much is added to the delay of each datagram, which keeps its place all the same.
    pub(crate) jitter: Duration,
}

/// Numbers that look random and are the same each time.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to 1 (splitmix64).
    pub(crate) fn throw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

pub(crate) struct Wire {
    pub(crate) nature: Nature,
    dice: Dice,
    free_at: Instant,
    /// Datagrams and when they arrive.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    outages: Vec<(Instant, Instant)>,
    pub(crate) carried_bytes: u64,
    pub(crate) overflowed: u64,
    waits: (Duration, u32),
}

impl Wire {
    pub(crate) fn new(nature: Nature, now: Instant, seed: u64) -> Self {
        Self {
            nature,
            dice: Dice::new(seed),
            free_at: now,
            under_way: VecDeque::new(),
            outages: Vec::new(),
            carried_bytes: 0,
            overflowed: 0,
            waits: (Duration::ZERO, 0),
        }
    }

    /// Nothing passes between these times.
    pub(crate) fn cut(&mut self, from: Instant, until: Instant) {
        self.outages.push((from, until));
    }

    /// How long datagrams waited for those before them, on average.
    pub(crate) fn mean_wait(&self) -> Duration {
        self.waits.0 / self.waits.1.max(1)
    }

    pub(crate) fn forget_waits(&mut self) {
        self.waits = (Duration::ZERO, 0);
    }

    pub(crate) fn send(&mut self, now: Instant, datagram: Vec<u8>) {
        let waits = self.free_at.saturating_duration_since(now);
        let waiting_bytes = (waits.as_secs_f64() * self.nature.rate_bps as f64 / 8.0) as u64;
        let bytes = datagram.len() as u64 + HEADERS_BYTES;
        if waiting_bytes + bytes > self.nature.queue_bytes {
            self.overflowed += 1;
            return;
        }
        self.waits = (self.waits.0 + waits, self.waits.1 + 1);
        self.carried_bytes += bytes;
        let leaves = self.free_at.max(now) + Duration::from_secs_f64(bytes as f64 * 8.0 / self.nature.rate_bps as f64);
        self.free_at = leaves;
        let cut = self.outages.iter().any(|(from, until)| (*from..*until).contains(&leaves));
        if self.dice.throw() >= self.nature.loss && !cut {
            let arrives = leaves + self.nature.delay + self.nature.jitter.mul_f64(self.dice.throw());
            let before = self.under_way.back().map(|(at, _)| *at);
            self.under_way.push_back((before.map_or(arrives, |before| before.max(arrives)), datagram));
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        (self.next_arrival()? <= now).then(|| self.under_way.pop_front().map(|(_, datagram)| datagram)).flatten()
    }
}
