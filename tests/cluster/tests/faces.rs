//! Fear: a face lets somebody in, answers what nobody can act on, or half-writes what it refused.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_cluster::api::Api;
use holdfast_cluster::fleet::Fleet;
use holdfast_cluster::process::{Process, Program};
use holdfast_linkem::relay::Profile;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// A hub alone on free ports.
fn hub(home: &std::path::Path) -> Result<Process> {
    let data = home.join("hub");
    Program::Hub.call(&data, &["init", "--name", "hub"])?;
    let ports = ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"];
    Process::start(Program::Hub, &data, &ports.map(str::to_owned))
}

fn mission(api: &Api) -> Result<String> {
    let mission = api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    Ok(format!("/missions/{}", mission["id"].as_str().context("an id")?))
}

#[test]
fn health_and_metrics_need_no_token_and_the_api_does() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let base = hub.api.base().to_owned();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"] {
        let answer = ureq::get(format!("{base}{path}")).call()?;
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    let metrics = ureq::get(format!("{base}/metrics")).call()?.body_mut().read_to_string()?;
    assert!(metrics.contains("holdfast_entries 1\n"), "{metrics}");
    let stranger = Api::new(base.trim_start_matches("http://"), "wrong");
    let answer = stranger.post("/missions", &json!({"name": "Mine"}))?;
    assert_eq!((answer.status, answer.body["type"].as_str()), (401, Some("urn:holdfast:problem:token")));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let rebound = agent.get(format!("{base}/healthz")).header("host", "evil.example").call()?;
    assert_eq!(rebound.status(), 421);
    Ok(())
}

#[test]
fn what_others_did_wrong_is_counted_where_people_look() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let garbage = std::net::UdpSocket::bind("127.0.0.1:0")?;
    garbage.send_to(b"GET / HTTP/1.1\r\n\r\n", &hub.peer_address)?;
    let refused = hub.api.upload("/parcels/import", "application/vnd.holdfast.parcel", b"HOLDFAST but cut")?;
    assert_eq!(refused.status, 422);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        let status = hub.api.get("/status")?;
        if status["turned_away"]["datagrams_not_quic"] == 1 || Instant::now() > deadline {
            break status;
        }
    };
    assert_eq!(status["turned_away"]["datagrams_not_quic"], 1, "{status}");
    assert_eq!(status["counters"]["parcels_refused"], 1, "{status}");
    let metrics = ureq::get(format!("{}/metrics", hub.api.base())).call()?.body_mut().read_to_string()?;
    for line in ["holdfast_datagrams_not_quic_total 1\n", "holdfast_handshakes_other_org_total 0\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let said = Program::Hub.call(hub.data(), &["status"])?;
    assert!(said.contains("datagrams that are no QUIC") && said.contains("parcels that are damaged"), "{said}");
    Ok(())
}

#[test]
fn records_are_made_changed_deleted_and_restored() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let api = &hub.api;
    let mission = mission(api)?;
    let incident = api.post(&format!("{mission}/incidents"), &json!({"kind": "Alarm", "priority": 2}))?.ok()?;
    assert_eq!(incident["number"], "hub-1");
    let path = format!("{mission}/incidents/{}", incident["id"].as_str().context("an id")?);
    let changed = api.patch(&path, &json!({"status": "on_scene", "notes": "smoke", "address": "1 Pier"}))?.ok()?;
    assert_eq!((changed["status"].as_str(), changed["notes"].as_str()), (Some("on_scene"), Some("smoke")));
    assert_eq!(api.patch(&path, &json!({"notes": null}))?.ok()?["notes"], "");
    let deleted = api.delete(&path)?.ok()?;
    assert!(deleted["deleted"].is_object());
    assert_eq!(api.get(&format!("{mission}/incidents"))?["total"], 0);
    assert_eq!(api.get(&format!("{mission}/incidents?deleted=true"))?["total"], 1);
    let refused = api.patch(&path, &json!({"notes": "too late"}))?;
    assert_eq!((refused.status, refused.body["type"].as_str()), (409, Some("urn:holdfast:problem:deleted")));
    assert_eq!(api.post(&format!("{path}/restore"), &json!({}))?.ok()?["deleted"], Value::Null);
    let unit = api.post(&format!("{mission}/units"), &json!({"callsign": "E07"}))?.ok()?;
    let to_unit = json!({"text": "come", "channel": {"unit": unit["id"]}});
    api.post(&format!("{mission}/messages"), &to_unit)?.ok()?;
    api.post(&format!("{mission}/messages"), &json!({"text": "all"}))?.ok()?;
    let asked = format!("{mission}/messages?unit={}", unit["id"].as_str().context("an id")?);
    assert_eq!(api.get(&asked)?["total"], 1);
    Ok(())
}

