//! Fear: a set of groups loses one or invents one; a body of an attachment changes its bytes unseen.

use std::collections::BTreeSet;

use expect_test::expect;
use holdfast_domain::blob::{AttachmentNew, BlobId, BlobKey, Thumbnail};
use holdfast_domain::clock::Hlc;
use holdfast_domain::feed::{self, BlobBody, RecordRef};
use holdfast_domain::id::{MissionId, TaskId};
use holdfast_domain::limits::{BLOB_BYTES_MAX, BLOB_GROUP_BYTES};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::Class;
use proptest::collection::btree_set;
use proptest::prelude::*;

fn ranges(numbers: &BTreeSet<u32>) -> Ranges {
    numbers.iter().fold(Ranges::none(), |sum, &number| sum.or(&Ranges::span(number, number + 1)))
}

fn numbers(ranges: &Ranges) -> BTreeSet<u32> {
    ranges.iter().flat_map(|(first, end)| first..end).collect()
}

fn few() -> impl Strategy<Value = BTreeSet<u32>> {
    btree_set(0..40_u32, 0..40)
}

proptest! {
    #[test]
    fn ranges_are_sets(a in few(), b in few(), count in 0..50_u32, start in 0..50_u32) {
        let (x, y) = (ranges(&a), ranges(&b));
        prop_assert_eq!(numbers(&x), a.clone());
        prop_assert_eq!(numbers(&x.or(&y)), &a | &b);
        prop_assert_eq!(numbers(&x.and(&y)), &a & &b);
        prop_assert_eq!(numbers(&x.minus(&y)), &a - &b);
        prop_assert_eq!(x.count() as usize, a.len());
        prop_assert_eq!(numbers(&x.lowest(count)), a.iter().copied().take(count as usize).collect());
        let later = a.iter().filter(|number| **number >= start).chain(a.iter().filter(|number| **number < start));
        prop_assert_eq!(numbers(&x.lowest_from(start, count)), later.copied().take(count as usize).collect());
        for made in [x.or(&y), x.and(&y), x.minus(&y), x.lowest_from(start, count)] {
            prop_assert!(made.is_sound(50, 50), "{:?}", made);
        }
        prop_assert_eq!(x.is_whole(40), a.len() == 40);
    }

    #[test]
    fn whatever_comes_from_outside_is_sound_or_refused(pairs in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..6)) {
        let bytes = postcard::to_stdvec(&pairs).expect("pairs encode");
        let taken: Ranges = postcard::from_bytes(&bytes).expect("pairs are ranges in shape");
        if taken.is_sound(1_000, 4) {
            let mut all = Vec::new();
            for (first, end) in taken.iter() {
                all.extend(first..end);
            }
            prop_assert!(all.is_sorted() && all.iter().all(|number| *number < 1_000));
            prop_assert_eq!(all.len(), taken.count() as usize);
        }
    }
}

#[test]
fn a_blob_is_a_row_of_groups() {
    let of = |bytes| BlobKey { id: BlobId([1; 32]), bytes };
    assert_eq!([1, BLOB_GROUP_BYTES, BLOB_GROUP_BYTES + 1].map(|bytes| of(bytes).groups()), [1, 1, 2]);
    assert_eq!(of(BLOB_GROUP_BYTES + 1).bytes_of(2), BLOB_GROUP_BYTES + 1);
    assert_eq!([1, BLOB_GROUP_BYTES + 1].map(|bytes| of(bytes).class()), [Class::P3, Class::P5]);
    let sound = [0, 1, BLOB_BYTES_MAX, BLOB_BYTES_MAX + 1, u64::MAX].map(|bytes| of(bytes).is_sound());
    assert_eq!(sound, [false, true, true, false, false]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn bodies_keep_their_bytes() {
    let body = BlobBody::V1 {
        written: Hlc(300),
        id: BlobId([0x60; 32]),
        bytes: 900_000,
        media_type: "image/jpeg".to_owned(),
        name: "roof.jpg".to_owned(),
        attached_to: Some(RecordRef::of(&RecordId::Task(TaskId::from_bytes([0x44; 16])))),
        thumbnail: Some(Thumbnail { id: BlobId([0x61; 32]), bytes: 6_000 }),
        from: "engine-7".to_owned(),
    };
    let bytes = feed::encode(&body);
    assert_eq!(feed::decode::<BlobBody>(&bytes), Ok(body));
    expect!["00ac026060606060606060606060606060606060606060606060606060606060606060a0f7360a696d6167652f6a70656708726f6f662e6a706701047461736b44444444444444444444444444444444016161616161616161616161616161616161616161616161616161616161616161f02e08656e67696e652d37"].assert_eq(&hex(&bytes));
    let removal = BlobBody::RemovedV1 { written: Hlc(300), id: BlobId([0x60; 32]) };
    let bytes = feed::encode(&removal);
    assert_eq!(feed::decode::<BlobBody>(&bytes), Ok(removal));
    expect!["01ac026060606060606060606060606060606060606060606060606060606060606060"].assert_eq(&hex(&bytes));
}

#[test]
fn a_file_without_a_name_or_kind_is_refused_with_what_to_do() {
    let new = |name: &str, media_type: &str| AttachmentNew {
        mission: MissionId::from_bytes([1; 16]),
        media_type: media_type.to_owned(),
        name: name.to_owned(),
        attached_to: None,
    };
    assert!(new("roof.jpg", "image/jpeg").check().is_ok());
    for (name, media_type) in [("", "image/jpeg"), ("a\nb", "image/jpeg"), ("a", " "), ("a", "text/plain\r\nx: y")] {
        assert!(new(name, media_type).check().is_err(), "{name:?} {media_type:?}");
    }
    let told = new(" ", "image/jpeg").check().expect_err("no name").to_string();
    assert_eq!(told, "name is empty; give the name of the file");
}
