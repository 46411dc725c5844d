//! Bodies of the HTTP API that are not records: items with their revision, pages, problems, status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::Alert;
use crate::blob::{Attachment, BlobsStatus};
use crate::conflict::Conflict;
use crate::edit::Outcome;
use crate::frontier::Fingerprint;
use crate::identity::{AuthorId, DeviceId, DeviceRole, OrgId};
use crate::incident::Incident;
use crate::message::Message;
use crate::mission::Mission;
use crate::power::PowerStatus;
use crate::task::Task;
use crate::track::{Fix, UnitPosition};
use crate::unit::Unit;

/// A record with its revision on this node. The revision is the ETag; it rises with each change seen here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item<T> {
    /// Revision on this node.
    pub rev: u64,
    /// The record.
    #[serde(flatten)]
    pub record: T,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Rows that match in all.
    pub total: u64,
}

/// An error as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name of the kind of error: `urn:holdfast:problem:<word>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The error in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this case and what to do.
    pub detail: String,
}

/// One change in the live stream (SSE); the event's id is `rev`, its name the tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum LiveEvent {
    /// A mission changed.
    Mission(Item<Mission>),
    /// An incident changed.
    Incident(Item<Incident>),
    /// A task changed.
    Task(Item<Task>),
    /// A unit changed.
    Unit(Item<Unit>),
    /// A message came.
    Message(Item<Message>),
    /// A unit moved.
    Position(Item<UnitPosition>),
    /// A conflict appeared or changed.
    Conflict(Item<Conflict>),
    /// An alert was raised, acknowledged or called off.
    Alert(Item<Alert>),
    /// A file was attached or removed.
    Attachment(Item<Attachment>),
}

/// Fixes of a track with a cursor by time.
pub type TrackPage = Page<Fix>;

/// What this node is and how it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Version of the program.
    pub version: String,
    /// The org.
    pub org: OrgId,
    /// This device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: DeviceRole,
    /// The author it writes as now.
    pub author: AuthorId,
    /// The epoch of that author.
    pub epoch: u32,
    /// Fingerprint of the content of each scope held, by scope (`org` or a mission id): equal ones mean that two nodes
    /// show the same.
    pub scopes: BTreeMap<String, Fingerprint>,
    /// Entries held.
    pub entries: u64,
    /// Entries stored that wait for a predecessor.
    pub held: u64,
    /// Streams frozen because their author wrote two histories.
    pub forks: Vec<Fork>,
    /// Entries of authors without the right to write them, kept aside.
    pub quarantined: u64,
    /// How far the wall clock is from what peers say, milliseconds; absent when no peer has spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// The wall clock of this node, Unix milliseconds.
    pub wall_ms: u64,
    /// What it runs on, and what sync may spend because of that.
    pub power: PowerStatus,
    /// How many devices' word of what they hold is here, by scope.
    pub summaries: BTreeMap<String, u64>,
    /// Peers known, connected or not.
    pub peers: Vec<PeerStatus>,
    /// Files attached to missions, as far as this node keeps them.
    pub blobs: BlobsStatus,
    /// Counters since the start, by name, as in `/metrics`.
    pub counters: BTreeMap<String, u64>,
    /// What came to this node's ports since the start and was not let in.
    #[serde(default)]
    pub turned_away: TurnedAway,
}

/// What came over the network and was not let in, counted since the start. None of it changed anything here; the log names
/// the senders, each address once in a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct TurnedAway {
    /// Datagrams that are no QUIC.
    pub datagrams_not_quic: u64,
    /// Datagrams that begin a connection in a version of QUIC that is not spoken here.
    pub datagrams_other_version: u64,
    /// Datagrams for connections that this node never had; the last word of a peer that started afresh counts too.
    pub datagrams_to_nobody: u64,
    /// Handshakes with devices of another org, dialled from either side.
    pub handshakes_other_org: u64,
    /// Handshakes that came to nothing since the two ends do not trust each other's certificates for another reason, such
    /// as their time.
    pub handshakes_untrusted: u64,
    /// Handshakes that others began and did not finish in two minutes, or before others wanted their place.
    pub handshakes_unfinished: u64,
    /// Enrolments that came to nothing: without a good token, or broken off.
    pub enrolments_failed: u64,
    /// Links closed since the peer sent what is no frame, or more at once than it may. What looks like a frame and is none
    /// counts as `bad_frame` among the counters.
    pub links_bad_frame: u64,
    /// Links closed since the peer never said a whole frame and others wanted its place.
    pub links_silent: u64,
}

/// An author with two histories in one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fork {
    /// The stream, as `scope/kind`.
    pub stream: String,
    /// The author.
    pub author: AuthorId,
    /// Name of the author's device, if known.
    pub device: String,
    /// The first number at which the histories differ.
    pub seq: u64,
}

/// A peer as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: DeviceRole,
    /// Whether a session is up.
    pub connected: bool,
    /// Whether the peer owes an answer for longer than it should take: it may be gone, and the session not yet ended.
    pub silent: bool,
    /// Whether an operator keeps the link quiet.
    pub paused: bool,
    /// Its address, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it was last heard, Unix milliseconds by this node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<u64>,
    /// Entries that this node holds and the peer, as far as known, does not.
    pub lacks: u64,
    /// The same by scope.
    pub lacks_by_scope: BTreeMap<String, u64>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Rows read, good or bad.
    pub rows: u64,
    /// Records made.
    pub created: u64,
    /// Records changed.
    pub changed: u64,
    /// Records that were there already.
    pub unchanged: u64,
    /// Rows that were left out, with their line and the reason; the first thousand.
    pub rejected: Vec<RejectedRow>,
    /// How many were left out in all.
    pub rejected_total: u64,
}

/// A row left out of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedRow {
    /// Line in the file, from 1.
    pub line: u64,
    /// Why, and what would be right.
    pub reason: String,
}

/// What several edits came to, one for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcomes {
    /// In the order of the edits.
    pub outcomes: Vec<Outcome>,
}

/// An invitation for one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The one-time token; shown once, kept only as a hash.
    pub token: String,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// The role it grants.
    pub role: DeviceRole,
}

/// What is asked of an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationNew {
    /// The name the device will have.
    pub name: String,
    /// The role it is to have.
    pub role: DeviceRole,
    /// How long the invitation holds, seconds; a day if absent.
    #[serde(default)]
    pub life_s: Option<u64>,
}

/// What `doctor` found: every document reloaded, every view rebuilt and compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// Documents reloaded from their snapshot and entries.
    pub documents: u64,
    /// Entries whose chain and signatures were checked.
    pub entries: u64,
    /// Rows of the views compared with rows rebuilt from entries.
    pub rows: u64,
    /// What is wrong, one sentence each; empty when all is well.
    pub faults: Vec<String>,
    /// Whether the views were written anew from the entries.
    pub repaired: bool,
}
