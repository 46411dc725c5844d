//! Fear: a file made on one machine is of no use on another, or a command needs the node to run, or not to.

use std::process::Command;

use anyhow::{Context, Result};
use holdfast_cluster::process::{Process, Program};
use serde_json::{Value, json};

const PORTS: [&str; 6] =
    ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"];

/// What a command says as JSON.
fn told(program: Program, data: &std::path::Path, args: &[&str]) -> Result<Value> {
    let args: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
    Ok(serde_json::from_str(&program.call(data, &args)?)?)
}

/// What a command says when it fails.
fn fault(program: Program, data: &std::path::Path, args: &[&str]) -> Result<String> {
    let output = Command::new(program.path()?).arg("--data").arg(data).args(args).output()?;
    assert!(!output.status.success(), "{args:?} went well");
    Ok(String::from_utf8(output.stderr)?)
}

#[test]
fn a_stick_carries_a_mission_from_a_running_hub_to_a_stopped_node_and_back() -> Result<()> {
    let home = tempfile::tempdir()?;
    let (hub_dir, node_dir) = (home.path().join("hub"), home.path().join("engine-7"));
    Program::Hub.call(&hub_dir, &["init", "--name", "hub"])?;
    let hub = Process::start(Program::Hub, &hub_dir, &PORTS.map(str::to_owned))?;
    let invitation = told(Program::Hub, &hub_dir, &["invite", "--name", "engine-7"])?;
    Program::Node.call(&node_dir, &["enroll", invitation["token"].as_str().context("a token")?])?;
    // The two never have a link.
    std::fs::remove_file(node_dir.join("peers"))?;
    let mission = hub.api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    let path = format!("/missions/{}", mission["id"].as_str().context("an id")?);
    hub.api.post(&format!("{path}/incidents"), &json!({"kind": "Alarm", "address": "1 Pier"}))?.ok()?;

    let stick = home.path().join("there.parcel");
    let stick = stick.to_str().context("a path")?;
    let made =
        told(Program::Hub, &hub_dir, &["parcel", "export", stick, "--mission", "Harbour", "--seal-to", "engine-7"])?;
    assert_eq!((&made["sealed"], &made["readable"]), (&json!(true), &json!(true)));
    assert!(fault(Program::Hub, &hub_dir, &["parcel", "export", stick])?.contains("is there already"));

    // The node does not run: the commands open its data directory themselves.
    let seen = told(Program::Node, &node_dir, &["parcel", "inspect", stick])?;
    assert_eq!((&seen["entries"], &seen["exporter_name"]), (&made["entries"], &json!("hub")));
    let taken = told(Program::Node, &node_dir, &["parcel", "import", stick])?;
    assert_eq!(taken["fresh"], made["entries"]);
    let again = Program::Node.call(&node_dir, &["parcel", "import", stick])?;
    assert!(again.starts_with("nothing new"), "{again}");

    let node =
        Process::start(Program::Node, &node_dir, &PORTS[..4].iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())?;
    assert_eq!(node.api.get(&format!("{path}/incidents"))?["total"], 1);
    node.api.post(&format!("{path}/messages"), &json!({"text": "on scene"}))?.ok()?;
    let back = home.path().join("back.parcel");
    let back = back.to_str().context("a path")?;
    let made = told(Program::Node, &node_dir, &["parcel", "export", back, "--after", stick])?;
    assert_eq!(made["entries"], 1, "{made}");
    let taken = told(Program::Hub, &hub_dir, &["parcel", "import", back])?;
    assert_eq!(taken["fresh"], 1);
    assert_eq!(hub.api.get(&format!("{path}/messages"))?["total"], 1);
    Ok(())
}

#[test]
fn a_bad_file_is_told_as_such_by_command_and_api() -> Result<()> {
    let home = tempfile::tempdir()?;
    let hub_dir = home.path().join("hub");
    Program::Hub.call(&hub_dir, &["init", "--name", "hub"])?;
    let hub = Process::start(Program::Hub, &hub_dir, &PORTS.map(str::to_owned))?;
    let (good, bad) = (home.path().join("good.parcel"), home.path().join("bad.parcel"));
    let (good_name, bad_name) = (good.to_str().context("a path")?, bad.to_str().context("a path")?);
    Program::Hub.call(&hub_dir, &["parcel", "export", good_name])?;
    let bytes = std::fs::read(&good)?;
    std::fs::write(&bad, &bytes[..bytes.len() / 2])?;
    for command in ["inspect", "import"] {
        let said = fault(Program::Hub, &hub_dir, &["parcel", command, bad_name])?;
        assert!(said.contains("cut off") && said.contains("copy it again"), "{said}");
    }
    let kind = "application/vnd.holdfast.parcel";
    let refused = hub.api.upload("/parcels/import", kind, b"no parcel at all")?;
    assert_eq!((refused.status, refused.body["type"].as_str()), (422, Some("urn:holdfast:problem:bad-parcel")));
    assert!(hub.api.upload("/parcels/inspect", kind, &bytes)?.ok()?["entries"].as_u64() >= Some(1));
    let unknown = hub.api.post("/parcels/export", &json!({"for": "nobody"}))?;
    assert_eq!((unknown.status, unknown.body["type"].as_str()), (422, Some("urn:holdfast:problem:unknown-device")));
    let other = home.path().join("other");
    Program::Hub.call(&other, &["init", "--name", "other"])?;
    assert!(fault(Program::Hub, &other, &["parcel", "import", good_name])?.contains("another org"));
    std::fs::File::create(&bad)?.set_len(65 << 20)?;
    assert!(fault(Program::Hub, &hub_dir, &["parcel", "import", bad_name])?.contains("over what a parcel may have"));
    let codes = home.path().join("codes");
    let codes = codes.to_str().context("a path")?;
    let large = Program::Hub.call(&hub_dir, &["parcel", "export", "--qr", codes, "--mission", "nothing here"]);
    assert!(large.expect_err("no such mission").to_string().contains("nothing here"));
    Program::Hub.call(&hub_dir, &["parcel", "export", "--qr", codes])?;
    assert!(std::fs::read_dir(codes)?.count() >= 1);
    assert!(fault(Program::Hub, &hub_dir, &["parcel", "import", "--qr", good_name])?.contains("holds no text"));
    let nobody = home.path().join("nobody");
    assert!(fault(Program::Node, &nobody, &["parcel", "import", good_name])?.contains("belongs to no org"));
    Ok(())
}
