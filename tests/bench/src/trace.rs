//! The work: data directories with a history that twenty people wrote, made once and kept between runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use automerge::Change;
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{MissionId, UnitId};
use holdfast_domain::message::{Channel, MessageNew};
use holdfast_domain::mission::MissionNew;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::unit::UnitNew;
use holdfast_driver::engine::Engine;
use holdfast_store::store::Store;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::Bench;
use crate::crew::Crew;
use crate::floor;
use crate::meeting::{Device, Org};

/// Raised when what is made here changes, so that kept directories are made again.
const LAYOUT: u32 = 6;
/// Vehicles whose crews write at the same time, each on a store of its own.
const VEHICLES: usize = 4;
const CREW_OF_VEHICLE: usize = 5;
/// Edits of one author between two meetings of the vehicles.
const SHIFT_EDITS: usize = 25;

/// What a made history weighs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Weight {
    /// Changes, entries or fixes missing.
    pub(crate) missing: usize,
    pub(crate) raw_bytes: u64,
    /// The same under zstd -19.
    pub(crate) zstd_bytes: u64,
    /// M: the tightest packing known, bytes.
    pub(crate) floor_bytes: u64,
}

/// A mission with a long history, as one node holds it whole and another not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trace {
    pub(crate) home: PathBuf,
    pub(crate) mission: String,
    pub(crate) before: usize,
    pub(crate) authors: usize,
    pub(crate) weight: Weight,
}

impl Trace {
    /// The command post, which holds what was there before.
    pub(crate) fn hub(&self) -> PathBuf {
        self.home.join("hub")
    }

    /// A node that holds all.
    pub(crate) fn full(&self) -> PathBuf {
        self.home.join("full")
    }

    /// Nodes that hold what was there before.
    pub(crate) fn behind(&self, number: usize) -> PathBuf {
        self.home.join(format!("behind-{number}"))
    }

    /// The missing changes as messages.
    pub(crate) fn messages(&self) -> PathBuf {
        self.home.join("missing.messages")
    }

    /// The board as automerge saves it, before and with the missing changes.
    pub(crate) fn saved(&self, full: bool) -> PathBuf {
        self.home.join(if full { "full.automerge" } else { "before.automerge" })
    }
}

/// Messages for programs that know no changes: each after its length, four bytes, little-endian.
pub(crate) fn write_messages<'a>(path: &Path, bodies: impl Iterator<Item = &'a [u8]>) -> Result<()> {
    let mut file = Vec::new();
    for body in bodies {
        file.extend((body.len() as u32).to_le_bytes());
        file.extend(body);
    }
    Ok(std::fs::write(path, file)?)
}

/// Nodes behind: a line of eight has one that holds all.
pub(crate) const BEHIND: usize = 7;

/// A directory that is complete once its `trace.json` is there; a half-made one is made again.
pub(crate) fn kept<T: Serialize + for<'a> Deserialize<'a>>(
    bench: &Bench,
    name: &str,
    make: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let home = bench.cache.join(format!("{name}-{LAYOUT}"));
    let told = home.join("trace.json");
    if let Ok(bytes) = std::fs::read(&told) {
        return serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged; delete it", told.display()));
    }
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    let made = make(&home).with_context(|| format!("{} could not be made", home.display()))?;
    std::fs::write(&told, serde_json::to_vec_pretty(&made)?)?;
    Ok(made)
}

/// The board of 12,000 changes and 5,700 more by 20 authors; a fifth of it in a quick run.
pub(crate) fn long(bench: &Bench, bar: &ProgressBar) -> Result<Trace> {
    let (before, missing) = bench.pick((12_000, 5_700), (2_400, 1_140));
    let name = format!("long-{before}-{missing}");
    kept(bench, &name, |home| make_long(home, &bench.root, [before, missing], bar))
}

struct Vehicle {
    crew: Vec<Device>,
    store: Option<Store>,
}

