//! Handshakes that others began and have not finished: their places are bounded, and the oldest make way.
//!
//! Whoever begins one has proved nothing, so it must cost others neither their place nor time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_domain::limits::LINKS_MAX;

/// Beyond so many a dialler must show first that it is where it says (RFC 9000, section 8.1.2), which costs it a round trip
/// and this node no memory: forged addresses get no further.
const UNPROVED_MAX: usize = 64;
/// Handshakes under way. After a restart of the hub all of an org come at once.
const ARRIVALS_MAX: usize = LINKS_MAX / 2;
/// A handshake over a modem that loses much takes most of a minute.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_mins(2);

/// Handshakes under way, from the oldest on. `T` is what ends one.
#[derive(Debug)]
pub(crate) struct Arrivals<T>(Mutex<Begun<T>>);

#[derive(Debug)]
struct Begun<T> {
    next: u64,
    by_number: BTreeMap<u64, T>,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Self(Mutex::new(Begun { next: 0, by_number: BTreeMap::new() }))
    }
}

impl<T> Arrivals<T> {
    /// Whether a dialler must show where it is before it gets a place.
    pub(crate) fn are_many(&self) -> bool {
        self.begun().by_number.len() >= UNPROVED_MAX
    }

    /// Takes a place; gives its number, and the oldest if that must make way.
    pub(crate) fn begin(&self, arrival: T) -> (u64, Option<T>) {
        let mut begun = self.begun();
        let oldest = if begun.by_number.len() >= ARRIVALS_MAX { begun.by_number.pop_first() } else { None };
        let number = begun.next;
        begun.next += 1;
        begun.by_number.insert(number, arrival);
        (number, oldest.map(|(_, arrival)| arrival))
    }

    /// Gives a place back.
    pub(crate) fn end(&self, number: u64) {
        self.begun().by_number.remove(&number);
    }

    /// Takes the oldest out, for want of room elsewhere.
    pub(crate) fn oldest(&self) -> Option<T> {
        self.begun().by_number.pop_first().map(|(_, arrival)| arrival)
    }

    fn begun(&self) -> MutexGuard<'_, Begun<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_begins_and_never_finishes_makes_way_for_others() {
        let arrivals = Arrivals::default();
        for number in 0..ARRIVALS_MAX as u64 {
            assert_eq!(arrivals.are_many(), number >= UNPROVED_MAX as u64);
            assert_eq!(arrivals.begin(number), (number, None));
        }
        let (honest, oldest) = arrivals.begin(7_000);
        assert_eq!(oldest, Some(0), "the oldest goes, and one only");
        arrivals.end(honest);
        assert_eq!(arrivals.begin(7_001).1, None, "a place that was given back is free");
        assert_eq!(arrivals.oldest(), Some(1));
        assert_eq!(arrivals.begun().by_number.len(), ARRIVALS_MAX - 1);
    }
}
