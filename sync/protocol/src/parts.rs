//! Blobs that peers want from here: what each asked for, what was sent of it, and what it was told.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::blob::BlobKey;
use holdfast_domain::frame::{BlobAsk, BlobHave, BlobPart, Bye, Carriage, Frame, FrameV1, LinkId};
use holdfast_domain::limits::{
    BLOB_GROUP_BYTES, BLOB_INTERESTS_MAX, BLOB_PART_GROUPS_MAX, BLOB_RANGES_MAX, BLOBS_SERVED_MAX,
};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::Class;

use crate::blob::BlobEffect;
use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::session::send;

/// The sending side of one session, as far as blobs go.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Groups to be sent, by blob.
    owed: BTreeMap<BlobKey, Ranges>,
    /// Blobs of which something is owed, in the order in which they were asked for: the peer knows best what comes first.
    order: VecDeque<BlobKey>,
    /// What the peer was told of blobs that it cares for; `None`: nothing yet.
    told: BTreeMap<BlobKey, Option<Ranges>>,
    /// The same in order of age.
    cared: VecDeque<BlobKey>,
    /// Asked for and not yet looked up.
    asked: BTreeMap<BlobKey, Ranges>,
    /// Class and size of each part that is not acknowledged.
    in_flight: BTreeMap<u32, (Class, usize)>,
    pub(crate) loading: Option<Part>,
}

/// Some groups of a blob in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) blob: BlobKey,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Parts {
    /// The peer cares for a blob: it is told when what is here of it changes.
    pub(crate) fn cares(&mut self, blob: BlobKey) {
        if let std::collections::btree_map::Entry::Vacant(place) = self.told.entry(blob) {
            place.insert(None);
            self.cared.push_back(blob);
        }
        if self.cared.len() > BLOB_INTERESTS_MAX
            && let Some(oldest) = self.cared.pop_front()
        {
            self.told.remove(&oldest);
        }
    }

    pub(crate) fn owe(&mut self, blob: BlobKey, groups: Ranges) {
        if groups.is_empty() {
            self.owed.remove(&blob);
            self.order.retain(|other| *other != blob);
        } else if self.owed.insert(blob, groups).is_none() {
            self.order.push_back(blob);
        }
    }

    /// Whether anything is given here changed: whoever cares is told of each blob anew.
    pub(crate) fn look_again(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        for &blob in self.told.keys() {
            self.asked.insert(blob, Ranges::none());
            out.push(Effect::Blob(BlobEffect::Look { link, blob }));
        }
    }

    /// Classes in which something is owed.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> {
        self.order.iter().map(BlobKey::class)
    }

    /// The next part of this class, of about so many bytes.
    pub(crate) fn next(&self, class: Class, bytes: usize) -> Option<Part> {
        let blob = *self.order.iter().find(|blob| blob.class() == class)?;
        let (first, end) = self.owed.get(&blob)?.iter().next()?;
        let fit = (bytes as u64 / BLOB_GROUP_BYTES).clamp(1, u64::from(BLOB_PART_GROUPS_MAX)) as u32;
        Some(Part { blob, first, count: fit.min(end - first) })
    }

    fn left(&mut self, part: Part, id: u32, bytes: usize) {
        let Part { blob, first, count } = part;
        if let Some(owed) = self.owed.get(&blob) {
            let rest = owed.minus(&Ranges::span(first, first + count));
            self.owe(blob, rest);
        }
        self.in_flight.insert(id, (blob.class(), bytes));
    }

    /// The part of this number, if it is in flight, was dealt with.
    pub(crate) fn landed(&mut self, id: u32) -> Option<(Class, usize)> {
        self.in_flight.remove(&id)
    }
}

