//! Fear: the relay itself loses, doubles, miscounts or mixes up what it carries, and tests blame the product.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use holdfast_linkem::relay::{Profile, Relay, Stats};
use tokio::net::UdpSocket;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Longer than any machine should need; nothing here waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

async fn socket() -> UdpSocket {
    UdpSocket::bind(ANY).await.expect("a socket")
}

/// A target that sends everything back where it came from.
async fn echo() -> SocketAddr {
    let socket = socket().await;
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&buffer[..length], from).await.ok();
        }
    });
    address
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2_000];
    let length = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("in time").expect("a datagram");
    buffer[..length].to_vec()
}

async fn until(relay: &Relay, reached: impl Fn(&Stats) -> bool) {
    let start = Instant::now();
    while !reached(&relay.stats()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", relay.stats());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted_exactly() {
    let relay = Relay::start(ANY, echo().await, Profile::clear(), 1).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    for length in [0, 1, 100, 1_200] {
        let sent = vec![7; length];
        client.send(&sent).await.expect("sent");
        assert_eq!(receive(&client).await, sent);
    }
    until(&relay, |stats| stats.packets_back == 4).await;
    let stats = relay.stats();
    assert_eq!((stats.packets_there, stats.bytes_there), (4, 1_301));
    assert_eq!((stats.packets_back, stats.bytes_back), (4, 1_301));
    assert_eq!((stats.dropped, stats.bytes_dropped), (0, 0));
    assert_eq!((stats.wire_bytes_there, stats.wire_bytes_back), (1_301 + 4 * 28, 1_301 + 4 * 28));
}

#[tokio::test]
async fn a_cut_link_carries_nothing_and_a_healed_one_everything() {
    let relay = Relay::start(ANY, echo().await, Profile::clear(), 1).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    relay.cut(true);
    for _ in 0..10 {
        client.send(b"lost").await.expect("sent");
    }
    until(&relay, |stats| stats.dropped == 10).await;
    relay.cut(false);
    client.send(b"found").await.expect("sent");
    assert_eq!(receive(&client).await, b"found");
    until(&relay, |stats| stats.packets_back == 1).await;
    let stats = relay.stats();
    assert_eq!((stats.packets_there, stats.packets_back, stats.bytes_dropped), (1, 1, 40));
}

#[tokio::test]
async fn what_is_on_the_way_when_the_link_is_cut_is_lost() {
    let slow = Profile { delay_ms: 400, ..Profile::clear() };
    let relay = Relay::start(ANY, echo().await, slow, 1).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    client.send(b"on the way").await.expect("sent");
    until(&relay, |stats| stats.on_the_way == 1).await;
    relay.cut(true);
    until(&relay, |stats| stats.dropped == 1).await;
    assert_eq!(relay.stats().packets_there, 0);
}

#[tokio::test]
async fn each_client_gets_its_own_answers() {
    let relay = Relay::start(ANY, echo().await, Profile::clear(), 1).await.expect("a relay");
    let mut clients = Vec::new();
    for number in 0..20_u8 {
        let client = socket().await;
        client.connect(relay.local_addr()).await.expect("connected");
        client.send(&[number]).await.expect("sent");
        clients.push(client);
    }
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(receive(client).await, [number as u8]);
    }
}

#[tokio::test]
async fn delay_is_at_least_as_asked_and_order_is_kept_without_jitter() {
    let slow = Profile { delay_ms: 20, ..Profile::clear() };
    let relay = Relay::start(ANY, echo().await, slow, 1).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    let start = Instant::now();
    for number in 0..50_u8 {
        client.send(&[number]).await.expect("sent");
    }
    for number in 0..50_u8 {
        assert_eq!(receive(&client).await, [number]);
    }
    assert!(start.elapsed() >= Duration::from_millis(40), "{:?}", start.elapsed());
}

#[tokio::test]
async fn losses_add_up_with_what_arrives() {
    let lossy = Profile { loss: 0.5, ..Profile::clear() };
    let relay = Relay::start(ANY, echo().await, lossy, 3).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    for number in 0..100_u8 {
        client.send(&[number]).await.expect("sent");
    }
    until(&relay, |stats| stats.packets_back + stats.dropped == 100).await;
    let stats = relay.stats();
    assert!(stats.packets_back > 5 && stats.packets_there < 80, "{stats:?}");
    let mut arrived = BTreeSet::new();
    for _ in 0..stats.packets_back {
        arrived.insert(receive(&client).await);
    }
    assert_eq!(arrived.len() as u64, stats.packets_back, "nothing came twice");
}

#[tokio::test]
async fn a_target_that_came_back_elsewhere_is_found_again() {
    let (first, second) = (socket().await, socket().await);
    let relay = Relay::start(ANY, first.local_addr().expect("an address"), Profile::clear(), 1).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    client.send(b"one").await.expect("sent");
    assert_eq!(receive(&first).await, b"one");
    relay.set_target(second.local_addr().expect("an address"));
    client.send(b"two").await.expect("sent");
    assert_eq!(receive(&second).await, b"two");
}

#[tokio::test]
async fn what_is_lost_on_the_way_was_on_the_wire_and_what_the_queue_refused_was_not() {
    let nowhere = Profile { loss: 1.0, ..Profile::clear() };
    let full = Profile { rate_bps: Some(1), queue_bytes: 0, ..Profile::clear() };
    for (profile, wire_bytes) in [(nowhere, 10 * (100 + 28)), (full, 0)] {
        let relay = Relay::start(ANY, echo().await, profile, 1).await.expect("a relay");
        let client = socket().await;
        client.connect(relay.local_addr()).await.expect("connected");
        for _ in 0..10 {
            client.send(&[0; 100]).await.expect("sent");
        }
        until(&relay, |stats| stats.dropped == 10).await;
        assert_eq!(relay.stats().wire_bytes(), wire_bytes);
    }
}

#[tokio::test]
async fn each_direction_has_its_own_profile() {
    let relay = Relay::start(ANY, echo().await, Profile::clear(), 1).await.expect("a relay");
    relay.set_profiles(Profile::clear(), Profile { loss: 1.0, ..Profile::clear() });
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    client.send(b"there").await.expect("sent");
    until(&relay, |stats| stats.dropped == 1).await;
    assert_eq!((relay.stats().packets_there, relay.stats().packets_back), (1, 0));
}

#[tokio::test]
async fn an_outage_begins_and_ends_by_itself() {
    let relay = Relay::start(ANY, echo().await, Profile::clear(), 1).await.expect("a relay");
    let client = socket().await;
    client.connect(relay.local_addr()).await.expect("connected");
    relay.set_outages(&[Duration::ZERO..Duration::from_millis(200)]);
    assert!(relay.is_cut());
    client.send(b"lost").await.expect("sent");
    until(&relay, |stats| stats.dropped == 1).await;
    let start = Instant::now();
    while relay.is_cut() {
        assert!(start.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    client.send(b"found").await.expect("sent");
    assert_eq!(receive(&client).await, b"found");
}
