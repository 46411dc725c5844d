//! Greetings: who is let in, who is turned away, and what a session costs when there is nothing to say.

use holdfast_domain::frame::{Bye, Frame, FrameV1, Greeting};
use holdfast_domain::identity::OrgId;
use holdfast_domain::limits::INBOX_BYTES_MAX;
use holdfast_domain::scope::StreamKind;
use holdfast_protocol::protocol::Input;

use crate::node::{Node, Outward};
use crate::org::{self, board, stream};
use crate::proof::Puppet;
use crate::world::{World, link_id};

#[test]
fn equal_nodes_say_nothing_but_their_greeting() {
    let mut world = World::new(2, 1);
    world.write(0, board(), &["one"]);
    world.write(1, stream(StreamKind::Control), &["two"]);
    world.dial(0, 1);
    world.run();
    world.cut_all();
    let wire = world.dial(0, 1);
    world.run();
    let credential = postcard::to_stdvec(&org::credential(1, 0)).map_or(0, |bytes| bytes.len());
    for bytes in world.sent(wire) {
        println!("a greeting of two scopes: {bytes} bytes, of which the credential takes {credential}");
        assert!(bytes <= 100 + credential, "{bytes} bytes each way");
    }
    assert_eq!(world.nodes[0].told.heads[&org::device(2)], *world.nodes[0].protocol.frontier());
}

#[test]
fn a_live_edit_costs_little_more_than_its_signature() {
    let mut world = World::new(2, 1);
    world.write(0, board(), &["one"]);
    let wire = world.dial(0, 1);
    world.run();
    let before = world.sent(wire);
    world.write(0, board(), &["twenty bytes of text"]);
    world.run();
    let after = world.sent(wire);
    println!("a live edit of 20 bytes: {} bytes out, {} back", after[0] - before[0], after[1] - before[1]);
    // With the word, said at leisure, that this is all there is.
    assert!(after[0] - before[0] <= 20 + 64 + 75);
    assert!(after[1] - before[1] <= 40);
}

#[test]
fn a_greeting_tells_who_and_by_how_much_clocks_differ() {
    let mut world = World::new(2, 1);
    world.nodes[0].now.wall_ms = 0;
    world.dial(0, 1);
    world.run();
    assert_eq!(world.nodes[0].told.peers, [(org::device(2), 1_700_000_000_000)]);
    assert_eq!(world.nodes[1].told.peers, [(org::device(1), -1_700_000_000_000)]);
}

fn greeting() -> Greeting {
    crate::proof::greeting(9, Vec::new())
}

/// The same with another credential.
fn vouched(credential: holdfast_domain::identity::Credential) -> Greeting {
    Greeting { author: credential.author(), credential: Some(credential), ..greeting() }
}

fn refusal(greeting: Greeting) -> Vec<Bye> {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::connect(&mut victim, 9);
    puppet.say(&mut victim, FrameV1::Greeting(greeting));
    assert!(victim.told.peers.is_empty());
    victim.told.closed
}

#[test]
fn strangers_are_turned_away() {
    assert_eq!(refusal(Greeting { org: OrgId([1; 16]), ..greeting() }), [Bye::OtherOrg]);
    assert_eq!(refusal(vouched(org::credential(8, 0))), [Bye::BadCredential]);
    let foreign = org::credential_by(&org::key(77), 9, 0);
    assert_eq!(refusal(vouched(foreign.clone())), [Bye::BadCredential]);
    let mut pretended = foreign;
    pretended.device.org = org::org();
    assert_eq!(refusal(vouched(pretended)), [Bye::BadCredential]);
    let mut renamed = org::credential(9, 0);
    renamed.device.name.push('x');
    assert_eq!(refusal(vouched(renamed)), [Bye::BadCredential]);
    let fingerprint = holdfast_domain::frontier::Fingerprint([0; 16]);
    let scopes = vec![(org::mission(1), fingerprint), (org::mission(1), fingerprint)];
    assert_eq!(refusal(Greeting { scopes, ..greeting() }), [Bye::BadFrame]);
}

