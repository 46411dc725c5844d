//! `cargo xtask bench`: builds the nodes and the bench optimised and runs it; the figures are its own affair.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Smaller work; the conditions say so.
    #[arg(long)]
    quick: bool,
    /// Only these rows, such as `1,3,7`; 0 is the instructions of hot paths. Rows already in the JSON file stay.
    #[arg(long)]
    only: Option<String>,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    /// Where the page goes.
    #[arg(long, default_value = "docs/benchmarks.md")]
    page: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let packages = ["holdfast-node", "holdfast-hub", "holdfast-bench"];
    let mut build = vec!["build", "--profile", "measure", "--locked"];
    packages.iter().for_each(|package| build.extend(["-p", package]));
    crate::test::cargo(&build, &[])?;
    let root = crate::test::root();
    let peers = root.join("target/bench-peers");
    let others = root.join("tests/bench/peers/Cargo.toml").display().to_string();
    let target = peers.display().to_string();
    let built = crate::test::cargo(
        &["build", "--release", "--locked", "--manifest-path", &others, "--target-dir", &target],
        &[],
    );
    let mut bench = Command::new(root.join("target/measure/holdfast-bench"));
    bench.arg("--root").arg(&root).arg("--cache").arg(root.join("target/bench"));
    bench.arg("--json").arg(&args.json).arg("--page").arg(root.join(&args.page));
    match built {
        Ok(()) => drop(bench.arg("--peers").arg(peers.join("release"))),
        Err(error) => println!("others are not measured: {error:#}"),
    }
    if args.quick {
        bench.arg("--quick");
    }
    if let Some(only) = &args.only {
        bench.args(["--only", only]);
    }
    let status = bench.status()?;
    ensure!(status.success(), "the bench ended with {status}");
    Ok(())
}
