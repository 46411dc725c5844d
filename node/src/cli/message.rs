//! `message`: send, list.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::render::{Column, list, record, text, time};

/// Messages.
#[derive(Debug, clap::Subcommand)]
pub enum Message {
    /// Sends a message to everybody in the mission, or to those of an incident, or to a unit
    Send {
        /// What it says
        text: String,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// To those who work on this incident, by number or id
        #[arg(long, conflicts_with = "unit")]
        incident: Option<String>,
        /// To this unit, by callsign or id
        #[arg(long)]
        unit: Option<String>,
    },
    /// Lists messages, newest first
    List {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// Only to those who work on this incident, by number or id
        #[arg(long, conflicts_with = "unit")]
        incident: Option<String>,
        /// Only to this unit, by callsign or id
        #[arg(long)]
        unit: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Every row
        #[arg(long)]
        all: bool,
    },
}

/// The upper 48 bits of a hybrid time are milliseconds.
const COLUMNS: &[Column] = &[
    ("sent", |item| time(item["sent"].as_u64().unwrap_or(0) >> 16)),
    ("from", |item| text(item, "from")),
    ("to", |item| if item["channel"] == "mission" { "all".to_owned() } else { text(item, "channel") }),
    ("text", |item| text(item, "text")),
];

/// `message`.
pub(crate) fn run(global: &Global, args: Message) -> Result<()> {
    let client = global.client()?;
    match args {
        Message::Send { text, mission, incident, unit } => {
            let mission = client.mission(mission.as_deref())?;
            let channel = match (incident, unit) {
                (Some(named), _) => json!({"incident": client.id(&mission, "incidents", "number", &named)?}),
                (_, Some(named)) => json!({"unit": client.id(&mission, "units", "callsign", &named)?}),
                _ => Value::from("mission"),
            };
            let body = json!({"text": text, "channel": channel});
            record(global, &client.post(&format!("{mission}/messages"), &body)?);
        }
        Message::List { mission, incident, unit, limit, all } => {
            let mission = client.mission(mission.as_deref())?;
            let asked = match (incident, unit) {
                (Some(named), _) => {
                    format!("{mission}/messages?incident={}", client.id(&mission, "incidents", "number", &named)?)
                }
                (_, Some(named)) => {
                    format!("{mission}/messages?unit={}", client.id(&mission, "units", "callsign", &named)?)
                }
                _ => format!("{mission}/messages"),
            };
            let (items, total) = client.list(&asked, if all { usize::MAX } else { limit })?;
            list(global, &items, total, COLUMNS, "no message yet; send one with: message send TEXT");
        }
    }
    Ok(())
}
