//! `parcel`: entries in a file, by the running node or, when none runs, on its data directory.

mod qr;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use holdfast_domain::limits::PARCEL_BYTES_MAX;
use holdfast_domain::parcel::{ParcelChain, ParcelContents, ParcelError, ParcelNew};
use holdfast_driver::data_dir::DataDir;
use holdfast_driver::offline::{Offline, parcel_key, parcel_reader};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::client::{Client, NoNode};
use crate::cli::render::{text, time};

/// Parcels.
#[derive(Debug, clap::Subcommand)]
pub enum Parcel {
    /// Writes entries into a file: everything, or what is asked for
    Export(Export),
    /// Tells what is in a parcel, without taking it in
    Inspect {
        /// The file; `-` reads standard input
        file: PathBuf,
    },
    /// Takes a parcel in; a second time changes nothing
    Import(Import),
    /// Prints the key to which others seal parcels for this device; it is no secret
    Key,
}

/// What to export, and whereto.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// The file to write; it must not exist. `-` writes to standard output
    #[arg(required_unless_present = "qr")]
    file: Option<PathBuf>,
    /// Draws QR codes into this folder, made if need be, or to the terminal for `-`; for small parcels
    #[arg(long, value_name = "FOLDER")]
    qr: Option<PathBuf>,
    /// Only this mission, by name or id, with the org's enrolments
    #[arg(long)]
    mission: Option<String>,
    /// Only what this device, by name or id, is known to lack
    #[arg(long = "for", value_name = "DEVICE")]
    for_device: Option<String>,
    /// Only what came after this earlier parcel
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Lets only this device (name or id) or `age1…` key read it; may be repeated. This device can always
    #[arg(long, value_name = "RECIPIENT")]
    seal_to: Vec<String>,
    /// The same from a file: one recipient a line, `#` begins a remark
    #[arg(long, value_name = "FILE")]
    seal_to_file: Option<PathBuf>,
}

/// What to take in.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The file; `-` reads standard input
    #[arg(required_unless_present = "qr")]
    file: Option<PathBuf>,
    /// Texts that a scanner read off QR codes, one a line, in any order; `-` reads standard input
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "file")]
    qr: Vec<PathBuf>,
}

/// The node: by its API, or opened here when it does not run.
enum Node {
    Running(Client),
    Stopped(Box<Offline>),
}

impl Node {
    /// Reaches the running node; opens the data directory if there is none.
    fn of(global: &Global) -> Result<Self> {
        let running = global.client().and_then(|client| client.get("/status").map(|_| client));
        match running {
            Ok(client) => Ok(Self::Running(client)),
            Err(error) if error.downcast_ref::<NoNode>().is_some() => {
                Ok(Self::Stopped(Box::new(Offline::open(&DataDir::new(&global.data))?)))
            }
            Err(error) => Err(error),
        }
    }

    fn mission(&self, named: &str) -> Result<String> {
        Ok(match self {
            Self::Running(client) => client.mission(Some(named))?.trim_start_matches("/missions/").to_owned(),
            Self::Stopped(offline) => offline.mission_named(named)?.to_string(),
        })
    }

    fn export(&mut self, new: &ParcelNew) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Running(client) => client.download("/parcels/export", &serde_json::to_value(new)?)?,
            Self::Stopped(offline) => offline.parcel_export(new)?,
        })
    }

    fn import(&mut self, bytes: &[u8]) -> Result<Value> {
        Ok(match self {
            Self::Running(client) => client.upload("/parcels/import", "application/vnd.holdfast.parcel", bytes)?,
            Self::Stopped(offline) => serde_json::to_value(offline.parcel_import(bytes)?)?,
        })
    }
}

/// `parcel`.
pub(crate) fn run(global: &Global, args: Parcel) -> Result<()> {
    match args {
        Parcel::Export(args) => export(global, &args),
        Parcel::Inspect { file } => inspect(global, &file),
        Parcel::Import(args) => import(global, &args),
        Parcel::Key => key(global),
    }
}

fn key(global: &Global) -> Result<()> {
    let key = parcel_key(&DataDir::new(&global.data))?;
    if global.json {
        println!("{}", json!({ "recipient": key }));
    } else {
        println!("{key}");
    }
    Ok(())
}

fn export(global: &Global, args: &Export) -> Result<()> {
    if let Some(file) = args.file.as_ref().filter(|file| file.exists()) {
        bail!("{} is there already; give another name", file.display());
    }
    let after = args.after.as_deref().map(|file| earlier(global, file)).transpose()?.unwrap_or_default();
    let mut seal_to = args.seal_to.clone();
    if let Some(file) = &args.seal_to_file {
        let listed = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let named = listed.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        seal_to.extend(named.filter(|name| !name.is_empty()).map(str::to_owned));
        if seal_to.is_empty() {
            bail!("{} names no recipient; without one, leave the option out", file.display());
        }
    }
    let mut node = Node::of(global)?;
    let mission = args.mission.as_deref().map(|named| node.mission(named)).transpose()?;
    let mission = mission.map(|id| id.parse()).transpose()?;
    let new = ParcelNew { mission, for_device: args.for_device.clone(), after, seal_to };
    let bytes = node.export(&new)?;
    if let Some(file) = &args.file {
        write(file, &bytes)?;
    }
    if let Some(place) = &args.qr {
        qr::draw(&bytes, place)?;
    }
    let places = [&args.file, &args.qr];
    if !places.into_iter().flatten().any(|place| place == Path::new("-")) {
        tell(global, &parcel_reader(&DataDir::new(&global.data))?.inspect(&bytes)?);
    }
    Ok(())
}

