//! Rows as they lie on disk, and the words they stand for: ids and streams as bytes, records as JSON, times as numbers.

use holdfast_domain::entry::{Digest, Entry, EntryKey, Signature};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// Every row that answers.
pub(crate) fn all<T>(
    conn: &Connection,
    question: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = conn.prepare_cached(question)?;
    let mut rows = statement.query(params)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

/// The first row that answers.
pub(crate) fn one<T>(
    conn: &Connection,
    question: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = conn.prepare_cached(question)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// A count or a time as SQLite holds it. Times of others may lie beyond its numbers: they count as the last moment.
pub(crate) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was stored by [`sql`].
pub(crate) fn number(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.max(0) as u64)
}

/// A stream that was stored by `stream_bytes` of the domain.
pub(crate) fn stream(row: &Row<'_>, column: usize) -> Result<StreamId, StoreError> {
    let bytes: [u8; 17] = row.get(column)?;
    let mut mission = [0; 16];
    mission.copy_from_slice(&bytes[..16]);
    let scope = if mission == [0; 16] { Scope::Org } else { Scope::Mission(MissionId::from_bytes(mission)) };
    let kind = StreamKind::from_code(bytes[16])
        .ok_or_else(|| StoreError::Row { table: "chains", fault: format!("no stream has the code {}", bytes[16]) })?;
    Ok(StreamId { scope, kind })
}

pub(crate) fn author(row: &Row<'_>, column: usize) -> Result<AuthorId, StoreError> {
    Ok(AuthorId(row.get(column)?))
}

pub(crate) fn digest(row: &Row<'_>, column: usize) -> Result<Digest, StoreError> {
    Ok(Digest(row.get(column)?))
}

/// An entry from the columns `seq, digest, signature, body`, the first of them at `column`.
pub(crate) fn entry(row: &Row<'_>, column: usize, stream: StreamId, author: AuthorId) -> Result<Entry, StoreError> {
    Ok(Entry {
        key: EntryKey { stream, author, seq: number(row, column)? },
        digest: digest(row, column + 1)?,
        signature: row.get::<_, Option<[u8; 64]>>(column + 2)?.map(Signature),
        body: row.get(column + 3)?,
    })
}

/// A mission as a row holds it where the org may stand in its place: then sixteen zero bytes.
pub(crate) fn mission_bytes(mission: Option<MissionId>) -> [u8; 16] {
    mission.map_or([0; 16], |mission| *mission.as_bytes())
}

/// What a conflict is about, in seventeen bytes: the kind of record and its id. The codes are on disk: never reuse one.
pub(crate) fn subject(record: &RecordId) -> [u8; 17] {
    let mut out = [0; 17];
    out[0] = match record {
        RecordId::Mission(_) => 0,
        RecordId::Incident(_) => 1,
        RecordId::Task(_) => 2,
        RecordId::Unit(_) => 3,
        RecordId::Message(_) => 4,
        RecordId::Alert(_) => 5,
    };
    out[1..].copy_from_slice(record.as_bytes());
    out
}

pub(crate) fn to_json<T: Serialize>(table: &'static str, record: &T) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Row { table, fault: error.to_string() })
}

pub(crate) fn from_json<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row { table, fault: error.to_string() })
}
