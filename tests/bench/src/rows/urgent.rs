//! Rows 5, 9 and 11: how soon what is urgent, or first, arrives.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_cluster::process::Program;
use indicatif::ProgressBar;
use serde_json::json;

use crate::Bench;
use crate::links::{Net, profile, words};
use crate::report::Row;
use crate::rows::Measure;
use crate::rows::bulk::{self, Bulk};

/// What an alert weighs at least: a body of about 60 bytes, a signature, its place in a chain.
const ITEM_BYTES: f64 = 150.0;

/// Raises an alert at a node; gives the path by which it is known.
fn urgent_item(net: &Net, node: usize, bulk: &Bulk, number: u64) -> Result<String> {
    let path = format!("/missions/{}/alerts", bulk.mission);
    let alert = json!({"title": format!("Leave sector {number} now")});
    let made = net.api(node).post(&path, &alert)?.ok()?;
    Ok(format!("{path}/{}", made["id"].as_str().context("an id")?))
}

fn wait_there(net: &Net, node: usize, item: &str, since: Instant) -> Result<f64> {
    const PATIENCE: Duration = Duration::from_mins(2);
    // Until it has come, the answer is "not found".
    while net.api(node).get(item).is_err() {
        anyhow::ensure!(since.elapsed() < PATIENCE, "the urgent item did not come within two minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(since.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no values")
}

/// Rows 5a and 5b.
pub(super) fn first(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const RATE_BPS: u64 = 64_000;
    const RTT_MS: u32 = 600;
    let bulk = bulk::bulk(bench, bar)?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let floor_s = f64::from(RTT_MS) / 1_000.0 + ITEM_BYTES * 8.0 / RATE_BPS as f64;
    let rounds = bench.pick(7, 3);

    bar.set_message("an urgent item on a warm link");
    let mut net = Net::new()?;
    let left = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    let right = net.start(Program::Node, &bulk.second(), bench.home.path(), &[(left, link)])?;
    net.wait_connected(right, 1, Duration::from_mins(1))?;
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    bench.settle();
    let mut warm = Vec::new();
    for number in 0..rounds {
        let since = Instant::now();
        let item = urgent_item(&net, left, &bulk, number)?;
        warm.push(wait_there(&net, right, &item, since)? / floor_s);
        std::thread::sleep(Duration::from_millis(700));
    }
    drop(net);

    let mut cold = Vec::new();
    for number in 0..bench.pick(3, 1) {
        bar.set_message("an urgent item at a first contact");
        let mut net = Net::new()?;
        let full = net.start(Program::Node, &bulk.full(), bench.home.path(), &[])?;
        let item = urgent_item(&net, full, &bulk, number)?;
        let empty = net.start_parted(Program::Node, &bulk.empty(), bench.home.path(), full, link)?;
        net.links[0].cut(false);
        let since = Instant::now();
        net.dial(empty, 0)?;
        cold.push(wait_there(&net, empty, &item, since)? / floor_s);
    }
    let words = words(RATE_BPS, RTT_MS, 0.0);
    let conditions = |what: &str| format!("{}{what}; {words}; size = {ITEM_BYTES} B", bench.pace());
    let warm = measures[0].row(Some(median(warm)?), conditions("median from the API call to being visible, idle link"));
    let cold = measures[1].row(
        Some(median(cold)?),
        conditions("median from the first dial to being visible, bulk missing besides, peers that never met"),
    );
    Ok(vec![warm, cold])
}

/// Row 9.
pub(super) fn behind_bulk(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const RATE_BPS: u64 = 250_000;
    const RTT_MS: u32 = 200;
    const PACKET_BYTES: f64 = 1_228.0;
    let bulk = bulk::bulk(bench, bar)?;
    let mut net = Net::new()?;
    let full = net.start(Program::Node, &bulk.full(), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let empty = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[(full, link)])?;
    net.wait_connected(empty, 1, Duration::from_mins(1))?;
    std::thread::sleep(Duration::from_secs(3));
    bar.set_message("urgent items behind bulk");
    let bound_s = 2.0 * PACKET_BYTES * 8.0 / RATE_BPS as f64 + f64::from(RTT_MS) / 2_000.0;
    let mut delays = Vec::new();
    for number in 0..bench.pick(7, 4) {
        let since = Instant::now();
        let item = urgent_item(&net, full, &bulk, number)?;
        delays.push(wait_there(&net, empty, &item, since)?);
    }
    let whole = net.entries(full)?;
    let ended = net.entries(empty)? >= whole;
    let worst = delays.iter().copied().fold(0.0, f64::max);
    let conditions = format!(
        "{}median delay ÷ (2 packets/C + R/2) from the API call to being visible, while bulk is under way; {}",
        bench.pace(),
        words(RATE_BPS, RTT_MS, 0.0)
    );
    let middle = median(delays)?;
    let row = measures[0].row(Some(middle / bound_s), conditions).floor(f64::from(RTT_MS) / 2_000.0 / bound_s);
    let note = if ended { "the bulk had ended before the last item" } else { "" };
    Ok(vec![row.part("median_s", middle).part("worst_s", worst).part("bound_s", bound_s).note(note)])
}

/// Row 11.
pub(super) fn after_outage(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const RATE_BPS: u64 = 64_000;
    const RTT_MS: u32 = 600;
    let outage = bench.pick(Duration::from_mins(1), Duration::from_secs(8));
    let bulk = bulk::bulk(bench, bar)?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let mut net = Net::new()?;
    let left = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    let right = net.start(Program::Node, &bulk.second(), bench.home.path(), &[(left, link)])?;
    net.wait_connected(right, 1, Duration::from_mins(1))?;
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    let mut times = Vec::new();
    for number in 0..bench.pick(3, 1) {
        bar.set_message(format!("an outage of {} s", outage.as_secs()));
        net.links[0].set_outages(&[Duration::ZERO..outage]);
        std::thread::sleep(outage / 2);
        let before = net.entries(right)?;
        let text = json!({"text": format!("Written in outage {number}.")});
        net.api(left).post(&format!("/missions/{}/messages", bulk.mission), &text)?.ok()?;
        while net.links[0].is_cut() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let since = Instant::now();
        while net.entries(right)? == before {
            anyhow::ensure!(since.elapsed() < Duration::from_mins(2), "nothing came after the outage");
            std::thread::sleep(Duration::from_millis(5));
        }
        times.push(since.elapsed().as_secs_f64());
        bench.settle();
    }
    let conditions = format!(
        "{}median from the end of an outage of {} s to the first item visible; a beacon is taken as 1 s; {}",
        bench.pace(),
        outage.as_secs(),
        words(RATE_BPS, RTT_MS, 0.0)
    );
    let worst = times.iter().copied().fold(0.0, f64::max);
    let row = measures[0].row(Some(median(times)?), conditions);
    Ok(vec![row.floor(f64::from(RTT_MS) / 2_000.0).part("worst_s", worst)])
}