fn make_long(home: &Path, root: &Path, [before, missing]: [usize; 2], bar: &ProgressBar) -> Result<Trace> {
    let mut org = Org::found(home)?;
    let mut vehicles = Vec::new();
    for vehicle in 0..VEHICLES {
        let crew = (0..CREW_OF_VEHICLE).map(|seat| org.enrol(&format!("crew-{vehicle}-{seat}")));
        let crew = crew.collect::<Result<Vec<_>>>()?;
        vehicles.push(Vehicle { crew, store: Some(Store::memory()?) });
    }
    let mut writers = Crew::new(root, 12)?;
    let (mission, units) = open_mission(&mut org, &mut vehicles[0], "Harbour fire")?;
    let board = StreamId::new(Scope::Mission(mission), StreamKind::Board);
    write_shifts(&mut org, &mut vehicles, &mut writers, (mission, &units), before, bar)?;
    let older = changes(vehicles[0].store.as_ref().context("a store")?, board)?;
    let hub = org.hub()?;
    hand_over(&mut org, &mut vehicles[0], &hub)?;
    for number in 0..BEHIND {
        let device = org.enrol(&format!("behind-{number}"))?;
        hand_over(&mut org, &mut vehicles[0], &device)?;
    }
    write_shifts(&mut org, &mut vehicles, &mut writers, (mission, &units), missing, bar)?;
    let all = changes(vehicles[0].store.as_ref().context("a store")?, board)?;
    let full = org.enrol("full")?;
    hand_over(&mut org, &mut vehicles[0], &full)?;
    weigh(home, (mission, board), &older, &all, before)
}

fn weigh(
    home: &Path,
    (mission, board): (MissionId, StreamId),
    older: &[Change],
    all: &[Change],
    before: usize,
) -> Result<Trace> {
    let known: std::collections::BTreeSet<_> = older.iter().map(Change::hash).collect();
    let fresh: Vec<&Change> = all.iter().filter(|change| !known.contains(&change.hash())).collect();
    let weight = floor::of_changes(board, all, &fresh)?;
    let authors: std::collections::BTreeSet<_> = fresh.iter().map(|change| change.actor_id().clone()).collect();
    let trace = Trace { home: home.to_owned(), mission: mission.to_string(), before, authors: authors.len(), weight };
    write_messages(&trace.messages(), fresh.iter().map(|change| change.raw_bytes()))?;
    for (full, changes) in [(false, older), (true, all)] {
        std::fs::write(trace.saved(full), floor::document(board, changes)?.save())?;
    }
    Ok(trace)
}

/// Opens a mission with a unit for each vehicle on its roster.
fn open_mission(org: &mut Org, vehicle: &mut Vehicle, name: &str) -> Result<(MissionId, Vec<UnitId>)> {
    let mut engine = org.open(&vehicle.crew[0], vehicle.store.take().context("a store")?)?;
    let mission = mission_open(org, &mut engine, name)?;
    let mut units = Vec::new();
    for number in 0..20 {
        let new = UnitNew { id: None, callsign: format!("E{number}"), kind: "ENGINE".to_owned(), home: String::new() };
        let made = org.gesture(&mut engine, vec![Edit::UnitAdd(mission, new)], 1_000)?;
        if let Some(RecordId::Unit(unit)) = made.first().map(|outcome| outcome.record) {
            units.push(unit);
        }
    }
    vehicle.store = Some(engine.into_store());
    Ok((mission, units))
}

/// Opens a mission.
pub(crate) fn mission_open(org: &mut Org, engine: &mut Engine, name: &str) -> Result<MissionId> {
    let new = MissionNew { id: None, name: name.to_owned(), objective: String::new() };
    let made = org.gesture(engine, vec![Edit::MissionOpen(new)], 1_000)?;
    match made.first().map(|outcome| outcome.record) {
        Some(RecordId::Mission(mission)) => Ok(mission),
        other => anyhow::bail!("a mission was opened and {other:?} came of it"),
    }
}

