//! Blobs come from several peers, each part once, and a peer that sends what is no part of one is closed.

use std::collections::BTreeMap;

use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::frame::{BlobAsk, BlobHave, BlobPart, Bye, Frame, FrameV1};
use holdfast_domain::limits::BLOB_GROUP_BYTES;
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::Class;
use holdfast_protocol::blob::BlobInput;
use holdfast_protocol::protocol::Input;

use crate::node::Node;
use crate::node::groups_of;
use crate::org;
use crate::proof::Puppet;
use crate::world::World;

/// A blob of so many groups; the last is not full.
fn blob(name: u8, groups: u32) -> BlobKey {
    BlobKey { id: BlobId([name; 32]), bytes: u64::from(groups) * BLOB_GROUP_BYTES - 5 }
}

fn whole(blob: BlobKey) -> Ranges {
    Ranges::below(blob.groups())
}

fn has(world: &mut World, node: usize, blob: BlobKey, held: Ranges) {
    world.nodes[node].store.blobs.insert(blob, held.clone());
    world.say(node, Input::Blob(BlobInput::Held { blob, held }));
}

fn wants(world: &mut World, node: usize, blob: BlobKey) {
    let held = world.nodes[node].store.blobs.get(&blob).cloned().unwrap_or_default();
    world.say(node, Input::Blob(BlobInput::Wanted { blob, held }));
}

/// Parts that were sent, by who sent them to whom.
fn parts(world: &World) -> BTreeMap<(usize, usize), Ranges> {
    let mut sent: BTreeMap<(usize, usize), Ranges> = BTreeMap::new();
    for (from, to, _, bytes) in &world.trace {
        if let Ok(Frame::V1(FrameV1::BlobPart(BlobPart { first, count, .. }))) = Frame::decode(bytes) {
            let known = sent.entry((*from, *to)).or_default();
            *known = known.or(&Ranges::span(first, first + count));
        }
    }
    sent
}

#[test]
fn two_sources_share_the_work_and_no_part_comes_twice() {
    for seed in 0..20 {
        let mut world = World::new(3, seed);
        let photo = blob(7, 600);
        has(&mut world, 0, photo, whole(photo));
        has(&mut world, 1, photo, whole(photo));
        world.dial(0, 2);
        world.dial(1, 2);
        world.run();
        wants(&mut world, 2, photo);
        world.run();
        assert_eq!(world.nodes[2].store.blobs.get(&photo), Some(&whole(photo)), "seed {seed}");
        let sent = parts(&world);
        let (a, b) = (sent[&(0, 2)].count(), sent[&(1, 2)].count());
        assert!(a + b == 600 && a > 20 && b > 20, "seed {seed}: {a} and {b}");
        assert!(sent[&(0, 2)].and(&sent[&(1, 2)]).is_empty(), "seed {seed}: disjoint");
        assert_eq!(world.nodes[2].counter("blob_parts_unwanted"), 0, "seed {seed}");
        assert!(world.nodes[0].told.holders[&(org::device(3), photo)], "who gave learns that there is one more");
    }
}

#[test]
fn wrong_bytes_close_the_guilty_link_alone_and_the_blob_comes_from_the_other() {
    for seed in 0..20 {
        let mut world = World::new(3, seed);
        let photo = blob(7, 600);
        has(&mut world, 0, photo, whole(photo));
        has(&mut world, 1, photo, whole(photo));
        world.nodes[0].lies = true;
        world.dial(0, 2);
        world.dial(1, 2);
        world.run();
        wants(&mut world, 2, photo);
        world.run();
        assert_eq!(world.nodes[2].store.blobs.get(&photo), Some(&whole(photo)), "seed {seed}");
        assert_eq!(world.nodes[2].told.closed, [Bye::BadSignature], "seed {seed}");
        assert_eq!(world.nodes[2].counter("blob_parts_forged"), 1);
        assert_eq!(world.wires_up(), 1);
    }
}

#[test]
fn a_cut_in_the_middle_costs_no_part_that_came() {
    for seed in 0..20 {
        let mut world = World::new(2, seed);
        let photo = blob(7, 100);
        has(&mut world, 0, photo, whole(photo));
        wants(&mut world, 1, photo);
        let mut cuts = 0;
        while world.nodes[1].store.blobs.get(&photo) != Some(&whole(photo)) {
            world.dial(0, 1);
            world.steps(40);
            world.cut_all();
            cuts += 1;
            assert!(cuts < 200, "seed {seed}");
        }
        assert_eq!(world.nodes[1].counter("blob_parts_unwanted"), 0, "seed {seed}: {cuts} cuts");
    }
}

#[test]
fn what_came_goes_on_to_others_before_it_is_whole() {
    let mut world = World::new(3, 3);
    let photo = blob(7, 64);
    has(&mut world, 0, photo, Ranges::below(40));
    world.dial(0, 1);
    world.dial(1, 2);
    wants(&mut world, 1, photo);
    wants(&mut world, 2, photo);
    world.run();
    for node in [1, 2] {
        assert_eq!(world.nodes[node].store.blobs.get(&photo), Some(&Ranges::below(40)), "node {node}");
    }
    has(&mut world, 0, photo, whole(photo));
    world.run();
    for node in [1, 2] {
        assert_eq!(world.nodes[node].store.blobs.get(&photo), Some(&whole(photo)), "node {node}");
    }
}

