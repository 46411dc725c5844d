//! Who met whom, when: a real trace of contacts, and how far word could have spread over it at best.

use std::collections::{BTreeMap, BTreeSet};

/// Two observers within reach of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// When it began, seconds from the start of the trace.
    pub from_s: u64,
    /// When it ended, seconds; later than `from_s`.
    pub until_s: u64,
    /// Numbers of the two, the lower first.
    pub pair: (usize, usize),
}

/// Contacts between observers out of a trace: id, id, start, end and more, with tabs between them. The ids up to
/// `observers` carried a recorder; others were only seen by one and are left out, since nothing is known of whom they
/// met. Each end counts to the end of its second; sightings of a pair from both sides are one contact.
pub fn parse(trace: &str, observers: usize) -> Vec<Contact> {
    let mut seen: BTreeMap<(usize, usize), Vec<(u64, u64)>> = BTreeMap::new();
    for line in trace.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<u64> = line.split_whitespace().take(4).map(|field| field.parse().expect("a number")).collect();
        let (a, b) = (fields[0] as usize, fields[1] as usize);
        if a != b && a <= observers && b <= observers {
            seen.entry((a.min(b) - 1, a.max(b) - 1)).or_default().push((fields[2], fields[3].max(fields[2]) + 1));
        }
    }
    let mut contacts = Vec::new();
    for (pair, mut spans) in seen {
        spans.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from_s, until_s) in spans {
            match merged.last_mut() {
                Some(last) if from_s <= last.1 => last.1 = last.1.max(until_s),
                _ => merged.push((from_s, until_s)),
            }
        }
        contacts.extend(merged.into_iter().map(|(from_s, until_s)| Contact { from_s, until_s, pair }));
    }
    contacts.sort_unstable();
    contacts
}

/// Who has heard what in the end if every contact carries everything at once: for each item, written at `(second, node)`,
/// the nodes that have it.
pub fn flood(contacts: &[Contact], items: &[(u64, usize)], nodes: usize) -> Vec<BTreeSet<usize>> {
    let mut moments: BTreeSet<u64> = contacts.iter().map(|contact| contact.from_s).collect();
    moments.extend(items.iter().map(|(at_s, _)| *at_s));
    let mut held: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); nodes];
    for now in moments {
        for (item, _) in items.iter().enumerate().filter(|(_, (at_s, _))| *at_s == now) {
            held[items[item].1].insert(item);
        }
        let open: Vec<_> = contacts.iter().filter(|c| c.from_s <= now && now < c.until_s).map(|c| c.pair).collect();
        while open.iter().any(|&(a, b)| exchange(&mut held, a, b)) {}
    }
    (0..items.len()).map(|item| (0..nodes).filter(|&node| held[node].contains(&item)).collect()).collect()
}

/// Gives both all that either has. False if nothing moved.
fn exchange(held: &mut [BTreeSet<usize>], a: usize, b: usize) -> bool {
    if held[a] == held[b] {
        return false;
    }
    let both: BTreeSet<usize> = held[a].union(&held[b]).copied().collect();
    held[a].clone_from(&both);
    held[b] = both;
    true
}
