//! What is known of peers: who is connected, when each was last heard, and what each holds. People read it as the fleet.

use std::collections::BTreeMap;

use holdfast_domain::api::{Fork, NodeStatus, PeerStatus, TurnedAway};
use holdfast_domain::clock::Now;
use holdfast_domain::frame::LinkId;
use holdfast_domain::frontier::Frontier;
use holdfast_domain::identity::{Credential, DeviceCredential, DeviceId};
use holdfast_domain::limits::PEERS_PERSIST_S;
use holdfast_domain::scope::StreamKind;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;

use crate::engine::{Core, Step};

/// One peer.
#[derive(Debug, Clone, Default)]
struct Peer {
    device: Option<DeviceCredential>,
    /// Its connections, and since when each is silent, microseconds.
    links: BTreeMap<LinkId, Option<u64>>,
    greeted: bool,
    address: Option<String>,
    last_heard_ms: Option<u64>,
    wall_offset_ms: Option<i64>,
    holds: Frontier,
    /// The last time it was known to be all it holds: what the next session begins from, also after a restart.
    base: Option<Frontier>,
    paused: bool,
    unsaved: bool,
}

/// All peers ever met.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<DeviceId, Peer>,
    links: BTreeMap<LinkId, DeviceId>,
    persisted_us: u64,
}

impl Peers {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut known = BTreeMap::new();
        for row in store.peers()? {
            let peer = Peer {
                last_heard_ms: row.last_heard_ms,
                holds: row.frontier.clone().unwrap_or_default(),
                base: row.frontier,
                paused: row.paused,
                ..Peer::default()
            };
            known.insert(row.device, peer);
        }
        for credential in store.credentials()? {
            let device = credential.device.device();
            known.entry(device).or_default().device = Some(credential.device);
        }
        Ok(Self { known, links: BTreeMap::new(), persisted_us: 0 })
    }

    pub(crate) fn paused(&self) -> Vec<DeviceId> {
        self.known.iter().filter(|(_, peer)| peer.paused).map(|(device, _)| *device).collect()
    }

    pub(crate) fn pause(&mut self, device: DeviceId, paused: bool) {
        self.known.entry(device).or_default().paused = paused;
    }

    pub(crate) fn up(&mut self, link: LinkId, device: DeviceId, address: String, now: Now) {
        self.links.insert(link, device);
        let peer = self.known.entry(device).or_default();
        peer.links.insert(link, None);
        peer.address = Some(address);
        peer.last_heard_ms = Some(now.wall_ms);
        peer.unsaved = true;
    }

    /// Returns for how long the link had been silent, microseconds: its end is noticed long after the last word.
    pub(crate) fn down(&mut self, link: LinkId, now: Now) -> u64 {
        let peer = self.links.remove(&link).and_then(|device| self.known.get_mut(&device));
        let Some(peer) = peer else { return 0 };
        let silent_since = peer.links.remove(&link).flatten();
        let silent_us = silent_since.map_or(0, |since| now.mono_us.saturating_sub(since));
        peer.greeted &= !peer.links.is_empty();
        peer.last_heard_ms = peer.last_heard_ms.max(Some(now.wall_ms.saturating_sub(silent_us / 1_000)));
        peer.unsaved = true;
        silent_us
    }

    pub(crate) fn heard(&mut self, link: LinkId, now: Now) {
        if let Some(peer) = self.links.get(&link).and_then(|device| self.known.get_mut(device)) {
            peer.last_heard_ms = Some(now.wall_ms);
            peer.unsaved = true;
        }
    }

    pub(crate) fn silent(&mut self, link: LinkId, silent: bool, now: Now) {
        let peer = self.links.get(&link).and_then(|device| self.known.get_mut(device));
        if let Some(known) = peer.and_then(|peer| peer.links.get_mut(&link)) {
            *known = silent.then_some(known.unwrap_or(now.mono_us));
        }
    }

    pub(crate) fn greeted(&mut self, device: DeviceId, credential: &Credential, wall_offset_ms: i64, now: Now) {
        let peer = self.known.entry(device).or_default();
        peer.device = Some(credential.device.clone());
        peer.greeted = true;
        peer.wall_offset_ms = Some(wall_offset_ms);
        peer.last_heard_ms = Some(now.wall_ms);
    }

    /// What each peer held when it was last known whole.
    pub(crate) fn bases(&self) -> Vec<(DeviceId, Frontier)> {
        self.known.iter().filter_map(|(device, peer)| Some((*device, peer.base.clone()?))).collect()
    }

    /// `whole`: this is all it holds.
    pub(crate) fn holds(&mut self, device: DeviceId, frontier: Frontier, whole: bool) {
        let peer = self.known.entry(device).or_default();
        if whole {
            peer.base = Some(frontier.clone());
        }
        peer.holds = frontier;
        peer.unsaved = true;
    }

    pub(crate) fn enrolled(&mut self, device: DeviceCredential) {
        let id = device.device();
        self.known.entry(id).or_default().device = Some(device);
    }

    /// Every device known, with its credential.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &DeviceCredential> {
        self.known.values().filter_map(|peer| peer.device.as_ref())
    }

    /// What a device is known to hold.
    pub(crate) fn held_by(&self, device: DeviceId) -> Option<&Frontier> {
        self.known.get(&device).map(|peer| &peer.holds)
    }

    pub(crate) fn last_heard_ms(&self, device: DeviceId) -> Option<u64> {
        self.known.get(&device)?.last_heard_ms
    }

    pub(crate) fn device_of(&self, link: LinkId) -> Option<DeviceId> {
        self.links.get(&link).copied()
    }

    /// Writes down what peers hold, now and then; rides on a commit that is due anyway when there is one.
    pub(crate) fn persist(&mut self, step: &mut Step<'_>) -> Result<(), StoreError> {
        if step.now.mono_us.saturating_sub(self.persisted_us) < PEERS_PERSIST_S * 1_000_000 {
            return Ok(());
        }
        self.persisted_us = step.now.mono_us;
        for (device, peer) in &mut self.known {
            if std::mem::take(&mut peer.unsaved) {
                step.txn.put_peer(*device, peer.last_heard_ms.unwrap_or(0), peer.base.as_ref())?;
                step.dirty = true;
            }
        }
        Ok(())
    }

    /// The median of what connected peers' clocks say against ours, milliseconds.
    fn clock_offset_ms(&self) -> Option<i64> {
        let mut offsets: Vec<i64> =
            self.known.values().filter(|peer| peer.greeted).filter_map(|peer| peer.wall_offset_ms).collect();
        offsets.sort_unstable();
        offsets.get(offsets.len() / 2).copied()
    }
}

