//! The Engine: takes what has queued up, commits once, and only then returns effects.

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::SigningKey;
use holdfast_domain::api::NodeStatus;
use holdfast_domain::clock::{Clock, Hlc, Now};
use holdfast_domain::entry::Entry;
use holdfast_domain::frame::{Bye, LinkId};
use holdfast_domain::frontier::Mark;
use holdfast_domain::identity::{AuthorId, Credential, DeviceCredential, DeviceId, PublicKey};
use holdfast_domain::limits::UNASKED_AFTER_START_MS;
use holdfast_domain::power::PowerStatus;
use holdfast_domain::record::Patch;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId};
use holdfast_protocol::protocol::{Effect as Said, Input, Protocol};
use holdfast_replica::replica::Replica;
use holdfast_store::error::StoreError;
use holdfast_store::store::{Store, Txn};
use holdfast_transport::identity::Authority;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::blobs::{BlobConfig, Blobs};
use crate::documents::Documents;
use crate::effect::{Effect, Notice, Reply};
use crate::event::{Command, Event, Ticket};
use crate::holders::Telling;
use crate::memory::speak;
use crate::packs::Wanted;
use crate::peers::Peers;
use crate::retention::Retention;
use crate::retention::floors::Floors;

/// Who this node is, what it may sign, and where its randomness comes from.
pub struct EngineConfig {
    /// The device's signing key.
    pub key: SigningKey,
    /// The org's word for this device.
    pub device: DeviceCredential,
    /// The org's authority key, against which every credential is checked.
    pub authority_key: PublicKey,
    /// The authority itself, on a device that may enrol others.
    pub authority: Option<Authority>,
    /// Seed of the engine's randomness: ids, epochs, invitations. Fresh from the system in the product, fixed in the
    /// simulated world.
    pub seed: [u8; 32],
    /// The boot floor of the clock that the caller knows: build time, GPS.
    pub floor_ms: u64,
    /// How long things are kept, and when documents roll.
    pub retention: Retention,
    /// Which attachments to fetch, and how much room they may take.
    pub blobs: BlobConfig,
}

/// The engine. Calls of [`Engine::step`] are the only way in; `now` must not fall in its monotonic part.
pub struct Engine {
    store: Store,
    core: Core,
}

/// All state in memory; it can be had again from the store at any time.
pub(crate) struct Core {
    pub(crate) config: EngineConfig,
    pub(crate) credential: Credential,
    pub(crate) clock: Clock,
    pub(crate) protocol: Protocol,
    pub(crate) replica: Replica,
    pub(crate) documents: Documents,
    pub(crate) peers: Peers,
    pub(crate) pending: crate::tracks::Pending,
    pub(crate) floors: Floors,
    pub(crate) rng: ChaCha12Rng,
    pub(crate) telling: Telling,
    /// Marks that peers may name, to be written down with the next commit.
    marks: Vec<(Mark, u64)>,
    pub(crate) counters: BTreeMap<&'static str, u64>,
    /// What the node runs on; its policy says what sync may spend. The driver alone learns of it, so it is not on disk.
    pub(crate) power: PowerStatus,
    /// When this run began, microseconds of its own clock.
    started_us: u64,
    /// When each device last said where it is reached.
    pub(crate) reached: BTreeMap<DeviceId, Hlc>,
    pub(crate) blobs: Blobs,
}

/// One step under way: an open transaction, and effects that wait for its commit.
pub(crate) struct Step<'a> {
    pub(crate) store: &'a Store,
    pub(crate) txn: &'a Txn<'a>,
    pub(crate) now: Now,
    pub(crate) out: Vec<Effect>,
    pub(crate) own: BTreeMap<StreamId, Vec<Entry>>,
    pub(crate) newest_rev: Option<u64>,
    pub(crate) dirty: bool,
    /// The newest step in which a chain grew, before this one.
    pub(crate) grown_before: u64,
}

impl Step<'_> {
    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.out.push(Effect::Reply(ticket, reply));
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.push(Effect::Notice(notice));
    }

    /// Applies patches to the views within the step's transaction.
    pub(crate) fn show(&mut self, patches: &[Patch]) -> Result<(), StoreError> {
        let revs = self.txn.apply(patches)?;
        self.newest_rev = self.newest_rev.max(revs.into_iter().max());
        Ok(())
    }
}

