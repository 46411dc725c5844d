//! The congestion controller that quinn calls: [`Steering`] behind quinn's trait, and the leave by which a beacon passes a
//! full window.
//!
//! Quinn paces by window ÷ smoothed round trip × 1.25 with bursts of up to ten packets; what [`Controller::metrics`] says
//! of a pacing rate goes to its traces alone. So the window is what bounds the queue.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use crate::steering::Steering;

/// Makes a controller for each path.
#[derive(Debug, Clone, Copy)]
pub struct Factory {
    /// Packets of the first window.
    pub initial_packets: u32,
    /// The most that may be sent, bits a second.
    pub ceiling_bps: Option<u64>,
}

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, _now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Steered {
            steering: Steering::new(current_mtu, self.initial_packets, self.ceiling_bps),
            packet_bytes: u64::from(current_mtu),
            in_flight_bytes: 0,
            open_bytes: 0,
            bulk_bytes: 0,
            leave_bytes: Arc::default(),
        })
    }
}

/// The controller of one path. A clone shares the leave with its original, and nothing else.
#[derive(Debug, Clone)]
pub struct Steered {
    steering: Steering,
    packet_bytes: u64,
    /// At least what is under way: quinn tells of acknowledgements that it sends, too.
    in_flight_bytes: u64,
    /// What the last acknowledgement left under way and has not been given up since.
    open_bytes: u64,
    /// At most what is under way: small packets, such as acknowledgements, are left out.
    bulk_bytes: u64,
    /// What may be under way whatever the window says; 0 where there is no leave.
    leave_bytes: Arc<AtomicU64>,
}

/// Packets that a long outage may put under way beyond the window: one a beacon, and quinn's own probes.
const LEAVE_PACKETS_MAX: u64 = 256;

impl Steered {
    /// A copy of a connection's controller; `None` if it is another one.
    pub fn of(controller: Box<dyn Controller>) -> Option<Self> {
        controller.into_any().downcast().ok().map(|steered| *steered)
    }

    /// What has been learned of the path.
    pub fn steering(&self) -> &Steering {
        &self.steering
    }

    /// Whether something was still under way after the last acknowledgement.
    pub fn left_open(&self) -> bool {
        self.open_bytes > 0
    }

    /// Whether the window holds back what there is to send.
    pub fn is_full(&self) -> bool {
        self.bulk_bytes + self.packet_bytes > self.steering.window_bytes()
    }

    /// Lets one packet more pass although the window is full, until the next acknowledgement. In an outage nothing is
    /// acknowledged and quinn's own probes come at doubling intervals; with this leave the first packet after it is due
    /// within one beacon.
    pub fn grant(&self) {
        let most = self.steering.window_bytes() + LEAVE_PACKETS_MAX * self.packet_bytes;
        let leave = self.in_flight_bytes.min(most) + self.packet_bytes + 1;
        self.leave_bytes.store(leave, Ordering::Relaxed);
    }
}

impl Controller for Steered {
    fn on_sent(&mut self, _now: Instant, bytes: u64, _last: u64) {
        self.in_flight_bytes += bytes;
        if bytes > self.packet_bytes / 2 {
            self.bulk_bytes += bytes;
        }
    }

    fn on_ack(&mut self, _now: Instant, sent: Instant, bytes: u64, _app_limited: bool, _rtt: &RttEstimator) {
        self.steering.acked(sent, bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _largest: Option<u64>) {
        self.leave_bytes.store(0, Ordering::Relaxed);
        (self.in_flight_bytes, self.open_bytes, self.bulk_bytes) = (in_flight, in_flight, in_flight);
        self.steering.acked_all(now, in_flight, app_limited);
    }

    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, lost_bytes: u64) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(lost_bytes);
        self.open_bytes = self.open_bytes.saturating_sub(lost_bytes);
        self.bulk_bytes = self.bulk_bytes.saturating_sub(lost_bytes);
        self.steering.lost(lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.packet_bytes = u64::from(new_mtu);
        self.steering.resize(new_mtu);
    }

    fn window(&self) -> u64 {
        // Quinn holds back a packet that would just fit, so one byte is added.
        (self.steering.window_bytes() + 1).max(self.leave_bytes.load(Ordering::Relaxed))
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.steering.initial_bytes()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
