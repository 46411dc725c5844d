//! Whatever comes in, in whatever order: no panic, and nothing is held that its author did not write.

use std::collections::BTreeSet;

use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::clock::Now;
use holdfast_domain::entry::{Digest, EntryKey};
use holdfast_domain::frame::{Frame, FrameV1, Pack, PackForm, PackRange};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::BLOB_GROUP_BYTES;
use holdfast_domain::ranges::Ranges;
use holdfast_domain::scope::StreamKind;
use holdfast_protocol::blob::BlobInput;
use holdfast_protocol::protocol::{Effect, Input};
use proptest::prelude::*;

use crate::node::Node;
use crate::org::{self, board, stream};
use crate::world::{Dice, World, link_id};

/// A blob of forty groups.
const PHOTO: BlobKey = BlobKey { id: BlobId([7; 32]), bytes: 40 * BLOB_GROUP_BYTES };

fn wanted() -> Input {
    Input::Blob(BlobInput::Wanted { blob: PHOTO, held: Ranges::none() })
}

/// Frames of an honest world, one of each kind at least.
fn honest_frames() -> Vec<Vec<u8>> {
    let mut world = World::new(3, 5);
    world.write(0, board(), &["one", "two"]);
    world.write(1, board(), &["three"]);
    world.write(1, stream(StreamKind::Latest), &["p"]);
    let held = Ranges::below(PHOTO.groups());
    world.nodes[1].store.blobs.insert(PHOTO, held);
    for node in [0, 2] {
        world.say(node, wanted());
    }
    world.dial(0, 1);
    world.dial(1, 2);
    world.run();
    let mut frames: Vec<Vec<u8>> = world.trace.into_iter().map(|(.., bytes)| bytes).collect();
    let ask = holdfast_domain::frame::Ask { stream: board(), author: org::credential(1, 0).author(), first: 1 };
    frames.push(Frame::V1(FrameV1::Ask(ask)).encode());
    frames
}

/// Every entry on disk continues its chain and is covered by a signature of its author.
fn assert_nothing_unproved(node: &Node) {
    for ((_, author), entries) in &node.store.chains {
        let credential = &node.store.credentials[author];
        let mut previous = None;
        for entry in entries {
            assert_eq!(holdfast_domain::entry::digest_after(&entry.key, previous, &entry.body), entry.digest);
            previous = Some(entry.digest);
            assert!(entry.signature.is_none() || entry.verifies(&org::org(), &credential.device.key));
        }
        assert!(entries.last().is_some_and(|entry| entry.signature.is_some()));
    }
    for ((_, author, _), entry) in &node.store.registers {
        assert!(entry.verifies(&org::org(), &node.store.credentials[author].device.key));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn bent_frames_in_any_order_prove_nothing_false(seed: u64) {
        let frames = honest_frames();
        let mut dice = Dice::new(seed);
        let mut node = Node::new(1);
        node.write(board(), &["one", "two"], false);
        node.say(wanted());
        for turn in 0..60u64 {
            let link = link_id(dice.roll(4), 0);
            let mut bytes = frames[dice.roll(frames.len())].clone();
            match dice.roll(6) {
                0 => drop(node.say(Input::Up { link, device: org::device(2 + dice.roll(2) as u8), outgoing: turn % 2 == 0 })),
                1 => drop(node.say(Input::Down { link, silent_us: 0, partials: Vec::new() })),
                2 => {
                    let at = dice.roll(bytes.len());
                    bytes[at] ^= 1 << dice.roll(8);
                }
                3 => bytes.truncate(dice.roll(bytes.len())),
                _ => {}
            }
            node.say(Input::Frame { link, bytes });
        }
        assert_nothing_unproved(&node);
    }

    #[test]
    fn a_relay_that_bends_frames_cannot_bend_what_is_held(seed: u64) {
        let mut world = World::new(3, seed);
        let mut dice = Dice::new(seed);
        world.dial(0, 1);
        world.dial(1, 2);
        for turn in 0..120 {
            if turn % 20 == 0 {
                world.write(turn / 20 % 3, board(), &["word", "of", "mine"]);
            }
            world.step();
            if let Some((from, to, _, bytes)) = world.trace.last().cloned() && dice.roll(8) == 0 {
                let mut bytes = bytes;
                let at = dice.roll(bytes.len());
                bytes[at] ^= 1 << dice.roll(8);
                let wire = usize::from(from.max(to) == 2);
                world.say(to, Input::Frame { link: link_id(wire, usize::from(to > from)), bytes });
            }
        }
        world.run();
        world.nodes.iter().for_each(assert_nothing_unproved);
        prop_assert!(world.nodes.iter().all(|node| node.told.forks.is_empty()), "nobody is framed");
    }

    #[test]
    fn random_bytes_never_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)) {
        let mut node = Node::new(1);
        for (number, mut bytes) in chunks.into_iter().enumerate() {
            let link = link_id(number, 0);
            node.say(Input::Up { link, device: org::device(9), outgoing: false });
            node.say(Input::Frame { link, bytes: bytes.clone() });
            if let Some(first) = bytes.first_mut() {
                *first = 0;
            }
            node.say(Input::Frame { link, bytes });
        }
        prop_assert!(node.store.heads.is_empty());
    }

    #[test]
    fn inputs_out_of_all_order_never_panic(seed: u64) {
        let frames = honest_frames();
        let mut dice = Dice::new(seed);
        let mut protocol = Node::new(1).protocol;
        let mut answers: Vec<Input> = Vec::new();
        for _ in 0..150 {
            let input = if answers.is_empty() || dice.roll(3) > 0 {
                absurd_input(&mut dice, &frames)
            } else {
                answers.swap_remove(dice.roll(answers.len()))
            };
            for effect in protocol.handle(Now::default(), input) {
                answers.extend(absurd_answer(&mut dice, effect));
            }
        }
    }
}

