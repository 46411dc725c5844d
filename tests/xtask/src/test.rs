//! `cargo xtask test`: everything, in the order in which a failure says most.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seeds of the simulated world; each is run twice.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Rounds of kill -9 under load.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Inputs for each fuzz target of the smoke run.
    #[arg(long, default_value_t = 20_000)]
    fuzz_inputs: u64,
}

/// The project's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("xtask lies two below the root").to_owned()
}

/// Runs cargo in the project's root and shows what it says.
pub(crate) fn cargo(args: &[&str], env: &[(&str, String)]) -> Result<()> {
    let start = Instant::now();
    println!("── cargo {}", args.join(" "));
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(args).current_dir(root());
    command.envs(env.iter().map(|(name, value)| (*name, value.as_str())));
    let status = command.status()?;
    if !status.success() {
        bail!("cargo {} failed ({status})", args.join(" "));
    }
    println!("── done in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn run(args: &Args) -> Result<()> {
    cargo(&["build", "--workspace", "--all-targets", "--locked"], &[])?;
    crate::fuzz::smoke(args.fuzz_inputs)?;
    let env = [("HOLDFAST_WORLD_SEEDS", args.seeds.to_string()), ("HOLDFAST_KILL_ROUNDS", args.kills.to_string())];
    cargo(&["test", "--workspace", "--locked"], &env)
}
