//! Rows 1 to 3: bytes on the wire for a long history, for a few edits among many streams, and for nothing at all.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_cluster::process::Program;
use holdfast_domain::id::MissionId;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Bench;
use crate::floor;
use crate::links::{Net, profile, words};
use crate::meeting::Org;
use crate::nats;
use crate::others;
use crate::report::Row;
use crate::rows::Measure;
use crate::samod;
use crate::trace;

const RATE_BPS: u64 = 1_000_000;
const RTT_MS: u32 = 100;

/// Row 1: a node that lacks a third of a long history meets one that has it, for the first time.
pub(super) fn cold(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let trace = trace::long(bench, bar)?;
    bar.set_message("two nodes meet for the first time");
    let mut net = Net::new()?;
    let full = net.start(Program::Node, &trace.full(), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let behind = net.start(Program::Node, &trace.behind(0), bench.home.path(), &[(full, link)])?;
    let took = net.wait_agreed(&[full, behind], Duration::from_mins(3))?;
    bench.settle();
    let (wire, b0) = (net.wire_bytes() as f64, floor::b0(trace.weight.floor_bytes, 0.0));
    let conditions = format!(
        "{}{} edits by {} authors missing after {} changes; {}; TLS 1.3 and signatures included",
        bench.pace(),
        trace.weight.missing,
        trace.authors,
        trace.before,
        words(RATE_BPS, RTT_MS, 0.0)
    );
    let row = measures[0].row(Some(wire / b0), conditions).floor(1.0);
    let row = row.part("wire_bytes", wire).part("b0_bytes", b0).part("seconds", took.as_secs_f64());
    let row = row.part("raw_bytes", trace.weight.raw_bytes as f64).part("zstd_bytes", trace.weight.zstd_bytes as f64);
    drop(net);
    bar.set_message("samod does the same");
    let row = row.peer("samod", samod::cold(bench, &trace, link).map(|bytes| bytes / b0)).note(others::SAMOD_WORDS);
    bar.set_message("NATS does the same");
    let nats = nats::cold(bench, &trace.messages(), link).map(|bytes| bytes / b0);
    Ok(vec![row.peer("NATS", nats).note(others::NATS_WORDS)])
}

/// Nodes that hold the same in a thousand streams.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Wide {
    home: PathBuf,
    missions: Vec<String>,
    streams: usize,
    /// Bytes of the frames of each side at a meeting with nothing missing.
    greeting: [u64; 2],
}

fn make_wide(home: &Path, missions: usize, bar: &ProgressBar) -> Result<Wide> {
    let mut org = Org::found(home)?;
    let [left, right] = [org.enrol("left")?, org.enrol("right")?];
    let mut engine = org.open_on_disk(&left)?;
    let mut ids: Vec<MissionId> = Vec::new();
    for number in 0..missions {
        bar.set_message(format!("opening mission {number} of {missions}"));
        let mission = trace::mission_open(&mut org, &mut engine, &format!("Mission {number}"))?;
        trace::message_send(&mut org, &mut engine, mission, vec!["Command established.".to_owned()])?;
        ids.push(mission);
    }
    let mut other = org.open_on_disk(&right)?;
    org.meet([(&mut engine, &left), (&mut other, &right)])?;
    let streams = engine.store().streams(None)?.len();
    org.greet([(&mut engine, &left), (&mut other, &right)])?;
    let greeting = org.greet([(&mut engine, &left), (&mut other, &right)])?;
    let ids = ids.iter().map(MissionId::to_string).collect();
    Ok(Wide { home: home.to_owned(), missions: ids, streams, greeting })
}

