//! The view of attachments: an addition and a removal are facts that come in any order, the newer of the two stands.

use holdfast_domain::api::Page;
use holdfast_domain::blob::{Attachment, AttachmentShown, BlobId, BlobKey, BlobState, Thumbnail};
use holdfast_domain::clock::Hlc;
use holdfast_domain::id::MissionId;
use holdfast_domain::query::{AttachmentFilter, PageRequest};
use rusqlite::{Connection, Row};

use crate::blobs::{BlobRow, holder_count, row_of};
use crate::cursor::Sort;
use crate::error::StoreError;
use crate::page::List;
use crate::patches::Desk;
use crate::rows::{all, from_json, number, one, sql, subject, to_json};
use crate::store::Txn;
use crate::views::{Views, item, of_mission};

const ATTACHMENTS: List = List {
    code: 10,
    table: "attachments",
    columns: "rev, record",
    sort: &[("written", Sort::Number), ("id", Sort::Bytes)],
    descending: true,
};

impl Desk<'_> {
    /// The newer addition stands; of two at one time that with the greater record.
    pub(crate) fn attachment(&mut self, attachment: &Attachment) -> Result<(), StoreError> {
        let attachment = Attachment { removed: None, ..attachment.clone() };
        let (known, removed) = self.known(attachment.mission, attachment.id)?;
        let standing = match known {
            Some(known) => {
                let rank = |one: &Attachment| Ok::<_, StoreError>((one.written, to_json("attachments", one)?));
                if rank(&known)? >= rank(&attachment)? { known } else { attachment }
            }
            None => attachment,
        };
        self.put(standing.mission, standing.id, Some(standing), removed)
    }

    pub(crate) fn attachment_removed(
        &mut self,
        mission: MissionId,
        id: BlobId,
        written: Hlc,
    ) -> Result<(), StoreError> {
        let (known, removed) = self.known(mission, id)?;
        self.put(mission, id, known, removed.max(written))
    }

    /// The addition that stands so far, and the newest removal.
    fn known(&self, mission: MissionId, id: BlobId) -> Result<(Option<Attachment>, Hlc), StoreError> {
        let question = "SELECT removed, record FROM attachments WHERE id = ?1 AND mission = ?2";
        let row = one(self.conn, question, (id.0, mission.as_bytes()), |row| {
            let record: Option<String> = row.get(1)?;
            let record = record.map(|text| from_json::<Attachment>("attachments", &text)).transpose()?;
            Ok((record.map(|record| Attachment { removed: None, ..record }), Hlc(number(row, 0)?)))
        })?;
        Ok(row.unwrap_or_default())
    }

    fn put(
        &mut self,
        mission: MissionId,
        id: BlobId,
        standing: Option<Attachment>,
        removed: Hlc,
    ) -> Result<(), StoreError> {
        let put = "INSERT INTO attachments
                   (rev, id, mission, written, removed, deleted, subject, thumbnail, record)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (id, mission) DO UPDATE SET rev = excluded.rev, written = excluded.written,
                   removed = excluded.removed, deleted = excluded.deleted, subject = excluded.subject,
                   thumbnail = excluded.thumbnail, record = excluded.record
                   WHERE record IS NOT excluded.record OR removed <> excluded.removed";
        let written = standing.as_ref().map_or(Hlc::default(), |attachment| attachment.written);
        let gone = removed > Hlc::default() && removed >= written;
        let standing = standing.map(|attachment| Attachment { removed: gone.then_some(removed), ..attachment });
        let about = standing.as_ref().and_then(|attachment| attachment.attached_to.as_ref()).map(subject);
        let thumbnail = standing.as_ref().and_then(|attachment| attachment.thumbnail).map(|thumbnail| thumbnail.id.0);
        let record = standing.as_ref().map(|attachment| to_json("attachments", attachment)).transpose()?;
        self.change(put, |rev| {
            (
                rev,
                id.0,
                mission.as_bytes(),
                sql(written.0),
                sql(removed.0),
                gone || record.is_none(),
                about,
                thumbnail,
                record,
            )
        })
    }
}

impl Txn<'_> {
    /// A blob is here whole: gives the attachments that are it, or have it as their small picture, a revision each, so
    /// that listeners hear of it. What they say has not changed.
    pub fn attachment_arrived(&self, id: BlobId) -> Result<Vec<u64>, StoreError> {
        self.write(|conn| {
            let question = "SELECT id, mission FROM attachments WHERE id = ?1 AND record IS NOT NULL
                            UNION SELECT id, mission FROM attachments WHERE thumbnail = ?1";
            let names =
                all(conn, question, [id.0], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, [u8; 16]>(1)?)))?;
            let mut desk = Desk { conn, txn: self, revs: Vec::new() };
            for (id, mission) in names {
                let put = "UPDATE attachments SET rev = ?1 WHERE id = ?2 AND mission = ?3";
                desk.change(put, |rev| (rev, id, mission))?;
            }
            Ok(desk.revs)
        })
    }
}

impl Views {
    /// Attachments of a mission, newest first.
    pub fn attachment_list(
        &self,
        mission: MissionId,
        filter: &AttachmentFilter,
        page: &PageRequest,
    ) -> Result<Page<AttachmentShown>, StoreError> {
        self.at_once(|conn| {
            of_mission(&ATTACHMENTS, mission)
                .only("record IS NOT ?", rusqlite::types::Value::Null)
                .deleted(filter.removed)
                .only_if("subject = ?", filter.attached_to.as_ref().map(|record| subject(record).to_vec()))
                .page(conn, page, |row, column| shown(conn, row, column))
        })
    }

    /// An attachment of a mission, removed or not.
    pub fn attachment_by_id(&self, mission: MissionId, id: BlobId) -> Result<Option<AttachmentShown>, StoreError> {
        let question = "SELECT rev, record FROM attachments WHERE id = ?1 AND mission = ?2 AND record IS NOT NULL";
        self.at_once(|conn| one(conn, question, (id.0, mission.as_bytes()), |row| shown(conn, row, 0)))
    }

    /// What is held of a blob.
    pub fn blob(&self, key: &BlobKey) -> Result<Option<BlobRow>, StoreError> {
        row_of(self.conn(), key)
    }
}

fn shown(conn: &Connection, row: &Row<'_>, column: usize) -> Result<AttachmentShown, StoreError> {
    let item = item::<Attachment>("attachments", row, column)?;
    let key = item.record.key();
    let held = row_of(conn, &key)?;
    let state = match &held {
        Some(row) if row.is_whole() => BlobState::Here,
        Some(row) if !row.held.is_empty() => BlobState::Partial,
        _ => BlobState::Elsewhere,
    };
    let small = item.record.thumbnail.as_ref().map(Thumbnail::key);
    let thumbnail = small.map(|key| row_of(conn, &key)).transpose()?.flatten();
    Ok(AttachmentShown {
        rev: item.rev,
        state,
        groups_here: held.map_or(0, |row| row.held.count()),
        groups: key.groups(),
        thumbnail_here: thumbnail.is_some_and(|row| row.is_whole()),
        holders: holder_count(conn, &key)? as u32,
        record: item.record,
    })
}
