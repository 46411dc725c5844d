//! The views as the API reads them: lists page by page, single records, what changed since a revision.

use std::path::Path;
use std::time::Duration;

use holdfast_domain::api::{Item, Page};
use holdfast_domain::conflict::Conflict;
use holdfast_domain::id::{IncidentId, MessageId, MissionId, TaskId, UnitId};
use holdfast_domain::identity::DeviceCredential;
use holdfast_domain::incident::Incident;
use holdfast_domain::message::Message;
use holdfast_domain::mission::Mission;
use holdfast_domain::query::{IncidentFilter, MessageFilter, PageRequest, TaskFilter, TrackFilter, UnitFilter};
use holdfast_domain::task::Task;
use holdfast_domain::track::{Fix, UnitPosition};
use holdfast_domain::unit::Unit;
use rusqlite::{Connection, OpenFlags, Row};
use serde::de::DeserializeOwned;

use crate::cursor::Sort;
use crate::error::StoreError;
use crate::lookup;
use crate::page::{List, Question};
use crate::patches::{channel, fix_from};
use crate::rows::{from_json, number, one, sql};
use crate::store::STATEMENTS;

/// A read connection. It sees what was committed when a question is asked, and never waits for the writer. It can be
/// sent to another thread, but not shared; keep a pool.
pub struct Views {
    conn: Connection,
}

/// Pages that a reader keeps in memory, KiB: several readers live side by side on a small machine.
const READER_CACHE_KIB: i64 = 1 << 10;

/// How long to wait while a log is being recovered after a crash.
const BUSY_MS: u64 = 5_000;

pub(crate) const MISSIONS: List = List {
    code: 1,
    table: "missions",
    columns: "rev, record",
    sort: &[("opened_ms", Sort::Number), ("id", Sort::Bytes)],
    descending: true,
};
const INCIDENTS: List = List {
    code: 2,
    table: "incidents",
    columns: "rev, record",
    sort: &[("opened_ms", Sort::Number), ("id", Sort::Bytes)],
    descending: true,
};
const TASKS: List = List {
    code: 3,
    table: "tasks",
    columns: "rev, record",
    sort: &[("priority", Sort::Number), ("created_ms", Sort::Number), ("id", Sort::Bytes)],
    descending: false,
};
const UNITS: List = List {
    code: 4,
    table: "units",
    columns: "rev, record",
    sort: &[("callsign", Sort::Text), ("id", Sort::Bytes)],
    descending: false,
};
const MESSAGES: List = List {
    code: 5,
    table: "messages",
    columns: "rev, record",
    sort: &[("sent", Sort::Number), ("id", Sort::Bytes)],
    descending: true,
};
pub(crate) const POSITIONS: List =
    List { code: 6, table: "positions", columns: "rev, record", sort: &[("unit", Sort::Bytes)], descending: false };
/// What segments hold, and what is reported here and not sealed yet.
pub(crate) const FIXES: List = List {
    code: 7,
    table: "(SELECT t.unit, t.mission, f.at_ms, f.fix FROM tracks t JOIN fixes f ON f.track = t.id
             UNION ALL SELECT p.unit, p.mission, p.at_ms, p.fix FROM pending_fixes p
             WHERE NOT EXISTS (SELECT 1 FROM tracks t JOIN fixes f ON f.track = t.id
                               WHERE t.unit = p.unit AND t.mission = p.mission AND f.at_ms = p.at_ms))",
    columns: "fix",
    sort: &[("at_ms", Sort::Number)],
    descending: false,
};
pub(crate) const CONFLICTS: List = List {
    code: 8,
    table: "conflicts",
    columns: "rev, record",
    sort: &[("at_ms", Sort::Number), ("subject", Sort::Bytes), ("field", Sort::Text)],
    descending: true,
};
const DEVICES: List = List {
    code: 9,
    table: "devices",
    columns: "rev, record",
    sort: &[("name", Sort::Text), ("device", Sort::Bytes)],
    descending: false,
};

