//! Fear: a peer is known by two addresses, or named twice, and in the midst of a short contact a second connection takes
//! the place of the first with all that was under way on it.

use std::time::Duration;

use holdfast_transport::endpoint::LinkEvent;
use tokio::sync::mpsc::Receiver;

use crate::members::{next, node, org, peer_address};
use crate::stranger::Road;

/// Connections that came up in so long.
async fn come_up(events: &mut Receiver<LinkEvent>, within: Duration) -> usize {
    let mut count = 0;
    let search = async {
        while let Some(event) = events.recv().await {
            count += usize::from(matches!(event, LinkEvent::Up { .. }));
        }
    };
    tokio::time::timeout(within, search).await.ok();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_addresses_of_one_device_that_open_at_once_one_is_taken() {
    let org = org();
    let (listener, _listening) = node(&org.member("a"), &[]);
    let roads = [Road::to(listener.local_addr()).await, Road::to(listener.local_addr()).await];
    roads.iter().for_each(|road| road.close(true));
    let (_dialler, mut dialling) = node(&org.member("b"), &[roads[0].address, roads[1].address]);
    let nobody = tokio::time::timeout(Duration::from_millis(300), next(&mut dialling)).await;
    assert!(nobody.is_err(), "both roads are closed: {nobody:?}");
    roads.iter().for_each(|road| road.close(false));
    assert_eq!(come_up(&mut dialling, Duration::from_secs(4)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_named_again_is_tried_at_once_and_by_nobody_else() {
    let org = org();
    let (listener, _listening) = node(&org.member("a"), &[]);
    let road = Road::to(listener.local_addr()).await;
    road.close(true);
    let (dialler, mut dialling) = node(&org.member("b"), &[road.address]);
    // Nobody has answered for so long that the next attempt is seconds away.
    tokio::time::sleep(Duration::from_secs(8)).await;
    road.close(false);
    let before = road.handshake_datagrams();
    for _ in 0..20 {
        dialler.add_peer(peer_address(&road.address));
    }
    assert_eq!(come_up(&mut dialling, Duration::from_millis(700)).await, 1, "somebody stands there and says so");
    let spent = road.handshake_datagrams() - before;
    assert!(spent < 20, "{spent} packets of handshakes for one connection");
}
