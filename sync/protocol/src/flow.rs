//! Who brings bulk to whom: one neighbour sends what this node lacks, the others only say what they hold. Among all
//! nodes these choices settle into a tree that spans them; what the tree misses is noticed by what the others say.

use holdfast_domain::frame::{Flow, FrameV1, LinkId};
use holdfast_domain::identity::{AuthorId, DeviceId};
use holdfast_domain::scope::{Class, StreamId};

use crate::counters;
use crate::heads::Theirs;
use crate::protocol::{Effect, Protocol};
use crate::session::{Link, send};

/// The agreement on one link. It is the same both ways: only so do the links that carry bulk make a tree on which news
/// from every node reach every other.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) flow: Flow,
    /// Something that the peer has and that is lacking here, and since when, microseconds.
    lacking: Option<(Lacking, u64)>,
    /// Whether it brought something since the last turn that was here already.
    twice: bool,
    /// How often the peer was asked without anything lacking coming to an end.
    tries: u32,
}

/// One entry that a peer holds and this node does not.
type Lacking = (StreamId, AuthorId, u64);

/// The pause between two requests to a peer doubles so often: what it has may be long in coming.
const TRIES_MAX: u32 = 5;

impl Agreed {
    /// What this side proposes in its greeting.
    pub(crate) fn proposed(flow: Flow) -> Self {
        Self { flow, lacking: None, twice: false, tries: 0 }
    }

    /// One side that needs the link is enough.
    pub(crate) fn greeted(&mut self, theirs: Flow) {
        if theirs == Flow::Eager {
            self.flow = Flow::Eager;
        }
    }
}

impl Protocol {
    /// What to propose to a peer that comes up now.
    pub(crate) fn flow_at_start(&self, device: DeviceId) -> Flow {
        let served = self.links.values().any(|other| other.device() != device && other.open.agreed.flow == Flow::Eager);
        if served { Flow::Lazy } else { Flow::Eager }
    }

    pub(crate) fn flow_came(&mut self, link: LinkId, flow: Flow) {
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        open.agreed.flow = flow;
        if flow == Flow::Eager {
            open.push.reconsider(&self.held, &open.theirs);
        }
    }

    /// The peer sent nothing but what was held already: another brings it sooner.
    pub(crate) fn came_twice(&mut self, link: LinkId) {
        if let Some(open) = self.open_mut(link) {
            open.agreed.twice = true;
        }
    }

    /// Lets go of one link that brings what others bring, if it is this node's turn: were every node of a circle to let
    /// go of a link at once, nothing would be left of it.
    pub(crate) fn prune(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        let me = self.config.device;
        let mut eager = 0;
        let mut spare = None;
        for (&link, state) in &mut self.links {
            let device = state.device();
            let Some(open) = state.open_mut().filter(|open| open.agreed.flow == Flow::Eager) else { continue };
            eager += 1;
            if std::mem::take(&mut open.agreed.twice) && dice(me, device, now_us / 1_000_000).is_multiple_of(2) {
                spare = Some(link);
            }
        }
        if let Some(link) = spare.filter(|_| eager > 1)
            && let Some(open) = self.open_mut(link)
        {
            open.agreed.flow = Flow::Lazy;
            self.counters.one(counters::FLOWS_PRUNED);
            out.push(send(link, Class::P0, FrameV1::Flow(Flow::Lazy)));
        }
    }

    /// Lets this link bring bulk from now on, for something that is lacking.
    fn graft(&mut self, link: LinkId, lacking: Option<Lacking>, out: &mut Vec<Effect>) {
        // One at a time: what it is about to bring is lacking on the other links no more.
        for state in self.links.values_mut() {
            state.open.agreed.lacking = None;
        }
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        open.agreed.flow = Flow::Eager;
        let tried = open.agreed.tries > 0;
        open.agreed.tries += 1;
        open.push.reconsider(&self.held, &open.theirs);
        self.counters.one(counters::FLOWS_GRAFTED);
        out.push(send(link, Class::P0, FrameV1::Flow(Flow::Eager)));
        if let Some((stream, author, last)) = lacking.filter(|_| tried) {
            // It may believe that it is here, from before a disk was put back: only a request brings it then.
            let first = self.held.frontier().seq(stream, author).saturating_add(1);
            let ask = self.open_mut(link).and_then(|open| open.asks.want(stream, author, first, last));
            self.send_ask(link, ask, out);
        }
    }

