//! Fear: a photo uploaded at a vehicle is lost by a crash, or comes to the others altered, or never.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_cluster::api::Api;
use holdfast_cluster::fleet::Fleet;
use holdfast_cluster::process::Program;
use holdfast_linkem::relay::Profile;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

/// Bytes that no packing makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// The answer to a GET, as it is.
fn raw(api: &Api, path: &str, range: Option<&str>) -> Result<(u16, Vec<u8>, ureq::http::HeaderMap)> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let agent: ureq::Agent = config.into();
    let mut request =
        agent.get(format!("{}/api/v1{path}", api.base())).header("authorization", format!("Bearer {}", api.token()));
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let answer = request.call()?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Ok((status, answer.into_body().with_config().limit(64 << 20).read_to_vec()?, headers))
}

/// Waits until a member shows the attachment so.
fn until(api: &Api, path: &str, told: impl Fn(&Value) -> bool) -> Result<Value> {
    let start = Instant::now();
    loop {
        let shown = api.get(path).unwrap_or(Value::Null);
        if told(&shown) {
            return Ok(shown);
        }
        if start.elapsed() > PATIENCE {
            bail!("after {PATIENCE:?}: {shown}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn groups_here(shown: &Value) -> u64 {
    shown["groups_here"].as_u64().unwrap_or(0)
}

#[test]
fn a_photo_comes_whole_through_cuts_and_kills() -> Result<()> {
    let home = tempfile::tempdir()?;
    // Some seconds for the photo, so that there is something to interrupt.
    let mut fleet = Fleet::found(home.path(), Profile { rate_bps: Some(8_000_000), ..Profile::clear() })?;
    let node = fleet.join("engine-7", &[0])?;
    let mission = fleet.members[0].process.api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    let blobs = format!("/missions/{}/blobs", mission["id"].as_str().context("an id")?);
    fleet.converge(&[0, node], PATIENCE)?;
    let content = noise(6_000_000);
    let upload = format!("{blobs}?name=roof%20west.jpg");
    let made = fleet.members[node].process.api.upload(&upload, "image/jpeg", &content)?;
    assert_eq!(made.status, 201, "{}", made.body);
    // Acknowledged: from here on nothing may lose it.
    fleet.members[node].process.kill();
    fleet.members[node].process.restart()?;
    let shown = format!("{blobs}/{}", made.body["id"].as_str().context("an id")?);
    let here = fleet.members[node].process.api.get(&shown)?;
    assert_eq!((&here["state"], &here["name"]), (&json!("here"), &json!("roof west.jpg")));
    let again = fleet.members[node].process.api.upload(&upload, "image/jpeg", &content)?;
    assert_eq!(again.status, 200, "the same bytes are attached once");

    let first = until(&fleet.members[0].process.api, &shown, |shown| groups_here(shown) > 20)?;
    fleet.part(&[0], &[node]);
    fleet.members[0].process.kill();
    fleet.members[0].process.restart()?;
    let kept = fleet.members[0].process.api.get(&shown)?;
    assert!(groups_here(&kept) >= groups_here(&first), "{kept} after {first}");
    let (status, problem, _) = raw(&fleet.members[0].process.api, &format!("{shown}/content"), None)?;
    let whole_already = kept["state"] == "here";
    assert!(whole_already || status == 409, "{}", String::from_utf8_lossy(&problem));
    fleet.heal();
    until(&fleet.members[0].process.api, &shown, |shown| groups_here(shown) > groups_here(&kept) || whole_already)?;
    fleet.members[node].process.kill();
    fleet.members[node].process.restart()?;
    until(&fleet.members[0].process.api, &shown, |shown| shown["state"] == "here")?;
    let (status, bytes, headers) = raw(&fleet.members[0].process.api, &format!("{shown}/content"), None)?;
    assert!(status == 200 && bytes == content, "status {status}, {} bytes", bytes.len());
    let header = |name: &str| headers[name].to_str().unwrap_or_default().to_owned();
    assert!(header("content-disposition").starts_with("attachment; filename=\"roof west.jpg\""));
    assert!(header("content-security-policy").contains("sandbox") && header("x-content-type-options") == "nosniff");
    until(&fleet.members[node].process.api, &shown, |shown| shown["holders"] == 1)?;
    Ok(())
}

#[test]
fn a_file_goes_up_is_listed_read_in_parts_and_removed_everywhere() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut fleet = Fleet::found(home.path(), Profile::clear())?;
    let node = fleet.join("engine-7", &[0])?;
    fleet.members[0].process.api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    fleet.converge(&[0, node], PATIENCE)?;
    let data = fleet.members[node].process.data().to_owned();
    let call = |args: &[&str]| Program::Node.call(&data, args);
    let (photo, back) = (home.path().join("pump.png"), home.path().join("back.png"));
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]))
        .write_to(&mut png, image::ImageFormat::Png)?;
    std::fs::write(&photo, png.get_ref())?;
    let task = call(&["--json", "task", "open", "Lay hose"])?;
    let task: Value = serde_json::from_str(&task)?;
    let to = format!("task:{}", task["id"].as_str().context("an id")?);
    let photo = photo.to_str().context("a path")?;
    let made: Value = serde_json::from_str(&call(&["--json", "blob", "add", photo, "--to", &to])?)?;
    let id = made["id"].as_str().context("an id")?;
    assert_eq!((&made["media_type"], &made["thumbnail_here"]), (&json!("image/png"), &json!(true)), "{made}");
    assert!(call(&["blob", "list", "--to", &to])?.contains("pump.png"));
    call(&["blob", "get", id, back.to_str().context("a path")?])?;
    assert_eq!(std::fs::read(&back)?, *png.get_ref());

    let shown = format!("/missions/{}/blobs/{id}", made["mission"].as_str().context("an id")?);
    let hub = fleet.members[0].process.api.clone();
    until(&hub, &shown, |shown| shown["state"] == "here" && shown["thumbnail_here"] == true)?;
    let (status, part, headers) = raw(&hub, &format!("{shown}/content"), Some("bytes=100-199"))?;
    assert_eq!((status, part.as_slice()), (206, &png.get_ref()[100..200]));
    let length = png.get_ref().len();
    assert_eq!(headers["content-range"], format!("bytes 100-199/{length}"));
    assert_eq!(raw(&hub, &format!("{shown}/content"), Some("bytes=99999999-"))?.0, 416);
    let (status, small, _) = raw(&hub, &format!("{shown}/thumbnail"), None)?;
    assert_eq!(status, 200);
    let small = image::load_from_memory(&small)?;
    assert_eq!((small.width(), small.height()), (160, 120));

    call(&["blob", "remove", id])?;
    until(&hub, &shown, |shown| !shown["removed"].is_null() && shown["state"] == "elsewhere")?;
    assert_eq!(raw(&hub, &format!("{shown}/content"), None)?.0, 404);
    for place in [0, node] {
        let left = std::fs::read_dir(fleet.members[place].process.data().join("blobs"))?.count();
        assert_eq!(left, 0, "place {place} keeps no byte of it");
    }
    Ok(())
}

