//! Power: what a node runs on, and what it may spend on sync because of that.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the current comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerSource {
    /// A grid, a generator, a charger.
    Mains,
    /// A battery that is being emptied.
    Battery,
}

/// One look at the supplies; what a power command prints as JSON, such as
/// `{"source": "battery", "percent": 41, "ignition": false}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerReading {
    /// Where the current comes from.
    pub source: PowerSource,
    /// Charge of the battery, 0 to 100 percent; absent if nobody can tell.
    #[serde(default)]
    pub percent: Option<u8>,
    /// Whether the engine of the vehicle runs; absent if nobody can tell.
    #[serde(default)]
    pub ignition: Option<bool>,
}

/// How well a node is supplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// Nobody can tell; taken as mains.
    #[default]
    Unknown,
    /// There is no need to save.
    Mains,
    /// On battery, or on a vehicle whose engine is off.
    Battery,
    /// On battery, at or below `low_percent`.
    Low,
    /// On battery, at or below `critical_percent`.
    Critical,
}

impl PowerState {
    /// Every state, best supplied first.
    pub const ALL: &'static [Self] = &[Self::Unknown, Self::Mains, Self::Battery, Self::Low, Self::Critical];

    /// The word used in commands, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Mains => "mains",
            Self::Battery => "battery",
            Self::Low => "low",
            Self::Critical => "critical",
        }
    }
}

/// What sync may spend. Classes P0 to P2 (alerts, positions, orders, documents, messages) are never held back by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PowerPolicy {
    /// Times as long between attempts to reach peers that are not there as without need to save; 1 to 8. Bounds how often
    /// an idle radio wakes.
    pub beacon_factor: u8,
    /// What is of class P3 or later (snapshots, track history, attachments) begins to go at most once in so many seconds,
    /// all of it together; 0: at any time. Bounds how often a radio is kept awake for what can wait.
    pub bulk_every_s: u32,
    /// Whether attachments are asked for and sent at all. What is on its way is kept and goes on later.
    pub blobs: bool,
}

impl PowerPolicy {
    /// What a node in this state may spend.
    pub fn of(state: PowerState) -> Self {
        let (beacon_factor, bulk_every_s, blobs) = match state {
            PowerState::Unknown | PowerState::Mains => (1, 0, true),
            PowerState::Battery => (2, 60, true),
            PowerState::Low => (4, 300, false),
            PowerState::Critical => (8, 1_800, false),
        };
        Self { beacon_factor, bulk_every_s, blobs }
    }
}

/// What a node runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PowerStatus {
    /// How well it is supplied.
    pub state: PowerState,
    /// Charge of the battery, percent; absent if nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Whether the engine of the vehicle runs; absent if nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignition: Option<bool>,
    /// Why the supplies could not be read at the last try, and what to do; the state is the last one known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What sync may spend.
    pub policy: PowerPolicy,
}

impl Default for PowerStatus {
    fn default() -> Self {
        let state = PowerState::default();
        Self { state, percent: None, ignition: None, fault: None, policy: PowerPolicy::of(state) }
    }
}

/// From which charge on a battery is low or critical, percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerLevels {
    /// At or below: low.
    pub low_percent: u8,
    /// At or below: critical.
    pub critical_percent: u8,
}

/// A state is left for a better one only when the charge is this far above its level, percent: a battery under a changing
/// load reads up and down by a few.
const HYSTERESIS_PERCENT: u8 = 3;

impl PowerStatus {
    /// The status after a look at the supplies.
    #[must_use]
    pub fn after(&self, reading: PowerReading, levels: PowerLevels) -> Self {
        let PowerReading { source, percent, ignition } = reading;
        let state = match source {
            PowerSource::Mains if ignition == Some(false) => PowerState::Battery,
            PowerSource::Mains => PowerState::Mains,
            PowerSource::Battery if ignition == Some(true) => PowerState::Mains,
            PowerSource::Battery => self.on_battery(percent, levels),
        };
        Self { state, percent, ignition, fault: None, policy: PowerPolicy::of(state) }
    }

    fn on_battery(&self, percent: Option<u8>, levels: PowerLevels) -> PowerState {
        let Some(percent) = percent else { return PowerState::Battery };
        let up_to = |level: u8, state| {
            let stays = self.state >= state && self.percent.is_some();
            percent <= if stays { level.saturating_add(HYSTERESIS_PERCENT) } else { level }
        };
        if up_to(levels.critical_percent, PowerState::Critical) {
            PowerState::Critical
        } else if up_to(levels.low_percent, PowerState::Low) {
            PowerState::Low
        } else {
            PowerState::Battery
        }
    }

    /// The status after a look that failed: as before, with the reason.
    #[must_use]
    pub fn failed(&self, fault: String) -> Self {
        Self { fault: Some(fault), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: PowerLevels = PowerLevels { low_percent: 30, critical_percent: 10 };

    fn on_battery(percent: u8) -> PowerReading {
        PowerReading { source: PowerSource::Battery, percent: Some(percent), ignition: None }
    }

    #[test]
    fn a_battery_that_reads_up_and_down_does_not_change_the_state_each_time() {
        let mut status = PowerStatus::default();
        let states: Vec<&str> = [60, 31, 30, 32, 33, 34, 10, 12, 13, 14, 5, 40]
            .into_iter()
            .map(|percent| {
                status = status.after(on_battery(percent), LEVELS);
                status.state.as_str()
            })
            .collect();
        let expected = "battery battery low low low battery critical critical critical low critical battery";
        assert_eq!(states.join(" "), expected);
    }

    #[test]
    fn the_engine_of_a_vehicle_decides_whether_to_save() {
        let fed = |ignition| PowerReading { source: PowerSource::Mains, percent: None, ignition };
        let status = PowerStatus::default();
        assert_eq!(status.after(fed(None), LEVELS).state, PowerState::Mains);
        assert_eq!(status.after(fed(Some(false)), LEVELS).state, PowerState::Battery);
        let running = PowerReading { ignition: Some(true), ..on_battery(5) };
        assert_eq!(status.after(running, LEVELS).state, PowerState::Mains);
    }

    #[test]
    fn a_look_that_fails_keeps_what_was_known() {
        let low = PowerStatus::default().after(on_battery(20), LEVELS);
        let blind = low.failed("the command is not there".to_owned());
        assert_eq!((blind.state, blind.policy), (PowerState::Low, low.policy));
        assert_eq!(blind.after(on_battery(50), LEVELS).fault, None);
    }

    #[test]
    fn worse_supply_never_allows_more() {
        let policies: Vec<PowerPolicy> = PowerState::ALL.iter().map(|state| PowerPolicy::of(*state)).collect();
        for pair in policies.windows(2) {
            assert!(pair[0].beacon_factor <= pair[1].beacon_factor && pair[0].bulk_every_s <= pair[1].bulk_every_s);
            assert!(pair[0].blobs || !pair[1].blobs);
        }
    }
}
