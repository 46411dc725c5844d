//! `holdfast`: a node.

use std::process::ExitCode;

use clap::Parser;
use holdfast_node::cli::{Global, NodeCommand, finish, run};

/// A node of Holdfast: a whole system on its own, and in step with others when it meets them.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
struct Args {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: NodeCommand,
}

fn main() -> ExitCode {
    let args = Args::parse();
    finish(run(&args.global, args.command, &[]))
}
