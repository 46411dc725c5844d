//! Fear: an order to leave is given, and nobody can tell who has heard it, or whom it has not reached.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_cluster::fleet::Fleet;
use holdfast_cluster::process::Program;
use holdfast_linkem::relay::Profile;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until the answer is as wanted.
fn until(mut ask: impl FnMut() -> Result<Value>, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if let Ok(answer) = &answer
            && wanted(answer)
        {
            return Ok(answer.clone());
        }
        if start.elapsed() > PATIENCE {
            bail!("not after {PATIENCE:?}: {answer:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|holder| holder["name"].as_str()).collect()
}

#[test]
fn an_alert_reaches_all_and_all_see_who_has_heard_it() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let engine = fleet.join("engine-7", &[0])?;
    let truck = fleet.join("truck-3", &[engine])?;
    fleet.converge(&[0, engine, truck], PATIENCE)?;
    let data = |place: usize| fleet.members[place].process.data();
    let call = |place: usize, args: &[&str]| {
        let program = if place == 0 { Program::Hub } else { Program::Node };
        program.call(data(place), args)
    };
    let raised = call(engine, &["--json", "alert", "raise", "Roof is coming down", "--org", "--response", "evacuate"])?;
    let raised: Value = serde_json::from_str(&raised)?;
    let id = raised["id"].as_str().context("an id")?;
    let path = format!("/alerts/{id}");
    let api = |place: usize| fleet.members[place].process.api.clone();
    until(|| api(truck).get(&path), |alert| alert["title"] == "Roof is coming down")?;
    call(truck, &["alert", "ack", "--org", id, "--note", "leaving by the stair"])?;
    call(truck, &["alert", "ack", "--org", "Roof is coming down"])?;
    let heard = until(|| api(0).get(&path), |alert| alert["acknowledged"] == 1)?;
    assert_eq!(heard["acknowledgements"][0]["from"], "truck-3");
    assert_eq!(heard["acknowledgements"][0]["text"], "leaving by the stair");
    let refused = api(truck).post(&format!("{path}/cancel"), &json!({"reason": "all well"}))?;
    assert_eq!((refused.status, refused.body["type"].as_str()), (403, Some("urn:holdfast:problem:may-not")));
    let again = json!({"id": id, "title": "Roof is coming down"});
    assert_eq!(api(engine).post("/alerts", &again)?.status, 200, "it was there already");
    let typo = api(engine).post("/alerts", &json!({"title": "Gas", "severity": "deadly"}))?;
    assert_eq!(typo.status, 422, "{typo:?}");
    call(0, &["alert", "cancel", "--org", id, "--reason", "shored up"])?;
    until(|| api(truck).get(&path), |alert| alert["cancelled"]["text"] == "shored up")?;
    assert!(call(truck, &["alert", "list", "--org"])?.contains("no alert stands"));
    assert!(call(truck, &["alert", "list", "--org", "--over"])?.contains("(over) Roof is coming down"));
    assert!(call(truck, &["doctor"])?.contains("compared"));
    Ok(())
}

#[test]
fn a_message_is_followed_to_the_far_end_and_the_missing_node_is_named() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let engine = fleet.join("engine-7", &[0])?;
    let truck = fleet.join("truck-3", &[engine])?;
    let hub = fleet.members[0].process.api.clone();
    let mission = hub.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    let path = format!("/missions/{}", mission["id"].as_str().context("an id")?);
    fleet.converge(&[0, engine, truck], PATIENCE)?;
    let post = |text: &str| -> Result<String> {
        let made = hub.post(&format!("{path}/messages"), &json!({"text": text}))?.ok()?;
        Ok(format!("{path}/messages/{}/holders", made["id"].as_str().context("an id")?))
    };
    // The hub has no link with the truck: what it knows of it, the truck said itself.
    let holders = post("all out")?;
    let all = until(|| hub.get(&holders), |answer| names(&answer["held_by"]).len() == 3)?;
    assert_eq!((names(&all["held_by"]), all["at_hub"].as_bool()), (vec!["engine-7", "hub", "truck-3"], Some(true)));
    fleet.members[truck].process.kill();
    let holders = post("all in again")?;
    let some = until(|| hub.get(&holders), |answer| names(&answer["held_by"]).len() == 2)?;
    assert_eq!(names(&some["not_yet"]), ["truck-3"]);
    let said = |data: &Path, args: &[&str]| Program::Hub.call(data, args);
    let data = fleet.members[0].process.data();
    let line = said(data, &["holders", "message", "all in again"])?;
    assert!(line.starts_with("held by 2 of 3 · at hub: yes · truck-3 not yet, last heard "), "{line}");
    let rows = said(data, &["holders", "list"])?;
    assert!(rows.contains("truck-3") && rows.contains("its word"), "{rows}");
    let unknown = hub.get(&format!("{path}/tasks/{}/holders", mission["id"].as_str().context("an id")?));
    assert!(unknown.expect_err("no such task").root_cause().to_string().contains("404"));
    Ok(())
}
