//! Examining a change by itself: is it one that its author can have made, in the one spelling it has?
//!
//! Documents are maps of records of scalars, and a change may do two things: make a record in a table, and write or
//! clear a field. Whatever else automerge could express is refused by every version, so that all documents agree. The
//! spelling matters because a document keeps operations, not bytes: a change must come out of it as it went in.

use std::collections::BTreeSet;

use automerge::legacy::{Key, ObjectId, OpId, OpType};
use automerge::{Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};
use holdfast_domain::floor::{Generation, GenerationTag};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{CHANGE_DEPS_MAX, NAME_BYTES_MAX};
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::StreamKind;

use crate::decode;
use crate::genesis::{NOBODY, author_in};
use crate::layout::Table;

/// An operation's name: its number and its author.
pub(crate) type OpName = (u64, AuthorId);

/// A change that can be what it says, as far as it can be known without its document.
#[derive(Debug, Clone)]
pub(crate) struct Examined {
    pub(crate) change: Change,
    pub(crate) hash: ChangeHash,
    pub(crate) generation: Generation,
    pub(crate) author: AuthorId,
    /// Its number among the author's changes in its generation.
    pub(crate) seq: u64,
    /// The number of the entry that brought it; in the first generation the same.
    pub(crate) entry: u64,
    /// Number of its first operation.
    pub(crate) start_op: u64,
    pub(crate) ops: Vec<Op>,
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Makes a map for a record.
    Make(RecordId),
    /// Writes a field of the record whose map `object` is, in place of `replaced`.
    Write { object: OpName, field: String, replaced: Vec<OpName>, clears: bool },
}

impl Examined {
    /// Number of its last operation.
    pub(crate) fn max_op(&self) -> u64 {
        self.start_op + self.ops.len() as u64 - 1
    }
}

/// Examines the body of entry number `entry` of a document of this kind; `None` if it is no change of this generation.
pub(crate) fn examine(kind: StreamKind, generation: Generation, entry: u64, body: &[u8]) -> Option<Examined> {
    let change = decode::change(body)?;
    let expanded = decode::contained(|| change.decode())?;
    let (author, ops) = shape(kind, generation.tag, &expanded)?;
    let spelled = decode::contained(|| Change::from(expanded))?;
    if spelled.raw_bytes() != body {
        return None;
    }
    let (hash, seq, start_op) = (change.hash(), change.seq(), change.start_op().get());
    let entry = if generation.is_first() { seq } else { entry };
    Some(Examined { change, hash, generation, author, seq, entry, start_op, ops })
}

fn shape(kind: StreamKind, tag: GenerationTag, change: &ExpandedChange) -> Option<(AuthorId, Vec<Op>)> {
    let (author, own) = author_in(&change.actor_id).filter(|(author, _)| *author != NOBODY)?;
    if own != tag {
        return None;
    }
    let plain = change.message.is_none() && change.extra_bytes.is_empty();
    // A hybrid timestamp has 48 bits of milliseconds, so no honest clock, however wrong, is left out.
    let timely = (0..1 << 48).contains(&change.time);
    let chained = (1..=CHANGE_DEPS_MAX).contains(&change.deps.len()) && change.deps.is_sorted_by(|a, b| a < b);
    if !plain || !timely || !chained || change.operations.is_empty() {
        return None;
    }
    let first = change.start_op.get();
    let mut made = BTreeSet::new();
    let mut touched = BTreeSet::new();
    let mut ops = Vec::with_capacity(change.operations.len());
    for (number, op) in (first..).zip(&change.operations) {
        let Key::Map(key) = &op.key else { return None };
        let ObjectId::Id(object) = &op.obj else { return None };
        let object = name(tag, object)?;
        let replaced = op.pred.iter().map(|op| name(tag, op)).collect::<Option<Vec<_>>>()?;
        let earlier = replaced.iter().all(|(counter, _)| *counter < first);
        // Once cleared and once written at most, so that a field's value right after a change is plain.
        if op.insert || !earlier || !touched.insert((object, key.clone(), op.action == OpType::Delete)) {
            return None;
        }
        ops.push(match table(kind, object) {
            Some(table) if replaced.is_empty() && op.action == OpType::Make(ObjType::Map) => {
                made.insert((number, author));
                Op::Make(table.record(key)?)
            }
            Some(_) => return None,
            None => {
                let clears = writes(&op.action)?;
                let known = object.0 < first && object.1 != NOBODY || made.contains(&object);
                if !known || (clears && replaced.is_empty()) || key.len() > NAME_BYTES_MAX {
                    return None;
                }
                Op::Write { object, field: key.to_string(), replaced, clears }
            }
        });
    }
    Some((author, ops))
}

/// Whether an action clears a field (`true`) or writes one (`false`); `None` for any other.
fn writes(action: &OpType) -> Option<bool> {
    match action {
        OpType::Delete => Some(true),
        OpType::Put(ScalarValue::Counter(_) | ScalarValue::Unknown { .. }) => None,
        OpType::Put(_) => Some(false),
        _ => None,
    }
}

fn table(kind: StreamKind, (counter, author): OpName) -> Option<Table> {
    if author == NOBODY { Table::made_by(kind, counter) } else { None }
}

/// An operation of this generation; the maps of its first change belong to nobody.
fn name(tag: GenerationTag, op: &OpId) -> Option<OpName> {
    let (author, own) = author_in(op.actor())?;
    (own == tag || author == NOBODY).then_some((op.counter(), author))
}
