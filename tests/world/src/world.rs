//! The world: nodes, links and one queue of things to come, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::clock::Now;
use holdfast_domain::edit::{Edit, Outcome};
use holdfast_domain::entry::Signature;
use holdfast_domain::frame::LinkId;
use holdfast_domain::identity::{DeviceCredential, DeviceId, DeviceRole, OrgId, PublicKey};
use holdfast_domain::refusal::Refusal;
use holdfast_driver::effect::{Effect, Notice, Reply};
use holdfast_driver::engine::{Engine, EngineConfig};
use holdfast_driver::event::{Command, EditOptions, Event, Ticket};
use holdfast_driver::parcel::ParcelReader;
use holdfast_driver::parcel::sealing::ParcelKey;
use holdfast_driver::retention::Retention;
use holdfast_store::store::Store;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::link::{Link, Profile};

/// The wall clock of the world at its start, Unix milliseconds.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// What is to come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    Frame { link: usize, generation: u64, to: usize, bytes: Vec<u8> },
    Redial { link: usize },
    Tick { node: usize },
}

/// One node of the world.
struct Node {
    engine: Option<Engine>,
    /// What is on disk while the power is off.
    disk: Option<Store>,
    name: String,
    key: [u8; 32],
    device: DeviceCredential,
    /// How far the wall clock is from the world's, milliseconds.
    wall_offset_ms: i64,
    boots: u64,
}

/// Something a node told its people, with the node.
pub type Told = (usize, Notice);

/// The world.
pub struct World {
    rng: ChaCha12Rng,
    authority: SigningKey,
    nodes: Vec<Node>,
    links: Vec<Link>,
    queue: BinaryHeap<Reverse<(u64, u64, Coming)>>,
    now_us: u64,
    serial: u64,
    connections: u64,
    trace: blake3::Hasher,
    told: Vec<Told>,
    replies: BTreeMap<Ticket, Reply>,
    /// Bytes of frames handed to links.
    pub bytes_sent: u64,
    /// Frames handed to links.
    pub frames_sent: u64,
    /// How long nodes that are switched on from now on keep things, and when documents roll.
    pub retention: Retention,
    /// Entries and edits acknowledged to people, to be found again at the end.
    pub acknowledged: Vec<Outcome>,
}

/// How long a lost connection stays down before it is dialled again, microseconds.
const REDIAL_US: u64 = 500_000;
/// Between ticks of a node, microseconds.
const TICK_US: u64 = 1_000_000;

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

