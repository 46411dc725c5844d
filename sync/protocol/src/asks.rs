//! Requests for entries that a peer does not volunteer: to fill a gap, or to prove a fork.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::frame::Ask;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{ASKS_SENT_MAX, GAP_ASKS_MAX};
use holdfast_domain::scope::StreamId;

/// The requests of one session. A request once sent arrives or the link dies, so none is ever repeated.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// Sent, with the number that ends the answer.
    sent: BTreeMap<(StreamId, AuthorId), u64>,
    /// To be sent when others are answered: from where, and the number that ends the answer.
    waiting: BTreeMap<(StreamId, AuthorId), (u64, u64)>,
    /// Chains asked for once because of a suspicion; never asked for again in this session.
    suspected: BTreeSet<(StreamId, AuthorId)>,
    /// Gaps met: where each begins, and how often it was asked for.
    gaps: BTreeMap<(StreamId, AuthorId), (u64, u32)>,
}

impl Asks {
    /// Whether this is the first suspicion about a chain in this session.
    pub(crate) fn suspect(&mut self, stream: StreamId, author: AuthorId) -> bool {
        self.suspected.insert((stream, author))
    }

    /// Whether a gap that begins here may be asked for again.
    pub(crate) fn may_fill(&mut self, stream: StreamId, author: AuthorId, first: u64) -> bool {
        let gap = self.gaps.entry((stream, author)).or_insert((first, 0));
        if gap.0 != first {
            *gap = (first, 0);
        }
        gap.1 += 1;
        gap.1 <= GAP_ASKS_MAX
    }

    /// Whether a gap was met in a chain.
    pub(crate) fn has_gap(&self, stream: StreamId, author: AuthorId) -> bool {
        self.gaps.contains_key(&(stream, author))
    }

    /// Wants a chain from `first` up to `last`. Gives the request to send, if it is not under way and is its turn.
    pub(crate) fn want(&mut self, stream: StreamId, author: AuthorId, first: u64, last: u64) -> Option<Ask> {
        let chain = (stream, author);
        if self.sent.contains_key(&chain) || self.waiting.contains_key(&chain) {
            return None;
        }
        if self.sent.len() >= ASKS_SENT_MAX {
            self.waiting.insert(chain, (first, last));
            return None;
        }
        self.sent.insert(chain, last);
        Some(Ask { stream, author, first })
    }

    /// Takes note that the peer sent a chain up to `last`. Gives the next request to send, if that ended an answer.
    pub(crate) fn arrived(&mut self, stream: StreamId, author: AuthorId, last: u64) -> Option<Ask> {
        self.sent.get(&(stream, author)).filter(|&&target| last >= target)?;
        self.sent.remove(&(stream, author));
        let ((stream, author), (first, last)) = self.waiting.pop_first()?;
        self.sent.insert((stream, author), last);
        Some(Ask { stream, author, first })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_domain::scope::{Scope, StreamKind};

    use super::*;

    #[test]
    fn an_honest_asker_never_has_too_many_under_way() {
        let stream = StreamId::new(Scope::Org, StreamKind::Control);
        let author = |n: u8| AuthorId([n; 16]);
        let mut asks = Asks::default();
        let sent: usize = (0..100).filter_map(|n| asks.want(stream, author(n), 1, 5)).count();
        assert_eq!(sent, ASKS_SENT_MAX);
        assert_eq!(asks.arrived(stream, author(0), 4), None, "the answer is not complete");
        assert_eq!(asks.arrived(stream, author(0), 5), Some(Ask { stream, author: author(32), first: 1 }));
        assert_eq!(asks.arrived(stream, author(0), 5), None);
    }
}
