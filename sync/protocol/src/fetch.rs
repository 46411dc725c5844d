//! Blobs that are wanted here: which peers hold them, which groups each has promised, and what came.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::frame::{Ack, BlobAsk, BlobHave, BlobPart, Bye, FrameV1, LinkId, capability};
use holdfast_domain::limits::{
    BLOB_CLAIM_GROUPS_FIRST, BLOB_CLAIM_GROUPS_MAX, BLOB_PART_GROUPS_MAX, BLOB_RANGES_MAX, BLOBS_SOUGHT_MAX,
    BLOBS_WANTED_MAX,
};
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::Class;

use crate::blob::{BlobEffect, PartRefused};
use crate::counters;
use crate::protocol::{Effect, Protocol};
use crate::session::send;

/// What is fetched, over all links.
#[derive(Debug)]
pub(crate) struct Blobs {
    wants: BTreeMap<BlobKey, Ranges>,
    /// Whether anything is asked for, and whether anything is sent.
    pub(crate) fetches: bool,
    pub(crate) serves: bool,
}

impl Default for Blobs {
    fn default() -> Self {
        Self { wants: BTreeMap::new(), fetches: true, serves: true }
    }
}

/// Small ones first: each is whole sooner, so a contact that ends leaves less undone.
type Rank = (Class, u64, BlobKey);

fn rank(blob: BlobKey) -> Rank {
    (blob.class(), blob.bytes, blob)
}

/// The fetching side of one session.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// Wanted blobs of which the peer was not asked yet whether it has them.
    unsought: BTreeSet<Rank>,
    /// Those of which it was asked and has not answered, and since when, microseconds.
    sought: BTreeMap<BlobKey, u64>,
    /// What it holds of wanted blobs, where that is anything.
    offers: BTreeMap<Rank, Ranges>,
    claims: BTreeMap<BlobKey, Claim>,
    /// Groups it may have promised at once: what it brings in a second or two and as many round trips.
    room: u32,
    /// Groups that came, and since when, microseconds, to tell how long a room full takes.
    came: u32,
    came_since_us: u64,
}

/// Groups that the peer was asked for and has not brought.
#[derive(Debug)]
struct Claim {
    groups: Ranges,
    /// When it was made, or last brought something, microseconds.
    since_us: u64,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            unsought: BTreeSet::new(),
            sought: BTreeMap::new(),
            offers: BTreeMap::new(),
            claims: BTreeMap::new(),
            room: BLOB_CLAIM_GROUPS_FIRST,
            came: 0,
            came_since_us: 0,
        }
    }
}

impl Fetch {
    fn claimed(&self) -> u32 {
        self.claims.values().map(|claim| claim.groups.count()).sum()
    }

    fn forget(&mut self, blob: BlobKey) {
        self.unsought.remove(&rank(blob));
        self.sought.remove(&blob);
        self.offers.remove(&rank(blob));
    }

    /// Notes what the peer holds.
    fn offered(&mut self, blob: BlobKey, groups: &Ranges) {
        self.unsought.remove(&rank(blob));
        self.sought.remove(&blob);
        if groups.is_empty() {
            self.offers.remove(&rank(blob));
        } else {
            self.offers.insert(rank(blob), groups.clone());
        }
        if let Some(claim) = self.claims.get_mut(&blob) {
            claim.groups = claim.groups.and(groups);
        }
        self.claims.retain(|_, claim| !claim.groups.is_empty());
    }

    /// Groups came: the peer has them, and owes them no more.
    ///
    /// A room full that comes within `span_us` makes twice the room; one that takes twice as long, half.
    fn brought(&mut self, blob: BlobKey, groups: &Ranges, now_us: u64, span_us: u64) {
        if let Some(offer) = self.offers.get_mut(&rank(blob)) {
            *offer = offer.or(groups);
        }
        let Some(claim) = self.claims.get_mut(&blob) else { return };
        claim.groups = claim.groups.minus(groups);
        claim.since_us = now_us;
        if claim.groups.is_empty() {
            self.claims.remove(&blob);
        }
        self.came += groups.count();
        if self.came >= self.room {
            let took_us = now_us.saturating_sub(self.came_since_us);
            if took_us < span_us {
                self.room = (self.room * 2).min(BLOB_CLAIM_GROUPS_MAX);
            } else if took_us > 2 * span_us {
                self.room = (self.room / 2).max(1);
            }
            (self.came, self.came_since_us) = (0, now_us);
        }
    }
}

