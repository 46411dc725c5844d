//! Fear: nobody sees that a vehicle runs on its last battery, or a broken sensor keeps its node from running.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_cluster::process::{Process, Program};
use serde_json::{Value, json};

const PORTS: [&str; 6] =
    ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"];
const PATIENCE: Duration = Duration::from_secs(30);

/// A hub whose settings have this section `[power]`.
fn hub(home: &std::path::Path, settings: &str) -> Result<Process> {
    let data = home.join("hub");
    Program::Hub.call(&data, &["init", "--name", "hub"])?;
    std::fs::write(data.join("holdfast.toml"), format!("[power]\n{settings}\n"))?;
    Process::start(Program::Hub, &data, &PORTS.map(str::to_owned))
}

/// The power that a node shows once it is told.
fn shown(hub: &Process, told: impl Fn(&Value) -> bool) -> Result<Value> {
    let start = Instant::now();
    loop {
        let power = hub.api.get("/status")?["power"].take();
        if told(&power) {
            return Ok(power);
        }
        if start.elapsed() > PATIENCE {
            bail!("the node shows {power}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_battery_shows_in_status_with_what_is_spared() -> Result<()> {
    let home = tempfile::tempdir()?;
    let command = r#"power_command = ["echo", '{"source": "battery", "percent": 9, "ignition": false}']"#;
    let hub = hub(home.path(), command)?;
    let power = shown(&hub, |power| power["state"] != "unknown")?;
    let policy = json!({"beacon_factor": 8, "bulk_every_s": 1_800, "blobs": false});
    assert_eq!(power, json!({"state": "critical", "percent": 9, "ignition": false, "policy": policy}));
    let said = Program::Hub.call(hub.data(), &["status"])?;
    assert!(said.contains("critical, 9 %, ignition off") && said.contains("attachments no"), "{said}");
    let metrics = ureq::get(format!("{}/metrics", hub.api.base())).call()?.body_mut().read_to_string()?;
    assert!(metrics.contains("holdfast_battery_percent 9\n"), "{metrics}");
    Ok(())
}

#[test]
fn a_command_that_fails_is_told_and_the_node_works_on() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path(), r#"power_command = ["/no/such/sensor"]"#)?;
    let power = shown(&hub, |power| power["fault"].is_string())?;
    assert_eq!(power["state"], "unknown");
    assert!(power["fault"].as_str().context("a fault")?.contains("/no/such/sensor"), "{power}");
    assert!(Program::Hub.call(hub.data(), &["status"])?.contains("WARNING: power_command `/no/such/sensor`"));
    hub.api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    Ok(())
}

#[test]
fn a_setting_out_of_bounds_is_named_and_nothing_starts() -> Result<()> {
    let home = tempfile::tempdir()?;
    let Err(error) = hub(home.path(), "poll_s = 0") else { bail!("it started") };
    assert!(error.to_string().contains("poll_s is 0; give a whole number from 1 to 3600"), "{error}");
    Ok(())
}
