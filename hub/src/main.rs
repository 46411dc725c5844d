//! `holdfast-hub`: the command post.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_hub::fleet::{self, Fleet};
use holdfast_node::cli::{Global, NodeCommand, finish, run};

/// The command post of a Holdfast org: a node that also enrolls devices and shows the fleet.
#[derive(Debug, Parser)]
#[command(name = "holdfast-hub", version)]
struct Args {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: HubCommand,
}

#[derive(Debug, Subcommand)]
enum HubCommand {
    /// Shows every device: last heard, and what it lacks
    Fleet(Fleet),
    #[command(flatten)]
    Node(NodeCommand),
}

fn main() -> ExitCode {
    let args = Args::parse();
    finish(match args.command {
        HubCommand::Fleet(fleet) => fleet::fleet(&args.global, &fleet),
        HubCommand::Node(command) => run(&args.global, command, &[fleet::router]),
    })
}
