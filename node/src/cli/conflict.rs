//! `conflict`: what people must settle.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::render::{text, time};

/// Conflicts.
#[derive(Debug, clap::Subcommand)]
pub enum Conflict {
    /// Lists open conflicts with their rival values
    List {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
    },
    /// Settles a conflict: the value with this choice (its first digits will do) is to stand
    Resolve {
        /// The choice, as `conflict list` shows it
        choice: String,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
    },
}

/// `conflict`.
pub(crate) fn run(global: &Global, args: Conflict) -> Result<()> {
    let client = global.client()?;
    match args {
        Conflict::List { mission } => {
            let mission = client.mission(mission.as_deref())?;
            let (conflicts, _) = client.list(&format!("{mission}/conflicts"), usize::MAX)?;
            if global.json {
                println!("{}", Value::Array(conflicts));
            } else if conflicts.is_empty() {
                println!("no open conflict");
            } else {
                conflicts.iter().for_each(show);
            }
        }
        Conflict::Resolve { choice, mission } => {
            let mission = client.mission(mission.as_deref())?;
            let (conflicts, _) = client.list(&format!("{mission}/conflicts"), usize::MAX)?;
            let mut fits = Vec::new();
            for conflict in &conflicts {
                let rivals = conflict["rivals"].as_array().into_iter().flatten();
                fits.extend(
                    rivals
                        .filter(|rival| !choice.is_empty() && text(rival, "choice").starts_with(&choice))
                        .map(|rival| (conflict, rival)),
                );
            }
            let [(conflict, rival)] = fits.as_slice() else {
                bail!("{} open choices begin with `{choice}`; `conflict list` shows them", fits.len());
            };
            let body = json!({"record": conflict["record"], "field": conflict["field"], "choice": rival["choice"]});
            let outcome = client.post(&format!("{mission}/conflicts/resolve"), &body)?;
            if global.json {
                println!("{outcome}");
            } else {
                println!("settled: {} is {}", text(conflict, "field"), text(rival, "value"));
            }
        }
    }
    Ok(())
}

fn show(conflict: &Value) {
    let record = &conflict["record"];
    println!("{} {}: {}", text(record, "kind"), text(record, "id"), text(conflict, "field"));
    for rival in conflict["rivals"].as_array().into_iter().flatten() {
        let choice: String = text(rival, "choice").chars().take(12).collect();
        let shown = if rival["shown"] == true { "  (shown meanwhile)" } else { "" };
        let written = time(rival["at_ms"].as_u64().unwrap_or(0));
        println!("  {choice}  {}  by {} at {written}{shown}", text(rival, "value"), text(rival, "author"));
    }
}
