//! Missions: the frame of an operation, with its operational periods.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{Change, Deletion, check_name, check_text};
use crate::id::MissionId;
use crate::record::states;
use crate::refusal::Refusal;

states! {
    /// Where a mission stands.
    MissionStatus "mission" {
        /// Being prepared.
        Planned = "planned" => [Active, Closed],
        /// Running.
        Active = "active" => [Closed],
        /// Over; nothing in it can be edited until it is made active again.
        Closed = "closed" => [Active],
    }
}

/// A mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mission {
    /// Its id, which names its scope too.
    pub id: MissionId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: MissionStatus,
    /// What it is to achieve.
    pub objective: String,
    /// The present operational period, from 1 (ICS).
    pub operational_period: u32,
    /// When it was opened, Unix milliseconds.
    pub opened_ms: u64,
    /// Its deletion, if deleted.
    pub deleted: Option<Deletion>,
}

/// What is needed to open a mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MissionNew {
    /// An id of the caller's choice (UUIDv7), which makes the request safe to repeat.
    #[serde(default)]
    pub id: Option<MissionId>,
    /// Its name.
    pub name: String,
    /// What it is to achieve.
    #[serde(default)]
    pub objective: String,
}

/// A merge patch of a mission.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MissionChange {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new state; see the allowed steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<MissionStatus>,
    /// A new objective; `null` empties it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub objective: Change<String>,
    /// A new operational period, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub operational_period: Option<u32>,
}

impl MissionNew {
    /// Whether the texts can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        check_text("objective", &self.objective)
    }
}

impl MissionChange {
    /// Whether the values can stand, leaving out the state step, which needs the present state.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(name) = &self.name {
            check_name("name", name)?;
        }
        if self.operational_period == Some(0) {
            return Err(Refusal::Invalid { field: "operational_period", fault: "counts from 1".to_owned() });
        }
        self.objective.value().map_or(Ok(()), |text| check_text("objective", text))
    }
}
