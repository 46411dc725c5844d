//! Alerts as rows. Raising, acknowledging and calling off come in any order and make the same rows; whose word calls an
//! alert off is judged by the credential of the author.

use holdfast_domain::alert::{Alert, AlertDetail, AlertWord, may_cancel};
use holdfast_domain::api::{Item, Page};
use holdfast_domain::clock::Hlc;
use holdfast_domain::id::{AlertId, MissionId};
use holdfast_domain::identity::{AuthorId, Credential, DeviceId, DeviceRole};
use holdfast_domain::limits::ALERT_WORDS_MAX;
use holdfast_domain::query::{AlertFilter, PageRequest};
use rusqlite::{Connection, Row};

use crate::cursor::Sort;
use crate::error::StoreError;
use crate::page::{List, Question};
use crate::patches::Desk;
use crate::rows::{all, from_json, mission_bytes, one, sql, to_json};
use crate::store::Store;
use crate::views::{Views, item};

pub(crate) const ALERTS: List = List {
    code: 10,
    table: "alerts",
    columns: "rev, record",
    sort: &[("raised", Sort::Number), ("id", Sort::Bytes), ("device", Sort::Bytes)],
    descending: true,
};

/// What a device said to an alert. The codes are on disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Heard = 0,
    Over = 1,
}

/// How an alert stands for one device, for the edits it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertState {
    /// The device that raised it.
    pub raised_by: DeviceId,
    /// Whether it was called off.
    pub cancelled: bool,
    /// Whether the device has acknowledged it.
    pub acknowledged: bool,
}

/// The device behind an author, and whether it is a command post. Without a credential the author stands for a device
/// of its own without rights.
fn device_of(conn: &Connection, author: AuthorId) -> Result<(DeviceId, bool), StoreError> {
    let find = "SELECT record FROM credentials WHERE author = ?1";
    let known: Option<Credential> = one(conn, find, [author.0], |row| {
        from_json("credentials", row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)
    })?;
    Ok(known.map_or((DeviceId(author.0), false), |known| (known.device.device(), known.device.role == DeviceRole::Hub)))
}

impl Desk<'_> {
    /// What was raised never changes. If a device raised two under one id the lesser in its JSON stands.
    pub(crate) fn alert(&mut self, alert: &Alert) -> Result<(), StoreError> {
        let raised = Alert { acknowledged: 0, cancelled: None, ..alert.clone() };
        let (device, _) = device_of(self.conn, raised.author)?;
        let mission = mission_bytes(raised.mission);
        let find = "SELECT record FROM alerts WHERE id = ?1 AND mission = ?2 AND device = ?3";
        let known = one(self.conn, find, (raised.id.as_bytes(), mission, device.0), |row| {
            from_json::<Alert>("alerts", row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)
        })?;
        if let Some(known) = known {
            let known = Alert { acknowledged: 0, cancelled: None, ..known };
            if to_json("alerts", &known)? <= to_json("alerts", &raised)? {
                return Ok(());
            }
        }
        self.put_alert(device, &raised)
    }

    /// Keeps a word to an alert, which need not be known yet.
    pub(crate) fn alert_word(&mut self, word: &AlertWord, said: Said) -> Result<(), StoreError> {
        let (device, hub) = device_of(self.conn, word.author)?;
        let mission = mission_bytes(word.mission);
        let record = to_json("alert_words", &AlertWord { device: Some(device), ..word.clone() })?;
        let put = "INSERT INTO alert_words (alert, mission, kind, device, at, hub, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (alert, mission, kind, device) DO UPDATE SET at = excluded.at, hub = excluded.hub,
                   record = excluded.record WHERE (excluded.at, excluded.record) < (at, record)";
        let row = (word.alert.as_bytes(), mission, said as u8, device.0, sql(word.at.0), hub, record);
        if self.conn.prepare_cached(put)?.execute(row)? == 0 {
            return Ok(());
        }
        let find = "SELECT device, record FROM alerts WHERE id = ?1 AND mission = ?2";
        let known = all(self.conn, find, (word.alert.as_bytes(), mission), |row| {
            let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            Ok((DeviceId(row.get(0)?), from_json::<Alert>("alerts", text)?))
        })?;
        known.iter().try_for_each(|(device, alert)| self.put_alert(*device, alert))
    }

    /// Writes the row of an alert with all that was said to it.
    fn put_alert(&mut self, device: DeviceId, raised: &Alert) -> Result<(), StoreError> {
        let mission = mission_bytes(raised.mission);
        let count = "SELECT count(*) FROM alert_words WHERE alert = ?1 AND mission = ?2 AND kind = ?3";
        let heard = (raised.id.as_bytes(), mission, Said::Heard as u8);
        let acknowledged = self.conn.prepare_cached(count)?.query_row(heard, |row| row.get::<_, i64>(0))?;
        let cancels = words(self.conn, raised.id, raised.mission, Said::Over)?;
        let cancelled = cancels.into_iter().find(|cancel| counts(device, cancel)).map(|(word, _)| word);
        let alert = Alert { acknowledged: acknowledged.max(0) as u64, cancelled, ..raised.clone() };
        let put = "INSERT INTO alerts (rev, id, mission, device, raised, ends_ms, cancelled, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   ON CONFLICT (id, mission, device) DO UPDATE SET rev = excluded.rev, raised = excluded.raised,
                   ends_ms = excluded.ends_ms, cancelled = excluded.cancelled, record = excluded.record
                   WHERE record <> excluded.record";
        let record = to_json("alerts", &alert)?;
        let ends_ms = sql(alert.expires_ms.unwrap_or(u64::MAX));
        let (id, raised, cancelled) = (*alert.id.as_bytes(), sql(alert.raised.0), alert.cancelled.is_some());
        self.change(put, |rev| (rev, id, mission, device.0, raised, ends_ms, cancelled, record))
    }
}

