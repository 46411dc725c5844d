//! Changes made by hand: writes that replace exactly the values named and leave others standing beside them, which
//! automerge's own transactions cannot say.

use std::num::NonZeroU64;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{Change, ExpandedChange, ObjId, ObjType, ScalarValue};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::START_ENTRY_BYTES;
use holdfast_domain::record::RecordId;

use crate::document::Document;
use crate::examine::examine;
use crate::genesis::actor;
use crate::layout::{self, Table};

/// Operations of one change, as far as they are found.
pub(crate) struct Craft<'a> {
    document: &'a mut Document,
    author: AuthorId,
    at_ms: u64,
    /// Number of the newest operation that the next change builds on.
    newest_op: u64,
    ops: Vec<Op>,
    bytes: usize,
    bodies: Vec<Vec<u8>>,
}

/// A change of this node's own making that its own document does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotTaken;

impl<'a> Craft<'a> {
    pub(crate) fn new(document: &'a mut Document, author: AuthorId, at_ms: u64) -> Self {
        let newest_op = newest_op(document);
        Self { document, author, at_ms, newest_op, ops: Vec::new(), bytes: 0, bodies: Vec::new() }
    }

    /// The document as the changes finished so far have left it.
    pub(crate) fn document(&self) -> &Document {
        self.document
    }

    /// Makes a map for a record; the writes that fill it must follow before the change is finished.
    pub(crate) fn make(&mut self, record: RecordId) -> Option<ObjId> {
        let table = Table::of_record(record)?;
        let name = ObjId::Id(self.next_op(), actor(self.author, self.document.generation), 0);
        self.push(&table.object(), &layout::key(record), OpType::Make(ObjType::Map), &[])?;
        Some(name)
    }

    /// Writes a field in place of `replaced`, which must stand in that field of that map.
    pub(crate) fn put(&mut self, object: &ObjId, field: &str, value: &ScalarValue, replaced: &[ObjId]) -> Option<()> {
        self.bytes += match value {
            ScalarValue::Str(text) => text.len(),
            ScalarValue::Bytes(bytes) => bytes.len(),
            _ => 8,
        };
        self.push(object, field, OpType::Put(value.clone()), replaced)
    }

    /// Finishes a change that has grown to its size.
    pub(crate) fn finish_if_full(&mut self) -> Result<(), NotTaken> {
        if self.bytes >= START_ENTRY_BYTES { self.finish() } else { Ok(()) }
    }

    /// Makes a change of the operations so far and applies it.
    pub(crate) fn finish(&mut self) -> Result<(), NotTaken> {
        if self.ops.is_empty() {
            return Ok(());
        }
        let start_op = NonZeroU64::new(self.newest_op + 1).ok_or(NotTaken)?;
        let document = &mut *self.document;
        let seq = document.ends.get(&self.author).map_or(0, |end| end.seq) + 1;
        let change = Change::from(ExpandedChange {
            operations: std::mem::take(&mut self.ops),
            actor_id: actor(self.author, document.generation),
            hash: None,
            seq,
            start_op,
            time: self.at_ms as i64,
            message: None,
            deps: document.doc.get_heads(),
            extra_bytes: Vec::new(),
            author: None,
        });
        self.bytes = 0;
        let body = change.raw_bytes().to_vec();
        let examined = examine(document.kind, document.generation, seq, &body).ok_or(NotTaken)?;
        let settled = document.settle(vec![examined]);
        if settled.ready.len() != 1 {
            return Err(NotTaken);
        }
        document.apply(settled.ready);
        self.newest_op = newest_op(document);
        self.bodies.push(body);
        Ok(())
    }

    /// The bodies of the changes, in order.
    pub(crate) fn into_bodies(mut self) -> Result<Vec<Vec<u8>>, NotTaken> {
        self.finish()?;
        Ok(self.bodies)
    }

    fn push(&mut self, object: &ObjId, key: &str, action: OpType, replaced: &[ObjId]) -> Option<()> {
        let pred: SortedVec<OpId> = replaced.iter().filter_map(op_id).collect();
        let (obj, key) = (ObjectId::Id(op_id(object)?), Key::Map(key.into()));
        // About what an operation takes beside its value.
        self.bytes += 8;
        self.ops.push(Op { action, obj, key, pred, insert: false });
        Some(())
    }

    /// The number of the next operation: one more than that of anything the change builds on.
    fn next_op(&self) -> u64 {
        self.newest_op + 1 + self.ops.len() as u64
    }
}

fn newest_op(document: &Document) -> u64 {
    let heads = document.doc.get_heads();
    let newest = heads.iter().filter_map(|head| document.doc.get_change_meta_by_hash(head)).map(|meta| meta.max_op);
    newest.max().unwrap_or(0)
}

fn op_id(name: &ObjId) -> Option<OpId> {
    match name {
        ObjId::Id(counter, actor, _) => Some(OpId::new(*counter, actor)),
        ObjId::Root => None,
    }
}
