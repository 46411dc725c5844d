//! What comes into the engine: connections, frames, commands, time.

use holdfast_domain::api::InvitationNew;
use holdfast_domain::edit::Edit;
use holdfast_domain::frame::LinkId;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::{DeviceId, PublicKey};
use holdfast_domain::power::PowerStatus;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::StreamId;

use crate::blobs::BlobCommand;
use crate::parcel::steps::ParcelStep;

/// Names a command until its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What comes in.
#[derive(Debug)]
pub enum Event {
    /// A connection stands; TLS has proved the device.
    Up {
        /// The connection.
        link: LinkId,
        /// The device at its other end.
        device: DeviceId,
        /// Its address, for people.
        address: String,
        /// Whether this side dialled.
        outgoing: bool,
    },
    /// A connection is gone.
    Down {
        /// The connection.
        link: LinkId,
        /// What had come of frames that the end cut in two, from their first byte on.
        partials: Vec<Vec<u8>>,
    },
    /// What a connection turns out to be.
    Measured {
        /// The connection.
        link: LinkId,
        /// What it carries from here to the peer, bits a second; `None` where nothing has limited it yet.
        rate_bps: Option<u64>,
        /// Round trip, microseconds.
        rtt_us: u64,
        /// Packets in a thousand that the link loses of its own.
        lost_permille: u32,
    },
    /// The peer fell silent while it owes an answer, or is heard again.
    Silent {
        /// The connection.
        link: LinkId,
        /// Whether it is silent.
        silent: bool,
    },
    /// Bytes of one frame.
    Frame {
        /// The connection.
        link: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A command of a face.
    Command(Ticket, Command),
    /// Time has passed.
    Tick,
}

/// What a face asks.
#[derive(Debug)]
pub enum Command {
    /// Make edits.
    Edit {
        /// The edits, all of one mission.
        edits: Vec<Edit>,
        /// Conditions on them.
        options: EditOptions,
    },
    /// How are you?
    Status,
    /// Who has a record of a mission, or of the org?
    Holders {
        /// The mission; the org if `None`.
        mission: Option<MissionId>,
        /// The record.
        record: RecordId,
    },
    /// What does each device hold of a mission, or of the org?
    ScopeHolders {
        /// The mission; the org if `None`.
        mission: Option<MissionId>,
    },
    /// Keep the link with a device quiet, or end that.
    Pause {
        /// The device.
        device: DeviceId,
        /// Quiet or not.
        paused: bool,
    },
    /// Make an invitation.
    Invite(InvitationNew),
    /// Redeem an invitation for a device.
    Enrol {
        /// BLAKE3 of the token's secret.
        secret_hash: [u8; 32],
        /// The newcomer's key.
        key: PublicKey,
    },
    /// Check everything; rebuild the views.
    Doctor,
    /// The supplies were looked at: what the node runs on from now on.
    Power(Box<PowerStatus>),
    /// `host:port` at which others reach this node from now on, the likeliest first; none: nowhere.
    Reachable(Vec<String>),
    /// One step in making or taking a parcel.
    Parcel(ParcelStep),
    /// Roll a document to its next generation; only at a command post.
    Roll {
        /// The document.
        stream: StreamId,
    },
    /// Say that a feed is held so far for good; only at a command post.
    Floor {
        /// The feed.
        stream: StreamId,
    },
    /// What is kept of each stream, and why?
    Retention,
    /// Attach, remove or fetch a file.
    Blob(Box<BlobCommand>),
}

/// Conditions on edits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EditOptions {
    /// The revision of the record that the caller saw (`If-Match`); only for a single edit.
    pub expect_rev: Option<u64>,
    /// Makes the request safe to repeat: the first outcome is given again.
    pub idempotency_key: Option<String>,
}
