//! Fear: somebody gets in whose papers are not in order, or a bad file is taken for good.

use std::time::Duration;

use holdfast_transport::endpoint::{LinkEvent, Transport, TransportConfig};
use holdfast_transport::error::TransportError;
use holdfast_transport::identity::{DeviceKey, Membership};
use tokio::sync::mpsc;

use crate::members::{ISSUED_MS, local, node, org, peer_address};

/// Nothing may come within a time in which many handshakes fit.
pub(crate) async fn nobody_comes(events: &mut mpsc::Receiver<LinkEvent>) {
    let event = tokio::time::timeout(Duration::from_millis(800), events.recv()).await;
    assert!(event.is_err(), "somebody got in: {event:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_turned_away() {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    // Issued at the turn of 2026 for one day; both sides' floor is past that.
    let late = org.member_for("b", 1);
    let config = TransportConfig {
        listen: local(),
        peers: vec![peer_address(&listener.local_addr())],
        mdns: None,
        clock_floor_ms: ISSUED_MS + 3 * 24 * 3_600_000,
        profile: None,
        ceiling_bps: None,
    };
    let (_dialler, _events) = Transport::bind(config, &late.0, &late.1).expect("an endpoint");
    nobody_comes(&mut listening).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let org = org();
    let member = org.member("a");
    let (listener, _events) = node(&member, &[]);
    let config = TransportConfig {
        listen: listener.local_addr(),
        peers: Vec::new(),
        mdns: None,
        clock_floor_ms: 0,
        profile: None,
        ceiling_bps: None,
    };
    let error = Transport::bind(config, &member.0, &member.1).err().expect("the port is taken");
    assert!(matches!(error, TransportError::PortInUse { address } if address == listener.local_addr()), "{error}");
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let org = org();
    let path = org.home.path().join("device.key");
    DeviceKey::load_or_create(&path).expect("a key");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let error = DeviceKey::load(&path).err().expect("refused").to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_membership_of_another_device_or_a_damaged_one_is_refused() {
    let org = org();
    let (_, membership) = org.member("a");
    let path = org.home.path().join("membership");
    membership.save(&path).expect("saved");
    let other = org.key("b");
    assert!(matches!(Membership::load(&path, &other), Err(TransportError::Foreign { .. })));
    membership.save(&path).expect("saved");
    let bytes = std::fs::read(&path).expect("a file");
    for cut in [0, 10, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).expect("written");
        assert!(Membership::load(&path, &org.key("a")).is_err(), "cut at {cut}");
    }
    let mut forged = membership.clone();
    forged.credential.name = "hub".to_owned();
    forged.save(&path).expect("saved");
    assert!(matches!(Membership::load(&path, &org.key("a")), Err(TransportError::Foreign { .. })));
}
