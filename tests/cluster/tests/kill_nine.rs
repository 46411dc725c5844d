//! Fear: a process is killed at any moment under load and something it acknowledged is gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_cluster::api::Api;
use holdfast_cluster::fleet::Fleet;
use holdfast_linkem::relay::Profile;
use serde_json::json;

/// Rounds of an ordinary run; `HOLDFAST_KILL_ROUNDS` asks for another number.
const ROUNDS: u32 = 12;

/// Writes messages until told to stop or the node is gone, and keeps what was acknowledged.
fn load(api: &Api, path: &str, round: u32, writer: u32, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let text = format!("round {round}, writer {writer}, message {number}");
        match api.post(path, &json!({"text": text})) {
            Ok(answer) if answer.status == 201 => {
                acknowledged.extend(answer.body["id"].as_str().map(str::to_owned));
            }
            // Refused, or the node is gone: not acknowledged, so it need not be there.
            Ok(_) => {}
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_nine_under_load() -> Result<()> {
    let rounds = std::env::var("HOLDFAST_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let node = fleet.join("engine-7", &[0])?;
    let mission = fleet.members[0].process.api.post("/missions", &json!({"name": "Kill"}))?.ok()?;
    let messages = format!("/missions/{}/messages", mission["id"].as_str().context("an id")?);
    fleet.converge(&[0, node], Duration::from_secs(30))?;
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (api, path, stop) = (fleet.members[node].process.api.clone(), messages.clone(), Arc::clone(&stop));
                std::thread::spawn(move || load(&api, &path, round, writer, &stop))
            })
            .collect();
        // The moment of death differs from round to round.
        std::thread::sleep(Duration::from_millis(40 + u64::from(round * 37 % 110)));
        fleet.members[node].process.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            acknowledged.extend(writer.join().expect("a writer ends"));
        }
        fleet.members[node].process.restart()?;
    }
    assert!(acknowledged.len() > rounds as usize, "the load was real: {} messages", acknowledged.len());
    let took = fleet.converge(&[0, node], Duration::from_mins(1))?;
    for place in [0, node] {
        let there: BTreeSet<String> = fleet.members[place]
            .process
            .api
            .all(&messages)?
            .iter()
            .filter_map(|message| message["id"].as_str().map(str::to_owned))
            .collect();
        let missing: Vec<_> = acknowledged.difference(&there).collect();
        assert!(missing.is_empty(), "place {place} lacks {missing:?}");
    }
    let report = fleet.members[node].process.api.post("/doctor", &json!({}))?.ok()?;
    assert_eq!(report["faults"], json!([]), "{report}");
    println!("{rounds} kills, {} acknowledged messages, none missing; agreed after {took:?}", acknowledged.len());
    Ok(())
}
