//! What changed since a revision: the live stream, and its replay for a listener that was away.

use holdfast_domain::api::LiveEvent;
use holdfast_domain::id::MissionId;
use rusqlite::Row;

use crate::error::StoreError;
use crate::rows::{all, sql};
use crate::store::newest_rev;
use crate::views::{Views, item};

/// A view in the live stream.
struct Live {
    question: &'static str,
    event: fn(&Row<'_>) -> Result<LiveEvent, StoreError>,
}

/// The statement over one view; the order of revisions leads, since a listener is rarely far behind.
macro_rules! since {
    ($table:literal, $mission:literal) => {
        concat!(
            "SELECT rev, record FROM ",
            $table,
            " WHERE rev > ?1 AND (?2 IS NULL OR ",
            $mission,
            " = ?2) ORDER BY rev LIMIT ?3"
        )
    };
}

/// The same over alerts: those of the org concern everybody.
const ALERTS_SINCE: &str = "SELECT rev, record FROM alerts
    WHERE rev > ?1 AND (?2 IS NULL OR mission IN (?2, zeroblob(16))) ORDER BY rev LIMIT ?3";

const LIVE: [Live; 9] = [
    Live { question: since!("missions", "id"), event: |row| Ok(LiveEvent::Mission(item("missions", row, 0)?)) },
    Live { question: since!("incidents", "mission"), event: |row| Ok(LiveEvent::Incident(item("incidents", row, 0)?)) },
    Live { question: since!("tasks", "mission"), event: |row| Ok(LiveEvent::Task(item("tasks", row, 0)?)) },
    Live { question: since!("units", "mission"), event: |row| Ok(LiveEvent::Unit(item("units", row, 0)?)) },
    Live { question: since!("messages", "mission"), event: |row| Ok(LiveEvent::Message(item("messages", row, 0)?)) },
    Live { question: since!("positions", "mission"), event: |row| Ok(LiveEvent::Position(item("positions", row, 0)?)) },
    Live { question: since!("conflicts", "mission"), event: |row| Ok(LiveEvent::Conflict(item("conflicts", row, 0)?)) },
    Live { question: ALERTS_SINCE, event: |row| Ok(LiveEvent::Alert(item("alerts", row, 0)?)) },
    // Of a removal that came before what it removes there is nothing to tell.
    Live {
        question: since!("(SELECT rev, record, mission FROM attachments WHERE record IS NOT NULL)", "mission"),
        event: |row| Ok(LiveEvent::Attachment(item("attachments", row, 0)?)),
    },
];

impl Views {
    /// Rows that changed after `rev`, of one mission (with alerts of the org) or of all, at most `limit`, in the order of their revisions. Each
    /// row comes once, as it is now; a settled conflict comes without rivals. Ask again from the last revision given.
    pub fn changes_since(
        &self,
        mission: Option<MissionId>,
        rev: u64,
        limit: usize,
    ) -> Result<Vec<LiveEvent>, StoreError> {
        let mission = mission.as_ref().map(MissionId::as_bytes);
        // All views in one state: a row missed between two of them would never be told.
        self.at_once(|conn| {
            let mut events = Vec::new();
            for live in &LIVE {
                let params = (sql(rev), mission, sql(limit as u64));
                events.extend(all(conn, live.question, params, |row| (live.event)(row))?);
            }
            events.sort_unstable_by_key(event_rev);
            events.truncate(limit);
            Ok(events)
        })
    }

    /// The newest committed revision.
    pub fn newest_rev(&self) -> Result<u64, StoreError> {
        newest_rev(self.conn())
    }
}

fn event_rev(event: &LiveEvent) -> u64 {
    match event {
        LiveEvent::Mission(item) => item.rev,
        LiveEvent::Incident(item) => item.rev,
        LiveEvent::Task(item) => item.rev,
        LiveEvent::Unit(item) => item.rev,
        LiveEvent::Message(item) => item.rev,
        LiveEvent::Position(item) => item.rev,
        LiveEvent::Conflict(item) => item.rev,
        LiveEvent::Alert(item) => item.rev,
        LiveEvent::Attachment(item) => item.rev,
    }
}
