//! What a node keeps of its streams, as people and programs read it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::MissionId;
use crate::scope::StreamKind;

/// What a node keeps, stream by stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RetentionStatus {
    /// Whether this node keeps everything, as command posts do.
    pub keeps_all: bool,
    /// The streams of missions, in order.
    pub streams: Vec<StreamKept>,
}

/// What a node keeps of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamKept {
    /// The stream, as `scope/kind`.
    pub stream: String,
    /// Entries stored, and not yet dropped.
    pub entries: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Of a document: the number of its generation here, 0 for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Number of the newest floor known; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<u32>,
    /// When the command post held all that lies below it, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_ms: Option<u64>,
    /// From when on this node drops what lies below, Unix milliseconds; absent if it never does or has nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drops_ms: Option<u64>,
    /// Entries below a floor that were dropped or never fetched.
    pub below: u64,
    /// Of these, entries that this node was to have and passed over, since it came too late for them.
    pub passed_over: u64,
    /// Whether a newer generation is known and its start is not here yet.
    pub awaits_start: bool,
    /// Whether this command post is writing what is left of it, so that a floor can follow.
    pub thinning: bool,
}

/// The document or feed of a mission for which a floor is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FloorNew {
    /// The mission.
    pub mission: MissionId,
    /// `board` or `roster` to roll a document, `message`, `track`, `track_sampled` or `track_simplified` to let older entries go.
    pub kind: StreamKind,
}

/// A floor that was laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FloorLaid {
    /// Its number; of a document the number of the generation that begins. Of `track` and `track_sampled` it is laid when
    /// what is left of them is written, minutes later on a large mission.
    pub number: u32,
}
