//! Settings of QUIC by kind of link, each with its reason.

use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// A local network: cables and good Wi-Fi.
pub(crate) fn lan() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    // A lost handshake packet is sent again after two of these; the default of a third of a second is for the world.
    config.initial_rtt(Duration::from_millis(50));
    // A vehicle that drives off is noticed within this, and its link is free to be dialled again.
    config.max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(6_000))));
    // Three tries before a silent link counts as gone.
    config.keep_alive_interval(Some(Duration::from_secs(2)));
    // One stream a class; no more can be opened.
    config.max_concurrent_uni_streams(VarInt::from_u32(6));
    config.max_concurrent_bidi_streams(VarInt::from_u32(0));
    // A frame and then some may wait unread on a stream; more is the sender's to hold.
    config.stream_receive_window(VarInt::from_u32(2 << 20));
    config.receive_window(VarInt::from_u32(8 << 20));
    config.send_window(8 << 20);
    config.datagram_receive_buffer_size(None);
    Arc::new(config)
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