impl Protocol {
    /// Whether blobs are spoken of with this peer.
    pub(crate) fn knows_blobs(&self, link: LinkId) -> bool {
        let both = |theirs: u32| theirs & self.config.capabilities & capability::BLOBS != 0;
        self.links.get(&link).and_then(|state| state.open()).is_some_and(|open| both(open.capabilities))
    }

    /// A blob is to be fetched; `held` of it is here.
    pub(crate) fn blob_wanted(&mut self, blob: BlobKey, held: Ranges) {
        if !blob.is_sound() || held.is_whole(blob.groups()) || self.blobs.wants.len() >= BLOBS_WANTED_MAX {
            return;
        }
        if self.blobs.wants.insert(blob, held).is_none() {
            for (&link, state) in &mut self.links {
                state.open.fetch.unsought.insert(rank(blob));
                self.stirred.insert(link);
            }
        }
    }

    /// A blob is not to be fetched any more; what was promised of it is let go.
    pub(crate) fn blob_unwanted(&mut self, blob: BlobKey, out: &mut Vec<Effect>) {
        self.blobs.wants.remove(&blob);
        for (&link, state) in &mut self.links {
            state.open.fetch.forget(blob);
            if state.open.fetch.claims.remove(&blob).is_some() {
                out.push(send(link, Class::P0, FrameV1::BlobAsk(BlobAsk { blob, groups: Ranges::none() })));
            }
        }
    }

    /// What sync may spend on blobs changed.
    pub(crate) fn blob_traffic(&mut self, fetches: bool, serves: bool, out: &mut Vec<Effect>) {
        let ended = self.blobs.fetches && !fetches;
        let turned = self.blobs.serves != serves;
        (self.blobs.fetches, self.blobs.serves) = (fetches, serves);
        for (&link, state) in &mut self.links {
            if ended {
                for blob in std::mem::take(&mut state.open.fetch.claims).into_keys() {
                    out.push(send(link, Class::P0, FrameV1::BlobAsk(BlobAsk { blob, groups: Ranges::none() })));
                }
            }
            if turned {
                state.open.push.parts.look_again(link, out);
            }
            self.stirred.insert(link);
        }
    }

    /// Wanted blobs, how many.
    pub fn blobs_wanted(&self) -> usize {
        self.blobs.wants.len()
    }

    /// Wanted blobs of this name, whatever length is said of them.
    pub fn blobs_wanted_of(&self, id: BlobId) -> impl Iterator<Item = BlobKey> {
        let lengths = BlobKey { id, bytes: 0 }..=BlobKey { id, bytes: u64::MAX };
        self.blobs.wants.range(lengths).map(|(blob, _)| *blob)
    }

    /// A session is open: everything wanted is sought there.
    pub(crate) fn seek_blobs(&mut self, link: LinkId) {
        let unsought = self.blobs.wants.keys().copied().map(rank).collect();
        if let Some(open) = self.open_mut(link) {
            open.fetch = Fetch { unsought, ..Fetch::default() };
        }
    }

    /// Asks a peer which wanted blobs it has, and for as many groups as it may promise.
    pub(crate) fn fetch_blobs(&mut self, now_us: u64, link: LinkId, out: &mut Vec<Effect>) {
        if !self.blobs.fetches || self.blobs.wants.is_empty() || !self.knows_blobs(link) {
            return;
        }
        if let Some(open) = self.open_mut(link) {
            // On a narrow link a few questions at once keep it busy, and more would keep out what they are about.
            let sought_max = if open.pace.is_narrow() { BLOBS_SOUGHT_MAX / 16 } else { BLOBS_SOUGHT_MAX };
            while open.fetch.sought.len() < sought_max {
                let Some((.., blob)) = open.fetch.unsought.pop_first() else { break };
                open.fetch.sought.insert(blob, now_us);
                out.push(send(link, Class::P0, FrameV1::BlobAsk(BlobAsk { blob, groups: Ranges::none() })));
            }
        }
        self.claim_more(now_us, link, out);
    }

