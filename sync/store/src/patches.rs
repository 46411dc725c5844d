//! Patches applied to the views. Whatever the order in which patches arrive, the rows come out the same: a document's
//! row is what the newest patch says, anything else has a winner that does not depend on who came first.

use std::collections::BTreeMap;

use holdfast_domain::conflict::Conflict;
use holdfast_domain::id::{IncidentId, MissionId, UnitId};
use holdfast_domain::identity::DeviceCredential;
use holdfast_domain::incident::Incident;
use holdfast_domain::message::{Channel, Message};
use holdfast_domain::mission::Mission;
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::task::Task;
use holdfast_domain::track::{Fix, UnitPosition};
use holdfast_domain::unit::Unit;
use rusqlite::{Connection, Params};

use crate::alerts::Said;
use crate::error::StoreError;
use crate::rows::{all, from_json, one, sql, subject, to_json};
use crate::store::Txn;

/// Tables that are emptied to be written anew, dependent rows first.
const VIEWS: [&str; 11] = [
    "missions",
    "incidents",
    "tasks",
    "units",
    "messages",
    "positions",
    "fixes",
    "tracks",
    "devices",
    "alerts",
    "alert_words",
];

impl Txn<'_> {
    /// Applies patches in order. Returns the revision of each row that changed; a patch that changes nothing has none.
    pub fn apply(&self, patches: &[Patch]) -> Result<Vec<u64>, StoreError> {
        self.write(|conn| {
            let mut desk = Desk { conn, txn: self, revs: Vec::new() };
            patches.iter().try_for_each(|patch| desk.apply(patch))?;
            Ok(desk.revs)
        })
    }

    /// Empties the views, so that they can be written anew. Revisions go on rising, and conflicts that were open are
    /// shown as settled until they turn up again.
    pub fn clear_views(&self) -> Result<(), StoreError> {
        self.write(|conn| {
            for table in VIEWS {
                conn.prepare_cached(&format!("DELETE FROM {table}"))?.execute(())?;
            }
            let open = all(conn, "SELECT record FROM conflicts WHERE open = 1", (), |row| {
                from_json("conflicts", &row.get::<_, String>(0)?)
            })?;
            let mut desk = Desk { conn, txn: self, revs: Vec::new() };
            open.into_iter().try_for_each(|conflict| desk.settle(conflict))
        })
    }
}

/// Where the rows of one call are written, each change under a revision of its own.
pub(crate) struct Desk<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) txn: &'a Txn<'a>,
    pub(crate) revs: Vec<u64>,
}

