//! Fear: two vehicles that know each other only through the hub stay apart once the hub is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_cluster::fleet::Fleet;
use holdfast_linkem::relay::Profile;
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn what_a_device_says_of_its_address_brings_others_to_it_without_the_hub() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let engine = fleet.join("engine-7", &[0])?;
    let truck = fleet.join("truck-3", &[0])?;
    let hub = fleet.members[0].process.api.clone();
    let mission = hub.post("/missions", &json!({"name": "Without the hub"}))?.ok()?;
    let path = format!("/missions/{}", mission["id"].as_str().context("an id")?);
    fleet.converge(&[0, engine, truck], PATIENCE)?;
    let before = fleet.status(truck)?["scopes"].take();
    fleet.members[engine].process.restart_advertising()?;
    let start = Instant::now();
    while fleet.status(truck)?["scopes"] == before {
        if start.elapsed() > PATIENCE {
            bail!("truck-3 never heard where engine-7 is");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    fleet.members[0].process.kill();
    let engine = fleet.members[engine].process.api.clone();
    engine.post(&format!("{path}/messages"), &json!({"text": "Hub is gone, staging at Pier 9"}))?.ok()?;
    let truck = fleet.members[truck].process.api.clone();
    let start = Instant::now();
    while truck.all(&format!("{path}/messages"))?.is_empty() {
        if start.elapsed() > PATIENCE {
            bail!("truck-3 never found engine-7: {}", truck.get("/status")?);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
