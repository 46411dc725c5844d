//! `incident`: open, list, show, change, delete, restore.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::client::quoted;
use crate::cli::mission::given;
use crate::cli::render::{Column, list, record, text, time};

/// Incidents.
#[derive(Debug, clap::Subcommand)]
pub enum Incident {
    /// Reports an incident
    Open(Box<Open>),
    /// Lists incidents, newest report first
    List {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// Only these states, separated by commas: reported, dispatched, on_scene, contained, closed
        #[arg(long)]
        status: Option<String>,
        /// Only where number, kind, address or area contains this
        #[arg(long)]
        text: Option<String>,
        /// Deleted ones too
        #[arg(long)]
        deleted: bool,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Every row
        #[arg(long)]
        all: bool,
    },
    /// Shows one incident
    Show(One),
    /// Changes an incident
    Change {
        #[command(flatten)]
        one: One,
        /// A new kind
        #[arg(long)]
        kind: Option<String>,
        /// A new urgency, 1 to 5
        #[arg(long)]
        priority: Option<u8>,
        /// reported, dispatched, on_scene, contained or closed
        #[arg(long)]
        status: Option<String>,
        /// A new address
        #[arg(long)]
        address: Option<String>,
        /// New notes
        #[arg(long)]
        notes: Option<String>,
    },
    /// Deletes an incident; it can be restored
    Delete(One),
    /// Restores a deleted incident
    Restore(One),
}

/// What is needed to report an incident.
#[derive(Debug, clap::Args)]
pub struct Open {
    /// The mission, by name or id; the only one if absent
    #[arg(long)]
    mission: Option<String>,
    /// What it is, such as "Structure Fire"
    #[arg(long)]
    kind: String,
    /// Urgency, 1 (highest) to 5
    #[arg(long, default_value_t = 3)]
    priority: u8,
    /// Where, in words
    #[arg(long, default_value = "")]
    address: String,
    /// Where on the map, as LAT,LON in degrees
    #[arg(long, value_parser = at, allow_hyphen_values = true)]
    at: Option<(f64, f64)>,
    /// Free notes
    #[arg(long, default_value = "")]
    notes: String,
}

/// One incident.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Its number or id
    incident: String,
    /// The mission, by name or id; the only one if absent
    #[arg(long)]
    mission: Option<String>,
}

/// `LAT,LON` in degrees.
pub(crate) fn at(text: &str) -> Result<(f64, f64), String> {
    let pair = text.split_once(',').and_then(|(lat, lon)| Some((lat.trim().parse().ok()?, lon.trim().parse().ok()?)));
    pair.ok_or_else(|| format!("`{text}` is no place; give LAT,LON in degrees, such as 37.78,-122.42"))
}

const COLUMNS: &[Column] = &[
    ("number", |item| text(item, "number")),
    ("kind", |item| text(item, "kind")),
    ("pri", |item| text(item, "priority")),
    ("status", |item| text(item, "status")),
    ("address", |item| text(item, "address")),
    ("opened", |item| time(item["opened_ms"].as_u64().unwrap_or(0))),
];

/// `incident`.
pub(crate) fn run(global: &Global, args: Incident) -> Result<()> {
    let client = global.client()?;
    let path = |one: &One| -> Result<String> {
        let mission = client.mission(one.mission.as_deref())?;
        let id = client.id(&mission, "incidents", "number", &one.incident)?;
        Ok(format!("{mission}/incidents/{id}"))
    };
    match args {
        Incident::Open(open) => {
            let mission = client.mission(open.mission.as_deref())?;
            let body = json!({
                "kind": open.kind, "priority": open.priority, "address": open.address, "notes": open.notes,
                "position": open.at.map(|(lat, lon)| json!({"lat": lat, "lon": lon})),
            });
            record(global, &client.post(&format!("{mission}/incidents"), &body)?);
        }
        Incident::List { mission, status, text, deleted, limit, all } => {
            let mission = client.mission(mission.as_deref())?;
            let mut asked = format!("{mission}/incidents?deleted={deleted}");
            for (name, value) in [("status", status), ("text", text)] {
                if let Some(value) = value {
                    asked = format!("{asked}&{name}={}", quoted(&value));
                }
            }
            let (items, total) = client.list(&asked, if all { usize::MAX } else { limit })?;
            list(global, &items, total, COLUMNS, "no incident fits; report one with: incident open --kind KIND");
        }
        Incident::Show(one) => record(global, &client.get(&path(&one)?)?),
        Incident::Change { one, kind, priority, status, address, notes } => {
            let change = given(&[
                ("kind", kind.map(Value::from)),
                ("priority", priority.map(Value::from)),
                ("status", status.map(Value::from)),
                ("address", address.map(Value::from)),
                ("notes", notes.map(Value::from)),
            ]);
            record(global, &client.patch(&path(&one)?, &change)?);
        }
        Incident::Delete(one) => record(global, &client.delete(&path(&one)?)?),
        Incident::Restore(one) => record(global, &client.post(&format!("{}/restore", path(&one)?), &json!({}))?),
    }
    Ok(())
}
