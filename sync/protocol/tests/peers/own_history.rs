//! Restored from a backup, or cloned: own entries turn up elsewhere, and the node becomes a fresh author in time.

use holdfast_domain::entry::ShortDigest;
use holdfast_domain::frontier::{Fingerprint, Head};
use holdfast_domain::scope::StreamKind;

use crate::node::{Node, Store};
use crate::org::{self, board, stream};
use crate::proof::Puppet;
use crate::world::World;

#[test]
fn a_node_restored_from_nothing_gets_its_own_past_back_as_a_strangers() {
    for seed in 0..20 {
        let mut world = World::new(2, seed);
        world.write(0, board(), &["one", "two"]);
        world.write(0, stream(StreamKind::Latest), &["p"]);
        world.dial(0, 1);
        world.run();
        world.replace(0, Node::reopen(1, 0, Store::default()));
        world.dial(1, 0);
        world.run();
        assert_eq!(world.nodes[0].told.own_history.len(), 1, "said once");
        world.write(0, board(), &["reborn"]);
        world.run();
        world.assert_converged();
        assert_eq!(world.nodes[1].bodies(board(), 1), ["one", "two"]);
        let reborn = org::credential(1, 7).author();
        assert_eq!(world.nodes[1].store.entries(board(), reborn).len(), 1);
        assert!(world.nodes[1].told.forks.is_empty());
    }
}

#[test]
fn a_node_restored_from_an_old_backup_continues_its_past() {
    for seed in 0..20 {
        let mut world = World::new(3, seed);
        world.write(0, board(), &["one"]);
        let backup = world.nodes[0].store.clone();
        world.write(0, board(), &["two", "three"]);
        world.dial(0, 1);
        world.run();
        world.replace(0, Node::reopen(1, 0, backup));
        world.dial(0, 1);
        world.dial(2, 0);
        world.run();
        world.assert_converged();
        assert_eq!(world.nodes[0].bodies(board(), 1), ["one", "two", "three"]);
        assert_eq!(world.nodes[0].told.own_history.len(), 1);
    }
}

#[test]
fn a_clone_that_wrote_under_the_same_numbers_is_proved_and_both_write_on_as_others() {
    for seed in 0..20 {
        let mut world = World::new(2, seed);
        world.write(0, board(), &["shared"]);
        world.dial(0, 1);
        world.run();
        let backup = world.nodes[0].store.clone();
        world.write(0, board(), &["left"]);
        world.run();
        world.replace(0, Node::reopen(1, 0, backup));
        let right = if seed % 2 == 0 { vec!["right"] } else { vec!["right", "more"] };
        world.write(0, board(), &right);
        world.dial(0, 1);
        world.run();
        assert_eq!(world.nodes[0].told.own_history.len(), 1, "seed {seed}");
        assert_eq!([world.nodes[0].told.forks.len(), world.nodes[1].told.forks.len()], [1, 1], "seed {seed}");
        world.write(0, board(), &["afresh"]);
        world.run();
        let reborn = org::credential(1, 7).author();
        assert_eq!(world.nodes[1].store.entries(board(), reborn).len(), 1);
    }
}

#[test]
fn a_head_that_names_more_or_other_than_was_written_is_enough() {
    let author = org::credential(1, 0).author();
    let claims = [(2, ShortDigest([1; 8]), vec![]), (1, ShortDigest([1; 8]), vec![1])];
    for (seq, digest, asked) in claims {
        let mut node = Node::new(1);
        node.write(board(), &["one"], true);
        let mut puppet = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
        puppet.heads(&mut node, board(), author, Head { seq, digest });
        assert_eq!(node.told.own_history, [(board(), seq)]);
        assert_eq!(puppet.asked(), asked, "two entries under one number are to be proved as well");
    }
}

#[test]
fn own_entries_are_not_taken_before_the_node_is_reborn() {
    let past = org::chain(1, board(), None, &["one", "two"]);
    let mut node = Node::new(1);
    let mut puppet = Puppet::greet(&mut node, 9);
    puppet.pack(&mut node, &past, |_| ());
    assert_eq!((node.told.own_history.len(), node.told.admits, puppet.asked()), (1, 0, vec![1]));
    puppet.pack(&mut node, &past, |_| ());
    assert_eq!(node.bodies(board(), 1), ["one", "two"]);
}

#[test]
fn a_device_that_cries_wolf_again_is_asked_to_show_it_and_makes_no_more_authors() {
    let mut node = Node::new(1);
    node.write(board(), &["one"], true);
    let mut liar = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
    let lie = |seq| Head { seq, digest: ShortDigest([1; 8]) };
    liar.heads(&mut node, board(), org::credential(1, 0).author(), lie(1_000));
    assert_eq!((node.told.own_history.len(), node.epoch), (1, 7));
    node.write(board(), &["afresh"], true);
    let fresh = org::credential(1, 7).author();
    for more in 0..5 {
        liar.heads(&mut node, board(), fresh, lie(1_000 + more));
    }
    assert_eq!((node.told.own_history.len(), node.epoch), (1, 7), "it stays who it is");
    assert_eq!((node.counter("own_history_doubted"), liar.asked()), (5, vec![2]), "one question");
    assert_eq!(node.told.doubted, [org::device(9); 5]);
    // Another device is not held to what this one said.
    let mut other = Puppet::greet_with(&mut node, 8, vec![(board().scope, Fingerprint([2; 16]))]);
    other.heads(&mut node, board(), fresh, lie(2));
    assert_eq!((node.told.own_history.len(), node.epoch), (2, 14));
}

#[test]
fn a_doubted_word_that_is_shown_to_be_true_counts() {
    let mut node = Node::new(1);
    let mut peer = Puppet::greet_with(&mut node, 9, vec![(board().scope, Fingerprint([1; 16]))]);
    let ahead = |seq| Head { seq, digest: ShortDigest([1; 8]) };
    peer.heads(&mut node, board(), org::credential(1, 0).author(), ahead(1));
    let (fresh, past) = (org::credential(1, 7), org::chain_of((1, 7), board(), None, &["twin"]));
    peer.heads(&mut node, board(), fresh.author(), ahead(1));
    assert_eq!((node.epoch, node.counter("own_history_doubted")), (7, 1));
    peer.pack(&mut node, &past, |pack| pack.credentials.push(fresh.clone()));
    assert_eq!(node.epoch, 14, "a twin of this node wrote under its numbers");
}
