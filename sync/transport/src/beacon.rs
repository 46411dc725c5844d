//! A sign of life over a link that has fallen silent, and the rule by which it counts as silent.
//!
//! Quinn probes a silent link at intervals that double without bound, and takes the time of each probe for a round trip, so
//! after a long outage, or where acknowledgements are lost in a row, seconds to minutes pass in which the link is there and
//! nobody uses it. A beacon is an empty datagram with the leave to pass a full window: its acknowledgement makes quinn give
//! up all that was lost and send it again at once.

use std::time::{Duration, Instant};

use quinn::{ConnectionStats, FrameStats};

use crate::controller::Steered;

/// Round trips without a word after which an answer is overdue, and beacons go out twice a round trip.
const OVERDUE_AFTER_ROUND_TRIPS: u32 = 2;
/// Acknowledgements wait for each other, and timers are late.
const OVERDUE_SLACK: Duration = Duration::from_millis(100);
/// Round trips without a word after which the link counts as stalled, and beacons go out at their interval.
const STALLED_AFTER_ROUND_TRIPS: u32 = 4;
/// The peer's machine may be busy.
const STALLED_SLACK: Duration = Duration::from_millis(250);

/// Between two looks at a link on which something moves, round trips permitting, and at a quiet one.
const LOOK_SHORTEST: Duration = Duration::from_millis(100);
const LOOK_LONGEST: Duration = Duration::from_secs(1);
/// While both ends talk: as long as an acknowledgement waits by rule.
const LOOK_BOTH_TALK: Duration = Duration::from_millis(25);

/// What a link's counters show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// Datagrams received.
    pub heard: u64,
    /// Frames sent that the peer must acknowledge.
    pub said: u64,
    /// Frames heard that must be acknowledged.
    pub asked: u64,
    /// Acknowledgements sent.
    pub answered: u64,
    /// Bytes acknowledged.
    pub delivered: u64,
    /// Whether the window holds back what there is to send, acknowledgements with it.
    pub is_full: bool,
    /// Whether the last acknowledgement left something open.
    pub is_open: bool,
    /// The shortest round trip of late. The smoothed one grows with each silence.
    pub rtt: Duration,
}

impl Glimpse {
    /// From quinn's statistics.
    pub fn of(stats: &ConnectionStats, controller: &Steered) -> Self {
        Self {
            heard: stats.udp_rx.datagrams,
            said: wanting_answers(&stats.frame_tx),
            asked: wanting_answers(&stats.frame_rx),
            answered: stats.frame_tx.acks,
            delivered: controller.steering().delivered_bytes(),
            is_full: controller.is_full(),
            is_open: controller.left_open(),
            rtt: controller.steering().shortest_rtt().unwrap_or(stats.path.rtt),
        }
    }
}

/// Frames that are to be acknowledged. Acknowledgements are not.
fn wanting_answers(frames: &FrameStats) -> u64 {
    let counts = [
        frames.ack_frequency,
        frames.crypto,
        frames.data_blocked,
        frames.datagram,
        frames.handshake_done.into(),
        frames.immediate_ack,
        frames.max_data,
        frames.max_stream_data,
        frames.max_streams_uni,
        frames.new_connection_id,
        frames.new_token,
        frames.path_challenge,
        frames.path_response,
        frames.ping,
        frames.reset_stream,
        frames.retire_connection_id,
        frames.stop_sending,
        frames.stream,
        frames.stream_data_blocked,
        frames.streams_blocked_uni,
    ];
    counts.iter().sum()
}

/// Answers that this end owes. Quinn sends no acknowledgement while there is data to send and the window is full, so two
/// ends that both fill the link would wait for each other.
#[derive(Debug)]
struct Debt {
    /// Answers wait for each other this long by rule.
    patience: Duration,
    asked: u64,
    answered: u64,
    since: Option<Instant>,
}

impl Debt {
    fn is_overdue(&mut self, now: Instant, glimpse: &Glimpse) -> bool {
        if glimpse.answered != self.answered {
            (self.answered, self.asked, self.since) = (glimpse.answered, glimpse.asked, None);
        } else if glimpse.asked != self.asked {
            self.asked = glimpse.asked;
            self.since.get_or_insert(now);
        }
        let is_overdue =
            glimpse.is_full && self.since.is_some_and(|since| now.saturating_duration_since(since) >= self.patience);
        if is_overdue {
            self.since = Some(now);
        }
        is_overdue
    }
}

