//! The world: nodes, links and one queue of things to come, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::clock::Now;
use holdfast_domain::edit::{Edit, Outcome};
use holdfast_domain::entry::Signature;
use holdfast_domain::frame::LinkId;
use holdfast_domain::holders::Holders;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::{AuthorId, DeviceCredential, DeviceRole, OrgId, PublicKey};
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::Class;
use holdfast_driver::blobs::BlobConfig;
use holdfast_driver::effect::{Notice, Reply};
use holdfast_driver::engine::Engine;
use holdfast_driver::event::{Command, EditOptions, Event, Ticket};
use holdfast_driver::parcel::ParcelReader;
use holdfast_driver::parcel::sealing::ParcelKey;
use holdfast_driver::retention::Retention;
use holdfast_store::store::Store;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::happen::{Coming, TICK_ALONE_US};
use crate::harm::Cut;
use crate::link::{Link, Profile};
use crate::mallory::{Malice, Mallory};
use crate::record::Recorder;

/// The wall clock of the world at its start, Unix milliseconds.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// What makes a node act.
pub(crate) enum Mind {
    Engine(Box<Engine>),
    /// The power is off; this is on disk.
    Off(Store),
    /// Between two states, for the length of one call.
    Between,
    Mallory(Box<Mallory>),
}

/// One node of the world.
pub(crate) struct Node {
    pub(crate) mind: Mind,
    pub(crate) name: String,
    pub(crate) key: [u8; 32],
    pub(crate) device: DeviceCredential,
    /// How far the wall clock is from the world's, milliseconds.
    pub(crate) wall_offset_ms: i64,
    pub(crate) boots: u64,
    /// A copy of the disk that somebody put away, and when, microseconds.
    pub(crate) backup: Option<(Store, u64)>,
    /// The power goes with the next commit.
    pub(crate) cut: Option<Cut>,
    /// The tick to come; others are void.
    pub(crate) tick: u64,
    /// Whether it ticks slowly, being alone.
    pub(crate) alone: bool,
}

/// Something a node told its people, with the node.
pub type Told = (usize, Notice);

/// An edit that a node has acknowledged to its people.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// The node.
    pub node: usize,
    /// When, microseconds of virtual time.
    pub at_us: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// The world.
