//! Fear: a vehicle's battery is emptied by its radio, or a broken sensor takes the node down.

use std::fs;
use std::path::Path;

use holdfast_domain::power::{PowerPolicy, PowerState};

use super::*;

fn supply(root: &Path, name: &str, attributes: &[(&str, &str)]) {
    let folder = root.join(name);
    fs::create_dir_all(&folder).expect("a folder");
    for (attribute, value) in attributes {
        fs::write(folder.join(attribute), format!("{value}\n")).expect("an attribute");
    }
}

fn config(root: &Path) -> PowerConfig {
    PowerConfig { supplies: root.to_owned(), ..PowerConfig::default() }
}

fn script(text: &str) -> PowerConfig {
    let power_command = ["sh", "-c", text].map(str::to_owned).to_vec();
    PowerConfig { power_command, command_timeout_s: 60, ..PowerConfig::default() }
}

fn shown(status: &PowerStatus) -> (&str, Option<u8>, Option<&str>) {
    (status.state.as_str(), status.percent, status.fault.as_deref())
}

#[tokio::test]
async fn a_laptop_that_is_unplugged_saves_and_stops_saving_when_plugged_in() {
    let root = tempfile::tempdir().expect("a folder");
    let config = config(root.path());
    let mut status = PowerStatus::default();
    let steps =
        [("Charging", "1", "80"), ("Discharging", "0", "80"), ("Discharging", "0", "28"), ("Discharging", "0", "9")];
    let mut seen = Vec::new();
    for (state, online, capacity) in steps {
        supply(root.path(), "AC", &[("type", "Mains"), ("online", online)]);
        let battery = [("type", "Battery"), ("present", "1"), ("status", state), ("capacity", capacity)];
        supply(root.path(), "BAT0", &battery);
        supply(
            root.path(),
            "mouse",
            &[("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("capacity", "3")],
        );
        status = config.next(&status).await;
        assert_eq!(status.policy, PowerPolicy::of(status.state));
        seen.push(status.state.as_str());
    }
    assert_eq!(seen, ["mains", "battery", "low", "critical"]);
    supply(root.path(), "AC", &[("online", "1")]);
    assert_eq!(shown(&config.next(&status).await), ("mains", Some(9), None));
}

#[tokio::test]
async fn odd_batteries_are_read_as_well_as_they_can_be() {
    let root = tempfile::tempdir().expect("a folder");
    let config = config(root.path());
    let before = PowerStatus::default();
    assert_eq!(shown(&config.next(&before).await), ("unknown", None, None), "a machine without supplies");
    supply(root.path(), "BAT1", &[("type", "Battery"), ("present", "0"), ("status", "Unknown")]);
    assert_eq!(config.next(&before).await.state, PowerState::Unknown, "an empty bay");
    let bare = [("type", "Battery"), ("status", "Discharging"), ("charge_now", "1000000"), ("charge_full", "4000000")];
    supply(root.path(), "BAT0", &bare);
    assert_eq!(shown(&config.next(&before).await), ("low", Some(25), None));
    supply(root.path(), "BAT2", &[("type", "Battery"), ("status", "Full"), ("capacity", "100")]);
    assert_eq!(shown(&config.next(&before).await), ("battery", Some(62), None), "two batteries, by their mean");
    supply(root.path(), "BAT0", &[("charge_now", "many")]);
    let blind = config.next(&before).await;
    assert!(blind.fault.as_deref().is_some_and(|fault| fault.contains("charge_now says `many`")), "{blind:?}");
    let gone = PowerConfig { supplies: root.path().join("not-there"), ..PowerConfig::default() };
    assert_eq!(shown(&gone.next(&before).await), ("unknown", None, None));
}

#[tokio::test]
async fn a_command_tells_what_the_vehicle_knows() {
    let before = PowerStatus::default();
    let off = script(r#"echo '{"source": "mains", "ignition": false}'"#).next(&before).await;
    assert_eq!((shown(&off), off.ignition), (("battery", None, None), Some(false)));
    let on = script(r#"echo '{"source": "battery", "percent": 7, "ignition": true}'"#).next(&off).await;
    assert_eq!(shown(&on), ("mains", Some(7), None));
}

#[tokio::test]
async fn a_command_that_fails_says_so_in_the_status_and_what_was_known_stays() {
    let before = script(r#"echo '{"source": "battery", "percent": 20}'"#).next(&PowerStatus::default()).await;
    let bad = [
        (script("echo no bus >&2; exit 3"), "exit status: 3): no bus"),
        (script("echo full of power"), "printed `full of power`"),
        (script(r#"echo '{"source": "battery", "percent": 120}'"#), "120 percent is more"),
        (script(r#"echo '{"source": "sun"}'"#), "unknown variant `sun`"),
        (script("yes"), "printed over 1024 bytes"),
    ];
    for (config, expected) in bad {
        let blind = config.next(&before).await;
        let fault = blind.fault.clone().unwrap_or_default();
        assert!(fault.contains(expected) && fault.contains("power_command"), "{fault}");
        assert_eq!((blind.state, blind.percent), (PowerState::Low, Some(20)));
    }
    let endless = ["tail", "-f", "/dev/null"].map(str::to_owned);
    let late = command::ask(&endless, Duration::from_millis(20)).await.expect_err("it never ends");
    assert!(late.contains("took over 0.02 s"), "{late}");
    let power_command = vec!["/no/such/program".to_owned()];
    let missing = PowerConfig { power_command, ..PowerConfig::default() }.next(&before).await;
    assert!(missing.fault.is_some_and(|fault| fault.contains("cannot be run") && fault.contains("check its path")));
}

#[test]
fn settings_out_of_bounds_are_named() {
    let fault = |config: PowerConfig| config.fault().map(|(field, _)| field);
    assert_eq!(fault(PowerConfig::default()), None);
    assert_eq!(fault(PowerConfig { poll_s: 0, ..PowerConfig::default() }), Some("poll_s"));
    assert_eq!(fault(PowerConfig { critical_percent: 30, ..PowerConfig::default() }), Some("critical_percent"));
    assert_eq!(fault(PowerConfig { low_percent: 96, ..PowerConfig::default() }), Some("low_percent"));
    assert_eq!(fault(PowerConfig { command_timeout_s: 61, ..PowerConfig::default() }), Some("command_timeout_s"));
}
