//! What comes out of the engine, once the commit it depends on is on disk.

use holdfast_domain::api::{DoctorReport, NodeStatus};
use holdfast_domain::edit::Outcome;
use holdfast_domain::frame::{Bye, Carriage, LinkId};
use holdfast_domain::identity::{AuthorId, DeviceId};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Class, StreamId};
use holdfast_store::error::StoreError;

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
    /// To [`crate::event::Command::Pause`] and [`crate::event::Command::Power`].
    Done(Result<(), Refusal>),
    /// To [`crate::event::Command::Invite`]: the secret and when it expires.
    Invited(Result<([u8; 16], u64), Refusal>),
    /// To [`crate::event::Command::Enrol`].
    Enrolled(Enrolled),
    /// To [`crate::event::Command::Doctor`].
    Examined(Result<DoctorReport, StoreError>),
    /// To [`crate::event::Command::Parcel`].
    Parcel(ParcelAnswer),
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
    /// A commit failed; the engine has reloaded what is on disk.
    CommitFailed(String),
}
