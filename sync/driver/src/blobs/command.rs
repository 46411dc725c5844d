//! Commands about attached files: attach, remove, fetch.

use holdfast_domain::blob::{Attachment, AttachmentNew, BlobId, Thumbnail};
use holdfast_domain::feed::{self, BlobBody, RecordRef};
use holdfast_domain::id::MissionId;
use holdfast_domain::mission::MissionStatus;
use holdfast_domain::ranges::Ranges;
use holdfast_domain::record::Patch;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_protocol::blob::BlobInput;
use holdfast_protocol::protocol::Input;
use holdfast_store::blobs::room::Staged;
use holdfast_store::error::StoreError;

use crate::blobs::{BlobCommand, BlobReply};
use crate::engine::{Core, Step};

/// That a file was used is written down so often at most, milliseconds: reading costs no commit.
const USED_EVERY_MS: u64 = 3_600_000;

type Answer = Result<BlobReply, Refusal>;

impl Core {
    pub(crate) fn blob_command(&mut self, step: &mut Step<'_>, command: BlobCommand) -> Result<Answer, StoreError> {
        match command {
            BlobCommand::Add { new, content, thumbnail } => self.attach(step, new, content, thumbnail),
            BlobCommand::Remove { mission, id } => self.detach(step, mission, id),
            BlobCommand::Fetch { mission, id } => self.fetch(step, mission, id),
            BlobCommand::Used(key) => {
                let used_ms = step.store.blob(&key)?.map_or(u64::MAX, |row| row.used_ms);
                if step.now.wall_ms.saturating_sub(used_ms) > USED_EVERY_MS {
                    step.txn.blob_used(&key, step.now.wall_ms)?;
                    step.dirty = true;
                }
                Ok(Ok(BlobReply::Done))
            }
        }
    }

    fn attach(
        &mut self,
        step: &mut Step<'_>,
        new: AttachmentNew,
        content: Staged,
        thumbnail: Option<Staged>,
    ) -> Result<Answer, StoreError> {
        let key = content.key();
        if let Some(refusal) = may_attach(step, &new)? {
            return Ok(Err(refusal));
        }
        if !key.is_sound() {
            let fault = "is empty, or larger than an attachment may be; split it".to_owned();
            return Ok(Err(Refusal::Invalid { field: "file", fault }));
        }
        let known = step.store.attachment(new.mission, key.id)?.filter(|known| known.removed.is_none());
        let small = thumbnail.as_ref().map(Staged::key);
        let needed = key.bytes + small.map_or(0, |small| small.bytes);
        if let Err(fault) = self.make_room(step, needed, &key)? {
            return Ok(Err(Refusal::NoRoom { fault }));
        }
        for staged in std::iter::once(content).chain(thumbnail) {
            if let Err(refusal) = self.adopt(step, staged)? {
                // What was taken into its place already belongs to nothing.
                self.settle_blob(step, key.id)?;
                return Ok(Err(refusal));
            }
        }
        if known.is_some() {
            return Ok(Ok(BlobReply::Attached(key.id, false)));
        }
        let written = self.clock.tick(step.now);
        let AttachmentNew { mission, media_type, name, attached_to } = new;
        let attachment = Attachment {
            id: key.id,
            mission,
            bytes: key.bytes,
            media_type,
            name,
            attached_to,
            thumbnail: small.map(|small| Thumbnail { id: small.id, bytes: small.bytes }),
            from: self.config.device.name.clone(),
            author: self.credential.author(),
            written,
            removed: None,
        };
        self.write(step, stream_of(mission), feed::encode(&body_of(&attachment)));
        self.shown(step, Patch::Attachment(attachment))?;
        Ok(Ok(BlobReply::Attached(key.id, true)))
    }

    fn shown(&mut self, step: &mut Step<'_>, patch: Patch) -> Result<(), StoreError> {
        step.dirty = true;
        step.show(std::slice::from_ref(&patch))?;
        self.blob_news(step, &[patch])
    }

