//! What comes out of the engine, once the commit it depends on is on disk.

use holdfast_domain::api::{DoctorReport, NodeStatus};
use holdfast_domain::edit::Outcome;
use holdfast_domain::frame::{Bye, Carriage, LinkId};
use holdfast_domain::holders::{Holders, ScopeHolder};
use holdfast_domain::identity::{AuthorId, DeviceId};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::retention::RetentionStatus;
use holdfast_domain::scope::{Class, StreamId};
use holdfast_store::error::StoreError;
use holdfast_transport::learned::Whereabouts;

use crate::authority::Enrolled;
use crate::blobs::BlobReply;
use crate::event::Ticket;
use crate::parcel::steps::ParcelAnswer;

/// Answers to commands.
#[derive(Debug)]
pub enum Reply {
    /// To [`crate::event::Command::Edit`], edit by edit.
    Edited(Result<Vec<Result<Outcome, Refusal>>, Refusal>),
    /// To [`crate::event::Command::Status`].
    Status(Box<NodeStatus>),
    /// To [`crate::event::Command::Holders`].
    Holders(Result<Holders, Refusal>),
    /// To [`crate::event::Command::ScopeHolders`].
    ScopeHolders(Vec<ScopeHolder>),
    /// To [`crate::event::Command::Pause`], [`crate::event::Command::Power`] and [`crate::event::Command::Reachable`].
    Done(Result<(), Refusal>),
    /// To [`crate::event::Command::Invite`]: the secret and when it expires.
    Invited(Result<([u8; 16], u64), Refusal>),
    /// To [`crate::event::Command::Enrol`].
    Enrolled(Enrolled),
    /// To [`crate::event::Command::Doctor`].
    Examined(Result<DoctorReport, StoreError>),
    /// To [`crate::event::Command::Parcel`].
    Parcel(ParcelAnswer),
    /// To [`crate::event::Command::Roll`] and [`crate::event::Command::Floor`]: the number of the floor.
    Rolled(Result<u32, Refusal>),
    /// To [`crate::event::Command::Retention`].
    Retention(RetentionStatus),
    /// To [`crate::event::Command::Blob`].
    Blob(Result<BlobReply, Refusal>),
    /// To any command: the disk refused, nothing was changed.
    NotSaved(Refusal),
}

/// What is to be done outside; all of it may be done in order at once.
#[derive(Debug)]
pub enum Effect {
    /// Answer a command.
    Reply(Ticket, Reply),
    /// Hand a frame to a connection.
    Send {
        /// The connection.
        link: LinkId,
        /// How urgent.
        class: Class,
        /// How it travels.
        carriage: Carriage,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// End a connection.
    Close {
        /// The connection.
        link: LinkId,
        /// Why.
        reason: Bye,
    },
    /// A device says where it is reached.
    Learned(Whereabouts),
    /// View rows changed; this is the newest revision.
    Changed(u64),
    /// Something a person should hear of.
    Notice(Notice),
    /// The store cannot be read any more; the node must stop.
    Fatal(String),
}

/// Something a person should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An author wrote two histories; its stream is frozen.
    Fork {
        /// The stream.
        stream: StreamId,
        /// The author.
        author: AuthorId,
        /// Where the histories part.
        seq: u64,
    },
    /// This node's own history turned up elsewhere, further on or different: it writes as a fresh author from now on.
    EpochRaised {
        /// The fresh epoch.
        epoch: u32,
    },
    /// An entry was kept aside because its author may not write it.
    Quarantined {
        /// The stream.
        stream: StreamId,
        /// The author.
        author: AuthorId,
    },
    /// A connection was ended for what the peer did.
    PeerRefused {
        /// The device.
        device: Option<DeviceId>,
        /// What it did.
        reason: Bye,
    },
    /// A device claims again and again to hold what this node never wrote, and shows nothing.
    PeerDoubted {
        /// The device.
        device: DeviceId,
    },
    /// A parcel was turned away as a whole.
    ParcelRefused {
        /// What is wrong with it.
        fault: String,
    },
    /// Runs of entries in a parcel were left out.
    ParcelRunsRefused {
        /// How many.
        runs: usize,
        /// What is wrong with the first.
        fault: String,
    },
    /// This node was behind a floor: it goes on from there without the entries before, which a command post keeps.
    Reset {
        /// The stream.
        stream: StreamId,
        /// How many entries it passes over.
        entries: u64,
    },
    /// A document goes on in another generation.
    Turned {
        /// The document.
        stream: StreamId,
        /// The number of the generation.
        generation: u32,
        /// Changes in which late edits were said again.
        late: usize,
    },
    /// A commit failed; the engine has reloaded what is on disk.
    CommitFailed(String),
}
