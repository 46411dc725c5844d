//! Fear: a node that lost power and came back is taken for somebody who sends garbage, or its peers wait for it in vain.

use std::time::Duration;

use holdfast_domain::api::TurnedAway;
use holdfast_transport::endpoint::{Transport, TransportConfig};
use quinn::ConnectionError;
use tokio::runtime::Runtime;

use crate::members::{ISSUED_MS, local, org};
use crate::stranger::Stranger;

#[test]
fn a_node_that_restarts_tells_its_peers_at_once_and_takes_their_words_for_no_garbage() {
    let org = org();
    let member = org.member("a");
    let config = |listen| TransportConfig {
        listen,
        peers: Vec::new(),
        mdns: None,
        clock_floor_ms: ISSUED_MS,
        profile: None,
        ceiling_bps: None,
    };
    let bind = |runtime: &Runtime, listen| {
        let _inside = runtime.enter();
        Transport::bind(config(listen), &member.0, &member.1).expect("an endpoint")
    };
    let before = Runtime::new().expect("a runtime");
    let (listener, events) = bind(&before, local());
    let address = listener.local_addr();
    let outside = Runtime::new().expect("a runtime");
    let connection = outside.block_on(async { Stranger::new(&org.member("b")).connect(address).await });
    // Power is cut: no goodbye is said.
    drop((listener, events));
    drop(before);
    let after = Runtime::new().expect("a runtime");
    let (listener, _events) = bind(&after, address);
    let ended = outside.block_on(async {
        // It may know already, by an acknowledgement that it sent.
        connection.send_datagram(vec![7; 100].into()).ok();
        tokio::time::timeout(Duration::from_secs(10), connection.closed()).await
    });
    assert_eq!(ended, Ok(ConnectionError::Reset), "the peer waits for the idle timeout of a minute");
    assert_eq!(listener.door().turned_away(), TurnedAway::default());
}