/// Watches one link's counters for silence.
#[derive(Debug)]
pub struct Watch {
    interval: Duration,
    heard: u64,
    heard_at: Option<Instant>,
    delivered: u64,
    said: u64,
    /// Since when something said waits to be acknowledged and nothing has been.
    waiting_since: Option<Instant>,
    last_beacon: Option<Instant>,
    /// What was said in all, and when it last became more; `said` is set back by acknowledgements.
    said_last: u64,
    said_at: Option<Instant>,
    asked_at: Option<Instant>,
    debt: Debt,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the link is silent.
    pub is_stalled: bool,
    /// Whether a beacon is due.
    pub beacon: bool,
}

const LIVELY: Verdict = Verdict { is_stalled: false, beacon: false };

impl Watch {
    /// Beacons go out at this interval while the link is stalled. Acknowledgements wait at most so long by rule.
    pub fn new(interval: Duration, answer_within: Duration) -> Self {
        Self {
            interval,
            heard: 0,
            heard_at: None,
            delivered: 0,
            said: 0,
            waiting_since: None,
            last_beacon: None,
            said_last: 0,
            said_at: None,
            asked_at: None,
            debt: Debt { patience: answer_within, asked: 0, answered: 0, since: None },
        }
    }

    /// Looks at the counters.
    pub fn look(&mut self, now: Instant, glimpse: Glimpse) -> Verdict {
        self.note_talk(now, &glimpse);
        let owes = self.debt.is_overdue(now, &glimpse);
        let verdict = self.listen(now, glimpse);
        Verdict { beacon: verdict.beacon || owes && !verdict.is_stalled, ..verdict }
    }

