//! Fear: garbage from the network disturbs those who belong here, passes unseen, or fills the log.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use holdfast_domain::api::TurnedAway;
use holdfast_domain::scope::Class;
use holdfast_transport::endpoint::LinkEvent;
use tokio::net::UdpSocket;

use crate::members::{local, next, node, org};
use crate::witness::Witness;

/// A packet with a long header that begins a connection in a version.
fn first_packet(version: u32) -> Vec<u8> {
    let mut bytes = vec![0xc0];
    bytes.extend(version.to_be_bytes());
    bytes.extend([8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9]);
    bytes.resize(1_200, 0x5a);
    bytes
}

#[tokio::test]
async fn garbage_is_counted_and_told_of_once_and_disturbs_nobody() {
    let witness = Witness::new();
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let mad = UdpSocket::bind(local()).await.expect("a socket");
    let no_quic = [vec![], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0x40; 12], vec![0x3f; 1_200], vec![0x80; 9_000]];
    let to_nobody = [[0x4b; 40].to_vec(), [0x5c; 1_300].to_vec()];
    for _ in 0..3 {
        for datagram in no_quic.iter().chain(&to_nobody) {
            mad.send_to(datagram, listener.local_addr()).await.expect("loopback takes it");
        }
    }
    let (dialler, mut dialling) = node(&org.member("b"), &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    dialler.send(link, Class::P0, b"hello".to_vec()).expect("room");
    assert!(
        matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })),
        "garbage came through, or stopped others"
    );
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == b"hello"));
    // Loopback keeps the order: what came before the link was counted before it.
    let counted = TurnedAway { datagrams_not_quic: 15, datagrams_to_nobody: 6, ..TurnedAway::default() };
    assert_eq!(listener.door().turned_away(), counted);
    assert_eq!(dialler.door().turned_away(), TurnedAway::default(), "an honest peer's words are no garbage");
    let source = mad.local_addr().expect("bound").to_string();
    let told = witness.heard(&source);
    assert!(told.len() == 1 && told[0].contains("keep that address out"), "{told:?}");
}

#[tokio::test]
async fn another_version_of_quic_is_counted_told_of_and_answered() {
    let witness = Witness::new();
    let (listener, mut listening) = node(&org().member("a"), &[]);
    let newer = UdpSocket::bind(local()).await.expect("a socket");
    let mut answer = vec![0; 1_500];
    for _ in 0..3 {
        newer.send_to(&first_packet(0x6b33_43cf), listener.local_addr()).await.expect("loopback takes it");
        let length = newer.recv(&mut answer).await.expect("an answer");
        assert_eq!(answer[1..5], [0; 4], "it names the versions spoken");
        assert!(answer[..length].ends_with(&1_u32.to_be_bytes()));
    }
    let counted = TurnedAway { datagrams_other_version: 3, ..TurnedAway::default() };
    assert_eq!(listener.door().turned_away(), counted);
    let told = witness.heard("version of QUIC");
    assert!(told.len() == 1 && told[0].contains("update the older"), "{told:?}");
    assert!(listening.try_recv().is_err(), "nothing comes of it");
}

#[tokio::test]
async fn garbage_from_many_addresses_makes_few_lines() {
    let witness = Witness::new();
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    for last in 1..=120 {
        let source = SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0));
        let forged = UdpSocket::bind(source).await.expect("loopback is wide");
        forged.send_to(b"GET / HTTP/1.1\r\n\r\n", listener.local_addr()).await.expect("loopback takes it");
    }
    let (_dialler, _dialling) = node(&org.member("b"), &[listener.local_addr()]);
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })));
    assert_eq!(listener.door().turned_away().datagrams_not_quic, 120);
    let (named, more) = (witness.heard("127.0.1."), witness.heard("more addresses than are named"));
    assert_eq!((named.len(), more.len()), (64, 1), "{named:?}");
}

#[tokio::test]
async fn a_first_packet_that_nobody_can_open_is_garbage_and_an_honest_one_is_not() {
    let witness = Witness::new();
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let mad = UdpSocket::bind(local()).await.expect("a socket");
    let mut garbage = first_packet(1);
    // No token, and as long as it says.
    garbage[19..22].copy_from_slice(&[0, 0x44, 0x9a]);
    for number in 0..5 {
        garbage[6] = number;
        for _ in 0..2 {
            mad.send_to(&garbage, listener.local_addr()).await.expect("loopback takes it");
        }
    }
    let (_dialler, _dialling) = node(&org.member("b"), &[listener.local_addr()]);
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })));
    assert_eq!(listener.door().turned_away(), TurnedAway::default(), "it is too early to tell");
    tokio::time::sleep(Duration::from_millis(15_500)).await;
    let counted = TurnedAway { datagrams_not_quic: 5, ..TurnedAway::default() };
    assert_eq!(listener.door().turned_away(), counted, "five beginnings, each said twice");
    assert_eq!(witness.heard(&mad.local_addr().expect("bound").to_string()).len(), 1);
}
