//! What people do in the world: missions, incidents, tasks, units, messages, positions, drawn from the world's dice.

use holdfast_domain::alert::{AlertAck, AlertCancel, AlertNew, Response, Severity};
use holdfast_domain::edit::Edit;
use holdfast_domain::field::Change;
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::{AlertId, IncidentId, MissionId, TaskId, UnitId};
use holdfast_domain::incident::{IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::message::{Channel, MessageNew};
use holdfast_domain::mission::MissionNew;
use holdfast_domain::record::RecordId;
use holdfast_domain::task::{TaskChange, TaskNew, TaskStatus};
use holdfast_domain::track::{Fix, TrackNew};
use holdfast_domain::unit::{UnitChange, UnitNew, UnitStatus};

use crate::link::Profile;
use crate::mallory::Malice;
use crate::oracle::demand_agreement;
use crate::world::{EPOCH_MS, World};

/// A mission under way, with what its people know to be there.
#[derive(Debug, Clone)]
pub struct Story {
    /// The mission.
    pub mission: MissionId,
    /// Incidents made so far.
    pub incidents: Vec<IncidentId>,
    /// Tasks made so far.
    pub tasks: Vec<TaskId>,
    /// Units on the roster.
    pub units: Vec<UnitId>,
    /// Alerts raised so far, in the mission or in the org.
    pub alerts: Vec<(Option<MissionId>, AlertId)>,
    /// Fixes handed in as tracks, so that each has a time of its own.
    track_fixes: u64,
}

/// What is needed to report a fire.
pub fn fire(address: &str) -> IncidentNew {
    IncidentNew {
        id: None,
        number: None,
        kind: "Structure Fire".to_owned(),
        priority: 2,
        address: address.to_owned(),
        area: "Mission".to_owned(),
        position: LatLon::new(37.76, -122.42).ok(),
        notes: String::new(),
        opened_ms: None,
        status: None,
    }
}

/// What is needed to make a task.
pub fn task(title: &str) -> TaskNew {
    TaskNew {
        id: None,
        number: None,
        incident: None,
        title: title.to_owned(),
        details: String::new(),
        priority: 3,
        assignee: None,
        due_ms: None,
    }
}

/// What is needed to send a message to all.
pub fn message(text: &str) -> MessageNew {
    MessageNew { id: None, channel: Channel::Mission, text: text.to_owned() }
}

/// What is needed to raise an alert.
pub fn alert(title: &str) -> AlertNew {
    AlertNew {
        id: None,
        severity: Severity::Extreme,
        response: Response::Evacuate,
        title: title.to_owned(),
        text: String::new(),
        area: None,
        expires_ms: None,
    }
}

fn made(record: RecordId) -> RecordId {
    record
}

/// A hub and two vehicles in a row at work while a bent program hangs on to two of them; they come to agree.
pub fn beside(seed: u64, malice: Malice) -> (World, Vec<usize>, Story) {
    let mut world = World::new(seed);
    let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
    world.line(&nodes, Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(2_000);
    let mallory = world.mallory(malice, 0);
    world.link(mallory, nodes[0], Profile::LAN);
    world.link(nodes[1], mallory, Profile::LAN);
    story.busy(&mut world, &nodes, 40, 1_000);
    demand_agreement(&mut world, &nodes, 10_000);
    (world, nodes, story)
}

impl Story {
    /// Opens a mission at a node, with two units on its roster.
    pub fn begin(world: &mut World, node: usize) -> Self {
        let new = MissionNew { id: None, name: "Harbour fire".to_owned(), objective: String::new() };
        let outcome = world.edit(node, Edit::MissionOpen(new)).expect("a mission opens");
        let RecordId::Mission(mission) = made(outcome.record) else { panic!("a mission is a mission") };
        let mut story = Self {
            mission,
            incidents: Vec::new(),
            tasks: Vec::new(),
            units: Vec::new(),
            track_fixes: 0,
            alerts: Vec::new(),
        };
        for callsign in ["E07", "T03"] {
            story.unit(world, node, callsign);
        }
        story
    }

    /// Puts a unit on the roster.
    pub fn unit(&mut self, world: &mut World, node: usize, callsign: &str) -> UnitId {
        let new = UnitNew { id: None, callsign: callsign.to_owned(), kind: "ENGINE".to_owned(), home: String::new() };
        let outcome = world.edit(node, Edit::UnitAdd(self.mission, new)).expect("a unit is added");
        let RecordId::Unit(unit) = outcome.record else { panic!("a unit is a unit") };
        self.units.push(unit);
        unit
    }

    /// Reports an incident.
    pub fn incident(&mut self, world: &mut World, node: usize, address: &str) -> IncidentId {
        let outcome = world.edit(node, Edit::IncidentOpen(self.mission, fire(address))).expect("an incident opens");
        let RecordId::Incident(incident) = outcome.record else { panic!("an incident is an incident") };
        self.incidents.push(incident);
        incident
    }

    /// Makes a task.
    pub fn task(&mut self, world: &mut World, node: usize, title: &str) -> TaskId {
        let outcome = world.edit(node, Edit::TaskOpen(self.mission, task(title))).expect("a task opens");
        let RecordId::Task(task) = outcome.record else { panic!("a task is a task") };
        self.tasks.push(task);
        task
    }

    /// Sends a message to all.
    pub fn say(&self, world: &mut World, node: usize, text: &str) {
        world.edit(node, Edit::MessageSend(self.mission, message(text))).expect("a message goes");
    }

    /// Hands in a track of so many fixes from before the mission: bulk.
    pub fn track(&mut self, world: &mut World, node: usize, fixes: u64) {
        self.track_fixes += fixes;
        let oldest_ms = EPOCH_MS - self.track_fixes * 1_000;
        let at = |second: u64, fix: Fix| Fix { at_ms: oldest_ms + second * 1_000, ..fix };
        let fixes = (0..fixes).map(|second| at(second, fix(world, 0))).collect();
        let new = TrackNew { source: "world".to_owned(), fixes };
        world.edit(node, Edit::TrackAppend(self.mission, self.units[0], new)).expect("a track is taken");
    }

    /// Lets these nodes in turn do whatever the dice say, with pauses.
    pub fn busy(&mut self, world: &mut World, nodes: &[usize], rounds: usize, pause_ms: u64) {
        for round in 0..rounds {
            self.anything(world, nodes[round % nodes.len()]);
            world.run_for_ms(pause_ms);
        }
    }

    /// Assigns a task.
    pub fn assign(&self, world: &mut World, node: usize, task: TaskId, unit: UnitId) {
        let change = TaskChange { assignee: Change::Set(unit), ..TaskChange::default() };
        world.edit(node, Edit::TaskChange(self.mission, task, change)).expect("a task is assigned");
    }

    /// Somebody hears an alert, or tries to call it off.
    fn said_to_an_alert(&self, world: &mut World) -> Option<Edit> {
        let (place, id) = *self.alerts.get(world.dice(self.alerts.len()))?;
        Some(match world.dice(4) {
            0 => Edit::AlertCancel(place, id, AlertCancel::default()),
            _ => Edit::AlertAcknowledge(place, id, AlertAck::default()),
        })
    }

    /// Does something at a node, whatever the dice say. What is refused there is refused; that is part of life.
    pub fn anything(&mut self, world: &mut World, node: usize) {
        let pick = |world: &mut World, len: usize| if len == 0 { None } else { Some(world.dice(len)) };
        let roll = world.dice(14);
        let serial = world.now_ms();
        let edit = match roll {
            0 | 1 => Edit::IncidentOpen(self.mission, fire(&format!("{serial} Pier Street"))),
            2 => Edit::TaskOpen(self.mission, task(&format!("Lay hose {serial}"))),
            3 | 4 => Edit::MessageSend(self.mission, message(&format!("All well at {serial}"))),
            5 | 6 => {
                let Some(index) = pick(world, self.incidents.len()) else { return };
                let status = IncidentStatus::ALL[world.dice(IncidentStatus::ALL.len())];
                let notes = Change::Set(format!("seen at {serial}"));
                let change = IncidentChange { status: Some(status), notes, ..IncidentChange::default() };
                Edit::IncidentChange(self.mission, self.incidents[index], change)
            }
            7 => {
                let (Some(task), Some(unit)) = (pick(world, self.tasks.len()), pick(world, self.units.len())) else {
                    return;
                };
                let assignee = Change::Set(self.units[unit]);
                let change = TaskChange { assignee, status: Some(TaskStatus::Accepted), ..TaskChange::default() };
                Edit::TaskChange(self.mission, self.tasks[task], change)
            }
            8 => {
                let Some(index) = pick(world, self.units.len()) else { return };
                let status = UnitStatus::ALL[world.dice(UnitStatus::ALL.len())];
                let change = UnitChange { status: Some(status), ..UnitChange::default() };
                Edit::UnitChange(self.mission, self.units[index], change)
            }
            9 => {
                let Some(index) = pick(world, self.tasks.len()) else { return };
                let record = RecordId::Task(self.tasks[index]);
                if world.dice(2) == 0 {
                    Edit::Delete(self.mission, record)
                } else {
                    Edit::Restore(self.mission, record)
                }
            }
            12 => {
                let place = (world.dice(2) == 0).then_some(self.mission);
                Edit::AlertRaise(place, alert(&format!("Roof may come down {serial}")))
            }
            13 => {
                let Some(edit) = self.said_to_an_alert(world) else { return };
                edit
            }
            10 => {
                let Some(index) = pick(world, self.units.len()) else { return };
                Edit::PositionReport(self.mission, self.units[index], fix(world, serial))
            }
            _ => {
                let Some(index) = pick(world, self.units.len()) else { return };
                let fixes = (0..8).map(|second| fix(world, serial + second * 1000)).collect();
                let new = TrackNew { source: "world".to_owned(), fixes };
                Edit::TrackAppend(self.mission, self.units[index], new)
            }
        };
        let place = if let Edit::AlertRaise(place, _) = &edit { *place } else { None };
        if let Ok(outcome) = world.edit(node, edit) {
            match outcome.record {
                RecordId::Incident(id) if roll <= 1 => self.incidents.push(id),
                RecordId::Task(id) if roll == 2 => self.tasks.push(id),
                RecordId::Alert(id) if roll == 12 => self.alerts.push((place, id)),
                _ => {}
            }
        }
    }
}

fn fix(world: &mut World, serial_ms: u64) -> Fix {
    let (north, east) = (world.dice(1000) as f64, world.dice(1000) as f64);
    Fix {
        at_ms: EPOCH_MS + serial_ms,
        position: LatLon::new(37.7 + north / 1e4, -122.5 + east / 1e4).expect("San Francisco is on Earth"),
        altitude_dm: None,
        speed_cm_s: Some(900),
        course_cdeg: Some(9_000),
    }
}
