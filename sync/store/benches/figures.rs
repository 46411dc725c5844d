//! Figures of the store on this machine: `cargo bench -p holdfast-store`. They are read by people, nothing hangs on them;
//! what must not get worse is asserted by tests that count (`src/page/tests.rs`).

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::time::{Duration, Instant};

use fixture::{NOON_MS, apply, author, chain, fix, incident, mission, stream, unit_id};
use holdfast_domain::entry::{Entry, EntryKey, Signature};
use holdfast_domain::id::MissionId;
use holdfast_domain::incident::IncidentStatus;
use holdfast_domain::limits::{PACK_ENTRIES_MAX, PACK_RAW_BYTES};
use holdfast_domain::query::{IncidentFilter, PageRequest};
use holdfast_domain::record::Patch;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_store::store::Store;

/// Bytes of a raw change, as measured for the design.
const CHANGE_BYTES: usize = 179;

fn main() {
    commits();
    incidents();
    million();
    fixes();
    memory();
}

fn tell(what: &str, value: impl std::fmt::Display, unit: &str) {
    println!("{what:<58} {value:>12} {unit}");
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// The 95th of a hundred times.
fn p95(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..200).map(|_| timed(&mut work).1).collect();
    times.sort_unstable();
    times[times.len() * 95 / 100]
}

fn commits() {
    let board = stream(StreamKind::Board);
    for (together, count) in [(1, 1_000), (64, 64_000)] {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
        let entries = chain(board, author(1), 1, count, 1);
        let mut times = Vec::new();
        let ((), time) = timed(|| {
            for step in entries.chunks(together) {
                times.push(timed(|| fixture::append(&store, step)).1);
            }
        });
        times.sort_unstable();
        tell(&format!("entries a second, {together} a commit"), (count as f64 / time.as_secs_f64()) as u64, "/s");
        tell(&format!("commit p50, {together} entries"), ms(times[times.len() / 2]), "ms");
        tell(&format!("commit p99, {together} entries"), ms(times[times.len() * 99 / 100]), "ms");
    }
}

fn incidents() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    let empty = std::fs::metadata(&path).expect("a file").len();
    let rows: Vec<_> = (0..10_000).map(|n| Patch::Incident(incident(n))).collect();
    let ((), time) = timed(|| rows.chunks(200).for_each(|rows| drop(apply(&store, rows))));
    tell("10,000 incidents into the views, 200 a commit", ms(time), "ms");
    let views = store.reader().expect("a reader");
    let ask = |filter: &IncidentFilter, cursor: Option<String>| {
        views.incident_list(mission(1), filter, &PageRequest::new(Some(100), cursor)).expect("a page")
    };
    let all = IncidentFilter::default();
    tell("page of 100 of 10,000, p95", ms(p95(|| drop(ask(&all, None)))), "ms");
    let mut deep = ask(&all, None);
    for _ in 0..50 {
        deep = ask(&all, deep.next);
    }
    tell("the same, in the middle, p95", ms(p95(|| drop(ask(&all, deep.next.clone())))), "ms");
    let some = IncidentFilter { status: vec![IncidentStatus::Closed], ..IncidentFilter::default() };
    tell("the same, by status, p95", ms(p95(|| drop(ask(&some, None)))), "ms");
    let text = IncidentFilter { text: Some("no such word".to_owned()), ..IncidentFilter::default() };
    tell("the same, by a text found nowhere, p95", ms(p95(|| drop(ask(&text, None)))), "ms");
    tell("changes since the last 100, p95", ms(p95(|| drop(views.changes_since(None, 9_900, 500)))), "ms");
    tell("digest of a mission of 10,000, p95", ms(p95(|| drop(views.views_digest(mission(1))))), "ms");
    drop((views, store));
    let size = std::fs::metadata(&path).expect("a file").len() - empty;
    tell("bytes on disk for each incident of the views", size / 10_000, "B");
    tell("opening that database", ms(timed(|| Store::open(&path).expect("a store")).1), "ms");
}

