//! Fear: handshakes that somebody begins and never finishes take every place, and the crews outside are turned away.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use holdfast_transport::endpoint::LinkEvent;
use holdfast_transport::identity::{DeviceKey, Membership};
use holdfast_transport::tls;
use quinn_proto::{ClientConfig, Endpoint, EndpointConfig};
use tokio::net::UdpSocket;

use crate::members::{ISSUED_MS, local, next_where, node, org};

/// First packets of so many handshakes, each of which any sender can make: it takes no certificate of the org.
fn first_packets((key, membership): &(DeviceKey, Membership), to: SocketAddr, count: usize) -> Vec<Vec<u8>> {
    let tls = tls::quic_client(tls::peer_client(key, membership, ISSUED_MS).expect("settings")).expect("settings");
    let config = ClientConfig::new(Arc::new(tls));
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
    let mut first = || {
        let connected = endpoint.connect(Instant::now(), config.clone(), to, "node.holdfast.internal");
        let (_, mut connection) = connected.expect("settings");
        let mut bytes = Vec::new();
        let sent = connection.poll_transmit(Instant::now(), 1, &mut bytes).expect("a first packet");
        bytes.truncate(sent.size);
        bytes
    };
    (0..count).map(|_| first()).collect()
}

#[tokio::test]
async fn handshakes_begun_in_forged_names_take_few_places_and_the_honest_come_in() {
    let (ours, theirs) = (org(), org());
    let (listener, mut events) = node(&ours.member("a"), &[]);
    let forger = UdpSocket::bind(local()).await.expect("a socket");
    let mut answer = vec![0; 2_000];
    let (mut served, mut sent_back) = (BTreeSet::new(), 0);
    for packet in first_packets(&theirs.member("b"), listener.local_addr(), 300) {
        forger.send_to(&packet, listener.local_addr()).await.expect("loopback takes it");
        // The first word of the answer is enough; what was said before is said again to whoever says nothing.
        loop {
            let length = forger.recv(&mut answer).await.expect("an answer");
            if length < 20 || answer[0] & 0x80 == 0 {
                continue;
            }
            // Both ids are told: the server's is new with every handshake, and with every call to come again.
            let to_length = usize::from(answer[5]);
            let from = answer[7 + to_length..7 + to_length + usize::from(answer[6 + to_length])].to_vec();
            let is_retry = answer[0] & 0x30 == 0x30;
            if is_retry {
                sent_back += 1;
                break;
            }
            if served.insert(from) {
                break;
            }
        }
    }
    assert_eq!((served.len(), sent_back), (64, 236));
    let (_honest, _events) = node(&ours.member("c"), &[listener.local_addr()]);
    let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
    assert!(next_where(&mut events, up).await.is_some(), "a member that was sent back comes again and is let in");
}
