//! Automerge's decoders at arm's length: a chunk is measured before it is decoded, and a decoder's panic stays in here.
//!
//! A chunk holds columns, and a column holds runs: a few bytes can claim billions of rows, or deflate to gigabytes. The
//! decoders believe them. So each column is walked first, run by run, without unfolding anything. The layout is that of
//! the automerge binary format, specification 1.0: chunk header, then a body whose columns are named by a specification
//! of type, deflate bit and number.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Bundle, Change};
use holdfast_domain::floor::GenerationTag;
use holdfast_domain::limits::{CHANGE_OPS_MAX, PACK_ENTRIES_MAX, PACK_OPS_MAX, UNPACKED_BYTES_MAX};

use crate::genesis::author_in;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHUNK_CHANGE: u8 = 1;
const CHUNK_BUNDLE: u8 = 3;
const HASH_BYTES: usize = 32;

/// Types of columns: the low three bits of a specification.
mod column {
    pub(super) const GROUP: u64 = 0;
    pub(super) const ACTOR: u64 = 1;
    pub(super) const INTEGER: u64 = 2;
    pub(super) const DELTA: u64 = 3;
    pub(super) const BOOLEAN: u64 = 4;
    pub(super) const STRING: u64 = 5;
    pub(super) const VALUE_META: u64 = 6;
    pub(super) const DEFLATE: u64 = 8;
}

/// Decodes a single, uncompressed change of reasonable size; `None` for anything else.
pub(crate) fn change(bytes: &[u8]) -> Option<Change> {
    measure_change(bytes)?;
    contained(|| Change::try_from(bytes).ok())?
}

/// The generation that a change says it belongs to; `None` if these bytes do not begin as a change of anybody.
pub(crate) fn tag(bytes: &[u8]) -> Option<GenerationTag> {
    let mut body = Cursor::body(bytes, CHUNK_CHANGE)?;
    body.hashes()?;
    let length = body.unsigned()?;
    author_in(&ActorId::from(body.take(length)?)).map(|(_, tag)| tag)
}

/// The number that a change has among its author's in its generation.
pub(crate) fn number(bytes: &[u8]) -> Option<(GenerationTag, u64)> {
    let mut body = Cursor::body(bytes, CHUNK_CHANGE)?;
    body.hashes()?;
    let length = body.unsigned()?;
    let (_, tag) = author_in(&ActorId::from(body.take(length)?))?;
    Some((tag, body.unsigned()?))
}

/// The number of a change's first operation: greater than that of any operation that the change follows from.
pub(crate) fn first_op(bytes: &[u8]) -> Option<u64> {
    let mut body = Cursor::body(bytes, CHUNK_CHANGE)?;
    body.hashes()?;
    let length = body.unsigned()?;
    body.take(length)?;
    body.unsigned()?;
    body.unsigned()
}

/// Decodes a bundle of reasonable size into its changes; `None` for anything else.
pub(crate) fn bundle(bytes: &[u8]) -> Option<Vec<Change>> {
    measure_bundle(bytes)?;
    contained(|| {
        let bundle = Bundle::try_from(bytes).ok()?;
        let mut changes = 0;
        let mut ops = 0_u64;
        for change in bundle.iter_changes() {
            changes += 1;
            let own = (change.max_op.checked_add(1)?).checked_sub(change.start_op)?;
            ops = ops.checked_add(own)?;
            if changes > PACK_ENTRIES_MAX || own > CHANGE_OPS_MAX as u64 || ops > PACK_OPS_MAX as u64 {
                return None;
            }
        }
        bundle.to_changes().ok()
    })?
}

/// Runs a decoder that asserts what its input should guarantee. It owns all it touches, so a panic leaves nothing
/// half-done: it only means that the input is no good.
pub(crate) fn contained<T>(decoder: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decoder)).ok()
}

fn measure_change(bytes: &[u8]) -> Option<()> {
    let mut body = Cursor::body(bytes, CHUNK_CHANGE)?;
    body.hashes()?;
    let own = body.unsigned()?;
    body.take(own)?;
    let (_seq, _start_op, _time) = (body.unsigned()?, body.unsigned()?, body.signed()?);
    let message = body.unsigned()?;
    body.take(message)?;
    let actors = 1 + body.actors()?;
    let limits = Limits { rows: CHANGE_OPS_MAX as u64, actors };
    let columns = body.columns()?;
    for (specification, length) in columns {
        let data = body.take(length)?;
        if specification & column::DEFLATE != 0 {
            return None;
        }
        limits.column(specification, data)?;
    }
    Some(())
}

