//! Sets of numbers as sorted ranges: which groups of a blob are held, wanted or promised.

use serde::{Deserialize, Serialize};

/// Numbers as half-open ranges, sorted, neither empty nor touching. What comes from outside is checked with
/// [`Ranges::is_sound`] before it is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// No number.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Every number from `first` up to, not including, `end`.
    pub fn span(first: u32, end: u32) -> Self {
        Self(if first < end { vec![(first, end)] } else { Vec::new() })
    }

    /// Every number below `end`.
    pub fn below(end: u32) -> Self {
        Self::span(0, end)
    }

    /// Whether the ranges are in order and all below `end`, and no more than `ranges_max`.
    pub fn is_sound(&self, end: u32, ranges_max: usize) -> bool {
        let apart = self.0.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let filled = self.0.iter().all(|(first, last)| first < last);
        apart && filled && self.0.last().is_none_or(|(_, last)| *last <= end) && self.0.len() <= ranges_max
    }

    /// Whether there is no number in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers are in it.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|(first, end)| end - first).sum()
    }

    /// Whether every number below `end` is in it.
    pub fn is_whole(&self, end: u32) -> bool {
        self.0 == Self::below(end).0
    }

    /// The ranges in order, each as its first number and the one after its last.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }

    /// The first ranges, at most so many.
    #[must_use]
    pub fn first_ranges(&self, ranges: usize) -> Self {
        Self(self.0.iter().take(ranges).copied().collect())
    }

    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine || theirs)
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine && theirs)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine && !theirs)
    }

    /// The lowest numbers, at most so many.
    #[must_use]
    pub fn lowest(&self, count: u32) -> Self {
        let mut room = count;
        let mut out = Vec::new();
        for &(first, end) in &self.0 {
            let taken = room.min(end - first);
            if taken > 0 {
                out.push((first, first + taken));
            }
            room -= taken;
        }
        Self(out)
    }

    /// At most so many numbers, the lowest from `start` on first, then those below: two that begin at different places
    /// meet late.
    #[must_use]
    pub fn lowest_from(&self, start: u32, count: u32) -> Self {
        let after = self.minus(&Self::below(start)).lowest(count);
        let left = count - after.count();
        after.or(&self.and(&Self::below(start)).lowest(left))
    }

    fn combine(&self, other: &Self, keep: fn(bool, bool) -> bool) -> Self {
        let edges = |ranges: &Self| ranges.0.iter().flat_map(|&(first, end)| [first, end]).collect::<Vec<u32>>();
        let (mine, theirs) = (edges(self), edges(other));
        let (mut a, mut b) = (0, 0);
        let mut out: Vec<(u32, u32)> = Vec::new();
        let mut open = None;
        while a < mine.len() || b < theirs.len() {
            let at = mine.get(a).copied().unwrap_or(u32::MAX).min(theirs.get(b).copied().unwrap_or(u32::MAX));
            a += usize::from(mine.get(a) == Some(&at));
            b += usize::from(theirs.get(b) == Some(&at));
            // An odd number of edges behind: within a range.
            match (keep(a % 2 == 1, b % 2 == 1), open) {
                (true, None) => open = Some(at),
                (false, Some(first)) => {
                    out.push((first, at));
                    open = None;
                }
                _ => {}
            }
        }
        Self(out)
    }
}
