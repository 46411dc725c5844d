//! `retention`: what is kept of each stream; at a command post, documents rolled and floors laid by hand.

use anyhow::Result;
use holdfast_domain::scope::StreamKind;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::render::text;

/// What is kept of each stream, and what lies below a floor.
#[derive(Debug, clap::Subcommand)]
pub enum Retention {
    /// Tells what is kept of each stream, what was dropped, and what this node came too late for
    Status,
    /// Rolls a document to its next generation, at a command post; by itself that happens before it is too large
    Roll {
        /// The mission, by name or id; may be left out while there is one
        #[arg(long)]
        mission: Option<String>,
        /// Which of its documents
        #[arg(long, value_parser = ["board", "roster"])]
        document: String,
    },
    /// Lets nodes drop what a command post holds of a feed, once it is old enough by their settings; by itself that
    /// happens daily
    Floor {
        /// The mission, by name or id; may be left out while there is one
        #[arg(long)]
        mission: Option<String>,
        /// Which of its feeds
        #[arg(long, value_parser = ["message", "track", "track_sampled", "track_simplified"])]
        stream: String,
    },
}

/// `retention`.
pub(crate) fn run(global: &Global, args: &Retention) -> Result<()> {
    match args {
        Retention::Status => {
            let status = global.client()?.get("/retention")?;
            if global.json {
                println!("{status}");
            } else {
                show(&status);
            }
            Ok(())
        }
        Retention::Roll { mission, document } => lay(global, mission.as_deref(), document),
        Retention::Floor { mission, stream } => lay(global, mission.as_deref(), stream),
    }
}

fn lay(global: &Global, mission: Option<&str>, kind: &str) -> Result<()> {
    let client = global.client()?;
    let place = client.mission(mission)?;
    let mission = place.trim_start_matches("/missions/");
    let laid = client.post("/retention/floors", &json!({ "mission": mission, "kind": kind }))?;
    if global.json {
        println!("{laid}");
    } else {
        let thinned = StreamKind::ALL.into_iter().any(|known| known.as_str() == kind && known.thinned_into().is_some());
        let later = if thinned { ", when it is thinned" } else { "" };
        println!("{kind}: floor {}{later}", text(&laid, "number"));
    }
    Ok(())
}

fn note(kept: &Value) -> &'static str {
    match (kept["awaits_start"] == true, kept["thinning"] == true) {
        (true, _) => "waits for the start of its next generation",
        (_, true) => "is being thinned; its floor follows",
        _ => "",
    }
}

fn show(status: &Value) {
    if status["keeps_all"] == true {
        println!("this node keeps everything");
    }
    let streams = status["streams"].as_array().map_or(&[][..], Vec::as_slice);
    if streams.is_empty() {
        println!("nothing of any mission is here yet");
        return;
    }
    println!(
        "{:<46} {:>8} {:>10} {:>5} {:>6} {:>8} {:>8}  note",
        "stream", "entries", "bytes", "gen", "floor", "below", "passed"
    );
    for kept in streams {
        let or_none = |field: &str| if kept[field].is_null() { "-".to_owned() } else { text(kept, field) };
        println!(
            "{:<46} {:>8} {:>10} {:>5} {:>6} {:>8} {:>8}  {}",
            text(kept, "stream"),
            text(kept, "entries"),
            text(kept, "bytes"),
            or_none("generation"),
            or_none("floor"),
            text(kept, "below"),
            text(kept, "passed_over"),
            note(kept)
        );
    }
}
