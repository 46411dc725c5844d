//! Settings of a node's engine and links; the binaries read them from file, environment and flags.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Settings of a node. Every field has a safe default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// UDP address for peer links (mTLS over QUIC). Default `127.0.0.1:7400`: only this machine. Give `0.0.0.0:7400` or
    /// an interface's address to meet others. Port 0 takes a free one.
    pub peer_listen: SocketAddr,
    /// UDP address on which an authority enrols devices. Default `127.0.0.1:7401`. Unused on other nodes.
    pub enrol_listen: SocketAddr,
    /// `host:port` that invitations name for enrolment, where it differs from `enrol_listen`.
    pub enrol_advertise: Option<String>,
    /// `host:port` that newcomers are told to dial after enrolment, where it differs from `peer_listen`.
    pub peer_advertise: Option<String>,
    /// `host:port` of peers to dial and keep dialling.
    pub peers: Vec<String>,
    /// Whether to find peers by mDNS. Default off, since the default address is this machine's alone.
    pub mdns: bool,
    /// Interfaces for mDNS, by name or address; empty: every one but loopback.
    pub mdns_interfaces: Vec<String>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            peer_listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            enrol_listen: SocketAddr::from(([127, 0, 0, 1], 7401)),
            enrol_advertise: None,
            peer_advertise: None,
            peers: Vec::new(),
            mdns: false,
            mdns_interfaces: Vec::new(),
        }
    }
}
