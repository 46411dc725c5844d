//! What happens: connections, packets, ticks, and the steps of nodes that come of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use holdfast_domain::api::NodeStatus;
use holdfast_domain::frame::{Carriage, LinkId};
use holdfast_domain::frontier::Fingerprint;
use holdfast_domain::identity::DeviceId;
use holdfast_domain::limits::{LINK_QUEUE_BYTES_MAX, LINK_QUEUE_FRAMES_MAX};
use holdfast_domain::scope::Class;
use holdfast_driver::effect::{Effect, Notice, Reply};
use holdfast_driver::event::{Command, Event, Ticket};
use rand_chacha::rand_core::Rng;

use crate::harm::Cut;
use crate::world::{Mind, World};

/// What is to come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coming {
    /// The last byte of a frame.
    Frame {
        link: usize,
        generation: u64,
        from: usize,
        number: u64,
    },
    /// The carrier can take more.
    Pump {
        link: usize,
        generation: u64,
        from: usize,
    },
    /// Both ends have measured a connection.
    Measured {
        link: usize,
        generation: u64,
    },
    Redial {
        link: usize,
    },
    Meet {
        link: usize,
    },
    Part {
        link: usize,
    },
    Tick {
        node: usize,
        tick: u64,
    },
}

/// How long a lost connection stays down before it is dialled again, microseconds.
const REDIAL_US: u64 = 500_000;
/// The same where one end was turned away for what it did.
const REDIAL_GUILTY_US: u64 = 20_000_000;
/// Between ticks of a node with connections, microseconds.
const TICK_US: u64 = 1_000_000;
/// The ticket of questions that the world itself asks.
const ASIDE: Ticket = Ticket(u64::MAX);
/// Between ticks of a node without any, unless a story says otherwise.
pub(crate) const TICK_ALONE_US: u64 = 600_000_000;

impl World {
    pub(crate) fn links_of(&self, node: usize) -> Vec<usize> {
        (0..self.links.len()).filter(|&link| self.links[link].ends.contains(&node)).collect()
    }

    pub(crate) fn connect(&mut self, link: usize) {
        let [a, b] = self.links[link].ends;
        let off = |node: usize| matches!(self.nodes[node].mind, Mind::Off(_) | Mind::Between);
        if self.links[link].up || self.links[link].cut || off(a) || off(b) {
            return;
        }
        let ids = [LinkId(self.connections + 1), LinkId(self.connections + 2)];
        self.connections += 2;
        self.links[link].connect(ids);
        for (end, id) in ids.into_iter().enumerate() {
            self.connected.insert(id, (link, end));
        }
        self.measure_later(link);
        for (end, id) in ids.into_iter().enumerate() {
            let (node, peer) = (self.links[link].ends[end], self.links[link].ends[1 - end]);
            let device: DeviceId = self.nodes[peer].device.device();
            let address = self.nodes[peer].name.clone();
            self.step(node, vec![Event::Up { link: id, device, address, outgoing: end == 0 }]);
            if std::mem::take(&mut self.nodes[node].alone) {
                self.tick_later(node);
            }
        }
    }

    pub(crate) fn disconnect(&mut self, link: usize) {
        if !self.links[link].up {
            return;
        }
        let [from_a, from_b] = self.links[link].disconnect(self.now_us);
        let (ends, ids) = (self.links[link].ends, self.links[link].ids);
        for (end, partials) in [from_b, from_a].into_iter().enumerate() {
            self.connected.remove(&ids[end]);
            self.partials += partials.len() as u64;
            self.step(ends[end], vec![Event::Down { link: ids[end], partials }]);
        }
    }

    /// Lets both ends measure a connection, a round trip from now.
    pub(crate) fn measure_later(&mut self, link: usize) {
        let (rtt_us, generation) = (self.links[link].profile.rtt_us(), self.links[link].generation);
        self.later(rtt_us, Coming::Measured { link, generation });
    }

