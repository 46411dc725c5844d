//! Links of the world: a reliable connection over a poor carrier, as QUIC gives it, with the time that costs.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::frame::{Carriage, LinkId};
use holdfast_domain::scope::Class;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

/// Packets lost, after Gilbert and Elliott: the carrier is in a good or a bad spell, and loses in each with its own
/// chance. All in thousandths, per packet.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// Chance that a bad spell begins.
    pub begin: u32,
    /// Chance that a bad spell ends.
    pub end: u32,
    /// Packets lost in a good spell.
    pub good: u32,
    /// Packets lost in a bad spell.
    pub bad: u32,
}

impl Loss {
    /// A carrier that loses nothing.
    pub const NONE: Self = Self { begin: 0, end: 1_000, good: 0, bad: 0 };
    /// Packets lost in a thousand over a long time.
    pub fn mean_permille(self) -> u32 {
        self.good + self.bad.saturating_sub(self.good) * self.begin / (self.begin + self.end).max(1)
    }

    /// One packet in ten, each by itself.
    pub const TENTH: Self = Self { begin: 0, end: 1_000, good: 100, bad: 0 };
    /// Long good spells; in bad ones, of 20 packets, six in ten are lost.
    pub const BURSTS: Self = Self { begin: 10, end: 50, good: 5, bad: 600 };
}

/// What the carrier does to bytes. Pairs are by direction: from the first end of the link, then from the second.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// One way, microseconds.
    pub delay_us: [u64; 2],
    /// At most so much more, drawn for each packet, microseconds.
    pub jitter_us: u64,
    /// Bits a second.
    pub rate_bps: [u64; 2],
    /// Bytes that wait in the carrier itself, behind the sender: nothing overtakes there.
    pub queue_bytes: u64,
    /// Packets lost; each costs a retransmission.
    pub loss: Loss,
    /// Part of frames altered on the way, in thousandths: a relay that forges.
    pub forge_permille: u32,
    /// Part of frames delivered twice, in thousandths: a relay that replays.
    pub replay_permille: u32,
    /// Part of frames held back for some round trips while other classes overtake, in thousandths: a relay that reorders.
    pub reorder_permille: u32,
}

impl Profile {
    /// A cable between two laptops.
    pub const LAN: Self = Self {
        delay_us: [500; 2],
        jitter_us: 0,
        rate_bps: [100_000_000; 2],
        queue_bytes: 0,
        loss: Loss::NONE,
        forge_permille: 0,
        replay_permille: 0,
        reorder_permille: 0,
    };
    /// A voice radio with a modem: 64 kbit/s, 300 ms, one packet in ten lost.
    pub const RADIO: Self = Self { delay_us: [300_000; 2], rate_bps: [64_000; 2], loss: Loss::TENTH, ..Self::LAN };
    /// A mobile network at the edge of its cell: slow up, fast down, jitter, bursts of loss, a deep queue.
    pub const CELL: Self = Self {
        delay_us: [60_000, 40_000],
        jitter_us: 30_000,
        rate_bps: [400_000, 4_000_000],
        queue_bytes: 48_000,
        loss: Loss::BURSTS,
        ..Self::LAN
    };
    /// A narrow-band data radio: 9.6 kbit/s, 250 ms, one packet in fifty lost.
    pub const NARROW: Self = Self {
        delay_us: [250_000; 2],
        rate_bps: [9_600; 2],
        loss: Loss { begin: 0, end: 1_000, good: 20, bad: 0 },
        ..Self::LAN
    };
    /// Two handhelds that meet: 250 kbit/s.
    pub const CONTACT: Self = Self { delay_us: [20_000; 2], rate_bps: [250_000; 2], ..Self::LAN };

    /// Both ways at this rate, bits a second.
    #[must_use]
    pub const fn at_bps(self, rate_bps: u64) -> Self {
        Self { rate_bps: [rate_bps; 2], ..self }
    }

    /// Round trip without jitter, microseconds.
    pub fn rtt_us(&self) -> u64 {
        self.delay_us[0] + self.delay_us[1]
    }
}