#[test]
fn bad_requests_are_problems_that_say_what_to_do_and_change_nothing() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let api = &hub.api;
    let mission = mission(api)?;
    let incidents = format!("{mission}/incidents");
    let incident = api.post(&incidents, &json!({"kind": "Alarm"}))?.ok()?;
    let path = format!("{incidents}/{}", incident["id"].as_str().context("an id")?);
    let before = api.get("/status")?["entries"].clone();
    let cases = [
        (api.patch(&path, &json!({"status": "contained"}))?, 409, "illegal-step"),
        (api.patch(&path, &json!({"priority": 9}))?, 422, "invalid"),
        (api.patch(&path, &json!({"colour": "red"}))?, 422, "invalid"),
        (api.post(&incidents, &json!({"priority": 1}))?, 422, "invalid"),
        (api.post(&incidents, &json!({"kind": "x".repeat(2 << 20)}))?, 413, "too-large"),
        (api.upload(&incidents, "application/json", b"{")?, 400, "bad-request"),
        (api.upload(&incidents, "text/plain", b"{}")?, 415, "media-type"),
        (api.patch(&format!("{incidents}/nonsense"), &json!({}))?, 400, "bad-request"),
        (api.post("/nowhere", &json!({}))?, 404, "no-route"),
        (api.delete("/status")?, 405, "no-method"),
        (api.delete(&format!("{incidents}/018bcfe5-6800-7205-ae59-5d56b0f6eef0"))?, 404, "not-found"),
        (api.upload(&format!("{mission}/import/dispatch"), "text/csv", b"version https://git-lfs")?, 422, "invalid"),
    ];
    for (answer, status, word) in cases {
        assert_eq!(answer.status, status, "{word}: {}", answer.body);
        assert_eq!(answer.body["type"], format!("urn:holdfast:problem:{word}"), "{}", answer.body);
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{}", answer.body);
    }
    let step = api.patch(&path, &json!({"status": "contained"}))?.body["detail"].to_string();
    assert!(step.contains("dispatched, on_scene, closed"), "the allowed steps are named: {step}");
    assert!(api.get(&format!("{incidents}?cursor=zz")).is_err());
    assert_eq!(api.get("/status")?["entries"], before, "nothing was written");
    Ok(())
}

#[test]
fn a_body_that_is_refused_early_is_heard_out_and_answered() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let incidents = format!("{}/incidents", mission(&hub.api)?);
    let large = json!({"kind": "x".repeat(4 << 20)});
    let stranger = Api::new(hub.api.base().trim_start_matches("http://"), "wrong");
    for _ in 0..8 {
        assert_eq!(hub.api.post(&incidents, &large)?.status, 413);
        assert_eq!(stranger.post(&incidents, &large)?.status, 401);
    }
    Ok(())
}

#[test]
fn whoever_reads_only_the_first_lines_is_no_fault() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    Program::Hub.call(hub.data(), &["mission", "open", "Harbour"])?;
    let mut command = Command::new(Program::Hub.path()?);
    command.arg("--data").arg(hub.data()).args(["mission", "list"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let out = child.wait_with_output()?;
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stderr).as_ref()), (Some(0), ""));
    Ok(())
}

