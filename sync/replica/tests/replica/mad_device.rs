//! The fear: an enrolled device goes mad, signs nonsense, and takes the documents of honest nodes down with it.

use std::collections::BTreeSet;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ExpandedChange, ObjType, ScalarValue};
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::feed::{self, RegisterBody, TrackBody};
use holdfast_domain::frame::PackForm;
use holdfast_domain::geography::LatLon;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::incident::IncidentStatus;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::scope::StreamKind;
use holdfast_domain::track::Fix;
use holdfast_replica::replica::Replica;
use sha2::{Digest, Sha256};

use crate::crew::*;

/// An honest history of two incidents by one member, heard by a second, who is about to go mad.
pub(crate) fn scene() -> (Member, Member) {
    let mut honest = Member::new(1);
    honest.edit(mission_new());
    honest.edit(Edit::IncidentOpen(mission(), incident_new(1)));
    honest.edit(Edit::IncidentOpen(mission(), incident_new(2)));
    honest.edit(incident_notes(1, "two trapped"));
    let mut mad = Member::new(9);
    mad.take_from(&honest);
    (honest, mad)
}

/// The change in the last entry of a member's board.
pub(crate) fn last_change(member: &Member) -> ExpandedChange {
    Change::try_from(member.log.last().expect("there are entries").body.as_slice()).expect("a change").decode()
}

pub(crate) fn entry(author: AuthorId, seq: u64, body: Vec<u8>) -> Entry {
    Entry::next(EntryKey { stream: board(), author, seq }, None, body)
}

/// The entry that a change would be.
fn signed(change: ExpandedChange) -> Entry {
    let author = AuthorId(change.actor_id.to_bytes().try_into().unwrap_or([9; 16]));
    let seq = change.seq;
    entry(author, seq, Change::from(change).raw_bytes().to_vec())
}

/// Whatever was merged, the documents can be saved, opened, read and packed as before.
pub(crate) fn must_be_sound(member: &Member, honest: &[Entry]) {
    member.must_rebuild();
    let snapshot = member.replica.snapshot(board()).expect("the board is open");
    let mut again = Replica::new();
    again.open(board(), Some(&snapshot), &[]).expect("the snapshot opens");
    assert_eq!(again.heads(board()), member.replica.heads(board()));
    assert_eq!(again.rows(board()), member.replica.rows(board()));
    let (form, _) = member.replica.pack(board(), honest, true);
    assert_eq!(form, PackForm::Bundle, "what is honest can be bundled");
    assert_eq!(member.replica.bundle_mismatches(), 0);
}

fn must_refuse(what: &str, change: impl FnOnce(&mut ExpandedChange)) {
    let (mut honest, mut mad) = scene();
    mad.edit(incident_notes(1, "mad"));
    let mut lie = last_change(&mad);
    change(&mut lie);
    let lie = signed(lie);
    let merged = honest.take(std::slice::from_ref(&lie));
    assert_eq!(merged.refused, [lie.key], "{what}");
    assert_eq!((merged.unreadable, merged.patches.len(), honest.replica.held()), (1, 0, 0), "{what}");
    honest.log.pop();
    must_be_sound(&honest, &honest.log.clone());
    honest.edit(incident_notes(1, "all out"));
    must_be_sound(&honest, &honest.log.clone());
}

pub(crate) fn actor(n: u8) -> ActorId {
    ActorId::from([n; 16].as_slice())
}

#[test]
fn changes_that_no_honest_device_makes_are_refused() {
    let op = |change: &ExpandedChange| change.operations[0].clone();
    let root = |action| {
        move |change: &mut ExpandedChange| {
            change.operations[0] =
                Op { action, obj: ObjectId::Root, key: Key::Map("x".into()), pred: vec![].into(), insert: false };
        }
    };
    must_refuse("a value in the root", root(OpType::Put(ScalarValue::Null)));
    must_refuse("a map in the root", root(OpType::Make(ObjType::Map)));
    must_refuse("a text in a record", |change| change.operations[0].action = OpType::Make(ObjType::Text));
    must_refuse("a map in a record", |change| change.operations[0].action = OpType::Make(ObjType::Map));
    must_refuse("a counter", |change| change.operations[0].action = OpType::Put(ScalarValue::counter(1)));
    must_refuse("an increment", |change| change.operations[0].action = OpType::Increment(1));
    must_refuse("an insertion", |change| change.operations[0].insert = true);
    must_refuse("a key of a list", |change| change.operations[0].key = Key::head());
    must_refuse("a clearing of nothing", |change| {
        change.operations[0].action = OpType::Delete;
        change.operations[0].pred = vec![].into();
    });
    must_refuse("a field written twice", |change| change.operations.push(op(change)));
    must_refuse("a map that is not there", |change| change.operations[0].obj = ObjectId::Id(OpId(900, actor(1))));
    must_refuse("a map that is a value", |change| change.operations[0].obj = ObjectId::Id(OpId(5, actor(1))));
    must_refuse("a map of its own that it does not make", |change| {
        change.operations[0].obj = ObjectId::Id(OpId(change.start_op.get(), actor(9)));
        change.operations[0].pred = vec![].into();
    });
    must_refuse("a value replaced that stood elsewhere", |change| {
        change.operations[0].pred = vec![OpId(10, actor(1))].into();
    });
    must_refuse("a value replaced that comes later", |change| {
        change.operations[0].pred = vec![OpId(1_000_000, actor(1))].into();
    });
    must_refuse("no operations", |change| change.operations.clear());
    must_refuse("no predecessors", |change| change.deps.clear());
    must_refuse("the same predecessor twice", |change| change.deps.push(change.deps[0]));
    must_refuse("a leap in numbers", |change| {
        change.start_op = (u64::from(u32::MAX) - 1).try_into().expect("not zero");
    });
    must_refuse("a message", |change| change.message = Some("hello".to_owned()));
    must_refuse("bytes at the end", |change| change.extra_bytes = vec![1, 2, 3]);
    must_refuse("a time before 1970", |change| change.time = i64::MIN);
    must_refuse("a time that is none", |change| change.time = i64::MAX);
    must_refuse("nobody as author", |change| change.actor_id = actor(0));
    must_refuse("an author of odd length", |change| change.actor_id = ActorId::from([9; 5].as_slice()));
}