/// Payload of one packet, bytes.
pub const PACKET_BYTES: usize = 1_200;
/// Header of one packet, bytes.
const HEADER_BYTES: u64 = 40;
/// What is handed to a fast carrier at once, microseconds: an event for every packet of a cable would be waste.
const BURST_US: u64 = 1_000;
/// A packet is sent again at most so often; then the carrier lets it pass.
const RESENDS_MAX: u64 = 20;
/// Shortest prefix of a frame cut in two that the transport hands on, bytes.
const PARTIAL_BYTES_MIN: usize = 512;

/// A frame on its way.
#[derive(Debug)]
struct Flight {
    number: u64,
    class: Class,
    /// A frame that goes as a packet is lost where a stream's would be sent again, and waits for no other.
    carriage: Carriage,
    bytes: Vec<u8>,
    /// Bytes that have left the sender.
    left: usize,
    /// When how much of it has arrived without a hole: (microseconds, bytes).
    landed: Vec<(u64, usize)>,
    /// How long a relay sits on it, microseconds.
    withheld_us: u64,
}

/// One direction of a link.
#[derive(Debug, Default)]
struct Way {
    waiting: BTreeMap<Class, VecDeque<Flight>>,
    waiting_bytes: usize,
    flying: BTreeMap<u64, Flight>,
    /// When the carrier is free again.
    busy_until_us: u64,
    /// Whether a pump is to come.
    pumping: bool,
    /// When the last byte of a class arrives: a class keeps its order.
    arrives_us: BTreeMap<Class, u64>,
    bad_spell: bool,
}

/// What came of pumping: when frames arrive, and when to pump again.
#[derive(Debug, Default)]
pub(crate) struct Pumped {
    pub(crate) arrivals: Vec<(u64, u64)>,
    pub(crate) again_us: Option<u64>,
}

/// One pair of nodes that can reach each other.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [usize; 2],
    pub(crate) profile: Profile,
    pub(crate) up: bool,
    /// Down until healed.
    pub(crate) cut: bool,
    /// Counts connections; what was sent on an earlier one never arrives.
    pub(crate) generation: u64,
    /// Numbers of the connection as each end knows it.
    pub(crate) ids: [LinkId; 2],
    ways: [Way; 2],
    frames: u64,
}

impl Link {
    pub(crate) fn new(ends: [usize; 2], profile: Profile) -> Self {
        Self {
            ends,
            profile,
            up: false,
            cut: false,
            generation: 0,
            ids: [LinkId(0); 2],
            ways: [Way::default(), Way::default()],
            frames: 0,
        }
    }

    pub(crate) fn connect(&mut self, ids: [LinkId; 2]) {
        self.up = true;
        self.generation += 1;
        self.ids = ids;
        self.ways = [Way::default(), Way::default()];
    }

    /// Ends the connection. What had come of frames that the end cut in two, by the end that sent them.
    pub(crate) fn disconnect(&mut self, now_us: u64) -> [Vec<Vec<u8>>; 2] {
        self.up = false;
        std::mem::take(&mut self.ways).map(|way| way.partials(now_us))
    }

    /// Takes a frame to be sent. True if the carrier has to be pumped for it.
    #[must_use]
    pub(crate) fn take(
        &mut self,
        from: usize,
        (class, carriage): (Class, Carriage),
        bytes: Vec<u8>,
        withheld_us: u64,
    ) -> bool {
        self.frames += 1;
        let way = &mut self.ways[from];
        way.waiting_bytes += bytes.len();
        let flight = Flight { number: self.frames, class, carriage, bytes, left: 0, landed: Vec::new(), withheld_us };
        way.waiting.entry(class).or_default().push_back(flight);
        !std::mem::replace(&mut way.pumping, true)
    }

    /// Frames and bytes handed down by the node at end `from` that have not left it.
    pub(crate) fn waiting(&self, from: usize) -> (usize, usize) {
        let way = &self.ways[from];
        (way.waiting.values().map(VecDeque::len).sum(), way.waiting_bytes)
    }

