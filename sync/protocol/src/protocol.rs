//! The protocol as its driver sees it: what goes in, what comes out, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::clock::Now;
use holdfast_domain::entry::{Digest, Entry, EntryKey};
use holdfast_domain::floor::Floor;
use holdfast_domain::frame::{Bye, Carriage, LinkId, Pack, PackForm};
use holdfast_domain::frontier::{Frontier, Mark};
use holdfast_domain::identity::{AuthorId, Credential, DeviceId, OrgId, PublicKey};
use holdfast_domain::scope::{Class, StreamId};

use crate::blob::{BlobEffect, BlobInput};
use crate::counters::Counters;
use crate::fetch::Blobs;
use crate::held::Held;
use crate::marks::{Covered, Marks};
use crate::pace::Pace;
use crate::push::Loaded;
use crate::resume::Resume;
use crate::session::Link;
use crate::thrift::Thrift;

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The org; peers of another are turned away.
    pub org: OrgId,
    /// The org's authority, against which every credential is checked.
    pub authority: PublicKey,
    /// This device.
    pub device: DeviceId,
    /// This device's credential with the epoch it writes in now.
    pub credential: Credential,
    /// Bits of [`holdfast_domain::frame::capability`] that this node offers.
    pub capabilities: u32,
}

/// What comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A connection stands.
    Up {
        /// The connection.
        link: LinkId,
        /// The device at its other end, proved by TLS.
        device: DeviceId,
        /// Whether this side dialled.
        outgoing: bool,
    },
    /// A connection is gone. Everything sent on it and not acknowledged is forgotten.
    Down {
        /// The connection.
        link: LinkId,
        /// For how long nothing had come on it, microseconds.
        silent_us: u64,
        /// What had come of frames that the end cut in two, from their first byte on.
        partials: Vec<Vec<u8>>,
    },
    /// What a connection turns out to be: it bounds what is handed down at once.
    Measured {
        /// The connection.
        link: LinkId,
        /// What it carries to the peer, bits a second; `None` where nothing has limited it yet.
        rate_bps: Option<u64>,
        /// Round trip, microseconds.
        rtt_us: u64,
        /// Packets in a thousand that the link loses of its own.
        lost_permille: u32,
    },
    /// One frame came.
    Frame {
        /// On which connection.
        link: LinkId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Answers [`Effect::Unpack`].
    Unpacked {
        /// The connection the pack came on.
        link: LinkId,
        /// The pack, its payload emptied.
        pack: Pack,
        /// The bodies in the order of the ranges, or why there are none.
        bodies: Result<Vec<Vec<u8>>, String>,
        /// Per author of the pack, the digests of the entries this node holds among the number before the range and
        /// the numbers of the range ([`holdfast_domain::frame::PackRange::seqs`]).
        mine: Vec<(AuthorId, Vec<(u64, Digest)>)>,
    },
    /// Answers [`Effect::Load`].
    Loaded {
        /// The connection they are for.
        link: LinkId,
        /// The stream.
        stream: StreamId,
        /// At most a pack full, author by author, each author's run from the wanted number on, ending at a signed entry.
        entries: Vec<Entry>,
        /// For each wanted author with `first > 1` in a chained stream: this node's own digest at `first - 1`.
        bases: Vec<(AuthorId, Digest)>,
        /// Entries whose signatures travel in any case: where whoever gets them can cut in turn.
        cuts: BTreeSet<(AuthorId, u64)>,
        /// How the payload is laid out.
        form: PackForm,
        /// The bodies of `entries`, packed.
        payload: Vec<u8>,
    },
    /// Answers [`Effect::Load`], too: what is there waits for something that is likely to come soon. The stream is looked at
    /// again when entries of it are committed, and at the next tick.
    NotYet {
        /// The connection they are for.
        link: LinkId,
        /// The stream.
        stream: StreamId,
    },
    /// Entries were taken into the commit under way: own ones, or those of [`Effect::Admit`].
    Committed {
        /// The link of the [`Effect::Admit`]; `None` for own entries.
        from: Option<LinkId>,
        /// Their names and digests, in order per author.
        entries: Vec<(EntryKey, Digest)>,
        /// Credentials that were taken in with them.
        credentials: Vec<Credential>,
    },
    /// This device writes in a fresh epoch from now on.
    Reborn {
        /// The credential with the fresh epoch.
        credential: Credential,
    },
    /// Floors were taken into the commit under way, with credentials of their authors that hold.
    Floors(Vec<Floor>),
    /// Whoever holds nothing of these chains is to begin after these numbers.
    Settled {
        /// The stream.
        stream: StreamId,
        /// The numbers, by author.
        heads: Vec<(AuthorId, u64)>,
    },
    /// A chain begins after this entry here from now on. If it was not held so far it goes on from there: a floor stands
    /// for what was passed over.
    Based {
        /// The stream.
        stream: StreamId,
        /// The author.
        author: AuthorId,
        /// The number of the entry.
        seq: u64,
        /// The chain digest there.
        digest: Digest,
    },
    /// An operator wants no session with a device, or wants it again.
    Pause {
        /// The device.
        device: DeviceId,
        /// Quiet or not.
        paused: bool,
    },
    /// What power allows from now on.
    Spend {
        /// Classes P3 and later begin to go at most once in so many seconds; 0: at any time.
        bulk_every_s: u32,
    },
    /// Time has passed; anything that was held back to be said at leisure is said now.
    Tick,
    /// Something about blobs.
    Blob(BlobInput),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Hand a frame to a connection, once the commit under way is on disk.
    Send {
        /// The connection.
        link: LinkId,
        /// How urgent; frames of one class and link keep their order.
        class: Class,
        /// How it travels.
        carriage: Carriage,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Read and pack entries; answer with [`Input::Loaded`], even if there are none.
    Load {
        /// The connection they are for.
        link: LinkId,
        /// The stream.
        stream: StreamId,
        /// Which authors' entries, each from which number on.
        wanted: Vec<(AuthorId, u64)>,
        /// Whether the peer takes [`PackForm::Bundle`].
        bundle: bool,
        /// Bodies of about this many bytes are wanted, the oldest arrivals of all these authors first.
        raw_bytes: usize,
        /// About one cut is wanted in so many bytes of bodies.
        span_bytes: usize,
    },
    /// Unpack a pack; answer with [`Input::Unpacked`].
    Unpack {
        /// The connection it came on.
        link: LinkId,
        /// The pack; its shape is checked, its contents are not.
        pack: Pack,
    },
    /// Take verified entries into the commit under way; answer with [`Input::Committed`] naming the link.
    Admit {
        /// The connection they came on.
        link: LinkId,
        /// The entries, in order per author, each continuing what is held.
        entries: Vec<Entry>,
        /// Verified credentials of authors of these entries that were not committed before.
        credentials: Vec<Credential>,
    },
    /// Let a chain go on from here in the commit under way, since a floor stands for what is missing before and the peer
    /// does not have it. An [`Effect::Admit`] of what follows comes after it.
    Jump {
        /// The stream.
        stream: StreamId,
        /// The author.
        author: AuthorId,
        /// The number of the entry after which the chain goes on.
        seq: u64,
        /// The chain digest there.
        digest: Digest,
    },
    /// An author is proved to have written two histories. Its stream is frozen from here on.
    Fork {
        /// The stream.
        stream: StreamId,
        /// The author.
        author: AuthorId,
        /// The first number that names two entries.
        seq: u64,
        /// The entries that rival those held, from `seq` to one that is signed.
        rivals: Vec<Entry>,
    },
    /// A peer holds entries of this node's current author that this node lacks, or others under the same numbers:
    /// raise the epoch, answer with [`Input::Reborn`], and write nothing as the current author any more.
    OwnHistory {
        /// The stream in which it shows.
        stream: StreamId,
        /// The number that shows it.
        seq: u64,
    },
    /// A device claims once more to hold what this node never wrote, and has shown nothing of it: tell people.
    Doubt {
        /// The device.
        device: DeviceId,
    },
    /// A peer's greeting is accepted.
    Peer {
        /// The device.
        device: DeviceId,
        /// Its credential.
        credential: Credential,
        /// Its wall clock minus ours, milliseconds.
        wall_offset_ms: i64,
    },
    /// What a peer is now known to hold durably.
    PeerHeads {
        /// The device.
        device: DeviceId,
        /// All of it.
        frontier: Frontier,
        /// Whether the peer itself said that this is all it holds, registers aside: then it is the base of the next
        /// session, to be remembered over a restart.
        whole: bool,
    },
    /// Peers may name what this node holds now by this mark: remember it, with how much has been committed before the
    /// commit under way.
    Marked {
        /// The mark.
        mark: Mark,
    },
    /// Something about blobs.
    Blob(BlobEffect),
    /// End a connection; the session is over already.
    Close {
        /// The connection.
        link: LinkId,
        /// Why.
        reason: Bye,
    },
}

/// The newest entry held of an author in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldHead {
    /// The stream.
    pub stream: StreamId,
    /// The author.
    pub author: AuthorId,
    /// Its number.
    pub seq: u64,
    /// Its full digest.
    pub digest: Digest,
    /// The commit that brought it, numbered from 1 in order.
    pub arrived: u64,
    /// The entry up to which the chain is not held any more; 0 if it is held whole.
    pub base: u64,
}

