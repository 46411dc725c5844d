//! The commands: one file each, all with `--json`.

pub mod client;
pub mod render;
pub mod serve;
pub mod setup;

mod alert;
mod blob;
mod conflict;
mod events;
mod holders;
mod import;
mod incident;
mod message;
mod mission;
mod node;
mod parcel;
pub mod peers;
mod retention;
mod shell;
mod task;
mod track;
mod unit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use utoipa_axum::router::OpenApiRouter;

use crate::cli::client::{Client, NoNode};
use crate::http::App;

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The data directory
    #[arg(long, env = "HOLDFAST_DATA", default_value = "holdfast-data", global = true, value_name = "DIR")]
    pub data: PathBuf,
    /// Prints JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// A client of the node that runs on the data directory.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::of(&self.data)
    }
}

/// The commands of a node; the hub has them too.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Founds a new org on this device, which becomes its command post
    Init(setup::Init),
    /// Makes a one-time token with which another device can enroll
    Invite(setup::Invite),
    /// Joins an org with a one-time token
    Enroll(setup::Enroll),
    /// Runs the node until it is stopped
    Run(serve::Run),
    /// Tells what this node is and how it does
    Status(node::Status),
    /// Lists peers, or keeps a link quiet
    Peers(peers::Peers),
    /// Checks chains, signatures and documents, rebuilds the views and compares
    Doctor(node::Doctor),
    /// Missions
    #[command(subcommand)]
    Mission(mission::Mission),
    /// Incidents of a mission
    #[command(subcommand)]
    Incident(incident::Incident),
    /// Tasks of a mission
    #[command(subcommand)]
    Task(task::Task),
    /// Units of a mission
    #[command(subcommand)]
    Unit(unit::Unit),
    /// Messages of a mission
    #[command(subcommand)]
    Message(message::Message),
    /// Alerts that everybody must hear at once, in a mission or in the whole org
    #[command(subcommand)]
    Alert(alert::Alert),
    /// Who has a record, near and far, and who has not yet
    #[command(subcommand)]
    Holders(holders::Holders),
    /// Positions and tracks of units
    #[command(subcommand)]
    Track(track::Track),
    /// Conflicts that people must settle
    #[command(subcommand)]
    Conflict(conflict::Conflict),
    /// Imports files of other systems
    #[command(subcommand)]
    Import(import::Import),
    /// Entries in a file: made, looked into, taken in; by USB stick, by a carrier, or as QR codes
    #[command(subcommand)]
    Parcel(parcel::Parcel),
    /// What is kept of each stream, and what lies below a floor
    #[command(subcommand)]
    Retention(retention::Retention),
    /// Files attached to missions
    #[command(subcommand)]
    Blob(blob::Blob),
    /// Follows changes as they come, one JSON object a line
    Events(events::Events),
    /// Prints completions for a shell
    Completions(shell::Completions),
    /// Writes man pages into a directory
    Man(shell::Man),
}

/// Routes that a face adds to those of a node.
pub type ExtraRoutes<'a> = &'a [fn() -> OpenApiRouter<Arc<App>>];

/// Whoever reads only the first lines of an answer (`| head`) has what was wanted: that is no fault to report.
fn end_with_the_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        if said.is_some_and(|said| said.starts_with("failed printing to stdout") && said.contains("Broken pipe")) {
            std::process::exit(0);
        }
        report(panic);
    }));
}

/// Runs a command of a node.
pub fn run(global: &Global, command: NodeCommand, extra: ExtraRoutes<'_>) -> anyhow::Result<()> {
    if !matches!(command, NodeCommand::Run(_)) {
        end_with_the_reader();
    }
    match command {
        NodeCommand::Init(args) => setup::init(global, &args),
        NodeCommand::Invite(args) => setup::invite(global, &args),
        NodeCommand::Enroll(args) => setup::enroll(global, &args),
        NodeCommand::Run(args) => serve::run(global, args, extra),
        NodeCommand::Status(args) => node::status(global, &args),
        NodeCommand::Peers(args) => peers::run(global, args),
        NodeCommand::Doctor(args) => node::doctor(global, &args),
        NodeCommand::Mission(args) => mission::run(global, args),
        NodeCommand::Incident(args) => incident::run(global, args),
        NodeCommand::Task(args) => task::run(global, args),
        NodeCommand::Unit(args) => unit::run(global, args),
        NodeCommand::Message(args) => message::run(global, args),
        NodeCommand::Alert(args) => alert::run(global, args),
        NodeCommand::Holders(args) => holders::run(global, args),
        NodeCommand::Track(args) => track::run(global, args),
        NodeCommand::Conflict(args) => conflict::run(global, args),
        NodeCommand::Import(args) => import::run(global, args),
        NodeCommand::Parcel(args) => parcel::run(global, args),
        NodeCommand::Retention(args) => retention::run(global, &args),
        NodeCommand::Blob(args) => blob::run(global, args),
        NodeCommand::Events(args) => events::run(global, &args),
        NodeCommand::Completions(args) => {
            shell::completions(&args);
            Ok(())
        }
        NodeCommand::Man(args) => shell::man(&args),
    }
}

/// Tells what went wrong, with its causes, once; 3 when no node runs, 1 otherwise.
pub fn finish(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {}", error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "));
    ExitCode::from(if error.downcast_ref::<NoNode>().is_some() { 3 } else { 1 })
}
