//! Peers that met before say only what changed, and notice when one of them is not what it was.

use holdfast_domain::frame::{Bye, Frame, FrameV1};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

use crate::node::Node;
use crate::org::{self, board, mission, stream};
use crate::world::World;

/// Two nodes with many missions that agree on all of them and have parted.
fn acquainted(seed: u64) -> World {
    let mut world = World::new(2, seed);
    for number in 0..40 {
        world.write(usize::from(number % 2), StreamId::new(mission(number), StreamKind::Board), &["begun"]);
    }
    world.dial(0, 1);
    world.run();
    world.assert_converged();
    world.cut_all();
    world
}

fn restart(world: &mut World, index: usize) {
    let (number, store) = (world.nodes[index].number, world.nodes[index].store.clone());
    world.replace(index, Node::reopen(number, 0, store));
}

/// Meets once and gives the bytes that went each way, greetings and acknowledgements included.
fn meet(world: &mut World) -> [usize; 2] {
    let wire = world.dial(0, 1);
    world.run();
    world.assert_converged();
    world.sent(wire)
}

fn greetings_in_full(world: &World) -> usize {
    let full =
        |bytes: &Vec<u8>| matches!(Frame::decode(bytes), Ok(Frame::V1(FrameV1::Greeting(g))) if g.base.is_none());
    world.trace.iter().filter(|(.., bytes)| full(bytes)).count()
}

#[test]
fn with_nothing_to_say_a_second_meeting_costs_a_packet_each_way() {
    let mut world = acquainted(1);
    let bytes = meet(&mut world);
    println!("40 missions, nothing changed: {bytes:?} bytes");
    assert!(bytes.iter().all(|bytes| *bytes <= 100), "{bytes:?}");
}

fn words_of_heads(world: &World) -> usize {
    let heads = |bytes: &Vec<u8>| matches!(Frame::decode(bytes), Ok(Frame::V1(FrameV1::Heads(_))));
    world.trace.iter().filter(|(.., bytes)| heads(bytes)).count()
}

#[test]
fn edits_on_a_live_link_are_not_each_followed_by_words_that_all_is_known() {
    let mut world = acquainted(7);
    world.dial(0, 1);
    world.run();
    let before = words_of_heads(&world);
    for number in 0..4 {
        world.write(0, board(), &[&format!("edit {number}")]);
        for _ in 0..2 {
            while world.step() {}
            world.tick();
        }
    }
    assert_eq!(words_of_heads(&world), before, "nothing but the edits and their acknowledgements");
    for _ in 0..12 {
        world.tick();
        while world.step() {}
    }
    assert_eq!(words_of_heads(&world), before + 2, "one word each way once it is quiet");
    world.cut_all();
    let bytes = meet(&mut world);
    assert!(bytes.iter().all(|bytes| *bytes <= 100), "both know all at the next meeting: {bytes:?}");
}

#[test]
fn what_changed_in_one_mission_of_many_is_all_that_is_said_even_after_restarts() {
    for restarted in [vec![], vec![0], vec![0, 1]] {
        let mut world = acquainted(2);
        let before = greetings_in_full(&world);
        for &index in &restarted {
            restart(&mut world, index);
        }
        world.write(0, StreamId::new(mission(3), StreamKind::Board), &["here"]);
        world.write(1, StreamId::new(mission(4), StreamKind::Message), &["there"]);
        for &index in &restarted {
            restart(&mut world, index);
        }
        let bytes = meet(&mut world);
        println!("40 missions, one change each, {restarted:?} restarted: {bytes:?} bytes");
        assert!(bytes.iter().all(|bytes| *bytes <= 600), "{bytes:?}");
        assert_eq!(greetings_in_full(&world), before, "both were remembered");
    }
}

#[test]
fn a_disk_put_back_from_a_backup_is_told_all_it_lost() {
    for seed in 0..20 {
        let mut world = acquainted(seed);
        let backup = world.nodes[1].store.clone();
        world.write(0, board(), &["since the backup"]);
        world.write(1, board(), &["lost here"]);
        meet(&mut world);
        world.replace(1, Node::reopen(2, 0, backup));
        meet(&mut world);
        let bodies = world.nodes[1].bodies(board(), 2);
        assert_eq!(bodies.last().map(String::as_str), Some("lost here"), "the peer gave it back");
        assert_eq!(world.nodes[1].told.own_history.len(), 1, "and it writes under a fresh epoch");
        assert!(world.nodes.iter().all(|node| node.told.closed.iter().all(|reason| !reason.is_guilt())));
    }
}

