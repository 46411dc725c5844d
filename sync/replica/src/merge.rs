//! Taking in changes: those whose predecessors are there become ready, those that cannot be are refused, the rest wait.
//!
//! Whether a change is refused depends only on the change and on what it builds on, never on the order of arrival, so
//! all nodes refuse the same. What builds on a refused change is refused with it, and so is the rest of that author's
//! chain; no honest change can, since no honest node ever had it applied.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash, ObjId, ObjType, ReadDoc};
use holdfast_domain::floor::Generation;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::RecordId;

use crate::examine::{Examined, Op, OpName};
use crate::genesis::actor;

/// How far an author's changes are applied.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct End {
    pub(crate) seq: u64,
    /// Number of the author's last operation.
    pub(crate) max_op: u64,
}

/// An author's number for a change.
pub(crate) type Place = (AuthorId, u64);

/// Changes that are not applied, and why.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<ChangeHash, Examined>,
    places: BTreeMap<Place, ChangeHash>,
    blocked: BTreeMap<Blocker, BTreeSet<ChangeHash>>,
    refused: BTreeSet<ChangeHash>,
    /// The first number of each author that was refused: the rest of the chain can never be applied.
    barred: BTreeMap<AuthorId, u64>,
}

/// What a change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blocker {
    Change(ChangeHash),
    Place(Place),
    /// Any further change of an author, in which an operation may be that is referred to.
    Author(AuthorId),
}

/// What is to become of a change.
enum Verdict {
    Ready,
    /// Any of these, when it comes or is refused, calls for another verdict.
    Wait(Vec<Blocker>),
    Refuse,
}

/// What one call of [`Queue::settle`] came to.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Changes to apply, each after those it builds on.
    pub(crate) ready: Vec<Examined>,
    /// Records made by them, by the operation that makes the map.
    pub(crate) made: BTreeMap<OpName, RecordId>,
    /// Changes that can never be applied.
    pub(crate) refused: Vec<Place>,
    hashes: BTreeMap<ChangeHash, u64>,
    written: BTreeMap<OpName, (OpName, String)>,
}

impl Queue {
    /// How many changes wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bars the rest of a chain whose entry `seq` is no change of its author.
    pub(crate) fn bar(&mut self, (author, seq): Place) {
        let first = self.barred.entry(author).or_insert(seq);
        *first = seq.min(*first);
    }

    /// Lets changes in and finds out which can be applied now. `ends` is brought up to date as if they were.
    pub(crate) fn settle(
        &mut self,
        doc: &Automerge,
        ends: &mut BTreeMap<AuthorId, End>,
        arrived: Vec<Examined>,
    ) -> Settled {
        let mut settled = Settled::default();
        let mut work = BTreeSet::new();
        for change in arrived {
            let place = (change.author, change.seq);
            if doc.get_change_meta_by_hash(&change.hash).is_some() || self.waiting.contains_key(&change.hash) {
                continue;
            }
            if self.places.contains_key(&place) {
                // A second history of this author: proving and freezing it is the protocol's business.
                settled.refused.push((change.author, change.entry));
                continue;
            }
            self.places.insert(place, change.hash);
            work.insert((change.start_op, change.hash));
            self.waiting.insert(change.hash, change);
        }
        let barred: Vec<Place> = self.barred.iter().map(|(author, seq)| (*author, *seq)).collect();
        for place in barred {
            self.wake(Blocker::Place(place), &mut work);
        }
        // An honest change's operations are numbered after all it builds on, so this order rarely has to wait.
        while let Some((_, hash)) = work.pop_first() {
            let Some(change) = self.waiting.get(&hash) else { continue };
            match self.verdict(doc, ends, &settled, change) {
                Verdict::Wait(blockers) => {
                    for blocker in blockers {
                        self.blocked.entry(blocker).or_default().insert(hash);
                    }
                }
                Verdict::Refuse => {
                    let (place, entry) = ((change.author, change.seq), change.entry);
                    self.refused.insert(hash);
                    if place.1 > ends.get(&place.0).copied().unwrap_or_default().seq {
                        self.bar(place);
                    }
                    settled.refused.push((place.0, entry));
                    self.waiting.remove(&hash);
                    self.release(place, hash, &mut work);
                }
                Verdict::Ready => {
                    let change = self.waiting.remove(&hash).expect("it was there a moment ago");
                    let place = (change.author, change.seq);
                    ends.insert(change.author, End { seq: change.seq, max_op: change.max_op() });
                    settled.accept(change);
                    self.release(place, hash, &mut work);
                }
            }
        }
        settled
    }

    /// Takes a change's name off the queue and wakes what waited for it.
    fn release(&mut self, place: Place, hash: ChangeHash, work: &mut BTreeSet<(u64, ChangeHash)>) {
        self.places.remove(&place);
        for blocker in [Blocker::Change(hash), Blocker::Place(place), Blocker::Author(place.0)] {
            self.wake(blocker, work);
        }
    }

