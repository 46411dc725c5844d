//! Databases of earlier versions: each migrates up with all it holds, and back where that is promised.

mod fixture;

use std::collections::BTreeMap;
use std::path::Path;

use fixture::{apply, author, fill, incident, incident_id, mission, said};
use holdfast_domain::floor::{Generation, GenerationTag};
use holdfast_domain::query::{IncidentFilter, PageRequest};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_store::error::StoreError;
use holdfast_store::schema::{self, downgrade};
use holdfast_store::store::Store;
use rusqlite::Connection;
use rusqlite::types::Value;

/// A database as version 1 left it, with something in every table, written by the example `old_database`. Never edited:
/// it is what lies on disks.
const VERSION_1: &str = include_str!("old/version-1.sql");

/// Bookkeeping that saves peers from saying what was said: without it a session begins with more words, and that is all.
/// And floors, which can be had again from `control`; where anything hangs on them there is no way back.
/// Attachments the version before does not know. Alerts are derived from entries, which stay; an engine that finds such
/// entries after the way up writes them anew.
const FORGETTABLE: [(&str, &str); 13] = [
    ("marks", "*"),
    ("chains", "grown"),
    ("floors", "*"),
    ("generations", "*"),
    ("skips", "*"),
    ("chains", "base"),
    ("chains", "base_digest"),
    ("alerts", "*"),
    ("alert_words", "*"),
    ("attachments", "*"),
    ("blobs", "*"),
    ("blob_wishes", "*"),
    ("blob_holders", "*"),
];

/// Every row of every table of ours, in the order of its columns, what may be forgotten aside.
fn contents(path: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let conn = Connection::open(path).expect("a connection");
    let mut names = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("a question");
    let names: Vec<String> =
        names.query_map((), |row| row.get(0)).expect("tables").collect::<Result<_, _>>().expect("names");
    let mut out = BTreeMap::new();
    for name in names {
        if FORGETTABLE.contains(&(name.as_str(), "*")) {
            continue;
        }
        let mut statement = conn.prepare(&format!("SELECT * FROM {name}")).expect("a question");
        let columns: Vec<usize> = (0..statement.column_count())
            .filter(|&column| !FORGETTABLE.contains(&(name.as_str(), statement.column_name(column).unwrap_or(""))))
            .collect();
        let mut rows: Vec<Vec<Value>> = statement
            .query_map((), |row| columns.iter().map(|&column| row.get(column)).collect())
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("values");
        rows.sort_by_key(|row| format!("{row:?}"));
        out.insert(name, rows);
    }
    out
}

fn shape(path: &Path) -> (u32, Vec<(String, String)>) {
    let conn = Connection::open(path).expect("a connection");
    let version = conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    let mut parts =
        conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").expect("a question");
    let parts = parts.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).expect("parts");
    (version, parts.collect::<Result<_, _>>().expect("parts"))
}

#[test]
fn a_filled_database_goes_one_version_back_and_up_again_without_losing_a_row() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    fill(&Store::open(&path).expect("a store"));
    let (before, (newest, shape_before)) = (contents(&path), shape(&path));
    assert_eq!(newest, schema::VERSION);
    assert!(before.values().all(|rows| !rows.is_empty()), "something in every table");
    downgrade(&path, newest - 1).expect("the way back is promised");
    assert_eq!(shape(&path).0, newest - 1);
    assert_eq!(contents(&path), before);
    drop(Store::open(&path).expect("up again"));
    assert_eq!(shape(&path), (newest, shape_before));
    assert_eq!(contents(&path), before);
    assert_eq!(Store::open(&path).expect("a store").check().expect("a check"), Vec::<String>::new());
}

#[test]
fn a_way_back_that_was_never_promised_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    fill(&Store::open(&path).expect("a store"));
    let before = (contents(&path), shape(&path));
    for version in [0, schema::VERSION + 1] {
        let error = downgrade(&path, version).expect_err("no way");
        assert!(matches!(error, StoreError::NoWayBack { version: v } if v == version), "{error:?}");
    }
    assert_eq!((contents(&path), shape(&path)), before);
}

#[test]
fn a_database_with_a_rolled_document_has_no_way_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    fill(&store);
    let txn = store.begin().expect("a transaction");
    let board = StreamId::new(Scope::Mission(mission(1)), StreamKind::Board);
    let second = Generation { number: 1, tag: GenerationTag([7; 8]) };
    txn.put_generation(board, second).expect("a generation");
    txn.commit().expect("a commit");
    drop(store);
    let before = (contents(&path), shape(&path));
    let error = downgrade(&path, 4).expect_err("no way");
    assert!(matches!(error, StoreError::NoWayBack { version: 4 }), "{error:?}");
    assert_eq!((contents(&path), shape(&path)), before);
    assert_eq!(Store::open(&path).expect("a store").generations().expect("generations"), [(board, second)]);
}

#[test]
fn a_database_of_version_1_opens_with_all_it_holds() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    Connection::open(&path).expect("a database").execute_batch(VERSION_1).expect("version 1");
    let before = contents(&path);
    assert_eq!(shape(&path).0, 1);
    let store = Store::open(&path).expect("it migrates");
    assert_eq!(store.check().expect("a check"), Vec::<String>::new());
    let board = StreamId::new(Scope::Mission(mission(1)), StreamKind::Board);
    assert_eq!(store.forks().expect("forks"), [(board, author(3), 2)]);
    let views = store.reader().expect("a reader");
    let page = views.incident_list(mission(1), &IncidentFilter::default(), &PageRequest::default()).expect("a page");
    assert_eq!((page.total, page.items[0].record.id), (2, incident_id(1)));
    assert_eq!(
        views.changes_since(None, 0, 100).expect("events").last().map(|event| said(event).0),
        Some(store.newest_rev())
    );
    assert_eq!(store.record_rev(RecordId::Incident(incident_id(1))).expect("a rev"), Some(4));
    let frontier = store.peers().expect("peers").remove(0).frontier.expect("a frontier");
    assert_eq!(frontier.seq(board, author(1)), 12);
    assert_eq!(store.meta("clock").expect("meta"), Some(vec![1, 2, 3]));
    drop((views, store));
    assert_eq!(shape(&path).0, schema::VERSION);
    let mut after = contents(&path);
    // Tables that the version did not have begin empty.
    after.retain(|table, rows| before.contains_key(table) || !rows.is_empty());
    assert_eq!(after, before);
}

#[test]
fn a_database_that_was_migrated_is_one_that_was_made_afresh() {
    let dir = tempfile::tempdir().expect("a directory");
    let (old, fresh) = (dir.path().join("old.db"), dir.path().join("fresh.db"));
    Connection::open(&old).expect("a database").execute_batch(VERSION_1).expect("version 1");
    for path in [&old, &fresh] {
        let store = Store::open(path).expect("a store");
        apply(&store, &[Patch::Incident(incident(9))]);
    }
    assert_eq!(shape(&old), shape(&fresh));
}

#[test]
fn a_migration_that_fails_half_way_leaves_the_version_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    Connection::open(&path).expect("a database").execute_batch(VERSION_1).expect("version 1");
    let meddle = |sql: &str| Connection::open(&path).expect("a connection").execute_batch(sql).expect("meddled");
    // In the way of the last statement of the step.
    meddle("CREATE INDEX conflicts_by_rev ON conflicts (field)");
    let before = (contents(&path), shape(&path));
    assert!(Store::open(&path).is_err());
    assert_eq!((contents(&path), shape(&path)), before);
    meddle("DROP INDEX conflicts_by_rev");
    Store::open(&path).expect("it migrates once nothing is in the way");
}
