//! How much may be under way: from round trips and delivered bytes, never from loss alone.
//!
//! Pure arithmetic. The window follows the queueing delay: it grows while the standing queue is below a target of a
//! packet and a sixteenth of the round trip, and shrinks above it. It is held between three quarters and a little more than
//! the product of measured rate and shortest round trip. What is lost at random is made good by sending more: the loss
//! that stays when less is sent is the link's own and widens the window; loss that vanishes then was this sender's doing.
//! Nothing here backs off with time, so after an outage of any length the first acknowledgement finds the old window.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rounds whose rates are remembered; a link that lost half its rate is believed after so many round trips.
const ROUNDS_KEPT: usize = 8;
/// One round in so many is sent thinly, so that the queue empties and the true round trip and loss show.
const THIN_EVERY_ROUNDS: u64 = 24;
/// The same while the other direction has a queue.
const THIN_EVERY_ROUNDS_SHARED: u64 = 8;
/// What a thin round sends of the product of delivered rate and round trip.
const THIN: f64 = 0.75;
/// Least and greatest share of that product in other rounds, queue target aside.
const FLOOR: f64 = 0.75;
const CAP: f64 = 1.15;
/// Share of the usual rate that is not given up for the sake of the queue.
const RATE_HELD: f64 = 0.9;
/// A window filled to this share is full: packets do not come out even.
const FILLED: f64 = 0.9;
/// Growth and decrease per round trip at full error of the queueing delay.
const GROW: f64 = 0.18;
const SHRINK: f64 = 0.25;
/// Loss beyond this is not made good: more than double the traffic helps nobody.
const LOSS_MAX: f64 = 0.5;
/// More loss than this must show in a thin round, too, to count as the link's own.
const LOSS_UNPROVED_MAX: f64 = 0.02;
/// What a round trip may tremble beyond half of itself.
const TREMBLING_MAX: Duration = Duration::from_millis(20);
/// Timers and shared media jitter by this much; it is not a queue.
const JITTER: Duration = Duration::from_millis(2);
/// The shortest round trip is believed for this long at least.
const MIN_RTT_SPAN: Duration = Duration::from_secs(10);
/// Recent round trips kept; past it the oldest go.
const RECENT_MAX: usize = 64;

/// What acknowledgements said of one round trip's packets.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    acked_bytes: u64,
    lost_bytes: u64,
}

impl Tally {
    fn loss(self) -> Option<f64> {
        let total = self.acked_bytes + self.lost_bytes;
        (total > 0).then(|| self.lost_bytes as f64 / total as f64)
    }
}

/// The search for the rate at the start.
#[derive(Debug, Clone, Copy, Default)]
struct Search {
    best_bytes_per_s: f64,
    rounds_without_gain: u32,
}

/// What is acknowledged at one time.
#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    bytes: u64,
    newest_sent: Option<Instant>,
}

/// The shortest of the values of a span: this one's and the one's before.
#[derive(Debug, Clone, Copy, Default)]
struct Shortest {
    since: Option<Instant>,
    current: Option<Duration>,
    previous: Option<Duration>,
}

impl Shortest {
    fn add(&mut self, now: Instant, span: Duration, value: Duration) {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) > span {
            (self.since, self.previous, self.current) = (Some(now), self.current, None);
        }
        self.current = Some(self.current.map_or(value, |shortest| shortest.min(value)));
    }

    fn get(&self) -> Option<Duration> {
        self.current.into_iter().chain(self.previous).min()
    }
}

/// The state of one direction of one path.
///
/// Order of calls: [`Self::acked`] for each packet of an acknowledgement, then [`Self::acked_all`] once; [`Self::lost`] as
/// packets are given up.
#[derive(Debug, Clone)]
pub struct Steering {
    packet_bytes: u64,
    initial_bytes: u64,
    ceiling_bytes_per_s: Option<f64>,
    window_bytes: f64,
    search: Option<Search>,
    /// When the search ended: what was sent before stands in the queue that it made, and says nothing of the window since.
    found_at: Option<Instant>,
    thin: bool,
    shortest: Shortest,
    recent: VecDeque<(Instant, Duration)>,
    smoothed: Option<Duration>,
    /// Round trip of a path without a queue of this sender's, as thin rounds show it: on media that tremble it is more than
    /// the shortest.
    empty: Option<Duration>,
    /// Sum and number of the standing round trips of this round.
    standing: (Duration, u32),
    batch: Batch,
    delivered_bytes: u64,
    round: u64,
    round_begun: Option<(Instant, u64)>,
    round_limited_by_app: bool,
    /// Rates of rounds that the link limited, or that were faster than those.
    rates: VecDeque<f64>,
    /// Rates of all rounds of late: the link carries no less, whoever limited them.
    proved: VecDeque<f64>,
    tally: Tally,
    loss: Option<f64>,
    loss_when_thin: Option<f64>,
    last_was_thin: bool,
}

