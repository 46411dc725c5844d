//! Rows 7 and 8: short contacts, and what a cut makes to be sent again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_cluster::process::Program;
use holdfast_linkem::relay::Profile;
use indicatif::ProgressBar;
use serde_json::json;

use crate::Bench;
use crate::links::{Net, profile, words};
use crate::report::Row;
use crate::rows::Measure;
use crate::rows::bulk::{self, Bulk};

const RATE_BPS: u64 = 250_000;
const RTT_MS: u32 = 100;
const LOSS: f64 = 0.1;
const CONTACT: Duration = Duration::from_secs(5);

/// Rows 7a and 7b.
pub(super) fn contact(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let bulk = bulk::bulk(bench, bar)?;
    let conditions = |what: &str| {
        let link = words(RATE_BPS, RTT_MS, LOSS);
        format!("{}5 s of link, {what}; {link}; useful bytes are messages visible after the cut", bench.pace())
    };
    bar.set_message("a contact of two that know each other");
    let (warm, warm_bytes) = warm(bench, &bulk)?;
    bar.set_message("a contact of two that never met");
    let (cold, cold_bytes) = cold(bench, &bulk)?;
    let row = |measure: &Measure, what, share, bytes| {
        measure.row(Some(share), conditions(what)).floor(1.0).part("useful_bytes", bytes)
    };
    Ok(vec![
        row(&measures[0], "of two that met before; the one dials when the link is there", warm, warm_bytes),
        row(&measures[1], "of two that never met; the one dials when the link is there", cold, cold_bytes),
    ])
}

/// Opens the link for five seconds; gives the share of C(1−p)t that became useful, and the bytes.
fn five_seconds(bench: &Bench, net: &Net, bulk: &Bulk, link: Profile) -> Result<(f64, f64)> {
    let before = net.entries(1)?;
    net.links[0].set_profile(link);
    net.links[0].cut(false);
    let start = Instant::now();
    net.dial(1, 0)?;
    std::thread::sleep(CONTACT.saturating_sub(start.elapsed()));
    net.links[0].cut(true);
    bench.settle();
    let useful = (net.entries(1)? - before) as f64 * bulk.floor_bytes_per_message;
    Ok((useful * 8.0 / (RATE_BPS as f64 * (1.0 - LOSS) * CONTACT.as_secs_f64()), useful))
}

fn warm(bench: &Bench, bulk: &Bulk) -> Result<(f64, f64)> {
    let mut net = Net::new()?;
    let left = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    let clear = Profile { delay_ms: RTT_MS / 2, ..Profile::clear() };
    let right = net.start(Program::Node, &bulk.second(), bench.home.path(), &[(left, clear)])?;
    net.wait_connected(right, 1, Duration::from_mins(1))?;
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    bench.settle();
    net.links[0].cut(true);
    net.wait_parted(right)?;
    let mut crew = crate::crew::Crew::new(&bench.root, 7)?;
    for _ in 0..bench.pick(700, 500) {
        let text = crew.noise(bulk.text_bytes);
        net.api(left).post(&format!("/missions/{}/messages", bulk.mission), &json!({"text": text}))?.ok()?;
    }
    five_seconds(bench, &net, bulk, profile(RATE_BPS, RTT_MS, LOSS))
}

fn cold(bench: &Bench, bulk: &Bulk) -> Result<(f64, f64)> {
    let mut net = Net::new()?;
    let full = net.start(Program::Node, &bulk.full(), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, RTT_MS, LOSS);
    net.start_parted(Program::Node, &bulk.empty(), bench.home.path(), full, link)?;
    five_seconds(bench, &net, bulk, link)
}

/// Row 8: the same transfer with and without a cut in the middle, in units of one packet and one round trip.
pub(super) fn resent(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    const PACKET_BYTES: f64 = 1_228.0;
    let rate_bps = 2_000_000;
    let cut_after = bench.pick(Duration::from_secs(4), Duration::from_secs(2));
    let bulk = bulk::bulk(bench, bar)?;
    let link = profile(rate_bps, RTT_MS, 0.0);
    let sent = |net: &Net| net.links[0].stats().wire_bytes_back as f64;
    let mut totals = Vec::new();
    let mut greeting = 0.0;
    for cut in [false, true] {
        bar.set_message(if cut { "a transfer that is cut" } else { "a transfer that is not cut" });
        let mut net = Net::new()?;
        let full = net.start(Program::Node, &bulk.full(), bench.home.path(), &[])?;
        let empty = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[(full, link)])?;
        if cut {
            net.wait_connected(empty, 1, Duration::from_mins(1))?;
            std::thread::sleep(cut_after);
            net.links[0].cut(true);
            net.wait_parted(empty)?;
            net.links[0].cut(false);
        }
        net.wait_agreed(&[full, empty], Duration::from_mins(2))?;
        bench.settle();
        totals.push(sent(&net));
        if cut {
            net.links[0].cut(true);
            net.wait_parted(empty)?;
            let before = sent(&net);
            net.links[0].cut(false);
            net.wait_connected(empty, 1, Duration::from_mins(1))?;
            bench.settle();
            greeting = sent(&net) - before;
        }
    }
    let again = (totals.get(1).context("two runs")? - totals.first().context("two runs")? - greeting).max(0.0);
    let unit = PACKET_BYTES + rate_bps as f64 / 8.0 * f64::from(RTT_MS) / 1_000.0;
    let conditions = format!(
        "{}bytes of the sender's direction beyond an uncut transfer and a reconnect with nothing missing; cut after {} s \
         until both noticed; {}",
        bench.pace(),
        cut_after.as_secs(),
        words(rate_bps, RTT_MS, 0.0)
    );
    let row = measures[0].row(Some(again / unit), conditions).floor(0.0);
    Ok(vec![row.part("resent_bytes", again).part("uncut_bytes", totals[0]).part("reconnect_bytes", greeting)])
}
