//! Settings of QUIC by kind of link, each with its reason.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::limits::{FRAME_BYTES_MAX, LINK_QUEUE_BYTES_MAX};
use holdfast_domain::scope::Class;
use quinn::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, ValidationTokenConfig, VarInt};

use crate::controller::Factory;

/// What kind of link a peer is reached over. Both ends of a link agree on the shorter patience, so a node that is reached
/// over a slow link should not name a fast one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkProfile {
    /// Cables and Wi-Fi in one place: up to 20 ms, megabits.
    Lan,
    /// Wi-Fi between vehicles and buildings: up to 100 ms, losses come and go.
    Wifi,
    /// Mobile networks: 30–300 ms, deep queues, middleboxes that forget.
    Lte,
    /// Satellites: 500–1,500 ms, 64 kbit/s to a few megabits.
    Sat,
    /// Radio modems: from 9.6 kbit/s, a packet takes a second.
    Narrowband,
}

/// The name is not that of a kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such link profile; choose lan, wifi, lte, sat or narrowband")]
pub struct UnknownProfile;

impl LinkProfile {
    /// Every kind, fastest first.
    pub const ALL: [Self; 5] = [Self::Lan, Self::Wifi, Self::Lte, Self::Sat, Self::Narrowband];

    /// Its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Wifi => "wifi",
            Self::Lte => "lte",
            Self::Sat => "sat",
            Self::Narrowband => "narrowband",
        }
    }
}

impl fmt::Display for LinkProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LinkProfile {
    type Err = UnknownProfile;
    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or(UnknownProfile)
    }
}

/// What differs between kinds of links.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knobs {
    /// Round trip assumed before the first is measured. A lost packet of the handshake is sent again after three of these,
    /// so too short wastes a slow link on copies and too long makes a fast one wait.
    pub initial_rtt: Duration,
    /// Later packets that must have arrived before one counts as lost. Links with one path keep the order; Wi-Fi and mobile
    /// networks reorder a little.
    pub packet_threshold: u32,
    /// Round trips after which a packet counts as lost once a later one has arrived.
    pub time_threshold: f32,
    /// Silence after which the peer counts as gone.
    pub idle_timeout: Duration,
    /// Silence after which the side that dialled asks for a sign of life; at least two fit into the idle timeout, save
    /// that a keep-alive and its answer cost about 130 bytes with UDP and IP.
    pub keep_alive: Duration,
    /// How often a link that has fallen silent while something is under way is tried, and a peer that does not answer is
    /// dialled afresh.
    pub beacon: Duration,
    /// Whether larger packets than 1,200 bytes are tried. The probes of each meeting cost 17 kB, five times the meeting
    /// itself, and win one hundredth of the bytes that follow.
    pub find_mtu: bool,
    /// Whether the kernel may be handed several packets at once. They leave back to back, which fast links take and slow
    /// ones drop.
    pub segmentation_offload: bool,
    /// Packets after which the peer acknowledges, and the longest it may wait, where the default of two and 25 ms costs
    /// too much of the way back.
    pub ack_every: Option<(u32, Duration)>,
    /// Packets of the first window: what may stand in the queue of a link of which nothing is known.
    pub initial_packets: u32,
}

impl Knobs {
    /// The longest that an acknowledgement waits by rule; RFC 9000 has 25 ms where nothing else is agreed.
    pub fn answer_within(&self) -> Duration {
        self.ack_every.map_or(Duration::from_millis(25), |(_, wait)| wait)
    }
}

/// Wi-Fi, from which the other kinds differ.
const WIFI: Knobs = Knobs {
    initial_rtt: Duration::from_millis(150),
    packet_threshold: 4,
    time_threshold: 9.0 / 8.0,
    idle_timeout: Duration::from_secs(15),
    keep_alive: Duration::from_secs(5),
    beacon: Duration::from_secs(1),
    find_mtu: false,
    segmentation_offload: true,
    ack_every: None,
    initial_packets: 10,
};

