//! Fear: a shortcut for known peers lets somebody in who is not proved.

use holdfast_transport::endpoint::LinkEvent;
use holdfast_transport::profile::LinkProfile;

use crate::members::{next, next_where, node, node_over, org};
use crate::stranger::{Stranger, listen};

#[tokio::test(flavor = "multi_thread")]
async fn a_known_peer_is_let_in_for_less_and_is_still_the_same_device() {
    let org = org();
    let member = org.member("b");
    // Of a kind on which no larger packets are tried.
    let (listener, mut events) = node_over(LinkProfile::Sat, &org.member("a"), &[]);
    let stranger = Stranger::new(&member);
    let mut bytes = Vec::new();
    for _ in 0..3 {
        let connection = stranger.connect(listener.local_addr()).await;
        let Some(LinkEvent::Up { device, .. }) = next(&mut events).await else { panic!("no link") };
        assert_eq!(device, member.0.device());
        // The ticket comes after the handshake, with the first word that is said.
        connection.send_datagram(Vec::new().into()).expect("room");
        while connection.stats().frame_rx.handshake_done == 0 {
            tokio::task::yield_now().await;
        }
        let stats = connection.stats();
        bytes.push(stats.udp_tx.bytes + stats.udp_rx.bytes);
        connection.close(0_u32.into(), b"bye");
        assert!(matches!(next(&mut events).await, Some(LinkEvent::Down { .. })));
    }
    // A session that is resumed needs no certificates.
    assert!(bytes[1] < bytes[0] && bytes[2] < bytes[0], "bytes of each handshake: {bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dials_again_is_known_by_its_first_packet() {
    let org = org();
    let (hub, member) = (org.member("a"), org.member("b"));
    let listener = listen(&hub);
    let (_dialler, mut events) = node(&member, &[listener.local_addr().expect("bound")]);
    for is_known in [false, true, true] {
        let incoming = listener.accept().await.expect("the node dials");
        let Ok((connection, established)) = incoming.accept().expect("settings").into_0rtt() else {
            panic!("an answering end never waits")
        };
        // A stranger is known only at the end of the handshake, which may be over by now, too.
        assert!(!is_known || connection.peer_identity().is_some(), "the ticket was not used");
        established.await;
        assert_eq!(connection.close_reason(), None);
        let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
        let Some(LinkEvent::Up { device, .. }) = next_where(&mut events, up).await else { panic!("no link") };
        assert_eq!(device, hub.0.device(), "the device that answers is proved to the one that dials, too");
        // Once this is acknowledged the ticket sent before has come as well.
        let mut stream = connection.open_uni().await.expect("a stream");
        stream.finish().expect("it is open");
        stream.stopped().await.expect("acknowledged");
        connection.close(0_u32.into(), b"again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_one_peer_opens_nothing_at_another() {
    let org = org();
    let member = org.member("c");
    let (first, mut at_first) = node(&org.member("a"), &[]);
    let (second, mut at_second) = node(&org.member("b"), &[]);
    let stranger = Stranger::new(&member);
    let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
    let met = stranger.connect(first.local_addr()).await;
    assert!(next_where(&mut at_first, up).await.is_some());
    while met.stats().frame_rx.handshake_done == 0 {
        tokio::task::yield_now().await;
    }
    // The stranger shows the ticket of the first, which means nothing here, and then its certificate.
    let _connection = stranger.connect(second.local_addr()).await;
    let Some(LinkEvent::Up { device, .. }) = next_where(&mut at_second, up).await else { panic!("no link") };
    assert_eq!(device, member.0.device());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_is_like_is_told_soon() {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let (_dialler, mut dialling) = node(&org.member("b"), &[listener.local_addr()]);
    for events in [&mut listening, &mut dialling] {
        let measured = |event: &LinkEvent| matches!(event, LinkEvent::Measured { .. });
        let Some(LinkEvent::Measured { rate_bps, rtt_us, .. }) = next_where(events, measured).await else {
            panic!("nothing was told")
        };
        assert_eq!(rate_bps, None, "nothing was sent that could have filled the link");
        assert!((1..1_000_000).contains(&rtt_us), "{rtt_us} µs");
    }
}
