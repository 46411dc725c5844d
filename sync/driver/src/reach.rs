//! Where the org's devices are reached: each says so itself in a signed register, and whoever hears it can dial it.

use std::net::{IpAddr, SocketAddr};

use holdfast_domain::entry::Entry;
use holdfast_domain::feed::{self, RegisterBody};
use holdfast_domain::identity::{AuthorId, Credential, DeviceRole};
use holdfast_domain::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, PACK_ENTRIES_MAX, PACK_RAW_BYTES};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;
use holdfast_transport::learned::Whereabouts;
use holdfast_transport::peers::PeerAddress;

use crate::engine::{Core, Engine, Step};

fn stream() -> StreamId {
    StreamId::new(Scope::Org, StreamKind::Latest)
}

impl Core {
    /// Says where this device is reached, unless it has said just that.
    pub(crate) fn reachable(&mut self, step: &mut Step<'_>, mut addresses: Vec<String>) -> Result<(), StoreError> {
        addresses.truncate(ADDRESSES_MAX);
        let said = said_by(step.store, self.credential.author())?;
        if said.unwrap_or_default() != addresses && self.may_write_soon(step.now) {
            let body = RegisterBody::ReachableV1 { written: self.clock.tick(step.now), addresses };
            self.write(step, stream(), feed::encode(&body));
        }
        Ok(())
    }

    /// What an admitted entry says of where its author's device is reached.
    pub(crate) fn whereabouts(&mut self, entry: &Entry, credentials: &[Credential]) -> Option<Whereabouts> {
        // An author's first entry comes with its credential.
        let fresh = credentials.iter().find(|credential| credential.author() == entry.key.author);
        let device = &fresh.or_else(|| self.protocol.credential(entry.key.author))?.device;
        if entry.key.stream != stream() || device.device() == self.config.device.device() {
            return None;
        }
        let (device, meeting_point) = (device.device(), device.role == DeviceRole::Hub);
        let RegisterBody::ReachableV1 { written, addresses: said } = feed::decode(&entry.body).ok()? else {
            return None;
        };
        // A device may have said so under several epochs: the newest word counts.
        let newest = self.reached.entry(device).or_default();
        if written < std::mem::replace(newest, written.max(*newest)) {
            return None;
        }
        let sound = said.iter().filter(|text| text.len() <= ADDRESS_BYTES_MAX);
        let addresses: Vec<PeerAddress> = sound.filter_map(|text| text.parse().ok()).take(ADDRESSES_MAX).collect();
        Some(Whereabouts { device, meeting_point, addresses })
    }
}

impl Engine {
    /// Where the org's devices say they are reached, as far as this node knows.
    pub fn whereabouts(&mut self) -> Result<Vec<Whereabouts>, StoreError> {
        let org = self.frontier().scope(Scope::Org);
        let heads = org.into_iter().flat_map(|scope| scope.heads_of(StreamKind::Latest));
        let authors: Vec<(AuthorId, u64)> = heads.map(|(author, _)| (author, 1)).collect();
        let entries = self.store().run(stream(), &authors, PACK_RAW_BYTES, usize::MAX)?;
        Ok(entries.iter().filter_map(|entry| self.core_mut().whereabouts(entry, &[])).collect())
    }
}

/// Where an author says its device is reached; `None`: it never said.
fn said_by(store: &Store, author: AuthorId) -> Result<Option<Vec<String>>, StoreError> {
    let entries = store.run(stream(), &[(author, 1)], PACK_RAW_BYTES, PACK_ENTRIES_MAX)?;
    Ok(entries.iter().find_map(addresses_in))
}

fn addresses_in(entry: &Entry) -> Option<Vec<String>> {
    match feed::decode(&entry.body).ok()? {
        RegisterBody::ReachableV1 { addresses, .. } => Some(addresses),
        RegisterBody::PositionV1 { .. } => None,
    }
}

/// Where a node that listens at `local` can be reached by others: at the name its settings give, else at the address it
/// listens on, else at those of its interfaces. A node that listens for this machine alone is reached nowhere.
pub(crate) fn addresses_of(advertised: Option<&str>, local: SocketAddr, interfaces: &[IpAddr]) -> Vec<String> {
    if let Some(advertised) = advertised {
        return vec![advertised.to_owned()];
    }
    let is_far = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    };
    let at = |ip: IpAddr| SocketAddr::new(ip, local.port()).to_string();
    if !local.ip().is_unspecified() {
        return is_far(&local.ip()).then(|| at(local.ip())).into_iter().collect();
    }
    // A socket for every IPv4 address hears no IPv6.
    let heard = |ip: &&IpAddr| is_far(ip) && (local.is_ipv6() || ip.is_ipv4());
    let mut found: Vec<IpAddr> = interfaces.iter().filter(heard).copied().collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(ADDRESSES_MAX).map(at).collect()
}

/// The addresses of this machine's interfaces; none if the system does not tell.
pub(crate) fn interfaces() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_tells_only_addresses_at_which_others_reach_it() {
        let of = |local: &str| {
            let interfaces = ["127.0.0.1", "10.0.0.7", "169.254.3.4", "fe80::1", "2001:db8::7"];
            let interfaces: Vec<IpAddr> = interfaces.iter().map(|ip| ip.parse().expect("an address")).collect();
            addresses_of(None, local.parse().expect("an address"), &interfaces)
        };
        assert_eq!(of("127.0.0.1:7400"), Vec::<String>::new());
        assert_eq!(of("10.0.0.7:7400"), ["10.0.0.7:7400"]);
        assert_eq!(of("0.0.0.0:7400"), ["10.0.0.7:7400"]);
        assert_eq!(of("[::]:7400"), ["10.0.0.7:7400", "[2001:db8::7]:7400"]);
        let named = addresses_of(Some("hub.example:7400#sat"), "127.0.0.1:7400".parse().expect("an address"), &[]);
        assert_eq!(named, ["hub.example:7400#sat"]);
    }
}
