//! `mission`: open, list, show, change, delete, restore.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::cli::Global;
use crate::cli::render::{Column, list, record, text, time};

/// Missions.
#[derive(Debug, clap::Subcommand)]
pub enum Mission {
    /// Opens a mission
    Open {
        /// Its name
        name: String,
        /// What it is to achieve
        #[arg(long, default_value = "")]
        objective: String,
    },
    /// Lists missions
    List {
        /// Deleted ones too
        #[arg(long)]
        deleted: bool,
    },
    /// Shows one mission
    Show {
        /// Its name or id
        mission: String,
    },
    /// Changes a mission
    Change {
        /// Its name or id
        mission: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// A new objective
        #[arg(long)]
        objective: Option<String>,
        /// planned, active or closed
        #[arg(long)]
        status: Option<String>,
        /// A new operational period, from 1
        #[arg(long)]
        period: Option<u32>,
    },
    /// Deletes a mission; it can be restored
    Delete {
        /// Its name or id
        mission: String,
    },
    /// Restores a deleted mission
    Restore {
        /// Its id
        mission: String,
    },
}

const COLUMNS: &[Column] = &[
    ("name", |item| text(item, "name")),
    ("status", |item| text(item, "status")),
    ("period", |item| text(item, "operational_period")),
    ("opened", |item| time(item["opened_ms"].as_u64().unwrap_or(0))),
    ("id", |item| text(item, "id")),
];

/// The fields that were given, as a merge patch.
pub(crate) fn given(fields: &[(&str, Option<Value>)]) -> Value {
    let given = fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(given.collect::<Map<_, _>>())
}

/// `mission`.
pub(crate) fn run(global: &Global, args: Mission) -> Result<()> {
    let client = global.client()?;
    match args {
        Mission::Open { name, objective } => {
            record(global, &client.post("/missions", &json!({"name": name, "objective": objective}))?);
        }
        Mission::List { deleted } => {
            let (items, total) = client.list(&format!("/missions?deleted={deleted}"), usize::MAX)?;
            list(global, &items, total, COLUMNS, "no mission yet; open one with: mission open NAME");
        }
        Mission::Show { mission } => record(global, &client.get(&client.mission(Some(&mission))?)?),
        Mission::Change { mission, name, objective, status, period } => {
            let change = given(&[
                ("name", name.map(Value::from)),
                ("objective", objective.map(Value::from)),
                ("status", status.map(Value::from)),
                ("operational_period", period.map(Value::from)),
            ]);
            record(global, &client.patch(&client.mission(Some(&mission))?, &change)?);
        }
        Mission::Delete { mission } => record(global, &client.delete(&client.mission(Some(&mission))?)?),
        Mission::Restore { mission } => {
            record(global, &client.post(&format!("/missions/{mission}/restore"), &json!({}))?);
        }
    }
    Ok(())
}