fn measure_bundle(bytes: &[u8]) -> Option<()> {
    let mut body = Cursor::body(bytes, CHUNK_BUNDLE)?;
    body.hashes()?;
    let limits = Limits { rows: PACK_OPS_MAX as u64, actors: body.actors()? };
    let mut budget = UNPACKED_BYTES_MAX as u64;
    for _section in ["changes", "operations"] {
        let columns = body.columns()?;
        for (specification, length) in columns {
            let data = body.take(length)?;
            if specification & column::DEFLATE == 0 {
                budget = budget.checked_sub(length)?;
                limits.column(specification, data)?;
            } else {
                let mut inflated = Vec::new();
                flate2::read::DeflateDecoder::new(data).take(budget + 1).read_to_end(&mut inflated).ok()?;
                budget = budget.checked_sub(inflated.len() as u64)?;
                limits.column(specification, &inflated)?;
            }
        }
    }
    body.rest.is_empty().then_some(())
}

/// What a column may claim.
struct Limits {
    rows: u64,
    actors: u64,
}

impl Limits {
    fn column(&self, specification: u64, data: &[u8]) -> Option<()> {
        let mut cursor = Cursor { rest: data };
        match specification & 7 {
            column::BOOLEAN => self.booleans(&mut cursor),
            kind @ (column::GROUP
            | column::ACTOR
            | column::INTEGER
            | column::DELTA
            | column::STRING
            | column::VALUE_META) => self.runs(kind, &mut cursor),
            // Raw bytes of values: as many as there are.
            _ => Some(()),
        }
    }

    /// Lengths of alternating runs.
    fn booleans(&self, cursor: &mut Cursor<'_>) -> Option<()> {
        let mut rows = 0_u64;
        while !cursor.rest.is_empty() {
            rows = rows.checked_add(cursor.unsigned()?).filter(|rows| *rows <= self.rows)?;
        }
        Some(())
    }

    /// Runs: a positive count and one value, a negative count and as many values, or zero and a count of nulls.
    fn runs(&self, kind: u64, cursor: &mut Cursor<'_>) -> Option<()> {
        let (mut rows, mut sum) = (0_u64, 0_u64);
        while !cursor.rest.is_empty() {
            let count = cursor.signed()?;
            let (of_run, values) = match count {
                0 => (cursor.unsigned()?, 0),
                1.. => (count.unsigned_abs(), 1),
                _ => (count.unsigned_abs(), count.unsigned_abs()),
            };
            rows = rows.checked_add(of_run).filter(|rows| *rows <= self.rows)?;
            for _ in 0..values {
                let value = self.value(kind, cursor)?;
                if kind == column::GROUP {
                    // A group's values count rows of other columns; unfolded they must stay within bounds too.
                    let times = if count > 0 { of_run } else { 1 };
                    sum = sum.checked_add(value.checked_mul(times)?).filter(|sum| *sum <= self.rows)?;
                }
            }
        }
        Some(())
    }

    fn value(&self, kind: u64, cursor: &mut Cursor<'_>) -> Option<u64> {
        match kind {
            column::DELTA => cursor.signed().map(|_| 0),
            column::STRING => {
                let length = cursor.unsigned()?;
                cursor.take(length).map(|_| 0)
            }
            column::ACTOR => cursor.unsigned().filter(|actor| *actor < self.actors),
            _ => cursor.unsigned(),
        }
    }
}

/// Reads a chunk from the front.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The body of the one chunk of this type that `bytes` are.
    fn body(bytes: &'a [u8], chunk: u8) -> Option<Self> {
        let mut cursor = Cursor { rest: bytes };
        if cursor.take(4)? != MAGIC {
            return None;
        }
        let _checksum = cursor.take(4)?;
        if cursor.take(1)? != [chunk] {
            return None;
        }
        let length = cursor.unsigned()?;
        (length == cursor.rest.len() as u64).then_some(cursor)
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// An unsigned LEB128 of at most 64 bits.
    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed LEB128 of at most 64 bits.
    fn signed(&mut self) -> Option<i64> {
        let mut value = 0_i64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let filled = shift + 7;
                let negative = byte & 0x40 != 0;
                return Some(if negative && filled < 64 { value | -1 << filled } else { value });
            }
        }
        None
    }

    /// Hashes with their number before them.
    fn hashes(&mut self) -> Option<()> {
        let count = self.unsigned()?;
        self.take(count.checked_mul(HASH_BYTES as u64)?).map(|_| ())
    }

    /// Actors with their number before them; how many.
    fn actors(&mut self) -> Option<u64> {
        let count = self.unsigned()?;
        for _ in 0..count {
            let length = self.unsigned()?;
            self.take(length)?;
        }
        Some(count)
    }

    /// Specifications and lengths of columns.
    fn columns(&mut self) -> Option<Vec<(u64, u64)>> {
        let count = self.unsigned()?;
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push((self.unsigned()?, self.unsigned()?));
        }
        Some(columns)
    }
}
