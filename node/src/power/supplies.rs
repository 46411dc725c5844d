//! Linux's power supplies, one folder each (kernel documentation, `ABI/testing/sysfs-class-power`).

use std::io::ErrorKind;
use std::path::Path;

use holdfast_domain::power::{PowerReading, PowerSource};

/// What one supply says.
enum Supply {
    /// A charger or a grid, and whether it gives current.
    Feed(bool),
    /// A battery of this machine: whether it is being emptied, and its charge, percent.
    Battery { discharging: bool, percent: Option<u8> },
    /// Anything else: the battery of a mouse, an empty bay.
    Other,
}

/// The text of one attribute; `None` if the driver does not have it.
fn attribute(supply: &Path, name: &str) -> Result<Option<String>, String> {
    let path = supply.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        // ENODEV: the driver knows the attribute and cannot tell its value now.
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(19) => Ok(None),
        Err(error) => Err(format!("{} cannot be read ({error}); let the node's user read it", path.display())),
    }
}

fn number(supply: &Path, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = attribute(supply, name)? else { return Ok(None) };
    let value = text.parse::<i64>();
    let fault = || format!("{} says `{text}`, which is no number", supply.join(name).display());
    value.map(|value| u64::try_from(value).ok()).map_err(|_| fault())
}

/// Charge of a battery, percent: as its driver says, or from what it holds and could hold.
fn percent(supply: &Path) -> Result<Option<u8>, String> {
    if let Some(capacity) = number(supply, "capacity")? {
        return Ok(Some(capacity.min(100) as u8));
    }
    for [now, full] in [["energy_now", "energy_full"], ["charge_now", "charge_full"]] {
        if let (Some(now), Some(full @ 1..)) = (number(supply, now)?, number(supply, full)?) {
            return Ok(Some((now.saturating_mul(100) / full).min(100) as u8));
        }
    }
    Ok(None)
}

fn supply(folder: &Path) -> Result<Supply, String> {
    let said = |name| attribute(folder, name).map(Option::unwrap_or_default);
    match said("type")?.as_str() {
        // A keyboard's battery says nothing of what this machine runs on.
        _ if said("scope")? == "Device" => Ok(Supply::Other),
        "Battery" | "UPS" if number(folder, "present")? != Some(0) => {
            Ok(Supply::Battery { discharging: said("status")? == "Discharging", percent: percent(folder)? })
        }
        "Battery" | "UPS" | "" => Ok(Supply::Other),
        // Mains, USB and its kinds, wireless; 2 is online at a programmed voltage.
        _ => Ok(Supply::Feed(number(folder, "online")?.is_some_and(|online| online > 0))),
    }
}

/// What the machine runs on; `None` if it has no supplies that Linux knows of. Several batteries count by their mean.
pub(super) fn read(root: &Path) -> Result<Option<PowerReading>, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read ({error})", root.display());
    let folders = match std::fs::read_dir(root) {
        Ok(folders) => folders,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let (mut fed, mut discharging, mut batteries, mut charges) = (false, false, 0, Vec::new());
    for folder in folders {
        match supply(&folder.map_err(unreadable)?.path())? {
            Supply::Feed(online) => fed |= online,
            Supply::Battery { discharging: emptied, percent } => {
                batteries += 1;
                discharging |= emptied;
                charges.extend(percent.map(u32::from));
            }
            Supply::Other => {}
        }
    }
    if !fed && batteries == 0 {
        return Ok(None);
    }
    // A battery that is not being emptied is on a charger that has no folder of its own.
    let source = if fed || !discharging { PowerSource::Mains } else { PowerSource::Battery };
    let mean = (!charges.is_empty()).then(|| (charges.iter().sum::<u32>() / charges.len() as u32) as u8);
    Ok(Some(PowerReading { source, percent: mean, ignition: None }))
}
