//! What is carried between members.

use holdfast_domain::frame::Bye;
use holdfast_domain::limits::{FRAME_BYTES_MAX, LINK_QUEUE_BYTES_MAX};
use holdfast_domain::scope::Class;
use holdfast_transport::endpoint::LinkEvent;

use crate::members::{next, node, org};

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_every_class_and_of_the_largest_size_arrive_whole() {
    let org = org();
    let (a, b) = (org.member("a"), org.member("b"));
    let (listener, mut listening) = node(&a, &[]);
    let (dialler, mut dialling) = node(&b, &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, device, outgoing: true, .. }) = next(&mut dialling).await else { panic!("no link") };
    assert_eq!(device, a.0.device());
    let Some(LinkEvent::Up { device, outgoing: false, .. }) = next(&mut listening).await else { panic!("no link") };
    assert_eq!(device, b.0.device());
    for class in Class::ALL {
        dialler.send(link, class, vec![class as u8; 10]).expect("room");
    }
    dialler.send(link, Class::P5, vec![9; FRAME_BYTES_MAX]).expect("room");
    let mut sizes = Vec::new();
    for _ in 0..7 {
        let Some(LinkEvent::Frame { bytes, .. }) = next(&mut listening).await else { panic!("a frame is missing") };
        sizes.push((bytes[0], bytes.len()));
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [(0, 10), (1, 10), (2, 10), (3, 10), (4, 10), (5, 10), (9, FRAME_BYTES_MAX)]);
    dialler.close(link, Bye::Paused);
    let Some(LinkEvent::Down { reason, .. }) = next(&mut listening).await else { panic!("no end") };
    assert!(reason.contains("paused"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_is_dialled_again() {
    let org = org();
    let (a, b) = (org.member("a"), org.member("b"));
    let (listener, mut listening) = node(&a, &[]);
    let (_dialler, mut dialling) = node(&b, &[listener.local_addr()]);
    for _ in 0..2 {
        let Some(LinkEvent::Up { link, .. }) = next(&mut listening).await else { panic!("no link") };
        assert!(matches!(next(&mut dialling).await, Some(LinkEvent::Up { .. })));
        listener.close(link, Bye::Leaving);
        assert!(matches!(next(&mut dialling).await, Some(LinkEvent::Down { .. })));
        assert!(matches!(next(&mut listening).await, Some(LinkEvent::Down { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_nothing_makes_the_sender_slow_and_not_large() {
    let org = org();
    let (a, b) = (org.member("a"), org.member("b"));
    let (listener, _untaken) = node(&a, &[]);
    let (dialler, mut dialling) = node(&b, &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    let most = 4 * LINK_QUEUE_BYTES_MAX / FRAME_BYTES_MAX;
    let slow = (0..most).any(|_| dialler.send(link, Class::P2, vec![0; FRAME_BYTES_MAX]).is_err());
    assert!(slow, "{most} frames of the largest size were queued without complaint");
}
