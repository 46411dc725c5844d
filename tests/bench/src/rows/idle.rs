//! Row 10: what a link costs when nobody has anything to say.

use std::time::Duration;

use anyhow::Result;
use holdfast_cluster::process::Program;
use indicatif::ProgressBar;

use crate::Bench;
use crate::links::{Net, profile, words};
use crate::nats;
use crate::others;
use crate::report::Row;
use crate::rows::{Measure, bulk};
use crate::samod;

const RATE_BPS: u64 = 9_600;
const RTT_MS: u32 = 600;

/// Row 10: share of the rate that the busier direction takes.
pub(super) fn idle(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let bulk = bulk::bulk(bench, bar)?;
    // Without a named profile signs of life go every 15 s: anything shorter than a few of these counts nothing.
    let watch = bench.pick(Duration::from_mins(2), Duration::from_mins(1));
    let mut net = Net::new()?;
    let left = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, RTT_MS, 0.0);
    let right = net.start(Program::Node, &bulk.second(), bench.home.path(), &[(left, link)])?;
    bar.set_message("two nodes with nothing to say");
    net.wait_connected(right, 1, Duration::from_mins(1))?;
    net.wait_agreed(&[left, right], Duration::from_mins(1))?;
    std::thread::sleep(Duration::from_secs(5));
    let before = net.links[0].stats();
    std::thread::sleep(watch);
    let after = net.links[0].stats();
    let there = (after.wire_bytes_there - before.wire_bytes_there) as f64;
    let back = (after.wire_bytes_back - before.wire_bytes_back) as f64;
    let percent_of = |bytes: f64| bytes * 8.0 / (RATE_BPS as f64 * watch.as_secs_f64()) * 100.0;
    let conditions = format!(
        "{}idle for {} s; {}; the busier direction",
        bench.pace(),
        watch.as_secs(),
        words(RATE_BPS, RTT_MS, 0.0)
    );
    let row = measures[0].row(Some(percent_of(there.max(back))), conditions).floor(0.0);
    let row = row.part("there_bytes", there).part("back_bytes", back);
    drop(net);
    if bench.quick {
        return Ok(vec![row]);
    }
    bar.set_message("samod and NATS with nothing to say");
    let row = row.peer("samod", samod::idle(bench, link, watch).map(percent_of));
    let row = row.peer("NATS", nats::idle(bench, &bulk.few(), link, watch).map(percent_of));
    Ok(vec![row.note(others::SAMOD_WORDS).note(others::NATS_WORDS)])
}