impl Views {
    /// Opens a read connection on the database of a running node.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path =
            std::path::absolute(path).map_err(|source| StoreError::NotWritable { path: path.to_owned(), source })?;
        Self::over(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }

    pub(crate) fn over(conn: Connection) -> Result<Self, StoreError> {
        conn.busy_timeout(Duration::from_millis(BUSY_MS))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        Ok(Self { conn })
    }

    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Asks several things of one state of the database.
    pub(crate) fn at_once<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let snapshot = self.conn.unchecked_transaction()?;
        question(&snapshot)
    }

    pub(crate) fn list<T: DeserializeOwned>(
        &self,
        question: Question,
        table: &'static str,
        page: &PageRequest,
    ) -> Result<Page<Item<T>>, StoreError> {
        self.at_once(|conn| question.page(conn, page, |row, column| item(table, row, column)))
    }

    /// Missions, newest first; deleted ones too if asked for.
    pub fn mission_list(&self, page: &PageRequest, deleted: bool) -> Result<Page<Item<Mission>>, StoreError> {
        self.list(Question::of(&MISSIONS).deleted(deleted), "missions", page)
    }

    /// A mission, deleted or not.
    pub fn mission_by_id(&self, id: MissionId) -> Result<Option<Item<Mission>>, StoreError> {
        self.by_id("SELECT rev, record FROM missions WHERE id = ?1", "missions", id.as_bytes())
    }

    /// Incidents of a mission, newest report first.
    pub fn incident_list(
        &self,
        mission: MissionId,
        filter: &IncidentFilter,
        page: &PageRequest,
    ) -> Result<Page<Item<Incident>>, StoreError> {
        self.list(incidents(mission, filter), "incidents", page)
    }

    /// An incident, deleted or not.
    pub fn incident_by_id(&self, id: IncidentId) -> Result<Option<Item<Incident>>, StoreError> {
        let question = "SELECT rev, record FROM incidents WHERE id = ?1 ORDER BY rowid LIMIT 1";
        self.by_id(question, "incidents", id.as_bytes())
    }

    /// Tasks of a mission, most urgent first, then oldest.
    pub fn task_list(
        &self,
        mission: MissionId,
        filter: &TaskFilter,
        page: &PageRequest,
    ) -> Result<Page<Item<Task>>, StoreError> {
        self.list(tasks(mission, filter), "tasks", page)
    }

    /// A task, deleted or not.
    pub fn task_by_id(&self, id: TaskId) -> Result<Option<Item<Task>>, StoreError> {
        let question = "SELECT rev, record FROM tasks WHERE id = ?1 ORDER BY rowid LIMIT 1";
        self.by_id(question, "tasks", id.as_bytes())
    }

    /// Units of a mission by callsign, whatever the case.
    pub fn unit_list(
        &self,
        mission: MissionId,
        filter: &UnitFilter,
        page: &PageRequest,
    ) -> Result<Page<Item<Unit>>, StoreError> {
        self.list(units(mission, filter), "units", page)
    }

    /// A unit, deleted or not.
    pub fn unit_by_id(&self, id: UnitId) -> Result<Option<Item<Unit>>, StoreError> {
        let question = "SELECT rev, record FROM units WHERE id = ?1 ORDER BY rowid LIMIT 1";
        self.by_id(question, "units", id.as_bytes())
    }

    /// Messages of a mission, newest first.
    pub fn message_list(
        &self,
        mission: MissionId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Page<Item<Message>>, StoreError> {
        self.list(messages(mission, filter), "messages", page)
    }

    /// A message.
    pub fn message_by_id(&self, id: MessageId) -> Result<Option<Item<Message>>, StoreError> {
        let question = "SELECT rev, record FROM messages WHERE id = ?1 ORDER BY rowid LIMIT 1";
        self.by_id(question, "messages", id.as_bytes())
    }

    /// The newest position of each unit of a mission, in order of unit id.
    pub fn position_list(
        &self,
        mission: MissionId,
        page: &PageRequest,
    ) -> Result<Page<Item<UnitPosition>>, StoreError> {
        self.list(of_mission(&POSITIONS, mission), "positions", page)
    }

    /// The newest position of a unit.
    pub fn position_by_unit(&self, unit: UnitId) -> Result<Option<Item<UnitPosition>>, StoreError> {
        self.by_id(lookup::POSITION_OF_UNIT, "positions", unit.as_bytes())
    }

    /// Fixes of a unit's track, oldest first.
    pub fn track_list(&self, unit: UnitId, filter: &TrackFilter, page: &PageRequest) -> Result<Page<Fix>, StoreError> {
        self.at_once(|conn| {
            // A unit without a track has an empty one.
            let mission = lookup::mission_of_track(conn, unit)?.unwrap_or([0; 16]);
            fixes(unit, mission)
                .only_if("at_ms >= ?", filter.from_ms.map(sql))
                .only_if("at_ms <= ?", filter.to_ms.map(sql))
                .page(conn, page, |row, column| {
                    fix_from(number(row, 0)?, row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?)
                })
        })
    }

    /// Open conflicts of a mission, the latest first.
    pub fn conflict_list(&self, mission: MissionId, page: &PageRequest) -> Result<Page<Item<Conflict>>, StoreError> {
        self.list(of_mission(&CONFLICTS, mission).only("open = ?", true), "conflicts", page)
    }

    /// Devices of the org by name, whatever the case.
    pub fn device_list(&self, page: &PageRequest) -> Result<Page<Item<DeviceCredential>>, StoreError> {
        self.list(Question::of(&DEVICES), "devices", page)
    }

    fn by_id<T: DeserializeOwned>(
        &self,
        question: &str,
        table: &'static str,
        id: &[u8; 16],
    ) -> Result<Option<Item<T>>, StoreError> {
        one(&self.conn, question, [id], |row| item(table, row, 0))
    }
}

