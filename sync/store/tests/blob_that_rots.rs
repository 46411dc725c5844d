//! Fear: a file comes back altered, a part is believed that is not of it, or what was said to be here is gone.

use std::path::Path;

use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::identity::DeviceId;
use holdfast_domain::ranges::Ranges;
use holdfast_store::blobs::{PartFault, Slice};
use holdfast_store::store::Store;

/// Bytes that differ everywhere.
fn content(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut out);
    out
}

/// A store in memory that holds this content.
fn holder(content: &[u8]) -> (Store, BlobKey) {
    let store = Store::memory().expect("a store");
    let key = adopt(&store, content);
    (store, key)
}

fn adopt(store: &Store, content: &[u8]) -> BlobKey {
    let staged = store.blob_room().stage(7, content).expect("a file");
    let key = staged.key();
    let txn = store.begin().expect("a step");
    assert_eq!(txn.blob_adopt(staged, 1).expect("a row"), Ok(true));
    txn.commit().expect("a commit");
    key
}

fn slice(store: &Store, key: &BlobKey, first: u32, count: u32) -> Vec<u8> {
    match store.blob_slice(key, first, count) {
        Slice::Good(slice) => slice,
        Slice::Lost => panic!("groups {first} and {count} more are here"),
    }
}

fn take(store: &Store, key: &BlobKey, first: u32, count: u32, slice: &[u8]) -> Result<Ranges, PartFault> {
    let txn = store.begin().expect("a step");
    let taken = txn.blob_part(key, first, count, slice, 1).expect("a row");
    txn.commit().expect("a commit");
    taken
}

fn held(store: &Store, key: &BlobKey) -> Ranges {
    store.blob(key).expect("a question").map(|row| row.held).unwrap_or_default()
}

#[test]
fn parts_in_any_order_make_the_file_again_and_go_on_from_who_has_them() {
    for bytes in [1, 1_024, 16_384, 16_385, 49_152, 100_001, 300_000] {
        let content = content(bytes);
        let (giver, key) = holder(&content);
        assert_eq!(key, BlobKey { id: BlobId(*blake3::hash(&content).as_bytes()), bytes: bytes as u64 });
        let (middle, end) = (Store::memory().expect("a store"), Store::memory().expect("a store"));
        let groups = key.groups();
        // Backwards, and from the one that has it by halves.
        for group in (0..groups).rev() {
            take(&middle, &key, group, 1, &slice(&giver, &key, group, 1)).expect("a good part");
            take(&end, &key, group, 1, &slice(&middle, &key, group, 1)).expect("a good part");
        }
        for store in [&middle, &end] {
            assert!(held(store, &key).is_whole(groups));
            assert_eq!(store.blob_room().content(&key).expect("here"), content, "{bytes} bytes");
            assert_eq!(slice(store, &key, 0, groups), slice(&giver, &key, 0, groups));
        }
    }
}

#[test]
fn a_part_with_one_bit_wrong_is_refused_and_nothing_is_stored() {
    let (giver, key) = holder(&content(100_000));
    let good = slice(&giver, &key, 2, 2);
    let taker = Store::memory().expect("a store");
    for place in (0..good.len()).step_by(997).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        assert_eq!(take(&taker, &key, 2, 2, &bad), Err(PartFault::Forged), "byte {place}");
    }
    let longer = [good.as_slice(), &[0]].concat();
    for bad in [&good[..good.len() - 1], &[], &longer] {
        assert_eq!(take(&taker, &key, 2, 2, bad), Err(PartFault::Forged));
    }
    assert_eq!(take(&taker, &key, 3, 2, &good), Err(PartFault::Forged), "said to be elsewhere");
    let lie = BlobKey { bytes: key.bytes + 20_000, ..key };
    let last = slice(&giver, &key, 6, 1);
    assert_eq!(take(&taker, &lie, 6, 1, &last), Err(PartFault::Forged), "said to be longer");
    assert_eq!((held(&taker, &key), taker.blob_list().expect("rows").len()), (Ranges::none(), 0));
    assert_eq!(take(&taker, &key, 2, 2, &good), Ok(Ranges::span(2, 4)));
}