impl Desk<'_> {
    fn apply(&mut self, patch: &Patch) -> Result<(), StoreError> {
        match patch {
            Patch::Mission(mission) => self.mission(mission),
            Patch::Incident(incident) => self.incident(incident),
            Patch::Task(task) => self.task(task),
            Patch::Unit(unit) => self.unit(unit),
            Patch::Message(message) => self.message(message),
            Patch::Position(position) => self.position(position),
            Patch::Fixes { mission, unit, fixes } => self.fixes(*mission, *unit, fixes),
            Patch::Conflicts { mission, record, conflicts } => self.conflicts(*mission, *record, conflicts),
            Patch::Device(device) => self.device(device),
            Patch::Alert(alert) => self.alert(alert),
            Patch::AlertAcknowledged(word) => self.alert_word(word, Said::Heard),
            Patch::AlertCancelled(word) => self.alert_word(word, Said::Over),
            Patch::Attachment(attachment) => self.attachment(attachment),
            Patch::AttachmentRemoved { mission, id, written } => self.attachment_removed(*mission, *id, *written),
        }
    }

    /// Writes a row if that changes anything. The statement takes the revision as `?1`, hence `put` gets it.
    pub(crate) fn change<P: Params>(&mut self, statement: &str, put: impl FnOnce(i64) -> P) -> Result<(), StoreError> {
        let rev = self.txn.next_rev();
        if self.conn.prepare_cached(statement)?.execute(put(sql(rev)))? > 0 {
            self.txn.count_rev();
            self.revs.push(rev);
        }
        Ok(())
    }

    fn mission(&mut self, mission: &Mission) -> Result<(), StoreError> {
        let put = "INSERT INTO missions (rev, id, opened_ms, deleted, record) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, opened_ms = excluded.opened_ms,
                   deleted = excluded.deleted, record = excluded.record WHERE record <> excluded.record";
        let record = to_json("missions", mission)?;
        self.change(put, |rev| (rev, mission.id.as_bytes(), sql(mission.opened_ms), mission.deleted.is_some(), record))
    }

    fn incident(&mut self, incident: &Incident) -> Result<(), StoreError> {
        let put = "INSERT INTO incidents (rev, id, mission, opened_ms, status, deleted, words, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   ON CONFLICT (id, mission) DO UPDATE SET rev = excluded.rev, opened_ms = excluded.opened_ms,
                   status = excluded.status, deleted = excluded.deleted, words = excluded.words,
                   record = excluded.record WHERE record <> excluded.record";
        let record = to_json("incidents", incident)?;
        let words = words(&[&incident.number, &incident.kind, &incident.address, &incident.area]);
        self.change(put, |rev| {
            (
                rev,
                incident.id.as_bytes(),
                incident.mission.as_bytes(),
                sql(incident.opened_ms),
                incident.status.as_str(),
                incident.deleted.is_some(),
                words,
                record,
            )
        })
    }

    fn task(&mut self, task: &Task) -> Result<(), StoreError> {
        let put = "INSERT INTO tasks
                   (rev, id, mission, priority, created_ms, status, deleted, incident, assignee, words, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT (id, mission) DO UPDATE SET rev = excluded.rev, priority = excluded.priority,
                   created_ms = excluded.created_ms, status = excluded.status, deleted = excluded.deleted,
                   incident = excluded.incident, assignee = excluded.assignee, words = excluded.words,
                   record = excluded.record WHERE record <> excluded.record";
        let record = to_json("tasks", task)?;
        let words = words(&[&task.number, &task.title, &task.details]);
        self.change(put, |rev| {
            (
                rev,
                task.id.as_bytes(),
                task.mission.as_bytes(),
                task.priority,
                sql(task.created_ms),
                task.status.as_str(),
                task.deleted.is_some(),
                task.incident.as_ref().map(IncidentId::as_bytes),
                task.assignee.as_ref().map(UnitId::as_bytes),
                words,
                record,
            )
        })
    }

    fn unit(&mut self, unit: &Unit) -> Result<(), StoreError> {
        let put = "INSERT INTO units (rev, id, mission, callsign, status, deleted, incident, words, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (id, mission) DO UPDATE SET rev = excluded.rev, callsign = excluded.callsign,
                   status = excluded.status, deleted = excluded.deleted, incident = excluded.incident,
                   words = excluded.words, record = excluded.record WHERE record <> excluded.record";
        let record = to_json("units", unit)?;
        let words = words(&[&unit.callsign, &unit.kind, &unit.home]);
        self.change(put, |rev| {
            (
                rev,
                unit.id.as_bytes(),
                unit.mission.as_bytes(),
                unit.callsign.to_lowercase(),
                unit.status.as_str(),
                unit.deleted.is_some(),
                unit.incident.as_ref().map(IncidentId::as_bytes),
                words,
                record,
            )
        })
    }

    /// A message never changes. If two came under one id the lesser in its JSON stands, on every node the same.
    fn message(&mut self, message: &Message) -> Result<(), StoreError> {
        let put = "INSERT INTO messages (rev, id, mission, sent, channel, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (id, mission) DO UPDATE SET rev = excluded.rev, sent = excluded.sent,
                   channel = excluded.channel, record = excluded.record WHERE excluded.record < record";
        let record = to_json("messages", message)?;
        self.change(put, |rev| {
            let (id, mission) = (message.id.as_bytes(), message.mission.as_bytes());
            (rev, id, mission, sql(message.sent.0), channel(&message.channel), record)
        })
    }

    /// The newer report stands; of two with one time that of the greater author.
    fn position(&mut self, position: &UnitPosition) -> Result<(), StoreError> {
        let put = "INSERT INTO positions (rev, unit, mission, reported, author, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (unit, mission) DO UPDATE SET rev = excluded.rev, reported = excluded.reported,
                   author = excluded.author, record = excluded.record
                   WHERE (excluded.reported, excluded.author, excluded.record) > (reported, author, record)";
        let record = to_json("positions", position)?;
        self.change(put, |rev| {
            let (unit, mission) = (position.unit.as_bytes(), position.mission.as_bytes());
            (rev, unit, mission, sql(position.reported.0), position.author.0, record)
        })
    }

    /// Fixes have no revision: they are not in the live stream. Of two at one millisecond the greater in its bytes
    /// stands.
    fn fixes(&self, mission: MissionId, unit: UnitId, fixes: &[Fix]) -> Result<(), StoreError> {
        let name = (unit.as_bytes(), mission.as_bytes());
        let find = "SELECT id FROM tracks WHERE unit = ?1 AND mission = ?2";
        let track: i64 = match one(self.conn, find, name, |row| Ok(row.get(0)?))? {
            Some(track) => track,
            None => self.conn.prepare_cached("INSERT INTO tracks (unit, mission) VALUES (?1, ?2)")?.insert(name)?,
        };
        let put = "INSERT INTO fixes (track, at_ms, fix) VALUES (?1, ?2, ?3)
                   ON CONFLICT (track, at_ms) DO UPDATE SET fix = excluded.fix WHERE excluded.fix > fix";
        let mut put = self.conn.prepare_cached(put)?;
        for fix in fixes {
            put.execute((track, sql(fix.at_ms), fix_bytes(fix)?.as_slice()))?;
        }
        Ok(())
    }

    /// The record's open conflicts are now exactly these.
    fn conflicts(&mut self, mission: MissionId, record: RecordId, conflicts: &[Conflict]) -> Result<(), StoreError> {
        let question = "SELECT field, record FROM conflicts WHERE mission = ?1 AND subject = ?2 AND open = 1";
        let open: BTreeMap<String, String> =
            all(self.conn, question, (mission.as_bytes(), subject(&record)), |row| Ok((row.get(0)?, row.get(1)?)))?
                .into_iter()
                .collect();
        for (field, text) in open {
            if conflicts.iter().all(|conflict| conflict.field != field) {
                self.settle(from_json("conflicts", &text)?)?;
            }
        }
        // The patch says where they belong.
        conflicts.iter().try_for_each(|conflict| self.conflict(&Conflict { mission, record, ..conflict.clone() }))
    }

    fn settle(&mut self, mut conflict: Conflict) -> Result<(), StoreError> {
        conflict.rivals.clear();
        self.conflict(&conflict)
    }

    fn conflict(&mut self, conflict: &Conflict) -> Result<(), StoreError> {
        let put = "INSERT INTO conflicts (rev, mission, subject, field, at_ms, open, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (mission, subject, field) DO UPDATE SET rev = excluded.rev,
                   at_ms = excluded.at_ms, open = excluded.open, record = excluded.record
                   WHERE record <> excluded.record";
        let at_ms = conflict.rivals.iter().map(|rival| rival.at_ms).max().unwrap_or(0);
        let open = !conflict.rivals.is_empty();
        let text = to_json("conflicts", conflict)?;
        self.change(put, |rev| {
            let subject = subject(&conflict.record);
            (rev, conflict.mission.as_bytes(), subject, &conflict.field, sql(at_ms), open, text)
        })
    }

    /// The org's latest word for a device stands.
    fn device(&mut self, device: &DeviceCredential) -> Result<(), StoreError> {
        let put = "INSERT INTO devices (rev, device, name, issued_ms, record) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (device) DO UPDATE SET rev = excluded.rev, name = excluded.name,
                   issued_ms = excluded.issued_ms, record = excluded.record
                   WHERE (excluded.issued_ms, excluded.record) > (issued_ms, record)";
        let record = to_json("devices", device)?;
        let name = device.name.to_lowercase();
        self.change(put, |rev| (rev, device.device().0, name, sql(device.issued_ms), record))
    }
}