    /// Hands packets to the carrier, the most urgent class first, until it can take no more.
    pub(crate) fn pump(&mut self, now_us: u64, from: usize, rng: &mut ChaCha12Rng) -> Pumped {
        let (profile, way) = (self.profile, &mut self.ways[from]);
        let rate = profile.rate_bps[from].max(1);
        let slack_us = (profile.queue_bytes * 8_000_000 / rate).max(if rate > 1_000_000 { BURST_US } else { 0 });
        let mut pumped = Pumped::default();
        way.pumping = false;
        while let Some(mut flight) = way.next() {
            if way.busy_until_us > now_us + slack_us {
                pumped.again_us = Some(way.busy_until_us - slack_us);
                way.pumping = true;
                way.waiting.entry(flight.class).or_default().push_front(flight);
                break;
            }
            way.send_packet(now_us, from, &profile, &mut flight, rng);
            if flight.left < flight.bytes.len() {
                way.waiting.entry(flight.class).or_default().push_front(flight);
            } else if let Some(&(at, _)) = flight.landed.last() {
                pumped.arrivals.push((at, flight.number));
                way.flying.insert(flight.number, flight);
            }
        }
        pumped
    }

    /// The frame that has arrived whole.
    pub(crate) fn land(&mut self, from: usize, number: u64) -> Option<Vec<u8>> {
        self.ways[from].flying.remove(&number).map(|flight| flight.bytes)
    }
}

impl Way {
    fn next(&mut self) -> Option<Flight> {
        self.waiting.values_mut().find_map(VecDeque::pop_front)
    }

    fn send_packet(&mut self, now_us: u64, from: usize, profile: &Profile, flight: &mut Flight, rng: &mut ChaCha12Rng) {
        if flight.carriage == Carriage::Packet {
            return self.send_datagram(now_us, from, profile, flight, rng);
        }
        let size = PACKET_BYTES.min(flight.bytes.len() - flight.left);
        let mut resends = 0;
        while resends < RESENDS_MAX && self.loses(profile.loss, rng) {
            resends += 1;
        }
        let wire_us = (size as u64 + HEADER_BYTES) * 8_000_000 / profile.rate_bps[from].max(1);
        self.busy_until_us = self.busy_until_us.max(now_us) + wire_us * (1 + resends);
        let late = profile.rtt_us() * resends
            + jitter_us(profile, rng)
            + if flight.left == 0 { flight.withheld_us } else { 0 };
        let arrival = self.busy_until_us + profile.delay_us[from] + late;
        let last = self.arrives_us.entry(flight.class).or_default();
        *last = arrival.max(*last + 1);
        flight.left += size;
        flight.landed.push((*last, flight.left));
        self.waiting_bytes -= size;
    }

    fn send_datagram(
        &mut self,
        now_us: u64,
        from: usize,
        profile: &Profile,
        flight: &mut Flight,
        rng: &mut ChaCha12Rng,
    ) {
        let size = flight.bytes.len();
        let wire_us = (size as u64 + HEADER_BYTES) * 8_000_000 / profile.rate_bps[from].max(1);
        self.busy_until_us = self.busy_until_us.max(now_us) + wire_us;
        self.waiting_bytes -= size;
        flight.left = size;
        if !self.loses(profile.loss, rng) {
            let arrival = self.busy_until_us + profile.delay_us[from] + jitter_us(profile, rng) + flight.withheld_us;
            flight.landed.push((arrival, size));
        }
    }

    /// Whether the carrier loses the next packet.
    fn loses(&mut self, loss: Loss, rng: &mut ChaCha12Rng) -> bool {
        if loss.begin == 0 && loss.good == 0 {
            return false;
        }
        let turn = rng.next_u32() % 1_000;
        self.bad_spell = if self.bad_spell { turn >= loss.end } else { turn < loss.begin };
        rng.next_u32() % 1_000 < if self.bad_spell { loss.bad } else { loss.good }
    }

    fn partials(self, now_us: u64) -> Vec<Vec<u8>> {
        let cut = |mut flight: Flight| {
            let arrived = flight.landed.iter().rev().find(|(at, _)| *at <= now_us).map_or(0, |(_, bytes)| *bytes);
            let part = (PARTIAL_BYTES_MIN..flight.bytes.len()).contains(&arrived);
            flight.bytes.truncate(arrived);
            part.then_some(flight.bytes)
        };
        self.flying.into_values().chain(self.waiting.into_values().flatten()).filter_map(cut).collect()
    }
}

fn jitter_us(profile: &Profile, rng: &mut ChaCha12Rng) -> u64 {
    if profile.jitter_us > 0 { u64::from(rng.next_u32()) % profile.jitter_us } else { 0 }
}
