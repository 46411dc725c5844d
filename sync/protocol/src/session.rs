//! One link's session: it waits for the peer's greeting, then is open, and ends when either side says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holdfast_domain::clock::Now;
use holdfast_domain::frame::{Ask, Bye, Carriage, Frame, FrameV1, Greeting, LinkId, Pack};
use holdfast_domain::frontier::{Fingerprint, Frontier};
use holdfast_domain::identity::{AuthorId, Credential, DeviceId};
use holdfast_domain::limits::{GREETING_SCOPES_MAX, INBOX_BYTES_MAX, PARTIALS_MAX};
use holdfast_domain::scope::{Class, Scope};

use crate::asks::Asks;
use crate::counters;
use crate::duplicate::{self, Rival};
use crate::fetch::Fetch;
use crate::flow::Agreed;
use crate::heads::{Theirs, Told};
use crate::pace::Pace;
use crate::protocol::{Effect, Protocol};
use crate::push::Push;
use crate::push::ahead::Ahead;

/// A link that is up. A link whose session is over is not kept.
#[derive(Debug)]
pub(crate) struct Link {
    device: DeviceId,
    outgoing: bool,
    /// Rises with each link that comes up.
    age: u64,
    stage: Stage,
    /// Whether this side was asked to greet again.
    repeated: bool,
    /// What this node held when it greeted last: the fingerprints sent are of this.
    pub(crate) said: Frontier,
    pub(crate) open: Open,
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Our greeting is sent, the peer's is awaited.
    Waiting,
    /// The peer's greeting named what is not known here; it was asked to greet in full.
    Asked,
    /// Both have greeted.
    Open,
}

/// All that is known of the peer for the length of the session.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) since_us: u64,
    pub(crate) capabilities: u32,
    pub(crate) theirs: Theirs,
    pub(crate) told: Told,
    pub(crate) push: Push,
    pub(crate) pace: Pace,
    pub(crate) agreed: Agreed,
    pub(crate) asks: Asks,
    pub(crate) fetch: Fetch,
    pub(crate) inbox: Inbox,
    /// Verified credentials that came on this link and are not committed.
    pub(crate) offered: BTreeMap<AuthorId, Credential>,
}

/// Packs that wait to be unpacked. One is dealt with at a time, so that each is checked against what the one before
/// it left.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: VecDeque<(Pack, usize)>,
    bytes: usize,
    /// The pack under way.
    pub(crate) current: Option<Current>,
}

/// A pack between its unpacking and its acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) pack: u32,
    pub(crate) stream: holdfast_domain::scope::StreamId,
    /// The author and the last number of each run.
    pub(crate) runs: Vec<(AuthorId, u64)>,
    /// Authors whose runs turned out to be held to their end, or to be about to be.
    pub(crate) taken: BTreeSet<AuthorId>,
    /// Whether it waits for its entries to be committed.
    pub(crate) admitting: bool,
}

impl Inbox {
    /// False if more waits than an honest peer has in flight.
    #[must_use]
    pub(crate) fn push(&mut self, pack: Pack, bytes: usize) -> bool {
        self.bytes += bytes;
        self.waiting.push_back((pack, bytes));
        self.bytes <= INBOX_BYTES_MAX
    }

    /// The next pack to unpack, if none is under way.
    pub(crate) fn next(&mut self) -> Option<Pack> {
        if self.current.is_some() {
            return None;
        }
        let (pack, bytes) = self.waiting.pop_front()?;
        self.bytes -= bytes;
        self.current = Some(Current {
            pack: pack.id,
            stream: pack.stream,
            runs: pack.ranges.iter().map(|range| (range.author, range.last().unwrap_or(u64::MAX))).collect(),
            taken: BTreeSet::new(),
            admitting: false,
        });
        Some(pack)
    }
}