/// What a protocol begins with.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Each author's newest entry per stream.
    pub heads: Vec<HeldHead>,
    /// Credentials committed.
    pub credentials: Vec<Credential>,
    /// Chains proved to have two histories.
    pub forks: Vec<(StreamId, AuthorId)>,
    /// The last frontier of each peer that was known whole.
    pub bases: Vec<(DeviceId, Frontier)>,
    /// Floors known.
    pub floors: Vec<Floor>,
    /// Marks that peers may name, oldest first, each with the newest commit that it covers for sure.
    pub marks: Vec<(Mark, u64)>,
}

/// The sessions of one node with all its peers.
///
/// Calling contract:
///
/// 1. Effects are carried out in order. [`Effect::Load`], [`Effect::Unpack`], [`Effect::Admit`], [`Effect::OwnHistory`] and
///    the [`Effect::Blob`]s that name an answer are answered before any other input is given, in the order they were returned.
/// 2. Nothing returned as [`Effect::Send`] leaves before everything admitted or committed so far is on disk. If that
///    commit fails, the protocol is dropped and made again from the store, and every link is ended.
/// 3. After [`Effect::Close`] nothing more is returned for that link. What is said of it and of unknown ones is ignored.
/// 4. A [`LinkId`] is used for one connection only.
///
/// The protocol never fails and never panics: a peer that does wrong is closed and counted. What is held, the
/// credentials, the frozen chains, the paused devices, the bases, the marks and the counters outlive a session, and
/// frames cut in two for a while; all else is learned again.
#[derive(Debug)]
pub struct Protocol {
    pub(crate) config: Config,
    pub(crate) held: Held,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) paused: BTreeSet<DeviceId>,
    pub(crate) counters: Counters,
    pub(crate) marks: Marks,
    pub(crate) resume: Resume,
    /// The last frontier of each peer that was known whole, and what was learned of the way to it.
    pub(crate) bases: BTreeMap<DeviceId, Frontier>,
    pub(crate) paces: BTreeMap<DeviceId, Pace>,
    pub(crate) last_pack: u32,
    /// Links whose state moved in the call under way.
    pub(crate) stirred: BTreeSet<LinkId>,
    pub(crate) links_seen: u64,
    pub(crate) rebirth_awaited: bool,
    /// Whom a device's bare word made this node leave, as which author.
    pub(crate) left_on_the_word_of: BTreeMap<DeviceId, AuthorId>,
    pub(crate) thrift: Thrift,
    pub(crate) blobs: Blobs,
}

