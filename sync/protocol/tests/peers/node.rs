//! One node: a protocol, a store in memory, and the driver's part between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holdfast_domain::blob::BlobKey;
use holdfast_domain::clock::Now;
use holdfast_domain::entry::{Digest, Entry, EntryKey};
use holdfast_domain::frame::{Bye, LinkId, Pack, PackForm, capability};
use holdfast_domain::frontier::{Frontier, Mark};
use holdfast_domain::identity::{AuthorId, Credential, DeviceId};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::{Class, Family, StreamId};
use holdfast_protocol::blob::{BlobEffect, BlobInput, PartRefused};
use holdfast_protocol::protocol::{Config, Effect, HeldHead, Input, Memory, Protocol};

use crate::org;

/// What is on disk. Registers are keyed by the first byte of their body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) chains: BTreeMap<(StreamId, AuthorId), Vec<Entry>>,
    pub(crate) registers: BTreeMap<(StreamId, AuthorId, u8), Entry>,
    pub(crate) heads: BTreeMap<(StreamId, AuthorId), (u64, Digest)>,
    pub(crate) credentials: BTreeMap<AuthorId, Credential>,
    pub(crate) forks: BTreeSet<(StreamId, AuthorId)>,
    /// The commit that each chain grew in last.
    arrived: BTreeMap<(StreamId, AuthorId), u64>,
    commits: u64,
    pub(crate) bases: BTreeMap<DeviceId, Frontier>,
    /// Which groups of which blobs are here.
    pub(crate) blobs: BTreeMap<BlobKey, Ranges>,
    pub(crate) marks: Vec<(Mark, u64)>,
}

impl Store {
    fn keep(&mut self, entry: &Entry) {
        let chain = (entry.key.stream, entry.key.author);
        let head = self.heads.get(&chain).copied();
        if entry.key.stream.kind.family() == Family::Register {
            assert!(head.is_none_or(|(seq, _)| seq < entry.key.seq), "registers come in order");
            let slot = entry.body.first().copied().unwrap_or(0);
            self.registers.insert((chain.0, chain.1, slot), entry.clone());
        } else {
            assert_eq!(head.map_or(1, |(seq, _)| seq + 1), entry.key.seq, "a chain has no hole and no duplicate");
            self.chains.entry(chain).or_default().push(entry.clone());
        }
        self.heads.insert(chain, (entry.key.seq, entry.digest));
        self.arrived.insert(chain, self.commits);
    }

    fn memory(&self) -> Memory {
        let head = |(&(stream, author), &(seq, digest))| {
            let arrived = self.arrived.get(&(stream, author)).copied().unwrap_or(0);
            HeldHead { stream, author, seq, digest, arrived, base: 0 }
        };
        Memory {
            heads: self.heads.iter().map(head).collect(),
            credentials: self.credentials.values().cloned().collect(),
            forks: self.forks.iter().copied().collect(),
            bases: self.bases.iter().map(|(device, base)| (*device, base.clone())).collect(),
            floors: Vec::new(),
            marks: self.marks.clone(),
        }
    }

    pub(crate) fn entries(&self, stream: StreamId, author: AuthorId) -> Vec<Entry> {
        if stream.kind.family() == Family::Register {
            let slots = (stream, author, 0)..=(stream, author, u8::MAX);
            let mut entries: Vec<Entry> = self.registers.range(slots).map(|(_, entry)| entry.clone()).collect();
            entries.sort_by_key(|entry| entry.key.seq);
            return entries;
        }
        self.chains.get(&(stream, author)).cloned().unwrap_or_default()
    }

    /// Runs from the wanted numbers on, each ending at a signed entry, `bytes_max` of bodies in all.
    fn run(&self, stream: StreamId, wanted: &[(AuthorId, u64)], bytes_max: usize) -> Vec<Entry> {
        let mut out: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for &(author, first) in wanted {
            let mut run = Vec::new();
            let mut kept = 0;
            for entry in self.entries(stream, author).into_iter().filter(|entry| entry.key.seq >= first) {
                if bytes + entry.body.len() > bytes_max && (kept > 0 || !out.is_empty()) {
                    break;
                }
                bytes += entry.body.len();
                let signed = entry.signature.is_some();
                run.push(entry);
                kept = if signed { run.len() } else { kept };
            }
            run.truncate(kept);
            out.extend(run);
        }
        out
    }

    fn digests(&self, stream: StreamId, author: AuthorId, wanted: &BTreeSet<u64>) -> Vec<(u64, Digest)> {
        let entries = self.entries(stream, author).into_iter();
        entries.filter(|entry| wanted.contains(&entry.key.seq)).map(|entry| (entry.key.seq, entry.digest)).collect()
    }
}

