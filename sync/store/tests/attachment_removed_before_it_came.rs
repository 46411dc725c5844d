//! Fear: a removed photo comes back on the node that heard of the removal first, or two nodes list different files.

mod fixture;

use fixture::{apply, author, mission};
use holdfast_domain::blob::{Attachment, BlobId, BlobState, Thumbnail};
use holdfast_domain::clock::Hlc;
use holdfast_domain::id::TaskId;
use holdfast_domain::query::{AttachmentFilter, PageRequest};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_store::store::Store;

fn attachment(number: u8, at_ms: u64) -> Attachment {
    Attachment {
        id: BlobId([number; 32]),
        mission: mission(1),
        bytes: 100_000,
        media_type: "image/jpeg".to_owned(),
        name: format!("photo {number} of {at_ms}"),
        attached_to: (number == 2).then_some(RecordId::Task(TaskId::from_bytes([5; 16]))),
        thumbnail: Some(Thumbnail { id: BlobId([100 + number; 32]), bytes: 6_000 }),
        from: "engine-7".to_owned(),
        author: author(1),
        written: Hlc::new(at_ms, 0),
        removed: None,
    }
}

fn removal(number: u8, at_ms: u64) -> Patch {
    Patch::AttachmentRemoved { mission: mission(1), id: BlobId([number; 32]), written: Hlc::new(at_ms, 0) }
}

/// Every order of these.
fn orders(patches: &[Patch]) -> Vec<Vec<Patch>> {
    if patches.is_empty() {
        return vec![Vec::new()];
    }
    let mut out = Vec::new();
    for first in 0..patches.len() {
        let mut rest = patches.to_vec();
        let patch = rest.remove(first);
        out.extend(orders(&rest).into_iter().map(|rest| [vec![patch.clone()], rest].concat()));
    }
    out
}

fn names(store: &Store, filter: &AttachmentFilter) -> Vec<String> {
    let views = store.reader().expect("a reader");
    let page = views.attachment_list(mission(1), filter, &PageRequest::default()).expect("a page");
    page.items.into_iter().map(|shown| shown.record.name).collect()
}

#[test]
fn whatever_comes_first_the_newest_word_stands() {
    let removed_last = [Patch::Attachment(attachment(1, 10)), Patch::Attachment(attachment(1, 20)), removal(1, 30)];
    let added_again = [Patch::Attachment(attachment(1, 10)), removal(1, 20), Patch::Attachment(attachment(1, 30))];
    for (patches, shown) in [(&removed_last, None), (&added_again, Some("photo 1 of 30"))] {
        let mut digests = Vec::new();
        for order in orders(patches) {
            let store = Store::memory().expect("a store");
            for patch in &order {
                apply(&store, std::slice::from_ref(patch));
            }
            assert_eq!(names(&store, &AttachmentFilter::default()).first().map(String::as_str), shown, "{order:?}");
            assert_eq!(store.attachments_with(BlobId([101; 32])).expect("rows").len(), usize::from(shown.is_some()));
            digests.push(store.reader().expect("a reader").views_digest(mission(1)).expect("a digest"));
        }
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn a_removal_of_something_unknown_shows_nothing_until_it_comes() {
    let store = Store::memory().expect("a store");
    apply(&store, &[removal(1, 30)]);
    let all = AttachmentFilter { removed: true, ..AttachmentFilter::default() };
    assert!(names(&store, &all).is_empty());
    assert!(store.reader().expect("a reader").changes_since(None, 0, 10).expect("events").is_empty());
    apply(&store, &[Patch::Attachment(attachment(1, 10))]);
    assert_eq!(names(&store, &all), ["photo 1 of 10"]);
    assert!(names(&store, &AttachmentFilter::default()).is_empty());
    assert_eq!(store.reader().expect("a reader").changes_since(None, 0, 10).expect("events").len(), 1);
}

#[test]
fn a_list_is_newest_first_of_one_record_if_asked_and_tells_what_is_here() {
    let store = Store::memory().expect("a store");
    apply(&store, &[1, 2, 3].map(|number| Patch::Attachment(attachment(number, u64::from(number)))));
    assert_eq!(names(&store, &AttachmentFilter::default()), ["photo 3 of 3", "photo 2 of 2", "photo 1 of 1"]);
    let of_task = AttachmentFilter { attached_to: attachment(2, 2).attached_to, removed: false };
    assert_eq!(names(&store, &of_task), ["photo 2 of 2"]);
    let views = store.reader().expect("a reader");
    let first = views.attachment_list(mission(1), &AttachmentFilter::default(), &PageRequest::new(Some(2), None));
    let first = first.expect("a page");
    assert_eq!((first.items.len(), first.total), (2, 3));
    let next = PageRequest::new(Some(2), first.next);
    let next = views.attachment_list(mission(1), &AttachmentFilter::default(), &next).expect("a page");
    assert_eq!((next.items[0].record.name.as_str(), next.next), ("photo 1 of 1", None));
    let shown = &next.items[0];
    assert_eq!((shown.state, shown.groups, shown.thumbnail_here), (BlobState::Elsewhere, 7, false));
}
