//! Fear: handshakes that somebody begins and never finishes take every place, and the crews outside are turned away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use holdfast_domain::api::TurnedAway;
use holdfast_domain::limits::LINKS_MAX;
use holdfast_transport::endpoint::{LinkEvent, Transport};
use holdfast_transport::identity::{DeviceKey, Membership};
use holdfast_transport::tls;
use quinn_proto::{ClientConfig, Connection, DatagramEvent, Endpoint, EndpointConfig};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::members::{ISSUED_MS, local, next_where, node, org};
use crate::witness::Witness;

/// Somebody who begins handshakes and never finishes one; it takes no certificate of the org.
struct Loris {
    endpoint: Endpoint,
    config: ClientConfig,
    socket: UdpSocket,
    victim: SocketAddr,
}

/// How a handshake was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// With the other end's part of it: it has a place.
    Served,
    /// With a call to come again and say where the dialler is.
    SentBack,
}

impl Loris {
    async fn new((key, membership): &(DeviceKey, Membership), victim: SocketAddr) -> Self {
        let tls = tls::peer_client(key, membership, ISSUED_MS).expect("settings");
        Self {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None),
            config: ClientConfig::new(Arc::new(tls::quic_client(tls).expect("settings"))),
            socket: UdpSocket::bind(local()).await.expect("a socket"),
            victim,
        }
    }

    /// Begins one. Who forges addresses hears no answer and cannot come again.
    async fn begin(&mut self, comes_again: bool) -> Answer {
        let dialled = self.endpoint.connect(Instant::now(), self.config.clone(), self.victim, "node.holdfast.internal");
        let (of, mut connection) = dialled.expect("settings");
        self.say(&mut connection).await;
        let mut heard = vec![0; 2_000];
        loop {
            let length = self.socket.recv(&mut heard).await.expect("an answer");
            let mut reply = Vec::new();
            let event =
                self.endpoint.handle(Instant::now(), self.victim, None, None, heard[..length].into(), &mut reply);
            // Others that were begun before hear once more what they did not answer.
            let Some(DatagramEvent::ConnectionEvent(handle, event)) = event else { continue };
            if handle != of {
                continue;
            }
            if heard[0] & 0xb0 != 0xb0 {
                return Answer::Served;
            }
            if !comes_again {
                return Answer::SentBack;
            }
            connection.handle_event(event);
            self.say(&mut connection).await;
        }
    }

    async fn say(&self, connection: &mut Connection) {
        let mut bytes = Vec::new();
        let sent = connection.poll_transmit(Instant::now(), 1, &mut bytes).expect("a first packet");
        self.socket.send_to(&bytes[..sent.size], self.victim).await.expect("loopback takes it");
    }
}

/// Demands that a member is let in.
async fn demand_entry(member: &(DeviceKey, Membership), at: &Transport, events: &mut mpsc::Receiver<LinkEvent>) {
    let (_honest, _events) = node(member, &[at.local_addr()]);
    let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
    assert!(next_where(events, up).await.is_some(), "a member that was sent back comes again and is let in");
}

#[tokio::test]
async fn handshakes_begun_in_forged_names_take_few_places_and_the_honest_come_in() {
    let (ours, theirs) = (org(), org());
    let (listener, mut events) = node(&ours.member("a"), &[]);
    let mut forger = Loris::new(&theirs.member("b"), listener.local_addr()).await;
    let mut served = 0;
    for _ in 0..300 {
        served += usize::from(forger.begin(false).await == Answer::Served);
    }
    assert_eq!(served, 64);
    demand_entry(&ours.member("c"), &listener, &mut events).await;
}

#[tokio::test]
async fn handshakes_begun_in_the_own_name_make_way_and_are_counted_and_told_of_once() {
    const MORE: u64 = 20;
    let witness = Witness::new();
    let (ours, theirs) = (org(), org());
    let (listener, mut events) = node(&ours.member("a"), &[]);
    let mut loris = Loris::new(&theirs.member("b"), listener.local_addr()).await;
    for _ in 0..LINKS_MAX as u64 / 2 + MORE {
        assert_eq!(loris.begin(true).await, Answer::Served, "places go to the newest");
    }
    assert_eq!(listener.door().turned_away(), TurnedAway { handshakes_unfinished: MORE, ..TurnedAway::default() });
    demand_entry(&ours.member("c"), &listener, &mut events).await;
    let told = witness.heard("was given up");
    assert!(told.len() == 1 && told[0].contains("keep that address out"), "{told:?}");
}