#[test]
fn records_under_odd_keys_are_refused() {
    for key in ["x", "", "018BCFE5-6800-7101-8101-010101010101", "{018bcfe5-6800-7101-8101-010101010101}"] {
        must_refuse(key, |change| {
            change.operations[0] = Op {
                action: OpType::Make(ObjType::Map),
                obj: ObjectId::Id(OpId(1, actor(0))),
                key: Key::Map(key.into()),
                pred: vec![].into(),
                insert: false,
            };
        });
    }
}

#[test]
fn a_record_cannot_be_taken_out_of_its_table() {
    let id = incident(1).to_string();
    for action in [OpType::Delete, OpType::Put(ScalarValue::Null), OpType::Make(ObjType::Map)] {
        must_refuse("a record removed", |change| {
            let obj = change.operations[0].obj.clone();
            let ObjectId::Id(record) = obj else { panic!("the edit is about a record") };
            change.operations[0] = Op {
                action,
                obj: ObjectId::Id(OpId(1, actor(0))),
                key: Key::Map(id.as_str().into()),
                pred: vec![record].into(),
                insert: false,
            };
        });
    }
}

#[test]
fn a_change_under_another_name_or_number_is_refused_with_all_that_follows() {
    let (mut honest, mut mad) = scene();
    mad.edit(incident_notes(1, "mad"));
    mad.edit(incident_notes(1, "madder"));
    let [.., first, second] = mad.log.as_slice() else { panic!("two entries") };
    let forged = entry(AuthorId([8; 16]), 1, first.body.clone());
    let shifted = entry(mad.author, 1, second.body.clone());
    let merged = honest.take(&[forged.clone(), shifted.clone(), second.clone()]);
    let refused: BTreeSet<EntryKey> = merged.refused.into_iter().collect();
    assert_eq!(refused, BTreeSet::from([forged.key, shifted.key, second.key]));
    assert_eq!(honest.replica.held(), 0, "nothing waits for what will never be");
    assert_eq!(honest.incident(1).notes, "two trapped");
}

#[test]
fn what_was_refused_before_a_restart_is_refused_after_it() {
    let (mut honest, mut mad) = scene();
    mad.edit(incident_notes(1, "mad"));
    mad.edit(incident_notes(1, "madder"));
    let second = mad.log.last().expect("an entry").clone();
    let junk = entry(mad.author, 1, vec![1, 2, 3]);
    let snapshot = honest.replica.snapshot(board()).expect("the board is open");
    honest.replica.open(board(), Some(&snapshot), &[]).expect("the snapshot opens");
    honest.replica.bar(&junk.key);
    assert_eq!(honest.replica.merge(std::slice::from_ref(&second)).refused, [second.key]);
    assert_eq!(honest.replica.held(), 0);
}

#[test]
fn what_builds_on_a_refused_change_is_refused_in_any_order() {
    for swapped in [false, true] {
        let (mut honest, mut mad) = scene();
        mad.edit(incident_notes(1, "mad"));
        let mut lie = last_change(&mad);
        lie.operations[0].action = OpType::Put(ScalarValue::counter(1));
        let lie = Change::from(lie);
        mad.edit(incident_notes(1, "madder"));
        let mut next = last_change(&mad);
        next.deps = vec![lie.hash()];
        let mut entries = [entry(mad.author, 1, lie.raw_bytes().to_vec()), signed(next)];
        if swapped {
            entries.reverse();
        }
        let mut refused: Vec<EntryKey> = Vec::new();
        for entry in &entries {
            refused.extend(honest.take(std::slice::from_ref(entry)).refused);
        }
        refused.sort();
        assert_eq!(refused.len(), 2, "swapped: {swapped}");
        assert_eq!(honest.replica.held(), 0);
    }
}

