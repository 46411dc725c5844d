//! `holders`: who has a record, and what each device holds.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::cli::Global;
use crate::cli::alert;
use crate::cli::client::Client;
use crate::cli::render::{ago, text};

/// Who has what.
#[derive(Debug, clap::Subcommand)]
pub enum Holders {
    /// Who has a message
    Message(One),
    /// Who has a task as it is shown here
    Task(One),
    /// Who has an incident as it is shown here
    Incident(One),
    /// Who has a unit as it is shown here
    Unit(One),
    /// Who has an alert
    Alert(alert::One),
    /// What each device holds of a mission, or of the org
    List {
        #[command(flatten)]
        place: alert::Place,
    },
}

/// One record.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Its number, callsign or id; a message by its id, or by a text that is its alone
    record: String,
    /// The mission, by name or id; the only one if absent
    #[arg(long)]
    mission: Option<String>,
}

/// `holders`.
pub(crate) fn run(global: &Global, args: Holders) -> Result<()> {
    let client = global.client()?;
    let path = match args {
        Holders::Message(one) => message(&client, &one)?,
        Holders::Task(one) => named(&client, &one, "tasks", "number")?,
        Holders::Incident(one) => named(&client, &one, "incidents", "number")?,
        Holders::Unit(one) => named(&client, &one, "units", "callsign")?,
        Holders::Alert(one) => one.path(&client)?,
        Holders::List { place } => return devices(global, &client, &place),
    };
    let holders = client.get(&format!("{path}/holders"))?;
    if global.json {
        println!("{holders}");
        return Ok(());
    }
    let now_ms = client.get("/status")?["wall_ms"].as_u64().unwrap_or(0);
    println!("{}", sentence(&holders, now_ms));
    Ok(())
}

fn named(client: &Client, one: &One, list: &str, word: &str) -> Result<String> {
    let mission = client.mission(one.mission.as_deref())?;
    let id = client.id(&mission, list, word, &one.record)?;
    Ok(format!("{mission}/{list}/{id}"))
}

fn message(client: &Client, one: &One) -> Result<String> {
    let mission = client.mission(one.mission.as_deref())?;
    let (items, _) = client.list(&format!("{mission}/messages"), usize::MAX)?;
    let fits = |item: &&Value| item["id"] == one.record.as_str() || item["text"] == one.record.as_str();
    let found: Vec<&Value> = items.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(format!("{mission}/messages/{}", one["id"].as_str().unwrap_or_default())),
        [] => bail!("there is no message `{}` in this mission; `message list --json` shows ids", one.record),
        several => bail!("{} messages read `{}`; give the id of one", several.len(), one.record),
    }
}

/// Such as "held by 5 of 7 · at hub: yes · engine-7 not yet, last heard 14 min ago".
fn sentence(holders: &Value, now_ms: u64) -> String {
    let held = holders["held_by"].as_array().map_or(0, Vec::len);
    let at_hub = if holders["at_hub"] == true { "yes" } else { "no" };
    let mut parts = vec![format!("held by {held} of {}", text(holders, "of")), format!("at hub: {at_hub}")];
    parts.extend(holders["not_yet"].as_array().into_iter().flatten().map(|holder| {
        let heard = ago(now_ms, holder["last_heard_ms"].as_u64());
        format!("{} not yet, last heard {heard}", text(holder, "name"))
    }));
    parts.join(" · ")
}

fn devices(global: &Global, client: &Client, place: &alert::Place) -> Result<()> {
    let scope = place.path(client)?;
    let query = scope.strip_prefix("/missions/").map_or_else(String::new, |id| format!("?mission={id}"));
    let rows = client.get(&format!("/holders{query}"))?;
    if global.json {
        println!("{rows}");
        return Ok(());
    }
    let now_ms = client.get("/status")?["wall_ms"].as_u64().unwrap_or(0);
    println!("{:<16} {:<5} {:>8} {:<12} {:<12}", "name", "role", "lacks", "heard", "its word");
    for row in rows.as_array().into_iter().flatten() {
        println!(
            "{:<16} {:<5} {:>8} {:<12} {:<12}",
            text(row, "name"),
            text(row, "role"),
            text(row, "lacks"),
            ago(now_ms, row["last_heard_ms"].as_u64()),
            ago(now_ms, row["said_ms"].as_u64()),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_read_in_one_line_who_is_missing_and_since_when() {
        let holders = json!({
            "held_by": [{"name": "hub"}, {"name": "medic-17"}], "of": 4, "at_hub": true,
            "not_yet": [{"name": "engine-7", "last_heard_ms": 1_000_000}, {"name": "boat-1"}],
        });
        assert_eq!(
            sentence(&holders, 1_000_000 + 14 * 60_000),
            "held by 2 of 4 · at hub: yes · engine-7 not yet, last heard 14 min ago · boat-1 not yet, last heard never"
        );
    }
}