    pub(crate) fn later(&mut self, after_us: u64, coming: Coming) {
        self.serial += 1;
        self.queue.push(Reverse((self.now_us + after_us, self.serial, coming)));
    }

    pub(crate) fn tick_later(&mut self, node: usize) {
        self.nodes[node].tick += 1;
        let tick = self.nodes[node].tick;
        self.later(if self.nodes[node].alone { self.tick_alone_us } else { TICK_US }, Coming::Tick { node, tick });
    }

    /// Hands events to a node and carries out what it wants.
    pub(crate) fn step(&mut self, node: usize, mut events: Vec<Event>) {
        let now = self.now(node);
        if self.curious {
            events.push(Event::Command(ASIDE, Command::Status));
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.events(self.now_us, &self.nodes[node].name, &events);
        }
        let effects = match &mut self.nodes[node].mind {
            Mind::Engine(engine) => engine.step(now, events),
            Mind::Mallory(mallory) => events.iter().flat_map(|event| mallory.step(now, event)).collect(),
            Mind::Off(_) | Mind::Between => return,
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.effects(self.now_us, &self.nodes[node].name, &effects);
        }
        if self.is_cut_by(node, &effects) {
            return self.power_cut(node);
        }
        for effect in effects {
            self.carry_out(node, effect);
        }
    }

    /// Whether this step made the commit with which the power goes.
    fn is_cut_by(&self, node: usize, effects: &[Effect]) -> bool {
        let failed = |effect: &Effect| matches!(effect, Effect::Notice(Notice::CommitFailed(_)));
        let changed = |effect: &Effect| matches!(effect, Effect::Changed(_));
        match self.nodes[node].cut {
            None => false,
            Some(Cut::AtCommit) => effects.iter().any(failed),
            Some(Cut::AfterCommit) => effects.iter().any(changed),
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Reply(ASIDE, Reply::Status(said)) => self.demand_whole(node, &said),
            Effect::Reply(ticket, reply) => {
                self.replies.insert(ticket, reply);
            }
            Effect::Send { link, class, carriage, bytes } => self.send(node, link, (class, carriage), bytes),
            Effect::Close { link, reason } => {
                if let Some(&(link, _)) = self.connected.get(&link) {
                    self.disconnect(link);
                    let pause_us = if reason.is_guilt() { REDIAL_GUILTY_US } else { REDIAL_US };
                    self.later(pause_us, Coming::Redial { link });
                }
            }
            Effect::Notice(notice) => {
                self.note(format!("{node} {notice:?}").as_bytes());
                self.told.push((node, notice));
            }
            Effect::Learned(_) | Effect::Changed(_) => {}
            Effect::Fatal(fault) => panic!("node {} cannot go on: {fault}", self.nodes[node].name),
        }
    }

    /// Demands that what a node said of itself in the midst of a step is what the step came to.
    fn demand_whole(&self, node: usize, said: &NodeStatus) {
        let scopes = self.engine(node).frontier().scopes();
        let held: BTreeMap<String, Fingerprint> =
            scopes.map(|(scope, held)| (scope.to_string(), held.content())).collect();
        assert_eq!(said.scopes, held, "node {} told of half a step", self.nodes[node].name);
    }

