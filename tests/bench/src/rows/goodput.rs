//! Row 6: what a very lossy link carries of useful bytes.

use std::time::{Duration, Instant};

use anyhow::Result;
use holdfast_cluster::process::Program;
use indicatif::ProgressBar;

use crate::Bench;
use crate::links::{Net, profile, words};
use crate::nats;
use crate::others;
use crate::report::Row;
use crate::rows::Measure;
use crate::rows::bulk;

const RATE_BPS: u64 = 1_000_000;
const LOSS: f64 = 0.3;

/// Row 6: the lowest of three round trips counts.
pub(super) fn lossy(bench: &Bench, measures: &[Measure], bar: &ProgressBar) -> Result<Vec<Row>> {
    let bulk = bulk::bulk(bench, bar)?;
    let watch = bench.pick(Duration::from_secs(20), Duration::from_secs(10));
    let mut lowest = f64::INFINITY;
    let mut parts = Vec::new();
    for &rtt_ms in bench.pick(&[100, 300, 600][..], &[100, 600][..]) {
        bar.set_message(format!("bulk over a link with R = {rtt_ms} ms"));
        let share = goodput(bench, &bulk, rtt_ms, watch)?;
        parts.push((format!("rtt_{rtt_ms}_ms"), share));
        lowest = lowest.min(share);
    }
    let conditions = format!(
        "{}{} of messages of {} B that hardly pack; {}; the lowest of several R counts; useful bytes at the \
         receiver in {} s, beginning {} s after the first",
        bench.pace(),
        bulk.messages,
        bulk.text_bytes,
        words(RATE_BPS, 100, LOSS),
        watch.as_secs(),
        warm_up(bench).as_secs()
    );
    let mut row = measures[0].row(Some(lowest), conditions).floor(1.0);
    for (name, share) in parts {
        row = row.part(&name, share);
    }
    if bench.quick {
        return Ok(vec![row]);
    }
    bar.set_message("NATS does the same at R = 100 ms");
    let rate = nats::messages_per_second(bench, &bulk.texts(), profile(RATE_BPS, 100, LOSS), watch);
    let share = rate.map(|rate| rate * bulk.floor_bytes_per_message * 8.0 / (RATE_BPS as f64 * (1.0 - LOSS)));
    Ok(vec![row.peer("NATS (R = 100 ms)", share).note(others::NATS_WORDS)])
}

/// A controller that has never seen a link measures it first.
fn warm_up(bench: &Bench) -> Duration {
    bench.pick(Duration::from_secs(10), Duration::from_secs(5))
}

fn goodput(bench: &Bench, bulk: &bulk::Bulk, rtt_ms: u32, watch: Duration) -> Result<f64> {
    let mut net = Net::new()?;
    let full = net.start(Program::Node, &bulk.full(), bench.home.path(), &[])?;
    let link = profile(RATE_BPS, rtt_ms, LOSS);
    let empty = net.start(Program::Node, &bulk.empty(), bench.home.path(), &[(full, link)])?;
    net.wait_connected(empty, 1, Duration::from_mins(1))?;
    let nothing = net.entries(empty)?;
    crate::links::wait(Duration::from_mins(2), "nothing came", || Ok(net.entries(empty)? > nothing))?;
    std::thread::sleep(warm_up(bench));
    let (whole, start, before) = (net.entries(full)?, Instant::now(), net.entries(empty)?);
    while start.elapsed() < watch && net.entries(empty)? < whole {
        std::thread::sleep(Duration::from_millis(20));
    }
    let useful = (net.entries(empty)? - before) as f64 * bulk.floor_bytes_per_message;
    let seconds = start.elapsed().as_secs_f64();
    Ok(useful * 8.0 / seconds / (RATE_BPS as f64 * (1.0 - LOSS)))
}