/// The knobs of a kind of link; `None` is a safe middle from which the controller measures.
pub fn knobs(profile: Option<LinkProfile>) -> Knobs {
    match profile {
        Some(LinkProfile::Lan) => Knobs {
            initial_rtt: Duration::from_millis(30),
            packet_threshold: 3,
            // A vehicle that drives off is noticed within this, and its link is free to be dialled again.
            idle_timeout: Duration::from_secs(6),
            keep_alive: Duration::from_secs(2),
            find_mtu: true,
            ..WIFI
        },
        Some(LinkProfile::Wifi) => WIFI,
        // Nobody has said that the link takes bursts, and a peer may be behind a slow hop further on.
        None => Knobs {
            initial_rtt: Duration::from_millis(200),
            segmentation_offload: false,
            // A handshake over a modem that loses much takes most of a minute.
            idle_timeout: Duration::from_mins(1),
            keep_alive: Duration::from_secs(15),
            ..WIFI
        },
        Some(LinkProfile::Lte) => Knobs {
            initial_rtt: Duration::from_millis(200),
            idle_timeout: Duration::from_secs(40),
            // Some networks forget a UDP flow after 30 seconds.
            keep_alive: Duration::from_secs(12),
            beacon: Duration::from_secs(2),
            segmentation_offload: false,
            ..WIFI
        },
        Some(LinkProfile::Sat) => Knobs {
            initial_rtt: Duration::from_millis(700),
            packet_threshold: 3,
            idle_timeout: Duration::from_mins(1),
            keep_alive: Duration::from_secs(15),
            beacon: Duration::from_secs(3),
            segmentation_offload: false,
            // The way back is often the narrow one.
            ack_every: Some((3, Duration::from_millis(50))),
            ..WIFI
        },
        Some(LinkProfile::Narrowband) => Knobs {
            initial_rtt: Duration::from_millis(800),
            packet_threshold: 3,
            // Seven keep-alives may be lost or wait behind bulk.
            idle_timeout: Duration::from_mins(3),
            keep_alive: Duration::from_secs(25),
            beacon: Duration::from_secs(10),
            segmentation_offload: false,
            ack_every: Some((3, Duration::from_millis(250))),
            initial_packets: 2,
            ..WIFI
        },
    }
}

/// Which side of a connection settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It asks for signs of life, by the kind of link it dials over.
    Dials,
    /// It leaves the patience to whoever dialled, who knows the link.
    Answers,
}

/// Patience of a node that answers and has been told nothing of its links: that of the most patient dialler.
const ANSWERS_IDLE: Duration = Duration::from_mins(3);

const CLASSES: u32 = Class::ALL.len() as u32;

/// A frame and then some may wait unread on a stream; more is the sender's to hold. All streams together may hold as much
/// as each of them, so that a class whose frames are not taken leaves the others theirs.
const STREAM_WINDOW_BYTES: u32 = (FRAME_BYTES_MAX + (256 << 10)) as u32;

/// What may be sent and wait for its acknowledgement, on all streams together: more than the protocol has in flight in all
/// classes, or bulk would keep an alert out of quinn's hands. What quinn has is sent by class.
const SEND_WINDOW_BYTES: u64 = LINK_QUEUE_BYTES_MAX as u64;

/// Datagrams that may wait, bytes, received or to be sent: some thirty positions; the oldest go first.
const DATAGRAM_BYTES: usize = 8 << 10;

/// A remembered round trip below this is not believed: timers are no finer, and the next one may be over another network.
const REMEMBERED_RTT_MIN: Duration = Duration::from_millis(20);

/// What was seen of the way to a machine when it was last met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// What a round trip took.
    pub rtt: Duration,
    /// What the way carried, bits a second; `None` if there was never enough to say.
    pub rate_bps: Option<u64>,
}

/// The most packets of a first window, however much a way carried: it may be another one today.
const FIRST_PACKETS_MAX: u32 = 32;

/// Packets of the first window: what fills the way as it was, and two that may wait, where that is less than usual; half
/// of what fills it where that is more.
fn first_packets(usual: u32, met: Option<Met>) -> u32 {
    let Some(Met { rtt, rate_bps: Some(rate_bps) }) = met else { return usual };
    let filling = (rate_bps as f64 / 8.0 * rtt.as_secs_f64() / 1_200.0).ceil() as u32;
    usual.min(filling.saturating_add(2)).max((filling / 2).min(FIRST_PACKETS_MAX))
}