#[test]
fn a_clone_of_this_device_gets_no_session() {
    let mut victim = Node::new(1);
    let out = victim.say(Input::Up { link: link_id(0, 0), device: org::device(1), outgoing: false });
    assert_eq!(out, [Outward::Close(link_id(0, 0))]);
    assert_eq!(victim.told.closed, [Bye::BadCredential]);
    assert_eq!(victim.counter("own_device_seen"), 1);
}

#[test]
fn frames_out_of_turn_end_the_session() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::greet(&mut victim, 9);
    puppet.say(&mut victim, FrameV1::Greeting(greeting()));
    assert_eq!(victim.told.closed, [Bye::BadFrame]);

    let mut victim = Node::new(1);
    let mut puppet = Puppet::connect(&mut victim, 9);
    puppet.ask(&mut victim, board(), org::credential(1, 0).author(), 1);
    assert_eq!(victim.told.closed, [Bye::BadFrame]);
}

#[test]
fn a_pack_that_overtakes_the_greeting_waits_for_it() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::connect(&mut victim, 9);
    let entries = org::chain(9, board(), None, &["one", "two", "three"]);
    puppet.pack(&mut victim, &entries, |_| ());
    let more = org::chain(9, board(), entries.last(), &["four"]);
    puppet.pack(&mut victim, &more, |pack| pack.ranges[0].base = entries[2].digest.short());
    assert!(victim.told.closed.is_empty() && victim.told.admits == 0);
    puppet.say(&mut victim, FrameV1::Greeting(greeting()));
    assert_eq!(victim.bodies(board(), 9), ["one", "two", "three", "four"]);
    assert!(puppet.asked().is_empty(), "one pack is dealt with at a time");
}

#[test]
fn garbage_and_oversized_frames_end_the_session() {
    let bye = Frame::V1(FrameV1::Bye(Bye::Leaving)).encode();
    let trailing = [bye.as_slice(), &[0]].concat();
    for bytes in [vec![], vec![9, 9, 9], trailing, vec![0; (1 << 20) + 1]] {
        let mut victim = Node::new(1);
        let mut puppet = Puppet::greet(&mut victim, 9);
        puppet.bytes(&mut victim, bytes);
        assert_eq!(victim.told.closed, [Bye::BadFrame]);
        assert_eq!(victim.counter("bad_frame"), 1);
    }
}

#[test]
fn a_bye_is_not_held_against_us() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::greet(&mut victim, 9);
    puppet.say(&mut victim, FrameV1::Bye(Bye::BadSignature));
    assert_eq!(victim.told.closed, [Bye::Leaving]);
    assert_eq!(victim.protocol.links().count(), 0);
}

#[test]
fn a_paused_device_is_kept_quiet_until_it_is_wanted_again() {
    let mut world = World::new(2, 3);
    world.dial(0, 1);
    world.run();
    world.say(0, Input::Pause { device: org::device(2), paused: true });
    world.write(0, board(), &["one"]);
    world.run();
    world.dial(1, 0);
    world.run();
    assert_eq!(world.nodes[0].told.closed, [Bye::Paused, Bye::Paused]);
    assert!(world.nodes[1].store.heads.is_empty());
    world.say(0, Input::Pause { device: org::device(2), paused: false });
    world.dial(1, 0);
    world.run();
    world.assert_converged();
}

#[test]
fn more_packs_ahead_of_a_greeting_than_are_ever_in_flight_end_the_session() {
    let mut victim = Node::new(1);
    let mut puppet = Puppet::connect(&mut victim, 9);
    let entries = org::chain(9, board(), None, &["one"]);
    for _ in 0..=INBOX_BYTES_MAX / 1_000_000 {
        puppet.pack(&mut victim, &entries, |pack| pack.payload = vec![0; 1_000_000]);
    }
    assert_eq!(victim.told.closed, [Bye::BadFrame]);
}
