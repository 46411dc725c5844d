//! Which changes can travel together: none without those it follows from, and each author's up to a signature.
//!
//! A change names by hash what it follows from. A pack that holds all of that, as far as the receiver lacks it, can be
//! applied there at once, passed on at once, and bundled tightly, since nothing in it is named by hash.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use holdfast_domain::entry::Entry;

use crate::decode;

/// What of some runs can travel together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// How many entries of each run.
    pub lengths: Vec<usize>,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// Places at which the receiver could cut in turn: for each run, how many entries lie before. In order.
    pub cuts: Vec<Vec<usize>>,
}

/// A change among those that may travel.
struct Node {
    bytes: usize,
    /// How many entries of its run, up to and including it, end at a signature.
    signed: usize,
    /// Run and place of each change it follows from that may travel, too.
    follows: Vec<(usize, usize)>,
}

/// The longest beginnings of runs, each of one author's changes in order, that can travel together; and within them
/// about one cut in so many bytes of bodies. What a change follows from and what is in no run is taken to be held
/// by whoever gets this. Bodies that are no changes follow from nothing.
pub fn whole(runs: &[Vec<Entry>], span_bytes: usize) -> Whole {
    let nodes = nodes(runs);
    let lengths = settle(&nodes, nodes.iter().map(Vec::len).collect());
    let weight = |lengths: &[usize]| -> usize {
        let taken = nodes.iter().zip(lengths).flat_map(|(run, &length)| &run[..length]);
        taken.map(|node| node.bytes).sum()
    };
    let bytes = weight(&lengths);
    let mut cuts: Vec<Vec<usize>> = Vec::new();
    let mut most = vec![0; runs.len()];
    let mut since = 0;
    for run in order(runs.iter().map(|run| run.as_slice())) {
        since += nodes[run][most[run]].bytes;
        most[run] += 1;
        if since >= span_bytes {
            let cut = settle(&nodes, most.clone());
            if cuts.last().is_none_or(|last| *last != cut) && cut.iter().zip(&lengths).all(|(cut, all)| cut <= all) {
                cuts.push(cut);
            }
            since = 0;
        }
    }
    cuts.retain(|cut| *cut != lengths && cut.iter().any(|&length| length > 0));
    Whole { lengths, bytes, cuts }
}

/// Puts entries of documents so that hardly any comes before one that it follows from; those of one chain keep their
/// order. Entries of a rolled document may be out of place, which costs whoever reads them in that order bytes and no
/// more.
pub fn causal_order(entries: Vec<Entry>) -> Vec<Entry> {
    let mut chains: Vec<VecDeque<Entry>> = Vec::new();
    let mut places = BTreeMap::new();
    for entry in entries {
        let place = *places.entry((entry.key.stream, entry.key.author)).or_insert(chains.len());
        if place == chains.len() {
            chains.push(VecDeque::new());
        }
        chains[place].push_back(entry);
    }
    let order = order(chains.iter_mut().map(|chain| &*chain.make_contiguous()));
    order.into_iter().filter_map(|chain| chains[chain].pop_front()).collect()
}

/// Merges runs by the number of each change's first operation, which is greater than that of any operation it follows
/// from: of which run the next one is, again and again.
fn order<'a>(runs: impl Iterator<Item = &'a [Entry]>) -> Vec<usize> {
    let runs: Vec<&[Entry]> = runs.collect();
    let place =
        |run: usize, at: usize| Some(Reverse((decode::first_op(&runs[run].get(at)?.body).unwrap_or(0), run, at)));
    let mut heads: BinaryHeap<_> = (0..runs.len()).filter_map(|run| place(run, 0)).collect();
    let mut order = Vec::with_capacity(runs.iter().map(|run| run.len()).sum());
    while let Some(Reverse((_, run, at))) = heads.pop() {
        order.push(run);
        heads.extend(place(run, at + 1));
    }
    order
}

fn nodes(runs: &[Vec<Entry>]) -> Vec<Vec<Node>> {
    let changes: Vec<Vec<_>> =
        runs.iter().map(|run| run.iter().map(|entry| decode::change(&entry.body)).collect()).collect();
    let mut places = BTreeMap::new();
    for (run, changes) in changes.iter().enumerate() {
        places.extend(changes.iter().enumerate().filter_map(|(at, change)| Some((change.as_ref()?.hash(), (run, at)))));
    }
    let mut nodes = Vec::with_capacity(runs.len());
    for (run, changes) in runs.iter().zip(&changes) {
        let mut signed = 0;
        let node = |(at, (entry, change)): (usize, (&Entry, &Option<automerge::Change>))| {
            if entry.signature.is_some() {
                signed = at + 1;
            }
            let named = change.iter().flat_map(|change| change.deps());
            let follows = named.filter_map(|hash| places.get(hash).copied()).collect();
            Node { bytes: entry.body.len(), signed, follows }
        };
        nodes.push(run.iter().zip(changes).enumerate().map(node).collect());
    }
    nodes
}

/// Shortens runs until none follows from what is left out, and each ends at a signature.
fn settle(nodes: &[Vec<Node>], mut lengths: Vec<usize>) -> Vec<usize> {
    let signed = |run: usize, length: usize| length.checked_sub(1).map_or(0, |last| nodes[run][last].signed);
    for (run, length) in lengths.iter_mut().enumerate() {
        *length = signed(run, *length);
    }
    loop {
        let mut settled = true;
        for run in 0..nodes.len() {
            let lacks = |node: &Node| node.follows.iter().any(|&(other, at)| at >= lengths[other]);
            if let Some(stop) = nodes[run][..lengths[run]].iter().position(lacks) {
                lengths[run] = signed(run, stop);
                settled = false;
            }
        }
        if settled {
            return lengths;
        }
    }
}
