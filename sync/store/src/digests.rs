//! Digests of what a mission shows, so that two nodes, or a view and its rebuilding, can be compared.

use std::collections::BTreeMap;

use holdfast_domain::entry::Digest;
use holdfast_domain::id::MissionId;
use holdfast_domain::scope::Scope;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::error::StoreError;
use crate::rows::mission_bytes;
use crate::store::Store;
use crate::views::Views;

/// What each view shows of a mission, in order of ids. Revisions are a node's own, and settled conflicts depend on what
/// it saw open: neither counts.
const SHOWN: [(&str, &str); 11] = [
    ("alert_words", "SELECT kind, record FROM alert_words WHERE mission = ?1 ORDER BY alert, kind, device"),
    ("alerts", "SELECT record FROM alerts WHERE mission = ?1 ORDER BY id, device"),
    ("attachments", "SELECT removed, record FROM attachments WHERE mission = ?1 ORDER BY id"),
    ("conflicts", "SELECT record FROM conflicts WHERE mission = ?1 AND open = 1 ORDER BY subject, field"),
    (
        "fixes",
        "SELECT t.unit, f.at_ms, f.fix FROM tracks t JOIN fixes f ON f.track = t.id
         WHERE t.mission = ?1 ORDER BY t.unit, f.at_ms",
    ),
    ("incidents", "SELECT record FROM incidents WHERE mission = ?1 ORDER BY id"),
    ("messages", "SELECT record FROM messages WHERE mission = ?1 ORDER BY id"),
    ("missions", "SELECT record FROM missions WHERE id = ?1"),
    ("positions", "SELECT record FROM positions WHERE mission = ?1 ORDER BY unit"),
    ("tasks", "SELECT record FROM tasks WHERE mission = ?1 ORDER BY id"),
    ("units", "SELECT record FROM units WHERE mission = ?1 ORDER BY id"),
];

/// What each view shows of the org.
const SHOWN_OF_ORG: [(&str, &str); 3] = [
    ("alert_words", "SELECT kind, record FROM alert_words WHERE mission = ?1 ORDER BY alert, kind, device"),
    ("alerts", "SELECT record FROM alerts WHERE mission = ?1 ORDER BY id, device"),
    ("devices", "SELECT record FROM devices WHERE length(?1) = 16 ORDER BY device"),
];

/// Rows of each view and the digest of their content.
type Summary = BTreeMap<&'static str, (u64, Digest)>;

fn summary(conn: &Connection, scope: Scope) -> Result<Summary, StoreError> {
    let shown = if scope == Scope::Org { &SHOWN_OF_ORG[..] } else { &SHOWN[..] };
    let name = mission_bytes(scope.mission());
    let mut summary = Summary::new();
    for &(table, question) in shown {
        let mut hasher = blake3::Hasher::new();
        let mut count = 0;
        let mut statement = conn.prepare_cached(question)?;
        let width = statement.column_count();
        let mut rows = statement.query([name])?;
        while let Some(row) = rows.next()? {
            count += 1;
            for column in 0..width {
                feed(&mut hasher, row.get_ref(column)?);
            }
        }
        summary.insert(table, (count, Digest(*hasher.finalize().as_bytes())));
    }
    Ok(summary)
}

fn feed(hasher: &mut blake3::Hasher, value: ValueRef<'_>) {
    match value {
        ValueRef::Integer(number) => hasher.update(&number.to_le_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes)
        }
        // No view has such columns.
        ValueRef::Null | ValueRef::Real(_) => hasher.update(&[0]),
    };
}

impl Views {
    /// The digest of all that a mission shows: equal views, equal digests, on whatever node.
    pub fn views_digest(&self, mission: MissionId) -> Result<Digest, StoreError> {
        self.scope_digest(Scope::Mission(mission))
    }

    /// The same of a mission or of the org.
    pub fn scope_digest(&self, scope: Scope) -> Result<Digest, StoreError> {
        let mut hasher = blake3::Hasher::new_derive_key("holdfast views v1");
        for (table, (count, digest)) in self.at_once(|conn| summary(conn, scope))? {
            hasher.update(table.as_bytes()).update(&count.to_le_bytes()).update(&digest.0);
        }
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// Rows of each view of a mission, with the digest of their content.
    pub fn views_summary(&self, mission: MissionId) -> Result<BTreeMap<&'static str, (u64, Digest)>, StoreError> {
        self.at_once(|conn| summary(conn, Scope::Mission(mission)))
    }
}

impl Store {
    /// Rows of each view of a mission, with the digest of their content, counting the open transaction.
    pub fn views_summary(&self, mission: MissionId) -> Result<BTreeMap<&'static str, (u64, Digest)>, StoreError> {
        self.scope_summary(Scope::Mission(mission))
    }

    /// The same of a mission or of the org.
    pub fn scope_summary(&self, scope: Scope) -> Result<BTreeMap<&'static str, (u64, Digest)>, StoreError> {
        summary(self.conn(), scope)
    }
}
