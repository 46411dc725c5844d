//! Edits: what a person or a program asks to be changed, and what came of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::{AlertAck, AlertCancel, AlertNew};
use crate::entry::Digest;
use crate::id::{AlertId, MissionId, UnitId};
use crate::incident::{IncidentChange, IncidentNew};
use crate::message::MessageNew;
use crate::mission::{MissionChange, MissionNew};
use crate::record::RecordId;
use crate::refusal::Refusal;
use crate::task::{TaskChange, TaskNew};
use crate::track::{Fix, TrackNew};
use crate::unit::{UnitChange, UnitNew};

/// One change within a mission (or the opening of one), or an alert of the org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Opens a mission; its id must be set by then.
    MissionOpen(MissionNew),
    /// Changes a mission.
    MissionChange(MissionId, MissionChange),
    /// Reports an incident.
    IncidentOpen(MissionId, IncidentNew),
    /// Changes an incident.
    IncidentChange(MissionId, crate::id::IncidentId, IncidentChange),
    /// Makes a task.
    TaskOpen(MissionId, TaskNew),
    /// Changes a task.
    TaskChange(MissionId, crate::id::TaskId, TaskChange),
    /// Puts a unit on the roster.
    UnitAdd(MissionId, UnitNew),
    /// Changes a unit.
    UnitChange(MissionId, UnitId, UnitChange),
    /// Deletes a mission, incident, task or unit; it can be restored.
    Delete(MissionId, RecordId),
    /// Restores a deleted record.
    Restore(MissionId, RecordId),
    /// Sends a message.
    MessageSend(MissionId, MessageNew),
    /// Reports where a unit is now.
    PositionReport(MissionId, UnitId, Fix),
    /// Adds to a unit's track.
    TrackAppend(MissionId, UnitId, TrackNew),
    /// Settles a conflict by choosing one of the rival values.
    ConflictResolve(MissionId, RecordId, Resolution),
    /// Raises an alert in a mission, or in the whole org.
    AlertRaise(Option<MissionId>, AlertNew),
    /// Acknowledges an alert of a mission, or of the org.
    AlertAcknowledge(Option<MissionId>, AlertId, AlertAck),
    /// Calls an alert off.
    AlertCancel(Option<MissionId>, AlertId, AlertCancel),
}

impl Edit {
    /// The mission whose scope the edit is in; `None` for an opening without id, and for alerts of the org.
    pub fn mission(&self) -> Option<MissionId> {
        match self {
            Self::MissionOpen(new) => new.id,
            Self::MissionChange(mission, ..)
            | Self::IncidentOpen(mission, ..)
            | Self::IncidentChange(mission, ..)
            | Self::TaskOpen(mission, ..)
            | Self::TaskChange(mission, ..)
            | Self::UnitAdd(mission, ..)
            | Self::UnitChange(mission, ..)
            | Self::Delete(mission, ..)
            | Self::Restore(mission, ..)
            | Self::MessageSend(mission, ..)
            | Self::PositionReport(mission, ..)
            | Self::TrackAppend(mission, ..)
            | Self::ConflictResolve(mission, ..) => Some(*mission),
            Self::AlertRaise(mission, _) | Self::AlertAcknowledge(mission, ..) | Self::AlertCancel(mission, ..) => {
                *mission
            }
        }
    }

    /// The record the edit is about; `None` for a record without id yet.
    pub fn record(&self) -> Option<RecordId> {
        match self {
            Self::MissionOpen(new) => new.id.map(RecordId::Mission),
            Self::MissionChange(mission, _) => Some(RecordId::Mission(*mission)),
            Self::IncidentOpen(_, new) => new.id.map(RecordId::Incident),
            Self::IncidentChange(_, id, _) => Some(RecordId::Incident(*id)),
            Self::TaskOpen(_, new) => new.id.map(RecordId::Task),
            Self::TaskChange(_, id, _) => Some(RecordId::Task(*id)),
            Self::UnitAdd(_, new) => new.id.map(RecordId::Unit),
            Self::UnitChange(_, id, _) | Self::PositionReport(_, id, _) | Self::TrackAppend(_, id, _) => {
                Some(RecordId::Unit(*id))
            }
            Self::MessageSend(_, new) => new.id.map(RecordId::Message),
            Self::Delete(_, record) | Self::Restore(_, record) | Self::ConflictResolve(_, record, _) => Some(*record),
            Self::AlertRaise(_, new) => new.id.map(RecordId::Alert),
            Self::AlertAcknowledge(_, id, _) | Self::AlertCancel(_, id, _) => Some(RecordId::Alert(*id)),
        }
    }

    /// Whether the values can stand by themselves; steps and existence are checked against the documents.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::MissionOpen(new) => new.check(),
            Self::MissionChange(_, change) => change.check(),
            Self::IncidentOpen(_, new) => new.check(),
            Self::IncidentChange(_, _, change) => change.check(),
            Self::TaskOpen(_, new) => new.check(),
            Self::TaskChange(_, _, change) => change.check(),
            Self::UnitAdd(_, new) => new.check(),
            Self::UnitChange(_, _, change) => change.check(),
            Self::MessageSend(_, new) => new.check(),
            Self::PositionReport(_, _, fix) => fix.check(),
            Self::TrackAppend(_, _, new) => new.check(),
            Self::AlertRaise(_, new) => new.check(),
            Self::AlertAcknowledge(_, _, ack) => ack.check(),
            Self::AlertCancel(_, _, cancel) => cancel.check(),
            Self::Delete(..) | Self::Restore(..) | Self::ConflictResolve(..) => Ok(()),
        }
    }
}

/// Which rival value is to stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The field at odds.
    pub field: String,
    /// The `choice` of the rival that is to stand.
    pub choice: Digest,
}

/// What came of an edit that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The record it was about.
    pub record: RecordId,
    /// What happened to it.
    pub effect: EditEffect,
}

/// What an edit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EditEffect {
    /// The record is new.
    Created,
    /// The record changed.
    Changed,
    /// All was so already; nothing was written.
    Unchanged,
}