impl Engine {
    /// Loads what the store holds. `now` is the time of the boot.
    pub fn open(mut store: Store, config: EngineConfig, now: Now) -> Result<Self, StoreError> {
        let core = Core::load(&store, config, now)?;
        core.refresh_views(&mut store)?;
        Ok(Self { store, core })
    }

    /// Takes the events in, commits once, and returns what is to be done.
    pub fn step(&mut self, now: Now, events: Vec<Event>) -> Vec<Effect> {
        let tickets: Vec<Ticket> = events
            .iter()
            .filter_map(|event| if let Event::Command(ticket, _) = event { Some(*ticket) } else { None })
            .collect();
        let of_others = |event: &Event| {
            matches!(event, Event::Command(_, Command::Parcel(_))) || !matches!(event, Event::Command(..))
        };
        let (links, commands): (Vec<_>, Vec<_>) = events.into_iter().partition(of_others);
        let mut examined = Vec::new();
        // What peers say is taken in before what people here say: a peer may tell us that our epoch must rise.
        match Self::transact(&self.store, &mut self.core, now, links.into_iter().chain(commands), &mut examined) {
            Ok(mut effects) => {
                for ticket in examined {
                    let report = self.core.examine(&mut self.store);
                    effects.push(Effect::Reply(ticket, Reply::Examined(report)));
                }
                effects
            }
            Err(error) => self.recover(now, &tickets, &error),
        }
    }

    fn transact(
        store: &Store,
        core: &mut Core,
        now: Now,
        events: impl Iterator<Item = Event>,
        examined: &mut Vec<Ticket>,
    ) -> Result<Vec<Effect>, StoreError> {
        let txn = store.begin()?;
        let mut step = Step {
            store,
            txn: &txn,
            now,
            out: Vec::new(),
            own: BTreeMap::new(),
            newest_rev: None,
            dirty: false,
            grown_before: store.newest_growth()?,
        };
        let mut ticked = false;
        // How the node does is told of the step as a whole: between its parts a document may be about to turn.
        let mut asked = Vec::new();
        for event in events {
            match event {
                Event::Command(ticket, Command::Doctor) => examined.push(ticket),
                Event::Command(ticket, question @ (Command::Status | Command::Retention)) => {
                    asked.push((ticket, question));
                }
                event => {
                    ticked |= matches!(event, Event::Tick);
                    core.take_in(&mut step, event)?;
                }
            }
        }
        core.introduce_self(&mut step)?;
        core.seal(&mut step)?;
        core.follow_floors(&mut step, ticked)?;
        core.seal(&mut step)?;
        core.snapshot_long_tails(&mut step)?;
        for (ticket, question) in asked {
            core.command(&mut step, ticket, question)?;
        }
        let Step { mut out, newest_rev, dirty, .. } = step;
        if dirty {
            for (mark, grown) in core.marks.drain(..) {
                txn.put_mark(mark, grown)?;
            }
            txn.put_meta("clock", &core.clock.last().0.to_le_bytes())?;
            txn.commit()?;
            *core.counters.entry("commits").or_default() += 1;
        }
        out.extend(newest_rev.map(Effect::Changed));
        Ok(out)
    }

    /// After a failed commit nothing of the step counts: memory is loaded again from what is on disk, links begin
    /// again from frontiers, and every command of the step hears that it was not saved.
    fn recover(&mut self, now: Now, tickets: &[Ticket], error: &StoreError) -> Vec<Effect> {
        let fault = chain(error);
        let mut effects: Vec<Effect> = tickets
            .iter()
            .map(|&ticket| Effect::Reply(ticket, Reply::NotSaved(Refusal::NotSaved { fault: fault.clone() })))
            .collect();
        let links: Vec<LinkId> = self.core.protocol.links().map(|(link, ..)| link).collect();
        effects.extend(links.into_iter().map(|link| Effect::Close { link, reason: Bye::Leaving }));
        effects.push(Effect::Notice(Notice::CommitFailed(fault)));
        if let Err(error) = self.core.reload(&self.store, now) {
            effects.push(Effect::Fatal(chain(&error)));
        }
        effects
    }

    /// The store, for questions beside the engine.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The store, as a power cut would leave it.
    pub fn into_store(self) -> Store {
        self.store
    }

    /// What this node holds.
    pub fn frontier(&self) -> &holdfast_domain::frontier::Frontier {
        self.core.protocol.frontier()
    }

    /// The author this node writes as now.
    pub fn author(&self) -> AuthorId {
        self.core.credential.author()
    }

