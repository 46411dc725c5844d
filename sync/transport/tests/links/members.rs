//! Members of an org, made for a test.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast_domain::identity::DeviceRole;
use holdfast_transport::endpoint::{LinkEvent, Transport, TransportConfig};
use holdfast_transport::identity::{Authority, DeviceKey, Membership};
use holdfast_transport::peers::PeerAddress;
use holdfast_transport::profile::LinkProfile;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// When the certificates of these tests are issued: 2026-01-01.
pub(crate) const ISSUED_MS: u64 = 1_767_225_600_000;

pub(crate) struct Org {
    pub(crate) home: TempDir,
    pub(crate) authority: Authority,
}

pub(crate) fn org() -> Org {
    let home = tempfile::tempdir().expect("a folder");
    let authority = Authority::load_or_create(&home.path().join("authority.key")).expect("an authority");
    Org { home, authority }
}

impl Org {
    pub(crate) fn key(&self, name: &str) -> DeviceKey {
        DeviceKey::load_or_create(&self.home.path().join(name)).expect("a key")
    }

    pub(crate) fn member(&self, name: &str) -> (DeviceKey, Membership) {
        self.member_for(name, 10_000)
    }

    pub(crate) fn member_for(&self, name: &str, days: u64) -> (DeviceKey, Membership) {
        let key = self.key(name);
        let device = self.authority.vouch(&key.public(), name, DeviceRole::Node, ISSUED_MS);
        let membership = self.authority.admit_for(&key.public(), device, days).expect("certificates");
        (key, membership)
    }
}

pub(crate) fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn peer_address(address: &SocketAddr) -> PeerAddress {
    address.to_string().parse().expect("an address")
}

pub(crate) fn node(member: &(DeviceKey, Membership), peers: &[SocketAddr]) -> (Transport, mpsc::Receiver<LinkEvent>) {
    node_over(LinkProfile::Lan, member, peers)
}

/// A node that reaches its peers over links of a kind.
pub(crate) fn node_over(
    profile: LinkProfile,
    (key, membership): &(DeviceKey, Membership),
    peers: &[SocketAddr],
) -> (Transport, mpsc::Receiver<LinkEvent>) {
    let config = TransportConfig {
        listen: local(),
        peers: peers.iter().map(peer_address).collect(),
        mdns: None,
        clock_floor_ms: ISSUED_MS,
        profile: Some(profile),
        ceiling_bps: None,
    };
    Transport::bind(config, key, membership).expect("an endpoint")
}

/// The next event but for measurements and silences, or nothing if none comes within a time that is long for loopback.
pub(crate) async fn next(events: &mut mpsc::Receiver<LinkEvent>) -> Option<LinkEvent> {
    next_where(events, |event| !matches!(event, LinkEvent::Measured { .. } | LinkEvent::Silent { .. })).await
}

/// The next event of a kind, or nothing if none comes within a time that is long for loopback.
pub(crate) async fn next_where(
    events: &mut mpsc::Receiver<LinkEvent>,
    wanted: impl Fn(&LinkEvent) -> bool,
) -> Option<LinkEvent> {
    let search = async {
        loop {
            match events.recv().await {
                Some(event) if !wanted(&event) => {}
                found => return found,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), search).await.ok().flatten()
}