    /// Takes a file into its place.
    fn adopt(&mut self, step: &mut Step<'_>, staged: Staged) -> Result<Result<(), Refusal>, StoreError> {
        let key = staged.key();
        let before = step.store.blob(&key)?.map_or(0, |row| row.stored());
        match step.txn.blob_adopt(staged, step.now.wall_ms)? {
            Err(fault) => return Ok(Err(Refusal::NotSaved { fault: fault.to_string() })),
            Ok(false) => return Ok(Ok(())),
            Ok(true) => {}
        }
        step.dirty = true;
        step.txn.put_blob_wish(&key, None)?;
        self.blobs.stored_bytes += key.bytes - before;
        self.say(step, Input::Blob(BlobInput::Held { blob: key, held: Ranges::below(key.groups()) }))?;
        Ok(Ok(()))
    }

    fn detach(&mut self, step: &mut Step<'_>, mission: MissionId, id: BlobId) -> Result<Answer, StoreError> {
        match step.store.attachment(mission, id)? {
            None => return Ok(Err(not_found(id))),
            Some(attachment) if attachment.removed.is_some() => return Ok(Ok(BlobReply::Done)),
            Some(_) => {}
        }
        let written = self.clock.tick(step.now);
        self.write(step, stream_of(mission), feed::encode(&BlobBody::RemovedV1 { written, id }));
        self.shown(step, Patch::AttachmentRemoved { mission, id, written })?;
        Ok(Ok(BlobReply::Done))
    }

    fn fetch(&mut self, step: &mut Step<'_>, mission: MissionId, id: BlobId) -> Result<Answer, StoreError> {
        let Some(attachment) = step.store.attachment(mission, id)?.filter(|known| known.removed.is_none()) else {
            return Ok(Err(not_found(id)));
        };
        let key = attachment.key();
        let held = step.store.blob(&key)?.map(|row| row.held).unwrap_or_default();
        if let Err(fault) = self.make_room(step, key.bytes - key.bytes_of(held.count()), &key)? {
            return Ok(Err(Refusal::NoRoom { fault }));
        }
        step.txn.put_blob_wish(&key, Some(true))?;
        step.dirty = true;
        self.blob_news(step, &[Patch::Attachment(attachment)])?;
        Ok(Ok(BlobReply::Done))
    }
}

fn stream_of(mission: MissionId) -> StreamId {
    StreamId::new(Scope::Mission(mission), StreamKind::Blob)
}

fn body_of(attachment: &Attachment) -> BlobBody {
    let Attachment { id, bytes, media_type, name, thumbnail, from, written, .. } = attachment.clone();
    let attached_to = attachment.attached_to.as_ref().map(RecordRef::of);
    BlobBody::V1 { written, id, bytes, media_type, name, attached_to, thumbnail, from }
}

fn not_found(id: BlobId) -> Refusal {
    Refusal::NotFound { kind: "attachment", id: id.to_string() }
}

fn may_attach(step: &Step<'_>, new: &AttachmentNew) -> Result<Option<Refusal>, StoreError> {
    if let Err(refusal) = new.check() {
        return Ok(Some(refusal));
    }
    let id = new.mission.to_string();
    let refusal = match step.store.mission(new.mission)? {
        None => Some(Refusal::NotFound { kind: "mission", id }),
        Some(mission) if mission.deleted.is_some() => Some(Refusal::Deleted { kind: "mission", id }),
        Some(mission) if mission.status == MissionStatus::Closed => Some(Refusal::MissionClosed { id }),
        Some(_) => None,
    };
    if refusal.is_some() {
        return Ok(refusal);
    }
    let Some(record) = new.attached_to else { return Ok(None) };
    if step.store.record_rev(record)?.is_none() {
        let (kind, id) = (record.kind(), record.to_string());
        return Ok(Some(Refusal::NotFound { kind, id }));
    }
    Ok(None)
}