/// A million entries in a thousand streams.
fn million() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    let store = Store::open(&path).expect("a store");
    let streams: Vec<_> = (0..1000_u64)
        .map(|n| {
            let mission = MissionId::derived(NOON_MS, &[&n.to_string()]);
            StreamId::new(Scope::Mission(mission), StreamKind::Message)
        })
        .collect();
    let mut previous = vec![None; streams.len()];
    let ((), time) = timed(|| {
        for seq in 1..=1000 {
            let step = streams.iter().zip(&mut previous).map(|(&stream, previous)| {
                let key = EntryKey { stream, author: author(1), seq };
                let mut entry = Entry::next(key, *previous, vec![seq as u8; CHANGE_BYTES]);
                entry.signature = seq.is_multiple_of(50).then_some(Signature([7; 64]));
                *previous = Some(entry.digest);
                entry
            });
            fixture::append(&store, &step.collect::<Vec<_>>());
            if seq == 100 {
                tell("heads of 100,000 entries in 1,000 streams, p95", ms(p95(|| drop(store.heads()))), "ms");
            }
        }
    });
    tell("entries a second, 1,000 a commit, 1 M entries", (1e6 / time.as_secs_f64()) as u64, "/s");
    tell("heads of 1 M entries, p95", ms(p95(|| drop(store.heads()))), "ms");
    let wanted = [(author(1), 1)];
    let run = || drop(store.run(streams[500], &wanted, PACK_RAW_BYTES, PACK_ENTRIES_MAX));
    tell("a run of 1,000 entries, p95", ms(p95(run)), "ms");
    tell("bytes of memory in use (RSS)", rss_kib(), "KiB");
    drop(store);
    let (store, time) = timed(|| Store::open(&path).expect("a store"));
    tell("opening 1 M entries", ms(time), "ms");
    tell("heads on the first question after that", ms(timed(|| drop(store.heads())).1), "ms");
    tell("bytes on disk for each entry", std::fs::metadata(&path).expect("a file").len() / 1_000_000, "B");
    tell("the full check", ms(timed(|| drop(store.check())).1), "ms");
}

fn fixes() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    let patches: Vec<_> = (0..300)
        .map(|n| {
            let fixes = (0..1000).map(|at| fix(NOON_MS + (n / 10 * 1000 + at) * 1000, 37.7)).collect();
            Patch::Fixes { mission: mission(1), unit: unit_id(n % 10), fixes }
        })
        .collect();
    let ((), time) = timed(|| patches.chunks(10).for_each(|patches| drop(apply(&store, patches))));
    tell("fixes a second, 10,000 a commit", (300_000.0 / time.as_secs_f64()) as u64, "/s");
    // As segments arrive: of 100 units at once, 600 fixes each, ten to a commit, two hours of each unit.
    let segments: Vec<_> = (0..1_200)
        .map(|n| {
            let fixes = (0..600).map(|at| fix(NOON_MS + (n / 100 * 600 + at) * 1000, 37.7)).collect();
            Patch::Fixes { mission: mission(2), unit: unit_id(n % 100), fixes }
        })
        .collect();
    let ((), time) = timed(|| segments.chunks(10).for_each(|patches| drop(apply(&store, patches))));
    tell("fixes a second, segments of 100 units, ten a commit", (720_000.0 / time.as_secs_f64()) as u64, "/s");
    pending(&store);
    drop(store);
    let size = std::fs::metadata(dir.path().join("holdfast.db")).expect("a file").len();
    tell("bytes on disk for each fix", size / 1_020_000, "B");
}

/// Fixes reported here, as many to a commit as a step takes events, and taken out again for a segment.
fn pending(store: &Store) {
    let ((), time) = timed(|| {
        for step in 0..200 {
            let txn = store.begin().expect("a transaction");
            for n in 0..256 {
                let fix = fix(NOON_MS + step * 1000, 37.7);
                txn.put_pending_fix(mission(3), unit_id(n), &fix, NOON_MS).expect("a fix");
            }
            txn.commit().expect("a commit");
        }
    });
    tell("fixes that wait a second, 256 a commit", (51_200.0 / time.as_secs_f64()) as u64, "/s");
    tell("asking what waits", ms(timed(|| store.pending_tracks().expect("tracks")).1), "ms");
    let ((), time) = timed(|| {
        let txn = store.begin().expect("a transaction");
        for n in 0..256 {
            txn.take_pending_fixes(mission(3), unit_id(n), 1_024).expect("fixes");
        }
        txn.commit().expect("a commit");
    });
    tell("taking them out, fixes a second", (51_200.0 / time.as_secs_f64()) as u64, "/s");
}

fn memory() {
    let (stores, time) = timed(|| (0..200).map(|_| Store::memory().expect("a store")).collect::<Vec<_>>());
    tell("making a store in memory", ms(time / 200), "ms");
    let entries = chain(stream(StreamKind::Board), author(1), 1, 10_000, 1);
    let ((), time) = timed(|| entries.chunks(1).for_each(|step| fixture::append(&stores[0], step)));
    tell("commits a second in memory", (10_000.0 / time.as_secs_f64()) as u64, "/s");
    tell("a clone of that store", ms(timed(|| stores[0].fork_copy().expect("a clone")).1), "ms");
}

fn rss_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().trim_end_matches(" kB").to_owned())
}
