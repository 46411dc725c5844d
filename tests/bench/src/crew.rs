//! What people write on a mission board in a day: incidents from real fire calls, tasks, changes and notes.

use std::path::Path;

use anyhow::{Context, Result};
use holdfast_domain::edit::Edit;
use holdfast_domain::field::Change;
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::{IncidentId, MissionId, TaskId, UnitId};
use holdfast_domain::incident::{IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::record::RecordId;
use holdfast_domain::task::{TaskChange, TaskNew, TaskStatus};

const ORDERS: [&str; 12] = [
    "Lay supply line to",
    "Primary search",
    "Check for extension at",
    "Ventilate roof,",
    "Set up triage at",
    "Shut off gas,",
    "Evacuate residents,",
    "Relieve crew at",
    "Bring second alarm resources to",
    "Secure utilities,",
    "Establish water supply near",
    "Welfare check,",
];

const REPORTS: [&str; 10] = [
    "Two patients, one priority 1, transport requested.",
    "Fire knocked down, checking for extension.",
    "No access from the north side, use the alley.",
    "Smoke showing from the second floor.",
    "False alarm, panel reset, owner notified.",
    "Requesting police for crowd control.",
    "Wires down across the roadway, utility notified.",
    "All occupants accounted for.",
    "Crew rotated, air low; returning in 20 minutes.",
    "Water main pressure low, relay pumping set up.",
];

/// Call type, address, neighbourhood and place of a real call.
struct Call {
    kind: String,
    address: String,
    area: String,
    position: Option<LatLon>,
}

/// Writes edits; the same seed writes the same.
pub(crate) struct Crew {
    calls: Vec<Call>,
    state: u64,
    incidents: Vec<IncidentId>,
    tasks: Vec<TaskId>,
}

/// Splits a line of CSV; commas in quotes stay.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

fn place(text: &str) -> Option<LatLon> {
    let (latitude, longitude) = text.trim_matches(['(', ')']).split_once(", ")?;
    LatLon::new(latitude.parse().ok()?, longitude.parse().ok()?).ok()
}

impl Crew {
    /// A crew that has the fire calls of the fixtures to talk about.
    pub(crate) fn new(root: &Path, seed: u64) -> Result<Self> {
        let path = root.join("tests/fixtures/sf/sf-fire-calls.csv");
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let call = |line: &str| {
            let cells = cells(line);
            Some(Call {
                kind: cells.get(3)?.clone(),
                address: cells.get(8)?.clone(),
                area: cells.get(24)?.clone(),
                position: place(cells.get(25)?),
            })
        };
        let calls = text.lines().skip(1).filter_map(call).collect();
        Ok(Self { calls, state: seed | 1, incidents: Vec::new(), tasks: Vec::new() })
    }

    /// A number below `bound` (SplitMix64).
    pub(crate) fn dice(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.dice(from.len())]
    }

    /// Text that no packing makes much smaller, such as coordinates and codes read out by radio.
    pub(crate) fn noise(&mut self, bytes: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..bytes).map(|_| char::from(LETTERS[self.dice(64)])).collect()
    }

    fn task_open(&mut self, mission: MissionId) -> Edit {
        let order = self.pick(&ORDERS);
        let at = self.dice(self.calls.len());
        let details = if self.dice(3) == 0 { self.pick(&REPORTS).to_owned() } else { String::new() };
        let incident = (!self.incidents.is_empty() && self.dice(2) == 0).then(|| self.recent_incident());
        let title = format!("{order} {}", self.calls[at].address);
        let priority = 1 + self.dice(5) as u8;
        let new = TaskNew { id: None, number: None, incident, title, details, priority, assignee: None, due_ms: None };
        Edit::TaskOpen(mission, new)
    }

    fn incident_open(&mut self, mission: MissionId) -> Edit {
        let at = self.dice(self.calls.len());
        let priority = 1 + self.dice(5) as u8;
        let call = &self.calls[at];
        let (kind, address) = (call.kind.clone(), call.address.clone());
        let (area, position, notes) = (call.area.clone(), call.position, String::new());
        let new = IncidentNew {
            id: None,
            number: None,
            kind,
            priority,
            address,
            area,
            position,
            notes,
            opened_ms: None,
            status: None,
        };
        Edit::IncidentOpen(mission, new)
    }

    /// People work on what is fresh: one of the newest fifty.
    fn recent_incident(&mut self) -> IncidentId {
        let back = self.dice(self.incidents.len().min(50));
        self.incidents[self.incidents.len() - 1 - back]
    }

    fn recent_task(&mut self) -> TaskId {
        let back = self.dice(self.tasks.len().min(80));
        self.tasks[self.tasks.len() - 1 - back]
    }

    /// One edit of the board, as somebody of a crew would make it.
    pub(crate) fn edit(&mut self, mission: MissionId, units: &[UnitId]) -> Edit {
        let roll = self.dice(100);
        if roll < 8 || self.incidents.is_empty() {
            return self.incident_open(mission);
        }
        if roll < 25 || self.tasks.is_empty() {
            return self.task_open(mission);
        }
        if roll < 50 {
            let id = self.recent_incident();
            let states = [IncidentStatus::Dispatched, IncidentStatus::OnScene, IncidentStatus::Contained];
            let mut change = IncidentChange::default();
            match self.dice(3) {
                0 => change.notes = Change::Set(self.pick(&REPORTS).to_owned()),
                1 => change.priority = Some(1 + self.dice(5) as u8),
                _ => change.status = Some(self.pick(&states)),
            }
            return Edit::IncidentChange(mission, id, change);
        }
        let id = self.recent_task();
        let states = [TaskStatus::Accepted, TaskStatus::InProgress, TaskStatus::Done];
        let mut change = TaskChange::default();
        match self.dice(10) {
            0 | 1 => change.details = Change::Set(self.pick(&REPORTS).to_owned()),
            2..=4 if !units.is_empty() => change.assignee = Change::Set(self.pick(units)),
            _ => change.status = Some(self.pick(&states)),
        }
        Edit::TaskChange(mission, id, change)
    }

    /// Remembers what came of an edit, so that later ones can be about it.
    pub(crate) fn made(&mut self, record: RecordId) {
        match record {
            RecordId::Incident(id) if !self.incidents.contains(&id) => self.incidents.push(id),
            RecordId::Task(id) if !self.tasks.contains(&id) => self.tasks.push(id),
            _ => {}
        }
    }
}
