//! Fear: an evacuation order waits while two that never met tell each other what they hold; or bulk comes unasked for it.

use holdfast_domain::frame::{Ack, Frame, FrameV1, Pack};
use holdfast_domain::frontier::{Fingerprint, Head};
use holdfast_domain::limits::PACKET_BYTES;
use holdfast_domain::scope::{StreamId, StreamKind};
use holdfast_protocol::protocol::Input;

use crate::node::{Node, Outward};
use crate::org::{self, board, mission, stream};
use crate::proof::Puppet;
use crate::world::{World, link_id};

fn alert() -> StreamId {
    stream(StreamKind::Alert)
}

/// What a node says at once when a link with device 9 comes up.
fn first_words(node: &mut Node) -> Vec<FrameV1> {
    let out = node.say(Input::Up { link: link_id(90, 0), device: org::device(9), outgoing: false });
    let frame = |outward: &Outward| match outward {
        Outward::Send(_, _, bytes) => Frame::decode(bytes).ok().map(|Frame::V1(frame)| frame),
        Outward::Close(_) => None,
    };
    out.iter().filter_map(frame).collect()
}

fn packs(words: &[FrameV1]) -> Vec<&Pack> {
    words.iter().filter_map(|word| if let FrameV1::Pack(pack) = word { Some(pack) } else { None }).collect()
}

fn pack_bytes(words: &[FrameV1]) -> usize {
    packs(words).iter().map(|pack| Frame::V1(FrameV1::Pack((*pack).clone())).encode().len()).sum()
}

#[test]
fn an_alert_leaves_with_the_greeting_for_a_peer_never_met() {
    let mut node = Node::new(1);
    node.write(board(), &["bulk"], false);
    node.write(alert(), &["leave sector 4 now"], false);
    let words = first_words(&mut node);
    assert!(matches!(words[0], FrameV1::Greeting(_)), "{words:?}");
    let packs = packs(&words);
    assert_eq!(packs.iter().map(|pack| pack.stream).collect::<Vec<_>>(), [alert()], "and nothing less urgent");
}

#[test]
fn a_peer_that_never_met_us_shows_the_alert_when_it_has_only_heard_the_first_words() {
    let mut node = Node::new(1);
    // The alert is of a third device, whose credential the newcomer lacks.
    let mut author = Puppet::greet(&mut node, 8);
    author.pack(&mut node, &org::chain(8, alert(), None, &["leave sector 4 now"]), |_| ());
    let words = first_words(&mut node);
    let mut newcomer = Node::new(9);
    newcomer.write(board(), &["its own"], false);
    let link = link_id(91, 0);
    newcomer.say(Input::Up { link, device: org::device(1), outgoing: true });
    for word in words {
        newcomer.say(Input::Frame { link, bytes: Frame::V1(word).encode() });
    }
    assert_eq!(newcomer.bodies(alert(), 8), ["leave sector 4 now"]);
    assert!(newcomer.told.closed.is_empty());
}

#[test]
fn no_more_than_a_packet_goes_unasked_and_the_newest_first() {
    let mut node = Node::new(1);
    for number in 0..30 {
        let text = format!("alert {number}: {}", "leave sector 4 now ".repeat(8));
        node.write(StreamId::new(mission(number), StreamKind::Alert), &[&text], false);
    }
    let words = first_words(&mut node);
    assert!(packs(&words).len() > 1 && pack_bytes(&words) <= PACKET_BYTES, "{} bytes", pack_bytes(&words));
    assert_eq!(packs(&words)[0].stream.scope, mission(29));
}

#[test]
fn a_long_feed_of_old_alerts_is_not_sent_unasked() {
    for (count, length) in [(200, 20), (12, 300), (1, 3_000)] {
        let mut node = Node::new(1);
        let bodies: Vec<String> = (0..count).map(|number| format!("{number} {}", "x".repeat(length))).collect();
        node.write(alert(), &bodies.iter().map(String::as_str).collect::<Vec<_>>(), true);
        assert!(packs(&first_words(&mut node)).is_empty(), "{count} alerts of {length} bytes");
    }
    let mut node = Node::new(1);
    node.write(alert(), &["x".repeat(3_000).as_str()], true);
    node.write(StreamId::new(mission(2), StreamKind::Alert), &["short"], true);
    assert_eq!(packs(&first_words(&mut node)).len(), 1, "one that is too long keeps no other back");
}

#[test]
fn a_peer_that_holds_the_alert_already_takes_it_twice_without_a_grudge() {
    for seed in 0..20 {
        let mut world = World::new(3, seed);
        world.write(0, alert(), &["leave sector 4 now"]);
        (0..3).for_each(|node| world.write(node, board(), &["bulk"]));
        world.dial(0, 1);
        world.dial(0, 2);
        world.run();
        world.cut_all();
        // Nodes 1 and 2 have it from node 0 and never met.
        let wire = world.dial(1, 2);
        world.run();
        world.assert_converged();
        assert!(world.nodes.iter().all(|node| node.told.closed.is_empty()), "seed {seed}");
        assert!(world.sent(wire).iter().all(|bytes| *bytes <= 2 * PACKET_BYTES), "{:?}", world.sent(wire));
        world.cut_all();
        let wire = world.dial(1, 2);
        world.run();
        assert!(world.sent(wire).iter().all(|bytes| *bytes <= 100), "met before: {:?}", world.sent(wire));
    }
}

#[test]
fn two_that_never_met_and_both_raise_alerts_come_to_agree_whatever_overtakes_what() {
    for seed in 0..50 {
        let mut world = World::new(2, seed);
        for (node, text) in [(0, "from the left"), (1, "from the right"), (0, "once more")] {
            world.write(node, alert(), &[text]);
            world.write(node, board(), &[text]);
        }
        world.dial(0, 1);
        world.steps(3);
        world.write(0, alert(), &["while they meet"]);
        world.run();
        world.assert_converged();
        let alerts = |index: usize| world.nodes[index].counter("entries_duplicate");
        assert_eq!((alerts(0), alerts(1)), (0, 0), "seed {seed}: nothing came twice");
    }
}

#[test]
fn who_is_greeted_again_or_speaks_first_gets_nothing_more_unasked() {
    let mut node = Node::new(1);
    node.write(alert(), &["leave sector 4 now"], false);
    let mut puppet = Puppet::connect(&mut node, 9);
    assert_eq!(puppet.packs().len(), 1);
    puppet.say(&mut node, FrameV1::Again);
    assert_eq!(puppet.packs().len(), 1, "once a session");
}

#[test]
fn a_peer_that_refuses_the_first_words_is_neither_closed_nor_flooded() {
    let mut node = Node::new(1);
    node.write(alert(), &["leave sector 4 now"], false);
    let mut puppet = Puppet::greet_with(&mut node, 9, vec![(mission(3), Fingerprint([3; 16]))]);
    let id = puppet.packs()[0].id;
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: id, others: vec![(0, None)] }));
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: 77, others: Vec::new() }));
    // It says all it holds, without the alert.
    let author = org::credential(9, 0).author();
    let head = Head { seq: 1, digest: holdfast_domain::entry::ShortDigest([3; 8]) };
    puppet.heads(&mut node, StreamId::new(mission(3), StreamKind::Board), author, head);
    node.say(Input::Tick);
    assert!(node.told.closed.is_empty(), "{:?}", node.told.closed);
    assert_eq!(puppet.packs().len(), 1, "a run that was refused is not sent again unasked");
    let author = node.author();
    puppet.ask(&mut node, alert(), author, 1);
    assert_eq!(puppet.packs().len(), 2, "but it may be asked for");
}
