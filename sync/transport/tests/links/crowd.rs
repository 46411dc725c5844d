//! Fear: those who say little, or too much, take the place of those who have something to say.

use holdfast_domain::api::TurnedAway;
use holdfast_domain::frame::LinkId;
use holdfast_domain::limits::DEVICE_LINKS_MAX;
use holdfast_domain::scope::Class;
use holdfast_transport::endpoint::LinkEvent;

use crate::members::{next, next_where, node, org};
use crate::stranger::{Stranger, begin_frame};
use crate::witness::Witness;

#[tokio::test]
async fn a_peer_that_never_finishes_its_first_frame_loses_its_place_to_others() {
    let witness = Witness::new();
    let org = org();
    let (listener, mut events) = node(&org.member("a"), &[]);
    let stranger = Stranger::new(&org.member("b"));
    let mut kept = Vec::new();
    let mut links: Vec<LinkId> = Vec::new();
    for place in 0..DEVICE_LINKS_MAX + 2 {
        let connection = stranger.connect(listener.local_addr()).await;
        kept.push((begin_frame(&connection, 1_000, &[0]).await, connection));
        let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
        let Some(LinkEvent::Up { link, .. }) = next_where(&mut events, up).await else { panic!("no link {place}") };
        links.push(link);
        let Some(oldest) = place.checked_sub(DEVICE_LINKS_MAX) else { continue };
        let Some(LinkEvent::Down { link, partials, .. }) = next(&mut events).await else { panic!("nobody went") };
        assert_eq!(link, links[oldest], "the oldest goes");
        assert!(partials.is_empty(), "a byte is handed on to nobody");
    }
    let counted = TurnedAway { links_silent: 2, ..TurnedAway::default() };
    assert_eq!(listener.door().turned_away(), counted);
    let told = witness.heard("never said a whole word");
    assert!(told.len() == 1 && told[0].contains("127.0.0.1"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_arrive_as_frames_and_one_too_large_for_a_datagram_all_the_same() {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let (dialler, mut dialling) = node(&org.member("b"), &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })));
    dialler.send_newest(link, vec![1; 60]).expect("room");
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == [1; 60]));
    dialler.send_newest(link, vec![2; 20_000]).expect("room");
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == vec![2; 20_000]));
    dialler.send_newest(LinkId(u64::MAX), vec![3]).expect("a link that is gone swallows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_positions_leaves_room_for_an_alert() {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let (dialler, mut dialling) = node(&org.member("b"), &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    for position in 0..50_000_u32 {
        dialler.send_newest(link, position.to_be_bytes().repeat(250)).expect("the oldest make room");
    }
    dialler.send(link, Class::P0, b"evacuate".to_vec()).expect("room");
    for position in 0..50_000_u32 {
        dialler.send_newest(link, position.to_be_bytes().repeat(250)).expect("the oldest make room");
    }
    let alert = |event: &LinkEvent| matches!(event, LinkEvent::Frame { bytes, .. } if bytes == b"evacuate");
    assert!(next_where(&mut listening, alert).await.is_some(), "the alert did not get through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_datagrams_from_a_peer_leaves_room_for_its_streams() {
    let org = org();
    let (listener, mut events) = node(&org.member("a"), &[]);
    let connection = Stranger::new(&org.member("b")).connect(listener.local_addr()).await;
    let flood = connection.clone();
    let flooding = tokio::spawn(async move { while flood.send_datagram_wait(vec![9; 1_000].into()).await.is_ok() {} });
    let _stream = begin_frame(&connection, 5, b"alert").await;
    let alert = |event: &LinkEvent| matches!(event, LinkEvent::Frame { bytes, .. } if bytes == b"alert");
    assert!(next_where(&mut events, alert).await.is_some(), "the alert did not get through");
    connection.close(0_u32.into(), b"enough");
    flooding.await.expect("it ended");
}
