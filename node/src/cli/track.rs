//! `track`: import a log, report a position, list positions and fixes.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use crate::cli::Global;
use crate::cli::client::quoted;
use crate::cli::import::{tell, upload};
use crate::cli::incident::at;
use crate::cli::render::{Column, list, record, text, time};

/// Positions and tracks.
#[derive(Debug, clap::Subcommand)]
pub enum Track {
    /// Imports a GPX file, an NMEA log or a CSV table as a unit's track
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        one: One,
        /// auto, gpx, nmea or csv
        #[arg(long, default_value = "auto")]
        format: String,
    },
    /// Reports where a unit is now
    Report {
        #[command(flatten)]
        one: One,
        /// The place, as LAT,LON in degrees
        #[arg(long, value_parser = at, allow_hyphen_values = true)]
        at: (f64, f64),
    },
    /// Lists where every unit was last seen
    Positions {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
    },
    /// Lists the fixes of a unit, oldest first
    List {
        #[command(flatten)]
        one: One,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Every row
        #[arg(long)]
        all: bool,
    },
}

/// One unit.
#[derive(Debug, clap::Args)]
pub struct One {
    /// The unit, by callsign or id
    #[arg(long)]
    unit: String,
    /// The mission, by name or id; the only one if absent
    #[arg(long)]
    mission: Option<String>,
}

const FIXES: &[Column] = &[
    ("time", |item| time(item["at_ms"].as_u64().unwrap_or(0))),
    ("lat", |item| text(&item["position"], "lat")),
    ("lon", |item| text(&item["position"], "lon")),
    ("speed cm/s", |item| text(item, "speed_cm_s")),
    ("course 0.01°", |item| text(item, "course_cdeg")),
];

const POSITIONS: &[Column] = &[
    ("unit", |item| text(item, "unit")),
    ("time", |item| time(item["fix"]["at_ms"].as_u64().unwrap_or(0))),
    ("lat", |item| text(&item["fix"]["position"], "lat")),
    ("lon", |item| text(&item["fix"]["position"], "lon")),
];

/// `track`.
pub(crate) fn run(global: &Global, args: Track) -> Result<()> {
    let client = global.client()?;
    let path = |one: &One| -> Result<String> {
        let mission = client.mission(one.mission.as_deref())?;
        let id = client.id(&mission, "units", "callsign", &one.unit)?;
        Ok(format!("{mission}/units/{id}"))
    };
    match args {
        Track::Import { file, one, format } => {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let target = format!("{}/import/track?format={}&name={}", path(&one)?, quoted(&format), quoted(&name));
            tell(global, &upload(&client, &target, "application/octet-stream", &file)?);
        }
        Track::Report { one, at: (lat, lon) } => {
            let now = client.get("/status")?["wall_ms"].as_u64().context("the node tells its clock")?;
            let fix = json!({"at_ms": now, "position": {"lat": lat, "lon": lon}});
            record(global, &client.put(&format!("{}/position", path(&one)?), &fix)?);
        }
        Track::Positions { mission } => {
            let mission = client.mission(mission.as_deref())?;
            let (items, total) = client.list(&format!("{mission}/positions"), usize::MAX)?;
            list(
                global,
                &items,
                total,
                POSITIONS,
                "no position yet; report one with: track report --unit U --at LAT,LON",
            );
        }
        Track::List { one, limit, all } => {
            let (items, total) =
                client.list(&format!("{}/track", path(&one)?), if all { usize::MAX } else { limit })?;
            list(global, &items, total, FIXES, "no fixes yet; import a log with: track import FILE --unit U");
        }
    }
    Ok(())
}
