//! Many seeds of the simulated world, optimised, on all cores; the seeds that fail are named.

use anyhow::Result;

/// Which seeds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds; 2,000 are a night's work of one core.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// Lives them all.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (seeds, first) = (args.seeds.to_string(), args.first.to_string());
    let world = ["run", "--quiet", "--locked", "--release", "--package", "holdfast-world", "--bin", "lives", "--"];
    crate::test::cargo(&[&world[..], &[&seeds, &first]].concat(), &[])
}
