//! What is sent, in which order, and how much at once.

use std::collections::BTreeSet;

use holdfast_domain::frame::{Ack, Bye, FrameV1, LinkId};
use holdfast_domain::frontier::{Fingerprint, Head};
use holdfast_domain::limits::{
    ASKS_SERVED_MAX, FRONTIER_FRAME_HEADS, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_PACKS_MAX, PACK_FIRST_BYTES,
};
use holdfast_domain::scope::{Class, StreamKind};
use holdfast_protocol::protocol::Input;

use crate::node::{Node, Store};
use crate::org::{self, board, mission, stream};
use crate::proof::Puppet;
use crate::world::World;

fn bulky() -> Node {
    let mut node = Node::new(1);
    let body = "x".repeat(100_000);
    for _ in 0..40 {
        node.write(stream(StreamKind::Track), &[&body], true);
    }
    node
}

#[test]
fn no_more_is_in_flight_than_a_cut_may_cost() {
    let mut node = bulky();
    let mut puppet = Puppet::greet(&mut node, 9);
    let bytes = |puppet: &Puppet| puppet.packs().iter().map(|pack| pack.payload.len()).sum::<usize>();
    let unknown = bytes(&puppet);
    assert!(unknown <= 8 * PACK_FIRST_BYTES + 100_000, "before anything is known of the link: {unknown}");
    let link = LinkId(1_000 + 9);
    let out = node.say(Input::Measured { link, rate_bps: Some(1_000_000_000), rtt_us: 20_000, lost_permille: 0 });
    puppet.hear(out);
    let first = bytes(&puppet);
    let pack_bytes = 256 << 10;
    assert!(first.abs_diff(IN_FLIGHT_BYTES_MAX) <= pack_bytes, "{first}");
    let id = puppet.packs()[0].id;
    let freed = puppet.packs()[0].payload.len();
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: id, others: vec![(0, None)] }));
    assert_eq!(bytes(&puppet), first, "a run that was refused is not followed up");
    assert_eq!(node.counter("runs_refused"), 1);
    let author = node.author();
    puppet.ask(&mut node, stream(StreamKind::Track), author, 1);
    assert!(bytes(&puppet) >= first + freed, "but asked for it is sent");
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: id, others: vec![(0, None)] }));
    assert_eq!(node.counter("acks_unknown"), 1);
}

#[test]
fn acknowledgements_in_any_order_let_the_rest_through() {
    let mut node = bulky();
    let track = stream(StreamKind::Track);
    let author = node.author();
    let mut puppet = Puppet::greet(&mut node, 9);
    let mut acked = BTreeSet::new();
    loop {
        let next = puppet.packs().iter().rev().find(|pack| !acked.contains(&pack.id)).map(|pack| pack.id);
        let Some(pack) = next else { break };
        acked.insert(pack);
        puppet.say(&mut node, FrameV1::Ack(Ack { pack, others: Vec::new() }));
    }
    let sent: u32 = puppet.packs().iter().map(|pack| pack.ranges[0].count).sum();
    assert_eq!(sent, 40, "each entry is sent once");
    assert_eq!(node.told.heads[&org::device(9)].seq(track, author), 40);
}

#[test]
fn an_order_of_the_command_post_passes_bulk_that_fills_the_window() {
    let mut node = bulky();
    let mut puppet = Puppet::greet(&mut node, 9);
    let before = puppet.packs().len();
    let out = node.write(stream(StreamKind::Control), &["evacuate"], true);
    puppet.hear(out);
    let after = &puppet.packs()[before..];
    assert_eq!(after.iter().map(|pack| pack.stream.kind).collect::<Vec<_>>(), [StreamKind::Control]);
}

#[test]
fn urgent_streams_go_first_and_equals_take_turns() {
    let mut node = Node::new(1);
    node.pack_bytes = 8;
    let other = holdfast_domain::scope::StreamId::new(mission(2), StreamKind::Board);
    for target in [stream(StreamKind::Track), board(), other, stream(StreamKind::Latest), stream(StreamKind::Control)] {
        node.write(target, &["12345678"; 3], true);
    }
    let puppet = Puppet::greet(&mut node, 9);
    let order: Vec<(Class, _)> = puppet.packs().iter().map(|pack| (pack.stream.kind.class(), pack.stream)).collect();
    let classes: Vec<Class> = order.iter().map(|(class, _)| *class).collect();
    let strict = classes.iter().take_while(|class| **class <= Class::P1).count();
    assert!(classes[..strict].is_sorted() && strict == 4, "{classes:?}");
    assert!(classes[strict..].iter().all(|class| *class > Class::P1), "{classes:?}");
    let bulk = classes[strict..strict + 4].iter().filter(|class| **class == Class::P4).count();
    assert!((1..=2).contains(&bulk), "what is less urgent has its share and no more: {classes:?}");
    let boards: Vec<_> = order.iter().filter(|(class, _)| *class == Class::P2).map(|(_, stream)| *stream).collect();
    assert_eq!(boards, [board(), other, board(), other, board(), other]);
}

