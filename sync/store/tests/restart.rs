//! What a node must still know after a restart: who to believe, whom it met, whom it invited, what it answered.

mod fixture;

use fixture::{NOON_MS, author, chain, credential, device, fill, stream};
use holdfast_domain::entry::{Digest, ShortDigest};
use holdfast_domain::frontier::{Frontier, Head};
use holdfast_domain::identity::DeviceRole;
use holdfast_domain::limits::REQUESTS_REMEMBERED_MAX;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_store::peers::PeerRow;
use holdfast_store::store::{Store, Txn};

fn step<T>(store: &Store, work: impl FnOnce(&Txn<'_>) -> T) -> T {
    let txn = store.begin().expect("a transaction");
    let done = work(&txn);
    txn.commit().expect("a commit");
    done
}

#[test]
fn a_document_opens_from_its_snapshot_and_what_came_after() {
    let store = Store::memory().expect("a store");
    let board = stream(StreamKind::Board);
    let bodies = |entries: &[holdfast_domain::entry::Entry]| -> Vec<(u64, Vec<u8>)> {
        entries.iter().map(|entry| (entry.key.seq, entry.body.clone())).collect()
    };
    let (mine, theirs) = (chain(board, author(1), 1, 6, 1), chain(board, author(2), 1, 3, 1));
    assert_eq!(store.snapshot_and_tail(board).expect("nothing"), (None, vec![]));
    step(&store, |txn| txn.append(&mine[..2]).expect("entries"));
    step(&store, |txn| txn.append(&theirs[..1]).expect("entries"));
    let tail = bodies(&[&mine[..2], &theirs[..1]].concat());
    assert_eq!(store.snapshot_and_tail(board).expect("a tail"), (None, tail));
    // Entries of the same step, before the snapshot, are covered; those after it are not.
    step(&store, |txn| {
        txn.append(&mine[2..4]).expect("entries");
        txn.put_snapshot(board, b"saved").expect("a snapshot");
        txn.append(&theirs[1..2]).expect("entries");
    });
    step(&store, |txn| txn.append(&[&mine[4..], &theirs[2..]].concat()).expect("entries"));
    // Other streams are other streams.
    step(&store, |txn| txn.append(&chain(stream(StreamKind::Roster), author(1), 1, 3, 1)).expect("entries"));
    let tail = bodies(&[&theirs[1..2], &mine[4..], &theirs[2..]].concat());
    assert_eq!(store.snapshot_and_tail(board).expect("both"), (Some(b"saved".to_vec()), tail));
    step(&store, |txn| txn.put_snapshot(board, b"saved again").expect("a snapshot"));
    assert_eq!(store.snapshot_and_tail(board).expect("both"), (Some(b"saved again".to_vec()), vec![]));
    assert_eq!(store.entry_count().expect("a count"), 12, "a snapshot takes nothing away");
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    fill(&store);
    let (heads, rev) = (store.heads().expect("heads"), store.newest_rev());
    drop(store);
    let store = Store::open(&path).expect("a store");
    let board = stream(StreamKind::Board);
    assert_eq!(store.heads().expect("heads"), heads);
    assert_eq!(store.newest_rev(), rev);
    assert_eq!(store.forks().expect("forks"), [(board, author(3), 2)]);
    assert_eq!(store.rivals(board, author(3)).expect("a proof").len(), 2);
    let aside = chain(board, author(2), 5, 5, 1)[0].key;
    assert_eq!(store.quarantined().expect("marks"), [aside]);
    assert_eq!(store.quarantine_reason(&aside).expect("a reason").as_deref(), Some("not allowed"));
    assert_eq!(store.credentials().expect("credentials"), [credential(1, 0)]);
    assert_eq!(store.meta("clock").expect("meta"), Some(vec![1, 2, 3]));
    assert_eq!(store.meta("nothing").expect("meta"), None);
    assert_eq!(store.recalled("key").expect("a request"), Some((Digest([6; 32]), "[]".to_owned())));
}

#[test]
fn a_later_credential_stands_and_an_earlier_one_changes_nothing() {
    let store = Store::memory().expect("a store");
    let mut later = credential(1, 0);
    later.device = device(1, "engine-7 refitted", NOON_MS + 1);
    for credential in [&credential(1, 0), &later, &credential(1, 0), &credential(1, 1)] {
        step(&store, |txn| txn.put_credential(credential).expect("a credential"));
    }
    let mut names: Vec<_> = store.credentials().expect("credentials").into_iter().map(|c| c.device.name).collect();
    names.sort();
    assert_eq!(names, ["engine-7", "engine-7 refitted"]);
}

#[test]
fn the_earliest_parting_of_two_histories_is_the_proof_that_is_kept() {
    let store = Store::memory().expect("a store");
    let board = stream(StreamKind::Board);
    let proof = |seq| [chain(board, author(3), seq, seq, 1), chain(board, author(4), seq, seq, 1)].concat();
    for seq in [5, 9, 2, 5] {
        step(&store, |txn| txn.put_fork(board, author(3), seq, &proof(seq)).expect("a fork"));
    }
    assert_eq!(store.forks().expect("forks"), [(board, author(3), 2)]);
    let kept = store.rivals(board, author(3)).expect("a proof");
    assert_eq!(kept.iter().map(|entry| entry.key.seq).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn what_peers_hold_and_whether_they_are_kept_quiet_are_remembered_apart() {
    let store = Store::memory().expect("a store");
    let peer = device(2, "engine-8", 0).device();
    let mut frontier = Frontier::default();
    let head = |seq| Head { seq, digest: ShortDigest([seq as u8; 8]) };
    frontier.set(stream(StreamKind::Board), author(1), head(7));
    frontier.set(stream(StreamKind::Board), author(2), head(u64::MAX));
    frontier.set(StreamId::new(Scope::Org, StreamKind::Control), author(1), head(1));
    step(&store, |txn| txn.put_peer(peer, NOON_MS, Some(&frontier)).expect("a peer"));
    step(&store, |txn| txn.put_peer_paused(peer, true).expect("a peer"));
    step(&store, |txn| txn.put_peer(peer, NOON_MS + 1, None).expect("a peer"));
    step(&store, |txn| txn.put_peer(peer, 0, None).expect("a peer"));
    let expected = PeerRow { device: peer, last_heard_ms: Some(NOON_MS + 1), frontier: Some(frontier), paused: true };
    assert_eq!(store.peers().expect("peers"), [expected]);
    let other = device(3, "engine-9", 0).device();
    step(&store, |txn| txn.put_peer_paused(other, true).expect("a peer"));
    step(&store, |txn| txn.put_peer_paused(other, false).expect("a peer"));
    let row = store.peers().expect("peers").into_iter().find(|row| row.device == other);
    assert_eq!(row, Some(PeerRow { device: other, last_heard_ms: None, frontier: None, paused: false }));
}

#[test]
fn an_invitation_is_good_once_and_for_its_time() {
    let store = Store::memory().expect("a store");
    step(&store, |txn| {
        txn.add_invitation([1; 32], "engine-8", DeviceRole::Node, NOON_MS).expect("an invitation");
        txn.add_invitation([2; 32], "command post", DeviceRole::Hub, NOON_MS).expect("an invitation");
    });
    let take = |hash: [u8; 32], now_ms| step(&store, |txn| txn.take_invitation(hash, now_ms).expect("an answer"));
    assert_eq!(take([1; 32], NOON_MS), None, "past its time");
    assert_eq!(take([3; 32], 0), None, "unknown");
    assert_eq!(take([1; 32], NOON_MS - 1), Some(("engine-8".to_owned(), DeviceRole::Node)));
    assert_eq!(take([1; 32], NOON_MS - 1), None, "used");
    // Taken in a step that failed it is still good.
    let txn = store.begin().expect("a transaction");
    assert!(txn.take_invitation([2; 32], 0).expect("an answer").is_some());
    drop(txn);
    assert_eq!(take([2; 32], 0), Some(("command post".to_owned(), DeviceRole::Hub)));
}

#[test]
fn requests_are_remembered_up_to_a_bound_the_oldest_going_first() {
    let store = Store::memory().expect("a store");
    step(&store, |txn| {
        for n in 0..REQUESTS_REMEMBERED_MAX + 10 {
            txn.remember(&format!("key {n}"), Digest([1; 32]), "[]").expect("a request");
        }
    });
    assert_eq!(store.recalled("key 9").expect("an answer"), None);
    assert!(store.recalled("key 10").expect("an answer").is_some());
    assert!(store.recalled(&format!("key {}", REQUESTS_REMEMBERED_MAX + 9)).expect("an answer").is_some());
}
