//! Frames that a lost connection cut in two: the receiver keeps the beginning, the sender the whole, and the next
//! session goes on where the last one broke off.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::frame::{Bye, Frame, FrameV1, LinkId, Partial, Rest};
use holdfast_domain::identity::DeviceId;
use holdfast_domain::limits::{
    FRAME_BYTES_MAX, PARTIALS_MAX, RESUME_BYTES_MIN, RESUME_PEERS_MAX, UNFINISHED_BYTES_MAX,
};

use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::push::InFlight;
use crate::session::{Link, send};

/// What is kept of lost connections, by peer. In memory only: after a restart such frames are sent again whole.
#[derive(Debug, Default)]
pub(crate) struct Resume {
    peers: BTreeMap<DeviceId, Kept>,
    /// Peers in the order of parting, the longest ago first.
    order: VecDeque<DeviceId>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Beginnings of the peer's frames.
    partials: Vec<Vec<u8>>,
    /// Frames of ours that it has not acknowledged.
    unfinished: Vec<InFlight>,
}

impl Resume {
    /// A link is gone; keeps what it left.
    pub(crate) fn keep(&mut self, device: DeviceId, partials: Vec<Vec<u8>>, flown: Vec<InFlight>) {
        let long = |bytes: &Vec<u8>| (RESUME_BYTES_MIN..FRAME_BYTES_MAX).contains(&bytes.len());
        let partials: Vec<Vec<u8>> = partials.into_iter().filter(long).take(PARTIALS_MAX).collect();
        let mut room = UNFINISHED_BYTES_MAX;
        let mut unfinished = flown;
        unfinished.retain(|flown| {
            let fits = flown.frame.len() > RESUME_BYTES_MIN && flown.frame.len() <= room;
            room -= if fits { flown.frame.len() } else { 0 };
            fits
        });
        if partials.is_empty() && unfinished.is_empty() {
            return;
        }
        self.order.retain(|known| *known != device);
        self.order.push_back(device);
        // Of two links with one device that end together, both may leave something.
        let kept = self.peers.entry(device).or_default();
        kept.partials.extend(partials);
        kept.partials.truncate(PARTIALS_MAX);
        kept.unfinished.extend(unfinished);
        if self.order.len() > RESUME_PEERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.peers.remove(&oldest);
        }
    }

    /// What to say in a greeting of the beginnings that are here.
    pub(crate) fn named(&self, device: DeviceId) -> Vec<Partial> {
        self.peers
            .get(&device)
            .map(|kept| kept.partials.iter().map(|bytes| Partial::of(bytes)).collect())
            .unwrap_or_default()
    }

    /// The frame of which the peer holds this beginning. Everything else kept for the peer to finish is let go with
    /// [`Resume::forget_unfinished`].
    fn unfinished(&mut self, device: DeviceId, partial: Partial) -> Option<InFlight> {
        let kept = self.peers.get_mut(&device)?;
        let length = partial.bytes as usize;
        let matches = |flown: &InFlight| flown.frame.get(..length).is_some_and(|start| Partial::of(start) == partial);
        let place = kept.unfinished.iter().position(matches)?;
        Some(kept.unfinished.swap_remove(place))
    }

    fn forget_unfinished(&mut self, device: DeviceId) {
        if let Some(kept) = self.peers.get_mut(&device) {
            kept.unfinished.clear();
        }
    }

    fn beginning(&mut self, device: DeviceId, partial: Partial) -> Option<Vec<u8>> {
        let kept = self.peers.get_mut(&device)?;
        let place = kept.partials.iter().position(|bytes| Partial::of(bytes) == partial)?;
        Some(kept.partials.swap_remove(place))
    }
}

impl Protocol {
    /// Sends the rest of frames whose beginnings the peer has, unless it has come by their entries elsewhere.
    pub(crate) fn send_rests(&mut self, link: LinkId, device: DeviceId, partials: &[Partial], out: &mut Vec<Effect>) {
        for &partial in partials.iter().take(PARTIALS_MAX) {
            let Some(flown) = self.resume.unfinished(device, partial) else { continue };
            let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
            let lacks = |&(author, head): &(_, holdfast_domain::frontier::Head)| {
                open.theirs.seq(flown.stream, author) < head.seq
            };
            if !flown.runs.iter().any(lacks) {
                continue;
            }
            let class = flown.stream.kind.class();
            let bytes = flown.frame[partial.bytes as usize..].to_vec();
            self.counters.one(counters::FRAMES_RESUMED);
            self.counters.add(counters::BYTES_SPARED, partial.bytes as usize);
            open.push.left_again(flown);
            out.push(send(link, class, FrameV1::Rest(Rest { partial, bytes })));
        }
        self.resume.forget_unfinished(device);
    }

    /// Joins the rest of a frame to its beginning and takes the frame in.
    pub(crate) fn rest_came(&mut self, link: LinkId, rest: Rest, out: &mut Vec<Effect>) {
        let Some(device) = self.links.get(&link).map(Link::device) else { return };
        let Some(mut bytes) = self.resume.beginning(device, rest.partial) else {
            return self.counters.one(counters::RESTS_UNKNOWN);
        };
        bytes.extend_from_slice(&rest.bytes);
        match Frame::decode(&bytes) {
            Ok(Frame::V1(FrameV1::Pack(pack))) => self.pack_came(link, pack, bytes.len(), out),
            _ => self.close(link, Bye::BadFrame, out),
        }
    }
}