/// What a node was told, for the tests to look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) forks: Vec<(StreamId, AuthorId, u64, Vec<Entry>)>,
    pub(crate) own_history: Vec<(StreamId, u64)>,
    pub(crate) doubted: Vec<DeviceId>,
    pub(crate) peers: Vec<(DeviceId, i64)>,
    pub(crate) heads: BTreeMap<DeviceId, Frontier>,
    pub(crate) closed: Vec<Bye>,
    pub(crate) admits: usize,
    pub(crate) holders: BTreeMap<(DeviceId, BlobKey), bool>,
}

/// What leaves a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outward {
    Send(LinkId, Class, Vec<u8>),
    Close(LinkId),
}

pub(crate) struct Node {
    pub(crate) number: u8,
    pub(crate) epoch: u32,
    pub(crate) protocol: Protocol,
    pub(crate) store: Store,
    pub(crate) told: Told,
    pub(crate) now: Now,
    pub(crate) pack_bytes: usize,
    /// Whether what it sends of blobs is not what they are.
    pub(crate) lies: bool,
}

impl Node {
    pub(crate) fn new(number: u8) -> Self {
        Self::reopen(number, 0, Store::default())
    }

    /// A node started on what a disk holds.
    pub(crate) fn reopen(number: u8, epoch: u32, store: Store) -> Self {
        let config = Config {
            org: org::org(),
            authority: org::public(&org::authority()),
            device: org::device(number),
            credential: org::credential(number, epoch),
            capabilities: capability::BLOBS,
        };
        let protocol = Protocol::new(config, store.memory());
        let now = Now { mono_us: 0, wall_ms: 1_700_000_000_000 };
        Self { number, epoch, protocol, store, told: Told::default(), now, pack_bytes: 256 << 10, lies: false }
    }

    pub(crate) fn author(&self) -> AuthorId {
        org::credential(self.number, self.epoch).author()
    }