    fn send(&mut self, node: usize, id: LinkId, way: (Class, Carriage), mut bytes: Vec<u8>) {
        let Some(&(link, from)) = self.connected.get(&id) else { return };
        self.bytes_sent += bytes.len() as u64;
        *self.bytes_by_class.entry(way.0).or_default() += bytes.len() as u64;
        self.frames_sent += 1;
        self.note(&bytes);
        let profile = self.links[link].profile;
        let mut chance = |permille: u32| permille > 0 && self.rng.next_u32() % 1000 < permille;
        let (replayed, forged, held_back) =
            (chance(profile.replay_permille), chance(profile.forge_permille), chance(profile.reorder_permille));
        if forged && !bytes.is_empty() {
            let place = self.rng.next_u32() as usize % bytes.len();
            bytes[place] ^= 1 << (self.rng.next_u32() % 8);
        }
        let withheld_us = if held_back { profile.rtt_us() * 3 } else { 0 };
        let mut pump = replayed && self.links[link].take(from, way, bytes.clone(), 0);
        pump |= self.links[link].take(from, way, bytes, withheld_us);
        let (waiting_frames, waiting_bytes) = self.links[link].waiting(from);
        self.queue_bytes_most = self.queue_bytes_most.max(waiting_bytes);
        assert!(
            waiting_bytes <= LINK_QUEUE_BYTES_MAX && waiting_frames <= LINK_QUEUE_FRAMES_MAX,
            "node {} has {waiting_frames} frames of {waiting_bytes} bytes waiting for one link",
            self.nodes[node].name
        );
        if pump {
            self.pump(link, from);
        }
    }

    fn pump(&mut self, link: usize, from: usize) {
        let pumped = self.links[link].pump(self.now_us, from, &mut self.rng);
        let generation = self.links[link].generation;
        for (at, number) in pumped.arrivals {
            self.later(at - self.now_us, Coming::Frame { link, generation, from, number });
        }
        if let Some(at) = pumped.again_us {
            self.later(at - self.now_us, Coming::Pump { link, generation, from });
        }
    }

    /// Lets virtual time pass.
    pub fn run_for_ms(&mut self, ms: u64) {
        let end = self.now_us + ms * 1000;
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            let Some(Reverse((at, _, coming))) = self.queue.pop() else { break };
            self.now_us = at;
            self.happen(coming);
        }
        self.now_us = end;
    }

    /// Plans a meeting over a link that is cut: up after `from_ms`, down after `until_ms`, counted from now.
    pub fn plan_contact(&mut self, link: usize, from_ms: u64, until_ms: u64) {
        self.later(from_ms * 1000, Coming::Meet { link });
        self.later(until_ms * 1000, Coming::Part { link });
    }

    fn is_current(&self, link: usize, generation: u64) -> bool {
        self.links[link].up && self.links[link].generation == generation
    }

    fn happen(&mut self, coming: Coming) {
        match coming {
            Coming::Frame { link, generation, from, number } if self.is_current(link, generation) => {
                let Some(bytes) = self.links[link].land(from, number) else { return };
                let (to, id) = (self.links[link].ends[1 - from], self.links[link].ids[1 - from]);
                self.step(to, vec![Event::Frame { link: id, bytes }]);
            }
            Coming::Pump { link, generation, from } if self.is_current(link, generation) => self.pump(link, from),
            Coming::Measured { link, generation } if self.is_current(link, generation) => {
                let (ends, ids, profile) = (self.links[link].ends, self.links[link].ids, self.links[link].profile);
                for end in 0..2 {
                    let measured = Event::Measured {
                        link: ids[end],
                        rate_bps: Some(profile.rate_bps[end]),
                        rtt_us: profile.rtt_us(),
                        lost_permille: profile.loss.mean_permille(),
                    };
                    self.step(ends[end], vec![measured]);
                }
            }
            Coming::Frame { .. } | Coming::Pump { .. } | Coming::Measured { .. } => {}
            Coming::Redial { link } => self.connect(link),
            Coming::Meet { link } => self.heal_link(link),
            Coming::Part { link } => self.cut(link),
            Coming::Tick { node, tick } => self.tick(node, tick),
        }
    }

    fn tick(&mut self, node: usize, tick: u64) {
        if self.nodes[node].tick != tick {
            return;
        }
        if self.is_on(node) {
            self.step(node, vec![Event::Tick]);
        }
        self.nodes[node].alone = !self.links.iter().any(|link| link.up && link.ends.contains(&node));
        self.tick_later(node);
    }
}
