//! NATS beside Holdfast: the same items as messages of a JetStream stream that a leaf node sources over TCP.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_linkem::relay::Profile;
use holdfast_linkem::tunnel::ADDRESSES;
use serde_json::Value;

use crate::Bench;
use crate::links::wait;
use crate::others::{self, Site};

const LEAF_PORT: u16 = 7_422;
const CLIENTS: &str = "127.0.0.1:4222";

/// A server at one end; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is as gone as it should be.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Two servers: the one at end 0 holds the messages, the one at end 1 is its leaf.
pub(crate) struct Pair {
    client: PathBuf,
    home: tempfile::TempDir,
    pub(crate) site: Site,
    servers: Vec<Server>,
    messages: u64,
}

impl Pair {
    /// Starts the first server and fills a stream with the messages of a file.
    pub(crate) fn fill(bench: &Bench, messages: &std::path::Path, link: Profile) -> Result<Self> {
        let client = others::program(bench, "nats-client")?;
        let found = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status();
        found.context("nats-server is not installed (Debian package nats-server)")?;
        let home = tempfile::tempdir_in(bench.home.path())?;
        let mut pair = Self { client, home, site: Site::new(link)?, servers: Vec::new(), messages: 0 };
        pair.serve(0, &format!("leafnodes {{ listen: \"{}:{LEAF_PORT}\" }}", ADDRESSES[0]))?;
        let stream = r#"{"name":"TRACE","subjects":["trace"],"storage":"file","retention":"limits","max_msgs":-1}"#;
        pair.request(0, "$JS.API.STREAM.CREATE.TRACE", stream)?;
        let mut publish = pair.site.tunnel.command(0, &pair.client.display().to_string());
        publish.args([CLIENTS, "publish", "trace"]).arg(messages);
        pair.messages = others::output(&mut publish)?.trim().parse()?;
        Ok(pair)
    }

    fn serve(&mut self, end: usize, leafnodes: &str) -> Result<()> {
        let name = ["hub", "leaf"][end];
        let store = self.home.path().join(name);
        let config = self.home.path().join(format!("{name}.conf"));
        let text = format!(
            "server_name: {name}\nlisten: \"{CLIENTS}\"\n{leafnodes}\njetstream {{ store_dir: \"{}\", domain: {name} }}\n",
            store.display()
        );
        std::fs::write(&config, text)?;
        let mut command = self.site.tunnel.command(end, "nats-server");
        let log = std::fs::File::create(self.home.path().join(format!("{name}.log")))?;
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.servers.push(Server(command.spawn()?));
        wait(Duration::from_secs(20), "nats-server did not start", || {
            Ok(self.request(end, "$JS.API.INFO", "").is_ok_and(|info| info["error"].is_null()))
        })?;
        Ok(())
    }

    fn request(&self, end: usize, subject: &str, body: &str) -> Result<Value> {
        let mut command = self.site.tunnel.command(end, &self.client.display().to_string());
        let answer = others::output(command.args([CLIENTS, "request", subject, body]))?;
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(answer["error"].is_null(), "NATS refuses {subject}: {}", answer["error"]);
        Ok(answer)
    }

    /// Starts the leaf and lets it source the stream.
    pub(crate) fn join(&mut self) -> Result<()> {
        self.serve(1, &format!("leafnodes {{ remotes: [ {{ url: \"nats://{}:{LEAF_PORT}\" }} ] }}", ADDRESSES[0]))?;
        let stream = r#"{"name":"COPY","storage":"file","retention":"limits","max_msgs":-1,
            "sources":[{"name":"TRACE","external":{"api":"$JS.hub.API","deliver":""}}]}"#;
        self.request(1, "$JS.API.STREAM.CREATE.COPY", stream).map(drop)
    }

    /// Messages that the leaf holds.
    pub(crate) fn copied(&self) -> Result<u64> {
        let info = self.request(1, "$JS.API.STREAM.INFO.COPY", "")?;
        info["state"]["messages"].as_u64().context("NATS counts messages")
    }

    fn wait_copied(&self, patience: Duration) -> Result<()> {
        wait(patience, "the leaf did not copy the stream", || Ok(self.copied()? >= self.messages)).map(drop)
    }
}

/// Wire bytes until a leaf that never was there before has all messages of a file.
pub(crate) fn cold(bench: &Bench, messages: &std::path::Path, link: Profile) -> Result<f64> {
    let mut pair = Pair::fill(bench, messages, link)?;
    let before = pair.site.wire_bytes();
    pair.join()?;
    pair.wait_copied(Duration::from_mins(3))?;
    bench.settle();
    Ok(pair.site.wire_bytes() - before)
}

/// Messages a second that arrive within a time after the first.
pub(crate) fn messages_per_second(
    bench: &Bench,
    messages: &std::path::Path,
    link: Profile,
    watch: Duration,
) -> Result<f64> {
    let clear = Profile { delay_ms: link.delay_ms, ..Profile::clear() };
    let mut pair = Pair::fill(bench, messages, clear)?;
    pair.site.tunnel.set_profile(link);
    pair.join()?;
    wait(Duration::from_mins(1), "nothing arrived at the leaf", || Ok(pair.copied()? > 0))?;
    let (start, before) = (Instant::now(), pair.copied()?);
    while start.elapsed() < watch && pair.copied()? < pair.messages {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((pair.copied()? - before) as f64 / start.elapsed().as_secs_f64())
}

/// Bytes of the busier direction while nobody says anything.
pub(crate) fn idle(bench: &Bench, messages: &std::path::Path, link: Profile, watch: Duration) -> Result<f64> {
    let mut pair = Pair::fill(bench, messages, Profile::clear())?;
    pair.join()?;
    pair.wait_copied(Duration::from_mins(1))?;
    bench.settle();
    pair.site.tunnel.set_profile(link);
    let before = pair.site.tunnel.wire();
    std::thread::sleep(watch);
    let after = pair.site.tunnel.wire();
    Ok((after.there_bytes - before.there_bytes).max(after.back_bytes - before.back_bytes) as f64)
}
