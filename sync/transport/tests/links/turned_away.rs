//! Fear: somebody gets in who does not belong, or nobody knows why no link comes, or a bad file is taken for good.

use std::time::Duration;

use holdfast_domain::api::TurnedAway;
use holdfast_transport::endpoint::{LinkEvent, Transport, TransportConfig};
use holdfast_transport::error::TransportError;
use holdfast_transport::identity::{DeviceKey, Membership};
use tokio::sync::mpsc;

use crate::members::{ISSUED_MS, local, next_where, node, org, peer_address};
use crate::stranger::Stranger;
use crate::witness::Witness;

/// Nothing may come within a time in which many handshakes fit.
async fn nobody_comes(events: &mut mpsc::Receiver<LinkEvent>) {
    let event = tokio::time::timeout(Duration::from_millis(800), events.recv()).await;
    assert!(event.is_err(), "somebody got in: {event:?}");
}

#[tokio::test]
async fn another_org_is_turned_away_on_both_ends() {
    let witness = Witness::new();
    let (ours, theirs) = (org(), org());
    let (listener, mut listening) = node(&ours.member("a"), &[]);
    let (dialler, mut dialling) = node(&theirs.member("b"), &[listener.local_addr()]);
    let mut waits = 0;
    // It dials again and again.
    while listener.door().turned_away().handshakes_other_org < 3 {
        nobody_comes(&mut listening).await;
        nobody_comes(&mut dialling).await;
        waits += 1;
        assert!(waits < 10, "{:?}", listener.door().turned_away());
    }
    for end in [&listener, &dialler] {
        let turned_away = end.door().turned_away();
        assert!(turned_away.handshakes_other_org >= 3, "{turned_away:?}");
        assert_eq!(TurnedAway { handshakes_other_org: 0, ..turned_away }, TurnedAway::default());
    }
    let dialled = witness.heard("whoever answers there belongs to another org");
    assert!(dialled.len() == 1 && dialled[0].contains(&listener.local_addr().to_string()), "{dialled:?}");
    assert!(dialled[0].contains("Check the address"), "{dialled:?}");
    let was_dialled = witness.heard("a device of another org dialled this node");
    assert!(was_dialled.len() == 1 && was_dialled[0].contains(&dialler.local_addr().to_string()), "{was_dialled:?}");
    assert!(was_dialled[0].contains("enrol it"), "{was_dialled:?}");
}

#[tokio::test]
async fn a_device_of_another_org_that_pretends_to_trust_us_is_turned_away_by_us() {
    let witness = Witness::new();
    let (ours, theirs) = (org(), org());
    let (listener, mut listening) = node(&ours.member("a"), &[]);
    let (key, mut membership) = theirs.member("b");
    membership.ca = ours.member("c").1.ca;
    let stranger = Stranger::new(&(key, membership));
    for _ in 0..3 {
        // Its own handshake is over before ours has seen its certificate.
        let connection = stranger.connect(listener.local_addr()).await;
        connection.closed().await;
    }
    nobody_comes(&mut listening).await;
    assert_eq!(listener.door().turned_away().handshakes_other_org, 3);
    let told = witness.heard("another org");
    assert!(told.len() == 1 && told[0].contains("enrol it"), "{told:?}");
}

#[tokio::test]
async fn a_certificate_past_its_time_is_counted_and_told_of_once() {
    let witness = Witness::new();
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    // Issued for one day; the machine's clock is past that.
    let stranger = Stranger::new(&org.member_for("b", 1));
    for _ in 0..3 {
        stranger.connect(listener.local_addr()).await.closed().await;
    }
    nobody_comes(&mut listening).await;
    assert_eq!(listener.door().turned_away().handshakes_untrusted, 3);
    let told = witness.heard("do not trust each other");
    assert!(told.len() == 1 && told[0].contains("enrol that device anew"), "{told:?}");
    let (_honest, _events) = node(&org.member("c"), &[listener.local_addr()]);
    let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
    assert!(next_where(&mut listening, up).await.is_some(), "others come in");
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
