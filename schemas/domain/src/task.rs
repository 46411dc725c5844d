//! Tasks: who is to do what, and how far it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{Change, Deletion, check_name, check_text};
use crate::id::{IncidentId, MissionId, TaskId, UnitId};
use crate::incident::check_priority;
use crate::record::states;
use crate::refusal::Refusal;

states! {
    /// How far a task is.
    TaskStatus "task" {
        /// Not begun.
        Open = "open" => [Accepted, InProgress, Done, Cancelled],
        /// The assignee has said yes.
        Accepted = "accepted" => [InProgress, Done, Open, Cancelled],
        /// Under way.
        InProgress = "in_progress" => [Done, Accepted, Open, Cancelled],
        /// Finished; can be taken up again.
        Done = "done" => [InProgress, Open],
        /// Given up; can be opened again.
        Cancelled = "cancelled" => [Open],
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The mission it belongs to.
    pub mission: MissionId,
    /// The incident it serves.
    pub incident: Option<IncidentId>,
    /// The number people say, minted per node (`engine-7-12`).
    pub number: String,
    /// What is to be done.
    pub title: String,
    /// More about it.
    pub details: String,
    /// Urgency, 1 (highest) to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub priority: u8,
    /// How far it is.
    pub status: TaskStatus,
    /// The unit that is to do it.
    pub assignee: Option<UnitId>,
    /// By when, Unix milliseconds.
    pub due_ms: Option<u64>,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
    /// Its deletion, if deleted.
    pub deleted: Option<Deletion>,
}

/// What is needed to make a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskNew {
    /// An id of the caller's choice (UUIDv7), which makes the request safe to repeat.
    #[serde(default)]
    pub id: Option<TaskId>,
    /// The number of an outside system; minted here if absent.
    #[serde(default)]
    pub number: Option<String>,
    /// The incident it serves.
    #[serde(default)]
    pub incident: Option<IncidentId>,
    /// What is to be done.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub details: String,
    /// Urgency, 1 (highest) to 5; 3 if absent.
    #[serde(default = "priority_default")]
    #[schema(minimum = 1, maximum = 5)]
    pub priority: u8,
    /// The unit that is to do it.
    #[serde(default)]
    pub assignee: Option<UnitId>,
    /// By when, Unix milliseconds.
    #[serde(default)]
    pub due_ms: Option<u64>,
}

fn priority_default() -> u8 {
    3
}

/// A merge patch of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskChange {
    /// A new title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New details; `null` empties them.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub details: Change<String>,
    /// A new urgency, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 5)]
    pub priority: Option<u8>,
    /// A new state; see the allowed steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<TaskStatus>,
    /// A new assignee; `null` leaves the task unassigned.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<UnitId>)]
    pub assignee: Change<UnitId>,
    /// The incident it serves; `null` for none.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<IncidentId>)]
    pub incident: Change<IncidentId>,
    /// A new due time, Unix milliseconds; `null` for none.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<u64>)]
    pub due_ms: Change<u64>,
}

impl TaskNew {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(number) = &self.number {
            check_name("number", number)?;
        }
        check_name("title", &self.title)?;
        check_priority(self.priority)?;
        check_text("details", &self.details)
    }
}

impl TaskChange {
    /// Whether the values can stand, leaving out the state step.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(title) = &self.title {
            check_name("title", title)?;
        }
        if let Some(priority) = self.priority {
            check_priority(priority)?;
        }
        self.details.value().map_or(Ok(()), |details| check_text("details", details))
    }
}
