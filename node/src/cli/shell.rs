//! `completions`, `man`: generated from the commands themselves.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use crate::cli::{Global, NodeCommand};

/// Prints completions.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

/// Writes man pages.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The directory; it must exist
    directory: PathBuf,
}

/// The commands of a node, for what is generated from them.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, about = "A node of Holdfast")]
struct Book {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: NodeCommand,
}

/// `completions`.
pub(crate) fn completions(args: &Completions) {
    clap_complete::generate(args.shell, &mut Book::command(), "holdfast", &mut std::io::stdout());
}

/// `man`.
pub(crate) fn man(args: &Man) -> Result<()> {
    clap_mangen::generate_to(Book::command(), &args.directory)
        .with_context(|| format!("man pages cannot be written to {}", args.directory.display()))
}
