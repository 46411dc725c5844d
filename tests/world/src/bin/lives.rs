//! Lives the lives of many seeds on all cores: `lives SEEDS [FIRST]`. Names the seeds that fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use holdfast_world::life::live;

/// How often progress is said, seeds.
const SAY_EVERY: u64 = 100;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number: lives SEEDS [FIRST]"));
    let seeds = numbers.next().expect("how many seeds: lives SEEDS [FIRST]");
    let first = numbers.next().unwrap_or(0);
    let (next, done, node_ms) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let failed = Mutex::new(Vec::new());
    let start = Instant::now();
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    match catch_unwind(AssertUnwindSafe(|| live(seed, None))) {
                        Ok(life) => drop(node_ms.fetch_add(life.node_ms, Ordering::Relaxed)),
                        Err(_) => {
                            println!("seed {seed} failed");
                            failed.lock().expect("no thread panics while it holds this").push(seed);
                        }
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done % SAY_EVERY == 0 || done == seeds {
                        println!("{done} of {seeds} seeds in {} s", start.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let hours = node_ms.into_inner() as f64 / 3_600_000.0;
    let per_cpu_hour = hours / (seconds * jobs as f64 / 3_600.0);
    println!("{seeds} seeds in {seconds:.0} s: {hours:.1} node-hours, {per_cpu_hour:.0} node-hours per CPU-hour");
    let mut failed = failed.into_inner().expect("no thread panics while it holds this");
    failed.sort_unstable();
    if !failed.is_empty() {
        println!("failed: {failed:?}; repeat one with HOLDFAST_WORLD_SEED=n cargo test -p holdfast-world --test seeds");
        std::process::exit(1);
    }
}