impl Link {
    pub(crate) fn device(&self) -> DeviceId {
        self.device
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(crate) fn open(&self) -> Option<&Open> {
        self.is_open().then_some(&self.open)
    }

    pub(crate) fn open_mut(&mut self) -> Option<&mut Open> {
        self.is_open().then_some(&mut self.open)
    }
}

pub(crate) fn send(link: LinkId, class: Class, frame: FrameV1) -> Effect {
    Effect::Send { link, class, carriage: Carriage::Stream, bytes: Frame::V1(frame).encode() }
}

impl Protocol {
    pub(crate) fn up(&mut self, now: Now, link: LinkId, device: DeviceId, outgoing: bool, out: &mut Vec<Effect>) {
        if self.links.contains_key(&link) {
            return;
        }
        if device == self.config.device {
            self.counters.one(counters::OWN_DEVICE_SEEN);
            return out.push(Effect::Close { link, reason: Bye::BadCredential });
        }
        if self.paused.contains(&device) {
            return out.push(Effect::Close { link, reason: Bye::Paused });
        }
        let author = self.held.own_author();
        let base = self.bases.get(&device);
        let pace = self.paces.get(&device).cloned().unwrap_or_default();
        let theirs = base.map_or_else(Theirs::unknown, Theirs::remembered);
        let mut push = Push::new(author);
        if base.is_some() {
            push.reconsider(&self.held, &theirs);
        } else {
            push.ahead = Ahead::of(&self.held);
        }
        let open = Open {
            since_us: now.mono_us,
            capabilities: 0,
            theirs,
            told: Told::nothing(),
            push,
            pace,
            agreed: Agreed::proposed(self.flow_at_start(device)),
            asks: Asks::default(),
            fetch: Fetch::default(),
            inbox: Inbox::default(),
            offered: BTreeMap::new(),
        };
        self.links_seen += 1;
        let (age, said) = (self.links_seen, Frontier::default());
        self.links.insert(link, Link { device, outgoing, age, stage: Stage::Waiting, repeated: false, said, open });
        self.greet(now, link, true, out);
        self.stirred.insert(link);
    }

    /// Says who this node is and what it holds; briefly to a peer that is remembered.
    fn greet(&mut self, now: Now, link: LinkId, briefly: bool, out: &mut Vec<Effect>) {
        let held = self.held.frontier().clone();
        let Some(state) = self.links.get_mut(&link) else { return };
        state.said = held.clone();
        state.open.told.said(self.held.arrivals(), held.whole().mark());
        state.open.told.said_latest(self.held.arrivals(), held.latest().mark());
        let base = self.bases.get(&state.device).filter(|_| briefly);
        // A peer that holds entries of an author has its credential too.
        let author = self.held.own_author();
        let knows_me = base.is_some_and(|base| base.has_author(author));
        // Past the limit the peer treats what is not named as not held and sends it again: wasteful, never wrong.
        let scopes = held.scopes().map(|(scope, held)| (scope, held.fingerprint())).take(GREETING_SCOPES_MAX);
        let greeting = Greeting {
            org: self.config.org,
            author,
            credential: (!knows_me).then(|| self.config.credential.clone()),
            capabilities: self.config.capabilities,
            wall_ms: now.wall_ms,
            whole: held.whole(),
            latest: held.latest().mark(),
            base: base.map(|base| base.whole().mark()),
            scopes: if base.is_some() { Vec::new() } else { scopes.collect() },
            partials: self.resume.named(state.device),
            flow: state.open.agreed.flow,
        };
        if base.is_none() && state.open.theirs.is_awaited() {
            state.open.theirs = Theirs::unknown();
        }
        out.push(send(link, Class::P0, FrameV1::Greeting(greeting)));
        self.mark(self.held.arrivals(), out);
    }

    /// The peer knows neither this node nor what was said to it before.
    fn again_came(&mut self, now: Now, link: LinkId, out: &mut Vec<Effect>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if std::mem::replace(&mut state.repeated, true) {
            return self.close(link, Bye::BadFrame, out);
        }
        self.greet(now, link, false, out);
    }

