//! What the faces hold: commands to the engine, questions to the views, news of commits.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use holdfast_domain::api::{DoctorReport, Invitation, InvitationNew, NodeStatus};
use holdfast_domain::edit::{Edit, Outcome};
use holdfast_domain::holders::{Holders, ScopeHolder};
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::DeviceId;
use holdfast_domain::parcel::{ParcelContents, ParcelImported, ParcelNew};
use holdfast_domain::power::PowerStatus;
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::retention::{FloorLaid, FloorNew, RetentionStatus};
use holdfast_domain::scope::{Family, Scope, StreamId};
use holdfast_store::blobs::room::Room;
use holdfast_store::error::StoreError;
use holdfast_store::views::Views;
use holdfast_transport::endpoint::Transport;
use tokio::sync::{mpsc, oneshot, watch};

use crate::effect::Reply;
use crate::event::{Command, EditOptions};
use crate::parcel::{Ask, ParcelReader, ParcelRefusal};

/// Why a call did not go through.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine refused it; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many commands are waiting.
    #[error("the node is busy: too many requests are waiting; try again in a second")]
    Busy,
    /// The engine has stopped.
    #[error("the node is shutting down")]
    Stopped,
    /// The views could not be read.
    #[error("the database could not be read")]
    Store(#[source] StoreError),
    /// A cursor that no list gave.
    #[error("the cursor is not one that this list gave; leave it out to begin at the first page")]
    BadCursor,
    /// Only an authority may do this.
    #[error("this device does not hold the org's authority; ask the command post")]
    NotAuthority,
    /// No parcel can be made or taken so; nothing changed.
    #[error(transparent)]
    Parcel(#[from] ParcelRefusal),
    /// A parcel could not be sealed; nothing changed.
    #[error("the parcel could not be sealed")]
    Sealing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address cannot be dialled.
    #[error("`{address}` is no address: give host:port, such as 192.0.2.7:7400")]
    BadAddress {
        /// What was given.
        address: String,
    },
}

/// A command with the place for its reply.
pub(crate) type Request = (Command, oneshot::Sender<Reply>);

/// A cheap handle on a running node.
#[derive(Clone)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Request>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) transport: Transport,
    /// How newcomers reach this node to enrol; `None` where no authority is held.
    pub(crate) enrol_address: Option<String>,
    pub(crate) authority: Option<holdfast_domain::identity::PublicKey>,
    pub(crate) parcels: Arc<ParcelReader>,
    pub(crate) blob_room: Room,
}

/// Read connections, opened as needed and kept for the next question.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Views>>,
}

/// Idle read connections kept; each holds a page cache.
const READERS_IDLE_MAX: usize = 8;

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    fn ask<T>(&self, question: impl FnOnce(&Views) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let views = match idle {
            Some(views) => views,
            None => Views::open(&self.path)?,
        };
        let answer = question(&views);
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < READERS_IDLE_MAX {
            idle.push(views);
        }
        answer
    }
}

