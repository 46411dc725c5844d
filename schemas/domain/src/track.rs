//! Positions: single fixes, the newest position of each unit, and track history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Hlc;
use crate::geography::LatLon;
use crate::id::{MissionId, UnitId};
use crate::identity::AuthorId;
use crate::limits::TRACK_FIXES_MAX;
use crate::refusal::Refusal;

/// One position fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Where.
    pub position: LatLon,
    /// Height above mean sea level, decimetres.
    #[serde(default)]
    pub altitude_dm: Option<i32>,
    /// Speed over ground, centimetres a second.
    #[serde(default)]
    pub speed_cm_s: Option<u32>,
    /// Course over ground, hundredths of a degree from true north.
    #[serde(default)]
    pub course_cdeg: Option<u16>,
}

/// The newest known position of a unit. The register with the newest hybrid time wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnitPosition {
    /// The unit.
    pub unit: UnitId,
    /// The mission.
    pub mission: MissionId,
    /// The fix.
    pub fix: Fix,
    /// Who reported it.
    pub author: AuthorId,
    /// When it was reported, hybrid time.
    pub reported: Hlc,
}

/// Fixes to add to a unit's track; the newest of them becomes its position if it is newer than the present one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackNew {
    /// Where they come from, such as `gpx:run.gpx`.
    #[serde(default)]
    pub source: String,
    /// The fixes in any order; a fix the unit already has at the same millisecond is left out.
    pub fixes: Vec<Fix>,
}

impl TrackNew {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        crate::field::check_line("source", &self.source)?;
        match self.fixes.len() {
            0 => Err(Refusal::Invalid { field: "fixes", fault: "is empty".to_owned() }),
            given if given > TRACK_FIXES_MAX => Err(Refusal::TooMany { given, max: TRACK_FIXES_MAX }),
            _ => self.fixes.iter().try_for_each(Fix::check),
        }
    }
}

impl Fix {
    /// Whether the values can stand.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.course_cdeg.is_some_and(|course| course > 36_000) {
            return Err(Refusal::Invalid { field: "course_cdeg", fault: "is over 36000 (360 degrees)".to_owned() });
        }
        // 48 bits of milliseconds, as in a hybrid timestamp: the year 10889.
        if self.at_ms >= 1 << 48 {
            return Err(Refusal::Invalid { field: "at_ms", fault: "is not a time in Unix milliseconds".to_owned() });
        }
        Ok(())
    }
}
