//! A frame that a cut breaks in two goes on at the next meeting where it broke off.

use holdfast_domain::frame::{Bye, Frame, FrameV1, LinkId, Partial, Rest};
use holdfast_domain::scope::StreamKind;
use holdfast_protocol::protocol::Input;

use crate::node::{Node, Outward};
use crate::org::{self, stream};
use crate::proof::{Puppet, greeting};

const BODY: usize = 40_000;

fn frames(out: &[Outward]) -> Vec<(Vec<u8>, FrameV1)> {
    out.iter()
        .filter_map(|effect| match effect {
            Outward::Send(_, _, bytes) => match Frame::decode(bytes) {
                Ok(Frame::V1(frame)) => Some((bytes.clone(), frame)),
                Err(_) => None,
            },
            Outward::Close(_) => None,
        })
        .collect()
}

fn up(node: &mut Node, link: u64, device: u8) -> Vec<Outward> {
    node.say(Input::Up { link: LinkId(link), device: org::device(device), outgoing: false })
}

fn say(node: &mut Node, link: u64, frame: FrameV1) -> Vec<Outward> {
    node.say(Input::Frame { link: LinkId(link), bytes: Frame::V1(frame).encode() })
}

/// A sender whose pack of one large entry was cut off; gives the pack's frame.
fn cut_off() -> (Node, Vec<u8>) {
    let mut sender = Node::new(1);
    let body = "x".repeat(BODY);
    sender.write(stream(StreamKind::Track), &[&body], true);
    up(&mut sender, 1, 9);
    let out = say(&mut sender, 1, FrameV1::Greeting(greeting(9, Vec::new())));
    let pack = frames(&out).into_iter().find(|(_, frame)| matches!(frame, FrameV1::Pack(_))).map(|(bytes, _)| bytes);
    sender.say(Input::Down { link: LinkId(1), silent_us: 0, partials: Vec::new() });
    (sender, pack.expect("a pack"))
}

fn greets_with(partials: Vec<Partial>) -> FrameV1 {
    FrameV1::Greeting(holdfast_domain::frame::Greeting { partials, ..greeting(9, Vec::new()) })
}

#[test]
fn only_the_rest_is_sent_and_it_counts_as_the_pack() {
    let (mut sender, pack) = cut_off();
    let partial = Partial::of(&pack[..30_000]);
    up(&mut sender, 2, 9);
    let out = say(&mut sender, 2, greets_with(vec![partial]));
    let sent = frames(&out);
    let rest: Vec<&Rest> =
        sent.iter().filter_map(|(_, frame)| if let FrameV1::Rest(rest) = frame { Some(rest) } else { None }).collect();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].bytes, pack[30_000..]);
    assert!(!sent.iter().any(|(_, frame)| matches!(frame, FrameV1::Pack(_))), "nothing is sent twice");
    assert_eq!((sender.counter("frames_resumed"), sender.counter("bytes_spared")), (1, 30_000));
}

#[test]
fn a_beginning_that_is_of_no_frame_known_here_gets_the_whole_again() {
    let (mut sender, pack) = cut_off();
    let mut other = pack.clone();
    other[20_000] ^= 1;
    let claims = vec![Partial::of(&other[..30_000]), Partial { bytes: u32::MAX, ..Partial::of(&pack) }];
    up(&mut sender, 2, 9);
    let out = say(&mut sender, 2, greets_with(claims));
    let kinds = frames(&out);
    assert!(kinds.iter().any(|(_, frame)| matches!(frame, FrameV1::Pack(_))));
    assert!(!kinds.iter().any(|(_, frame)| matches!(frame, FrameV1::Rest(_))));
}

#[test]
fn the_beginning_is_kept_named_and_joined() {
    let (_, pack) = cut_off();
    let mut receiver = Node::new(9);
    up(&mut receiver, 1, 1);
    say(&mut receiver, 1, FrameV1::Greeting(greeting(1, Vec::new())));
    receiver.say(Input::Down { link: LinkId(1), silent_us: 0, partials: vec![pack[..30_000].to_vec(), vec![1; 10]] });
    let out = up(&mut receiver, 2, 1);
    let partial = Partial::of(&pack[..30_000]);
    let named = frames(&out).into_iter().find_map(|(_, frame)| match frame {
        FrameV1::Greeting(greeting) => Some(greeting.partials),
        _ => None,
    });
    assert_eq!(named, Some(vec![partial]));
    say(&mut receiver, 2, FrameV1::Greeting(greeting(1, Vec::new())));
    let rest = Rest { partial, bytes: pack[30_000..].to_vec() };
    let out = say(&mut receiver, 2, FrameV1::Rest(rest.clone()));
    assert!(frames(&out).iter().any(|(_, frame)| matches!(frame, FrameV1::Ack(_))));
    assert_eq!(receiver.bodies(stream(StreamKind::Track), 1)[0].len(), BODY);
    say(&mut receiver, 2, FrameV1::Rest(rest));
    assert_eq!(receiver.counter("rests_unknown"), 1, "a replayed rest continues nothing");
}

#[test]
fn a_rest_that_makes_no_frame_is_guilt_and_nothing_of_it_stays() {
    let (_, pack) = cut_off();
    let mut receiver = Node::new(9);
    up(&mut receiver, 1, 1);
    receiver.say(Input::Down { link: LinkId(1), silent_us: 0, partials: vec![pack[..30_000].to_vec()] });
    up(&mut receiver, 2, 1);
    say(&mut receiver, 2, FrameV1::Greeting(greeting(1, Vec::new())));
    let rest = Rest { partial: Partial::of(&pack[..30_000]), bytes: vec![0; 5] };
    say(&mut receiver, 2, FrameV1::Rest(rest));
    assert_eq!(receiver.told.closed, [Bye::BadFrame]);
    assert!(receiver.store.heads.is_empty());
}

#[test]
fn a_greeting_that_names_more_beginnings_than_there_are_classes_is_refused() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::connect(&mut victim, 9);
    puppet.say(&mut victim, greets_with(vec![Partial::of(b"x"); 7]));
    assert_eq!(victim.told.closed, [Bye::BadFrame]);
}
