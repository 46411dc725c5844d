//! Where entries belong: scopes, the streams within them, and the class in which a stream travels.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{IdError, MissionId};

/// The unit of replication and access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Devices, control and org-wide matters.
    Org,
    /// One mission.
    Mission(MissionId),
}

impl Scope {
    /// The mission; `None` for the org.
    pub fn mission(self) -> Option<MissionId> {
        match self {
            Self::Org => None,
            Self::Mission(mission) => Some(mission),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Org => f.write_str("org"),
            Self::Mission(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "org" { Ok(Self::Org) } else { text.parse().map(Self::Mission) }
    }
}

/// What a stream carries. The number is its code on the wire and on disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum StreamKind {
    /// Document: missions, incidents, tasks.
    Board = 0,
    /// Document: units.
    Roster = 1,
    /// Feed: facts of the command post, such as enrolments.
    Control = 2,
    /// Feed: messages.
    Message = 3,
    /// Feed: position history.
    Track = 4,
    /// Registers: newest value per (author, key); older values vanish.
    Latest = 5,
    /// Feed: alerts, their acknowledgements and cancellations.
    Alert = 6,
    /// Feed: attachments, whose bytes travel apart from it.
    Blob = 7,
    /// Registers: what each device holds of the scope, in short; only the newest of an author is kept.
    Holds = 8,
    /// Feed: position history of which one fix in ten seconds is left, written by command posts.
    TrackSampled = 9,
    /// Feed: position history of which only the way is left, written by command posts.
    TrackSimplified = 10,
}

/// How a stream is kept and proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Automerge changes in a chain per author.
    Document,
    /// Append-only bodies in a chain per author.
    Feed,
    /// Each entry stands alone; a newer one of the same key replaces it, so sequence numbers have holes.
    Register,
}

impl StreamKind {
    /// Every kind, in the order of its code.
    pub const ALL: [Self; 11] = [
        Self::Board,
        Self::Roster,
        Self::Control,
        Self::Message,
        Self::Track,
        Self::Latest,
        Self::Alert,
        Self::Blob,
        Self::Holds,
        Self::TrackSampled,
        Self::TrackSimplified,
    ];

    /// The code on the wire and on disk.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// How it is kept and proved.
    pub fn family(self) -> Family {
        match self {
            Self::Board | Self::Roster => Family::Document,
            Self::Latest | Self::Holds => Family::Register,
            Self::Control
            | Self::Message
            | Self::Track
            | Self::Alert
            | Self::Blob
            | Self::TrackSampled
            | Self::TrackSimplified => Family::Feed,
        }
    }

    /// The class it travels in.
    pub fn class(self) -> Class {
        match self {
            Self::Control | Self::Alert => Class::P0,
            Self::Latest => Class::P1,
            Self::Board | Self::Roster | Self::Message | Self::Blob => Class::P2,
            // Below what it tells of: it must never keep an order waiting.
            Self::Holds => Class::P3,
            Self::Track | Self::TrackSampled | Self::TrackSimplified => Class::P4,
        }
    }

    /// Of position history, the stream for what is left of it when it is thinned next.
    pub fn thinned_into(self) -> Option<Self> {
        match self {
            Self::Track => Some(Self::TrackSampled),
            Self::TrackSampled => Some(Self::TrackSimplified),
            _ => None,
        }
    }

    /// Whether it is position history, thinned or not.
    pub fn is_track(self) -> bool {
        matches!(self, Self::Track | Self::TrackSampled | Self::TrackSimplified)
    }

    /// The word used in commands, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Roster => "roster",
            Self::Control => "control",
            Self::Message => "message",
            Self::Track => "track",
            Self::Latest => "latest",
            Self::Alert => "alert",
            Self::Holds => "holds",
            Self::Blob => "blob",
            Self::TrackSampled => "track_sampled",
            Self::TrackSimplified => "track_simplified",
        }
    }
}

/// A stream: many authors write into it, each with a numbering of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// Where it belongs.
    pub scope: Scope,
    /// What it carries.
    pub kind: StreamKind,
}

impl StreamId {
    /// The stream of this kind in this scope.
    pub fn new(scope: Scope, kind: StreamKind) -> Self {
        Self { scope, kind }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.kind.as_str())
    }
}

/// What goes first when a link cannot carry everything: a lower class is more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Class {
    /// Greetings, acknowledgements, revocations, flash alerts.
    P0,
    /// Newest positions and presence, orders.
    P1,
    /// Documents and messages.
    P2,
    /// Thumbnails, snapshots for newcomers.
    P3,
    /// Track history.
    P4,
    /// Full attachments.
    P5,
}

impl Class {
    /// Every class, most urgent first.
    pub const ALL: [Self; 6] = [Self::P0, Self::P1, Self::P2, Self::P3, Self::P4, Self::P5];
}
