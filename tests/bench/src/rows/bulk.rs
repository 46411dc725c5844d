//! Bulk that fills a link for a while: messages that hardly pack, held by one node and missing at others.

use std::path::{Path, PathBuf};

use anyhow::Result;
use holdfast_domain::edit::Edit;
use holdfast_domain::id::MissionId;
use holdfast_domain::record::RecordId;
use holdfast_domain::unit::UnitNew;
use holdfast_driver::engine::Engine;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::Bench;
use crate::crew::Crew;
use crate::floor;
use crate::meeting::Org;
use crate::trace;

/// Messages that one node has and another has not; both know the mission.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bulk {
    home: PathBuf,
    pub(super) mission: String,
    /// A unit on its roster.
    pub(super) unit: String,
    pub(super) messages: usize,
    pub(super) text_bytes: usize,
    /// What one message weighs when all are packed under zstd -19.
    pub(super) floor_bytes_per_message: f64,
}

impl Bulk {
    pub(super) fn full(&self) -> PathBuf {
        self.home.join("full")
    }

    pub(super) fn empty(&self) -> PathBuf {
        self.home.join("empty")
    }

    /// The texts as messages.
    pub(super) fn texts(&self) -> PathBuf {
        self.home.join("texts.messages")
    }

    /// The first ten of them.
    pub(super) fn few(&self) -> PathBuf {
        self.home.join("few.messages")
    }

    /// Another node without the messages.
    pub(super) fn second(&self) -> PathBuf {
        self.home.join("second")
    }
}

/// 4 MB of messages of 400 bytes, written ten at a time.
pub(super) fn bulk(bench: &Bench, bar: &ProgressBar) -> Result<Bulk> {
    let messages = bench.pick(10_000, 4_000);
    trace::kept(bench, &format!("bulk-{messages}"), |home| make(home, &bench.root, messages, bar))
}

fn make(home: &Path, root: &Path, messages: usize, bar: &ProgressBar) -> Result<Bulk> {
    const TEXT_BYTES: usize = 400;
    let mut org = Org::found(home)?;
    let [full, empty, second] = [org.enrol("full")?, org.enrol("empty")?, org.enrol("second")?];
    let mut engine = org.open_on_disk(&full)?;
    let mission = trace::mission_open(&mut org, &mut engine, "Bulk")?;
    let unit = unit_add(&mut org, &mut engine, mission)?;
    for device in [&empty, &second] {
        let mut other = org.open_on_disk(device)?;
        org.meet([(&mut engine, &full), (&mut other, device)])?;
    }
    let mut crew = Crew::new(root, 400)?;
    let mut texts = Vec::new();
    for written in (0..messages).step_by(10) {
        bar.set_message(format!("writing {written} of {messages} messages"));
        let batch: Vec<String> = (0..10).map(|_| crew.noise(TEXT_BYTES)).collect();
        texts.extend(batch.iter().cloned());
        trace::message_send(&mut org, &mut engine, mission, batch)?;
    }
    trace::write_messages(&home.join("texts.messages"), texts.iter().map(String::as_bytes))?;
    trace::write_messages(&home.join("few.messages"), texts.iter().take(10).map(String::as_bytes))?;
    let (_, zstd_bytes) = floor::zstd(texts.iter().map(String::as_bytes))?;
    Ok(Bulk {
        home: home.to_owned(),
        mission: mission.to_string(),
        unit,
        messages,
        text_bytes: TEXT_BYTES,
        floor_bytes_per_message: zstd_bytes as f64 / messages as f64,
    })
}

fn unit_add(org: &mut Org, engine: &mut Engine, mission: MissionId) -> Result<String> {
    let new = UnitNew { id: None, callsign: "E7".to_owned(), kind: "ENGINE".to_owned(), home: String::new() };
    let made = org.gesture(engine, vec![Edit::UnitAdd(mission, new)], 1_000)?;
    match made.first().map(|outcome| outcome.record) {
        Some(RecordId::Unit(unit)) => Ok(unit.to_string()),
        other => anyhow::bail!("a unit was added and {other:?} came of it"),
    }
}
