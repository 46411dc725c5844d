//! Nodes that part, write and meet hold the same in the end, whatever the order in which frames arrive.

use holdfast_domain::scope::{StreamId, StreamKind};
use proptest::prelude::*;

use crate::node::Node;
use crate::org::{self, board, stream};
use crate::world::World;

#[test]
fn two_nodes_part_edit_and_meet() {
    let mut world = World::new(2, 1);
    world.write(0, board(), &["found"]);
    world.dial(0, 1);
    world.run();
    world.cut_all();
    world.write(0, board(), &["a", "b"]);
    world.write(1, board(), &["c"]);
    world.dial(1, 0);
    world.run();
    world.assert_converged();
    assert_eq!(world.nodes[1].bodies(board(), 1), ["found", "a", "b"]);
    assert_eq!(world.nodes[0].bodies(board(), 2), ["c"]);
    assert_eq!(world.nodes[0].counter("entries_duplicate") + world.nodes[1].counter("entries_duplicate"), 0);
}

#[test]
fn a_relay_passes_on_what_others_wrote_with_their_newest_signature_only() {
    let mut world = World::new(3, 2);
    for body in ["one", "two", "three"] {
        world.write(0, board(), &[body]);
    }
    world.dial(0, 1);
    world.run();
    world.cut_all();
    world.dial(1, 2);
    world.run();
    let third = &world.nodes[2];
    assert_eq!(third.bodies(board(), 1), ["one", "two", "three"]);
    let author = org::credential(1, 0).author();
    let entries = third.store.entries(board(), author);
    assert_eq!(entries.iter().map(|entry| entry.signature.is_some()).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(third.protocol.credential(author), Some(&org::credential(1, 0)), "the credential came along");
}

#[test]
fn a_live_edit_crosses_a_line_of_four() {
    let mut world = World::new(4, 3);
    for a in 0..3 {
        world.dial(a, a + 1);
    }
    world.run();
    world.write(0, board(), &["fire"]);
    world.write(3, stream(StreamKind::Message), &["received"]);
    world.run();
    world.assert_converged();
    let echoes: u64 = world.nodes.iter().map(|node| node.counter("entries_duplicate")).sum();
    assert_eq!(echoes, 0, "nothing goes back where it came from");
}

#[test]
fn a_latecomer_gets_everything() {
    let mut world = World::new(5, 4);
    for (node, kind) in
        [(0, StreamKind::Board), (1, StreamKind::Track), (2, StreamKind::Control), (3, StreamKind::Roster)]
    {
        world.nodes[node].pack_bytes = 200;
        world.write(node, stream(kind), &["x"; 100]);
        world.write(node, stream(StreamKind::Message), &["a message of some length"; 30]);
    }
    for a in 0..3 {
        world.dial(a, a + 1);
    }
    world.run();
    world.dial(4, 1);
    world.run();
    world.assert_converged();
}

#[test]
fn registers_travel_with_the_holes_that_newer_values_leave() {
    let mut world = World::new(3, 5);
    let latest = stream(StreamKind::Latest);
    for body in ["a1", "b1", "a2", "c1", "b2", "a3", "a4"] {
        world.write(0, latest, &[body]);
    }
    world.dial(0, 1);
    world.run();
    assert_eq!(world.nodes[1].bodies(latest, 1), ["c1", "b2", "a4"]);
    world.write(0, latest, &["c2"]);
    world.run();
    world.dial(1, 2);
    world.run();
    world.assert_converged();
    assert_eq!(world.nodes[2].bodies(latest, 1), ["b2", "a4", "c2"]);
    assert_eq!(world.nodes[2].protocol.frontier().seq(latest, org::credential(1, 0).author()), 8);
}

#[test]
fn a_cut_in_the_midst_of_bulk_loses_nothing_and_sends_nothing_twice_that_was_acknowledged() {
    let mut world = World::new(2, 6);
    world.nodes[0].pack_bytes = 100;
    for _ in 0..50 {
        world.write(0, board(), &["ten bytes!"; 4]);
    }
    world.dial(0, 1);
    let author = world.nodes[0].author();
    while world.nodes[1].protocol.frontier().seq(board(), author) < 80 {
        assert!(world.step());
    }
    world.cut_all();
    assert!(world.nodes[1].protocol.frontier().seq(board(), author) < 200);
    world.dial(0, 1);
    world.run();
    world.assert_converged();
    assert_eq!(world.nodes[1].counter("entries_duplicate"), 0);
}

#[test]
fn a_restart_forgets_sessions_and_nothing_else() {
    let mut world = World::new(2, 7);
    world.write(0, board(), &["one", "two"]);
    world.dial(0, 1);
    world.run();
    let store = world.nodes[1].store.clone();
    world.replace(1, Node::reopen(2, 0, store));
    world.write(1, board(), &["mine"]);
    world.write(0, board(), &["three"]);
    world.dial(0, 1);
    world.run();
    world.assert_converged();
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let tale = |seed| {
        let mut world = busy_world(seed);
        world.run();
        world.trace
    };
    assert_eq!(tale(11), tale(11));
    assert_ne!(tale(11), tale(12));
}

fn busy_world(seed: u64) -> World {
    let mut world = World::new(4, seed);
    for a in 0..4 {
        world.dial(a, (a + 1) % 4);
        world.write(a, board(), &["one", "two"]);
        world.steps(5);
        world.write(a, stream(StreamKind::Latest), &["p"]);
    }
    world
}

#[test]
fn a_ring_duplicates_no_more_than_its_one_way_too_many() {
    let mut world = busy_world(8);
    world.run();
    world.assert_converged();
    let sum = |name| world.nodes.iter().map(|node| node.counter(name)).sum::<u64>();
    let (received, duplicate) = (sum("entries_received"), sum("entries_duplicate"));
    assert!(duplicate * 2 <= received, "{duplicate} of {received} were duplicates");
}

#[derive(Debug, Clone)]
enum Act {
    Write(usize, usize, usize),
    Dial(usize, usize),
    CutAll,
    Restart(usize),
    Deliver(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..4usize, 0..4usize, 1..4usize).prop_map(|(node, kind, count)| Act::Write(node, kind, count)),
        3 => (0..4usize, 1..4usize).prop_map(|(a, step)| Act::Dial(a, (a + step) % 4)),
        1 => Just(Act::CutAll),
        1 => (0..4usize).prop_map(Act::Restart),
        4 => (1..60usize).prop_map(Act::Deliver),
    ]
}