#[test]
fn a_disk_made_anew_is_told_everything() {
    let mut world = acquainted(3);
    world.replace(1, Node::reopen(2, 9, crate::node::Store::default()));
    meet(&mut world);
    assert_eq!(world.nodes[1].store.heads.len(), 40);
}

#[test]
fn a_peer_that_forgot_what_it_said_is_greeted_in_full() {
    let mut world = acquainted(4);
    let mut store = world.nodes[1].store.clone();
    store.marks.clear();
    world.replace(1, Node::reopen(2, 0, store));
    world.write(0, board(), &["here"]);
    world.write(1, board(), &["there"]);
    let before = greetings_in_full(&world);
    meet(&mut world);
    assert_eq!(greetings_in_full(&world), before + 1);
    assert_eq!(world.nodes[1].counter("greetings_unplaced"), 1);
}

#[test]
fn a_peer_that_forgot_everybody_is_greeted_in_full_though_both_hold_the_same() {
    for (bases, marks) in [(true, false), (false, true), (true, true)] {
        let mut world = acquainted(5);
        let mut store = world.nodes[0].store.clone();
        if bases {
            store.bases.clear();
        }
        if marks {
            store.marks.clear();
        }
        world.replace(0, Node::reopen(1, 0, store));
        meet(&mut world);
        world.write(0, board(), &["one"]);
        world.write(1, board(), &["two"]);
        world.run();
        world.assert_converged();
    }
}

#[test]
fn registers_that_moved_while_nothing_else_did_are_told_too() {
    let mut world = acquainted(6);
    world.write(0, stream(StreamKind::Latest), &["a here"]);
    restart(&mut world, 0);
    let bytes = meet(&mut world);
    assert!(bytes.iter().all(|bytes| *bytes <= 500), "{bytes:?}");
    world.cut_all();
    world.write(0, stream(StreamKind::Latest), &["a there"]);
    world.write(1, stream(StreamKind::Latest), &["b there"]);
    meet(&mut world);
}

#[test]
fn a_position_hides_no_other_from_a_disk_put_back_from_a_backup() {
    for seed in 0..20 {
        let mut world = acquainted(seed);
        let backup = world.nodes[1].store.clone();
        world.write(0, stream(StreamKind::Latest), &["a lost there"]);
        meet(&mut world);
        world.cut_all();
        world.replace(1, Node::reopen(2, 0, backup));
        world.write(0, stream(StreamKind::Latest), &["b since then"]);
        meet(&mut world);
        let bodies = world.nodes[1].bodies(stream(StreamKind::Latest), 1);
        assert_eq!(bodies, ["a lost there", "b since then"], "seed {seed}");
    }
}

#[test]
fn an_order_of_the_command_post_leaves_with_the_greeting() {
    let mut world = World::new(2, 7);
    let control = StreamId::new(Scope::Org, StreamKind::Control);
    world.write(0, control, &["enrolled"]);
    world.dial(0, 1);
    world.run();
    world.cut_all();
    world.write(0, control, &["evacuate"]);
    let link = holdfast_domain::frame::LinkId(99);
    let up = holdfast_protocol::protocol::Input::Up { link, device: org::device(2), outgoing: true };
    let out = world.nodes[0].say(up);
    let kinds: Vec<&str> = out
        .iter()
        .filter_map(|effect| match effect {
            crate::node::Outward::Send(_, _, bytes) => Frame::decode(bytes).ok(),
            crate::node::Outward::Close(_) => None,
        })
        .map(|Frame::V1(frame)| match frame {
            FrameV1::Greeting(_) => "greeting",
            FrameV1::Pack(_) => "pack",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["greeting", "pack"]);
}

#[test]
fn a_second_request_to_greet_in_full_is_one_too_many() {
    let mut victim = Node::new(1);
    let mut puppet = crate::proof::Puppet::greet(&mut victim, 9);
    puppet.say(&mut victim, FrameV1::Again);
    assert!(victim.told.closed.is_empty());
    puppet.say(&mut victim, FrameV1::Again);
    assert_eq!(victim.told.closed, [Bye::BadFrame]);
}