#[test]
fn a_stale_edit_is_refused_and_a_repeated_one_happens_once() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let base = format!("{}/api/v1", hub.api.base());
    let bearer = format!("Bearer {}", std::fs::read_to_string(hub.data().join("api-token"))?.trim());
    let mission = mission(&hub.api)?;
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let open = |key: &str, title: &str| {
        let request = agent.post(format!("{base}{mission}/tasks")).header("authorization", &bearer);
        request.header("idempotency-key", key).send_json(json!({"title": title}))
    };
    let (mut first, mut again) = (open("k1", "Lay hose")?, open("k1", "Lay hose")?);
    let task: Value = first.body_mut().read_json()?;
    assert_eq!(task["id"], again.body_mut().read_json::<Value>()?["id"]);
    assert_eq!(open("k1", "Another")?.status(), 422, "a key is good for one request");
    assert_eq!(hub.api.get(&format!("{mission}/tasks"))?["total"], 1);
    let raise = || {
        let request = agent.post(format!("{base}/alerts")).header("authorization", &bearer);
        request.header("idempotency-key", "k2").send_json(json!({"title": "Gas"}))
    };
    assert_eq!((raise()?.status(), raise()?.status()), (201.try_into()?, 201.try_into()?), "the first answer again");
    assert_eq!(hub.api.get("/alerts")?["total"], 1);
    let path = format!("{base}{mission}/tasks/{}", task["id"].as_str().context("an id")?);
    let tag = first.headers()["etag"].to_str()?.to_owned();
    let change = |tag: &str| {
        let request = agent.patch(&path).header("authorization", &bearer).header("if-match", tag);
        request.header("content-type", "application/json").send(r#"{"details": "by the stairs"}"#)
    };
    assert_eq!(change(&tag)?.status(), 200);
    let stale = change(&tag)?;
    assert_eq!(stale.status(), 412);
    Ok(())
}

#[test]
fn lists_page_without_gap_or_overlap() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let mission = mission(&hub.api)?;
    for number in 0..25 {
        let new = json!({"kind": "Alarm", "opened_ms": 1_700_000_000_000_u64 + number % 3});
        hub.api.post(&format!("{mission}/incidents"), &new)?.ok()?;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = hub.api.get(&format!("{mission}/incidents?limit=7{cursor}"))?;
        for item in page["items"].as_array().context("items")? {
            assert!(seen.insert(item["id"].to_string()), "a row came twice");
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    Ok(())
}

#[test]
fn changes_are_replayed_from_where_a_listener_left_off() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let mission = mission(&hub.api)?;
    let bearer = format!("Bearer {}", std::fs::read_to_string(hub.data().join("api-token"))?.trim());
    for text in ["one", "two"] {
        hub.api.post(&format!("{mission}/messages"), &json!({"text": text}))?.ok()?;
    }
    let follow = |last: &str| -> Result<_> {
        let url = format!("{}/api/v1/events", hub.api.base());
        let answer = ureq::get(url).header("authorization", &bearer).header("last-event-id", last).call()?;
        Ok(BufReader::new(answer.into_body().into_reader()).lines())
    };
    let texts = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, count: usize| -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for line in lines {
            let line = line?;
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let data: Value = serde_json::from_str(data)?;
            texts.extend(data["text"].as_str().map(str::to_owned));
            if texts.len() == count {
                break;
            }
        }
        Ok(texts)
    };
    let mut lines = follow("0")?;
    assert_eq!(texts(&mut lines, 2)?, ["one", "two"]);
    hub.api.post(&format!("{mission}/messages"), &json!({"text": "three"}))?.ok()?;
    assert_eq!(texts(&mut lines, 1)?, ["three"], "a listener hears what happens now");
    let mut ahead = follow("999999")?;
    assert_eq!(ahead.next().context("an event")??, "event: reset", "a listener from another life starts anew");
    Ok(())
}

#[test]
fn the_fleet_shows_who_lacks_what() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let engine = fleet.join("engine-7", &[0])?;
    let path = mission(&fleet.members[0].process.api)?;
    fleet.converge(&[0, engine], PATIENCE)?;
    fleet.members[engine].process.kill();
    for _ in 0..3 {
        fleet.members[0].process.api.post(&format!("{path}/messages"), &json!({"text": "hello"}))?.ok()?;
    }
    let rows = fleet.members[0].process.api.get("/fleet")?;
    let row = &rows.as_array().context("rows")?[0];
    assert_eq!((row["name"].as_str(), row["lacks"].as_u64()), (Some("engine-7"), Some(3)));
    assert!(row["last_heard_ms"].is_u64());
    let text = Program::Hub.call(fleet.members[0].process.data(), &["fleet"])?;
    assert!(text.contains("engine-7"), "{text}");
    // Long before its session ends for want of a word, people see that it does not answer.
    let start = std::time::Instant::now();
    while fleet.status(0)?["peers"][0]["silent"] != true {
        assert!(start.elapsed() < PATIENCE, "a dead peer passes for alive: {}", fleet.status(0)?["peers"]);
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = Program::Hub.call(fleet.members[0].process.data(), &["peers"])?;
    assert!(text.contains("silent"), "{text}");
    Ok(())
}

