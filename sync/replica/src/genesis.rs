//! The change that every document begins with: the same bytes on every node, so that their root maps are the same maps.
//!
//! It is no entry and never travels. A board is `incidents`, `mission` and `tasks`; a roster is `units`: each a map of
//! records by id. The bytes are kept as such rather than built, so that no later encoder can alter them.

use automerge::Change;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::scope::StreamKind;

/// Who made the first change: nobody. No device has this id, since an id is a hash.
pub(crate) const NOBODY: AuthorId = AuthorId([0; 16]);

/// Actor of zeros, number 1, time 0: makes `incidents`, `mission`, `tasks`, in this order.
const BOARD: &[u8] =
    b"\x85\x6f\x4a\x83\x4d\x1b\xd5\xdb\x01\x42\x00\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x00\x00\
\x00\x05\x15\x19\x34\x01\x42\x02\x56\x02\x70\x02\x7d\x09incidents\x07mission\x05tasks\x03\x03\x00\x03\x00\x03\x00";

/// Actor of zeros, number 1, time 0: makes `units`.
const ROSTER: &[u8] =
    b"\x85\x6f\x4a\x83\x07\xe6\x2f\xf6\x01\x30\x00\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x00\x00\
\x00\x05\x15\x07\x34\x01\x42\x02\x56\x02\x70\x02\x7f\x05units\x01\x7f\x00\x7f\x00\x7f\x00";

/// The first change of a document of this kind; `None` for what is no document.
pub(crate) fn genesis(kind: StreamKind) -> Option<Change> {
    let bytes = match kind {
        StreamKind::Board => BOARD,
        StreamKind::Roster => ROSTER,
        StreamKind::Control | StreamKind::Message | StreamKind::Track | StreamKind::Latest | StreamKind::Blob => {
            return None;
        }
    };
    Some(Change::try_from(bytes).expect("the bytes are a change, as the tests of this file show"))
}

#[cfg(test)]
mod tests {
    use automerge::transaction::{CommitOptions, Transactable};
    use automerge::{ActorId, Automerge, ObjType, ROOT};
    use expect_test::expect;

    use super::*;

    fn built(tables: &[&str]) -> Change {
        let mut doc = Automerge::new().with_actor(ActorId::from(NOBODY.0.as_slice()));
        let mut transaction = doc.transaction();
        for table in tables {
            transaction.put_object(ROOT, *table, ObjType::Map).expect("a root map takes any key");
        }
        transaction.commit_with(CommitOptions::default().with_time(0));
        doc.get_last_local_change().expect("a change was just made")
    }

    #[test]
    fn no_update_may_ever_change_how_documents_begin() {
        let board = genesis(StreamKind::Board).expect("a board is a document");
        let roster = genesis(StreamKind::Roster).expect("a roster is a document");
        expect!["4d1bd5db7016efba1da96d9dce62d175c8f09aac173dfbe2526c351c5e93eb36"]
            .assert_eq(&board.hash().to_string());
        expect!["07e62ff65c1237b270d61b8edc932245e036748fcd994125d55c5a517fb2d101"]
            .assert_eq(&roster.hash().to_string());
        assert_eq!(board.raw_bytes(), BOARD, "the checksum is part of the bytes");
        assert_eq!(roster.raw_bytes(), ROSTER);
    }

    #[test]
    fn the_bytes_are_what_their_comments_say() {
        assert_eq!(built(&["incidents", "mission", "tasks"]).raw_bytes(), BOARD);
        assert_eq!(built(&["units"]).raw_bytes(), ROSTER);
    }

    #[test]
    fn feeds_have_no_first_change() {
        assert!(genesis(StreamKind::Message).is_none());
        assert!(genesis(StreamKind::Latest).is_none());
    }
}
