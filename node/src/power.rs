//! What the node runs on: looked up at a cadence, from Linux's power supplies or by a command, and told to the engine.
//!
//! Not here: what follows from it. `schemas/domain/src/power.rs` says what a state allows, and sync obeys.

mod command;
mod supplies;

use std::path::PathBuf;
use std::time::Duration;

use holdfast_domain::power::{PowerLevels, PowerReading, PowerStatus};
use holdfast_driver::handle::Handle;
use serde::{Deserialize, Serialize};

/// Settings of the section `[power]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PowerConfig {
    /// Folder of Linux's power supplies. Default `/sys/class/power_supply`. A machine without any counts as supplied.
    pub supplies: PathBuf,
    /// Program and arguments that print one JSON object, such as `{"source": "battery", "percent": 41, "ignition":
    /// false}`; asked instead of `supplies`. `source` is `mains` or `battery`; the others may be left out. Default: none.
    pub power_command: Vec<String>,
    /// Seconds that the command may take, 1 to 60. Default 5.
    pub command_timeout_s: u32,
    /// Seconds between looks, 1 to 3600. Default 30. Twice as often as one wants to know is often enough.
    pub poll_s: u32,
    /// At or below this charge the battery is low, percent, 2 to 95. Default 30.
    pub low_percent: u8,
    /// At or below this charge the battery is critical, percent, 1 to 94 and below `low_percent`. Default 10.
    pub critical_percent: u8,
}

impl Default for PowerConfig {
    fn default() -> Self {
        Self {
            supplies: PathBuf::from("/sys/class/power_supply"),
            power_command: Vec::new(),
            command_timeout_s: 5,
            poll_s: 30,
            low_percent: 30,
            critical_percent: 10,
        }
    }
}

impl PowerConfig {
    /// The first field whose value cannot stand, with what is wrong and what is allowed.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let outside = |value: u32, from: u32, to: u32| {
            let fault = || format!("is {value}; give a whole number from {from} to {to}");
            (!(from..=to).contains(&value)).then(fault)
        };
        let checks = [
            ("command_timeout_s", outside(self.command_timeout_s, 1, 60)),
            ("poll_s", outside(self.poll_s, 1, 3_600)),
            ("low_percent", outside(self.low_percent.into(), 2, 95)),
            (
                "critical_percent",
                outside(self.critical_percent.into(), 1, u32::from(self.low_percent).saturating_sub(1)),
            ),
        ];
        if self.power_command.first().is_some_and(|program| program.trim().is_empty()) {
            return Some(("power_command", "begins with an empty text; give the program first".to_owned()));
        }
        checks.into_iter().find_map(|(field, fault)| Some((field, fault?)))
    }

    fn levels(&self) -> PowerLevels {
        PowerLevels { low_percent: self.low_percent, critical_percent: self.critical_percent }
    }

    /// One look at the supplies; `None` if the machine has none.
    async fn look(&self) -> Result<Option<PowerReading>, String> {
        if !self.power_command.is_empty() {
            let patience = Duration::from_secs(self.command_timeout_s.into());
            return command::ask(&self.power_command, patience).await.map(Some);
        }
        let root = self.supplies.clone();
        match tokio::task::spawn_blocking(move || supplies::read(&root)).await {
            Ok(read) => read,
            Err(_) => Err("the supplies were not read, since the node is stopping".to_owned()),
        }
    }

    /// The status after another look.
    pub async fn next(&self, before: &PowerStatus) -> PowerStatus {
        match self.look().await {
            Ok(Some(reading)) => before.after(reading, self.levels()),
            Ok(None) => PowerStatus::default(),
            Err(fault) => before.failed(fault),
        }
    }
}

/// Looks at the supplies again and again, and tells the engine whatever changed. Ends when the engine does.
pub async fn watch(config: PowerConfig, handle: Handle) {
    let mut poll = tokio::time::interval(Duration::from_secs(config.poll_s.into()));
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = PowerStatus::default();
    loop {
        poll.tick().await;
        let seen = config.next(&known).await;
        if seen == known {
            continue;
        }
        log(&known, &seen);
        match handle.power(seen.clone()).await {
            Ok(()) => known = seen,
            Err(holdfast_driver::handle::Failed::Stopped) => return,
            // The engine is busy: the next look tells it.
            Err(error) => tracing::debug!(%error, "the power state was not taken"),
        }
    }
}

fn log(before: &PowerStatus, now: &PowerStatus) {
    if now.state != before.state {
        tracing::info!(state = now.state.as_str(), percent = now.percent, ignition = now.ignition, "power");
    }
    match &now.fault {
        Some(fault) if before.fault.as_ref() != Some(fault) => tracing::warn!(fault, "the power state is unknown"),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
