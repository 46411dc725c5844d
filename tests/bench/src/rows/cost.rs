//! Rows 13, 15 and 16: what single items cost: signed metadata, a durable write, a fix on the wire.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use holdfast_cluster::process::Program;
use holdfast_domain::edit::Edit;
use holdfast_domain::message::{Channel, MessageNew};
use holdfast_store::store::Store;
use holdfast_world::vehicle::drive;
use indicatif::ProgressBar;
use serde_json::json;

use crate::Bench;
use crate::crew::Crew;
use crate::floor;
use crate::links::{Net, profile, words};
use crate::meeting::Org;
use crate::report::Row;
use crate::rows::{Measure, bulk};
use crate::trace;

/// Row 13: a frame with 32 messages of 20 bytes, less the texts under zstd -19.
pub(super) fn metadata(bench: &Bench, measures: &[Measure], _: &ProgressBar) -> Result<Vec<Row>> {
    const BATCH: usize = 32;
    const TEXT_BYTES: usize = 20;
    let home = tempfile::tempdir_in(bench.home.path())?;
    let mut org = Org::found(home.path())?;
    let [left, right] = [org.enrol("left")?, org.enrol("right")?];
    let mut engine = org.open(&left, Store::memory()?)?;
    let mut other = org.open(&right, Store::memory()?)?;
    let mission = trace::mission_open(&mut org, &mut engine, "Events")?;
    // The author's credential is known by then, as it is to all who heard it once.
    trace::message_send(&mut org, &mut engine, mission, vec!["Command established.".to_owned()])?;
    org.meet([(&mut engine, &left), (&mut other, &right)])?;
    let mut crew = Crew::new(&bench.root, 13)?;
    let texts: Vec<String> = (0..BATCH).map(|_| crew.noise(TEXT_BYTES)).collect();
    let (_, useful) = floor::zstd(texts.iter().map(String::as_bytes))?;
    let edit = |text: &String| {
        Edit::MessageSend(mission, MessageNew { id: None, channel: Channel::Mission, text: text.clone() })
    };
    let edits = texts.iter().map(edit).collect();
    let bytes = org.push([(&mut engine, &left), (&mut other, &right)], edits)?;
    let value = (bytes as f64 - useful as f64) / BATCH as f64;
    let conditions = format!(
        "bytes of the writer's frames for one gesture of {BATCH} messages of {TEXT_BYTES} B, less the texts under zstd \
         -19; per event"
    );
    let row =
        measures[0].row(Some(value), conditions).part("frame_bytes", bytes as f64).part("text_bytes", useful as f64);
    Ok(vec![row.note("messages stand in for events: each carries its sender, a channel and a time besides its text")])
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

/// Rows 15a and 15b.
pub(super) fn writes(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const WRITERS: usize = 64;
    let bulk = bulk::bulk(bench, bar)?;
    let mut net = Net::new()?;
    net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    let path = format!("/missions/{}/messages", bulk.mission);
    bar.set_message("one writer");
    let (mut took, mut disk) = (Vec::new(), Vec::new());
    let mut file = tempfile::tempfile_in(bench.home.path())?;
    for number in 0..bench.pick(1_000, 300) {
        let start = Instant::now();
        net.api(0).post(&path, &json!({"text": format!("Message {number}.")}))?.ok()?;
        took.push(start.elapsed().as_secs_f64() * 1_000.0);
        // The disk is asked in turn, so that both see the same load of the machine.
        let start = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        disk.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    let fsync = percentile(&mut disk, 99);

    bar.set_message("64 writers at once");
    let before = [net.entries(0)?, net.counter(0, "commits")?];
    let (stop, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (api, path, stop, failed) = (net.api(0).clone(), &path, &stop, &failed);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let sent = api.post(path, &json!({"text": format!("Writer {writer}.")}));
                    if sent.and_then(|answer| answer.ok()).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        std::thread::sleep(bench.pick(Duration::from_secs(8), Duration::from_secs(3)));
        stop.store(true, Ordering::Relaxed);
    });
    let items = (net.entries(0)? - before[0]) as f64;
    let seconds = start.elapsed().as_secs_f64();
    let commits = (net.counter(0, "commits")? - before[1]) as f64;
    let alone = measures[0]
        .row(
            Some(p99 - fsync),
            format!("{}p99 of one writer over HTTP, less p99 of a 4 KiB write with fsync", bench.pace()),
        )
        .part("p50_ms", p50)
        .part("p99_ms", p99)
        .part("fsync_p99_ms", fsync)
        .note("below zero: the disk's own outliers were larger, as on a machine that others use too");
    let load = measures[1]
        .row(
            Some(items / commits.max(1.0)),
            format!("{}{WRITERS} writers at once; each commit is one fsync", bench.pace()),
        )
        .part("items", items)
        .part("commits", commits)
        .part("items_per_second", items / seconds)
        .part("failed", failed.into_inner() as f64)
        .note("a writer waits for its answer, so there are never more items to a commit than writers");
    Ok(vec![alone, load])
}

/// Row 16.
pub(super) fn positions(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const RATE_BPS: u64 = 1_000_000;
    const RTT_MS: u32 = 100;
    const WHITE_M: f64 = 0.3;
    let bulk = bulk::bulk(bench, bar)?;
    let mut net = Net::new()?;
    let left = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let right = net.start(Program::Node, &bulk.second(), bench.home.path(), &[(left, link)])?;
    net.wait_connected(right, 1, Duration::from_mins(1))?;
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    bench.settle();
    bar.set_message("an hour of driving is relayed");
    let fixes: u64 = bench.pick(3_600, 1_800);
    let path = format!("/missions/{}/units/{}/track", bulk.mission, bulk.unit);
    let (before, start) = (net.wire_bytes(), Instant::now());
    let track = drive(16, 1_767_600_000_000, fixes, WHITE_M);
    for segment in track.chunks(600) {
        net.api(left).post(&path, &json!({"source": "bench", "fixes": segment}))?.ok()?;
    }
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    bench.settle();
    let (wire, seconds) = ((net.wire_bytes() - before) as f64, start.elapsed().as_secs_f64());
    let conditions = format!(
        "{}{fixes} fixes of a drive at 1 Hz with height, speed and course; the receiver drifts by 2.5 m and has {WHITE_M} m \
         of white noise on each axis, 0.1 m/s on speed and a degree and more on course; relayed in segments of ten minutes; \
         {}",
        bench.pace(),
        words(RATE_BPS, RTT_MS, 0.0)
    );
    Ok(vec![measures[0].row(Some(wire / fixes as f64), conditions).part("wire_bytes", wire).part("seconds", seconds)])
}