impl Handle {
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, Failed> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send((command, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failed::Busy,
            mpsc::error::TrySendError::Closed(_) => Failed::Stopped,
        })?;
        answer.await.map_err(|_| Failed::Stopped)
    }

    /// Makes edits, all of one mission, in one gesture. Those taken are durable when this returns; a refused one wrote
    /// nothing. Ids left out are minted.
    pub async fn edit(&self, edits: Vec<Edit>, options: EditOptions) -> Result<Vec<Result<Outcome, Refusal>>, Failed> {
        match self.call(Command::Edit { edits, options }).await? {
            Reply::Edited(result) => Ok(result?),
            _ => Err(Failed::Stopped),
        }
    }

    /// What the node is and how it does.
    pub async fn status(&self) -> Result<NodeStatus, Failed> {
        match self.call(Command::Status).await? {
            // Whom the door turned away the engine never hears of.
            Reply::Status(status) => Ok(NodeStatus { turned_away: self.transport.door().turned_away(), ..*status }),
            _ => Err(Failed::Stopped),
        }
    }

    /// Who has a record of a mission, or of the org (`None`), as far as is known here.
    pub async fn holders(&self, mission: Option<MissionId>, record: RecordId) -> Result<Holders, Failed> {
        match self.call(Command::Holders { mission, record }).await? {
            Reply::Holders(result) => Ok(result?),
            _ => Err(Failed::Stopped),
        }
    }

    /// What each device holds of a mission, or of the org (`None`), compared with this node.
    pub async fn scope_holders(&self, mission: Option<MissionId>) -> Result<Vec<ScopeHolder>, Failed> {
        match self.call(Command::ScopeHolders { mission }).await? {
            Reply::ScopeHolders(rows) => Ok(rows),
            _ => Err(Failed::Stopped),
        }
    }

    /// Keeps the link with a device quiet, or ends that.
    pub async fn pause(&self, device: DeviceId, paused: bool) -> Result<(), Failed> {
        match self.call(Command::Pause { device, paused }).await? {
            Reply::Done(result) => Ok(result?),
            _ => Err(Failed::Stopped),
        }
    }

    /// Tells the engine what the node runs on from now on.
    pub async fn power(&self, power: PowerStatus) -> Result<(), Failed> {
        self.transport.save_power(power.policy.beacon_factor);
        match self.call(Command::Power(Box::new(power))).await? {
            Reply::Done(result) => Ok(result?),
            _ => Err(Failed::Stopped),
        }
    }

    /// Dials a peer and keeps dialling it until the node stops.
    #[expect(clippy::unused_async, reason = "it must be called within the runtime that the dialling runs on")]
    pub async fn dial(&self, address: String) -> Result<(), Failed> {
        match address.parse() {
            Ok(address) => self.transport.add_peer(address),
            Err(_) => return Err(Failed::BadAddress { address }),
        }
        Ok(())
    }

    /// Makes a one-time invitation.
    pub async fn invite(&self, new: InvitationNew) -> Result<Invitation, Failed> {
        let (Some(address), Some(authority)) = (self.enrol_address.clone(), self.authority) else {
            return Err(Failed::NotAuthority);
        };
        let role = new.role;
        match self.call(Command::Invite(new)).await? {
            Reply::Invited(result) => {
                let (secret, expires_ms) = result?;
                let token = holdfast_transport::enrolment::Token { address, authority, secret }.to_string();
                Ok(Invitation { token, expires_ms, role })
            }
            _ => Err(Failed::Stopped),
        }
    }

    /// Reloads every document, checks chains and signatures, rebuilds the views and compares; writes the views anew if
    /// they differ.
    pub async fn doctor(&self) -> Result<DoctorReport, Failed> {
        match self.call(Command::Doctor).await? {
            Reply::Examined(result) => result.map_err(Failed::Store),
            _ => Err(Failed::Stopped),
        }
    }

    /// What is kept of each stream.
    pub async fn retention(&self) -> Result<RetentionStatus, Failed> {
        match self.call(Command::Retention).await? {
            Reply::Retention(status) => Ok(status),
            _ => Err(Failed::Stopped),
        }
    }

    /// Rolls a document, or lays a floor under a feed; only at a command post.
    pub async fn lay_floor(&self, new: FloorNew) -> Result<FloorLaid, Failed> {
        let stream = StreamId::new(Scope::Mission(new.mission), new.kind);
        let command = match new.kind.family() {
            Family::Document => Command::Roll { stream },
            Family::Feed | Family::Register => Command::Floor { stream },
        };
        match self.call(command).await? {
            Reply::Rolled(result) => Ok(FloorLaid { number: result? }),
            Reply::NotSaved(refusal) => Err(refusal.into()),
            _ => Err(Failed::Stopped),
        }
    }

    /// Makes a parcel: the bytes of the file.
    pub async fn parcel_export(&self, new: ParcelNew) -> Result<Vec<u8>, Failed> {
        self.parcel_work(move |ask, _| crate::parcel::export(ask, &new)).await
    }

    /// Takes a parcel in. What is bad about it as a whole is found before anything is taken.
    pub async fn parcel_import(&self, bytes: Vec<u8>) -> Result<ParcelImported, Failed> {
        self.parcel_work(move |ask, reader| crate::parcel::import(ask, reader, &bytes)).await
    }

    /// Tells what is in a parcel without taking it in.
    pub async fn parcel_inspect(&self, bytes: Vec<u8>) -> Result<ParcelContents, Failed> {
        self.parcel_work(move |_, reader| Ok(reader.inspect(&bytes).map_err(ParcelRefusal::from)?)).await
    }

    /// Works on a parcel on a thread for blocking work; between its steps the engine does other things, too.
    async fn parcel_work<T: Send + 'static>(
        &self,
        work: impl FnOnce(Ask<'_>, &ParcelReader) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let (handle, runtime) = (self.clone(), tokio::runtime::Handle::current());
        let worked = tokio::task::spawn_blocking(move || {
            work(&mut |command| runtime.block_on(handle.call(command)), &handle.parcels)
        });
        worked.await.map_err(|_| Failed::Stopped)?
    }

    /// The newest committed revision; changes whenever a view row changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Asks the views. The question runs on a thread for blocking work, on a read connection of its own.
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Views) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failed> {
        let readers = Arc::clone(&self.readers);
        let answer = tokio::task::spawn_blocking(move || readers.ask(question)).await.map_err(|_| Failed::Stopped)?;
        answer.map_err(
            |error| if matches!(error, StoreError::BadCursor) { Failed::BadCursor } else { Failed::Store(error) },
        )
    }
}