#[test]
fn small_ones_come_first_and_messages_before_all() {
    let mut world = World::new(2, 1);
    let (photo, small) = (blob(7, 40), blob(8, 1));
    for key in [photo, small] {
        has(&mut world, 0, key, whole(key));
        wants(&mut world, 1, key);
    }
    world.dial(0, 1);
    world.run();
    let classes: Vec<Class> = world
        .trace
        .iter()
        .filter(|(.., bytes)| matches!(Frame::decode(bytes), Ok(Frame::V1(FrameV1::BlobPart(_)))))
        .map(|(_, _, class, _)| *class)
        .collect();
    assert_eq!(classes.first(), Some(&Class::P3));
    assert!(classes[1..].iter().all(|class| *class == Class::P5), "{classes:?}");
}

#[test]
fn a_node_that_saves_power_neither_asks_nor_gives() {
    let mut world = World::new(2, 1);
    let photo = blob(7, 30);
    has(&mut world, 0, photo, whole(photo));
    wants(&mut world, 1, photo);
    world.say(0, Input::Blob(BlobInput::Traffic { fetches: false, serves: false }));
    world.dial(0, 1);
    world.run();
    assert_eq!(world.nodes[1].store.blobs.get(&photo), None);
    world.say(0, Input::Blob(BlobInput::Traffic { fetches: true, serves: true }));
    world.run();
    assert_eq!(world.nodes[1].store.blobs.get(&photo), Some(&whole(photo)));
}

#[test]
fn what_is_removed_is_not_asked_for_any_more() {
    let mut world = World::new(2, 1);
    let photo = blob(7, 3_000);
    has(&mut world, 0, photo, whole(photo));
    world.dial(0, 1);
    wants(&mut world, 1, photo);
    world.steps(40);
    world.say(1, Input::Blob(BlobInput::Unwanted { blob: photo }));
    world.run();
    let here = world.nodes[1].store.blobs.get(&photo).map_or(0, Ranges::count);
    assert!((1..3_000).contains(&here), "{here}");
    assert_eq!(world.nodes[1].protocol.blobs_wanted(), 0);
}

#[test]
fn words_about_blobs_that_make_no_sense_close_the_link_and_change_nothing() {
    let photo = blob(7, 4);
    let huge = BlobKey { id: photo.id, bytes: u64::MAX };
    let beyond = Ranges::below(5);
    let part = |blob, first, count| FrameV1::BlobPart(BlobPart { id: 1, blob, first, count, slice: vec![0; 9] });
    let frames = [
        FrameV1::BlobAsk(BlobAsk { blob: huge, groups: Ranges::none() }),
        FrameV1::BlobAsk(BlobAsk { blob: photo, groups: beyond.clone() }),
        FrameV1::BlobHave(BlobHave { blob: photo, groups: beyond }),
        FrameV1::BlobHave(BlobHave { blob: BlobKey { id: photo.id, bytes: 0 }, groups: Ranges::none() }),
        part(photo, 4, 1),
        part(photo, 0, 0),
        part(photo, u32::MAX, 2),
        part(huge, 0, 1),
    ];
    for frame in frames {
        let mut victim = Node::new(1);
        victim.say(Input::Blob(BlobInput::Wanted { blob: photo, held: Ranges::none() }));
        let mut puppet = Puppet::greet(&mut victim, 9);
        puppet.say(&mut victim, frame.clone());
        assert_eq!(victim.told.closed, [Bye::BadFrame], "{frame:?}");
        assert!(victim.store.blobs.is_empty());
    }
}

#[test]
fn a_question_that_is_not_answered_is_put_again() {
    let mut victim = Node::new(1);
    let photo = blob(7, 4);
    victim.say(Input::Blob(BlobInput::Wanted { blob: photo, held: Ranges::none() }));
    let mut puppet = Puppet::greet(&mut victim, 9);
    let asked = |puppet: &Puppet| {
        let groups = |frame: &FrameV1| if let FrameV1::BlobAsk(ask) = frame { Some(ask.groups.count()) } else { None };
        puppet.heard.iter().filter_map(groups).collect::<Vec<u32>>()
    };
    assert_eq!(asked(&puppet), [0]);
    for _ in 0..20 {
        victim.now.mono_us += 1_000_000;
        puppet.hear(victim.say(Input::Tick));
    }
    assert_eq!(asked(&puppet), [0, 0, 0], "every eight seconds or so");
    puppet.say(&mut victim, FrameV1::BlobHave(BlobHave { blob: photo, groups: whole(photo) }));
    assert_eq!(asked(&puppet), [0, 0, 0, 2]);
    for _ in 0..120 {
        victim.now.mono_us += 1_000_000;
        puppet.hear(victim.say(Input::Tick));
    }
    assert_eq!(asked(&puppet)[4], 0, "a promise that is not kept is taken back and the question put again");
}

#[test]
fn a_part_that_nobody_wants_is_passed_over() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::greet(&mut victim, 9);
    let photo = blob(7, 4);
    let slice = groups_of(photo, 0, 1);
    puppet.say(&mut victim, FrameV1::BlobPart(BlobPart { id: 1, blob: photo, first: 0, count: 1, slice }));
    assert!(victim.store.blobs.is_empty() && victim.told.closed.is_empty());
    assert_eq!((victim.counter("blob_parts_unwanted"), puppet.acks()), (1, 1));
}
