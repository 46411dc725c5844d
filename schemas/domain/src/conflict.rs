//! Conflicts that people must settle: rival values that a merge kept side by side.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::entry::Digest;
use crate::id::MissionId;
use crate::identity::AuthorId;
use crate::record::RecordId;

/// One of the rival values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rival {
    /// Names this value in a resolution: the digest of value and origin.
    pub choice: Digest,
    /// The value as JSON; for a deletion, `"deleted"` against `"edited"`.
    pub value: serde_json::Value,
    /// Who wrote it.
    pub author: AuthorId,
    /// When, Unix milliseconds by the author's clock.
    pub at_ms: u64,
    /// Whether this is the value shown until people settle it; the same on every node.
    pub shown: bool,
}

/// What is at odds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Two values of one field.
    Values,
    /// Two assignees of one task.
    Assignees,
    /// Deleted on one side, edited on the other.
    DeletedAndEdited,
}

/// An open conflict of one field of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The mission.
    pub mission: MissionId,
    /// The record.
    pub record: RecordId,
    /// The field; `deleted` when a deletion meets an edit.
    pub field: String,
    /// What is at odds.
    pub kind: ConflictKind,
    /// The rival values in the same order on every node.
    pub rivals: Vec<Rival>,
}
