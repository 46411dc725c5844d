//! Counts what sync costs, on real processes over emulated links, as ratios to a floor; see `docs/benchmarks.md`.
//!
//! Not here: verdicts on milliseconds of one machine. What is counted is bytes, ratios and instructions wherever that
//! is possible; the rows that are times say on what they were measured.

mod crew;
mod floor;
mod hot_paths;
mod links;
mod meeting;
mod nats;
mod others;
mod page;
mod report;
mod rows;
mod samod;
mod trace;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use crate::report::Report;

/// Measures sync and writes the figures as JSON and as a page.
#[derive(Debug, Parser)]
#[command(name = "holdfast-bench")]
struct Args {
    /// Smaller work; the conditions say so.
    #[arg(long)]
    quick: bool,
    /// Only these rows, such as `1,3,7`; 0 is the instructions of hot paths. Rows already in the JSON file stay.
    #[arg(long, value_delimiter = ',')]
    only: Vec<u32>,
    /// Where the figures go.
    #[arg(long)]
    json: PathBuf,
    /// Where the page goes.
    #[arg(long)]
    page: PathBuf,
    /// Where made data directories are kept between runs.
    #[arg(long)]
    cache: PathBuf,
    /// Folder of the programs `samod-peer` and `nats-client`; without it others are not measured.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// The project's root, for fixtures.
    #[arg(long)]
    root: PathBuf,
}

/// What every row has to hand.
pub(crate) struct Bench {
    pub(crate) quick: bool,
    pub(crate) cache: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) peers: Option<PathBuf>,
    pub(crate) home: tempfile::TempDir,
}

impl Bench {
    /// The first in a full run, the second in a quick one.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Waits until acknowledgements after the last useful byte have crossed: they belong to the account.
    pub(crate) fn settle(&self) {
        std::thread::sleep(self.settling());
    }

    fn settling(&self) -> Duration {
        self.pick(Duration::from_secs(2), Duration::from_millis(1_200))
    }

    /// Words for conditions that a quick run makes smaller.
    pub(crate) fn pace(&self) -> &'static str {
        self.pick("", "quick run, smaller work; ")
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.cache)?;
    let home = tempfile::Builder::new().prefix("run-").tempdir_in(&args.cache)?;
    let bench = Bench { quick: args.quick, cache: args.cache, root: args.root, peers: args.peers, home };
    let mut report = Report::open(&args.json, !args.only.is_empty(), bench.quick)?;
    for group in rows::GROUPS.iter().filter(|group| args.only.is_empty() || group.touches(&args.only)) {
        report.put(rows::measure(&bench, group));
        report.save(&args.json)?;
    }
    if args.only.is_empty() || args.only.contains(&0) {
        let bar = indicatif::ProgressBar::new_spinner();
        report.hot_paths = hot_paths::count(&bench, &bar);
        bar.finish_and_clear();
        report.save(&args.json)?;
    }
    std::fs::write(&args.page, page::page(&report)?)?;
    println!("\n{}\nwritten: {} and {}", report.summary(), args.json.display(), args.page.display());
    Ok(())
}