    /// Claims groups of the first wanted blobs that the peer has and nobody else has promised.
    fn claim_more(&mut self, now_us: u64, link: LinkId, out: &mut Vec<Effect>) {
        let Some(open) = self.links.get(&link).and_then(|state| state.open()) else { return };
        let fetch = &open.fetch;
        let claimed = fetch.claimed();
        // Half is left to come while the request for more is on its way.
        if claimed > fetch.room / 2 {
            return;
        }
        let mut room = fetch.room - claimed;
        let mut claims: Vec<(BlobKey, Ranges)> = Vec::new();
        for (&(.., blob), offer) in &fetch.offers {
            let Some(held) = self.blobs.wants.get(&blob) else { continue };
            let mut free = offer.minus(held);
            for other in self.links.values() {
                if let Some(claim) = other.open.fetch.claims.get(&blob) {
                    free = free.minus(&claim.groups);
                }
            }
            let taken = free.lowest_from(self.first_group(blob), room);
            if !taken.is_empty() {
                room -= taken.count();
                claims.push((blob, taken));
            }
            if room == 0 {
                break;
            }
        }
        let Some(open) = self.open_mut(link) else { return };
        if claimed == 0 {
            (open.fetch.came, open.fetch.came_since_us) = (0, now_us);
        }
        for (blob, groups) in claims {
            let claim = open.fetch.claims.entry(blob).or_insert(Claim { groups: Ranges::none(), since_us: now_us });
            claim.groups = claim.groups.or(&groups);
            out.push(send(link, Class::P0, FrameV1::BlobAsk(BlobAsk { blob, groups })));
        }
    }

