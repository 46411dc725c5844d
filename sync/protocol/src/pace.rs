//! How much goes out at once on a link: the size of a pack and of what is in flight, from what the link carries.

use holdfast_domain::limits::{
    COMMIT_SPAN_MS, CUT_SPAN_BYTES, CUT_SPAN_NARROW_BYTES, IN_FLIGHT_BYTES_MAX, PACK_BYTES_MIN, PACK_FIRST_BYTES,
    PACK_RAW_BYTES, PACK_SPAN_MS, PATIENCE_MS,
};
use holdfast_domain::scope::Family;

/// What is known of a link's speed, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pace {
    rate_bps: Option<u64>,
    rtt_us: u64,
    /// Share of packets that the link loses.
    loss: f64,
    /// Until the rate is known: the next pack's size, doubled by each that is acknowledged.
    probe_bytes: usize,
    /// Bytes on the wire for a thousand bytes of bodies, by family: documents, feeds, registers.
    permille: [usize; 3],
    /// How long contacts with this peer lasted so far, if they were short, microseconds.
    pub(crate) contact_us: Option<u64>,
}

/// Packs of documents are so many times as large as others, where no contact's end is near: twice the changes take a
/// sixth less each.
const DOCUMENT_PACKS: usize = 2;
/// Packs of feeds are this part of others.
const FEED_PACK_SHARE: usize = 3;
/// A longer round trip is mostly that of a narrow link, microseconds.
const FAR_RTT_US: u64 = 250_000;
/// The first packs on such a link are this part of those on others: a relay passes on what is whole.
const FAR_SHARE: usize = 2;
/// A contact that lasts longer needs no plan.
const CONTACT_US_MAX: u64 = 120_000_000;

impl Default for Pace {
    fn default() -> Self {
        // A bundle takes a tenth of raw changes, zstd half of feeds; registers are mostly signatures.
        let permille = [120, 500, 1_500];
        Self { rate_bps: None, rtt_us: 0, loss: 0.0, probe_bytes: PACK_FIRST_BYTES, permille, contact_us: None }
    }
}

impl Pace {
    pub(crate) fn measured(&mut self, rate_bps: Option<u64>, rtt_us: u64, lost_permille: u32) {
        self.rate_bps = rate_bps.or(self.rate_bps);
        self.rtt_us = rtt_us;
        self.loss = f64::from(lost_permille.min(900)) / 1_000.0;
    }

    /// A session of this length is over.
    pub(crate) fn parted(&mut self, lasted_us: u64) {
        self.contact_us = (lasted_us < CONTACT_US_MAX).then(|| match self.contact_us {
            Some(before) => before / 2 + lasted_us / 2,
            None => lasted_us,
        });
    }

    /// Whether the link is known to be narrow enough to care for single packets.
    pub(crate) fn is_narrow(&self) -> bool {
        self.rate_bps.is_some_and(|rate| rate <= 2_000_000)
    }

    /// Whether the round trip is one of radios and satellites, whose rate is mostly low.
    fn is_far(&self) -> bool {
        self.rtt_us > FAR_RTT_US
    }

    /// Bytes that leave in so many milliseconds; `None` where nothing limits them.
    fn bytes_in(&self, ms: u64) -> Option<usize> {
        self.rate_bps.map(|rate| (rate.saturating_mul(ms) / 8_000) as usize)
    }

    /// How long a contact with this peer lasts, where that is short; one that has lasted twice as long needs no plan.
    fn plan_us(&self, open_us: u64) -> Option<u64> {
        self.contact_us.filter(|whole| open_us / 2 < *whole)
    }

    /// The size of the next pack on the wire, `open_us` after the session began. In a contact that is known to be short
    /// no pack takes more than half of what is left of it; if it outlasts that, what it has lasted longer is likely once more.
    pub(crate) fn pack_bytes(&self, open_us: u64) -> usize {
        let left_ms = self.plan_us(open_us).map(|whole| whole.abs_diff(open_us) / 2_000);
        let span_ms = left_ms.map_or(PACK_SPAN_MS, |left| left.clamp(50, PACK_SPAN_MS));
        let bytes = self.bytes_in(span_ms).unwrap_or(self.probe_bytes / if self.is_far() { FAR_SHARE } else { 1 });
        bytes.clamp(PACK_BYTES_MIN, IN_FLIGHT_BYTES_MAX / 2)
    }

    /// The size of the next pack in bodies.
    pub(crate) fn raw_bytes(&self, family: Family, open_us: u64) -> usize {
        // Bundles of changes are the tighter the larger they are; feeds gain little by that, and a contact that ends in
        // the midst of a pack loses it.
        let pack_bytes = self.pack_bytes(open_us);
        let pack_bytes = match family {
            Family::Document if self.plan_us(open_us).is_some() || (self.rate_bps.is_none() && self.is_far()) => {
                pack_bytes
            }
            Family::Document => pack_bytes * DOCUMENT_PACKS,
            Family::Feed | Family::Register => (pack_bytes / FEED_PACK_SHARE).max(PACK_BYTES_MIN),
        };
        let raw = pack_bytes.saturating_mul(1_000) / self.permille[place(family)].max(10);
        // What does not shrink as it used to must still fit a frame.
        let most = if family == Family::Document { PACK_RAW_BYTES } else { PACK_RAW_BYTES / 2 };
        raw.clamp(PACK_BYTES_MIN, most)
    }

