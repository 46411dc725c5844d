//! Incidents: what happened, where, how urgent, and where its handling stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{Change, Deletion, check_line, check_name, check_text};
use crate::geography::LatLon;
use crate::id::{IncidentId, MissionId};
use crate::record::states;
use crate::refusal::Refusal;

states! {
    /// Where an incident stands.
    IncidentStatus "incident" {
        /// Known, nobody sent.
        Reported = "reported" => [Dispatched, OnScene, Closed],
        /// Units are sent.
        Dispatched = "dispatched" => [OnScene, Reported, Closed],
        /// A unit is there.
        OnScene = "on_scene" => [Contained, Dispatched, Closed],
        /// No longer growing.
        Contained = "contained" => [OnScene, Closed],
        /// Over; can be reopened.
        Closed = "closed" => [Reported, OnScene],
    }
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The mission it belongs to.
    pub mission: MissionId,
    /// The number people say: minted per node (`engine-7-12`) or taken from the dispatch system.
    pub number: String,
    /// What it is, such as `Structure Fire`.
    pub kind: String,
    /// Urgency, 1 (highest) to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub priority: u8,
    /// Where its handling stands.
    pub status: IncidentStatus,
    /// Where, in words.
    pub address: String,
    /// The district or neighbourhood.
    pub area: String,
    /// Where, on the map.
    pub position: Option<LatLon>,
    /// Free notes.
    pub notes: String,
    /// When it was reported, Unix milliseconds.
    pub opened_ms: u64,
    /// Its deletion, if deleted.
    pub deleted: Option<Deletion>,
}

/// What is needed to report an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentNew {
    /// An id of the caller's choice (UUIDv7), which makes the request safe to repeat.
    #[serde(default)]
    pub id: Option<IncidentId>,
    /// The number of an outside system; minted here if absent.
    #[serde(default)]
    pub number: Option<String>,
    /// What it is, such as `Structure Fire`.
    pub kind: String,
    /// Urgency, 1 (highest) to 5; 3 if absent.
    #[serde(default = "priority_default")]
    #[schema(minimum = 1, maximum = 5)]
    pub priority: u8,
    /// Where, in words.
    #[serde(default)]
    pub address: String,
    /// The district or neighbourhood.
    #[serde(default)]
    pub area: String,
    /// Where, on the map.
    #[serde(default)]
    pub position: Option<LatLon>,
    /// Free notes.
    #[serde(default)]
    pub notes: String,
    /// When it was reported, Unix milliseconds; now if absent.
    #[serde(default)]
    pub opened_ms: Option<u64>,
    /// Where its handling stands at the start; `reported` if absent.
    #[serde(default)]
    pub status: Option<IncidentStatus>,
}

fn priority_default() -> u8 {
    3
}

/// A merge patch of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentChange {
    /// A new kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A new urgency, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 5)]
    pub priority: Option<u8>,
    /// A new state; see the allowed steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<IncidentStatus>,
    /// A new address; `null` empties it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub address: Change<String>,
    /// A new area; `null` empties it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub area: Change<String>,
    /// A new place on the map; `null` removes it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<LatLon>)]
    pub position: Change<LatLon>,
    /// New notes; `null` empties them.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub notes: Change<String>,
}

/// Urgency 1 to 5.
pub(crate) fn check_priority(priority: u8) -> Result<(), Refusal> {
    if (1..=5).contains(&priority) {
        Ok(())
    } else {
        Err(Refusal::Invalid { field: "priority", fault: format!("is {priority}; give 1 (highest) to 5") })
    }
}

impl IncidentNew {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(number) = &self.number {
            check_name("number", number)?;
        }
        check_name("kind", &self.kind)?;
        check_priority(self.priority)?;
        check_line("address", &self.address)?;
        check_line("area", &self.area)?;
        check_text("notes", &self.notes)
    }
}

impl IncidentChange {
    /// Whether the values can stand, leaving out the state step.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(kind) = &self.kind {
            check_name("kind", kind)?;
        }
        if let Some(priority) = self.priority {
            check_priority(priority)?;
        }
        if let Some(address) = self.address.value() {
            check_line("address", address)?;
        }
        if let Some(area) = self.area.value() {
            check_line("area", area)?;
        }
        self.notes.value().map_or(Ok(()), |notes| check_text("notes", notes))
    }
}
