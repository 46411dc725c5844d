//! `task`: open, list, show, assign, step, change, delete, restore.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::client::quoted;
use crate::cli::mission::given;
use crate::cli::render::{Column, list, record, text};

/// Tasks.
#[derive(Debug, clap::Subcommand)]
pub enum Task {
    /// Makes a task
    Open {
        /// What is to be done
        title: String,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// More about it
        #[arg(long, default_value = "")]
        details: String,
        /// Urgency, 1 (highest) to 5
        #[arg(long, default_value_t = 3)]
        priority: u8,
        /// The incident it serves, by number or id
        #[arg(long)]
        incident: Option<String>,
        /// The unit that is to do it, by callsign or id
        #[arg(long)]
        unit: Option<String>,
    },
    /// Lists tasks, most urgent first
    List {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// Only these states, separated by commas: open, accepted, in_progress, done, cancelled
        #[arg(long)]
        status: Option<String>,
        /// Only tasks of this unit, by callsign or id
        #[arg(long)]
        unit: Option<String>,
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
    /// Shows one task
    Show(One),
    /// Gives a task to a unit, or to nobody
    Assign {
        #[command(flatten)]
        one: One,
        /// The unit, by callsign or id; nobody if absent
        #[arg(long)]
        unit: Option<String>,
    },
    /// Says how far a task is: open, accepted, in_progress, done or cancelled
    Step {
        #[command(flatten)]
        one: One,
        /// The new state
        status: String,
    },
    /// Changes a task
    Change {
        #[command(flatten)]
        one: One,
        /// A new title
        #[arg(long)]
        title: Option<String>,
        /// New details
        #[arg(long)]
        details: Option<String>,
        /// A new urgency, 1 to 5
        #[arg(long)]
        priority: Option<u8>,
    },
    /// Deletes a task; it can be restored
    Delete(One),
    /// Restores a deleted task
    Restore(One),
}

/// One task.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Its number or id
    task: String,
    /// The mission, by name or id; the only one if absent
    #[arg(long)]
    mission: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("number", |item| text(item, "number")),
    ("pri", |item| text(item, "priority")),
    ("status", |item| text(item, "status")),
    ("title", |item| text(item, "title")),
    ("assignee", |item| text(item, "assignee")),
];

/// `task`.
pub(crate) fn run(global: &Global, args: Task) -> Result<()> {
    let client = global.client()?;
    let path = |one: &One| -> Result<String> {
        let mission = client.mission(one.mission.as_deref())?;
        let id = client.id(&mission, "tasks", "number", &one.task)?;
        Ok(format!("{mission}/tasks/{id}"))
    };
    match args {
        Task::Open { title, mission, details, priority, incident, unit } => {
            let mission = client.mission(mission.as_deref())?;
            let incident = incident.map(|named| client.id(&mission, "incidents", "number", &named)).transpose()?;
            let unit = unit.map(|named| client.id(&mission, "units", "callsign", &named)).transpose()?;
            let body = json!({
                "title": title, "details": details, "priority": priority, "incident": incident, "assignee": unit,
            });
            record(global, &client.post(&format!("{mission}/tasks"), &body)?);
        }
        Task::List { mission, status, unit, deleted, limit, all } => {
            let mission = client.mission(mission.as_deref())?;
            let mut asked = format!("{mission}/tasks?deleted={deleted}");
            if let Some(status) = status {
                asked = format!("{asked}&status={}", quoted(&status));
            }
            if let Some(unit) = unit {
                asked = format!("{asked}&assignee={}", client.id(&mission, "units", "callsign", &unit)?);
            }
            let (items, total) = client.list(&asked, if all { usize::MAX } else { limit })?;
            list(global, &items, total, COLUMNS, "no task fits; make one with: task open TITLE");
        }
        Task::Show(one) => record(global, &client.get(&path(&one)?)?),
        Task::Assign { one, unit } => {
            let mission = client.mission(one.mission.as_deref())?;
            let unit = unit.map(|named| client.id(&mission, "units", "callsign", &named)).transpose()?;
            record(global, &client.patch(&path(&one)?, &json!({"assignee": unit}))?);
        }
        Task::Step { one, status } => record(global, &client.patch(&path(&one)?, &json!({"status": status}))?),
        Task::Change { one, title, details, priority } => {
            let change = given(&[
                ("title", title.map(Value::from)),
                ("details", details.map(Value::from)),
                ("priority", priority.map(Value::from)),
            ]);
            record(global, &client.patch(&path(&one)?, &change)?);
        }
        Task::Delete(one) => record(global, &client.delete(&path(&one)?)?),
        Task::Restore(one) => record(global, &client.post(&format!("{}/restore", path(&one)?), &json!({}))?),
    }
    Ok(())
}
