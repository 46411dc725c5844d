//! What a peer answers to what was sent: that it has dealt with a pack, or that it wants a chain again, or nothing in time.

use std::collections::BTreeMap;

use holdfast_domain::clock::Now;
use holdfast_domain::frame::{Ack, Ask, Bye, LinkId};
use holdfast_domain::frontier::Head;
use holdfast_domain::limits::ASKS_SERVED_MAX;
use holdfast_domain::scope::Family;

use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::push::Asked;

impl Protocol {
    /// The peer has dealt with a pack. What it holds now decides whether it took each run; the room is free either way.
    pub(crate) fn ack_came(&mut self, link: LinkId, ack: &Ack, out: &mut Vec<Effect>) {
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        if open.push.part_landed(ack.pack) {
            return open.pace.acknowledged();
        }
        let Some(flown) = open.push.landed(ack.pack) else {
            return self.counters.one(counters::ACKS_UNKNOWN);
        };
        open.pace.acknowledged();
        let others: BTreeMap<u16, Option<Head>> = ack.others.iter().copied().collect();
        if others.len() < ack.others.len() || others.keys().any(|&place| usize::from(place) >= flown.runs.len()) {
            return self.close(link, Bye::BadFrame, out);
        }
        for (place, &(author, last)) in flown.runs.iter().enumerate() {
            let head = others.get(&(place as u16)).map_or(Some(last), |other| *other);
            if let Some(head) = head
                && !self.learn(link, flown.stream, author, head, out)
            {
                return;
            }
        }
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        if flown.stream.kind.family() == Family::Register {
            open.push.fell_behind(flown.stream);
        }
        for (author, last) in flown.runs {
            let chain = (flown.stream, author);
            open.told.share(flown.stream, author, last.seq);
            if open.theirs.seq(flown.stream, author) >= last.seq {
                open.push.told.insert((flown.stream.kind.class(), author));
                if open.push.refused.remove(&chain) {
                    open.push.fell_behind(flown.stream);
                }
            } else if open.push.refused.insert(chain) {
                self.counters.one(counters::RUNS_REFUSED);
            }
        }
    }

    /// The peer wants a chain from some number on, whatever it is known to hold.
    pub(crate) fn ask_came(&mut self, link: LinkId, ask: &Ask, out: &mut Vec<Effect>) {
        self.counters.one(counters::ASKS_RECEIVED);
        let held = self.held.head(ask.stream, ask.author).map_or(0, |(seq, _)| seq);
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        let chain = (ask.stream, ask.author);
        let others = open.push.asked.iter().filter(|(other, asked)| asked.by_peer && **other != chain).count();
        if ask.first == 0 || others >= ASKS_SERVED_MAX {
            return self.close(link, Bye::BadFrame, out);
        }
        if ask.first <= held {
            open.push.asked.insert(chain, Asked { next: ask.first, by_peer: true });
            open.push.fell_behind(ask.stream);
        }
        if ask.first == 1 || ask.stream.kind.family() == Family::Register {
            open.push.shown.insert(chain);
        }
    }

    /// Packets of registers that were not acknowledged in time are lost; what is newest by now goes in their place.
    pub(crate) fn give_up_packets(&mut self, now: Now, link: LinkId) {
        let Some(open) = self.open_mut(link) else { return };
        let lost = open.push.lost_packets(now.mono_us.saturating_sub(open.pace.packet_lost_us()));
        self.counters.add(counters::PACKETS_LOST, lost);
    }
}
