//! samod beside Holdfast: the same board and edits through automerge-repo's protocol over TCP.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_linkem::relay::Profile;
use holdfast_linkem::tunnel::ADDRESSES;

use crate::Bench;
use crate::floor;
use crate::links::wait;
use crate::others::{self, Site, Talker};
use crate::trace::Trace;

const PORT: u16 = 7_000;
/// An interval in which a connection that still has something to say would say it.
const QUIET: Duration = Duration::from_secs(3);

/// Two folders that hold the same documents.
struct Folders {
    home: tempfile::TempDir,
}

impl Folders {
    fn make(bench: &Bench, count: usize, first: Option<&Path>) -> Result<Self> {
        let home = tempfile::tempdir_in(bench.home.path())?;
        let this = Self { home };
        let mut command = Command::new(others::program(bench, "samod-peer")?);
        command.arg("make").arg(this.left()).arg(count.to_string()).args(first);
        std::fs::create_dir_all(this.left())?;
        std::fs::write(this.ids(), others::output(&mut command)?)?;
        forget_itself(&this.left())?;
        others::copy_tree(&this.left(), &this.home.path().join("right"))?;
        Ok(this)
    }

    fn left(&self) -> PathBuf {
        self.home.path().join("left")
    }

    fn ids(&self) -> PathBuf {
        self.home.path().join("ids")
    }

    fn run(&self, bench: &Bench, site: &Site, end: usize) -> Result<Talker> {
        let program = others::program(bench, "samod-peer")?;
        let mut command = site.tunnel.command(end, &program.display().to_string());
        command.arg("run").arg(self.home.path().join(["left", "right"][end])).arg(self.ids());
        if end == 0 {
            command.arg(format!("{}:{PORT}", ADDRESSES[0]));
        }
        let talker = Talker::start(command)?;
        wait(Duration::from_mins(2), "samod did not open its documents", || Ok(!talker.told("ready").is_empty()))?;
        Ok(talker)
    }
}

/// The copy of a folder must not take itself for the repository it was copied from.
fn forget_itself(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_itself(&path)?;
        } else if path.to_string_lossy().contains("orage-adapter-id") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn wait_agreed(left: &Talker, right: &Talker, patience: Duration) -> Result<()> {
    wait(patience, "samod's sides did not come to agree", || {
        let states = (left.told("state").pop(), right.told("state").pop());
        Ok(states.0.is_some() && states.0 == states.1)
    })?;
    Ok(())
}

fn dial(right: &mut Talker) -> Result<()> {
    right.tell(&format!("dial {} {PORT}", ADDRESSES[0]))
}

/// Wire bytes for the missing part of a long history, first contact.
pub(crate) fn cold(bench: &Bench, trace: &Trace, link: Profile) -> Result<f64> {
    let folders = Folders::make(bench, 1, Some(&trace.saved(false)))?;
    let id = std::fs::read_to_string(folders.ids())?;
    let mut command = Command::new(others::program(bench, "samod-peer")?);
    others::output(command.arg("apply").arg(folders.left()).arg(id.trim()).arg(trace.saved(true)))?;
    let site = Site::new(link)?;
    let left = folders.run(bench, &site, 0)?;
    let mut right = folders.run(bench, &site, 1)?;
    let before = site.wire_bytes();
    dial(&mut right)?;
    wait_agreed(&left, &right, Duration::from_mins(3))?;
    bench.settle();
    Ok(site.wire_bytes() - before)
}

/// What many documents cost.
pub(crate) struct Wide {
    /// Wire bytes ÷ B0 for twenty edits, live.
    pub(crate) edits: f64,
    /// Wire bytes of a connection with nothing missing.
    pub(crate) greeting: f64,
}

/// Twenty edits in twenty of many documents, and a connection with nothing missing.
pub(crate) fn wide(bench: &Bench, documents: usize, link: Profile) -> Result<Wide> {
    const EDITS: usize = 20;
    let folders = Folders::make(bench, documents, None)?;
    let site = Site::new(link)?;
    let mut left = folders.run(bench, &site, 0)?;
    let mut right = folders.run(bench, &site, 1)?;
    let before = site.wire_bytes();
    dial(&mut right)?;
    bench.settle();
    site.wait_quiet(QUIET, Duration::from_secs(30));
    let greeting = site.wire_bytes() - before;
    let before = site.wire_bytes();
    left.tell(&format!("edit {EDITS}"))?;
    wait(Duration::from_secs(20), "samod made no edits", || Ok(left.told("change").len() == EDITS))?;
    wait_agreed(&left, &right, Duration::from_mins(1))?;
    bench.settle();
    let wire = site.wire_bytes() - before;
    let changes = left.told("change");
    let changes = changes.iter().map(|hex| bytes_of(hex)).collect::<Result<Vec<_>>>()?;
    let (_, floor_bytes) = floor::zstd(changes.iter().map(Vec::as_slice))?;
    Ok(Wide { edits: wire / floor::b0(floor_bytes, 0.0), greeting })
}

/// Bytes of the busier direction while nobody says anything.
pub(crate) fn idle(bench: &Bench, link: Profile, watch: Duration) -> Result<f64> {
    let folders = Folders::make(bench, 1, None)?;
    let site = Site::new(link)?;
    let _left = folders.run(bench, &site, 0)?;
    let mut right = folders.run(bench, &site, 1)?;
    dial(&mut right)?;
    bench.settle();
    site.wait_quiet(QUIET, Duration::from_secs(8));
    let before = site.tunnel.wire();
    std::thread::sleep(watch);
    let after = site.tunnel.wire();
    Ok((after.there_bytes - before.there_bytes).max(after.back_bytes - before.back_bytes) as f64)
}

fn bytes_of(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect::<Result<_>>().context("hex")
}
