//! Copies: a cloned disk goes its own way, a backup opens as the database it was.

mod fixture;

use fixture::{append, apply, author, chain, fill, incident, mission, stream};
use holdfast_domain::record::Patch;
use holdfast_domain::scope::StreamKind;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

#[test]
fn a_clone_holds_the_same_and_then_goes_its_own_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let on_disk = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    for original in [Store::memory().expect("a store"), on_disk] {
        fill(&original);
        let clone = original.fork_copy().expect("a clone");
        assert_eq!(clone.heads().expect("heads"), original.heads().expect("heads"));
        assert_eq!(clone.views_summary(mission(1)).expect("views"), original.views_summary(mission(1)).expect("views"));
        assert_eq!(clone.newest_rev(), original.newest_rev());
        let board = stream(StreamKind::Board);
        assert_eq!(
            clone.snapshot_and_tail(board).expect("a document"),
            original.snapshot_and_tail(board).expect("a document")
        );
        append(&original, &chain(board, author(1), 13, 14, 1));
        apply(&clone, &[Patch::Incident(incident(77))]);
        assert_ne!(clone.entry_count().expect("a count"), original.entry_count().expect("a count"));
        assert_ne!(clone.newest_rev(), original.newest_rev());
        let views = clone.reader().expect("a reader");
        assert!(views.incident_by_id(incident(77).id).expect("an incident").is_some());
        assert_eq!(clone.check().expect("a check"), Vec::<String>::new());
        drop(original);
        assert!(clone.entry_count().is_ok(), "the clone outlives the original");
    }
}

#[test]
fn stores_in_memory_are_strangers_to_each_other() {
    let (one, other) = (Store::memory().expect("a store"), Store::memory().expect("a store"));
    fill(&one);
    assert_eq!(other.heads().expect("heads"), []);
    assert_eq!(other.reader().expect("a reader").newest_rev().expect("a rev"), 0);
}

#[test]
fn a_backup_taken_beside_a_writer_is_whole_and_opens() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    fill(&store);
    let views = store.reader().expect("a reader");
    let txn = store.begin().expect("a transaction");
    txn.apply(&[Patch::Incident(incident(500))]).expect("a patch");
    let copy = dir.path().join("backup").join("holdfast.db");
    std::fs::create_dir(dir.path().join("backup")).expect("a directory");
    views.backup_to(&copy).expect("a backup");
    txn.commit().expect("the writer is not disturbed");
    let restored = Store::open(&copy).expect("a backup opens");
    assert_eq!(restored.check().expect("a check"), Vec::<String>::new());
    assert_eq!(restored.heads().expect("heads"), store.heads().expect("heads"));
    assert_eq!(restored.newest_rev() + 1, store.newest_rev(), "what was not committed is not in it");
    apply(&restored, &[Patch::Incident(incident(501))]);
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_no_half_copy() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::memory().expect("a store");
    fill(&store);
    let copy = dir.path().join("backup.db");
    std::fs::write(&copy, "precious").expect("a file");
    assert!(matches!(store.backup_to(&copy), Err(StoreError::Backup { .. })));
    assert_eq!(std::fs::read_to_string(&copy).expect("a file"), "precious");
    assert!(matches!(store.backup_to(&dir.path().join("missing").join("b.db")), Err(StoreError::Backup { .. })));
    // One that was cut off earlier is in nobody's way.
    std::fs::write(dir.path().join("second.db.partial"), "half").expect("a file");
    store.backup_to(&dir.path().join("second.db")).expect("a backup");
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["backup.db", "second.db"]);
}
