//! Rows 4 and 12: many nodes: a long line to the hub, and a mesh in which all hear all.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use holdfast_cluster::process::Program;
use holdfast_linkem::relay::Profile;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Bench;
use crate::floor;
use crate::links::{Net, profile, words};
use crate::meeting::Org;
use crate::report::Row;
use crate::rows::Measure;
use crate::trace;

const MESH: usize = 8;

/// Row 4: the day's edits lie at one end of a line of eight; the hub is at the other.
pub(super) fn line(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const RATE_BPS: u64 = 64_000;
    const RTT_MS: u32 = 600;
    const LOSS: f64 = 0.1;
    let trace = trace::long(bench, bar)?;
    let mut net = Net::new()?;
    let link = profile(RATE_BPS, RTT_MS, LOSS);
    let mut last = net.start(Program::Hub, &trace.hub(), bench.home.path(), &[])?;
    for number in 0..bench.pick(trace::BEHIND, 3) {
        let node = trace.behind(number);
        last = net.start(Program::Node, &node, bench.home.path(), &[(last, link)])?;
        net.wait_connected(last, 1, Duration::from_mins(1))?;
    }
    let links = net.links.len();
    bar.set_message("the line comes to rest");
    net.wait_quiet()?;
    bar.set_message("a day's edits go down a line of eight to the hub");
    let full = net.start(Program::Node, &trace.full(), bench.home.path(), &[(last, link)])?;
    let patience = bench.pick(Duration::from_mins(10), Duration::from_mins(2));
    let took = net.wait_agreed(&(0..=full).collect::<Vec<_>>(), patience)?.as_secs_f64();
    let (hops, rtt_s) = (links as f64 + 1.0, f64::from(RTT_MS) / 1_000.0);
    let b0 = floor::b0(trace.weight.floor_bytes, LOSS);
    let t0 = rtt_s * (1.0 + hops) + 8.0 * b0 / RATE_BPS as f64;
    let conditions = format!(
        "{}{} edits by {} authors at one end; {} hops; each {}; T0 takes B0/C once, as if all hops carried at once",
        bench.pace(),
        trace.weight.missing,
        trace.authors,
        links + 1,
        words(RATE_BPS, RTT_MS, LOSS)
    );
    Ok(vec![measures[0].row(Some(took / t0), conditions).floor(1.0).part("seconds", took).part("t0_seconds", t0)])
}

/// Eight nodes that know one mission.
#[derive(Debug, Serialize, Deserialize)]
struct Eight {
    mission: String,
    home: std::path::PathBuf,
}

fn make_eight(home: &Path) -> Result<Eight> {
    let mut org = Org::found(home)?;
    let first = org.enrol("node-0")?;
    let mut engine = org.open_on_disk(&first)?;
    let mission = trace::mission_open(&mut org, &mut engine, "Mesh")?;
    for number in 1..MESH {
        let device = org.enrol(&format!("node-{number}"))?;
        let mut other = org.open_on_disk(&device)?;
        org.meet([(&mut engine, &first), (&mut other, &device)])?;
    }
    Ok(Eight { mission: mission.to_string(), home: home.to_owned() })
}

/// Row 12: each of eight nodes has a link to each other; all write.
pub(super) fn mesh(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const RATE_BPS: u64 = 1_000_000;
    const RTT_MS: u32 = 20;
    let eight = trace::kept(bench, "mesh", make_eight)?;
    let mut net = Net::new()?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    for number in 0..MESH {
        let peers: Vec<(usize, Profile)> = (0..number).map(|peer| (peer, link)).collect();
        let node = eight.home.join(format!("node-{number}"));
        net.start(Program::Node, &node, bench.home.path(), &peers)?;
    }
    bar.set_message("eight nodes meet");
    for node in 0..MESH {
        net.wait_connected(node, MESH - 1, Duration::from_mins(1))?;
    }
    let all: Vec<usize> = (0..MESH).collect();
    net.wait_agreed(&all, Duration::from_mins(1))?;
    let count = |name: &str| all.iter().map(|&node| net.counter(node, name)).sum::<Result<u64>>();
    let before = [count("entries_received")?, count("entries_duplicate")?];
    let rounds = bench.pick(60, 25);
    for round in 0..rounds {
        bar.set_message(format!("eight nodes write, round {round} of {rounds}"));
        for node in 0..MESH {
            let text = json!({"text": format!("Round {round} of node {node}, all well.")});
            net.api(node).post(&format!("/missions/{}/messages", eight.mission), &text)?.ok()?;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    net.wait_agreed(&all, Duration::from_mins(1))?;
    let received = (count("entries_received")? - before[0]) as f64;
    let duplicate = (count("entries_duplicate")? - before[1]) as f64;
    let unique = (rounds * MESH * (MESH - 1)) as f64;
    let conditions = format!(
        "{}entries received ÷ entries wanted, all nodes together; 28 links, each {}; {rounds} messages by each",
        bench.pace(),
        words(RATE_BPS, RTT_MS, 0.0)
    );
    let row = measures[0].row(Some(received / unique), conditions).floor(1.0);
    Ok(vec![row.part("received", received).part("duplicate", duplicate).part("wanted", unique)])
}
