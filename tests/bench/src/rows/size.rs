//! Rows 14 and 20: memory of a large node, and how fast the simulated world runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_cluster::process::Program;
use holdfast_domain::id::MissionId;
use holdfast_driver::data_dir::DataDir;
use holdfast_store::store::Store;
use holdfast_world::link::Profile;
use holdfast_world::story::Story;
use holdfast_world::world::World;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Bench;
use crate::crew::Crew;
use crate::links::Net;
use crate::meeting::Org;
use crate::report::Row;
use crate::rows::Measure;
use crate::trace;

/// A node that holds much.
#[derive(Debug, Serialize, Deserialize)]
struct Large {
    home: PathBuf,
    documents: Vec<String>,
    streams: usize,
}

struct Plan {
    missions: usize,
    messages: usize,
    documents: usize,
    changes: usize,
}

fn make_large(home: &Path, root: &Path, plan: &Plan, bar: &ProgressBar) -> Result<Large> {
    const BATCH: usize = 200;
    let mut org = Org::found(home)?;
    let device = org.enrol("node")?;
    // Hundreds of thousands of commits: on a disk each would wait for an fsync, which is no part of this measure.
    let shared = Path::new("/dev/shm");
    let quick_disk = tempfile::tempdir_in(if shared.is_dir() { shared } else { home })?;
    let database = quick_disk.path().join("holdfast.db");
    let mut engine = org.open(&device, Store::open(&database)?)?;
    let mut missions: Vec<MissionId> = Vec::new();
    for number in 0..plan.missions {
        missions.push(trace::mission_open(&mut org, &mut engine, &format!("Mission {number}"))?);
    }
    for written in (0..plan.messages).step_by(BATCH) {
        bar.set_message(format!("writing {written} of {} messages", plan.messages));
        let mission = missions[written / BATCH % missions.len()];
        let texts = (0..BATCH).map(|at| format!("Report {} of sector {}: no change.", written + at, at % 40));
        trace::message_send(&mut org, &mut engine, mission, texts.collect())?;
    }
    for (number, &mission) in missions.iter().take(plan.documents).enumerate() {
        bar.set_message(format!("writing document {number} of {}", plan.documents));
        let mut crew = Crew::new(root, number as u64)?;
        for _ in 0..plan.changes {
            trace::write_one(&mut org, &mut engine, &mut crew, mission, &[])?;
        }
    }
    let streams = engine.store().streams(None)?.len();
    drop(engine);
    std::fs::copy(&database, DataDir::new(&device.dir).database())?;
    let documents = missions.iter().take(plan.documents).map(MissionId::to_string).collect();
    Ok(Large { home: device.dir, documents, streams })
}

fn resident_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("the kernel tells the resident size")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

/// Row 14.
pub(super) fn memory(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let plan = bench.pick(
        Plan { missions: 500, messages: 1_000_000, documents: 64, changes: 5_000 },
        Plan { missions: 100, messages: 50_000, documents: 64, changes: 250 },
    );
    let name = format!("large-{}-{}", plan.messages, plan.changes);
    let large = trace::kept(bench, &name, |home| make_large(home, &bench.root, &plan, bar))?;
    bar.set_message("a large node starts");
    let mut net = Net::new()?;
    net.start(Program::Node, &large.home, bench.home.path(), &[])?;
    let pid = net.nodes[0].pid().context("it runs")?;
    let closed = resident_mb(pid)?;
    for (number, mission) in large.documents.iter().enumerate() {
        bar.set_message(format!("opening document {number} of {}", large.documents.len()));
        let task = json!({"title": "Welfare check, 1 Pier Street"});
        net.api(0).post(&format!("/missions/{mission}/tasks"), &task)?.ok()?;
    }
    std::thread::sleep(Duration::from_secs(1));
    let conditions = format!(
        "{}VmRSS of one node with {} messages in {} streams, after an edit on each of {} documents of {} changes",
        bench.pace(),
        plan.messages,
        large.streams,
        plan.documents,
        plan.changes
    );
    let row = measures[0].row(Some(resident_mb(pid)?), conditions);
    Ok(vec![row.part("mb_before_documents", closed)])
}

/// User and system time of this process so far, seconds.
fn cpu_s() -> Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("a process has a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap_or(0.0));
    Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
}

/// Row 20: five nodes, two of them behind radios, somebody writes every few minutes, a partition every hour.
pub(super) fn world(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const NODES: usize = 5;
    let hours = bench.pick(24, 6);
    bar.set_message(format!("{hours} hours of a simulated world"));
    let start = cpu_s()?;
    let mut world = World::new(20);
    let nodes: Vec<usize> =
        ["hub", "engine-7", "truck-3", "medic-17", "boat-1"].iter().map(|name| world.node(name)).collect();
    for pair in nodes.windows(2) {
        world.link(pair[0], pair[1], if pair[1] > 2 { Profile::RADIO } else { Profile::LAN });
    }
    world.link(nodes[0], nodes[2], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    for minute in 0..hours * 60 {
        match minute % 60 {
            20 => world.part(&nodes[..2], &nodes[2..]),
            40 => world.heal(),
            _ => {}
        }
        let node = nodes[world.dice(NODES)];
        story.anything(&mut world, node);
        world.run_for_ms(60_000);
    }
    let cpu = cpu_s()? - start;
    let value = (hours * NODES as u64) as f64 / (cpu / 3_600.0);
    let conditions = format!(
        "{}{hours} h of {NODES} nodes in one world, two behind radios, an edit, message or position each minute, a \
         partition of 20 minutes each hour",
        bench.pace()
    );
    Ok(vec![measures[0].row(Some(value), conditions).part("cpu_seconds", cpu)])
}
