//! `alert`: raise, list, show, ack, cancel.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::client::Client;
use crate::cli::incident::at;
use crate::cli::render::{Column, list, record, text, time};

/// Alerts.
#[derive(Debug, clap::Subcommand)]
pub enum Alert {
    /// Raises an alert: it goes before everything else on every link
    Raise {
        /// What it is about, in one line
        title: String,
        #[command(flatten)]
        place: Place,
        /// How great the threat is: extreme, severe, moderate or minor
        #[arg(long, default_value = "extreme")]
        severity: String,
        /// What to do: evacuate, shelter, avoid, prepare, execute, monitor, all_clear or none
        #[arg(long, default_value = "none")]
        response: String,
        /// More about it
        #[arg(long, default_value = "")]
        text: String,
        /// Where it applies: the middle, as LAT,LON in degrees
        #[arg(long, value_parser = at, allow_hyphen_values = true)]
        at: Option<(f64, f64)>,
        /// How far around that, metres
        #[arg(long, requires = "at", default_value_t = 0)]
        radius: u32,
        /// When it ends by itself, minutes from now; it stands until cancelled if absent
        #[arg(long)]
        minutes: Option<u64>,
    },
    /// Lists alerts that stand, newest first
    List {
        #[command(flatten)]
        place: Place,
        /// Those that are over too
        #[arg(long)]
        over: bool,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Every row
        #[arg(long)]
        all: bool,
    },
    /// Shows one alert and who acknowledged it
    Show(One),
    /// Acknowledges an alert in the name of this device
    Ack {
        #[command(flatten)]
        one: One,
        /// What is being done about it
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Calls an alert off; only the device that raised it, and a command post, may
    Cancel {
        #[command(flatten)]
        one: One,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// Where alerts are.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The mission, by name or id; the only one if absent
    #[arg(long, conflicts_with = "org")]
    mission: Option<String>,
    /// The whole org in place of a mission
    #[arg(long)]
    org: bool,
}

/// One alert.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Its id, or a title that is its alone
    alert: String,
    #[command(flatten)]
    place: Place,
}

const COLUMNS: &[Column] = &[
    ("raised", |item| time(item["raised"].as_u64().unwrap_or(0) >> 16)),
    ("severity", |item| text(item, "severity")),
    ("response", |item| text(item, "response")),
    ("heard", |item| text(item, "acknowledged")),
    ("from", |item| text(item, "from")),
    ("title", |item| {
        if item["cancelled"].is_null() { text(item, "title") } else { format!("(over) {}", text(item, "title")) }
    }),
    ("id", |item| text(item, "id")),
];

impl Place {
    /// What stands before `/alerts`: the mission's path, or nothing for the org.
    pub(crate) fn path(&self, client: &Client) -> Result<String> {
        if self.org { Ok(String::new()) } else { client.mission(self.mission.as_deref()) }
    }
}

impl One {
    pub(crate) fn path(&self, client: &Client) -> Result<String> {
        let place = self.place.path(client)?;
        let (items, _) = client.list(&format!("{place}/alerts?all=true"), usize::MAX)?;
        let named = self.alert.as_str();
        let found: Vec<&Value> = items.iter().filter(|item| item["id"] == named || item["title"] == named).collect();
        match found.as_slice() {
            [one] => Ok(format!("{place}/alerts/{}", one["id"].as_str().unwrap_or_default())),
            [] => bail!("there is no alert `{named}` here; `alert list --over` shows what there is"),
            several => bail!("{} alerts are called `{named}`; give the id of one", several.len()),
        }
    }
}

/// `alert`.
pub(crate) fn run(global: &Global, args: Alert) -> Result<()> {
    let client = global.client()?;
    match args {
        Alert::Raise { title, place, severity, response, text, at, radius, minutes } => {
            let area = at.map(|(lat, lon)| json!({"centre": {"lat": lat, "lon": lon}, "radius_m": radius}));
            let expires_ms = minutes.map(|minutes| ends_ms(&client, minutes)).transpose()?;
            let body = json!({
                "title": title, "severity": severity, "response": response, "text": text, "area": area,
                "expires_ms": expires_ms,
            });
            record(global, &client.post(&format!("{}/alerts", place.path(&client)?), &body)?);
        }
        Alert::List { place, over, limit, all } => {
            let asked = format!("{}/alerts?all={over}", place.path(&client)?);
            let (items, total) = client.list(&asked, if all { usize::MAX } else { limit })?;
            list(global, &items, total, COLUMNS, "no alert stands; raise one with: alert raise TITLE");
        }
        Alert::Show(one) => detail(global, &client.get(&one.path(&client)?)?),
        Alert::Ack { one, note } => {
            detail(global, &client.post(&format!("{}/ack", one.path(&client)?), &json!({"note": note}))?);
        }
        Alert::Cancel { one, reason } => {
            detail(global, &client.post(&format!("{}/cancel", one.path(&client)?), &json!({"reason": reason}))?);
        }
    }
    Ok(())
}

/// The time so many minutes from now by the node's clock.
fn ends_ms(client: &Client, minutes: u64) -> Result<u64> {
    let status = client.get("/status")?;
    Ok(status["wall_ms"].as_u64().unwrap_or(0).saturating_add(minutes.saturating_mul(60_000)))
}

/// Prints an alert, and line by line who acknowledged it and who tried in vain to call it off.
fn detail(global: &Global, detail: &Value) {
    if global.json {
        println!("{detail}");
        return;
    }
    let mut alert = detail.clone();
    let said = |field: &str| detail[field].as_array().cloned().unwrap_or_default();
    if let Some(fields) = alert.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "acknowledgements" | "refused"));
    }
    record(global, &alert);
    for (field, head) in [("acknowledgements", "heard by"), ("refused", "cancel refused")] {
        for word in said(field) {
            let at = time(word["at"].as_u64().unwrap_or(0) >> 16);
            println!("{head:<20} {} · {at} · {}", text(&word, "from"), text(&word, "text"));
        }
    }
}
