//! Fixes reported at this node that wait to be sealed into a segment: shown with the track at once, and after a power
//! cut still there.

use holdfast_domain::id::{MissionId, UnitId};
use holdfast_domain::track::Fix;

use crate::error::StoreError;
use crate::patches::{fix_bytes, fix_from};
use crate::rows::{all, number, sql};
use crate::store::{Store, Txn};

/// The fixes of a unit in a mission that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingTrack {
    /// The mission.
    pub mission: MissionId,
    /// The unit.
    pub unit: UnitId,
    /// How many wait.
    pub fixes: u64,
    /// When the first of them was reported, Unix milliseconds.
    pub first_ms: u64,
    /// When the last of them was reported, Unix milliseconds.
    pub last_ms: u64,
}

impl Txn<'_> {
    /// Keeps a fix that was reported here at `reported_ms` (Unix milliseconds). Of two of one time the greater in its
    /// bytes stays, as in a track. Whether one more waits now.
    pub fn put_pending_fix(
        &self,
        mission: MissionId,
        unit: UnitId,
        fix: &Fix,
        reported_ms: u64,
    ) -> Result<bool, StoreError> {
        self.write(|conn| {
            let (name, bytes) = ((unit.as_bytes(), mission.as_bytes()), fix_bytes(fix)?);
            let put = "INSERT INTO pending_fixes (unit, mission, at_ms, reported_ms, fix) VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT (unit, mission, at_ms) DO NOTHING";
            let values = (name.0, name.1, sql(fix.at_ms), sql(reported_ms), bytes.as_slice());
            if conn.prepare_cached(put)?.execute(values)? > 0 {
                return Ok(true);
            }
            let raise =
                "UPDATE pending_fixes SET fix = ?4 WHERE unit = ?1 AND mission = ?2 AND at_ms = ?3 AND ?4 > fix";
            conn.prepare_cached(raise)?.execute((name.0, name.1, sql(fix.at_ms), bytes.as_slice()))?;
            Ok(false)
        })
    }

    /// Takes out the oldest fixes of a unit that wait, at most so many, in order of time; those that its track holds by
    /// now are let go. The second is how many wait no longer.
    pub fn take_pending_fixes(
        &self,
        mission: MissionId,
        unit: UnitId,
        most: usize,
    ) -> Result<(Vec<Fix>, u64), StoreError> {
        self.write(|conn| {
            let name = (unit.as_bytes(), mission.as_bytes());
            let question = "SELECT p.at_ms, p.fix, f.fix IS NOT NULL AND f.fix = p.fix FROM pending_fixes p
                            LEFT JOIN tracks t ON t.unit = p.unit AND t.mission = p.mission
                            LEFT JOIN fixes f ON f.track = t.id AND f.at_ms = p.at_ms
                            WHERE p.unit = ?1 AND p.mission = ?2 ORDER BY p.at_ms LIMIT ?3";
            let rows = all(conn, question, (name.0, name.1, sql(most as u64)), |row| {
                let fix = fix_from(number(row, 0)?, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
                Ok((fix, row.get::<_, bool>(2)?))
            })?;
            if let Some((newest, _)) = rows.last() {
                let take = "DELETE FROM pending_fixes WHERE unit = ?1 AND mission = ?2 AND at_ms <= ?3";
                conn.prepare_cached(take)?.execute((name.0, name.1, sql(newest.at_ms)))?;
            }
            let taken = rows.len() as u64;
            Ok((rows.into_iter().filter(|(_, held)| !held).map(|(fix, _)| fix).collect(), taken))
        })
    }
}

impl Store {
    /// Every unit of which fixes wait, mission by mission, counting the open transaction.
    pub fn pending_tracks(&self) -> Result<Vec<PendingTrack>, StoreError> {
        let question = "SELECT mission, unit, count(*), min(reported_ms), max(reported_ms) FROM pending_fixes
                        GROUP BY mission, unit ORDER BY mission, unit";
        all(self.conn(), question, (), |row| {
            Ok(PendingTrack {
                mission: MissionId::from_bytes(row.get(0)?),
                unit: UnitId::from_bytes(row.get(1)?),
                fixes: number(row, 2)?,
                first_ms: number(row, 3)?,
                last_ms: number(row, 4)?,
            })
        })
    }
}
