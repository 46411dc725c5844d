//! Frontiers of this node's own that peers may name as a base: each with how much had come in by then.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::frontier::Mark;
use holdfast_domain::limits::MARKS_MAX;

/// The marks remembered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    arrivals: BTreeMap<Mark, u64>,
    order: VecDeque<Mark>,
}

impl Marks {
    /// Remembers that the frontier of this mark was held after so many arrivals. True if it was not known; the first
    /// time stays, since registers, which a mark does not cover, may have come in between.
    pub(crate) fn set(&mut self, mark: Mark, arrivals: u64) -> bool {
        if self.arrivals.contains_key(&mark) {
            return false;
        }
        self.arrivals.insert(mark, arrivals);
        self.order.push_back(mark);
        if self.order.len() > MARKS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.arrivals.remove(&oldest);
        }
        true
    }

    /// How much had come in when the frontier of this mark was held.
    pub(crate) fn arrivals(&self, mark: Mark) -> Option<u64> {
        self.arrivals.get(&mark).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_mark_is_forgotten_first() {
        let mut marks = Marks::default();
        let mark = |n: u64| Mark(n.to_le_bytes());
        for n in 0..=MARKS_MAX as u64 {
            assert!(marks.set(mark(n), n));
        }
        assert!(!marks.set(mark(5), 5));
        assert_eq!((marks.arrivals(mark(0)), marks.arrivals(mark(1))), (None, Some(1)));
    }
}
