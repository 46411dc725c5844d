//! `cargo xtask measure`: what one node with 10,000 incidents costs, on a real process. Figures, no verdict.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_cluster::api::Api;
use holdfast_cluster::process::{Process, Program};
use serde_json::json;

/// Options of `cargo xtask measure`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Incidents on the node.
    #[arg(long, default_value_t = 10_000)]
    incidents: usize,
    /// Lists asked for.
    #[arg(long, default_value_t = 200)]
    lists: usize,
}

/// The fire calls again and again, each round with numbers of its own, until there are enough incidents.
fn calls(count: usize) -> Result<String> {
    let text = std::fs::read_to_string(crate::test::root().join("tests/fixtures/sf/sf-fire-calls.csv"))?;
    let mut lines = text.lines();
    let header = lines.next().context("the calls have a header")?;
    let rows: Vec<Vec<&str>> = lines.map(|line| line.splitn(4, ',').collect()).collect();
    let mut file = vec![header.to_owned()];
    for number in 0..count {
        let [call, unit, _, rest] = rows[number % rows.len()].as_slice() else { continue };
        file.push(format!("{call},{unit},{},{rest}", 5_000_000 + number));
    }
    Ok(file.join("\n"))
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("the kernel tells the resident size")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}

fn timed(api: &Api, path: &str, times: usize) -> Result<Vec<Duration>> {
    (0..times)
        .map(|_| {
            let start = Instant::now();
            api.get(path)?;
            Ok(start.elapsed())
        })
        .collect()
}

pub(crate) fn run(args: &Args) -> Result<()> {
    crate::test::cargo(
        &["build", "--release", "--locked", "-p", "holdfast-node", "-p", "holdfast-hub", "-p", "holdfast-xtask"],
        &[],
    )?;
    if cfg!(debug_assertions) {
        let forward = [
            "run",
            "--release",
            "--locked",
            "--quiet",
            "-p",
            "holdfast-xtask",
            "--",
            "measure",
            "--incidents",
            &args.incidents.to_string(),
            "--lists",
            &args.lists.to_string(),
        ];
        return crate::test::cargo(&forward, &[]);
    }
    let home = tempfile::tempdir()?;
    let data = home.path().join("hub");
    Program::Hub.call(&data, &["init", "--name", "hub"])?;
    let free: Vec<String> =
        ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"]
            .map(str::to_owned)
            .to_vec();
    let mut node = Process::start(Program::Hub, &data, &free)?;
    let mission = node.api.post("/missions", &json!({"name": "Measure"}))?.ok()?;
    let path = format!("/missions/{}", mission["id"].as_str().context("an id")?);
    let file = calls(args.incidents)?;
    let start = Instant::now();
    let report = node.api.upload(&format!("{path}/import/dispatch"), "text/csv", file.as_bytes())?.ok()?;
    println!(
        "import        {} rows in {:.2} s, {} records made",
        report["rows"],
        start.elapsed().as_secs_f64(),
        report["created"]
    );
    println!("resident      {} MB after the import", resident_kib(node.pid().context("it runs")?)? / 1024);
    let mut times = timed(&node.api, &format!("{path}/incidents?limit=100"), args.lists)?;
    println!("list of 100   p50 {:?}, p95 {:?}", percentile(&mut times, 50), percentile(&mut times, 95));
    let mut times = timed(&node.api, &format!("{path}/incidents?limit=100&text=MARKET"), args.lists)?;
    println!("text search   p50 {:?}, p95 {:?}", percentile(&mut times, 50), percentile(&mut times, 95));
    let mut times = Vec::new();
    for number in 0..args.lists {
        let start = Instant::now();
        node.api.post(&format!("{path}/messages"), &json!({"text": format!("message {number}")}))?.ok()?;
        times.push(start.elapsed());
    }
    println!("durable write p50 {:?}, p99 {:?}", percentile(&mut times, 50), percentile(&mut times, 99));
    let start = Instant::now();
    node.restart()?;
    node.api.get(&format!("{path}/incidents?limit=100"))?;
    println!("cold start    {:?} to the first list", start.elapsed());
    println!("resident      {} MB after it", resident_kib(node.pid().context("it runs")?)? / 1024);
    let start = Instant::now();
    let new = json!({"kind": "Alarm", "address": "1 Pier Street"});
    node.api.post(&format!("{path}/incidents"), &new)?.ok()?;
    println!("first edit    {:?} (the document is opened for it)", start.elapsed());
    println!("resident      {} MB with the document open", resident_kib(node.pid().context("it runs")?)? / 1024);
    Ok(())
}
