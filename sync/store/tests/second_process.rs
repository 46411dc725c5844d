//! Two nodes on one data directory: the second is turned away, and gets in as soon as the first is gone.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

/// Tells the child where its database is; unset in the parent.
const CHILD: &str = "HOLDFAST_TEST_DATABASE";

/// Not a test by itself: holds the database open until its input ends.
#[test]
fn child_that_holds_the_database() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let _store = Store::open(Path::new(&path)).expect("the database opens");
    println!("open");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("an end");
}

fn child(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this test's program"))
        .args(["--exact", "child_that_holds_the_database", "--nocapture", "--test-threads", "1"])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.as_mut().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line").contains("open")));
    child
}

fn assert_in_use(path: &Path) {
    let Err(error) = Store::open(path) else { panic!("it opened twice") };
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("another holdfast is running"), "{error}");
}

#[test]
fn a_second_process_is_turned_away_until_the_first_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let mut first = child(&path);
    assert_in_use(&path);
    drop(first.stdin.take());
    first.wait().expect("an end");
    Store::open(&path).expect("it opens now");
}

#[test]
fn a_first_process_that_was_killed_leaves_no_lock_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let mut first = child(&path);
    assert_in_use(&path);
    first.kill().expect("a kill");
    first.wait().expect("an end");
    Store::open(&path).expect("it opens now");
}

#[test]
fn the_same_process_cannot_open_it_twice_either() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    assert_in_use(&path);
    // Readers are another matter.
    store.reader().expect("a reader");
    drop(store);
    Store::open(&path).expect("it opens now");
}
