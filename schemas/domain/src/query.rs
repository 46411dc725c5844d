//! Questions to the views: filters and pages. Lists are stable under paging: keyset cursors, never offsets.

use serde::{Deserialize, Serialize};

use crate::id::{IncidentId, UnitId};
use crate::incident::IncidentStatus;
use crate::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::message::Channel;
use crate::record::RecordId;
use crate::task::TaskStatus;
use crate::unit::UnitStatus;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    /// The `next` of the page before; `None` for the first.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// A page of at most `limit` rows, within 1 and [`PAGE_ROWS_MAX`].
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { limit: limit.unwrap_or(PAGE_ROWS_DEFAULT).clamp(1, PAGE_ROWS_MAX), cursor }
    }

    /// Rows at most.
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// Which incidents: newest report first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentFilter {
    /// Only these states; any if empty.
    pub status: Vec<IncidentStatus>,
    /// Only where number, kind, address or area contains this, whatever the case.
    pub text: Option<String>,
    /// Deleted ones too.
    pub deleted: bool,
}

/// Which tasks: most urgent first, then oldest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskFilter {
    /// Only these states; any if empty.
    pub status: Vec<TaskStatus>,
    /// Only tasks of this unit.
    pub assignee: Option<UnitId>,
    /// Only tasks of this incident.
    pub incident: Option<IncidentId>,
    /// Only where number, title or details contains this, whatever the case.
    pub text: Option<String>,
    /// Deleted ones too.
    pub deleted: bool,
}

/// Which units: by callsign.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnitFilter {
    /// Only these states; any if empty.
    pub status: Vec<UnitStatus>,
    /// Only units committed to this incident.
    pub incident: Option<IncidentId>,
    /// Only where callsign, kind or home contains this, whatever the case.
    pub text: Option<String>,
    /// Deleted ones too.
    pub deleted: bool,
}

/// Which messages: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageFilter {
    /// Only this channel; all if `None`.
    pub channel: Option<Channel>,
}

/// Which alerts: newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertFilter {
    /// Only those that stand at this time, Unix milliseconds: neither cancelled nor past their end.
    pub open_at_ms: Option<u64>,
}

/// Which attachments: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachmentFilter {
    /// Only those of this record; all if `None`.
    pub attached_to: Option<RecordId>,
    /// Removed ones too.
    pub removed: bool,
}

/// Which fixes of a track: oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackFilter {
    /// From this time on, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Up to and including this time, Unix milliseconds.
    pub to_ms: Option<u64>,
}