#[test]
fn what_cannot_be_attached_is_refused_with_what_to_do_and_leaves_nothing() -> Result<()> {
    let home = tempfile::tempdir()?;
    let data = home.path().join("hub");
    Program::Hub.call(&data, &["init", "--name", "hub"])?;
    std::fs::write(data.join("holdfast.toml"), "[sync]\nblob_quota_bytes = 16777216\n")?;
    let ports = ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"];
    let hub = holdfast_cluster::process::Process::start(Program::Hub, &data, &ports.map(str::to_owned))?;
    let mission = hub.api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    let blobs = format!("/missions/{}/blobs", mission["id"].as_str().context("an id")?);
    let refused = |path: &str, bytes: &[u8], status: u16, word: &str| -> Result<()> {
        let answer = hub.api.upload(path, "text/plain", bytes)?;
        let detail = answer.body["detail"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && detail.contains(word), "{path}: {} {detail}", answer.status);
        Ok(())
    };
    refused(&format!("{blobs}?name=a"), b"", 422, "empty")?;
    refused(&format!("{blobs}?name="), b"x", 422, "give the name of the file")?;
    refused(&blobs, b"x", 400, "name")?;
    refused(&format!("{blobs}?name=a&attached_to=pump"), b"x", 400, "kind:id")?;
    let nobody = "018bcfe5-6800-7000-8000-000000000000";
    refused(&format!("{blobs}?name=a&attached_to=task:{nobody}"), b"x", 404, "task")?;
    refused(&format!("/missions/{nobody}/blobs?name=a"), b"x", 404, "mission")?;
    hub.api.upload(&format!("{blobs}?name=a"), "text/plain", &noise(9 << 20))?.ok()?;
    refused(&format!("{blobs}?name=b"), &noise((9 << 20) + 1), 507, "raise blob_quota_bytes")?;
    assert_eq!(std::fs::read_dir(data.join("blobs"))?.count(), 2, "one file and its hashes");
    assert_eq!(hub.api.get("/status")?["blobs"]["whole"], 1);
    assert!(Program::Hub.call(&data, &["status"])?.contains("attachments   1 here"));
    Ok(())
}

#[test]
fn messages_pass_a_photo_on_a_narrow_link() -> Result<()> {
    let home = tempfile::tempdir()?;
    let narrow = Profile { delay_ms: 100, rate_bps: Some(256_000), queue_bytes: 32 << 10, ..Profile::clear() };
    let mut fleet = Fleet::found(home.path(), narrow)?;
    let node = fleet.join("engine-7", &[0])?;
    let mission = fleet.members[0].process.api.post("/missions", &json!({"name": "Harbour"}))?.ok()?;
    let mission = format!("/missions/{}", mission["id"].as_str().context("an id")?);
    fleet.converge(&[0, node], PATIENCE)?;
    let (hub, engine) = (&fleet.members[0].process.api, &fleet.members[node].process.api);
    let made = engine.upload(&format!("{mission}/blobs?name=roof.jpg"), "image/jpeg", &noise(500_000))?.ok()?;
    let shown = format!("{mission}/blobs/{}", made["id"].as_str().context("an id")?);
    until(hub, &shown, |shown| groups_here(shown) >= 4)?;
    let mut worst = Duration::ZERO;
    let mut count = 0;
    while hub.get(&shown)?["state"] != "here" && count < 8 {
        count += 1;
        let start = Instant::now();
        let sent = engine.post(&format!("{mission}/messages"), &json!({"text": "all well"}))?.ok()?;
        let path = format!("{mission}/messages/{}", sent["id"].as_str().context("an id")?);
        until(hub, &path, |message| message["text"] == "all well")?;
        worst = worst.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(700));
    }
    println!("{count} messages beside a photo at 256 kbit/s, the slowest took {worst:?}");
    assert!(count >= 5, "{count} messages");
    assert!(worst < Duration::from_secs(4), "{worst:?}");
    until(hub, &shown, |shown| shown["state"] == "here")?;
    Ok(())
}
