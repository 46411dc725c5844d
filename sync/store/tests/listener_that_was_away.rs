//! The live stream: a listener that comes back hears of each row that changed, once, in order, and of conflicts settled.

mod fixture;

use fixture::{
    NOON_MS, apply, author, conflict, conflicts, fill, incident, incident_id, mission, position, said, unit_id,
};
use holdfast_domain::query::PageRequest;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_store::store::Store;

#[test]
fn revisions_rise_by_one_over_all_views_and_replay_in_order() {
    let store = Store::memory().expect("a store");
    fill(&store);
    let views = store.reader().expect("a reader");
    let all = views.changes_since(None, 0, usize::MAX).expect("events");
    let revs: Vec<u64> = all.iter().map(|event| said(event).0).collect();
    // The device has a revision, but no event: the second.
    let expected: Vec<u64> = (1..=store.newest_rev()).filter(|rev| *rev != 2).collect();
    assert_eq!(revs, expected);
    let mut replayed = Vec::new();
    let mut rev = 0;
    loop {
        let portion = views.changes_since(Some(mission(1)), rev, 7).expect("events");
        let Some(last) = portion.last() else { break };
        assert!(portion.len() <= 7);
        rev = said(last).0;
        replayed.extend(portion);
    }
    assert_eq!(replayed, all);
    assert_eq!(views.changes_since(Some(mission(2)), 0, 10).expect("events"), []);
    assert_eq!(views.newest_rev().expect("a rev"), store.newest_rev());
}

#[test]
fn a_row_changed_often_comes_once_as_it_is_now() {
    let store = Store::memory().expect("a store");
    for n in 0..20 {
        apply(&store, &[Patch::Position(position(unit_id(1), author(1), NOON_MS + n, 37.0))]);
    }
    apply(&store, &[Patch::Incident(incident(1))]);
    let events = store.reader().expect("a reader").changes_since(None, 3, 100).expect("events");
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), [(20, "position", false), (21, "incident", false)]);
}

#[test]
fn a_settled_conflict_is_told_though_no_list_shows_it() {
    let store = Store::memory().expect("a store");
    let record = RecordId::Incident(incident_id(1));
    let (kind, address) = (conflict(record, "kind", NOON_MS), conflict(record, "address", NOON_MS));
    apply(&store, &[conflicts(record, vec![kind.clone(), address.clone()])]);
    assert_eq!(apply(&store, &[conflicts(record, vec![address.clone()])]), [3]);
    let views = store.reader().expect("a reader");
    let events = views.changes_since(Some(mission(1)), 0, 10).expect("events");
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), [(2, "conflict", false), (3, "conflict", true)]);
    let list = views.conflict_list(mission(1), &PageRequest::default()).expect("a page");
    assert_eq!((list.total, &list.items[0].record), (1, &address));
    // It may come up again, and be settled again.
    assert_eq!(apply(&store, &[conflicts(record, vec![kind.clone(), address])]), [4]);
    assert_eq!(apply(&store, &[conflicts(record, vec![])]), [5, 6]);
    assert_eq!(apply(&store, &[conflicts(record, vec![])]), Vec::<u64>::new());
    assert_eq!(views.conflict_list(mission(1), &PageRequest::default()).expect("a page").total, 0);
}

#[test]
fn a_conflict_that_a_rebuild_does_not_find_is_told_as_settled() {
    let store = Store::memory().expect("a store");
    let record = RecordId::Incident(incident_id(1));
    apply(&store, &[conflicts(record, vec![conflict(record, "kind", NOON_MS)])]);
    let txn = store.begin().expect("a transaction");
    txn.clear_views().expect("cleared");
    txn.commit().expect("a commit");
    let events = store.reader().expect("a reader").changes_since(None, 1, 10).expect("events");
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), [(2, "conflict", true)]);
}

#[test]
fn a_step_that_is_not_committed_is_not_told_and_its_revisions_are_used_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    apply(&store, &[Patch::Incident(incident(1))]);
    let views = store.reader().expect("a reader");
    let txn = store.begin().expect("a transaction");
    assert_eq!(txn.apply(&[Patch::Incident(incident(2))]).expect("applied"), [2]);
    assert_eq!(views.changes_since(None, 0, 10).expect("events").len(), 1);
    assert_eq!(
        store.record_rev(RecordId::Incident(incident_id(2))).expect("a rev"),
        Some(2),
        "the writer sees its own"
    );
    drop(txn);
    assert_eq!(store.newest_rev(), 1);
    assert_eq!(apply(&store, &[Patch::Incident(incident(3))]), [2]);
    assert_eq!(views.changes_since(None, 0, 10).expect("events").len(), 2);
}

#[test]
fn a_reader_beside_a_busy_writer_never_skips_a_row() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    let views = store.reader().expect("a reader");
    let listener = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut rev = 0;
        while rev < 400 {
            for event in views.changes_since(None, rev, 5).expect("events") {
                rev = said(&event).0;
                heard.push(rev);
            }
        }
        heard
    });
    for n in 0..200 {
        // Two views in one step, the later one first in the order of tables.
        apply(&store, &[Patch::Task(fixture::task(n)), Patch::Incident(incident(n))]);
    }
    assert_eq!(listener.join().expect("a listener"), (1..=400).collect::<Vec<_>>());
}