/// Sends a message.
pub(crate) fn message_send(org: &mut Org, engine: &mut Engine, mission: MissionId, texts: Vec<String>) -> Result<()> {
    let edit = |text| Edit::MessageSend(mission, MessageNew { id: None, channel: Channel::Mission, text });
    org.gesture(engine, texts.into_iter().map(edit).collect(), 50)?;
    Ok(())
}

/// All vehicles write apart, a shift each, then meet; again and again.
fn write_shifts(
    org: &mut Org,
    vehicles: &mut [Vehicle],
    writers: &mut Crew,
    (mission, units): (MissionId, &[UnitId]),
    edits: usize,
    bar: &ProgressBar,
) -> Result<()> {
    assemble(org, vehicles)?;
    let (mut written, mut round) = (0, 0);
    while written < edits {
        bar.set_message(format!("writing a history, {written} of {edits} edits"));
        for vehicle in vehicles.iter_mut() {
            let share = SHIFT_EDITS.min((edits - written).div_ceil(VEHICLES)).min(edits - written);
            let author = vehicle.crew[round % CREW_OF_VEHICLE].clone();
            let mut engine = org.open(&author, vehicle.store.take().context("a store")?)?;
            for _ in 0..share {
                write_one(org, &mut engine, writers, mission, units)?;
            }
            vehicle.store = Some(engine.into_store());
            written += share;
        }
        assemble(org, vehicles)?;
        round += 1;
    }
    Ok(())
}

/// Makes one edit that is taken; what a step of the record's life forbids is thrown again.
pub(crate) fn write_one(
    org: &mut Org,
    engine: &mut Engine,
    writers: &mut Crew,
    mission: MissionId,
    units: &[UnitId],
) -> Result<()> {
    for _ in 0..100 {
        let edit = writers.edit(mission, units);
        let commits = engine.store().newest_rev();
        // A crew looks at its board only now and then, so some of what it wants cannot be.
        let Ok(made) = org.gesture(engine, vec![edit], 4_000) else { continue };
        made.iter().for_each(|outcome| writers.made(outcome.record));
        if engine.store().newest_rev() > commits {
            return Ok(());
        }
    }
    anyhow::bail!("no edit was taken in a hundred tries")
}

/// Vehicles meet at the first, twice, so that all hold all.
fn assemble(org: &mut Org, vehicles: &mut [Vehicle]) -> Result<()> {
    let (first, others) = vehicles.split_first_mut().context("vehicles")?;
    let mut engine = org.open(&first.crew[0], first.store.take().context("a store")?)?;
    for _ in 0..2 {
        for other in others.iter_mut() {
            let mut guest = org.open(&other.crew[0], other.store.take().context("a store")?)?;
            org.meet([(&mut engine, &first.crew[0]), (&mut guest, &other.crew[0])])?;
            other.store = Some(guest.into_store());
        }
    }
    first.store = Some(engine.into_store());
    Ok(())
}

/// Fills a device's database on disk with all that a vehicle holds.
fn hand_over(org: &mut Org, vehicle: &mut Vehicle, device: &Device) -> Result<()> {
    let mut engine = org.open(&vehicle.crew[0], vehicle.store.take().context("a store")?)?;
    let mut node = org.open_on_disk(device)?;
    org.meet([(&mut engine, &vehicle.crew[0]), (&mut node, device)])?;
    vehicle.store = Some(engine.into_store());
    Ok(())
}

/// Every change of a document, in order of arrival.
pub(crate) fn changes(store: &Store, stream: StreamId) -> Result<Vec<Change>> {
    let entries = store.feed_entries(stream, 0, usize::from(u16::MAX) * 16)?;
    ensure!(!entries.is_empty(), "{stream} is empty");
    entries.into_iter().map(|(_, entry)| Ok(Change::from_bytes(entry.body)?)).collect()
}