impl Steering {
    /// Begins with a window of so many packets; `ceiling_bps` is the most that may be sent, bits a second.
    pub fn new(packet_bytes: u16, initial_packets: u32, ceiling_bps: Option<u64>) -> Self {
        let packet_bytes = u64::from(packet_bytes);
        let initial_bytes = packet_bytes * u64::from(initial_packets.max(2));
        Self {
            packet_bytes,
            initial_bytes,
            ceiling_bytes_per_s: ceiling_bps.map(|bps| bps as f64 / 8.0),
            window_bytes: initial_bytes as f64,
            search: Some(Search::default()),
            found_at: None,
            thin: false,
            shortest: Shortest::default(),
            recent: VecDeque::new(),
            smoothed: None,
            empty: None,
            standing: (Duration::ZERO, 0),
            batch: Batch::default(),
            delivered_bytes: 0,
            round: 0,
            round_begun: None,
            round_limited_by_app: true,
            rates: VecDeque::new(),
            proved: VecDeque::new(),
            tally: Tally::default(),
            loss: None,
            loss_when_thin: None,
            last_was_thin: false,
        }
    }

    /// Bytes that may be under way.
    pub fn window_bytes(&self) -> u64 {
        let window = match self.product() {
            // While loss is under suspicion, it is not made good: if less shows at this rate, it was not the link's own.
            Some(product) if self.thin && self.loss_is_suspect() => {
                self.window_bytes.min(product * THIN * (1.0 - self.own_loss()))
            }
            Some(product) if self.thin => self.window_bytes.min(product * THIN),
            _ => self.window_bytes,
        };
        (window as u64).max(2 * self.packet_bytes)
    }

    /// The window that a connection begins with, bytes.
    pub fn initial_bytes(&self) -> u64 {
        self.initial_bytes
    }

    /// What the path delivers, bits a second; `None` until something other than the sender's need has limited it.
    pub fn rate_bps(&self) -> Option<u64> {
        if self.search.is_some() || self.rates.is_empty() {
            return None;
        }
        let middle = |rates: &VecDeque<f64>| {
            let mut rates: Vec<f64> = rates.iter().copied().collect();
            rates.sort_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied().unwrap_or(0.0)
        };
        Some((middle(&self.rates).max(middle(&self.proved)) * 8.0) as u64)
    }

    /// Bytes acknowledged so far.
    pub fn delivered_bytes(&self) -> u64 {
        self.delivered_bytes
    }

    /// The shortest round trip of late.
    pub fn shortest_rtt(&self) -> Option<Duration> {
        self.shortest.get()
    }

    /// Packets have this many bytes from now on.
    pub fn resize(&mut self, packet_bytes: u16) {
        self.packet_bytes = u64::from(packet_bytes);
        self.window_bytes = self.window_bytes.max(2.0 * self.packet_bytes as f64);
    }

    /// A packet sent at `sent` has arrived.
    pub fn acked(&mut self, sent: Instant, bytes: u64) {
        self.batch.bytes += bytes;
        self.batch.newest_sent = self.batch.newest_sent.max(Some(sent));
    }

    /// The packets named since the last call are all of one acknowledgement.
    pub fn acked_all(&mut self, now: Instant, in_flight_bytes: u64, limited_by_app: bool) {
        let Batch { bytes, newest_sent: Some(sent) } = std::mem::take(&mut self.batch) else { return };
        self.delivered_bytes += bytes;
        self.tally.acked_bytes += bytes;
        self.time(now, now.saturating_duration_since(sent));
        let filled = (in_flight_bytes + bytes) as f64 / self.window_bytes() as f64;
        let idle = limited_by_app && filled < 0.5;
        // A sender that leaves a little room in each round, and is believed to have met the link's limit, would believe in
        // less and less.
        let limited_by_app = limited_by_app && filled < FILLED;
        self.round_limited_by_app |= limited_by_app;
        match self.round_begun {
            None => self.begin_round(now, limited_by_app),
            Some((begun, _)) if sent >= begun => {
                self.end_round(now);
                self.begin_round(now, limited_by_app);
            }
            Some(_) => {}
        }
        self.steer(now, sent, bytes, idle);
    }

    /// Packets were given up. That alone says nothing of the link's rate.
    pub fn lost(&mut self, bytes: u64) {
        self.tally.lost_bytes += bytes;
        if self.search.is_some() {
            // The search doubles by what leaves the path, whether it arrived or not, or random loss would stop it.
            self.window_bytes += bytes as f64;
        }
        self.hold();
    }