    /// Hands one input in and plays the driver until the protocol has nothing more to ask.
    pub(crate) fn say(&mut self, input: Input) -> Vec<Outward> {
        let mut outward = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.protocol.handle(self.now, input) {
                if let Some(answer) = self.obey(effect, &mut outward) {
                    inputs.push_back(answer);
                }
            }
        }
        outward
    }

    fn obey(&mut self, effect: Effect, outward: &mut Vec<Outward>) -> Option<Input> {
        match effect {
            Effect::Send { link, class, bytes, .. } => outward.push(Outward::Send(link, class, bytes)),
            Effect::Close { link, reason } => {
                self.told.closed.push(reason);
                outward.push(Outward::Close(link));
            }
            Effect::Peer { device, wall_offset_ms, .. } => self.told.peers.push((device, wall_offset_ms)),
            Effect::PeerHeads { device, frontier, whole } => {
                if whole {
                    self.store.bases.insert(device, frontier.clone());
                }
                self.told.heads.insert(device, frontier);
            }
            Effect::Marked { mark } => self.store.marks.push((mark, self.store.commits)),
            Effect::Fork { stream, author, seq, rivals } => {
                self.store.forks.insert((stream, author));
                self.told.forks.push((stream, author, seq, rivals));
            }
            Effect::Load { link, stream, wanted, .. } => return Some(self.load(link, stream, &wanted)),
            Effect::Unpack { link, pack } => return Some(self.unpack(link, pack)),
            Effect::Admit { link, entries, credentials } => {
                self.told.admits += 1;
                return Some(self.commit(Some(link), &entries, credentials));
            }
            Effect::Jump { .. } => panic!("there are no floors here"),
            Effect::Blob(effect) => return self.obey_blob(effect).map(Input::Blob),
            Effect::Doubt { device } => self.told.doubted.push(device),
            Effect::OwnHistory { stream, seq } => {
                self.told.own_history.push((stream, seq));
                self.epoch += 7;
                return Some(Input::Reborn { credential: org::credential(self.number, self.epoch) });
            }
        }
        None
    }

    fn obey_blob(&mut self, effect: BlobEffect) -> Option<BlobInput> {
        Some(match effect {
            BlobEffect::Look { link, blob } => {
                let held = self.store.blobs.get(&blob).cloned().unwrap_or_default();
                BlobInput::Looked { link, blob, held }
            }
            BlobEffect::LoadPart { link, blob, first, count } => {
                let groups = Ranges::span(first, first + count);
                let held = self.store.blobs.get(&blob).cloned().unwrap_or_default();
                assert_eq!(groups.minus(&held), Ranges::none(), "only what is here is sent");
                let mut slice = groups_of(blob, first, count);
                if self.lies {
                    slice[0] ^= 1;
                }
                BlobInput::PartLoaded { link, blob, slice: Some(slice) }
            }
            BlobEffect::TakePart { link, id, blob, first, count, slice } => {
                let groups = Ranges::span(first, first + count);
                let taken = if slice == groups_of(blob, first, count) {
                    let held = self.store.blobs.entry(blob).or_default();
                    *held = held.or(&groups);
                    Ok(held.clone())
                } else {
                    Err(PartRefused::Forged)
                };
                BlobInput::PartTaken { link, id, blob, groups, taken }
            }
            BlobEffect::Holder { device, blob, whole } => {
                self.told.holders.insert((device, blob), whole);
                return None;
            }
        })
    }

    fn commit(&mut self, from: Option<LinkId>, entries: &[Entry], credentials: Vec<Credential>) -> Input {
        self.store.commits += 1;
        for credential in &credentials {
            self.store.credentials.insert(credential.author(), credential.clone());
        }
        for entry in entries {
            let vouched = self.store.credentials.contains_key(&entry.key.author);
            assert!(vouched, "an entry is committed with its author's credential");
            self.store.keep(entry);
        }
        Input::Committed { from, entries: entries.iter().map(|entry| (entry.key, entry.digest)).collect(), credentials }
    }

    fn load(&self, link: LinkId, stream: StreamId, wanted: &[(AuthorId, u64)]) -> Input {
        let entries = self.store.run(stream, wanted, self.pack_bytes);
        let bases = wanted.iter().filter(|(_, first)| *first > 1).filter_map(|&(author, first)| {
            let (_, digest) = self.store.digests(stream, author, &BTreeSet::from([first - 1])).pop()?;
            Some((author, digest))
        });
        let bases = bases.collect();
        let payload = pack_raw(&entries);
        Input::Loaded { link, stream, entries, bases, cuts: BTreeSet::new(), form: PackForm::Raw, payload }
    }

    fn unpack(&self, link: LinkId, mut pack: Pack) -> Input {
        let payload = std::mem::take(&mut pack.payload);
        let bodies = postcard::from_bytes::<Vec<Vec<u8>>>(&payload).map_err(|error| error.to_string());
        let mine = pack.ranges.iter().map(|range| {
            let mut wanted: BTreeSet<u64> = range.seqs().unwrap_or_default().into_iter().collect();
            wanted.insert(range.first - 1);
            (range.author, self.store.digests(pack.stream, range.author, &wanted))
        });
        let mine = mine.collect();
        Input::Unpacked { link, pack, bodies, mine }
    }

    /// Writes entries of this node's own and commits them, each signed if `all`, else the last.
    pub(crate) fn write(&mut self, stream: StreamId, bodies: &[&str], all: bool) -> Vec<Outward> {
        let author = self.author();
        let mut last = self.store.heads.get(&(stream, author)).copied();
        let mut entries = Vec::new();
        for (index, body) in bodies.iter().enumerate() {
            let seq = last.map_or(1, |(seq, _)| seq + 1);
            let key = EntryKey { stream, author, seq };
            let mut entry = Entry::next(key, last.map(|(_, digest)| digest), body.as_bytes().to_vec());
            if all || index + 1 == bodies.len() || stream.kind.family() == Family::Register {
                entry.sign(&org::org(), &org::key(self.number));
            }
            last = Some((seq, entry.digest));
            entries.push(entry);
        }
        let input = self.commit(None, &entries, vec![org::credential(self.number, self.epoch)]);
        self.say(input)
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.protocol.counters().get(name).copied().unwrap_or(0)
    }

    pub(crate) fn bodies(&self, stream: StreamId, number: u8) -> Vec<String> {
        let author = org::credential(number, 0).author();
        let entries = self.store.entries(stream, author).into_iter();
        entries.map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect()
    }
}

/// Groups of a blob, in a few bytes each that follow from its name: proofs are the store's matter, and so is their length.
pub(crate) fn groups_of(blob: BlobKey, first: u32, count: u32) -> Vec<u8> {
    (first..first + count).flat_map(|group| [group as u8, blob.id.0[0], 0, 1]).collect()
}

/// The bodies of a pack in the test's own raw form.
pub(crate) fn pack_raw(entries: &[Entry]) -> Vec<u8> {
    let bodies: Vec<&[u8]> = entries.iter().map(|entry| entry.body.as_slice()).collect();
    postcard::to_stdvec(&bodies).expect("bodies in memory always encode")
}
