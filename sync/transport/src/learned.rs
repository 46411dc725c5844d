//! Peers whose addresses the org's devices tell of: dialled now and then, so that parts of a mesh that lost each other and
//! newcomers find their way without anybody's settings.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_domain::identity::DeviceId;
use tokio::sync::Notify;

use crate::endpoint::Transport;
use crate::peers::{PeerAddress, jittered};
use crate::tickets::Spending;

/// Between two attempts while nobody is in reach: an attempt costs two packets of 1,200 bytes.
const ALONE_WAIT: Duration = Duration::from_secs(10);
/// Between two attempts while somebody is.
const IN_COMPANY_WAIT: Duration = Duration::from_mins(1);
/// How long an address may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(8);
/// With so many links only meeting points are sought: what everybody else holds comes through these.
const LINKS_ENOUGH: usize = 6;

/// Where a device says that it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The device.
    pub device: DeviceId,
    /// Whether it is a meeting point, such as a hub: sought first.
    pub meeting_point: bool,
    /// Its addresses, the likeliest first.
    pub addresses: Vec<PeerAddress>,
}

#[derive(Debug)]
struct Known {
    whereabouts: Whereabouts,
    /// Attempts at it so far; an address each, in turn.
    attempts: u64,
}

/// All that was learned.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    known: Mutex<BTreeMap<DeviceId, Known>>,
    news: Notify,
}

impl Learned {
    fn known(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of where a device is; what was known of it before is void.
    pub(crate) fn learn(&self, whereabouts: Whereabouts) {
        let mut known = self.known();
        if whereabouts.addresses.is_empty() {
            known.remove(&whereabouts.device);
        } else if known.get(&whereabouts.device).is_none_or(|known| known.whereabouts != whereabouts) {
            known.insert(whereabouts.device, Known { whereabouts, attempts: 0 });
            self.news.notify_one();
        }
    }

    /// The address to try next: of those not in reach the one least often tried, meeting points first.
    fn next(&self, links: usize, is_heard: impl Fn(DeviceId) -> bool) -> Option<PeerAddress> {
        let mut known = self.known();
        let wanted = known.values_mut().filter(|known| {
            (links < LINKS_ENOUGH || known.whereabouts.meeting_point) && !is_heard(known.whereabouts.device)
        });
        let next = wanted.min_by_key(|known| (known.attempts, !known.whereabouts.meeting_point))?;
        let place = next.attempts as usize % next.whereabouts.addresses.len();
        next.attempts += 1;
        next.whereabouts.addresses.get(place).cloned()
    }
}

/// Seeks learned peers for as long as the endpoint is open.
pub(crate) async fn seek(transport: Transport) {
    let events = transport.events();
    loop {
        let links = transport.heard_devices();
        let wait = if links == 0 { ALONE_WAIT } else { IN_COMPANY_WAIT };
        // A place that was just learned is tried at once, if no other was tried a moment ago.
        tokio::time::sleep(jittered(ALONE_WAIT / 10)).await;
        tokio::select! {
            () = transport.learned().news.notified() => {}
            () = tokio::time::sleep(jittered(wait) * transport.thrift()) => {}
            () = events.closed() => return,
        }
        let next = transport.learned().next(links, |device| transport.is_me(device) || transport.hears(device));
        if let Some(address) = next {
            meet(&transport, &address).await;
        }
    }
}

async fn meet(transport: &Transport, address: &PeerAddress) {
    let begun = Instant::now();
    let attempt = async {
        let mut found = tokio::net::lookup_host(&address.host_port).await.map_err(|error| error.to_string())?;
        let target = found.next().ok_or("the name has no address")?;
        transport.dial(target, address.profile, Spending::Spare, None, false).await
    };
    match tokio::time::timeout(ANSWER_PATIENCE, attempt).await {
        Ok(Ok(connection)) => match transport.enter(connection, Some(begun)) {
            Ok(entered) => {
                tracing::info!(%address, device = %entered.device, "met a peer where the org said it would be");
                let (carrier, knobs) = (transport.clone(), transport.knobs(address.profile));
                tokio::spawn(async move { carrier.carry(entered, knobs).await });
            }
            Err(fault) => tracing::debug!(%address, ?fault, "whoever answers there is not the one sought"),
        },
        Ok(Err(fault)) => tracing::debug!(%address, fault, "nobody answers where a peer was said to be"),
        Err(_) => tracing::debug!(%address, "nobody answers in time where a peer was said to be"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whereabouts(number: u8, meeting_point: bool, addresses: &[&str]) -> Whereabouts {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        Whereabouts { device: DeviceId([number; 16]), meeting_point, addresses }
    }

    #[test]
    fn meeting_points_come_first_and_every_address_has_its_turn() {
        let learned = Learned::default();
        learned.learn(whereabouts(1, false, &["engine:1", "engine:2"]));
        learned.learn(whereabouts(2, true, &["hub:1"]));
        let next = |links| learned.next(links, |_| false).map(|address| address.host_port);
        let turns: Vec<String> = (0..4).filter_map(|_| next(0)).collect();
        assert_eq!(turns, ["hub:1", "engine:1", "hub:1", "engine:2"]);
        assert_eq!(next(LINKS_ENOUGH).as_deref(), Some("hub:1"), "in company only the meeting point is sought");
        assert_eq!(learned.next(0, |_| true), None, "who is heard is not dialled");
    }

    #[test]
    fn a_device_that_takes_its_addresses_back_is_not_dialled() {
        let learned = Learned::default();
        learned.learn(whereabouts(1, false, &["engine:1"]));
        learned.learn(whereabouts(1, false, &[]));
        assert_eq!(learned.next(0, |_| false), None);
    }
}
