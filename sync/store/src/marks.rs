//! Frontiers of this node's own that peers may name as what they remember of it, and the steps that chains grew in.

use holdfast_domain::frontier::Mark;
use holdfast_domain::limits::MARKS_MAX;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::{all, number, one, sql};
use crate::store::{Store, Txn};

/// The newest step in which a chain grew, 0 before the first.
pub(crate) fn newest_growth(conn: &Connection) -> Result<u64, StoreError> {
    Ok(one(conn, "SELECT coalesce(max(grown), 0) FROM chains", (), |row| number(row, 0))?.unwrap_or(0))
}

impl Txn<'_> {
    /// Remembers that a frontier with this mark was held after the step numbered `grown`; the oldest is forgotten past
    /// [`MARKS_MAX`]. A mark that is known stays as it is.
    pub fn put_mark(&self, mark: Mark, grown: u64) -> Result<(), StoreError> {
        self.write(|conn| {
            let put = "INSERT INTO marks (mark, grown) VALUES (?1, ?2) ON CONFLICT (mark) DO NOTHING";
            conn.prepare_cached(put)?.execute((mark.0, sql(grown)))?;
            let forget = "DELETE FROM marks WHERE id <= (SELECT max(id) FROM marks) - ?1";
            conn.prepare_cached(forget)?.execute([sql(MARKS_MAX as u64)])?;
            Ok(())
        })
    }
}

impl Store {
    /// The newest step in which a chain grew, counting the open transaction: what a mark made before that step covers.
    pub fn newest_growth(&self) -> Result<u64, StoreError> {
        newest_growth(self.conn())
    }

    /// Every mark remembered, oldest first, with the newest step that it covers.
    pub fn marks(&self) -> Result<Vec<(Mark, u64)>, StoreError> {
        let question = "SELECT mark, grown FROM marks ORDER BY id";
        all(self.conn(), question, (), |row| Ok((Mark(row.get(0)?), number(row, 1)?)))
    }
}
