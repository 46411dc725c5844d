//! The fear: a lie nobody thought of. Changes are bent at random, in meaning and in bytes, and every node must end up
//! sound, and alike.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, ObjectId, OpId, OpType};
use automerge::{Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::identity::AuthorId;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::crew::*;
use crate::mad_device::{actor, chunk, content, entry, last_change, must_be_sound, scene};

/// One lie about a change.
#[derive(Debug, Clone)]
enum Lie {
    Seq(u64),
    StartOp(u64),
    Time(i64),
    Actor(u8),
    Dep([u8; 32]),
    DropDep(Index),
    Object(Index, u64, u8),
    Key(Index, u8),
    Pred(Index, u64, u8),
    NoPred(Index),
    Action(Index, u8),
    Insert(Index),
    Again(Index),
    Drop(Index),
    Swap(Index, Index),
}

fn lie() -> impl Strategy<Value = Lie> {
    let counter = prop_oneof![0..60_u64, Just(u64::from(u32::MAX)), any::<u64>()];
    let who = prop_oneof![Just(0_u8), Just(1), Just(9), any::<u8>()];
    let at = any::<Index>();
    prop_oneof![
        (0..4_u64).prop_map(Lie::Seq),
        counter.clone().prop_map(Lie::StartOp),
        any::<i64>().prop_map(Lie::Time),
        who.clone().prop_map(Lie::Actor),
        any::<[u8; 32]>().prop_map(Lie::Dep),
        at.prop_map(Lie::DropDep),
        (any::<Index>(), counter.clone(), who.clone()).prop_map(|(at, counter, who)| Lie::Object(at, counter, who)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, key)| Lie::Key(at, key)),
        (any::<Index>(), counter, who).prop_map(|(at, counter, who)| Lie::Pred(at, counter, who)),
        any::<Index>().prop_map(Lie::NoPred),
        (any::<Index>(), any::<u8>()).prop_map(|(at, action)| Lie::Action(at, action)),
        any::<Index>().prop_map(Lie::Insert),
        any::<Index>().prop_map(Lie::Again),
        any::<Index>().prop_map(Lie::Drop),
        (any::<Index>(), any::<Index>()).prop_map(|(one, two)| Lie::Swap(one, two)),
    ]
}

impl Lie {
    fn tell(self, change: &mut ExpandedChange) {
        let ops = &mut change.operations;
        let count = ops.len();
        match self {
            Self::Seq(seq) => change.seq = seq,
            Self::StartOp(number) => change.start_op = number.max(1).try_into().expect("not zero"),
            Self::Time(time) => change.time = time,
            Self::Actor(n) => change.actor_id = actor(n),
            Self::Dep(hash) => change.deps.push(ChangeHash(hash)),
            Self::DropDep(at) if !change.deps.is_empty() => drop(change.deps.remove(at.index(change.deps.len()))),
            Self::DropDep(_) => {}
            _ if count == 0 => {}
            Self::Object(at, counter, who) => ops[at.index(count)].obj = ObjectId::Id(OpId(counter, actor(who))),
            Self::Key(at, key) => {
                let names = ["notes", "priority", "status", "deleted", "x"];
                ops[at.index(count)].key = match key {
                    0..200 => Key::Map(names[usize::from(key) % names.len()].into()),
                    200..230 => Key::Map(incident(key % 4).to_string().into()),
                    _ => Key::head(),
                };
            }
            Self::Pred(at, counter, who) => {
                let op = &mut ops[at.index(count)];
                let mut pred: Vec<OpId> = op.pred.iter().cloned().collect();
                pred.push(OpId(counter, actor(who)));
                op.pred = pred.into();
            }
            Self::NoPred(at) => ops[at.index(count)].pred = vec![].into(),
            Self::Action(at, action) => {
                ops[at.index(count)].action = match action % 6 {
                    0 => OpType::Make(ObjType::Map),
                    1 => OpType::Make(ObjType::List),
                    2 => OpType::Delete,
                    3 => OpType::Put(ScalarValue::counter(3)),
                    4 => OpType::Increment(2),
                    _ => OpType::Put(ScalarValue::F64(0.5)),
                };
            }
            Self::Insert(at) => ops[at.index(count)].insert = true,
            Self::Again(at) => ops.push(ops[at.index(count)].clone()),
            Self::Drop(at) => drop(ops.remove(at.index(count))),
            Self::Swap(one, two) => ops.swap(one.index(count), two.index(count)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn lies_harm_nobody_and_divide_nobody(
        lies in prop::collection::vec(prop::collection::vec(lie(), 1..3), 1..4),
        late in any::<bool>(),
    ) {
        let (mut one, mut mad) = scene();
        let mut two = Member::new(2);
        two.take_from(&one);
        let honest = one.log.clone();
        // Each lie is a change the mad device might have made next, bent; a second history is another story.
        let mut entries: BTreeMap<EntryKey, Entry> = BTreeMap::new();
        for (turn, lies) in lies.into_iter().enumerate() {
            mad.gesture(&[incident_notes(1, "mad"), Edit::IncidentOpen(mission(), incident_new(3))]);
            mad.gesture(&[incident_notes(2, &format!("mad {turn}"))]);
            let mut change = last_change(&mad);
            for lie in lies {
                lie.tell(&mut change);
            }
            let author = AuthorId(change.actor_id.to_bytes().try_into().unwrap_or([9; 16]));
            let seq = change.seq;
            if let Ok(body) = std::panic::catch_unwind(|| Change::from(change).raw_bytes().to_vec()) {
                let bent = entry(author, seq, body);
                entries.entry(bent.key).or_insert(bent);
            }
            let truths = mad.log[mad.log.len() - 2..].iter().take(if late { 2 } else { 1 });
            for truth in truths {
                entries.entry(truth.key).or_insert_with(|| truth.clone());
            }
        }
        let known: BTreeSet<EntryKey> = honest.iter().map(|entry| entry.key).collect();
        let entries: Vec<Entry> = entries.into_values().filter(|entry| !known.contains(&entry.key)).collect();
        let mut refused = [one.replica.merge(&entries).refused, Vec::new()];
        for entry in entries.iter().rev() {
            refused[1].extend(two.replica.merge(std::slice::from_ref(entry)).refused);
        }
        for refused in &mut refused {
            refused.sort();
        }
        prop_assert_eq!(&refused[0], &refused[1]);
        prop_assert_eq!(one.replica.held(), two.replica.held());
        prop_assert_eq!(one.replica.heads(board()), two.replica.heads(board()));
        prop_assert_eq!(one.replica.rows(board()), two.replica.rows(board()));
        for member in [&mut one, &mut two] {
            member.shown = member.rebuilt();
            must_be_sound(member, &honest);
            member.edit(incident_notes(2, "still works"));
            must_be_sound(member, &honest);
        }
    }

    #[test]
    fn bent_bytes_with_a_good_checksum_harm_nobody(
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<Index>()),
        growth in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let (mut honest, mut mad) = scene();
        mad.gesture(&[incident_notes(1, "mad"), Edit::IncidentOpen(mission(), incident_new(3))]);
        let body = &mad.log.last().expect("an entry").body;
        let mut content = content(body).to_vec();
        for (at, byte) in flips {
            let at = at.index(content.len());
            content[at] ^= byte;
        }
        if let Some(cut) = cut {
            content.truncate(cut.index(content.len()));
        }
        content.extend(growth);
        let bent = chunk(1, &content);
        let entries = honest.log.clone();
        honest.replica.merge(&[entry(mad.author, 1, bent)]);
        honest.shown = honest.rebuilt();
        must_be_sound(&honest, &entries);
    }
}
