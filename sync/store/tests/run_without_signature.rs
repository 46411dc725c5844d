//! Runs for a peer: within their limits, without a gap, and never ending where no signature proves them.

mod fixture;

use fixture::{append, author, chain, stream};
use holdfast_domain::entry::Entry;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::UNSIGNED_RUN_ENTRIES_MAX;
use holdfast_domain::scope::StreamKind;
use holdfast_store::store::Store;

const BODY_BYTES: usize = 47;

fn store_with(chains: &[(u8, u64, u64)]) -> Store {
    let store = Store::memory().expect("a store");
    for &(n, last, signed_every) in chains {
        append(&store, &chain(stream(StreamKind::Board), author(n), 1, last, signed_every));
    }
    store
}

fn ask(store: &Store, wanted: &[(AuthorId, u64)], bytes: usize, entries: usize) -> Vec<(u8, u64)> {
    let run: Vec<Entry> = store.run(stream(StreamKind::Board), wanted, bytes, entries).expect("a run");
    run.iter().map(|entry| (entry.key.author.0[0], entry.key.seq)).collect()
}

fn numbers(n: u8, first: u64, last: u64) -> Vec<(u8, u64)> {
    (first..=last).map(|seq| (n, seq)).collect()
}

#[test]
fn entries_come_whole_and_in_order_of_author_asked_for() {
    let store = store_with(&[(1, 10, 5), (2, 4, 2)]);
    let got = ask(&store, &[(author(2), 3), (author(9), 1), (author(1), 6), (author(1), 99)], usize::MAX, 100);
    assert_eq!(got, [numbers(2, 3, 4), numbers(1, 6, 10)].concat());
    let run = store.run(stream(StreamKind::Board), &[(author(1), 1)], usize::MAX, 100).expect("a run");
    assert_eq!(run, chain(stream(StreamKind::Board), author(1), 1, 10, 5));
}

#[test]
fn a_run_is_cut_back_to_its_last_signature() {
    let store = store_with(&[(1, 30, 5)]);
    assert_eq!(ask(&store, &[(author(1), 1)], usize::MAX, 13), numbers(1, 1, 10));
    assert_eq!(ask(&store, &[(author(1), 1)], 12 * BODY_BYTES, 100), numbers(1, 1, 10));
    assert_eq!(ask(&store, &[(author(1), 3)], usize::MAX, 3), numbers(1, 3, 5));
}

#[test]
fn the_next_author_gets_what_room_is_left() {
    let store = store_with(&[(1, 10, 5), (2, 10, 5), (3, 10, 5)]);
    let wanted = [(author(1), 1), (author(2), 1), (author(3), 1)];
    assert_eq!(ask(&store, &wanted, usize::MAX, 17), [numbers(1, 1, 10), numbers(2, 1, 5)].concat());
    assert_eq!(ask(&store, &wanted, usize::MAX, 12), numbers(1, 1, 10));
}

#[test]
fn a_first_run_without_a_signature_in_reach_goes_on_to_the_next_one() {
    let store = store_with(&[(1, 600, 300), (2, 10, 1)]);
    assert_eq!(ask(&store, &[(author(1), 1), (author(2), 1)], usize::MAX, 10), numbers(1, 1, 300));
    // Even a body larger than the limit gets through.
    assert_eq!(ask(&store, &[(author(2), 1)], 1, 10), numbers(2, 1, 1));
}

#[test]
fn a_run_that_no_signature_ends_holds_up_nobody_else() {
    let far = UNSIGNED_RUN_ENTRIES_MAX as u64 + 200;
    let store = store_with(&[(1, far, far), (2, 10, 1), (3, 8, 100)]);
    assert_eq!(ask(&store, &[(author(1), 1), (author(2), 1)], usize::MAX, 10), numbers(2, 1, 10));
    // An unsigned tail is not passed on, and takes no room from others.
    assert_eq!(ask(&store, &[(author(3), 1), (author(2), 1)], usize::MAX, 10), numbers(2, 1, 10));
}