pub struct World {
    pub(crate) rng: ChaCha12Rng,
    pub(crate) authority: SigningKey,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    /// Connections that are up: link and end.
    pub(crate) connected: BTreeMap<LinkId, (usize, usize)>,
    pub(crate) queue: BinaryHeap<Reverse<(u64, u64, Coming)>>,
    pub(crate) now_us: u64,
    pub(crate) serial: u64,
    pub(crate) connections: u64,
    trace: blake3::Hasher,
    pub(crate) told: Vec<Told>,
    pub(crate) replies: BTreeMap<Ticket, Reply>,
    pub(crate) recorder: Option<Recorder>,
    /// Bytes of frames handed to links.
    pub bytes_sent: u64,
    /// The same by class.
    pub bytes_by_class: BTreeMap<Class, u64>,
    /// Frames handed to links.
    pub frames_sent: u64,
    /// Prefixes of frames, cut in two, that were handed to receivers.
    pub partials: u64,
    /// The most that a node ever had waiting for one link, bytes.
    pub queue_bytes_most: usize,
    /// What was acknowledged to people, to be found again at the end.
    pub acknowledged: Vec<Acknowledged>,
    /// How long nodes that are switched on from now on keep things, and when documents roll.
    pub retention: Retention,
    /// Between ticks of nodes without any connection, microseconds: long, since there is nobody to say anything to. Less
    /// where a story is about what such a node does by itself.
    pub tick_alone_us: u64,
    pub(crate) curious: bool,
    /// What nodes that are switched on from now on do about attachments.
    pub blobs: BlobConfig,
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
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
            connected: BTreeMap::new(),
            queue: BinaryHeap::new(),
            now_us: 0,
            serial: 0,
            connections: 0,
            trace: blake3::Hasher::new(),
            told: Vec::new(),
            replies: BTreeMap::new(),
            recorder: None,
            bytes_sent: 0,
            bytes_by_class: BTreeMap::new(),
            frames_sent: 0,
            partials: 0,
            queue_bytes_most: 0,
            // Clocks of the world jump by decades; what nodes show must be the same even so.
            retention: Retention {
                message_days: 36_500,
                track_full_hours: 876_000,
                track_sampled_days: 36_500,
                track_days: 36_500,
                ..Retention::default()
            },
            tick_alone_us: TICK_ALONE_US,
            curious: false,
            blobs: BlobConfig::default(),
            acknowledged: Vec::new(),
        }
    }

    /// Writes down everything that happens from now on; see [`crate::record`].
    pub fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// Adds a node with an empty disk and switches it on. One whose name begins with `hub` is a command post.
    pub fn node(&mut self, name: &str) -> usize {
        let mut key = [0; 32];
        self.rng.fill_bytes(&mut key);
        let role = if name.starts_with("hub") { DeviceRole::Hub } else { DeviceRole::Node };
        let device = self.vouch(&key, name, role, &self.authority);
        let node = self.push_node(name, key, device, Mind::Off(Store::memory().expect("a database in memory")), 0);
        self.power_on(node);
        node
    }

    /// Adds several nodes.
    pub fn nodes(&mut self, names: &[&str]) -> Vec<usize> {
        names.iter().map(|name| self.node(name)).collect()
    }

    /// Adds a device in bad hands. What it forges it forges in the name of `victim`.
    pub fn mallory(&mut self, malice: Malice, victim: usize) -> usize {
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        let key = SigningKey::from_bytes(&secret);
        let signer = if malice == Malice::Impostor { &key } else { &self.authority };
        let mut device = self.vouch(&secret, "mallory", DeviceRole::Node, signer);
        device.org = OrgId::of(&public(&self.authority));
        let victim = AuthorId::of(&self.nodes[victim].device.key, 0);
        let mind = Mind::Mallory(Box::new(Mallory { malice, key, device: device.clone(), victim }));
        self.push_node("mallory", secret, device, mind, 0)
    }

    pub(crate) fn push_node(
        &mut self,
        name: &str,
        key: [u8; 32],
        device: DeviceCredential,
        mind: Mind,
        boots: u64,
    ) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node {
            mind,
            name: name.to_owned(),
            key,
            device,
            wall_offset_ms: 0,
            boots,
            backup: None,
            cut: None,
            tick: 0,
            alone: true,
        });
        self.tick_later(node);
        node
    }

    fn vouch(&self, key: &[u8; 32], name: &str, role: DeviceRole, signer: &SigningKey) -> DeviceCredential {
        let mut device = DeviceCredential {
            org: OrgId::of(&public(&self.authority)),
            key: public(&SigningKey::from_bytes(key)),
            name: name.to_owned(),
            role,
            issued_ms: EPOCH_MS,
            signature: Signature([0; 64]),
        };
        device.signature = Signature(signer.sign(&device.signed_text()).to_bytes());
        device
    }

    /// Joins two nodes by a link and connects them.
    pub fn link(&mut self, a: usize, b: usize, profile: Profile) -> usize {
        self.links.push(Link::new([a, b], profile));
        let link = self.links.len() - 1;
        self.connect(link);
        link
    }

    /// The same, but the nodes are apart until the link is healed.
    pub fn link_apart(&mut self, a: usize, b: usize, profile: Profile) -> usize {
        self.links.push(Link::new([a, b], profile));
        let link = self.links.len() - 1;
        self.cut(link);
        link
    }

    /// Joins each node to the next.
    pub fn line(&mut self, nodes: &[usize], profile: Profile) -> Vec<usize> {
        nodes.windows(2).map(|pair| self.link(pair[0], pair[1], profile)).collect()
    }

    /// Joins each node to each.
    pub fn mesh(&mut self, nodes: &[usize], profile: Profile) {
        for (index, &a) in nodes.iter().enumerate() {
            for &b in &nodes[index + 1..] {
                self.link(a, b, profile);
            }
        }
    }

    pub(crate) fn note(&mut self, text: &[u8]) {
        self.trace.update(&self.now_us.to_le_bytes());
        self.trace.update(&(text.len() as u64).to_le_bytes());
        self.trace.update(text);
    }

    /// Gives a node a command and returns its answer; `None` if the node is off or loses its power over it.
    pub fn command(&mut self, node: usize, command: Command) -> Option<Reply> {
        self.serial += 1;
        let ticket = Ticket(self.serial);
        self.step(node, vec![Event::Command(ticket, command)]);
        self.replies.remove(&ticket)
    }

    /// Makes edits at a node as one gesture. What is taken is kept as acknowledged. A node without power saves nothing.
    pub fn edits(&mut self, node: usize, edits: Vec<Edit>) -> Result<Vec<Result<Outcome, Refusal>>, Refusal> {
        match self.command(node, Command::Edit { edits, options: EditOptions::default() }) {
            Some(Reply::Edited(Ok(outcomes))) => {
                let at_us = self.now_us;
                let taken = outcomes.iter().flatten().map(|&outcome| Acknowledged { node, at_us, outcome });
                self.acknowledged.extend(taken);
                Ok(outcomes)
            }
            Some(Reply::Edited(Err(refusal)) | Reply::NotSaved(refusal)) => Err(refusal),
            None => Err(Refusal::NotSaved { fault: "the power is off".to_owned() }),
            other => panic!("node {} gave {other:?}", self.nodes[node].name),
        }
    }

    /// Makes one edit at a node.
    pub fn edit(&mut self, node: usize, edit: Edit) -> Result<Outcome, Refusal> {
        self.edits(node, vec![edit])?.remove(0)
    }

    /// Asks a node something, as a face does.
    pub fn ask(&mut self, node: usize, command: Command) -> Reply {
        self.command(node, command).expect("a node that is on answers")
    }

    /// Asks in each step of each node how it does, and demands an answer that holds when the step is done.
    pub fn ask_at_every_step(&mut self) {
        self.curious = true;
    }

    /// Hands a frame of a bent program at one node to another, if they are connected.
    pub fn deliver(&mut self, from: usize, to: usize, frame: Vec<u8>) {
        let between = |link: &Link| link.up && link.ends.contains(&from) && link.ends.contains(&to);
        let Some(link) = self.links.iter().find(|link| between(link)) else { return };
        let id = link.ids[usize::from(link.ends[1] == to)];
        self.step(to, vec![Event::Frame { link: id, bytes: frame }]);
    }

    /// Who has a record of a mission, or of the org, as far as a node knows.
    pub fn holders(&mut self, node: usize, mission: Option<MissionId>, record: RecordId) -> Holders {
        match self.ask(node, Command::Holders { mission, record }) {
            Reply::Holders(Ok(holders)) => holders,
            other => panic!("node {node} cannot say who has {record}: {other:?}"),
        }
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
        match &self.nodes[node].mind {
            Mind::Engine(engine) => engine,
            _ => panic!("node {} is on", self.nodes[node].name),
        }
    }

    /// The same, to examine it.
    pub fn engine_mut(&mut self, node: usize) -> &mut Engine {
        match &mut self.nodes[node].mind {
            Mind::Engine(engine) => engine,
            _ => panic!("node {node} is on"),
        }
    }

    /// Whether a node runs an engine now.
    pub fn is_on(&self, node: usize) -> bool {
        matches!(self.nodes[node].mind, Mind::Engine(_))
    }

    /// A node's counters since it was switched on, by name.
    pub fn counters(&self, node: usize) -> BTreeMap<String, u64> {
        self.engine(node).status(self.now(node)).expect("a status").counters
    }

    /// The clocks of a node.
    pub fn now(&self, node: usize) -> Now {
        let wall = (EPOCH_MS + self.now_us / 1000) as i64 + self.nodes[node].wall_offset_ms;
        Now { mono_us: self.now_us, wall_ms: wall.max(0) as u64 }
    }

    /// Number of links.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// What a link does to bytes now.
    pub fn profile(&self, link: usize) -> Profile {
        self.links[link].profile
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
