//! `peers`: who is there, who lacks what, and links kept quiet.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::render::{ago, text};

/// Lists peers, or keeps a link quiet.
#[derive(Debug, clap::Args)]
pub struct Peers {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists peers; the same as without a word
    List,
    /// Keeps the link with a device quiet, by name or id
    Pause { device: String },
    /// Ends the quiet
    Resume { device: String },
    /// Dials a peer at host:port until the node stops
    Dial { address: String },
}

/// `peers`.
pub fn run(global: &Global, args: Peers) -> Result<()> {
    let client = global.client()?;
    match args.action {
        None | Some(Action::List) => {
            let status = client.get("/status")?;
            show(global, &status);
        }
        Some(Action::Pause { device }) => {
            let id = device_id(&client.get("/peers")?, &device)?;
            client.post(&format!("/peers/{id}/pause"), &json!({}))?;
        }
        Some(Action::Resume { device }) => {
            let id = device_id(&client.get("/peers")?, &device)?;
            client.post(&format!("/peers/{id}/resume"), &json!({}))?;
        }
        Some(Action::Dial { address }) => {
            client.post("/peers/dial", &json!({"address": address}))?;
        }
    }
    Ok(())
}

fn device_id(peers: &Value, named: &str) -> Result<String> {
    let found: Vec<&Value> = peers
        .as_array()
        .into_iter()
        .flatten()
        .filter(|peer| peer["device"] == named || peer["name"] == named)
        .collect();
    match found.as_slice() {
        [one] => Ok(text(one, "device")),
        [] => bail!("there is no peer `{named}`; `peers` lists them"),
        _ => bail!("several peers are called `{named}`; give the id of one"),
    }
}

/// Prints peers as the fleet: who is there, when last heard, who lacks what.
pub fn show(global: &Global, status: &Value) {
    if global.json {
        println!("{}", status["peers"]);
        return;
    }
    let now_ms = status["wall_ms"].as_u64().unwrap_or(0);
    let peers = status["peers"].as_array().map_or(&[][..], Vec::as_slice);
    if peers.is_empty() {
        println!("no peers yet; `peers dial HOST:PORT` reaches for one, `invite` lets a device in");
        return;
    }
    println!("{:<16} {:<5} {:<10} {:<12} {:>8}  scopes it lacks", "name", "role", "link", "heard", "lacks");
    for peer in peers {
        let is = |field: &str| peer[field] == true;
        let link = match (is("connected"), is("silent")) {
            _ if is("paused") => "paused",
            (true, true) => "silent",
            (true, false) => "up",
            (false, _) => "down",
        };
        let lacking: Vec<String> = peer["lacks_by_scope"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(scope, count)| format!("{} {count}", scope.chars().take(13).collect::<String>()))
            .collect();
        println!(
            "{:<16} {:<5} {:<10} {:<12} {:>8}  {}",
            text(peer, "name"),
            text(peer, "role"),
            link,
            ago(now_ms, peer["last_heard_ms"].as_u64()),
            text(peer, "lacks"),
            lacking.join(", ")
        );
    }
}