#[test]
fn what_is_not_committed_is_not_claimed() {
    let (giver, key) = holder(&content(100_000));
    let taker = Store::memory().expect("a store");
    let part = slice(&giver, &key, 0, 1);
    let txn = taker.begin().expect("a step");
    txn.blob_part(&key, 0, 1, &part, 1).expect("a row").expect("a good part");
    drop(txn);
    assert_eq!(held(&taker, &key), Ranges::none());
    taker.fail_commits(true);
    let txn = taker.begin().expect("a step");
    txn.blob_part(&key, 0, 1, &part, 1).expect("a row").expect("a good part");
    txn.commit().expect_err("the disk is full");
    taker.fail_commits(false);
    assert_eq!(held(&taker, &key), Ranges::none());
    assert_eq!(take(&taker, &key, 0, 1, &part), Ok(Ranges::below(1)));
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("blobs")).expect("the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

#[test]
fn a_restart_goes_on_where_the_last_commit_was_and_sweeps_what_nobody_claims() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = dir.path().join("holdfast.db");
    let (giver, key) = holder(&content(100_000));
    {
        let store = Store::open(&database).expect("a store");
        take(&store, &key, 4, 2, &slice(&giver, &key, 4, 2)).expect("a good part");
        // An upload that never ended, and one that was not committed.
        std::mem::forget(store.blob_room().incoming(1).expect("a file"));
        std::mem::forget(store.blob_room().stage(2, b"half a photo").expect("a file"));
        std::fs::write(dir.path().join("blobs/README"), "put here by people").expect("a file");
    }
    assert_eq!(names(dir.path()).len(), 6);
    let store = Store::open(&database).expect("a store");
    assert_eq!(held(&store, &key), Ranges::span(4, 6));
    assert_eq!(names(dir.path()), [format!("{}-100000", key.id), format!("{}-100000.tree", key.id), "README".into()]);
    take(&store, &key, 0, 4, &slice(&giver, &key, 0, 4)).expect("a good part");
    take(&store, &key, 6, 1, &slice(&giver, &key, 6, 1)).expect("a good part");
    assert_eq!(store.blob_room().content(&key).expect("here"), content(100_000));
    drop(store);
    std::fs::remove_file(dir.path().join(format!("blobs/{}-100000", key.id))).expect("somebody cleans up");
    let store = Store::open(&database).expect("a store");
    assert_eq!(store.blob(&key).expect("a question"), None, "what is gone is not claimed");
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    adopt(&store, &content(100_000));
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("blobs")), 0o700);
    for name in names(dir.path()) {
        assert_eq!(mode(&dir.path().join("blobs").join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_bit_that_flips_on_disk_is_noticed_before_it_is_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    let key = adopt(&store, &content(100_000));
    let file = dir.path().join(format!("blobs/{}-100000", key.id));
    let mut bytes = std::fs::read(&file).expect("the file");
    bytes[40_000] ^= 4;
    std::fs::write(&file, bytes).expect("the disk rots");
    assert_eq!(store.blob_slice(&key, 2, 1), Slice::Lost);
    assert!(matches!(store.blob_slice(&key, 0, 2), Slice::Good(_)), "the rest can still be had");
}

#[test]
fn a_blob_let_go_of_leaves_no_file_and_only_once_that_is_committed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    let key = adopt(&store, &content(100_000));
    let txn = store.begin().expect("a step");
    txn.blob_drop(&key).expect("a row");
    drop(txn);
    assert_eq!(names(dir.path()).len(), 2);
    let txn = store.begin().expect("a step");
    txn.blob_drop(&key).expect("a row");
    txn.commit().expect("a commit");
    assert_eq!((names(dir.path()).len(), store.blob_bytes().expect("a sum")), (0, 0));
    assert_eq!(store.blob_slice(&key, 0, 1), Slice::Lost);
}

#[test]
fn what_is_let_go_of_and_comes_again_in_one_step_is_here() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("holdfast.db")).expect("a store");
    let key = adopt(&store, &content(100_000));
    let staged = store.blob_room().stage(8, &content(100_000)).expect("a file");
    let txn = store.begin().expect("a step");
    txn.blob_drop(&key).expect("a row");
    assert_eq!(txn.blob_adopt(staged, 1).expect("a row"), Ok(true));
    txn.commit().expect("a commit");
    assert_eq!(store.blob_room().content(&key).expect("here"), content(100_000));
    let part = slice(&store, &key, 0, 1);
    let txn = store.begin().expect("a step");
    txn.blob_drop(&key).expect("a row");
    txn.blob_part(&key, 0, 1, &part, 1).expect("a row").expect("a good part");
    txn.commit().expect("a commit");
    assert_eq!((held(&store, &key), slice(&store, &key, 0, 1)), (Ranges::below(1), part));
}

#[test]
fn who_holds_what_and_what_was_decided_is_remembered() {
    let (store, key) = holder(&content(20_000));
    let txn = store.begin().expect("a step");
    for number in [3, 1, 3] {
        txn.put_blob_holder(&key, DeviceId([number; 16]), true).expect("a row");
    }
    txn.put_blob_holder(&key, DeviceId([1; 16]), false).expect("a row");
    txn.put_blob_wish(&key, Some(false)).expect("a row");
    txn.put_blob_wish(&key, Some(true)).expect("a row");
    txn.commit().expect("a commit");
    assert_eq!(store.blob_holders(&key).expect("rows"), [DeviceId([3; 16])]);
    assert_eq!(store.blob_wish(&key).expect("a row"), Some(true));
    let copy = store.fork_copy().expect("a clone");
    assert_eq!(copy.blob_room().content(&key).expect("here"), content(20_000));
}
