//! What goes out behind a greeting to a peer of which nothing is known, before it has said what it holds: the newest
//! alerts and orders, a packet at most, so that a first meeting brings them two round trips sooner.

use std::collections::VecDeque;

use holdfast_domain::entry::Entry;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::PACKET_BYTES;
use holdfast_domain::scope::{Class, StreamId};

use crate::held::Held;
use crate::push::Loading;

/// Chains looked at, the newest first: each costs a look at the disk, whether it turns out to fit or not.
const CHAINS_MAX: usize = 8;
/// A chain of more entries fits no packet.
const ENTRIES_MAX: u64 = 16;
/// Bodies read for a packet: they shrink to half at best.
pub(crate) const RAW_BYTES: usize = 2 * PACKET_BYTES;

/// Chains that may go, and what is left of the packet. Only whole ones go, since a peer that holds nothing of a chain can
/// take it from its first entry alone.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    chains: VecDeque<(StreamId, AuthorId)>,
    left_bytes: usize,
}

impl Ahead {
    /// What may go of what is held.
    pub(crate) fn of(held: &Held) -> Self {
        let mut chains: Vec<(u64, StreamId, AuthorId)> = held
            .grown_since(0)
            .filter(|((stream, author, head), _)| {
                let whole = held.base(*stream, *author) == 0 && held.start(*stream, *author) == 0;
                stream.kind.class() == Class::P0 && head.seq <= ENTRIES_MAX && whole
            })
            .filter(|((stream, author, _), _)| !held.is_frozen(*stream, *author))
            .map(|((stream, author, _), at)| (at, stream, author))
            .collect();
        chains.sort_unstable_by(|a, b| b.cmp(a));
        let chains = chains.into_iter().take(CHAINS_MAX).map(|(_, stream, author)| (stream, author)).collect();
        Self { chains, left_bytes: PACKET_BYTES }
    }

    /// The peer has spoken: what it lacks is known now, and nothing more goes unasked.
    pub(crate) fn end(&mut self) {
        self.chains.clear();
    }

    /// The next chain to try.
    pub(super) fn next(&mut self) -> Option<Loading> {
        let (stream, author) = self.chains.pop_front()?;
        Some(Loading { stream, wanted: vec![(author, 1)], ahead: true })
    }

    /// Whether these entries are all of their chain and fit what is left, which is used up then.
    pub(super) fn takes(&mut self, entries: &[Entry], held: &Held, bytes: usize) -> bool {
        let whole = entries.last().is_some_and(|last| {
            let (stream, author) = (last.key.stream, last.key.author);
            held.head(stream, author).is_some_and(|(seq, _)| seq == last.key.seq)
        });
        let left = self.left_bytes.checked_sub(bytes).filter(|_| whole);
        self.left_bytes = left.unwrap_or(self.left_bytes);
        left.is_some()
    }
}
