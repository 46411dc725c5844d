//! What faces do with attached files: files come in beside the engine, and are read beside it.

use std::fs::File;

use holdfast_domain::blob::{AttachmentNew, BlobId, BlobKey};
use holdfast_domain::id::MissionId;
use holdfast_domain::refusal::Refusal;
use holdfast_store::blobs::room::{Incoming, Staged};

use crate::blobs::{BlobCommand, BlobReply};
use crate::effect::Reply;
use crate::event::Command;
use crate::handle::{Failed, Handle};

fn not_saved(error: &dyn std::error::Error) -> Failed {
    Failed::Refused(Refusal::NotSaved { fault: format!("the file could not be written: {error}") })
}

impl Handle {
    async fn blob(&self, command: BlobCommand) -> Result<BlobReply, Failed> {
        match self.call(Command::Blob(Box::new(command))).await? {
            Reply::Blob(result) => Ok(result?),
            Reply::NotSaved(refusal) => Err(refusal.into()),
            _ => Err(Failed::Stopped),
        }
    }

    /// Begins a file that comes in, to be attached when it is whole; dropped before, it leaves no trace. Blocks on the disk.
    pub fn blob_incoming(&self) -> Result<Incoming, Failed> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| not_saved(&error))?;
        self.blob_room.incoming(u64::from_le_bytes(number)).map_err(|error| not_saved(&error))
    }

    /// Takes the next bytes of a file that comes in. Blocks on the disk.
    pub fn blob_write(incoming: &mut Incoming, bytes: &[u8]) -> Result<(), Failed> {
        incoming.write(bytes).map_err(|error| not_saved(&error))
    }

    /// Hashes a file that came in whole and makes it durable. Blocks on the disk.
    pub fn blob_finish(incoming: Incoming) -> Result<Staged, Failed> {
        incoming.finish().map_err(|error| not_saved(&error))
    }

    /// Attaches a file. It is durable when this returns; false if the mission had it already.
    pub async fn blob_attach(
        &self,
        new: AttachmentNew,
        content: Staged,
        thumbnail: Option<Staged>,
    ) -> Result<(BlobId, bool), Failed> {
        match self.blob(BlobCommand::Add { new, content, thumbnail }).await? {
            BlobReply::Attached(id, fresh) => Ok((id, fresh)),
            BlobReply::Done => Err(Failed::Stopped),
        }
    }

    /// Removes an attachment, here and everywhere.
    pub async fn blob_remove(&self, mission: MissionId, id: BlobId) -> Result<(), Failed> {
        self.blob(BlobCommand::Remove { mission, id }).await.map(|_| ())
    }

    /// Has a file fetched and kept, whatever the policy.
    pub async fn blob_fetch(&self, mission: MissionId, id: BlobId) -> Result<(), Failed> {
        self.blob(BlobCommand::Fetch { mission, id }).await.map(|_| ())
    }

    /// Opens a file that is here whole, and notes that it was used.
    pub async fn blob_open(&self, key: BlobKey) -> Result<Option<File>, Failed> {
        let whole = self.read(move |views| views.blob(&key)).await?.is_some_and(|row| row.is_whole());
        if !whole {
            return Ok(None);
        }
        let room = self.blob_room.clone();
        let file = tokio::task::spawn_blocking(move || room.read(&key)).await.map_err(|_| Failed::Stopped)?;
        self.blob(BlobCommand::Used(key)).await?;
        // It may have been let go of between the question and the opening.
        Ok(file.ok())
    }
}
