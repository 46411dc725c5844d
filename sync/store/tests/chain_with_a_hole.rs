//! Chains: no hole, no second history, heads that tell the truth, registers that do not pile up.

mod fixture;

use fixture::{append, author, chain, register, stream};
use holdfast_domain::entry::{Digest, EntryKey};
use holdfast_domain::scope::StreamKind;
use holdfast_store::chains::HeadRow;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

#[test]
fn an_entry_after_a_gap_is_refused_and_spoils_the_step() {
    let store = Store::memory().expect("a store");
    let board = stream(StreamKind::Board);
    append(&store, &chain(board, author(1), 1, 3, 1));
    let txn = store.begin().expect("a transaction");
    txn.put_meta("clock", b"later").expect("a value");
    let gap = txn.append(&chain(board, author(1), 5, 5, 1));
    assert!(matches!(gap, Err(StoreError::OutOfOrder { seq: 5, newest: 3, .. })));
    assert!(matches!(txn.append(&chain(board, author(1), 4, 4, 1)), Err(StoreError::Spoiled)));
    assert!(matches!(txn.commit(), Err(StoreError::Spoiled)));
    assert_eq!(store.meta("clock").expect("meta"), None);
    assert_eq!(store.heads().expect("heads")[0].seq, 3);
}

#[test]
fn an_entry_delivered_twice_is_one_and_another_under_its_number_is_refused() {
    let store = Store::memory().expect("a store");
    let board = stream(StreamKind::Board);
    let entries = chain(board, author(1), 1, 3, 1);
    append(&store, &entries);
    append(&store, &entries);
    append(&store, &chain(board, author(1), 2, 5, 1));
    assert_eq!(store.entry_count().expect("a count"), 5);
    let mut other = entries[1].clone();
    other.digest = Digest([1; 32]);
    let txn = store.begin().expect("a transaction");
    assert!(matches!(txn.append(&[other]), Err(StoreError::OutOfOrder { seq: 2, .. })));
}

#[test]
fn heads_name_the_newest_entry_of_every_author_and_stream() {
    let store = Store::memory().expect("a store");
    let (board, messages) = (stream(StreamKind::Board), stream(StreamKind::Message));
    let all = [chain(board, author(2), 1, 4, 1), chain(board, author(1), 1, 2, 1), chain(messages, author(1), 1, 1, 1)]
        .concat();
    append(&store, &all);
    let mut heads = store.heads().expect("heads");
    heads.sort_by_key(|head| (head.stream, head.author));
    let expected = [(board, author(1), 2), (board, author(2), 4), (messages, author(1), 1)];
    for (HeadRow { stream, author, seq, digest, .. }, expected) in heads.iter().zip(expected) {
        assert_eq!((*stream, *author, *seq), expected);
        let newest = all.iter().find(|entry| entry.key == EntryKey { stream: *stream, author: *author, seq: *seq });
        assert_eq!(newest.map(|entry| entry.digest), Some(*digest));
    }
    assert_eq!(store.streams(None).expect("streams"), [board, messages]);
    assert_eq!(store.streams(Some(StreamKind::Message)).expect("streams"), [messages]);
    assert_eq!(
        store.digests(board, author(2), 0, u64::MAX).expect("digests"),
        all[..4].iter().map(|entry| (entry.key.seq, entry.digest)).collect::<Vec<_>>()
    );
    assert_eq!(store.digests(board, author(2), 2, 3).expect("digests").len(), 2);
    assert_eq!(store.digests(board, author(9), 1, 3).expect("digests"), []);
}

#[test]
fn feeds_come_back_in_the_order_of_arrival_portion_by_portion() {
    let store = Store::memory().expect("a store");
    let messages = stream(StreamKind::Message);
    append(&store, &chain(messages, author(2), 1, 2, 1));
    append(&store, &chain(stream(StreamKind::Board), author(2), 1, 2, 1));
    append(&store, &chain(messages, author(1), 1, 2, 1));
    let mut order = Vec::new();
    let mut after = 0;
    loop {
        let portion = store.feed_entries(messages, after, 3).expect("entries");
        let Some((place, _)) = portion.last() else { break };
        after = *place;
        order.extend(portion.into_iter().map(|(_, entry)| (entry.key.author, entry.key.seq)));
    }
    assert_eq!(order, [(author(2), 1), (author(2), 2), (author(1), 1), (author(1), 2)]);
}

#[test]
fn a_newer_register_takes_the_place_of_the_older_while_the_head_rises() {
    let store = Store::memory().expect("a store");
    let latest = stream(StreamKind::Latest);
    let txn = store.begin().expect("a transaction");
    for seq in 1..=1000_u64 {
        let key: &[u8] = if seq.is_multiple_of(2) { b"even" } else { b"odd" };
        txn.put_register(&register(author(1), seq, b"position"), key).expect("a register");
    }
    // Late and out of order: nothing to be seen of it.
    txn.put_register(&register(author(1), 7, b"old"), b"odd").expect("a register");
    txn.commit().expect("a commit");
    assert_eq!(store.entry_count().expect("a count"), 2);
    let HeadRow { seq, digest, .. } = store.heads().expect("heads")[0];
    assert_eq!((seq, digest), (1000, register(author(1), 1000, b"position").digest));
    let run = store.run(latest, &[(author(1), 1)], usize::MAX, 100).expect("a run");
    assert_eq!(run.iter().map(|entry| entry.key.seq).collect::<Vec<_>>(), [999, 1000]);
    assert_eq!(run[1], register(author(1), 1000, b"position"));
    assert_eq!(store.digests(latest, author(1), 1, 999).expect("digests").len(), 1);
    assert_eq!(store.check().expect("a check"), Vec::<String>::new());
}

#[test]
fn a_device_without_rights_cannot_fill_the_disk_with_marks() {
    let store = Store::memory().expect("a store");
    let txn = store.begin().expect("a transaction");
    for seq in [1, 2, 3, 5, 4] {
        let entry = register(author(1), seq, b"position");
        txn.quarantine(&entry.key, "not allowed").expect("a mark");
        txn.put_register(&entry, b"unit 1").expect("a register");
    }
    txn.commit().expect("a commit");
    assert_eq!(store.quarantined().expect("marks"), [register(author(1), 5, b"").key]);
    assert_eq!(store.quarantined_count().expect("a count"), 1);
}

#[test]
fn registers_and_chained_entries_are_not_mixed_up() {
    let store = Store::memory().expect("a store");
    let txn = store.begin().expect("a transaction");
    assert!(matches!(txn.append(&[register(author(1), 1, b"")]), Err(StoreError::WrongFamily { .. })));
    drop(txn);
    let txn = store.begin().expect("a transaction");
    let entry = &chain(stream(StreamKind::Track), author(1), 1, 1, 1)[0];
    assert!(matches!(txn.put_register(entry, b"key"), Err(StoreError::WrongFamily { .. })));
}