    /// Where this node begins with a blob: each begins elsewhere, so that two that fetch it have parts to give each other.
    fn first_group(&self, blob: BlobKey) -> u32 {
        let word = self.config.device.0.iter().take(4).fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte));
        word % blob.groups().max(1)
    }

    /// Lets go of what a peer promised and does not bring, sooner where another has it; and asks again what it did not
    /// answer.
    pub(crate) fn expire_claims(&mut self, now_us: u64, link: LinkId, out: &mut Vec<Effect>) {
        let Some(open) = self.links.get(&link).and_then(|state| state.open()) else { return };
        let late = open.fetch.claims.iter().filter(|(blob, claim)| {
            let waited_us = now_us.saturating_sub(claim.since_us);
            let elsewhere = || {
                self.links.iter().filter(|(other, _)| **other != link).any(|(_, other)| {
                    let offer = other.open.fetch.offers.get(&rank(**blob));
                    offer.is_some_and(|offer| !offer.and(&claim.groups).is_empty())
                })
            };
            let promise_us = open.pace.promise_us(blob.bytes_of(claim.groups.count().min(BLOB_PART_GROUPS_MAX)));
            waited_us > promise_us && (elsewhere() || waited_us > 4 * promise_us)
        });
        let late: Vec<BlobKey> = late.map(|(blob, _)| *blob).collect();
        if let Some(open) = self.open_mut(link) {
            let patience_us = 4 * open.pace.patience_us();
            let unanswered =
                open.fetch.sought.extract_if(.., |_, since_us| now_us.saturating_sub(*since_us) > patience_us);
            let unanswered: Vec<Rank> = unanswered.map(|(blob, _)| rank(blob)).collect();
            open.fetch.unsought.extend(unanswered);
        }
        for blob in late {
            self.counters.one(counters::BLOB_CLAIMS_EXPIRED);
            let Some(open) = self.open_mut(link) else { return };
            open.fetch.claims.remove(&blob);
            open.fetch.room = 1;
            // It is offered again to this link only when the peer says so: others go first.
            open.fetch.offers.remove(&rank(blob));
            out.push(send(link, Class::P0, FrameV1::BlobAsk(BlobAsk { blob, groups: Ranges::none() })));
            open.fetch.sought.insert(blob, now_us);
            self.stirred.extend(self.links.keys());
        }
    }

    pub(crate) fn blob_have_came(&mut self, link: LinkId, have: &BlobHave, out: &mut Vec<Effect>) {
        let BlobHave { blob, groups } = have;
        if !blob.is_sound() || !groups.is_sound(blob.groups(), BLOB_RANGES_MAX) {
            return self.close(link, Bye::BadFrame, out);
        }
        let wanted = self.blobs.wants.contains_key(blob);
        let Some(state) = self.links.get_mut(&link) else { return };
        if wanted {
            state.open.fetch.offered(*blob, groups);
        }
        let (device, whole) = (state.device(), groups.is_whole(blob.groups()));
        out.push(Effect::Blob(BlobEffect::Holder { device, blob: *blob, whole }));
    }

    pub(crate) fn blob_part_came(&mut self, link: LinkId, part: BlobPart, out: &mut Vec<Effect>) {
        let BlobPart { id, blob, first, count, slice } = part;
        let end = first.saturating_add(count);
        let sound = blob.is_sound() && (1..=BLOB_PART_GROUPS_MAX).contains(&count) && end <= blob.groups();
        if !sound || !self.knows_blobs(link) {
            return self.close(link, Bye::BadFrame, out);
        }
        self.counters.one(counters::BLOB_PARTS_RECEIVED);
        self.counters.add(counters::BLOB_BYTES_RECEIVED, slice.len());
        let missing = self.blobs.wants.get(&blob).map(|held| Ranges::span(first, end).minus(held));
        if missing.is_none_or(|missing| missing.is_empty()) {
            self.counters.one(counters::BLOB_PARTS_UNWANTED);
            self.counters.add(counters::BLOB_BYTES_UNWANTED, slice.len());
            return out.push(send(link, Class::P0, FrameV1::Ack(Ack { pack: id, others: Vec::new() })));
        }
        out.push(Effect::Blob(BlobEffect::TakePart { link, id, blob, first, count, slice }));
    }

    pub(crate) fn part_taken(
        &mut self,
        now_us: u64,
        link: LinkId,
        (id, blob, part): (u32, BlobKey, Ranges),
        taken: Result<Ranges, PartRefused>,
        out: &mut Vec<Effect>,
    ) {
        let held = match taken {
            Ok(held) => held,
            Err(PartRefused::Forged) => {
                self.counters.one(counters::BLOB_PARTS_FORGED);
                self.stirred.extend(self.links.keys());
                return self.close(link, Bye::BadSignature, out);
            }
            Err(PartRefused::NoRoom) => {
                self.counters.one(counters::BLOB_PARTS_REFUSED);
                self.blob_unwanted(blob, out);
                return out.push(send(link, Class::P0, FrameV1::Ack(Ack { pack: id, others: Vec::new() })));
            }
        };
        out.push(send(link, Class::P0, FrameV1::Ack(Ack { pack: id, others: Vec::new() })));
        if let Some(open) = self.open_mut(link) {
            let span_us = open.pace.room_us();
            open.fetch.brought(blob, &part, now_us, span_us);
        }
        self.stirred.insert(link);
        self.blob_held(blob, held, out);
    }

    /// What is here of a blob changed: peers that care are told, and a whole one is wanted no more.
    pub(crate) fn blob_held(&mut self, blob: BlobKey, held: Ranges, out: &mut Vec<Effect>) {
        let whole = held.is_whole(blob.groups());
        if whole {
            // Who has it as well, or some of it, learns that there is one more.
            for state in self.links.values_mut() {
                if state.open.fetch.offers.contains_key(&rank(blob)) {
                    state.open.push.parts.cares(blob);
                }
            }
            if self.blobs.wants.contains_key(&blob) {
                self.counters.one(counters::BLOBS_FETCHED);
                self.blob_unwanted(blob, out);
            }
        } else if let Some(known) = self.blobs.wants.get_mut(&blob) {
            known.clone_from(&held);
        }
        self.tell_held(blob, &held, out);
    }
}