fn absurd_input(dice: &mut Dice, frames: &[Vec<u8>]) -> Input {
    let link = link_id(dice.roll(4), 0);
    let author = org::credential(dice.roll(4) as u8, 0).author();
    let seq = [0, 1, 2, u64::MAX][dice.roll(4)];
    let digest = Digest([dice.roll(3) as u8; 32]);
    match dice.roll(12) {
        0..3 => Input::Up { link, device: org::device(dice.roll(4) as u8), outgoing: dice.roll(2) == 0 },
        3..8 => Input::Frame { link, bytes: frames[dice.roll(frames.len())].clone() },
        8 => Input::Committed {
            from: (dice.roll(2) == 0).then_some(link),
            entries: vec![(EntryKey { stream: board(), author, seq }, digest)],
            credentials: vec![org::credential(dice.roll(4) as u8, 0)],
        },
        9 => Input::Reborn { credential: org::credential(1, dice.roll(3) as u32) },
        10 => Input::Pause { device: org::device(dice.roll(4) as u8), paused: dice.roll(2) == 0 },
        _ => [Input::Tick, Input::Down { link, silent_us: 0, partials: Vec::new() }][dice.roll(2)].clone(),
    }
}

fn absurd_answer(dice: &mut Dice, effect: Effect) -> Option<Input> {
    let digest = Digest([dice.roll(3) as u8; 32]);
    match effect {
        Effect::Load { link, stream, wanted, .. } => {
            let author = [wanted[0].0, AuthorId([3; 16])][dice.roll(2)];
            let key = EntryKey { stream, author, seq: wanted[0].1.wrapping_sub(dice.roll(2) as u64) };
            let mut entry = holdfast_domain::entry::Entry::next(key, None, vec![1]);
            if dice.roll(3) > 0 {
                entry.sign(&org::org(), &org::key(1));
            }
            let entries = vec![entry; dice.roll(3)];
            let bases = vec![(author, digest); dice.roll(2)];
            Some(Input::Loaded {
                link,
                stream,
                entries,
                bases,
                cuts: BTreeSet::new(),
                form: PackForm::Raw,
                payload: vec![0; dice.roll(9)],
            })
        }
        Effect::Unpack { link, mut pack } => {
            let bodies = [Ok(vec![vec![1]; dice.roll(3)]), Err("no".to_owned())][dice.roll(2)].clone();
            if dice.roll(4) == 0 {
                pack = absurd_pack(pack);
            }
            let author = pack.ranges.first().map_or(AuthorId([3; 16]), |range| range.author);
            Some(Input::Unpacked { link, pack, bodies, mine: vec![(author, vec![(dice.roll(4) as u64, digest)])] })
        }
        Effect::Admit { link, entries, credentials } => {
            let entries = entries.into_iter().map(|entry| (entry.key, entry.digest)).collect();
            Some(Input::Committed { from: Some(link), entries, credentials })
        }
        Effect::OwnHistory { .. } => Some(Input::Reborn { credential: org::credential(1, 9) }),
        _ => None,
    }
}

fn absurd_pack(pack: Pack) -> Pack {
    let ranges = pack.ranges.into_iter().map(|range| PackRange { first: 0, count: u32::MAX, ..range }).collect();
    Pack { ranges, ..pack }
}