impl Protocol {
    /// A protocol without links, for a node that remembers this.
    pub fn new(config: Config, memory: Memory) -> Self {
        let Memory { heads, credentials, forks, bases, floors, marks: known } = memory;
        let mut marks = Marks::default();
        for (mark, arrivals) in known {
            // What was told of registers is not remembered over a start.
            marks.set(mark, Covered { chains: arrivals, latest: 0 });
        }
        let mut held = Held::new(&config.credential, heads, credentials, forks);
        floors.iter().for_each(|floor| held.floor(floor));
        Self {
            held,
            config,
            links: BTreeMap::new(),
            paused: BTreeSet::new(),
            counters: Counters::default(),
            marks,
            resume: Resume::default(),
            bases: bases.into_iter().collect(),
            paces: BTreeMap::new(),
            last_pack: 0,
            stirred: BTreeSet::new(),
            links_seen: 0,
            rebirth_awaited: false,
            left_on_the_word_of: BTreeMap::new(),
            thrift: Thrift::default(),
            blobs: Blobs::default(),
        }
    }

    /// Takes one input in. `now` is read only for its wall clock, to tell peers and to compare with theirs.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        let tick = matches!(input, Input::Tick);
        match input {
            Input::Up { link, device, outgoing } => self.up(now, link, device, outgoing, &mut out),
            Input::Down { link, silent_us, partials } => self.down(now, link, silent_us, partials, &mut out),
            Input::Measured { link, rate_bps, rtt_us, lost_permille } => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.open.pace.measured(rate_bps, rtt_us, lost_permille);
                    self.stirred.insert(link);
                }
            }
            Input::Frame { link, bytes } => self.frame(now, link, &bytes, &mut out),
            Input::Unpacked { link, pack, bodies, mine } => self.unpacked(link, &pack, bodies, mine, &mut out),
            Input::Loaded { link, stream, entries, bases, cuts, form, payload } => {
                let loaded = Loaded { stream, entries, bases, cuts, form, payload };
                self.loaded(now, link, loaded, &mut out);
            }
            Input::NotYet { link, stream } => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.open.push.not_yet(stream);
                    self.stirred.insert(link);
                }
            }
            Input::Committed { from, entries, credentials } => {
                self.committed(from, &entries, credentials, &mut out);
            }
            Input::Reborn { credential } => {
                self.rebirth_awaited = false;
                self.held.reborn(&credential);
                self.config.credential = credential;
            }
            Input::Floors(floors) => self.floors_came(floors),
            Input::Settled { stream, heads } => self.held.begin_after(stream, heads),
            Input::Based { stream, author, seq, digest } => self.based(stream, author, (seq, digest), &mut out),
            Input::Pause { device, paused } => self.pause(device, paused, &mut out),
            Input::Spend { bulk_every_s } => {
                self.thrift.set(bulk_every_s);
                self.stirred.extend(self.links.keys());
            }
            Input::Tick => self.tick(now, &mut out),
            Input::Blob(input) => self.blob(now, input, &mut out),
        }
        for link in std::mem::take(&mut self.stirred) {
            self.load_next(now, link, &mut out);
            self.fetch_blobs(now.mono_us, link, &mut out);
            self.seek(now.mono_us, link, false, &mut out);
            self.report_heads(link, tick, &mut out);
        }
        out
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for &link in &links {
            if let Some(state) = self.links.get_mut(&link) {
                state.open.push.try_again();
            }
            self.give_up_packets(now, link);
            self.announce(now, link, out);
            self.expire_claims(now.mono_us, link, out);
        }
        self.prune(now.mono_us, out);
        let bulk = self.links.values().any(|state| state.is_open() && state.open.push.has_bulk());
        self.thrift.tick(now.mono_us, bulk);
        self.stirred.extend(links);
    }

    /// What this node holds.
    pub fn frontier(&self) -> &Frontier {
        self.held.frontier()
    }

    /// The newest number and full digest that this node holds of an author in a stream.
    pub fn digest(&self, stream: StreamId, author: AuthorId) -> Option<(u64, Digest)> {
        self.held.head(stream, author)
    }

    /// The entry up to which this node does not hold a chain any more; 0 if it holds it whole.
    pub fn base(&self, stream: StreamId, author: AuthorId) -> u64 {
        self.held.base(stream, author)
    }

    /// Every author that a device is known to write or have written as.
    pub fn authors_of_device(&self, device: DeviceId) -> Vec<AuthorId> {
        self.held.credentials().filter(|known| known.device.device() == device).map(Credential::author).collect()
    }

    /// The authors of whom this node holds entries of a stream.
    pub fn authors_of(&self, stream: StreamId) -> Vec<AuthorId> {
        self.held.heads_of(stream).map(|(author, _)| author).collect()
    }

    /// The credential of an author: this node's own, or one that was committed.
    pub fn credential(&self, author: AuthorId) -> Option<&Credential> {
        self.held.credential(author)
    }

    /// What happened since the start, by name; see `counters.rs` for what each counts.
    pub fn counters(&self) -> &BTreeMap<&'static str, u64> {
        self.counters.all()
    }

    /// The links that are up: which, to whom, and whether the peer's greeting was accepted.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, DeviceId, bool)> {
        self.links.iter().map(|(&link, state)| (link, state.device(), state.is_open()))
    }

    /// Whether a peer has said all it holds, so that nothing of this node's own is there which it does not know.
    pub fn knows_a_peer(&self) -> bool {
        self.links.values().filter_map(Link::open).any(|open| open.theirs.is_known() && !open.theirs.is_awaited())
    }
}
