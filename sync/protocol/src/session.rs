//! One link's session: it waits for the peer's greeting, then is open, and ends when either side says so.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::clock::Now;
use holdfast_domain::frame::{Ask, Bye, Frame, FrameV1, Greeting, LinkId, Pack};
use holdfast_domain::frontier::{Fingerprint, Frontier};
use holdfast_domain::identity::{AuthorId, Credential, DeviceId};
use holdfast_domain::limits::{GREETING_SCOPES_MAX, INBOX_BYTES_MAX};
use holdfast_domain::scope::{Class, Scope};

use crate::asks::Asks;
use crate::counters;
use crate::duplicate::{self, Rival};
use crate::heads::Theirs;
use crate::protocol::{Effect, Protocol};
use crate::push::Push;

/// A link that is up. A link whose session is over is not kept.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) device: DeviceId,
    outgoing: bool,
    /// Rises with each link that comes up.
    age: u64,
    session: Session,
}

#[derive(Debug)]
enum Session {
    /// Our greeting is sent, the peer's is awaited.
    Waiting(Box<Waiting>),
    /// Both have greeted.
    Open(Box<Open>),
}

#[derive(Debug)]
struct Waiting {
    /// What this node held when it greeted: the fingerprints sent are of this.
    said: Frontier,
    /// The author our greeting vouches for.
    author: AuthorId,
    /// Packs that overtook the peer's greeting.
    inbox: Inbox,
}

/// All that is known of the peer for the length of the session.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) capabilities: u32,
    pub(crate) theirs: Theirs,
    pub(crate) push: Push,
    pub(crate) asks: Asks,
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
    pub(crate) authors: Vec<AuthorId>,
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
            authors: pack.ranges.iter().map(|range| range.author).collect(),
            admitting: false,
        });
        Some(pack)
    }
}

impl Link {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.session, Session::Open(_))
    }

    pub(crate) fn open(&self) -> Option<&Open> {
        match &self.session {
            Session::Open(open) => Some(open),
            Session::Waiting(_) => None,
        }
    }

    pub(crate) fn open_mut(&mut self) -> Option<&mut Open> {
        match &mut self.session {
            Session::Open(open) => Some(open),
            Session::Waiting(_) => None,
        }
    }

    /// Where packs of this link wait, whatever the state of the session.
    pub(crate) fn inbox(&mut self) -> &mut Inbox {
        match &mut self.session {
            Session::Open(open) => &mut open.inbox,
            Session::Waiting(waiting) => &mut waiting.inbox,
        }
    }
}

pub(crate) fn send(link: LinkId, class: Class, frame: FrameV1) -> Effect {
    Effect::Send { link, class, bytes: Frame::V1(frame).encode() }
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
        let said = self.held.frontier().clone();
        // Past the limit the peer treats what is not named as not held and sends it again: wasteful, never wrong.
        let scopes = said.scopes().map(|(scope, held)| (scope, held.fingerprint())).take(GREETING_SCOPES_MAX).collect();
        out.push(send(
            link,
            Class::P0,
            FrameV1::Greeting(Greeting {
                org: self.config.org,
                credential: self.config.credential.clone(),
                capabilities: self.config.capabilities,
                wall_ms: now.wall_ms,
                scopes,
            }),
        ));
        let waiting = Waiting { said, author: self.held.own_author(), inbox: Inbox::default() };
        self.links_seen += 1;
        let session = Session::Waiting(Box::new(waiting));
        self.links.insert(link, Link { device, outgoing, age: self.links_seen, session });
    }

    pub(crate) fn frame(&mut self, now: Now, link: LinkId, bytes: &[u8], out: &mut Vec<Effect>) {
        let Some(state) = self.links.get(&link) else { return };
        let Ok(Frame::V1(frame)) = Frame::decode(bytes) else {
            return self.close(link, Bye::BadFrame, out);
        };
        self.stirred.insert(link);
        match (frame, state.is_open()) {
            (FrameV1::Greeting(greeting), false) => self.greeted(now, link, greeting, out),
            // Packs travel in channels of their own and may overtake the greeting.
            (FrameV1::Pack(pack), _) => self.pack_came(link, pack, bytes.len(), out),
            (FrameV1::Heads(heads), true) => self.heads_came(link, &heads, out),
            (FrameV1::Ack(ack), true) => self.ack_came(link, &ack, out),
            (FrameV1::Ask(ask), true) => self.ask_came(link, &ask, out),
            (FrameV1::Bye(_), _) => {
                self.counters.one(counters::BYES_RECEIVED);
                self.links.remove(&link);
                out.push(Effect::Close { link, reason: Bye::Leaving });
            }
            (FrameV1::Greeting(_), true) | (FrameV1::Heads(_) | FrameV1::Ack(_) | FrameV1::Ask(_), false) => {
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
        let Some(state) = self.links.get_mut(&link) else { return };
        let device = state.device;
        let named = match self.config.judge(device, &greeting) {
            Ok(named) => named,
            Err(reason) => return self.close(link, reason, out),
        };
        let Session::Waiting(waiting) = &mut state.session else { return };
        let Waiting { said, author, inbox } = std::mem::replace(
            &mut **waiting,
            Waiting { said: Frontier::default(), author: self.held.own_author(), inbox: Inbox::default() },
        );
        let credential = greeting.credential;
        let offered = BTreeMap::from([(credential.author(), credential.clone())]);
        let theirs = Theirs::greeted(&said, &named, credential.author());
        let push = Push::new(author, &theirs, &said, self.held.frontier());
        let differing: Vec<Scope> = said
            .scopes()
            .filter(|(scope, held)| named.get(scope) != Some(&held.fingerprint()))
            .map(|(scope, _)| scope)
            .collect();
        state.session = Session::Open(Box::new(Open {
            capabilities: greeting.capabilities,
            theirs,
            push,
            asks: Asks::default(),
            inbox,
            offered,
        }));
        self.counters.one(counters::GREETINGS);
        let offset = i128::from(greeting.wall_ms) - i128::from(now.wall_ms);
        let wall_offset_ms = offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        out.push(Effect::Peer { device, credential, wall_offset_ms });
        for scope in differing {
            self.send_heads(link, scope, out);
        }
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
    /// The scopes a greeting names, or why its sender is turned away.
    fn judge(&self, device: DeviceId, greeting: &Greeting) -> Result<BTreeMap<Scope, Fingerprint>, Bye> {
        let credential = &greeting.credential.device;
        if greeting.org != self.org {
            return Err(Bye::OtherOrg);
        }
        if credential.org != self.org || credential.device() != device || !credential.verifies(&self.authority) {
            return Err(Bye::BadCredential);
        }
        let named: BTreeMap<Scope, Fingerprint> = greeting.scopes.iter().copied().collect();
        if greeting.scopes.len() > GREETING_SCOPES_MAX || named.len() < greeting.scopes.len() {
            return Err(Bye::BadFrame);
        }
        Ok(named)
    }
}
