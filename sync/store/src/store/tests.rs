//! Faults that need the connection itself: a disk that fills up in the middle of a step, a store that moves threads.

use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};

use super::Store;
use crate::error::StoreError;
use crate::views::Views;

fn entry(seq: u64, previous: &mut Option<holdfast_domain::entry::Digest>, bytes: usize) -> Entry {
    let stream = StreamId::new(Scope::Org, StreamKind::Control);
    let key = EntryKey { stream, author: AuthorId([1; 16]), seq };
    let entry = Entry::next(key, *previous, vec![seq as u8; bytes]);
    *previous = Some(entry.digest);
    entry
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_step_takes_the_whole_step_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    let mut previous = None;
    let txn = store.begin().expect("a transaction");
    txn.append(&[entry(1, &mut previous, 100)]).expect("an entry");
    txn.commit().expect("a commit");
    let pages: i64 = store.conn().pragma_query_value(None, "page_count", |row| row.get(0)).expect("a count");
    let limit = |pages: i64| {
        store
            .conn()
            .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
            .expect("a limit")
    };
    limit(pages + 5);
    let before = previous;
    let txn = store.begin().expect("a transaction");
    txn.put_meta("clock", &[1]).expect("a small value fits");
    let full = txn.append(&[entry(2, &mut previous, 500_000)]);
    assert!(matches!(full, Err(StoreError::DiskFull)), "{full:?}");
    assert!(matches!(txn.put_meta("clock", &[2]), Err(StoreError::Spoiled)), "nothing is written piece by piece");
    assert!(matches!(txn.commit(), Err(StoreError::Spoiled)));
    assert_eq!(store.meta("clock").expect("meta"), None);
    assert_eq!(store.heads().expect("heads")[0].seq, 1);
    // Room again: the same step goes through.
    limit(1 << 20);
    previous = before;
    let txn = store.begin().expect("a transaction");
    txn.append(&[entry(2, &mut previous, 500_000)]).expect("an entry");
    txn.commit().expect("a commit");
    assert_eq!(store.check().expect("a check"), Vec::<String>::new());
}

#[test]
fn a_commit_that_fails_leaves_no_trace_and_the_next_one_succeeds() {
    let store = Store::memory().expect("a store");
    store.fail_commits(true);
    let txn = store.begin().expect("a transaction");
    txn.put_meta("clock", &[1]).expect("a value");
    assert!(matches!(txn.commit(), Err(StoreError::DiskFull)));
    assert_eq!(store.meta("clock").expect("meta"), None);
    store.fail_commits(false);
    let txn = store.begin().expect("a transaction");
    txn.put_meta("clock", &[2]).expect("a value");
    txn.commit().expect("a commit");
    assert_eq!(store.meta("clock").expect("meta"), Some(vec![2]));
}

#[test]
fn a_second_step_cannot_begin_inside_the_first() {
    let store = Store::memory().expect("a store");
    let txn = store.begin().expect("a transaction");
    txn.put_meta("clock", &[1]).expect("a value");
    assert!(store.begin().is_err());
    txn.commit().expect("the first is unharmed");
}

#[test]
fn a_database_held_by_another_program_is_reported_and_usable_afterwards() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    store.conn().busy_timeout(std::time::Duration::ZERO).expect("no patience");
    let other = rusqlite::Connection::open(&path).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    assert!(matches!(store.begin(), Err(StoreError::Busy)));
    other.execute_batch("ROLLBACK").expect("let go");
    store.begin().expect("a transaction").commit().expect("a commit");
}

#[test]
fn a_reader_cannot_write_not_even_after_it_made_a_backup() {
    let dir = tempfile::tempdir().expect("a directory");
    for store in [Store::memory(), Store::open(&dir.path().join("holdfast.db"))].map(|store| store.expect("a store")) {
        let views = store.reader().expect("a reader");
        let refused = || views.conn().execute("DELETE FROM missions", ()).map_err(StoreError::from);
        assert!(matches!(refused(), Err(StoreError::ReadOnly)));
        drop(views.backup_to(&dir.path().join("copy.db")));
        assert!(matches!(refused(), Err(StoreError::ReadOnly)));
    }
}

#[test]
fn stores_and_readers_may_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Store>();
    moves::<Views>();
}