    pub(crate) fn down(
        &mut self,
        now: Now,
        link: LinkId,
        silent_us: u64,
        partials: Vec<Vec<u8>>,
        out: &mut Vec<Effect>,
    ) {
        let Some(mut state) = self.links.remove(&link) else { return };
        if state.stage == Stage::Open {
            state.open.pace.parted(now.mono_us.saturating_sub(silent_us).saturating_sub(state.open.since_us));
            self.paces.insert(state.device, state.open.pace);
        }
        self.resume.keep(state.device, partials, state.open.push.into_flown());
        self.replace_supplier(out);
        self.stirred.extend(self.links.keys());
    }

    pub(crate) fn frame(&mut self, now: Now, link: LinkId, bytes: &[u8], out: &mut Vec<Effect>) {
        let Some(state) = self.links.get(&link) else { return };
        let Ok(Frame::V1(frame)) = Frame::decode(bytes) else {
            return self.close(link, Bye::BadFrame, out);
        };
        self.stirred.insert(link);
        match (frame, state.stage) {
            (FrameV1::Greeting(greeting), Stage::Waiting | Stage::Asked) => self.greeted(now, link, greeting, out),
            // Packs travel in channels of their own and may overtake the greeting.
            (FrameV1::Pack(pack), _) => self.pack_came(link, pack, bytes.len(), out),
            (FrameV1::Rest(rest), _) => self.rest_came(link, rest, out),
            (FrameV1::Heads(heads), Stage::Asked | Stage::Open) => self.heads_came(now, link, &heads, out),
            (FrameV1::Ack(ack), Stage::Asked | Stage::Open) => self.ack_came(link, &ack, out),
            (FrameV1::Ask(ask), Stage::Asked | Stage::Open) => self.ask_came(link, &ask, out),
            (FrameV1::Flow(flow), Stage::Asked | Stage::Open) => self.flow_came(link, flow),
            (FrameV1::BlobHave(have), Stage::Open) => self.blob_have_came(link, &have, out),
            (FrameV1::BlobAsk(ask), Stage::Open) => self.blob_ask_came(link, ask, out),
            (FrameV1::BlobPart(part), Stage::Open) => self.blob_part_came(link, part, out),
            // What overtook the greeting, which says whether the peer knows of blobs, is asked for again by whoever needs it.
            (FrameV1::BlobHave(_) | FrameV1::BlobAsk(_) | FrameV1::BlobPart(_), _) => {}
            (FrameV1::Again, _) => self.again_came(now, link, out),
            (FrameV1::Bye(_), _) => {
                self.counters.one(counters::BYES_RECEIVED);
                self.down(now, link, 0, Vec::new(), out);
                out.push(Effect::Close { link, reason: Bye::Leaving });
            }
            (FrameV1::Greeting(_), Stage::Open) => self.close(link, Bye::BadFrame, out),
            (FrameV1::Heads(_) | FrameV1::Ack(_) | FrameV1::Ask(_) | FrameV1::Flow(_), Stage::Waiting) => {
                self.close(link, Bye::BadFrame, out);
            }
        }
    }

    /// Ends a session: tells the peer why, and forgets all of it.
    pub(crate) fn close(&mut self, link: LinkId, reason: Bye, out: &mut Vec<Effect>) {
        if self.links.remove(&link).is_some() {
            self.counters.one(counters::closed(reason));
            out.push(send(link, Class::P0, FrameV1::Bye(reason)));
            out.push(Effect::Close { link, reason });
        }
    }

    pub(crate) fn pause(&mut self, device: DeviceId, paused: bool, out: &mut Vec<Effect>) {
        if !paused {
            self.paused.remove(&device);
            return;
        }
        self.paused.insert(device);
        for link in self.links_with(device) {
            self.close(link, Bye::Paused, out);
        }
    }

    pub(crate) fn open_mut(&mut self, link: LinkId) -> Option<&mut Open> {
        self.links.get_mut(&link)?.open_mut()
    }

