//! Fear: the ends of a link remember different things of what was said on it, or a peer uses that to do harm.

use holdfast_domain::frame::Bye;
use holdfast_domain::limits::{FRAME_BYTES_MAX, SMALL_FRAME_BYTES_MAX};
use holdfast_domain::scope::Class;
use holdfast_transport::endpoint::LinkEvent;
use holdfast_transport::window::{Length, LengthSoFar, Window};
use quinn::{ConnectionError, RecvStream};

use crate::members::{next, node, org};
use crate::stranger::{Stranger, begin_frame, begin_packed, listen};

/// Of an edit: what never comes again, as ids and signatures do not.
const FRESH_BYTES: usize = 48;

/// As an edit is made: names that come again around what never does.
fn edit(number: u32) -> Vec<u8> {
    let mut fresh = [0; FRESH_BYTES];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut fresh);
    let title = format!("openRelieve crew at gate {}", number % 90);
    [&fresh[..16], b"created_ms\x06number\x08priority\x06status\x05title", &fresh[16..], title.as_bytes()].concat()
}

async fn read_length(stream: &mut RecvStream) -> (usize, Length) {
    let mut so_far = LengthSoFar::default();
    for taken in 1.. {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("a byte");
        if let Some(length) = so_far.take(byte[0]).expect("a length") {
            return (taken, length);
        }
    }
    unreachable!("a length ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_edits_alike_cost_little_more_than_what_is_fresh_in_them() {
    let org = org();
    let stranger = listen(&org.member("a"));
    let (dialler, mut events) = node(&org.member("b"), &[stranger.local_addr().expect("bound")]);
    let connection = stranger.accept().await.expect("a call").await.expect("let in");
    let Some(LinkEvent::Up { link, .. }) = next(&mut events).await else { panic!("no link") };
    let edits: Vec<Vec<u8>> = (0..1_000).map(edit).collect();
    for edit in &edits {
        dialler.send(link, Class::P2, edit.clone()).expect("room");
    }
    let mut stream = connection.accept_uni().await.expect("a stream");
    let (mut window, mut cost) = (Window::default(), 0);
    for edit in &edits {
        let (header, length) = read_length(&mut stream).await;
        let mut bytes = vec![0; length.bytes];
        stream.read_exact(&mut bytes).await.expect("whole");
        assert_eq!(window.read(length.packed, bytes).as_ref(), Ok(edit));
        cost += header + length.bytes;
    }
    let said: usize = edits.iter().map(Vec::len).sum();
    println!("{said} bytes cost {cost}");
    assert!(cost <= edits.len() * (FRESH_BYTES + 16), "{said} bytes cost {cost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_frame_between_small_ones_comes_in_its_place() {
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    let (dialler, mut dialling) = node(&org.member("b"), &[listener.local_addr()]);
    let Some(LinkEvent::Up { link, .. }) = next(&mut dialling).await else { panic!("no link") };
    assert!(matches!(next(&mut listening).await, Some(LinkEvent::Up { .. })));
    let sizes = [SMALL_FRAME_BYTES_MAX, SMALL_FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX];
    let mut said = Vec::new();
    for number in 0..60 {
        said.push(edit(number));
        if number % 9 == 0 {
            said.push(vec![number as u8; sizes[number as usize / 9 % 3]]);
        }
    }
    for frame in &said {
        dialler.send(link, Class::P2, frame.clone()).expect("room");
    }
    for frame in said {
        assert!(matches!(next(&mut listening).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == frame));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cut_within_a_packed_frame_leaves_no_beginning_to_go_on_from() {
    let org = org();
    let (listener, mut events) = node(&org.member("a"), &[]);
    let stranger = Stranger::new(&org.member("b"));
    for _ in 0..2 {
        let connection = stranger.connect(listener.local_addr()).await;
        let _half = begin_packed(&connection, 2_000, &[7; 1_000]).await;
        // Loopback keeps the order, so once this one is here the other is.
        let _whole = begin_frame(&connection, 5, b"whole").await;
        assert!(matches!(next(&mut events).await, Some(LinkEvent::Up { .. })));
        assert!(matches!(next(&mut events).await, Some(LinkEvent::Frame { bytes, .. }) if bytes == b"whole"));
        connection.close(0_u32.into(), b"gone");
        let Some(LinkEvent::Down { partials, .. }) = next(&mut events).await else { panic!("no end") };
        assert!(partials.is_empty(), "the beginning of a packed frame was taken for one of a frame");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_and_is_no_small_frame_ends_the_link_and_is_not_handed_on() {
    let org = org();
    let (listener, mut events) = node(&org.member("a"), &[]);
    let stranger = Stranger::new(&org.member("b"));
    // 100 kB of zeros without the headers of frame and block, noise, nothing, more than is small.
    let bomb = zstd::bulk::compress(&vec![0; 100_000], 5).expect("compresses")[12..].to_vec();
    let over = SMALL_FRAME_BYTES_MAX as u32 + 1;
    let cases = [(bomb.len() as u32, bomb), (40, vec![0xA7; 40]), (0, Vec::new()), (over, vec![0; 10])];
    for (length, part) in cases {
        let connection = stranger.connect(listener.local_addr()).await;
        let _stream = begin_packed(&connection, length, &part).await;
        assert!(matches!(next(&mut events).await, Some(LinkEvent::Up { .. })));
        let end = next(&mut events).await;
        assert!(matches!(end, Some(LinkEvent::Down { ref partials, .. }) if partials.is_empty()), "{length}: {end:?}");
        let ConnectionError::ApplicationClosed(close) = connection.closed().await else { panic!("not closed for it") };
        assert_eq!(close.error_code, (Bye::BadFrame as u32).into());
    }
    assert_eq!(listener.door().turned_away().links_bad_frame, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_at_once_shares_packets() {
    let org = org();
    let stranger = listen(&org.member("a"));
    let (dialler, mut events) = node(&org.member("b"), &[stranger.local_addr().expect("bound")]);
    let connection = stranger.accept().await.expect("a call").await.expect("let in");
    let Some(LinkEvent::Up { link, .. }) = next(&mut events).await else { panic!("no link") };
    dialler.send(link, Class::P0, vec![0]).expect("room");
    let mut stream = connection.accept_uni().await.expect("a stream");
    stream.read_exact(&mut [0; 2]).await.expect("the stream stands");
    let before = connection.stats().udp_rx.datagrams;
    dialler.send_all(link, Class::P0, vec![b"word".to_vec(); 100]).expect("room");
    stream.read_exact(&mut [0; 500]).await.expect("all of it");
    let packets = connection.stats().udp_rx.datagrams - before;
    assert!(packets <= 6, "a hundred words of five bytes took {packets} packets");
}
