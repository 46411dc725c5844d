//! Fear: real processes roll a document while one is apart, and it never comes to the next generation or loses its work.

use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_cluster::fleet::Fleet;
use holdfast_cluster::process::Program;
use holdfast_linkem::relay::Profile;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

fn generation(status: &Value, kind: &str) -> Option<u64> {
    let streams = status["streams"].as_array()?;
    let kept = streams.iter().find(|kept| kept["stream"].as_str().is_some_and(|name| name.ends_with(kind)))?;
    kept["generation"].as_u64()
}

#[test]
fn a_document_rolls_while_a_vehicle_is_apart() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let engine = fleet.join("engine-7", &[0])?;
    let (hub, vehicle) = (fleet.members[0].process.api.clone(), fleet.members[engine].process.api.clone());
    let mission = hub.post("/missions", &json!({"name": "Apart"}))?.ok()?;
    let id = mission["id"].as_str().context("an id")?.to_owned();
    let path = format!("/missions/{id}");
    hub.post(&format!("{path}/tasks"), &json!({"title": "Search second floor"}))?.ok()?;
    fleet.converge(&[0, engine], PATIENCE)?;

    let refused = vehicle.post("/retention/floors", &json!({"mission": id, "kind": "board"}))?;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body["detail"].as_str().is_some_and(|said| said.contains("command post")), "{}", refused.body);

    fleet.part(&[0], &[engine]);
    vehicle.post(&format!("{path}/tasks"), &json!({"title": "Hold the pier"}))?.ok()?;
    let data = fleet.members[0].process.data().to_owned();
    let said = Program::Hub.call(&data, &["retention", "roll", "--document", "board"])?;
    assert_eq!(said.trim(), "board: floor 1");
    fleet.heal();
    fleet.converge(&[0, engine], PATIENCE)?;
    for api in [&hub, &vehicle] {
        let titles: Vec<Value> =
            api.all(&format!("{path}/tasks"))?.iter_mut().map(|task| task["title"].take()).collect();
        assert!(titles.contains(&json!("Hold the pier")) && titles.len() == 2, "{titles:?}");
        assert_eq!(generation(&api.get("/retention")?, "/board"), Some(1));
    }
    let data = fleet.members[engine].process.data().to_owned();
    let shown = Program::Node.call(&data, &["retention", "status"])?;
    assert!(shown.contains("/board"), "{shown}");
    let doctor: Value = serde_json::from_str(&Program::Node.call(&data, &["--json", "doctor"])?)?;
    assert_eq!(doctor["faults"], json!([]));
    Ok(())
}
