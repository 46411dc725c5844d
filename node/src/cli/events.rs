//! `events`: changes as they come.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Global;

/// Follows changes.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Only this mission, by name or id
    #[arg(long)]
    mission: Option<String>,
    /// Changes after this revision; from now on if absent
    #[arg(long)]
    after: Option<u64>,
    /// Ends after so many events
    #[arg(long)]
    count: Option<usize>,
}

/// How long a node may be away before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// `events`. When the node goes away and comes back, nothing between is missed.
pub(crate) fn run(global: &Global, args: &Events) -> Result<()> {
    let client = global.client()?;
    let mut path = "/events".to_owned();
    if let Some(mission) = &args.mission {
        let mission = client.mission(Some(mission))?;
        path = format!("/events?mission={}", mission.trim_start_matches("/missions/"));
    }
    let mut last = args.after.map(|after| after.to_string());
    let mut left = args.count.unwrap_or(usize::MAX);
    let mut reached = false;
    loop {
        // The node may have come back at another address.
        match global.client().and_then(|client| client.follow(&path, last.as_deref())) {
            Ok(stream) => {
                reached = true;
                read(stream, &mut last, &mut left)?;
            }
            Err(error) if !reached => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
        if left == 0 {
            return Ok(());
        }
    }
}

fn read(stream: impl std::io::Read, last: &mut Option<String>, left: &mut usize) -> Result<()> {
    let mut name = String::new();
    for line in BufReader::new(stream).lines() {
        // A stream that breaks off is taken up again by the caller.
        let Ok(line) = line else { return Ok(()) };
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(id) = line.strip_prefix("id: ") {
            *last = Some(id.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data)?;
            println!("{}", json!({"event": name, "data": data}));
            *left -= 1;
            if *left == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}