    fn wake(&mut self, blocker: Blocker, work: &mut BTreeSet<(u64, ChangeHash)>) {
        let woken = self.blocked.remove(&blocker).unwrap_or_default();
        work.extend(woken.into_iter().filter_map(|hash| Some((self.waiting.get(&hash)?.start_op, hash))));
    }

    fn verdict(
        &self,
        doc: &Automerge,
        ends: &BTreeMap<AuthorId, End>,
        settled: &Settled,
        change: &Examined,
    ) -> Verdict {
        let end = |author: AuthorId| ends.get(&author).copied().unwrap_or_default();
        let own = end(change.author);
        let barred = self.barred.get(&change.author).is_some_and(|first| change.seq >= *first);
        let orphaned = change.change.deps().iter().any(|dep| self.refused.contains(dep));
        if barred || orphaned || change.seq <= own.seq {
            return Verdict::Refuse;
        }
        let mut missing = Vec::new();
        if change.seq != own.seq + 1 {
            let before = (change.author, change.seq - 1);
            // Entries of an author come in order, and in a later generation none of them is missing among its changes:
            // what is not here was refused.
            if !change.generation.is_first() && !self.places.contains_key(&before) {
                return Verdict::Refuse;
            }
            missing.push(Blocker::Place(before));
        }
        let mut newest = 0;
        for dep in change.change.deps() {
            match settled.hashes.get(dep).copied().or_else(|| Some(doc.get_change_meta_by_hash(dep)?.max_op)) {
                Some(max_op) => newest = newest.max(max_op),
                None => missing.push(Blocker::Change(*dep)),
            }
        }
        if !missing.is_empty() {
            return Verdict::Wait(missing);
        }
        // Numbers that leap would use up all there are; numbers used twice would mix two operations up.
        if change.start_op != newest + 1 || change.start_op <= own.max_op {
            return Verdict::Refuse;
        }
        // Deps cover what an honest change refers to. A lying one waits for it, so that no node judges it earlier.
        let far =
            change.references().find(|(counter, author)| *author != change.author && end(*author).max_op < *counter);
        if let Some((_, author)) = far {
            return Verdict::Wait(vec![Blocker::Author(author)]);
        }
        if change.ops.iter().all(|op| settled.holds(doc, change, op)) { Verdict::Ready } else { Verdict::Refuse }
    }
}

impl Settled {
    fn accept(&mut self, change: Examined) {
        self.hashes.insert(change.hash, change.max_op());
        for (counter, op) in (change.start_op..).zip(&change.ops) {
            let name = (counter, change.author);
            match op {
                Op::Make(record) => {
                    self.made.insert(name, *record);
                }
                Op::Write { object, field, clears: false, .. } => {
                    self.written.insert(name, (*object, field.clone()));
                }
                Op::Write { .. } => {}
            }
        }
        self.ready.push(change);
    }

    /// Whether the map that an operation writes to is a record's, and each value it replaces stood in that very field.
    fn holds(&self, doc: &Automerge, change: &Examined, op: &Op) -> bool {
        let Op::Write { object, field, replaced, .. } = op else { return true };
        let own = object.1 == change.author && object.0 >= change.start_op;
        if own || self.made.contains_key(object) {
            return replaced
                .iter()
                .all(|name| self.written.get(name).is_some_and(|place| *place == (*object, field.clone())));
        }
        let map = object_id(change.generation, *object);
        if !matches!(doc.object_type(&map), Ok(ObjType::Map)) {
            return false;
        }
        replaced.iter().all(|name| match self.written.get(name) {
            Some(place) => *place == (*object, field.clone()),
            None => stood(doc, &map, field, &object_id(change.generation, *name)),
        })
    }
}

/// Whether the operation once wrote this field of this map.
fn stood(doc: &Automerge, map: &ObjId, field: &str, op: &ObjId) -> bool {
    let among = |values: Vec<(automerge::Value<'_>, ObjId)>| values.iter().any(|(_, known)| known == op);
    if doc.get_all(map, field).is_ok_and(among) {
        return true;
    }
    // A field is written at most once in a change, so right after its change the value stood.
    doc.hash_for_opid(op).is_some_and(|hash| doc.get_all_at(map, field, &[hash]).is_ok_and(among))
}

/// The map that an operation made.
pub(crate) fn object_id(generation: Generation, (counter, author): OpName) -> ObjId {
    ObjId::Id(counter, actor(author, generation), 0)
}

impl Examined {
    /// Every operation it refers to.
    fn references(&self) -> impl Iterator<Item = OpName> + '_ {
        self.ops.iter().flat_map(|op| match op {
            Op::Make(_) => Vec::new(),
            Op::Write { object, replaced, .. } => {
                let mut names = replaced.clone();
                names.push(*object);
                names
            }
        })
    }
}
