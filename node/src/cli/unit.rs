//! `unit`: add, list, show, step, send, change, delete, restore.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::client::quoted;
use crate::cli::mission::given;
use crate::cli::render::{Column, list, record, text};

/// Units.
#[derive(Debug, clap::Subcommand)]
pub enum Unit {
    /// Puts a unit on the roster
    Add {
        /// What it is called on the radio
        callsign: String,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// What it is, such as ENGINE
        #[arg(long, default_value = "")]
        kind: String,
        /// Where it belongs, such as a station
        #[arg(long, default_value = "")]
        home: String,
    },
    /// Lists units by callsign
    List {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// Only these states, separated by commas: available, dispatched, en_route, on_scene, out_of_service
        #[arg(long)]
        status: Option<String>,
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
    /// Shows one unit
    Show(One),
    /// Says what a unit is doing: available, dispatched, en_route, on_scene or out_of_service
    Step {
        #[command(flatten)]
        one: One,
        /// The new state
        status: String,
    },
    /// Commits a unit to an incident, or to none
    Send {
        #[command(flatten)]
        one: One,
        /// The incident, by number or id; none if absent
        #[arg(long)]
        incident: Option<String>,
    },
    /// Changes a unit
    Change {
        #[command(flatten)]
        one: One,
        /// A new callsign
        #[arg(long)]
        callsign: Option<String>,
        /// A new kind
        #[arg(long)]
        kind: Option<String>,
        /// A new home
        #[arg(long)]
        home: Option<String>,
    },
    /// Deletes a unit; it can be restored
    Delete(One),
    /// Restores a deleted unit
    Restore(One),
}

/// One unit.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Its callsign or id
    unit: String,
    /// The mission, by name or id; the only one if absent
    #[arg(long)]
    mission: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("callsign", |item| text(item, "callsign")),
    ("kind", |item| text(item, "kind")),
    ("home", |item| text(item, "home")),
    ("status", |item| text(item, "status")),
    ("incident", |item| text(item, "incident")),
];

/// `unit`.
pub(crate) fn run(global: &Global, args: Unit) -> Result<()> {
    let client = global.client()?;
    let path = |one: &One| -> Result<String> {
        let mission = client.mission(one.mission.as_deref())?;
        let id = client.id(&mission, "units", "callsign", &one.unit)?;
        Ok(format!("{mission}/units/{id}"))
    };
    match args {
        Unit::Add { callsign, mission, kind, home } => {
            let mission = client.mission(mission.as_deref())?;
            let body = json!({"callsign": callsign, "kind": kind, "home": home});
            record(global, &client.post(&format!("{mission}/units"), &body)?);
        }
        Unit::List { mission, status, deleted, limit, all } => {
            let mission = client.mission(mission.as_deref())?;
            let mut asked = format!("{mission}/units?deleted={deleted}");
            if let Some(status) = status {
                asked = format!("{asked}&status={}", quoted(&status));
            }
            let (items, total) = client.list(&asked, if all { usize::MAX } else { limit })?;
            list(global, &items, total, COLUMNS, "no unit fits; add one with: unit add CALLSIGN");
        }
        Unit::Show(one) => record(global, &client.get(&path(&one)?)?),
        Unit::Step { one, status } => record(global, &client.patch(&path(&one)?, &json!({"status": status}))?),
        Unit::Send { one, incident } => {
            let mission = client.mission(one.mission.as_deref())?;
            let incident = incident.map(|named| client.id(&mission, "incidents", "number", &named)).transpose()?;
            record(global, &client.patch(&path(&one)?, &json!({"incident": incident}))?);
        }
        Unit::Change { one, callsign, kind, home } => {
            let change = given(&[
                ("callsign", callsign.map(Value::from)),
                ("kind", kind.map(Value::from)),
                ("home", home.map(Value::from)),
            ]);
            record(global, &client.patch(&path(&one)?, &change)?);
        }
        Unit::Delete(one) => record(global, &client.delete(&path(&one)?)?),
        Unit::Restore(one) => record(global, &client.post(&format!("{}/restore", path(&one)?), &json!({}))?),
    }
    Ok(())
}