/// The item in the columns `rev, record`, the first of them at `column`.
pub(crate) fn item<T: DeserializeOwned>(
    table: &'static str,
    row: &Row<'_>,
    column: usize,
) -> Result<Item<T>, StoreError> {
    let text = row.get_ref(column + 1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Item { rev: number(row, column)?, record: from_json(table, text)? })
}

pub(crate) fn of_mission(list: &'static List, mission: MissionId) -> Question {
    Question::of(list).only("mission = ?", mission.as_bytes().to_vec())
}

pub(crate) fn fixes(unit: UnitId, mission: [u8; 16]) -> Question {
    Question::of(&FIXES).only("unit = ?", unit.as_bytes().to_vec()).only("mission = ?", mission.to_vec())
}

pub(crate) fn incidents(mission: MissionId, filter: &IncidentFilter) -> Question {
    of_mission(&INCIDENTS, mission)
        .deleted(filter.deleted)
        .any_of("status", filter.status.iter().map(|status| status.as_str()))
        .containing(filter.text.as_deref())
}

pub(crate) fn tasks(mission: MissionId, filter: &TaskFilter) -> Question {
    of_mission(&TASKS, mission)
        .deleted(filter.deleted)
        .any_of("status", filter.status.iter().map(|status| status.as_str()))
        .only_if("assignee = ?", filter.assignee.map(|id| id.as_bytes().to_vec()))
        .only_if("incident = ?", filter.incident.map(|id| id.as_bytes().to_vec()))
        .containing(filter.text.as_deref())
}

pub(crate) fn units(mission: MissionId, filter: &UnitFilter) -> Question {
    of_mission(&UNITS, mission)
        .deleted(filter.deleted)
        .any_of("status", filter.status.iter().map(|status| status.as_str()))
        .only_if("incident = ?", filter.incident.map(|id| id.as_bytes().to_vec()))
        .containing(filter.text.as_deref())
}

pub(crate) fn messages(mission: MissionId, filter: &MessageFilter) -> Question {
    of_mission(&MESSAGES, mission).only_if("channel = ?", filter.channel.as_ref().map(channel))
}
