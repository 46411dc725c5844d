//! The database examined from end to end, for `doctor`.

use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::all;
use crate::store::Store;

/// What must never be, each with the sentence that tells of it. Each question names what it finds as one text.
const RULES: [(&str, &str); 6] = [
    (
        "the head is not the newest entry of chain",
        "SELECT id FROM chains c WHERE seq > 0
         AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.chain = c.id AND e.seq = c.seq AND e.digest = c.digest)
         AND NOT EXISTS (SELECT 1 FROM registers r WHERE r.chain = c.id AND r.seq = c.seq AND r.digest = c.digest)
         AND NOT (c.base = c.seq AND c.base_digest = c.digest)",
    ),
    (
        "numbers are missing, or go past the head, in chain",
        "SELECT c.id FROM chains c JOIN entries e ON e.chain = c.id AND e.seq > c.base
         GROUP BY c.id HAVING max(e.seq) <> c.seq OR count(*) <> c.seq - c.base",
    ),
    (
        "the count of entries held is wrong in chain",
        "SELECT c.id FROM chains c WHERE c.held <> (SELECT count(*) FROM entries e WHERE e.chain = c.id)
         + (SELECT count(*) FROM registers r WHERE r.chain = c.id)",
    ),
    (
        "entries arrived in another order than their numbers in chain",
        "SELECT DISTINCT chain FROM (SELECT chain, id < lag(id) OVER (PARTITION BY chain ORDER BY seq) AS back FROM entries)
         WHERE back",
    ),
    (
        "a snapshot covers entries that are not there, in stream",
        "SELECT hex(stream) FROM snapshots WHERE upto > (SELECT coalesce(max(id), 0) FROM entries)",
    ),
    (
        "a row is newer than the newest revision, in view",
        "SELECT view FROM (
             SELECT 'missions' AS view, max(rev) AS rev FROM missions
             UNION ALL SELECT 'incidents', max(rev) FROM incidents
             UNION ALL SELECT 'tasks', max(rev) FROM tasks
             UNION ALL SELECT 'units', max(rev) FROM units
             UNION ALL SELECT 'messages', max(rev) FROM messages
             UNION ALL SELECT 'positions', max(rev) FROM positions
             UNION ALL SELECT 'conflicts', max(rev) FROM conflicts
             UNION ALL SELECT 'devices', max(rev) FROM devices
             UNION ALL SELECT 'alerts', max(rev) FROM alerts
         ) WHERE rev > (SELECT newest FROM revision)",
    ),
];

/// Faults reported one by one; a broken file has thousands, and the first tell enough.
const FAULTS_MAX: usize = 20;

impl Store {
    /// Reads the whole database and says what is wrong with it, one sentence each; empty when all is well. Takes about
    /// a second per 100 MB.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        match examine(self.conn()) {
            // Damage may be such that the examination itself cannot go on: that is a finding too.
            Err(damage @ StoreError::Corrupt { .. }) => Ok(vec![damage.to_string()]),
            answer => answer,
        }
    }
}

fn examine(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let said = all(conn, &format!("PRAGMA integrity_check({FAULTS_MAX})"), (), |row| Ok(row.get::<_, String>(0)?))?;
    let mut faults: Vec<String> =
        said.into_iter().filter(|said| said != "ok").map(|said| format!("database: {said}")).collect();
    let orphans = all(conn, "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check", (), |row| {
        Ok(format!("database: rows of {} belong to nothing", row.get::<_, String>(0)?))
    })?;
    faults.extend(orphans);
    for (sentence, question) in RULES {
        let places = all(conn, question, (), |row| {
            let place: rusqlite::types::Value = row.get(0)?;
            Ok(match place {
                rusqlite::types::Value::Integer(id) => id.to_string(),
                rusqlite::types::Value::Text(name) => name,
                other => format!("{other:?}"),
            })
        })?;
        faults.extend(places.into_iter().take(FAULTS_MAX).map(|place| format!("database: {sentence} {place}")));
    }
    Ok(faults)
}
