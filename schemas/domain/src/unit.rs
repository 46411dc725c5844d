//! Units of the roster: engines, teams, boats, people with a radio.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{Change, Deletion, check_line, check_name};
use crate::id::{IncidentId, MissionId, UnitId};
use crate::record::states;
use crate::refusal::Refusal;

states! {
    /// What a unit is doing.
    UnitStatus "unit" {
        /// Can be sent.
        Available = "available" => [Dispatched, EnRoute, OnScene, OutOfService],
        /// Ordered to an incident.
        Dispatched = "dispatched" => [EnRoute, OnScene, Available, OutOfService],
        /// On its way.
        EnRoute = "en_route" => [OnScene, Dispatched, Available, OutOfService],
        /// At the incident.
        OnScene = "on_scene" => [Available, EnRoute, Dispatched, OutOfService],
        /// Cannot be sent; must report available first.
        OutOfService = "out_of_service" => [Available],
    }
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// The mission whose roster it is on.
    pub mission: MissionId,
    /// What it is called on the radio, such as `E07`.
    pub callsign: String,
    /// What it is, such as `ENGINE`.
    pub kind: String,
    /// Where it belongs, such as a station number.
    pub home: String,
    /// What it is doing.
    pub status: UnitStatus,
    /// The incident it is committed to.
    pub incident: Option<IncidentId>,
    /// Its deletion, if deleted.
    pub deleted: Option<Deletion>,
}

/// What is needed to put a unit on the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitNew {
    /// An id of the caller's choice (UUIDv7), which makes the request safe to repeat.
    #[serde(default)]
    pub id: Option<UnitId>,
    /// What it is called on the radio.
    pub callsign: String,
    /// What it is, such as `ENGINE`.
    #[serde(default)]
    pub kind: String,
    /// Where it belongs.
    #[serde(default)]
    pub home: String,
}

/// A merge patch of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnitChange {
    /// A new callsign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callsign: Option<String>,
    /// A new kind; `null` empties it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub kind: Change<String>,
    /// A new home; `null` empties it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<String>)]
    pub home: Change<String>,
    /// A new state; see the allowed steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<UnitStatus>,
    /// The incident it is committed to; `null` for none.
    #[serde(skip_serializing_if = "Change::is_keep")]
    #[schema(value_type = Option<IncidentId>)]
    pub incident: Change<IncidentId>,
}

impl UnitNew {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("callsign", &self.callsign)?;
        check_line("kind", &self.kind)?;
        check_line("home", &self.home)
    }
}

impl UnitChange {
    /// Whether the values can stand, leaving out the state step.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(callsign) = &self.callsign {
            check_name("callsign", callsign)?;
        }
        if let Some(kind) = self.kind.value() {
            check_line("kind", kind)?;
        }
        self.home.value().map_or(Ok(()), |home| check_line("home", home))
    }
}