impl World {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self {
            rng,
            authority: SigningKey::from_bytes(&secret),
            nodes: Vec::new(),
            links: Vec::new(),
            queue: BinaryHeap::new(),
            now_us: 0,
            serial: 0,
            connections: 0,
            trace: blake3::Hasher::new(),
            told: Vec::new(),
            replies: BTreeMap::new(),
            bytes_sent: 0,
            frames_sent: 0,
            // Clocks of the world jump by decades; what nodes show must be the same even so.
            retention: Retention { message_days: 36_500, track_days: 36_500, ..Retention::default() },
            acknowledged: Vec::new(),
        }
    }

    /// Adds a node with an empty disk and switches it on.
    pub fn node(&mut self, name: &str) -> usize {
        let mut key = [0; 32];
        self.rng.fill_bytes(&mut key);
        let role = if name.starts_with("hub") { DeviceRole::Hub } else { DeviceRole::Node };
        let device = self.vouch(&key, name, role);
        self.push_node(Node {
            engine: None,
            disk: Some(Store::memory().expect("a database in memory")),
            name: name.to_owned(),
            key,
            device,
            wall_offset_ms: 0,
            boots: 0,
        })
    }

    fn push_node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        let index = self.nodes.len() - 1;
        self.power_on(index);
        self.later(TICK_US, Coming::Tick { node: index });
        index
    }

    fn vouch(&self, key: &[u8; 32], name: &str, role: DeviceRole) -> DeviceCredential {
        let authority = public(&self.authority);
        let mut device = DeviceCredential {
            org: OrgId::of(&authority),
            key: public(&SigningKey::from_bytes(key)),
            name: name.to_owned(),
            role,
            issued_ms: EPOCH_MS,
            signature: Signature([0; 64]),
        };
        device.signature = Signature(self.authority.sign(&device.signed_text()).to_bytes());
        device
    }

    /// Copies a node's disk and key into another machine, as somebody does who clones an SD card. The clone is on.
    pub fn clone_disk(&mut self, node: usize) -> usize {
        let original = &self.nodes[node];
        let store = original.engine.as_ref().map(Engine::store).or(original.disk.as_ref()).expect("a disk");
        let clone = Node {
            engine: None,
            disk: Some(store.fork_copy().expect("a copy in memory")),
            name: format!("clone of {}", original.name),
            key: original.key,
            device: original.device.clone(),
            wall_offset_ms: original.wall_offset_ms,
            boots: 1_000,
        };
        self.push_node(clone)
    }

    /// Sets a node's wall clock apart from the world's.
    pub fn set_clock(&mut self, node: usize, wall_ms: u64) {
        let world_ms = EPOCH_MS + self.now_us / 1000;
        self.nodes[node].wall_offset_ms = wall_ms as i64 - world_ms as i64;
    }

    fn now(&self, node: usize) -> Now {
        let wall = (EPOCH_MS + self.now_us / 1000) as i64 + self.nodes[node].wall_offset_ms;
        Now { mono_us: self.now_us, wall_ms: wall.max(0) as u64 }
    }

    /// Switches a node on, from what is on its disk.
    pub fn power_on(&mut self, node: usize) {
        let now = self.now(node);
        let authority_key = public(&self.authority);
        let this = &mut self.nodes[node];
        let Some(store) = this.disk.take() else { return };
        store.fail_commits(false);
        this.boots += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&this.boots.to_le_bytes());
        seed[8..16].copy_from_slice(&(node as u64).to_le_bytes());
        let config = EngineConfig {
            key: SigningKey::from_bytes(&this.key),
            device: this.device.clone(),
            authority_key,
            authority: None,
            seed,
            floor_ms: 0,
            retention: self.retention.clone(),
        };
        this.engine = Some(Engine::open(store, config, now).expect("a store that a power cut left opens"));
        let links: Vec<usize> = (0..self.links.len()).filter(|&link| self.links[link].ends.contains(&node)).collect();
        for link in links {
            self.later(0, Coming::Redial { link });
        }
    }

    /// Cuts a node's power: all in memory is gone, what was committed stays.
    pub fn power_cut(&mut self, node: usize) {
        self.note(format!("power cut at {}", self.nodes[node].name).as_bytes());
        let Some(engine) = self.nodes[node].engine.take() else { return };
        self.nodes[node].disk = Some(engine.into_store());
        for link in 0..self.links.len() {
            if self.links[link].ends.contains(&node) {
                self.disconnect(link);
            }
        }
    }

    /// Lets a node's next commits fail, as a full or dying disk does.
    pub fn fail_commits(&mut self, node: usize, fail: bool) {
        if let Some(engine) = &self.nodes[node].engine {
            engine.store().fail_commits(fail);
        }
    }

    /// Joins two nodes by a link and connects them.
    pub fn link(&mut self, a: usize, b: usize, profile: Profile) -> usize {
        self.links.push(Link::new([a, b], profile));
        let link = self.links.len() - 1;
        self.connect(link);
        link
    }

    /// Changes what a link does to bytes; frames under way are not affected.
    pub fn set_profile(&mut self, link: usize, profile: Profile) {
        self.links[link].profile = profile;
    }

    /// Parts the nodes: links between the two groups go down and stay down.
    pub fn part(&mut self, left: &[usize], right: &[usize]) {
        for link in 0..self.links.len() {
            let [a, b] = self.links[link].ends;
            if (left.contains(&a) && right.contains(&b)) || (left.contains(&b) && right.contains(&a)) {
                self.cut(link);
            }
        }
    }

    /// Takes a link down until [`World::heal`].
    pub fn cut(&mut self, link: usize) {
        self.disconnect(link);
        self.links[link].profile.rate_bps = self.links[link].profile.rate_bps.max(1);
        self.links[link].generation |= CUT;
    }

    /// Brings every cut link up again.
    pub fn heal(&mut self) {
        for link in 0..self.links.len() {
            self.links[link].generation &= !CUT;
            self.later(0, Coming::Redial { link });
        }
    }

    fn connect(&mut self, link: usize) {
        let [a, b] = self.links[link].ends;
        let down = self.links[link].up || self.links[link].generation & CUT != 0;
        if down || self.nodes[a].engine.is_none() || self.nodes[b].engine.is_none() {
            return;
        }
        let ids = [LinkId(self.connections + 1), LinkId(self.connections + 2)];
        self.connections += 2;
        self.links[link].connect(ids);
        for (end, id) in ids.into_iter().enumerate() {
            let (node, peer) = (self.links[link].ends[end], self.links[link].ends[1 - end]);
            let device: DeviceId = self.nodes[peer].device.device();
            let address = self.nodes[peer].name.clone();
            self.step(node, vec![Event::Up { link: id, device, address, outgoing: end == 0 }]);
        }
    }

    fn disconnect(&mut self, link: usize) {
        if !std::mem::take(&mut self.links[link].up) {
            return;
        }
        for end in 0..2 {
            let id = self.links[link].ids[end];
            self.step(self.links[link].ends[end], vec![Event::Down { link: id, partials: Vec::new() }]);
        }
    }

    fn later(&mut self, after_us: u64, coming: Coming) {
        self.serial += 1;
        self.queue.push(Reverse((self.now_us + after_us, self.serial, coming)));
    }

    fn note(&mut self, text: &[u8]) {
        self.trace.update(&self.now_us.to_le_bytes());
        self.trace.update(&(text.len() as u64).to_le_bytes());
        self.trace.update(text);
    }

    /// Hands events to a node and carries out what it wants.
    fn step(&mut self, node: usize, events: Vec<Event>) {
        let now = self.now(node);
        let Some(engine) = &mut self.nodes[node].engine else { return };
        for effect in engine.step(now, events) {
            match effect {
                Effect::Reply(ticket, reply) => {
                    self.replies.insert(ticket, reply);
                }
                Effect::Send { link, class, bytes, .. } => self.send(node, link, class, bytes),
                Effect::Close { link, .. } => {
                    if let Some(link) = self.link_of(node, link) {
                        self.disconnect(link);
                        self.later(REDIAL_US, Coming::Redial { link });
                    }
                }
                Effect::Notice(notice) => {
                    self.note(format!("{node} {notice:?}").as_bytes());
                    self.told.push((node, notice));
                }
                Effect::Changed(_) => {}
                Effect::Fatal(fault) => panic!("node {} cannot go on: {fault}", self.nodes[node].name),
            }
        }
    }

    fn link_of(&self, node: usize, id: LinkId) -> Option<usize> {
        self.links.iter().position(|link| link.up && (0..2).any(|end| link.ends[end] == node && link.ids[end] == id))
    }

    fn send(&mut self, node: usize, id: LinkId, class: holdfast_domain::scope::Class, mut bytes: Vec<u8>) {
        let Some(link) = self.link_of(node, id) else { return };
        self.bytes_sent += bytes.len() as u64;
        self.frames_sent += 1;
        self.note(&bytes);
        let profile = self.links[link].profile;
        let copies = 1 + u32::from(self.rng.next_u32() % 1000 < profile.replay_permille);
        if self.rng.next_u32() % 1000 < profile.forge_permille && !bytes.is_empty() {
            let place = self.rng.next_u32() as usize % bytes.len();
            bytes[place] ^= 1 << (self.rng.next_u32() % 8);
        }
        let from = usize::from(self.links[link].ids[1] == id);
        for _ in 0..copies {
            let size = bytes.len() as u64;
            let at = self.links[link].arrival_us(self.now_us, from, class, size, &mut self.rng);
            let (generation, to) = (self.links[link].generation, self.links[link].ends[1 - from]);
            self.later(at - self.now_us, Coming::Frame { link, generation, to, bytes: bytes.clone() });
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

    fn happen(&mut self, coming: Coming) {
        match coming {
            Coming::Frame { link, generation, to, bytes } => {
                let state = &self.links[link];
                if state.up && state.generation == generation {
                    let id = state.ids[usize::from(state.ends[1] == to)];
                    self.step(to, vec![Event::Frame { link: id, bytes }]);
                }
            }
            Coming::Redial { link } => self.connect(link),
            Coming::Tick { node } => {
                self.step(node, vec![Event::Tick]);
                self.later(TICK_US, Coming::Tick { node });
            }
        }
    }

    /// Makes edits at a node as one gesture. What is taken is kept as acknowledged.
    pub fn edits(&mut self, node: usize, edits: Vec<Edit>) -> Result<Vec<Result<Outcome, Refusal>>, Refusal> {
        self.serial += 1;
        let ticket = Ticket(self.serial);
        let command = Command::Edit { edits, options: EditOptions::default() };
        self.step(node, vec![Event::Command(ticket, command)]);
        match self.replies.remove(&ticket) {
            Some(Reply::Edited(Ok(outcomes))) => {
                self.acknowledged.extend(outcomes.iter().flatten().copied());
                Ok(outcomes)
            }
            Some(Reply::Edited(Err(refusal)) | Reply::NotSaved(refusal)) => Err(refusal),
            other => panic!("node {} is off or gave {other:?}", self.nodes[node].name),
        }
    }

    /// Makes one edit at a node.
    pub fn edit(&mut self, node: usize, edit: Edit) -> Result<Outcome, Refusal> {
        self.edits(node, vec![edit])?.remove(0)
    }

    /// Asks a node something, as a face does.
    pub fn ask(&mut self, node: usize, command: Command) -> Reply {
        self.serial += 1;
        let ticket = Ticket(self.serial);
        self.step(node, vec![Event::Command(ticket, command)]);
        self.replies.remove(&ticket).expect("a node that is on answers")
    }

    /// Hands a frame of a bent program at one node to another, if they are connected.
    pub fn deliver(&mut self, from: usize, to: usize, frame: Vec<u8>) {
        let between = |link: &Link| link.up && link.ends.contains(&from) && link.ends.contains(&to);
        let Some(link) = self.links.iter().find(|link| between(link)) else { return };
        let id = link.ids[usize::from(link.ends[1] == to)];
        self.step(to, vec![Event::Frame { link: id, bytes: frame }]);
    }

    /// What a node proves and reads parcels with.
    pub fn parcel_reader(&self, node: usize) -> ParcelReader {
        let node = &self.nodes[node];
        ParcelReader {
            org: node.device.org,
            authority: public(&self.authority),
            key: ParcelKey::of_device(&SigningKey::from_bytes(&node.key)),
        }
    }

    /// A node's private key, for those who lie in its name.
    pub fn key(&self, node: usize) -> SigningKey {
        SigningKey::from_bytes(&self.nodes[node].key)
    }

    /// A node's credential.
    pub fn device(&self, node: usize) -> &DeviceCredential {
        &self.nodes[node].device
    }

    /// What nodes told their people.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// The engine of a node that is on.
    pub fn engine(&self, node: usize) -> &Engine {
        self.nodes[node].engine.as_ref().expect("the node is on")
    }

    /// The same, to examine it.
    pub fn engine_mut(&mut self, node: usize) -> &mut Engine {
        self.nodes[node].engine.as_mut().expect("the node is on")
    }

    /// Number of nodes.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Time since the start, milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// A number below `bound` from the world's dice.
    pub fn dice(&mut self, bound: usize) -> usize {
        self.rng.next_u32() as usize % bound.max(1)
    }

    /// A hash over every frame sent, in order and time: equal for two runs of one seed.
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }
}

/// Mark in a link's generation while it is cut.
const CUT: u64 = 1 << 63;