#[test]
fn a_second_history_is_refused_and_the_first_goes_on() {
    let (mut honest, mut mad) = scene();
    mad.edit(incident_notes(1, "mad"));
    let first = mad.log.last().expect("an entry").clone();
    let mut other = last_change(&mad);
    other.time += 1;
    let other = signed(other);
    mad.edit(incident_notes(1, "still here"));
    let next = mad.log.last().expect("an entry").clone();
    assert!(honest.take(std::slice::from_ref(&first)).refused.is_empty());
    assert_eq!(honest.take(std::slice::from_ref(&other)).refused, [other.key]);
    assert!(honest.take(&[next]).refused.is_empty());
    assert_eq!(honest.incident(1).notes, "still here");
}

#[test]
fn values_of_the_wrong_kind_read_as_defaults_everywhere() {
    let (mut honest, mut mad) = scene();
    mad.edit(incident_notes(1, "mad"));
    let mut change = last_change(&mad);
    let write = change.operations[0].clone();
    let values = [
        ("notes", ScalarValue::Uint(7)),
        ("priority", ScalarValue::Uint(77)),
        ("status", ScalarValue::Str("on fire".into())),
        ("position", ScalarValue::Bytes(vec![0x7f; 8])),
        ("opened_ms", ScalarValue::Uint(u64::MAX)),
        ("kind", ScalarValue::F64(f64::NAN)),
        ("deleted", ScalarValue::Boolean(true)),
        ("a field of tomorrow", ScalarValue::Timestamp(-1)),
    ];
    change.operations = values
        .into_iter()
        .map(|(field, value)| Op {
            action: OpType::Put(value),
            key: Key::Map(field.into()),
            // The values that stood are left standing: rivals of every kind.
            pred: vec![].into(),
            ..write.clone()
        })
        .collect();
    let nonsense = signed(change);
    assert!(honest.take(std::slice::from_ref(&nonsense)).refused.is_empty());
    let row = honest.incident(1).clone();
    assert_eq!((row.notes.as_str(), row.kind.as_str(), row.priority), ("", "", 3));
    assert_eq!((row.status, row.position, row.opened_ms, row.deleted), (IncidentStatus::Reported, None, 0, None));
    let id = RecordId::Incident(incident(1));
    let fields: Vec<&str> = honest.conflicts(id).iter().map(|conflict| conflict.field.as_str()).collect();
    assert_eq!(fields, ["kind", "priority", "notes", "opened_ms"]);
    honest.settle(id, "kind", &serde_json::json!("Structure Fire")).expect("a rival can be chosen");
    let mut other = Member::new(3);
    other.take_from(&honest);
    other.must_equal(&honest);
    must_be_sound(&honest, &honest.log.clone());
}

#[test]
fn feeds_with_nonsense_show_what_can_stand() {
    let mut member = Member::new(1);
    let fix = |at_ms| Fix {
        at_ms,
        position: LatLon::new(37.78, -122.42).expect("on Earth"),
        altitude_dm: None,
        speed_cm_s: None,
        course_cdeg: None,
    };
    let odd = Fix { course_cdeg: Some(50_000), ..fix(START_MS) };
    let body = |kind, body| {
        let key = EntryKey { stream: stream(kind), author: AuthorId([9; 16]), seq: 1 };
        Entry::next(key, None, body)
    };
    let written = holdfast_domain::clock::Hlc::new(START_MS, 0);
    let fixes = vec![fix(u64::MAX), fix(START_MS + 2), odd, fix(START_MS + 1), fix(START_MS + 2)];
    let track = feed::encode(&TrackBody::V1 { written, unit: unit(1), source: String::new(), fixes });
    let merged = member.take(&[body(StreamKind::Track, track)]);
    let [Patch::Fixes { fixes, .. }] = merged.patches.as_slice() else { panic!("one patch") };
    assert_eq!(fixes.iter().map(|fix| fix.at_ms - START_MS).collect::<Vec<_>>(), [1, 2]);
    let position = feed::encode(&RegisterBody::PositionV1 { reported: written, unit: unit(1), fix: odd });
    assert!(member.take(&[body(StreamKind::Latest, position)]).patches.is_empty());
    for kind in [StreamKind::Message, StreamKind::Track, StreamKind::Latest] {
        let merged = member.take(&[body(kind, vec![9, 9, 9])]);
        assert_eq!(
            (merged.unreadable, merged.patches.len(), merged.refused.len()),
            (1, 0, 0),
            "kept for later versions"
        );
    }
}

/// What follows the header of a chunk: magic, checksum, type and length.
pub(crate) fn content(chunk: &[u8]) -> &[u8] {
    let length = chunk[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    &chunk[9 + length..]
}

/// A chunk of this type with a good checksum.
pub(crate) fn chunk(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut head = vec![kind];
    let mut length = content.len();
    loop {
        let more = length >> 7 != 0;
        head.push((length & 0x7f) as u8 | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    let hash = Sha256::new().chain_update(&head).chain_update(content).finalize();
    [&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &head, content].concat()
}
