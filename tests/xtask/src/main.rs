//! Tasks of the project: `cargo xtask demo` shows what Holdfast does, `cargo xtask test` sets up and runs every test.

mod bench;
mod demo;
mod drive;
mod fuzz;
mod measure;
mod test;
mod world;

use clap::{Parser, Subcommand};

/// Tasks of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Counts what sync costs on real processes over emulated links; writes figures as JSON and `docs/benchmarks.md`.
    Bench(bench::Args),
    /// A hub and three nodes part, edit, meet and agree on real fire calls, and stay up for you to look at.
    Demo(demo::Args),
    /// What a node with many incidents costs: time of lists, writes and starts, memory. Figures, no verdict.
    Measure(measure::Args),
    /// Builds what is missing and runs every test.
    Test(test::Args),
    /// Lives many seeds of the simulated world on all cores and names those that fail.
    World(world::Args),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Bench(args) => bench::run(&args),
        Task::Demo(args) => demo::run(&args),
        Task::Measure(args) => measure::run(&args),
        Task::Test(args) => test::run(&args),
        Task::World(args) => world::run(&args),
    }
}