    /// The time that certificates are judged by at least, Unix milliseconds.
    pub fn clock_floor_ms(&self) -> u64 {
        self.core.clock.last().ms()
    }

    /// Changes that wait for a predecessor.
    pub fn held(&self) -> usize {
        self.core.replica.held()
    }

    /// How the node does; the same as [`Command::Status`] answers.
    pub fn status(&self, now: Now) -> Result<NodeStatus, StoreError> {
        self.core.status(&self.store, now)
    }
}

impl Core {
    fn load(store: &Store, config: EngineConfig, now: Now) -> Result<Self, StoreError> {
        let rng = ChaCha12Rng::from_seed(config.seed);
        let persisted = store.meta("clock")?.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let floor = Hlc(persisted.unwrap_or(0)).max(Hlc::new(config.floor_ms.max(now.wall_ms), 0));
        let epoch =
            store.meta("epoch")?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?))).unwrap_or(0);
        let credential = Credential { device: config.device.clone(), epoch };
        let peers = Peers::load(store)?;
        let floors = Floors::load(store)?;
        let protocol = speak(store, &config, &credential, &peers, &floors, now)?;
        let mut core = Self {
            floors,
            credential,
            clock: Clock::new(floor),
            protocol,
            replica: Replica::new(),
            documents: Documents::default(),
            peers,
            telling: Telling::default(),
            pending: crate::tracks::Pending::load(store, now)?,
            rng,
            marks: Vec::new(),
            counters: BTreeMap::new(),
            power: PowerStatus::default(),
            started_us: now.mono_us,
            reached: BTreeMap::new(),
            blobs: Blobs::new(store)?,
            config,
        };
        core.want_blobs(store, now)?;
        Ok(core)
    }

    fn reload(&mut self, store: &Store, now: Now) -> Result<(), StoreError> {
        let epoch =
            store.meta("epoch")?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?))).unwrap_or(0);
        self.credential.epoch = epoch;
        self.peers = Peers::load(store)?;
        self.pending = crate::tracks::Pending::load(store, now)?;
        self.floors = Floors::load(store)?;
        self.protocol = speak(store, &self.config, &self.credential, &self.peers, &self.floors, now)?;
        self.replica = Replica::new();
        self.documents = Documents::default();
        self.telling = Telling::default();
        self.marks.clear();
        self.protocol.handle(now, Input::Spend { bulk_every_s: self.power.policy.bulk_every_s });
        self.blobs = Blobs::new(store)?;
        self.want_blobs(store, now)
    }

    /// Whether this node may write of its own accord. A disk that was put back learns from its peers that it must write as
    /// another author, and must not have written before: its numbers are taken.
    pub(crate) fn may_write_unasked(&self, now: Now) -> bool {
        now.mono_us.saturating_sub(self.started_us) >= UNASKED_AFTER_START_MS * 1_000
    }

    /// The same for what is wanted soon: a peer that was met is as good as time.
    pub(crate) fn may_write_soon(&self, now: Now) -> bool {
        self.protocol.knows_a_peer() || self.may_write_unasked(now)
    }

    /// Takes in what a link or the clock tells.
    fn take_in(&mut self, step: &mut Step<'_>, event: Event) -> Result<(), StoreError> {
        let input = match event {
            Event::Up { link, device, address, outgoing } => {
                self.peers.up(link, device, address, step.now);
                Input::Up { link, device, outgoing }
            }
            Event::Down { link, partials } => {
                let silent_us = self.peers.down(link, step.now);
                Input::Down { link, silent_us, partials }
            }
            Event::Measured { link, rate_bps, rtt_us, lost_permille } => {
                Input::Measured { link, rate_bps, rtt_us, lost_permille }
            }
            Event::Silent { link, silent } => {
                self.peers.silent(link, silent, step.now);
                return Ok(());
            }
            Event::Frame { link, bytes } => {
                self.peers.heard(link, step.now);
                Input::Frame { link, bytes }
            }
            Event::Tick => {
                self.peers.persist(step)?;
                self.tell_holdings(step)?;
                self.seal_tracks(step)?;
                self.say(step, Input::Tick)?;
                return self.blobs_tick(step);
            }
            Event::Command(ticket, command) => return self.command(step, ticket, command),
        };
        self.say(step, input)
    }

    /// Hands one input to the protocol and does at once what needs no commit of its own; the rest waits in `step`.
    pub(crate) fn say(&mut self, step: &mut Step<'_>, input: Input) -> Result<(), StoreError> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for said in self.protocol.handle(step.now, input) {
                self.obey(step, said, &mut inputs)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, step: &mut Step<'_>, said: Said, inputs: &mut VecDeque<Input>) -> Result<(), StoreError> {
        match said {
            Said::Send { link, class, carriage, bytes } => {
                step.out.push(Effect::Send { link, class, carriage, bytes });
            }
            Said::Load { link, stream, wanted, bundle, raw_bytes, span_bytes } => {
                let wanted = Wanted { stream, authors: wanted, bundle, raw_bytes, span_bytes };
                inputs.push_back(self.load_pack(step, link, &wanted)?);
            }
            Said::Unpack { link, pack } => inputs.push_back(Self::unpack(step, link, pack)?),
            Said::Admit { link, entries, credentials } => {
                self.admit(step, &entries, &credentials)?;
                let entries = entries.iter().map(|entry| (entry.key, entry.digest)).collect();
                inputs.push_back(Input::Committed { from: Some(link), entries, credentials });
                inputs.extend(self.floors.news());
            }
            Said::Jump { stream, author, seq, digest } => {
                let passed = step.txn.jump(stream, author, seq, digest)?;
                step.dirty = true;
                self.floors.passed(stream, passed);
            }
            Said::Fork { stream, author, seq, rivals } => {
                step.txn.put_fork(stream, author, seq, &rivals)?;
                step.dirty = true;
                step.notice(Notice::Fork { stream, author, seq });
            }
            Said::Doubt { device } => step.notice(Notice::PeerDoubted { device }),
            Said::OwnHistory { .. } => inputs.push_back(self.raise_epoch(step)?),
            Said::Peer { device, credential, wall_offset_ms } => {
                self.peers.greeted(device, &credential, wall_offset_ms, step.now);
            }
            Said::PeerHeads { device, frontier, whole } => self.peers.holds(device, frontier, whole),
            Said::Marked { mark } => {
                // What this step has written so far is covered by the mark as well, but the step may go on.
                self.marks.push((mark, step.grown_before));
            }
            Said::Blob(effect) => inputs.extend(self.obey_blob(step, effect)?),
            Said::Close { link, reason } => {
                if reason.is_guilt() {
                    step.notice(Notice::PeerRefused { device: self.peers.device_of(link), reason });
                }
                step.out.push(Effect::Close { link, reason });
            }
        }
        Ok(())
    }

    fn command(&mut self, step: &mut Step<'_>, ticket: Ticket, command: Command) -> Result<(), StoreError> {
        let reply = match command {
            Command::Edit { edits, options } => Reply::Edited(self.gesture(step, edits, &options)?),
            Command::Holders { mission, record } => Reply::Holders(self.holders(step, mission, record)?),
            Command::ScopeHolders { mission } => {
                Reply::ScopeHolders(self.scope_holders(step, mission.map_or(Scope::Org, Scope::Mission))?)
            }
            Command::Status => Reply::Status(Box::new(self.status(step.store, step.now)?)),
            Command::Pause { device, paused } => {
                step.txn.put_peer_paused(device, paused)?;
                step.dirty = true;
                self.peers.pause(device, paused);
                self.say(step, Input::Pause { device, paused })?;
                Reply::Done(Ok(()))
            }
            Command::Invite(new) => Reply::Invited(self.invite(step, &new)?),
            Command::Enrol { secret_hash, key } => Reply::Enrolled(self.enrol(step, secret_hash, &key)?),
            Command::Power(power) => {
                self.power = *power;
                self.say(step, Input::Spend { bulk_every_s: self.power.policy.bulk_every_s })?;
                self.say(step, self.blob_traffic())?;
                Reply::Done(Ok(()))
            }
            Command::Reachable(addresses) => {
                self.reachable(step, addresses)?;
                Reply::Done(Ok(()))
            }
            Command::Parcel(request) => Reply::Parcel(self.parcel(step, request)?),
            Command::Roll { stream } => Reply::Rolled(self.roll_asked(step, stream)?),
            Command::Floor { stream } => Reply::Rolled(self.floor_asked(step, stream)?),
            Command::Retention => Reply::Retention(self.retention_status(step.store, step.now)?),
            Command::Blob(command) => Reply::Blob(self.blob_command(step, *command)?),
            Command::Doctor => return Ok(()),
        };
        step.reply(ticket, reply);
        Ok(())
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
