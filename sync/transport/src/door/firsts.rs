//! First packets that begin no connection: they look as they should, and QUIC cannot open them.
//!
//! QUIC passes over them in silence. So those that came are remembered for a moment by the id that they are for, which the
//! dialler chose, and those of which QUIC made a beginning are taken off.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::arrivals::HANDSHAKE_MAX;

/// QUIC has begun with a first packet long before, also where the dialler is asked first where it is.
const WAIT: Duration = Duration::from_secs(15);
/// For so long one that began something may be said again, as lossy links need it.
const SAID_AGAIN: Duration = HANDSHAKE_MAX;
/// Remembered at once. Beyond, the oldest are judged early: a good one has begun by then.
const PLACES: usize = 4_096;

/// What first packets are for.
type Id = Vec<u8>;

#[derive(Debug)]
struct First {
    source: SocketAddr,
    bytes: usize,
    begun: bool,
}

/// A first packet that began nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unopened {
    pub(crate) source: SocketAddr,
    pub(crate) bytes: usize,
}

/// First packets of late.
#[derive(Debug, Default)]
pub(crate) struct Firsts {
    by_id: BTreeMap<Id, First>,
    order: VecDeque<(Instant, Id)>,
    /// Those that began something, and when they came.
    begun: VecDeque<(Instant, Id)>,
}

impl Firsts {
    /// A first packet came for an id of the dialler's choice.
    pub(crate) fn came(&mut self, now: Instant, id: &[u8], source: SocketAddr, bytes: usize) {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.to_owned(), First { source, bytes, begun: false });
            self.order.push_back((now, id.to_owned()));
        }
    }

    /// QUIC has begun a connection with the packet for this id.
    pub(crate) fn begun(&mut self, id: &[u8]) {
        if let Some(first) = self.by_id.get_mut(id) {
            first.begun = true;
        }
    }

    /// Forgets the oldest; gives one of them that began nothing, as long as there are any.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<Unopened> {
        while let Some((_, id)) = pop_older(&mut self.begun, now, SAID_AGAIN) {
            self.by_id.remove(&id);
        }
        while let Some((at, id)) = pop_older(&mut self.order, now, WAIT) {
            match self.by_id.get(&id) {
                Some(First { begun: true, .. }) => self.begun.push_back((at, id)),
                Some(&First { source, bytes, .. }) => {
                    self.by_id.remove(&id);
                    return Some(Unopened { source, bytes });
                }
                None => {}
            }
        }
        None
    }
}

fn pop_older(order: &mut VecDeque<(Instant, Id)>, now: Instant, age: Duration) -> Option<(Instant, Id)> {
    let is_old = order.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= age);
    (is_old || order.len() > PLACES).then(|| order.pop_front()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    #[test]
    fn only_what_began_nothing_is_given_and_once() {
        let (mut firsts, start) = (Firsts::default(), Instant::now());
        firsts.came(start, &[1; 8], source(1), 1_200);
        firsts.came(start, &[2; 8], source(2), 1_300);
        firsts.came(start + WAIT / 2, &[2; 8], source(2), 1_300);
        firsts.begun(&[1; 8]);
        firsts.begun(&[9; 8]);
        assert_eq!(firsts.overdue(start + WAIT / 2), None, "it is too early to tell");
        assert_eq!(firsts.overdue(start + WAIT), Some(Unopened { source: source(2), bytes: 1_300 }));
        // Over a link that loses much the dialler says it again and again.
        firsts.came(start + SAID_AGAIN / 2, &[1; 8], source(1), 1_200);
        assert_eq!(firsts.overdue(start + SAID_AGAIN * 3 / 4), None);
        assert_eq!(firsts.overdue(start + SAID_AGAIN * 2), None);
        assert!(firsts.by_id.is_empty() && firsts.order.is_empty() && firsts.begun.is_empty());
    }

    #[test]
    fn a_flood_takes_no_memory_and_is_counted_whole() {
        let (mut firsts, start) = (Firsts::default(), Instant::now());
        let mut counted = 0;
        for number in 0..20_000_u64 {
            firsts.came(start, &number.to_le_bytes(), source(3), 1_200);
            counted += usize::from(firsts.overdue(start).is_some());
            assert!(firsts.by_id.len() <= PLACES && firsts.order.len() <= PLACES);
        }
        while firsts.overdue(start + WAIT).is_some() {
            counted += 1;
        }
        assert_eq!(counted, 20_000);
    }
}
