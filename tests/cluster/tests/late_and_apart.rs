//! Fear: real processes that were apart, or come late, do not find together again.

use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_cluster::fleet::Fleet;
use holdfast_linkem::relay::Profile;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_cut_mesh_heals_and_a_third_empty_node_gets_everything() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let engine = fleet.join("engine-7", &[0])?;
    let hub = fleet.members[0].process.api.clone();
    let mission = hub.post("/missions", &json!({"name": "Apart"}))?.ok()?;
    let path = format!("/missions/{}", mission["id"].as_str().context("an id")?);
    fleet.converge(&[0, engine], PATIENCE)?;
    fleet.part(&[0], &[engine]);
    for number in 0..20 {
        let new = json!({"kind": "Alarm", "address": format!("{number} Pier Street")});
        hub.post(&format!("{path}/incidents"), &new)?.ok()?;
        fleet.members[engine].process.api.post(&format!("{path}/messages"), &json!({"text": "apart"}))?.ok()?;
    }
    fleet.heal();
    fleet.converge(&[0, engine], PATIENCE)?;
    let late = fleet.join("truck-3", &[engine])?;
    fleet.converge(&[0, engine, late], PATIENCE)?;
    let late = fleet.members[late].process.api.clone();
    assert_eq!(late.all(&format!("{path}/incidents"))?.len(), 20);
    assert_eq!(late.all(&format!("{path}/messages"))?.len(), 20);
    Ok(())
}
