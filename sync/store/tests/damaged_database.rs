//! Databases that cannot be used: each is refused with a word on what to do, and nothing in it is changed.

mod fixture;

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fixture::fill;
use holdfast_store::error::StoreError;
use holdfast_store::schema;
use holdfast_store::store::Store;
use holdfast_store::views::Views;
use rusqlite::Connection;

fn refusal(path: &Path) -> StoreError {
    match Store::open(path) {
        Ok(_) => panic!("{} opened", path.display()),
        Err(error) => error,
    }
}

/// A filled database, closed.
fn filled(dir: &Path) -> PathBuf {
    let path = dir.join("holdfast.db");
    fill(&Store::open(&path).expect("a store"));
    path
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    for content in ["a shopping list".to_owned(), "milk, bread\n".repeat(1000)] {
        std::fs::write(&path, &content).expect("a file");
        let error = refusal(&path);
        assert!(matches!(&error, StoreError::NotADatabase { path: named } if *named == path), "{error:?}");
        assert!(error.to_string().contains("restore a backup"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), content);
    }
}

#[test]
fn the_database_of_another_program_is_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    Connection::open(&path).expect("a database").execute_batch("CREATE TABLE recipes (name TEXT)").expect("a table");
    let before = std::fs::read(&path).expect("a file");
    assert!(matches!(refusal(&path), StoreError::ForeignDatabase { .. }));
    assert_eq!(std::fs::read(&path).expect("a file"), before);
}

#[test]
fn a_database_of_a_later_version_is_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = filled(dir.path());
    let later = schema::VERSION + 1;
    Connection::open(&path).expect("a database").pragma_update(None, "user_version", later).expect("a version");
    let before = std::fs::read(&path).expect("a file");
    let error = refusal(&path);
    let (found, known) = (later, schema::VERSION);
    assert!(
        matches!(error, StoreError::NewerSchema { found: f, known: k, .. } if (f, k) == (found, known)),
        "{error:?}"
    );
    assert!(error.to_string().contains("install that version"), "{error}");
    assert_eq!(std::fs::read(&path).expect("a file"), before);
}

/// Overwrites pages of the database, counted from 0.
fn garble(path: &Path, pages: std::ops::Range<u64>) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("the file");
    for page in pages {
        file.seek(SeekFrom::Start(page * 4096)).expect("a place");
        file.write_all(&[0xa5; 4096]).expect("damage");
    }
}

#[test]
fn damaged_pages_are_noticed_when_the_database_is_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = filled(dir.path());
    let pages = std::fs::metadata(&path).expect("a file").len() / 4096;
    let whole = std::fs::read(&path).expect("a file");
    for page in 1..pages {
        garble(&path, page..page + 1);
        let error = refusal(&path);
        assert!(matches!(error, StoreError::Corrupt { .. }), "page {page} of {pages}: {error:?}");
        assert!(error.to_string().contains("restore a backup"), "{error}");
        std::fs::write(&path, &whole).expect("repaired");
    }
    Store::open(&path).expect("it opens again");
}

#[test]
fn a_database_cut_short_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = filled(dir.path());
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len(5 * 4096 + 100).expect("cut short");
    assert!(matches!(refusal(&path), StoreError::Corrupt { .. }));
}

#[test]
fn damage_that_comes_while_running_is_reported_by_the_check() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = filled(dir.path());
    let store = Store::open(&path).expect("a store");
    assert_eq!(store.check().expect("a check"), Vec::<String>::new());
    // An index that lies: no page is damaged, so only the full check sees it.
    let meddler = Connection::open(&path).expect("a connection");
    let lie = "PRAGMA writable_schema = 1;
               UPDATE sqlite_schema SET sql = replace(sql, 'opened_ms', 'rev') WHERE name = 'missions_by_time'";
    meddler.execute_batch(lie).expect("meddled");
    meddler.execute_batch("UPDATE chains SET held = 0").expect("meddled");
    drop((meddler, store));
    let faults = Store::open(&path).expect("a store").check().expect("a check");
    assert!(faults.iter().any(|fault| fault.contains("missions_by_time")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("count of entries held is wrong")), "{faults:?}");
}

#[test]
fn an_unreadable_row_says_which_and_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = filled(dir.path());
    Connection::open(&path).expect("a connection").execute_batch("UPDATE missions SET record = '{}'").expect("meddled");
    let store = Store::open(&path).expect("a store");
    let error = store.reader().expect("a reader").mission_by_id(fixture::mission(1)).expect_err("no mission");
    assert!(matches!(error, StoreError::Row { table: "missions", .. }), "{error:?}");
    assert!(error.to_string().contains("holdfast doctor"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    // These hold for the superuser too.
    let mut places = vec![file.join("holdfast.db"), dir.path().to_owned()];
    if cfg!(target_os = "linux") {
        places.push(PathBuf::from("/proc/self/holdfast.db"));
        places.push(PathBuf::from("/proc/holdfast/holdfast.db"));
    }
    for place in places {
        let error = refusal(&place);
        assert!(matches!(error, StoreError::NotWritable { .. }), "{}: {error:?}", place.display());
        assert!(error.to_string().contains("not read-only"), "{error}");
    }
}

#[test]
fn a_reader_of_a_database_that_is_not_there_makes_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    assert!(Views::open(&path).is_err());
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn others_on_the_machine_cannot_read_along() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data").join("holdfast.db");
    std::fs::create_dir(dir.path().join("open")).expect("a directory");
    let loose = dir.path().join("open").join("holdfast.db");
    std::fs::write(&loose, "").expect("a file");
    std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).expect("open to all");
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    for path in [&path, &loose] {
        let store = Store::open(path).expect("a store");
        fill(&store);
        let copy = path.with_extension("backup");
        store.backup_to(&copy).expect("a backup");
        for name in ["db", "db-wal", "db-shm", "lock", "backup"] {
            assert_eq!(mode(&path.with_extension(name)), 0o600, "{name}");
        }
    }
    assert_eq!(mode(&dir.path().join("data")), 0o700);
}
