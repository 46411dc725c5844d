//! One author, two histories: proved on both sides, frozen on both sides, and nobody innocent is blamed.

use holdfast_domain::entry::Entry;
use holdfast_domain::frame::Bye;
use holdfast_domain::frontier::Head;
use holdfast_domain::scope::{StreamId, StreamKind};

use crate::node::Node;
use crate::org::{self, board, stream};
use crate::proof::Puppet;
use crate::world::World;

/// Has `node` hold these entries of device 9, brought by that device's puppet.
fn bring(node: &mut Node, entries: &[Entry]) {
    let mut puppet = Puppet::greet(node, 9);
    puppet.pack(node, entries, |_| ());
    puppet.say(node, holdfast_domain::frame::FrameV1::Bye(Bye::Leaving));
    let author = org::credential(9, 0).author();
    assert_eq!(node.store.heads[&(entries[0].key.stream, author)].0, entries.len() as u64);
}

fn two_histories(stream: StreamId, shared: &[&str], left: &[&str], right: &[&str]) -> World {
    let trunk = org::chain(9, stream, None, shared);
    let mut world = World::new(3, 1);
    for (node, branch) in [(0, left), (1, right)] {
        let rest = org::chain(9, stream, trunk.last(), branch);
        bring(&mut world.nodes[node], &[trunk.clone(), rest].concat());
        world.nodes[node].told = crate::node::Told::default();
    }
    world
}

fn meet_and_check(mut world: World, stream: StreamId, seq: u64) -> World {
    let before = [world.nodes[0].store.chains.clone(), world.nodes[1].store.chains.clone()];
    world.dial(0, 1);
    world.run();
    let author = org::credential(9, 0).author();
    for (node, before) in world.nodes.iter().zip(before) {
        let forks = &node.told.forks;
        assert_eq!(forks.len(), 1, "node {} proves the fork once", node.number);
        assert_eq!((forks[0].0, forks[0].1, forks[0].2), (stream, author, seq));
        assert!(forks[0].3.last().is_some_and(|rival| rival.verifies(&org::org(), &org::public(&org::key(9)))));
        assert_eq!(node.store.chains, before, "what was held stays");
        assert!(node.told.closed.is_empty(), "nobody innocent is closed");
    }
    let asked = [world.nodes[0].counter("asks_sent"), world.nodes[1].counter("asks_sent")];
    world.cut_all();
    world.dial(1, 0);
    world.run();
    assert_eq!([world.nodes[0].counter("asks_sent"), world.nodes[1].counter("asks_sent")], asked);
    assert_eq!([world.nodes[0].told.forks.len(), world.nodes[1].told.forks.len()], [1, 1], "it is not proved twice");
    world
}

#[test]
fn histories_of_the_same_length_freeze_both_sides() {
    let world = two_histories(board(), &["one"], &["two", "three"], &["zwei", "drei"]);
    meet_and_check(world, board(), 2);
}

#[test]
fn histories_of_different_lengths_freeze_both_sides() {
    let world = two_histories(board(), &["one"], &["two"], &["zwei", "drei", "vier"]);
    meet_and_check(world, board(), 2);
    let world = two_histories(board(), &[], &["one", "two", "three"], &["eins"]);
    meet_and_check(world, board(), 1);
}

#[test]
fn a_fork_deep_in_the_past_is_proved_over_many_packs() {
    let mut world = two_histories(board(), &["x"; 40], &["two"], &["zwei", "drei"]);
    world.nodes[1].pack_bytes = 10;
    let trunk_signed = world.nodes[1].store.entries(board(), org::credential(9, 0).author())[39].signature.is_some();
    assert!(trunk_signed);
    meet_and_check(world, board(), 41);
}

#[test]
fn two_register_values_under_one_number_are_a_fork() {
    let latest = stream(StreamKind::Latest);
    let world = two_histories(latest, &[], &["a1"], &["a2"]);
    meet_and_check(world, latest, 1);
}

#[test]
fn a_frozen_chain_takes_nothing_more_while_others_go_on() {
    let mut world = two_histories(board(), &["one"], &["two"], &["zwei"]);
    world.dial(0, 1);
    world.run();
    let author = org::credential(9, 0).author();
    let held = world.nodes[0].store.entries(board(), author);
    let more = org::chain(9, board(), held.last(), &["three"]);
    let mut puppet = Puppet::greet(&mut world.nodes[0], 9);
    puppet.pack(&mut world.nodes[0], &more, |pack| pack.ranges[0].base = held[1].digest.short());
    assert_eq!(world.nodes[0].store.entries(board(), author).len(), 2);
    assert_eq!(world.nodes[0].counter("runs_of_frozen_chains"), 1);
    world.write(0, board(), &["life"]);
    world.write(1, board(), &["goes on"]);
    world.run();
    assert_eq!(world.nodes[1].bodies(board(), 1), ["life"]);
    assert_eq!(world.nodes[0].bodies(board(), 2), ["goes on"]);
}

#[test]
fn a_lie_about_a_head_costs_one_question_and_freezes_nothing() {
    let mut victim = Node::new(1);
    bring(&mut victim, &org::chain(9, board(), None, &["one", "two"]));
    let scopes = vec![(board().scope, holdfast_domain::frontier::Fingerprint([1; 16]))];
    let mut liar = Puppet::greet_with(&mut victim, 8, scopes);
    let author = org::credential(9, 0).author();
    let lie = Head { seq: 2, digest: holdfast_domain::entry::ShortDigest([9; 8]) };
    liar.heads(&mut victim, board(), author, lie);
    liar.heads(&mut victim, board(), author, lie);
    assert_eq!(liar.asked(), [1]);
    let truth = victim.store.entries(board(), author);
    liar.pack(&mut victim, &truth, |_| ());
    liar.heads(&mut victim, board(), author, lie);
    assert_eq!(liar.asked(), [1], "a chain is suspected once in a session");
    let other = org::chain(8, board(), None, &["eins", "zwei"]);
    liar.pack(&mut victim, &other, |pack| {
        pack.ranges[0].author = author;
        pack.credentials.push(org::credential(9, 0));
    });
    assert_eq!(victim.told.closed.last(), Some(&Bye::BadSignature), "an answer from the start has no excuse");
    assert!(victim.told.forks.is_empty());
}
