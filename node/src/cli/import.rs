//! `import`: files of outside systems.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_domain::limits::IMPORT_BYTES_MAX;
use serde_json::Value;

use crate::cli::Global;
use crate::cli::client::{Client, quoted};
use crate::cli::render::text;

/// Imports.
#[derive(Debug, clap::Subcommand)]
pub enum Import {
    /// Imports a table of dispatched calls (CSV); a second import of the same file changes nothing
    Dispatch {
        /// The file
        file: PathBuf,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// A TOML file that names the columns; San Francisco's if absent
        #[arg(long)]
        mapping: Option<PathBuf>,
    },
}

/// `import`.
pub(crate) fn run(global: &Global, args: Import) -> Result<()> {
    let Import::Dispatch { file, mission, mapping } = args;
    let client = global.client()?;
    let mission = client.mission(mission.as_deref())?;
    let mut path = format!("{mission}/import/dispatch");
    if let Some(mapping) = mapping {
        let toml =
            std::fs::read_to_string(&mapping).with_context(|| format!("{} cannot be read", mapping.display()))?;
        path = format!("{path}?mapping={}", quoted(&toml));
    }
    tell(global, &upload(&client, &path, "text/csv", &file)?);
    Ok(())
}

/// Uploads a file; says that it is still at it when that takes more than two seconds.
pub(crate) fn upload(client: &Client, path: &str, kind: &str, file: &Path) -> Result<Value> {
    let size = std::fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?.len();
    if size > IMPORT_BYTES_MAX as u64 {
        bail!("{} has {size} bytes; at most {IMPORT_BYTES_MAX} are allowed, split it", file.display());
    }
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let start = Instant::now();
            while waiting.recv_timeout(Duration::from_secs(2)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let end = if std::io::stderr().is_terminal() { "\r" } else { "\n" };
                eprint!("importing {size} bytes, {} s{end}", start.elapsed().as_secs());
            }
        });
        let report = client.upload(path, kind, &bytes);
        drop(done);
        report
    })
}

/// Prints what an import did.
pub(crate) fn tell(global: &Global, report: &Value) {
    if global.json {
        println!("{report}");
        return;
    }
    println!(
        "{} rows: {} made, {} changed, {} there already, {} left out",
        text(report, "rows"),
        text(report, "created"),
        text(report, "changed"),
        text(report, "unchanged"),
        text(report, "rejected_total")
    );
    for row in report["rejected"].as_array().into_iter().flatten() {
        println!("  line {}: {}", text(row, "line"), text(row, "reason"));
    }
}