/// Settings of a connection between peers. `ceiling_bps` is the most that may be sent, bits a second; `met` is what was seen
/// of the way when this peer was last met: a handshake whose pace is known sends nothing twice, and the first packets of a
/// sender that knows the rate overrun no queue.
pub fn transport(
    profile: Option<LinkProfile>,
    side: Side,
    ceiling_bps: Option<u64>,
    met: Option<Met>,
) -> Arc<TransportConfig> {
    let knobs = knobs(profile);
    let initial_rtt = met.map_or(knobs.initial_rtt, |met| met.rtt.max(REMEMBERED_RTT_MIN));
    let initial_packets = first_packets(knobs.initial_packets, met);
    let mut config = TransportConfig::default();
    let idle = if side == Side::Answers && profile.is_none() { ANSWERS_IDLE } else { knobs.idle_timeout };
    config
        .initial_rtt(initial_rtt)
        .packet_threshold(knobs.packet_threshold)
        .time_threshold(knobs.time_threshold)
        .max_idle_timeout(IdleTimeout::try_from(idle).ok())
        // One sign of life serves both ends.
        .keep_alive_interval((side == Side::Dials).then_some(knobs.keep_alive))
        // A packet of the size that every path must take, so that a beacon gets through whatever has changed.
        .min_mtu(1_200)
        .mtu_discovery_config(knobs.find_mtu.then(MtuDiscoveryConfig::default))
        .enable_segmentation_offload(knobs.segmentation_offload)
        // One stream a class; no more can be opened.
        .max_concurrent_uni_streams(VarInt::from_u32(CLASSES))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CLASSES * STREAM_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        // A handshake of two certificates is below 4 kB each way; more is nobody's.
        .crypto_buffer_size(16 << 10)
        // It would tell observers the round trip, and nobody here reads it.
        .allow_spin(false)
        .datagram_receive_buffer_size(Some(DATAGRAM_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BYTES)
        .congestion_controller_factory(Arc::new(Factory { initial_packets, ceiling_bps }));
    if let Some((packets, wait)) = knobs.ack_every {
        let mut frequency = AckFrequencyConfig::default();
        frequency
            .ack_eliciting_threshold(VarInt::from_u32(packets - 1))
            .max_ack_delay(Some(wait))
            .reordering_threshold(VarInt::from_u32(knobs.packet_threshold - 1));
        config.ack_frequency_config(Some(frequency));
    }
    Arc::new(config)
}

/// Address tokens are not given out: an answer of two certificates stays below three times the dialler's first packet, so
/// nothing is won by them, and they make up a tenth of a meeting between known peers.
pub fn no_tokens() -> ValidationTokenConfig {
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    tokens
}

/// The door at which newcomers enrol: one request, one answer.
pub(crate) fn enrolment() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config.max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(10_000))));
    config.max_concurrent_bidi_streams(VarInt::from_u32(1));
    config.max_concurrent_uni_streams(VarInt::from_u32(0));
    config.datagram_receive_buffer_size(None);
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back_and_a_wrong_one_lists_the_choices() {
        for profile in LinkProfile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        let error = "lora".parse::<LinkProfile>().expect_err("no such kind").to_string();
        assert!(LinkProfile::ALL.iter().all(|profile| error.contains(profile.as_str())), "{error}");
    }

    #[test]
    fn a_quiet_narrow_link_spends_at_most_a_hundredth_on_signs_of_life() {
        // A sign of life and its acknowledgement, each below 40 bytes of QUIC with 28 of UDP and IP.
        let both_ways = 2.0 * (40.0 + 28.0);
        let a_second = both_ways / knobs(Some(LinkProfile::Narrowband)).keep_alive.as_secs_f64();
        assert!(a_second <= 9_600.0 / 8.0 / 100.0, "{a_second:.1} bytes a second");
    }

    #[test]
    fn a_way_that_is_known_to_be_narrow_is_not_overrun_and_a_wide_one_not_crept_into() {
        let met = |rate_bps, rtt_ms| Some(Met { rtt: Duration::from_millis(rtt_ms), rate_bps: Some(rate_bps) });
        assert_eq!(first_packets(10, None), 10);
        assert_eq!(first_packets(10, Some(Met { rtt: Duration::from_secs(1), rate_bps: None })), 10);
        assert_eq!(first_packets(10, met(250_000, 100)), 5);
        assert_eq!(first_packets(10, met(9_600, 1_000)), 3);
        assert_eq!(first_packets(10, met(1_000, 1)), 3, "never less than two");
        assert_eq!(first_packets(10, met(1_000_000, 100)), 10);
        assert_eq!(first_packets(10, met(4_000_000, 100)), 21);
        assert_eq!(first_packets(10, met(u64::MAX, 10_000)), FIRST_PACKETS_MAX);
        assert_eq!(first_packets(2, met(9_600, 1_000)), 2, "a setting for narrow links holds");
    }

    #[test]
    fn a_lost_peer_is_noticed_on_a_lan_within_six_seconds_and_two_lost_signs_of_life_end_no_link() {
        assert_eq!(knobs(Some(LinkProfile::Lan)).idle_timeout, Duration::from_secs(6));
        for profile in LinkProfile::ALL.into_iter().map(Some).chain([None]) {
            let knobs = knobs(profile);
            assert!(knobs.keep_alive * 3 <= knobs.idle_timeout, "{profile:?}");
        }
    }
}
