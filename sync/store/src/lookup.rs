//! Single questions that the engine asks of the views while it makes edits.

use std::collections::BTreeSet;

use holdfast_domain::clock::Hlc;
use holdfast_domain::id::{MessageId, MissionId, UnitId};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::message::Message;
use holdfast_domain::record::RecordId;
use holdfast_domain::track::UnitPosition;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::{mission_bytes, number, one, sql};
use crate::store::Store;
use crate::views::item;

/// The position that the unit's own mission knows; else the first known here.
pub(crate) const POSITION_OF_UNIT: &str = "SELECT p.rev, p.record FROM positions p
    LEFT JOIN units u ON u.id = p.unit AND u.mission = p.mission
    WHERE p.unit = ?1 ORDER BY u.id IS NULL, p.rowid LIMIT 1";

/// The mission whose track of the unit counts: the one that has the unit; else the first known here.
pub(crate) fn mission_of_track(conn: &Connection, unit: UnitId) -> Result<Option<[u8; 16]>, StoreError> {
    let question = "SELECT t.mission FROM (
                        SELECT mission, id FROM tracks WHERE unit = ?1
                        UNION ALL SELECT DISTINCT mission, NULL FROM pending_fixes WHERE unit = ?1
                    ) t LEFT JOIN units u ON u.id = ?1 AND u.mission = t.mission
                    ORDER BY u.id IS NULL, t.id IS NULL, t.id LIMIT 1";
    one(conn, question, [unit.as_bytes()], |row| Ok(row.get(0)?))
}

impl Store {
    /// The revision of a record; `None` if there is none.
    pub fn record_rev(&self, record: RecordId) -> Result<Option<u64>, StoreError> {
        let question = match record {
            RecordId::Mission(_) => "SELECT rev FROM missions WHERE id = ?1",
            RecordId::Incident(_) => "SELECT rev FROM incidents WHERE id = ?1 ORDER BY rowid LIMIT 1",
            RecordId::Task(_) => "SELECT rev FROM tasks WHERE id = ?1 ORDER BY rowid LIMIT 1",
            RecordId::Unit(_) => "SELECT rev FROM units WHERE id = ?1 ORDER BY rowid LIMIT 1",
            RecordId::Message(_) => "SELECT rev FROM messages WHERE id = ?1 ORDER BY rowid LIMIT 1",
            RecordId::Alert(_) => "SELECT rev FROM alerts WHERE id = ?1 ORDER BY rowid LIMIT 1",
        };
        one(self.conn(), question, [record.as_bytes()], |row| number(row, 0))
    }

    /// Who sent a message of a mission, and when.
    pub fn message_origin(
        &self,
        mission: Option<MissionId>,
        id: MessageId,
    ) -> Result<Option<(AuthorId, Hlc)>, StoreError> {
        let question = "SELECT rev, record FROM messages WHERE id = ?1 AND mission = ?2";
        let found = one(self.conn(), question, (id.as_bytes(), mission_bytes(mission)), |row| {
            item::<Message>("messages", row, 0)
        })?;
        Ok(found.map(|item| (item.record.author, item.record.sent)))
    }

    /// The newest known position of a unit.
    pub fn unit_position(&self, unit: UnitId) -> Result<Option<UnitPosition>, StoreError> {
        let found = one(self.conn(), POSITION_OF_UNIT, [unit.as_bytes()], |row| item("positions", row, 0))?;
        Ok(found.map(|item| item.record))
    }

    /// Which of these times (Unix milliseconds) the unit's track has a fix for already.
    pub fn fix_times(&self, unit: UnitId, times: &[u64]) -> Result<BTreeSet<u64>, StoreError> {
        let Some(mission) = mission_of_track(self.conn(), unit)? else { return Ok(BTreeSet::new()) };
        let question = "SELECT 1 FROM tracks t JOIN fixes f ON f.track = t.id
                        WHERE t.unit = ?1 AND t.mission = ?2 AND f.at_ms = ?3
                        UNION ALL SELECT 1 FROM pending_fixes WHERE unit = ?1 AND mission = ?2 AND at_ms = ?3";
        let mut find = self.conn().prepare_cached(question)?;
        let mut there = BTreeSet::new();
        for &at_ms in times {
            if find.exists((unit.as_bytes(), mission, sql(at_ms)))? {
                there.insert(at_ms);
            }
        }
        Ok(there)
    }
}
