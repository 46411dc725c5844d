//! Fear: what was on its way when a link ended is lost, or a dead link is taken for a living one.

use std::time::Duration;

use holdfast_domain::scope::Class;
use holdfast_transport::endpoint::{LinkEvent, Transport};
use tokio::sync::mpsc::Receiver;

use crate::members::{Org, next, next_where, node, org};
use crate::stranger::{Road, Stranger, begin_frame};

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_frame_that_the_end_cut_in_two_is_handed_over() {
    let org = org();
    let (listener, mut events) = node(&org.member("a"), &[]);
    let connection = Stranger::new(&org.member("b")).connect(listener.local_addr()).await;
    let half: Vec<u8> = (0..3_000_u32).map(|byte| (byte % 251) as u8).collect();
    let _long = begin_frame(&connection, 10_000, &half).await;
    let _short = begin_frame(&connection, 10_000, &half[..511]).await;
    // Loopback keeps the order, so once this one is here the others are.
    let _whole = begin_frame(&connection, 5, b"whole").await;
    assert!(matches!(next(&mut events).await, Some(LinkEvent::Up { .. })));
    assert!(matches!(next(&mut events).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == b"whole"));
    connection.close(0_u32.into(), b"gone");
    let Some(LinkEvent::Down { partials, .. }) = next(&mut events).await else { panic!("no end") };
    assert_eq!(partials, [half]);
}

/// Two that are linked by a road which has just closed, with an order on its way.
struct Parted {
    road: Road,
    listening: Receiver<LinkEvent>,
    dialling: Receiver<LinkEvent>,
    /// Both of them and their org, which end when dropped.
    kept: (Org, [Transport; 2]),
}

async fn parted() -> Parted {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let road = Road::to(listener.local_addr()).await;
    let (dialler, mut dialling) = node(&org.member("b"), &[road.address]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })));
    road.close(true);
    dialler.send(link, Class::P0, b"evacuate".to_vec()).expect("room");
    Parted { road, listening, dialling, kept: (org, [listener, dialler]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_comes_back_with_the_road() {
    let Parted { road, mut listening, dialling: _dialling, kept: _kept } = parted().await;
    // Long enough for the link to count as silent, and less than its patience.
    let nothing = tokio::time::timeout(Duration::from_millis(1_500), next(&mut listening)).await;
    assert!(nothing.is_err(), "the road was closed: {nothing:?}");
    road.close(false);
    // By a beacon on the old link, or on a fresh one the engine would send it again.
    let back = |event: &LinkEvent| matches!(event, LinkEvent::Frame { .. } | LinkEvent::Up { .. });
    assert!(next_where(&mut listening, back).await.is_some(), "nobody noticed that the road is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_comes_back_is_greeted_once() {
    let Parted { road, mut listening, mut dialling, kept: _kept } = parted().await;
    let silent =
        |wanted| move |event: &LinkEvent| matches!(event, LinkEvent::Silent { silent, .. } if *silent == wanted);
    assert!(next_where(&mut dialling, silent(true)).await.is_some(), "nobody noticed that the road is closed");
    let before = road.handshake_datagrams();
    road.close(false);
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == b"evacuate"));
    assert!(next_where(&mut dialling, silent(false)).await.is_some(), "nobody noticed that the road is open");
    assert_eq!(road.handshake_datagrams(), before, "no other link was begun");
    let more = tokio::time::timeout(Duration::from_millis(300), next(&mut listening)).await;
    assert!(more.is_err(), "nothing ended and nothing else came up: {more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_link_replaces_one_that_has_fallen_silent() {
    let org = org();
    let member = org.member("b");
    let (listener, mut events) = node(&org.member("a"), &[]);
    let road = Road::to(listener.local_addr()).await;
    let stranger = Stranger::new(&member);
    let _old = stranger.connect(road.address).await;
    let Some(LinkEvent::Up { link: old, device, .. }) = next(&mut events).await else { panic!("no link") };
    road.close(true);
    // The listener has said nothing and knows nothing; the other end dials again by another road.
    let _fresh = stranger.connect(listener.local_addr()).await;
    let Some(LinkEvent::Up { device: again, .. }) = next(&mut events).await else { panic!("no fresh link") };
    assert_eq!(again, device);
    // The patience that both ends agreed on is six seconds; this takes a challenge and a quarter of one.
    let ended = tokio::time::timeout(Duration::from_secs(4), next(&mut events)).await;
    assert!(matches!(ended, Ok(Some(LinkEvent::Down { link, .. })) if link == old), "{ended:?}");
}