impl Protocol {
    pub(crate) fn blob_ask_came(&mut self, link: LinkId, ask: BlobAsk, out: &mut Vec<Effect>) {
        let BlobAsk { blob, groups } = ask;
        let sound = blob.is_sound() && groups.is_sound(blob.groups(), BLOB_RANGES_MAX);
        if !sound || !self.knows_blobs(link) {
            return self.close(link, Bye::BadFrame, out);
        }
        let Some(state) = self.links.get_mut(&link) else { return };
        // Who wants a blob has not all of it, whatever was heard before.
        out.push(Effect::Blob(BlobEffect::Holder { device: state.device(), blob, whole: false }));
        let parts = &mut state.open.push.parts;
        if !groups.is_empty() && !parts.owed.contains_key(&blob) && parts.owed.len() >= BLOBS_SERVED_MAX {
            return self.close(link, Bye::BadFrame, out);
        }
        parts.cares(blob);
        parts.asked.insert(blob, groups);
        out.push(Effect::Blob(BlobEffect::Look { link, blob }));
    }

    /// What is here of a blob that a peer asked for.
    pub(crate) fn blob_looked(&mut self, link: LinkId, blob: BlobKey, held: &Ranges, out: &mut Vec<Effect>) {
        let serves = self.blobs.serves;
        let Some(open) = self.open_mut(link) else { return };
        let parts = &mut open.push.parts;
        let Some(asked) = parts.asked.remove(&blob) else { return };
        let held = if serves { held.clone() } else { Ranges::none() };
        if asked.is_empty() || !asked.minus(&held).is_empty() {
            tell(parts, link, blob, &held, out);
        }
        let owed = parts.owed.get(&blob).cloned().unwrap_or_default();
        parts.owe(blob, if asked.is_empty() { Ranges::none() } else { owed.or(&asked).and(&held) });
        self.stirred.insert(link);
    }

    /// Tells peers that care what is here of a blob now, if it is worth a word.
    pub(crate) fn tell_held(&mut self, blob: BlobKey, held: &Ranges, out: &mut Vec<Effect>) {
        let worth = (blob.groups() / 16).max(4);
        let serves = self.blobs.serves;
        for (&link, state) in &mut self.links {
            let parts = &mut state.open.push.parts;
            let Some(told) = parts.told.get(&blob) else { continue };
            let before = told.clone().unwrap_or_default();
            let grown = held.minus(&before).count();
            let shrunk = !before.minus(held).is_empty();
            let whole = held.is_whole(blob.groups()) && grown > 0;
            if serves && (whole || shrunk || grown >= worth || (before.is_empty() && grown > 0)) {
                tell(parts, link, blob, held, out);
            }
            if shrunk && let Some(owed) = parts.owed.get(&blob) {
                let rest = owed.and(held);
                parts.owe(blob, rest);
            }
        }
    }

    pub(crate) fn part_loaded(&mut self, link: LinkId, blob: BlobKey, slice: Option<Vec<u8>>, out: &mut Vec<Effect>) {
        let id = self.last_pack.wrapping_add(1);
        let Some(open) = self.links.get_mut(&link).map(|state| &mut state.open) else { return };
        let Some(part) = open.push.parts.loading.take_if(|part| part.blob == blob) else { return };
        self.stirred.insert(link);
        let Some(slice) = slice else {
            self.counters.one(counters::BLOB_PARTS_LOST);
            open.push.parts.owe(blob, Ranges::none());
            return tell(&mut open.push.parts, link, blob, &Ranges::none(), out);
        };
        let Part { first, count, .. } = part;
        let bytes = Frame::V1(FrameV1::BlobPart(BlobPart { id, blob, first, count, slice })).encode();
        self.last_pack = id;
        self.counters.one(counters::BLOB_PARTS_SENT);
        self.counters.add(counters::BLOB_BYTES_SENT, bytes.len());
        open.push.parts.left(part, id, bytes.len());
        open.push.part_left(blob.class(), bytes.len());
        out.push(Effect::Send { link, class: blob.class(), carriage: Carriage::Stream, bytes });
    }
}

fn tell(parts: &mut Parts, link: LinkId, blob: BlobKey, held: &Ranges, out: &mut Vec<Effect>) {
    // Of a blob in very many pieces the first are told; the rest later, when pieces have joined.
    let groups = held.first_ranges(BLOB_RANGES_MAX);
    parts.told.insert(blob, Some(groups.clone()));
    out.push(send(link, Class::P3, FrameV1::BlobHave(BlobHave { blob, groups })));
}