    fn time(&mut self, now: Instant, rtt: Duration) {
        let smoothed = self.smoothed.map_or(rtt, |smoothed| (smoothed * 7 + rtt) / 8);
        self.smoothed = Some(smoothed);
        self.shortest.add(now, MIN_RTT_SPAN.max(smoothed * 2 * THIN_EVERY_ROUNDS as u32), rtt);
        // Kept ascending, so that the first is the shortest of the last half round trip.
        while self.recent.back().is_some_and(|(_, longer)| *longer >= rtt) {
            self.recent.pop_back();
        }
        self.recent.push_back((now, rtt));
        let span = smoothed / 2;
        while self.recent.len() > 1
            && (self.recent.len() > RECENT_MAX || now.saturating_duration_since(self.recent[0].0) > span)
        {
            self.recent.pop_front();
        }
        self.standing = (self.standing.0 + self.recent[0].1, self.standing.1 + 1);
    }

    fn begin_round(&mut self, now: Instant, limited_by_app: bool) {
        self.round += 1;
        self.round_begun = Some((now, self.delivered_bytes));
        self.round_limited_by_app = limited_by_app;
        self.last_was_thin = self.thin;
        let unproved = self.empty.is_none() || self.loss_when_thin.is_none() && self.loss_is_suspect();
        self.thin =
            self.search.is_none() && !self.thin && (unproved || self.round.is_multiple_of(self.thin_every_rounds()));
    }

    /// A queue that thin rounds leave standing is the other direction's, where acknowledgements wait. It comes and goes, so
    /// it is looked at more often.
    fn thin_every_rounds(&self) -> u64 {
        let shared =
            self.empty.zip(self.shortest.get()).is_some_and(|(empty, shortest)| empty > shortest * 9 / 8 + JITTER);
        if shared { THIN_EVERY_ROUNDS_SHARED } else { THIN_EVERY_ROUNDS }
    }

    fn end_round(&mut self, now: Instant) {
        let Some((begun, delivered_bytes)) = self.round_begun else { return };
        let seconds = now.saturating_duration_since(begun).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        self.note_loss();
        self.note_empty();
        let rate = (self.delivered_bytes - delivered_bytes) as f64 / seconds;
        push_kept(&mut self.proved, rate);
        // A sender that had little to send proves no less than it sent, and nothing more.
        if self.round_limited_by_app && rate <= self.best_rate() {
            return;
        }
        // What a thin round delivers is this sender's choice.
        if !self.last_was_thin {
            push_kept(&mut self.rates, rate);
        }
        if let Some(search) = &mut self.search {
            if rate > search.best_bytes_per_s * 1.25 {
                *search = Search { best_bytes_per_s: rate, rounds_without_gain: 0 };
            } else if !self.round_limited_by_app {
                search.rounds_without_gain += 1;
            }
        }
    }

    fn note_loss(&mut self) {
        // Too few packets say nothing; they are counted with the next round's.
        if self.tally.acked_bytes + self.tally.lost_bytes < 8 * self.packet_bytes && !self.last_was_thin {
            return;
        }
        let Some(loss) = std::mem::take(&mut self.tally).loss() else { return };
        let blend = |old: Option<f64>, share: f64| Some(old.map_or(loss, |old| old + (loss - old) * share));
        if self.last_was_thin {
            self.loss_when_thin = blend(self.loss_when_thin, 0.5);
        } else {
            self.loss = blend(self.loss, 0.25);
        }
    }

    fn note_empty(&mut self) {
        let (sum, count) = std::mem::take(&mut self.standing);
        if self.last_was_thin && count > 0 {
            let shown = sum / count;
            self.empty = Some(self.empty.map_or(shown, |empty| (empty + shown) / 2));
        }
    }

    /// The round trip of an empty path. Trembling media are believed up to a point; past it there is a queue.
    fn empty_rtt(&self) -> Option<Duration> {
        let shortest = self.shortest.get()?;
        let most = shortest * 3 / 2 + TREMBLING_MAX;
        Some(self.empty.unwrap_or(shortest).clamp(shortest, most))
    }

    /// Whether more is lost than was when less was sent, or nothing is known of that.
    fn loss_is_suspect(&self) -> bool {
        let known = self.loss_when_thin.map_or(0.0, |loss| loss + 0.1);
        self.loss.is_some_and(|loss| loss > LOSS_UNPROVED_MAX.max(known))
    }

    /// Loss that the link has of its own.
    pub fn own_loss(&self) -> f64 {
        let loss = self.loss.unwrap_or(0.0);
        loss.min(self.loss_when_thin.unwrap_or(loss)).min(LOSS_MAX)
    }

