//! What people were told of already: once per culprit in a while, and never more lines than there are places.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// After so long a culprit is worth a line again.
const QUIET: Duration = Duration::from_mins(10);
/// Culprits remembered. A sender can forge as many as it likes; this is the most lines it gets in the quiet time, with
/// one more that says so.
const PLACES: usize = 64;

/// What is to be said of a culprit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// All of it.
    All,
    /// That there are more than are named.
    More,
    /// Nothing: it was said.
    Nothing,
}

/// Who was told of, and when. `K` names the culprit and, where that matters, the deed.
#[derive(Debug)]
pub struct Told<K> {
    at: BTreeMap<K, Instant>,
    more_at: Option<Instant>,
}

impl<K> Default for Told<K> {
    fn default() -> Self {
        Self { at: BTreeMap::new(), more_at: None }
    }
}

impl<K: Ord> Told<K> {
    /// Whether a line is due. `now` must not fall.
    pub fn tell(&mut self, now: Instant, culprit: K) -> Say {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < QUIET;
        if self.at.get(&culprit).is_some_and(is_fresh) {
            return Say::Nothing;
        }
        if self.at.len() >= PLACES {
            self.at.retain(|_, at| is_fresh(at));
        }
        if self.at.len() < PLACES {
            self.at.insert(culprit, now);
            return Say::All;
        }
        if self.more_at.as_ref().is_some_and(is_fresh) {
            return Say::Nothing;
        }
        self.more_at = Some(now);
        Say::More
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn an_address_is_told_of_once_in_a_while() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert_eq!(told.tell(start, address(1)), Say::All);
        assert_eq!(told.tell(start + QUIET / 2, address(1)), Say::Nothing);
        assert_eq!(told.tell(start + QUIET, address(1)), Say::All);
    }

    #[test]
    fn a_flood_from_forged_addresses_fills_neither_the_log_nor_memory() {
        let (mut told, start) = (Told::default(), Instant::now());
        let said: Vec<Say> = (0..100_000).map(|number| told.tell(start, address(number))).collect();
        let count = |what| said.iter().filter(|&&say| say == what).count();
        assert_eq!((count(Say::All), count(Say::More)), (PLACES, 1));
        assert_eq!(told.at.len(), PLACES);
        // Later whoever is there then is told of again.
        assert_eq!(told.tell(start + QUIET, address(7_000_000)), Say::All);
    }
}
