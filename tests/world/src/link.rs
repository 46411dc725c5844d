//! Links of the world: a reliable connection over a poor carrier, as QUIC gives it, with the time that costs.

use std::collections::BTreeMap;

use holdfast_domain::frame::LinkId;
use holdfast_domain::scope::Class;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

/// What the carrier does to bytes.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// One way, microseconds.
    pub delay_us: u64,
    /// Bits a second.
    pub rate_bps: u64,
    /// Part of packets lost, in thousandths; each costs a retransmission.
    pub loss_permille: u32,
    /// Part of frames altered on the way, in thousandths: a relay that forges.
    pub forge_permille: u32,
    /// Part of frames delivered twice, in thousandths: a relay that replays.
    pub replay_permille: u32,
}

impl Profile {
    /// A cable between two laptops.
    pub const LAN: Self =
        Self { delay_us: 500, rate_bps: 100_000_000, loss_permille: 0, forge_permille: 0, replay_permille: 0 };
    /// A voice radio with a modem: 64 kbit/s, 300 ms, one packet in ten lost.
    pub const RADIO: Self =
        Self { delay_us: 300_000, rate_bps: 64_000, loss_permille: 100, forge_permille: 0, replay_permille: 0 };
    /// A narrow-band data radio: 9.6 kbit/s, 250 ms, one packet in fifty lost.
    pub const NARROW: Self =
        Self { delay_us: 250_000, rate_bps: 9_600, loss_permille: 20, forge_permille: 0, replay_permille: 0 };
}

/// Payload of one packet, bytes.
const PACKET_BYTES: u64 = 1_200;

/// One pair of nodes that can reach each other.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [usize; 2],
    pub(crate) profile: Profile,
    pub(crate) up: bool,
    /// Counts connections; what was sent on an earlier one never arrives.
    pub(crate) generation: u64,
    /// Numbers of the connection as each end knows it.
    pub(crate) ids: [LinkId; 2],
    /// When the carrier is free again, by direction.
    busy_until_us: [u64; 2],
    /// When the last frame of a class arrives, by direction: a class keeps its order.
    arrives_us: [BTreeMap<Class, u64>; 2],
}

impl Link {
    pub(crate) fn new(ends: [usize; 2], profile: Profile) -> Self {
        Self {
            ends,
            profile,
            up: false,
            generation: 0,
            ids: [LinkId(0); 2],
            busy_until_us: [0; 2],
            arrives_us: [BTreeMap::new(), BTreeMap::new()],
        }
    }

    pub(crate) fn connect(&mut self, ids: [LinkId; 2]) {
        self.up = true;
        self.generation += 1;
        self.ids = ids;
        self.busy_until_us = [0; 2];
        self.arrives_us = [BTreeMap::new(), BTreeMap::new()];
    }

    /// When a frame sent now by end `from` arrives: queueing, transmission, retransmissions, propagation.
    pub(crate) fn arrival_us(
        &mut self,
        now_us: u64,
        from: usize,
        class: Class,
        bytes: u64,
        rng: &mut ChaCha12Rng,
    ) -> u64 {
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        let mut sent = packets;
        let mut rounds = 0;
        for _ in 0..packets {
            let mut tries = 0;
            while tries < 20 && rng.next_u32() % 1000 < self.profile.loss_permille {
                tries += 1;
                sent += 1;
            }
            rounds = rounds.max(tries);
        }
        let start = now_us.max(self.busy_until_us[from]);
        let wire_us = sent * PACKET_BYTES.min(bytes + 40) * 8 * 1_000_000 / self.profile.rate_bps;
        self.busy_until_us[from] = start + wire_us;
        let arrival = start + wire_us + self.profile.delay_us * (1 + 2 * rounds);
        let last = self.arrives_us[from].entry(class).or_default();
        *last = arrival.max(*last + 1);
        *last
    }
}
