//! Rows 7 and 8: short contacts, and what a cut makes to be sent again.

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

const RATE_BPS: u64 = 250_000;
const RTT_MS: u32 = 100;
const LOSS: f64 = 0.1;
const CONTACT: Duration = Duration::from_secs(5);

/// Contacts of each kind: which packets are lost makes as much as a third.
const CONTACTS: u64 = 5;

/// Rows 7a and 7b.
pub(super) fn contact(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let bulk = bulk::bulk(bench, bar)?;
    let contacts = bench.pick(CONTACTS, 1);
    let link = words(RATE_BPS, RTT_MS, LOSS);
    let mut rows = Vec::new();
    let kinds: [(&str, Contact); 2] = [
        ("that met over this link before; the one dials when the link is there", warm),
        ("that never met; the one dials when the link is there", cold),
    ];
    for (measure, (what, kind)) in measures.iter().zip(kinds) {
        let mut shares = Vec::new();
        for seed in 0..contacts {
            bar.set_message(format!("contact {} of {contacts} of two {what}", seed + 1));
            shares.push(kind(bench, &bulk, seed)?);
        }
        shares.sort_by(f64::total_cmp);
        let conditions = format!(
            "{}median of {contacts} contacts of 5 s, each with losses of its own, of two {what}; {link}; useful bytes are \
             messages visible after the cut",
            bench.pace()
        );
        let row = measure.row(Some(shares[shares.len() / 2]), conditions).floor(1.0);
        rows.push(row.part("worst", shares[0]).part("best", shares[shares.len() - 1]));
    }
    Ok(rows)
}

/// A contact with losses by a seed; the share of C(1−p)t that became useful.
type Contact = fn(&Bench, &Bulk, u64) -> Result<f64>;

/// Opens the link for five seconds; gives the share of C(1−p)t that became useful.
fn five_seconds(bench: &Bench, net: &Net, bulk: &Bulk) -> Result<f64> {
    let before = net.entries(1)?;
    net.links[0].cut(false);
    let start = Instant::now();
    net.dial(1, 0)?;
    std::thread::sleep(CONTACT.saturating_sub(start.elapsed()));
    net.links[0].cut(true);
    bench.settle();
    let useful = (net.entries(1)? - before) as f64 * bulk.floor_bytes_per_message;
    Ok(useful * 8.0 / (RATE_BPS as f64 * (1.0 - LOSS) * CONTACT.as_secs_f64()))
}

fn warm(bench: &Bench, bulk: &Bulk, seed: u64) -> Result<f64> {
    let mut net = Net::new()?;
    net.seed = seed;
    let left = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    net.start_parted(Program::Node, &bulk.second(), bench.home.path(), left, profile(RATE_BPS, RTT_MS, LOSS))?;
    let mut crew = crate::crew::Crew::new(&bench.root, 7)?;
    let mut say = |net: &Net, count: usize| {
        for _ in 0..count {
            let text = crew.noise(bulk.text_bytes);
            net.api(left).post(&format!("/missions/{}/messages", bulk.mission), &json!({"text": text}))?.ok()?;
        }
        Ok::<_, anyhow::Error>(())
    };
    say(&net, 200)?;
    five_seconds(bench, &net, bulk)?;
    net.wait_parted(1)?;
    say(&net, bench.pick(700, 500))?;
    five_seconds(bench, &net, bulk)
}

fn cold(bench: &Bench, bulk: &Bulk, seed: u64) -> Result<f64> {
    let mut net = Net::new()?;
    net.seed = seed;
    let full = net.start(Program::Node, &bulk.full(), bench.home.path(), &[])?;
    net.start_parted(Program::Node, &bulk.empty(), bench.home.path(), full, profile(RATE_BPS, RTT_MS, LOSS))?;
    five_seconds(bench, &net, bulk)
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
