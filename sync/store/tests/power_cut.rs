//! Power cuts: a process killed at any moment, a log torn at its end. What was acknowledged is there afterwards.

mod fixture;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use fixture::{NOON_MS, append, author, chain, fix, incident, mission, stream, unit_id};
use holdfast_domain::record::Patch;
use holdfast_domain::scope::StreamKind;
use holdfast_store::chains::HeadRow;
use holdfast_store::store::Store;

/// Tells the child of the kill test where its database is; unset in the parent.
const CHILD: &str = "HOLDFAST_TEST_DATABASE";

/// Entries of one step of the child.
const STEP: u64 = 3;

/// Not a test by itself: appends until it is killed, saying each number once it is committed.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Store::open(Path::new(&path)).expect("the database opens after a kill");
    let board = stream(StreamKind::Board);
    let held = store.heads().expect("heads").first().map_or(0, |head| head.seq);
    let entries = chain(board, author(1), held + 1, held + 3_000, 1);
    let mut out = std::io::stdout();
    for step in entries.chunks(STEP as usize) {
        let txn = store.begin().expect("a transaction");
        txn.append(step).expect("entries append");
        let newest = step.last().expect("a step has entries").key.seq;
        txn.apply(&[Patch::Incident(incident(newest))]).expect("a patch applies");
        let fix = fix(NOON_MS + newest * 1_000, 37.7);
        txn.put_pending_fix(mission(1), unit_id(1), &fix, NOON_MS).expect("a fix waits");
        if newest.is_multiple_of(60) {
            txn.put_snapshot(board, &newest.to_le_bytes()).expect("a snapshot");
        }
        txn.commit().expect("a commit");
        writeln!(out, "committed {newest}").expect("the parent listens");
    }
}

/// Lets the child write until it has acknowledged `acks` steps, then kills it. Returns the last number acknowledged.
fn kill_after(path: &Path, acks: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this test's program"))
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture", "--test-threads", "1"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let number = |line: String| line.rsplit_once("committed ").and_then(|(_, number)| number.parse::<u64>().ok());
    let heard = lines.by_ref().filter_map(number).take(acks).last();
    child.kill().expect("a kill");
    child.wait().expect("an end");
    // What it said before it died counts too.
    lines.filter_map(number).last().or(heard).expect("the child wrote something")
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    // Early, within the first log, and past the point where the log is copied into the database.
    for acks in [1, 2, 7, 40, 150, 400, 3] {
        let acknowledged = kill_after(&path, acks);
        let store = Store::open(&path).expect("the database opens after a kill");
        let HeadRow { seq: held, digest, .. } = store.heads().expect("heads")[0];
        assert!(held >= acknowledged, "{acknowledged} was acknowledged, {held} is there");
        assert_eq!(held % STEP, 0, "a step is there whole or not at all");
        assert_eq!(store.check().expect("a check"), Vec::<String>::new());
        let expected = chain(stream(StreamKind::Board), author(1), 1, held, 1);
        assert_eq!(expected.last().map(|entry| entry.digest), Some(digest));
        let run = store.run(stream(StreamKind::Board), &[(author(1), 1)], usize::MAX, usize::MAX).expect("a run");
        assert_eq!(run, expected);
        let views = store.reader().expect("a reader");
        assert_eq!(views.newest_rev().expect("a rev"), held / STEP, "views are of the same step as entries");
        let waiting = store.pending_tracks().expect("tracks").iter().map(|track| track.fixes).sum::<u64>();
        assert_eq!(waiting, held / STEP, "fixes that wait are of the same step, too");
        let (snapshot, tail) = store.snapshot_and_tail(stream(StreamKind::Board)).expect("a document");
        let covered = snapshot.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("a number")));
        assert_eq!(covered + tail.len() as u64, held);
    }
}

/// A database as a power cut leaves it: the file and its log, without the index that lived in memory.
fn cut_power(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("a copy");
    std::fs::copy(log_of(from), log_of(to)).expect("a copy of the log");
}

fn log_of(path: &Path) -> std::path::PathBuf {
    path.with_extension("db-wal")
}

#[test]
fn a_log_torn_or_garbled_at_its_end_loses_only_what_was_being_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    let board = stream(StreamKind::Board);
    let mut lengths = Vec::new();
    for n in 1..=10 {
        append(&store, &chain(board, author(1), n, n, 1));
        lengths.push(std::fs::metadata(log_of(&path)).expect("a log").len());
    }
    assert!(lengths.windows(2).all(|pair| pair[0] < pair[1]), "each commit is in the log: {lengths:?}");
    let (ninth, tenth) = (lengths[8], lengths[9]);
    for (name, damage) in [("torn", None), ("zeroed", Some(0)), ("garbled", Some(0xa5))] {
        for at in [ninth + 1, ninth + (tenth - ninth) / 2, tenth - 1] {
            let copy = dir.path().join(format!("{name}-{at}")).join("holdfast.db");
            std::fs::create_dir(copy.parent().expect("a directory")).expect("a directory");
            cut_power(&path, &copy);
            let log = std::fs::OpenOptions::new().write(true).open(log_of(&copy)).expect("the log");
            match damage {
                None => log.set_len(at).expect("a torn log"),
                Some(byte) => {
                    use std::io::{Seek, SeekFrom};
                    let mut log = log;
                    log.seek(SeekFrom::Start(at)).expect("a place");
                    log.write_all(&vec![byte; (tenth - at) as usize]).expect("a garbled log");
                }
            }
            let reopened = Store::open(&copy).expect("it opens");
            let held = reopened.heads().expect("heads")[0].seq;
            assert!(held == 9 || (held == 10 && at == tenth - 1), "{name} at {at}: {held} held");
            assert_eq!(reopened.check().expect("a check"), Vec::<String>::new());
            append(&reopened, &chain(board, author(1), held + 1, 20, 1));
        }
    }
}

#[test]
fn a_log_that_is_gone_altogether_leaves_an_earlier_state_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let board = stream(StreamKind::Board);
    let store = Store::open(&path).expect("a store");
    append(&store, &chain(board, author(1), 1, 5, 1));
    drop(store);
    let store = Store::open(&path).expect("a store");
    append(&store, &chain(board, author(1), 6, 9, 1));
    let copy = dir.path().join("copy.db");
    std::fs::copy(&path, &copy).expect("a copy");
    let reopened = Store::open(&copy).expect("it opens");
    assert_eq!(reopened.heads().expect("heads")[0].seq, 5);
    assert_eq!(reopened.check().expect("a check"), Vec::<String>::new());
}