#[test]
fn nothing_is_pushed_into_a_scope_before_the_peer_has_said_what_it_holds_there() {
    let mut node = Node::new(1);
    node.write(board(), &["one", "two"], true);
    let mut puppet = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
    assert!(puppet.packs().is_empty());
    let author = node.author();
    let digest = node.store.entries(board(), author)[0].digest.short();
    puppet.heads(&mut node, board(), author, Head { seq: 1, digest });
    assert_eq!(puppet.packs()[0].ranges[0].first, 2);
    assert_eq!(puppet.packs()[0].ranges[0].base, digest);
}

#[test]
fn a_peer_that_claims_more_than_there_is_gets_nothing_and_harms_nobody() {
    let mut node = Node::new(1);
    let mut bringer = Puppet::greet(&mut node, 8);
    bringer.pack(&mut node, &org::chain(8, board(), None, &["one"]), |_| ());
    let mut puppet = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
    let absurd = Head { seq: u64::MAX, digest: holdfast_domain::entry::ShortDigest([1; 8]) };
    puppet.heads(&mut node, board(), org::credential(8, 0).author(), absurd);
    assert!(puppet.packs().is_empty() && node.told.closed.is_empty());
    assert!(node.told.own_history.is_empty());
}

#[test]
fn a_peer_that_asks_for_too_much_is_closed() {
    let mut node = bulky();
    let author = node.author();
    let mut puppet = Puppet::greet(&mut node, 9);
    for number in 0..=ASKS_SERVED_MAX as u8 {
        let elsewhere = holdfast_domain::scope::StreamId::new(mission(number + 10), StreamKind::Track);
        puppet.hear(node.write(elsewhere, &["x"], true));
        puppet.ask(&mut node, elsewhere, author, 1);
    }
    assert_eq!(node.told.closed, [Bye::BadFrame]);
}

#[test]
fn a_credential_is_sent_once_to_those_who_cannot_know_it() {
    let mut world = World::new(3, 1);
    world.write(0, board(), &["one"]);
    world.dial(0, 1);
    world.run();
    world.dial(1, 2);
    world.run();
    world.write(0, board(), &["two"]);
    world.run();
    world.cut_all();
    world.dial(0, 1);
    world.dial(1, 2);
    world.run();
    world.write(0, board(), &["three"]);
    world.run();
    world.assert_converged();
    let told: Vec<(usize, usize)> = world
        .trace
        .iter()
        .filter_map(|(from, to, _, bytes)| match holdfast_domain::frame::Frame::decode(bytes) {
            Ok(holdfast_domain::frame::Frame::V1(FrameV1::Pack(pack))) if !pack.credentials.is_empty() => {
                Some((*from, *to))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [(1, 2)]);
}

#[test]
fn credentials_travel_in_every_class_so_that_none_is_overtaken() {
    let mut world = World::new(3, 1);
    world.write(0, board(), &["one"]);
    world.write(0, stream(StreamKind::Track), &["two"]);
    world.dial(0, 1);
    world.run();
    world.hold = Some(Class::P2);
    world.dial(1, 2);
    world.run();
    assert_eq!(world.nodes[2].bodies(stream(StreamKind::Track), 1), ["two"]);
    world.hold = None;
    world.run();
    world.assert_converged();
}

#[test]
fn long_runs_keep_enough_signatures_to_be_relayed_from_any_start() {
    let mut world = World::new(4, 1);
    let body = "y".repeat(1_000);
    for _ in 0..600 {
        let outward = world.nodes[0].write(stream(StreamKind::Message), &[&body], true);
        drop(outward);
    }
    for a in 0..3 {
        world.dial(a, a + 1);
        world.run();
        world.cut_all();
    }
    world.nodes.iter().for_each(|node| assert_eq!(node.bodies(stream(StreamKind::Message), 1).len(), 600));
    let last = world.nodes[3].store.entries(stream(StreamKind::Message), world.nodes[0].author());
    let signed = last.iter().filter(|entry| entry.signature.is_some()).count();
    assert!((9..=20).contains(&signed), "{signed} signatures for 600 kB");
}

#[test]
fn small_items_gather_into_packs_while_acknowledgements_are_out() {
    let mut node = Node::new(1);
    let mut puppet = Puppet::greet(&mut node, 9);
    for _ in 0..100 {
        puppet.hear(node.write(board(), &["x"], true));
    }
    assert_eq!(puppet.packs().len(), IN_FLIGHT_PACKS_MAX);
    let pack = puppet.packs()[0].id;
    puppet.say(&mut node, FrameV1::Ack(Ack { pack, others: Vec::new() }));
    assert_eq!(puppet.packs().last().map(|pack| pack.ranges[0].count), Some(100 - IN_FLIGHT_PACKS_MAX as u32));
}

#[test]
fn a_large_frontier_is_said_in_several_frames() {
    let mut store = Store::default();
    for number in 0..FRONTIER_FRAME_HEADS as u64 + 5 {
        let mut author = [7; 16];
        author[..8].copy_from_slice(&number.to_be_bytes());
        let kind = if number % 2 == 0 { StreamKind::Board } else { StreamKind::Track };
        let digest = holdfast_domain::entry::Digest([1; 32]);
        store.heads.insert((stream(kind), holdfast_domain::identity::AuthorId(author)), (1, digest));
    }
    let mut node = Node::reopen(1, 0, store);
    let puppet = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
    let mut said = Vec::new();
    for frame in &puppet.heard {
        if let FrameV1::Heads(heads) = frame {
            said.push((heads.heads.iter().map(|(_, of_kind)| of_kind.len()).sum::<usize>(), heads.whole.is_some()));
        }
    }
    assert_eq!(said, [(FRONTIER_FRAME_HEADS, false), (5, true)]);
}

#[test]
fn a_chain_that_was_refused_goes_on_once_the_peer_holds_it() {
    let mut node = Node::new(1);
    node.write(board(), &["one"], true);
    let author = node.author();
    let mut puppet = Puppet::greet(&mut node, 9);
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: 1, others: vec![(0, None)] }));
    puppet.hear(node.write(board(), &["two"], true));
    assert_eq!(puppet.packs().len(), 1, "what follows a refused run is not wanted either");
    puppet.ask(&mut node, board(), author, 1);
    puppet.hear(node.write(board(), &["three"], true));
    assert_eq!(puppet.packs().len(), 2);
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: 2, others: Vec::new() }));
    assert_eq!(puppet.packs().last().map(|pack| pack.ranges[0].first), Some(3));
}