    /// A neighbour is gone. If it was one that sent unasked, another takes its part.
    pub(crate) fn replace_supplier(&mut self, out: &mut Vec<Effect>) {
        let supplied =
            self.links.values().any(|state| state.open().is_some_and(|open| open.agreed.flow == Flow::Eager));
        if !supplied
            && let Some(&link) = self.links.iter().find(|(_, state)| state.open().is_some()).map(|(link, _)| link)
        {
            self.graft(link, None, out);
        }
    }

    /// Asks a neighbour that only says what it holds to send it, if nobody else is about to. `meeting`: it has just said
    /// all it holds, so what nobody else holds will come from nobody else; later on it is only ahead of the others.
    pub(crate) fn seek(&mut self, now_us: u64, link: LinkId, meeting: bool, out: &mut Vec<Effect>) {
        let Some(open) = self.open_mut(link) else { return };
        if open.theirs.is_awaited() {
            return;
        }
        let before = open.agreed.lacking;
        let patience_us = open.pace.patience_us();
        let tries = open.agreed.tries;
        let lacking = match before {
            Some(((stream, author, seq), since)) if self.held.frontier().seq(stream, author) < seq => {
                Some(((stream, author, seq), since))
            }
            _ => self.lacking(link, meeting).map(|lacking| (lacking, now_us)),
        };
        let me = self.config.device;
        let Some(state) = self.links.get_mut(&link) else { return };
        // Not all at once: two that lose the same link must not both replace it.
        let turn = dice(me, state.device(), u64::from(tries)) % 256 * 2 * patience_us / 256;
        let patience_us = (patience_us + turn) << tries.min(TRIES_MAX);
        state.open.agreed.lacking = lacking;
        let Some((what, since)) = lacking else {
            state.open.agreed.tries = 0;
            return;
        };
        // A link that should bring it may have missed that it should: it is asked as well.
        let lazy = self.open_mut(link).is_some_and(|open| open.agreed.flow == Flow::Lazy);
        if (meeting && lazy) || now_us.saturating_sub(since) > patience_us {
            self.graft(link, Some(what), out);
        }
    }

    /// Something that the peer of this link holds and this node does not. `alone`: only what no neighbour holds that
    /// sends unasked.
    fn lacking(&self, link: LinkId, alone: bool) -> Option<Lacking> {
        let open = self.links.get(&link).and_then(Link::open)?;
        let suppliers: Vec<&Link> = self
            .links
            .iter()
            .filter(|(id, state)| **id != link && state.open.agreed.flow == Flow::Eager)
            .map(|(_, state)| state)
            .collect();
        let brings = |theirs: &Theirs, stream, author, seq| theirs.is_awaited() || theirs.seq(stream, author) >= seq;
        for (scope, theirs) in open.theirs.frontier().scopes() {
            let mine = self.held.frontier().scope(scope);
            if mine.is_some_and(|mine| mine.fingerprint() == theirs.fingerprint()) {
                continue;
            }
            for (kind, author, head) in theirs.heads() {
                let stream = StreamId::new(scope, kind);
                let wanted = head.seq > self.held.frontier().seq(stream, author)
                    && author != self.held.own_author()
                    && !self.held.is_frozen(stream, author);
                let covered = || suppliers.iter().any(|other| brings(&other.open.theirs, stream, author, head.seq));
                if wanted && !(alone && covered()) {
                    return Some((stream, author, head.seq));
                }
            }
        }
        None
    }
}

/// A number that differs between nodes, links and rounds, and is the same in every run.
fn dice(me: DeviceId, peer: DeviceId, round: u64) -> u64 {
    let word = |device: DeviceId| device.0.iter().take(8).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    // The finalizer of splitmix64.
    let mut z = word(me).wrapping_mul(3) ^ word(peer) ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
