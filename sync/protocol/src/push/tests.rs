//! Fear: something to send is forgotten, because nothing else reminds of it.

use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::{Scope, StreamKind};

use super::*;

#[test]
fn a_file_that_is_owed_opens_the_gate_of_a_node_that_saves_power() {
    let mut push = Push::new(AuthorId([1; 16]));
    assert!(!push.has_bulk());
    push.parts.owe(BlobKey { id: BlobId([2; 32]), bytes: 900_000 }, Ranges::below(4));
    assert!(push.has_bulk());
}

#[test]
fn what_could_not_be_sent_just_now_is_looked_at_again() {
    let board = StreamId::new(Scope::Org, StreamKind::Board);
    let mut push = Push::new(AuthorId([1; 16]));
    push.fell_behind(board);
    push.loading = Some(Loading { stream: board, wanted: Vec::new(), ahead: false });
    push.not_yet(board);
    assert!(push.is_idle() && push.next_stream(Class::P2).is_none());
    push.try_again();
    assert_eq!(push.next_stream(Class::P2), Some(board));
    push.try_again();
    assert!(push.deferred.is_empty());
}
