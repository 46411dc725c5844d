//! Fear: a fix that waits to be sealed is lost, shown twice, or takes a view with it that is rebuilt.

mod fixture;

use fixture::{NOON_MS, apply, fix, mission, unit, unit_id};
use holdfast_domain::query::{PageRequest, TrackFilter};
use holdfast_domain::record::Patch;
use holdfast_domain::track::Fix;
use holdfast_store::pending::PendingTrack;
use holdfast_store::store::Store;

fn put(store: &Store, mission_n: u8, unit_n: u64, fixes: &[Fix]) {
    let txn = store.begin().expect("a transaction");
    for (n, fix) in (0..).zip(fixes) {
        txn.put_pending_fix(mission(mission_n), unit_id(unit_n), fix, NOON_MS + n).expect("a fix");
    }
    txn.commit().expect("a commit");
}

/// Takes fixes out and puts them into the track, as sealing does.
fn seal(store: &Store, most: usize) -> (Vec<Fix>, u64) {
    let txn = store.begin().expect("a transaction");
    let (fixes, taken) = txn.take_pending_fixes(mission(1), unit_id(1), most).expect("fixes");
    txn.apply(&[sealed(&fixes)]).expect("fixes apply");
    txn.commit().expect("a commit");
    (fixes, taken)
}

fn sealed(fixes: &[Fix]) -> Patch {
    Patch::Fixes { mission: mission(1), unit: unit_id(1), fixes: fixes.to_vec() }
}

/// The track of the first unit, page by page.
fn track(store: &Store, filter: TrackFilter) -> Vec<Fix> {
    let views = store.reader().expect("a reader");
    let (mut fixes, mut cursor) = (Vec::new(), None);
    loop {
        let page = views.track_list(unit_id(1), &filter, &PageRequest::new(Some(7), cursor)).expect("a track");
        fixes.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            assert_eq!(page.total, fixes.len() as u64);
            return fixes;
        }
    }
}

fn drive(from: u64, to: u64) -> Vec<Fix> {
    (from..to).map(|second| fix(NOON_MS + second * 1000, 37.0 + second as f64 / 1e4)).collect()
}

#[test]
fn what_waits_is_shown_in_its_place_among_what_is_sealed_and_once() {
    let store = Store::memory().expect("a store");
    put(&store, 1, 1, &drive(20, 40));
    put(&store, 1, 2, &drive(0, 5));
    assert_eq!(track(&store, TrackFilter::default()), drive(20, 40), "nothing else is known of the unit");
    apply(&store, &[sealed(&drive(0, 25)), sealed(&drive(38, 60))]);
    assert_eq!(track(&store, TrackFilter::default()), drive(0, 60));
    let some = TrackFilter { from_ms: Some(NOON_MS + 24_000), to_ms: Some(NOON_MS + 39_000) };
    assert_eq!(track(&store, some), drive(24, 40));
    let there = store.fix_times(unit_id(1), &[NOON_MS, NOON_MS + 30_000, NOON_MS + 70_000]).expect("times");
    assert_eq!(there.into_iter().collect::<Vec<_>>(), [NOON_MS, NOON_MS + 30_000]);
    let (fixes, taken) = seal(&store, 100);
    assert_eq!((fixes, taken), (drive(25, 38), 20), "what the track held by now is not sealed again");
    assert_eq!(track(&store, TrackFilter::default()), drive(0, 60));
    assert_eq!(seal(&store, 100), (vec![], 0));
}

#[test]
fn of_two_fixes_of_one_time_the_one_waits_that_a_track_would_keep() {
    let store = Store::memory().expect("a store");
    let (low, high) = (fix(NOON_MS, 37.1), fix(NOON_MS, 37.2));
    put(&store, 1, 1, &[low, high, low]);
    let both = Store::memory().expect("a store");
    apply(&both, &[sealed(&[low]), sealed(&[high])]);
    assert_eq!(track(&store, TrackFilter::default()), track(&both, TrackFilter::default()));
    let row = PendingTrack { mission: mission(1), unit: unit_id(1), fixes: 1, first_ms: NOON_MS, last_ms: NOON_MS };
    assert_eq!(store.pending_tracks().expect("tracks"), [row]);
}

#[test]
fn the_oldest_are_taken_first_and_what_is_not_committed_waits_on() {
    let store = Store::memory().expect("a store");
    put(&store, 1, 1, &drive(0, 30));
    let txn = store.begin().expect("a transaction");
    assert_eq!(txn.take_pending_fixes(mission(1), unit_id(1), 100).expect("fixes").1, 30);
    drop(txn);
    assert_eq!(seal(&store, 12), (drive(0, 12), 12));
    assert_eq!(store.pending_tracks().expect("tracks")[0].fixes, 18);
    assert_eq!(seal(&store, 100), (drive(12, 30), 18));
    assert!(store.pending_tracks().expect("tracks").is_empty());
}

#[test]
fn views_made_anew_leave_what_waits_alone_and_equal_entries_show_equal_views() {
    let (store, other) = (Store::memory().expect("a store"), Store::memory().expect("a store"));
    for store in [&store, &other] {
        apply(store, &[Patch::Unit(unit(1)), sealed(&drive(0, 10))]);
    }
    put(&store, 1, 1, &drive(10, 20));
    let summary = |store: &Store| store.views_summary(mission(1)).expect("a summary");
    assert_eq!(summary(&store), summary(&other), "what no entry holds yet is in no view");
    let txn = store.begin().expect("a transaction");
    txn.clear_views().expect("cleared");
    txn.apply(&[Patch::Unit(unit(1)), sealed(&drive(0, 10))]).expect("patches apply");
    txn.commit().expect("a commit");
    assert_eq!(summary(&store), summary(&other));
    assert_eq!(track(&store, TrackFilter::default()), drive(0, 20));
    assert_eq!(store.check().expect("a check"), Vec::<String>::new());
}

#[test]
fn what_another_mission_says_of_the_unit_does_not_mix_in() {
    let store = Store::memory().expect("a store");
    put(&store, 2, 1, &drive(100, 110));
    apply(&store, &[Patch::Unit(unit(1))]);
    put(&store, 1, 1, &drive(0, 10));
    assert_eq!(track(&store, TrackFilter::default()), drive(0, 10), "the mission that has the unit counts");
}

#[test]
fn what_waits_is_there_after_a_restart_and_after_the_way_back_and_up_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast.db");
    put(&Store::open(&path).expect("a store"), 1, 1, &drive(0, 10));
    holdfast_store::schema::downgrade(&path, holdfast_store::schema::VERSION - 1).expect("the way back is promised");
    let store = Store::open(&path).expect("up again");
    assert_eq!(track(&store, TrackFilter::default()), drive(0, 10));
}