/// Texts as the text filter searches them.
fn words(texts: &[&str]) -> String {
    texts.join("\n").to_lowercase()
}

/// A channel as a row holds it. The codes are on disk: never reuse one.
pub(crate) fn channel(channel: &Channel) -> Vec<u8> {
    match channel {
        Channel::Mission => vec![0],
        Channel::Incident(id) => [&[1], id.as_bytes().as_slice()].concat(),
        Channel::Unit(id) => [&[2], id.as_bytes().as_slice()].concat(),
    }
}

/// All of a fix but its time, in postcard; the longest takes 27 bytes.
pub(crate) fn fix_bytes(fix: &Fix) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(&(fix.position, fix.altitude_dm, fix.speed_cm_s, fix.course_cdeg))
        .map_err(|error| StoreError::Row { table: "fixes", fault: error.to_string() })
}

/// The fix at `at_ms` with these bytes.
pub(crate) fn fix_from(at_ms: u64, bytes: &[u8]) -> Result<Fix, StoreError> {
    let (position, altitude_dm, speed_cm_s, course_cdeg) =
        postcard::from_bytes(bytes).map_err(|error| StoreError::Row { table: "fixes", fault: error.to_string() })?;
    Ok(Fix { at_ms, position, altitude_dm, speed_cm_s, course_cdeg })
}