impl Core {
    pub(crate) fn status(&self, store: &Store, now: Now) -> Result<NodeStatus, StoreError> {
        let mine = self.protocol.frontier();
        let me = self.config.device.device();
        let peers = self
            .peers
            .known
            .iter()
            .filter(|(device, _)| **device != me)
            .map(|(device, peer)| peer_status(*device, peer, mine))
            .collect();
        let mut counters: BTreeMap<String, u64> =
            self.counters.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        counters.extend(self.protocol.counters().iter().map(|(name, count)| ((*name).to_owned(), *count)));
        counters.insert("bundle_mismatches".to_owned(), self.replica.bundle_mismatches());
        Ok(NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            org: self.config.device.org,
            device: me,
            name: self.config.device.name.clone(),
            role: self.config.device.role,
            author: self.credential.author(),
            epoch: self.credential.epoch,
            scopes: mine.scopes().map(|(scope, held)| (scope.to_string(), held.content())).collect(),
            entries: store.entry_count()?,
            held: self.replica.held() as u64,
            forks: self.forks(store)?,
            quarantined: store.quarantined_count()?,
            clock_offset_ms: self.peers.clock_offset_ms(),
            wall_ms: now.wall_ms,
            power: self.power.clone(),
            summaries: mine
                .scopes()
                .map(|(scope, held)| (scope.to_string(), held.heads_of(StreamKind::Holds).count() as u64))
                .collect(),
            peers,
            blobs: self.blobs_status(store)?,
            counters,
            turned_away: TurnedAway::default(),
        })
    }

    fn forks(&self, store: &Store) -> Result<Vec<Fork>, StoreError> {
        let name = |author| {
            self.protocol.credential(author).map_or_else(String::new, |credential| credential.device.name.clone())
        };
        let forks = store.forks()?.into_iter();
        Ok(forks
            .map(|(stream, author, seq)| Fork { stream: stream.to_string(), author, device: name(author), seq })
            .collect())
    }
}

fn peer_status(device: DeviceId, peer: &Peer, mine: &Frontier) -> PeerStatus {
    let lacks = mine.lead_over(&peer.holds);
    PeerStatus {
        device,
        name: peer.device.as_ref().map_or_else(String::new, |known| known.name.clone()),
        role: peer.device.as_ref().map_or(holdfast_domain::identity::DeviceRole::Node, |known| known.role),
        connected: peer.greeted && !peer.links.is_empty(),
        silent: !peer.links.is_empty() && peer.links.values().all(Option::is_some),
        paused: peer.paused,
        address: peer.address.clone(),
        last_heard_ms: peer.last_heard_ms,
        lacks: lacks.values().sum(),
        lacks_by_scope: lacks.into_iter().map(|(scope, count)| (scope.to_string(), count)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: DeviceId = DeviceId([7; 16]);
    const LINK: LinkId = LinkId(1);

    fn at(seconds: u64) -> Now {
        Now { mono_us: seconds * 1_000_000, wall_ms: 1_700_000_000_000 + seconds * 1_000 }
    }

    #[test]
    fn who_drove_off_was_heard_last_when_it_fell_silent_not_when_that_was_noticed() {
        let mut peers = Peers::default();
        peers.up(LINK, ENGINE, "192.0.2.7:7400".to_owned(), at(0));
        peers.silent(LINK, true, at(5));
        peers.silent(LINK, true, at(30));
        assert_eq!(peers.down(LINK, at(65)), 60_000_000);
        assert_eq!(peers.last_heard_ms(ENGINE), Some(at(5).wall_ms));
        assert_eq!(peers.down(LINK, at(70)), 0, "it is gone");
    }

    #[test]
    fn who_came_back_or_hung_up_was_heard_to_the_end() {
        for words in [&[(5, true), (6, false)][..], &[]] {
            let mut peers = Peers::default();
            peers.up(LINK, ENGINE, "192.0.2.7:7400".to_owned(), at(0));
            for &(seconds, silent) in words {
                peers.silent(LINK, silent, at(seconds));
            }
            assert_eq!(peers.down(LINK, at(65)), 0);
            assert_eq!(peers.last_heard_ms(ENGINE), Some(at(65).wall_ms));
        }
    }
}