/// What an earlier parcel holds. Whoever made it can read it, sealed or not.
fn earlier(global: &Global, file: &Path) -> Result<Vec<ParcelChain>> {
    let contents = parcel_reader(&DataDir::new(&global.data))?.inspect(&read(file)?)?;
    if !contents.readable {
        bail!("{} is sealed to others, so what came after it cannot be told; use --for DEVICE", file.display());
    }
    Ok(contents.chains)
}

fn inspect(global: &Global, file: &Path) -> Result<()> {
    let contents = parcel_reader(&DataDir::new(&global.data))?.inspect(&read(file)?)?;
    tell(global, &contents);
    Ok(())
}

/// Prints what is in a parcel.
fn tell(global: &Global, contents: &ParcelContents) {
    if global.json {
        println!("{}", serde_json::to_value(contents).unwrap_or_default());
        return;
    }
    let seal = match (contents.sealed, contents.readable) {
        (false, _) => "open: whoever finds it can read it",
        (true, true) => "sealed; this device can read it",
        (true, false) => "sealed to others; this device may carry it",
    };
    println!("{} entries, {} bytes, {seal}", contents.entries, contents.bytes);
    println!("made by {} ({}) at {}", contents.exporter_name, contents.exporter, time(contents.written_ms));
    for chain in &contents.chains {
        let ParcelChain { stream, device, first, last, entries, .. } = chain;
        println!("  {stream:<45} {device:<16} {first}-{last} ({entries})");
    }
}

fn import(global: &Global, args: &Import) -> Result<()> {
    let bytes = match &args.file {
        Some(file) => read(file)?,
        None => qr::collect(&args.qr)?,
    };
    let report = Node::of(global)?.import(&bytes)?;
    if global.json {
        println!("{report}");
    } else {
        say(&report);
    }
    let (gaps, refused) =
        (report["gaps"].as_array().map_or(0, Vec::len), report["refused"].as_array().map_or(0, Vec::len));
    match (gaps, refused) {
        (_, 1..) => bail!("{refused} runs of entries were refused; the rest stands"),
        (1.., 0) => {
            bail!("{gaps} runs could not be placed: take the parcel before this one first, or one with everything")
        }
        (0, 0) => Ok(()),
    }
}

/// Prints what an import did.
fn say(report: &Value) {
    if report["fresh"] == 0 && report["known"] == report["entries"] {
        println!("nothing new: all {} entries were here already", text(report, "entries"));
        return;
    }
    println!(
        "{} entries: {} new, {} here already",
        text(report, "entries"),
        text(report, "fresh"),
        text(report, "known")
    );
    if report["quarantined"] != 0 {
        println!("  {} of them kept aside: their author may not write them", text(report, "quarantined"));
    }
    for gap in report["gaps"].as_array().into_iter().flatten() {
        println!(
            "  gap in {} of {}: entry {} is missing before {}",
            text(gap, "stream"),
            text(gap, "author"),
            text(gap, "first_missing"),
            text(gap, "first")
        );
    }
    for run in report["refused"].as_array().into_iter().flatten() {
        println!("  refused in {} of {}: {}", text(run, "stream"), text(run, "author"), text(run, "reason"));
    }
}

/// Reads a file, or standard input for `-`; no more than a parcel may have.
fn read(file: &Path) -> Result<Vec<u8>> {
    let unreadable = || format!("{} cannot be read", file.display());
    let mut bytes = Vec::new();
    let room = PARCEL_BYTES_MAX as u64 + 1;
    if file == Path::new("-") {
        std::io::stdin().take(room).read_to_end(&mut bytes).with_context(unreadable)?;
    } else {
        let file = std::fs::File::open(file).with_context(unreadable)?;
        file.take(room).read_to_end(&mut bytes).with_context(unreadable)?;
    }
    if bytes.len() > PARCEL_BYTES_MAX {
        return Err(ParcelError::TooLarge { bytes: bytes.len() as u64 }.into());
    }
    Ok(bytes)
}

/// Writes a file that is whole or not there, even if the stick is pulled out right after; standard output for `-`.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    if file == Path::new("-") {
        return std::io::stdout().write_all(bytes).context("standard output does not take the parcel");
    }
    let beside = file.with_extension("part");
    let written = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&beside)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        std::fs::rename(&beside, file)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()
    };
    written().with_context(|| format!("{} cannot be written; check the folder and its free space", file.display()))
}
