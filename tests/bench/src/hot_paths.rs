//! Instructions of hot paths, counted by callgrind: they do not depend on the load of the machine.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::Bench;
use crate::trace;

/// Instructions of one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HotPath {
    pub(crate) name: String,
    /// What is counted by: a change, a signature.
    pub(crate) each: String,
    /// Instructions for each; `None` if it could not be counted.
    pub(crate) instructions: Option<f64>,
    pub(crate) note: String,
}

const PATHS: [(&str, &str, &str); 4] = [
    ("pack", "change", "500 newest changes of a board into a bundle, with the check that it unpacks to the same"),
    ("unpack", "change", "the same bundle back into raw changes"),
    ("verify", "signature", "Ed25519, one by one"),
    ("merge", "change", "500 changes into an open board, with the rows they change"),
];

pub(crate) fn count(bench: &Bench, bar: &ProgressBar) -> Vec<HotPath> {
    let path = |(name, each, words): (&str, &str, &str)| {
        bar.set_message(format!("counting instructions of {name}"));
        let (instructions, note) = match instructions(bench, bar, name) {
            Ok(count) => (Some(count), words.to_owned()),
            Err(error) => (None, format!("{words}; not counted: {error:#}")),
        };
        HotPath { name: name.to_owned(), each: each.to_owned(), instructions, note }
    };
    PATHS.into_iter().map(path).collect()
}

fn instructions(bench: &Bench, bar: &ProgressBar, path: &str) -> Result<f64> {
    let trace = trace::long(bench, bar)?;
    let database = bench.home.path().join("hot.db");
    std::fs::copy(trace.full().join("holdfast.db"), &database)?;
    let program = std::env::current_exe()?.with_file_name("holdfast-hot");
    let run = callgrind(&program, &[&database.display().to_string(), &trace.mission, path]);
    std::fs::remove_file(&database)?;
    run
}

fn callgrind(program: &Path, args: &[&str]) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    command.arg("--toggle-collect=*measured*").arg(program).args(args);
    let output = command.output().context("valgrind is not installed")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed: {}", said.lines().last().unwrap_or_default());
    let counted = said.lines().find_map(|line| line.split_once("Collected :")).context("callgrind counts")?;
    let collected: f64 = counted.1.trim().parse()?;
    ensure!(collected > 0.0, "the measured part was not found in the program");
    let items: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(collected / items)
}
