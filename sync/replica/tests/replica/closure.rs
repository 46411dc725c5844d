//! The fear: a change arrives without those it follows from, and everybody behind waits for it.

use std::collections::BTreeSet;

use automerge::Change;
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, Signature};
use holdfast_domain::scope::StreamKind;
use holdfast_replica::closure::{causal_order, whole};

use crate::crew::*;

/// What three members wrote in turns, each with some of what the others had done, by author; one entry in `every` is signed.
fn runs(every: u64) -> Vec<Vec<Entry>> {
    let mut crew = [Member::new(1), Member::new(2), Member::new(3)];
    crew[0].edit(mission_new());
    for n in 1..=4 {
        crew[0].edit(Edit::IncidentOpen(mission(), incident_new(n)));
    }
    for turn in 0..30_usize {
        let Ok([one, other]) = crew.get_disjoint_mut([turn % 3, (turn * 7 + 1) % 3]) else {
            unreachable!("two of three")
        };
        other.take_from(one);
        for _ in 0..=turn % 3 {
            other.edit(incident_notes(turn as u8 % 4 + 1, &format!("turn {turn}")));
        }
    }
    let (first, others) = crew.split_at_mut(1);
    others.iter().for_each(|other| {
        first[0].take_from(other);
    });
    let mut entries: Vec<Entry> =
        first[0].log.iter().filter(|entry| entry.key.stream.kind == StreamKind::Board).cloned().collect();
    entries.sort_by_key(|entry| entry.key);
    for entry in &mut entries {
        entry.signature = (entry.key.seq % every == 0).then_some(Signature([7; 64]));
    }
    entries.chunk_by(|a, b| a.key.author == b.key.author).map(<[Entry]>::to_vec).collect()
}

fn change(entry: &Entry) -> Change {
    Change::from_bytes(entry.body.clone()).expect("a change")
}

/// Whether beginnings of runs hold all that they follow from, and end at signatures.
fn is_whole(runs: &[Vec<Entry>], lengths: &[usize]) -> bool {
    let all: BTreeSet<_> = runs.iter().flatten().map(|entry| change(entry).hash()).collect();
    let taken: Vec<&[Entry]> = runs.iter().zip(lengths).map(|(run, &length)| &run[..length]).collect();
    let held: BTreeSet<_> = taken.iter().copied().flatten().map(|entry| change(entry).hash()).collect();
    let lacks = |entry: &Entry| change(entry).deps().iter().any(|hash| all.contains(hash) && !held.contains(hash));
    !taken.iter().copied().flatten().any(lacks)
        && taken.iter().all(|run| run.last().is_none_or(|last| last.signature.is_some()))
}

#[test]
fn what_travels_holds_all_that_it_follows_from() {
    for every in [1, 2, 5] {
        let runs = runs(every);
        assert_eq!(runs.len(), 3);
        for (author, most) in (0..3).flat_map(|author| (0..runs[author].len()).map(move |most| (author, most))) {
            let mut some = runs.clone();
            some[author].truncate(most);
            // What is cut off here is missing, as if it were not signed yet.
            some[author].extend(runs[author][most..].iter().cloned().map(|entry| Entry { signature: None, ..entry }));
            let found = whole(&some, usize::MAX);
            assert!(is_whole(&some, &found.lengths), "author {author} to {most}, every {every}: {:?}", found.lengths);
            assert!(found.lengths[author] <= most);
        }
    }
    let runs = runs(1);
    let all: Vec<usize> = runs.iter().map(Vec::len).collect();
    assert_eq!(whole(&runs, usize::MAX).lengths, all, "with every one signed nothing stays behind");
}

#[test]
fn a_relay_can_cut_where_the_sender_saw_to_it() {
    let runs = runs(1);
    let all = whole(&runs, 1_500);
    assert!(all.cuts.len() > 3, "{} cuts", all.cuts.len());
    assert!(all.cuts.iter().all(|cut| is_whole(&runs, cut)));
    assert!(all.cuts.iter().all(|cut| *cut != all.lengths));
    // The relay holds signatures at those places alone, and looks at the beginning of what it got.
    let mut kept = runs.clone();
    for (run, entries) in kept.iter_mut().enumerate() {
        let ends: BTreeSet<usize> = all.cuts.iter().map(|cut| cut[run]).chain([all.lengths[run]]).collect();
        for (at, entry) in entries.iter_mut().enumerate().filter(|(at, _)| !ends.contains(&(at + 1))) {
            assert!(entry.signature.take().is_some(), "entry {at}");
        }
    }
    let fourth = &all.cuts[3];
    let beginning: Vec<Vec<Entry>> = kept.iter().zip(fourth).map(|(run, &length)| run[..length].to_vec()).collect();
    assert_eq!(whole(&beginning, usize::MAX).lengths, *fourth);
}

#[test]
fn nothing_is_stored_before_what_it_follows_from() {
    let mut runs = runs(1);
    runs.reverse();
    let ordered = causal_order(runs.concat());
    assert_eq!(ordered.len(), runs.iter().map(Vec::len).sum::<usize>());
    let mut held = BTreeSet::new();
    let all: BTreeSet<_> = ordered.iter().map(|entry| change(entry).hash()).collect();
    for entry in &ordered {
        let change = change(entry);
        assert!(change.deps().iter().all(|hash| held.contains(hash) || !all.contains(hash)), "{:?}", entry.key);
        held.insert(change.hash());
    }
}

#[test]
fn bodies_that_are_no_changes_keep_their_order_and_hold_up_nobody() {
    let mut runs = runs(1);
    for entry in &mut runs[1] {
        entry.body = b"no change at all".to_vec();
    }
    let found = whole(&runs, usize::MAX);
    assert_eq!(found.lengths[1], runs[1].len());
    let ordered = causal_order(runs.concat());
    let strange: Vec<_> = ordered.iter().filter(|entry| entry.key.author == runs[1][0].key.author).collect();
    assert!(strange.is_sorted_by_key(|entry| entry.key.seq) && strange.len() == runs[1].len());
    assert_eq!(whole(&[], 1).bytes, 0);
}
