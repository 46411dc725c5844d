//! The figures: what one row of the page is, and the file they are kept in.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::hot_paths::HotPath;

/// What is asked of a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Such as `3b`: the number of the goal, and a letter where it has more than one.
    pub(crate) id: String,
    pub(crate) name: String,
    /// `None` if it could not be measured; the note says why.
    pub(crate) value: Option<f64>,
    pub(crate) unit: String,
    pub(crate) goal: Goal,
    /// The value that nothing could beat, in the same unit.
    pub(crate) floor: Option<f64>,
    pub(crate) conditions: String,
    /// The same measure of others on the same work and link; `None`: not run, the note says why.
    pub(crate) peers: BTreeMap<String, Option<f64>>,
    pub(crate) met: bool,
    pub(crate) note: String,
    /// What the value was made of, by name.
    pub(crate) parts: BTreeMap<String, f64>,
}

impl Row {
    pub(crate) fn number(&self) -> u32 {
        self.id.trim_end_matches(char::is_alphabetic).parse().unwrap_or(0)
    }

    pub(crate) fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    pub(crate) fn part(mut self, name: &str, value: f64) -> Self {
        self.parts.insert(name.to_owned(), value);
        self
    }

    /// Takes in what another came to; why it did not run goes into the note.
    pub(crate) fn peer(mut self, name: &str, value: anyhow::Result<f64>) -> Self {
        match value {
            Ok(value) => {
                self.peers.insert(name.to_owned(), Some(value));
                self
            }
            Err(error) => {
                self.peers.insert(name.to_owned(), None);
                self.note(&format!("{name} was not measured: {error:#}"))
            }
        }
    }

    pub(crate) fn note(mut self, note: &str) -> Self {
        if !self.note.is_empty() && !note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note);
        self
    }
}

/// All figures, with the machine they were made on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    /// How the programs were built.
    pub(crate) build: String,
    pub(crate) quick: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) hot_paths: Vec<HotPath>,
}

fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let named = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let tcp = read("/proc/sys/net/ipv4/tcp_congestion_control");
    let model = named.map_or("unnamed processor", |(_, model)| model.trim());
    format!(
        "{cores} cores of {model}, Linux {}, TCP congestion control `{}`",
        kernel.trim().split('-').next().unwrap_or_default(),
        tcp.trim()
    )
}

/// The folder that the programs were built into names their profile.
fn build() -> String {
    let folder = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.file_name()?.to_owned()));
    match folder.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("measure") => "programs optimised as for release, save for link-time optimisation,".to_owned(),
        Some("release") => "programs built for release".to_owned(),
        Some("debug") => "unoptimised programs".to_owned(),
        other => format!("programs built as `{}`", other.unwrap_or("unknown")),
    }
}

impl Report {
    /// An empty report; or the one on file, when only some of its rows are measured again.
    pub(crate) fn open(path: &Path, keep: bool, quick: bool) -> Result<Self> {
        if keep && path.exists() {
            let bytes = std::fs::read(path)?;
            let old: Self = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is no report; move it away or name another file", path.display()))?;
            return Ok(Self { machine: machine(), build: build(), ..old });
        }
        Ok(Self { machine: machine(), build: build(), quick, rows: Vec::new(), hot_paths: Vec::new() })
    }

    /// Takes rows in, in place of those with the same id.
    pub(crate) fn put(&mut self, rows: Vec<Row>) {
        self.rows.retain(|old| rows.iter().all(|row| row.id != old.id));
        self.rows.extend(rows);
        self.rows.sort_by(|a, b| (a.number(), &a.id).cmp(&(b.number(), &b.id)));
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let mark = if row.met { "met " } else { "MISS" };
            let (value, goal) = (number(row.value), row.goal.text());
            writeln!(text, "{mark} {:>3}  {value:>9} {:<12} {goal:<8} {}", row.id, row.unit, row.name)
                .expect("text grows");
        }
        text
    }
}

/// A figure as people read it.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}