#[test]
fn commands_speak_json_and_say_what_to_do_next() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let call = |args: &[&str]| Program::Hub.call(hub.data(), args);
    assert!(call(&["mission", "list"])?.contains("open one with"));
    let mission: Value = serde_json::from_str(&call(&["--json", "mission", "open", "Harbour"])?)?;
    assert_eq!(mission["name"], "Harbour");
    call(&["unit", "add", "E07", "--kind", "ENGINE"])?;
    let task: Value = serde_json::from_str(&call(&["--json", "task", "open", "Lay hose", "--unit", "E07"])?)?;
    let number = task["number"].as_str().context("a number")?;
    call(&["task", "step", number, "done"])?;
    assert!(call(&["task", "list"])?.contains("done"));
    call(&["track", "report", "--unit", "E07", "--at", "37.78,-122.42"])?;
    assert!(call(&["track", "positions"])?.contains("37.78"));
    call(&["message", "send", "on our way"])?;
    assert!(call(&["message", "list"])?.contains("on our way"));
    assert!(call(&["conflict", "list"])?.contains("no open conflict"));
    assert!(call(&["doctor"])?.contains("compared"));
    let refused = call(&["task", "step", number, "accepted"]).expect_err("not from done").to_string();
    assert!(refused.contains("in_progress, open"), "{refused}");
    Ok(())
}

/// The exit code and what is said on standard error.
fn fails(program: Program, data: &std::path::Path, args: &[&str]) -> Result<(i32, String)> {
    let output = Command::new(program.path()?).arg("--data").arg(data).args(args).output()?;
    Ok((output.status.code().context("an exit code")?, String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn what_cannot_be_started_says_why_and_what_to_do() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub = hub(home.path())?;
    let empty = home.path().join("empty");
    let (code, said) = fails(Program::Node, &empty, &["status"])?;
    assert!(code == 3 && said.contains("start it with"), "{code} {said}");
    let (code, said) = fails(Program::Node, &empty, &["run", "--http-listen", "127.0.0.1:0"])?;
    assert!(code == 1 && said.contains("belongs to no org yet"), "{code} {said}");
    let (code, said) = fails(Program::Node, &empty, &["status", "--colour"])?;
    assert!(code == 2 && said.contains("--colour"), "{code} {said}");
    let (code, said) = fails(Program::Node, &empty, &["enroll", "hfi1.abc"])?;
    assert!(code == 1 && said.contains("cut or mistyped"), "{code} {said}");
    let (code, said) = fails(Program::Hub, hub.data(), &["init", "--name", "hub"])?;
    assert!(code == 1 && said.contains("already belongs to an org"), "{code} {said}");
    let free = ["run", "--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"];
    let (code, said) = fails(Program::Hub, hub.data(), &free)?;
    assert!(code == 1 && said.contains("another holdfast is running"), "{code} {said}");
    let http = hub.api.base().trim_start_matches("http://").to_owned();
    let (code, said) = fails(Program::Hub, hub.data(), &["run", "--http-listen", &http])?;
    assert!(code == 1 && said.contains("cannot listen"), "{code} {said}");
    let (code, said) = fails(Program::Node, &empty, &["run", "--http-listen", "0.0.0.0:0"])?;
    assert!(code == 1 && said.contains("no TLS"), "{code} {said}");
    let file = home.path().join("file");
    std::fs::write(&file, "x")?;
    let (code, said) = fails(Program::Node, &file, &["init", "--name", "x"])?;
    assert!(code == 1 && said.contains("cannot be written"), "{code} {said}");
    let second = home.path().join("second");
    Program::Hub.call(&second, &["init", "--name", "second"])?;
    std::fs::write(second.join("holdfast.db"), b"this is no database, it is a text that somebody put here")?;
    let (code, said) = fails(Program::Hub, &second, &free)?;
    assert!(code == 1 && said.contains("not a database"), "{code} {said}");
    Ok(())
}