    /// How long to wait until the next look.
    pub fn pause(&self, now: Instant, glimpse: &Glimpse) -> Duration {
        let of_late = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) <= glimpse.rtt * 2);
        if of_late(self.said_at) && of_late(self.asked_at) {
            return LOOK_BOTH_TALK;
        }
        let moves = self.waiting_since.is_some() || of_late(self.heard_at) || of_late(self.said_at);
        let pause = if moves { (glimpse.rtt / 2).clamp(LOOK_SHORTEST, LOOK_LONGEST) } else { LOOK_LONGEST };
        // A beacon that is due goes out in time.
        let due = self.last_beacon.map(|last| (last + self.interval).saturating_duration_since(now));
        due.filter(|due| !due.is_zero()).map_or(pause, |due| due.min(pause))
    }

    fn note_talk(&mut self, now: Instant, glimpse: &Glimpse) {
        if glimpse.said != self.said_last {
            (self.said_last, self.said_at) = (glimpse.said, Some(now));
        }
        if glimpse.asked != self.debt.asked {
            self.asked_at = Some(now);
        }
    }

    fn listen(&mut self, now: Instant, glimpse: Glimpse) -> Verdict {
        if glimpse.heard != self.heard {
            (self.heard, self.heard_at) = (glimpse.heard, Some(now));
        }
        if glimpse.delivered != self.delivered {
            (self.delivered, self.said, self.last_beacon) = (glimpse.delivered, glimpse.said, None);
            self.waiting_since = glimpse.is_open.then_some(now);
        }
        if glimpse.said != self.said {
            self.said = glimpse.said;
            self.waiting_since.get_or_insert(now);
        }
        let Some(since) = self.waiting_since else { return LIVELY };
        let waited = now.saturating_duration_since(since);
        if waited < glimpse.rtt * OVERDUE_AFTER_ROUND_TRIPS + OVERDUE_SLACK {
            return LIVELY;
        }
        // Who is heard but does not acknowledge lost the last words; that needs a beacon, and is no silence.
        let silent = self.heard_at.map_or(waited, |heard| waited.min(now.saturating_duration_since(heard)));
        // Links that are tried rarely are slow, and a packet there may wait behind others.
        let patience = glimpse.rtt * STALLED_AFTER_ROUND_TRIPS + STALLED_SLACK.max(self.interval / 4);
        let is_stalled = silent >= patience;
        let pause = if is_stalled { self.interval } else { (glimpse.rtt / 2).min(self.interval) };
        let beacon = self.last_beacon.is_none_or(|last| now.saturating_duration_since(last) >= pause);
        if beacon {
            self.last_beacon = Some(now);
        }
        Verdict { is_stalled, beacon }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Glimpse, Instant, LIVELY, LOOK_BOTH_TALK, LOOK_LONGEST, LOOK_SHORTEST, Verdict, Watch};

    const RTT: Duration = Duration::from_millis(200);

    fn glimpse(heard: u64, delivered: u64, said: u64) -> Glimpse {
        Glimpse { heard, said, asked: 0, answered: 0, delivered, is_full: false, is_open: false, rtt: RTT }
    }

    #[test]
    fn a_quiet_link_is_not_a_stalled_one() {
        let mut watch = Watch::new(Duration::from_secs(1), Duration::from_millis(25));
        let begun = Instant::now();
        assert_eq!(watch.look(begun, glimpse(5, 5, 5)), LIVELY);
        assert_eq!(watch.look(begun + Duration::from_hours(1), glimpse(5, 5, 5)), LIVELY);
    }

    #[test]
    fn words_without_an_answer_make_it_stalled_and_one_answer_mends_it() {
        let mut watch = Watch::new(Duration::from_secs(1), Duration::from_millis(25));
        let begun = Instant::now();
        let mut look =
            |ms, heard, delivered, said| watch.look(begun + Duration::from_millis(ms), glimpse(heard, delivered, said));
        let silent = |is_stalled, beacon| Verdict { is_stalled, beacon };
        assert_eq!(look(0, 5, 5, 5), LIVELY);
        assert_eq!(look(100, 5, 5, 6), LIVELY);
        assert_eq!(look(500, 5, 5, 7), LIVELY);
        assert_eq!(look(600, 5, 5, 7), silent(false, true));
        assert_eq!(look(650, 5, 5, 8), silent(false, false));
        assert_eq!(look(700, 5, 5, 8), silent(false, true));
        assert_eq!(look(1_150, 5, 5, 9), silent(true, false));
        assert_eq!(look(1_700, 5, 5, 9), silent(true, true));
        assert_eq!(look(2_000, 5, 5, 10), silent(true, false));
        assert_eq!(look(2_100, 6, 9, 10), LIVELY);
        assert_eq!(look(9_000, 6, 9, 10), LIVELY);
    }

    #[test]
    fn a_peer_that_talks_and_never_acknowledges_is_asked_again_and_is_not_silent() {
        let mut watch = Watch::new(Duration::from_secs(1), Duration::from_millis(25));
        let begun = Instant::now();
        let mut open = glimpse(5, 5, 5);
        open.is_open = true;
        assert_eq!(watch.look(begun, open), LIVELY);
        for step in 1..50_u64 {
            open.heard += 1;
            let verdict = watch.look(begun + Duration::from_millis(100 * step), open);
            assert_eq!(verdict, Verdict { is_stalled: false, beacon: step >= 5 }, "after {step} tenths");
        }
    }

    #[test]
    fn an_answer_that_a_full_window_holds_back_gets_leave_and_one_that_merely_waits_its_turn_does_not() {
        let begun = Instant::now();
        let look_at = |is_full: bool| {
            let mut watch = Watch::new(Duration::from_secs(1), Duration::from_millis(25));
            let mut shown = glimpse(5, 5, 5);
            shown.is_full = is_full;
            assert_eq!(watch.look(begun, shown), LIVELY);
            (shown.heard, shown.asked) = (7, 2);
            assert_eq!(watch.look(begun + Duration::from_millis(25), shown), LIVELY);
            let overdue = watch.look(begun + Duration::from_millis(50), shown);
            (shown.heard, shown.asked, shown.answered) = (8, 3, 1);
            assert_eq!(watch.look(begun + Duration::from_millis(75), shown), LIVELY);
            overdue
        };
        assert_eq!(look_at(true), Verdict { is_stalled: false, beacon: true });
        assert_eq!(look_at(false), LIVELY);
    }

    #[test]
    fn two_ends_that_talk_are_looked_at_often_and_a_quiet_link_rarely() {
        let mut watch = Watch::new(Duration::from_secs(1), Duration::from_millis(25));
        let begun = Instant::now();
        let mut shown = glimpse(5, 5, 5);
        shown.asked = 1;
        watch.look(begun, shown);
        assert_eq!(watch.pause(begun, &shown), LOOK_BOTH_TALK);
        let later = begun + RTT * 3;
        watch.look(later, shown);
        assert_eq!(watch.pause(later, &shown), LOOK_LONGEST);
        shown.said += 1;
        watch.look(later, shown);
        assert_eq!(watch.pause(later, &shown), LOOK_SHORTEST);
    }
}
