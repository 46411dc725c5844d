//! Fear: somebody gets in who does not belong, or garbage disturbs those who do.

use std::time::Duration;

use holdfast_domain::scope::Class;
use holdfast_transport::endpoint::{LinkEvent, Transport, TransportConfig};
use holdfast_transport::error::TransportError;
use holdfast_transport::identity::{DeviceKey, Membership};
use tokio::sync::mpsc;

use crate::members::{ISSUED_MS, local, next, node, org, peer_address};

/// Nothing may come within a time in which many handshakes fit.
async fn nobody_comes(events: &mut mpsc::Receiver<LinkEvent>) {
    let event = tokio::time::timeout(Duration::from_millis(800), events.recv()).await;
    assert!(event.is_err(), "somebody got in: {event:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_org_is_turned_away_on_both_ends() {
    let (ours, theirs) = (org(), org());
    let (listener, mut listening) = node(&ours.member("a"), &[]);
    let (_dialler, mut dialling) = node(&theirs.member("b"), &[listener.local_addr()]);
    nobody_comes(&mut listening).await;
    nobody_comes(&mut dialling).await;
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
async fn garbage_on_the_port_disturbs_nobody() {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let socket = tokio::net::UdpSocket::bind(local()).await.expect("a socket");
    for size in [1, 20, 1_200, 9_000] {
        let garbage: Vec<u8> = (0..size).map(|byte| (byte * 131 % 251) as u8).collect();
        socket.send_to(&garbage, listener.local_addr()).await.expect("loopback takes it");
    }
    let (dialler, mut dialling) = node(&org.member("b"), &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    dialler.send(link, Class::P0, b"hello".to_vec()).expect("room");
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })));
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == b"hello"));
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
