//! A sign of life over a link that has fallen silent, and the rule by which it counts as silent.
//!
//! Quinn probes a silent link at intervals that double without bound, so after a long outage minutes pass in which the link
//! is there and nobody knows. A beacon is an empty datagram with the leave to pass a full window: its acknowledgement makes
//! quinn give up all that the outage swallowed and send it again at once.

use std::time::{Duration, Instant};

use quinn::ConnectionStats;

use crate::controller::Steered;

/// A link is stalled when nothing was heard for so many round trips although something was said.
const STALLED_AFTER_ROUND_TRIPS: u32 = 3;
/// Acknowledgements wait for each other, timers are late, the peer's machine is busy.
const SLACK: Duration = Duration::from_millis(250);

/// What a link's counters show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// Datagrams received.
    pub heard: u64,
    /// Frames sent that the peer must acknowledge.
    pub said: u64,
    /// Round trip as measured of late.
    pub rtt: Duration,
}

impl Glimpse {
    /// From quinn's statistics. Acknowledgements are not answered, so they count as nothing said.
    pub fn of(stats: &ConnectionStats) -> Self {
        let sent = &stats.frame_tx;
        let said = [
            sent.ack_frequency,
            sent.crypto,
            sent.data_blocked,
            sent.datagram,
            u64::from(sent.handshake_done),
            sent.immediate_ack,
            sent.max_data,
            sent.max_stream_data,
            sent.max_streams_uni,
            sent.new_connection_id,
            sent.new_token,
            sent.path_challenge,
            sent.path_response,
            sent.ping,
            sent.reset_stream,
            sent.retire_connection_id,
            sent.stop_sending,
            sent.stream,
            sent.stream_data_blocked,
            sent.streams_blocked_uni,
        ];
        Self { heard: stats.udp_rx.datagrams, said: said.iter().sum(), rtt: stats.path.rtt }
    }
}

/// Watches one link's counters for silence.
#[derive(Debug)]
pub struct Watch {
    interval: Duration,
    heard: u64,
    said: u64,
    /// Since when something has been said without an answer.
    unanswered_since: Option<Instant>,
    last_beacon: Option<Instant>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The peer is heard, or nothing was said that it could answer.
    Lively,
    /// The link is silent.
    Stalled {
        /// Whether a beacon is due.
        beacon: bool,
    },
}

impl Watch {
    /// Beacons go out at this interval while the link is stalled.
    pub fn new(interval: Duration) -> Self {
        Self { interval, heard: 0, said: 0, unanswered_since: None, last_beacon: None }
    }

    /// Looks at the counters.
    pub fn look(&mut self, now: Instant, glimpse: Glimpse) -> Verdict {
        if glimpse.heard != self.heard {
            (self.heard, self.said) = (glimpse.heard, glimpse.said);
            (self.unanswered_since, self.last_beacon) = (None, None);
            return Verdict::Lively;
        }
        if glimpse.said != self.said {
            self.said = glimpse.said;
            self.unanswered_since.get_or_insert(now);
        }
        // Links that are tried rarely are slow, and a packet there may wait behind others of the same round trip.
        let patience = glimpse.rtt * STALLED_AFTER_ROUND_TRIPS + SLACK.max(self.interval / 4);
        if self.unanswered_since.is_none_or(|since| now.saturating_duration_since(since) < patience) {
            return Verdict::Lively;
        }
        let beacon = self.last_beacon.is_none_or(|last| now.saturating_duration_since(last) >= self.interval);
        if beacon {
            self.last_beacon = Some(now);
        }
        Verdict::Stalled { beacon }
    }
}

/// Lets the next packet pass a full window. The controller is a copy of the link's own, which shares the leave.
pub fn grant_passage(controller: Box<dyn quinn::congestion::Controller>) {
    if let Ok(steered) = controller.into_any().downcast::<Steered>() {
        steered.grant();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(200);

    fn glimpse(heard: u64, said: u64) -> Glimpse {
        Glimpse { heard, said, rtt: RTT }
    }

    #[test]
    fn a_quiet_link_is_not_a_stalled_one() {
        let mut watch = Watch::new(Duration::from_secs(1));
        let begun = Instant::now();
        assert_eq!(watch.look(begun, glimpse(5, 5)), Verdict::Lively);
        assert_eq!(watch.look(begun + Duration::from_hours(1), glimpse(5, 5)), Verdict::Lively);
    }

    #[test]
    fn words_without_an_answer_make_it_stalled_and_one_answer_mends_it() {
        let mut watch = Watch::new(Duration::from_secs(1));
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        assert_eq!(watch.look(at(0), glimpse(5, 5)), Verdict::Lively);
        assert_eq!(watch.look(at(100), glimpse(5, 6)), Verdict::Lively);
        assert_eq!(watch.look(at(900), glimpse(5, 7)), Verdict::Lively);
        assert_eq!(watch.look(at(1_000), glimpse(5, 8)), Verdict::Stalled { beacon: true });
        assert_eq!(watch.look(at(1_500), glimpse(5, 8)), Verdict::Stalled { beacon: false });
        assert_eq!(watch.look(at(2_000), glimpse(5, 9)), Verdict::Stalled { beacon: true });
        assert_eq!(watch.look(at(2_100), glimpse(6, 9)), Verdict::Lively);
        assert_eq!(watch.look(at(9_000), glimpse(6, 9)), Verdict::Lively);
    }
}