/// Whether a word calls off what this device raised.
fn counts(raised_by: DeviceId, (word, hub): &(AlertWord, bool)) -> bool {
    let role = if *hub { DeviceRole::Hub } else { DeviceRole::Node };
    word.device.is_some_and(|device| may_cancel(raised_by, device, role))
}

/// What was said to an alert, oldest first, each with whether a command post said it.
fn words(
    conn: &Connection,
    alert: AlertId,
    mission: Option<MissionId>,
    said: Said,
) -> Result<Vec<(AlertWord, bool)>, StoreError> {
    let question = "SELECT record, hub FROM alert_words WHERE alert = ?1 AND mission = ?2 AND kind = ?3
                    ORDER BY at, device LIMIT ?4";
    let asked = (alert.as_bytes(), mission_bytes(mission), said as u8, sql(ALERT_WORDS_MAX as u64));
    all(conn, question, asked, |row| {
        let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        Ok((from_json("alert_words", text)?, row.get(1)?))
    })
}

/// The first alert of this id, of several that of the least device.
const BY_ID: &str = "SELECT rev, record, device FROM alerts WHERE id = ?1 AND mission = ?2 ORDER BY device LIMIT 1";

fn by_id(
    conn: &Connection,
    mission: Option<MissionId>,
    id: AlertId,
) -> Result<Option<(Item<Alert>, DeviceId)>, StoreError> {
    let read = |row: &Row<'_>| Ok((item("alerts", row, 0)?, DeviceId(row.get(2)?)));
    one(conn, BY_ID, (id.as_bytes(), mission_bytes(mission)), read)
}

pub(crate) fn alerts(mission: Option<MissionId>, filter: AlertFilter) -> Question {
    let list = Question::of(&ALERTS).only("mission = ?", mission_bytes(mission).to_vec());
    match filter.open_at_ms {
        Some(now_ms) => list.only("cancelled = ?", false).only("ends_ms > ?", sql(now_ms)),
        None => list,
    }
}

impl Views {
    /// Alerts of a mission or of the org, newest first.
    pub fn alert_list(
        &self,
        mission: Option<MissionId>,
        filter: AlertFilter,
        page: &PageRequest,
    ) -> Result<Page<Item<Alert>>, StoreError> {
        self.list(alerts(mission, filter), "alerts", page)
    }

    /// An alert of a mission or of the org with all that was said to it.
    pub fn alert_by_id(&self, mission: Option<MissionId>, id: AlertId) -> Result<Option<AlertDetail>, StoreError> {
        self.at_once(|conn| {
            let Some((alert, device)) = by_id(conn, mission, id)? else { return Ok(None) };
            let heard = words(conn, id, mission, Said::Heard)?;
            let over = words(conn, id, mission, Said::Over)?;
            let refused = over.into_iter().filter(|cancel| !counts(device, cancel)).map(|(word, _)| word);
            Ok(Some(AlertDetail {
                alert,
                acknowledgements: heard.into_iter().map(|(word, _)| word).collect(),
                refused: refused.collect(),
            }))
        })
    }
}

impl Store {
    /// Who raised an alert of a mission or of the org, and when.
    pub fn alert_origin(&self, mission: Option<MissionId>, id: AlertId) -> Result<Option<(AuthorId, Hlc)>, StoreError> {
        let found = by_id(self.conn(), mission, id)?;
        Ok(found.map(|(alert, _)| (alert.record.author, alert.record.raised)))
    }

    /// How an alert stands for a device; `None` if it is not known here.
    pub fn alert_state(
        &self,
        mission: Option<MissionId>,
        id: AlertId,
        device: DeviceId,
    ) -> Result<Option<AlertState>, StoreError> {
        let Some((alert, raised_by)) = by_id(self.conn(), mission, id)? else { return Ok(None) };
        let find = "SELECT 1 FROM alert_words WHERE alert = ?1 AND mission = ?2 AND kind = ?3 AND device = ?4";
        let name = (id.as_bytes(), mission_bytes(mission), Said::Heard as u8, device.0);
        let acknowledged = self.conn().prepare_cached(find)?.exists(name)?;
        Ok(Some(AlertState { raised_by, cancelled: alert.record.cancelled.is_some(), acknowledged }))
    }
}
