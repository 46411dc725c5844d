//! The shape of the database: numbered steps, each applied whole or not at all.
//!
//! A step that has been released is never edited; a change is a further step. A step may promise the way back: then
//! its `down` returns to the shape before without losing a row.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use crate::error::StoreError;
use crate::store::Store;

/// Marks the file as a database of holdfast (SQLite's `application_id`): "Hold" in ASCII.
pub const APPLICATION_ID: i32 = 0x486f_6c64;

/// The newest version of the schema: what a database has after it was opened.
pub const VERSION: u32 = STEPS.len() as u32;

struct Step {
    up: &'static str,
    down: Option<&'static str>,
}

const STEPS: &[Step] = &[
    Step { up: include_str!("schema/0001_base.up.sql"), down: None },
    Step { up: include_str!("schema/0002_order.up.sql"), down: Some(include_str!("schema/0002_order.down.sql")) },
    Step { up: include_str!("schema/0003_marks.up.sql"), down: Some(include_str!("schema/0003_marks.down.sql")) },
    Step {
        up: include_str!("schema/0004_pending_fixes.up.sql"),
        down: Some(include_str!("schema/0004_pending_fixes.down.sql")),
    },
    Step { up: include_str!("schema/0005_floors.up.sql"), down: Some(include_str!("schema/0005_floors.down.sql")) },
    Step { up: include_str!("schema/0006_alerts.up.sql"), down: Some(include_str!("schema/0006_alerts.down.sql")) },
    Step { up: include_str!("schema/0007_blobs.up.sql"), down: Some(include_str!("schema/0007_blobs.down.sql")) },
];

/// The version of the database at hand; 0 before its first step.
pub(crate) fn version(conn: &Connection) -> Result<u32, StoreError> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Takes the database up to the newest version.
pub(crate) fn migrate(conn: &Connection) -> Result<(), StoreError> {
    if version(conn)? < VERSION { travel(conn, VERSION) } else { Ok(()) }
}

/// Takes a database that no node has open back to an earlier version, for the program of that version to open.
/// [`StoreError::NoWayBack`] if a step on the way never promised it; nothing is changed then.
pub fn downgrade(path: &Path, to: u32) -> Result<(), StoreError> {
    let store = Store::open(path)?;
    if to > VERSION {
        return Err(StoreError::NoWayBack { version: to });
    }
    travel(store.conn(), to)
}

fn travel(conn: &Connection, to: u32) -> Result<(), StoreError> {
    let txn = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    let from = version(&txn)?;
    for step in &STEPS[from.min(to) as usize..to as usize] {
        txn.execute_batch(step.up)?;
    }
    for step in STEPS[to as usize..from.max(to) as usize].iter().rev() {
        let down = step.down.ok_or(StoreError::NoWayBack { version: to })?;
        // A step that cannot go back from what lies there says so by a constraint.
        txn.execute_batch(down).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => StoreError::NoWayBack { version: to },
            _ => error.into(),
        })?;
    }
    txn.pragma_update(None, "application_id", APPLICATION_ID)?;
    txn.pragma_update(None, "user_version", to)?;
    txn.commit()?;
    Ok(())
}