    pub(crate) fn send_ask(&mut self, link: LinkId, ask: Option<Ask>, out: &mut Vec<Effect>) {
        if let Some(ask) = ask {
            self.counters.one(counters::ASKS_SENT);
            out.push(send(link, Class::P0, FrameV1::Ask(ask)));
        }
    }

    fn links_with(&self, device: DeviceId) -> Vec<LinkId> {
        self.links.iter().filter(|(_, state)| state.device == device).map(|(&link, _)| link).collect()
    }

    fn greeted(&mut self, now: Now, link: LinkId, greeting: Greeting, out: &mut Vec<Effect>) {
        let Some(state) = self.links.get(&link) else { return };
        let (device, asked) = (state.device, state.stage == Stage::Asked);
        if let Err(reason) = self.config.judge(device, &greeting) {
            return self.close(link, reason, out);
        }
        let known = self.held.credential(greeting.author).filter(|known| known.device.device() == device);
        let credential = greeting.credential.clone().or_else(|| known.cloned());
        let base = greeting.base.map(|mark| self.marks.covered(mark));
        let (Some(credential), None | Some(Some(_))) = (credential, base) else {
            self.counters.one(counters::GREETINGS_UNPLACED);
            if asked {
                return self.close(link, Bye::BadFrame, out);
            }
            if let Some(state) = self.links.get_mut(&link) {
                state.stage = Stage::Asked;
            }
            return out.push(send(link, Class::P0, FrameV1::Again));
        };
        let Some(state) = self.links.get_mut(&link) else { return };
        state.stage = Stage::Open;
        let open = &mut state.open;
        open.capabilities = greeting.capabilities;
        open.push.serves(credential.device.role);
        open.agreed.greeted(greeting.flow);
        open.offered.insert(credential.author(), credential.clone());
        self.counters.one(counters::GREETINGS);
        let offset = i128::from(greeting.wall_ms) - i128::from(now.wall_ms);
        let wall_offset_ms = offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        out.push(Effect::Peer { device, credential, wall_offset_ms });
        self.compare(link, &greeting, base.flatten(), asked, out);
        if let Some(open) = self.open_mut(link) {
            open.theirs.knows_own(greeting.author);
        }
        self.seek_blobs(link);
        self.send_rests(link, device, &greeting.partials, out);
        self.unpack_next(link, out);
        self.end_duplicates(device, out);
    }

    fn end_duplicates(&mut self, device: DeviceId, out: &mut Vec<Effect>) {
        let rivals: Vec<Rival> = self
            .links
            .iter()
            .filter(|(_, state)| state.device == device)
            .map(|(&link, state)| Rival { link, outgoing: state.outgoing, age: state.age, greeted: state.is_open() })
            .collect();
        for link in duplicate::superfluous(self.config.device, device, &rivals) {
            self.close(link, Bye::Duplicate, out);
        }
    }
}

impl crate::protocol::Config {
    /// Why the sender of a greeting is turned away, if it is.
    fn judge(&self, device: DeviceId, greeting: &Greeting) -> Result<(), Bye> {
        if greeting.org != self.org {
            return Err(Bye::OtherOrg);
        }
        if let Some(credential) = &greeting.credential {
            let known = &credential.device;
            let good = known.org == self.org
                && known.device() == device
                && credential.author() == greeting.author
                && known.verifies(&self.authority);
            if !good {
                return Err(Bye::BadCredential);
            }
        }
        let named: BTreeMap<Scope, Fingerprint> = greeting.scopes.iter().copied().collect();
        let misshapen = greeting.scopes.len() > GREETING_SCOPES_MAX
            || named.len() < greeting.scopes.len()
            || greeting.partials.len() > PARTIALS_MAX
            || (greeting.base.is_some() && !named.is_empty());
        if misshapen { Err(Bye::BadFrame) } else { Ok(()) }
    }
}