/// A pair that holds a thousand streams, connected and at rest.
pub(super) fn wide_pair(bench: &Bench, bar: &ProgressBar) -> Result<(Net, Wide)> {
    let missions = bench.pick(500, 100);
    let wide = trace::kept(bench, &format!("wide-{missions}"), |home| make_wide(home, missions, bar))?;
    let mut net = Net::new()?;
    let left = net.start(Program::Node, &wide.home.join("left"), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let right = net.start(Program::Node, &wide.home.join("right"), bench.home.path(), &[(left, link)])?;
    net.wait_connected(right, 1, Duration::from_mins(1))?;
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    bar.set_message("until the nodes have said what they hold");
    net.wait_quiet()?;
    Ok((net, wide))
}

/// Rows 2, 3a, 3b.
pub(super) fn live(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let (net, wide) = wide_pair(bench, bar)?;
    let streams = wide.streams;
    let conditions =
        |what: &str| format!("{}{streams} streams; {what}; {}", bench.pace(), words(RATE_BPS, RTT_MS, 0.0));
    bar.set_message("idle");
    let idle_bps = idle_bytes_per_second(&net, bench.pick(Duration::from_secs(20), Duration::from_secs(6)));

    bar.set_message("20 edits are pushed");
    let (pushed, floor_bytes) = twenty(bench, &net, &wide, idle_bps)?;
    let b0 = floor::b0(floor_bytes, 0.0);
    let two = measures[0]
        .row(Some(pushed / b0), conditions("20 edits in 20 of them, made by 20 clients at once; what the nodes say ten seconds later, of what they hold and that all is known, is not in it"))
        .floor(1.0)
        .part("wire_bytes", pushed)
        .part("b0_bytes", b0)
        .part("idle_bytes_per_second", idle_bps);

    let [there, back] = wide.greeting.map(|bytes| bytes as f64);
    let three = measures[1]
        .row(
            Some(there.max(back)),
            format!(
                "{}{streams} streams; frames of the busier side at a meeting of two that remember each other, without TLS; \
                 on a connection that stands nothing is said at all",
                bench.pace()
            ),
        )
        .floor(0.0)
        .part("there_bytes", there)
        .part("back_bytes", back);

    bar.set_message("reconnecting");
    net.wait_quiet()?;
    net.links[0].cut(true);
    net.wait_parted(1)?;
    let before = net.wire_bytes();
    net.links[0].cut(false);
    net.wait_connected(1, 1, Duration::from_mins(1))?;
    bench.settle();
    let reconnect = (net.wire_bytes() - before) as f64;
    let again = measures[2].row(Some(reconnect), conditions("the link was gone until both noticed")).floor(0.0);
    drop(net);
    bar.set_message("samod does the same");
    let others = samod::wide(bench, streams, profile(RATE_BPS, RTT_MS, 0.0));
    let (edits, greeting) = match others {
        Ok(wide) => (Ok(wide.edits), Ok(wide.greeting)),
        Err(error) => (Err(anyhow::anyhow!("{error:#}")), Err(error)),
    };
    let two = two.peer("samod", edits).note(others::SAMOD_WORDS);
    Ok(vec![two, three, again.peer("samod", greeting).note("samod: one document for each stream")])
}

fn idle_bytes_per_second(net: &Net, watch: Duration) -> f64 {
    let before = net.wire_bytes();
    std::thread::sleep(watch);
    (net.wire_bytes() - before) as f64 / watch.as_secs_f64()
}

/// Makes twenty edits in twenty missions and waits until the other side has them. Gives wire bytes without keep-alives,
/// and M.
fn twenty(bench: &Bench, net: &Net, wide: &Wide, idle_bps: f64) -> Result<(f64, u64)> {
    let start = Instant::now();
    let before = net.wire_bytes();
    let mut crew = crate::crew::Crew::new(&bench.root, 20)?;
    let mut bodies = Vec::new();
    std::thread::scope(|scope| {
        let mut made = Vec::new();
        for mission in wide.missions.iter().step_by(wide.missions.len() / 20).take(20) {
            let task = json!({"title": format!("Relieve crew at gate {}", crew.dice(90)), "priority": 2});
            let api = net.api(0);
            made.push(scope.spawn(move || api.post(&format!("/missions/{mission}/tasks"), &task)?.ok()));
            bodies.push(mission.clone());
        }
        made.into_iter().try_for_each(|client| client.join().expect("a client ends").map(drop))
    })?;
    net.wait_agreed(&[0, 1], Duration::from_mins(1))?;
    bench.settle();
    let wire = (net.wire_bytes() - before) as f64 - idle_bps * start.elapsed().as_secs_f64();
    Ok((wire, newest_changes(net, &bodies)?))
}

/// M of the newest change of each of these boards, from the database of the node that wrote them.
fn newest_changes(net: &Net, missions: &[String]) -> Result<u64> {
    use holdfast_domain::scope::{Scope, StreamId, StreamKind};
    let copy = net.nodes[0].data().join("copy.db");
    holdfast_store::views::Views::open(&net.nodes[0].data().join("holdfast.db"))?.backup_to(&copy)?;
    let store = holdfast_store::store::Store::open(&copy)?;
    let mut newest = Vec::new();
    let mut bundles = 0;
    for mission in missions {
        let stream = StreamId::new(Scope::Mission(mission.parse()?), StreamKind::Board);
        let changes = trace::changes(&store, stream)?;
        let last = changes.last().context("a change")?;
        bundles += floor::of_changes(stream, &changes, &[last])?.floor_bytes;
        newest.push(last.raw_bytes().to_vec());
    }
    let (_, zstd) = floor::zstd(newest.iter().map(Vec::as_slice))?;
    Ok(zstd.min(bundles))
}
