//! Frontiers of this node's own that peers may name as a base: each with how much had come in by then, and how much of
//! that whoever names it was told of registers, which a mark does not cover.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::frontier::Mark;
use holdfast_domain::limits::MARKS_MAX;

/// The marks remembered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    arrivals: BTreeMap<Mark, Covered>,
    order: VecDeque<Mark>,
}

/// What a peer that names a mark knows for sure, as numbers of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    /// Of documents and feeds.
    pub(crate) chains: u64,
    /// Of registers.
    pub(crate) latest: u64,
}

impl Marks {
    /// Remembers that the frontier of this mark was held after so many arrivals. True if it was not known; the first
    /// time stays, and of registers the least that anybody was told with it.
    pub(crate) fn set(&mut self, mark: Mark, covered: Covered) -> bool {
        if let Some(known) = self.arrivals.get_mut(&mark) {
            known.latest = known.latest.min(covered.latest);
            return false;
        }
        self.arrivals.insert(mark, covered);
        self.order.push_back(mark);
        if self.order.len() > MARKS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.arrivals.remove(&oldest);
        }
        true
    }

    /// What whoever names this mark knows.
    pub(crate) fn covered(&self, mark: Mark) -> Option<Covered> {
        self.arrivals.get(&mark).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_mark_is_forgotten_first() {
        let mut marks = Marks::default();
        let (mark, covered) = (|n: u64| Mark(n.to_le_bytes()), |n| Covered { chains: n, latest: n });
        for n in 0..=MARKS_MAX as u64 {
            assert!(marks.set(mark(n), covered(n)));
        }
        assert!(!marks.set(mark(5), covered(6)));
        assert_eq!((marks.covered(mark(0)), marks.covered(mark(1))), (None, Some(covered(1))));
    }

    #[test]
    fn who_was_told_least_of_registers_decides() {
        let mut marks = Marks::default();
        marks.set(Mark([1; 8]), Covered { chains: 9, latest: 9 });
        marks.set(Mark([1; 8]), Covered { chains: 12, latest: 4 });
        assert_eq!(marks.covered(Mark([1; 8])), Some(Covered { chains: 9, latest: 4 }));
    }
}
