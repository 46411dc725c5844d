//! Watches one connection: tells what it turns out to carry, and whether it has fallen silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_domain::frame::{Bye, LinkId};
use quinn::{Connection, VarInt};
use tokio::sync::Notify;

use crate::beacon::{Glimpse, Verdict, Watch};
use crate::controller::Steered;
use crate::endpoint::{LinkEvent, Transport};
use crate::profile::{Knobs, Met};

/// What a connection carries is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// And only when it changed by more than a fifth.
const CHANGE: f64 = 0.2;

/// What is known of a connection's state of health.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    stalled: AtomicBool,
    /// 0 where nothing has limited it yet.
    rate_bps: AtomicU64,
    challenged: Notify,
    beaten: Notify,
}

impl Pulse {
    /// Whether the peer has fallen silent.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    pub(crate) fn rate_bps(&self) -> Option<u64> {
        Some(self.rate_bps.load(Ordering::Relaxed)).filter(|rate| *rate > 0)
    }

    /// Waits until the peer has just been asked whether it is there.
    pub(crate) async fn beat(&self) {
        self.beaten.notified().await;
    }

    /// Makes the peer show that it is there, since another connection with it has come up.
    pub(crate) fn challenge(&self) {
        self.challenged.notify_one();
    }
}

/// What was told of a connection.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    rate_bps: Option<u64>,
    rtt: Duration,
}

impl Told {
    /// Whether what is known now is worth telling.
    fn is_outdated(&self, now: Instant, rate_bps: Option<u64>, rtt: Duration) -> bool {
        let moved = |old: f64, new: f64| (new - old).abs() > old * CHANGE;
        let rate_moved = match (self.rate_bps, rate_bps) {
            (Some(old), Some(new)) => moved(old as f64, new as f64),
            (old, new) => old != new,
        };
        // How much may go out at once hangs on the first figure.
        let first = self.rate_bps.is_none() && rate_bps.is_some();
        let due = first || now.saturating_duration_since(self.at) >= TELL_EVERY;
        due && (rate_moved || moved(self.rtt.as_secs_f64(), rtt.as_secs_f64()))
    }
}

/// Watches until the connection ends, which is of the kind that the knobs are for.
pub(crate) async fn watch(transport: Transport, connection: Connection, link: LinkId, pulse: Arc<Pulse>, knobs: Knobs) {
    let mut watch = Watch::new(knobs.beacon, knobs.answer_within());
    let mut told: Option<Told> = None;
    let mut told_silent = false;
    loop {
        // Every connection here is made with it.
        let Some(controller) = Steered::of(connection.congestion_state()) else { return };
        let stats = connection.stats();
        let glimpse = Glimpse::of(&stats, &controller);
        let Verdict { is_stalled: stalled, beacon } = watch.look(Instant::now(), glimpse);
        if pulse.stalled.swap(stalled, Ordering::Relaxed) != stalled {
            tracing::debug!(link = link.0, stalled, "a link fell silent or came back");
            transport.news();
        }
        // An engine that is behind hears of it at a later look.
        let silence = LinkEvent::Silent { link, silent: stalled };
        if told_silent != stalled && transport.events().try_send(silence).is_ok() {
            told_silent = stalled;
        }
        if stalled && transport.has_better(link) {
            // Nobody waits for the idle timeout of a link that another one has replaced.
            connection.close(VarInt::from_u32(Bye::Duplicate as u32), Bye::Duplicate.as_str().as_bytes());
        }
        if beacon {
            send_beacon(&connection, &controller);
            pulse.beaten.notify_waiters();
        }
        if !stalled {
            tell(&transport, &connection, link, &pulse, &mut told, (&controller, stats.path.rtt));
        }
        tokio::select! {
            () = tokio::time::sleep(watch.pause(Instant::now(), &glimpse)) => {}
            () = pulse.challenged.notified() => send_beacon(&connection, &controller),
            _ = connection.closed() => return,
        }
    }
}

/// An empty datagram, past a full window if need be.
fn send_beacon(connection: &Connection, controller: &Steered) {
    controller.grant();
    // One that finds no room is as good as one that was lost.
    connection.send_datagram(Vec::new().into()).ok();
}

fn tell(
    transport: &Transport,
    connection: &Connection,
    link: LinkId,
    pulse: &Pulse,
    told: &mut Option<Told>,
    (controller, rtt): (&Steered, Duration),
) {
    let steering = controller.steering();
    // Until then quinn's round trip is the assumed one.
    if steering.shortest_rtt().is_none() {
        return;
    }
    let rate_bps = steering.rate_bps();
    pulse.rate_bps.store(rate_bps.unwrap_or(0), Ordering::Relaxed);
    let now = Instant::now();
    if told.is_some_and(|told| !told.is_outdated(now, rate_bps, rtt)) {
        return;
    }
    let rtt_us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
    let lost_permille = (steering.own_loss() * 1_000.0) as u32;
    // An engine that is behind hears of it at a later look.
    if transport.events().try_send(LinkEvent::Measured { link, rate_bps, rtt_us, lost_permille }).is_ok() {
        *told = Some(Told { at: now, rate_bps, rtt });
        transport.note_met(connection.remote_address(), Met { rtt, rate_bps });
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Told};

    #[test]
    fn small_changes_and_quick_ones_are_not_told() {
        let at = Instant::now();
        let rtt = Duration::from_millis(100);
        let told = Told { at, rate_bps: Some(1_000_000), rtt };
        let later = at + Duration::from_secs(1);
        assert!(!told.is_outdated(later, Some(1_190_000), rtt));
        assert!(told.is_outdated(later, Some(1_210_000), rtt));
        assert!(told.is_outdated(later, Some(790_000), rtt));
        assert!(told.is_outdated(later, None, rtt));
        assert!(told.is_outdated(later, Some(1_000_000), Duration::from_millis(121)));
        assert!(!told.is_outdated(at + Duration::from_millis(999), Some(5_000_000), rtt));
    }
}