    fn best_rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    /// What must be sent a second to deliver at the best rate seen, bytes.
    fn send_rate(&self) -> f64 {
        let rate = self.best_rate() / (1.0 - self.own_loss());
        self.ceiling_bytes_per_s.map_or(rate, |ceiling| rate.min(ceiling))
    }

    /// What is sent a second to deliver at a rate that a quarter of the rounds reached, bytes.
    fn usual_send_rate(&self) -> f64 {
        let mut rates: Vec<f64> = self.rates.iter().copied().collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() * 3 / 4).map_or(0.0, |rate| rate / (1.0 - self.own_loss()))
    }

    /// The shortest round trip of the last half of one, seconds.
    fn standing_rtt(&self) -> f64 {
        self.recent.front().map_or(0.0, |(_, rtt)| rtt.as_secs_f64())
    }

    /// What fills the path without a queue, bytes.
    fn product(&self) -> Option<f64> {
        let rtt = self.empty_rtt()?.as_secs_f64();
        (!self.rates.is_empty()).then(|| self.send_rate() * rtt)
    }

    /// Queueing delay now and the one aimed at, seconds.
    fn queue(&self) -> Option<(f64, f64)> {
        let (empty, standing) = (self.empty_rtt()?, self.recent.front()?.1);
        let rate = self.send_rate();
        let packets = if rate > 0.0 { self.packet_bytes as f64 / rate } else { empty.as_secs_f64() };
        let target = packets + empty.as_secs_f64() * self.queued_share() + JITTER.as_secs_f64();
        Some((standing.saturating_sub(empty).as_secs_f64(), target))
    }

    /// Share of a round trip that may stand in the queue. Where packets are lost, so are acknowledgements, and the queue
    /// must last over the gaps that they leave.
    fn queued_share(&self) -> f64 {
        1.0 / 16.0 + self.own_loss() * 0.6
    }

    fn steer(&mut self, now: Instant, sent: Instant, acked_bytes: u64, idle: bool) {
        let Some((delay, target)) = self.queue() else { return };
        if let Some(search) = self.search {
            let found = self.round > 2 && delay > target || search.rounds_without_gain >= 3;
            if found && let Some(product) = self.product() {
                (self.search, self.found_at) = (None, Some(now));
                self.window_bytes = product + 2.0 * self.packet_bytes as f64;
            } else if !idle {
                // Doubling slows down as a queue shows, since what was sent meanwhile has yet to stand in it.
                self.window_bytes += acked_bytes as f64 * (1.0 - delay / target).max(0.0);
            }
        } else {
            let error = ((target - delay) / target).clamp(-1.0, 1.0);
            let of_the_search = self.found_at.is_some_and(|found| sent < found);
            let gain = match error {
                ..0.0 if of_the_search => 0.0,
                ..0.0 => SHRINK,
                _ if idle || self.thin => 0.0,
                _ => GROW,
            };
            self.window_bytes += gain * error * acked_bytes as f64;
        }
        self.hold();
    }

    /// Keeps the window between its bounds.
    fn hold(&mut self) {
        let packet = self.packet_bytes as f64;
        if let Some(product) = self.product().filter(|_| self.search.is_none()) {
            // What the target allows to stand in the queue, and two packets for those lost and not yet missed.
            let room = product * self.queued_share() + 4.0 * packet;
            self.window_bytes = self.window_bytes.clamp(product * FLOOR, product * CAP + room);
            // Where acknowledgements wait in the other direction's queue, a smaller window shortens no queue and costs
            // rate. Where the queue is this sender's, its window is more than this already.
            let holds_rate =
                (self.usual_send_rate() * self.standing_rtt() * RATE_HELD).min(product * (1.0 + self.queued_share()));
            self.window_bytes = self.window_bytes.max(holds_rate);
        }
        if let Some(product) = self.product().filter(|_| self.search.is_some()) {
            // What is known of the rate is a round trip old, and the window has doubled twice since.
            self.window_bytes = self.window_bytes.min(product * 4.0 + self.initial_bytes as f64);
        }
        if let (Some(ceiling), Some(rtt)) = (self.ceiling_bytes_per_s, self.shortest.get()) {
            self.window_bytes = self.window_bytes.min(ceiling * rtt.as_secs_f64());
        }
        self.window_bytes = self.window_bytes.max(2.0 * packet);
    }
}

fn push_kept(rates: &mut VecDeque<f64>, rate: f64) {
    rates.push_back(rate);
    while rates.len() > ROUNDS_KEPT {
        rates.pop_front();
    }
}

#[cfg(test)]
mod tests;
