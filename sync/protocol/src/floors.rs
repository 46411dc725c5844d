//! Floors: where chains begin at nodes that do not hold them whole, and how a node goes on above what it never got.

use holdfast_domain::entry::Digest;
use holdfast_domain::floor::Floor;
use holdfast_domain::frame::{LinkId, PackRange};
use holdfast_domain::identity::{AuthorId, DeviceRole};
use holdfast_domain::scope::{Family, StreamId};

use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::session::Link;

impl Protocol {
    pub(crate) fn floors_came(&mut self, floors: Vec<Floor>) {
        for floor in floors {
            self.held.floor(&floor);
            for credential in floor.credentials {
                self.held.saved(credential);
            }
        }
    }

    /// A chain begins above its first entry here. Peers are asked again for what could not be placed before.
    pub(crate) fn based(
        &mut self,
        stream: StreamId,
        author: AuthorId,
        (seq, digest): (u64, Digest),
        out: &mut Vec<Effect>,
    ) {
        if !self.held.based(stream, author, seq, digest) {
            return;
        }
        self.counters.one(counters::CHAINS_JUMPED);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.stirred.insert(link);
            let Some(open) = self.open_mut(link) else { continue };
            open.push.fell_behind(stream);
            let theirs = open.theirs.seq(stream, author);
            if theirs > seq && open.asks.has_gap(stream, author) {
                self.ask(link, stream, author, seq + 1, theirs, out);
            }
        }
    }

    /// Whether some neighbour holds more of a chain and has not yet shown that it begins above what is held here: a
    /// command post, which is to keep everything, waits for it.
    fn may_come(&self, stream: StreamId, author: AuthorId, held: u64) -> bool {
        let open = self.links.values().filter_map(Link::open);
        open.into_iter().any(|open| open.theirs.seq(stream, author) > held && !open.asks.has_gap(stream, author))
    }

    /// Where a chain could go on before this run, if what is missing there is covered by a floor: the peer begins above,
    /// so it does not have it.
    pub(crate) fn landing(&self, stream: StreamId, range: &PackRange) -> Option<(u64, Digest)> {
        let author = range.author;
        let held = self.held.head(stream, author).map_or(0, |(seq, _)| seq);
        let before = range.first.checked_sub(1)?;
        if before <= held || author == self.held.own_author() || stream.kind.family() == Family::Register {
            return None;
        }
        let digest = self.held.floor_at(stream, author, before)?;
        if self.config.credential.device.role == DeviceRole::Hub && self.may_come(stream, author, held) {
            return None;
        }
        (digest.short() == range.base).then_some((before, digest))
    }
}
