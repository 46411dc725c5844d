//! `blob`: add, list, get, fetch, remove.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::client::quoted;
use crate::cli::render::{Column, list, record, text, time};

/// Files attached to a mission.
#[derive(Debug, clap::Subcommand)]
pub enum Blob {
    /// Attaches a file to a mission, or to a record of it
    Add {
        /// The file
        file: PathBuf,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// The record, as KIND:ID, such as task:0192…
        #[arg(long, value_name = "KIND:ID")]
        to: Option<String>,
        /// What it is, such as image/jpeg; by the ending of its name if absent
        #[arg(long, value_name = "TYPE")]
        media_type: Option<String>,
    },
    /// Lists attached files, newest first
    List {
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
        /// Only those of this record, as KIND:ID
        #[arg(long, value_name = "KIND:ID")]
        to: Option<String>,
        /// Removed ones too
        #[arg(long)]
        removed: bool,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Every row
        #[arg(long)]
        all: bool,
    },
    /// Writes the bytes of an attached file that is on this node into a file
    Get {
        /// Its id
        id: String,
        /// The file to write; it must not exist
        file: PathBuf,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
    },
    /// Has a file fetched from whoever has it, and kept, whatever the settings say
    Fetch {
        /// Its id
        id: String,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
    },
    /// Removes an attached file, here and on every node that hears of it
    Remove {
        /// Its id
        id: String,
        /// The mission, by name or id; the only one if absent
        #[arg(long)]
        mission: Option<String>,
    },
}

/// The upper 48 bits of a hybrid time are milliseconds.
const COLUMNS: &[Column] = &[
    ("added", |item| time(item["written"].as_u64().unwrap_or(0) >> 16)),
    ("from", |item| text(item, "from")),
    ("name", |item| text(item, "name")),
    ("bytes", |item| text(item, "bytes")),
    ("state", state),
    ("holders", |item| text(item, "holders")),
    ("id", |item| text(item, "id")),
];

fn state(item: &Value) -> String {
    match item["state"].as_str() {
        _ if !item["removed"].is_null() => "removed".to_owned(),
        Some("partial") => format!("{} of {}", text(item, "groups_here"), text(item, "groups")),
        Some(state) => state.to_owned(),
        None => "-".to_owned(),
    }
}

/// `blob`.
pub(crate) fn run(global: &Global, args: Blob) -> Result<()> {
    let client = global.client()?;
    match args {
        Blob::Add { file, mission, to, media_type } => {
            let mission = client.mission(mission.as_deref())?;
            let name = file.file_name().and_then(|name| name.to_str());
            let name = name.with_context(|| format!("{} has no name that can be told", file.display()))?;
            let to = to.map_or_else(String::new, |to| format!("&attached_to={}", quoted(&to)));
            let path = format!("{mission}/blobs?name={}{to}", quoted(name));
            let content = std::fs::File::open(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            let kind = media_type.unwrap_or_else(|| kind_of(&file).to_owned());
            record(global, &client.upload_file(&path, &kind, content)?);
        }
        Blob::List { mission, to, removed, limit, all } => {
            let mission = client.mission(mission.as_deref())?;
            let to = to.map_or_else(String::new, |to| format!("&attached_to={}", quoted(&to)));
            let asked = format!("{mission}/blobs?removed={removed}{to}");
            let (items, total) = client.list(&asked, if all { usize::MAX } else { limit })?;
            list(global, &items, total, COLUMNS, "nothing is attached yet; attach a file with: blob add FILE");
        }
        Blob::Get { id, file, mission } => {
            let mission = client.mission(mission.as_deref())?;
            let mut content = client.follow(&format!("{mission}/blobs/{}/content", quoted(&id)), None)?;
            get(&mut content, &file)?;
        }
        Blob::Fetch { id, mission } => {
            let mission = client.mission(mission.as_deref())?;
            record(global, &client.post(&format!("{mission}/blobs/{}/fetch", quoted(&id)), &json!({}))?);
        }
        Blob::Remove { id, mission } => {
            let mission = client.mission(mission.as_deref())?;
            client.delete(&format!("{mission}/blobs/{}", quoted(&id)))?;
        }
    }
    Ok(())
}

/// Writes what is read into a file that is whole or not there.
fn get(mut content: &mut dyn std::io::Read, file: &Path) -> Result<()> {
    if file.exists() {
        bail!("{} is there already; give another name", file.display());
    }
    let beside = file.with_extension("part");
    let mut written = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&beside)?;
        std::io::copy(&mut content, &mut out)?;
        out.sync_all()?;
        std::fs::rename(&beside, file)
    };
    written().with_context(|| format!("{} cannot be written; check the folder and its free space", file.display()))
}

/// What a file is, by the ending of its name.
fn kind_of(file: &Path) -> &'static str {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "json" | "geojson" => "application/json",
        "gpx" => "application/gpx+xml",
        "kml" => "application/vnd.google-earth.kml+xml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