#[test]
fn an_answer_holds_what_was_asked_and_the_rest_waits_for_the_heads() {
    let mut node = Node::new(1);
    node.write(board(), &["one"], true);
    let mut bringer = Puppet::greet(&mut node, 8);
    bringer.pack(&mut node, &org::chain(8, board(), None, &["other"]), |_| ());
    let mut puppet = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
    puppet.ask(&mut node, board(), org::credential(8, 0).author(), 1);
    let authors: Vec<_> = puppet.packs().iter().flat_map(|pack| &pack.ranges).map(|range| range.author).collect();
    assert_eq!(authors, [org::credential(8, 0).author()]);
    let answer = puppet.packs()[0].id;
    assert!(!node.told.heads.contains_key(&org::device(9)), "nothing is reported of a peer that has not said it all");
    let digest = node.store.entries(board(), node.author())[0].digest.short();
    puppet.heads(&mut node, board(), org::credential(1, 0).author(), Head { seq: 1, digest });
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: answer, others: vec![(0, None)] }));
    assert_eq!(node.told.heads[&org::device(9)].seq(board(), org::credential(1, 0).author()), 1);
}

#[test]
fn a_lost_packet_is_not_hidden_by_the_next_one() {
    let latest = stream(StreamKind::Latest);
    let mut node = Node::new(1);
    let mut puppet = Puppet::greet(&mut node, 9);
    puppet.hear(node.write(latest, &["position of one unit"], true));
    puppet.hear(node.write(latest, &["state of another"], true));
    let runs: Vec<_> = puppet.packs().iter().map(|pack| (pack.ranges[0].first, pack.ranges[0].count)).collect();
    assert_eq!(runs, [(1, 1), (1, 2)], "until the first is acknowledged the second holds it too");
    puppet.say(&mut node, FrameV1::Ack(Ack { pack: puppet.packs()[1].id, others: Vec::new() }));
    puppet.hear(node.write(latest, &["third"], true));
    assert_eq!(puppet.packs().last().map(|pack| pack.ranges[0].first), Some(3));
}

#[test]
fn a_credential_that_a_lost_packet_carried_comes_with_the_next() {
    let latest = stream(StreamKind::Latest);
    let mut node = Node::new(1);
    let mut bringer = Puppet::greet(&mut node, 8);
    let first = org::chain(8, latest, None, &["position"]);
    bringer.pack(&mut node, &first, |_| ());
    let mut puppet = Puppet::greet(&mut node, 9);
    puppet.hear(bringer.pack(&mut node, &org::chain(8, latest, first.last(), &["later position"]), |_| ()));
    let carried = |puppet: &Puppet| -> Vec<usize> {
        puppet.packs().iter().filter(|pack| pack.stream == latest).map(|pack| pack.credentials.len()).collect()
    };
    assert_eq!(carried(&puppet), [1, 1], "the first was not acknowledged, so its author may be unknown there");
}