fn stream_number(kind: usize) -> StreamId {
    stream([StreamKind::Board, StreamKind::Message, StreamKind::Control, StreamKind::Latest][kind])
}

fn play(world: &mut World, act: &Act, turn: usize) {
    match *act {
        Act::Write(node, kind, count) => {
            let bodies: Vec<String> = (0..count).map(|n| format!("{}-{turn}-{n}", n + kind)).collect();
            let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
            world.write(node, stream_number(kind), &bodies);
        }
        Act::Dial(a, b) => drop(world.dial(a, b)),
        Act::CutAll => world.cut_all(),
        Act::Restart(node) => {
            let (number, store) = (world.nodes[node].number, world.nodes[node].store.clone());
            world.replace(node, Node::reopen(number, 0, store));
        }
        Act::Deliver(steps) => world.steps(steps),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn four_nodes_converge_after_any_partitions(seed: u64, acts in prop::collection::vec(act(), 1..60)) {
        let mut world = World::new(4, seed);
        world.nodes[0].pack_bytes = 12;
        for (turn, act) in acts.iter().enumerate() {
            play(&mut world, act, turn);
        }
        world.cut_all();
        for a in 0..3 {
            world.dial(a, a + 1);
        }
        world.run();
        world.assert_converged();
        for node in &world.nodes {
            prop_assert!(node.told.own_history.is_empty() && node.told.forks.is_empty());
            prop_assert!(node.told.closed.iter().all(|reason| !reason.is_guilt()), "{:?}", node.told.closed);
        }
    }
}
