//! The change that every generation of a document begins with: the same bytes on every node, so that their root maps are
//! the same maps. And the actors that write in a generation, so that a change tells by itself where it belongs.
//!
//! It is no entry and never travels. A board is `incidents`, `mission` and `tasks`; a roster is `units`: each a map of
//! records by id. The bytes of the first generation are kept as such rather than built, so that no later encoder can
//! alter them; those of later ones differ in a message that names the generation.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, Change, ObjType, ROOT};
use holdfast_domain::floor::{Generation, GenerationTag};
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

/// The first change of a generation of a document of this kind; `None` for what is no document.
pub(crate) fn genesis(kind: StreamKind, generation: Generation) -> Option<Change> {
    let (bytes, tables): (_, &[&str]) = match kind {
        StreamKind::Board => (BOARD, &["incidents", "mission", "tasks"]),
        StreamKind::Roster => (ROSTER, &["units"]),
        _ => return None,
    };
    if generation.is_first() {
        return Some(Change::try_from(bytes).expect("the bytes are a change, as the tests of this file show"));
    }
    built(tables, Some(format!("holdfast generation {} {}", generation.number, generation.tag)))
}

fn built(tables: &[&str], message: Option<String>) -> Option<Change> {
    let mut doc = Automerge::new().with_actor(ActorId::from(NOBODY.0.as_slice()));
    let mut transaction = doc.transaction();
    for table in tables {
        transaction.put_object(ROOT, *table, ObjType::Map).ok()?;
    }
    let mut options = CommitOptions::default().with_time(0);
    if let Some(message) = message {
        options = options.with_message(message);
    }
    transaction.commit_with(options);
    doc.get_last_local_change()
}

/// The actor as which an author writes in a generation: in the first the author's id, later with the tag behind it.
pub(crate) fn actor(author: AuthorId, generation: Generation) -> ActorId {
    if generation.is_first() || author == NOBODY {
        return ActorId::from(author.0.as_slice());
    }
    ActorId::from([author.0.as_slice(), &generation.tag.0].concat())
}

/// The author and the generation that an actor stands for.
pub(crate) fn author_in(actor: &ActorId) -> Option<(AuthorId, GenerationTag)> {
    let (author, tag) = actor.to_bytes().split_first_chunk()?;
    let first = Generation::FIRST.tag;
    if tag.is_empty() {
        return Some((AuthorId(*author), first));
    }
    let tag = GenerationTag(tag.try_into().ok()?);
    (tag != first).then_some((AuthorId(*author), tag))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const FIRST: Generation = Generation::FIRST;

    #[test]
    fn no_update_may_ever_change_how_documents_begin() {
        let board = genesis(StreamKind::Board, FIRST).expect("a board is a document");
        let roster = genesis(StreamKind::Roster, FIRST).expect("a roster is a document");
        expect!["4d1bd5db7016efba1da96d9dce62d175c8f09aac173dfbe2526c351c5e93eb36"]
            .assert_eq(&board.hash().to_string());
        expect!["07e62ff65c1237b270d61b8edc932245e036748fcd994125d55c5a517fb2d101"]
            .assert_eq(&roster.hash().to_string());
        assert_eq!(board.raw_bytes(), BOARD, "the checksum is part of the bytes");
        assert_eq!(roster.raw_bytes(), ROSTER);
    }

    #[test]
    fn the_bytes_are_what_their_comments_say() {
        let raw = |tables: &[&str]| built(tables, None).expect("root maps").raw_bytes().to_vec();
        assert_eq!(raw(&["incidents", "mission", "tasks"]), BOARD);
        assert_eq!(raw(&["units"]), ROSTER);
    }

    #[test]
    fn no_update_may_ever_change_how_later_generations_begin() {
        let second = Generation { number: 1, tag: GenerationTag([0x5a; 8]) };
        let board = genesis(StreamKind::Board, second).expect("a board is a document");
        let roster = genesis(StreamKind::Roster, second).expect("a roster is a document");
        expect!["35211c96949e36f55cd15ad7b52c125cb3d04e4012b07f4808bd25b41339bba0"]
            .assert_eq(&board.hash().to_string());
        expect!["07562251b8fe683fd4fd70c2ce40482b3595d1b16c13bc3586fc9809f627eedc"]
            .assert_eq(&roster.hash().to_string());
        let rival = Generation { number: 1, tag: GenerationTag([0x5b; 8]) };
        assert_ne!(genesis(StreamKind::Board, rival).map(|change| change.hash()), Some(board.hash()));
    }

    #[test]
    fn an_actor_tells_author_and_generation() {
        let author = AuthorId([7; 16]);
        let second = Generation { number: 1, tag: GenerationTag([0x5a; 8]) };
        for generation in [FIRST, second] {
            assert_eq!(author_in(&actor(author, generation)), Some((author, generation.tag)));
        }
        for odd in [&[7; 15][..], &[7; 17], &[7; 25], &[0; 24], &[]] {
            assert_eq!(author_in(&ActorId::from(odd)), None, "{odd:?}");
        }
    }

    #[test]
    fn feeds_have_no_first_change() {
        assert!(genesis(StreamKind::Message, FIRST).is_none());
        assert!(genesis(StreamKind::Latest, FIRST).is_none());
    }
}