    /// What may be unacknowledged: what the link holds until a pack is whole at the other end and committed there and
    /// the answer is back, and two packs of documents. Until the rate is known, three packs.
    pub(crate) fn window_bytes(&self, open_us: u64) -> usize {
        let pack = self.pack_bytes(open_us);
        let whole_ms = self.rtt_us as f64 / 1_000.0 * (1.0 + 2.0 * self.resends(pack));
        let pipe = self.bytes_in(whole_ms as u64 + COMMIT_SPAN_MS).unwrap_or(pack);
        let packs = if self.rate_bps.is_some() { 2 * DOCUMENT_PACKS } else { 2 };
        (pipe + packs * pack).min(IN_FLIGHT_BYTES_MAX)
    }

    /// In how many bytes of bodies a pack is to hold a cut: signatures cost a narrow link what a wide one does not feel,
    /// and are what lets a narrow link behind this one pass the pack on in pieces.
    pub(crate) fn span_bytes(&self) -> usize {
        if self.rate_bps.is_some() && !self.is_narrow() { CUT_SPAN_BYTES } else { CUT_SPAN_NARROW_BYTES }
    }

    /// How often the unluckiest packet of a pack is sent again.
    fn resends(&self, pack_bytes: usize) -> f64 {
        let packets = (pack_bytes / PACK_BYTES_MIN).max(1) as f64;
        if self.loss > 0.0 { packets.ln() / (1.0 / self.loss).ln() } else { 0.0 }
    }

    /// A pack of so many bytes carried bodies of so many.
    pub(crate) fn packed(&mut self, family: Family, raw: usize, wire: usize) {
        if raw >= PACK_BYTES_MIN {
            let known = &mut self.permille[place(family)];
            *known = (*known * 3 + wire * 1_000 / raw) / 4;
        }
    }

    pub(crate) fn acknowledged(&mut self) {
        self.probe_bytes = (self.probe_bytes * 2).min(IN_FLIGHT_BYTES_MAX / 2);
    }

    /// How long to wait for what another peer is about to bring, microseconds.
    pub(crate) fn patience_us(&self) -> u64 {
        PATIENCE_MS * 1_000 + 4 * self.rtt_us
    }

    /// The time in which a room full of blob groups is to come, microseconds: so much of bulk, and little more, lies on the
    /// link before something more urgent, and a request for more is back before it has run dry.
    pub(crate) fn room_us(&self) -> u64 {
        1_000_000 + 2 * self.rtt_us
    }

    /// How long until a peer that promised so many bytes and brings nothing counts as slow, microseconds: bulk gets a
    /// tenth of a link at worst.
    pub(crate) fn promise_us(&self, bytes: u64) -> u64 {
        let alone_us = self.rate_bps.map_or(1_000_000, |rate| bytes * 8 * 1_000_000 / rate.max(1));
        self.patience_us() + 12 * alone_us
    }

    /// How long until what went in a packet of its own and was not acknowledged counts as lost, microseconds.
    pub(crate) fn packet_lost_us(&self) -> u64 {
        1_000_000 + 3 * self.rtt_us
    }

    /// The pause that keeps something of so many bytes, said again and again, to one part in `share` of the link.
    pub(crate) fn pause_us(&self, bytes: usize, share: u64) -> u64 {
        self.rate_bps.map_or(0, |rate| bytes as u64 * 8 * 1_000_000 * share / rate.max(1))
    }
}

fn place(family: Family) -> usize {
    match family {
        Family::Document => 0,
        Family::Feed => 1,
        Family::Register => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_link_gets_small_packs_and_a_wide_one_large_ones() {
        let mut pace = Pace::default();
        assert_eq!(pace.pack_bytes(0), PACK_FIRST_BYTES);
        assert_eq!(pace.window_bytes(0), 3 * PACK_FIRST_BYTES, "not all at once before anything is known");
        assert!(pace.raw_bytes(Family::Document, 0) > 4 * pace.raw_bytes(Family::Feed, 0));
        pace.measured(None, 600_000, 0);
        assert_eq!(pace.pack_bytes(0), PACK_FIRST_BYTES / 2, "far, and perhaps narrow");
        pace.measured(Some(64_000), 600_000, 0);
        assert_eq!(pace.pack_bytes(0), 5_600);
        assert_eq!(pace.window_bytes(0), 6_400 + 22_400);
        pace.measured(Some(1_000_000), 600_000, 300);
        assert!(pace.window_bytes(0) > 4 * 125_000, "the last packet of a pack is sent again and again");
        pace.measured(Some(9_600), 1_000_000, 0);
        assert_eq!(pace.pack_bytes(0), PACK_BYTES_MIN);
        pace.measured(Some(100_000_000), 1_000, 0);
        assert_eq!(pace.pack_bytes(0), IN_FLIGHT_BYTES_MAX / 2);
        assert_eq!(pace.raw_bytes(Family::Document, 0), PACK_RAW_BYTES);
    }

    #[test]
    fn packs_shrink_towards_the_end_of_a_contact_known_to_be_short() {
        let mut pace = Pace::default();
        pace.measured(Some(250_000), 20_000, 0);
        pace.parted(5_000_000);
        let sizes = [0, 4_000_000, 4_900_000, 5_000_000].map(|open_us| pace.pack_bytes(open_us));
        assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] == 21_875 && sizes[3] <= 1_600, "{sizes:?}");
        let sizes = [5_000_000, 6_000_000, 8_000_000, 60_000_000].map(|open_us| pace.pack_bytes(open_us));
        assert!(sizes.is_sorted() && sizes[3] == 21_875, "a contact that outlasts the others is believed: {sizes:?}");
        let raw = [4_000_000, 60_000_000].map(|open_us| pace.raw_bytes(Family::Document, open_us));
        assert!(raw[1] >= 2 * raw[0], "{raw:?}");
        pace.parted(500_000_000);
        assert_eq!(pace.pack_bytes(9_000_000), 21_875, "a peer that stays needs no plan");
    }
}
